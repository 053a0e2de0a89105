"""The sign-up form as it was filled in: what is understood of it, and what is wrong in words for each field.

Only what stands in the form is judged here, never what the store knows of an address (mail:LM1).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from syndicator.errors import Invalid
from syndicator.model.audience import Cadence, address, cadence_named, person_name
from syndicator.model.joining import Wish
from syndicator.model.markup import one_line
from syndicator.model.release import zone_named
from syndicator.web import choices
from syndicator.web.forms import Form

TRAP = "website"  # a field that people do not see; what fills it in is no person (mail:LM4)
LONGEST = 200  # characters of a name or an outlet
NO_MAIL = "Enter your mail address."
BAD_MAIL = "This is no mail address that we can write to; it looks like jane@example.org."
NO_TOPIC = "Choose at least one topic."
NO_YES = "Tick the box: without your yes we may not write to you."
NO_CADENCE = "Choose how often."
BAD_NAME = "Please write this as one line of at most 200 plain characters."


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form as it was filled in, to be shown again."""

    email: str = ""
    name: str = ""
    outlet: str = ""
    country: str = ""
    language: str = ""
    zone: str
    topics: Collection[str] = ()
    cadence: str = Cadence.IMMEDIATE
    consent: bool = False


def blank(zone: str) -> Typed:
    """The form before anybody has touched it."""
    return Typed(zone=zone)


def understood(form: Form, offered: Collection[str], zone: str) -> tuple[Typed, Wish | None, dict[str, str]]:
    """The form as typed, the wish in it, and by field what is wrong; there is a wish if nothing is.

    `offered` are the slugs one can choose among; `zone` is meant where the form names none that is known.
    """
    typed = Typed(
        email=form.text("email"),
        name=form.text("name"),
        outlet=form.text("outlet"),
        country=form.text("country") if form.text("country") in choices.countries() else "",
        language=form.text("language") if choices.is_language(form.text("language")) else "",
        zone=_zone(form.text("zone"), zone),
        topics=[slug for slug in form.several("topics") if slug in offered],
        cadence=form.text("cadence"),
        consent=form.text("consent") == "yes",
    )
    faults = _faults(typed)
    return typed, None if faults else _wish(typed), faults


def _faults(typed: Typed) -> dict[str, str]:
    """What is wrong, by field, in the order of the form."""
    found = {
        "email": _mail_fault(typed.email),
        "name": _line_fault(typed.name),
        "outlet": _line_fault(typed.outlet),
        "topics": "" if typed.topics else NO_TOPIC,
        "cadence": "" if typed.cadence in choices.HOW_OFTEN else NO_CADENCE,
        "consent": "" if typed.consent else NO_YES,
    }
    return {field: words for field, words in found.items() if words}


def _wish(typed: Typed) -> Wish:
    return Wish(
        address=address(typed.email).typed,
        name=person_name(typed.name),
        outlet=one_line(typed.outlet, "an outlet"),
        country=typed.country,
        language=typed.language,
        zone=typed.zone,
        topics=tuple(typed.topics),
        cadence=cadence_named(typed.cadence),
    )


def _mail_fault(text: str) -> str:
    if not text:
        return NO_MAIL
    try:
        whole = "." in address(text).typed.rpartition("@")[2]  # one without is a slip, and no journalist's
    except Invalid:
        return BAD_MAIL
    return "" if whole else BAD_MAIL


def _line_fault(text: str) -> str:
    try:
        return BAD_NAME if len(person_name(text)) > LONGEST else ""
    except Invalid:
        return BAD_NAME


def _zone(named: str, otherwise: str) -> str:
    """The zone with this name, which a script may have filled in; a guess of ours where there is none."""
    try:
        return zone_named(named).key if named else otherwise
    except Invalid:
        return otherwise
