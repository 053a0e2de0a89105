"""Routing: how single items of an upstream are filed, by category, author, title or kind. Pure.

Every rule that matches adds its topics; the first that names a kind, and the first that names an end
(*item*, *hold*, *draft*), decides. Patterns are shell patterns (`*`, `?`), upper and lower case alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import Any

from syndicator.errors import Invalid
from syndicator.model.item import SLUG, Kind

MAX_RULES = 100
CONDITIONS = ("category", "author", "title", "kind")
RESULTS = ("topics", "as_kind", "end")


class End(StrEnum):
    """Where a rule sends an item: public at once, before a person, or into the release workflow."""

    ITEM = "item"
    HOLD = "hold"
    DRAFT = "draft"


PATTERNS = ("category", "author", "title")
WORDS: tuple[tuple[str, type[StrEnum]], ...] = (("kind", Kind), ("as_kind", Kind), ("end", End))


@dataclass(frozen=True, slots=True)
class Category:
    """A category as a feed gives it: `scheme` is the vocabulary it stems from, `label` for people (feeds:I25)."""

    term: str
    scheme: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One rule. Conditions that are not given hold always; what is not given of the rest decides nothing."""

    category: str | None = None
    author: str | None = None
    title: str | None = None
    kind: Kind | None = None
    topics: tuple[str, ...] = ()
    as_kind: Kind | None = None
    end: End | None = None

    def __str__(self) -> str:
        """For people: `category "press*"`."""
        said = [f'{name} "{value}"' for name in CONDITIONS if (value := getattr(self, name))]
        return " and ".join(said) or "every item"


@dataclass(frozen=True, slots=True)
class Routed:
    """What the rules say of one item; `why` names the rules that matched, in order."""

    topics: tuple[str, ...]
    kind: Kind
    end: End | None = None
    why: tuple[str, ...] = ()


def route(
    rules: Iterable[Route],
    *,
    categories: Iterable[Category],
    authors: Iterable[str],
    title: str,
    kind: Kind,
    topics: tuple[str, ...],
) -> Routed:
    """Where an item goes; `topics` and `kind` are those the upstream gives to every item.

    >>> rule = Route(category="press*", topics=("press",), end=End.DRAFT)
    >>> route([rule], categories=[Category("Press Release")], authors=[], title="", kind=Kind.NEWS, topics=())
    Routed(topics=('press',), kind=<Kind.NEWS: 'news'>, end=<End.DRAFT: 'draft'>, why=('category "press*"',))
    """
    terms = [name for one in categories for name in (one.term, one.label) if name]
    people = list(authors)
    filed = dict.fromkeys(topics)
    as_kind: Kind | None = None
    end: End | None = None
    why: list[str] = []
    for rule in rules:
        if rule.kind not in {None, as_kind or kind}:
            continue
        if not (_fits(rule.category, terms) and _fits(rule.author, people) and _fits(rule.title, [title])):
            continue
        filed |= dict.fromkeys(rule.topics)
        as_kind, end = as_kind or rule.as_kind, end or rule.end
        why.append(str(rule))
    return Routed(tuple(filed), as_kind or kind, end, tuple(why))


def route_from(said: Mapping[str, Any]) -> Route:
    """The rule a person or a row wrote; raises Invalid, naming all that is wrong with it."""
    if faults := list(_faults(said)):
        raise Invalid("; ".join(faults))
    values = {name: kinds(said[name]) for name, kinds in WORDS if said.get(name) is not None}
    return Route(**{**said, **values, "topics": tuple(said.get("topics") or ())})


def route_to_json(rule: Route) -> dict[str, Any]:
    """The rule as plain values, what is not given left out; `route_from` reads it."""
    values = {field.name: getattr(rule, field.name) for field in fields(Route)}
    return {
        name: list(value) if isinstance(value, tuple) else str(value)
        for name, value in values.items()
        if value
    }


def _faults(said: Mapping[str, Any]) -> Iterator[str]:
    known = (*CONDITIONS, *RESULTS)
    for name in sorted(set(said) - set(known)):
        meant = get_close_matches(name, known, n=1, cutoff=0.6)
        yield f'a rule has no "{name}"' + (
            f'; did you mean "{meant[0]}"?' if meant else f": use {', '.join(known)}"
        )
    for name in PATTERNS:
        if name in said and not (isinstance(said[name], str) and 0 < len(said[name]) <= 200):
            yield f"a rule's {name} is a pattern of 1 to 200 characters, such as press*"
    for name, kinds in WORDS:
        if said.get(name) is not None and said[name] not in list(kinds):
            yield f"a rule's {name} is one of {', '.join(kinds)}; not {said[name]!r}"
    slugs = said.get("topics") or ()
    if not isinstance(slugs, list | tuple) or not all(
        isinstance(slug, str) and SLUG.fullmatch(slug) for slug in slugs
    ):
        yield 'a rule\'s topics are a list of slugs, such as ["policy"]'
    if not any(said.get(name) for name in RESULTS):
        yield f"a rule must say what follows: {', '.join(RESULTS)}"


def _fits(pattern: str | None, texts: Iterable[str]) -> bool:
    return pattern is None or any(_compiled(pattern).match(text) for text in texts)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern), re.IGNORECASE)
