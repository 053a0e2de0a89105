"""The doctor: everything that makes mail arrive and embargoes hold, looked at once, with what to do (mail:DC1).

`examine` takes values, never settings, and changes nothing but a temporary file in the media folder. What
receivers look up is in `domain`, `spf` and `records`; whom we must reach and who must reach us in `reach`;
the house itself in `house`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from syndicator.doctor import domain, house, reach
from syndicator.doctor.domain import Domains, Signing
from syndicator.doctor.finding import Finding, State, fail
from syndicator.errors import SyndicatorError
from syndicator.model.audience import Subscription
from syndicator.store import Store
from syndicator.wire.dns import Resolver
from syndicator.wire.http import Client
from syndicator.wire.relay import Relay

__all__ = ["Domains", "Finding", "House", "Mailing", "Signing", "State", "examine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """This machine's part: the store, the key, the folder for pictures; `mailbox` is read for bounces, so often.

    `newsletter` is the topic its issues are filed under, empty where there is none.
    """

    store: Store
    clock: Callable[[], datetime]
    media: Path
    key_given: bool
    key_kept: Path | None = None
    mailbox: tuple[str, timedelta] | None = None
    newsletter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """The mail's part; `link` makes the unsubscribe address of a subscription's id, `postal` stands below each mail."""

    relay: Relay
    domains: Domains
    base_url: str
    link: Callable[[int], str]
    client: Client
    postal: str


def examine(building: House, mailing: Mailing | None, resolver: Callable[[], Resolver]) -> Iterator[Finding]:
    """Every check, each as soon as it is known; without `mailing` (mail goes into a folder) its checks are skipped."""
    healthy = yield from _house(building)
    if mailing is None:
        yield from reach.not_mailed("mail goes into a folder (mail.transport): nothing leaves this machine")
        return
    store = building.store if healthy else None
    yield from reach.relay_session(mailing.relay, building.clock())
    live: Subscription | None = reach.newest_live(store) if store else None
    yield from reach.unsubscribe(mailing.base_url, mailing.link, mailing.client, store, live)
    yield from reach.footer(mailing.postal)
    try:
        asks = resolver()
    except SyndicatorError as fault:
        yield fail("dns", str(fault), "without DNS nothing can be said about SPF, DKIM, DMARC, MX and PTR")
        return
    yield from domain.examine(mailing.domains, asks)


def _house(building: House) -> Generator[Finding, None, bool]:
    found = list(house.database(building.store))
    yield from found
    healthy = all(one.state is State.OK for one in found)
    if healthy:
        yield from house.clock(building.store, building.clock)
    yield from house.media(building.media)
    yield from house.secret_key(building.store, given=building.key_given, kept=building.key_kept)
    if healthy:
        yield from house.standing(building.store)
        if building.mailbox:
            yield from house.mailbox(building.store, *building.mailbox)
        if building.newsletter:
            yield from house.newsletter(building.store, building.newsletter)
    return healthy
