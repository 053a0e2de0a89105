"""Joining the media list by oneself: what was wished, and what a sign-up leads to. Pure (mail:LM1, LM4; security:R2).

What is shown at the screen never depends on any of this; only what is mailed does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from syndicator.model.audience import Cadence
from syndicator.model.consent import AGREEMENT_WORDS, CONSENT_WORDS, Wording
from syndicator.model.suppression import Reason, Suppression

CONSENT, AGREEMENT = Wording("1", "en", CONSENT_WORDS), Wording("1", "en", AGREEMENT_WORDS)
EACH_ADDRESS = timedelta(hours=24)  # LM4: one confirmation an address in that time
EVER = 3  # LM4: so many confirmations that nobody answered, then no more
LIMITS_FOR = timedelta(hours=1)  # what networks, domains and all together are counted over


class RequestState(StrEnum):
    """What became of a sign-up."""

    ASKED = "asked"  # a mail asks whether it is them
    KNOWN = "known"  # a mail says that they are on the list already
    QUIET = "quiet"  # nothing was mailed
    PERMISSION = "permission"  # staff asks somebody who was imported without proof of a yes
    CONFIRMED = "confirmed"
    ERASED = "erased"  # whoever signed up had themselves forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody typed into the form; `topics` are slugs, `address` is as typed.

    `each` is the one of them whose every mail comes when it is out, whatever `cadence` says: the newsletter's.
    """

    address: str
    name: str = ""
    outlet: str = ""
    country: str = ""
    language: str = ""
    zone: str = "UTC"
    topics: tuple[str, ...] = ()
    cadence: Cadence = Cadence.IMMEDIATE
    each: str = ""

    def with_each(self, newsletter: str) -> Self:
        """The same, knowing which of its topics is the newsletter's; empty: there is none."""
        each = newsletter if newsletter in self.topics else ""
        alone = bool(each) and self.topics == (each,)
        return replace(self, each=each, cadence=Cadence.IMMEDIATE if alone else self.cadence)

    def cadence_of(self, slug: str) -> Cadence:
        """How often one of the topics is to come."""
        return Cadence.IMMEDIATE if slug == self.each else self.cadence

    def as_json(self) -> dict[str, Any]:
        """As a row keeps it."""
        return asdict(self) | {"topics": list(self.topics)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """What a row kept; raises TypeError or ValueError where it is none of ours."""
        values = dict(kept)
        return cls(**values | {"topics": tuple(values["topics"]), "cadence": Cadence(values["cadence"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What people sign up to, and how much of it is let through: sign-ups that mail something, in an hour.

    `newsletter` is the topic of the newsletter, empty where there is none.
    """

    open: bool = True
    consent: Wording = CONSENT
    agreement: Wording = AGREEMENT
    privacy_url: str = ""
    newsletter: str = ""
    per_network: int = 20
    per_domain: int = 100
    ceiling: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What has been mailed lately because of sign-ups."""

    asked: int = 0  # confirmations to this address within EACH_ADDRESS
    known: int = 0  # "you are on the list" to this address within EACH_ADDRESS
    unanswered: int = 0  # confirmations to this address that nobody has answered, ever
    network: int = 0  # from this network, in LIMITS_FOR
    domain: int = 0  # to this domain, in LIMITS_FOR
    all: int = 0  # in LIMITS_FOR


def outcome(
    suppression: Suppression | None, counts: Counts, terms: Terms, *, trap: bool, news: bool
) -> RequestState:
    """What a sign-up leads to: ASKED, KNOWN or QUIET.

    `trap`: the field that people do not see was filled. `news`: something of what is wished is not live yet.
    Somebody who left everything may come back by their own yes; nobody else who is suppressed is written to.
    """
    silent = suppression is not None and (bool(suppression.domain) or suppression.reason is not Reason.LEFT)
    over = (
        counts.network >= terms.per_network
        or counts.domain >= terms.per_domain
        or counts.all >= terms.ceiling
    )
    if trap or silent or over:
        return RequestState.QUIET
    if news:
        again = counts.asked or counts.unanswered >= EVER
        return RequestState.QUIET if again else RequestState.ASKED
    return RequestState.QUIET if counts.known else RequestState.KNOWN


def mailbox_key(key: str) -> str:
    """The key of the mailbox behind an address key, as far as can be told: without what follows a plus (R4).

    Only for counting: two addresses with one mailbox are two contacts all the same (mail:LM5).

    >>> mailbox_key("jane+press@example.org"), mailbox_key("+@example.org")
    ('jane@example.org', '+@example.org')
    """
    local, _, domain = key.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
