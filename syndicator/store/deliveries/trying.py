"""A ledger row on its way to the wire: what a lane must know of it, and what stands against sending it now.

Serves walk B.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, case, delete, exists, false, select, union, update

from syndicator.model.audience import SubscriptionState, key_of
from syndicator.model.delivery import Channel, DeliveryState, OnUnknown, Priority, Try, ping_hub
from syndicator.model.item import ItemState
from syndicator.model.release import STOOD_FOR, ReleaseState
from syndicator.store import schema, suppressions
from syndicator.store.accreditations import holding
from syndicator.store.columns import Instant
from syndicator.store.deliveries.duties import NOTHING_LEFT
from syndicator.store.engine import Tx, among

d, dc, c, s, p, i, r, acc = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.contacts.c,
    schema.subscriptions.c,
    schema.partners.c,
    schema.items.c,
    schema.releases.c,
    schema.accreditations.c,
)
AMONG_KEYS = among(d.id, "keys")
told = schema.embargo_notices.c
OWN = tuple(
    d[name]
    for name in (
        "id subject channel lane recipient subscription_id item_id revision release_id version mailbox stop "
        "late_ok due attempts doubts lease_no leased_by created state priority"
    ).split()
)


def query(now: Any) -> Select[Any]:
    """Rows of the ledger with all that `as_try` and `why_not` ask of them; add what chooses them."""
    newer = schema.deliveries.alias("newer").c
    superseded = exists().where(
        newer.item_id == d.item_id, newer.recipient == d.recipient, newer.revision > d.revision
    )
    # A ping that failed while the next change was planned: that one's ping says it all.
    repinged = exists().where(
        d.channel == Channel.WEBSUB,
        newer.item_id.is_(None),
        newer.recipient == d.recipient,
        newer.id > d.id,
    )
    accredited = exists().where(acc.contact_id == d.contact_id, holding(now))
    # News of an embargo that was on the wire when something newer was told, and came back unsent.
    overtaken = exists().where(
        d.subject.like("notice/%"), told.release_id == d.release_id, told.number > d.version
    )
    # Of a digest that is tried again after a doubt: what was not on the wire yet was emptied as it was taken back.
    there = schema.items.alias("there").c
    held = exists().where(dc.delivery_id == d.id, there.id == dc.item_id, there.state == ItemState.LIVE)
    emptied = case((d.subject.like("digest/%"), ~held), else_=false())
    return (
        select(
            *OWN,
            c.address,
            c.domain,
            c.name,
            c.generation,
            c.press_generation,
            c.text_only,
            p.slug,
            p.on_unknown,
            suppressions.WHY.label("suppressed"),
            suppressions.ONLY_LEFT.label("only_left"),
            s.state.label("subscription"),
            i.state.label("item"),
            (i.revision > d.revision).label("outdated"),
            superseded.label("superseded"),
            repinged.label("repinged"),
            r.state.label("release"),
            r.embargo_until.label("embargo"),
            (r.version != d.version).label("reworded"),
            accredited.label("accredited"),
            overtaken.label("overtaken"),
            emptied.label("emptied"),
        )
        .outerjoin(schema.items, i.id == d.item_id)
        .outerjoin(schema.releases, r.id == d.release_id)
        .outerjoin(schema.contacts, c.id == d.contact_id)
        .outerjoin(schema.partners, p.id == d.partner_id)
        .outerjoin(schema.suppressions, suppressions.by_address(now))
        .outerjoin(suppressions.OF_DOMAIN, suppressions.by_domain(now))
        .outerjoin(schema.subscriptions, s.id == d.subscription_id)
    )


# Looked up in a dictionary, for an enumeration takes as long as all the rest of a row.
_CHANNELS, _PRIORITIES = {one.value: one for one in Channel}, {one.value: one for one in Priority}


def as_try(row: Any) -> Try:
    """What a lane needs to know of a row of `query`."""
    return Try(
        id=row.id,
        subject=row.subject,
        channel=_CHANNELS[row.channel],
        lane=row.lane,
        recipient=row.recipient,
        address=row.address or row.mailbox or row.slug or ping_hub(row.recipient),
        name=row.name or "",
        domain=row.domain or (row.mailbox or "").rpartition("@")[2].lower(),
        attempt=row.attempts if row.state == DeliveryState.SENDING else row.attempts + 1,
        lease_no=row.lease_no,
        item_id=row.item_id,
        revision=row.revision,
        release_id=row.release_id,
        version=row.version,
        under_embargo=row.embargo is not None and row.release != ReleaseState.RELEASED,
        subscription_id=row.subscription_id,
        planned=row.created,
        doubts=row.doubts,
        worker=row.leased_by,
        priority=_PRIORITIES[row.priority],
        on_unknown=OnUnknown(row.on_unknown) if row.on_unknown else None,
        generation=row.generation or 0,
        press_generation=row.press_generation or 0,
        text_only=bool(row.text_only),
    )


def why_not(row: Any) -> str | None:
    """Why a delivery must not go out although it was planned; suppression stands above everything."""
    if row.suppressed and not (row.only_left and _asked_for(row)):
        return f"suppressed: {row.suppressed}"
    if row.stop:
        return str(row.stop)
    # A kill is a service to whoever had the thing, also after they left (EM5); so is news of its embargo.
    warning = row.priority == Priority.KILL or row.subject.startswith("notice/")
    # Or is no more: who was on the list by mistake was taken off it while this was planned.
    gone = row.subscription is None and row.subscription_id is not None
    if (gone or row.subscription == SubscriptionState.ENDED) and not warning:
        return "the subscription has ended"
    if row.subject.startswith(("advance/", "sample/")):
        return _why_no_advance(row)
    # A try that was on the wire when its item was corrected or taken back, and came back unsent.
    if row.outdated and row.item != ItemState.LIVE:
        return f"the item was {row.item}"
    if row.superseded:
        return "a newer revision took its place"
    if row.repinged or row.overtaken:
        return "a newer change took its place"
    return NOTHING_LEFT if row.emptied else None


def barred_letters(tx: Tx, rows: Sequence[Any]) -> list[tuple[int, str]]:
    """Of rows of `query` the letters to bare mailboxes that must not go, each with why.

    What is a contact's says so itself; these are few, and asked about in a statement of their own.
    """
    bare = {
        row.id: (row.mailbox, _asked_for(row))
        for row in rows
        if row.mailbox and not row.stop and row.subject.startswith("letter/")
    }
    return list(suppressions.barred_now(tx, bare).items()) if bare else []


def _asked_for(row: Any) -> bool:
    """Whether they asked for it themselves just now: a confirmation, or a letter about their own affairs (LM10)."""
    own = row.subject.startswith(("confirmation/", "letter/"))
    return own and bool(row.priority == Priority.CONFIRMATION)


def _why_no_advance(row: Any) -> str | None:
    """Words under embargo are for who is accredited at this moment, and only as they stand (EM1, E4)."""
    if row.subject.startswith("sample/"):
        return "the release is cancelled" if row.release == ReleaseState.CANCELLED else None
    if not row.accredited:
        return "the recipient is not accredited (any more)"
    if row.release not in STOOD_FOR:
        return f"the release is {row.release or 'gone'}"
    return "the release was reworded" if row.reworded else None


def cancel(tx: Tx, stopped: Sequence[tuple[int, str]]) -> int:
    """Settle these as cancelled, each with its reason; returns how many."""
    reasons: dict[str, list[int]] = {}
    for delivery_id, why in stopped:
        reasons.setdefault(why, []).append(delivery_id)
    for why, keys in reasons.items():
        values = {"state": DeliveryState.CANCELLED, "detail": why, "settled": tx.now, "due": None}
        tx.connection.execute(update(schema.deliveries).where(d.id.in_(keys)).values(**values))
        forget(tx, keys)
    return len(stopped)


def forget(tx: Tx, keys: Sequence[int]) -> None:
    """What was never sent was never had: they stay entitled, should the reason go away."""
    if keys:
        untouched = select(d.id).where(d.id.in_(keys), d.doubts == 0)
        tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(untouched)))


# Built once: what stands here is asked for with every claim, and building it costs more than asking.
_CLAIMED = query(bindparam("instant", type_=Instant())).where(AMONG_KEYS).order_by(d.priority, d.due, d.id)
# In the order everybody locks them in, by key: an UPDATE alone has none on PostgreSQL.
_OURS = (
    select(d.id, d.lease_no, d.state, d.sending, d.stop).where(AMONG_KEYS).order_by(d.id).with_for_update()
)
_named = schema.contacts.alias("named").c
_RECIPIENTS = (
    select(c.id)
    .where(
        c.id.in_(
            union(
                select(d.contact_id).where(AMONG_KEYS),
                # Who has a bare address that a letter went to: it may be given up as well.
                select(_named.id).where(_named.key.in_(bindparam("addresses", expanding=True))),
            )
        )
    )
    .order_by(c.id)
    .with_for_update(key_share=True)
)
# Rows of a lane are asked for all they hold; a name costs a tuple of names a tenth of what it costs SQLAlchemy's.
# The names are those of the query, so there is one list of them; types cannot follow, and a NamedTuple would be a second.
_Claimed = namedtuple("_Claimed", _CLAIMED.selected_columns.keys())  # type: ignore[misc]  # noqa: PYI024
_Locked = namedtuple("_Locked", _OURS.selected_columns.keys())  # type: ignore[misc]  # noqa: PYI024


def claimed(tx: Tx, keys: Sequence[int]) -> list[Any]:
    """These rows of `query`, in the order in which they go out."""
    rows = tx.connection.execute(_CLAIMED, {"keys": keys, "instant": tx.now}).all()
    return [_Claimed._make(row) for row in rows]


def hold_recipients(tx: Tx, tries: Iterable[Try]) -> None:
    """Let nobody else change whom these tries went to: before their own rows, the order everybody locks them in."""
    if tx.on_sqlite:
        return
    whose = {attempt.id: key_of(attempt.address) for attempt in tries}
    if whose:
        values = {"keys": list(whose), "addresses": sorted(set(whose.values()))}
        tx.connection.execute(_RECIPIENTS, values).all()


def locked(tx: Tx, tries: Iterable[Try]) -> dict[int, Any]:
    """Lock the rows of these tries, all in one go and in order, and return them by key."""
    keys = [attempt.id for attempt in tries]
    if not keys:
        return {}
    found = tx.connection.execute(_OURS, {"keys": keys}).all()
    return {row[0]: _Locked._make(row) for row in found}


def ours(
    tx: Tx, tries: Sequence[Try], *states: DeliveryState, held: Mapping[int, Any] | None = None
) -> dict[int, Any]:
    """Of these rows those, by key, that are still ours: taken by these very claims, in these states.

    `held` are rows that `locked` returned in this transaction, if the caller has locked more at once.
    """
    rows = locked(tx, tries) if held is None else held
    return {
        attempt.id: row
        for attempt in tries
        if (row := rows.get(attempt.id)) and row.lease_no == attempt.lease_no and row.state in states
    }
