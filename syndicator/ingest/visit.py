"""One visit to one upstream: fetch (or look into its folder) → parse → file → settle, and what it came to.

The claim is committed before any network. Sockets wait on the event loop; the store is called in its one
thread and parsing waits in threads of its own, so that no visit holds up another (DESIGN §5.3). The
flow over all upstreams is `ingest.poll`. Serves walk A.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from syndicator.errors import NotFound, SyndicatorError, TryLater
from syndicator.ingest import websub
from syndicator.ingest.child.page import WORDPRESS_API
from syndicator.ingest.entries import Link, Parsed, Stated
from syndicator.ingest.fetch import Body, Failed, Getter, Gone, Unchanged, fetch
from syndicator.ingest.filing import Filing, LeftOut, Mint, Overtaken, Prospect, Reading, reading_of
from syndicator.ingest.parse import Unreadable
from syndicator.ingest.previews import preview
from syndicator.ingest.sources import folder
from syndicator.model.cadence import Pace
from syndicator.model.incoming import Fate
from syndicator.model.markup import web_address
from syndicator.model.site import Site
from syndicator.model.upstream import Upstream, Validators, address_fault, is_folder
from syndicator.observe import logger
from syndicator.store import Store, Tx, hubs, upstreams
from syndicator.store import incoming as brought
from syndicator.store.hubs import Pushed
from syndicator.store.upstreams import Claim, Heard

log = logger("ingest")

NAMED_FAULTS = 5  # entries named in an upstream's fault; the report has them all
NAMED_FEEDS = 5  # of a page, in the fault of an upstream that is that page
FORMATS = re.compile(r"atom|rss|rdf|json|xml|feed|[\W\d_]")

T = TypeVar("T")


class Client(Getter, websub.Poster, Protocol):
    """The part of `wire.http_async.AsyncClient` that visits, page checks and hubs need."""


ClientFor = Callable[[Upstream], AbstractAsyncContextManager[Client]]


class Reader(Protocol):
    """The part of `ingest.parse.Pool` that a visit needs."""

    def parse(
        self,
        body: bytes,
        *,
        content_type: str = "",
        url: str | None = None,
        known: frozenset[str] = frozenset(),
    ) -> Parsed:
        """The feed in `body`; raises Unreadable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """One upstream's poll: `fault` is None when all is well, `read` False where nothing new was there.

    `asking` is how many new items wait for a yes, if nothing was filed for that reason; `same` how many
    entries were not read again, because we have them so already. `led_on` says that its address was a page,
    and that the feed it names is due now.
    """

    slug: str
    read: bool = False
    fault: str | None = None
    prospects: tuple[Prospect, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    asking: int | None = None
    same: int = 0
    led_on: bool = False

    def count(self, fate: Fate) -> int:
        """How many entries met this fate."""
        met = sum(prospect.fate is fate for prospect in self.prospects)
        return met + self.same if fate is Fate.UNCHANGED else met

    @property
    def changed(self) -> bool:
        """Whether anything public may have changed, so that feeds should be rebuilt."""
        public = {Fate.ITEM, Fate.REVISED, Fate.WITHDRAWN}
        return any(prospect.fate in public for prospect in self.prospects)


class Kit:
    """What all visits of a process share: the store with its one thread, the parsers with theirs."""

    def __init__(
        self, store: Store, client_for: ClientFor, mint: Mint, reader: Reader, site: Site, parsers: int = 2
    ) -> None:
        self.store, self.client_for, self.mint, self.reader, self.site = store, client_for, mint, reader, site
        self.fetching: set[asyncio.Task[Any] | None] = set()  # who waits for a server at this moment
        self._store_thread = ThreadPoolExecutor(1, "store")
        self._parsers = ThreadPoolExecutor(parsers, "parse")
        self._doubtful = asyncio.Semaphore(max(1, parsers - 1))

    async def call(self, work: Callable[[], T]) -> T:
        """Do something with the store, in its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._store_thread, work)

    async def think(self, work: Callable[[], T], *, doubtful: bool = False) -> T:
        """Do something that takes long. What failed before may fail again, and slowly: it never takes every thread."""
        loop = asyncio.get_running_loop()
        if not doubtful:
            return await loop.run_in_executor(self._parsers, work)
        async with self._doubtful:
            return await loop.run_in_executor(self._parsers, work)

    async def write(self, work: Callable[[Tx], T]) -> T:
        """One short transaction."""

        def within() -> T:
            with self.store.begin() as tx:
                return work(tx)

        return await self.call(within)

    async def read(self, work: Callable[[Tx], T]) -> T:
        """One short look."""

        def within() -> T:
            with self.store.read() as tx:
                return work(tx)

        return await self.call(within)

    def close(self) -> None:
        """Let the threads end; what was not begun is not done."""
        self._store_thread.shutdown(wait=True, cancel_futures=True)
        self._parsers.shutdown(wait=False, cancel_futures=True)


async def visit(kit: Kit, claim: Claim, now: datetime, unchanged: Callable[[Claim, Heard], None]) -> Polled:
    """Poll a claimed upstream; `unchanged` takes those to settle in groups. Raises TryLater while the store is away.

    A bug that one upstream wakes is its own failure, and must not keep others from being read.
    """
    slug = claim.upstream.slug
    try:
        polled = await _polled(kit, claim, now, unchanged)
    except Overtaken as overtaken:
        polled = Polled(slug=slug, fault=str(overtaken))
    except TryLater:
        raise  # the database is away: no upstream is to blame
    except Exception as bug:
        log.exception("poll failed", upstream=slug)
        polled = await _failed(
            kit, claim, Failed(f"a fault of our own: {type(bug).__name__}; the log has more")
        )
    _tell(polled)
    return polled


async def look(kit: Kit, upstream: Upstream, now: datetime, *, led: bool = False) -> Polled:
    """What each entry of an upstream would become now, and why; writes nothing. `led`: a page led here already."""
    slug = upstream.slug
    answer = await _asked(kit, upstream, Validators(), frozenset(), now)
    if isinstance(answer, Gone | Failed | Unchanged):
        return Polled(slug=slug, fault=None if isinstance(answer, Unchanged) else answer.words)
    try:
        if isinstance(answer, Body):
            reading, _ = await _read(kit, answer, upstream, frozenset(), now, doubtful=False)
        else:
            reading, _ = answer
    except Unreadable as refusal:
        links = _feeds_of(answer, refusal)
        claim = await kit.read(lambda tx: upstreams.seen(tx, upstream))
        feed = None if led else _leads(claim, links)
        if feed:
            return await look(kit, replace(upstream, url=feed.url), now, led=True)
        named = ", ".join(link.url for link in links[:NAMED_FEEDS])
        return Polled(slug=slug, fault=f"{refusal}; it names {named}" if named else str(refusal))
    seen = await kit.call(lambda: preview(kit.store, reading, upstream, kit.site.named_host))
    return Polled(
        slug=slug,
        read=True,
        fault=reading.warning,
        prospects=seen.prospects,
        left_out=seen.left_out,
        asking=seen.asking,
    )


async def receive(kit: Kit, pushed: Pushed, claim: Claim, now: datetime) -> Polled:
    """File what a hub brought for a claimed upstream: new entries, or all of them; who is missing is not gone (feeds:W6).

    What cannot be filed from it is looked for in the feed itself. Raises TryLater, as `visit`.
    """
    slug = claim.upstream.slug
    try:
        reading, filing = await _brought(kit, pushed, claim, now)
    except TryLater:
        raise
    except Unreadable as refusal:
        polled, again = Polled(slug=slug, fault=f"what its hub brought: {refusal}"), True
    except Exception as bug:
        log.exception("push failed", upstream=slug)
        polled, again = Polled(slug=slug, fault=f"a fault of our own: {type(bug).__name__}"), True
    else:
        polled, again = _outcome(claim, reading, filing, None), filing.again
    await kit.write(lambda tx: _put_away(tx, claim, pushed, again=again))
    _tell(polled)
    return polled


async def _brought(kit: Kit, pushed: Pushed, claim: Claim, now: datetime) -> tuple[Reading, Filing]:
    body = Body(pushed.body, pushed.content_type, pushed.topic, pushed.topic, claim.validators)
    known = await kit.read(lambda tx: brought.hashes(tx, claim.upstream.id))
    reading, _ = await _read(kit, body, claim.upstream, known, now, doubtful=True)
    return reading, await _filed(kit, claim, replace(reading, whole=False))


def claim_pushed(tx: Tx, pushed: Pushed, lease: timedelta) -> Claim | None:
    """Take an upstream to file this for it; None if somebody else does, or did, or its feed was read since.

    Then it may have older words than we have: it is forgotten, and the feed itself read once more.
    """
    try:
        claim = upstreams.claim_pushed(tx, pushed.slug, lease)
    except NotFound:
        return None  # it was removed a moment ago
    if claim is None:
        return None
    match hubs.news(tx, pushed.id):
        case True:
            return claim
        case None:
            upstreams.settle_pushed(tx, claim)
        case _:
            _put_away(tx, claim, pushed, again=True)
    return None


def _put_away(tx: Tx, claim: Claim, pushed: Pushed, *, again: bool) -> None:
    hubs.forget(tx, pushed.id)
    upstreams.settle_pushed(tx, claim, again=again)


def _tell(polled: Polled) -> None:
    counts = {str(fate): polled.count(fate) for fate in Fate if polled.count(fate)}
    # No title in the log: what was left out or held may be under embargo (security:E2).
    fault = None if polled.read else polled.fault
    say = log.info if polled.read or fault else log.debug
    left_out = len(polled.left_out)
    say("polled", upstream=polled.slug, read=polled.read, left_out=left_out, fault=fault, **counts)


async def _polled(kit: Kit, claim: Claim, now: datetime, unchanged: Callable[[Claim, Heard], None]) -> Polled:
    upstream = claim.upstream
    known = frozenset[str]()
    if is_folder(upstream.url):
        known = await kit.read(lambda tx: brought.hashes(tx, upstream.id))
    match await _asked(kit, upstream, claim.validators, known, now):
        case Unchanged() as same:
            unchanged(claim, _heard(same))
            return Polled(slug=upstream.slug)
        case Body() as body:
            return await _taken(kit, claim, body, now)
        case (Reading() as reading, Validators() as validators):
            return await _settled(kit, claim, reading, Heard(validators=validators))
        case Gone() | Failed() as failure:
            return await _failed(kit, claim, failure)


async def _asked(
    kit: Kit, upstream: Upstream, validators: Validators, known: frozenset[str], now: datetime
) -> Unchanged | Body | Gone | Failed | tuple[Reading, Validators]:
    if is_folder(upstream.url):
        return await kit.think(lambda: folder.look(upstream, validators, kit.site, known))
    task = asyncio.current_task()
    kit.fetching.add(task)
    try:
        async with kit.client_for(upstream) as client:
            return await fetch(client, upstream.url, validators, now)
    except SyndicatorError as fault:  # its own settings are at fault, such as an address range
        return Failed(str(fault))
    finally:
        kit.fetching.discard(task)


async def _taken(kit: Kit, claim: Claim, body: Body, now: datetime) -> Polled:
    """A body came: it is a feed, or a page that names one, or neither."""
    upstream = claim.upstream
    known = await kit.read(lambda tx: brought.hashes(tx, upstream.id))
    try:
        reading, feed = await _read(kit, body, upstream, known, now, doubtful=claim.failures > 0)
    except Unreadable as refusal:
        return await _discovered(kit, claim, body, refusal)
    heard = replace(_heard(body), pace=_pace(feed.stated), site=web_address(feed.link))
    hubs_named, topic = websub.offer(body.links, feed.hubs, feed.self_link, upstream.url)
    return await _settled(kit, claim, reading, heard, lambda tx: websub.offered(tx, claim, hubs_named, topic))


async def _read(
    kit: Kit, body: Body, upstream: Upstream, known: frozenset[str], now: datetime, *, doubtful: bool
) -> tuple[Reading, Parsed]:
    def work() -> tuple[Reading, Parsed]:
        feed = kit.reader.parse(body.body, content_type=body.content_type, url=body.base, known=known)
        return reading_of(feed, upstream, now), feed

    return await kit.think(work, doubtful=doubtful)


async def _filed(kit: Kit, claim: Claim, reading: Reading) -> Filing:
    filing = Filing(kit.store, claim, reading, kit.mint, kit.site.named_host)
    steps = filing.steps()
    while await kit.call(lambda: next(steps, ...)) is not ...:
        pass  # between two steps others have the store
    return filing


async def _settled(
    kit: Kit, claim: Claim, reading: Reading, heard: Heard, also: Callable[[Tx], None] = lambda _: None
) -> Polled:
    filing = await _filed(kit, claim, reading)
    fault = _fault(claim, reading, filing)
    if (
        filing.again
    ):  # what may succeed another time must be read again, though the feed has not changed by then
        heard = replace(heard, validators=upstreams.unread(claim.validators))

    def settle(tx: Tx) -> None:
        if upstreams.settle_success(tx, claim, heard, fault=fault):
            also(tx)

    await kit.write(settle)
    return _outcome(claim, reading, filing, fault)


def _outcome(claim: Claim, reading: Reading, filing: Filing, fault: str | None) -> Polled:
    return Polled(
        slug=claim.upstream.slug,
        read=True,
        fault=fault,
        prospects=tuple(filing.prospects),
        left_out=tuple(filing.left_out),
        asking=filing.asking,
        same=len(reading.unchanged),
    )


async def _failed(kit: Kit, claim: Claim, failure: Failed | Gone) -> Polled:
    gone = isinstance(failure, Gone)
    wait = None if isinstance(failure, Gone) else failure.retry_after
    words, status = failure.words, failure.status
    await kit.write(
        lambda tx: upstreams.settle_failure(tx, claim, words, status=status, retry_after=wait, gone=gone)
    )
    return Polled(slug=claim.upstream.slug, fault=words)


async def _discovered(kit: Kit, claim: Claim, body: Body, refusal: Unreadable) -> Polled:
    """A page instead of a feed: where it was never one, its address may have been given for the feed it names (feeds:I11)."""
    upstream = claim.upstream
    links = _feeds_of(body, refusal)
    if claim.read or not links:
        return await _failed(kit, claim, Failed(str(refusal), status=body.status))
    feed = _leads(claim, links)
    if feed:
        await kit.write(lambda tx: upstreams.settle_elsewhere(tx, claim, feed.url))
        fault = f"it is a web page; its feed {feed.url} is read from now on: poll again"
        return Polled(slug=upstream.slug, fault=fault, led_on=True)
    named = ", ".join(link.url for link in links[:NAMED_FEEDS])
    how = (
        "put the right one into the file"
        if upstream.file
        else f"choose one: `syndicator upstream edit {upstream.slug} --url …`"
    )
    return await _failed(kit, claim, Failed(f"{refusal}; it names {named}: {how}", status=body.status))


def _feeds_of(body: object, refusal: Unreadable) -> list[Link]:
    """The feeds that a page names, in its head or in the header of the answer."""
    named = (*(body.feeds if isinstance(body, Body) else ()), *refusal.links)
    links = {link.url: link for link in named}.values()
    return [link for link in links if not address_fault(link.url) and link.type != WORDPRESS_API]


def _leads(claim: Claim, links: Sequence[Link]) -> Link | None:
    """The feed to read instead of this page from now on, if that is clear, and the address was never a feed."""
    feed, upstream = chosen(links), claim.upstream
    # One step and no more: pages that name each other would be followed for ever.
    free = not (upstream.file or claim.astray or claim.read)
    return feed if feed and free and feed.url != upstream.url else None


def chosen(links: Sequence[Link]) -> Link | None:
    """The one feed that a page offers, in whichever formats; None if there are several, or none.

    >>> rss, atom = Link(url="https://a.example/r", title="News RSS", type="application/rss+xml"), Link(
    ...     url="https://a.example/a", title="News (Atom 1.0)", type="application/atom+xml"
    ... )
    >>> chosen([rss, atom]) is rss
    True
    """
    feeds = {link.url: link for link in links if not link.comments}
    names = {FORMATS.sub("", link.title.lower()) for link in feeds.values()}
    kinds = {link.type for link in feeds.values()}
    same = len(names) == 1 and len(kinds) == len(feeds)
    return next(iter(feeds.values())) if same else None


def _heard(answer: Body | Unchanged) -> Heard:
    return Heard(
        validators=answer.validators, status=answer.status, header=answer.headers_pace, moved=answer.moved
    )


def _pace(stated: Stated) -> Pace:
    return Pace(
        interval=timedelta(seconds=stated.interval) if stated.interval else None,
        skip_hours=stated.skip_hours,
        skip_days=stated.skip_days,
    )


def _fault(claim: Claim, reading: Reading, filing: Filing) -> str | None:
    """What an operator should know of a feed that was read, in one line."""
    slug, without = claim.upstream.slug, filing.left_out
    words = [f"read with a warning: {reading.warning}"] if reading.warning else []
    if filing.asking is not None:
        words.append(
            f"{filing.asking} items and corrections would be sent at once, so nothing is filed: "
            f"`syndicator upstream poll {slug} --dry-run` shows them, `syndicator upstream accept {slug}` files them, "
            f"with --no-push without sending them to anybody"
        )
    words += [f'left out "{entry.title[:80]}": {entry.why}' for entry in without[:NAMED_FAULTS]]
    if len(without) > NAMED_FAULTS:
        more = len(without) - NAMED_FAULTS
        words.append(f"and {more} more, which `syndicator upstream poll {slug} --dry-run` shows")
    return "; ".join(words) or None
