"""Rules that file single items, at their edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.model.item import Kind
from syndicator.model.routing import Category, End, Route, Routed, route, route_from, route_to_json

ITEM = {
    "categories": [Category("Presse", label="Press Release"), Category("Policy")],
    "authors": ["Jane Doe", "jane@example.org"],
    "title": "Warning: budgets [draft]",
}


def went(*rules: Route, kind: Kind = Kind.NEWS, topics: tuple[str, ...] = ("all-of-it",)) -> Routed:
    return route(rules, **ITEM, kind=kind, topics=topics)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (Route(end=End.HOLD), True),
        (Route(category="press*", end=End.HOLD), True),
        (Route(category="presse", end=End.HOLD), True),
        (Route(category="press", end=End.HOLD), False),
        (Route(category="p?licy", end=End.HOLD), True),
        (Route(author="*@example.org", end=End.HOLD), True),
        (Route(author="john*", end=End.HOLD), False),
        (Route(title="warning:*", end=End.HOLD), True),
        (Route(title="*[[]draft]", end=End.HOLD), True),
        (Route(kind=Kind.NEWS, end=End.HOLD), True),
        (Route(kind=Kind.ADVISORY, end=End.HOLD), False),
        (Route(category="policy", author="john*", end=End.HOLD), False),
    ],
)
def test_all_conditions_of_a_rule_must_hold(rule: Route, matches: bool) -> None:  # noqa: FBT001 - a table
    """feeds:I25 — term or label, any of several, upper and lower case alike; no condition is every item."""
    assert (End.HOLD if matches else None) == went(rule).end


def test_topics_add_up_and_the_first_word_counts() -> None:
    """DESIGN §2 (Upstream) — each rule that matches adds its topics; kind and end are the first's that has one."""
    done = went(
        Route(category="policy", topics=("b", "a")),
        Route(title="*", topics=("a", "c"), as_kind=Kind.STATEMENT, end=End.DRAFT),
        Route(topics=("d",), as_kind=Kind.ADVISORY, end=End.HOLD),
        Route(category="nothing", topics=("x",)),
    )
    assert (("all-of-it", "b", "a", "c", "d"), Kind.STATEMENT, End.DRAFT) == (
        done.topics, done.kind, done.end,
    )  # fmt: skip
    assert ('category "policy"', 'title "*"', "every item") == done.why


def test_a_rule_about_kinds_sees_what_rules_before_it_made() -> None:
    """DESIGN §2 (Upstream) — in order, as they are written."""
    made = Route(category="policy", as_kind=Kind.STATEMENT)
    about = Route(kind=Kind.STATEMENT, topics=("statements",))
    assert "statements" in went(made, about).topics
    assert "statements" not in went(about, made).topics


def test_no_rule_leaves_all_as_it_was() -> None:
    """DESIGN §2 (Upstream) — what the upstream gives to every item stands."""
    assert Routed(("all-of-it",), Kind.NEWS) == went()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"category": "x"}, "what follows"),
        ({"colour": "red"}, 'no "colour"'),
        ({"category": "", "end": "hold"}, "pattern"),
        ({"title": "x" * 201, "end": "hold"}, "pattern"),
        ({"author": 3, "end": "hold"}, "pattern"),
        ({"end": "release"}, "item, hold, draft"),
        ({"as_kind": "poem"}, "as_kind is one of"),
        ({"topics": "policy"}, "list of slugs"),
        ({"topics": ["A B"]}, "list of slugs"),
        ({"topics": [1]}, "list of slugs"),
    ],
)
def test_a_bad_rule_is_refused_in_words(said: dict[str, object], words: str) -> None:
    """DESIGN §6 — an error says what may be written."""
    with pytest.raises(Invalid, match=words):
        route_from(said)


@given(st.text(max_size=60), st.text(max_size=200))
def test_no_pattern_hangs_or_raises(pattern: str, text: str) -> None:
    """security:X1 — neither a person's pattern nor a feed's title is a regular expression."""
    rule = Route(title=pattern, category="*y" * 30 + "x", topics=("a",))
    route([rule], categories=[Category("y" * 200)], authors=[], title=text, kind=Kind.NEWS, topics=())


def test_plain_values_come_back() -> None:
    """DESIGN §6 — as they are kept in a row, and printed."""
    rule = Route(category="press*", kind=Kind.NEWS, topics=("a",), as_kind=Kind.ADVISORY, end=End.ITEM)
    assert rule == route_from(route_to_json(rule))
