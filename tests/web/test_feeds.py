"""Feeds over real sockets: every rule of `requirements/feeds` §2 that this part keeps."""

import gzip
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from syndicator.model.site import MEDIA_TYPES, Format
from syndicator.store import Store
from tests.web.served import Running, lasting_store, running, save_document, with_tag

BODY = b"<feed>" + b"words and more words " * 400 + b"</feed>"
PATH = "/feeds/policy.atom"
SHARED = ["etag", "last-modified", "cache-control", "vary", "link", "access-control-allow-origin"]


@pytest.fixture(scope="module", params=["early", "asgi"])
def web(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A web process over a store that holds one document and that no test here changes; once per door."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        save_document(store, BODY)
        with running(store, early=request.param == "early") as web:
            web.app.catalogue.shelf.hot = 10**9  # no codings but those in the store
            yield web


def test_full_answer(store: Store) -> None:
    """feeds:H1 a 200 has all its validators and the very bytes."""
    save_document(store, BODY)
    with running(store) as web:
        reply = web.ask(PATH)
    assert (200, BODY) == (reply.status, reply.body)
    assert {*SHARED, "content-type", "content-length", "date"} <= reply.headers.keys()
    assert str(len(BODY)) == reply.headers["content-length"]


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_head_is_get_without_body(web: Running, coding: str) -> None:
    """feeds:H1 HEAD has the headers of GET and no body, in each coding."""
    get = web.ask(PATH, Accept_Encoding=coding)
    head = web.ask(PATH, "HEAD", Accept_Encoding=coding)
    assert b"" == head.body
    assert {**get.headers, "date": ""} == {**head.headers, "date": ""}


def test_codings_have_tags_of_their_own(web: Running) -> None:
    """feeds:H2 feeds:H13 gzip has another strong tag, says so, and holds the same words."""
    plain, packed = web.ask(PATH), web.ask(PATH, Accept_Encoding="gzip")
    assert with_tag(plain.headers["etag"], "-gzip") == packed.headers["etag"]
    assert ("gzip", "Accept-Encoding") == (packed.headers["content-encoding"], packed.headers["vary"])
    assert "content-encoding" not in plain.headers
    assert BODY == gzip.decompress(packed.body)
    assert str(len(packed.body)) == packed.headers["content-length"]


@pytest.mark.parametrize("held", ["", "-gzip"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_codings_crosswise(web: Running, held: str, coding: str) -> None:
    """feeds:H2 feeds:H3 a tag of one coding gives 304 for the other, with the tag a 200 would have."""
    tag = with_tag(web.ask(PATH).headers["etag"], held)
    full = web.ask(PATH, Accept_Encoding=coding)
    reply = web.ask(PATH, If_None_Match=tag, Accept_Encoding=coding)
    assert (304, full.headers["etag"]) == (reply.status, reply.headers["etag"])


def test_not_modified_repeats_headers(web: Running) -> None:
    """feeds:H6 a 304 repeats what a 200 would say, and has neither body nor its description."""
    full = web.ask(PATH)
    reply = web.ask(PATH, If_None_Match=full.headers["etag"])
    assert (304, b"") == (reply.status, reply.body)
    assert {name: full.headers[name] for name in SHARED} == {name: reply.headers[name] for name in SHARED}
    assert (
        not {"content-type", "content-length", "content-encoding", "transfer-encoding"} & reply.headers.keys()
    )


@pytest.mark.parametrize(
    "shape", ["{}", "W/{}", '"other", {}', '{},"other"', '"other",W/{} , "x"', "*", '"a, b", {}', '"" , {}']
)
def test_tags_that_match(web: Running, shape: str) -> None:
    """feeds:H3 lists, *, weak tags and odd commas are understood."""
    etag = web.ask(PATH).headers["etag"]
    assert 304 == web.ask(PATH, If_None_Match=shape.format(etag)).status


@pytest.mark.parametrize("tags", ['"other"', "W/", '"', "", ",,,", '"unclosed'])
def test_tags_that_do_not_match(web: Running, tags: str) -> None:
    """feeds:H3 what is not our tag gives the bytes."""
    assert 200 == web.ask(PATH, If_None_Match=tags).status


def test_a_tag_wins_over_the_date(web: Running) -> None:
    """feeds:H3 If-None-Match decides alone where both are sent."""
    dated = web.ask(PATH).headers["last-modified"]
    assert 200 == web.ask(PATH, If_None_Match='"other"', If_Modified_Since=dated).status


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("Mon, 02 Mar 2026 08:59:59 GMT", 304),
        ("Mon, 02 Mar 2026 09:30:00 GMT", 304),
        ("Mon, 02 Mar 2026 08:59:58 GMT", 200),
        ("Monday, 02-Mar-26 08:59:59 GMT", 304),
        ("Mon Mar  2 08:59:59 2026", 304),
        ("yesterday", 200),
        ("", 200),
        ("Mon, 99 Mar 2026 08:59:59 GMT", 200),
        ("Mon, 02 Mar 99999 08:59:59 GMT", 200),
        ("0", 200),
    ],
)
def test_if_modified_since(web: Running, since: str, status: int) -> None:
    """feeds:H4 the date alone is honoured to the second; what is no date is ignored."""
    assert status == web.ask(PATH, If_Modified_Since=since).status


def test_last_modified_is_when_the_bytes_changed(web: Running) -> None:
    """feeds:H4 Last-Modified is the stored instant in whole seconds."""
    assert "Mon, 02 Mar 2026 08:59:59 GMT" == web.ask(PATH).headers["last-modified"]


def test_two_changes_in_a_second(store: Store) -> None:
    """feeds:H5 the same date with other bytes has another tag."""
    save_document(store, BODY)
    with running(store) as web:
        before = web.ask(PATH).headers
        save_document(store, BODY + b"!")
        web.app.catalogue.refresh()
        after = web.ask(PATH).headers
    assert before["last-modified"] == after["last-modified"]
    assert before["etag"] != after["etag"]


def test_lifetime(web: Running) -> None:
    """feeds:H7 a constant public lifetime, the site's own."""
    assert "public, max-age=300, stale-while-revalidate=60" == web.ask(PATH).headers["cache-control"]


@pytest.mark.parametrize("path", [PATH, "/feeds/unknown.atom"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_browsers_may_read(web: Running, path: str, method: str) -> None:
    """feeds:H10 any origin may read any answer and sees its validators."""
    headers = web.ask(path, method).headers
    assert "*" == headers["access-control-allow-origin"]
    if method != "OPTIONS":
        assert {"ETag", "Link", "Last-Modified"} <= set(headers["access-control-expose-headers"].split(", "))


def test_preflight(web: Running) -> None:
    """feeds:H10 a browser may ask with conditions."""
    reply = web.ask(PATH, "OPTIONS", Origin="https://reader.example", Access_Control_Request_Method="GET")
    assert (204, b"") == (reply.status, reply.body)
    assert "If-None-Match" in reply.headers["access-control-allow-headers"]
    assert "GET, HEAD, OPTIONS" == reply.headers["access-control-allow-methods"]


@pytest.mark.parametrize("format", Format)
def test_types(store: Store, format: Format) -> None:
    """feeds:H11 the exact type, not to be guessed at, and no cookie."""
    save_document(store, BODY, format=format)
    with running(store) as web:
        headers = web.ask(f"/feeds/policy.{format}").headers
    assert (MEDIA_TYPES[format], "nosniff") == (headers["content-type"], headers["x-content-type-options"])
    assert "set-cookie" not in headers


@pytest.mark.parametrize("early", [True, False])
def test_a_feed_opened_in_a_browser(store: Store, early: bool) -> None:  # noqa: FBT001 - the door
    """feeds:P30 a navigation gets the same bytes typed as XML, which no shared cache keeps; all others the feed's type."""
    save_document(store, BODY, format=Format.RSS)
    save_document(store, BODY, format=Format.JSON)
    with running(store, early=early) as web:
        usual = web.ask("/feeds/policy.rss", sec_fetch_dest="empty")
        shown = web.ask("/feeds/policy.rss", sec_fetch_dest="document")
        again = web.ask("/feeds/policy.rss", sec_fetch_dest="document", if_none_match=shown.headers["etag"])
        json = web.ask("/feeds/policy.json", sec_fetch_dest="document")
    assert MEDIA_TYPES[Format.RSS] == usual.headers["content-type"]
    assert MEDIA_TYPES[Format.JSON] == json.headers["content-type"]
    assert ("application/xml; charset=utf-8", usual.body) == (shown.headers["content-type"], shown.body)
    assert "private, max-age=0" == shown.headers["cache-control"] == again.headers["cache-control"]
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert 304 == again.status


@pytest.mark.parametrize(
    ("codings", "sent"),
    [
        ("gzip", "gzip"),
        ("deflate, gzip;q=1.0, *;q=0.5", "gzip"),
        ("*", "gzip"),
        ("GZIP", "gzip"),
        ("br;q=1, gzip;q=0", None),
        ("gzip;q=0.2, identity;q=0.9", None),
        ("gzip;q=zero", None),
        ("br", None),
        ("", None),
        ("x" * 5000 + ", gzip", "gzip"),
    ],
)
def test_codings_asked_for(web: Running, codings: str, sent: str | None) -> None:
    """feeds:H13 gzip is sent to whoever asks for it and to nobody else."""
    assert sent == web.ask(PATH, Accept_Encoding=codings).headers.get("content-encoding")


@pytest.mark.parametrize("query", ["?null", "?utm_source=x", "?a=b&c=d", "?"])
def test_queries_change_nothing(web: Running, query: str) -> None:
    """feeds:H14 the same answer, the same self link, whatever is appended."""
    plain, asked = web.ask(PATH), web.ask(PATH + query)
    assert (plain.status, plain.body, plain.headers["etag"]) == (
        asked.status,
        asked.body,
        asked.headers["etag"],
    )
    assert plain.headers["link"] == asked.headers["link"]


@pytest.mark.parametrize("status", [200, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_links(web: Running, method: str, status: int) -> None:
    """feeds:W1 exactly one self, and the hub, on HEAD and 304 as well."""
    reply = web.ask(PATH, method, If_None_Match="*" if status == 304 else '"other"')
    links = re.findall(r'<([^>]+)>; rel="(\w+)"', reply.headers["link"])
    assert status == reply.status
    assert [("https://news.example/feeds/policy.atom", "self"), ("https://hub.example/", "hub")] == links


def test_ranges_are_ignored(web: Running) -> None:
    """feeds:H17 a part of an XML document is no document."""
    reply = web.ask(PATH, Range="bytes=0-9")
    assert (200, BODY) == (reply.status, reply.body)


def test_polls_need_no_database(store: Store) -> None:
    """feeds:H18 once the bytes are in memory, polls are answered with the store closed."""
    etag = save_document(store, BODY)
    with running(store) as web:
        web.ask(PATH)
        web.app.catalogue.stop()
        web.app.catalogue._store = web.app.catalogue._watch = None  # type: ignore[assignment]
        assert 304 == web.ask(PATH, If_None_Match=etag).status
        assert BODY == web.ask(PATH).body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_feeds_are_only_read(web: Running, method: str) -> None:
    """A feed takes no other method, and says which it takes."""
    reply = web.ask(PATH, method, body=b"x")
    assert (405, "GET, HEAD, OPTIONS") == (reply.status, reply.headers["allow"])


@pytest.mark.parametrize(
    "path",
    ["/feeds/unknown.atom", "/feeds/policy.json5", "/feeds/POLICY.atom", "/feeds/%00", "/feeds/../etc"],
)
def test_what_is_not_there(web: Running, path: str) -> None:
    """security:E2 every address without a document gives the same 404."""
    known, other = web.ask("/feeds/nothing-ever.atom"), web.ask(path)
    assert 404 == other.status
    assert ({**known.headers, "date": ""}, known.body) == ({**other.headers, "date": ""}, other.body)


def test_ten_thousand_tags(web: Running) -> None:
    """feeds:H3 a list as long as a head may be is read to its end."""
    etag = web.ask(PATH).headers["etag"]
    letters = string.ascii_lowercase
    tags = ",".join(f'"{a}{b}{c}"' for a in letters[:15] for b in letters for c in letters) + "," + etag
    assert tags.count(",") > 10_000
    head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-None-Match: {tags}\r\n\r\n"
    assert web.raw(head.encode()).startswith(b"HTTP/1.1 304 ")


def test_pipelined_requests(web: Running) -> None:
    """Answers come in the order of the questions, each with its own head."""
    ask = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n".encode()
    answers = web.raw((ask + b"\r\n") * 9 + ask + b"Connection: close\r\n\r\n")
    assert 10 == answers.count(b"HTTP/1.1 304 Not Modified\r\n")
