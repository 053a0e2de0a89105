"""WordPress exports: cut where their items end, written anew as RSS, and read by the gate like any feed."""

import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.ingest.entries import Entry
from syndicator.ingest.filing import LeftOut
from syndicator.ingest.parse import Pool
from syndicator.ingest.sources import wxr
from syndicator.ingest.sources.wxr import Export, paragraphs
from tests.ingest.press import Post, Press

WHOLE = b"</wp:comment></item>"
BODY = "<rss version='2.0' xmlns:wp='http://wordpress.org/export/1.2/'><channel><title>T</title>"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One process that reads for all of these tests."""
    with Pool(1) as running:
        yield running


def press(*posts: Post) -> Press:
    """A site that is only exported, so it needs no server."""
    return Press(port=1, posts=list(posts))


def read(pool: Pool, body: bytes, *, pages: bool = False) -> tuple[list[Entry], list[LeftOut], Export]:
    """What the gate makes of an export."""
    export = Export(io.BytesIO(body), pages=pages)
    entries: list[Entry] = []
    refused: list[LeftOut] = []
    for piece in export.pieces():
        refused += piece.refused
        if piece.items:
            feed = pool.parse(piece.body)
            entries += feed.entries
            refused += [LeftOut(title=one.title, identity=one.guid, why=one.why) for one in feed.omitted]
    return entries, refused, export


def test_a_post_is_what_its_feed_has(pool: Pool) -> None:
    """feeds:I15 — guid, title, words, date, categories with their scheme, and the author by name, not by login."""
    site = press(Post(1, title="Cats & <item> dogs", terms=(4, 9)), Post(2))
    (first, _), refused, export = read(pool, site.export())
    (told,) = (
        one for one in pool.parse(press(Post(1, terms=(4, 9))).feed()).entries if one.guid == first.guid
    )
    assert ([], False, 0) == (refused, export.cut, export.skipped)
    assert "Cats & <item> dogs" == first.title
    assert (told.guid, told.permalink, told.link, told.published, told.body, told.authors) == (
        first.guid,
        first.permalink,
        first.link,
        first.published,
        first.body,
        first.authors,
    )
    assert [("Events & People", "category"), ("wolves", "post_tag")] == [
        (one.term, one.scheme) for one in first.categories
    ]


def test_only_what_is_public_is_taken_and_the_rest_is_named(pool: Pool) -> None:
    """DESIGN §5 — drafts, future, private and pending posts, trash and posts behind a password stay behind, by name."""
    states = ["draft", "future", "private", "pending", "trash", "auto-draft"]
    posts = [Post(n, status=status) for n, status in enumerate(states, 2)]
    posts += [Post(20, password="x"), Post(21, kind="page"), Post(22, kind="attachment", status="inherit")]
    entries, refused, export = read(pool, press(Post(1), *posts).export())
    assert ["Post 1"] == [one.title for one in entries]
    assert [*(f"its status is {status}" for status in states), "it is protected by a password"] == [
        one.why.partition(";")[0] for one in refused
    ]
    assert [f"Post {n}" for n in [2, 3, 4, 5, 6, 7, 20]] == [one.title for one in refused]
    assert "http://old.press.example/?p=2" == refused[0].identity
    assert 2 == export.skipped
    entries, _, _ = read(pool, press(Post(1), Post(21, kind="page")).export(), pages=True)
    assert ["Post 1", "Post 21"] == [one.title for one in entries]


def test_what_stands_in_a_text_ends_nothing(pool: Pool) -> None:
    """delivery-and-security:X4 — tags of the export inside a post, a comment or a plugin's field mean nothing."""
    sly = "</item><item><wp:status>draft</wp:status> <!-- ]]]]><![CDATA[> <wp:post_password>x</wp:post_password></channel>"
    entries, refused, export = read(pool, press(Post(1, content=sly), Post(2)).export())
    assert ["Post 1", "Post 2"] == [one.title for one in entries]
    assert ([], False) == (refused, export.cut)
    assert "]]>" in entries[0].body


def test_a_file_that_breaks_off_brings_what_is_whole(pool: Pool) -> None:
    """delivery-and-security:X5 — a truncated export: each whole post, and word that it breaks off."""
    body = press(*(Post(n) for n in range(1, 6))).export()
    for end in range(len(body) - len("</channel>\n</rss>\n") - 1, body.index(WHOLE), -331):
        entries, _, export = read(pool, body[:end]) if end % 7 == 0 else (None, None, _cut(body[:end]))
        assert export.cut
        if entries is not None:
            assert body[:end].count(WHOLE) == len(entries)


def _cut(body: bytes) -> Export:
    export = Export(io.BytesIO(body))
    assert body.count(WHOLE) == sum(len(piece.items) for piece in export.pieces())
    return export


def test_a_large_export_comes_in_pieces_and_never_lies_in_memory() -> None:
    """delivery-and-security:X1 — 60 MB in pieces below the gate's limit, and a tenth of it in memory."""
    count, one = 600, "<p>" + "words " * 16_000 + "</p>"
    head, tail = press(Post(1)).export().split(b"\t<item>", 1)[0], b"</channel></rss>"
    item = press(Post(1, content=one)).exported(Post(1, content=one)).encode()

    class Long(io.RawIOBase):
        parts = iter([head, *[item] * count, tail])
        left = b""

        def read(self, size: int = -1) -> bytes:
            while len(self.left) < size and (part := next(self.parts, b"")):
                self.left += part
            said, self.left = self.left[:size], self.left[size:]
            return said

    tracemalloc.start()
    sizes = []
    total = 0
    for piece in Export(Long()).pieces():  # type: ignore[arg-type]
        sizes.append(len(piece.body))
        total += len(piece.items)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == total
    assert max(sizes) <= 4_200_000
    assert peak < 30_000_000


def test_one_that_is_too_large_is_named_and_the_others_come_in(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """delivery-and-security:X1 — an item with 100 MB of comments, a text above a megabyte."""
    monkeypatch.setattr(wxr, "MOST_ITEM", 200_000)
    comments = "<wp:comment><wp:comment_content><![CDATA[spam]]></wp:comment_content></wp:comment>" * 5_000
    huge = press(Post(2)).exported(Post(2)).replace("<wp:comment>", f"{comments}<wp:comment>")
    body = press(Post(1), Post(3)).export().replace(b"\t<item>\n", huge.encode() + b"\t<item>\n", 1)
    entries, refused, export = read(pool, body)
    assert ["Post 1", "Post 3"] == [one.title for one in entries]
    assert ["it is larger than 0 MB"] == [one.why for one in refused]
    monkeypatch.undo()
    entries, refused, export = read(pool, press(Post(1), Post(2, content="x" * 1_000_001), Post(3)).export())
    assert ["Post 1", "Post 3"] == [one.title for one in entries]
    assert ["Post 2"] == [one.title for one in refused]
    assert not export.cut


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "there is no item"),
        (b"<html><item></item>", "no WordPress export"),
        (b"<rss><channel><item><title>x</title></item></channel></rss>", "no WordPress export"),
        (BODY.encode(), "there is no item"),
        (b'<?xml version="1.0" encoding="utf-7"?>' + BODY.encode() + b"<item></item>", "save it as UTF-8"),
        (b'<?xml version="1.0" encoding="idna"?>' + BODY.encode() + b"<item></item>", "save it as UTF-8"),
        (BODY.encode("utf-16"), "there is no item"),
    ],
)
def test_what_is_no_export_is_refused_in_words(body: bytes, words: str) -> None:
    """delivery-and-security:X4 — and in no encoding that could hide tags (X5)."""
    with pytest.raises(Invalid, match=words):
        list(Export(io.BytesIO(body)).pieces())


def test_entities_of_a_dtd_are_never_expanded(pool: Pool) -> None:
    """feeds:I22 — what an export declares is left behind, and what refers to it is a word like any other."""
    bomb = (
        "<!DOCTYPE rss [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;'><!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
    )
    body = press(Post(1, title="T]]>&b;&x;<![CDATA[")).export().decode()
    (entry,), _, _ = read(pool, body.replace("<rss", f"{bomb}<rss", 1).encode())
    assert "T&b;&x;" == entry.title


def test_markup_without_end_takes_no_time() -> None:
    """feeds:I23 — a lexer that never goes back: each of these is a megabyte or more."""
    starts = (
        b"<item>",
        b"<",
        b"<a ",
        b"<![CDATA[",
        b"<!--",
        b"<wp:author>",
        b"</item ",
        b"<item " + b"x" * 300,
    )
    for start in starts:
        body = BODY.encode() + b"<item><title>x</title>" + start * (2**20 // len(start)) + b"</item>"
        pieces = list(Export(io.BytesIO(body)).pieces())
        assert len(pieces) <= 1


@given(st.binary(max_size=300), st.integers(0, 400))
def test_bytes_of_any_sort_end_in_pieces_or_in_words(noise: bytes, at: int) -> None:
    """delivery-and-security:X5 — nothing else comes out of it."""
    whole = press(Post(1)).export()
    body = whole[: len(whole) - at] + noise + whole[len(whole) - at :]
    try:
        pieces = list(Export(io.BytesIO(body)).pieces())
    except Invalid:
        return
    assert all(piece.body.startswith(b"<?xml") for piece in pieces)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One\nline.\n\nTwo", "<p>One<br />\nline.</p>\n<p>Two</p>"),
        ("<p>As it is</p>\n\n<ul>\n<li>x</li>\n</ul>", "<p>As it is</p>\n<ul>\n<li>x</li>\n</ul>"),
        ("<!-- wp:paragraph --><p>a</p>\n\n<p>b</p>", "<!-- wp:paragraph --><p>a</p>\n\n<p>b</p>"),
        ("<pre>a\n\nb</pre>\n\nc", "<pre>a\nb</pre>\n<p>c</p>"),
        (
            '[caption id="a" width="3"]<img src="https://a.example/b.png"> Words[/caption]',
            '<p><img src="https://a.example/b.png"> Words</p>',
        ),
        ('Before\n\n[gallery ids="1,2"]\n\nAfter [sic]', "<p>Before</p>\n<p>After [sic]</p>"),
        ("", ""),
    ],
)
def test_the_classic_editors_lines_become_paragraphs(text: str, html: str) -> None:
    """feeds:P6 — an export holds what the author typed; readers get what WordPress would show."""
    assert html == paragraphs(text)
