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
    true,
    update,
)
from sqlalchemy import (
    Sequence as Counter,
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
CARRIED = ["delivery_id", "item_id", "revision", "recipient", "role"]
NEXT_KEY = Counter("deliveries_id_seq").next_value()
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
    alike: dict[tuple[object, ...], list[Any]] = defaultdict(list)
    for row in rows:  # most of a batch have one clock, and what it says is worked out once
        alike[row.cadence, row.closes, row.zone, row.hour, row.weekday, row.monthday, row.nth].append(row)
    found: dict[_Run, list[Any]] = defaultdict(list)
    for some in alike.values():
        row, cadence = some[0], Cadence(some[0].cadence)
        closes, following = last_close(cadence, clock_of(cadence, row), row.zone, row.closes, horizon)
        found[_Run(cadence, closes, following, closes != row.closes)] += some
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
    held = and_(
        *_held_by(run, wants.c, pushed.c), *(_for_them(tx, whose, pushed.c, *one) for one in targeted.items())
    )
    had = select(dc.delivery_id).where(
        dc.item_id == pushed.c.item_id, dc.recipient == _recipient(whose), IS_OWED
    )
    # Asked by the index: PostgreSQL could think it cheaper to read all that the ledger carries, for every batch.
    new = had.limit(1).scalar_subquery().is_(None)
    who = select(whose, func.min(wants.c.sub).label("sub"), func.min(wants.c.domain).label("domain"))
    who = who.select_from(wants).join(pushed, held).where(new).group_by(whose)
    if not tx.on_sqlite:
        return _add_at_once(tx, subject, who.add_columns(*_as_arrays(pushed)), keys, spread)
    one = who.subquery("one").c
    rows = _duties(tx, subject, one, spread).where(literal(True))  # SQLite wants one before ON CONFLICT
    added = insert_planned(tx, rows, domain=one.domain, bound={KEYS: keys})
    if added:
        mine = and_(d.subject == subject, d.recipient == _recipient(whose), d.state == DeliveryState.DUE)
        carried = select(d.id, pushed.c.item_id, pushed.c.revision, d.recipient, literal(Role.OWED.value))
        carried = carried.select_from(wants).join(pushed, held)
        carried = carried.join(schema.deliveries, mine & (d.created == tx.now)).where(literal(True))
        # What they had, and what comes under several topics, is what the constraints skip.
        add = insert_or_skip(tx, schema.delivery_contents).from_select(CARRIED, carried)
        tx.connection.execute(add, {KEYS: keys})
    return added


def _as_arrays(pushed: FromClause) -> list[ColumnElement[Any]]:
    return [func.array_agg(pushed.c[name]).label(f"{name}s") for name in ("item_id", "revision")]


def _add_at_once(tx: Tx, subject: str, who: Select[Any], keys: Sequence[int], spread: timedelta) -> int:
    """Write duties and what they carry in one statement, with keys drawn beforehand: PostgreSQL.

    So what is held is worked out once, and nothing need be joined to duties whose number the planner cannot know.
    """
    one = worked_out(tx, who.add_columns(NEXT_KEY.label("key")), "one").c
    rows = _duties(tx, subject, one, spread).add_columns(one.domain, one.key)
    duties = insert_or_skip(tx, schema.deliveries).from_select([*COLUMNS, "domain", "id"], rows)
    added = duties.returning(d.id).cte("added")
    contents = [func.unnest(one.item_ids), func.unnest(one.revisions), _recipient(one.contact_id)]
    # IS TRUE keeps it a look-up: a join it would make by its guess of how many there are.
    there = one.key.in_(select(added.c.id)).is_(true())
    carried = select(one.key, *contents, literal(Role.OWED.value)).where(there)
    add = insert_or_skip(tx, schema.delivery_contents).from_select(CARRIED, carried)
    count = select(func.count()).select_from(added).add_cte(add.cte("carried"))
    return int(tx.connection.execute(count, {KEYS: keys}).scalar_one())


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
            WHO.c.domain,
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


def _recipient(contact_id: Any) -> ColumnElement[str]:
    return literal("contact/") + cast(contact_id, Text)


def _duties(tx: Tx, subject: str, one: Any, spread: timedelta) -> Select[Any]:
    """A ledger row for each of these contacts, under the first of the subscriptions it is made for."""
    instant, nobody = columns.Instant(), cast(null(), columns.Id)
    values: dict[str, Any] = {
        "subject": literal(subject),
        "recipient": _recipient(one.contact_id),
        "contact_id": one.contact_id,
        "partner_id": nobody,
        "subscription_id": one.sub,
        "item_id": nobody,
        "revision": nobody,
        "channel": literal(Channel.MAIL.value),
        "lane": literal(MAIL_LANE),
        "priority": literal(int(Priority.DIGEST)),
        "state": literal(DeliveryState.DUE.value),
        "due": _due(tx.now, one.contact_id, spread),
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
