"""Letters about somebody's own affairs: each says what it is about, offers one act, and is no mail to a list."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from lxml import html as lxml_html

from syndicator.errors import Invalid
from syndicator.model.letters import Letter
from syndicator.render.mail import compose_letter
from tests.render.letters import FACTS, SENDER, SITE, SLOTS, every
from tests.render.test_mail import parsed

BUTTONS = {
    Letter.ASK: "Yes, write to me",
    Letter.KNOWN: "See or change what you get",
    Letter.PERMISSION: "Yes, write to me",
    Letter.SOURCE: "Object, or change what you get",
    Letter.FAREWELL: "Undo",
    Letter.OWNER: "Undo",
    Letter.MAGIC: "Open my preferences",
    Letter.MOVE: "Yes, move it here",
    Letter.GRANTED: "Open my page",
}
SAID = {
    Letter.ASK: ["Policy", "once a day", "72 hours", "do nothing"],
    Letter.KNOWN: ["Policy", "nothing was changed"],
    Letter.PERMISSION: ["Policy", "once", "If you do nothing, you hear nothing more"],
    Letter.SOURCE: ["Policy", "press.csv <2026>", "press officers' contract", "object at once", "one click"],
    Letter.FAREWELL: ["Policy", "Until 9 March 2026, 09:00 GMT"],
    Letter.OWNER: ["desk@paper.example", "Policy", "9 March 2026, 09:00 GMT"],
    Letter.MAGIC: ["60 minutes"],
    Letter.MOVE: ["jane@paper.example", "do nothing"],
    Letter.MOVED: ["j…@radio.example", "press@news.example"],
    Letter.GRANTED: ["2 March 2027", "agreement", "do not pass it on"],
    Letter.DENIED: ["We could not find <b>anything</b>"],
    Letter.APPLIED: ["Jane <Doe>", "Let me in & soon."],
    Letter.REMINDER: ["Monthly letter No. 7", "9 March 2026, 09:00 GMT", "syndicator newsletter approve 7"],
}


def test_every_sort_is_written() -> None:
    """mail:MC24 No sort of letter can be owed that nobody can write."""
    assert set(Letter) == set(FACTS) == set(SAID)


@pytest.mark.parametrize("sort", Letter)
def test_both_parts_say_the_same(sort: Letter) -> None:
    """mail:MC1, mail:MC24, mail:LM2, mail:LM9 Its facts, its one act and the reason stand in the text and in the HTML."""
    message, text, page = parsed(every()[f"letter-{sort}"].merge(SLOTS))
    tree = lxml_html.document_fromstring(page)
    seen = " ".join("".join(map(str, tree.itertext())).split())
    plain = " ".join(text.split())
    for words in [*SAID[sort], "12 Harbour Row", SITE.title, "Sent to"]:
        assert words in seen, words
        assert words in plain, words
    links = {a.get("href") for a in tree.iter("a")}
    assert links == set(re.findall(r"https?://\S+", text))
    buttons = [a for a in tree.iter("a") if a.get("class") == "button" or a.text == BUTTONS.get(sort)]
    assert ([BUTTONS[sort]] if sort in BUTTONS else []) == [a.text for a in buttons]
    assert (SLOTS.letter_url in links) is (sort in BUTTONS)
    assert message["List-Unsubscribe"] is message["List-Id"] is message["Precedence"] is None


@pytest.mark.parametrize(
    ("until", "words"),
    [
        ("2026-12-23T23:00:00+00:00", "until 23 December 2026, under"),
        ("2026-12-23T09:00:41.123456+00:00", "until 23 December 2026, 10:00 CET, under"),
        ("", "under embargo, under"),
    ],
)
def test_a_deadline_is_told_by_the_readers_clock(until: str, words: str) -> None:
    """mail:MC24 To the minute, in the zone of whoever reads it; by the last day where it ends with one."""
    facts = {"until": until, "zone": "Europe/Berlin"}
    letter = compose_letter(Letter.GRANTED, facts, site=SITE, sender=SENDER)
    _, text, _ = parsed(letter.merge(SLOTS))
    assert words in " ".join(text.split())


def test_nothing_a_stranger_typed_is_in_a_confirmation() -> None:
    """security:R2 The name that came with a form stands nowhere in what asks: neither in a header nor in a part."""
    raw = every()["letter-ask"].merge(replace(SLOTS, to_name="Buy now at evil.example"))
    message, text, page = parsed(raw)
    assert "jane@paper.example" == message["To"]
    assert "evil" not in text + page + str(message)


def test_what_strangers_typed_is_escaped_and_in_no_header() -> None:
    """mail:MC20, mail:MC25 A request to be accredited brings no tag, header or line of its own."""
    message, text, page = parsed(every()["letter-applied"].merge(SLOTS))
    assert "&lt;Doe&gt;" in page
    assert "<Doe>" not in page
    assert "Jane <Doe> Bcc: x@e.example, The" in " ".join(text.split())
    assert "Jane" not in str(message["Subject"])
    assert "\u202e" not in text + page
    assert message["Bcc"] is None


def test_a_fact_that_is_missing_is_named() -> None:
    """mail:MC20 Whoever owes a letter without one of its facts hears which."""
    with pytest.raises(Invalid, match="'minutes'"):
        compose_letter(Letter.MAGIC, {}, site=SITE, sender=SENDER)


@pytest.mark.parametrize("sort", [Letter.PERMISSION, Letter.SOURCE])
def test_who_is_on_the_list_already_reads_what_is_true_of_them(sort: Letter) -> None:
    """mail:LM17 Nobody who asked for our mail is told that we have no record of it, or that they never gave their address."""
    text = [
        " ".join(parsed(compose_letter(sort, facts, site=SITE, sender=SENDER).merge(SLOTS))[1].split())
        for facts in (FACTS[sort], {**FACTS[sort], "listed": True})
    ]
    untrue = (
        "we have no record that you asked for it",
        "You did not give us this address",
        "you hear nothing more",
    )
    assert any(words in text[0] for words in untrue)
    assert not any(words in text[1] for words in untrue)
    assert "You are on our list for journalists" in text[1]


def test_a_list_without_a_name_for_its_people_is_told_by_its_day() -> None:
    """mail:LM17 The day on the newsroom's calendar."""
    facts = {**FACTS[Letter.SOURCE], "source": "", "taken": "2026-07-01T23:30:00+00:00"}
    letter = compose_letter(Letter.SOURCE, facts, site=SITE, sender=SENDER)
    words = f"Where it is from: a list of contacts that {SITE.title} was given, and took over on 2 July 2026"
    assert words in " ".join(parsed(letter.merge(SLOTS))[1].split())
