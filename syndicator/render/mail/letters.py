"""Letters about somebody's own affairs: what each sort says, from the facts `model.letters` names.

All share one sheet: a headline, a few short paragraphs, at most one button, and the plain reason why they get it.
They are no news and go to no list, so they hold no List-Unsubscribe: there is no list that it could end. The
address of the button is a slot, for it holds a token. Serves sign-up, leaving, changes of address, accreditation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syndicator.errors import Invalid
from syndicator.model.audience import Cadence
from syndicator.model.letters import Letter
from syndicator.model.markup import UNLINEAR
from syndicator.model.release import in_zone
from syndicator.model.site import Site
from syndicator.render.mail.letterhead import Sender, house, plain_headers, sheet
from syndicator.render.mail.parts import day_and_time, day_in_words, deadline
from syndicator.render.mail.template import Template

CADENCES: dict[str, str] = {
    Cadence.IMMEDIATE: "at once",
    Cadence.DAILY: "once a day",
    Cadence.WORKDAYS: "once on each working day",
    Cadence.WEEKLY: "once a week",
    Cadence.MONTHLY: "once a month",
    Cadence.NTH_WEEKDAY: "once a month, on a weekday of your choice",
}
# What the address of nobody on the list is called: no name that a stranger typed stands beside it (R2).
UNNAMED = frozenset({Letter.ASK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What one letter says; an empty `button` is a letter without one."""

    subject: str
    headline: str
    before: Sequence[str]  # paragraphs above the list and the button
    listed: Sequence[str] = ()  # topics
    quoted: str = ""  # what somebody else wrote, set apart
    button: str = ""
    after: Sequence[str] = ()  # paragraphs below the button
    why: str  # why they get it: follows "Sent to … "


class Facts:
    """The facts of one letter as they are shown; raises Invalid naming one that is missing."""

    def __init__(self, given: Mapping[str, Any], site: Site) -> None:
        self._given = given
        self.site = site

    def text(self, name: str) -> str:
        """A fact as one line of plain text."""
        if name not in self._given:
            raise Invalid(f"this letter needs the fact {name!r}, which whoever owed it did not write")
        return _one_line(self._given[name] or "")

    def true(self, name: str) -> bool:
        """Whether a fact that stands only where it holds is there."""
        return bool(self._given.get(name))

    def several(self, name: str) -> tuple[str, ...]:
        """A fact that is a list of texts."""
        self.text(name)
        return tuple(_one_line(one) for one in self._given[name] or ())

    def when(self, name: str) -> str:
        """A fact that is an instant (ISO 8601), as the newsroom's wall clock shows it; other words as they are."""
        words = self.text(name)
        try:
            instant = datetime.fromisoformat(words)
        except ValueError:
            return words
        return day_and_time(instant, self.site.zone) if instant.tzinfo else words

    def day(self, name: str) -> str:
        """A fact that is an instant (ISO 8601), as its day on the newsroom's calendar."""
        return day_in_words(in_zone(datetime.fromisoformat(self.text(name)), self.site.zone))

    def until(self) -> str:
        """The fact `until`, as its reader's wall clock shows it, where their `zone` is a fact; empty: it has no end."""
        words, zone = self.text("until"), str(self._given.get("zone") or self.site.zone)
        return deadline(datetime.fromisoformat(words), zone) if words else ""

    def how_often(self) -> str:
        """The cadence in words."""
        cadence = self.text("cadence")
        return CADENCES.get(cadence, cadence)


def compose_letter(sort: Letter, facts: Mapping[str, Any], *, site: Site, sender: Sender) -> Template:
    """The letter of this sort, for everybody with these facts.

    Slot: letter_url, the address of the button. Raises Invalid naming a fact that is missing.
    """
    wording = _WORDINGS[sort](Facts(facts, site))
    to = "to_unnamed" if sort in UNNAMED else "to"
    shown = {name: getattr(wording, name) for name in Wording.__dataclass_fields__}
    around = {"language": "en", "dir": "ltr", "tone": "letter", "title": wording.subject, "to": to}
    return sheet(
        "letter", plain_headers(wording.subject, sender, to=to), shown | around | house(site, sender)
    )


def _one_line(value: object) -> str:
    # A bidi override would turn our own words around, too.
    return " ".join(UNLINEAR.sub(" ", str(value)).split())


def _ask(facts: Facts) -> Wording:
    topics = facts.several("topics")
    return Wording(
        subject=f"Please confirm: press mail from {facts.site.title}",
        headline="Is it you who wants our press mail?",
        before=[
            (
                f"Somebody, we hope you, asked us to write to this address {facts.how_often()}"
                f"{', about:' if topics else '.'}"
            )
        ],
        listed=topics,
        button="Yes, write to me",
        after=[
            "The link works for 72 hours. If it was not you, do nothing: you hear nothing more from us.",
        ],
        why="because that address was entered in our form.",
    )


def _known(facts: Facts) -> Wording:
    topics = facts.several("topics")
    return Wording(
        subject=f"You are on the media list of {facts.site.title}",
        headline="You are on our list already",
        before=[f"Somebody, we hope you, signed up with this address once more{', for:' if topics else '.'}"],
        listed=topics,
        button="See or change what you get",
        after=[
            "You are on our list already, so nothing was changed. If it was not you, do nothing: all stays as it is.",
        ],
        why="because that address was entered in our form, and is on our media list.",
    )


def _permission(facts: Facts) -> Wording:
    topics, listed = facts.several("topics"), facts.true("listed")
    return Wording(
        subject=f"May we write to you? The media list of {facts.site.title}",
        headline="May we write to you about more?" if listed else "May we go on writing to you?",
        before=[
            (
                "You are on our list for journalists. Another list that came to us names you for more of our press"
                " mail, and we have no record that you asked for that. So we ask you, once."
                if listed
                else "Your address has been on our list for journalists, and we have no record that you asked for it."
                " So we ask you, once."
            ),
            f"With your yes you {'also ' if listed else ''}get our press mail{' about:' if topics else '.'}",
        ],
        listed=topics,
        button="Yes, write to me",
        after=[
            "If you do nothing, all stays as it is."
            if listed
            else "If you do nothing, you hear nothing more from us."
        ],
        why="this once, because that address came to us with an earlier list.",
    )


def _source(facts: Facts) -> Wording:
    topics, contact = facts.several("topics"), facts.site.media_contact
    source = facts.text("source") or (
        f"a list of contacts that {facts.site.title} was given, and took over on {facts.day('taken')}"
    )
    return Wording(
        subject=f"Your address on the media list of {facts.site.title}",
        headline="We have your address: where from, and why",
        before=[
            (
                "You are on our list for journalists already. Another list that came to us names you for more of our"
                " press mail, and we tell you so, once."
                if facts.true("listed")
                else "You did not give us this address yourself, so we tell you, once, that it is on our list for"
                " journalists."
            ),
            f"Where it is from: {source}",
            f"On which basis we keep it and write to you: {facts.text('basis')}",
            "From now on you get our press mail about:" if topics else "So far we send no press mail to it.",
        ],
        listed=topics,
        button="Object, or change what you get",
        after=[
            (
                "You can object at once: on the page behind this link you end all of it, or ask to see or have erased"
                " what we keep of you. Every later mail has a way out by one click."
            ),
            (
                f"{f'Questions go to {contact}' if contact else 'For questions, reply to this mail'}; you may also"
                " complain to a data protection authority."
            ),
        ],
        why="this once, because that address came to us from somebody else"
        f"{', too' if facts.true('listed') else ''}.",
    )


def _farewell(facts: Facts) -> Wording:
    topics = facts.several("topics")
    return Wording(
        subject=f"You have left the media list of {facts.site.title}",
        headline="You get no more of this mail",
        before=["As you asked, we have ended your press mail" + (" about:" if topics else ".")],
        listed=topics,
        button="Undo",
        after=[
            (
                f"Was it a mistake, or somebody you forwarded a mail to? Until {facts.until()} this takes it back."
                " Otherwise there is nothing left to do."
            ),
        ],
        why="because mail from us to that address was ended.",
    )


def _owner(facts: Facts) -> Wording:
    topics = facts.several("topics")
    return Wording(
        subject=f"An address you look after has left the media list of {facts.site.title}",
        headline="An address you look after has left our list",
        before=[
            (
                f"Somebody who reads {facts.text('address')} ended our press mail to it"
                f"{', about:' if topics else '.'}"
            )
        ],
        listed=topics,
        button="Undo",
        after=[f"If others at your desk still need it, this takes it back until {facts.until()}."],
        why="because you are named as the one who looks after that desk's address.",
    )


def _magic(facts: Facts) -> Wording:
    return Wording(
        subject=f"The link to your preferences at {facts.site.title}",
        headline="Your preferences",
        before=[
            "Here is the link you asked for: to topics, how often, your address, and all we keep of you."
        ],
        button="Open my preferences",
        after=[
            (
                f"It works for {facts.text('minutes')} minutes. If it was not you who asked, do nothing:"
                " whoever it was cannot see this mail, and nothing was changed."
            ),
        ],
        why="because a link was asked for with that address.",
    )


def _move(facts: Facts) -> Wording:
    return Wording(
        subject=f"Please confirm your new address: {facts.site.title}",
        headline="Is this your new address?",
        before=[
            f"Somebody, we hope you, asked us to send the press mail of {facts.text('former')} to this address."
        ],
        button="Yes, move it here",
        after=[
            "Until you say yes, all stays as it is. If it was not you, do nothing: you hear nothing more."
        ],
        why="because that address was named as a new one.",
    )


def _moved(facts: Facts) -> Wording:
    contact = facts.site.media_contact
    return Wording(
        subject=f"Your address at {facts.site.title} was changed",
        headline="Your press mail now goes elsewhere",
        before=[f"From now on we write to {facts.text('masked')}, and no more to this address."],
        after=[
            "If it was not you who changed it, tell us at once"
            + (f": {contact}" if contact else ", by a reply to this mail.")
        ],
        why="this once, because it was the address we wrote to.",
    )


def _granted(facts: Facts) -> Wording:
    until = facts.until()
    return Wording(
        subject=f"You are accredited with {facts.site.title}",
        headline="You are accredited",
        before=[
            (
                "From now on you may see what is under embargo"
                f"{f', until {until}' if until else ''}, under the agreement you made with us:"
                " nothing is published, or passed on, before its embargo ends."
            ),
            "What waits for its embargo stands on a page and in a feed of your own.",
        ],
        button="Open my page",
        after=[
            "The address of that page is for you alone. Whoever has it sees what you see: do not pass it on."
        ],
        why="because that address asked to be accredited.",
    )


def _denied(facts: Facts) -> Wording:
    contact = facts.site.media_contact
    return Wording(
        subject=f"Your request to be accredited with {facts.site.title}",
        headline="We cannot accredit you",
        before=["Thank you for asking. We have looked at your request and said no this time."],
        quoted=facts.text("reason"),
        after=[
            "What is public reaches you as before, and our feeds are open to everybody."
            + (f" If you think we are wrong, write to {contact}." if contact else "")
        ],
        why="because that address asked to be accredited.",
    )


def _applied(facts: Facts) -> Wording:
    outlet = facts.text("outlet")
    who = facts.text("name") + (f", {outlet}" if outlet else "")
    return Wording(
        subject=f"A request to be accredited with {facts.site.title}",  # no stranger's word in a header
        headline="Somebody asks to be accredited",
        before=[f"{who} asks to see what is under embargo. In their words:"],
        quoted=facts.text("words") or "(nothing)",
        after=[
            (
                "`syndicator contact accredit --requests` lists who waits; `syndicator contact accredit EMAIL` is a yes,"
                " with --deny and --reason it is a no."
            )
        ],
        why="because that address is the desk's.",
    )


def _reminder(facts: Facts) -> Wording:
    name = f"{facts.text('title')} No. {facts.text('number')}"
    return Wording(
        subject=f"Please look: {name} waits for a yes",
        headline=f"{name} is not approved",
        before=[f"It is to go out on {facts.when('slot')}, and nobody has said yes to it."],
        after=[
            (
                f"See it with `syndicator newsletter show {facts.text('number')}`,"
                f" say yes with `syndicator newsletter approve {facts.text('number')}`."
            ),
        ],
        why="because that address stands under [newsletter] editors.",
    )


_WORDINGS: dict[Letter, Callable[[Facts], Wording]] = {
    Letter.ASK: _ask,
    Letter.KNOWN: _known,
    Letter.PERMISSION: _permission,
    Letter.SOURCE: _source,
    Letter.FAREWELL: _farewell,
    Letter.OWNER: _owner,
    Letter.MAGIC: _magic,
    Letter.MOVE: _move,
    Letter.MOVED: _moved,
    Letter.GRANTED: _granted,
    Letter.DENIED: _denied,
    Letter.APPLIED: _applied,
    Letter.REMINDER: _reminder,
}
