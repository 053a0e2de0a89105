"""The preference centre: what somebody may see and change of their own, and by which link (mail:LM9).

A link in our mail shows topics and times, and changes them: who has that mail may end it anyway. What says more
about a person, or moves them, needs a link that was asked for a moment ago (`full`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from syndicator.errors import Invalid, Refused
from syndicator.model.audience import (
    Address,
    Cadence,
    Contact,
    Standing,
    Subscription,
    SubscriptionState,
    address,
)
from syndicator.model.joining import EVER
from syndicator.model.letters import Letter
from syndicator.model.suppression import Reason
from syndicator.observe import masked
from syndicator.signup import leaving
from syndicator.signup.tokens import Purpose, Tokens
from syndicator.store import (
    Tx,
    accreditations,
    audience,
    evidence,
    letters,
    moves,
    suppressions,
    topics,
    wishes,
)

CHOSEN = "chosen in their preferences"
OBJECTS = "You have left everything, and only you lift that: ask for a link below, and choose by that one."
MAGIC_MINUTES = 60
MAGICS = ((timedelta(hours=1), 3), (timedelta(days=1), 8))  # a stranger may ask for them, too, all day long
MOVE_WITHIN, MOVES = timedelta(days=1), 3
CONFIRM_MOVE_WITHIN = timedelta(hours=72)
LONGEST_PAUSE = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Preferences:
    """A person and what they are subscribed to now; `full`: by the link they asked for, so all may be done."""

    contact: Contact
    subscriptions: tuple[Subscription, ...]
    full: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What the form says: a cadence for each topic it showed, None to leave it, and fields of the contact."""

    topics: Mapping[str, Cadence | None]
    fields: Mapping[str, Any] = field(default_factory=dict)


class Moved(StrEnum):
    """What became of a change of address."""

    MOVED = "moved"
    TAKEN = "taken"  # the address has its own place on the list: nothing is merged
    OVER = "over"


def preferences(tx: Tx, tokens: Tokens, token: str) -> Preferences | None:
    """Whom this token belongs to and their live subscriptions; None if it opens nothing (any more)."""
    magic = tokens.read_magic(token, tx.now)
    number = token.partition(".")[0]
    figures = number.isascii() and number.isdigit() and len(number) < 19
    contact = audience.find_contact(tx, magic.contact_id if magic else int(number) if figures else None)
    if contact is None or contact.standing is Standing.ERASED:
        return None
    if magic:
        opens = magic.generation == contact.generation
    else:
        opens = tokens.read(Purpose.PREFERENCES, token, contact.generation) is not None
    if not opens:
        return None
    known = audience.subscriptions(tx, contact.id)
    live = tuple(one for one in known if one.state is not SubscriptionState.ENDED)
    return Preferences(contact, live, full=magic is not None)


def held(tx: Tx, tokens: Tokens, token: str) -> Preferences | None:
    """As `preferences`, for whoever writes: nobody else changes, moves or forgets this person until we end."""
    found = preferences(tx, tokens, token)
    if found is None:
        return None
    wishes.hold(tx, found.contact.id)
    return preferences(tx, tokens, token)  # whom we waited for may have forgotten them, or made the link void


def save(tx: Tx, whose: Preferences, choice: Choice, **who: Any) -> bool:
    """Make it as the form says; whether anything was another before. The same form again changes nothing.

    Raises Refused for a topic that is chosen while they object to all mail, unless by the link they asked for.
    """
    contact = whose.contact
    wishes.hold(tx, contact.id)
    live = {one.topic: one for one in audience.subscriptions(tx, contact.id) if one.ended is None}
    changed = bool(wishes.edit_contact(tx, contact.id, who, **choice.fields))
    gone = [live[slug].id for slug, cadence in choice.topics.items() if cadence is None and slug in live]
    if gone:
        leaving.leave(tx, contact.id, gone, **who)
    for slug, cadence in choice.topics.items():
        if cadence is not None:
            changed |= _choose(tx, contact, slug, cadence, live.get(slug), who, full=whose.full)
    return changed or bool(gone)


def pause(tx: Tx, whose: Preferences, until: date | None, **who: Any) -> datetime | None:
    """No news before that day begins in the contact's zone; None ends a pause. The instant.

    Raises Invalid for a day that has come, or is more than a year away.
    """
    if until is None:
        wishes.pause(tx, whose.contact.id, None, **who)
        return None
    instant = datetime.combine(until, time(), ZoneInfo(whose.contact.zone))
    if not tx.now < instant <= tx.now + LONGEST_PAUSE:
        raise Invalid("Choose a day from tomorrow on, and within a year.")
    wishes.pause(tx, whose.contact.id, instant, **who)
    return instant


def ask_link(tx: Tx, contact: Contact | None, typed: Address | None = None) -> bool:
    """Owe somebody the link to everything of theirs, a few times an hour and a day at most; whether it is owed.

    Whoever answers must not let the answers look different. For an address that was `typed` a letter is written
    either way, by the same statements, and taken back where nobody is to get it.
    """
    to = typed or (contact.address if contact else None)
    letters.file_unsent(tx, Letter.MAGIC)
    if to is None:
        return False
    key = contact.id if contact and contact.standing is not Standing.ERASED else None
    seen = [letters.lately(tx, Letter.MAGIC, key or 0, span) < most for span, most in MAGICS]
    owed = all(seen) and key is not None
    if owed and contact:
        to = contact.address
        suppressions.of(tx, to)  # as for a bare address: one statement less would be an answer
    trial = tx.connection.begin_nested()
    whose = key if owed else None
    letters.plan(tx, Letter.MAGIC, to, contact_id=whose, about=whose, facts={"minutes": MAGIC_MINUTES})
    (trial.commit if owed else trial.rollback)()
    return owed


def ask_link_of(tx: Tx, text: str) -> bool:
    """The same for whatever somebody typed into the form."""
    try:
        typed = address(text)
    except Invalid:
        return ask_link(tx, None)
    return ask_link(tx, audience.known_contact(tx, typed), typed)


def ask_move(tx: Tx, whose: Preferences, text: str, **who: Any) -> None:
    """Ask at a new address whether it is to be the contact's; raises Invalid for what is no address.

    Whether somebody has that address already is not said here: only who reads its mail learns it.
    """
    contact, to = whose.contact, address(text)
    wishes.hold(tx, contact.id)
    if to.typed == contact.address.typed or moves.lately(tx, contact.id, MOVE_WITHIN) >= MOVES:
        return
    if moves.unanswered(tx, to) >= EVER:  # many on the list could make a flood for one who is not (LM4)
        return
    move = moves.add(tx, contact.id, to)
    letters.plan(tx, Letter.MOVE, to, about=move, facts={"former": masked(contact.address.typed)})
    _note(tx, contact, who, asked="another address")


def move(tx: Tx, tokens: Tokens, token: str, **who: Any) -> Moved:
    """Carry out a change of address that is confirmed at the new one, and tell the old one; twice says the same.

    An accreditation ends with it: it was given to whoever reads the other address (LM20).
    """
    wanted = moves.find(tx, tokens.read(Purpose.MOVE, token) or 0)
    if wanted:  # anew under its contact's lock: a second click may have been faster
        wishes.hold(tx, wanted.contact_id)
        wanted = moves.find(tx, wanted.id)
    contact = audience.find_contact(tx, wanted.contact_id) if wanted else None
    if wanted is None or contact is None or not wanted.address or contact.standing is Standing.ERASED:
        return Moved.OVER
    to = address(wanted.address)
    if wanted.confirmed:
        return Moved.MOVED if contact.address.key == to.key else Moved.OVER
    late = tx.now - wanted.created > CONFIRM_MOVE_WITHIN
    if late or moves.latest(tx, contact.id) != wanted.id or _barred(tx, to):
        return Moved.OVER
    if not moves.carry_out(tx, wanted, to):
        return Moved.TAKEN
    if accreditations.live(tx, contact.id):
        accreditations.end(tx, contact.id, "the address was changed")
    facts = {"masked": masked(to.typed)}
    if contact.address.key != to.key:
        letters.plan(tx, Letter.MOVED, contact.address, about=contact.id, facts=facts)
    _note(tx, audience.contact_by_id(tx, contact.id), who, fields=["address"])
    return Moved.MOVED


def objects(tx: Tx, contact: Contact) -> bool:
    """Whether they have left everything: that is lifted by themselves alone, not by whoever has a mail of theirs."""
    known = suppressions.of(tx, contact.address)
    return known is not None and known.reason is Reason.LEFT and not known.domain


def _choose(
    tx: Tx,
    contact: Contact,
    slug: str,
    cadence: Cadence,
    known: Subscription | None,
    who: dict[str, Any],
    *,
    full: bool,
) -> bool:
    if known and known.cadence is cadence:  # a wish that waits for a yes by mail goes on waiting
        return False
    if known and known.consent:
        wishes.change_cadence(tx, known.id, cadence, **who)
        return True
    if not full and objects(tx, contact):
        raise Refused(OBJECTS)
    if contact.standing is Standing.LEGACY:  # nobody knew of a yes of theirs: this is one
        wishes.edit_contact(tx, contact.id, who, standing=Standing.LISTED)
    _barred(tx, contact.address)  # an objection of theirs is over when they choose something themselves
    wishes.subscribe(tx, contact.id, topics.named(tx, slug).id, cadence, CHOSEN, **who)
    return True


def _barred(tx: Tx, to: Address) -> bool:
    """Whether an address must not be mailed; that its reader had left is lifted by their own yes."""
    known = suppressions.of(tx, to)
    if known and known.reason is Reason.LEFT and not known.domain:
        suppressions.unsuppress(tx, to)
        return False
    return known is not None


def _note(tx: Tx, contact: Contact, who: dict[str, Any], **detail: Any) -> None:
    digest = suppressions.digest(tx, contact.address.key)
    evidence.record(tx, "changed", contact_id=contact.id, digest=digest, **who, **detail)
