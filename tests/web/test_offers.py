"""What one can sign up for, on the form and among one's preferences: the newsletter before its first issue, no other secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from sqlalchemy import update

from syndicator.model.joining import Terms
from syndicator.store import Store, audience, letters, open_store, schema, topics, wishes
from tests.make import FakeClock, make_subscription, make_topic
from tests.web.served import TOKENS, Reply, Running, add_item, running

FORM = "application/x-www-form-urlencoded"
WISH = {"email": "jo@x.example", "cadence": "immediate", "consent": "yes", "zone": "UTC", "website": ""}


@pytest.fixture
def store(sqlite_url: str, clock: FakeClock) -> Iterator[Store]:
    """A newsroom with a topic in the open, its newsletter without an issue, and a topic nobody is to hear of."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        add_item(store, "About policy", topics=("policy",))
        with store.begin() as tx:
            topics.add(tx, make_topic("letter", title="The Example Letter"))
            topics.add(tx, make_topic("merger", title="A Merger"))
        yield store


@pytest.fixture
def web(store: Store) -> Iterator[Running]:
    with running(store, terms=Terms(newsletter="letter")) as web:
        yield web


def post(web: Running, path: str, fields: dict[str, str]) -> Reply:
    return web.ask(path, "POST", urlencode(fields).encode(), Content_Type=FORM)


def test_the_newsletter_can_be_had_before_its_first_issue(web: Running, store: Store) -> None:
    """peers:251 Its topic is offered by its title, and a sign-up for it is taken; the public pages do not name it."""
    page = web.ask("/media-list").text
    assert ["all", "policy", "letter"] == re.findall(r'name="topics" value="([a-z]+)"', page)
    assert "<span>The Example Letter<" in page
    for path in ("/", "/feeds", "/sitemap.xml"):
        assert "letter" not in web.ask(path).text.lower()
    assert 200 == post(web, "/media-list", {**WISH, "topics": "letter"}).status
    with store.read() as tx:
        asked = letters.by_id(tx, 1)
    assert asked is not None
    token = TOKENS.request_token(asked.about or 0)
    assert "The Example Letter" in web.ask(f"/media-list/confirm/{token}").text
    assert 200 == web.ask(f"/media-list/confirm/{token}", "POST").status
    with store.read() as tx:
        (contact,) = audience.contacts(tx)
        assert ["letter"] == [one.topic for one in wishes.live(tx, contact.id)]


def test_no_other_topic_without_an_item_is_told_of(web: Running, store: Store) -> None:
    """security:E1 The form and the preferences say nothing of it, and take nobody's wish for it."""
    with store.begin() as tx:
        jane = make_subscription(tx)
        contact = audience.contact_by_id(tx, jane.contact_id)
    assert contact is not None
    mine = f"/media-list/preferences/{TOKENS.preferences_token(contact.id, contact.generation)}"
    for path in ("/media-list", mine):
        assert "merger" not in web.ask(path).text.lower()
    assert 422 == post(web, "/media-list", {**WISH, "topics": "merger"}).status
    page = web.ask(mine).text
    assert ["all", "policy", "letter"] == re.findall(r'name="topic:([a-z]+)"', page)
    assert "The Example Letter" in page
    post(web, mine, {"do": "save", "topic:letter": "weekly", "topic:merger": "weekly"})
    with store.read() as tx:
        assert {"policy", "letter"} == {one.topic for one in wishes.live(tx, contact.id)}


def test_each_issue_of_the_newsletter_comes_whatever_else_is_gathered(web: Running, store: Store) -> None:
    """peers:251 Sign-up and preferences promise no gathered newsletter: it is each issue, or not at all."""
    assert "each issue, however often the rest comes" in web.ask("/media-list").text
    wish = {**WISH, "topics": "letter", "cadence": "daily"}
    post(web, "/media-list", wish)
    form = urlencode([*{**wish, "email": "ann@x.example"}.items(), ("topics", "policy")]).encode()
    web.ask("/media-list", "POST", form, Content_Type=FORM)
    alone, both = (f"/media-list/confirm/{TOKENS.request_token(number)}" for number in (1, 2))
    assert "The Example Letter (each issue)" in web.ask(alone).text
    assert "How often" not in web.ask(alone).text
    assert "Once a day" in web.ask(both).text
    for path in (alone, both):
        assert 200 == web.ask(path, "POST").status
    with store.read() as tx:
        jo, ann = audience.contacts(tx)
        live = [(one.topic, one.cadence) for who in (jo, ann) for one in wishes.live(tx, who.id)]
    assert sorted(live) == [("letter", "immediate"), ("letter", "immediate"), ("policy", "daily")]
    mine = f"/media-list/preferences/{TOKENS.preferences_token(jo.id, jo.generation)}"
    (select,) = re.findall(r'<select id="t-letter".*?</select>', web.ask(mine).text, re.DOTALL)
    assert ["Not at all", "Each issue"] == re.findall(r"<option[^>]*>([^<]+)", select)
    post(web, mine, {"do": "save", "topic:letter": "weekly"})
    with store.read() as tx:
        assert ["immediate"] == [one.cadence for one in wishes.live(tx, jo.id)]


def test_the_only_topic_there_is_is_no_question(sqlite_url: str, clock: FakeClock) -> None:
    """mail:LM1 It is said, and sent along; there is no box to tick, and none to forget."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        with store.begin() as tx:
            topics.add(tx, make_topic("letter", title="The Example Letter"))
        with running(store, terms=Terms(newsletter="letter")) as web:
            page = web.ask("/media-list").text
            assert [("hidden", "letter")] == re.findall(r'type="(\w+)" name="topics" value="(\w+)"', page)
            assert "<p>The Example Letter<" in page
            assert 200 == post(web, "/media-list", {**WISH, "topics": "letter"}).status


def test_a_newsletter_that_ends_takes_no_readers(web: Running, store: Store) -> None:
    """peers:251 Once its topic is to close, nobody is offered it who does not have it."""
    with store.begin() as tx:
        over = tx.now + timedelta(days=1)
        tx.connection.execute(
            update(schema.topics).where(schema.topics.c.slug == "letter").values(closing=tx.now, closed=over)
        )
    assert "The Example Letter" not in web.ask("/media-list").text


def test_the_language_promises_no_translation(web: Running, store: Store) -> None:
    """mail:LM9 Beside the field it is said that items come as they were written."""
    with store.begin() as tx:
        jane = make_subscription(tx)
    own = f"/media-list/preferences/{TOKENS.preferences_token(jane.contact_id, 0)}"
    for path in ("/media-list", own):
        page = web.ask(path).text
        assert 'aria-describedby="language-hint"' in page
        assert "items come in the language they are written in" in page
