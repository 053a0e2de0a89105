"""The pure part: tags, codings and dates, whatever a client sends."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.model.site import Format
from syndicator.store.documents import Validators
from syndicator.web.codings import BR, GZIP, IDENTITY, STORED, ZSTD, choose, compress
from syndicator.web.feeds import NOT_FOUND, NOT_READY, Answer, Memory, Served, answer, head, tag_matches
from tests.make import NOW
from tests.web.served import SITE

KNOWN = Validators(
    topic="policy", format=Format.ATOM, etag='"abc"', modified=NOW, stored=NOW, size=10, gzip_size=5, pages=0
)
SERVED = Served(KNOWN, SITE)


class Fixed:
    """A memory that holds one document at any path, or none, with the bytes of some codings."""

    def __init__(
        self, found: Served | Answer | None = SERVED, *, codings: tuple[int, ...] = (IDENTITY, GZIP)
    ) -> None:
        self.found, self.codings = found, codings

    def find(self, path: str) -> Served | Answer | None:
        """The one document, at any path."""
        return self.found

    def body(self, path: str, served: Served, coding: int) -> bytes | None:
        """Its bytes."""
        return b"0123456789" if coding in self.codings else None

    def load(self, path: str) -> Memory:
        """Never needed here."""
        raise AssertionError


@pytest.mark.parametrize(
    "tags",
    [
        '"abc-gzip"',
        '"abc--gzip"',
        '"abc;gzip"',
        'W/"abc-br"',
        '"abc-zstd"',
        "abc",
        "W/abc",
        "abc-gzip",
        ' "abc" ',
    ],
)
def test_tags_changed_on_the_way(tags: str) -> None:
    """feeds:H3 what proxies and careless clients make of a tag is still our tag."""
    assert tag_matches(b"abc", tags.encode())


@pytest.mark.parametrize(
    "tags", ['"abcd"', '"xabc"', '"abc-"', '"abc-gzipped"', '"*"', "ab", '"a", "bc"', "**"]
)
def test_tags_that_only_look_alike(tags: str) -> None:
    """feeds:H3 another tag is another tag."""
    assert not tag_matches(b"abc", tags.encode())


@given(st.binary(max_size=300))
def test_no_tag_list_breaks_the_answer(tags: bytes) -> None:
    """feeds:H3 whatever stands in If-None-Match, there is an answer."""
    reply = answer("GET", "/feeds/policy.atom", [(b"if-none-match", tags)], Fixed())
    assert reply is not None
    assert reply.status in {200, 304}


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_header_breaks_the_answer(since: bytes, codings: bytes) -> None:
    """feeds:H4 feeds:H13 whatever stands in dates and codings, there is an answer."""
    reply = answer("GET", "/", [(b"if-modified-since", since), (b"accept-encoding", codings)], Fixed())
    assert reply is not None
    assert reply.status in {200, 304}


@given(
    st.lists(
        st.sampled_from(
            ["gzip", "br", "identity", "*", "gzip;q=0", "gzip;q=0.5", "identity;q=0.5", ";", "q=1"]
        )
    )
)
def test_codings_never_give_what_was_refused(codings: list[str]) -> None:
    """feeds:H13 gzip is never sent where it is weighed nothing."""
    last = [word for word in codings if word.startswith("gzip")][-1:]
    if last == ["gzip;q=0"]:
        assert GZIP != choose(",".join(codings).encode(), STORED)


def test_several_header_lines_are_one_list() -> None:
    """feeds:H3 a list may be spread over lines (RFC 9110 §5.3)."""
    reply = answer("GET", "/", [(b"if-none-match", b'"x"'), (b"if-none-match", b'"abc"')], Fixed())
    assert reply is not None
    assert 304 == reply.status


def test_bytes_that_must_be_read_first() -> None:
    """Without the bytes there is no answer yet; 304 and HEAD need none (feeds:H18)."""
    bare = Fixed(codings=())
    assert answer("GET", "/", [], bare) is None
    assert answer("HEAD", "/", [], bare) is not None
    assert answer("GET", "/", [(b"if-none-match", b"*")], bare) is not None
    assert answer("HEAD", "/", [], Fixed(None)) is None


def test_before_the_first_load() -> None:
    """A process that has read nothing yet says "later", never "not there"."""
    assert NOT_READY == answer("GET", "/", [], Fixed(NOT_READY))
    assert NOT_FOUND == answer("GET", "/", [], Fixed(NOT_FOUND))
    assert (NOT_FOUND.head, b"") == answer("HEAD", "/", [], Fixed(NOT_FOUND))


def test_answers_are_independent_of_time() -> None:
    """feeds:H7 the same document gives the same headers, however near a lift is (DESIGN promise 2)."""
    one, other = (answer("GET", "/", [], Fixed(Served(KNOWN, SITE))) for _ in range(2))
    assert one is not None
    assert other is not None
    assert (one.head.block, one.body) == (other.head.block, other.body)


ALL_CODINGS = STORED | 1 << BR | 1 << ZSTD


@pytest.mark.parametrize(
    ("codings", "chosen"),
    [
        (b"gzip, deflate, br, zstd", BR),
        (b"gzip, deflate, zstd", ZSTD),
        (b"gzip, deflate", GZIP),
        (b"br;q=0.5, gzip", GZIP),
        (b"br;q=0, *", ZSTD),
        (b"*;q=0", IDENTITY),
        (b"zstd;q=0.1, identity;q=0.5", IDENTITY),
        (b"x-gzip", GZIP),
        (b"deflate, compress", IDENTITY),
        (b"BR", BR),
        (b"", IDENTITY),
    ],
)
def test_the_best_coding_at_hand(codings: bytes, chosen: int) -> None:
    """feeds:H13 weights decide; of what is liked alike, the smallest."""
    assert chosen == choose(codings, ALL_CODINGS)


def test_a_coding_that_is_not_at_hand() -> None:
    """feeds:H13 nobody waits for a coding: gzip goes out until there is br, and when it is just dropped."""
    assert GZIP == choose(b"br, gzip", STORED)
    assert IDENTITY == choose(b"br", STORED)
    hot = Served(KNOWN, SITE)
    hot.sizes, hot.ready = (10, 5, 4, 4), ALL_CODINGS
    reply = answer("GET", "/", [(b"accept-encoding", b"br, gzip")], Fixed(hot))
    assert reply is not None
    assert b'"abc-gzip"' == reply.head.tag


@pytest.mark.parametrize("coding", [IDENTITY, GZIP, BR, ZSTD])
def test_each_coding_has_its_own_strong_tag(coding: int) -> None:
    """feeds:H2 the tag names the coding, the length is that of its bytes, and Vary always says so."""
    hot = Served(KNOWN, SITE)
    hot.sizes, hot.ready = (10, 5, 4, 3), ALL_CODINGS
    made = head(hot, 200, coding)
    suffix = (b"", b"-gzip", b"-br", b"-zstd")[coding]
    assert b'"abc%s"' % suffix == made.tag
    assert b"%d" % hot.sizes[coding] == dict(made.headers)[b"content-length"]
    assert b"Accept-Encoding" == dict(made.headers)[b"vary"] == dict(head(hot, 304, coding).headers)[b"vary"]


@given(st.binary(max_size=2000))
def test_codings_are_reproducible(body: bytes) -> None:
    """feeds:H13 the same bytes are compressed to the same bytes."""
    assert compress(body) == compress(body)


def test_instants_are_told_in_gmt() -> None:
    """feeds:H4 Last-Modified is an HTTP date."""
    assert b"Mon, 02 Mar 2026 09:00:00 GMT" == dict(head(SERVED, 200, IDENTITY).headers)[b"last-modified"]
    assert int(datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()) == SERVED.modified
