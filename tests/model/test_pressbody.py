"""What only press releases have: read from a front matter, put into the body, and written back to the very same file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.model.drafts import draft_from
from syndicator.model.item import (
    Author,
    Boilerplate,
    Content,
    Kind,
    Medium,
    Quote,
    content_from_json,
    content_to_json,
)
from syndicator.model.markup import Draft, clean
from syndicator.model.pressbody import body, completed
from syndicator.model.release import Embargo
from syndicator.model.written import written
from tests.make import make_content

BASE = "https://news.example"
FULL = """\
kicker: Research policy
headline: "Cells: a checklist"
dek: What laboratories should write down.
dateline: AMSTERDAM, 2 March 2026
quotes:
  - text: "It is <short>."
    speaker: Ilse & Sons
    role: Chair
  - text: |
      One.

      Two.
    speaker: Teo
paper: doi:10.1234/ab(c)<d>
notes: |
  - Call *us*.
boilerplates: [about]
media:
  - file: pics/dish.png
    alt: A dish
    licence: CC BY 4.0
    keep_position: true
"""
PARTS = (Boilerplate(slug="about", title="About <us>", text="We are **us**."),)


def draft(front: str = "title: T", text: str = "First words.\n\nMore.", *, parts: bool = True) -> Draft:
    return draft_from(f"---\n{front}\n---\n{text}\n", base_url=BASE, zone="Europe/Berlin", parts=parts)


def fault(front: str, *, parts: bool = True) -> str:
    with pytest.raises(Invalid) as refused:
        draft(f"title: T\n{front}", parts=parts)
    words = str(refused.value)
    assert 1 == len(words.splitlines()), words
    return words


def test_every_field_of_a_press_release() -> None:
    """design:6: each field is read; the summary falls back to the dek."""
    found = draft(FULL)
    words = found.content
    assert (words.title, words.kicker, words.dek) == (
        "Cells: a checklist",
        "Research policy",
        "What laboratories should write down.",
    )
    assert (words.summary, words.dateline, words.notes) == (
        words.dek,
        "AMSTERDAM, 2 March 2026",
        "- Call *us*.",
    )
    assert words.quotes == (
        Quote(text="It is <short>.", speaker="Ilse & Sons", role="Chair"),
        Quote(text="One.\n\nTwo.", speaker="Teo"),
    )
    assert (words.paper, words.boilerplates) == ("https://doi.org/10.1234/ab(c)%3Cd%3E", ("about",))
    assert words.media == (
        Medium(url="", type="", length=0, file="pics/dish.png", alt="A dish", licence="CC BY 4.0"),
    )
    assert found.keep_position == {"pics/dish.png"}


def test_the_body_holds_all_of_it_in_order() -> None:
    """security:H1: dateline before the first words, then text, quotes, paper, notes and boilerplates, all of it clean."""
    made = completed(draft(FULL), base_url=BASE, parts=PARTS, media=()).content.body
    assert made == (
        "<p><strong>AMSTERDAM, 2 March 2026</strong> – First words.</p>\n<p>More.</p>"
        "<blockquote><p>It is &lt;short&gt;.</p><p>— <cite>Ilse &amp; Sons</cite>, Chair</p></blockquote>"
        "<blockquote><p>One.</p><p>Two.</p><p>— <cite>Teo</cite></p></blockquote>"
        '<h2>The paper</h2><p><a href="https://doi.org/10.1234/ab(c)%3Cd%3E">https://doi.org/10.1234/ab(c)%3Cd%3E</a></p>'
        "<h2>Notes to editors</h2><ul>\n<li>Call <em>us</em>.</li>\n</ul>"
        "<h2>About &lt;us&gt;</h2><p>We are <strong>us</strong>.</p>"
    )
    assert "<h2>Hinweise für Redaktionen</h2>" in draft(f"{FULL}language: de-AT").content.body


def test_a_body_without_such_fields_is_what_it_was() -> None:
    text = "<div>open\n\n*words* & <script>alert(1)</script>"
    plain = draft("title: T", text).content.body
    assert plain == "<div>open\n<p><em>words</em> &amp; </p>\n</div>"
    assert draft("title: T\ndateline: HERE", "- a list").content.body.startswith(
        "<p><strong>HERE</strong></p><ul>"
    )


HOSTILE = "</p></blockquote><div><!-- <script>alert(1)</script> <a href='javascript:x'><img src=x onerror=y><table><td>"


def test_no_part_swallows_or_escapes_another() -> None:
    """security:H1: HTML that fights the sanitiser in each part at once: nothing runs, every heading stands."""
    words = Content(
        title="T",
        text=HOSTILE,
        dateline=HOSTILE,
        quotes=(Quote(text=HOSTILE, speaker=HOSTILE, role=HOSTILE),),
        notes=HOSTILE,
        paper="https://x.example/'\"><script>",
    )
    made = body(words, base_url=BASE, parts=(Boilerplate(slug="a", title=HOSTILE, text=HOSTILE),))
    tree = lxml.html.fragment_fromstring(made, create_parent="div")
    assert not tree.xpath("//script | //@onerror | //*[starts-with(@href, 'javascript')] | //comment()")
    assert [heading.getparent() is tree for heading in tree.iter("h2")] == [True] * 3
    assert clean(made, BASE) == made


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ("kiker: x", 'did you mean "kicker"?'),
        ("headline: Other", "a title and another headline"),
        ("kicker: [a]", "kicker ['a'] is no text"),
        ('kicker: "a\\nb"', "kicker holds a line break"),
        ('dek: "a\\u202Eb"', "dek holds a line break or control character"),
        ("dateline: " + "x" * 1001, "dateline is 1,001 characters long"),
        ("quotes: no words", "quotes is no list"),
        ("quotes: [{text: x}]", "quotes: entry 1 has no speaker"),
        ("quotes: [{text: x, speaker: y, rôle: z}]", 'did you mean "role"?'),
        ('quotes: [{text: "a\\u2066b", speaker: y}]', "a turn of direction (U+2066) hides"),
        ('quotes: [{text: "a\\u0007b", speaker: y}]', "control character"),
        ('quotes: [{text: x, speaker: "y\\nz"}]', "a quote's speaker holds a line break"),
        ("quotes: [" + "{text: x, speaker: y}," * 51 + "]", "quotes has 51 entries"),
        ('notes: "a\\0b"', "notes: a control character"),
        ("paper: the other day", "neither a web address nor a DOI"),
        ("paper: javascript:alert(1)", "neither a web address nor a DOI"),
        ("boilerplates: [About Us]", "boilerplates: 'About Us' is no slug"),
        ("boilerplates: 7", "boilerplates is no list"),
        ("media: [{file: /etc/passwd}]", "leads elsewhere"),
        ("media: [{file: ../../secret.png}]", "leads elsewhere"),
        ("media: [{file: a.png, length: 5}]", "whose length we see ourselves"),
        ("media: [{file: a.png, keep_position: please}]", "keep_position is true or false"),
        ("media: [{file: a.png, duration: long}]", "no whole number of seconds"),
        ("media: [{fiel: a.png}]", 'did you mean "file"?'),
        ("media: [" + "{file: a.png}," * 101 + "]", "media has 101 entries"),
        ("media: [{alt: x}]", "or file (the name of a file beside the text)"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(front: str, words: str) -> None:
    """mail:MC20, security:H2: unknown fields, hidden characters, addresses that are none, paths that lead elsewhere."""
    assert words in fault(front)


@pytest.mark.parametrize("front", ["media: [{file: a.png}]", "boilerplates: [about]"])
def test_who_cannot_put_in_what_is_named_says_so(front: str) -> None:
    """A watched folder has neither cabinet nor boilerplates: nothing that is named gets lost without a word."""
    assert "can only be put in by `syndicator release draft`" in fault(front, parts=False)


@pytest.mark.parametrize(
    ("said", "paper"),
    [
        ("10.1234/abc", "https://doi.org/10.1234/abc"),
        ("DOI: 10.1234/ABC", "https://doi.org/10.1234/ABC"),
        ("http://dx.doi.org/10.1234/a-b", "https://doi.org/10.1234/a-b"),
        ("https://journals.example/1?x=y", "https://journals.example/1?x=y"),
    ],
)
def test_a_paper_is_an_address_or_a_doi(said: str, paper: str) -> None:
    assert draft(f"title: T\npaper: '{said}'").content.paper == paper


def test_pictures_are_called_by_their_file_names_in_the_text() -> None:
    shown = Medium(url=f"{BASE}/media/ab.png", type="image/png", length=5, file="my dish.png", alt="A dish")
    words = make_content(text="![A dish](<my dish.png>) ![no](other.png)", media=(shown,))
    assert body(words, base_url=BASE) == (
        f'<p><img src="{BASE}/media/ab.png" alt="A dish"> <img src="{BASE}/other.png" alt="no"></p>'
    )


# -- a release as a file, and back ----------------------------------------------------------------------------

LINE = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cs", "Zl", "Zp"),
        exclude_characters="\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff",
    ),
    max_size=20,
).map(lambda text: text.replace("=?", "= ?").strip())
SOME = LINE.filter(bool)
PASSAGE = st.lists(LINE, max_size=3).map("\n".join).map(str.strip)
SLUGS = st.lists(st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True), max_size=2, unique=True).map(tuple)
MEDIA = st.builds(
    Medium,
    url=st.just("https://x.example/a.png"),
    type=st.just("image/png"),
    length=st.integers(0, 10**9),
    title=LINE,
    alt=LINE,
    credit=LINE,
    licence=LINE,
    file=LINE,
    width=st.integers(0, 9000),
    height=st.integers(0, 9000),
)
CONTENT = st.builds(
    Content,
    title=SOME,
    kind=st.sampled_from(Kind),
    summary=PASSAGE,
    text=PASSAGE.filter(bool),
    topics=SLUGS,
    language=st.sampled_from([None, "de", "no"]),
    url=st.sampled_from([None, "https://x.example/1"]),
    authors=st.lists(
        st.builds(Author, name=SOME, email=st.sampled_from([None, "a@x.example"])), max_size=2
    ).map(tuple),
    spokesperson=st.sampled_from([None, "press-desk", "yes"]),
    media=st.lists(MEDIA, max_size=2).map(tuple),
    kicker=LINE,
    dek=LINE,
    dateline=LINE,
    quotes=st.lists(st.builds(Quote, text=PASSAGE.filter(bool), speaker=SOME, role=LINE), max_size=2).map(
        tuple
    ),
    notes=PASSAGE,
    paper=st.sampled_from(["", "https://doi.org/10.1234/a", "https://x.example/?a=b#c"]),
    boilerplates=SLUGS,
)
EMBARGO = st.sampled_from(
    [
        None,
        Embargo(until=datetime(2026, 7, 2, 13, tzinfo=UTC), zone="America/New_York", wall="2026-07-02 09:00"),
        Embargo(until=datetime(2026, 7, 2, 7, tzinfo=UTC), zone="UTC", wall="2026-07-02T09:00:00+02:00"),
    ]
)


@settings(max_examples=40, deadline=None)
@given(CONTENT, EMBARGO)
def test_a_release_written_as_a_file_and_read_back_is_the_same(
    words: Content, embargo: Embargo | None
) -> None:
    """design:6: file → release → file → release changes not a letter, whatever stands in the fields."""
    text = written(words, uid="tag:x.example,2026:1", embargo=embargo)
    first = draft_from(text, base_url=BASE, zone="UTC", parts=True)
    again = written(first.content, uid=first.uid, embargo=first.embargo)
    assert again == text if words.summary else True
    second = draft_from(again, base_url=BASE, zone="UTC", parts=True)
    assert second == first
    wanted = content_to_json(words) | {"summary": words.summary or words.dek}
    got = content_to_json(first.content)
    assert {key: got.get(key) for key in wanted if key != "body" and wanted[key]} == {
        key: value for key, value in wanted.items() if key != "body" and value
    }
    assert content_from_json(got) == first.content
    assert (first.uid, first.embargo) == ("tag:x.example,2026:1", embargo)


def test_a_file_reads_as_a_person_would_write_it() -> None:
    words: dict[str, Any] = {"dek": "Below", "notes": "One.\n\nTwo.", "kicker": "no"}
    made = written(make_content("Study: on", text="Hello.", summary="", body="", **words), uid="tag:x:1")
    assert made == (
        "---\nuid: tag:x:1\nkicker: 'no'\ntitle: 'Study: on'\ndek: Below\ntopics:\n- policy\nnotes: |-\n  One.\n\n  Two.\n---\n\nHello.\n"
    )
