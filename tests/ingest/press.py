"""A WordPress site on loopback: its page, its feed, its REST API, as WordPress 6 answers; and lies, where a test wants them."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ingest.loopback import Quiet, listening

FIRST = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
TERMS = {
    3: ("Policy", "policy", "category"),
    4: ("Events &amp; People", "events-people", "category"),
    9: ("wolves", "wolves", "post_tag"),
}

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Post:
    """A post as its author wrote it."""

    id: int
    title: str = ""
    content: str = ""
    status: str = "publish"
    password: str = ""
    kind: str = "post"
    terms: tuple[int, ...] = (3,)

    def __post_init__(self) -> None:
        self.title = self.title or f"Post {self.id}"
        self.content = self.content or f"<p>All about {self.id}.</p>"

    @property
    def date(self) -> datetime:
        """When it was published, UTC."""
        return FIRST + timedelta(hours=self.id)


@dataclass
class Press:
    """The site: what is on it, what it was asked, and by path what it answers instead."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    instead: dict[str, Callable[[dict[str, str]], Answer]] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """The site's address."""
        return f"http://127.0.0.1:{self.port}/"

    def url(self, path: str) -> str:
        """An address of the site."""
        return self.home + path.lstrip("/")

    def guid(self, post: Post) -> str:
        """What the feed and the API give as guid; the address of a site as it was, long ago."""
        name = f"?p={post.id}" if post.kind == "post" else f"?page_id={post.id}&#038;x=1"
        return f"http://old.press.example/{name}"

    def fill(self, count: int) -> None:
        """So many plain posts."""
        self.posts = [Post(number) for number in range(1, count + 1)]

    def say(self, path: str, answer: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer so at this path from now on; what is no bytes as JSON."""
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        said = {"content-type": "application/json; charset=UTF-8"} | (headers or {})
        self.instead[path] = lambda _query: (status, said, body)

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """What is at a path."""
        if path in self.instead:
            return self.instead[path](query)
        if path == "/":
            return (
                200,
                {"content-type": "text/html", "link": f'<{self.url("wp-json/")}>; rel="{API}"'},
                self.page(),
            )
        if path == "/feed/":
            return 200, {"content-type": "application/rss+xml; charset=UTF-8"}, self.feed()
        routes = {"posts": "post", "pages": "page"}
        name = path.removeprefix("/wp-json/").removeprefix("wp/v2/")
        if path == "/wp-json/":
            namespaces = ["oembed/1.0", "wp/v2", "wp-site-health/v1"]
            return _json(
                {"name": "The Press &amp; Co", "home": self.home.rstrip("/"), "namespaces": namespaces}
            )
        if name in routes:
            found = [post for post in self.public if post.kind == routes[name]]
            return self._slice(sorted(found, key=lambda post: post.date), query)
        if name == "categories":
            return _json([self.category(key) for key, term in TERMS.items() if term[2] == "category"])
        return _json({"code": "rest_no_route", "message": "No route", "data": {"status": 404}}, 404)

    @property
    def public(self) -> list[Post]:
        """What anybody may see."""
        return [post for post in self.posts if post.status == "publish"]

    def _slice(self, found: list[Post], query: dict[str, str]) -> Answer:
        size, offset = int(query.get("per_page", 10)), int(query.get("offset", 0))
        rows = [self.post(post) for post in found[offset : offset + size]]
        pages = str(-(-len(found) // size))
        return _json(rows, 200, **{"X-WP-Total": str(len(found)), "X-WP-TotalPages": pages})

    def post(self, post: Post) -> dict[str, Any]:
        """A post as the API gives it."""
        hidden = bool(post.password)
        text = "" if hidden else post.content
        terms = [
            {"id": key, "link": self.url(f"{TERMS[key][2]}/{TERMS[key][1]}/"), "name": TERMS[key][0]}
            | {"slug": TERMS[key][1], "taxonomy": TERMS[key][2], "_links": {"self": [{"href": "x"}]}}
            for key in post.terms
        ]
        return {
            "id": post.id,
            "date_gmt": f"{post.date:%Y-%m-%dT%H:%M:%S}",
            "guid": {"rendered": self.guid(post)},
            "link": self.url(f"2026/{post.id}/"),
            "status": post.status,
            "type": post.kind,
            "title": {"rendered": post.title},
            "content": {"rendered": text, "protected": hidden},
            "excerpt": {
                "rendered": f"<p>In short, {post.id} [&hellip;]</p>\n" * (not hidden),
                "protected": hidden,
            },
            "_links": {"author": [{"embeddable": True, "href": self.url("wp-json/wp/v2/users/1")}]},
            "_embedded": {
                "author": [
                    {"id": 1, "name": "Ada Desk", "url": "", "link": self.url("author/ada/"), "slug": "ada"}
                ],
                "wp:term": [terms, []],
            },
        }

    def category(self, key: int) -> dict[str, Any]:
        """A category as the API gives it."""
        name, slug, taxonomy = TERMS[key]
        count = sum(key in post.terms for post in self.public)
        link = self.url(f"category/{slug}/")
        return {
            "id": key,
            "count": count,
            "link": link,
            "name": name,
            "slug": slug,
            "taxonomy": taxonomy,
            "meta": [],
        }

    def page(self) -> bytes:
        """The front page."""
        return (
            "<!DOCTYPE html><html lang=en><head><title>The Press</title>"
            f'<link rel="alternate" type="application/rss+xml" title="The Press &raquo; Feed" href="{self.url("feed/")}" />'
            f'<link rel="alternate" type="application/rss+xml" title="The Press &raquo; Comments Feed" href="{self.url("comments/feed/")}" />'
            f'<link rel="https://api.w.org/" href="{self.url("wp-json/")}" /></head><body>Hello</body></html>'
        ).encode()

    def feed(self) -> bytes:
        """The newest ten as RSS."""
        newest = sorted((post for post in self.public if post.kind == "post"), key=lambda post: post.date)[
            -10:
        ]
        return (
            '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>The Press &#038; Co</title>'
            f"<link>{self.home}</link><description></description><generator>https://wordpress.org/?v=6.8</generator>"
            f"{''.join(map(self.item, reversed(newest)))}</channel></rss>"
        ).encode()

    def item(self, post: Post) -> str:
        """A post in the feed."""
        names = "".join(
            f"<category><![CDATA[{html.unescape(TERMS[key][0])}]]></category>" for key in post.terms
        )
        return (
            f"<item><title>{post.title}</title><link>{self.url(f'2026/{post.id}/')}</link>"
            f"<dc:creator><![CDATA[Ada Desk]]></dc:creator><pubDate>{format_datetime(post.date)}</pubDate>{names}"
            f'<guid isPermaLink="false">{self.guid(post)}</guid><description><![CDATA[In short, {post.id} [&#8230;]]]></description>'
            f"<content:encoded><![CDATA[{post.content}]]></content:encoded></item>"
        )

    def export(self, *more: str) -> bytes:
        """The site as `Tools → Export` gives it."""
        head = (
            '<?xml version="1.0" encoding="UTF-8" ?>\n<!-- This is a WordPress eXtended RSS file <item> -->\n'
            '<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" '
            'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
            'xmlns:wp="http://wordpress.org/export/1.2/">\n<channel><title>The Press</title>'
            f"<link>{self.home.rstrip('/')}</link><wp:wxr_version>1.2</wp:wxr_version>"
            "<wp:author><wp:author_id>1</wp:author_id><wp:author_login><![CDATA[ada]]></wp:author_login>"
            "<wp:author_display_name><![CDATA[Ada Desk]]></wp:author_display_name></wp:author>"
        )
        items = "".join(map(self.exported, self.posts))
        return f"{head}{items}{''.join(more)}</channel>\n</rss>\n".encode()

    def exported(self, post: Post) -> str:
        """A post in the export."""
        names = "".join(
            f'<category domain="{TERMS[key][2]}" nicename="{TERMS[key][1]}"><![CDATA[{html.unescape(TERMS[key][0])}]]></category>'
            for key in post.terms
        )
        return (
            f"\t<item>\n\t\t<title><![CDATA[{post.title}]]></title>\n<link>{self.url(f'2026/{post.id}/')}</link>"
            f"<pubDate>{format_datetime(post.date)}</pubDate><dc:creator><![CDATA[ada]]></dc:creator>"
            f'<guid isPermaLink="false">{self.guid(post)}</guid><description></description>'
            f"<content:encoded><![CDATA[{post.content}]]></content:encoded><excerpt:encoded><![CDATA[]]></excerpt:encoded>"
            f"<wp:post_id>{post.id}</wp:post_id><wp:post_date_gmt><![CDATA[{post.date:%Y-%m-%d %H:%M:%S}]]></wp:post_date_gmt>"
            f"<wp:status><![CDATA[{post.status}]]></wp:status><wp:post_type><![CDATA[{post.kind}]]></wp:post_type>"
            f"<wp:post_password><![CDATA[{post.password}]]></wp:post_password>{names}"
            "<wp:postmeta><wp:meta_key><![CDATA[x]]></wp:meta_key><wp:meta_value><![CDATA[<wp:status>draft</wp:status>]]></wp:meta_value></wp:postmeta>"
            "<wp:comment><wp:comment_author><![CDATA[Bob]]></wp:comment_author><wp:comment_content><![CDATA[</item>]]></wp:comment_content>"
            "</wp:comment></item>\n"
        )


API = "https://api.w.org/"


def _json(said: Any, status: int = 200, **headers: str) -> Answer:
    return status, {"content-type": "application/json; charset=UTF-8"} | headers, json.dumps(said).encode()


@contextmanager
def serving() -> Iterator[Press]:
    """The site on loopback for as long as the block runs."""
    site = Press()

    class Handler(Quiet):
        def get(self) -> None:
            site.asked.append(self.path)
            site.agents.add(self.headers.get("user-agent", ""))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, headers, body = site.answer(parts.path, query)
            self.send(status, body, headers)

    with listening(Handler) as site.port:
        yield site
