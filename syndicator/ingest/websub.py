"""WebSub, the subscriber's side: hubs that tell us of changes, so that polls may be few (feeds:W5, W6).

A good poll tells us which hub a feed offers (`offered`); `tend` asks it for a subscription, renews it
before its lease ends, and takes it back. The hub then speaks to our callback: `confirm` answers what it asks,
`take` keeps what it brings, unread, for a worker. Everything stands in rows, so any worker may go on where
another ended. A slow poll stays as a safety net. W3C WebSub Recommendation §5.
"""

from __future__ import annotations

import asyncio
import hmac
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from ipaddress import ip_address
from typing import Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

from syndicator.errors import SyndicatorError
from syndicator.model.markup import UNLINEAR, web_address
from syndicator.model.upstream import Upstream
from syndicator.observe import logger
from syndicator.store import Store, Tx, hubs, upstreams
from syndicator.store.hubs import Due, Standing, Subscription
from syndicator.store.upstreams import Claim
from syndicator.wire.exchange import Headers, Reply

log = logger("ingest")

LEASE = timedelta(days=10)  # what we ask for
LONGEST = timedelta(days=30)  # whatever a hub grants
RENEW = 0.8  # of a lease, after which it is renewed
SHORTEST = timedelta(minutes=10)  # between two renewals, however short the lease
PATIENCE = timedelta(minutes=5)  # for a hub to ask back, before it is asked again
CEILING = timedelta(days=1)  # between two requests to a hub that fails, and for one that refuses
LEAVINGS = 3  # requests to be let go; after that it finds out by itself (410)
WIDTH = 8  # hubs spoken to at a time
WAITING = 10  # bodies kept for one upstream; a poll finds what older ones held
LONGEST_ADDRESS = 2_000  # characters of a hub or topic
LONGEST_TYPE = 200  # characters of a Content-Type
LONGEST_REASON = 200  # characters of what a hub says
TAKEN = 50  # requests taken at a time
UNANSWERED = "asked, and not yet answered"
UNREACHABLE = "no hub can call us back: site.base_url is not a public address"
UNVERIFIED = "the hub has taken the request and not yet asked back"
FORM = {"content-type": "application/x-www-form-urlencoded"}
# The first of these that a delivery is signed with counts, and no other (feeds:W5).
METHODS = ("sha256", "sha384", "sha512", "sha1")

T = TypeVar("T")


class Poster(Protocol):
    """The part of `wire.http_async.AsyncClient` that speaking to a hub needs."""

    async def post(self, url: str, body: bytes, headers: Headers | None = None) -> Reply:
        """Send `body` to `url`; raises WireFault."""
        ...


class Call(Protocol):
    """How an async flow does something with the store: in its one thread."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """The result of `work`, done elsewhere."""
        ...


ClientFor = Callable[[Upstream], AbstractAsyncContextManager[Poster]]


def offer(
    header: Sequence[tuple[str, str]], hubs_named: Sequence[str], self_named: str | None, url: str
) -> tuple[tuple[str, ...], str]:
    """The hubs a feed offers and the topic to name to them: as its Link header says, else as its body says.

    `header` are (rel, address) pairs. A feed that does not name itself is the topic under `url`.
    """
    by_header = tuple(where for rel, where in header if rel == "hub")
    own = next((where for rel, where in header if rel == "self"), None) or self_named
    return by_header or tuple(hubs_named), own or url


def offered(tx: Tx, held: Claim, named: Sequence[str], topic: str) -> None:
    """A good poll saw these hubs (none: the feed offers none) and this topic: subscribe, go on, or leave.

    To be called for every body that was read as a feed, in the transaction that settles the poll.
    """
    upstream_id = held.upstream.id
    known = hubs.find(tx, upstream_id)
    usable = [hub for hub in named if _usable(hub)] if _usable(topic) else []
    if known is None:
        if usable:
            hubs.want(tx, upstream_id, usable[0], topic)
    elif known.state is Standing.LEAVING:
        return  # once that is over, the feed is read whole again
    elif known.topic != topic or known.hub not in usable:
        hubs.leave(tx, upstream_id)
        if usable and hubs.find(tx, upstream_id) is None:
            hubs.want(tx, upstream_id, usable[0], topic)


async def tend(
    store: Store,
    call: Call,
    client_for: ClientFor,
    address: Callable[[str], str],
    mint: Callable[[], str],
) -> int:
    """Speak to the hubs that are to be spoken to now; returns how many.

    `call` runs something in the store's thread, `client_for` gives the guarded client of an upstream,
    `address` makes our public address of the random end of a callback, `mint` a new such end (or secret): at
    least 128 random bits, fit for a path. Takes as long as the slowest hub may take: start it as a task
    beside the polls. Safe beside other workers.
    """
    if not await call(lambda: _anything_due(store)):
        return 0
    asks = await call(lambda: _taken(store, address, mint))
    gate = asyncio.Semaphore(WIDTH)

    async def speak(ask: _Ask) -> None:
        async with gate:
            said = await _asked(client_for, ask)
        await call(lambda: _settle(store, ask, said))

    await asyncio.gather(*(speak(ask) for ask in asks))
    return len(asks)


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody asks of our callback: the query of its GET."""

    mode: str
    topic: str
    challenge: str = ""
    lease: str = ""
    reason: str = ""


class Welcome(Enum):
    """What awaits a hub that brings something."""

    YES = "yes"
    NOT_NOW = "not now"  # not verified yet, or its lease has run out
    NEVER = "never"  # nothing is subscribed under this address: it is told 410, and so stops


def confirm(store: Store, callback: str, intent: Intent) -> str | None:
    """What to echo to whoever asks whether we meant it; None if we did not: no such address (feeds:W5).

    A hub's refusal is written down, and answered with nothing.
    """
    with store.read() as tx:  # no stranger gets the store's write lock
        if _meaning(hubs.behind(tx, callback), intent) is None:
            return None
    with store.begin() as tx:
        known = hubs.behind(tx, callback)
        match _meaning(known, intent), known:
            case ("subscribe", Subscription()):
                return intent.challenge if _activate(tx, known, intent) else None
            case ("unsubscribe", Subscription()):
                hubs.drop(tx, known)
                return intent.challenge
            case ("denied", Subscription()):
                why = _shown(intent.reason)
                _refused(
                    tx, known, f"the hub refuses: {why}" if why else "the hub refuses, and does not say why"
                )
                return ""
            case _:
                return None


def welcome(store: Store, callback: str) -> Welcome:
    """Whether a hub may bring something to this address now."""
    with store.read() as tx:
        known = hubs.behind(tx, callback)
        if known is None or known.state in {Standing.REFUSED, Standing.LEAVING}:
            return Welcome.NEVER
        return Welcome.YES if hubs.is_active(known, tx.now) else Welcome.NOT_NOW


def take(store: Store, callback: str, body: bytes, content_type: str, signatures: Sequence[str]) -> bool:
    """Keep a body for a worker to read if its signature is right; False if it was dropped."""
    with store.read() as tx:
        known = hubs.behind(tx, callback)
    if known is None or not genuine(known.secret, body, signatures):
        log.info("push dropped", upstream=known and known.upstream_id, size=len(body))
        return False
    with store.begin() as tx:
        known = hubs.behind(tx, callback)
        if known is None or not hubs.is_active(known, tx.now):
            return False
        if hubs.put(tx, known, body, content_type[:LONGEST_TYPE], WAITING):
            log.warning("pushes overflow", upstream=known.upstream_id, kept=WAITING)
            upstreams.poll_now(tx, hubs.slug_of(tx, known.upstream_id))  # what gave way is in the feed
    return True


def genuine(secret: str, body: bytes, signatures: Sequence[str]) -> bool:
    """Whether one who knows the secret signed exactly these bytes; `signatures` as X-Hub-Signature has them.

    Of several the strongest method alone counts, so that a weaker one cannot stand in for it.
    """
    given = dict(reversed([_method_of(part) for one in signatures for part in one.split(",")]))
    method = next((method for method in METHODS if method in given), None)
    if method is None or not secret:
        return False
    right = hmac.new(secret.encode(), body, method).hexdigest()
    return hmac.compare_digest(right.encode(), given[method].encode("utf-8", "surrogatepass"))


def wait(failures: int, key: str) -> timedelta:
    """How long until a hub is asked again after so many requests in a row that came to nothing, at most a day."""
    doubled = PATIENCE * (1 << min(max(failures - 1, 0), 10))
    return min(doubled * (1 + zlib.crc32(f"{key}/{failures}".encode()) % 1000 / 10_000), CEILING)


def lease_of(text: str) -> timedelta:
    """The lease a hub grants, at most thirty days; what we asked for where it does not say (feeds:W5)."""
    figures = text.strip()
    if not (figures.isascii() and figures.isdigit()) or not int(figures[:12]):
        return LEASE
    return min(timedelta(seconds=int(figures[:12])), LONGEST)


@dataclass(frozen=True, slots=True)
class _Ask:
    """A request to send: `known` is the row as it stands since we took it."""

    known: Subscription
    upstream: Upstream
    callback_url: str

    @property
    def mode(self) -> str:
        return "unsubscribe" if self.known.state is Standing.LEAVING else "subscribe"

    @property
    def form(self) -> bytes:
        known = self.known
        fields = {
            "hub.mode": self.mode,
            "hub.topic": known.topic,
            "hub.callback": self.callback_url,
            "hub.verify": "async",  # hubs of PubSubHubbub 0.3 want to be told; later ones ignore it
        }
        if self.mode == "subscribe":
            fields |= {
                "hub.secret": known.secret,
                "hub.lease_seconds": str(int(LEASE.total_seconds())),
            }
        return urlencode(fields).encode()


@dataclass(frozen=True, slots=True)
class _Said:
    """What a hub answered, in words: `fair` that it will ask back, `final` that it will not, ever."""

    words: str
    fair: bool = False
    final: bool = False
    wait: timedelta | None = None


def _anything_due(store: Store) -> bool:
    with store.read() as tx:
        return hubs.anything_due(tx)


def _taken(store: Store, address: Callable[[str], str], mint: Callable[[], str]) -> list[_Ask]:
    """Take what is due: each row is moved on before anything is sent, so no other worker sends it, too."""
    asks: list[_Ask] = []
    with store.begin() as tx:
        for due in hubs.due(tx, TAKEN):
            known = _claimed(tx, due, mint)
            if known is None:
                continue
            ask = _Ask(known, upstreams.named(tx, due.slug), address(known.callback))
            if _is_local(ask.callback_url) and not _is_local(known.hub):
                _refused(tx, known, UNREACHABLE)
            else:
                asks.append(ask)
    return asks


def _claimed(tx: Tx, due: Due, mint: Callable[[], str]) -> Subscription | None:
    known = due.subscription
    if due.paused and known.state is not Standing.LEAVING:
        hubs.leave(tx, known.upstream_id)
        return None  # in its turn, and soon
    if known.state is Standing.LEAVING and known.failures >= LEAVINGS:
        hubs.drop(tx, known)
        return None
    after = replace(known, asked=tx.now, failures=known.failures + 1, fault=UNANSWERED)
    if known.state is Standing.REFUSED or not known.secret:  # a new subscription, not one renewed
        after = replace(after, state=Standing.PENDING, callback=mint(), secret=mint(), failures=1)
    after = replace(after, next_try=tx.now + wait(after.failures, after.callback))
    return after if hubs.change(tx, known, after) else None


async def _asked(client_for: ClientFor, ask: _Ask) -> _Said:
    try:
        async with client_for(ask.upstream) as client:
            reply = await client.post(ask.known.hub, ask.form, FORM)
    except SyndicatorError as fault:  # the network's, or an address range of the upstream that is none
        return _Said(str(fault))
    except Exception:  # a bug that one hub wakes must not keep others from being asked
        log.exception("hub not asked", upstream=ask.upstream.slug)
        return _Said("a fault of our own; the log has more")
    if 200 <= reply.status < 300:
        return _Said(UNVERIFIED, fair=True)
    words = f"the hub answered {reply.status}{_reason(reply)}"
    return _Said(words, final=400 <= reply.status < 500 and reply.status not in {408, 425, 429})


def _settle(store: Store, ask: _Ask, said: _Said) -> None:
    """Write down what the hub said, unless it has asked back meanwhile."""
    known = ask.known
    with store.begin() as tx:
        if known.state is Standing.LEAVING and said.final:
            hubs.drop(tx, known)
        elif hubs.note(tx, known, fault=said.words):
            log.info("hub asked", upstream=ask.upstream.slug, mode=ask.mode, fault=said.words)


def _meaning(known: Subscription | None, intent: Intent) -> str | None:
    """The mode, if this is an answer to what we asked: same topic, and awaited. A refusal may come at any time."""
    if known is None or intent.topic != known.topic:
        return None
    wanted = "unsubscribe" if known.state is Standing.LEAVING else "subscribe"
    if intent.mode == "denied" and known.secret:
        return "denied"
    awaited = known.asked is not None and known.state is not Standing.REFUSED and intent.challenge != ""
    return wanted if awaited and intent.mode == wanted else None


def _activate(tx: Tx, known: Subscription, intent: Intent) -> bool:
    lease = lease_of(intent.lease)
    after = replace(
        known,
        state=Standing.ACTIVE,
        asked=None,
        lease_until=tx.now + lease,
        next_try=tx.now + max(lease * RENEW, SHORTEST),
        failures=0,
        fault=None,
    )
    log.info("hub verified", upstream=known.upstream_id, lease=int(lease.total_seconds()))
    return hubs.change(tx, known, after)


def _refused(tx: Tx, known: Subscription, words: str) -> None:
    """Leave the hub alone for a day; one that was to be left anyway is left."""
    if known.state is Standing.LEAVING:
        hubs.drop(tx, known)
        return
    after = replace(
        known,
        state=Standing.REFUSED,
        asked=None,
        lease_until=None,
        next_try=tx.now + CEILING,
        failures=0,
        fault=words,
    )
    hubs.change(tx, known, after)


def _reason(reply: Reply) -> str:
    said = _shown(reply.body.decode("utf-8", "replace"))
    plain = reply.headers.get("content-type", "").startswith("text/plain")
    return f": {said}" if said and plain else ""


def _shown(text: str) -> str:
    """What a hub says, fit for a line of ours."""
    return " ".join(UNLINEAR.sub(" ", text).split())[:LONGEST_REASON]


def _method_of(signature: str) -> tuple[str, str]:
    method, _, value = signature.strip().partition("=")
    return method.strip().lower(), value.strip().lower()


def _usable(address: str) -> bool:
    return len(address) <= LONGEST_ADDRESS and web_address(address) is not None


def _is_local(address: str) -> bool:
    """Whether only this machine or this network can know the host of this address (RFC 6761, RFC 6762)."""
    host = urlsplit(address).hostname or ""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.rpartition(".")[2] in {
            "example",
            "invalid",
            "local",
            "localhost",
            "test",
        }
