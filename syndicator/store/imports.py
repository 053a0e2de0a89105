"""Imports: lists from elsewhere as they are taken in, in batches, and how each is taken back as one act (mail:LM17).

Few statements for a batch, none for a row. Every row an import makes is noted by its key, so that `undo` finds
exactly these; whoever did anything since they came keeps what they have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update

from syndicator.errors import NotFound
from syndicator.model.audience import (
    Address,
    Cadence,
    Contact,
    Standing,
    SubscriptionState,
)
from syndicator.model.consent import Act, truncated
from syndicator.model.roster import WORDS, Begin, Held, Known, Verdict
from syndicator.store import (
    asking,
    audience,
    names,
    schema,
    segments,
    stops,
    suppressions,
    tags,
    telling,
    windows,
)
from syndicator.store.engine import Tx, among
from syndicator.store.many import Changed, Many

c, s, t, i, r, x = (
    schema.contacts.c,
    schema.subscriptions.c,
    schema.topics.c,
    schema.imports.c,
    schema.import_rows.c,
    schema.suppressions.c,
)
PIECE = 400  # keys named in one statement
# The sorts of rows an import makes.
CONTACT, SUBSCRIPTION, SUPPRESSION, TAG, CHANGED = "contact", "subscription", "suppression", "tag", "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A list that was taken in: whose act it was, from where, on which basis, and what came of it."""

    id: int
    at: datetime
    by: str
    source: str
    basis: str | None
    counts: Mapping[str, int]
    undone: datetime | None


_CONTACTS, _SUBSCRIPTIONS, _TAGS = (
    Many(schema.contacts),
    Many(schema.subscriptions),
    Many(schema.contact_tags),
)
_EVIDENCE, _ROWS = Many(schema.evidence), Many(schema.import_rows)
_SUPPRESSIONS = Many(schema.suppressions)
_REWRITTEN = Changed(update(schema.contacts).where(c.id == bindparam("key_of")))


def begin(tx: Tx, *, by: str, source: str, basis: str | None) -> int:
    """A new import, and its number."""
    values: dict[str, Any] = {"by": by, "source": source, "basis": basis, "counts": {}}
    row = insert(schema.imports).values(**values, at=tx.now).returning(i.id)
    return int(tx.connection.execute(row).scalar_one())


def finish(tx: Tx, import_id: int, counts: Mapping[str, int]) -> None:
    """Write down what came of it."""
    tx.connection.execute(update(schema.imports).where(i.id == import_id).values(counts=dict(counts)))


def named(tx: Tx, import_id: int) -> Import:
    """The import with this number; raises NotFound."""
    row = tx.connection.execute(select(schema.imports).where(i.id == import_id)).first()
    if row is None:
        raise NotFound(f"there is no import {import_id}; `syndicator contact import --list` shows them")
    return _import(row)


def listing(tx: Tx) -> list[Import]:
    """All imports, in the order they were made."""
    return [_import(row) for row in tx.connection.execute(select(schema.imports).order_by(i.id))]


def everybody(tx: Tx, segment: str = "") -> Iterator[Contact]:
    """Everybody who is not erased, or everybody in a segment, in the order they came, a thousand at a time."""
    inside = segments.members(tx, (segment,) if segment else (), c.id)
    if segment:
        segments.named(tx, segment)
    after = 0
    while chunk := audience.contacts(
        tx, limit=1000, after=after, where=inside & (c.standing != Standing.ERASED)
    ):
        yield from chunk
        after = chunk[-1].id


def open_topics(tx: Tx, slugs: Collection[str]) -> tuple[dict[str, int], frozenset[str]]:
    """Slug → key of those among these that can be subscribed to, and the slugs of those about to close.

    They keep their names and stay open until this transaction ends. Former names are understood.
    """
    now = dict(zip(slugs, (names.present(tx, (slug,))[0] for slug in slugs), strict=True))
    query = select(t.slug, t.id, t.closing).where(t.slug.in_(sorted(set(now.values())))).order_by(t.id)
    rows = {row.slug: row for row in tx.connection.execute(query.with_for_update(read=True, key_share=True))}
    found = {slug: rows[now[slug]] for slug in slugs if now[slug] in rows}
    return (
        {slug: row.id for slug, row in found.items() if not row.closing},
        frozenset(slug for slug, row in found.items() if row.closing),
    )


def known(tx: Tx, addresses: Sequence[Address], *, hold: bool = False) -> dict[str, Known]:
    """What is known of each of these addresses, by its key; with `hold` nobody leaves or is forgotten until we end."""
    digests = {one.key: suppressions.digest(tx, one.key) for one in addresses}
    if hold:
        suppressions.hold_contacts(tx, digests)
    barred = _barred(tx, digests.values(), {one.key.rpartition("@")[2] for one in addresses})
    columns = (c.id, c.key, c.name, c.outlet, c.country, c.language, c.zone, c.notes, c.standing)
    rows = {
        row.key: row
        for piece in _pieces(list(digests))
        for row in tx.connection.execute(select(*columns).where(c.key.in_(piece)))
    }
    keys = [row.id for row in rows.values()]
    held, tagged = (_held(tx, keys), tags.of_all(tx, keys)) if keys else ({}, {})
    told = telling.told(tx, keys) if keys else {}
    found = {}
    for one in addresses:
        digest, row = digests[one.key], rows.get(one.key)
        why = barred.get(digest) or barred.get(f"@{one.key.rpartition('@')[2]}")
        found[one.key] = (
            Known(digest=digest, suppressed=why)
            if row is None
            else Known(
                digest=digest,
                contact_id=row.id,
                words={name: getattr(row, name) for name in WORDS},
                standing=Standing(row.standing),
                held=tuple(held.get(row.id, ())),
                tags=frozenset(tagged.get(row.id, ())),
                suppressed=why,
                told=row.id in told,
            )
        )
    return found


def take(
    tx: Tx, import_id: int, verdicts: Sequence[Verdict], *, by: str, source: str, form: str, ask: bool
) -> int:
    """Do what was decided of these addresses, all of them with a dozen statements; how many are asked for a yes.

    Whoever gets a subscription without a yes is asked for it if `ask`, each person once.
    """
    made: list[tuple[str, str]] = []
    acting = [one for one in verdicts if one.acts]
    _suppress(tx, import_id, [one for one in acting if one.suppress], made)
    people = [one for one in acting if not one.suppress]
    keys = _contacts(tx, people, made)
    _words(tx, import_id, people, by, made)
    begun = _subscribe(tx, people, keys, made)
    rows = [(keys[one.person.address.key], tag) for one in people for tag in one.tags]
    made += [(TAG, f"{contact_id} {tag}") for contact_id, tag in rows]
    _TAGS.write(tx, [{"contact_id": contact_id, "tag": tag} for contact_id, tag in rows])
    _EVIDENCE.write(
        tx, [_proof(tx, import_id, one, keys[one.person.address.key], by, source, form) for one in people]
    )
    note = [{"import_id": import_id, "sort": sort, "key": key} for sort, key in dict.fromkeys(made)]
    _ROWS.write(tx, note)
    wishes = [(one, [begin for begin in one.begins if not begin.consent]) for one in people]
    waiting = [(one, keys[one.person.address.key], some) for one, some in wishes if some]
    return asking.ask_of(tx, waiting, begun) if ask else 0


def _suppress(tx: Tx, import_id: int, people: Sequence[Verdict], made: list[tuple[str, str]]) -> None:
    rows = [
        {
            "key": one.known.digest,
            "reason": one.suppress,
            "words": one.person.why,
            "source": f"import {import_id}",
            "created": tx.now,
            "expires": None,
        }
        for one in people
    ]
    whose = sorted({one.known.contact_id for one in people if one.known.contact_id is not None})
    if whose:  # before what bars them, and before what is on its way to them
        audience.hold(tx, whose)
    over = [one.known.digest for one in people]
    for piece in _pieces(over):  # one whose time is over is in the way of the new one
        gone = delete(schema.suppressions).where(x.key.in_(piece), x.expires <= tx.now)
        tx.connection.execute(gone)
    _SUPPRESSIONS.write(tx, rows)
    made += [(SUPPRESSION, digest) for digest in over]
    by_reason: dict[str, list[Verdict]] = {}
    for one in people:
        by_reason.setdefault(f"suppressed: {one.suppress}", []).append(one)
    for reason, some in by_reason.items():
        whose = [one.known.contact_id for one in some if one.known.contact_id is not None]
        stops.stop_all(tx, whose, {one.person.address.key for one in some}, reason)


def _contacts(tx: Tx, people: Sequence[Verdict], made: list[tuple[str, str]]) -> dict[str, int]:
    """Make those who are new; the keys of all of them by address."""
    new = [one for one in people if one.adds]
    rows = [
        {
            "address": one.person.address.typed,
            "key": one.person.address.key,
            "digest": one.known.digest,
            "domain": one.person.address.key.rpartition("@")[2],
            **{name: one.words.get(name, "") for name in WORDS},
            "standing": one.standing or Standing.LISTED,
            "created": tx.now,
        }
        for one in new
    ]
    _CONTACTS.write(tx, rows)
    keys = {one.person.address.key: one.known.contact_id for one in people if one.known.contact_id}
    for piece in _pieces([one.person.address.key for one in new]):
        for row in tx.connection.execute(select(c.key, c.id, c.created).where(c.key.in_(piece))):
            keys[row.key] = row.id
            if row.created == tx.now:  # else somebody signed up at this very moment, and is none of ours
                made.append((CONTACT, str(row.id)))
    return keys


def _words(tx: Tx, import_id: int, people: Sequence[Verdict], by: str, made: list[tuple[str, str]]) -> None:
    """Write other words and a better standing of those who were known; evidence keeps what was there before."""
    changed, proofs = [], []
    for one in people:
        key = one.known.contact_id
        after = dict(one.words) | ({"standing": one.standing} if one.standing else {})
        if key is None or not after:
            continue
        before = {name: one.known.words.get(name, one.known.standing) for name in after}
        changed.append((key, after))
        proofs.append(
            change(tx, key, one.known.digest, by, {"import": import_id, "before": before, "after": after})
        )
        made.append((CHANGED, str(key)))
    rewrite(tx, changed)
    prove(tx, proofs)


def rewrite(tx: Tx, changed: Collection[tuple[int, Mapping[str, Any]]]) -> None:
    """Write words of contacts, each with the names of its own: a statement for each set of names."""
    _REWRITTEN.write(tx, [{"key_of": key, **words} for key, words in sorted(changed, key=itemgetter(0))])


def prove(tx: Tx, rows: list[dict[str, Any]]) -> None:
    """Write rows of `change`."""
    _EVIDENCE.write(tx, rows)


def change(tx: Tx, contact_id: int, digest: str, by: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """The row of evidence that somebody of ours changed what is known of a contact."""
    return {
        "contact_id": contact_id,
        "digest": digest,
        "act": Act.CHANGED,
        "at": tx.now,
        "person": by,
        "detail": dict(detail),
    }


def _subscribe(
    tx: Tx, people: Sequence[Verdict], keys: Mapping[str, int], made: list[tuple[str, str]]
) -> dict[tuple[int, int], int]:
    """Begin what is to begin; the keys of those, by contact and topic."""
    begins = [(keys[one.person.address.key], begin) for one in people for begin in one.begins]
    replaced = [begin.replaces for _, begin in begins if begin.replaces]
    for piece in _pieces(replaced):
        over = {"state": SubscriptionState.ENDED, "ended": tx.now, "reason": audience.REPLACED}
        tx.connection.execute(update(schema.subscriptions).where(s.id.in_(piece)).values(**over))
    _SUBSCRIPTIONS.write(tx, [_begun(contact_id, begin, tx.now) for contact_id, begin in begins])
    wanted = {(contact_id, begin.topic_id) for contact_id, begin in begins}
    if not wanted:
        return {}
    live = (s.state != SubscriptionState.ENDED) & (s.created == tx.now)
    query = select(s.id, s.contact_id, s.topic_id).where(among(s.contact_id, "whose"), live)
    rows = tx.connection.execute(query, {"whose": sorted({contact_id for contact_id, _ in wanted})})
    found = {(row.contact_id, row.topic_id): row.id for row in rows}
    begun = {pair: found[pair] for pair in wanted if pair in found}
    known = {
        one.known.contact_id for one in people
    }  # what a new contact has from its first instant is the import's
    made += [(SUBSCRIPTION, str(key)) for (contact_id, _), key in begun.items() if contact_id in known]
    windows.open_all(tx, {(contact_id, begin.cadence) for contact_id, begin in begins if begin.consent})
    return begun


def _begun(contact_id: int, begin: Begin, now: datetime) -> dict[str, Any]:
    return {
        "contact_id": contact_id,
        "topic_id": begin.topic_id,
        "cadence": begin.cadence,
        "state": SubscriptionState.ACTIVE if begin.consent else SubscriptionState.PENDING,
        "consent": begin.consent,
        "created": now,
        "since": now,
        "confirmed": now if begin.consent else None,
    }


def _proof(
    tx: Tx, import_id: int, one: Verdict, contact_id: int, by: str, source: str, form: str
) -> dict[str, Any]:
    """The row of evidence of one person: where they came from, and what shows their yes."""
    yes = one.person.yes
    detail: dict[str, Any] = {"import": import_id, "topics": [begin.topic for begin in one.begins]}
    detail["consent"] = next((begin.consent for begin in one.begins if begin.consent), None)
    times = {"optin": yes.optin, "confirmed": yes.confirmed}
    detail |= {name: value.isoformat() for name, value in times.items() if value}
    return {
        "contact_id": contact_id,
        "digest": one.known.digest,
        "act": Act.BASIS if one.person.basis else Act.IMPORTED,
        "at": tx.now,
        "network": truncated(yes.network),
        "form": form,
        "source": source,
        "person": by,
        "detail": detail,
    }


def _barred(tx: Tx, digests: Collection[str], domains: Collection[str]) -> dict[str, str]:
    """Why these must not be mailed, by the key of the suppression."""
    found = {}
    for piece in _pieces([*digests, *(f"@{one}" for one in domains)]):
        query = select(x.key, x.reason, x.words).where(
            x.key.in_(piece), or_(x.expires.is_(None), x.expires > tx.now)
        )
        for row in tx.connection.execute(query):
            found[row.key] = f"{row.reason}: {row.words}" if row.words else row.reason
    return found


def _held(tx: Tx, contact_ids: Sequence[int]) -> dict[int, list[Held]]:
    columns = (s.contact_id, s.id, s.topic_id, s.cadence, s.state, s.confirmed, s.reason)
    query = select(*columns).where(among(s.contact_id, "whose")).order_by(s.id)
    found: dict[int, list[Held]] = {}
    for contact_id, key, topic_id, cadence, state, *rest in tx.connection.execute(
        query, {"whose": sorted(contact_ids)}
    ):
        one = Held(key, topic_id, Cadence(cadence), SubscriptionState(state), *rest)
        found.setdefault(contact_id, []).append(one)
    return found


def _pieces(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), PIECE):
        yield keys[start : start + PIECE]


def _import(row: Row[Any]) -> Import:
    return Import(**{name: getattr(row, name) for name in Import.__dataclass_fields__})
