"""Suppressions: addresses and domains that must not be mailed, above everything else (mail:LM10).

An address is known by its digest alone (`pepper`), so that an erased one can be refused without being kept. They are
asked when an audience is planned and again when a letter is claimed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, func, literal, or_, select

from syndicator.errors import Refused
from syndicator.model.audience import Address, key_of
from syndicator.model.suppression import LASTING, Reason, Suppression, check_expiry, outranks
from syndicator.store import pepper, schema, stops
from syndicator.store.engine import Tx, alone, insert_or_skip

c, x = schema.contacts.c, schema.suppressions.c
OF_DOMAIN = schema.suppressions.alias("of_domain")
# Why, as people read it, of a query that joins as `by_address` and `by_domain` say; NULL where there is none.
WHY = func.coalesce(
    func.nullif(x.words, ""), x.reason, func.nullif(OF_DOMAIN.c.words, ""), OF_DOMAIN.c.reason
)
# Suppressed only because they left: whoever signs up anew may be asked whether they mean it.
ONLY_LEFT = (x.reason == Reason.LEFT) & OF_DOMAIN.c.reason.is_(None)


def suppress(
    tx: Tx,
    address: Address,
    reason: Reason,
    words: str = "",
    *,
    source: str = "",
    expires: datetime | None = None,
    stop: bool = True,
) -> bool:
    """Never mail this address again (or not before `expires`), and stop what is on its way; whether that is new.

    An earlier suppression that still holds stays as it is, unless its reason is a weaker one. Raises Invalid for an
    end that this reason does not have. `stop` False is for whoever holds rows of the ledger already: what is in
    other hands at that moment still goes.
    """
    check_expiry(reason, expires, tx.now)
    hold_contacts(tx, [address.key])
    added = _put(tx, digest(tx, address.key), reason, words, source, expires)
    if stop:
        stops.stop_mail(tx, address.key, f"suppressed: {reason}", own_affairs=reason is not Reason.LEFT)
    return added


def suppress_domain(
    tx: Tx,
    domain: str,
    reason: Reason,
    words: str = "",
    *,
    source: str = "",
    expires: datetime | None = None,
) -> bool:
    """Never mail anybody at this domain (A-labels, lower case) again, as `suppress` does; whether that is new."""
    check_expiry(reason, expires, tx.now)
    added = _put(tx, f"@{domain}", reason, words, source, expires)
    stops.stop_domain(tx, domain, f"suppressed: {reason}")
    return added


def hold_contacts(tx: Tx, keys: Collection[str]) -> None:
    """Whose addresses these are, before what bars them, and all of them at once: the order everybody locks them in."""
    if not tx.on_sqlite:
        theirs = select(c.id).where(c.key.in_(keys)).order_by(c.id).with_for_update(key_share=True)
        tx.connection.execute(theirs).all()


def unsuppress(tx: Tx, address: Address, *, lasting: bool = False) -> Suppression | None:
    """Allow mail to this address again; what was lifted, or None. Subscriptions that ended stay ended.

    Raises Refused for a complaint, a legal reason or an erased address unless `lasting` (mail:LM10).
    """
    hold_contacts(tx, [address.key])
    return _lift(tx, digest(tx, address.key), address.typed, lasting=lasting)


def unsuppress_domain(tx: Tx, domain: str, *, lasting: bool = False) -> Suppression | None:
    """Allow mail to this domain again, as `unsuppress` does."""
    return _lift(tx, f"@{domain}", f"@{domain}", lasting=lasting)


def listing(tx: Tx, *, limit: int | None = None, after: str = "") -> list[tuple[str, Suppression]]:
    """Every suppression in force with its key, by key: the digest of an address, or "@domain"."""
    query = (
        select(schema.suppressions).where(x.key > after, _in_force(x, tx.now)).order_by(x.key).limit(limit)
    )
    return [(row.key, _suppression(row)) for row in tx.connection.execute(query)]


def addresses(tx: Tx, digests: Collection[str]) -> dict[str, str]:
    """The addresses behind those of these digests that belong to somebody on the list."""
    rows = tx.connection.execute(select(c.digest, c.address).where(c.digest.in_(list(digests)))).all()
    return {row.digest: row.address for row in rows if row.digest}


def of(tx: Tx, address: Address) -> Suppression | None:
    """The suppression in force for this address, its own before its domain's, or None."""
    domain = f"@{address.key.rpartition('@')[2]}"
    keys = (digest(tx, address.key), domain)
    query = select(schema.suppressions).where(x.key.in_(keys), _in_force(x, tx.now))
    rows = {row.key: row for row in tx.connection.execute(query)}
    row = rows.get(keys[0]) or rows.get(domain)
    return _suppression(row) if row else None


def barred(tx: Tx, address: Address, *, own_affair: bool = False) -> str | None:
    """Why nothing may be planned for a bare mailbox, in the ledger's words, or None.

    `own_affair`: what somebody asked for themselves at their screen, which may go to one who has only left.
    """
    found = of(tx, address)
    if found is None or (own_affair and found.reason is Reason.LEFT and not found.domain):
        return None
    return f"suppressed: {found.words or found.reason}"


def barred_now(tx: Tx, mailboxes: Mapping[int, tuple[str, bool]]) -> dict[int, str]:
    """The same for many at once, by their keys, as they are about to go: each an address and `own_affair`.

    What was suppressed while one was being planned is seen here.
    """
    keys: dict[str, list[int]] = {}
    for one, (typed, _) in mailboxes.items():
        key = key_of(typed)
        for known in (digest(tx, key), f"@{key.rpartition('@')[2]}"):
            keys.setdefault(known, []).append(one)
    query = select(schema.suppressions).where(x.key.in_(list(keys)), _in_force(x, tx.now))
    found: dict[int, str] = {}
    for row in tx.connection.execute(query):
        domain, left = row.key.startswith("@"), row.reason == Reason.LEFT
        for one in keys[row.key]:
            if domain and one in found:  # an address's own goes before
                continue
            if domain or not (left and mailboxes[one][1]):
                found[one] = f"suppressed: {row.words or row.reason}"
    return found


def hold(tx: Tx, address_digest: str) -> None:
    """Let nobody else sign up with this address, say yes, or be forgotten, until we end.

    To be asked for before any row of theirs: whoever signs up needs the row of the contact after this.
    """
    alone(tx, int.from_bytes(bytes.fromhex(address_digest)[:8], signed=True))


def erased(tx: Tx, address: Address) -> bool:
    """Whether somebody had this address forgotten for good."""
    query = select(x.key).where(x.key == digest(tx, address.key), x.reason == Reason.ERASED)
    return tx.connection.execute(query).first() is not None


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
    whose = schema.contacts.alias("whose_address").c
    return exists().where(whose.id == contact_id, barring(whose, now))


def barring(whose: Any, now: Any) -> ColumnElement[bool]:
    """Of a row of contacts: a suppression is in force against it."""
    why = schema.suppressions.alias("why").c
    return exists().where(why.key.in_((whose.digest, literal("@") + whose.domain)), _in_force(why, now))


def _in_force(which: Any, now: Any) -> ColumnElement[bool]:
    return or_(which.expires.is_(None), which.expires > now)


def _put(tx: Tx, key: str, reason: Reason, words: str, source: str, expires: datetime | None) -> bool:
    # Locked, so that of two at once the stronger reason stays.
    held = select(schema.suppressions).where(x.key == key).with_for_update()
    row = tx.connection.execute(held).first()
    over = row is not None and row.expires is not None and row.expires <= tx.now
    if row is not None and (over or outranks(reason, Reason(row.reason))):
        tx.connection.execute(delete(schema.suppressions).where(x.key == key))
        row = None
    if row is not None:
        return False
    values = {"key": key, "reason": reason, "words": words, "source": source, "expires": expires}
    added = tx.connection.execute(insert_or_skip(tx, schema.suppressions).values(**values, created=tx.now))
    return bool(added.rowcount)


def _lift(tx: Tx, key: str, shown: str, *, lasting: bool) -> Suppression | None:
    row = tx.connection.execute(select(schema.suppressions).where(x.key == key).with_for_update()).first()
    if row is None:
        return None
    found = _suppression(row)
    if found.reason in LASTING and not lasting:
        raise Refused(
            f"{shown} is suppressed for good ({found}): only somebody who knows that its owner wants mail again lifts it, with --lasting"
        )
    tx.connection.execute(delete(schema.suppressions).where(x.key == key))
    return found


def _suppression(row: Row[Any]) -> Suppression:
    return Suppression(
        reason=Reason(row.reason),
        words=row.words,
        source=row.source,
        created=row.created,
        expires=row.expires,
        domain=row.key.removeprefix("@") if row.key.startswith("@") else "",
    )
