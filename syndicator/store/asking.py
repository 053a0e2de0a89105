"""Asking for a yes: whoever is on the list without one is written to once about it, and sent nothing else (mail:LM17).

One letter for a person. A subscription that stands alone is asked for as any pending one is; several, and whoever an
export of another house brought, by a letter whose link confirms all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, exists, func, select

from syndicator.model.audience import Address, Cadence, Contact, Standing, Subscription, SubscriptionState
from syndicator.model.consent import Act
from syndicator.model.delivery import Channel, DeliveryState, Priority, confirmation_subject
from syndicator.model.joining import RequestState, Wish, mailbox_key
from syndicator.model.letters import Letter, letter_subject
from syndicator.model.roster import WORDS, Begin, Verdict
from syndicator.store import audience, partners, schema, suppressions
from syndicator.store.deliveries.duties import MAIL_LANE, fresh
from syndicator.store.engine import Tx, alone, among
from syndicator.store.many import Many

c, d, s, t = schema.contacts.c, schema.deliveries.c, schema.subscriptions.c, schema.topics.c
ASKING = 0x61736B  # the lock of whoever asks those who wait
_EVIDENCE = Many(schema.evidence)
_DELIVERIES, _LETTERS, _REQUESTS = Many(schema.deliveries), Many(schema.letters), Many(schema.requests)


def ask(tx: Tx, people: Sequence[Contact]) -> int:
    """Owe each of these whom `unasked` names the one letter that asks for their yes; how many letters."""
    groups: dict[tuple[int, Cadence], list[str]] = {}
    query = select(s.contact_id, s.cadence, t.slug).join(schema.topics, t.id == s.topic_id)
    query = query.where(among(s.contact_id, "whose"), *_unasked()).order_by(s.id)
    whose = {one.id: one for one in people}
    for contact_id, cadence, slug in tx.connection.execute(query, {"whose": sorted(whose)}):
        groups.setdefault((contact_id, Cadence(cadence)), []).append(slug)
    rows = []
    for (contact_id, cadence), slugs in groups.items():
        one = whose[contact_id]
        words = {name: getattr(one, name) for name in WORDS}
        rows.append((contact_id, one.address, words, cadence, slugs, one.standing is Standing.LISTED))
    return _letters(tx, rows)


def unasked(tx: Tx, inside: Any, limit: int) -> list[Contact]:
    """Contacts with a wish that an import brought without a yes, who were never asked, in the order they came.

    On the list by another yes of theirs, or not. Whoever else asks, waits until we end.
    """
    hold(tx)
    return audience.contacts(tx, limit=limit, where=_to_be_asked(tx.now) & inside)


def hold(tx: Tx) -> None:
    """Let nobody else ask those who wait until we end; before any person is held, for so does everybody else."""
    alone(tx, ASKING)


def to_ask(tx: Tx, inside: Any, limit: int) -> tuple[int, int]:
    """How many people `unasked` has, and how many letters that makes: one for each cadence."""
    first = select(c.id).where(_to_be_asked(tx.now), inside).order_by(c.id).limit(limit).subquery()
    wishes = select(s.contact_id, s.cadence).join(first, first.c.id == s.contact_id)
    each = wishes.where(*_unasked()).distinct().subquery()
    counts = select(func.count(each.c.contact_id.distinct()), func.count(each.c.contact_id))
    people, mails = tx.connection.execute(counts).one()
    return people, mails


def _to_be_asked(now: datetime) -> ColumnElement[bool]:
    le = schema.letters.c
    wait = select(s.contact_id).where(*_unasked())
    asked = select(le.contact_id).where(le.sort == Letter.PERMISSION, le.contact_id.is_not(None))
    there = c.standing != Standing.ERASED
    return there & c.id.in_(wait) & c.id.not_in(asked) & ~suppressions.silenced(c.id, now)


def _unasked() -> tuple[ColumnElement[bool], ...]:
    """Of a row of subscriptions: it waits for a yes, and no mail of its own asks for that."""
    went = exists().where(d.subscription_id == s.id, d.state != DeliveryState.CANCELLED)
    return s.state == SubscriptionState.PENDING, ~went


def asked_for(tx: Tx, waiting: Subscription) -> list[datetime]:
    """When mails asked this contact to confirm this topic, since they last did; whatever never went is not counted."""
    theirs = select(s.id).join(schema.topics, t.id == s.topic_id)
    unanswered = theirs.where(
        s.contact_id == waiting.contact_id, t.slug == waiting.topic, s.confirmed.is_(None)
    )
    subjects = [confirmation_subject(one) for one in tx.connection.execute(unanswered).scalars()]
    went = d.subject.in_(subjects) & (d.state != DeliveryState.CANCELLED)
    return list(tx.connection.execute(select(d.created).where(went)).scalars())


def permissions(tx: Tx, contact_id: int) -> list[datetime]:
    """When letters asked somebody who came by an import for their yes to all of it."""
    le = schema.letters.c
    query = select(le.created).where(le.sort == Letter.PERMISSION, le.contact_id == contact_id)
    return list(tx.connection.execute(query).scalars())


def ask_of(
    tx: Tx,
    waiting: Sequence[tuple[Verdict, int, list[Begin]]],
    begun: Mapping[tuple[int, int], int],
) -> int:
    """As `ask`, of people an import has just taken: their verdicts and keys, what waits, and the keys of that."""
    partners.ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    confirmations, letters = [], []
    for one, contact_id, begins in waiting:
        groups: dict[Cadence, list[str]] = {}
        for begin in begins:
            groups.setdefault(begin.cadence, []).append(begin.topic)
        alone = begun.get((contact_id, begins[0].topic_id)) if len(begins) == 1 else None
        address = one.person.address
        if alone and not one.person.foreign:
            mail = duty(tx, confirmation_subject(alone), contact_id, address, Priority.CONFIRMATION)
            confirmations.append(mail | {"subscription_id": alone})
        else:
            listed = one.known.contact_id is not None and one.known.standing is Standing.LISTED
            words = one.person.words
            letters += [(contact_id, address, words, *group, listed) for group in groups.items()]
    _DELIVERIES.write(tx, confirmations)
    return len(confirmations) + _letters(tx, letters)


def _letters(tx: Tx, rows: Sequence[tuple[int, Address, Mapping[str, str], Cadence, list[str], bool]]) -> int:
    """The letter that asks for a yes to these topics, and the request its link confirms, for each of these rows.

    The last of a row: whether its person is on the list already, by a yes to something else.
    """
    if not rows:
        return 0
    partners.ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    requests = [
        {
            "digest": suppressions.digest(tx, address.key),
            "mailbox": suppressions.digest(tx, mailbox_key(address.key)),
            "domain": address.key.rpartition("@")[2],
            "network": "",
            "wish": _wish(address, words, cadence, slugs).as_json(),
            "consent": "",
            "state": RequestState.PERMISSION,
            "contact_id": contact_id,
            "created": tx.now,
        }
        for contact_id, address, words, cadence, slugs, _ in rows
    ]
    # Read back by whose they are: SQLite would be asked for the key of each row by itself.
    asked = [{"digest": one["digest"]} for one in requests]
    _REQUESTS.write(tx, requests)
    abouts = _keys(tx, schema.requests, [contact_id for contact_id, *_ in rows])
    letters = [
        {
            "sort": Letter.PERMISSION,
            "contact_id": contact_id,
            "about": about,
            "facts": {"topics": slugs} | ({"listed": True} if listed else {}),
            "created": tx.now,
        }
        for about, (contact_id, _, _, _, slugs, listed) in zip(abouts, rows, strict=True)
    ]
    _LETTERS.write(tx, letters)
    keys = _keys(tx, schema.letters, [contact_id for contact_id, *_ in rows])
    _EVIDENCE.write(
        tx,
        [
            {
                "contact_id": contact_id,
                "digest": row["digest"],
                "act": Act.ASKED,
                "at": tx.now,
                "detail": {"topics": slugs, "request": about},
            }
            for about, row, (contact_id, _, _, _, slugs, _) in zip(abouts, asked, rows, strict=True)
        ],
    )
    duties = [
        duty(tx, letter_subject(key), contact_id, address, Priority.IMMEDIATE)
        for key, (contact_id, address, *_) in zip(keys, rows, strict=True)
    ]
    _DELIVERIES.write(tx, duties)
    return len(rows)


def _keys(tx: Tx, table: Table, contact_ids: Sequence[int]) -> list[int]:
    """The keys of rows written just now, for each of these contacts in turn."""
    query = select(table.c.contact_id, table.c.id).where(among(table.c.contact_id, "whose"))
    query = query.where(table.c.created == tx.now).order_by(table.c.id.desc())
    found: dict[int, list[int]] = {}
    for row in tx.connection.execute(query, {"whose": sorted(set(contact_ids))}):
        found.setdefault(row.contact_id, []).append(row.id)
    return [found[contact_id].pop() for contact_id in contact_ids]


def _wish(address: Address, words: Mapping[str, str], cadence: Cadence, slugs: list[str]) -> Wish:
    return Wish(
        address=address.typed,
        name=words.get("name", ""),
        outlet=words.get("outlet", ""),
        country=words.get("country", ""),
        language=words.get("language", ""),
        zone=words.get("zone") or "UTC",
        topics=tuple(slugs),
        cadence=cadence,
    )


def duty(tx: Tx, subject: str, contact_id: int, address: Address, priority: Priority) -> dict[str, Any]:
    """The row of a mail that is owed to a contact about their own affairs."""
    return {
        "subject": subject,
        "recipient": f"contact/{contact_id}",
        "contact_id": contact_id,
        "domain": address.key.rpartition("@")[2],
        "channel": Channel.MAIL,
        "lane": MAIL_LANE,
        "priority": priority,
        **fresh(tx.now),
    }
