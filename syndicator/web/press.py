"""What stands behind the links of press copies and previews: one person's own page of a release under embargo, or of all.

Every request asks anew, in one transaction, who this is, whether they are accredited, and how it stands
with the release (security:E1). Whatever is wrong gets the answer of an address nobody ever had; who had
words that hold no more is told that, and none of the words. Nothing here is kept, found, or travels on in a Referer; after the lift a copy leads to the item's public page.
The page is the public one with a banner above it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndicator.model.item import Item
from syndicator.model.release import Actor, Release, ReleaseState, foreseen, visible
from syndicator.render.calendar import MEDIA_TYPE, Deadline, Standing, calendar
from syndicator.render.mail import Sender
from syndicator.signup import Tokens
from syndicator.store import Store, Tx, accreditations, audience, items, media, press_links
from syndicator.store.media import Cabinet
from syndicator.web.banner import PRIVATE, Banner, Way, in_words
from syndicator.web.desk import Desks
from syndicator.web.limits import Knocks, Trust
from syndicator.web.media import answer
from syndicator.web.newsroom import item_values, missing
from syndicator.web.pages import Pages
from syndicator.web.preview import Previews, Shown, own_name, relocated

EACH, ALL = 240, 6000  # requests a minute: by one visitor, and by all together
_OVER = {ReleaseState.RELEASED: Standing.OVER, ReleaseState.CANCELLED: Standing.CANCELLED}


@dataclass(frozen=True, slots=True)
class Copy:
    """Somebody's copy of a release, whether it has the present words, and the item it became, if it did."""

    release: Release
    item: Item | None
    current: bool

    def open(self, now: datetime) -> bool:
        """Whether its owner may read the words at this instant."""
        return self.current and visible(self.release, Actor.ACCREDITED, now)

    def standing(self, now: datetime) -> Standing:
        """How it stands; approved or scheduled anew, with its next advance still to come, is a revision, too."""
        return _OVER.get(self.release.state, Standing.HOLDS if self.open(now) else Standing.REVISED)


class Press:
    """The addresses under /press/ over one store."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        pages: Pages,
        cabinet: Cabinet | None = None,
        sender: Sender | None = None,
        trust: Trust | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._tokens, self._pages, self._cabinet = store, tokens, pages, cabinet
        self._trust, self._clock = trust or Trust(), clock
        self._desks = Desks(tokens, pages)
        self._previews = Previews(pages, tokens, sender, cabinet) if sender else None
        self._knocks = Knocks(EACH, ALL)

    def routes(self) -> list[BaseRoute]:
        """Where the pages stand; the paths are in mail that was sent and therefore never change."""
        return [
            Route("/press/{token}", self.page),
            Route("/press/{token}/", self.page),
            Route("/press/{token}/feed.atom", self.feed),
            Route("/press/{token}/embargo.ics", self.calendar),
            Route("/press/{token}/media/{name}", self.medium),
            Route("/press/{token}/{name}", self.form),
            Route("/press/{rest:path}", self.nothing),
        ]

    def page(self, request: Request) -> Response:
        """The release under its banner; once it is out, the way to the item. Or somebody's page of all they may see."""
        if busy := self._busy(request):
            return busy
        token = request.path_params["token"]
        with self._store.read() as tx:
            if desk := self._desks.shown(tx, token):
                return self._desks.page(request, tx, desk)
            copy = self._copy(tx, token)
            if copy is None:
                return self._preview(request, tx, lambda shown, by: by.index(request, tx, shown))
            if not copy.open(tx.now):
                return self._no_more(request, copy.standing(tx.now))
            if copy.release.state is ReleaseState.RELEASED:
                return self._public(request, copy, "")
            item = foreseen(copy.release, copy.release.content, tx.now)
            values = item_values(tx, item, item.content.topics, self._pages.site)
        here = self._pages.path(f"/press/{token}/")
        page = self._pages.html("item.html", banner=self._embargo(copy.release, here), **values)
        own = relocated(page, item.content, self._pages.site, f"{here}media/")
        return Response(own, 200, PRIVATE, media_type="text/html")

    def feed(self, request: Request) -> Response:
        """All that one person may see, as a feed of their own."""
        if busy := self._busy(request):
            return busy
        with self._store.read() as tx:
            own = self._desks.shown(tx, request.path_params["token"])
            return self._desks.feed(tx, own) if own else self.nothing(request)

    def calendar(self, request: Request) -> Response:
        """The end of the embargo for calendars, which ask again by themselves: moved, over, called off."""
        if busy := self._busy(request):
            return busy
        token, site = request.path_params["token"], self._pages.site
        with self._store.read() as tx:
            copy = self._copy(tx, token)
            if copy is None:
                return self.nothing(request)
            seen, standing = copy.open(tx.now), copy.standing(tx.now)
        live = copy.item is None or copy.item.live
        deadline = Deadline(
            release=copy.release,
            standing=standing,
            title=copy.release.content.title if seen and live else None,
            page=site.url(f"/press/{token}/"),
            own=site.url(f"/press/{token}/embargo.ics"),
        )
        headers = {**PRIVATE, "content-disposition": 'inline; filename="embargo.ics"'}
        return Response(calendar(deadline, site), 200, headers, media_type=MEDIA_TYPE)

    def medium(self, request: Request) -> Response:
        """A file of the release; once it is out, the way to the public one."""
        if busy := self._busy(request):
            return busy
        token, name = request.path_params["token"], request.path_params["name"]
        with self._store.read() as tx:
            copy = self._copy(tx, token)
            if copy is None:
                return self._preview(request, tx, lambda shown, by: by.medium(request, tx, shown, name))
            if not copy.open(tx.now):
                return self.nothing(request)
            if copy.release.state is ReleaseState.RELEASED:
                return self._public(request, copy, name)
            shown = any(own_name(one, self._pages.site) == name for one in copy.release.content.media)
            kept = media.of(tx, copy.release.uid, name) if shown else None
        if kept is None or self._cabinet is None:
            return self.nothing(request)
        return answer(request, self._cabinet, kept, PRIVATE, "embargoed")

    def form(self, request: Request) -> Response:
        """One form of a preview."""
        if busy := self._busy(request):
            return busy
        name = request.path_params["name"]
        with self._store.read() as tx:
            return self._preview(request, tx, lambda shown, by: by.file(request, tx, shown, name))

    def nothing(self, request: Request) -> Response:
        """The answer for whatever is not there, the same for all of it."""
        return missing(self._pages, request, PRIVATE)

    def _busy(self, request: Request) -> Response | None:
        """Whoever tries token after token is asked to wait; None for everybody else."""
        hops = ", ".join(request.headers.getlist("x-forwarded-for")).encode("latin-1", "replace")
        visitor = self._trust.visitor(request.client.host, hops) if request.client else None
        wait = self._knocks.take(visitor, self._clock())
        headers = {**PRIVATE, "retry-after": str(wait)}
        return PlainTextResponse("Too many requests; come again later.\n", 429, headers) if wait else None

    def _preview(
        self, request: Request, tx: Tx, show: Callable[[Shown, Previews], Response | None]
    ) -> Response:
        """What the link of a preview leads to, if this is one."""
        shown = self._previews.shown(tx, request.path_params["token"]) if self._previews else None
        reply = show(shown, self._previews) if shown and self._previews else None
        return reply or self.nothing(request)

    def _copy(self, tx: Tx, token: str) -> Copy | None:
        """What this token opens for whom it was made, as long as they are accredited."""
        found = self._tokens.read_press(token)
        release = press_links.release(tx, found[1]) if found else None
        if found is None or release is None or accreditations.live(tx, found[0]) is None:
            return None
        if audience.contact_by_id(tx, found[0]).press_generation != found[2]:
            return None  # made void, with the address it was mailed to or by the desk
        if not press_links.had_any(tx, found[0], release):
            return None
        out = release.state is ReleaseState.RELEASED
        current = press_links.was_planned(tx, found[0], release)
        return Copy(release, items.find(tx, release.uid) if out else None, current)

    def _no_more(self, request: Request, standing: Standing) -> Response:
        """What a copy shows whose words hold no more: that, and whom to ask."""
        off = standing is Standing.CANCELLED
        status = 410 if off else 200
        return self._pages.page(request, "no_more.html", status=status, headers=PRIVATE, off=off)

    def _public(self, request: Request, copy: Copy, name: str) -> Response:
        if copy.item is None:
            return self.nothing(request)
        path = f"/media/{name}" if name else f"/items/{copy.item.slug}"
        return RedirectResponse(self._pages.path(path), 303, PRIVATE)

    def _embargo(self, release: Release, here: str) -> Banner:
        until = release.embargo.until if release.embargo else release.at
        ends = in_words(until, self._pages.site.zone) if until else "further notice"
        return Banner(
            word="EMBARGOED",
            heading=f"Under embargo until {ends}",
            lines=(
                "This copy is for you alone. Nothing of it may be published before then, and the link to it is yours.",
                "When the embargo ends, this address leads to the published release.",
            ),
            links=(
                Way(f"{here}embargo.ics", "Put its end into your calendar (it follows if the embargo moves)"),
            ),
        )
