"""The pure part: tags, codings and dates, whatever a client sends."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.model.site import Format
from syndicator.store.documents import Validators
from syndicator.web.feeds import NOT_FOUND, NOT_READY, Entry, Memory, answer, tag_matches, takes_gzip
from tests.make import NOW
from tests.web.served import SITE

KNOWN = Validators(
    topic="policy", format=Format.ATOM, etag='"abc"', modified=NOW, stored=NOW, size=10, gzip_size=5
)
ENTRY = Entry(KNOWN, SITE)


class Fixed:
    """A memory that holds one document, with or without its bytes."""

    def __init__(
        self, entry: Entry | None = ENTRY, body: bytes | None = b"0123456789", *, ready: bool = True
    ) -> None:
        self.entry, self.bytes, self.ready = entry, body, ready

    def find(self, path: str) -> Entry | None:
        """The one document, at any path."""
        return self.entry

    def body(self, path: str, entry: Entry, coding: int) -> bytes | None:
        """Its bytes."""
        return self.bytes

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
        assert not takes_gzip(",".join(codings).encode())


def test_several_header_lines_are_one_list() -> None:
    """feeds:H3 a list may be spread over lines (RFC 9110 §5.3)."""
    reply = answer("GET", "/", [(b"if-none-match", b'"x"'), (b"if-none-match", b'"abc"')], Fixed())
    assert reply is not None
    assert 304 == reply.status


def test_bytes_that_must_be_read_first() -> None:
    """Without the bytes there is no answer yet; 304 and HEAD need none (feeds:H18)."""
    bare = Fixed(body=None)
    assert answer("GET", "/", [], bare) is None
    assert answer("HEAD", "/", [], bare) is not None
    assert answer("GET", "/", [(b"if-none-match", b"*")], bare) is not None


def test_before_the_first_load() -> None:
    """A process that has read nothing yet says "later", never "not there"."""
    assert NOT_READY == answer("GET", "/", [], Fixed(entry=None, ready=False))
    assert NOT_FOUND == answer("GET", "/", [], Fixed(entry=None))


def test_answers_are_independent_of_time() -> None:
    """DESIGN promise 2: the same document gives the same headers, however near a lift is."""
    assert answer("GET", "/", [], Fixed()) == answer("GET", "/", [], Fixed(Entry(KNOWN, SITE)))


def test_instants_are_told_in_gmt() -> None:
    """feeds:H4 Last-Modified is an HTTP date."""
    assert b"Mon, 02 Mar 2026 09:00:00 GMT" == ENTRY.modified_text
    assert int(datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()) == ENTRY.modified
