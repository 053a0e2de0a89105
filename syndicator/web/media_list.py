"""The media list as journalists see it: how to join, and where the links in our mail lead.

A GET never acts: mail scanners follow links (mail:LM2, LM7). A POST needs nothing but the token in
its address: no cookie, no field, no Origin, so that RFC 8058's one-click works as well as the
page's own button. What is done is `signup`'s affair.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicator import signup
from syndicator.signup import Confirmation, Purpose, Tokens
from syndicator.store import Store, topics
from syndicator.web.newsroom import missing, public_topics
from syndicator.web.pages import TOKEN, Pages


class MediaList:
    """The pages over one store."""

    def __init__(self, store: Store, tokens: Tokens, pages: Pages) -> None:
        self._store, self._tokens, self._pages = store, tokens, pages

    def routes(self) -> list[BaseRoute]:
        """Where the pages stand; the paths are in mail that was sent and therefore never change."""
        return [
            Route("/media-list", self.join),
            Route("/media-list/confirm/{token}", self.ask_confirm, methods=["GET"]),
            Route("/media-list/confirm/{token}", self.confirm, methods=["POST"]),
            Route("/media-list/unsubscribe/{token}", self.ask_leave, methods=["GET"]),
            Route("/media-list/unsubscribe/{token}", self.leave, methods=["POST"]),
            Route("/media-list/preferences/{token}", self.preferences, methods=["GET"]),
        ]

    def join(self, request: Request) -> Response:
        """How to join."""
        with self._store.read() as tx:
            shown = public_topics(tx)
        return self._pages.page(request, "media_list.html", topics=shown)

    def ask_confirm(self, request: Request) -> Response:
        """A button; the token is not even looked at."""
        return self._pages.page(request, "confirm.html", headers=TOKEN)

    def confirm(self, request: Request) -> Response:
        """Confirm, and say so; a link that is too old or not ours is one and the same to the visitor."""
        token, became = request.path_params["token"], Confirmation.OVER
        if self._tokens.read(Purpose.CONFIRM, token) is not None:  # no stranger gets the store's write lock
            with self._store.begin() as tx:
                became = signup.confirm(tx, self._tokens, token)
        if became is Confirmation.OVER:
            return self._pages.page(request, "expired.html", status=410, headers=TOKEN)
        return self._pages.page(request, "confirmed.html", headers=TOKEN)

    def ask_leave(self, request: Request) -> Response:
        """A button; the token is not even looked at."""
        return self._pages.page(request, "leave.html", headers=TOKEN)

    def leave(self, request: Request) -> Response:
        """Leave; the same 200 for a first time, a second time and a token nobody ever had (LM7)."""
        token = request.path_params["token"]
        if self._tokens.read(Purpose.UNSUBSCRIBE, token) is not None:
            with self._store.begin() as tx:
                signup.unsubscribe(tx, self._tokens, token)
        return self._pages.page(request, "left.html", headers=TOKEN)

    def preferences(self, request: Request) -> Response:
        """What one is subscribed to, each with a button to leave it."""
        with self._store.read() as tx:
            found = signup.preferences(tx, self._tokens, request.path_params["token"])
            titles = topics.titles(tx)
        if found is None:
            return missing(self._pages, request, TOKEN)
        rows = [
            (one, titles.get(one.topic, one.topic), self._leave_path(one.id)) for one in found.subscriptions
        ]
        return self._pages.page(request, "preferences.html", headers=TOKEN, contact=found.contact, rows=rows)

    def _leave_path(self, subscription_id: int) -> str:
        token = self._tokens.unsubscribe_token(subscription_id)
        return self._pages.path(f"/media-list/unsubscribe/{token}")
