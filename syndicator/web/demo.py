"""The demo's own page: who got what, each mail as a reader sees it, the partner's view, three buttons.

Only `syndicator demo` mounts these routes. The page reads a `Stage` that the demo keeps; it holds no
logic of its own. Mails are shown in sandboxed frames: nothing in them can act.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndicator.errors import SyndicatorError
from syndicator.store.deliveries import Delivery
from syndicator.web.pages import Pages

STYLE = (Path(__file__).parent / "static" / "demo.css").read_bytes()
FRESH = {"cache-control": "no-store"}
# A mail brings its style along, line by line; nothing else of it may do anything at all.
SHOWN_MAIL = {
    "cache-control": "no-store",
    # Not 'self': in a sandbox the document has no origin of its own that could be meant.
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox; "
        "frame-ancestors http://127.0.0.1:* http://localhost:*"
    ),
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMail:
    """A mail as its reader sees it."""

    name: str
    to: str
    subject: str
    at: datetime
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvent:
    """A webhook as the partner got it; `verified` says that its signature was right."""

    at: datetime
    id: str
    type: str
    title: str
    verified: bool


class Stage(Protocol):
    """What the demo page asks of the demo."""

    def mails(self) -> Sequence[ShownMail]:
        """Every mail in the folder, newest first."""
        ...

    def events(self) -> Sequence[ShownEvent]:
        """Everything the partner got, newest first."""
        ...

    def ledger(self) -> Sequence[Delivery]:
        """Every delivery, newest first."""
        ...

    def release_at(self) -> datetime | None:
        """When the next release goes out."""
        ...

    def act(self, button: str) -> None:
        """Do what a button says; raises SyndicatorError where a rule says no."""
        ...


def routes(stage: Stage, pages: Pages) -> list[BaseRoute]:
    """The page, the mails it shows, and its buttons."""

    def show(request: Request) -> Response:
        return pages.page(
            request,
            "demo.html",
            headers=FRESH,
            mails=stage.mails(),
            events=stage.events(),
            ledger=stage.ledger(),
            release_at=stage.release_at(),
            said=request.query_params.get("said", "")[:300],
        )

    def mail(request: Request) -> Response:
        found = next((one for one in stage.mails() if one.name == request.path_params["name"]), None)
        if found is None:
            return Response("no such mail", 404)
        return Response(found.html, headers=SHOWN_MAIL, media_type="text/html")

    def act(request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin and origin != f"http://{request.headers.get('host')}":
            return Response("buttons are pressed on the demo page itself", 403)
        said = ""
        try:
            stage.act(request.path_params["button"])
        except SyndicatorError as fault:
            said = str(fault)
        return RedirectResponse(f"/demo?{urlencode({'said': said})}" if said else "/demo", 303)

    return [
        Route("/demo", _here(show)),
        Route("/demo/mail/{name}", _here(mail)),
        Route("/demo/{button}", _here(act), methods=["POST"]),
        Route("/static/demo.css", lambda _: Response(STYLE, media_type="text/css")),
    ]


def _here(page: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """The page, for visitors who came by an address of this machine: another name may lead here too."""

    def guarded(request: Request) -> Response:
        if (request.url.hostname or "") not in ("127.0.0.1", "localhost", "::1"):
            return Response("the demo is shown at 127.0.0.1 only", 403)
        return page(request)

    return guarded
