"""What came back, one row for each event, and what follows from it in the same transaction (mail:LM11 to LM15).

A row is unique by its event, so that what is told twice counts once. A dead address and a complaint suppress the
address, end its subscriptions and its accreditation. How an address stands is decided in `model.bounce`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Text, cast, delete, func, literal, or_, select, update

from syndicator.model.audience import Address, SubscriptionState
from syndicator.model.audience import address as mail_address
from syndicator.model.bounce import SCORING, SURE, Kind, Score, Strike, counting, kind_of_cause, score
from syndicator.model.consent import Act
from syndicator.model.delivery import Channel, DeliveryState, Result, Try
from syndicator.model.letters import letter_subject
from syndicator.model.outcomes import OF_THE_RELAY
from syndicator.model.replies import enhanced_of
from syndicator.model.suppression import LASTING, LEAST_DEAD, Reason
from syndicator.observe import masked
from syndicator.store import evidence, schema, stops, suppressions
from syndicator.store.engine import Tx, insert_or_skip

b, c, d, s, a, le, m = (
    schema.bounces.c,
    schema.contacts.c,
    schema.deliveries.c,
    schema.subscriptions.c,
    schema.accreditations.c,
    schema.letters.c,
    schema.mailboxes.c,
)
DEAD, COMPLAINT = "dead address", "complaint"
SMTP = "smtp"
LONGEST_DETAIL = 500
MOST_TRIES = 500  # of a contact's latest letters, among which one is looked for
OVER = (DeliveryState.REFUSED, DeliveryState.EXPIRED)
_ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"'@]+@[\w.-]+", re.ASCII)
_CODE = re.compile(r"^[245]\d\d[ -]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that came back: `key` makes a replay the same, `code` is of RFC 3463, `detail` a server's words."""

    key: str
    source: str
    kind: Kind
    detail: str = ""
    code: str = ""
    contact_id: int | None = None
    delivery_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A row, as histories and exports show it; addresses in `detail` are masked."""

    id: int
    at: datetime
    source: str
    kind: Kind
    code: str | None
    detail: str
    delivery_id: int | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter in the ledger that something came back about."""

    delivery_id: int
    contact_id: int | None
    subject: str
    recipient: str
    mailbox: str | None


@dataclass(frozen=True, slots=True)
class Rate:
    """How many letters were taken in a time, and how many of them were complained of."""

    accepted: int
    complaints: int

    @property
    def share(self) -> float:
        """Complaints of what was taken, between 0 and 1; 0 where nothing was."""
        return self.complaints / self.accepted if self.accepted else 0.0


def record(tx: Tx, event: Event, *, stop: bool = True) -> bool:
    """Write an event down and draw what follows from it; False if it was known. `stop`: as `suppressions.suppress`."""
    if event.contact_id is not None and not tx.on_sqlite:
        # Two events about one contact count together only if one sees the other.
        whose = select(c.id).where(c.id == event.contact_id).with_for_update(key_share=True)
        tx.connection.execute(whose).first()
    if not _added(tx, event):
        return False
    match event.kind:
        case Kind.HARD | Kind.SOFT:
            _count(tx, event, stop=stop)
        case Kind.COMPLAINT:
            _give_up(tx, event, Reason.COMPLAINT, event.detail, stop=stop)
        case Kind.NOT_SPAM:
            _forgive(tx, event)
    return True


def known(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Those of these events that were written down before."""
    return set(tx.connection.execute(select(b.event).where(b.event.in_(keys))).scalars())


def spend(tx: Tx, token: str, source: str, words: str) -> bool:
    """Write down that a provider's token was used for these words, by their hash; False if it was for others before."""
    if _added(tx, Event(key=token, source=source, kind=Kind.UNKNOWN, detail=words)):
        return True
    return tx.connection.execute(select(b.detail).where(b.event == token)).scalar() == words


def tells(attempt: Try, result: Result) -> bool:
    """Whether a server said something that may count against an address."""
    return attempt.channel is Channel.MAIL and result.cause is not None and result.cause not in OF_THE_RELAY


def note(tx: Tx, ended: Sequence[tuple[Try, Result, DeliveryState]]) -> None:
    """What servers said to our face of letters whose tries are over now; called as they are settled."""
    for attempt, result, state in ended:
        if state not in OVER or not tells(attempt, result) or result.cause is None:
            continue
        words = result.detail
        code = enhanced_of(_CODE.sub("", words))
        kind = kind_of_cause(result.cause, final=(result.code or 500) >= 500)
        whose = tx.connection.execute(select(d.contact_id).where(d.id == attempt.id)).scalar()
        event = Event(
            key=f"{SMTP}/{attempt.id}",
            source=SMTP,
            kind=kind,
            detail=words,
            code=code,
            contact_id=whose,
            delivery_id=attempt.id,
        )
        # The rows of the ledger are ours already: to wait for others' here could be to wait for ourselves.
        record(tx, event, stop=False)


def of_contact(tx: Tx, contact_id: int) -> list[Bounce]:
    """Everything that came back from one contact, oldest first."""
    query = select(schema.bounces).where(b.contact_id == contact_id).order_by(b.at, b.id)
    return [_bounce(row) for row in tx.connection.execute(query)]


def standing(tx: Tx, contact_id: int) -> Score:
    """How a contact's address stands now."""
    strikes = _strikes(tx, contact_id)
    return score(strikes, _accepted(tx, contact_id, strikes), tx.now)


def sent(tx: Tx, delivery_id: int) -> Sent | None:
    """The letter with this key, or None where there is none (any more)."""
    row = tx.connection.execute(_letters().where(d.id == delivery_id)).first()
    return Sent(*row) if row else None


def sent_to(tx: Tx, address: Address) -> list[Sent]:
    """The latest letters that may have reached this address, newest first, a bare mailbox's included."""
    whose = tx.connection.execute(select(c.id).where(c.key == address.key)).scalar()
    if whose is not None:
        return sent_to_contact(tx, whose)
    letters = _letters().where(stops.to_mailbox(tx, address.key), d.settled.is_not(None))
    return [Sent(*row) for row in tx.connection.execute(letters.order_by(d.id.desc()).limit(MOST_TRIES))]


def sent_to_contact(tx: Tx, contact_id: int) -> list[Sent]:
    """The latest letters to a contact, newest first."""
    rows = tx.connection.execute(_theirs(contact_id).order_by(d.id.desc()).limit(MOST_TRIES))
    return [Sent(*row) for row in rows]


def contact_of_subscription(tx: Tx, subscription_id: int) -> int | None:
    """Whose subscription this is, or None."""
    return tx.connection.execute(select(s.contact_id).where(s.id == subscription_id)).scalar()


def live_subscriptions(tx: Tx, contact_id: int) -> list[int]:
    """Keys of the subscriptions of a contact that have not ended."""
    query = select(s.id).where(s.contact_id == contact_id, s.state != SubscriptionState.ENDED)
    return list(tx.connection.execute(query.order_by(s.id)).scalars())


def address_of(tx: Tx, letter: Sent) -> str:
    """The address a letter went to, as it is typed now; empty where its contact was forgotten."""
    if letter.contact_id is None:
        return letter.mailbox or ""
    return tx.connection.execute(select(c.address).where(c.id == letter.contact_id)).scalar() or ""


def rate(tx: Tx, since: datetime) -> Rate:
    """Letters taken and complaints since then (mail:SE19)."""
    taken = select(func.count()).where(
        d.state == DeliveryState.ACCEPTED, d.channel == Channel.MAIL, d.settled >= since
    )
    complained = select(func.count()).where(b.at >= since, b.kind == Kind.COMPLAINT)
    count = [tx.connection.execute(query).scalar_one() for query in (taken, complained)]
    return Rate(*count)


def figures(tx: Tx, since: datetime) -> Mapping[Kind, int]:
    """How many of each kind came back since then: what the newsroom is told (LM15)."""
    query = select(b.kind, func.count()).where(b.at >= since).group_by(b.kind)
    return {Kind(kind): count for kind, count in tx.connection.execute(query).all()}


def prune(tx: Tx, backscatter: datetime, before: datetime) -> int:
    """Forget what came back before this; what was of no letter of ours, before `backscatter`: nobody replays it any more.

    What still counts against an address that is not given up stays, however old (LM12). Returns how many went.
    """
    stray = (b.at < backscatter) & b.contact_id.is_(None) & b.delivery_id.is_(None)
    gone = tx.connection.execute(delete(schema.bounces).where(stray)).rowcount
    old = (b.at < before) & or_(b.contact_id.is_not(None), b.delivery_id.is_not(None))
    scored = old & b.contact_id.is_not(None) & b.kind.in_(SCORING)
    gone += tx.connection.execute(delete(schema.bounces).where(old, ~scored)).rowcount
    whose = tx.connection.execute(select(b.contact_id).where(scored).distinct()).scalars().all()
    for contact_id in whose:
        since = _counts_from(tx, contact_id)
        over = scored & (b.contact_id == contact_id)
        over = over if since is None else over & (b.at < since)
        gone += tx.connection.execute(delete(schema.bounces).where(over)).rowcount
    return gone


# -- how far a mailbox was read ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a folder was read: up to `uid` while its UIDVALIDITY is `validity`; when it was last reached."""

    validity: int
    uid: int
    seen: datetime


def mark(tx: Tx, name: str) -> Mark | None:
    """How far this folder was read, or None if it never was."""
    row = tx.connection.execute(select(m.validity, m.uid, m.seen).where(m.name == name)).first()
    return Mark(*row) if row else None


def move_mark(tx: Tx, name: str, validity: int, uid: int) -> None:
    """Write down that a folder was read up to `uid` and reached just now; a mark never goes back."""
    held = select(m.validity, m.uid).where(m.name == name).with_for_update()
    row = tx.connection.execute(held).first()
    if row is None:
        values = {"name": name, "validity": validity, "uid": uid, "seen": tx.now}
        tx.connection.execute(insert_or_skip(tx, schema.mailboxes).values(**values))
        return
    furthest = max(row.uid, uid) if row.validity == validity else uid
    moved = update(schema.mailboxes).where(m.name == name)
    tx.connection.execute(moved.values(validity=validity, uid=furthest, seen=tx.now))


# -- what follows ------------------------------------------------------------------------------------------


def _added(tx: Tx, event: Event) -> bool:
    values = {
        "event": event.key,
        "at": tx.now,
        "source": event.source,
        "kind": event.kind,
        "contact_id": event.contact_id,
        "delivery_id": event.delivery_id,
        "code": event.code or None,
        "detail": _fit(event.detail),
    }
    return tx.connection.execute(insert_or_skip(tx, schema.bounces).values(**values)).rowcount == 1


def _fit(words: str) -> str:
    """A stranger's words as they are kept: addresses masked, on one line, not too long."""
    plain = "".join(sign if sign.isprintable() else " " for sign in words)
    return _ADDRESS.sub(lambda found: masked(found[0]), " ".join(plain.split()))[:LONGEST_DETAIL]


def _count(tx: Tx, event: Event, *, stop: bool) -> None:
    if event.contact_id is not None:
        if standing(tx, event.contact_id).given_up:
            _give_up(tx, event, Reason.DEAD, event.detail, stop=stop)
    elif event.kind is Kind.HARD and event.source == SMTP and event.code in SURE:
        # An address somebody typed into the form: it may come to life, and asks anew then.
        _give_up(tx, event, Reason.DEAD, event.detail, expires=tx.now + LEAST_DEAD, stop=stop)


def _give_up(
    tx: Tx,
    event: Event,
    reason: Reason,
    words: str,
    *,
    stop: bool,
    expires: datetime | None = None,
) -> None:
    address = _whose(tx, event)
    if address is None:
        return
    said = _fit(words)
    told = f"{reason}: {said}" if said else ""
    suppressions.suppress(tx, address, reason, told, source=event.source, expires=expires, stop=stop)
    if event.contact_id is not None:
        why = COMPLAINT if reason is Reason.COMPLAINT else DEAD
        _end_all(tx, event.contact_id, why)
        digest = suppressions.digest(tx, address.key)
        evidence.record(
            tx, Act.LEFT, contact_id=event.contact_id, digest=digest, source=event.source, reason=why
        )


def _end_all(tx: Tx, contact_id: int, reason: str) -> None:
    live = (s.contact_id == contact_id) & (s.state != SubscriptionState.ENDED)
    ended = {"state": SubscriptionState.ENDED, "ended": tx.now, "reason": reason}
    tx.connection.execute(update(schema.subscriptions).where(live).values(**ended))
    holds = (a.contact_id == contact_id) & a.ended.is_(None)  # LM20
    tx.connection.execute(update(schema.accreditations).where(holds).values(ended=tx.now, reason=reason))


def _forgive(tx: Tx, event: Event) -> None:
    """Take back a complaint that a report brought; what staff or the law says stays, and so does what ended."""
    address = _whose(tx, event)
    if address is None:
        return
    found = suppressions.of(tx, address)
    if found and found.reason is Reason.COMPLAINT and found.source == event.source:
        suppressions.unsuppress(tx, address, lasting=found.reason in LASTING)


def _whose(tx: Tx, event: Event) -> Address | None:
    if event.contact_id is not None:
        row = tx.connection.execute(select(c.address, c.key).where(c.id == event.contact_id)).first()
        return Address(typed=row.address, key=row.key) if row and "@" in row.key else None
    letter = sent(tx, event.delivery_id) if event.delivery_id else None
    # The desk's own addresses are staff's to mind; these are of people who typed them into the form.
    typed = letter.mailbox if letter and letter.subject.startswith("letter/") else None
    return mail_address(typed) if typed and "@" in typed else None  # a word, once it is forgotten


def _strikes(tx: Tx, contact_id: int) -> list[Strike]:
    rows = tx.connection.execute(
        select(b.at, b.kind, b.source, b.code).where(b.contact_id == contact_id, b.kind.in_(SCORING))
    ).all()
    return [Strike(Kind(row.kind), row.at, sure=_sure(row)) for row in rows]


def _counts_from(tx: Tx, contact_id: int) -> datetime | None:
    """When the first of what still counts against a contact came back; None where nothing does, or all is decided."""
    strikes = _strikes(tx, contact_id)
    accepted = _accepted(tx, contact_id, strikes)
    kept = counting(strikes, accepted, tx.now)
    return kept[0].at if kept and not score(kept, accepted, tx.now).given_up else None


def _accepted(tx: Tx, contact_id: int, strikes: Sequence[Strike]) -> list[datetime]:
    """When letters to this contact were taken, from the first strike on; those that bounced later are none.

    A relay takes what a report calls undeliverable hours later.
    """
    if not strikes:
        return []
    bounced = select(b.delivery_id).where(b.contact_id == contact_id, b.kind.in_(SCORING))
    since = min(one.at for one in strikes) - timedelta(days=1)
    query = _theirs(contact_id).with_only_columns(d.settled)
    taken = query.where(
        d.state == DeliveryState.ACCEPTED,
        d.settled >= since,
        d.id.not_in(bounced.where(b.delivery_id.is_not(None))),
    )
    return list(tx.connection.execute(taken).scalars())


def _letters() -> Any:
    return select(d.id, d.contact_id, d.subject, d.recipient, d.mailbox).where(d.channel == Channel.MAIL)


def _theirs(contact_id: int) -> Any:
    """Letters to a contact, found by way of what has an index: their subscriptions and letters of their own."""
    subscribed = d.subscription_id.in_(select(s.id).where(s.contact_id == contact_id))
    prefix = letter_subject(0).removesuffix("0")
    own = d.subject.in_(select(literal(prefix) + cast(le.id, Text)).where(le.contact_id == contact_id))
    return _letters().where(d.contact_id == contact_id, or_(subscribed, own))


def _sure(row: Any) -> bool:
    return bool(row.source == SMTP and row.kind == Kind.HARD and row.code in SURE)


def _bounce(row: Row[Any]) -> Bounce:
    names = "id at source code detail delivery_id".split()
    return Bounce(kind=Kind(row.kind), **{name: getattr(row, name) for name in names})
