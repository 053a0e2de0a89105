"""Archive pages, topics that moved or ended, and what is only planned: what the public is told, at both doors."""

import gzip
import itertools
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from syndicator import feeds, press, publish
from syndicator import topics as addresses
from syndicator.model.release import Embargo
from syndicator.model.site import MEDIA_TYPES, Format
from syndicator.store import Store, documents, notices, open_store, topics
from syndicator.web import catalogue
from tests.make import NOW, FakeClock, make_content, make_newsroom
from tests.web.served import Running, running, save_document, site, wait_until

SITE = site(window=2)
PATH = "/feeds/policy.atom"
PAGE = "/feeds/policy/archive/1.atom"


@pytest.fixture(params=["early-sqlite", "asgi-postgresql"])
def door(request: pytest.FixtureRequest) -> tuple[bool, str]:
    """Whether the early door is open, and a database; each of both at least once."""
    door, _, database = request.param.partition("-")
    return door == "early", request.getfixturevalue(f"{database}_url")


@pytest.fixture
def store(door: tuple[bool, str], clock: FakeClock) -> Iterator[Store]:
    """The store the web process reads, and the newsroom writes."""
    with open_store(door[1], host_clock=clock, fixed_clock=clock) as store:
        yield store


@pytest.fixture
def web(door: tuple[bool, str], store: Store, clock: FakeClock) -> Iterator[Running]:
    """A newsroom with five items in windows of two, so that there are archive pages."""
    make_newsroom(store, "policy", "health", "unseen")
    fill(store, clock, 5)
    with running(store, SITE, early=door[0]) as web:
        yield web


def fill(store: Store, clock: FakeClock, count: int) -> None:
    """Publish items about policy, a minute apart, and build their feeds."""
    for _ in range(count):
        clock.advance(minutes=1)
        with store.begin() as tx:
            publish.publish(
                tx, f"tag:news.example,2026:{clock.now:%H%M}", make_content(f"At {clock.now:%H:%M}")
            )
        feeds.rebuild_stale(store, SITE)


def seen(web: Running) -> None:
    """Let memory catch up, as its thread would."""
    web.app.catalogue.refresh(sweep=False)


def change(store: Store, web: Running, *changes: str) -> None:
    """`rename health care`, `merge health policy`, `close health`: then rebuild what follows and let it be seen."""
    verb, *words = changes
    with store.begin() as tx:
        if verb == "close":
            addresses.close(tx, words[0], after=timedelta())
        else:
            getattr(addresses, verb)(tx, *words)
    feeds.rebuild_stale(store, SITE)
    seen(web)


# -- archives


def pages(store: Store) -> int:
    """How many closed pages the topic has."""
    with store.read() as tx:
        return documents.validators(tx)[0].pages


def test_archive_pages(web: Running) -> None:
    """feeds:H1 feeds:H3 feeds:H13 a closed page has all that a live feed has, and may be kept for a month."""
    for format in Format:
        path = f"/feeds/policy/archive/1.{format}"
        plain, packed = web.ask(path), web.ask(path, Accept_Encoding="gzip")
        assert 200 == plain.status
        assert "public, max-age=2592000, stale-while-revalidate=60" == plain.headers["cache-control"]
        assert f'<https://news.example{path}>; rel="self"' == plain.headers["link"]
        assert (MEDIA_TYPES[format], str(len(plain.body))) == (
            plain.headers["content-type"],
            plain.headers["content-length"],
        )
        assert plain.body == gzip.decompress(packed.body)
        for held in (plain, packed):
            known = web.ask(path, If_None_Match=held.headers["etag"])
            assert (304, plain.headers["etag"]) == (known.status, known.headers["etag"])
        assert 304 == web.ask(path, If_Modified_Since=plain.headers["last-modified"]).status


def test_pages_that_are_not_there(store: Store, web: Running) -> None:
    """feeds:H18 a number outside the archive is answered from memory, as every unknown address."""
    assert pages(store) < 3
    unknown = web.ask("/feeds/nothing.atom")
    web.app.catalogue.stop()
    web.app.catalogue._store = web.app.catalogue._watch = None  # type: ignore[assignment]
    for page in ("0", "3", "01", "-1", "1e3", "99999999999", "1/1", ""):
        asked = web.ask(f"/feeds/policy/archive/{page}.atom")
        assert (404, unknown.body) == (asked.status, asked.body)
        assert {**unknown.headers, "date": ""} == {**asked.headers, "date": ""}


def test_a_page_in_memory_needs_no_database(web: Running) -> None:
    """feeds:H18 who walks the archive after another is answered without the store."""
    first = web.ask(PAGE)
    web.app.catalogue.stop()
    web.app.catalogue._store = web.app.catalogue._watch = None  # type: ignore[assignment]
    assert (200, first.body) == ((reply := web.ask(PAGE)).status, reply.body)
    assert 304 == web.ask(PAGE, If_None_Match=first.headers["etag"]).status


def test_a_withdrawn_item_leaves_the_page_in_memory(store: Store, clock: FakeClock, web: Running) -> None:
    """feeds:H4 feeds:H18 a page that was cut is cut here, too, with a new tag and date."""
    before = web.ask(PAGE)
    uid = "tag:news.example,2026:0901"
    assert uid.encode() in before.body
    clock.advance(minutes=1)
    with store.begin() as tx:
        publish.withdraw(tx, uid, "wrong")
    clock.advance(minutes=1)
    feeds.rebuild_stale(store, SITE)
    seen(web)
    after = web.ask(PAGE, If_None_Match=before.headers["etag"])
    assert 200 == after.status
    assert f"<id>{uid}</id>".encode() not in after.body
    assert before.headers["last-modified"] != after.headers["last-modified"]


def test_a_new_page_is_there_at_once(store: Store, clock: FakeClock, web: Running) -> None:
    """feeds:H18 a page closed elsewhere is found as soon as the feed that names it."""
    number = pages(store) + 1
    path = f"/feeds/policy/archive/{number}.atom"
    assert 404 == web.ask(path).status
    fill(store, clock, 3)
    seen(web)
    assert 200 == web.ask(path).status


# -- topics that moved or ended


def test_a_renamed_topic(store: Store, web: Running) -> None:
    """feeds:H8 the old address leads to the new one, same format, same page; new links, old id."""
    identity = re.search(rb"<id>[^<]*</id>", web.ask(PATH).body)
    assert identity
    change(store, web, "rename", "policy", "public-policy")
    for rest, method in itertools.product((".atom", ".rss", ".json", "/archive/1.rss"), ("GET", "HEAD")):
        reply = web.ask(f"/feeds/policy{rest}", method)
        assert (301, f"/feeds/public-policy{rest}") == (reply.status, reply.headers["location"])
        assert "public, max-age=86400" == reply.headers["cache-control"]
        assert "*" == reply.headers["access-control-allow-origin"]
        assert 200 == web.ask(f"/feeds/public-policy{rest}", method).status
    assert 404 == web.ask("/feeds/policy/archive/1.xml").status
    assert identity[0] in web.ask("/feeds/public-policy.atom").body


def test_a_topic_renamed_twice(store: Store, web: Running) -> None:
    """feeds:H8 every name it had leads straight to the present one, and a name that is back leads nowhere."""
    change(store, web, "rename", "policy", "two")
    change(store, web, "rename", "two", "three")
    for old in ("policy", "two"):
        assert "/feeds/three.rss" == web.ask(f"/feeds/{old}.rss").headers["location"]
    change(store, web, "rename", "three", "policy")
    assert 200 == web.ask("/feeds/policy.rss").status
    assert "/feeds/policy.rss" == web.ask("/feeds/three.rss").headers["location"]


def test_a_merged_topic(store: Store, clock: FakeClock, web: Running) -> None:
    """feeds:H8 its feed leads to the other topic's, and so do its archive pages, which are no more."""
    with store.begin() as tx:
        publish.publish(tx, "tag:news.example,2026:h", make_content("Health", topics=("health",)))
    feeds.rebuild_stale(store, SITE)
    clock.advance(minutes=1)
    change(store, web, "merge", "policy", "health")
    for path in (PATH, PAGE):
        assert (301, "/feeds/health.atom") == ((reply := web.ask(path)).status, reply.headers["location"])
    assert 200 == web.ask("/feeds/health/archive/1.atom").status


def test_a_merged_topic_that_had_been_renamed(store: Store, clock: FakeClock, web: Running) -> None:
    """feeds:H8 its former name leads to the other topic's feed, never to a page that holds something else."""
    with store.begin() as tx:
        publish.publish(tx, "tag:news.example,2026:h", make_content("Health", topics=("health",)))
    change(store, web, "rename", "policy", "care")
    clock.advance(minutes=1)
    change(store, web, "merge", "care", "health")
    assert "/feeds/health.atom" == web.ask(PAGE).headers["location"]


def test_a_closed_topic(store: Store, web: Running) -> None:
    """feeds:H8 410 for feeds and archive pages, never 200 with something else."""
    change(store, web, "close", "policy")
    for path in (PATH, PAGE, "/feeds/policy.json"):
        for method in ("GET", "HEAD"):
            assert (410, "*") == (
                (reply := web.ask(path, method)).status,
                reply.headers["access-control-allow-origin"],
            )
        assert 410 == web.ask(path, If_None_Match="*").status
    assert 200 == web.ask("/feeds/all.atom").status


def test_a_closed_topic_after_its_date(store: Store, clock: FakeClock, web: Running) -> None:
    """feeds:H8 until its date the feed is there, with its last entry; from then on it is gone."""
    with store.begin() as tx:
        addresses.close(tx, "policy", after=timedelta(days=30))
    feeds.rebuild_stale(store, SITE)
    seen(web)
    assert 200 == web.ask(PATH).status
    clock.advance(days=30)
    web.app.catalogue.refresh()
    assert 410 == web.ask(PATH).status


def test_nothing_is_said_of_what_was_never_seen(store: Store, web: Running) -> None:
    """security:E2 a topic without a public item is unknown, also renamed, and also closed."""
    unknown = web.ask("/feeds/nothing.atom")
    change(store, web, "rename", "unseen", "still-unseen")
    change(store, web, "close", "still-unseen")
    with store.read() as tx:  # what leads the public anywhere: feeds, pages, and what an export says to nginx
        assert topics.Addresses({}, frozenset()) == topics.addresses(tx)
        assert topics.Addresses({"unseen": "still-unseen"}, frozenset({"still-unseen"})) == (
            topics.all_addresses(tx)
        )
    for path in ("/feeds/unseen.atom", "/feeds/still-unseen.atom", "/feeds/unseen/archive/1.atom"):
        asked = web.ask(path)
        assert (404, unknown.body) == (asked.status, asked.body)
        assert {**unknown.headers, "date": ""} == {**asked.headers, "date": ""}


# -- what is planned, and what others do


def test_nothing_shows_that_something_is_planned(store: Store, clock: FakeClock, web: Running) -> None:
    """feeds:H7 security:E2 every answer is the same to the byte with and without a release about to be lifted."""
    asked = [
        f"{method} {path} HTTP/1.1\r\nHost: x\r\n{condition}Connection: close\r\n\r\n".encode()
        for path in (
            "/feeds/all.atom",
            PATH,
            PAGE,
            "/feeds/unseen.json",
            "/feeds/unseen/archive/1.rss",
            "/feeds/x.rss",
        )
        for method in ("GET", "HEAD", "OPTIONS")
        for condition in ("", "If-None-Match: *\r\n", "Accept-Encoding: gzip\r\n")
    ]

    def everything() -> list[bytes]:
        web.app.catalogue.refresh()
        return [re.sub(rb"date: [^\r]*\r\n", b"", web.raw(one)) for one in asked]

    before = everything()
    until = clock.now + timedelta(seconds=30)
    with store.begin() as tx:
        press.draft(
            tx, "tag:r", make_content("Zyzzogeton", topics=("policy", "unseen")), Embargo(until=until)
        )
        press.approve(tx, "tag:r", "editor")
        press.schedule(tx, "tag:r", until)
    clock.advance(seconds=29)
    press.release_due(store)
    feeds.rebuild_stale(store, SITE)
    assert before == everything()


def test_a_notice_is_enough(postgresql_own_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """feeds:H18 on PostgreSQL a publish elsewhere is seen because it was announced, without a poll."""
    monkeypatch.setitem(catalogue.PAUSE, "postgresql", 3600)
    clock = FakeClock(NOW)
    with (
        open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as here,
        open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as there,
        running(here) as web,
    ):
        for word in (b"one", b"two", b"three"):
            save_document(there, word)
            with there.begin() as tx:
                notices.announce(tx)
            wait_until(lambda: web.ask(PATH).body == word)  # noqa: B023
