"""What changed between two versions, as a person reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.model.difference import (
    LONGEST_MARK,
    MOST_SENTENCES,
    changed_fields,
    difference,
    marked,
    shortened,
)
from syndicator.model.item import Author, Content, Kind, Medium
from syndicator.model.markup import clean, plain_text

BEFORE = Content(
    title="A call",
    summary="In short.",
    body="<p>One stays. Two goes! Three stays.</p><p>The end.</p>",
    topics=("policy",),
    url="https://a.example/1",
)


def test_the_same_words_differ_in_nothing() -> None:
    """feeds:I16 — nor does another order of topics."""
    two = replace(BEFORE, topics=("a", "b"))
    assert [] == difference(two, replace(two, topics=("b", "a")))


def test_sentences_are_shown_not_paragraphs() -> None:
    """feeds:I16 — what was taken out and put in, and nothing around it."""
    after = replace(BEFORE, body=BEFORE.body.replace("Two goes!", "Two came. It is new."))
    assert ["- text: Two goes!", "+ text: Two came.", "+ text: It is new."] == difference(BEFORE, after)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("kicker", "Budget", "kicker"),
        ("title", "Another", "title"),
        ("dek", "What it means", "dek"),
        ("summary", "Longer.", "summary"),
        ("kind", Kind.STATEMENT, "kind"),
        ("topics", ("policy", "press"), "topics"),
        ("url", "https://b.example/1", "address"),
        ("language", "de", "language"),
        ("authors", (Author(name="Jane"),), "authors"),
        ("spokesperson", "jane", "spokesperson"),
        ("media", (Medium(url="https://a.example/x.png", type="image/png", length=1),), "media"),
        ("rights", "All rights reserved.", "rights"),
        ("body", BEFORE.body.replace("One", "<b>One</b>"), "text"),
    ],
)
def test_every_field_is_named(field: str, value: object, name: str) -> None:
    """feeds:I16 — a change nobody can read is none a person can judge."""
    assert (name,) == changed_fields(BEFORE, replace(BEFORE, **{field: value}))  # type: ignore[arg-type]


def test_what_is_endless_is_not_compared() -> None:
    """security:X1 — a hostile text costs a sentence, not minutes."""
    after = replace(BEFORE, body="x. " * MOST_SENTENCES)
    (line,) = difference(BEFORE, after)
    assert "too long to be compared" in line


@given(st.lists(st.sampled_from(["A.", "B!", "C?", "D"])), st.lists(st.sampled_from(["A.", "B!", "C?", "D"])))
def test_old_and_new_can_be_read_off(before: list[str], after: list[str]) -> None:
    """feeds:I16 — as many sentences come in and go out as the texts differ by."""
    old, new = (Content(title="x", body=f"<p>{' '.join(text)}</p>") for text in (before, after))
    lines = difference(old, new)
    came = sum(line.startswith("+") for line in lines) - sum(line.startswith("-") for line in lines)
    if not any(line.startswith("~") for line in lines):
        assert len(_sentences(after)) - len(_sentences(before)) == came


# -- marked, for readers


def test_readers_see_which_sentences_changed() -> None:
    """mail:EM4 — old words before new ones, headline and dek too, and nothing that stayed as it was."""
    after = replace(BEFORE, title="A plea", dek="For two", body=BEFORE.body.replace("Two goes!", "Two came."))
    expected = (
        "<ul><li>Before: <del>A call</del> Now: <ins>A plea</ins></li>"
        "<li>Added: <ins>For two</ins></li>"
        "<li>Before: <del>Two goes!</del> Now: <ins>Two came.</ins></li></ul>"
    )
    assert expected == marked(BEFORE, after)


def test_as_many_sentences_are_told_one_by_one() -> None:
    """mail:EM4 — two sentences for two are two points; what has gone or come alone says so."""
    two = replace(BEFORE, body="<p>A one. B two. C three.</p>")
    assert 2 == marked(two, replace(two, body="<p>A 1. B 2. C three.</p>")).count("<li>Before")
    assert "<ul><li>Removed: <del>B two.</del></li></ul>" == marked(
        two, replace(two, body="<p>A one. C three.</p>")
    )


def test_a_difference_is_told_in_words_too() -> None:
    """mail:EM4 — the plain text of it, which has no marks, still says what was and what is, in the item's language."""
    after = replace(BEFORE, title="Ein Ruf", language="de-AT")
    assert "* Bisher: A call Jetzt: Ein Ruf" == plain_text(marked(BEFORE, after)).strip()


def test_only_words_are_marked() -> None:
    """mail:EM4 — another form, another topic: nothing readers could read."""
    formed = BEFORE.body.replace("One", "<b>One</b>")
    assert "" == marked(BEFORE, replace(BEFORE, body=formed, topics=("press",)))


@given(*(st.text("<>&\"'ab .!\n;/", max_size=40) for _ in range(3)))
def test_no_word_becomes_markup(one: str, two: str, title: str) -> None:
    """security:H1 — whatever the words are, the marks are all the HTML there is."""
    before = Content(title=title, summary=one, body=f"<p>{one.replace('<', '&lt;')}</p>")
    found = marked(before, Content(title=one, dek=title, summary=two))
    assert found == clean(found)
    bare = found
    for tag in ("ul", "li", "del", "ins"):
        bare = bare.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert "<" not in bare


def test_a_long_difference_is_cut_between_two_points() -> None:
    """mail:EM4 — what is kept is bounded; what is shown leads to the rest; the HTML stays whole."""
    old, new = (" ".join(f"{word} {n}." for n in range(900)) for word in ("Old", "New " * 40))
    found = marked(replace(BEFORE, body=old), replace(BEFORE, body=new))
    assert LONGEST_MARK >= len(found) - len("<li>…</li></ul>") > LONGEST_MARK / 2
    short = shortened(found, 500, '<li><a href="https://news.example/items/a">More</a></li>')
    assert (500 + 70 > len(short), True) == (True, short.endswith("More</a></li></ul>"))
    assert (short.count("<li>"), short) == (short.count("</li>"), clean(short))


def test_a_novel_is_not_compared() -> None:
    """security:X1 — beyond the limit a correction says that the text changed, and no more."""
    after = replace(BEFORE, body="x. " * MOST_SENTENCES)
    assert "<ul><li>…</li></ul>" == marked(BEFORE, after)


def _sentences(words: list[str]) -> list[str]:
    """ "D" ends no sentence, but joins the next."""
    text = " ".join(words).replace("D ", "D")
    return [part for part in text.split(" ") if part]


def test_a_mark_can_be_stored_and_rendered_whatever_the_words_hold() -> None:
    """feeds:P4: a lone surrogate or a control, which an import may bring, stands in no text column and no XML."""
    made = marked(Content(title="One \ud800"), Content(title="Two \x01\ufffe"))
    assert made.encode() == b"<ul><li>Before: <del>One </del> Now: <ins>Two </ins></li></ul>"
