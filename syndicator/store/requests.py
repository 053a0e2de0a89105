"""Requests: what was typed into the sign-up form, until the owner of the address says yes; and how many there were.

Every sign-up is a row, whatever it leads to, and every limit counts these rows: so limits hold for all processes
together, and an answer costs the same for every address (mail:LM1, LM4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, TextClause, delete, exists, func, insert, select, update

from syndicator.model.audience import Address, Standing
from syndicator.model.consent import Act
from syndicator.model.joining import EACH_ADDRESS, LIMITS_FOR, Counts, RequestState, Wish, mailbox_key
from syndicator.store import evidence, schema, suppressions
from syndicator.store.engine import Tx, alone

q, e, c = schema.requests.c, schema.evidence.c, schema.contacts.c
PLUS = "@plus/"  # before the key of a mailbox: no address begins so
SIGN_UPS = 7_020_331  # the lock sign-ups stand in line at: what one counts, another must not be writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One sign-up. `wish` is None where nothing was to be mailed: then nothing of it is kept."""

    id: int
    wish: Wish | None
    consent: str
    state: RequestState
    created: datetime
    confirmed: datetime | None
    contact_id: int | None


def add(
    tx: Tx,
    address: Address,
    state: RequestState,
    *,
    wish: Wish | None,
    consent: str,
    network: str = "",
    contact_id: int | None = None,
) -> int:
    """File a sign-up and return its key; `network` is what the visitor is counted by, `consent` the hash of a wording."""
    values = {
        "digest": suppressions.digest(tx, address.key),
        "mailbox": suppressions.digest(tx, mailbox_key(address.key)),
        "domain": address.key.rpartition("@")[2],
        "network": network,
        "wish": wish.as_json() if wish else {},
        "consent": consent,
        "state": state,
        "contact_id": contact_id,
    }
    row = insert(schema.requests).values(**values, created=tx.now).returning(q.id)
    return int(tx.connection.execute(row).scalar_one())


def counts(tx: Tx, address: Address, network: str) -> Counts:
    """What was mailed lately for this address, network and domain; one statement. Nobody else signs up until we end.

    An empty `network`, a visitor nobody can tell from others, is not counted.
    """
    alone(tx, SIGN_UPS)
    box = mailbox_key(address.key)
    behind, plus = suppressions.digest(tx, box), suppressions.digest(tx, PLUS + box)
    mailbox = q.mailbox == behind
    day, hour = q.created > tx.now - EACH_ADDRESS, q.created > tx.now - LIMITS_FOR
    mailed = schema.people.MAILED  # written out, so that SQLite sees that its partial indexes fit
    query = select(
        _count(mailbox, day, q.state.in_((RequestState.ASKED, RequestState.CONFIRMED))).label("asked"),
        _count(mailbox, day, q.state == RequestState.KNOWN).label("known"),
        _count(mailbox, q.state == RequestState.ASKED).label("waiting"),
        _unanswered(behind).label("ever"),
        _unanswered_plus(plus).label("ever_plus"),
        _count(q.network == network, hour, mailed).label("network"),
        _count(q.domain == address.key.rpartition("@")[2], hour, mailed).label("domain"),
        _count(hour, mailed).label("all"),
    )
    row = tx.connection.execute(query).one()
    return Counts(
        asked=row.asked,
        known=row.known,
        unanswered=max(row.waiting, row.ever + row.ever_plus),
        network=row.network if network else 0,
        domain=row.domain,
        all=row.all,
    )


def remember(tx: Tx, address: Address, act: Act) -> None:
    """Of an address with a plus, what was mailed is kept for the mailbox behind it, too, as long as all evidence (R4).

    It stands under a digest that is no address's, so that it is found as quickly and is nobody's evidence; `of`
    says whose yes answers it.
    """
    box = mailbox_key(address.key)
    if box != address.key:
        evidence.record(
            tx, act, digest=suppressions.digest(tx, PLUS + box), of=suppressions.digest(tx, address.key)
        )


def mailed_since(tx: Tx, since: datetime) -> int:
    """How many sign-ups mailed something after this instant."""
    query = select(_count(q.created > since, schema.people.MAILED))
    return int(tx.connection.execute(query).scalar_one())


def by_id(tx: Tx, request_id: int) -> Request | None:
    """One sign-up, or None if it was forgotten."""
    row = tx.connection.execute(select(schema.requests).where(q.id == request_id)).first()
    if row is None:
        return None
    return Request(
        id=row.id,
        wish=Wish.from_json(row.wish) if row.wish else None,
        consent=row.consent,
        state=RequestState(row.state),
        created=row.created,
        confirmed=row.confirmed,
        contact_id=row.contact_id,
    )


def confirm(tx: Tx, request_id: int, contact_id: int) -> bool:
    """Its owner said yes; False if they had said so before."""
    made = tx.connection.execute(
        update(schema.requests)
        .where(q.id == request_id, q.confirmed.is_(None))
        .values(state=RequestState.CONFIRMED, confirmed=tx.now, contact_id=contact_id)
    )
    return made.rowcount == 1


def complete(tx: Tx, contact_id: int, wish: Wish) -> None:
    """Fill in what is not known of a contact yet, from their own words; what is known stays. A yes lists them."""
    blanks = {
        name: func.coalesce(func.nullif(c[name], ""), getattr(wish, name))
        for name in ("name", "outlet", "country", "language")
    }
    listed = update(schema.contacts).where(c.id == contact_id).values(**blanks, standing=Standing.LISTED)
    tx.connection.execute(listed)


def prune(tx: Tx, before: datetime) -> int:
    """Forget sign-ups older than this, and where nobody confirmed, from where they came; returns how many.

    That an address was asked stays, by its digest: it is what "never more than three times" counts (LM4).
    """
    gone = tx.connection.execute(delete(schema.requests).where(q.created < before)).rowcount
    yes = schema.evidence.alias("yes").c
    nobodys = ~exists().where(yes.digest == e.digest, yes.contact_id.is_not(None))
    requested = e.contact_id.is_(None) & (e.act == Act.REQUESTED) & (e.at < before)
    tx.connection.execute(delete(schema.evidence).where(requested, nobodys))
    return gone


def forget(tx: Tx, address: Address) -> None:
    """Forget every sign-up with this address (erasure)."""
    digest = suppressions.digest(tx, address.key)
    tx.connection.execute(delete(schema.requests).where(q.digest == digest))


def _count(*conditions: ColumnElement[bool] | TextClause) -> ScalarSelect[Any]:
    return select(func.count()).select_from(schema.requests).where(*conditions).scalar_subquery()


def _unanswered_plus(digest: str) -> ScalarSelect[Any]:
    """How often addresses of one mailbox that have a plus were asked, each since its last yes."""
    yes, of = schema.evidence.alias("yes").c, e.detail["of"].as_string()
    answered = exists().where(yes.digest == of, yes.act == Act.CONFIRMED, yes.id > e.id)
    asked = (e.digest == digest) & (e.act == Act.ASKED) & of.is_not(None) & ~answered
    return select(func.count()).select_from(schema.evidence).where(asked).scalar_subquery()


def _unanswered(digest: str) -> ScalarSelect[Any]:
    """How often this address was asked since its last yes, however long ago."""
    yes = schema.evidence.alias("yes").c
    last = select(func.max(yes.id)).where(yes.digest == digest, yes.act == Act.CONFIRMED).scalar_subquery()
    asked = (e.digest == digest) & (e.act == Act.ASKED) & (e.id > func.coalesce(last, 0))
    return select(func.count()).select_from(schema.evidence).where(asked).scalar_subquery()
