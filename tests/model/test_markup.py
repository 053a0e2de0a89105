"""Front matter and Markdown in, clean HTML out: what is refused, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from syndicator.errors import Invalid
from syndicator.model.drafts import MAX_BODY, draft_from
from syndicator.model.item import Author, Kind, Medium
from syndicator.model.markup import (
    Draft,
    absolute,
    clean,
    excerpt,
    from_plain,
    harmless_line,
    markdown,
    one_line,
    plain_text,
    strip_illegal,
    web_address,
)

BASE = "https://news.example/items/x"


def draft(front: str = "title: T", body: str = "Hello.") -> Draft:
    return draft_from(f"---\n{front}\n---\n{body}\n", base_url=BASE, zone="Europe/Berlin")


def fault(front: str, body: str = "Hello.") -> str:
    with pytest.raises(Invalid) as refused:
        draft(front, body)
    words = str(refused.value)
    assert 1 == len(words.splitlines()), words
    return words


# -- front matter

FILE = "url: 'https://x.example/a', type: image/png, length: 5"


def test_every_field() -> None:
    """design:6: title, summary, kind, topics, published, url, authors, spokesperson, language, media, embargo."""
    found = draft(
        "uid: tag:news.example,2026:1\ntitle: A title\nsummary: In short\nkind: advisory\n"
        "topics: [policy, health, policy]\npublished: 2026-03-02T09:00:00+01:00\nurl: https://cms.example/1\n"
        "authors: [Jane, {name: Joe, email: j@x.example, url: 'https://x.example'}]\nspokesperson: jd\n"
        "language: de\nmedia: [{url: 'https://x.example/a.pdf', type: application/pdf, length: 5, title: A}]\n"
        "embargo: 2026-07-02 09:00\nembargo_zone: America/New_York",
        "**Bold**",
    )
    words = found.content
    assert ("A title", "In short", Kind.ADVISORY) == (words.title, words.summary, words.kind)
    assert ("policy", "health") == words.topics
    assert (
        Author(name="Jane"),
        Author(name="Joe", email="j@x.example", url="https://x.example"),
    ) == words.authors
    assert (
        Medium(url="https://x.example/a.pdf", type="application/pdf", length=5, title="A"),
    ) == words.media
    assert ("<p><strong>Bold</strong></p>", "**Bold**") == (words.body, words.text)
    assert ("https://cms.example/1", "jd", "de") == (words.url, words.spokesperson, words.language)
    assert ("tag:news.example,2026:1", datetime(2026, 3, 2, 8, tzinfo=UTC)) == (found.uid, found.published)
    assert found.embargo
    assert (datetime(2026, 7, 2, 13, tzinfo=UTC), "America/New_York") == (
        found.embargo.until,
        found.embargo.zone,
    )


def test_what_a_file_says_of_itself() -> None:
    """feeds:P20 A picture of the front matter says what it shows, who made it and its size; a film how long it runs."""
    more = "title: A chart, alt: 'Bars, falling', credit: Jane Doe, width: 1200, height: 630, duration: 90"
    (found,) = draft(f"title: T\nmedia: [{{{FILE}, {more}}}]").content.media
    expected = Medium(
        url="https://x.example/a",
        type="image/png",
        length=5,
        title="A chart",
        alt="Bars, falling",
        credit="Jane Doe",
        width=1200,
        height=630,
        duration=90,
    )
    assert expected == found


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ("summary: x", "has no title: add a line such as title:"),
        ("title: ''", "has no title"),
        ("title: [a]", "title ['a'] is no text"),
        ('title: "a\\r\\nBcc: x"', "the title holds a line break"),
        ("title: T\ncolour: red", "no field 'colour'; fields are"),
        ("title: T\nkind: essay", "unknown kind 'essay': use news, statement"),
        ("title: T\ntopics: [Policy]", "is no topic slug: use 1 to 64"),
        ("title: T\ntopics: [a, 5]", "is no topic slug"),
        ("title: T\ntopics: 5", "topics"),
        ("title: T\ntopics: {a: b}", "topics"),
        ("title: T\nauthors: 5", "authors"),
        ("title: T\nauthors: {name: Jane}", "authors"),
        ("title: T\nauthors: [{email: a@b.example}]", "authors: entry 1 needs a name"),
        ("title: T\nauthors: [{name: J, url: 'javascript:alert(1)'}]", "author url"),
        ("title: T\nauthors: [{name: J, url: 'example.org'}]", "author url"),
        ("title: T\nmedia: x", "media is no list"),
        (
            "title: T\nmedia: [{url: 'https://x.example/a'}]",
            "media: entry 1 has no type and no length; each needs url, type and length",
        ),
        (
            f"title: T\nmedia: [{{{FILE}}}, {{url: 'https://x.example/a', type: a/b}}]",
            "media: entry 2 has no length;",
        ),
        ("title: T\nmedia: ['https://x.example/a']", "entry 1 has no url and no type and no length;"),
        (
            "title: T\nmedia: [{url: 'file:///etc/passwd', type: a/b, length: 1}]",
            "entry 1 needs an https url",
        ),
        (
            "title: T\nmedia: [{url: 'https://x.example/', type: a/b, length: -1}]",
            "entry 1 needs a length in bytes, not -1",
        ),
        (
            f"title: T\nmedia: [{{{FILE}, colour: red}}]",
            "media has no field 'colour'; fields are alt, credit",
        ),
        (f"title: T\nmedia: [{{{FILE}, width: 12px}}]", "width '12px' is no whole number of pixels"),
        (f"title: T\nmedia: [{{{FILE}, height: -1}}]", "height -1 is no whole number of pixels"),
        (f"title: T\nmedia: [{{{FILE}, duration: true}}]", "duration True is no whole number of seconds"),
        (f'title: T\nmedia: [{{{FILE}, alt: "a\\nb"}}]', "a media alt holds a line break"),
        (f"title: T\nmedia: [{{{FILE}, credit: [a]}}]", "a media credit ['a'] is no text"),
        ("title: T\nurl: 'javascript:alert(1)'", "start it with https://"),
        ("title: T\nurl: /relative", "start it with https://"),
        ("title: T\nuid: 12345", "is no absolute IRI: use a tag:"),
        ("title: T\npublished: yesterday", "published 'yesterday' is no instant: write"),
        ("title: T\npublished: 2026-13-45", "write 2026-"),
        ("title: T\nembargo: 2026-02-30 09:00:00", "write 2026-"),
        ("title: T\nembargo: soon", "is no instant: write"),
        ("title: T\nembargo: 2027-03-14 02:30\nembargo_zone: America/New_York", "add an offset"),
        ("title: T\nembargo: 2026-03-02 09:00\nembargo_zone: Mars/Olympus", "use an IANA name"),
        ("title: T\nlanguage: no", "quotes"),
        ("title: T\nlanguage: 'en\"><x'", "language 'en\"><x' is no language tag: write en, de or pt-BR"),
        ("title: T\nlanguage: de_DE", "is no language tag"),
        ("title: T\nlanguage: German, please", "is no language tag"),
        ("title: T\nlanguage: en" + "-abc" * 10, "is no language tag"),
        ("title: [a", "is not YAML in line"),
        ("title: a: b", "is not YAML in line 2"),
        ("title: T\n\tsummary: x", "is not YAML in line"),
        ("title: a\x01b", "is not YAML"),
        ("- a\n- b", "there is no front matter: start the file with ---"),
        ("just words", "there is no front matter"),
        ("title: !!python/object/apply:os.system [id]", "holds a tag (!) in line 2: leave it out"),
    ],
)
def test_a_fault_is_one_line_that_says_what_to_do(front: str, words: str) -> None:
    """code-models:6: each fault of the front matter is one line naming the field and what to write."""
    assert words in fault(front)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
HOSTILE = {
    "alias bomb": (BOMB + "title: *a9", "holds an anchor or alias (& or *) in line 2: leave it out"),
    "alias": ("title: *a", "an anchor or alias"),
    "deep list": ("title: T\nauthors: " + "[" * 60_000, "holds lists more than 20 deep in line 3"),
    "deep mapping": ("title: T\nauthors: " + "{a: " * 10_000, "lists more than 20 deep"),
    "deep block": ("title: T\nauthors:\n" + "- " * 30_000, "lists more than 20 deep"),
    "long": ("title: T\nauthors: " + "[" * 100_000, "100,020 characters long; the limit is 65,536"),
    "long number": ("title: T\nsummary: 0x" + "f" * 20_000, "more than 15 digits: put it in quotes"),
    "longer number": ("title: T\nsummary: " + "9" * 20_000, "impossible date or number"),
    "number of nothing": ("title: T\nsummary: 0x_", "impossible date or number"),
    "number by sixties": ("title: T\nsummary: 1" + ":1" * 20_000 + ".5", "impossible date or number"),
    "number as key": ("title: T\nauthors: [{0x" + "f" * 900 + ": 1}]", "more than 15 digits"),
    "length": (
        "title: T\nmedia: [{url: 'https://x.example/', type: a/b, length: 0x" + "f" * 10_000 + "}]",
        "more than 15 digits",
    ),
    "length is true": ("title: T\nmedia: [{url: 'https://x.example/', type: a/b, length: true}]", "in bytes"),
    "media type": ("title: T\nmedia: [{url: 'https://x.example/', type: [a], length: 1}]", "is no text"),
    "summary": ("title: T\nsummary: {a: b}", "summary {'a': 'b'} is no text"),
    "kind": ("title: T\nkind: [news]", "kind ['news'] is no text"),
    "published": ("title: T\npublished: [a]", "published ['a'] is no text"),
    "embargo": ("title: T\nembargo: " + "9-" * 9_000, "embargo '9-9-"),
    "author": ("title: T\nauthors: [{name: [J]}]", "author name ['J'] is no text"),
    "uid": ("title: T\nuid: 'tag:x.example," + "a" * 600 + "'", "is too long: use at most 600 characters"),
    "encoded word": ("title: '=?utf-8?q?a=0aBcc:_evil?='", "the title holds an encoded word"),
    "lone surrogate": ("title: T\nsummary: a\ud800", "impossible"),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("front", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_front_matter_is_refused_in_a_line(front: str, words: str) -> None:
    """security:X1: what hangs or crashes a reader of YAML is refused at once, in a line of bearable length."""
    said = fault(front)
    assert words in said
    assert len(said) < 250


def test_numbers_and_dates_are_taken_for_text() -> None:
    """design:6: what YAML takes for a number or a date is still the title that was written."""
    assert ["2026", "2026-03-02", "1.5"] == [
        draft(f"title: {title}").content.title for title in ("2026", "2026-03-02", "1.5")
    ]


HTML = {
    "divs": ("<div>" * 100_000, "HTML more than 100 deep"),
    "divs that comments end": ("<div><!-- </div> -->" * 10_000, "more than 100 deep"),
    "divs that attributes end": ('<div title="</div>">' * 10_000, "more than 100 deep"),
    "one long address": (
        "[a]: https://x.example/" + "y" * 50_000 + "\n\n" + "[a] " * 50_000,
        "characters of HTML",
    ),
    "escapes": ("&" * 2_100_000, "characters of HTML"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("body", "words"), HTML.values(), ids=HTML)
def test_hostile_markup_is_refused_before_it_is_cleaned(body: str, words: str) -> None:
    """security:X1: depth and length are bounded before time goes with their square."""
    assert words in fault("title: T", body)


@pytest.mark.parametrize(
    "text", ["", "# No front matter\n\nWords", "---\n---\nWords", "---\ntitle: T\nWords"]
)
def test_no_front_matter(text: str) -> None:
    """design:6: a file without front matter is told how to begin one."""
    with pytest.raises(Invalid, match="start the file with ---"):
        draft_from(text, base_url=BASE, zone="UTC")


def test_a_files_line_ends_and_mark_do_not_matter() -> None:
    """security:X5: BOM, CRLF, and a rule within the text change nothing but the text's own line ends."""
    plain = draft("title: T\nsummary: S", "One\n\n---\n\nTwo").content
    windows = draft_from(
        "\ufeff---\r\ntitle: T\r\nsummary: S\r\n---\r\nOne\r\n\r\n---\r\n\r\nTwo\r\n",
        base_url=BASE,
        zone="UTC",
    ).content
    assert (plain.title, plain.summary, plain.body) == (windows.title, windows.summary, windows.body)
    assert "<hr>" in plain.body


def test_dates_without_offset_are_read_in_the_zone() -> None:
    """design:6: a wall time is read in the newsroom's zone, a bare date as its midnight."""
    expected = datetime(2026, 7, 1, 22, tzinfo=UTC)
    for written in ("2026-07-02", "2026-07-02 00:00:00", "'2026-07-02T00:00'", "2026-07-02T00:00:00+02:00"):
        assert expected == draft(f"title: T\npublished: {written}").published


def test_topics_may_be_a_line() -> None:
    """design:6: `topics: a, b` is the same as a list."""
    assert ("a", "b") == draft("title: T\ntopics: a, b").content.topics


def test_controls_go_and_emoji_stay() -> None:
    """feeds:P4: what XML 1.0 forbids is dropped from the text, everything else stays."""
    words = draft("title: 🎉 T", "a\x00b\x0bc\ufffe 🎉 \x85d").content
    assert ("🎉 T", "<p>abc 🎉 \x85d</p>") == (words.title, words.body)
    assert words.text is not None
    assert "\x00" not in words.text


@pytest.mark.parametrize("source", ["a&#1;b", "a&#x1;b", "a&#xB;b", "a&#xFFFE;b", "a&#xFFFF;b"])
def test_controls_that_are_referred_to_go_as_well(source: str) -> None:
    """feeds:P4: a reference to what XML forbids becomes that character when it is read, and goes then."""
    assert "ab" == clean(source)
    assert '<a title="ab"></a>' == clean(f'<a title="{source}"></a>')


def test_the_limit_of_a_text() -> None:
    """security:X1: five million characters of text are taken in hand, one more is refused at once."""
    assert MAX_BODY == 5_000_000
    assert "the limit is 5,000,000" in fault("title: T", "a" * (MAX_BODY + 1))
    line = "word " * 99 + "\n\n"
    assert draft("title: T", line * (MAX_BODY // len(line) // 10)).content.body


# -- Markdown and the allow-list


def test_tables_and_strikethrough() -> None:
    """design:7: Markdown tables become tables and survive the allow-list; so does ~~strikethrough~~, as text."""
    body = draft("title: T", "| a | b |\n|---|---|\n| 1 | 2 |").content.body
    assert 1 == body.count("<table>")
    assert "<th>a</th>" in body
    assert "<td>2</td>" in body


PROBES = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="jav&#x09;ascript:alert(1)">x</a>',
    '<a href="jav\tascript:alert(1)">x</a>',
    '<a href="java\nscript:alert(1)">x</a>',
    '<a href="&#1;javascript:alert(1)">x</a>',
    '<a href=" javascript:alert(1)">x</a>',
    '<a href="JaVaScRiPt&colon;alert(1)">x</a>',
    '<a href="vbscript:msgbox(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
    '<video poster="javascript:alert(1)"><source src=x></video>',
    '<form action="https://evil.example"><input name=p><button>Go</button></form>',
    '<iframe src="https://evil.example"></iframe>',
    "<object data=x></object><embed src=x>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    '<p style="background:url(javascript:alert(1))">x</p>',
    "<style>@import 'https://evil.example'</style>",
    '<base href="https://evil.example/">',
    '<meta http-equiv=refresh content="0;url=https://evil.example">',
    '<link rel=stylesheet href="https://evil.example/x.css">',
    '<a href="https://ok.example" target="_blank" onclick="x()">x</a>',
    '<p id="a" class="b" name="c">x</p>',
    "<!--[if IE]><script>alert(1)</script><![endif]-->",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
    '<blockquote cite="javascript:alert(1)">x</blockquote>',
    '<a href="//evil.example" ping="https://evil.example/ping">x</a>',
    "<template><script>alert(1)</script></template>",
    "[x](javascript:alert(1))",
    "![x](javascript:alert(1))",
    "[x](<jav\tascript:alert(1)>)",
    "<javascript:alert(1)>",
    '[x][1]\n\n[1]: javascript:alert(1) "t"',
]
FORBIDDEN = "script svg math style iframe object embed form input button video source base meta link template noscript"


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("base", [BASE, None], ids=["based", "baseless"])
def test_hostile_html_is_harmless(probe: str, base: str | None) -> None:
    """security:H1: of every probe nothing is left that runs, loads, posts or redirects."""
    _check_harmless(clean(probe, base))
    _check_harmless(clean(markdown(probe), base))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [*PROBES, "<p>", "</p>", "<!--", "-->", '"', "'", ">", "&#x3c;", "<a href='", "<pre>", "\n"]
        )
    ).map("".join)
)
def test_probes_in_any_company_are_harmless(source: str) -> None:
    """security:H1: no mixture of probes and broken markup gets through, and cleaning twice changes nothing."""
    once = clean(source, BASE)
    _check_harmless(once)
    assert once == clean(once, BASE)


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("<pre>\nx", "x"),
        ("<pre>\n\n\nx", "\n\n\nx"),
        ('<pre title="a>\nb">\n\nx', "\n\nx"),
        ("<pre>x\n\n", "x\n\n"),
    ],
)
def test_empty_lines_at_the_head_of_code_survive_every_hop(source: str, written: str) -> None:
    """feeds:I16: a parser drops the first line break in a <pre> (HTML §13.2.6.4.7), so one more is written."""
    assert f"<pre>{written}</pre>" == clean(source) == clean(clean(source))


def _check_harmless(cleaned: str) -> None:
    tree = lxml_html.fragment_fromstring(cleaned, create_parent="div")
    for element in tree.iter():
        assert isinstance(element.tag, str), cleaned  # no comments
        assert element.tag not in FORBIDDEN.split(), cleaned
        for name, value in element.attrib.items():
            assert not name.startswith("on"), cleaned
            assert name not in {"style", "id", "class", "name", "target", "ping", "action", "srcdoc"}, cleaned
            if name in {"href", "src", "cite"}:
                assert value.startswith(("http://", "https://", "mailto:")), cleaned


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/a", "https://news.example/a"),
        ("b.png", "https://news.example/items/b.png"),
        ("#f", f"{BASE}#f"),
        ("//x.example/a", "https://x.example/a"),
        ("http://x.example", "http://x.example"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("java\tscript:alert(1)", None),
        ("j\na\rv\tascript:x", None),
        ("JAVASCRIPT:x", None),
        ("ftp://x.example", None),
        ("tel:+1", None),
        ("http://[::1", None),
    ],
)
def test_urls_become_absolute(url: str, expected: str | None) -> None:
    """feeds:P6: relative URLs are resolved; tabs and line ends are dropped first; other schemes go."""
    assert expected == absolute(url, BASE)


def test_without_a_base_relative_urls_are_dropped() -> None:
    """feeds:P6: where nothing can resolve a URL, the reader sees the words without it."""
    assert "<p><a>x</a><img></p>" == clean('<p><a href="/a">x</a><img src="b.png"></p>', None)


@pytest.mark.parametrize(
    "url", ["mailto:a@b.example", "javascript:x", "/a", "", None, "ftp://x", "java\tscript:x"]
)
def test_what_is_no_web_address(url: str | None) -> None:
    """security:H2: a link that came from outside is http(s) or nothing."""
    assert web_address(url) is None


@settings(deadline=None)
@given(st.text())
def test_any_text_is_legal_xml_afterwards(text: str) -> None:
    """security:X6: whatever is stripped can stand in an XML document, and nothing legal is lost."""
    kept = strip_illegal(text)
    lxml_html.fragment_fromstring(f"<p>{kept.replace('&', '').replace('<', '')}</p>")
    assert kept == "".join(
        sign for sign in text if sign in "\t\n\r" or (sign >= " " and sign not in "\ufffe\uffff")
    )


@settings(deadline=None)
@given(st.text())
def test_plain_text_shows_as_it_is(text: str) -> None:
    """security:H2: a plain text as HTML holds no tag but our paragraphs."""
    _check_harmless(from_plain(strip_illegal(text)))
    tags = {
        element.tag
        for element in lxml_html.fragment_fromstring(from_plain(strip_illegal(text)), "div").iter()
    }
    assert tags <= {"div", "p"}


@settings(deadline=None)
@given(st.text(), st.integers(2, 50))
def test_excerpts_keep_to_their_limit(text: str, limit: int) -> None:
    """feeds:P18: an excerpt is one line of at most so many characters."""
    found = excerpt(text, limit)
    assert len(found) <= limit
    assert "\n" not in found


def test_plain_text_of_html() -> None:
    """feeds:P17: entities are resolved, tags are gone."""
    assert "a & b" == plain_text("<p>a &amp; <b>b</b></p>")
    assert not plain_text("")


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\x7fb", "a\u202eb", "a\u2066b", "a\u2029b", "a\ud800b"])
def test_one_line_fields(text: str) -> None:
    """security:I1, mail:MC20: no break, control or bidi override in a one-line field."""
    with pytest.raises(Invalid, match="the title holds"):
        one_line(text, "the title")


ENCODED = [
    "=?utf-8?q?a=0aBcc:_evil?=",
    "A =?utf-8?b?YQpi?= B",
    "=?utf-8?q?=E2=80=AE?=",
    "=?no-such?q?a?=",
    "=?utf-8?b?a?=",
]


@pytest.mark.parametrize("text", [*ENCODED, "=?utf-8?q?a?=" * 100])
def test_an_encoded_word_hides_no_break(text: str) -> None:
    """security:I1, mail:MC20: what every later mail would be refused for is refused at entry, or broken apart."""
    with pytest.raises(Invalid, match="the title holds an encoded word"):
        one_line(text, "the title")
    assert text.replace("=?", "= ?") == harmless_line(text)
    assert harmless_line(text) == one_line(harmless_line(text), "the title")


@pytest.mark.parametrize("text", ["What is 1+1=?", "=?utf-8?q?Caf=C3=A9?=", "a=?b?=c", "x"])
def test_what_only_looks_like_one_stays(text: str) -> None:
    """mail:MC20: a text no mail is refused for is taken as it is."""
    assert [text, text] == [one_line(text, "the title"), harmless_line(text)]
