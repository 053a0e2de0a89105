"""The hot path, its pure part: what to answer to a request for a feed (DESIGN §5.6).

`answer` decides, given what `Memory` holds; it touches no database, no clock and no socket. Both
doors (`web.doors`) send what it says. What memory holds is `web.catalogue`'s affair; nothing is
rendered here (walk A ends at the store's bytes). H-numbers are `requirements/feeds` §2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple, Protocol

from syndicator.model.site import MEDIA_TYPES, Format, Site, archive_path, feed_path
from syndicator.store.documents import Validators
from syndicator.web.codings import GZIP, IDENTITY, NAMES, STORED, choose

Pair = tuple[bytes, bytes]
Headers = Sequence[Pair]

PREFIX = "/feeds/"
STALE_WHILE_REVALIDATE = 60  # seconds a cache may still answer while it asks us
ARCHIVED = 2_592_000  # seconds; a closed page changes only when something is withdrawn from it
# Seconds. Addresses stay moved for years (H8); a day lets a renaming be undone without sending readers in circles.
MOVED = 86_400
HELD_HEADS = 4096  # ready-made heads in memory, about 1 kB each

# Feed readers in browsers fail without these (H10); on every answer, errors as well.
SHARED: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Link, Last-Modified, Retry-After"),
    (b"x-content-type-options", b"nosniff"),
]
ALLOW = b"GET, HEAD, OPTIONS"
SHOWN = (b"content-type", b"application/xml; charset=utf-8")


class Head:
    """The head of an answer, ready-made twice: as ASGI wants it, and as it goes over the wire.

    `block` lacks what the server adds (Date) and the empty line; `tag` is the ETag in it, if there is one.
    """

    __slots__ = ("block", "headers", "line", "status", "tag")

    def __init__(self, status: int, headers: Headers, tag: bytes | None = None) -> None:
        self.status, self.headers, self.tag = status, headers, tag
        self.line = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
        self.block = b"".join(b"%s: %s\r\n" % pair for pair in headers)


class Answer(NamedTuple):
    """What goes over the wire; HEAD has the headers of GET and no body."""

    head: Head
    body: bytes = b""

    @property
    def status(self) -> int:
        """The status code."""
        return self.head.status


class Served:
    """A document as memory knows it; its heads are made when they are first asked for.

    Within 1 kB (DESIGN §5.5). `page` is None for a live feed, `pages` how many archive pages its topic
    has; `sizes` in bytes by coding, `ready` the bit set of codings at hand, which may grow and shrink.
    """

    __slots__ = (
        "etag", "format", "modified", "opaque", "page", "pages", "ready", "site", "sizes", "stored", "topic",
    )  # fmt: skip

    def __init__(self, known: Validators, site: Site, page: int | None = None) -> None:
        self.topic, self.format, self.page, self.pages = known.topic, known.format, page, known.pages
        self.etag, self.stored, self.site = known.etag, known.stored, site
        self.modified = int(known.modified.timestamp())
        self.opaque = known.etag.strip('"').encode("ascii")
        self.sizes: tuple[int, ...] = (known.size, known.gzip_size)
        self.ready = STORED

    @property
    def path(self) -> str:
        """Where it is asked for."""
        if self.page is None:
            return feed_path(self.topic, self.format)
        return archive_path(self.topic, self.page, self.format)


class Memory(Protocol):
    """What `answer` may look into: all of it in memory."""

    def find(self, path: str) -> Served | Answer | None:
        """The document at this path, or the answer where there is none; None: it must be read first."""

    def body(self, path: str, served: Served, coding: int) -> bytes | None:
        """The very bytes `served` describes, or None if they must be read first."""

    def load(self, path: str) -> Memory:
        """Read what is at a path from the store; what is returned holds it."""


def answer(method: str, path: str, headers: Iterable[Pair], memory: Memory) -> Answer | None:
    """What to say to a request under `/feeds/`; None if the store must be read first."""
    if method not in ("GET", "HEAD"):
        return PREFLIGHT if method == "OPTIONS" else NOT_ALLOWED
    found = memory.find(path)
    if found is None:
        return None
    if isinstance(found, Answer):
        return found if method == "GET" else Answer(found.head)
    tags = since = codings = None
    shown = False
    for name, value in headers:
        if name == b"if-none-match":
            tags = value if tags is None else tags + b"," + value
        elif name == b"accept-encoding":
            codings = value if codings is None else codings + b"," + value
        elif name == b"if-modified-since":
            since = value
        elif name == b"sec-fetch-dest":
            shown = value == b"document" and found.format is not Format.JSON
    coding = IDENTITY if codings is None else choose(codings, found.ready)
    if (tags is not None or since is not None) and known(found, coding, tags, since):
        return Answer(head(found, 304, coding, shown))
    if method == "HEAD":
        return Answer(head(found, 200, coding, shown))
    body = memory.body(path, found, coding)
    if body is None and coding > GZIP:  # it has just been dropped
        coding = choose(codings or b"", STORED)
        body = memory.body(path, found, coding)
    return None if body is None else Answer(head(found, 200, coding, shown), body)


def known(served: Served, coding: int, tags: bytes | None, since: bytes | None) -> bool:
    """Whether the client has these bytes already; tags win over the date (RFC 9110 §13.2.2, H3, H4)."""
    if tags is not None:
        return tags == head(served, 304, coding).tag or tag_matches(served.opaque, tags)
    return since is not None and _seconds(since) >= served.modified


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


def http_date(moment: datetime) -> bytes:
    """A moment as HTTP says it (RFC 9110 §5.6.7)."""
    return format_datetime(moment.astimezone(UTC), usegmt=True).encode("ascii")


@lru_cache(maxsize=HELD_HEADS)
def head(served: Served, status: int, coding: int, shown: bool = False) -> Head:  # noqa: FBT001, FBT002 - positional, for the cache
    """The head of a 200 (H1), or of the 304 in its place (H6), in one coding (H2).

    `shown`: a person opened the feed in a browser, which only a navigation says (Fetch Metadata §2.1).
    Browsers print the source of what is typed as a feed; typed as XML they show it by its style sheet.
    No shared cache may keep that, so readers never meet it.
    """
    tag = b'"%s%s"' % (served.opaque, b"-" + NAMES[coding] if coding else b"")
    dated = (b"last-modified", http_date(datetime.fromtimestamp(served.modified, UTC)))
    constant = _for_people(served.site.base_url) if shown else _constant(_lifetime(served))
    headers = [(b"etag", tag), dated, (b"link", _links(served)), *constant]
    if status == 200:
        headers += [
            SHOWN if shown else _kind(served.format),
            (b"content-length", b"%d" % served.sizes[coding]),
        ]
        headers += [(b"content-encoding", NAMES[coding])] if coding else []
    return Head(status, headers, tag)


@lru_cache(maxsize=512)
def _since(text: bytes) -> int:
    try:
        moment = parsedate_to_datetime(text.decode("ascii"))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return -1


def _seconds(text: bytes) -> int:
    """An HTTP date as seconds since 1970, or -1 if it is none: it is ignored then (H4)."""
    return _since(text) if len(text) <= 40 else -1


def _lifetime(served: Served) -> int:
    # Constant (H7): a lifetime that shrinks as a lift nears would reveal it (DESIGN §5.5).
    return served.site.max_age if served.page is None else ARCHIVED


@lru_cache(maxsize=8)
def _constant(max_age: int) -> Headers:
    lifetime = f"public, max-age={max_age}, stale-while-revalidate={STALE_WHILE_REVALIDATE}"
    return [(b"cache-control", lifetime.encode()), (b"vary", b"Accept-Encoding"), *SHARED]


@lru_cache(maxsize=8)
def _for_people(base_url: str) -> Headers:
    return [
        (b"cache-control", b"private, max-age=0"),
        (b"vary", b"Accept-Encoding, Sec-Fetch-Dest"),
        (b"content-security-policy", b"default-src 'none'; style-src 'self' %s" % base_url.encode()),
        *SHARED,
    ]


@lru_cache(maxsize=8)
def _kind(format: Format) -> Pair:
    return b"content-type", MEDIA_TYPES[format].encode()


def _links(served: Served) -> bytes:
    """Exactly one self; on a live feed the hubs as well: by these a WebSub subscriber finds its way (W1)."""
    hubs = served.site.hubs if served.page is None else ()
    links = (f'<{served.site.url(served.path)}>; rel="self"', *(f'<{hub}>; rel="hub"' for hub in hubs))
    return ", ".join(links).encode("ascii", "ignore")


def plain(status: int, words: bytes, *more: Pair) -> Answer:
    """A short answer in words, which browsers' readers may see."""
    length = (b"content-length", b"%d" % len(words))
    return Answer(
        Head(status, [(b"content-type", b"text/plain; charset=utf-8"), length, *more, *SHARED]), words
    )


@lru_cache(maxsize=256)
def moved(target: str) -> Answer:
    """The address has another name now (H8)."""
    lasting = (b"cache-control", b"public, max-age=%d" % MOVED)
    return plain(301, b"This has moved.\n", (b"location", target.encode("ascii", "ignore")), lasting)


@lru_cache(maxsize=64)
def too_many(wait: int) -> Answer:
    """Whole feeds are asked for too often; `wait` in seconds (H9)."""
    words = b"Too many whole feeds. Send If-None-Match: unchanged feeds are not counted.\n"
    return plain(429, words, (b"retry-after", b"%d" % wait), (b"cache-control", b"no-store"))


# One and the same for every path that has no document, whatever may be planned there (DESIGN promise 2).
NOT_FOUND = plain(
    404, b"There is no feed here. /feeds lists them all.\n", (b"cache-control", b"public, max-age=60")
)
GONE = plain(410, b"This feed has ended.\n", (b"cache-control", b"public, max-age=%d" % MOVED))
NOT_ALLOWED = plain(405, b"Feeds are read with GET.\n", (b"allow", ALLOW))
NOT_READY = plain(503, b"Feeds are being loaded.\n", (b"retry-after", b"2"), (b"cache-control", b"no-store"))
PREFLIGHT = Answer(
    Head(
        204,
        [
            (b"allow", ALLOW),
            (b"access-control-allow-methods", ALLOW),
            (b"access-control-allow-headers", b"If-None-Match, If-Modified-Since, Cache-Control"),
            (b"access-control-max-age", b"86400"),
            *SHARED,
        ],
    )
)
