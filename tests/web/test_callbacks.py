"""The doors for those who tell us that there is news: what they take, how much of it, and how often."""

import contextlib
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from xmlrpc.client import Fault as ClientFault
from xmlrpc.client import loads

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syndicator.ingest.pings import MOST, matched
from syndicator.model.cadence import SPACING
from syndicator.model.upstream import Relation, Upstream
from syndicator.signup import Purpose, Tokens
from syndicator.store import Store, hubs, open_store, upstreams
from syndicator.store.hubs import Place, Standing
from syndicator.web import xmlrpc
from syndicator.web.callbacks import ALL, EACH, IN_HAND, MAX_BODY, _Hands
from syndicator.web.limits import Knocks
from tests.ingest.hub import sign
from tests.make import NOW, FakeClock
from tests.web.served import TOKENS, Reply, Running, running, wait_until

SECRET = "s" * 43
SITES = {
    "cms": ("https://www.cms.example/feed/", None),
    "news": ("https://cms.example/category/news/feed/", "https://cms.example/"),
    "burner": ("https://feeds.burner.example/cms", "https://cms.example"),
    "other": ("https://other.example/feed", "https://other.example/notcms.example/"),
    "almost": ("https://feeds.burner.example/almost", "https://cms.example.evil.example/"),
}
# What WordPress 6 sends: wp-includes/comment.php weblog_ping() through IXR_Request, three params.
WORDPRESS = b"""<?xml version="1.0"?>
<methodCall>
<methodName>weblogUpdates.extendedPing</methodName>
<params>
<param><value><string>Society of Example &amp; Friends</string></value></param>
<param><value><string>https://cms.example/</string></value></param>
<param><value><string>https://cms.example/feed/</string></value></param>
</params></methodCall>"""
# The same by the letter of the first description (weblogs.com 2001), values without a type.
PLAIN = b"""<?xml version="1.0"?><methodCall><methodName>weblogUpdates.ping</methodName><params>
<param><value>Society</value></param><param><value>https://cms.example/</value></param></params></methodCall>"""
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8))
    + b"]><methodCall><methodName>&i;</methodName></methodCall>"
)


@pytest.fixture(scope="module")
def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, FakeClock]]:
    """A SQLite store for the module."""
    folder, clock = tmp_path_factory.mktemp("callbacks"), FakeClock()
    for part in sqlite_template.parent.iterdir():
        shutil.copy(part, folder)
    address = f"sqlite:///{folder / sqlite_template.name}"
    with open_store(address, host_clock=clock, fixed_clock=clock) as store:
        yield store, clock


@pytest.fixture
def rows(shared: tuple[Store, FakeClock]) -> Iterator[Store]:
    """The upstreams, each asked an hour ago and due in another."""
    store, clock = shared
    clock.now = NOW - timedelta(hours=1)
    with store.begin() as tx:
        for slug, (url, _) in SITES.items():
            upstreams.add(tx, Upstream(id=0, slug=slug, url=url, created=NOW))
        for slug, (_, site) in SITES.items():
            claim = upstreams.claim(tx, slug, timedelta(minutes=1))
            assert claim is not None
            heard = upstreams.Heard(validators=claim.validators, site=site, header=timedelta(hours=20))
            assert upstreams.settle_success(tx, claim, heard)
    clock.now = NOW
    yield store
    with store.begin() as tx:
        for left in upstreams.listing(tx):
            upstreams.remove(tx, left.slug)


@pytest.fixture(scope="module")
def served(shared: tuple[Store, FakeClock]) -> Iterator[Running]:
    """One web process; a test that counts visitors brings visitors of its own."""
    with running(shared[0], trusted_proxies=["127.0.0.1"]) as web:
        yield web


@pytest.fixture
def web(served: Running, rows: Store) -> Running:
    """The web process over the upstreams."""
    return served


def due(store: Store, slug: str) -> datetime | None:
    """When an upstream is asked next."""
    with store.read() as tx:
        return upstreams.status(tx, slug).next_check


def due_now(store: Store) -> set[str]:
    """The upstreams that are to be asked at once."""
    with store.read() as tx:
        return {one.slug for one in upstreams.statuses(tx) if one.next_check and one.next_check <= NOW}


def ping_path(store: Store, slug: str) -> str:
    """The ping address of an upstream."""
    with store.read() as tx:
        return f"/ping/{TOKENS.ping_token(upstreams.named(tx, slug).id)}"


def told(web: Running, body: bytes, **headers: str) -> tuple[bool, str]:
    """What an XML-RPC client makes of the answer: flerror and message."""
    reply = web.ask("/xmlrpc", "POST", body, content_type="text/xml", **headers)
    assert (200, "text/xml; charset=utf-8") == (reply.status, reply.headers["content-type"])
    ((said,), _) = loads(reply.body)
    assert isinstance(said, dict)
    return bool(said["flerror"]), str(said["message"])


def fault_of(web: Running, body: bytes) -> int:
    """The code of the fault a call brings."""
    reply = web.ask("/xmlrpc", "POST", body, content_type="text/xml")
    assert 200 == reply.status
    with pytest.raises(ClientFault) as caught:
        loads(reply.body)
    return int(caught.value.faultCode)


# -- one upstream ------------------------------------------------------------------------------------------


def test_a_ping_makes_an_upstream_due(web: Running, rows: Store) -> None:
    """feeds:I4 poll now: a POST to the upstream's own address, and nothing else is asked."""
    assert set() == due_now(rows)
    reply = web.ask(ping_path(rows, "cms"), "POST", b"<rss>not read</rss>", content_type="text/xml")
    assert (202, b"Thank you.\n") == (reply.status, reply.body)
    assert "no-store" == reply.headers["cache-control"]
    assert {"cms"} == due_now(rows)


def test_a_second_ping_waits_for_the_first(web: Running, rows: Store) -> None:
    """feeds:I4 at most one poll in twenty seconds; a ping in between is not lost."""
    with rows.begin() as tx:
        claim = upstreams.claim(tx, "cms", timedelta(minutes=1))
        assert claim is not None
        upstreams.settle_unchanged(tx, [(claim, upstreams.Heard(validators=claim.validators))])
    assert 202 == web.ask(ping_path(rows, "cms"), "POST").status
    assert NOW + SPACING == due(rows, "cms")


def fail(store: Store, slug: str, times: int) -> datetime | None:
    """When it is asked again, after it was asked now and failed so often."""
    with store.begin() as tx:
        for _ in range(times):
            claim = upstreams.claim(tx, slug, timedelta(minutes=1))
            assert claim is not None
            assert upstreams.settle_failure(tx, claim, "no answer")
    return due(store, slug)


def test_no_ping_ends_a_long_backoff(web: Running, rows: Store) -> None:
    """feeds:I6 an upstream that failed three times in a row is left alone, whoever pings; one that failed twice is not."""
    fail(rows, "cms", 2)
    planned = fail(rows, "news", 3)
    for slug in ("cms", "news"):
        assert 202 == web.ask(ping_path(rows, slug), "POST").status
    told(web, WORDPRESS)
    assert (NOW + SPACING, planned) == (due(rows, "cms"), due(rows, "news"))


def test_nobody_floods_a_third_host_through_us(web: Running, rows: Store) -> None:
    """feeds:I4 feeds:I6 whoever knows no token has a foreign feed asked in five minutes at the soonest, and not while it fails."""
    with rows.begin() as tx:
        for slug in ("cms", "news", "burner"):
            upstreams.edit(tx, replace(upstreams.named(tx, slug), relation=Relation.FOREIGN))
        claim = upstreams.claim(tx, "cms", timedelta(minutes=1))
        assert claim is not None
        upstreams.settle_unchanged(tx, [(claim, upstreams.Heard(validators=claim.validators))])
    planned = fail(rows, "news", 1)
    told(web, WORDPRESS)
    assert (NOW + timedelta(minutes=5), planned) == (due(rows, "cms"), due(rows, "news"))
    assert {"burner"} == due_now(rows)  # asked an hour ago
    assert 202 == web.ask(ping_path(rows, "cms"), "POST").status
    assert NOW + SPACING == due(rows, "cms")


def test_a_look_is_no_ping(web: Running, rows: Store) -> None:
    """security:H4 a GET changes nothing, and says how it is meant."""
    for path in (ping_path(rows, "cms"), "/ping/1.nonsense", "/xmlrpc"):
        reply = web.ask(path)
        assert (405, "POST") == (reply.status, reply.headers["allow"])
        assert b"Send a POST" in reply.body
    assert set() == due_now(rows)


@pytest.mark.parametrize("token", ["", "1", "1.", "0.x", "99999999999999999999.x", "1.%C3%BC", "x" * 3000])
def test_no_token_no_ping(web: Running, rows: Store, token: str) -> None:
    """feeds:I4 only who was given the address may use it."""
    assert 404 == web.ask(f"/ping/{token}", "POST").status
    assert set() == due_now(rows)


def test_a_token_is_for_its_purpose_its_upstream_and_its_key(web: Running, rows: Store) -> None:
    """feeds:I4 no token of a mailed link pings, no ping token leaves the media list; a former key still holds."""
    with rows.read() as tx:
        row = upstreams.named(tx, "cms").id
    assert 404 == web.ask(f"/ping/{TOKENS.unsubscribe_token(row)}", "POST").status
    assert 404 == web.ask(f"/ping/{Tokens(['another key']).ping_token(row)}", "POST").status
    assert 404 == web.ask(f"/ping/{TOKENS.ping_token(row + 1000)}", "POST").status
    assert TOKENS.read(Purpose.UNSUBSCRIBE, TOKENS.ping_token(row)) is None
    assert row == Tokens(["new", "the present key, long enough"]).read(Purpose.PING, TOKENS.ping_token(row))


def test_a_removed_upstream_is_not_pinged(web: Running, rows: Store) -> None:
    """feeds:I4 its address leads nowhere."""
    path = ping_path(rows, "cms")
    with rows.begin() as tx:
        upstreams.remove(tx, "cms")
    assert 404 == web.ask(path, "POST").status


def test_the_body_of_a_ping_is_not_read(web: Running, rows: Store) -> None:
    """feeds:I4 the answer is there before the body is: nothing of it is waited for or kept."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        head = f"POST {ping_path(rows, 'cms')} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n"
        wire.sendall(head.encode() + b"x" * 1000)
        assert wire.recv(12) == b"HTTP/1.1 202"


def test_a_visitor_may_ping_so_often(web: Running, rows: Store) -> None:
    """feeds:I4 security:R5 a flood is answered 429 and moves nothing; other visitors are still heard."""
    path = ping_path(rows, "cms")
    answers = [web.ask(path, "POST", x_forwarded_for="192.0.2.1").status for _ in range(EACH + 1)]
    assert ([202] * EACH, 429) == (answers[:-1], answers[-1])
    reply = web.ask("/xmlrpc", "POST", WORDPRESS, x_forwarded_for="192.0.2.1")
    assert 429 == reply.status
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert 202 == web.ask(path, "POST", x_forwarded_for="192.0.2.2").status


def test_all_together_may_knock_so_often() -> None:
    """security:R5 many visitors are no way around the limit, and one in excess takes nothing from the others."""
    knocks = Knocks(2, 5)
    assert [0, 0, 30, 30] == [knocks.take("a", 0.0) for _ in range(4)]
    assert [0, 0, 0, 12] == [knocks.take(name, 0.0) for name in ("b", "c", None, "d")]
    assert EACH < ALL


# -- the pings of WordPress --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [WORDPRESS, PLAIN, b"\r\n" + WORDPRESS, WORDPRESS.replace(b"extendedPing", b"ping")]
)
def test_a_site_that_pings_is_read(web: Running, rows: Store, body: bytes) -> None:
    """feeds:I4 every upstream of the site, by its feed's host or its page's; the answer is the struct WordPress wants."""
    error, message = told(web, body)
    assert (False, "Thank you, the news of this site is read now (3).") == (error, message)
    assert {"cms", "news", "burner"} == due_now(rows)


def test_a_site_nobody_reads(web: Running, rows: Store) -> None:
    """feeds:I4 flerror, and words; nothing is fetched, nothing is made."""
    error, message = told(web, WORDPRESS.replace(b"cms.example", b"nobody.example"))
    assert (True, "No feed of this site is read here.") == (error, message)
    assert set() == due_now(rows)
    with rows.read() as tx:
        assert set(SITES) == {one.slug for one in upstreams.listing(tx)}


def test_a_paused_upstream_is_not_pinged(web: Running, rows: Store) -> None:
    """feeds:I4 what is paused stays so."""
    with rows.begin() as tx:
        upstreams.pause(tx, "cms", paused=True)
    told(web, WORDPRESS)
    assert {"news", "burner"} == due_now(rows) - {"cms"}


def test_a_ping_carries_no_content(web: Running, rows: Store) -> None:
    """feeds:I4 the name, the page and the feed that a stranger names are taken over nowhere."""
    told(
        web,
        WORDPRESS.replace(b"https://cms.example/feed/", b"http://169.254.169.254/").replace(
            b"Society", b"Evil"
        ),
    )
    with rows.read() as tx:
        known = {one.slug: one.url for one in upstreams.listing(tx)}
    assert {slug: url for slug, (url, _) in SITES.items()} == known


CALLS = {
    "no XML": (b"hello", xmlrpc.NOT_WELL_FORMED),
    "nothing": (b"", xmlrpc.NOT_WELL_FORMED),
    "cut off": (WORDPRESS[:200], xmlrpc.NOT_WELL_FORMED),
    "an entity bomb": (BOMB, xmlrpc.NOT_WELL_FORMED),
    "a document type": (b'<!doctype x SYSTEM "file:///etc/passwd">' + PLAIN[21:], xmlrpc.NOT_WELL_FORMED),
    "in UTF-16": (BOMB.decode().replace("1.0", "1.0").encode("utf-16"), xmlrpc.NOT_WELL_FORMED),
    "another root": (b"<methodResponse/>", xmlrpc.INVALID),
    "no method": (b"<methodCall><params/></methodCall>", xmlrpc.INVALID),
    "deep": (b"<methodCall>" * 90 + b"</methodCall>" * 90, xmlrpc.INVALID),
    "too deep": (b"<a>" * 2000 + b"</a>" * 2000, xmlrpc.NOT_WELL_FORMED),
    "wide": (b"<methodCall><methodName/>" + b"<a/>" * 200 + b"</methodCall>", xmlrpc.INVALID),
    "another method": (PLAIN.replace(b"weblogUpdates.ping", b"system.multicall"), xmlrpc.UNKNOWN_METHOD),
    "pingback": (PLAIN.replace(b"weblogUpdates.ping", b"pingback.ping"), xmlrpc.UNKNOWN_METHOD),
    "one param": (PLAIN.replace(b"<param><value>Society</value></param>", b""), xmlrpc.BAD_PARAMS),
    "a struct": (PLAIN.replace(b"Society", b"<struct/>"), xmlrpc.BAD_PARAMS),
    "many": (PLAIN.replace(b"</params>", b"<param><value>x</value></param>" * 12 + b"</params>"), xmlrpc.BAD_PARAMS),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_ping_is_a_fault(web: Running, rows: Store, name: str) -> None:
    """security:X1 no document type, no entity, nothing deep, nothing that is not a ping; nothing is done."""
    body, code = CALLS[name]
    assert code == fault_of(web, body)
    assert set() == due_now(rows)


def test_an_entity_that_hides_in_an_encoding_is_not_expanded() -> None:
    """security:X1 what the first look cannot see, the parser refuses."""
    with pytest.raises(xmlrpc.Fault):
        xmlrpc.read(BOMB.replace(b'"1.0"', b'"1.0" encoding="UTF-7"').replace(b"<!DOCTYPE", b"+ADw-!DOCTYPE"))


def test_a_long_call_is_not_read(web: Running) -> None:
    """security:X1 sixteen kilobytes, stated or not."""
    long = WORDPRESS.replace(b"Society", b"S" * xmlrpc.MAX_BYTES)
    assert 413 == web.ask("/xmlrpc", "POST", long).status
    chunked = b"POST /xmlrpc HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    assert web.raw(chunked + b"5000\r\n" + b"x" * 0x5000 + b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 413")
    with pytest.raises(xmlrpc.Fault):
        xmlrpc.read(long)


@given(
    st.binary(max_size=400)
    | st.text(max_size=200).map(lambda text: PLAIN.replace(b"Society", text.encode("utf-8", "replace")))
)
@example(PLAIN.replace(b"Society", b"<!-- --><string>a</string><?pi?>"))
def test_whatever_is_sent_is_a_call_or_a_fault(body: bytes) -> None:
    """security:X1 no bytes make the reading of a call break."""
    with contextlib.suppress(xmlrpc.Fault):
        assert isinstance(xmlrpc.read(body).method, str)


def test_words_of_strangers_stay_words() -> None:
    """security:H2 what an answer quotes is escaped."""
    ((said,), _) = loads(xmlrpc.answer(error=True, message="<b>&"))
    assert {"flerror": True, "message": "<b>&"} == said


def test_a_host_of_many_sites_is_not_read_whole() -> None:
    """feeds:I4 the site that pings, not its neighbours on the same host; without one, so many at most."""
    places = [Place(f"s{n:03}", f"https://many.example/site{n}/feed", None) for n in range(MOST + 10)]
    assert ["s007"] == matched(places, ("many.example", "/site7/"))
    assert ["s001"] == matched(places, ("many.example", "/site1/"))  # not site10
    assert [] == matched(places, ("many.example", "/elsewhere/"))
    assert 10 == MOST == len(matched(places, ("many.example", "/")))
    assert [] == matched(places, ("other.example", "/"))
    assert [] == matched(places, None)


def test_the_feed_a_ping_names_is_asked_wherever_it_is() -> None:
    """feeds:I4 exactly that one: its host may be a feed service's, with thousands of others."""
    places = [Place(name, f"https://feeds.example/{name}/", None) for name in ("mine", "mine2", "theirs")]
    assert ["mine"] == matched(places, ("blog.example", "/"), [("feeds.example", "/mine/")])
    assert [] == matched(places, ("blog.example", "/"), [("feeds.example", "/")])


def test_the_four_values_of_an_extended_ping(web: Running, rows: Store) -> None:
    """feeds:I4 name, site, page, feed: the feed may be all we know of the site."""
    values = [
        "Blog",
        "https://blog.example/",
        "https://blog.example/new",
        "http://feeds.burner.example/almost/",
    ]
    params = "".join(f"<param><value><string>{value}</string></value></param>" for value in values)
    method = "<methodName>weblogUpdates.extendedPing</methodName>"
    error, _ = told(web, f"<methodCall>{method}<params>{params}</params></methodCall>".encode())
    assert not error
    assert {"almost"} == due_now(rows)


@pytest.mark.parametrize(
    "address",
    ["", "cms.example", "ftp://cms.example/", "http://[", "https://", "https://cms.example/" + "a" * 3000],
)
def test_what_is_no_address_pings_nobody(web: Running, rows: Store, address: str) -> None:
    """feeds:I4 odd addresses match nothing."""
    assert told(web, PLAIN.replace(b"https://cms.example/", address.encode()))[0]
    assert set() == due_now(rows)


# -- what hubs bring ---------------------------------------------------------------------------------------


def subscribe(store: Store, slug: str) -> str:
    """A verified subscription; its path."""
    with store.begin() as tx:
        row = upstreams.named(tx, slug)
        hubs.want(tx, row.id, "https://hub.example/", row.url)
        known = hubs.find(tx, row.id)
        assert known is not None
        after = replace(
            known,
            callback=f"callback-of-{slug}",
            secret=SECRET,
            state=Standing.ACTIVE,
            lease_until=NOW + timedelta(days=1),
            next_try=NOW + timedelta(hours=20),
        )
        assert hubs.change(tx, known, after)
    return f"/callbacks/websub/callback-of-{slug}"


def kept(store: Store) -> list[int]:
    """The sizes of what waits."""
    with store.read() as tx:
        return [len(one.body) for one in hubs.pushed(tx, 100)]


def bring(web: Running, path: str, body: bytes) -> Reply:
    """A signed body."""
    return web.ask(path, "POST", body, x_hub_signature=f"sha256={sign(SECRET, body)}")


def test_a_body_as_large_as_a_feed_is_taken_and_no_larger(web: Running, rows: Store) -> None:
    """feeds:W5 I7: five million bytes; more is refused before it is read."""
    path = subscribe(rows, "cms")
    assert 202 == bring(web, path, b"x" * MAX_BODY).status
    assert [MAX_BODY] == kept(rows)
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        wire.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {MAX_BODY + 1}\r\n\r\n".encode())
        assert wire.recv(12) == b"HTTP/1.1 413"  # nothing of it was sent


def test_a_body_without_end_is_cut_off(web: Running, rows: Store) -> None:
    """feeds:W5 security:R5 what does not say its length is counted as it comes."""
    path = subscribe(rows, "cms")
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as wire:
        wire.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with contextlib.suppress(ConnectionError):
            for _ in range(MAX_BODY // 0x10000 + 2):
                wire.sendall(chunk)
        assert wire.recv(12) == b"HTTP/1.1 413"
    assert [] == kept(rows)


def test_nothing_is_buffered_for_an_unknown_address(web: Running) -> None:
    """feeds:W5 the address is looked up before the first byte of a body."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        wire.sendall(b"POST /callbacks/websub/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n")
        assert wire.recv(12) == b"HTTP/1.1 410"


def test_so_many_bodies_at_a_time(web: Running, rows: Store) -> None:
    """security:R5 one for an address and a few in all are in memory at once; the others are asked to come again."""
    path = subscribe(rows, "cms")
    with opened(web, path):
        assert 429 == bring(web, path, b"x").status
        other = subscribe(rows, "news")
        assert 202 == bring(web, other, b"xy").status
    wait_until(lambda: 202 == bring(web, path, b"x").status)


def test_hands_are_few() -> None:
    """security:R5 many addresses together hold so many bodies and no more; each gives its place back."""
    hands = _Hands(2)
    with (
        hands.free("a") as first,
        hands.free("b") as second,
        hands.free("c") as third,
        hands.free("a") as again,
    ):
        assert [True, True, False, False] == [first, second, third, again]
    with hands.free("c") as third, hands.free("a") as first:
        assert third
        assert first
    assert IN_HAND * MAX_BODY <= 50_000_000


@contextlib.contextmanager
def opened(web: Running, path: str) -> Iterator[None]:
    """A hub that has begun to bring something, has been asked for the body, and does not go on."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        head = "host: x\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n"
        wire.sendall(f"POST {path} HTTP/1.1\r\n{head}".encode())
        assert wire.recv(12) == b"HTTP/1.1 100"
        yield
