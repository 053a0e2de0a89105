"""Closed pages: when they are closed, what they hold, and that only a withdrawal changes one."""

from __future__ import annotations

import gzip
from datetime import timedelta

import pytest
from lxml import etree
from sqlalchemy import update

from syndicator import feeds, publish
from syndicator.feeds import plan
from syndicator.model.item import Rule
from syndicator.model.site import Format
from syndicator.store import Store, archives, documents, schema, topics
from tests.feeds.walk import ATOM, START, fetch, fill, ids, pages, read, walk
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site, make_topic

SITE = make_site(window=3)
FH = "{http://purl.org/syndication/history/1.0}"


@pytest.fixture
def room(store: Store) -> Store:
    """Seven items in `policy`, built: pages 1 and 2 are closed."""
    make_newsroom(store)
    with store.begin() as tx:
        fill(tx, "policy", 7, NOW - timedelta(hours=1))
    feeds.rebuild_stale(store, SITE)
    return store


def uid(n: int) -> str:
    return f"tag:old/{n:06}"


def page_ids(store: Store, page: int, format: Format = Format.ATOM) -> list[str]:
    return ids(fetch(store, f"{START}policy/archive/{page}.{format}"), format)


def live_ids(store: Store, format: Format = Format.ATOM) -> list[str]:
    return ids(fetch(store, f"{START}policy.{format}"), format)


def links(store: Store, path: str) -> dict[str, str]:
    root = etree.fromstring(fetch(store, START + path))
    feed = root if path.endswith("atom") else root[0]
    return {str(link.attrib["rel"]): str(link.attrib["href"]) for link in feed.findall(f"{ATOM}link")}


@pytest.mark.parametrize("format", Format)
def test_pages_are_full_in_order_of_entering_and_newest_first_inside(room: Store, format: Format) -> None:
    """feeds:P26: page 1 is the oldest; the live document overlaps the newest page."""
    assert [uid(6), uid(5), uid(4)] == live_ids(room, format)
    assert [uid(2), uid(1), uid(0)] == page_ids(room, 1, format)
    assert [uid(5), uid(4), uid(3)] == page_ids(room, 2, format)
    with room.read() as tx:
        assert archives.find(tx, "policy", 3, format) is None


@pytest.mark.parametrize("format", [Format.ATOM, Format.RSS])
def test_pages_are_chained(room: Store, format: Format) -> None:
    """feeds:P26: prev-archive back to page 1, next-archive always, current, fh:archive; no hub, no complete."""
    live, first, second = (links(room, f"policy{path}.{format}") for path in ("", "/archive/1", "/archive/2"))
    assert f"{START}policy/archive/2.{format}" == live["prev-archive"]
    assert f"{START}policy/archive/1.{format}" == second["prev-archive"]
    assert "prev-archive" not in first
    for n, page in ((1, first), (2, second)):
        assert f"{START}policy/archive/{n}.{format}" == page["self"]
        assert f"{START}policy/archive/{n + 1}.{format}" == page["next-archive"]
        assert f"{START}policy.{format}" == page["current"]
        root = etree.fromstring(fetch(room, page["self"]))
        assert (1, 0) == (len(list(root.iter(f"{FH}archive"))), len(list(root.iter(f"{FH}complete"))))


@pytest.mark.parametrize("format", [Format.ATOM, Format.RSS])
def test_a_feed_that_shows_all_there_is_says_so_until_it_has_an_archive(
    store: Store, clock: FakeClock, format: Format
) -> None:
    """feeds:P27: fh:complete with three of three, and never beside archive links."""
    make_newsroom(store)
    seen = []
    for more in (3, 1):
        with store.begin() as tx:
            fill(tx, "policy", more, clock.now, prefix=f"tag:{more}/")
        feeds.rebuild_stale(store, SITE)
        root = etree.fromstring(fetch(store, f"{START}policy.{format}"))
        seen.append(
            (len(list(root.iter(f"{FH}complete"))), "prev-archive" in links(store, f"policy.{format}"))
        )
        clock.advance(hours=1)
    assert [(1, False), (0, True)] == seen


def test_two_hundred_more_items_leave_every_closed_page_as_it_was(room: Store, clock: FakeClock) -> None:
    """feeds:P26: not a byte, tag or date of a closed page moves when others follow."""
    before = pages(room, "policy")
    clock.advance(hours=1)
    with room.begin() as tx:
        more = fill(tx, "policy", 200, clock.now, prefix="tag:more/")
    feeds.rebuild_stale(room, SITE)
    after = pages(room, "policy")
    assert before == {key: after[key] for key in before}
    assert (200 + 7 - 1) // 3 * 3 == len(after)
    assert {*more, *(uid(n) for n in range(7))} == set(walk(room, "policy", Format.RSS))


def test_what_arrives_with_an_old_date_closes_a_page_of_its_own(room: Store, clock: FakeClock) -> None:
    """feeds:P26: a back-dated import is reachable at once and changes no closed page."""
    before = pages(room, "policy")
    clock.advance(hours=1)
    with room.begin() as tx:
        publish.publish(tx, "tag:late", make_content("Late"), published=NOW - timedelta(days=99))
    feeds.rebuild_stale(room, SITE)
    after = pages(room, "policy")
    assert before == {key: after[key] for key in before}
    assert [uid(6), "tag:late"] == page_ids(room, 3)
    assert [uid(6), uid(5), uid(4)] == live_ids(room)


def test_new_words_of_an_archived_item_stand_on_a_later_page(room: Store, clock: FakeClock) -> None:
    """feeds:P23: a correction outside the window is met before the old words, which stand as they were."""
    before = pages(room, "policy")
    clock.advance(hours=1)
    with room.begin() as tx:
        publish.correct(tx, uid(0), make_content("Corrected"), "The figure")
    feeds.rebuild_stale(room, SITE)
    after = pages(room, "policy")
    assert before == {key: after[key] for key in before}
    for format in Format:
        assert "Corrected" == walk(room, "policy", format)[uid(0)]


def test_another_rule_touches_no_closed_page(store: Store, clock: FakeClock) -> None:
    """feeds:P26: what leaves a topic by its rule stays on its pages; coming back it needs no new one."""
    make_newsroom(store)
    with store.begin() as tx:
        topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",))))
        fill(tx, "policy", 5, NOW)
        topics.refill(tx, topics.named(tx, "ruled"))
    feeds.rebuild_stale(store, SITE)
    before = pages(store, "ruled")
    assert before
    for rule in (Rule(none=("policy",)), Rule(any=("policy",))):
        clock.advance(hours=1)
        with store.begin() as tx:
            topics.edit(tx, make_topic("ruled", rule=rule))
            topics.refill(tx, topics.named(tx, "ruled"))
        feeds.rebuild_stale(store, SITE)
        assert before == pages(store, "ruled")
    assert {uid(n) for n in range(5)} == set(walk(store, "ruled", Format.ATOM))


def test_another_look_of_the_site_touches_no_closed_page(room: Store, clock: FakeClock) -> None:
    """feeds:P26: a new title of the newsroom is in the live document alone."""
    before = pages(room, "policy")
    clock.advance(hours=1)
    with room.begin() as tx:
        topics.mark_all_stale(tx)
    feeds.rebuild_stale(room, make_site(window=3, title="Academy"))
    assert before == pages(room, "policy")
    assert b"Academy" in fetch(room, f"{START}policy.atom")


@pytest.mark.parametrize("kill", [False, True])
def test_what_was_withdrawn_is_cut_out_of_its_page(room: Store, clock: FakeClock, *, kill: bool) -> None:
    """feeds:P23: out of all three formats, a tombstone in Atom; the others byte for byte, numbers as they were."""
    before = pages(room, "policy")
    bodies = {key: gzip.decompress(one.gzip) for key, one in before.items()}
    clock.advance(hours=1)
    with room.begin() as tx:
        publish.withdraw(tx, uid(1), "Retracted by its author", kill=kill)
    feeds.rebuild_stale(room, SITE)
    after = pages(room, "policy")
    assert before.keys() == after.keys()
    for (page, format), one in after.items():
        old = before[page, format]
        if page != 1:
            assert old == one
            continue
        body = gzip.decompress(one.gzip)
        assert (clock.now, len(body)) == (one.modified, one.size)
        assert old.etag != one.etag
        assert [uid(2), uid(0)] == ids(body, format)
        assert b"Old " + uid(1).encode() not in body
        kept, whole = (feeds_of(part, format) for part in (body, bodies[page, format]))
        assert [whole[0], whole[2]] == kept
    root = etree.fromstring(fetch(room, f"{START}policy/archive/1.atom"))
    (tombstone,) = root.iter("{http://purl.org/atompub/tombstones/1.0}deleted-entry")
    assert uid(1) == tombstone.get("ref")
    assert clock.now.isoformat() == tombstone.get("when")


def feeds_of(body: bytes, format: Format) -> list[bytes]:
    """The entries of a document as bytes, found without the code that cuts them."""
    starts = {Format.ATOM: (b"<entry", b"</entry>"), Format.RSS: (b"<item>", b"</item>")}
    if format is Format.JSON:
        inside = body[body.index(b'"items":[') + 9 : body.rindex(b"]}")]
        return [part.removesuffix(b",") for part in inside.split(b'{"id":') if part]
    start, end = starts[format]
    return [start + part.partition(end)[0] + end for part in body.split(start)[1:]]


def test_a_second_cut_within_one_second_waits(room: Store, clock: FakeClock) -> None:
    """feeds:H5: a closed page, too, changes once in a second; the next cut comes with the next second."""
    clock.advance(hours=1)
    with room.begin() as tx:
        publish.withdraw(tx, uid(1), "One")
    feeds.rebuild_stale(room, SITE)
    clock.advance(milliseconds=300)
    with room.begin() as tx:
        publish.withdraw(tx, uid(2), "Two")
    feeds.rebuild_stale(room, SITE)
    assert [uid(2), uid(0)] == page_ids(room, 1)
    clock.advance(milliseconds=700)
    feeds.rebuild_stale(room, SITE)
    assert [uid(0)] == page_ids(room, 1)
    with room.read() as tx:
        assert feeds.next_stale(tx) is None


def test_a_page_may_lose_all_it_held(room: Store, clock: FakeClock) -> None:
    """feeds:P26: an emptied page stays where it is, so the way back is not broken."""
    clock.advance(hours=1)
    with room.begin() as tx:
        for n in (0, 1, 2):
            publish.withdraw(tx, uid(n), "All wrong")
    feeds.rebuild_stale(room, SITE)
    for format in Format:
        assert [] == page_ids(room, 1, format)
        assert {uid(n) for n in (3, 4, 5, 6)} == set(walk(room, "policy", format))


def test_it_is_cut_out_of_topics_it_has_left(room: Store, clock: FakeClock) -> None:
    """security:E2: an item filed elsewhere since is still on the old topic's page, and comes out of it."""
    with room.begin() as tx:
        topics.add(tx, make_topic("health"))
    clock.advance(hours=1)
    with room.begin() as tx:
        publish.edit(tx, uid(1), make_content("Moved", topics=("health",)))
    feeds.rebuild_stale(room, SITE)
    assert uid(1) in page_ids(room, 1)
    clock.advance(hours=1)
    with room.begin() as tx:
        publish.withdraw(tx, uid(1), "Wrong")
    feeds.rebuild_stale(room, SITE)
    assert [uid(2), uid(0)] == page_ids(room, 1)


def test_what_cannot_be_rendered_is_on_no_page_and_closes_no_empty_one(
    store: Store, clock: FakeClock
) -> None:
    """feeds:P7: items without a word are passed over; they neither fill a page nor are asked for for ever."""
    make_newsroom(store)
    with store.begin() as tx:
        for n in range(4):
            publish.publish(tx, f"tag:bad/{n}", make_content("", summary="", body=""))
    assert 4 == len(feeds.rebuild_stale(store, make_site(window=1)).left_out)
    assert {} == pages(store, "policy")
    clock.advance(hours=1)
    with store.begin() as tx:
        fill(tx, "policy", 2, NOW - timedelta(days=1))
    feeds.rebuild_stale(store, make_site(window=1))
    assert {uid(0), uid(1)} == set(walk(store, "policy", Format.JSON))


def test_a_document_is_no_larger_than_two_megabytes(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """feeds:P24: the largest show their summary, so that none is pushed out; pages hold them whole, and keep the limit."""
    make_newsroom(store)
    with store.begin() as tx:
        for n in range(5):
            large = make_content(f"T {n}", body=f"<p>{'x' * 700_000}</p>")
            publish.publish(tx, f"tag:{n}", large, published=NOW - timedelta(hours=9 - n))
        huge = make_content("T 5", summary="What it says.", body=f"<p>{'y' * 2_500_000}</p>")
        publish.publish(tx, "tag:5", huge)
    feeds.rebuild_stale(store, make_site(window=50))
    assert "large article" in "".join(capsys.readouterr())
    for format in Format:
        assert [f"tag:{n}" for n in (5, 4, 3, 2, 1, 0)] == live_ids(store, format)
        body = fetch(store, f"{START}policy.{format}")
        assert len(body) < 2_000_000
        assert b"What it says." in body
        assert (2, False) == (body.count(b"x" * 700_000), b"yyyy" in body)
    with store.begin() as tx:
        topics.mark_all_stale(tx)
    feeds.rebuild_stale(store, make_site(window=2))
    for (page, _), one in pages(store, "policy").items():
        assert one.size <= 2_000_000 or page_ids(store, page) == ["tag:5"]
    for format in Format:
        assert {f"tag:{n}" for n in range(6)} == set(walk(store, "policy", format))


def test_a_topic_that_cannot_be_built_costs_no_other(
    room: Store, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """operations: it is named loudly, put off for some seconds and tried again; the others are built."""
    clock.advance(hours=1)
    with room.begin() as tx:
        key = topics.named(tx, "policy").id
        broken = schema.archives.c.page == 1
        tx.connection.execute(update(schema.archives).where(broken).values(gzip=b"no gzip"))
        publish.withdraw(tx, uid(1), "Wrong")
        topics.add(tx, make_topic("health"))
        publish.publish(tx, "tag:well", make_content("Well", topics=("health",)))
    built = feeds.rebuild_stale(room, SITE)
    assert (("policy",), 2) == (built.failed, built.topics)
    assert ["tag:well"] == ids(fetch(room, f"{START}health.rss"), Format.RSS)
    assert "topic not built" in "".join(capsys.readouterr())
    assert feeds.Rebuilt() == feeds.rebuild_stale(room, SITE)  # no hot loop
    with room.read() as tx:
        due = feeds.next_stale(tx)
        assert due
        assert clock.now < due <= clock.now + timedelta(minutes=1)
    clock.now = due
    assert ("policy",) == feeds.rebuild_stale(room, SITE).failed
    with room.begin() as tx:
        for format in Format:  # an operator brings the page back from a backup
            body = b'{"items":[{},{},{}]}' if format is Format.JSON else b"<entry/>" * 0
            entry = {Format.ATOM: b"<entry>1</entry>", Format.RSS: b"<item>1</item>"}.get(format, b"")
            whole = gzip.compress(body or entry * 3)
            mine = (schema.archives.c.topic_id == key) & broken & (schema.archives.c.format == format)
            tx.connection.execute(update(schema.archives).where(mine).values(gzip=whole))
    clock.advance(minutes=1)
    assert () == feeds.rebuild_stale(room, SITE).failed


def test_a_page_that_is_not_what_the_records_say_is_not_cut(room: Store, clock: FakeClock) -> None:
    """operations: a page that holds other entries than the records say is never cut at the wrong place."""
    clock.advance(hours=1)
    with room.begin() as tx:
        publish.withdraw(tx, uid(1), "Wrong")
        whole = gzip.compress(b"<feed><entry>1</entry></feed>")
        mine = (schema.archives.c.page == 1) & (schema.archives.c.format == Format.ATOM)
        tx.connection.execute(update(schema.archives).where(mine).values(gzip=whole))
    assert ("policy",) == feeds.rebuild_stale(room, SITE).failed
    assert whole == pages(room, "policy")[1, Format.ATOM].gzip


def test_room_and_edge() -> None:
    """feeds:P24: the first fragments that fit, one at least; the edge is the last one shown, if others are left."""
    half = plan.ROOM // 2
    assert [0, 1, 2, 1, 1, 3] == [
        plan.fitting(sizes)
        for sizes in ([], [9], [half, half], [half, half + 1], [plan.ROOM * 2, 1], [0, 0, plan.ROOM * 2, 1])
    ]
    assert [set(), set(), {1}, {0}, {0, 2}] == [
        plan.in_short(sizes)
        for sizes in ([], [half, half], [1, plan.LARGE + 1], [half + 1, half], [half + 1, half, half + 1])
    ]
    window = [documents.Placed(n, f"tag:{n}", NOW, NOW, {}) for n in (2, 1)]
    assert [None, (NOW, "tag:1"), (NOW, "tag:2"), None] == [
        plan.edge(window, 2, 3), plan.edge(window, 2, 2), plan.edge(window, 1, 3), plan.edge([], 0, 3),
    ]  # fmt: skip


def test_a_second_has_one_change() -> None:
    """feeds:H5: in the same whole second it waits for the next; before any change, or later, it does not."""
    second = timedelta(seconds=1)
    late = NOW + timedelta(microseconds=999_999)
    assert [None, NOW + second, NOW + second, None] == [
        plan.waits_until(None, NOW), plan.waits_until(NOW, NOW), plan.waits_until(NOW, late),
        plan.waits_until(NOW, NOW + second),
    ]  # fmt: skip


def test_read_finds_what_walks_need() -> None:
    """A walk over JSON goes by next_url, which is never the feed itself."""
    assert ([("a", "b")], None) == read(b'{"items":[{"id":"a","title":"b"}]}', Format.JSON)
