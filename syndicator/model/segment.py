"""Segments: saved rules over the media list, by which a release names whom its mail is for. Pure.

`Rule.matches` says of one person what `store.segments.members` asks of all at once; a test holds the two together.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from syndicator.errors import Invalid
from syndicator.model.markup import one_line

TAG = re.compile(r"[^\s,;|+\-][^\s,;|]{0,63}")
COUNTRY = re.compile(r"[A-Za-z]{2}")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What a rule looks at: `topics` are those of their active subscriptions."""

    tags: frozenset[str] = frozenset()
    outlet: str = ""
    country: str = ""
    language: str = ""
    topics: frozenset[str] = frozenset()
    accredited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Whoever meets each of these that says anything: tags (any, all, none of them), and one of each list.

    Outlets are compared as they are spelled. A language without a region takes in all its regions; somebody whose
    language is not known is in no language.
    """

    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    outlets: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    accredited: bool = False

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    def matches(self, person: Person) -> bool:
        """Whether somebody meets it.

        >>> Rule(any=("desk",), countries=("CH",)).matches(Person(tags=frozenset({"desk"}), country="DE"))
        False
        """
        tags = person.tags
        return (
            (not self.any or not tags.isdisjoint(self.any))
            and tags.issuperset(self.all)
            and tags.isdisjoint(self.none)
            and (not self.outlets or person.outlet in self.outlets)
            and (not self.countries or person.country in self.countries)
            and (not self.languages or any(speaks(person.language, one) for one in self.languages))
            and (not self.topics or not person.topics.isdisjoint(self.topics))
            and (person.accredited or not self.accredited)
        )

    def as_json(self) -> dict[str, Any]:
        """What of it says anything, as it is kept."""
        values = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A rule with a name."""

    slug: str
    title: str
    rule: Rule
    created: datetime


def rule_from(kept: Mapping[str, Any]) -> Rule:
    """The rule that `as_json` wrote."""
    lists = {one.name: tuple(kept.get(one.name, ())) for one in fields(Rule) if one.name != "accredited"}
    return Rule(**lists, accredited=bool(kept.get("accredited")))


def speaks(language: str, wanted: str) -> bool:
    """Whether a language is the wanted one, or that one of some region (RFC 4647 §3.3.1)."""
    own, other = language.lower(), wanted.lower()
    return own == other or own.startswith(f"{other}-")


def tag_named(text: str) -> str:
    """A tag as it is kept: composed, small letters; raises Invalid with what may be written.

    >>> tag_named(" Desk ")
    'desk'
    """
    tag = unicodedata.normalize("NFC", one_line(text, "a tag").strip()).casefold()
    if not TAG.fullmatch(tag) or not tag.isprintable():
        raise Invalid(
            f"{text[:80]!r} is no tag: use 1 to 64 letters without blank, comma, ; or |, as science-desk"
        )
    return tag


def country_named(text: str) -> str:
    """A country's two letters of ISO 3166-1; raises Invalid for anything longer."""
    text = text.strip()
    if text and not (COUNTRY.fullmatch(text) and text.isascii()):
        raise Invalid(f"{text[:80]!r} is no country: write its two letters, as CH")
    return text.upper()


def language_named(text: str) -> str:
    """A language tag in its usual spelling (RFC 5646 §2.1.1); raises Invalid for what is none.

    >>> language_named("DE_ch")
    'de-CH'
    """
    text = text.strip().replace("_", "-")
    if text and not (LANGUAGE.fullmatch(text) and text.isascii()):
        raise Invalid(f"{text[:80]!r} is no language: write its tag, as de or en-GB")
    first, *rest = text.split("-")
    return "-".join([first.lower(), *(_subtag(one) for one in rest)])


def meant(word: str, known: Collection[str]) -> str:
    """The end of a sentence about a name there is not: the one that was meant, or a short list of all."""
    if close := difflib.get_close_matches(word.casefold(), sorted(known), n=1, cutoff=0.6):
        return f'; did you mean "{close[0]}"?'
    return (
        f"; there are {', '.join(sorted(known))}"
        if 0 < len(known) <= 12
        else "; there are none yet" * (not known)
    )


def checked(rule: Rule) -> Rule:
    """The rule with everything in it as it is kept; raises Invalid for one that says nothing, or is no such thing."""
    if not rule:
        raise Invalid("a segment without any condition is everybody: say at least one, such as --any desk")
    return Rule(
        any=tuple(map(tag_named, rule.any)),
        all=tuple(map(tag_named, rule.all)),
        none=tuple(map(tag_named, rule.none)),
        outlets=tuple(one_line(one, "an outlet") for one in rule.outlets),
        countries=tuple(map(country_named, rule.countries)),
        languages=tuple(map(language_named, rule.languages)),
        topics=rule.topics,
        accredited=rule.accredited,
    )


def _subtag(text: str) -> str:
    if len(text) == 2:
        return text.upper()
    return text.title() if len(text) == 4 and text.isalpha() else text.lower()
