"""Before its instant a release is nowhere: no byte, header, count or log line of any surface knows of it."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from syndicator import feeds, observe, press, publish
from syndicator.delivery.mail import Desk, Links, MailRoad
from syndicator.errors import SyndicatorError
from syndicator.model.delivery import DeliveryState
from syndicator.model.item import Content, Medium, Spokesperson, slug_for
from syndicator.model.release import Embargo, ReleaseState
from syndicator.render.mail import Sender
from syndicator.store import Store, Tx, accreditations, deliveries, items, media, releases, schema, topics
from syndicator.store.media import Cabinet
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_partner, make_subscription, make_try
from tests.web.served import SITE, TOKENS, Reply, Running, lasting_store, running

UID, NINE = "tag:x:r", NOW + timedelta(hours=1)
CANARY = "Zyzzogeton"
NAME = "0123456789abcdefghijklmnopqrstuv.png"
PICTURE = f"\x89PNG {CANARY}".encode()
FORMATS = ("atom", "rss", "json")
# All there is without a token; `quiet` is a topic only the release is filed under.
SURFACES = (
    "/", "/feeds", "/feeds.opml", "/sitemap.xml", "/sitemap-0.xml", "/news-sitemap.xml", "/robots.txt", "/readyz",
    "/topics/policy", "/topics/quiet", "/media-list", "/press/", f"/items/{slug_for(f'{CANARY} rises')}",
    "/items/there-is-no-such-item", f"/media/{NAME}", "/media/ffffffffffffffffffffffffffffffff.png",
    *(f"/feeds/{topic}.{format}" for topic in ("all", "policy", "quiet") for format in FORMATS),
    *(f"/feeds/{topic}/archive/1.{format}" for topic in ("all", "quiet") for format in FORMATS),
)  # fmt: skip


def words(**other: object) -> Content:
    """A canary in all that can be seen."""
    medium = Medium(
        url=SITE.url(f"/media/{NAME}"), type="image/png", length=len(PICTURE), title=CANARY, alt="A chart"
    )
    given = {
        "summary": CANARY,
        "body": f"<p>{CANARY}</p>",
        "topics": ("policy", "quiet"),
        "spokesperson": "zyz",
    }
    return replace(make_content(f"{CANARY} rises"), **{**given, "media": (medium,), **other})  # type: ignore[arg-type]


def newsroom(store: Store, cabinet: Cabinet) -> None:
    """One public item, an accredited subscriber and another, a partner, and the file of a release to come."""
    make_newsroom(store, "policy", "quiet")
    digest = cabinet.put(PICTURE)
    with store.begin() as tx:
        items.save_spokesperson(tx, Spokesperson(slug="zyz", name=f"Dr {CANARY}"))
        jane = make_subscription(tx, "jane@paper.example").contact_id
        make_subscription(tx, "tom@paper.example", "quiet")
        make_partner(tx, topics=())
        accreditations.accredit(tx, jane, "desk", "signed")
        publish.publish(tx, "tag:x:public", make_content("A public one"))
        media.take(tx, digest, NAME, type="image/png", length=len(PICTURE), filename=f"{CANARY}.png")
        media.use(tx, [digest], UID)
    feeds.rebuild_stale(store, SITE)


def shown(web: Running) -> dict[str, tuple[int, tuple[tuple[str, str], ...], bytes]]:
    """Every surface as it is: status, headers, bytes."""
    web.app.catalogue.refresh()
    return {path: _told(web.ask(path)) for path in SURFACES}


def _told(reply: Reply) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    heads = tuple(sorted((name, value) for name, value in reply.headers.items() if name != "date"))
    return reply.status, heads, reply.body


def _owed(tx: Tx) -> list[str]:
    """Whatever is on its way to anybody but the accredited: mails, webhooks, pings."""
    own = ("advance/", "notice/")
    return [row.subject for row in deliveries.listing(tx) if not row.subject.startswith(own)]


STEPS: dict[str, Callable[[Tx], object]] = {
    "draft": lambda tx: press.draft(tx, UID, words(), Embargo(until=NINE)),
    "approve": lambda tx: press.approve(tx, UID, "editor"),
    "schedule": lambda tx: press.schedule(tx, UID, None, "editor"),
    "move": lambda tx: press.reschedule(tx, UID, NINE + timedelta(hours=1), "editor"),
    "edit": lambda tx: press.draft(tx, UID, words(summary=f"{CANARY} falls"), Embargo(until=NINE)),
    "approve again": lambda tx: press.approve(tx, UID, "editor"),
    "schedule again": lambda tx: press.schedule(tx, UID, None, "editor"),
    "cancel": lambda tx: press.cancel(tx, UID, f"{CANARY} was wrong"),
}


def test_no_move_of_a_release_changes_a_byte(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    """security:E2 ETag, Last-Modified, sitemap, counts, 404s: the same after every move, nothing is stale, nothing is owed."""
    cabinet = Cabinet(tmp_path / "media", 1_000_000)
    newsroom(store, cabinet)
    lines = io.StringIO()
    observe.configure_logging(lines, level="debug", json=True)
    try:
        with running(store, cabinet=cabinet) as web:
            before = shown(web)
            with store.read() as tx:
                owed = _owed(tx)
            for move in STEPS.values():
                clock.advance(minutes=5)
                with store.begin() as tx:
                    move(tx)
                    assert topics.next_stale(tx) is None
                    assert owed == _owed(tx)
                assert () == press.release_due(store).items
                assert 0 == feeds.rebuild_stale(store, SITE).changed
            assert before == shown(web)
            for name in ("edit", "approve", "schedule"):
                with store.begin() as tx:
                    STEPS[name](tx)
            clock.now = NINE
            assert 1 == len(press.release_due(store).items)
            feeds.rebuild_stale(store, SITE)
            after = shown(web)
            changed = {path for path in SURFACES if CANARY.encode() in after[path][2]}
    finally:
        structlog.reset_defaults()
    assert CANARY.lower() not in lines.getvalue().lower()
    assert {
        "/",
        "/feeds",
        "/topics/quiet",
        "/feeds/all.atom",
        "/feeds/quiet.json",
    } <= changed  # we do look at it


def test_what_is_embargoed_and_what_never_was_are_one(store: Store, tmp_path: Path) -> None:
    """security:E2 the 404 of an embargoed slug, file, topic or feed is that of one nobody ever thought of."""
    cabinet = Cabinet(tmp_path / "media", 1_000_000)
    newsroom(store, cabinet)
    with store.begin() as tx:
        for name in ("draft", "approve", "schedule"):
            STEPS[name](tx)
    with running(store, cabinet=cabinet) as web:
        for embargoed, never in (
            (f"/items/{slug_for(f'{CANARY} rises')}", "/items/there-is-no-such-item"),
            (f"/media/{NAME}", "/media/ffffffffffffffffffffffffffffffff.png"),
            ("/topics/quiet", "/topics/never"),
            *((f"/feeds/quiet.{format}", f"/feeds/never.{format}") for format in FORMATS),
            *((f"/feeds/quiet/archive/1.{format}", f"/feeds/never/archive/1.{format}") for format in FORMATS),
        ):
            assert 404 == web.ask(never).status
            assert _told(web.ask(never)) == _told(web.ask(embargoed)), embargoed
            assert _told(web.ask(never, "HEAD")) == _told(web.ask(embargoed, "HEAD")), embargoed


def test_what_cannot_go_out_is_named_by_its_uid(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    """security:E2 a release that fails at its instant, and one that is missed, are logged without a word of theirs."""
    newsroom(store, Cabinet(tmp_path / "media", 1_000_000))
    lines = io.StringIO()
    observe.configure_logging(lines, level="debug", json=True)
    try:
        with store.begin() as tx:
            for name in ("draft", "approve", "schedule"):
                STEPS[name](tx)
            publish.publish(tx, UID, make_content("Its uid is taken"))
            press.draft(tx, "tag:x:late", words(), Embargo(until=NINE))
        clock.now = NINE
        done = press.release_due(store)
    finally:
        structlog.reset_defaults()
    assert ((UID,), 1) == (done.failed, done.missed)
    assert UID in lines.getvalue()
    assert "tag:x:late" in lines.getvalue()
    assert CANARY.lower() not in lines.getvalue().lower()


def test_a_notice_holds_no_word_of_a_new_draft(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    """security:E1 mail:EM3 whoever had a copy hears of its embargo under the headline they had, not one nobody stands for."""
    newsroom(store, Cabinet(tmp_path / "media", 1_000_000))
    with store.begin() as tx:
        for name in ("draft", "approve", "schedule"):
            STEPS[name](tx)
    with store.begin() as tx:
        advances = update(schema.deliveries).where(schema.deliveries.c.subject.startswith("advance/"))
        tx.connection.execute(advances.values(state=DeliveryState.ACCEPTED, settled=tx.now))
        STEPS["move"](tx)
        again = replace(words(), title="Sesquipedalian", body="<p>No word of it</p>", summary="No word of it")
        release = press.draft(tx, UID, again, Embargo(until=NINE))
        links = Links(confirm=str, unsubscribe=lambda _: SITE.url("/u"), preferences=lambda *_: SITE.url("/p"),
                      press=lambda *_: SITE.url("/press/x/"), letter=lambda _: "")  # fmt: skip
        desk = Desk(
            site=SITE, sender=Sender(address="press@news.example", name="S"), key=b"k" * 32, links=links
        )
        attempt = make_try(
            subject=f"notice/{UID}/1", item_id=None, revision=None, release_id=release.id, version=1
        )
        (letter,) = MailRoad(desk, lambda: pytest.fail("nothing is sent")).prepare(tx, [attempt])
    assert CANARY.encode() in letter.load.message
    assert b"Sesquipedalian" not in letter.load.message


@pytest.fixture(scope="module")
def served(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Running, FakeClock]]:
    """A web process over a store whose clock is ours."""
    cabinet = Cabinet(tmp_path_factory.mktemp("files"), 1_000_000)
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        newsroom(store, cabinet)
        with running(store, cabinet=cabinet) as web:
            clock = store._fixed_clock
            assert isinstance(clock, FakeClock)
            yield store, web, clock


SECOND = st.integers(0, 3_600_000_000 - 1).map(lambda some: NOW + timedelta(microseconds=some))


@given(
    path=st.sampled_from(SURFACES),
    method=st.sampled_from(("GET", "HEAD", "OPTIONS", "POST")),
    when=SECOND,
    moves=st.lists(st.sampled_from(sorted(STEPS)), max_size=5),
)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
def test_no_surface_at_any_time_before(
    served: tuple[Store, Running, FakeClock], path: str, method: str, when: object, moves: list[str]
) -> None:
    """security:E6 a random surface at a random time before the instant, after random moves, holds no canary."""
    store, web, clock = served
    clock.now = NOW
    for name in moves:
        try:
            with store.begin() as tx:
                STEPS[name](tx)
        except SyndicatorError:
            pass  # not from this state
    clock.now = when  # type: ignore[assignment]
    assert () == press.release_due(store).items
    feeds.rebuild_stale(store, SITE)
    with store.read() as tx:
        known = releases.find(tx, UID)
        assert known is None or known.state is not ReleaseState.RELEASED
        token = TOKENS.press_token(2, known.id if known else 1)
    for address in (path, f"/press/{token}/"):
        reply = web.ask(address, method)
        assert CANARY.lower() not in (str(reply.headers) + reply.body.decode("latin-1")).lower()
