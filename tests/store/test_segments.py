"""Segments: the rule as SQL is the rule as it is written, on both databases."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import select, update

from syndicator.errors import Conflict, NotFound, Refused
from syndicator.model.segment import Person, Rule
from syndicator.store import Store, Tx, accreditations, schema, segments, tags
from tests.make import make_contact, make_newsroom, make_subscription

TAGS, OUTLETS = ("desk", "climate", "über"), ("The Paper", "the paper", "")
COUNTRIES, LANGUAGES, TOPICS = ("CH", "DE", ""), ("de", "de-CH", "den", ""), ("policy", "funding")


def drawn(chance: random.Random, values: tuple[str, ...]) -> tuple[str, ...]:
    """Some of them, none more often than not."""
    return tuple(one for one in values if one and chance.random() < 0.25)


def drawn_rule(chance: random.Random) -> Rule:
    """Any rule."""
    lists: dict[str, tuple[str, ...]] = {
        "any": TAGS,
        "all": TAGS,
        "none": TAGS,
        "outlets": OUTLETS,
        "countries": COUNTRIES,
    }
    lists |= {"languages": LANGUAGES, "topics": TOPICS}
    values: dict[str, Any] = {name: drawn(chance, known) for name, known in lists.items()}
    return Rule(**values, accredited=chance.random() < 0.2)


def populate(tx: Tx, chance: random.Random, count: int) -> dict[int, Person]:
    """People of every sort, and what the rule looks at of each."""
    found = {}
    for number in range(count):
        words = {"outlet": chance.choice(OUTLETS), "country": chance.choice(COUNTRIES)}
        words["language"] = chance.choice(LANGUAGES)
        one = make_contact(tx, f"p{number}@example.org")
        tx.connection.execute(update(schema.contacts).where(schema.contacts.c.id == one.id).values(**words))
        theirs, topics = drawn(chance, TAGS), drawn(chance, TOPICS)
        tags.put(tx, one.id, theirs)
        for topic in topics:
            make_subscription(tx, f"p{number}@example.org", topic)
        make_subscription(tx, f"p{number}@example.org", "gossip", consent=None)
        accredited = chance.random() < 0.4
        if accredited:
            accreditations.accredit(tx, one.id, "Ann", "terms of 2026")
        found[one.id] = Person(
            **words, tags=frozenset(theirs), topics=frozenset(topics), accredited=accredited
        )
    return found


def test_everybody_is_in_a_segment_whom_its_rule_matches(store: Store) -> None:
    """The query and the pure rule agree about sixty people and fifty rules (peers:250)."""
    chance = random.Random(7)
    make_newsroom(store, *TOPICS, "gossip")
    with store.begin() as tx:
        people = populate(tx, chance, 60)
        hits = 0
        for number, rule in enumerate(drawn_rule(chance) for _ in range(50)):
            segments.add(tx, f"s{number}", "", rule)
            query = select(schema.contacts.c.id).where(
                segments.members(tx, (f"s{number}",), schema.contacts.c.id)
            )
            found = set(tx.connection.execute(query).scalars())
            assert {key for key, one in people.items() if rule.matches(one)} == found, rule
            assert len(found) == segments.count(tx, f"s{number}")
            hits += 0 < len(found) < 60
        assert hits > 20, "the rules were too empty to say anything"


def test_several_segments_are_their_union_and_an_unknown_one_is_nobody(store: Store) -> None:
    """A release for two desks goes to both; a rule that was removed lets nobody in, and none named lets all."""
    make_newsroom(store)
    with store.begin() as tx:
        for mail, tag in (("a@example.org", "a"), ("b@example.org", "b"), ("c@example.org", "c")):
            tags.put(tx, make_contact(tx, mail).id, [tag])
        for tag in "ab":
            segments.add(tx, tag, tag.upper(), Rule(any=(tag,)))
        key = schema.contacts.c.id

        def who(*slugs: str) -> int:
            return len(tx.connection.execute(select(key).where(segments.members(tx, slugs, key))).all())

        assert (2, 1, 1, 0, 3) == (who("a", "b"), who("a"), who("a", "x"), who("x"), who())


def test_names_of_segments(store: Store) -> None:
    """Taken, unknown with the near name, a topic there is not: each a word of its own."""
    make_newsroom(store)
    with store.begin() as tx:
        segments.add(tx, "science-desks", "Desks", Rule(any=("desk",)))
        with pytest.raises(Conflict, match="exists already"):
            segments.add(tx, "science-desks", "", Rule(any=("desk",)))
        with pytest.raises(NotFound, match='did you mean "science-desks"'):
            segments.check(tx, ["science-desk"])
        with pytest.raises(NotFound, match='no topic "gossip"'):
            segments.add(tx, "x", "", Rule(topics=("gossip",)))
        edited = segments.edit(tx, "science-desks", "All desks", Rule(countries=("CH",)))
        assert ("All desks", Rule(countries=("CH",))) == (edited.title, edited.rule)
        segments.remove(tx, "science-desks")
        assert [] == segments.listing(tx)


def test_a_segment_a_release_waits_for_stays(store: Store) -> None:
    """Removing it would mail nobody, without a word."""
    from syndicator.store import releases
    from tests.make import make_content

    make_newsroom(store)
    with store.begin() as tx:
        segments.add(tx, "desks", "", Rule(any=("desk",)))
        releases.add(tx, "tag:x", make_content(audience=("desks",)), embargo=None, by=None)
        with pytest.raises(Refused, match="tag:x is for the segment desks"):
            segments.remove(tx, "desks")
