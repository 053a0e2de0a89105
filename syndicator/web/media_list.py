"""The media list as journalists see it: how to join, and where the links in our mail lead.

A GET never acts: mail scanners follow links (mail:LM2, LM7). A POST behind a link needs nothing but the token in
its address: no cookie, no field, no Origin, so that RFC 8058's one-click works as well as the
page's own button. The answer to a sign-up is the same whoever signs up (mail:LM1). What is done is `signup`'s affair.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicator import signup
from syndicator.model.audience import Contact
from syndicator.model.item import ALL as ALL_ITEMS
from syndicator.model.joining import Terms
from syndicator.signup import Purpose, Tokens
from syndicator.signup.confirming import asked, confirmed, signed, used
from syndicator.signup.joining import Named, unnamed
from syndicator.store import Store, audience
from syndicator.web import choices
from syndicator.web.forms import Form, from_elsewhere, sent
from syndicator.web.joining import TRAP, Typed, blank, understood
from syndicator.web.limits import Trust
from syndicator.web.newsroom import public_topics
from syndicator.web.offers import ALL_NEWS, offered
from syndicator.web.pages import PUBLIC, TOKEN, Pages
from syndicator.web.visitors import Gate

EACH, ALL = 30, 1200  # forms sent off a minute: from one network, and by all together
FRESH = {"cache-control": "no-store"}
HERE = "/media-list"
ELSEWHERE = {"form": "This came from the page of another site. Please fill in the form here."}
TOO_LONG = {"form": "That was more than this form holds. Please send it again."}


class MediaList:
    """The pages over one store; `named` gives the Message-ID of a letter by its subject and recipient."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        pages: Pages,
        terms: Terms | None = None,
        trust: Trust | None = None,
        named: Named = unnamed,
    ) -> None:
        self._store, self._tokens, self._pages = store, tokens, pages
        self._terms, self._named = terms or Terms(), named
        self._gate = Gate(trust or Trust(), EACH, ALL)

    def routes(self) -> list[BaseRoute]:
        """Where the pages stand; the paths are in mail that was sent and therefore never change."""
        return [
            Route(HERE, self.join, methods=["GET"]),
            Route(HERE, self.apply, methods=["POST"]),
            Route("/media-list/confirm/{token}", self.ask_confirm, methods=["GET"]),
            Route("/media-list/confirm/{token}", self.confirm, methods=["POST"]),
        ]

    def join(self, request: Request) -> Response:
        """The form."""
        return self._form(request, blank(self._pages.site.zone))

    async def apply(self, request: Request) -> Response:
        """Take a sign-up; its answer says nothing of the address, only of the form (mail:LM1)."""
        if busy := self._gate.busy(request, FRESH):
            return busy
        if from_elsewhere(request):
            return await run_in_threadpool(self._again, request, None, ELSEWHERE, 403)
        form = await sent(request)
        if form is None:
            return await run_in_threadpool(self._again, request, None, TOO_LONG, 413)
        return await run_in_threadpool(self._apply, request, form)

    def _apply(self, request: Request, form: Form) -> Response:
        with self._store.read() as tx:
            can = offered(tx, self._terms)
        typed, wish, faults = understood(form, can, self._pages.site.zone)
        if wish is None or not self._terms.open:
            return self._again(request, typed, faults, 422)
        visit, trap = self._gate.visit(request, self._pages.site.url(HERE)), bool(form.text(TRAP))
        with self._store.begin() as tx:
            signup.join(tx, wish, visit, self._terms, trap=trap, named=self._named)
        return self._pages.page(request, "asked.html", headers=FRESH)

    def ask_confirm(self, request: Request) -> Response:
        """What a click would confirm, and a button; nothing happens yet. Where it was pressed before, only that."""
        token = request.path_params["token"]
        with self._store.read() as tx:
            done = audience.find_contact(tx, used(tx, self._tokens, token))
            if done:
                return self._on_the_list(request, done, again=True)
            found = asked(tx, self._tokens, token)
            if found is None and self._tokens.read(Purpose.CONFIRM, token) is None:
                return self._over(request)
        each = found.wish.each if found else ""
        how = choices.HOW_OFTEN.get(found.wish.cadence) if found and found.wish.topics != (each,) else None
        shown = sorted(found.titles.items(), key=lambda pair: pair[1].casefold()) if found else []
        titles = [
            ALL_NEWS if slug == ALL_ITEMS else f"{title} ({choices.EACH.lower()})" if slug == each else title
            for slug, title in shown
        ]
        return self._pages.page(request, "confirm.html", headers=TOKEN, titles=titles, how=how)

    def confirm(self, request: Request) -> Response:
        """Confirm, and say so; a link that is too old or not ours is one and the same to the visitor."""
        token, contact = request.path_params["token"], None
        if signed(self._tokens, token):  # no stranger gets the store's write lock
            visit = self._gate.visit(request, self._pages.site.url("/media-list/confirm"))
            with self._store.begin() as tx:
                _, contact_id = confirmed(tx, self._tokens, token, visit)
                contact = audience.contact_by_id(tx, contact_id) if contact_id is not None else None
        if contact is None:
            return self._over(request)
        return self._on_the_list(request, contact)

    def _on_the_list(self, request: Request, contact: Contact, *, again: bool = False) -> Response:
        """That they are on it; `again`: by a link that had been pressed before."""
        links = {"preferences": self._pages.path("/media-list/preferences")}
        if not contact.generation:  # where links were made void, an older one leads to no new one: mail does
            own = self._tokens.preferences_token(contact.id, contact.generation)
            links = {
                name: self._pages.path(f"/media-list/{name}/{own}")
                for name in ("preferences", "accreditation")
            }
        return self._pages.page(request, "confirmed.html", headers=TOKEN, links=links, again=again)

    def _over(self, request: Request) -> Response:
        return self._pages.page(request, "expired.html", status=410, headers=TOKEN)

    def _again(
        self, request: Request, typed: Typed | None, faults: Mapping[str, str], status: int
    ) -> Response:
        """The form once more, with what was typed and what is wrong with it."""
        return self._form(request, typed or blank(self._pages.site.zone), faults, status, FRESH)

    def _form(
        self,
        request: Request,
        typed: Typed,
        faults: Mapping[str, str] = {},
        status: int = 200,
        headers: Mapping[str, str] = PUBLIC,
    ) -> Response:
        with self._store.read() as tx:
            shown, can = public_topics(tx), offered(tx, self._terms)
        return self._pages.page(
            request,
            "media_list.html",
            status=status,
            headers=headers,
            script="zone.js",
            topics=shown,
            offered=can,
            typed=typed,
            faults=faults,
            terms=self._terms,
            trap=TRAP,
            choices=choices,
            untouched=not faults,
        )
