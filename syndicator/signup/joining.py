"""Signing up by the form: one transaction that costs the same for every address, and at most one letter (mail:LM1).

A sign-up is always filed, and a letter about it always written; where nothing may be mailed, the letter is taken
back before the end. What is typed is kept only for whoever is asked, and stands in no letter (security:R2).
Nothing counts before the owner of the address says yes: that is `confirming`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from syndicator.errors import NotFound
from syndicator.model.audience import Address, SubscriptionState, address
from syndicator.model.consent import Act, counted
from syndicator.model.joining import LIMITS_FOR, RequestState, Terms, Wish, outcome
from syndicator.model.letters import Letter, letter_subject
from syndicator.store import Store, Tx, alarms, audience, evidence, letters, requests, suppressions, topics

CEILING = "sign-up/ceiling/"
FORM = "media-list/1"  # which form, in which version: evidence says what people had before them


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """From where something was said: what evidence keeps of it. `source` is the address of the page."""

    ip: str | None = None
    agent: str = ""
    language: str = ""
    source: str = ""

    @property
    def where(self) -> dict[str, Any]:
        """As `evidence.record` takes it."""
        return {"network": self.ip, "agent": self.agent, "language": self.language, "source": self.source}


Named = Callable[[str, str], str]  # subject and recipient of a letter → its Message-ID


@dataclass(frozen=True, slots=True)
class _Known:
    contact_id: int
    topics: frozenset[str]  # of live subscriptions


def unnamed(_subject: str, _recipient: str) -> str:
    """For letters whose Message-ID nobody knows yet."""
    return ""


def join(
    tx: Tx, wish: Wish, visit: Visit, terms: Terms, *, trap: bool = False, named: Named = unnamed
) -> RequestState:
    """File a sign-up and owe the letter it leads to, if any; raises Invalid where `wish.address` is none.

    `trap`: the field that people do not see was filled. `named` gives a letter's Message-ID. Whoever answers the
    visitor says nothing of the result.
    """
    who = address(wish.address)
    suppressions.hold(tx, suppressions.digest(tx, who.key))  # an erasure sees all of this, or we see it done
    network = counted(visit.ip) or ""
    seen = requests.counts(tx, who, network)
    suppression, known = suppressions.of(tx, who), _known(tx, who)
    wish = wish.with_each(terms.newsletter)
    became = outcome(suppression, seen, terms, trap=trap, news=not known.topics.issuperset(wish.topics))
    if seen.all >= terms.ceiling:
        _sound(tx, terms)
    consent = evidence.wording(tx, terms.consent.version, terms.consent.language, terms.consent.text)
    kept = wish if became is RequestState.ASKED else None
    request_id = requests.add(tx, who, became, wish=kept, consent=consent, network=network)
    # The same statements whoever it is: what is not to be is written, too, and taken back (LM1).
    trial = tx.connection.begin_nested()
    to = known.contact_id if became is RequestState.KNOWN else None
    sent = _owe(tx, who, to, request_id, wish)
    proof: dict[str, Any] = {"digest": suppressions.digest(tx, who.key), "request": request_id}
    evidence.record(tx, Act.REQUESTED, form=FORM, consent=consent, **visit.where, **proof)
    told = Act.KNOWN if to else Act.ASKED
    evidence.record(tx, told, message_id=named(*sent), **proof)
    requests.remember(tx, who, told)
    (trial.rollback if became is RequestState.QUIET else trial.commit)()
    return became


def tidy(store: Store, terms: Terms, keep: timedelta) -> int:
    """Forget sign-ups older than `keep`, and end the alarm once the flood is over; returns how many were forgotten."""
    with store.begin() as tx:
        if requests.mailed_since(tx, tx.now - LIMITS_FOR) < terms.ceiling:
            alarms.end(tx, CEILING)
        return requests.prune(tx, tx.now - keep)


def _owe(tx: Tx, who: Address, contact_id: int | None, request_id: int, wish: Wish) -> tuple[str, str]:
    """Owe the letter, and say its subject and recipient, as the ledger calls them."""
    titles = topics.titles(tx)
    facts = {"topics": [titles[slug] for slug in wish.topics if slug in titles], "cadence": wish.cadence}
    sort = Letter.KNOWN if contact_id else Letter.ASK
    if contact_id:
        suppressions.of(tx, who)  # as for a bare address: one statement less would be an answer (LM1)
    letter_id = letters.plan(tx, sort, who, contact_id=contact_id, about=request_id, facts=facts)
    return letter_subject(letter_id), f"contact/{contact_id}" if contact_id else f"mailbox/{who.typed}"


def _known(tx: Tx, who: Address) -> _Known:
    try:
        contact_id = audience.contact(tx, who).id
    except NotFound:
        contact_id = 0  # nobody's: asked about all the same
    live = [one for one in audience.subscriptions(tx, contact_id) if one.state is SubscriptionState.ACTIVE]
    return _Known(contact_id, frozenset(one.topic for one in live))


def _sound(tx: Tx, terms: Terms) -> None:
    words = (
        f"More than {terms.ceiling} sign-ups within an hour would have mailed somebody. Those above it mail nothing, "
        "real ones included, until it is over. If they are real, raise media_list.ceiling."
    )
    alarms.raise_(tx, f"{CEILING}{tx.now:%Y-%m-%dT%H}", "A flood of sign-ups to the media list", words)
