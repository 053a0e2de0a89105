"""What the rows say of one person and one item: the case that `model.why` puts into a sentence; and all they ever got."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, or_, select

from syndicator.errors import NotFound
from syndicator.model.audience import Cadence, Contact
from syndicator.model.bounce import Kind
from syndicator.model.delivery import DeliveryState, Role
from syndicator.model.outcomes import Cause
from syndicator.model.why import Case, Duty, Form, Wanted
from syndicator.store import audience, evidence, items, releases, schema, segments, topics, windows
from syndicator.store.engine import Tx

d, dc, a, s, t, p, b, c = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.attempts.c,
    schema.subscriptions.c,
    schema.topics.c,
    schema.pushes.c,
    schema.bounces.c,
    schema.contacts.c,
)
BOUNCED = (Kind.HARD, Kind.SOFT, Kind.POLICY)
HERE = ("revision", "advance", "digest")  # how the subjects begin that carry an item


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One thing in a person's history: a letter, a subscription that began or ended, a piece of evidence."""

    at: datetime
    what: str
    about: str
    outcome: str = ""
    detail: str = ""


def case(tx: Tx, contact: Contact, uid: str) -> Case:
    """What is known of this contact and the item, or the release that is to be one; raises NotFound."""
    item, release = items.find(tx, uid), releases.find(tx, uid)
    if item is None and release is None:
        raise NotFound(f"there is no item or release {uid}; `syndicator item list` shows them all")
    content = item.content if item else release.content if release else None
    assert content is not None
    keys = topics.ever_of_item(tx, item.id) if item else set(topics.ids(tx, content.topics).values())
    inside = select(c.id).where(c.id == contact.id, segments.members(tx, content.audience, c.id))
    return Case(
        item=item.state if item else None,
        topics=content.topics,
        pushed=_pushed(tx, item.id) if item else {},
        published=item.published if item else None,
        duties=tuple(_duties(tx, contact.id, item.id if item else None, release.id if release else None)),
        wanted=tuple(_wanted(tx, contact.id, keys)),
        closes=windows.of(tx, contact.id),
        standing=contact.standing,
        suppressed=contact.suppressed,
        paused=contact.paused_until,
        outside=tx.connection.execute(inside).first() is None,
    )


def history(tx: Tx, contact: Contact) -> list[Happened]:
    """Everything a contact got or was owed, and all that changed about them, newest first."""
    found = [*_letters(tx, contact.id), *_changes(tx, contact.id)]
    for one in evidence.of_contact(tx, contact.id):
        words = {name: value for name, value in one.detail.items() if name not in ("before", "after")}
        if "values" in words:  # they name their fields
            words["fields"] = [name for name in words.get("fields", []) if name not in words["values"]]
        detail = ", ".join(f"{name}: {_plain(value)}" for name, value in words.items() if value)
        about = one.source or one.form or ""
        found.append(Happened(at=one.at, what=one.act, about=about, outcome=one.person or "", detail=detail))
    return sorted(found, key=lambda one: one.at, reverse=True)


def _duties(tx: Tx, contact_id: int, item_id: int | None, release_id: int | None) -> Iterator[Duty]:
    about: list[ColumnElement[bool]] = []
    if item_id is not None:
        carried = exists().where(dc.delivery_id == d.id, dc.item_id == item_id)
        about = [d.item_id == item_id, carried]
    if release_id is not None:
        about.append(and_(d.release_id == release_id, d.subject.startswith("advance/")))
    query = (
        select(schema.deliveries, t.slug.label("topic"), s.cadence)
        .outerjoin(schema.subscriptions, s.id == d.subscription_id)
        .outerjoin(schema.topics, t.id == s.topic_id)
        .where(d.recipient == f"contact/{contact_id}", or_(*about))
        .order_by(d.id)
    )
    for row in tx.connection.execute(query).all():
        if row.subject.startswith(HERE):
            yield _duty(tx, row, item_id)


def _duty(tx: Tx, row: Row[Any], item_id: int | None) -> Duty:
    tried = tx.connection.execute(
        select(a.code, a.cause, a.detail).where(a.delivery_id == row.id).order_by(a.id.desc()).limit(1)
    ).first()
    back = tx.connection.execute(
        select(b.kind, b.code, b.detail).where(b.delivery_id == row.id).order_by(b.id.desc()).limit(1)
    ).first()
    told = select(dc.role).where(dc.delivery_id == row.id, dc.item_id == item_id)
    role = tx.connection.execute(told).scalar()
    open_ = row.state in (DeliveryState.DUE, DeliveryState.UNKNOWN)
    return Duty(
        form=_form(row.subject, role),
        state=DeliveryState(row.state),
        at=row.due if open_ else row.settled,
        topic=row.topic or "",
        cadence=Cadence(row.cadence) if row.cadence else None,
        attempts=row.attempts,
        detail=row.detail or (tried.detail if tried else "") or "no reason was written down",
        code=tried.code if tried else None,
        cause=Cause(tried.cause) if tried and tried.cause else None,
        returned=f"{back.kind}{f' ({back.code})' if back.code else ''}"
        if back and back.kind in BOUNCED
        else "",
        held=row.stop or "",
    )


def _form(subject: str, role: str | None) -> Form:
    if subject.startswith("advance/"):
        return Form.ADVANCE
    if subject.startswith("digest/"):
        return Form.DIGEST
    if role == Role.SHOWN:
        return Form.ISSUE
    return Form.MAIL if role in (None, Role.OWED) else Form.CORRECTION


def _wanted(tx: Tx, contact_id: int, topic_ids: set[int]) -> Iterator[Wanted]:
    for one in audience.subscriptions(tx, contact_id):
        if topics.readable(tx).get(one.topic) in topic_ids:
            yield Wanted(
                topic=one.topic,
                cadence=one.cadence,
                state=one.state,
                since=one.since,
                ended=one.ended,
                reason=one.reason or "no reason given",
            )


def _pushed(tx: Tx, item_id: int) -> dict[str, datetime]:
    query = select(t.slug, p.at).join(schema.topics, t.id == p.topic_id).where(p.item_id == item_id)
    return {row.slug: row.at for row in tx.connection.execute(query.order_by(p.at, t.slug))}


def _letters(tx: Tx, contact_id: int) -> Iterator[Happened]:
    query = select(schema.deliveries).where(d.recipient == f"contact/{contact_id}")
    le, v = schema.letters.c, schema.revisions.c
    sorts = {
        f"letter/{row.id}": row.sort
        for row in tx.connection.execute(select(le.id, le.sort).where(le.contact_id == contact_id))
    }
    carried = select(dc.delivery_id, v.content).join(
        schema.revisions, and_(v.item_id == dc.item_id, v.number == dc.revision)
    )
    titles: dict[int, list[str]] = {}
    whose = (dc.recipient == f"contact/{contact_id}") & (dc.role != Role.SHOWN)
    for row in tx.connection.execute(carried.where(whose).order_by(dc.delivery_id)):
        titles.setdefault(row.delivery_id, []).append(str((row.content or {}).get("title", "")))
    for row in tx.connection.execute(query):
        about = ", ".join(titles.get(row.id, ())) or sorts.get(row.subject, "")
        held = "held" if row.stop else "held: late"
        outcome = row.state if row.state != DeliveryState.DUE or row.due else held
        when = row.settled or row.created
        detail = row.detail or ""
        yield Happened(at=when, what=row.subject, about=about, outcome=outcome, detail=detail)


def _changes(tx: Tx, contact_id: int) -> Iterator[Happened]:
    for one in audience.subscriptions(tx, contact_id):
        began = "subscribed" if one.consent else "asked to subscribe"
        yield Happened(
            at=one.created, what=began, about=f"{one.topic}, {one.cadence}", detail=one.consent or ""
        )
        if one.ended:
            about = f"{one.topic}, {one.cadence}"
            yield Happened(at=one.ended, what="subscription ended", about=about, detail=one.reason or "")


def _plain(value: Any) -> str:
    if isinstance(value, dict):  # each field with what it was and what it is
        return ", ".join(f"{name} {' → '.join(map(_plain, pair))}" for name, pair in value.items())
    if isinstance(value, bool) or value is None:
        return "yes" if value else "no" if value is False else "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
