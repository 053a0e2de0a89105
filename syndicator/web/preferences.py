"""The pages behind the links in our mail: leave, take it back, preferences, another address (mail:LM7–LM9).

A GET never acts: mail scanners follow links. A POST needs nothing but the token in its address: no cookie, no
login, no Origin, so that RFC 8058's one click works as well as a page's own button. Whoever has no good token
gets one and the same answer. What is done is `signup`'s affair.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicator.errors import Invalid, SyndicatorError
from syndicator.model.audience import Cadence, Contact, cadence_named
from syndicator.model.item import ALL
from syndicator.model.joining import Terms
from syndicator.model.release import in_zone, zone_named
from syndicator.model.suppression import Reason
from syndicator.render.mail.parts import deadline
from syndicator.signup import Purpose, Tokens, accrediting, centre, leaving
from syndicator.signup.erasing import Eraser
from syndicator.signup.leaving import Scope
from syndicator.store import Store, Tx, accreditations, applications, dossiers, suppressions, topics, windows
from syndicator.web import choices
from syndicator.web.banner import DAYS
from syndicator.web.choices import OFTEN
from syndicator.web.forms import Form, sent
from syndicator.web.limits import Trust
from syndicator.web.offers import offered
from syndicator.web.pages import MONTHS, TOKEN, Pages
from syndicator.web.visitors import Gate

EACH, TOGETHER = 30, 1200  # requests a minute that may write: from one network, and from all
TOPIC = "topic:"  # how the name of a field begins that holds a topic's cadence
NTHS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "last"}
SAVED = "Saved."


@dataclass(frozen=True, slots=True)
class Said:
    """What a page says above itself after a button was pressed; `fault`: that it could not be done."""

    words: str
    fault: bool = False


class PreferencePages:
    """The pages over one store; `terms` name the newsletter, `eraser` forgets people for good."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        pages: Pages,
        trust: Trust,
        terms: Terms | None = None,
        eraser: Eraser | None = None,
    ) -> None:
        self._store, self._tokens, self._pages, self._terms = store, tokens, pages, terms or Terms()
        self._gate = Gate(trust, EACH, TOGETHER)
        self._eraser = eraser or Eraser(store)

    def routes(self) -> list[BaseRoute]:
        """Where the pages stand; the paths are in mail that was sent and therefore never change."""
        doors: dict[str, tuple[Any, Any]] = {
            "/media-list/unsubscribe/{token}": (self.ask_leave, self.leave),
            "/media-list/undo/{token}": (self.ask_undo, self.undo),
            "/media-list/move/{token}": (self.ask_move, self.move),
            "/media-list/preferences": (self.ask_link, self.link),
            "/media-list/preferences/{token}": (self.preferences, self.change),
        }
        ways = (("GET", 0), ("POST", 1))
        return [
            Route(path, both[place], methods=[method])
            for path, both in doors.items()
            for method, place in ways
        ]

    # -- leaving -----------------------------------------------------------------------------------------

    def ask_leave(self, request: Request) -> Response:
        """What one may choose; the token is not even looked at."""
        return self._page(request, "leave.html", often=OFTEN)

    async def leave(self, request: Request) -> Response:
        """Leave; the same 200 for a first time, a second time and a token nobody ever had (LM7)."""
        form = await sent(request) or Form()
        scope = _scope(form.text("scope"))
        return await run_in_threadpool(self._leave, request, scope, _cadence(form.text("cadence")))

    def _leave(self, request: Request, scope: Scope, cadence: Cadence | None) -> Response:
        token = request.path_params["token"]
        if self._tokens.read(Purpose.UNSUBSCRIBE, token) is not None:  # no stranger gets the write lock
            with self._store.begin() as tx:
                leaving.act(tx, self._tokens, token, scope, cadence, **self._who(request, "unsubscribe"))
        return self._page(request, "left.html", scope=scope.value, often=OFTEN.get(cadence or Cadence.DAILY))

    def ask_undo(self, request: Request) -> Response:
        """A button; the token is not even looked at."""
        return self._page(request, "undo.html")

    def undo(self, request: Request) -> Response:
        """Take back what was left, within seven days; twice says the same."""
        found, done = self._tokens.read_undo(request.path_params["token"]), False
        if found:
            with self._store.begin() as tx:
                done = leaving.undo(tx, *found, **self._who(request, "undo"))
        return self._page(request, "undone.html") if done else self._nothing(request)

    # -- another address ---------------------------------------------------------------------------------

    def ask_move(self, request: Request) -> Response:
        """A button; the token is not even looked at."""
        return self._page(request, "move.html")

    def move(self, request: Request) -> Response:
        """Carry out a change of address; twice says the same."""
        token, became = request.path_params["token"], centre.Moved.OVER
        if self._tokens.read(Purpose.MOVE, token) is not None:
            with self._store.begin() as tx:
                became = centre.move(tx, self._tokens, token, **self._who(request, "move"))
        if became is centre.Moved.OVER:
            return self._nothing(request)
        return self._page(request, "moved.html", taken=became is centre.Moved.TAKEN)

    # -- the link to everything --------------------------------------------------------------------------

    def ask_link(self, request: Request) -> Response:
        """A form for the address."""
        return self._page(request, "link.html")

    async def link(self, request: Request) -> Response:
        """Mail the link, if there is anybody to mail it to; the answer is the same for every address."""
        if busy := self._gate.busy(request, TOKEN):
            return busy
        form = await sent(request) or Form()
        return await run_in_threadpool(self._link, request, form.text("address")[:320])

    def _link(self, request: Request, typed: str) -> Response:
        with self._store.begin() as tx:
            centre.ask_link_of(tx, typed)
        return self._page(request, "linked.html")

    # -- preferences -------------------------------------------------------------------------------------

    def preferences(self, request: Request) -> Response:
        """What one has chosen, and what one may."""
        with self._store.read() as tx:
            return self._shown(request, tx)

    async def change(self, request: Request) -> Response:
        """Do what a button of the page says."""
        if busy := self._gate.busy(request, TOKEN):
            return busy
        form = await sent(request) or Form()
        return await run_in_threadpool(self._change, request, form)

    def _change(self, request: Request, form: Form) -> Response:
        with self._store.read() as tx:  # no stranger gets the write lock
            found = centre.preferences(tx, self._tokens, request.path_params["token"])
        deed = form.text("do")
        if found is None or (deed in ONLY_FULL and not found.full):
            return self._nothing(request)
        if deed == "erase":
            return self._erase(request, found, form)
        if deed == "export":
            return self._export(found)
        try:
            said = Said(self._done(request, form, {**DEEDS, "save": self._save}.get(deed)))
        except SyndicatorError as fault:
            said = Said(str(fault), fault=True)
        with self._store.read() as tx:
            return self._shown(request, tx, said)

    def _done(self, request: Request, form: Form, deed: Deed | None) -> str:
        with self._store.begin() as tx:
            found = centre.held(tx, self._tokens, request.path_params["token"])
            if found is None or deed is None:
                return "Nothing was changed."
            return deed(tx, found, form, self._who(request, "preferences"))

    def _erase(self, request: Request, found: centre.Preferences, form: Form) -> Response:
        if form.text("sure") != "yes":
            with self._store.read() as tx:
                said = Said("Tick the box first: it cannot be taken back.", fault=True)
                return self._shown(request, tx, said)
        self._eraser.erase(found.contact.id)
        return self._page(request, "erased.html")

    def _export(self, found: centre.Preferences) -> Response:
        with self._store.begin() as tx:
            told = dossiers.handed_out(tx, found.contact.id, by="the contact")
        body = json.dumps(told, ensure_ascii=False, indent=2).encode()
        disposition = 'attachment; filename="my-data.json"'
        headers = {**TOKEN, "content-disposition": disposition}
        return Response(body, 200, headers, media_type="application/json")

    def _shown(self, request: Request, tx: Tx, said: Said | None = None) -> Response:
        found = centre.preferences(tx, self._tokens, request.path_params["token"])
        if found is None:
            return self._nothing(request)
        contact = found.contact
        stopped = suppressions.of(tx, contact.address)
        left = stopped is not None and stopped.reason is Reason.LEFT
        paused = contact.paused_until if contact.paused_until and contact.paused_until > tx.now else None
        values = {
            "contact": contact,
            "full": found.full,
            "accreditation": self._pages.path(f"/media-list/accreditation/{request.path_params['token']}"),
            "rows": self._rows(tx, found),
            "newsletter": self._terms.newsletter,
            "next": _next(tx, found),
            "paused": _wall(paused, contact.zone) if paused and not left else None,
            "left": left,
            "accredited": _accredited(tx, contact),
            "applied": applications.of(tx, contact.id) is not None,
            "stopped": stopped is not None and stopped.reason is not Reason.LEFT,
            "lists": _lists(),
            "languages": choices.LANGUAGES,
            "said": said,
            "tomorrow": in_zone(tx.now, contact.zone).date().isoformat(),
        }
        return self._page(request, "preferences.html", 400 if said and said.fault else 200, **values)

    def _save(self, tx: Tx, found: centre.Preferences, form: Form, who: dict[str, Any]) -> str:
        chosen = {slug: cadence for slug, _, cadence, _ in self._rows(tx, found)}
        choice, letter = _choice(form, list(chosen)), self._terms.newsletter
        if (said := choice.topics.get(letter)) and said is not chosen[letter]:  # issues are not gathered
            choice = replace(choice, topics={**choice.topics, letter: Cadence.IMMEDIATE})
        centre.save(tx, found, choice, **who)
        return SAVED

    def _rows(self, tx: Tx, found: centre.Preferences) -> list[tuple[str, str, Cadence | None, bool]]:
        """Each topic one may choose: its slug, its title, the cadence chosen, and whether that waits for a yes by mail."""
        live = {one.topic: one for one in found.subscriptions}
        rest = {slug: title for slug, title in topics.titles(tx, live).items() if slug != ALL}
        return [
            (
                slug,
                title,
                live[slug].cadence if slug in live else None,
                slug in live and live[slug].consent is None,
            )
            for slug, title in (offered(tx, self._terms) | rest).items()
        ]

    def _nothing(self, request: Request) -> Response:
        """The one answer to a link that was forged, cut short, used up, or is too old."""
        return self._page(request, "no_link.html", 404)

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return self._pages.page(request, template, status=status, headers=TOKEN, **values)

    def _who(self, request: Request, page: str) -> dict[str, Any]:
        visit = self._gate.visit(request, self._pages.site.url(f"/media-list/{page}"))
        return visit.where


Deed = Callable[[Tx, centre.Preferences, Form, dict[str, Any]], str]


def _pause(tx: Tx, found: centre.Preferences, form: Form, who: dict[str, Any]) -> str:
    try:
        day = date.fromisoformat(form.text("until"))
    except ValueError:
        if form.text("until"):
            raise Invalid("Choose a day, such as 2027-01-31.") from None
        day = in_zone(tx.now + leaving.PAUSE, found.contact.zone).date()
    centre.pause(tx, found, day, **who)
    return "Paused: no news is sent until then."


def _resume(tx: Tx, found: centre.Preferences, _form: Form, who: dict[str, Any]) -> str:
    centre.pause(tx, found, None, **who)
    return "News comes again from now on."


def _leave_all(tx: Tx, found: centre.Preferences, _form: Form, who: dict[str, Any]) -> str:
    leaving.leave_all(tx, found.contact.id, **who)
    more = " A short mail lets you take it back for seven days."
    return f"You have left everything.{more if leaving.told_of_all(tx, found.contact.id) else ''}"


def _mail_link(tx: Tx, found: centre.Preferences, _form: Form, _who: dict[str, Any]) -> str:
    centre.ask_link(tx, found.contact)
    return "The link is on its way to your address, unless it was asked for too often this hour."


def _mail_page(tx: Tx, found: centre.Preferences, _form: Form, _who: dict[str, Any]) -> str:
    accrediting.ask_link(tx, found.contact)
    return "The link to your page is on its way to your address, unless it was mailed within the last day."


def _move(tx: Tx, found: centre.Preferences, form: Form, who: dict[str, Any]) -> str:
    centre.ask_move(tx, found, form.text("address")[:320], **who)
    return "A mail to the new address asks for a yes. Until then nothing changes."


DEEDS: Mapping[str, Deed] = {
    "pause": _pause,
    "resume": _resume,
    "leave": _leave_all,
    "link": _mail_link,
    "page": _mail_page,
    "move": _move,
}
ONLY_FULL = frozenset({"move", "export", "erase"})


def _choice(form: Form, slugs: list[str]) -> centre.Choice:
    """What the form says; raises Invalid for what no form of ours can say."""
    wanted = dict(form.fields)
    cadences = {
        slug: cadence_named(wanted[TOPIC + slug]) if wanted[TOPIC + slug] else None
        for slug in slugs
        if TOPIC + slug in wanted
    }
    if "shown" not in wanted:  # only topics, as a reader without forms may send them
        return centre.Choice(cadences)
    numbers = {"hour": range(24), "weekday": range(7), "monthday": range(1, 32), "nth": range(1, 6)}
    fields: dict[str, Any] = {"capped": "capped" in wanted, "text_only": "text_only" in wanted}
    for name, allowed in numbers.items():
        figure = wanted.get(name, "")
        if figure.isdecimal() and int(figure[:4]) in allowed:
            fields[name] = int(figure)
    if zone := form.text("zone"):
        fields["zone"] = zone_named(zone).key
    if choices.is_language(form.text("language")) or not form.text("language"):
        fields["language"] = form.text("language")
    return centre.Choice(cadences, fields)


def _next(tx: Tx, found: centre.Preferences) -> list[tuple[str, str]]:
    """When gathered mail comes next, by how often."""
    asked = {one.cadence for one in found.subscriptions if one.consent}
    known = windows.of(tx, found.contact.id).items()
    return [(OFTEN[cadence], _wall(at, found.contact.zone)) for cadence, at in known if cadence in asked]


def _accredited(tx: Tx, contact: Contact) -> str:
    """How they are accredited, in words; empty where they are not."""
    held = accreditations.live(tx, contact.id)
    if held is None:
        return ""
    return f"until {deadline(held.until, contact.zone)}" if held.until else "without an end"


def _lists() -> dict[str, Any]:
    """What the form offers to choose from."""
    zones = choices.zones()
    known = {zone for _, some in zones for zone in some}
    return {
        "often": OFTEN,
        "each": choices.EACH,
        "days": DAYS,
        "nths": NTHS,
        "zones": zones,
        "known_zones": known,
    }


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:  # RFC 8058 sends a field of its own, and machines whatever they like
        return Scope.TOPIC


def _cadence(text: str) -> Cadence | None:
    return Cadence(text) if text in set(Cadence) else None


def _wall(at: Any, zone: str) -> str:
    """An instant as the contact's own wall clock shows it."""
    local = in_zone(at, zone)
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}, {local:%H:%M}"
