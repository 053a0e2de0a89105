"""WebSub, the subscriber's side, against a real hub and through the running web process: W3C WebSub §5 to §8."""

import asyncio
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.ingest import websub
from syndicator.ingest.websub import CEILING, LEASE, LONGEST, METHODS, SHORTEST, WAITING, genuine, offer
from syndicator.model.upstream import Upstream, Validators
from syndicator.store import Store, hubs, open_store, upstreams
from syndicator.store.hubs import Standing, Subscription
from syndicator.wire.exchange import Limits
from syndicator.wire.guard import parse_guard
from syndicator.wire.http_async import AsyncClient
from tests.ingest.hub import CHALLENGE, Hub, Said, ask, hubbing, sign
from tests.make import NOW, FakeClock, reserved_port
from tests.web.served import Running, running

T = TypeVar("T")
TOPIC = "https://cms.example/feed"
ATOM = b'<feed xmlns="http://www.w3.org/2005/Atom"/>'
DAY = timedelta(days=1)
CMS = Upstream(id=0, slug="cms", url="https://cms.example/feed", allow_private=("127.0.0.0/8",), created=NOW)


@dataclass
class Reader:
    """Our side: a store with an upstream, the web process that hubs call, and what the poller does every few seconds."""

    store: Store
    clock: FakeClock
    web: Running
    upstream: Upstream

    def held(self) -> Subscription | None:
        """The subscription as it stands."""
        with self.store.read() as tx:
            return hubs.find(tx, self.upstream.id)

    def told(self) -> bool:
        """Whether a hub tells us of changes."""
        with self.store.read() as tx:
            return hubs.active(tx, self.upstream.id)

    def waiting(self) -> list[bytes]:
        """The bodies that wait for a worker, oldest first."""
        found = []
        with self.store.begin() as tx:
            while some := hubs.pushed(tx, 1):
                found.append(some[0].body)
                hubs.forget(tx, some[0].id)
        return found

    def address(self, end: str) -> str:
        """The callback under which the web process is really reached."""
        return f"http://127.0.0.1:{self.web.port}/callbacks/websub/{end}"

    def read(self, *named: str, topic: str = TOPIC) -> None:
        """A good poll has seen these hubs and this topic."""
        with self.store.begin() as tx:
            claim = upstreams.claim(tx, self.upstream.slug, timedelta(minutes=1))
            assert claim is not None
            websub.offered(tx, claim, named, topic)
            upstreams.give_back(tx, [claim])

    def tend(self) -> int:
        """What the poller does every few seconds."""
        return tend(self.store, self.address)

    def subscribe(self, hub: Hub, lease_seconds: str | None = "864000") -> Said:
        """Offered, asked for, verified."""
        self.read(hub.url)
        assert 1 == self.tend()
        return hub.verify(lease_seconds=lease_seconds)


def client(upstream: Upstream) -> AsyncClient:
    """The guarded client the runtime would make."""
    limits = Limits(max_bytes=100_000, deadline=timedelta(seconds=10), redirects=5)
    return AsyncClient(parse_guard(upstream.allow_private), "Syndicator/1 (+https://news.example)", limits)


def tend(store: Store, address: Callable[[str], str]) -> int:
    """One turn in an event loop of its own; the store in a thread."""

    async def call(work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    def mint() -> str:
        return secrets.token_urlsafe(32)

    return asyncio.run(websub.tend(store, call, client, address, mint))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hubbing() as running_hub:
        yield running_hub


@pytest.fixture
def reader(store: Store, clock: FakeClock) -> Iterator[Reader]:
    """On both databases: what concerns rows."""
    with store.begin() as tx:
        upstream = upstreams.add(tx, CMS)
    with running(store) as web:
        yield Reader(store, clock, web, upstream)


@pytest.fixture(scope="module")
def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, FakeClock, Running]]:
    """One web process on SQLite for many tests."""
    folder, clock = tmp_path_factory.mktemp("websub"), FakeClock()
    for part in sqlite_template.parent.iterdir():
        shutil.copy(part, folder)
    address = f"sqlite:///{folder / sqlite_template.name}"
    with open_store(address, host_clock=clock, fixed_clock=clock) as store, running(store) as web:
        yield store, clock, web


@pytest.fixture
def one(shared: tuple[Store, FakeClock, Running]) -> Iterator[Reader]:
    """On SQLite alone: what concerns the conversation."""
    store, clock, web = shared
    clock.now = NOW
    with store.begin() as tx:
        upstream = upstreams.add(tx, CMS)
    yield Reader(store, clock, web, upstream)
    with store.begin() as tx:
        for left in upstreams.listing(tx):
            upstreams.remove(tx, left.slug)


def standing(reader: Reader) -> Standing | None:
    """Where it stands."""
    held = reader.held()
    return held.state if held else None


# -- what a feed offers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "named", "own", "expected"),
    [
        ([("hub", "https://a/"), ("self", "https://me/")], ["https://b/"], "https://x/", ("https://a/", "https://me/")),
        ([], ["https://b/", "https://c/"], "https://x/", ("https://b/", "https://x/")),
        ([("self", "https://me/")], ["https://b/"], "https://x/", ("https://b/", "https://me/")),
        ([("hub", "https://a/")], [], None, ("https://a/", "https://cms.example/feed")),
    ],
)  # fmt: skip
def test_the_header_speaks_before_the_body(
    header: list[tuple[str, str]], named: list[str], own: str | None, expected: tuple[str, str]
) -> None:
    """feeds:W5 discovery from the header, then the body; a feed that names no self is its own address."""
    found, topic = offer(header, named, own, "https://cms.example/feed")
    assert expected == (found[0], topic)


def test_nothing_offered_nothing_subscribed(one: Reader) -> None:
    """feeds:W5 a feed without a hub, and one whose hub is no web address, are polled as ever."""
    one.read()
    assert one.held() is None
    one.read("javascript:alert(1)", "mailto:hub@cms.example", "https://hub.example/" + "a" * 3000)
    assert one.held() is None
    one.read("https://hub.example/", topic="urn:x:feed")
    assert one.held() is None
    assert 0 == one.tend()


def test_the_first_usable_hub_is_taken_and_kept(one: Reader, hub: Hub) -> None:
    """feeds:W5 hubs that change places in the feed do not make us change hubs."""
    one.read("ftp://hub.example/", hub.url, "https://other.example/")
    one.read("https://other.example/", hub.url)
    held = one.held()
    assert held is not None
    assert hub.url == held.hub


# -- subscribing -------------------------------------------------------------------------------------------


def test_a_subscription_from_the_offer_to_the_item_body(reader: Reader, hub: Hub) -> None:
    """feeds:W5 asked, verified, told: and every step stands in the rows."""
    reader.read(hub.url)
    assert (Standing.PENDING, False) == (standing(reader), reader.told())
    assert (1, 0) == (reader.tend(), reader.tend())  # once is enough while the hub may still ask back
    form = hub.last
    assert {
        "hub.mode": "subscribe",
        "hub.topic": TOPIC,
        "hub.callback": form["hub.callback"],
        "hub.secret": form["hub.secret"],
        "hub.lease_seconds": "864000",
        "hub.verify": "async",
    } == form
    assert 22 <= len(form["hub.secret"]) < 200  # 128 bits at least; bytes, WebSub §5.1
    assert len(form["hub.callback"].rpartition("/")[2]) >= 22
    assert not reader.told()
    said = hub.verify()
    assert (200, CHALLENGE.encode()) == (said.status, said.body)
    assert said.headers["content-type"].startswith("text/plain")
    assert reader.told()
    assert 202 == hub.bring(ATOM).status
    assert [ATOM] == reader.waiting()


def test_a_hub_may_ask_back_before_it_answers(one: Reader, hub: Hub) -> None:
    """feeds:W5 some hubs verify while they are still being asked."""
    hub.at_once = hub.verify
    one.read(hub.url)
    one.tend()
    held = one.held()
    assert held is not None
    assert (Standing.ACTIVE, None, 0) == (held.state, held.fault, held.failures)


def test_two_workers_ask_once(reader: Reader, hub: Hub) -> None:
    """feeds:W5 the row is moved on before anything is sent, so a second worker finds nothing to do."""
    inner: list[int] = []
    hub.at_once = lambda: inner.append(tend(reader.store, reader.address))
    reader.read(hub.url)
    assert 1 == reader.tend()
    assert [0] == inner
    assert 1 == len(hub.asked)


def test_workers_that_saw_the_same_row_do_not_both_take_it(reader: Reader, hub: Hub) -> None:
    """feeds:W5 the claim is an update of the row as it was seen."""
    reader.read(hub.url)
    with reader.store.begin() as tx:
        seen = hubs.due(tx, 10)[0].subscription
        assert hubs.change(tx, seen, replace(seen, next_try=NOW + DAY))
    with reader.store.begin() as tx:
        assert not hubs.change(tx, seen, seen)


@pytest.mark.parametrize("status", [307, 308])
def test_a_hub_that_moved_is_followed(one: Reader, hub: Hub, status: int) -> None:
    """feeds:W5 a hub may answer 307 or 308 (WebSub §5.1)."""
    hub.moved["/old"] = (status, "/hub")
    one.read(hub.url.replace("/hub", "/old"))
    one.tend()
    assert ["/old", "/hub"] == hub.paths
    assert 200 == hub.verify().status
    assert one.told()


def test_the_hub_is_reached_through_the_guard(one: Reader, hub: Hub) -> None:
    """feeds:W4 a feed cannot make us speak to our own network: its hub is vetted like the feed itself."""
    with one.store.begin() as tx:
        shut = Upstream(id=0, slug="shut", url="https://shut.example/feed", created=NOW)
        shut = upstreams.add(tx, shut)
        hubs.want(tx, shut.id, hub.url, TOPIC)
    one.tend()
    with one.store.read() as tx:
        held = hubs.find(tx, shut.id)
    assert [] == hub.asked
    assert held is not None
    assert "closed to us" in (held.fault or "")


def test_no_public_hub_is_told_of_an_address_it_cannot_call(one: Reader) -> None:
    """feeds:W5 a site on this machine asks no hub on the internet; the row says why."""
    one.read("https://hub.pages.dev/")
    assert 0 == one.tend()
    held = one.held()
    assert held is not None
    assert (Standing.REFUSED, True) == (held.state, "base_url" in (held.fault or ""))


# -- what goes wrong ---------------------------------------------------------------------------------------


def test_a_hub_that_fails_is_asked_ever_less(reader: Reader, hub: Hub) -> None:
    """feeds:W5 back-off from minutes to a day, the reason in words; it never gives up while the feed offers it."""
    hub.status, hub.body, hub.headers = 503, b"no room\nfor\x1b more", {"content-type": "text/plain"}
    reader.read(hub.url)
    gaps = []
    for _ in range(12):
        assert 1 == reader.tend()
        held = reader.held()
        assert held is not None
        gaps.append(held.next_try - reader.clock.now)
        assert "the hub answered 503: no room for more" == held.fault
        reader.clock.now = held.next_try
    assert gaps == sorted(gaps)
    assert timedelta(minutes=5) <= gaps[0] <= timedelta(minutes=6)
    assert CEILING == gaps[-1]
    assert 1 == len({asked["hub.callback"] for asked in hub.asked})
    hub.status = 202
    reader.tend()
    assert 200 == hub.verify().status
    assert reader.told()


def test_a_hub_that_is_away_is_no_fault_of_the_feed(one: Reader) -> None:
    """feeds:W5 nothing listens: words, and another try."""
    one.read(f"http://127.0.0.1:{reserved_port()}/hub")
    assert 1 == one.tend()
    held = one.held()
    assert held is not None
    assert ("no connection", Standing.PENDING) == ((held.fault or "")[:13], held.state)


def test_a_hub_that_never_asks_back_is_asked_again(one: Reader, hub: Hub) -> None:
    """feeds:W5 a request that was taken and forgotten is repeated, under the same callback."""
    one.read(hub.url)
    one.tend()
    one.clock.advance(minutes=6)
    held = one.held()
    assert held is not None
    assert "not yet asked back" in (held.fault or "")
    one.tend()
    assert 2 == len(hub.asked)
    assert hub.asked[0] == hub.asked[1]


def test_a_hub_that_refuses_is_left_alone_for_a_day(reader: Reader, hub: Hub) -> None:
    """feeds:W5 hub.mode=denied (WebSub §5.2); then a new subscription is tried, under a new callback."""
    reader.read(hub.url)
    reader.tend()
    assert 200 == hub.deny("members\nonly").status
    held = reader.held()
    assert held is not None
    assert (Standing.REFUSED, "the hub refuses: members only") == (held.state, held.fault)
    assert 404 == hub.verify().status  # too late
    reader.read(hub.url)
    reader.clock.advance(hours=23)
    assert 0 == reader.tend()
    reader.clock.advance(hours=1)
    assert 1 == reader.tend()
    assert hub.asked[0]["hub.callback"] != hub.asked[1]["hub.callback"]
    assert hub.asked[0]["hub.secret"] != hub.asked[1]["hub.secret"]


def test_a_hub_may_refuse_what_it_had_accepted(one: Reader, hub: Hub) -> None:
    """feeds:W5 denied at any point, even after verification: polls are frequent again, and its bodies unwelcome."""
    one.subscribe(hub)
    assert one.told()
    hub.deny("")
    assert not one.told()
    assert 410 == hub.bring(ATOM).status
    assert [] == one.waiting()


def test_nobody_else_can_refuse_for_the_hub(one: Reader, hub: Hub) -> None:
    """feeds:W5 a refusal of another topic, or before anything was asked, is nothing."""
    one.read(hub.url)
    held = one.held()
    assert held is not None
    query = f"hub.mode=denied&hub.topic={TOPIC}"
    assert 404 == ask(f"{one.address(held.callback)}?{query}").status
    assert 404 == ask(f"{one.address('%2F' + str(one.upstream.id))}?{query}").status
    one.tend()
    assert 404 == ask(f"{hub.last['hub.callback']}?hub.mode=denied&hub.topic=https://other.example/").status
    assert Standing.PENDING is standing(one)


# -- verification of intent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"topic": "https://cms.example/other"},
        {"topic": ""},
        {"mode": "unsubscribe"},
        {"mode": "publish"},
        {"mode": None},
        {"topic": None},
        {"challenge": None},
        {"challenge": ""},
    ],
)
def test_what_we_did_not_ask_for_is_not_confirmed(
    one: Reader, hub: Hub, other: dict[str, str | None]
) -> None:
    """feeds:W5 security:S8 another topic, another mode, no challenge: there is no such address (WebSub §5.3)."""
    one.read(hub.url)
    one.tend()
    said = hub.verify(None, **other)
    assert 404 == said.status
    assert CHALLENGE.encode() not in said.body
    assert Standing.PENDING is standing(one)
    assert 200 == hub.verify().status  # and what we did ask for still is


def test_nothing_is_confirmed_unasked(one: Reader, hub: Hub) -> None:
    """feeds:W5 security:S8 a callback nobody was told, one confirmed already, and one guessed."""
    one.read(hub.url)
    one.tend()
    assert 404 == hub.verify(one.address(secrets.token_urlsafe(32))).status
    assert 200 == hub.verify().status
    assert 404 == hub.verify().status
    assert 404 == hub.verify(mode="unsubscribe").status
    assert one.told()


@pytest.mark.parametrize(
    ("lease", "expected"),
    [
        ("86400", DAY),
        (None, LEASE),
        ("", LEASE),
        ("soon", LEASE),
        ("-5", LEASE),
        ("0", LEASE),
        ("1" * 40, LONGEST),
        (str(366 * 86400), LONGEST),
        ("²", LEASE),
    ],
)
def test_the_lease_is_what_the_hub_says_within_bounds(
    one: Reader, hub: Hub, lease: str | None, expected: timedelta
) -> None:
    """feeds:W5 the hub grants the lease (WebSub §5.3), thirty days at most; a hub that says none gives what we asked."""
    assert 200 == one.subscribe(hub, lease_seconds=lease).status
    held = one.held()
    assert held is not None
    assert NOW + expected == held.lease_until


# -- leases ------------------------------------------------------------------------------------------------


def test_a_lease_is_renewed_before_it_ends(reader: Reader, hub: Hub) -> None:
    """feeds:W5 at 80 % of it, under the same callback and secret, while bodies keep coming."""
    reader.subscribe(hub, lease_seconds="100000")
    first = hub.last
    reader.clock.advance(seconds=79_999)
    assert 0 == reader.tend()
    reader.clock.advance(seconds=1)
    assert 1 == reader.tend()
    assert first == hub.last
    assert reader.told()
    assert 202 == hub.bring(ATOM).status
    assert 200 == hub.verify(lease_seconds="100000").status
    reader.clock.advance(seconds=60_000)
    assert reader.told()
    assert [ATOM] == reader.waiting()


def test_a_lease_that_runs_out_makes_polls_frequent_again(reader: Reader, hub: Hub) -> None:
    """feeds:W5 a hub that no longer answers is waited for no longer than its lease; later it may be back."""
    reader.subscribe(hub, lease_seconds="100000")
    hub.status = 500
    reader.clock.advance(seconds=80_000)
    reader.tend()
    assert reader.told()
    reader.clock.advance(seconds=20_000)
    assert not reader.told()
    assert 404 == hub.bring(ATOM).status  # not 410: it is asked for at this moment
    assert [] == reader.waiting()
    hub.status = 202
    reader.clock.advance(days=1)
    reader.tend()
    assert 200 == hub.verify().status
    assert reader.told()


def test_a_tiny_lease_does_not_keep_us_busy(one: Reader, hub: Hub) -> None:
    """feeds:W5 a hub that grants a second is not asked every second."""
    one.subscribe(hub, lease_seconds="1")
    one.clock.advance(minutes=9)
    assert 0 == one.tend()
    assert not one.told()
    one.clock.now = NOW + SHORTEST
    assert 1 == one.tend()


# -- leaving -----------------------------------------------------------------------------------------------


def test_a_hub_gone_from_the_feed_is_left(reader: Reader, hub: Hub) -> None:
    """feeds:W5 the feed offers it no more: unsubscribed, verified, forgotten."""
    reader.subscribe(hub)
    reader.read()
    assert (Standing.LEAVING, False) == (standing(reader), reader.told())
    assert 410 == hub.bring(ATOM).status
    reader.tend()
    left = hub.last
    assert ("unsubscribe", TOPIC) == (left["hub.mode"], left["hub.topic"])
    assert hub.asked[0]["hub.callback"] == left["hub.callback"]
    assert "hub.secret" not in left
    said = hub.verify()
    assert (200, CHALLENGE.encode()) == (said.status, said.body)
    assert reader.held() is None
    assert 404 == hub.verify().status
    assert 410 == hub.bring(ATOM).status


@pytest.mark.parametrize("change", ["hub", "topic"])
def test_another_hub_or_topic_is_subscribed_once_the_old_is_left(
    reader: Reader, hub: Hub, change: str
) -> None:
    """feeds:W5 leave the one, read the feed whole once more, and take the other."""
    reader.subscribe(hub)
    offer_now = {"hub": ("https://hub.example/", TOPIC), "topic": (hub.url, "https://cms.example/2")}[change]
    reader.read(offer_now[0], topic=offer_now[1])
    assert Standing.LEAVING is standing(reader)
    reader.tend()
    hub.verify()
    assert reader.held() is None
    reader.read(offer_now[0], topic=offer_now[1])
    held = reader.held()
    assert held is not None
    assert (*offer_now, Standing.PENDING) == (held.hub, held.topic, held.state)


def test_after_leaving_the_feed_is_read_whole(reader: Reader, hub: Hub) -> None:
    """feeds:W5 the hub it offers now stands in a body that a conditional request would not bring again."""
    with reader.store.begin() as tx:
        claim = upstreams.claim(tx, "cms", timedelta(minutes=1))
        assert claim is not None
        heard = upstreams.Heard(validators=Validators(etag='"1"', last_modified="then", body_hash="hash"))
        assert upstreams.settle_success(tx, claim, heard)
    reader.subscribe(hub)
    reader.read("https://hub.example/")
    reader.tend()
    hub.verify()
    with reader.store.begin() as tx:
        claim = upstreams.claim(tx, "cms", timedelta(minutes=1))
    assert claim is not None
    assert Validators(body_hash="") == claim.validators


def test_a_paused_upstream_is_unsubscribed(reader: Reader, hub: Hub) -> None:
    """feeds:W5 nobody is to be told of what nobody reads."""
    reader.subscribe(hub)
    with reader.store.begin() as tx:
        upstreams.pause(tx, "cms", paused=True)
    assert 410 == hub.bring(ATOM).status
    reader.tend()
    reader.tend()
    assert "unsubscribe" == hub.last["hub.mode"]
    assert 200 == hub.verify().status
    assert reader.held() is None


def test_a_removed_upstream_answers_410(reader: Reader, hub: Hub) -> None:
    """feeds:W5 nothing is left to unsubscribe with: the hub hears it when it next comes (WebSub §7)."""
    reader.subscribe(hub)
    with reader.store.begin() as tx:
        upstreams.remove(tx, "cms")
    assert 0 == reader.tend()
    assert 410 == hub.bring(ATOM).status


def test_leaving_is_tried_and_then_given_up(one: Reader, hub: Hub) -> None:
    """feeds:W5 best effort: a hub that is away is not asked for ever to forget us."""
    one.subscribe(hub)
    hub.status = 500
    one.read()
    for _ in range(10):
        one.tend()
        one.clock.advance(days=1)
    assert ["subscribe", *["unsubscribe"] * 3] == [asked["hub.mode"] for asked in hub.asked]
    assert one.held() is None


def test_a_hub_that_knows_nothing_of_us_is_left_at_once(one: Reader, hub: Hub) -> None:
    """feeds:W5 a 404 to an unsubscription is as good as a yes."""
    one.subscribe(hub)
    hub.status = 404
    one.read()
    one.tend()
    assert one.held() is None


def test_what_was_never_asked_for_is_not_taken_back(one: Reader, hub: Hub) -> None:
    """feeds:W5 a hub that is gone before it was asked hears nothing at all."""
    one.read(hub.url)
    one.read()
    one.tend()
    assert (None, []) == (one.held(), hub.asked)


# -- signatures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_taken(one: Reader, hub: Hub, method: str) -> None:
    """feeds:W5 sha1, sha256, sha384 and sha512 over the raw bytes (WebSub §8)."""
    one.subscribe(hub)
    body = b"\xff\x00 not even text \r\n" + method.encode()
    assert 202 == hub.bring(body, method).status
    assert [body] == one.waiting()


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        "sha256=" + sign("another secret", ATOM),
        sign("s", ATOM),
        "md5=" + sign("s", ATOM, "md5"),
        "sha256",
        "=",
        "sha256=ü",
    ],
)
def test_a_wrong_signature_is_thanked_and_dropped(one: Reader, hub: Hub, signature: str | None) -> None:
    """feeds:W5 a 2xx tells an attacker nothing, and stops a hub's retries; nothing is kept (WebSub §8)."""
    one.subscribe(hub)
    said = hub.bring(ATOM, signature=signature)
    assert (202, b"Thank you.\n") == (said.status, said.body)
    assert [] == one.waiting()
    assert hub.bring(ATOM).body == said.body


def test_a_right_signature_of_other_bytes_is_wrong(one: Reader, hub: Hub) -> None:
    """feeds:W5 the signature covers every byte of the body as it came."""
    one.subscribe(hub)
    right = "sha256=" + sign(hub.last["hub.secret"], ATOM)
    assert 202 == hub.bring(ATOM + b"\n", signature=right).status
    assert [] == one.waiting()


@pytest.mark.parametrize(
    ("signatures", "expected"),
    [
        (["sha1={sha1}", "sha256={sha256}"], True),
        (["sha1={sha1},sha256={sha256}"], True),
        ([" SHA256 = {sha256} "], True),
        (["sha1={sha1}", "sha256=00"], False),  # the stronger one counts
        (["sha256=00", "sha1={sha1}"], False),
        (["sha512={sha512}", "sha1=00"], True),
        (["sha224={sha1}"], False),
        ([], False),
    ],
)
def test_sha256_is_preferred(signatures: Sequence[str], expected: bool) -> None:  # noqa: FBT001 - a table
    """feeds:W5 of several signatures the best method decides, so that sha1 cannot stand in for it."""
    right = {method: sign("secret", ATOM, method) for method in METHODS}
    assert expected == genuine("secret", ATOM, [one.format(**right) for one in signatures])


@given(st.lists(st.text(max_size=80), max_size=4), st.binary(max_size=50))
def test_no_signature_is_too_odd(signatures: list[str], body: bytes) -> None:
    """feeds:W5 whatever stands in the header, the answer is no and never an exception."""
    assert not genuine("secret", body, signatures)


def test_an_unsigned_secret_lets_nobody_in() -> None:
    """feeds:W5 a row that was never asked for has no secret, and an empty one signs nothing."""
    assert not genuine("", ATOM, ["sha256=" + sign("", ATOM)])


# -- the inbox ---------------------------------------------------------------------------------------------


def test_the_inbox_is_bounded(reader: Reader, hub: Hub) -> None:
    """feeds:W5 W6: the oldest gives way, and the feed itself is asked for what was in it."""
    reader.subscribe(hub)
    with reader.store.begin() as tx:
        reader.clock.advance(seconds=60)
        before = upstreams.status(tx, "cms").next_check
    bodies = [f"<feed>{number}</feed>".encode() for number in range(WAITING + 2)]
    for body in bodies:
        assert 202 == hub.bring(body).status
    with reader.store.read() as tx:
        after = upstreams.status(tx, "cms").next_check
    assert before is not None
    assert after is not None
    assert after <= reader.clock.now
    assert bodies[2:] == reader.waiting()


def test_one_upstream_at_a_time_from_the_inbox(reader: Reader, hub: Hub) -> None:
    """feeds:W6 the oldest body of each upstream that nobody polls at this moment, with what its links are relative to."""
    reader.subscribe(hub)
    hub.bring(b"first", content_type="application/rss+xml")
    hub.bring(b"second")
    with reader.store.begin() as tx:
        other = upstreams.add(tx, Upstream(id=0, slug="other", url="https://other.example/feed", created=NOW))
        hubs.want(tx, other.id, hub.url, "https://other.example/feed")
        known = hubs.find(tx, other.id)
        assert known is not None
        hubs.put(tx, known, b"third", "text/xml", WAITING)
        found = hubs.pushed(tx, 10)
        assert [
            ("cms", b"first", "application/rss+xml", TOPIC),
            ("other", b"third", "text/xml", other.url),
        ] == [(one.slug, one.body, one.content_type, one.topic) for one in found]
        assert ["cms"] == [one.slug for one in hubs.pushed(tx, 1)]
        claim = upstreams.claim(tx, "cms", timedelta(minutes=1))
        assert claim is not None
        assert ["other"] == [one.slug for one in hubs.pushed(tx, 10)]
        upstreams.give_back(tx, [claim])
        hubs.forget(tx, found[0].id)
        assert [b"second", b"third"] == sorted(one.body for one in hubs.pushed(tx, 10))
