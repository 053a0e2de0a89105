"""Erasure: what is blanked when somebody is forgotten: every word about them, wherever a table keeps one (LM19).

What stays are rows without words, so that figures stay right: that something was sent, when, and how it ended; and
the digest of the address among the suppressions, by which it is refused for good. Keep the list of tables in step
with `schema.people`: a test looks through every table for what it erased.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
    Text,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    update,
)

from syndicator.model.audience import Address, Standing, key_of
from syndicator.model.joining import RequestState
from syndicator.model.letters import letter_subject
from syndicator.model.suppression import Reason
from syndicator.store import accreditations, audit, evidence, imports, schema, stops, suppressions, wishes
from syndicator.store.deliveries import duties
from syndicator.store.engine import Tx, among, insert_or_update

# Tables that grow with what is sent, each by keys that rise.
_GROWING = (schema.deliveries, schema.attempts, schema.letters, schema.bounces)
ERASED = "erased"  # stands where a column wants some text
SWEPT = timedelta(days=2)  # longer than any letter is on the wire
# Tables that held words about people: where a database must be told to forget what it deleted, these are meant.
WORDY = (
    "contacts contact_tags evidence requests moves letters accreditations applications subscriptions bounces "
    "deliveries attempts alarms lanes domains suppressions import_rows imports"
).split()
c, d, e, r, le = (
    schema.contacts.c,
    schema.deliveries.c,
    schema.evidence.c,
    schema.requests.c,
    schema.letters.c,
)


@dataclass(frozen=True, slots=True)
class Quotes:
    """Rows others have that may quote somebody, by column; `after`: where tables ended as they were looked for."""

    rows: Mapping[str, Sequence[Any]]
    after: Mapping[str, int]


def quotes(tx: Tx, known: Address, name: str) -> Quotes:
    """Look for what quotes an address or a name, in every row there is: to be asked before anybody is kept waiting."""
    growing = {table: select(func.max(_key(table))) for table in _GROWING}
    after = {table.name: tx.connection.execute(last).scalar() or 0 for table, last in growing.items()}
    rows = {
        label: tx.connection.execute(select(_key(table)).where(tells)).scalars().all()
        for label, table, tells, _ in _quoting(known, name)
    }
    return Quotes(rows, after)


def erase(tx: Tx, contact_id: int, by: str = "", found: Quotes | None = None) -> str | None:
    """Forget a contact: blank every word about them, stop what is on its way, refuse the address for good.

    `found` says what quotes the address; what came since then is looked for here. Without it, every row is.
    Returns the digest of the address, by which a restored copy is known; None if they were forgotten already.
    """
    suppressions.hold(tx, tx.connection.execute(select(c.digest).where(c.id == contact_id)).scalar_one())
    row = tx.connection.execute(select(schema.contacts).where(c.id == contact_id).with_for_update()).one()
    if row.standing == Standing.ERASED:
        return None
    stops.hold(tx, d.contact_id == contact_id)  # all at once, in order
    known = Address(typed=row.address, key=row.key)
    live = [one.id for one in wishes.live(tx, contact_id)]
    wishes.leave(tx, contact_id, live, ERASED)
    _imported(tx, contact_id)
    suppressions.suppress(tx, known, Reason.ERASED)
    refuse(tx, row.digest)
    if accreditations.live(tx, contact_id):
        accreditations.end(tx, contact_id, ERASED)
    _close_applications(tx, contact_id)
    _ledger(tx, contact_id, known)
    _people(tx, contact_id, row.digest)
    _quoted(tx, known, row.name, found)
    tx.connection.execute(delete(schema.windows).where(schema.windows.c.contact_id == contact_id))
    _contact(tx, contact_id)
    evidence.record(tx, "erased", contact_id=contact_id, digest=row.digest, person=by or None)
    audit.record(tx, by, "contact.erase", f"contact/{contact_id}")
    return str(row.digest)


def erase_stranger(tx: Tx, known: Address, by: str = "", found: Quotes | None = None) -> str | None:
    """Forget somebody who is no contact: what they once asked for, and what was mailed to the bare address.

    `found`: as in `erase`.
    Returns the digest of the address, or None where there is nothing about it.
    """
    digest = suppressions.digest(tx, known.key)
    suppressions.hold(tx, digest)
    asked = select(r.id).where(r.digest == digest)
    proven = select(e.id).where(e.digest == digest)
    mailed = select(d.id).where(stops.to_mailbox(tx, known.key))
    there = any(tx.connection.execute(query).first() for query in (asked, proven, mailed))
    if suppressions.erased(tx, known) or not there:
        return None
    suppressions.suppress(tx, known, Reason.ERASED)
    refuse(tx, digest)
    _ledger(tx, None, known)
    _quoted(tx, known, "", found)
    evidence.record(tx, "erased", digest=digest, person=by or None)
    audit.record(tx, by, "contact.erase", f"address/{digest[:12]}")
    return digest


def restored(tx: Tx, digests: Sequence[str]) -> list[int]:
    """Contacts a restored copy of the store shows again although they were forgotten, by their digests."""
    query = select(c.id).where(c.digest.in_(digests), c.standing != Standing.ERASED).order_by(c.id)
    return list(tx.connection.execute(query).scalars())


def refuse(tx: Tx, digest: str) -> None:
    """Refuse an address that was forgotten, by its digest, and blank what a store says about it beside contacts."""
    refused = {"key": digest, "reason": Reason.ERASED, "words": "", "source": "", "expires": None}
    insert_or_update(tx, schema.suppressions, {**refused, "created": tx.now}, "key")
    _people(tx, None, digest)


def forget_mailboxes(tx: Tx, digests: Collection[str]) -> None:
    """Blank what a restored copy of the store says was mailed to the bare addresses with these digests."""
    bare = select(d.mailbox).where(d.mailbox.is_not(None), d.mailbox != ERASED).distinct()
    for mailbox in tx.connection.execute(bare).scalars().all():
        known = Address(typed=mailbox, key=key_of(mailbox))
        if suppressions.digest(tx, known.key) in digests:
            _ledger(tx, None, known)


def erased(tx: Tx, digests: Sequence[str]) -> set[str]:
    """Those of these digests that are refused as forgotten."""
    x = schema.suppressions.c
    query = select(x.key).where(x.key.in_(digests), x.reason == Reason.ERASED)
    return set(tx.connection.execute(query).scalars())


def sweep(tx: Tx) -> None:
    """Blank what servers said of mail that was on the wire while its recipient was forgotten."""
    x, s = schema.suppressions.c, schema.subscriptions.c
    lately = select(x.key).where(x.reason == Reason.ERASED, x.created > tx.now - SWEPT)
    digests = tx.connection.execute(lately).scalars().all()
    if not digests:
        return
    known = select(e.contact_id).where(e.digest.in_(digests), e.contact_id.is_not(None)).distinct()
    people = tx.connection.execute(known).scalars().all()
    told = tx.connection.execute(select(le.id).where(le.contact_id.in_(people))).scalars().all()
    by_topic = d.subscription_id.in_(select(s.id).where(s.contact_id.in_(people)))
    _answers(tx, by_topic | d.subject.in_([letter_subject(one) for one in told]))


def _contact(tx: Tx, contact_id: int) -> None:
    blank = dict.fromkeys(("name", "outlet", "country", "language", "domain", "digest", "notes"), "")
    nothing = dict.fromkeys(("basis", "owner", "paused_until"))
    kept = {"address": ERASED, "key": f"{ERASED}/{contact_id}", "zone": "UTC", "standing": Standing.ERASED}
    voided = {"generation": c.generation + 1, "press_generation": c.press_generation + 1}
    values = {**blank, **nothing, **kept, **voided}
    tx.connection.execute(update(schema.contacts).where(c.id == contact_id).values(**values))
    tags = schema.contact_tags
    tx.connection.execute(delete(tags).where(tags.c.contact_id == contact_id))


def _ledger(tx: Tx, contact_id: int | None, known: Address) -> None:
    """What went to them, as a contact or as a bare mailbox: nothing waits, and no server's answer is kept."""
    bare = stops.to_mailbox(tx, known.key)
    mine = set(tx.connection.execute(select(d.id).where(bare)).scalars())
    if contact_id is not None:
        mine |= set(tx.connection.execute(select(d.id).where(d.contact_id == contact_id)).scalars())
    theirs = among(d.id, "theirs").params(theirs=sorted(mine))
    stops.hold(tx, theirs & duties.UNSENT)
    duties.cancel(tx, theirs & duties.UNSENT, ERASED)
    letters = select(cast(func.substr(d.subject, len("letter/") + 1), le.id.type))
    own = le.contact_id.is_not(None) & (le.contact_id == contact_id)
    about = or_(own, le.id.in_(letters.where(theirs, d.subject.like("letter/%"))))
    tx.connection.execute(update(schema.letters).where(about).values(facts={}))
    _answers(tx, theirs)
    tx.connection.execute(update(schema.deliveries).where(theirs).values(domain=""))
    held, to = select(d.id).where(bare), schema.delivery_contents.c
    nobody = literal(f"mailbox/{ERASED}/") + cast(d.id, Text)
    whose = literal(f"mailbox/{ERASED}/") + cast(to.delivery_id, Text)
    carried = update(schema.delivery_contents).where(to.delivery_id.in_(held)).values(recipient=whose)
    tx.connection.execute(carried)
    tx.connection.execute(update(schema.deliveries).where(bare).values(mailbox=ERASED, recipient=nobody))


def _answers(tx: Tx, theirs: ColumnElement[bool]) -> None:
    """What servers said of their mail, which may quote the address."""
    tried = schema.attempts.c
    said = tried.delivery_id.in_(select(d.id).where(theirs)) & (tried.detail != ERASED)
    tx.connection.execute(update(schema.attempts).where(said).values(detail=ERASED))
    told = theirs & (d.detail != ERASED)
    tx.connection.execute(update(schema.deliveries).where(told).values(detail=ERASED))


def _people(tx: Tx, contact_id: int | None, digest: str) -> None:
    for table, values in _blanks():
        theirs: list[ColumnElement[bool]] = []
        if contact_id is not None:
            theirs.append(table.c.contact_id == contact_id)
        if "digest" in table.c:
            theirs.append(table.c.digest == digest)
        if theirs:
            tx.connection.execute(update(table).where(or_(*theirs)).values(**values))


def _imported(tx: Tx, contact_id: int) -> None:
    """The tags that lists gave them, as those lists are noted. Which lists, their evidence says as long as it can."""
    proofs = select(e.detail).where(e.contact_id == contact_id)
    found = {note.get("import") for note in tx.connection.execute(proofs).scalars()} - {None}
    i = schema.import_rows.c
    given = (i.import_id.in_(sorted(found)), i.sort == imports.TAG, i.key.startswith(f"{contact_id} "))
    tx.connection.execute(delete(schema.import_rows).where(*given))


def _close_applications(tx: Tx, contact_id: int) -> None:
    """Nobody decides any more whether to accredit them."""
    app = schema.applications.c
    over = {"decided": tx.now, "decided_by": ERASED, "granted": False}
    theirs = (app.contact_id == contact_id) & app.decided.is_(None)
    tx.connection.execute(update(schema.applications).where(theirs).values(**over))


def _blanks() -> Iterator[tuple[Any, dict[str, Any]]]:
    nothing = ("network", "agent", "form", "source", "language", "message_id")
    yield schema.evidence, {**dict.fromkeys(nothing), "detail": {}}
    unasked = {"state": RequestState.ERASED, "confirmed": None}  # its link leads nowhere
    yield schema.requests, {"wish": {}, "network": "", "domain": "", "mailbox": "", **unasked}
    yield schema.moves, {"address": ""}
    yield schema.applications, {"words": "", "reason": None}
    yield schema.accreditations, {"agreement": ERASED}
    yield schema.subscriptions, {"consent": ERASED}
    yield schema.bounces, {"detail": ""}


def _quoted(tx: Tx, known: Address, name: str, found: Quotes | None) -> None:
    """What others were told of them, and what is said of destinations: whatever quotes the address."""
    for label, table, tells, values in _quoting(known, name):
        for which in _where(table, label, found):
            tx.connection.execute(update(table).where(which, tells).values(values))


def _where(table: Table, label: str, found: Quotes | None) -> Iterator[ColumnElement[bool]]:
    """The rows to be looked at: those that were found, and those that came since."""
    key = _key(table)
    if found is None:
        yield true()
        return
    rows = found.rows[label]
    for start in range(0, len(rows), 500):
        yield key.in_(rows[start : start + 500])
    if table in _GROWING:
        yield key > found.after[table.name]
    if table is schema.deliveries:  # what a server says of a row is written to it later
        tried = schema.attempts.c
        yield key.in_(select(tried.delivery_id).where(tried.id > found.after["attempts"]))


def _key(table: Table) -> Column[Any]:
    """What names a row; of a mail domain any row of its lane."""
    return next(iter(table.primary_key.columns))


def _spellings(known: Address) -> set[str]:
    """An address as databases write it in small letters, which beyond ASCII not all of them do; also as in JSON."""
    small = "".join(char.lower() if char.isascii() else char for char in known.typed)
    plain = (known.key, known.typed.lower(), small)
    return {*plain, *(json.dumps(one)[1:-1].lower() for one in (*plain, known.typed))}


def _quoting(known: Address, name: str) -> Iterator[tuple[str, Table, ColumnElement[bool], dict[str, Any]]]:
    """Where others quote somebody: how that place is called, its table, which rows do, and what stands there then."""
    spelt = sorted(_spellings(known))
    yield "owner", schema.contacts, func.lower(c.owner).in_(spelt), {"owner": None}
    if name:
        yield "name", schema.letters, le.facts["name"].as_string() == name, {"facts": {}}
    for table, names in (
        (schema.letters, ("facts",)),
        (schema.alarms, ("words", "subject")),
        (schema.lanes, ("fault",)),
        (schema.domains, ("fault",)),
        (schema.deliveries, ("detail",)),
        (schema.attempts, ("detail",)),
        (schema.bounces, ("detail",)),
        (schema.suppressions, ("words", "source")),
        (schema.contacts, ("notes",)),
        (schema.subscriptions, ("consent",)),
        (schema.imports, ("source",)),
    ):
        for one in names:
            told = func.lower(cast(table.c[one], Text))
            tells = or_(*(told.contains(word, autoescape=True) for word in spelt))
            blank: Any = {} if table is schema.letters else ERASED
            yield f"{table.name}.{one}", table, tells, {one: blank}
