"""Items, revisions, topics: the pure rules."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.model.item import (
    ALL,
    Author,
    Content,
    Guid,
    Kind,
    Medium,
    Rule,
    Source,
    Topic,
    Verdict,
    content_from_json,
    content_to_json,
    corrected,
    is_absolute_iri,
    judge,
    memberships,
    reworded,
    slug_for,
    vet_topic_slug,
)
from tests.make import NOW, make_content, make_item, make_topic

SLUGS = ("policy", "climate", "health")

text = st.text(max_size=20)
authors = st.builds(Author, name=text, email=st.none() | text, url=st.none() | text)
media = st.builds(Medium, url=text, type=text, length=st.integers(0, 10**9), title=text)
sources = st.builds(
    Source,
    id=text,
    title=text,
    updated=st.datetimes(timezones=st.just(UTC)),
    feed_url=text,
    url=st.none() | text,
)
contents = st.builds(
    Content,
    title=text,
    kind=st.sampled_from(Kind),
    summary=text,
    body=text,
    text=st.none() | text.filter(bool),
    topics=st.lists(st.sampled_from(SLUGS), unique=True).map(tuple),
    language=st.none() | text.filter(bool),
    url=st.none() | text.filter(bool),
    authors=st.lists(authors, max_size=2).map(tuple),
    spokesperson=st.none() | text.filter(bool),
    media=st.lists(media, max_size=2).map(tuple),
    source=st.none() | sources,
    guid=st.none() | st.builds(Guid, value=text, permalink=st.booleans()),
)


@settings(deadline=None)
@given(contents)
def test_content_survives_its_json(content: Content) -> None:
    """feeds:P8: what the store writes of a content it reads back, whole."""
    assert content == content_from_json(content_to_json(content))


@settings(deadline=None)
@given(contents, contents)
def test_fingerprints_differ_where_words_do(one: Content, other: Content) -> None:
    """delivery:1: the same words have the same fingerprint, other words another."""
    assert (one == other) == (one.fingerprint == other.fingerprint)


def test_fingerprint_is_the_same_in_another_process() -> None:
    """delivery:4: a fingerprint depends on words alone, not on the process (no salted hash)."""
    program = "from tests.make import make_content; print(make_content(title='Ünï — 1').fingerprint)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert make_content(title="Ünï — 1").fingerprint == found.stdout.strip()


def test_unknown_keys_of_a_newer_version_are_ignored() -> None:
    """operations:D4: an old program reads what a newer one wrote."""
    assert make_content() == content_from_json({**content_to_json(make_content()), "mood": "good"})


def test_judging_what_arrives() -> None:
    """delivery:1: new, unchanged and revised are told apart by the words alone."""
    words = make_content()
    assert Verdict.NEW is judge(words, None)
    assert Verdict.UNCHANGED is judge(replace(words), words)
    assert Verdict.REVISED is judge(replace(words, summary="Other."), words)
    assert Verdict.REVISED is judge(replace(words, topics=("health",)), words)


# -- rules


@pytest.mark.parametrize(
    ("rule", "topics", "kind", "expected"),
    [
        (Rule(), (), Kind.NEWS, True),
        (Rule(any=("policy", "climate")), ("climate",), Kind.NEWS, True),
        (Rule(any=("policy", "climate")), ("health",), Kind.NEWS, False),
        (Rule(all=("policy", "climate")), ("climate",), Kind.NEWS, False),
        (Rule(all=("policy", "climate")), ("climate", "policy", "health"), Kind.NEWS, True),
        (Rule(none=("health",)), ("policy",), Kind.NEWS, True),
        (Rule(none=("health",)), ("policy", "health"), Kind.NEWS, False),
        (Rule(kinds=(Kind.ADVISORY,)), ("policy",), Kind.NEWS, False),
        (Rule(kinds=(Kind.ADVISORY, Kind.NEWS)), (), Kind.NEWS, True),
        (Rule(any=("policy",), all=("climate",), none=("health",)), ("policy", "climate"), Kind.NEWS, True),
    ],
)
def test_rule(rule: Rule, topics: tuple[str, ...], kind: Kind, expected: bool) -> None:  # noqa: FBT001
    """design:2: a ruled topic is any of, all of, none of plain topics, and kinds."""
    assert expected is rule.matches(frozenset(topics), kind)


@settings(deadline=None)
@given(
    contents,
    st.lists(st.sampled_from(SLUGS)).map(tuple),
    st.lists(st.sampled_from(SLUGS)).map(tuple),
    st.lists(st.sampled_from(SLUGS)).map(tuple),
)
def test_memberships_are_own_topics_matching_rules_and_all(
    content: Content, some: tuple[str, ...], every: tuple[str, ...], none: tuple[str, ...]
) -> None:
    """design:2: an item is in `all`, in its plain topics, and in a ruled one exactly if the rule says so."""
    own = set(content.topics)
    matches = (not some or bool(own & set(some))) and own >= set(every) and not own & set(none)
    ruled = [make_topic("ruled", rule=Rule(any=some, all=every, none=none))]
    assert own | {ALL} | ({"ruled"} if matches else set()) == memberships(content, ruled)


def test_names_of_a_rule() -> None:
    """design:2: every plain topic a rule speaks of is known, so that it can be checked."""
    assert frozenset(SLUGS) == Rule(any=("policy",), all=("climate",), none=("health", "policy")).names


# -- names


@pytest.mark.parametrize("slug", ["a", "a-b", "0", "x" * 64])
def test_good_topic_slugs(slug: str) -> None:
    """design:2: a topic's slug is 1 to 64 of a-z, 0-9 and hyphen."""
    assert slug == vet_topic_slug(slug)


@pytest.mark.parametrize("slug", ["", "A", "a b", "a/b", "x" * 65, "ä", "a\n", "a.b", "٣"])
def test_bad_topic_slugs(slug: str) -> None:
    """design:2: any other slug is refused with the rule in words."""
    with pytest.raises(Invalid, match="use 1 to 64 of a-z, 0-9 and hyphen"):
        vet_topic_slug(slug)


def test_all_is_reserved() -> None:
    """design:2: nobody may make the topic `all`."""
    with pytest.raises(Invalid, match="choose another slug"):
        vet_topic_slug(ALL)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_slug_of_any_title(title: str) -> None:
    """feeds:P8: any title, of any script or none, gives a slug fit for a URL, never empty."""
    slug = slug_for(title)
    assert 1 <= len(slug) <= 80
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/1", True),
        ("tag:example.org,2026:x", True),
        ("urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427", True),
        ("12345", False),
        ("/relative", False),
        ("http://a b", False),
        ("http:", False),
        ("javascript:<script>", False),
        ("1http://x", False),
        ("http://x\n", False),
    ],
)
def test_absolute_iri(text: str, expected: bool) -> None:  # noqa: FBT001
    """feeds:P8: only an absolute IRI may serve as a permanent id."""
    assert expected is is_absolute_iri(text)


def test_a_correction_moves_updated_and_nothing_else() -> None:
    """feeds:P10: a correction dates `updated`; `published`, uid and slug never change."""
    item, later = make_item(), NOW + timedelta(hours=1)
    assert replace(item, updated=later, note="The figure") == corrected(item, "The figure", later)


def test_only_live_items_show_their_words() -> None:
    """delivery:3: live is the only state in which the public sees words."""
    from syndicator.model.item import ItemState

    assert [ItemState.LIVE] == [state for state in ItemState if make_item(state=state).live]


def test_topics_compare_without_the_stores_key() -> None:
    """design:12: a topic from the file equals the stored one, whatever the store's key."""
    created = datetime(2026, 1, 1, tzinfo=UTC)
    values = {"slug": "a", "title": "A", "uid": "tag:x", "created": created}
    assert Topic(**values, id=1) == Topic(**values, id=2)  # type: ignore[arg-type]


def test_rights_leave_old_fingerprints_alone() -> None:
    """feeds:I28 — without rights the JSON is what it was before there were any; a person's file does not lose them."""
    assert {"title": "One", "kind": "news"} == content_to_json(Content(title="One"))
    words = Content(title="One", rights="© Jane")
    assert words.fingerprint != Content(title="One").fingerprint
    assert words == content_from_json(content_to_json(words))
    assert "© Jane" == reworded(Content(title="Two", text="Two."), words).rights
    assert "" == reworded(Content(title="Two"), words).rights
