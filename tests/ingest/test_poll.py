"""The poll flow from a real server to a real store: what becomes public, what waits, what is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from syndicator import press
from syndicator.errors import NotFound, TryLater
from syndicator.ingest.entries import Parsed
from syndicator.ingest.parse import Pool, parse
from syndicator.ingest.poll import LEASE, Polled, Poller, poll_one, poll_some
from syndicator.ingest.sources.imports import Import, Imported, filed_as
from syndicator.ingest.visit import claim_pushed
from syndicator.model.incoming import Fate
from syndicator.model.item import Kind, Significance
from syndicator.model.release import ReleaseState
from syndicator.model.routing import End, Route
from syndicator.model.upstream import Relation, Upstream
from syndicator.store import Store, deliveries, hubs, items, releases, upstreams
from syndicator.wire.http_async import AsyncClient
from tests.ingest.crowd import Crowd, crowding, host
from tests.ingest.feeds import Site, atom, entry, rss
from tests.make import NOW, FakeClock, make_newsroom, make_site, make_subscription

POOL: Pool
NEWSROOM = make_site()
POOL = Pool(2)
OLD = NOW - timedelta(days=3650)
_numbers = count(1)


def mint(now: datetime) -> str:
    return f"tag:news.example,{now:%Y-%m-%d}:{next(_numbers)}"


def make_upstream(store: Store, site: Site, slug: str = "cms", **other: object) -> Upstream:
    values = {"relation": Relation.OWN, "topics": ("policy",), "allow_private": ("127.0.0.0/8",), **other}
    with store.begin() as tx:
        return upstreams.add(tx, Upstream(id=0, slug=slug, url=site.url, created=tx.now, **values))  # type: ignore[arg-type]


@pytest.fixture
def room(store: Store) -> Store:
    make_newsroom(store)
    with store.begin() as tx:
        make_subscription(tx)
    return store


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[None]:
    """One pool for all tests here: each would start its own processes."""
    with POOL:
        yield


def drained(store: Store, site: Site, **other: Any) -> list[Polled]:
    """Poll whatever is due, as a worker does."""
    done: list[Polled] = []
    poller = Poller(store, site.client, mint, POOL, NEWSROOM, told=done.append, **other)
    assert asyncio.run(poller.drain()).polled == len(done)
    return done


def one(store: Store, site: Site, slug: str = "cms", **other: Any) -> Polled:
    """Poll one upstream, due or not, as a person does."""
    return poll_one(store, slug, site.client, mint, NEWSROOM, reader=POOL, **other)


def poll(store: Store, site: Site, clock: FakeClock | None = None, **span: float) -> Polled:
    """Poll the only one that is due, after 20 minutes or `span` where there is a clock."""
    if clock:
        clock.advance(**(span or {"minutes": 20}))
    (polled,) = drained(store, site)
    return polled


def titles(store: Store) -> list[str]:
    with store.read() as tx:
        return [item.content.title for item in items.listing(tx)]


def owed(store: Store) -> int:
    with store.read() as tx:
        return len(deliveries.listing(tx))


def only_release(store: Store) -> tuple[ReleaseState, datetime | None, str]:
    with store.read() as tx:
        (release,) = releases.listing(tx)
    return release.state, release.at, release.content.title


def test_items_come_in_oldest_first_with_their_own_guid(room: Store, site: Site) -> None:
    """feeds:I15, DESIGN §5.5 — an absolute IRI is kept as uid; others are minted; the oldest enters first."""
    make_upstream(room, site)
    site.say(rss(entry(2), entry(1, published=NOW - timedelta(hours=2), guid="77")))
    assert poll(room, site).count(Fate.ITEM) == 2
    with room.read() as tx:
        first, second = items.listing(tx)
    assert (second.uid, second.content.url, second.upstream) == (
        "tag:cms.example,2026:2",
        "https://cms.example/2",
        "cms",
    )
    assert first.uid.startswith("tag:news.example,")
    assert first.content.guid
    assert first.content.guid.value == "77"


def test_the_first_poll_of_an_archive_mails_nothing(room: Store, site: Site) -> None:
    """mail: only what is younger than push_max_age is owed; undated items of a first poll have no age."""
    make_upstream(room, site)
    site.say(rss(*(entry(n, published=OLD) for n in range(30)), entry(98, published=None), entry(99)))
    assert poll(room, site).count(Fate.ITEM) == 32
    assert owed(room) == 1


def test_undated_items_of_a_later_poll_are_new(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I18 — without a date the first sight counts, and from the second poll on that is news."""
    make_upstream(room, site)
    site.say(rss(entry(1, published=OLD)))
    poll(room, site)
    site.say(rss(entry(2, published=None), entry(1, published=OLD)))
    poll(room, site, clock)
    assert owed(room) == 1


def test_an_upstream_without_push_mails_nothing(room: Store, site: Site) -> None:
    """DESIGN §2 — the switch per upstream stands above all."""
    make_upstream(room, site, push=False)
    site.say(rss(entry()))
    poll(room, site)
    assert (titles(room), owed(room)) == (["Item 1"], 0)


def test_polling_twice_changes_nothing(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I16 — 304, the same bytes, and other bytes with the same words are all unchanged."""
    make_upstream(room, site)
    site.say(rss(entry()), etag='"1"')
    poll(room, site)
    assert poll(room, site, clock) == Polled(slug="cms")  # 304
    site.say(rss(entry()))
    assert poll(room, site, clock) == Polled(slug="cms")
    site.say(rss(entry(), title="Renamed"))
    again = poll(room, site, clock)
    assert (again.read, again.count(Fate.UNCHANGED), again.count(Fate.ITEM)) == (True, 1, 0)
    assert len(titles(room)) == 1


def test_another_entry_revises_no_foreign_item(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I16 — the credited feed's own date moves with each entry; that is no change of an item."""
    make_upstream(room, site, relation=Relation.FOREIGN)
    one = "<entry><id>urn:x:1</id><title>One</title><updated>2026-03-01T00:00:00Z</updated></entry>"
    site.say(atom(one))
    poll(room, site)
    site.say(atom(one.replace("1<", "2<"), one).replace(b"2026-03-01", b"2026-03-02", 1))
    second = poll(room, site, clock, minutes=70)
    assert (second.count(Fate.ITEM), second.count(Fate.UNCHANGED), second.count(Fate.REVISED)) == (1, 1, 0)


def test_foreign_items_are_credited_and_own_are_not(room: Store, site: Site) -> None:
    """feeds:P21 — id, title, updated and self of the feed it came from."""
    make_upstream(room, site, relation=Relation.FOREIGN)
    site.say(atom("<entry><id>urn:x:1</id><title>One</title></entry>"))
    poll(room, site)
    with room.read() as tx:
        (item,) = items.listing(tx)
    source = item.content.source
    assert source
    assert (source.id, source.title, source.feed_url) == (
        "tag:partner.example,2026:feed",
        "Partner",
        "https://partner.example/feed.atom",
    )


def test_changed_words_are_silent_unless_configured(room: Store, site: Site, clock: FakeClock) -> None:
    """DESIGN §2 — a change of an upstream is silent; with on_change it is a correction and is told."""
    make_upstream(room, site)
    site.say(rss(entry()))
    poll(room, site)
    site.say(rss(entry(title="Better")))
    assert poll(room, site, clock).count(Fate.REVISED) == 1
    with room.begin() as tx:
        (item,) = items.listing(tx)
        upstream = upstreams.named(tx, "cms")
        assert (item.content.title, item.revision, item.updated) == ("Better", 2, NOW)
        changed = {name: getattr(upstream, name) for name in upstream.__dataclass_fields__}
        upstreams.edit(tx, Upstream(**{**changed, "on_change": Significance.CORRECTION}))
    site.say(rss(entry(title="Best")))
    poll(room, site, clock)
    with room.read() as tx:
        (item,) = items.listing(tx)
    assert (item.updated, item.note) == (clock(), "changed at its origin (cms)")
    assert "<del>Better</del> Now: <ins>Best</ins>" in item.marked


def test_what_a_person_withdrew_stays_withdrawn(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I17 — the origin does not revive it, and its feed goes on."""
    from syndicator import publish

    make_upstream(room, site)
    site.say(rss(entry()))
    poll(room, site)
    with room.begin() as tx:
        publish.withdraw(tx, "tag:cms.example,2026:1", "An error.")
    site.say(rss(entry(2), entry(1, title="Again")))
    polled = poll(room, site, clock)
    assert (polled.count(Fate.ITEM), polled.count(Fate.REVISED), polled.left_out) == (1, 0, ())


def test_future_items_are_held_until_their_date(room: Store, site: Site) -> None:
    """embargo: DESIGN §5.10 — dated ahead, it is a release and no item; two minutes are a clock that differs."""
    make_upstream(room, site)
    later = NOW + timedelta(days=1)
    site.say(rss(entry(1, published=later), entry(2, published=NOW + timedelta(minutes=1))))
    polled = poll(room, site)
    assert (polled.count(Fate.HELD), polled.count(Fate.ITEM)) == (1, 1)
    assert only_release(room) == (ReleaseState.HELD, later, "Item 1")
    assert titles(room) == ["Item 2"]


def test_a_held_date_follows_its_origin(room: Store, site: Site, clock: FakeClock) -> None:
    """embargo: an origin that moves the date moves the release, with its words; unmoved, nothing happens."""
    make_upstream(room, site)
    first, second = NOW + timedelta(days=1), NOW + timedelta(days=2)
    site.say(rss(entry(1, published=first)))
    poll(room, site)
    site.say(rss(entry(1, published=second, title="Moved")))
    assert poll(room, site, clock).count(Fate.REVISED) == 1
    assert only_release(room) == (ReleaseState.HELD, second, "Moved")
    site.say(rss(entry(1, published=second, title="Moved"), title="x"))
    assert poll(room, site, clock).count(Fate.UNCHANGED) == 1
    site.say(rss(entry(1, published=NOW)))
    poll(room, site, clock)
    assert only_release(room)[:2] == (ReleaseState.HELD, clock())


def test_withheld_and_quarantined_items_wait_for_a_yes(room: Store, site: Site) -> None:
    """embargo: app:draft and quarantine hold without a date; nothing of it is public."""
    make_upstream(room, site)
    draft = "<app:control><app:draft>yes</app:draft></app:control>"
    site.say(atom(f"<entry><id>urn:x:1</id><title>One</title>{draft}</entry>"))
    poll(room, site)
    assert only_release(room) == (ReleaseState.HELD, None, "One")
    make_upstream(room, site, "partner", hold=True)
    site.say(rss(entry()))
    assert one(room, site, "partner").count(Fate.HELD) == 1
    assert titles(room) == []


def yes_to_all(store: Store) -> dict[str, datetime]:
    """Release whatever is held by hand; titles and dates of what is public then."""
    with store.begin() as tx:
        for release in releases.listing(tx, state=ReleaseState.HELD):
            press.publish_now(tx, release.uid)
        return {item.content.title: item.published for item in items.listing(tx)}


def test_quarantine_mails_no_archive(room: Store, site: Site, clock: FakeClock) -> None:
    """mail: a yes to what was held pushes only what is young by its own date; undated archives have none."""
    make_upstream(room, site, hold=True)
    young = NOW - timedelta(hours=1)
    site.say(rss(entry(1, published=OLD), entry(2, published=None), entry(3, published=young)))
    poll(room, site)
    clock.advance(minutes=1)
    public = yes_to_all(room)
    assert (OLD, young) == (public["Item 1"], public["Item 3"])
    assert NOW - timedelta(days=1) == public["Item 2"]
    assert 1 == owed(room)


def test_a_held_date_survives_new_words(room: Store, site: Site, clock: FakeClock) -> None:
    """mail: other words of a held item change neither its date nor that an undated archive is not pushed."""
    make_upstream(room, site, hold=True)
    site.say(rss(entry(1, published=OLD), entry(2, published=None)))
    poll(room, site)
    site.say(rss(entry(1, published=OLD, title="One"), entry(2, published=None, title="Two")))
    assert 2 == poll(room, site, clock).count(Fate.REVISED)
    assert {"One": OLD, "Two": NOW - timedelta(days=1)} == yes_to_all(room)
    assert 0 == owed(room)


def test_undated_and_held_later_is_news(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I18 — from the second poll on what has no date is new: its release is its date, and is pushed."""
    make_upstream(room, site, hold=True)
    site.say(rss(entry(1, published=OLD)))
    poll(room, site)
    site.say(rss(entry(2, published=None), entry(1, published=OLD)))
    poll(room, site, clock)
    now = clock.advance(days=3)
    assert {"Item 1": OLD, "Item 2": now} == yes_to_all(room)
    assert 1 == owed(room)


def test_a_draft_of_the_origin_is_news_when_released(room: Store, site: Site, clock: FakeClock) -> None:
    """mail: what was withheld was never public: its release is its date, however old its draft."""
    make_upstream(room, site)
    draft = "<app:control><app:draft>yes</app:draft></app:control><updated>2016-03-01T00:00:00Z</updated>"
    site.say(atom(f"<entry><id>urn:x:1</id><title>One</title>{draft}</entry>"))
    poll(room, site)
    now = clock.advance(hours=1)
    assert {"One": now} == yes_to_all(room)
    assert 1 == owed(room)


def test_one_bad_entry_never_spoils_the_feed(room: Store, site: Site) -> None:
    """feeds:I12 — what says nothing is left out and named; the rest is public."""
    make_upstream(room, site)
    site.say(rss("<item><guid isPermaLink='false'>9</guid></item>", entry()))
    polled = poll(room, site)
    assert [entry.identity for entry in polled.left_out] == ["9"]
    assert titles(room) == ["Item 1"]
    with room.read() as tx:
        assert "neither a title nor a text" in (upstreams.status(tx, "cms").fault or "")


def test_a_guid_of_somebody_else_makes_another_item(room: Store, site: Site) -> None:
    """feeds:I15 — a foreign feed that names another's guid can neither change nor take it."""
    make_upstream(room, site)
    site.say(rss(entry()))
    poll(room, site)
    make_upstream(room, site, "thief", relation=Relation.FOREIGN)
    site.say(rss(entry(title="Stolen")))
    one(room, site, "thief")
    with room.read() as tx:
        assert items.named(tx, "tag:cms.example,2026:1").content.title == "Item 1"
    assert titles(room) == ["Item 1", "Stolen"]


def test_a_removed_upstream_comes_back_without_doubles(room: Store, site: Site) -> None:
    """DESIGN §6 — remove keeps the items; added again it knows its own by their guid."""
    make_upstream(room, site)
    site.say(rss(entry()))
    poll(room, site)
    with room.begin() as tx:
        upstreams.remove(tx, "cms")
    make_upstream(room, site)
    assert poll(room, site).count(Fate.UNCHANGED) == 1
    assert titles(room) == ["Item 1"]


def test_an_unreadable_body_is_asked_for_again(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I6 — a web page instead of a feed backs off, keeps the items, and is not remembered as read."""
    make_upstream(room, site)
    site.say(b"<html>Please log in</html>", etag='"1"')
    assert poll(room, site).fault == "this is a web page, not a feed"
    assert drained(room, site) == []
    assert poll(room, site, clock, hours=1).fault == "this is a web page, not a feed"
    assert "if-none-match" not in site.asked[1]
    with room.read() as tx:
        assert upstreams.status(tx, "cms").failures == 2


def test_410_pauses(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I6 — a feed that is gone is not asked again until a person resumes it."""
    make_upstream(room, site)
    site.say(b"", 410)
    poll(room, site)
    clock.advance(days=30)
    assert drained(room, site) == []
    with room.read() as tx:
        assert upstreams.status(tx, "cms").paused


def test_a_private_address_needs_leave(room: Store, site: Site) -> None:
    """feeds:I10 — without allow_private the guard refuses, and the fault says what to do."""
    make_upstream(room, site, allow_private=())
    assert "allow_private" in (poll(room, site).fault or "")
    assert site.asked == []


def test_a_lost_topic_leaves_out_and_tries_again(room: Store, site: Site, clock: FakeClock) -> None:
    """Nothing is lost — what failed for our own reasons is read again although the feed did not change."""
    make_upstream(room, site)
    site.say(rss(entry(1)), etag='"1"')
    with room.begin() as tx:
        upstream = upstreams.named(tx, "cms")
        tx.connection.exec_driver_sql("UPDATE upstreams SET topics = '[\"gone\"]'")
    assert 'no topic "gone"' in (poll(room, site).fault or "")
    with room.begin() as tx:
        upstreams.edit(tx, upstream)
    assert poll(room, site, clock).count(Fate.ITEM) == 1


def test_a_hidden_line_break_in_a_title_is_disarmed(room: Store, site: Site) -> None:
    """mail:MC20: what would be refused by every mail of the item is broken apart as it comes in."""
    make_upstream(room, site)
    site.say(rss(entry(1, title="=?utf-8?q?a=0aBcc:_evil?=")))
    poll(room, site)
    assert ["= ?utf-8?q?a=0aBcc:_evil?="] == titles(room)


def test_the_log_names_no_title(room: Store, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """security:E2: what is left out may be under embargo: its title is for the operator, not for the log."""
    make_upstream(room, site)
    site.say(rss(entry(1, title="Canary", published=NOW + timedelta(days=9))))
    with room.begin() as tx:
        tx.connection.exec_driver_sql("UPDATE upstreams SET topics = '[\"gone\"]'")
    assert "Canary" in (poll(room, site).fault or "")
    logged = "".join(capsys.readouterr())
    assert "polled" in logged
    assert "Canary" not in logged


def test_dry_run_tells_and_writes_nothing(room: Store, site: Site) -> None:
    """DESIGN §6 — `upstream poll --dry-run` shows what each entry would become, and why."""
    make_upstream(room, site)
    site.say(rss(entry(1), entry(2, published=NOW + timedelta(days=1))), etag='"1"')
    told = one(room, site, dry_run=True)
    assert [(one.fate, one.why) for one in told.prospects] == [
        (Fate.ITEM, "new"),
        (Fate.HELD, "it is dated 2026-03-03T09:00:00+00:00"),
    ]
    assert titles(room) == []
    assert one(room, site).count(Fate.ITEM) == 1


def test_an_overtaken_poll_files_nothing(room: Store, site: Site, clock: FakeClock) -> None:
    """delivery §1.4 — whoever lost the lease while reading writes neither items nor the settlement."""
    make_upstream(room, site)
    site.say(rss(entry()))

    class Slow:
        def __call__(self, upstream: Upstream) -> object:
            clock.advance(seconds=LEASE.total_seconds() + 1)
            with room.begin() as tx:
                assert upstreams.claim(tx, "cms", LEASE)
            return site.client(upstream)

    polled = poll_one(room, "cms", Slow(), mint, NEWSROOM, reader=POOL)  # type: ignore[arg-type]
    assert "somebody else polls" in (polled.fault or "")
    assert titles(room) == []
    with pytest.raises(TryLater):
        one(room, site)


def test_a_large_feed_goes_in_by_groups(room: Store, site: Site) -> None:
    """DESIGN §5.3 — more entries than fit into one short transaction."""
    make_upstream(room, site, push=False)
    site.say(rss(*(entry(n) for n in range(120))))
    assert poll(room, site).count(Fate.ITEM) == 120


# -- beside the feed itself ------------------------------------------------------------------------------


def pages(*links: str) -> bytes:
    """A web page that names these feeds: (type, title, address)."""
    return f"<!doctype html><html><head><title>x</title>{''.join(links)}</head><body>x</body></html>".encode()


def link(kind: str, title: str, where: str) -> str:
    return f'<link rel="alternate" type="application/{kind}+xml" title="{title}" href="{where}">'


def test_the_page_leads_to_its_feed(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I11: an address that is a page, and was never a feed, is left for the one feed it names, in any format."""
    make_upstream(room, site)
    comments = link("rss", "Comments Feed", "/comments/feed/")
    site.say(pages(link("rss", "CMS RSS", "/rss"), link("atom", "CMS Atom", "/atom"), comments))
    assert "is read from now on" in (one(room, site).fault or "")
    with room.read() as tx:
        assert upstreams.named(tx, "cms").url == f"http://127.0.0.1:{site.port}/rss"
    site.say(rss(entry()))
    assert poll(room, site, clock, seconds=1).count(Fate.ITEM) == 1
    assert site.asked[-1]["path"] == "/rss"


def test_a_page_that_was_out_of_reach_leads_on_later(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I11: a site that was down when its address was given is found all the same; a second page is not followed."""
    make_upstream(room, site)
    site.say(b"", 503)
    assert "503" in (one(room, site).fault or "")
    for path, words in (("/news", "/news is read from now on"), ("/other", "it names")):
        site.say(pages(link("rss", "News", path)))
        clock.advance(hours=1)
        assert words in (one(room, site).fault or "")


def test_a_header_leads_to_the_feed(room: Store, site: Site) -> None:
    """feeds:I11: a page may name its feed in its Link header alone; what else it names there is none."""
    make_upstream(room, site)
    named = '</feed.rss>; rel="alternate"; type="application/rss+xml", </x>; rel=alternate; type="text/html"'
    site.say(pages(), link=named)
    assert "/feed.rss is read from now on" in (one(room, site).fault or "")


def test_a_page_with_several_feeds_is_a_persons_choice(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I11: several feeds are named in the fault, and so is the next step; a page is followed once only."""
    make_upstream(room, site)
    site.say(pages(link("rss", "News", "/news"), link("rss", "Events", "/events")))
    fault = poll(room, site).fault or ""
    assert "/news" in fault
    assert "/events" in fault
    assert "syndicator upstream edit cms --url" in fault
    clock.advance(hours=1)
    site.say(pages(link("rss", "News", "/news")))
    assert "it names" in (poll(room, site).fault or "")
    with room.read() as tx:
        assert upstreams.named(tx, "cms").url == site.url


def test_a_feed_that_becomes_a_page_is_not_left(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I5, feeds:I11: a log-in page in place of a feed that was read before leads nowhere."""
    make_upstream(room, site)
    site.say(rss(entry()))
    poll(room, site)
    site.say(pages(link("rss", "News", "/news")))
    assert "web page" in (poll(room, site, clock).fault or "")
    with room.read() as tx:
        assert upstreams.named(tx, "cms").url == site.url


def test_a_moved_feed_is_asked_at_its_new_address(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I5: 301 for three days, and the body is a feed: its address is changed, and nothing comes in twice."""
    make_upstream(room, site)
    site.say(rss(entry()), etag='"1"')
    site.moved["/feed"] = (301, "/moved")
    for _ in range(4):
        poll(room, site, clock, days=1)
    with room.read() as tx:
        assert upstreams.named(tx, "cms").url.endswith("/moved")
    assert titles(room) == ["Item 1"]
    poll(room, site, clock, days=1)
    assert [one["path"] for one in site.asked[-2:]] == ["/moved", "/moved"]


def test_a_hub_that_is_offered_is_wanted(room: Store, site: Site) -> None:
    """feeds:W5: the Link header wins over the body; the topic is the feed's own address."""
    make_upstream(room, site)
    site.say(rss(entry()), link='<https://hub.example/>; rel="hub", <https://cms.example/feed>; rel="self"')
    poll(room, site)
    with room.read() as tx:
        wanted = hubs.find(tx, upstreams.named(tx, "cms").id)
    assert wanted
    assert (wanted.hub, wanted.topic) == ("https://hub.example/", "https://cms.example/feed")


def bring(store: Store, body: bytes) -> None:
    """A hub brings this for the upstream."""
    with store.begin() as tx:
        upstream = upstreams.named(tx, "cms")
        hubs.want(tx, upstream.id, "https://hub.example/", upstream.url)
        known = hubs.find(tx, upstream.id)
        assert known
        hubs.put(tx, known, body, "application/rss+xml", 9)


def test_what_a_hub_brings_is_merged(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:W6: new entries alone come in beside those we have; nobody is asked, and nothing counts as gone."""
    make_upstream(room, site)
    site.say(rss(entry(1)))
    poll(room, site)
    clock.advance(seconds=1)
    bring(room, rss(entry(2)))
    (polled,) = drained(room, site)
    assert polled.count(Fate.ITEM) == 1
    assert titles(room) == ["Item 1", "Item 2"]
    assert len(site.asked) == 1
    assert drained(room, site) == []
    with room.read() as tx:
        assert upstreams.status(tx, "cms").checks == 0


def test_a_push_is_overtaken_by_a_poll(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:W6: what waited while the feed was read has older words: it is dropped, and the feed read once more, whole."""
    make_upstream(room, site)
    hub = '<https://hub.example/>; rel="hub"'
    site.say(rss(entry(1, title="Old")), etag='"1"')
    poll(room, site)
    clock.advance(minutes=20)
    bring(room, rss(entry(1, title="Old"), entry(2)))
    site.say(rss(entry(1, title="New")), etag='"2"', link=hub)
    clock.advance(seconds=1)
    one(room, site)
    assert [] == drained(room, site)
    assert titles(room) == ["New"]
    site.say(rss(entry(1, title="New"), entry(2)), etag='"2"', link=hub)
    assert poll(room, site, clock, seconds=20).count(Fate.ITEM) == 1
    assert "if-none-match" not in site.asked[-1]


def test_what_another_worker_filed_is_not_filed_again(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:W6: between looking and claiming, somebody else may have read what a hub brought, or removed the upstream."""
    make_upstream(room, site)
    site.say(rss(entry(1)))
    poll(room, site)
    clock.advance(seconds=1)
    bring(room, rss(entry(2)))
    with room.begin() as tx:
        (pushed,) = hubs.pushed(tx, 9)
        claim = claim_pushed(tx, pushed, LEASE)
        assert claim
        upstreams.give_back(tx, [claim])
        hubs.forget(tx, pushed.id)
        assert claim_pushed(tx, pushed, LEASE) is None
        assert upstreams.claim(tx, "cms", LEASE)  # it is free for others
        upstreams.remove(tx, "cms")
        assert claim_pushed(tx, pushed, LEASE) is None


def test_what_a_hub_brings_broken_is_looked_for_in_the_feed(
    room: Store, site: Site, clock: FakeClock
) -> None:
    """feeds:W6: a body that is no feed is forgotten, and the feed itself is read whole, soon."""
    make_upstream(room, site)
    site.say(rss(entry(1)), etag='"1"')
    poll(room, site)
    clock.advance(seconds=2)
    bring(room, b"nonsense")
    (first,) = drained(room, site)
    assert "its hub brought" in (first.fault or "")
    assert poll(room, site, clock, seconds=20).read
    assert "if-none-match" not in site.asked[-1]


def test_many_new_items_wait_for_a_yes(room: Store, site: Site, clock: FakeClock) -> None:
    """DESIGN §2: nothing of the batch is filed; each poll asks again; the fault says what to do; a yes files all."""
    make_upstream(room, site, confirm_above=2)
    site.say(rss(*(entry(n) for n in range(4))), etag='"1"')
    polled = poll(room, site)
    assert (polled.asking, titles(room)) == (4, [])
    assert "syndicator upstream accept cms" in (polled.fault or "")
    assert poll(room, site, clock).asking == 4
    with room.begin() as tx:
        upstreams.accept(tx, "cms", "push")
    assert poll(room, site, clock).count(Fate.ITEM) == 4
    with room.read() as tx:
        assert upstreams.status(tx, "cms").asking is None


def test_a_bug_in_one_poll_is_that_polls_failure(
    room: Store, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """walk A: a fault of our own is loud, backs off that upstream, and the next one is read."""
    make_upstream(room, site)
    other = site.url.replace("127.0.0.1", "localhost")
    make_upstream(room, site, "other")
    with room.begin() as tx:
        upstreams.edit(tx, replace(upstreams.named(tx, "other"), url=other))
    site.say(rss(entry()))

    def client(upstream: Upstream) -> AsyncClient:
        if upstream.slug == "cms":
            raise ZeroDivisionError
        return site.client(upstream)

    done: list[Polled] = []
    asyncio.run(Poller(room, client, mint, POOL, NEWSROOM, told=done.append).drain())
    assert {one.slug: one.fault for one in done} == {
        "cms": "a fault of our own: ZeroDivisionError; the log has more",
        "other": None,
    }
    with room.read() as tx:
        assert upstreams.status(tx, "cms").failures == 1


def test_what_is_broken_off_is_given_back(room: Store, crowd: Crowd) -> None:
    """DESIGN §4, walk C: told to stop, it claims nothing more, and what hangs is due for the next worker at once."""
    stop, hint, hung = threading.Event(), threading.Event(), threading.Event()

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        hung.set()
        stop.set()
        hint.set()
        await reader.read()

    crowd.behaviours = {host(0): hang}
    with room.begin() as tx:
        like = Upstream(id=0, slug="cms", url=crowd.url(0), allow_private=("127.0.0.0/8",), created=tx.now)
        upstreams.add(tx, like)
        tx.connection.exec_driver_sql("UPDATE upstreams SET checked = NULL")
    client = Site().client
    poller = Poller(room, client, mint, POOL, NEWSROOM)
    asyncio.run(poller.run(stop, hint, lambda: 0.2))
    assert hung.is_set()
    with room.begin() as tx:
        assert upstreams.anything_due(tx)
        assert upstreams.status(tx, "cms").failures == 0


def test_unchanged_polls_are_counted_once(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I4: two that settle the same group at one time settle it once."""
    make_upstream(room, site)
    site.say(rss(entry()), etag='"1"')
    poll(room, site)
    clock.advance(minutes=20)

    async def settled() -> None:
        async with Poller(room, site.client, mint, POOL, NEWSROOM)._round(lambda _: None) as round_:
            await round_.fill()
            while round_.busy:
                await round_.freed(0.05)
            await asyncio.gather(round_.settle_all(), round_.settle_all())

    asyncio.run(settled())
    with room.read() as tx:
        assert (2, 1) == (upstreams.status(tx, "cms").polls, upstreams.status(tx, "cms").unmodified)


def test_a_push_waits_for_no_slot(room: Store, crowd: Crowd, clock: FakeClock) -> None:
    """feeds:W6: while upstreams that hang fill every slot, what a hub brings is filed."""
    stop, hint, hung = threading.Event(), threading.Event(), threading.Event()

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        hung.set()
        await reader.read()

    crowd.behaviours = {host(0): hang}
    with room.begin() as tx:
        like = Upstream(id=0, slug="slow", url=crowd.url(0), allow_private=("127.0.0.0/8",), created=tx.now)
        upstreams.add(tx, like)
        upstreams.add(tx, replace(like, slug="cms", url="https://cms.example/feed"))
        tx.connection.exec_driver_sql("UPDATE upstreams SET checked = NULL")
    clock.advance(seconds=1)
    bring(room, rss(entry(2)))

    def told(polled: Polled) -> None:
        if polled.count(Fate.ITEM):
            stop.set()

    poller = Poller(room, Site().client, mint, POOL, NEWSROOM, told=told, width=1)
    asyncio.run(asyncio.wait_for(poller.run(stop, hint), 20))
    assert ["Item 2"] == titles(room)


def test_work_beside_the_polls_fails_no_drain(room: Store, site: Site) -> None:
    """walk A: a fault in the work beside the polls is logged; `worker --once poll` has polled."""
    make_upstream(room, site)
    site.say(rss(entry()))
    done: list[str] = []

    async def breaks(_: object) -> None:
        raise ZeroDivisionError

    async def works(_: object) -> None:
        done.append("worked")

    assert 1 == len(drained(room, site, sides=[breaks, works]))
    assert ["worked"] == done


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with crowding(1) as running:
        yield running


def test_all_are_polled_by_name(room: Store, site: Site) -> None:
    """DESIGN §6, upstream poll: due or not, in the order given; who is polled elsewhere is named; unknown ones too."""
    make_upstream(room, site)
    make_upstream(room, site, "busy")
    site.say(rss(entry()))
    with room.begin() as tx:
        upstreams.edit(tx, replace(upstreams.named(tx, "busy"), url=f"http://localhost:{site.port}/feed"))
        assert upstreams.claim(tx, "busy", LEASE)
    poller = Poller(room, site.client, mint, POOL, NEWSROOM)
    busy, cms = poll_some(poller, ["busy", "cms"])
    assert "is being polled at this moment" in (busy.fault or "")
    assert cms.count(Fate.ITEM) == 1
    dry = poll_some(poller, ["cms", "busy"], dry_run=True)
    assert [len(one.prospects) for one in dry] == [1, 1]
    for dry_run in (True, False):
        with pytest.raises(NotFound):
            poll_some(poller, ["nobody"], dry_run=dry_run)


# -- import ----------------------------------------------------------------------------------------------


def import_items(
    store: Store, feed: Parsed, topics: Sequence[str] = (), *, dry_run: bool = False
) -> Imported:
    """Take a feed's entries once, as `item import` does."""
    once = Import(store, filed_as(store, "", topics, Kind.NEWS, Relation.OWN), dry_run)
    once.take(feed)
    return once.done


def test_import_takes_once_and_mails_nothing_old(room: Store) -> None:
    """DESIGN §6 — items and refusals; the same file again is unchanged, guids or no guids."""
    body = rss(
        entry(1, published=OLD),
        entry(2, guid="77"),
        entry(3, published=NOW + timedelta(days=1)),
        "<item><author>x</author></item>",
    )
    feed = parse(body, url="https://cms.example/feed")
    dry = import_items(room, feed, topics=["policy"], dry_run=True)
    assert titles(room) == []
    done = import_items(room, feed, topics=["policy"])
    assert [one["title"] for one in done.as_json()["items"]] == ["Item 1", "Item 2"]
    assert dry.as_json() == done.as_json()
    assert len(done.refused) == 2
    assert any("release draft" in entry.why for entry in done.refused)
    assert owed(room) == 1
    again = import_items(room, feed, topics=["policy"])
    assert [one.fate for one in again.items] == [Fate.UNCHANGED, Fate.UNCHANGED]


@pytest.mark.parametrize("end", [End.DRAFT, End.HOLD])
def test_import_takes_what_was_public_long_ago_whatever_a_rule_says(
    room: Store, site: Site, end: End
) -> None:
    """DESIGN §2 (Upstream): its topics and kind count, its end is for news; a young one is the poll's to bring."""
    rules = (Route(title="Item*", as_kind=Kind.PRESS_RELEASE, end=end),)
    cms = make_upstream(room, site, rules=rules, delay=timedelta(hours=1))
    site.say(rss(entry(1, published=OLD), entry(2), entry(3, published=None)))
    once = Import(room, cms)
    once.take(parse(site.body))
    assert [Fate.ITEM] == [one.fate for one in once.done.items]
    assert ["Item 2", "Item 3"] == sorted(one.title for one in once.done.refused)
    assert all("`syndicator upstream poll cms`" in one.why for one in once.done.refused)
    with room.read() as tx:
        (item,) = items.listing(tx)
    assert (OLD, Kind.PRESS_RELEASE, ("policy",)) == (item.published, item.content.kind, item.content.topics)
    assert [Fate.UNCHANGED] == [one.fate for one in poll(room, site).prospects if one.uid == item.uid]
    with room.read() as tx:
        assert 2 == len(releases.listing(tx))


def test_an_import_leaves_out_what_a_rule_files_nowhere(room: Store, site: Site) -> None:
    """DESIGN §6 — under a topic that is not there; named by the dry run, too, and the others come in."""
    cms = replace(make_upstream(room, site), rules=(Route(title="Item 2", topics=("gone",)),))
    for dry_run in (True, False):
        once = Import(room, cms, dry_run)
        once.take(parse(rss(entry(1), entry(2))))
        assert (["Item 1"], ["Item 2"]) == (
            [one.content.title for one in once.done.items],
            [one.title for one in once.done.refused],
        )


def test_import_refuses_other_words_and_unknown_topics(room: Store) -> None:
    """DESIGN §6 — the same uid with other words names `item edit`; a topic that is not there exits 5."""
    import_items(room, parse(rss(entry())))
    (refused,) = import_items(room, parse(rss(entry(title="Other")))).refused
    assert "item edit" in refused.why
    with pytest.raises(NotFound):
        import_items(room, parse(rss(entry())), topics=["nowhere"])


def test_imported_items_of_our_own_are_known_to_the_poll(room: Store, site: Site) -> None:
    """feeds:I15 — import the archive, then add the feed: nothing twice."""
    import_items(room, parse(rss(entry())), topics=["policy"])
    make_upstream(room, site)
    site.say(rss(entry()))
    assert poll(room, site).count(Fate.UNCHANGED) == 1


def test_an_overlong_entry_is_named_and_the_others_come_in(room: Store, site: Site) -> None:
    """feeds:I12 — one entry with a text of 1.9 MB stops none of the others; its upstream says which it is."""
    make_upstream(room, site)
    long = entry(20, title="Annual report", description="x" * 1_900_000)
    site.say(rss(*(entry(number) for number in range(1, 20)), long))
    polled = poll(room, site)
    assert polled.count(Fate.ITEM) == 19
    assert [(left.title, left.identity) for left in polled.left_out] == [
        ("Annual report", "tag:cms.example,2026:20")
    ]
    assert polled.fault == 'left out "Annual report": a text in it is longer than 1 MiB'
