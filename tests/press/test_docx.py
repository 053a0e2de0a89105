"""Word files: clean Markdown, a list of what is not as it was, pictures as media; bombs end in one line."""

from __future__ import annotations

import re
import tracemalloc

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.model.drafts import draft_from
from syndicator.model.filetype import Found, sniffed
from syndicator.press import docx
from tests import pictures
from tests.words import W, drawing, lying, paragraph, relations, run, unzipped, word

PNG = pictures.picture("PNG")
TITLE = paragraph("Cells & tissues", "Title")


def _body(data: bytes) -> str:
    file = docx.read(data).file(topics="policy")
    return draft_from(file, base_url="https://news.example", zone="UTC", parts=True).content.body


def _words(html: str) -> str:
    return str(lxml.html.fragment_fromstring(html, create_parent="div").text_content())


def test_words_become_clean_markdown() -> None:
    """design:6: title, subtitle, headings, bold, lists of links and a quote; nothing of Word's own."""
    link = '<w:hyperlink r:id="l"><w:r><w:t>the letter</w:t></w:r></w:hyperlink>'
    made = docx.read(
        word(
            TITLE,
            paragraph("What it means", "Subtitle"),
            paragraph(
                "First ", inside=run("bold", "<w:b/>") + run(" and ") + run("slanted", "<w:i/>") + run(".")
            ),
            paragraph("Next", "heading 2"),
            paragraph("See ", inside=link),
            paragraph("So it is.", "Quote"),
            targets={"l": ("hyperlink", "https://letters.example/1", True)},
        )
    )
    assert (made.title, made.dek) == ("Cells & tissues", "What it means")
    assert made.markdown == (
        "First **bold** and *slanted*.\n\n## Next\n\nSee [the letter](https://letters.example/1)\n\n> So it is."
    )
    assert made.dropped == ()


def test_the_first_heading_is_the_title_where_nothing_has_that_style() -> None:
    made = docx.read(word(paragraph("Above"), paragraph("On cells", "heading 1"), paragraph("Below")))
    assert (made.title, made.markdown) == ("On cells", "Above\n\nBelow")
    with pytest.raises(Invalid, match="give its first line the style Title"):
        docx.read(word(paragraph("Only words")))


def test_what_is_not_as_it_was_is_listed() -> None:
    """design:6: comments, tracked changes, text boxes, headers and unknown styles, each in a line with its number."""
    box = (
        "<w:r><w:pict><v:shape><v:textbox><w:txbxContent>"
        + paragraph("Boxed words")
        + "</w:txbxContent></v:textbox></v:shape></w:pict></w:r>"
    )
    made = docx.read(
        word(
            TITLE,
            paragraph("Kept ", inside=f"<w:ins w:id='1'>{run('inserted')}</w:ins>"),
            paragraph(
                "and ", inside="<w:del w:id='2'><w:r><w:delText>struck</w:delText></w:r></w:del>" + run("on")
            ),
            paragraph("Said", inside='<w:r><w:commentReference w:id="0"/></w:r>'),
            paragraph("Lead", "Corporate Lead"),
            paragraph("Beside", inside=box),
            paragraph("Sum", inside="<m:oMath><m:r><m:t>x</m:t></m:r></m:oMath>"),
            parts={"word/header1.xml": f"<w:hdr {W}>{paragraph('Confidential')}</w:hdr>"},
        )
    )
    assert "inserted" in made.markdown
    assert "struck" not in made.markdown
    assert "Boxed words" in made.markdown
    assert "Confidential" not in made.markdown
    assert set(made.dropped) == {
        "tracked insertions are taken as accepted: 1",
        "tracked deletions are taken as accepted: 1",
        "comments are left out: 1",
        "the style Corporate Lead is taken as plain text: 1",
        "text boxes stand behind the paragraph they were beside: 1",
        "formulas are left out: 1",
        "headers and footers are left out: 1",
    }


def test_pictures_come_along_with_their_alt_text() -> None:
    """security:I3: once each, by a name of ours; what is no picture we take, or lies elsewhere, is left out and said."""
    made = docx.read(
        word(
            TITLE,
            paragraph("Look:", inside=drawing("p", "A dish & a cell") + drawing("p", "Again")),
            paragraph(
                "And:", inside=drawing("e") + drawing("x", how="link") + drawing("gone") + drawing("s")
            ),
            targets={
                "p": ("image", "media/image1.png", False),
                "e": ("image", "media/image2.emf", False),
                "s": ("image", "media/image3.png", False),
                "x": ("image", "https://tracker.example/pixel.png", True),
                "gone": ("image", "media/none.png", False),
            },
            parts={
                "word/media/image1.png": PNG,
                "word/media/image2.emf": b"\x01\x00\x00\x00" + bytes(40),
                "word/media/image3.png": pictures.SVG,
            },
        )
    )
    assert docx.read(word(TITLE, parts={"word/font.odttf": bytes(100), "word/fonts/": b""})).title
    assert made.pictures == (docx.Picture("picture-1.png", PNG, "A dish & a cell"),)
    assert made.markdown.count("picture-1.png") == 2
    assert "tracker" not in made.markdown
    told = "\n".join(made.dropped)
    assert "pictures that are not within the file are left out, and nothing was fetched: 2" in told
    assert "SVG picture, which can hold scripts" in told
    assert "of no type we take" in told
    assert made.file(topics="a, b").count("file: picture-1.png") == 1


def test_footnotes_keep_their_words_and_lose_their_marks() -> None:
    notes = (
        f'<w:footnotes {W}><w:footnote w:id="2">{paragraph("The source of it.")}</w:footnote></w:footnotes>'
    )
    made = docx.read(
        word(
            TITLE,
            paragraph("A claim", inside='<w:r><w:footnoteReference w:id="2"/></w:r>'),
            targets={"f": ("footnotes", "footnotes.xml", False)},
            parts={"word/footnotes.xml": notes},
        )
    )
    assert made.markdown == "A claim\\[1\\]\n\n1. The source of it."


# -- what it must survive ------------------------------------------------------------------------------------

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f"<w:document {W}><w:body>{TITLE}<w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>"
)
READS_FILES = LAUGHS.replace('[<!ENTITY a "ha">', '[<!ENTITY a SYSTEM "file:///etc/passwd">')
HUGE = b"<w:p>" + b" " * 60_000_000
BAD = {
    "no zip archive": b"just words",
    "it is no Word file": pictures.archive({"xl/workbook.xml": b"<w/>"}),
    "unpacks to": word(TITLE, parts={"word/extra.xml": HUGE}),
    "unpacks to more than 1,000 bytes|broken": lying(
        word(TITLE, parts={"word/extra.xml": HUGE}), b"word/extra.xml", 1000
    ),
    "the limit is 200,000,000": lying(word(TITLE), b"word/document.xml", 4_000_000_000),
    "declares a document type": word(document=LAUGHS),
    "document type, by which files": word(document=READS_FILES),
    r"its part word/evil\.bin declares": word(
        TITLE,
        parts={
            "_rels/.rels": relations({"d": ("officeDocument", "word/evil.bin", False)}),
            "word/evil.bin": b"\xef\xbb\xbf" + LAUGHS.encode(),
        },
    ),
    "document type, by": word(
        TITLE,
        parts={
            "_rels/.rels": relations({"d": ("officeDocument", "word/blank.bin", False)}),
            "word/blank.bin": b" " * 100 + LAUGHS.removeprefix('<?xml version="1.0"?>').encode(),
        },
    ),
    "document type": word(TITLE, parts={"word/_rels/document.xml.rels": "<!DOCTYPE x><Relationships/>"}),
    "nested too deep": word(TITLE, "<w:p>" + "<w:ins>" * 5000 + "</w:ins>" * 5000 + "</w:p>"),
    "is broken": word(document="<w:document"),
    "cannot be read as a Word file": word(document=f"<w:document {W}></w:document>"),
    "protected by a password|no zip archive": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bomb_ends_in_one_line_and_stays_small(fault: str) -> None:
    """security:R4: whatever a docx does, one clear line and a few megabytes."""
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match=fault) as caught:
            docx.read(BAD[fault])
        assert tracemalloc.get_traced_memory()[1] < 70_000_000
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_document_of_very_many_elements_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """security:R4: they are counted as they are read; the limit keeps mammoth below half a gigabyte."""
    assert docx.MOST_ELEMENTS == 200_000
    monkeypatch.setattr(docx, "MOST_ELEMENTS", 2_000)
    many = [f"<w:p w:rsidR='{number * 7919:08X}'/>" for number in range(2_000)]
    assert docx.read(word(TITLE, *many[:1_900])).title
    with pytest.raises(Invalid, match="too many elements"):
        docx.read(word(TITLE, *many))


def test_a_picture_is_looked_at_once_however_often_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """security:R4: a good one, the same under another name, and a refused one; thousands of places are too many."""
    looked: list[int] = []

    def look(data: bytes) -> Found:
        looked.append(len(data))
        return sniffed(data)

    monkeypatch.setattr(docx, "sniffed", look)
    broken = b"\x89PNG\r\n\x1a\n" + b"broken"
    names = {"p": PNG, "q": PNG, "b": broken, "z": broken[:8] + bytes(3_000_000)}
    made = docx.read(_showing(names, 100))
    assert (["picture-1.png"], 200) == ([one.name for one in made.pictures], made.markdown.count("picture-1"))
    assert [len(broken), len(PNG)] == sorted(
        looked
    )  # what unpacks to a thousand times its size is not even looked at
    assert any(line.endswith("times its size: 100") for line in made.dropped)
    with pytest.raises(Invalid, match="pictures in more than 400 places"):
        docx.read(_showing(names, 101))


def _showing(names: dict[str, bytes], times: int) -> bytes:
    return word(
        TITLE,
        paragraph("Look:", inside="".join(drawing(key) for key in names) * times),
        targets={key: ("image", f"media/{key}.png", False) for key in names},
        parts={f"word/media/{key}.png": data for key, data in names.items()},
    )


def test_mammoth_sees_only_what_was_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """security:R4: a part that we took for no XML is empty to it, whatever a relation calls it."""
    monkeypatch.setattr(docx, "BLANK", b"")  # as if blanks hid the first mark of it
    relation = relations({"d": ("officeDocument", "word/blank.bin", False)})
    with pytest.raises(Invalid, match="cannot be read as a Word file"):
        docx.read(
            word(
                TITLE,
                parts={
                    "_rels/.rels": relation,
                    "word/blank.bin": " " * 100 + f"<w:document {W}><w:body>{TITLE}</w:body></w:document>",
                },
            )
        )


def test_nothing_outside_the_file_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """security:S1: links, templates and pictures elsewhere are named and never fetched."""

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("it opened something")

    monkeypatch.setattr("socket.socket.connect", opened)
    monkeypatch.setattr("urllib.request.urlopen", opened)
    made = docx.read(
        word(
            TITLE,
            paragraph("x", inside=drawing("x", how="link")),
            targets={
                "x": ("image", "file:///etc/hostname", True),
                "t": ("attachedTemplate", "https://evil.example/t.dotm", True),
            },
        )
    )
    assert made.markdown == "x"


WORDS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=30
).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=3))
def test_no_word_is_lost_or_taken_for_a_mark(texts: list[str]) -> None:
    """security:H1: whatever stands in a paragraph stands on the page, as text: no mark, no tag, no entity."""
    made = _body(word(TITLE, *map(paragraph, texts)))
    assert re.sub(r"\s", "", _words(made)) == re.sub(r"\s", "", "".join(texts))


def test_what_looks_like_markup_stays_text() -> None:
    text = "<script>alert(1)</script> & &amp; *no* _no_ [no](http://x.example) `no` # no 1. no | ~~no~~ \\ +"
    for line in (text, "# " + text, "1. x", "- x", "> x", "+ x", "---", "===", "    x", "| a |"):
        made = _body(word(TITLE, paragraph("Above"), paragraph(line)))
        assert _words(made).split() == ["Above", *line.split()]
        assert set(re.findall(r"<(\w+)", made)) == {"p"}


GOOD = word(
    TITLE,
    paragraph("x", inside=drawing("p", "alt")),
    f"<w:tbl><w:tr><w:tc>{paragraph('cell')}</w:tc></w:tr></w:tbl>",
    targets={"p": ("image", "media/a.png", False)},
    parts={"word/media/a.png": PNG},
)
PARTS = unzipped(GOOD)
ODD = [
    b"<w:p>",
    b"</w:p>",
    b"<w:tc/>",
    b"<w:hyperlink r:id='q'>",
    b"<w:sym/>",
    b"&#0;",
    b"\xff",
    b'encoding="x"',
]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(PARTS)),
    st.integers(0, 900),
    st.sampled_from(ODD) | st.binary(max_size=9),
    st.booleans(),
)
def test_whatever_is_broken_is_read_or_refused_in_one_line(
    part: str,
    at: int,
    put: bytes,
    inside: bool,  # noqa: FBT001 - hypothesis passes it
) -> None:
    """security:R4: damage to the zip or to any part of it is no crash."""
    if inside:
        broken = pictures.archive(PARTS | {part: PARTS[part][:at] + put + PARTS[part][at:]})
    else:
        broken = GOOD[:at] + put + GOOD[at + len(put) :]
    try:
        found: docx.WordFile | None = docx.read(broken)
    except Invalid as fault:
        found, words = None, str(fault)
        if "\n" in words or len(words) > 250:
            raise AssertionError(words) from fault
    assert found is None or found.title
