"""The hot path: feeds answered from memory, by one pure function and a raw ASGI branch (DESIGN §5.6).

`answer` decides about a request, given what `Memory` holds; it touches no database and no clock.
`Feeds` is the door: it asks, has the bytes read once if they are not in memory, and sends. What
memory holds is `web.catalogue`'s affair; nothing is rendered here (walk A ends at the store's
bytes). H-numbers are `requirements/feeds` §2.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from starlette.concurrency import run_in_threadpool

from syndicator.errors import SyndicatorError
from syndicator.model.site import MEDIA_TYPES, Format, Site, feed_path
from syndicator.observe import logger
from syndicator.store.documents import Validators

Headers = list[tuple[bytes, bytes]]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/feeds/"
STALE_WHILE_REVALIDATE = 60  # seconds a cache may still answer while it asks us
IDENTITY, GZIP = 0, 1

# Feed readers in browsers fail without these (H10); on every answer, errors as well.
SHARED: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Link, Last-Modified, Retry-After"),
    (b"x-content-type-options", b"nosniff"),
]
ENCODED = (b"content-encoding", b"gzip")
ALLOW = b"GET, HEAD, OPTIONS"


class Answer(NamedTuple):
    """What goes over the wire; HEAD has the headers of GET and no body."""

    status: int
    headers: Headers
    body: bytes = b""


class Entry:
    """A document as memory knows it: its validators, and the headers that are its own, ready-made.

    Within 1 kB (DESIGN §5.5): what all documents of a site have in common exists once, and a list of
    headers is put together when it is sent, which costs less than it saves.
    """

    __slots__ = ("_constant", "_dated", "_kind", "_links", "_sizes", "etag", "modified", "stored", "tags")

    def __init__(self, known: Validators, site: Site) -> None:
        self.etag = known.etag
        self.stored = known.stored
        self.modified = int(known.modified.timestamp())
        opaque = known.etag.strip('"').encode("ascii")
        self.tags = ((b"etag", b'"%s"' % opaque), (b"etag", b'"%s-gzip"' % opaque))
        self._sizes = (known.size, known.gzip_size)
        self._dated = (b"last-modified", http_date(known.modified))
        self._links = (b"link", _links(known, site))
        self._constant, self._kind = _constant(site), _content_type(known.format)

    @property
    def opaque(self) -> bytes:
        """What stands between the quotes of the plain tag."""
        return self.tags[IDENTITY][1][1:-1]

    @property
    def modified_text(self) -> bytes:
        """When the bytes changed, as HTTP says it."""
        return self._dated[1]

    def unmodified(self, coding: int) -> Headers:
        """The headers of a 304 (H6)."""
        return [self.tags[coding], self._dated, self._links, *self._constant]

    def full(self, coding: int) -> Headers:
        """The headers of a 200 (H1)."""
        length = (b"content-length", b"%d" % self._sizes[coding])
        headers = [self.tags[coding], self._dated, self._links, self._kind, length, *self._constant]
        return [*headers, ENCODED] if coding == GZIP else headers


class Memory(Protocol):
    """What `answer` may look into: all of it in memory."""

    ready: bool

    def find(self, path: str) -> Entry | None:
        """The document at this path, or None if there is none."""

    def body(self, path: str, entry: Entry, coding: int) -> bytes | None:
        """The very bytes `entry` describes, or None if they must be read first."""

    def load(self, path: str) -> Memory:
        """Read the bytes at a path from the store; what is returned holds them."""


def answer(method: str, path: str, headers: Iterable[tuple[bytes, bytes]], memory: Memory) -> Answer | None:
    """What to say to a request under `/feeds/`; None if the bytes must be read from the store first."""
    if method not in ("GET", "HEAD"):
        return PREFLIGHT if method == "OPTIONS" else NOT_ALLOWED
    entry = memory.find(path)
    if entry is None:
        missing = NOT_FOUND if memory.ready else NOT_READY
        return missing if method == "GET" else missing._replace(body=b"")
    tags = since = codings = None
    for name, value in headers:
        if name == b"if-none-match":
            tags = value if tags is None else tags + b"," + value
        elif name == b"accept-encoding":
            codings = value if codings is None else codings + b"," + value
        elif name == b"if-modified-since":
            since = value
    coding = GZIP if codings is not None and takes_gzip(codings) else IDENTITY
    if known(entry, tags, since):
        return Answer(304, entry.unmodified(coding))
    if method == "HEAD":
        return Answer(200, entry.full(coding))
    body = memory.body(path, entry, coding)
    return None if body is None else Answer(200, entry.full(coding), body)


def known(entry: Entry, tags: bytes | None, since: bytes | None) -> bool:
    """Whether the client has these bytes already; tags win over the date (RFC 9110 §13.2.2, H3, H4)."""
    if tags is not None:
        plain, packed = entry.tags
        return tags == packed[1] or tags == plain[1] or tag_matches(entry.opaque, tags)
    return since is not None and (since == entry.modified_text or _seconds(since) >= entry.modified)


# What stands between the quotes, or without them, less a weak mark (RFC 9110 §8.8.3, and leniently).
_TAG = re.compile(rb'(?:W/)?(?:"([^"]*)"|([^\s,"]+))')
# What proxies that compress append to a tag: nginx forks and Apache -gzip, Jetty --gzip, old Apache ;gzip.
_CODED = re.compile(rb"(?:-{1,2}|;)(?:gzip|br|zstd|deflate)$")


def tag_matches(opaque: bytes, tags: bytes) -> bool:
    """Whether a list of entity tags names `opaque`, in any coding, weak or strong, quoted or not."""
    if opaque not in tags:
        return tags.strip() == b"*"
    for match in _TAG.finditer(tags):
        tag = match[1] if match[1] is not None else match[2]
        if tag == opaque or _CODED.sub(b"", tag) == opaque:
            return True
    return False


def takes_gzip(codings: bytes) -> bool:
    """Whether an Accept-Encoding asks for gzip at least as much as for plain bytes (RFC 9110 §12.5.3)."""
    return _takes_gzip(codings) if len(codings) <= 200 else _weigh(codings)


@lru_cache(maxsize=256)
def _takes_gzip(codings: bytes) -> bool:
    return _weigh(codings)


def _weigh(codings: bytes) -> bool:
    weights: dict[bytes, float] = {}
    for part in codings.lower().split(b","):
        name, _, parameters = part.partition(b";")
        weights[name.strip()] = _weight(parameters)
    gzip = weights.get(b"gzip", weights.get(b"x-gzip", weights.get(b"*", 0.0)))
    return gzip > 0 and gzip >= weights.get(b"identity", 0.0)


def _weight(parameters: bytes) -> float:
    name, _, value = parameters.strip().partition(b"=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == b"q" else 1.0
    except ValueError:
        return 0.0  # what cannot be understood is not asked for


def http_date(moment: datetime) -> bytes:
    """A moment as HTTP says it (RFC 9110 §5.6.7)."""
    return format_datetime(moment.astimezone(UTC), usegmt=True).encode("ascii")


def _seconds(text: bytes) -> int:
    """An HTTP date as seconds since 1970, or -1 if it is none: it is ignored then (H4)."""
    try:
        moment = parsedate_to_datetime(text.decode("ascii"))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return -1


@lru_cache(maxsize=8)
def _constant(site: Site) -> Headers:
    # A constant lifetime: one that shrinks as a lift nears would reveal it (DESIGN §5.5).
    lifetime = f"public, max-age={site.max_age}, stale-while-revalidate={STALE_WHILE_REVALIDATE}"
    return [(b"cache-control", lifetime.encode()), (b"vary", b"Accept-Encoding"), *SHARED]


@lru_cache(maxsize=8)
def _content_type(format: Format) -> tuple[bytes, bytes]:
    return b"content-type", MEDIA_TYPES[format].encode()


def _links(known: Validators, site: Site) -> bytes:
    """Exactly one self, and the hubs: by these a WebSub subscriber finds its way (W1)."""
    own = f'<{site.feed_url(known.topic, known.format)}>; rel="self"'
    return ", ".join((own, *(f'<{hub}>; rel="hub"' for hub in site.hubs))).encode("ascii", "ignore")


def path_of(known: Validators) -> str:
    """Where a document is asked for."""
    return feed_path(known.topic, known.format)


def _plain(status: int, words: bytes, *more: tuple[bytes, bytes]) -> Answer:
    length = (b"content-length", b"%d" % len(words))
    return Answer(status, [(b"content-type", b"text/plain; charset=utf-8"), length, *more, *SHARED], words)


# One and the same for every path that has no document, whatever may be planned there (DESIGN promise 2).
NOT_FOUND = _plain(
    404, b"There is no feed here. /feeds lists them all.\n", (b"cache-control", b"public, max-age=60")
)
NOT_ALLOWED = _plain(405, b"Feeds are read with GET.\n", (b"allow", ALLOW))
NOT_READY = _plain(503, b"Feeds are being loaded.\n", (b"retry-after", b"2"), (b"cache-control", b"no-store"))
PREFLIGHT = Answer(
    204,
    [
        (b"allow", ALLOW),
        (b"access-control-allow-methods", ALLOW),
        (b"access-control-allow-headers", b"If-None-Match, If-Modified-Since, Cache-Control"),
        (b"access-control-max-age", b"86400"),
        *SHARED,
    ],
)


class Feeds:
    """The ASGI door to everything under `/feeds/`; memory first, the store only for bytes not in it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = scope["method"], scope["path"], scope["headers"]
        reply = answer(*asked, self._memory)
        if reply is None:
            reply = await self._read(*asked)
        status, headers, body = reply
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _read(self, method: str, path: str, headers: Headers) -> Answer:
        try:
            found = await run_in_threadpool(self._memory.load, path)
        except SyndicatorError as fault:
            logger("web").warning("feed not read", path=path, fault=str(fault))
            return NOT_READY
        return answer(method, path, headers, found) or NOT_READY
