"""Segments: whom a release's mail is for, as saved rules that are asked anew each time.

`members` is the rule as SQL, for whoever plans, shows or counts; `model.segment.Rule.matches` is the same of one
person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, exists, false, func, or_, select, true, update

from syndicator.errors import Conflict, NotFound, Refused
from syndicator.model.audience import Contact, Standing, SubscriptionState
from syndicator.model.release import OPEN_RELEASES
from syndicator.model.segment import Rule, Segment, meant, rule_from
from syndicator.store import accreditations, audience, names, schema, suppressions, topics
from syndicator.store.engine import Tx, insert_or_skip

g, c, k, s, a, r = (
    schema.segments.c,
    schema.contacts.c,
    schema.contact_tags.c,
    schema.subscriptions.c,
    schema.accreditations.c,
    schema.releases.c,
)


def members(tx: Tx, slugs: Collection[str], contact_id: Any) -> ColumnElement[bool]:
    """As SQL, of a contact's key in a query: they are in one of these segments.

    No slugs: everybody, for a release that names no audience is for all. A slug there is no segment for: nobody.
    """
    if not slugs:
        return true()
    kept = select(schema.segments).where(g.slug.in_(sorted(set(slugs))))
    rules = [rule_from(row.rule) for row in tx.connection.execute(kept)]
    if not rules:
        return false()
    inside = or_(*(_meets(tx, rule) for rule in rules))
    found: ColumnElement[bool] = contact_id.in_(select(c.id).where(inside, c.standing != Standing.ERASED))
    return found


def condition(tx: Tx, slugs: Collection[str]) -> ColumnElement[bool]:
    """The same of a row of contacts, for `audience.contacts`."""
    return members(tx, slugs, c.id)


def meeting(tx: Tx, rule: Rule) -> ColumnElement[bool]:
    """As SQL, of a row of contacts: they meet a rule that is not saved, and are not erased."""
    return _meets(tx, rule) & (c.standing != Standing.ERASED)


def add(tx: Tx, slug: str, title: str, rule: Rule) -> Segment:
    """Save a rule; raises Conflict if the name is taken, NotFound for a topic there is not."""
    topics.ids(tx, rule.topics)
    values = {"slug": slug, "title": title, "rule": rule.as_json(), "created": tx.now}
    if not tx.connection.execute(insert_or_skip(tx, schema.segments).values(**values)).rowcount:
        raise Conflict(
            f'the segment "{slug}" exists already; `syndicator contact segment edit {slug}` changes it'
        )
    return named(tx, slug)


def edit(tx: Tx, slug: str, title: str, rule: Rule) -> Segment:
    """Write another title and rule; whoever is planned already stays so. Raises NotFound."""
    named(tx, slug)
    topics.ids(tx, rule.topics)
    values = {"title": title, "rule": rule.as_json()}
    tx.connection.execute(update(schema.segments).where(g.slug == slug).values(**values))
    return named(tx, slug)


def remove(tx: Tx, slug: str) -> None:
    """Forget a rule; raises NotFound, and Refused while a release that is not out names it."""
    named(tx, slug)
    ahead = select(r.uid, r.content).where(r.state.in_(OPEN_RELEASES))
    for row in tx.connection.execute(ahead):
        if slug in (row.content or {}).get("audience", ()):
            raise Refused(f"the release {row.uid} is for the segment {slug}: change its audience first")
    tx.connection.execute(delete(schema.segments).where(g.slug == slug))


def named(tx: Tx, slug: str) -> Segment:
    """The segment with this name; raises NotFound, with the name that may be meant."""
    row = tx.connection.execute(select(schema.segments).where(g.slug == slug)).first()
    if row is None:
        known = list(tx.connection.execute(select(g.slug)).scalars())
        raise NotFound(f'there is no segment "{slug}"{meant(slug, known)}')
    return _segment(row)


def check(tx: Tx, slugs: Collection[str]) -> None:
    """Raise NotFound, with the name that may be meant, unless there is a segment for every slug."""
    for slug in slugs:
        named(tx, slug)


def listing(tx: Tx) -> list[Segment]:
    """All of them, by name."""
    return [_segment(row) for row in tx.connection.execute(select(schema.segments).order_by(g.slug))]


def count(tx: Tx, slug: str) -> int:
    """How many are in it now, suppressed ones among them."""
    query = select(func.count()).select_from(schema.contacts).where(members(tx, (slug,), c.id))
    return tx.connection.execute(query).scalar_one()


def first(tx: Tx, slug: str, limit: int) -> Iterator[Contact]:
    """Some who are in it now, in the order they came."""
    query = select(c.id).where(members(tx, (slug,), c.id)).order_by(c.id).limit(limit)
    for key in tx.connection.execute(query).scalars().all():
        yield audience.contact_by_id(tx, key)


def _meets(tx: Tx, rule: Rule) -> ColumnElement[bool]:
    """Of a row of contacts: each condition that says anything."""
    meets: list[ColumnElement[bool]] = [_tagged([one]) for one in rule.all]
    if rule.any:
        meets.append(_tagged(rule.any))
    if rule.none:
        meets.append(~_tagged(rule.none))
    if rule.outlets:
        meets.append(c.outlet.in_(rule.outlets))
    if rule.countries:
        meets.append(c.country.in_(rule.countries))
    if rule.languages:
        meets.append(or_(*map(_speaks, rule.languages)))
    if rule.topics:
        meets.append(c.id.in_(_subscribed(tx, rule.topics)))
    if rule.accredited:
        holds = select(a.contact_id).where(accreditations.holding(tx.now))
        meets.append(c.id.in_(holds) & ~suppressions.silenced(c.id, tx.now))
    return and_(true(), *meets)


def _tagged(tags: Collection[str]) -> ColumnElement[bool]:
    return exists().where(k.contact_id == c.id, k.tag.in_(list(tags))).correlate(schema.contacts)


def _speaks(language: str) -> ColumnElement[bool]:
    own, wanted = func.lower(c.language), language.lower()
    return or_(own == wanted, own.startswith(f"{wanted}-", autoescape=True))


def _subscribed(tx: Tx, slugs: Collection[str]) -> Any:
    keys = topics.readable(tx)
    found = [keys[slug] for slug in names.present(tx, tuple(slugs)) if slug in keys]
    return select(s.contact_id).where(s.topic_id.in_(found), s.state == SubscriptionState.ACTIVE)


def _segment(row: Row[Any]) -> Segment:
    return Segment(slug=row.slug, title=row.title, rule=rule_from(row.rule), created=row.created)
