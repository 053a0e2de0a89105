"""Asking to be accredited: a form behind one's own preferences link, and the answer that it was taken (mail:LM20).

The link is the proof of who asks; a person of ours decides. What is done is `signup.accrediting`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicator.model.audience import Contact
from syndicator.model.joining import Terms
from syndicator.signup import Tokens, accrediting
from syndicator.signup.centre import Preferences, held, preferences
from syndicator.store import Store, Tx, accreditations, applications
from syndicator.web.forms import Form, sent
from syndicator.web.limits import Trust
from syndicator.web.newsroom import missing
from syndicator.web.pages import TOKEN, Pages
from syndicator.web.visitors import Gate

EACH, ALL = 60, 1200  # requests a minute: from one network, and by all together
LONGEST = 2000  # characters of somebody's own words
NO_WORDS = "Say for whom you work, and how we can see that."
TOO_MUCH = f"Please say it in at most {LONGEST} characters."
NO_YES = "Tick the box: we can accredit only those who agree."


class Accreditation:
    """The pages over one store; `desk` are the addresses that are told of a request."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        pages: Pages,
        terms: Terms,
        trust: Trust,
        desk: Sequence[str] = (),
    ) -> None:
        self._store, self._tokens, self._pages = store, tokens, pages
        self._terms, self._desk = terms, desk
        self._gate = Gate(trust, EACH, ALL)

    def routes(self) -> list[BaseRoute]:
        """Where the pages stand."""
        path = "/media-list/accreditation/{token}"
        return [Route(path, self.ask, methods=["GET"]), Route(path, self.apply, methods=["POST"])]

    def ask(self, request: Request) -> Response:
        """The form, or how it stands with what was asked before."""
        if busy := self._gate.busy(request, TOKEN):
            return busy
        with self._store.read() as tx:
            contact = self._whose(tx, request)
            if contact is None:
                return missing(self._pages, request, TOKEN)
            if accreditations.live(tx, contact.id):
                return self._page(request, "accreditation_done.html", state="granted")
            if applications.of(tx, contact.id):
                return self._page(request, "accreditation_done.html", state="waiting")
        return self._form(request, contact)

    async def apply(self, request: Request) -> Response:
        """Take a request; the same again says the same."""
        if busy := self._gate.busy(request, TOKEN):
            return busy
        form = await sent(request) or Form()
        return await run_in_threadpool(self._apply, request, form)

    def _apply(self, request: Request, form: Form) -> Response:
        words = form.lines("words")
        faults = {
            "words": TOO_MUCH if len(words) > LONGEST else "" if words else NO_WORDS,
            "agreement": "" if form.text("agreement") == "yes" else NO_YES,
        }
        wrong = {field: said for field, said in faults.items() if said}
        with self._store.read() as tx:
            contact = self._whose(tx, request)
        if contact is None:
            return missing(self._pages, request, TOKEN)
        if wrong:
            return self._form(request, contact, wrong, form)
        visit = self._gate.visit(request, self._pages.site.url("/media-list/accreditation"))
        with self._store.begin() as tx:
            contact = self._whose(tx, request, held)  # anew: what was read before may be over
            if contact is None:
                return missing(self._pages, request, TOKEN)
            accrediting.apply(tx, contact, words, visit, self._terms, self._desk)
        return self._page(request, "accreditation_done.html", state="waiting")

    def _whose(
        self,
        tx: Tx,
        request: Request,
        opened: Callable[[Tx, Tokens, str], Preferences | None] = preferences,
    ) -> Contact | None:
        """Whose preferences the token opens, as long as they are on the list and may be mailed."""
        found = opened(tx, self._tokens, request.path_params["token"])
        return found.contact if found and not found.contact.suppressed else None

    def _form(
        self,
        request: Request,
        contact: Contact,
        faults: Mapping[str, str] | None = None,
        form: Form | None = None,
    ) -> Response:
        given = form or Form()
        return self._page(
            request,
            "accreditation.html",
            status=422 if faults else 200,
            faults=faults or {},
            words=given.lines("words"),
            agreed=given.text("agreement") == "yes",
            outlet=contact.outlet,
            terms=self._terms,
        )

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return self._pages.page(request, template, status=status, headers=TOKEN, **values)
