"""WordPress: whether a page is of one, and its posts and categories by the REST API (`/wp-json/wp/v2/`).

The feed has the ten newest posts, the API has all. What it answers is held to types and sizes like any
stranger's words; a post becomes an `Entry` under the very guid that the feed gives it, so that a later
poll makes no doubles. One request at a time. What becomes of the entries is `ingest.sources.imports`' affair.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syndicator.errors import Invalid, SyndicatorError, TooLarge, TryLater, WireFault
from syndicator.ingest.entries import MAX_TEXT, Entry, Parsed, Person, Term
from syndicator.ingest.filing import LeftOut
from syndicator.ingest.headers import retry_after
from syndicator.model.markup import clean, plain_text, strip_illegal, web_address
from syndicator.model.nesting import too_deep
from syndicator.wire.exchange import Headers, Reply

API = "https://api.w.org/"  # the relation of the link that a WordPress page bears to its API
PER_PAGE = 100  # the most that the API gives at once
FEWER = 5  # divides it, where an answer is too large for us
MOST_POSTS = 200_000
MOST_REQUESTS = 5_000
MOST_CATEGORIES = 1_000
TRIES = 4  # of one request, while the server asks us to come later
LONGEST_WAIT = timedelta(minutes=2)
PAUSE = 0.3  # seconds between two requests: a catalogue is not worth a site's breath
LONGEST_PLAIN = 15_000  # characters of HTML in a title, a name or an excerpt
HEAD = 500_000  # characters of a page in which its head lies
FIELDS = "id,guid,link,date_gmt,status,type,title,content,excerpt,_links,_embedded"
LINK = re.compile(r"<link\b([^<>]{1,2000})>", re.IGNORECASE)
ATTRIBUTE = re.compile(r"([a-z-]{1,30})\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)

Sleep = Callable[[float], Awaitable[None]]


class Getter(Protocol):
    """The part of `wire.http_async.AsyncClient` that is needed here."""

    async def get(self, url: str, headers: Headers | None = None) -> Reply:
        """Fetch `url`; raises WireFault."""
        ...


class _Lenient(BaseModel):
    # Strict about what is read, blind to the rest: plugins add fields of their own.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Text(_Lenient):
    rendered: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    protected: bool = False


class _Name(_Lenient):
    """An author or a term as it is embedded; an error stands in the same place and has no name."""

    id: int = 0
    name: Annotated[str, Field(max_length=1_000)] = ""
    slug: Annotated[str, Field(max_length=1_000)] = ""
    taxonomy: Annotated[str, Field(max_length=100)] = ""


class _Embedded(_Lenient):
    author: Annotated[list[_Name], Field(max_length=50)] = []
    terms: Annotated[list[list[_Name]], Field(alias="wp:term", max_length=50)] = []


class _Post(_Lenient):
    id: int
    guid: _Text
    link: Annotated[str, Field(max_length=4_000)] | None = None
    date_gmt: Annotated[str, Field(max_length=40)] | None = None
    status: Annotated[str, Field(max_length=40)] = "publish"
    title: _Text = _Text()
    content: _Text = _Text()
    excerpt: _Text = _Text()
    embedded: Annotated[_Embedded | list[Any], Field(alias="_embedded")] = []  # PHP's empty map is a list


class Category(_Lenient):
    """A category of the site: how many posts it has, and its page."""

    name: Annotated[str, Field(max_length=1_000)]
    slug: Annotated[str, Field(max_length=400)]
    count: Annotated[int, Field(ge=0, le=2**53)] = 0
    link: Annotated[str, Field(max_length=4_000)] | None = None


class _Index(_Lenient):
    name: Annotated[str, Field(max_length=10_000)] = ""
    home: Annotated[str, Field(max_length=4_000)] = ""
    namespaces: Annotated[list[str], Field(max_length=1_000)]


@dataclass(frozen=True, slots=True)
class Wordpress:
    """A WordPress site: the address of its API, its own page, and what it calls itself."""

    api: str
    home: str
    name: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a site's posts, oldest first, as a feed; `refused` are those that are not to be taken."""

    feed: Parsed
    refused: tuple[LeftOut, ...]
    total: int | None


async def site_of(client: Getter, url: str, page: Reply | None = None) -> Wordpress | None:
    """The WordPress site that a page belongs to, or None; `page` is what lies at `url`, if that is known already.

    Raises WireFault only where the page itself cannot be had.
    """
    page = page or await client.get(url)
    for api in _candidates(page):
        if found := await _index(client, api):
            return found
    return None


async def categories(client: Getter, site: Wordpress) -> list[Category]:
    """The site's categories, those with most posts first; fewer where the API says less or lies."""
    found: list[Category] = []
    while len(found) < MOST_CATEGORIES:
        query = {"per_page": "100", "offset": str(len(found)), "orderby": "count", "order": "desc"}
        reply = await client.get(_address(site.api, "wp/v2/categories", query))
        rows = _rows(reply) if reply.status == 200 else []
        new = [row for row in _each(Category, rows) if row not in found]
        found += new
        if len(rows) < PER_PAGE or not new:
            break
    return found[:MOST_CATEGORIES]


async def posts(
    client: Getter, site: Wordpress, now: datetime, sleep: Sleep, *, kind: str = "posts"
) -> AsyncIterator[Piece]:
    """All public posts, oldest first, in pieces of up to 100; a request at a time, with a pause between two.

    Ends with the last post, at the first answer that brings nothing new, or at MOST_POSTS. Raises
    TryLater where the server asks us to stay away for long, and SyndicatorError for what is no such API.
    """
    walk = _Walk(client, site, now, sleep, kind)
    while piece := await walk.step():
        yield piece


@dataclass(slots=True)
class _Walk:
    """Where we are among the posts; by offset, not by page: the size of a page may have to change."""

    client: Getter
    site: Wordpress
    now: datetime
    sleep: Sleep
    kind: str
    offset: int = 0
    size: int = PER_PAGE
    requests: int = 0
    last: frozenset[int] = frozenset()
    total: int | None = None

    async def step(self) -> Piece | None:
        """The next piece, or None at the end."""
        while self.requests < MOST_REQUESTS and self.offset < MOST_POSTS:
            if self.total is not None and self.offset >= self.total:
                return None
            if self.requests:
                await self.sleep(PAUSE)
            self.requests += 1
            try:
                reply = await self._asked()
            except TooLarge as fault:
                if refused := self._smaller(str(fault)):
                    return Piece(_feed(self.site, ()), (refused,), None)
                continue
            return self._piece(reply)
        return None

    def _smaller(self, why: str) -> LeftOut | None:
        """Ask for fewer at a time; what is too large by itself is passed over, and named."""
        if self.size > 1:
            self.size = max(self.size // FEWER, 1)
            return None
        self.offset += 1
        return LeftOut(title=f"post {self.offset} by date", identity=None, why=why)

    async def _asked(self) -> Reply:
        query = {
            "per_page": str(self.size),
            "offset": str(self.offset),
            "orderby": "date",
            "order": "asc",  # what is published meanwhile comes at the end
            "_embed": "author,wp:term",
            "_fields": FIELDS,
        }
        url = _address(self.site.api, f"wp/v2/{self.kind}", query)
        for _ in range(TRIES):
            reply = await self.client.get(url)
            if reply.status not in {429, 503}:
                return reply
            wait = retry_after(reply.headers.get("retry-after"), self.now) or timedelta(seconds=10)
            if wait > LONGEST_WAIT:
                break
            await self.sleep(wait.total_seconds())
        raise TryLater(
            f"{self.site.api} asks us to come later; import again then: what is here already is left alone"
        )

    def _piece(self, reply: Reply) -> Piece | None:
        if reply.status == 400 and self.offset:
            return None  # WordPress says so beyond the last page
        if reply.status != 200:
            raise SyndicatorError(
                f"the WordPress API answered {reply.status}; it may be closed by a plugin: import a WXR export instead"
            )
        rows = _rows(reply)
        ids = frozenset(row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), int))
        if not rows or (ids and ids <= self.last):
            return None
        self.last, self.total = ids, _total(reply)
        self.offset += len(rows)
        entries: list[Entry] = []
        refused: list[LeftOut] = []
        for row in rows:
            outcome = _entry(row)
            if isinstance(outcome, Entry):
                entries.append(outcome)
            else:
                refused.append(outcome)
        return Piece(_feed(self.site, tuple(entries)), tuple(refused), self.total)


def _candidates(page: Reply) -> list[str]:
    """Where the API may be: as the page says, by its header or its head, else where WordPress puts it."""
    base = page.url
    said = [web_address(target, base) for target in _header_links(page.headers.get("link", ""))]
    if "json" not in page.headers.get("content-type", ""):
        said += [web_address(target, base) for target in _head_links(page.body)]
    at = page.url.find("/wp-json/")
    usual = page.url[: at + len("/wp-json/")] if at >= 0 else urljoin(base, "/wp-json/")
    return list(dict.fromkeys(filter(None, [*said[:3], usual])))


def _header_links(header: str) -> list[str]:
    return [
        target
        for target, rest in re.findall(r"<([^<>]{1,2000})>([^<]{0,500})", header[:20_000])
        if API in rest
    ]


def _head_links(body: bytes) -> list[str]:
    found = []
    for tag in LINK.findall(body[:HEAD].decode("utf-8", "replace")):
        said = {name.lower(): html.unescape(a or b or c) for name, a, b, c in ATTRIBUTE.findall(tag)}
        if API in said.get("rel", "").split() and said.get("href"):
            found.append(said["href"])
    return found


async def _index(client: Getter, api: str) -> Wordpress | None:
    try:
        reply = await client.get(_address(api, "", {"_fields": "name,home,namespaces"}))
        index = _Index.model_validate(_json(reply))
    except (WireFault, Invalid, ValidationError):
        return None
    if reply.status != 200 or "wp/v2" not in index.namespaces:
        return None
    home = web_address(index.home) or urljoin(api, "/")
    return Wordpress(api, home, _plain(index.name) or urlsplit(home).netloc)


def _address(api: str, path: str, query: dict[str, str]) -> str:
    """The address of an endpoint, also where the API is a query (`?rest_route=/`, plain permalinks)."""
    parts = urlsplit(api)
    said = dict(parse_qsl(parts.query))
    if "rest_route" in said:
        said["rest_route"] = f"{said['rest_route'].rstrip('/')}/{path}"
        return urlunsplit(parts._replace(query=urlencode(said | query)))
    return urlunsplit(
        parts._replace(path=f"{parts.path.rstrip('/')}/{path}", query=urlencode(said | query), fragment="")
    )


def _json(reply: Reply) -> Any:
    try:
        return pydantic_core.from_json(reply.body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        raise Invalid(
            "the WordPress API does not answer with JSON; it may be closed by a plugin: import a WXR export instead"
        ) from None


def _rows(reply: Reply) -> list[Any]:
    rows = _json(reply)
    if not isinstance(rows, list) or len(rows) > PER_PAGE:
        raise Invalid(
            "the WordPress API does not answer with a list of at most 100; import a WXR export instead"
        )
    return rows


def _each(kind: type[Category], rows: list[Any]) -> list[Category]:
    found = []
    for row in rows:
        try:
            found.append(kind.model_validate(row))
        except ValidationError:
            continue
    return found


def _entry(row: Any) -> Entry | LeftOut:
    """A post as an entry of the site's feed would be; or why not."""
    try:
        post = _Post.model_validate(row)
        return _refusal(post) or _entry_of(post)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return LeftOut(title=_shown(row), identity=None, why=f"{where}: {first['msg']}"[:300])


def _refusal(post: _Post) -> LeftOut | None:
    title, guid = _plain(post.title.rendered)[:200], _guid(post)
    if post.status != "publish":
        why = f"its status is {post.status}; only what is published is taken"
        return LeftOut(title=title, identity=guid, why=why)
    if post.content.protected or post.excerpt.protected:
        return LeftOut(title=title, identity=guid, why="it is protected by a password")
    return None


def _entry_of(post: _Post) -> Entry:
    embedded = post.embedded if isinstance(post.embedded, _Embedded) else _Embedded()
    terms = [
        Term(term=name, scheme=one.taxonomy or None)
        for found in embedded.terms
        for one in found[:100]
        if (name := _plain(one.name))
    ]
    return Entry(
        guid=_guid(post),
        link=post.link,
        base=web_address(post.link),
        title=_plain(post.title.rendered),
        summary=_plain(post.excerpt.rendered),
        body=post.content.rendered,
        published=_gmt(post.date_gmt),
        authors=tuple(Person(name=name) for one in embedded.author if (name := _plain(one.name))),
        categories=tuple(terms[:200]),
    )


def _guid(post: _Post) -> str | None:
    # The feed says it as XML; here the very ampersand is written out as HTML.
    return html.unescape(post.guid.rendered) or None


def _gmt(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # null, or 0000-00-00T00:00:00
        return None


def _feed(site: Wordpress, entries: tuple[Entry, ...]) -> Parsed:
    # As RSS: the feed that is polled later has the same guids in that format.
    return Parsed(version="rss20", title=site.name[:20_000], link=site.home[:4_000], entries=entries)


def _total(reply: Reply) -> int | None:
    said = reply.headers.get("x-wp-total", "")
    return int(said) if said.isdecimal() and len(said) < 10 else None


def _plain(source: str) -> str:
    """The words of a title, a name or an excerpt, as the feed has them."""
    source = source[:LONGEST_PLAIN]
    return "" if too_deep(source) else strip_illegal(plain_text(clean(source)))


def _shown(row: Any) -> str:
    return f"post {row.get('id')}"[:200] if isinstance(row, dict) else "post"
