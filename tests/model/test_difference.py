"""What changed between two versions, as a person reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.model.difference import MOST_SENTENCES, changed_fields, difference
from syndicator.model.item import Author, Content, Kind, Medium

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
        ("title", "Another", "title"),
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


def _sentences(words: list[str]) -> list[str]:
    """ "D" ends no sentence, but joins the next."""
    text = " ".join(words).replace("D ", "D")
    return [part for part in text.split(" ") if part]
