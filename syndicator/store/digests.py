"""Digests as they are planned: windows that have closed become deliveries, a batch of contacts at a time (ADR 44).

A batch is one transaction: its duties, what they carry and the windows that open next become true together. What a
digest holds is said by `model.digest.selected`; here the database says the same of all contacts of a batch at once,
for a statement per person would take an hour. "Once" is the business of two constraints, as in `deliveries`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from syndicator.model.audience import Cadence, SubscriptionState
from syndicator.model.delivery import Channel, DeliveryState, Priority, Role
from syndicator.model.digest import digest_subject, earliest, last_close
from syndicator.model.item import ItemState
from syndicator.store import columns, schema, segments
from syndicator.store.deliveries.duties import COLUMNS, IS_OWED, MAIL_LANE, insert_planned
from syndicator.store.deliveries.owed import reachable
from syndicator.store.engine import Tx, among, insert_or_skip, worked_out
from syndicator.store.partners import ensure_lane
from syndicator.store.suppressions import barring
from syndicator.store.windows import CLOCK, clock_of

d, dc, w, c, s, p, i, r = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.windows.c,
    schema.contacts.c,
    schema.subscriptions.c,
    schema.pushes.c,
    schema.items.c,
    schema.revisions.c,
)
WHO = schema.contacts.alias("who")
KEYS = "keys"
AMONG = among(w.contact_id, KEYS)
SLOTS = 60  # places over which digests of one hour are spread; each contact keeps theirs
SCATTER = 7919  # a prime, so that contacts added one after another stand apart


@dataclass(frozen=True, slots=True)
class Batch:
    """What was done of one batch: windows that closed, and digests that were planned for them."""

    windows: int
    digests: int


@dataclass(frozen=True, slots=True)
class _Run:
    """Windows that close, and open anew, at the same instants: what one set of statements plans."""

    cadence: Cadence
    closes: datetime
    following: datetime
    missed: bool


def plan(tx: Tx, settle: timedelta, spread: timedelta, most: int) -> Batch:
    """Plan the digests of up to `most` windows that closed `settle` ago or earlier, the earliest first.

    Nobody else plans these meanwhile: who comes beside us takes others. `spread` moves when a digest is due,
    never what it holds (mail:DG11).
    """
    horizon = tx.now - settle
    runs = _runs(_claimed(tx, horizon, most), horizon)
    planned = 0
    for run, rows in runs.items():
        keys = sorted(row.contact_id for row in rows)
        since = min(earliest(run.cadence, row.opened, run.closes, missed=run.missed) for row in rows)
        targeted = _held(tx, since, run.closes)
        if targeted is not None:
            planned += _plan(tx, run, keys, since, targeted, spread)
        _advance(tx, run, keys)
    return Batch(sum(map(len, runs.values())), planned)


def _claimed(tx: Tx, horizon: datetime, most: int) -> Sequence[Any]:
    """Windows whose time has come, ours until the end of the transaction."""
    first = select(w.contact_id, w.cadence, w.opened, w.closes, *CLOCK)
    first = first.join(schema.contacts, c.id == w.contact_id).where(w.closes <= horizon)
    first = first.order_by(w.closes, w.contact_id, w.cadence).limit(most)
    # With their contacts: two windows of one person are never planned side by side, or both would hold an item.
    ours = first.with_for_update(of=(schema.windows, schema.contacts), key_share=True, skip_locked=True)
    return tx.connection.execute(ours).all()


def _runs(rows: Sequence[Any], horizon: datetime) -> dict[_Run, list[Any]]:
    found: dict[_Run, list[Any]] = defaultdict(list)
    for row in rows:
        cadence = Cadence(row.cadence)
        closes, following = last_close(cadence, clock_of(cadence, row), row.zone, row.closes, horizon)
        found[_Run(cadence, closes, following, closes != row.closes)].append(row)
    return found


def _held(tx: Tx, since: datetime, until: datetime) -> dict[tuple[str, ...], list[int]] | None:
    """Hold the items pushed meanwhile; of those for certain segments alone: segments → keys. None: there are none.

    Whoever corrects or takes back one of them goes before us, and we plan what they left, or after us, and finds
    what we planned.
    """
    pushed = select(p.item_id).where(p.at >= since, p.at < until)
    live = select(i.id).where(i.id.in_(pushed), i.state == ItemState.LIVE).order_by(i.id)
    keys = list(tx.connection.execute(live.with_for_update(read=True)).scalars())
    audience = r.content["audience"]
    words = select(i.id, audience.label("audience")).join(
        schema.revisions, (r.item_id == i.id) & (r.number == i.revision)
    )
    targeted: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row in tx.connection.execute(words.where(among(i.id, KEYS)), {KEYS: keys}):
        if row.audience:
            targeted[tuple(row.audience)].append(row.id)
    return targeted if keys else None


def _plan(
    tx: Tx,
    run: _Run,
    keys: Sequence[int],
    since: datetime,
    targeted: dict[tuple[str, ...], list[int]],
    spread: timedelta,
) -> int:
    """Owe each of these contacts one mail with what their window holds, and nothing where it holds nothing."""
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    subject = digest_subject(run.cadence, run.closes)
    wants, pushed = _wants(tx, run), _pushed(tx, since, run.closes)
    whose = wants.c.contact_id
    recipient = literal("contact/") + cast(whose, Text)
    held = and_(
        *_held_by(run, wants.c, pushed.c), *(_for_them(tx, whose, pushed.c, *one) for one in targeted.items())
    )
    had = exists().where(dc.item_id == pushed.c.item_id, dc.recipient == recipient, IS_OWED)
    duties = _duties(tx, subject, wants.c, recipient, spread).join(pushed, held).where(~had)
    added = insert_planned(tx, duties.group_by(whose), bound={KEYS: keys})
    if added:
        mine = (
            d.subject == subject,
            d.recipient == recipient,
            d.state == DeliveryState.DUE,
            d.created == tx.now,
        )
        carried = (
            select(d.id, pushed.c.item_id, pushed.c.revision, d.recipient, literal(Role.OWED.value))
            .select_from(wants)
            .join(pushed, held)
            .join(schema.deliveries, and_(*mine))
            .where(literal(True))  # SQLite wants one before the conflict clause
        )
        names = ["delivery_id", "item_id", "revision", "recipient", "role"]
        # What they had, and what comes under several topics, is what the constraints skip.
        add = insert_or_skip(tx, schema.delivery_contents).from_select(names, carried)
        tx.connection.execute(add, {KEYS: keys})
    return added


def _wants(tx: Tx, run: _Run) -> FromClause:
    """What these contacts subscribe to that counts for their window, if they may be mailed; worked out once.

    Left to itself, PostgreSQL would ask for each push and each contact whether the contact may be mailed.
    """
    query = (
        select(
            w.contact_id,
            w.opened,
            s.id.label("sub"),
            s.topic_id,
            func.coalesce(s.since, s.created).label("since"),
            WHO.c.paused_until,
        )
        .join(WHO, WHO.c.id == w.contact_id)
        .join(schema.subscriptions, s.contact_id == w.contact_id)
        .where(AMONG, w.cadence == run.cadence, s.state == SubscriptionState.ACTIVE)
        .where(s.cadence.in_((run.cadence, Cadence.IMMEDIATE)))
        .where(reachable(WHO.c, tx.now), ~barring(WHO.c, tx.now))
    )
    return worked_out(tx, query, "wants")


def _pushed(tx: Tx, since: datetime, until: datetime) -> FromClause:
    """The live items that were pushed meanwhile, and to what."""
    query = (
        select(p.item_id, p.topic_id, p.at, i.revision)
        .join(schema.items, i.id == p.item_id)
        .where(p.at >= since, p.at < until, i.state == ItemState.LIVE)
    )
    return worked_out(tx, query, "pushed")


def _held_by(run: _Run, wants: Any, pushed: Any) -> tuple[ColumnElement[bool], ...]:
    """Whether a push is in the window: `model.digest.selected`, said to the database."""
    oldest = literal(earliest(run.cadence, run.closes, run.closes, missed=True), columns.Instant())
    return (
        pushed.topic_id == wants.topic_id,
        pushed.at >= wants.since,
        pushed.at >= oldest if run.missed else or_(pushed.at >= oldest, pushed.at >= wants.opened),
        or_(wants.paused_until.is_(None), pushed.at >= wants.paused_until),
    )


def _for_them(
    tx: Tx, whose: Any, pushed: Any, audience: tuple[str, ...], keys: list[int]
) -> ColumnElement[bool]:
    """These items are for members of these segments alone."""
    return or_(pushed.item_id.not_in(keys), segments.members(tx, audience, whose))


def _duties(tx: Tx, subject: str, wants: Any, recipient: Any, spread: timedelta) -> Select[Any]:
    """A ledger row for each contact, under the first of the subscriptions it is made for."""
    instant, nobody = columns.Instant(), cast(null(), columns.Id)
    values: dict[str, Any] = {
        "subject": literal(subject),
        "recipient": recipient,
        "contact_id": wants.contact_id,
        "partner_id": nobody,
        "subscription_id": func.min(wants.sub),
        "item_id": nobody,
        "revision": nobody,
        "channel": literal(Channel.MAIL.value),
        "lane": literal(MAIL_LANE),
        "priority": literal(int(Priority.DIGEST)),
        "state": literal(DeliveryState.DUE.value),
        "due": _due(tx.now, wants.contact_id, spread),
        **{name: literal(0) for name in ("lease_no", "attempts", "doubts")},
        "created": literal(tx.now, instant),
    }
    return select(*(values[name] for name in COLUMNS))


def _due(now: datetime, whose: Any, spread: timedelta) -> ColumnElement[Any]:
    """When a digest is to go out: at this contact's place in the spread."""
    instant = columns.Instant()
    if not spread:
        return literal(now, instant)
    places = {place: literal(now + spread * place / SLOTS, instant) for place in range(SLOTS)}
    return case(places, value=whose * SCATTER % SLOTS)


def _advance(tx: Tx, run: _Run, keys: Sequence[int]) -> None:
    """Open the windows that follow; those nobody asks for any more have served what had waited."""
    mine = and_(AMONG, w.cadence == run.cadence)
    asked = exists().where(
        s.contact_id == w.contact_id,
        s.cadence == run.cadence,
        s.state == SubscriptionState.ACTIVE,
    )
    tx.connection.execute(delete(schema.windows).where(mine, ~asked), {KEYS: keys})
    opened = update(schema.windows).where(mine).values(opened=run.closes, closes=run.following)
    tx.connection.execute(opened, {KEYS: keys})
