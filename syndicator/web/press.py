"""What stands behind the links of press copies and previews: one person's own page of a release under embargo.

Every request asks anew, in one transaction, who this is, whether they are accredited, and how it stands
with the release (security:E1). Whatever is wrong gets the answer of an address nobody ever had. Nothing
here is kept, found, or travels on in a Referer; after the lift a copy leads to the item's public page.
The page is the public one with a banner above it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndicator.model.item import Content, Item, Medium
from syndicator.model.release import Actor, Release, ReleaseState, foreseen, in_zone, visible
from syndicator.model.site import Site
from syndicator.render.calendar import MEDIA_TYPE, Deadline, Standing, calendar
from syndicator.signup import Tokens
from syndicator.store import Store, Tx, accreditations, items, media, press_links
from syndicator.store.media import Cabinet
from syndicator.web.limits import Knocks, Trust
from syndicator.web.media import answer
from syndicator.web.newsroom import item_values, missing
from syndicator.web.pages import MONTHS, TOKEN, Pages

EACH, ALL = 240, 6000  # requests a minute: by one visitor, and by all together
PRIVATE = {**TOKEN, "cache-control": "private, no-store"}
SHUT = {**PRIVATE, "cross-origin-resource-policy": "same-origin"}  # shown in our own pages alone
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_STANDING = {
    ReleaseState.RELEASED: Standing.OVER,
    ReleaseState.CANCELLED: Standing.CANCELLED,
    ReleaseState.SCHEDULED: Standing.HOLDS,
}


@dataclass(frozen=True, slots=True)
class Way:
    """A link and its words."""

    address: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What stands above an item that is not public; `word` opens the window's title, `dated` the byline."""

    word: str
    heading: str
    lines: tuple[str, ...]
    dated: str = "To be published"
    links: tuple[Way, ...] = ()
    asks: bool = True


@dataclass(frozen=True, slots=True)
class Copy:
    """Somebody's copy of a release, and the item it became, if it did."""

    release: Release
    item: Item | None


class Press:
    """The addresses under /press/ over one store."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        pages: Pages,
        cabinet: Cabinet | None = None,
        trust: Trust | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._tokens, self._pages, self._cabinet = store, tokens, pages, cabinet
        self._trust, self._clock = trust or Trust(), clock
        self._knocks = Knocks(EACH, ALL)

    def routes(self) -> list[BaseRoute]:
        """Where the pages stand; the paths are in mail that was sent and therefore never change."""
        return [
            Route("/press/{token}", self.page),
            Route("/press/{token}/", self.page),
            Route("/press/{token}/embargo.ics", self.calendar),
            Route("/press/{token}/media/{name}", self.medium),
            Route("/press/{rest:path}", self.nothing),
        ]

    def page(self, request: Request) -> Response:
        """The release under its banner; once it is out, the way to the item."""
        if busy := self._busy(request):
            return busy
        token = request.path_params["token"]
        with self._store.read() as tx:
            copy = self._copy(tx, token)
            if copy is None or not visible(copy.release, Actor.ACCREDITED, tx.now):
                return self.nothing(request)
            if copy.release.state is ReleaseState.RELEASED:
                return self._public(request, copy, "")
            item = foreseen(copy.release, self._own(copy.release.content, token), tx.now)
            values = item_values(tx, item, item.content.topics, self._pages.site)
        banner = self._embargo(copy.release, token)
        return self._pages.page(request, "item.html", headers=PRIVATE, banner=banner, **values)

    def calendar(self, request: Request) -> Response:
        """The end of the embargo for calendars, which ask again by themselves: moved, over, called off."""
        if busy := self._busy(request):
            return busy
        token, site = request.path_params["token"], self._pages.site
        with self._store.read() as tx:
            copy = self._copy(tx, token)
            if copy is None:
                return self.nothing(request)
            seen = visible(copy.release, Actor.ACCREDITED, tx.now)
            standing = _STANDING.get(copy.release.state, Standing.REVISED)
            if standing is Standing.HOLDS and not seen:  # scheduled anew, and its advance is still to come
                standing = Standing.REVISED
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
            if copy is None or not visible(copy.release, Actor.ACCREDITED, tx.now):
                return self.nothing(request)
            if copy.release.state is ReleaseState.RELEASED:
                return self._public(request, copy, name)
            shown = any(own_name(one, self._pages.site) == name for one in copy.release.content.media)
            kept = media.of(tx, copy.release.uid, name) if shown else None
        if kept is None or self._cabinet is None:
            return self.nothing(request)
        return answer(request, self._cabinet, kept, SHUT, "embargoed")

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

    def _copy(self, tx: Tx, token: str) -> Copy | None:
        """What this token opens for whom it was made, as long as they are accredited."""
        found = self._tokens.read_press(token)
        release = press_links.release(tx, found[1]) if found else None
        if found is None or release is None or accreditations.live(tx, found[0]) is None:
            return None
        if not press_links.was_planned(tx, *found):
            return None
        out = release.state is ReleaseState.RELEASED
        return Copy(release, items.find(tx, release.uid) if out else None)

    def _public(self, request: Request, copy: Copy, name: str) -> Response:
        if copy.item is None:
            return self.nothing(request)
        path = f"/media/{name}" if name else f"/items/{copy.item.slug}"
        return RedirectResponse(self._pages.path(path), 303, PRIVATE)

    def _own(self, content: Content, token: str) -> Content:
        """The words with the files of the house at the addresses they have for this token."""
        return readdressed(content, self._pages.site, self._pages.site.url(f"/press/{token}/media/"))

    def _embargo(self, release: Release, token: str) -> Banner:
        until = release.embargo.until if release.embargo else release.at
        ends = in_words(until, self._pages.site.zone) if until else "further notice"
        here = self._pages.path(f"/press/{token}/embargo.ics")
        return Banner(
            word="EMBARGOED",
            heading=f"Under embargo until {ends}",
            lines=(
                "This copy is for you alone. Nothing of it may be published before then, and the link to it is yours.",
                "When the embargo ends, this address leads to the published release.",
            ),
            links=(Way(here, "Put its end into your calendar (it follows if the embargo moves)"),),
        )


def in_words(moment: datetime, zone: str) -> str:
    """Weekday, day and time in a zone, and UTC."""
    local, utc = in_zone(moment, zone), moment.astimezone(UTC)
    day = f"{DAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"
    return f"{day}, {local:%H:%M} {zone} ({utc:%Y-%m-%d %H:%M} UTC)"


def own_name(medium: Medium, site: Site) -> str | None:
    """The name of a file we keep, or None for one that is elsewhere."""
    start = site.url("/media/")
    return medium.url.removeprefix(start) if medium.digest and medium.url.startswith(start) else None


def readdressed(content: Content, site: Site, start: str) -> Content:
    """The same words, with the files we keep at `start` and their name, in the text, too."""
    body, moved = content.body, []
    for medium in content.media:
        name = own_name(medium, site)
        body = body.replace(f'"{medium.url}"', f'"{start}{name}"') if name else body
        moved.append(replace(medium, url=f"{start}{name}") if name else medium)
    return replace(content, body=body, media=tuple(moved))
