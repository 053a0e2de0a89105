"""What leads to feeds and pages: the list of feeds, OPML, sitemaps, robots.txt."""

import gzip
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from sqlalchemy import event, insert

from syndicator import press, publish
from syndicator.ingest.sources import opml
from syndicator.model.item import Item, Rule
from syndicator.model.release import Embargo
from syndicator.render import sitemap
from syndicator.store import Store, public, schema, topics
from syndicator.web import discovery
from tests.make import NOW, FakeClock, make_content, make_topic
from tests.web.served import SITE, Reply, Running, add_item, lasting_store, running
from tests.web.test_newsroom import Page

S = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
N = "{http://www.google.com/schemas/sitemap-news/0.9}"
DISCOVERY = ["/feeds", "/feeds.opml", "/sitemap.xml", "/news-sitemap.xml", "/robots.txt"]


@pytest.fixture
def item(store: Store) -> Item:
    """An item under `policy`."""
    return add_item(store, "Joint letter", topics=("policy",), body="<p>Words.</p>")


@pytest.fixture
def web(store: Store, item: Item) -> Iterator[Running]:
    """A web process over a store with one item."""
    with running(store) as web:
        yield web


@pytest.fixture(scope="module")
def lasting(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same for all tests that change nothing."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        add_item(store, "Joint letter", topics=("policy",), body="<p>Words.</p>")
        with running(store) as web:
            yield web


def locations(reply: Reply) -> dict[str, str | None]:
    """Address → lastmod in a sitemap or an index."""
    root = etree.fromstring(reply.body)
    return {str(one.findtext(f"{S}loc")): one.findtext(f"{S}lastmod") for one in root}


# -- the list of feeds -------------------------------------------------------------------------------------


def test_the_list_of_feeds(lasting: Running) -> None:
    """feeds:P30 what a feed is, in two sentences; all first; each format with its address as text; what is new."""
    reply = lasting.ask("/feeds")
    text = re.sub(r"\s+", " ", reply.text)
    assert re.search(r'<p class="lead">A feed is [^.]+\. [^.]+\.</p>', text)
    addresses = re.findall(r'<a class="address"[^>]*>([^<]+)</a>', text)
    assert [
        f"https://news.example/feeds/{t}.{f}" for t in ("all", "policy") for f in ("atom", "rss", "json")
    ] == addresses
    assert 6 == len(Page(reply).all("button", type="button"))
    assert 3 == text.count(">Joint letter</a>")
    assert Page(reply).all("a", href="/feeds.opml")


@pytest.fixture(scope="module")
def crowded(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with ten thousand topics, each with the one item there is."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        made = add_item(store, "Only one")
        with store.begin() as tx:
            place = {"uid": made.uid, "published": made.published, "item_id": made.id}
            new = [make_topic(f"t-{n:05}", title=f"Topic number {n}") for n in range(10_000)]
            tx.connection.execute(insert(schema.topics), [rows(topic) for topic in new])
            found = topics.ids(tx, [topic.slug for topic in new])
            tx.connection.execute(
                insert(schema.memberships), [{"topic_id": key, **place} for key in found.values()]
            )
        yield store


def rows(topic: Any) -> dict[str, Any]:
    """A topic as a row."""
    return {"slug": topic.slug, "title": topic.title, "uid": topic.uid, "file": False, "created": NOW}


def test_ten_thousand_topics(crowded: Store) -> None:
    """feeds:P29 feeds:P30 the list stays small page by page, each topic stands on one of them, all in OPML."""
    with running(crowded) as web:
        first = web.ask("/feeds")
        assert [len(first.body) < 500_000, len(web.ask("/").body) < 500_000] == [True, True]
        assert "/feeds/all.atom" in first.text
        last = web.ask("/feeds?page=101")
        assert ("Page 101 of 101", True) == (
            re.findall(r"Page \d+ of \d+", last.text)[0],
            "t-09999" in last.text,
        )
        assert 404 == web.ask("/feeds?page=102").status
        assert "https://news.example/feeds?page=101" == Page(last).all("link", rel="canonical")[0]["href"]
        found = web.ask("/feeds?q=NUMBER+77")
        assert 100 == len(Page(found).all("a", type="application/atom+xml"))  # 77, 77x, 77xx: 111 of them
        assert "Page 1 of 2" in found.text
        assert [{"name": "robots", "content": "noindex"}] == Page(found).all("meta", name="robots")
        assert "No topic is called that." in web.ask("/feeds?q=nothing+at+all").text
        assert 10_001 == len(opml.read(web.ask("/feeds.opml").body).feeds)
        assert 10_002 == len(locations(web.ask("/sitemap.xml")))


def test_one_statement_whatever_the_number(crowded: Store, store: Store, item: Item) -> None:
    """feeds:P30 ten thousand topics cost no more statements than two."""
    counted = []
    for one in (store, crowded):
        said: list[str] = []
        with running(one) as web:
            web.ask("/feeds")

            def note(_c: Any, _u: Any, statement: str, *_: Any, said: list[str] = said) -> None:
                if "published" in statement:  # not the catalogue's own looks
                    said.append(statement)

            event.listen(one._engine, "before_cursor_execute", note)
            web.ask("/feeds")
            event.remove(one._engine, "before_cursor_execute", note)
        counted.append(len(said))
    assert [3, 3] == counted


@pytest.mark.parametrize(
    "asked",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=%C2%B2",
        "page=" + "9" * 5000,
        "q=" + "x" * 5000,
        "q=%00%ff",
        "utm_source=x",
    ],
)
def test_odd_questions(lasting: Running, asked: str) -> None:
    """feeds:H14 whatever is asked, the list or an honest no; never an error."""
    assert 200 == lasting.ask(f"/feeds?{asked}").status


# -- OPML --------------------------------------------------------------------------------------------------


def test_opml(web: Running, store: Store) -> None:
    """feeds:P29 what is served is OPML, and is read back as the public topics."""
    reply = web.ask("/feeds.opml")
    assert ("text/x-opml; charset=utf-8", "*") == (
        reply.headers["content-type"],
        reply.headers["access-control-allow-origin"],
    )
    assert [
        ("Society of Example", "https://news.example/feeds/all.atom", "https://news.example/"),
        (
            "Society of Example: Policy",
            "https://news.example/feeds/policy.atom",
            "https://news.example/topics/policy",
        ),
    ] == [(feed.title, feed.url, feed.page) for feed in opml.read(reply.body).feeds]


# -- sitemaps ----------------------------------------------------------------------------------------------


def test_the_sitemap(web: Running, store: Store, item: Item, clock: FakeClock) -> None:
    """feeds:P30 front page, topics and items with the date of their last change; what is elsewhere or gone is not in it."""
    add_item(store, "Elsewhere", url="https://partner.example/1")
    assert {
        "https://news.example/": "2026-03-02T09:00:00Z",
        "https://news.example/topics/policy": "2026-03-02T09:00:00Z",
        "https://news.example/items/joint-letter": "2026-03-02T09:00:00Z",
    } == locations(web.ask("/sitemap.xml"))
    clock.advance(days=1)
    with store.begin() as tx:
        publish.correct(tx, item.uid, replace(item.content, body="<p>Better.</p>"), "It was poor.")
    assert (
        "2026-03-03T09:00:00Z"
        == locations(web.ask("/sitemap.xml"))["https://news.example/items/joint-letter"]
    )
    with store.begin() as tx:
        publish.withdraw(tx, item.uid, "Wrong.")
    assert {"https://news.example/"} == set(locations(web.ask("/sitemap.xml")))


def test_an_empty_newsroom(store: Store) -> None:
    """Before anything is published the front page is the sitemap, and there is no news."""
    with running(store) as web:
        assert {"https://news.example/": None} == locations(web.ask("/sitemap.xml"))
        assert {} == locations(web.ask("/news-sitemap.xml"))
        assert 200 == web.ask("/feeds").status
        assert () == opml.read(web.ask("/feeds.opml").body).feeds


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sitemaps of five addresses, cut after three keys."""
    monkeypatch.setattr(discovery, "MOST", 5)
    monkeypatch.setattr(discovery, "SPAN", 3)


def test_the_index(store: Store, small: None, clock: FakeClock) -> None:
    """feeds:P30 beyond one file there is an index, whose full parts stay the same bytes while items are added."""
    for n in range(7):
        add_item(store, f"Item {n}", topics=("policy",))
    with running(store) as web:
        parts = list(locations(web.ask("/sitemap.xml")))
        assert [f"https://news.example/sitemap-{n}.xml" for n in range(4)] == parts
        before = [web.ask(f"/sitemap-{n}.xml") for n in range(4)]
        everything = [url for reply in before for url in locations(reply)]
        slugs = [f"https://news.example/items/item-{n}" for n in range(7)]
        assert ["https://news.example/", "https://news.example/topics/policy", *slugs] == everything
        clock.advance(days=1)
        late = add_item(store, "Back-dated")
        after = [web.ask(f"/sitemap-{n}.xml") for n in range(4)]
        assert [reply.body for reply in before[1:3]] == [reply.body for reply in after[1:3]]
        assert f"https://news.example/items/{late.slug}" in locations(after[3])
        index = locations(web.ask("/sitemap.xml"))
        assert ["2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"] == [
            index[f"https://news.example/sitemap-{n}.xml"] for n in (2, 3)
        ]


@pytest.mark.parametrize("part", ["9", "01", "-1", "1.5", "x", "%C2%B2", "9" * 5000])
def test_parts_that_are_none(lasting: Running, part: str) -> None:
    """What is no part is as unknown as any address."""
    assert (404, lasting.ask("/nope").body) == (
        (reply := lasting.ask(f"/sitemap-{part}.xml")).status,
        reply.body,
    )


def test_fifty_thousand_addresses_are_one_file_and_more_are_not(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """feeds:P30 the limit of the protocol is kept to the address, and no part is beyond it."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        add_item(store, "First")
        fill(store, sitemap.MOST - 2)
        with running(store) as web:
            assert sitemap.MOST == len(locations(web.ask("/sitemap.xml")))
            fill(store, 1)
            index = locations(web.ask("/sitemap.xml"))
            assert 1 + sitemap.MOST // discovery.SPAN == len(index)
            assert sitemap.MOST + 1 == sum(
                len(locations(web.ask(url.removeprefix(SITE.base_url)))) for url in index
            )


def fill(store: Store, count: int) -> None:
    """That many live items more, as rows."""
    with store.begin() as tx:
        content = {"title": "A title"}
        last = tx.connection.exec_driver_sql("select max(id) from items").scalar_one()
        made = [
            {
                "id": n,
                "uid": f"tag:{n}",
                "slug": f"s-{n}",
                "state": "live",
                "revision": 1,
                "published": NOW,
                "updated": NOW,
            }
            for n in range(last + 1, last + 1 + count)
        ]
        tx.connection.execute(insert(schema.items), made)
        words = {"number": 1, "significance": "first", "content": content, "fingerprint": "", "created": NOW}
        tx.connection.execute(insert(schema.revisions), [{"item_id": row["id"], **words} for row in made])


def test_news(web: Running, store: Store, clock: FakeClock) -> None:
    """feeds:P30 the news sitemap holds what was published in the last 48 hours, newest first, and may be empty."""
    clock.advance(hours=24)
    add_item(store, "Offener Brief & mehr", language="de-AT")
    add_item(store, "Elsewhere", url="https://partner.example/1")

    def found() -> list[tuple[str | None, ...]]:
        names = (
            f"{N}title",
            f"{N}publication/{N}name",
            f"{N}publication/{N}language",
            f"{N}publication_date",
        )
        root = etree.fromstring(web.ask("/news-sitemap.xml").body)
        return [tuple(one.findtext(f"{N}news/{name}") for name in names) for one in root]

    assert [
        ("Offener Brief & mehr", "Society of Example", "de", "2026-03-03T09:00:00Z"),
        ("Joint letter", "Society of Example", "en", "2026-03-02T09:00:00Z"),
    ] == found()
    clock.advance(hours=24, seconds=1)
    assert ["Offener Brief & mehr"] == [one[0] for one in found()]
    clock.advance(days=2)
    assert [] == found()


def test_robots(lasting: Running) -> None:
    """mail:LM9 token pages are not for search engines; both sitemaps are named."""
    assert [
        "User-agent: *", "Disallow: /admin", "Disallow: /media-list/", "Disallow: /press/", "",
        "Sitemap: https://news.example/sitemap.xml", "Sitemap: https://news.example/news-sitemap.xml",
    ] == lasting.ask("/robots.txt").text.splitlines()  # fmt: skip


# -- HTTP --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*DISCOVERY, "/static/feed.css"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_conditional(lasting: Running, path: str, coding: str) -> None:
    """feeds:H2 feeds:H3 each has a tag and a constant public lifetime, and is 304 to whoever has it, HEAD as well."""
    full = lasting.ask(path, Accept_Encoding=coding)
    again = lasting.ask(path, Accept_Encoding=coding, If_None_Match=f"W/{full.headers['etag']}")
    head = lasting.ask(path, "HEAD", Accept_Encoding=coding)
    assert (200, 304, b"", b"") == (full.status, again.status, again.body, head.body)
    assert (full.headers["etag"], full.headers["cache-control"]) == (
        again.headers["etag"],
        again.headers["cache-control"],
    )
    assert "public, max-age=" in full.headers["cache-control"]
    assert {**full.headers, "date": ""} == {**head.headers, "date": ""}


def test_a_sitemap_comes_compressed(lasting: Running) -> None:
    """feeds:H2 feeds:H13 compressed or not are different bytes with different tags, and a tag of one is known as the other."""
    plain, packed = (lasting.ask("/sitemap.xml", Accept_Encoding=coding) for coding in ("identity", "gzip"))
    assert (None, "gzip") == tuple(reply.headers.get("content-encoding") for reply in (plain, packed))
    assert plain.body == gzip.decompress(packed.body)
    assert plain.headers["etag"] != packed.headers["etag"]
    assert {"Accept-Encoding"} == {reply.headers["vary"] for reply in (plain, packed)}
    assert 304 == lasting.ask("/sitemap.xml", If_None_Match=packed.headers["etag"]).status


@pytest.mark.parametrize(
    ("codings", "coding"),
    [
        ("gzip;q=0.5", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("br, *;q=0.1", "gzip"),
        ("gzip;q=0, br", None),
        ("gzip; q=0", None),
        ("gzip;q=0.000, *;q=0", None),
        ("gzip;q=0.1, identity", None),
        ("br", None),
    ],
)
def test_a_sitemap_comes_as_it_is_wanted(lasting: Running, codings: str, coding: str | None) -> None:
    """feeds:H2 weights are understood as for feeds."""
    headers = lasting.ask("/sitemap.xml", Accept_Encoding=codings).headers
    assert coding == headers.get("content-encoding")


def test_a_sitemap_is_put_together_once(
    web: Running, store: Store, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    """feeds:P30 who asks while another waits for the same sitemap waits, too, and is given what was made."""
    made: list[threading.Thread] = []
    replies: list[bytes] = []
    second = threading.Thread(target=lambda: replies.append(web.ask("/sitemap.xml").body))
    pages, entered = public.pages, threading.Event()

    def slow(*words: Any) -> Iterator[tuple[str, datetime]]:
        made.append(threading.current_thread())
        if len(made) == 1:
            second.start()
            entered.wait(0.3)  # long enough for the other to come here, if it may
        else:
            entered.set()
        return pages(*words)

    monkeypatch.setattr(public, "pages", slow)
    replies.append(web.ask("/sitemap.xml").body)
    second.join(10)
    assert 1 == len(made)
    assert replies[0] == replies[1]
    assert b"joint-letter" in replies[0]


# -- embargo -----------------------------------------------------------------------------------------------


def seen(web: Running, paths: Sequence[str]) -> list[tuple[int, dict[str, str], bytes]]:
    """Everything one can see but the clock."""
    replies = [web.ask(path) for path in paths]
    return [(reply.status, {**reply.headers, "date": ""}, reply.body) for reply in replies]


def test_nothing_tells_of_what_is_scheduled(web: Running, store: Store, clock: FakeClock) -> None:
    """security:E2 a draft, approved and scheduled for a topic of its own, changes no byte and no header anywhere."""
    paths = [
        *DISCOVERY,
        "/",
        "/topics/secret",
        "/topics/policy",
        "/sitemap-0.xml",
        "/sitemap-1.xml",
        "/sitemap-2.xml",
        "/items/secret-letter",
    ]
    before = seen(web, paths)
    with store.begin() as tx:
        topics.add(tx, make_topic("secret", title="Secret"))
        topics.add(tx, make_topic("rule", title="Secret too", rule=Rule(any=("secret",))))
        until = NOW + timedelta(hours=1)
        content = make_content("Secret letter", topics=("secret", "policy"))
        press.draft(tx, "tag:secret", content, Embargo(until=until))
        press.approve(tx, "tag:secret", "editor")
        press.schedule(tx, "tag:secret", until)
    assert before == seen(web, paths)
    clock.now = until
    press.release_due(store)
    assert "Secret letter" in web.ask("/news-sitemap.xml").text
