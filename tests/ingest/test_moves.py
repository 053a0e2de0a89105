"""What is known again after its site has moved, and at what cost: a feed may have thousands of entries, all alike."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from sqlalchemy import event

from syndicator.ingest.filing import Reading
from syndicator.ingest.identity import matched
from syndicator.model.incoming import SCHEME_AND_HOST, Incoming, alias_of
from syndicator.model.item import Guid
from syndicator.store import Store, upstreams
from tests.ingest.filed import Origin, fates, moved, public, thing
from tests.make import NOW, make_newsroom

NEW = "https://new.example"


def test_a_long_word_is_looked_at_once() -> None:
    """feeds:I15 — from each of its letters on it took minutes, in a transaction that writes."""
    word = "a" * 200_000
    assert (word, 0) == SCHEME_AND_HOST.subn("//", word)
    assert None is alias_of(f"https://cms.example/{word}")


def test_a_long_link_is_known_by_its_hash(store: Store) -> None:
    """feeds:I15 — no index of PostgreSQL holds such a key: it stopped its whole feed, told as an outage."""
    make_newsroom(store)
    origin = Origin(store)
    path = "".join(sha256(bytes([number])).hexdigest() for number in range(60))
    long = thing(1, guid=None, link=f"https://cms.example/{path}")
    assert [] == origin.reads(long, thing(2)).left_out
    assert ["revised"] * 2 == fates(origin.reads(*(moved(one, NEW) for one in (long, thing(2)))))
    assert 2 == len(public(store))


def looks(store: Store, key: int, *things: Incoming) -> tuple[list[str | None], int]:
    """As what each of these is known, in their order, and how many questions to the database that took."""
    asked: list[object] = []
    with store.read() as tx:
        event.listen(tx.connection, "before_cursor_execute", lambda *said: asked.append(said))
        found = matched(tx, key, Reading(things=things))
    known = {match.thing.identity: match.known for match in found.matches}
    return [one.identity if one else None for one in (known[thing.identity] for thing in things)], len(asked)


def test_thousands_cost_no_more_questions_than_hundreds(store: Store) -> None:
    """feeds:I15 — whether each entry has moved or all are alike: a feed that is asked pair by pair stops all others."""
    make_newsroom(store)
    origin = Origin(store, push=False)
    several = range(40)
    honest = [thing(number, dated=None) for number in several]
    alike = [thing(200 + n, guid=f"https://h{n}.example/x", link=f"https://h{n}.example/x") for n in several]
    origin.reads(*honest, *alike)
    key = origin.claim().upstream.id
    known, asked = looks(store, key, *(moved(one, NEW) for one in honest))
    assert [one.identity for one in honest] == known
    assert asked < 12
    other = [replace(one, guid=f"{one.guid}".replace("//", "//new-")) for one in alike]
    other = [replace(one, link=one.guid, raw=None, dated="now") for one in other]
    known, asked = looks(store, key, *other)
    assert [None] * len(other) == known
    assert asked < 12


def test_what_two_may_be_is_neither(store: Store) -> None:
    """feeds:I15 — two known things under one name, or two new ones: nobody guesses, whatever their dates."""
    make_newsroom(store)
    origin = Origin(store, push=False)
    page = "https://cms.example/news"
    origin.reads(*(thing(number, guid=f"urn:x:{number}", link=page) for number in (1, 2)), thing(3))
    key = origin.claim().upstream.id
    again = thing(1, guid="urn:x:9", link=page)
    twins = (moved(thing(3), "https://one.example"), moved(thing(3), "https://two.example"))
    assert [None] * 3 == looks(store, key, again, *twins)[0]
    assert [thing(3).identity] == looks(store, key, twins[0])[0]


@pytest.mark.parametrize(
    "name", [{"guid": None}, {"guid": "77"}, {"guid": "notes.md", "link": None}, {"guid": None, "link": None}]
)
def test_what_is_no_address_is_known_to_an_upstream_that_was_away(
    store: Store, name: dict[str, str | None]
) -> None:
    """feeds:I15 — removed and added again: what is public is no new item, though its uid was minted here; and it goes on."""
    make_newsroom(store)

    def one(number: int, **other: str) -> Incoming:
        made = thing(number, **{**name, "guid": name["guid"] and f"{number}/{name['guid']}", **other})
        guid = (
            Guid(value=made.guid, permalink=False) if made.guid and name.get("link", "") is not None else None
        )
        return replace(made, content=replace(made.content, guid=guid))

    Origin(store).reads(one(1), one(2))
    before = [item.uid for item in public(store)]
    with store.begin() as tx:
        upstreams.remove(tx, "cms")
    again = Origin(store, confirm_above=0)
    assert ["unchanged"] * 2 == fates(again.reads(one(1), one(2)))
    assert "revised" in fates(again.reads(one(1), one(2, body="Corrected.")))
    assert before == [item.uid for item in public(store)]


def test_the_name_of_another_upstreams_item_tells_nothing(store: Store) -> None:
    """feeds:I15 — each feed counts from 1: only what this upstream itself left behind is its own again."""
    make_newsroom(store)
    one = thing(1, guid="1")
    one = replace(one, content=replace(one.content, guid=Guid(value="1", permalink=False)))
    Origin(store).reads(one)
    other = Origin(store, "other")
    other.mint(NOW)  # the first uid is taken
    assert ["item"] == fates(other.reads(one))
