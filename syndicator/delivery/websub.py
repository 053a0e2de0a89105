"""The WebSub road: tells one outside hub that feeds have changed (feeds:W2).

A ping is a form of two fields; the hub then fetches the feed itself. It names public addresses only and may
come twice without harm, so a missing answer is simply tried again. A hub in trouble is left at the first
sign of it: what was not taken stays due. No redirect is followed; the guard pins the address (feeds:W4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from urllib.parse import urlencode

from syndicator.delivery.answers import is_final, retry_after, said
from syndicator.delivery.road import Parcel
from syndicator.errors import Blocked, SyndicatorError, WireFault
from syndicator.model.delivery import Channel, Outcome, Result, Try, blames_destination, ping_url
from syndicator.store import Tx
from syndicator.wire.exchange import Reply
from syndicator.wire.http import Client

BATCH = 16  # a worker that ends in the middle repeats so many at most
FORM = {"content-type": "application/x-www-form-urlencoded"}


class WebsubRoad:
    """One hub. `client` makes its guarded client; None stands for a hub that is configured no more."""

    batch = BATCH

    def __init__(self, hub: str, client: Callable[[], Client] | None, now: Callable[[], datetime]) -> None:
        self._hub = hub
        self._make = client
        self._now = now
        self._client: Client | None = None

    def prepare(self, tx: Tx, tries: Sequence[Try]) -> list[Parcel]:  # noqa: ARG002 - a ping says what its row says
        """The forms to send; refused if the hub is not ours to tell any more."""
        if self._make is None:
            words = "this hub is configured no more (feeds.hubs)"
            return [Parcel(one, fault=Result(outcome=Outcome.REFUSED, detail=words)) for one in tries]
        return [Parcel(one, ping(ping_url(one.recipient))) for one in tries]

    def open(self) -> None:
        """Make the hub's client; it dials when it must."""
        if self._client is None and self._make:
            self._client = self._make()

    def carry(self, parcels: Iterable[Parcel]) -> Iterator[tuple[Parcel, Result]]:
        """POST one after the other, until the hub is in trouble."""
        for parcel in parcels:
            result = self._post(parcel.load)
            yield parcel, result
            if blames_destination(Channel.WEBSUB, result):
                return

    def close(self) -> None:
        """Hang up."""
        if self._client:
            self._client.close()
            self._client = None

    def _post(self, form: bytes) -> Result:
        assert self._client is not None
        try:
            return judge(self._client.post(self._hub, form, FORM), self._now())
        except Blocked as fault:
            return Result(outcome=Outcome.REFUSED, detail=f"not sent: {fault}")
        except WireFault as fault:
            doubt = Outcome.UNKNOWN if fault.may_have_arrived else Outcome.DEFERRED
            return Result(outcome=doubt, detail=str(fault))
        except SyndicatorError as fault:
            return Result(outcome=Outcome.REFUSED, detail=str(fault))


def ping(url: str) -> bytes:
    """The form that says: this feed has changed.

    >>> ping("https://news.example/feeds/all.atom")
    b'hub.mode=publish&hub.url=https%3A%2F%2Fnews.example%2Ffeeds%2Fall.atom'
    """
    return urlencode({"hub.mode": "publish", "hub.url": url}).encode("ascii")


def judge(reply: Reply, now: datetime) -> Result:
    """What a hub's answer means: 4xx and redirects are final, 429 and 5xx ask to come again."""
    status, after = reply.status, retry_after(reply.headers.get("retry-after"), now)
    words = f"answered {status}{said(reply)}"
    if 200 <= status < 300:
        return Result(outcome=Outcome.ACCEPTED, code=status, detail=f"answered {status}")
    if 300 <= status < 400:
        words = f"answered {status}: redirects are not followed; give the hub's final address"
        return Result(outcome=Outcome.REFUSED, code=status, detail=words)
    if is_final(status):
        return Result(outcome=Outcome.REFUSED, code=status, detail=words)
    return Result(outcome=Outcome.DEFERRED, code=status, detail=words, after=after)
