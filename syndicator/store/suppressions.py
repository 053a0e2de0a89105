"""Suppressions: addresses and domains that must not be mailed, above everything else (mail:LM10).

An address is known by its digest alone (`pepper`), so that an erased one can be refused without being kept. They are
asked when an audience is planned and again when a letter is claimed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, func, literal, or_, select

from syndicator.model.audience import Address
from syndicator.model.suppression import Reason, Suppression
from syndicator.store import pepper, schema, stops
from syndicator.store.engine import Tx, insert_or_skip

c, x = schema.contacts.c, schema.suppressions.c
OF_DOMAIN = schema.suppressions.alias("of_domain")
# Why, as people read it, of a query that joins as `by_address` and `by_domain` say; NULL where there is none.
WHY = func.coalesce(
    func.nullif(x.words, ""), x.reason, func.nullif(OF_DOMAIN.c.words, ""), OF_DOMAIN.c.reason
)


def suppress(
    tx: Tx,
    address: Address,
    reason: Reason,
    words: str = "",
    *,
    source: str = "",
    expires: datetime | None = None,
) -> bool:
    """Never mail this address again (or not before `expires`), and stop what is on its way; whether that is new.

    An earlier suppression that still holds stays as it is.
    """
    key = digest(tx, address.key)
    _forget_expired(tx, key)
    values = {"key": key, "reason": reason, "words": words, "source": source, "expires": expires}
    added = tx.connection.execute(insert_or_skip(tx, schema.suppressions).values(**values, created=tx.now))
    stops.stop_mail(tx, address.key, f"suppressed: {reason}")
    return bool(added.rowcount)


def suppress_domain(tx: Tx, domain: str, reason: Reason, words: str = "", *, source: str = "") -> bool:
    """Never mail anybody at this domain (A-labels, lower case) again; whether that is new."""
    values = {"key": f"@{domain}", "reason": reason, "words": words, "source": source}
    added = tx.connection.execute(insert_or_skip(tx, schema.suppressions).values(**values, created=tx.now))
    stops.stop_domain(tx, domain, f"suppressed: {reason}")
    return bool(added.rowcount)


def unsuppress(tx: Tx, address: Address) -> bool:
    """Allow mail to this address again; False if it was not suppressed. Subscriptions that ended stay ended."""
    gone = delete(schema.suppressions).where(x.key == digest(tx, address.key))
    return tx.connection.execute(gone).rowcount == 1


def unsuppress_domain(tx: Tx, domain: str) -> bool:
    """Allow mail to this domain again; False if it was not suppressed."""
    return tx.connection.execute(delete(schema.suppressions).where(x.key == f"@{domain}")).rowcount == 1


def of(tx: Tx, address: Address) -> Suppression | None:
    """The suppression in force for this address, its own before its domain's, or None."""
    domain = f"@{address.key.rpartition('@')[2]}"
    keys = (digest(tx, address.key), domain)
    query = select(schema.suppressions).where(x.key.in_(keys), _in_force(x, tx.now))
    rows = {row.key: row for row in tx.connection.execute(query)}
    row = rows.get(keys[0]) or rows.get(domain)
    return _suppression(row) if row else None


def digest(tx: Tx, key: str) -> str:
    """What stands for an address where the address itself must not, by its canonical key."""
    return pepper.digest(tx.connection, key)


def by_address(now: Any) -> ColumnElement[bool]:
    """The condition of an outer join of `suppressions` to a row of contacts."""
    return (x.key == c.digest) & _in_force(x, now)


def by_domain(now: Any) -> ColumnElement[bool]:
    """The condition of an outer join of `OF_DOMAIN` to a row of contacts."""
    return (OF_DOMAIN.c.key == literal("@") + c.domain) & _in_force(OF_DOMAIN.c, now)


def silenced(contact_id: Any, now: Any) -> ColumnElement[bool]:
    """Whether this contact must not be mailed, for whatever reason."""
    whose, why = schema.contacts.alias("whose_address").c, schema.suppressions.alias("why").c
    key = why.key.in_((whose.digest, literal("@") + whose.domain))
    return exists().where(whose.id == contact_id, key, _in_force(why, now))


def _in_force(which: Any, now: Any) -> ColumnElement[bool]:
    return or_(which.expires.is_(None), which.expires > now)


def _forget_expired(tx: Tx, key: str) -> None:
    tx.connection.execute(delete(schema.suppressions).where(x.key == key, x.expires <= tx.now))


def _suppression(row: Row[Any]) -> Suppression:
    return Suppression(
        reason=Reason(row.reason),
        words=row.words,
        source=row.source,
        created=row.created,
        expires=row.expires,
        domain=row.key.removeprefix("@") if row.key.startswith("@") else "",
    )
