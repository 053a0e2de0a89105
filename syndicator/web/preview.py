"""A version of a release in every form it will take: for staff, and for whom they send a link that ends by itself.

The page is the public one under a banner; mail and feeds come from `press.preview`. What is not ours to
run is shown in frames that may do nothing, and feeds as plain text, so that no reader subscribes to one
(security:H5). The same files are what `syndicator release preview --out` writes.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from syndicator.errors import NotFound, SyndicatorError
from syndicator.model.item import Content, ItemState, Medium
from syndicator.model.release import Actor, Release, ReleaseState, Version, foreseen, visible
from syndicator.model.site import Site
from syndicator.press import preview
from syndicator.press.preview import House
from syndicator.render.mail import Sender
from syndicator.signup import Preview, Tokens
from syndicator.store import Tx, items, media, press_links, releases, wiped
from syndicator.store.media import Cabinet
from syndicator.web.banner import PRIVATE, Banner, Way, in_words
from syndicator.web.media import answer
from syndicator.web.newsroom import item_values
from syndicator.web.pages import Pages

PAGE = "page.html"
TYPES = {"html": "text/html; charset=utf-8", "eml": "message/rfc822"}
PLAIN = "text/plain; charset=utf-8"
_NONE = "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
# A mail brings its own style; pictures of others are not fetched for it (security:H5).
POLICIES = {
    PAGE: f"{_NONE}style-src 'self'; img-src 'self'; sandbox",
    "html": f"{_NONE}style-src 'unsafe-inline'; img-src 'self'; sandbox",
}
# What is shown in a frame, and what as text, with the other forms of the same thing.
VIEWS = (
    ("The page", PAGE, ()),
    ("The mail", "mail.html", ("mail.txt", "mail.eml")),
    ("The advance copy", "advance.html", ("advance.txt", "advance.eml")),
    ("Atom", "atom.xml", ()),
    ("RSS", "rss.xml", ()),
    ("JSON Feed", "feed.json", ()),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a link shows: one version of a release, and until when."""

    release: Release
    version: Version
    link: Preview


@dataclass(frozen=True, slots=True)
class View:
    """One form: shown in a frame, or as text."""

    words: str
    ways: tuple[Way, ...]
    frame: str
    text: str


class Previews:
    """The answers behind a preview's link."""

    def __init__(self, pages: Pages, tokens: Tokens, sender: Sender, cabinet: Cabinet | None) -> None:
        self._pages, self._tokens, self._cabinet = pages, tokens, cabinet
        self._house = House(pages.site, sender)

    def shown(self, tx: Tx, token: str) -> Shown | None:
        """What this token shows now, or None: forged, over, revoked, wiped, or of words that were taken back since."""
        link = self._tokens.read_preview(token, tx.now)
        release = press_links.release(tx, link.release_id) if link else None
        if link is None or release is None or not visible(release, Actor.STAFF, tx.now):
            return None
        if link.generation != press_links.preview_generation(tx, release.id):
            return None
        item = items.find(tx, release.uid)
        if wiped.marked(tx, release.uid) or (item and item.state is not ItemState.LIVE):
            return None
        try:
            return Shown(release, releases.version(tx, release.id, link.version), link)
        except NotFound:
            return None

    def index(self, request: Request, tx: Tx, shown: Shown) -> Response:
        """Everything on one page."""
        here = self._pages.path(f"/press/{request.path_params['token']}/")
        try:
            made = self._files(tx, shown, here)
        except SyndicatorError as fault:  # staff must read why it would not go out either
            views = [View("It cannot go out as it is", (), "", str(fault))]
        else:
            views = [_view(words, name, more, made, here) for words, name, more in VIEWS if name in made]
        title = shown.version.content.title
        notice = banner(shown.release, shown.version, self._pages.site, shown.link)
        return self._pages.page(
            request, "preview.html", headers=PRIVATE, banner=notice, title=title, views=views
        )

    def file(self, request: Request, tx: Tx, shown: Shown, name: str) -> Response | None:
        """One form of it; None if there is none by this name."""
        here = self._pages.path(f"/press/{request.path_params['token']}/")
        try:
            data = self._files(tx, shown, here).get(name)
        except SyndicatorError:
            return None
        if data is None:
            return None
        ending = name.rpartition(".")[2]
        headers = dict(PRIVATE)
        if policy := POLICIES.get(name) or POLICIES.get(ending):
            headers["content-security-policy"] = policy
        if ending == "eml":
            headers["content-disposition"] = f'attachment; filename="{name}"'
        return Response(data, 200, headers, media_type=TYPES.get(ending, PLAIN))

    def medium(self, request: Request, tx: Tx, shown: Shown, name: str) -> Response | None:
        """A file of this version; None if it holds none by this name."""
        names = {own_name(one, self._pages.site) for one in shown.version.content.media}
        kept = media.of(tx, shown.release.uid, name) if name in names else None
        if kept is None or self._cabinet is None:
            return None
        return answer(request, self._cabinet, kept, PRIVATE, "preview")

    def _files(self, tx: Tx, shown: Shown, here: str) -> dict[str, bytes]:
        notice = banner(shown.release, shown.version, self._pages.site, shown.link)
        return everything(tx, shown.release, shown.version, self._house, self._pages, notice, f"{here}media/")


def everything(
    tx: Tx,
    release: Release,
    version: Version,
    house: House,
    pages: Pages,
    notice: Banner,
    start: str,
    **other: str,
) -> dict[str, bytes]:
    """Every form of a version, by file name; pictures of ours are at `start` and their name.

    `other` is what page.html shall be given in the place of the usual, such as `style`.
    """
    item = foreseen(release, version.content, tx.now)
    values = item_values(tx, item, version.content.topics, house.site)
    made = {PAGE: pages.html("item.html", banner=notice, **values, **other)}
    made |= preview.files(tx, release, version, house)
    return {
        name: relocated(data, version.content, house.site, start) if name.endswith(".html") else data
        for name, data in made.items()
    }


def banner(release: Release, version: Version, site: Site, link: Preview | None) -> Banner:
    """What stands above a preview."""
    current = version.number == release.version
    which = f"version {version.number}" if current else f"version {version.number}, which is not the latest"
    until = f"under embargo until {in_words(release.embargo.until, site.zone)}" if release.embargo else ""
    goes = f"goes out on {in_words(release.at, site.zone)}" if release.at else ""
    plan = "; ".join(filter(None, (f"State: {release.state}", until, goes)))
    ends = (f"This link ends on {in_words(link.expires, site.zone)}.",) if link else ()
    return Banner(
        word="PREVIEW",
        heading=f"Preview of {which}: not public",
        lines=(f"{plan}.", *ends),
        dated="Published" if release.state is ReleaseState.RELEASED else "To be published",
        when=preview.NOT_YET if preview.undated(release) else "",
        asks=False,
    )


def own_name(medium: Medium, site: Site) -> str | None:
    """The name of a file we keep, or None for one that is elsewhere."""
    start = site.url("/media/")
    return medium.url.removeprefix(start) if medium.digest and medium.url.startswith(start) else None


def relocated(page: bytes, content: Content, site: Site, start: str) -> bytes:
    """The page with the files we keep at `start` and their name, where visitors of the public one find them at ours."""
    for medium in content.media:
        if name := own_name(medium, site):
            page = page.replace(medium.url.encode(), f"{start}{name}".encode())
    return page


def _view(words: str, name: str, more: tuple[str, ...], made: dict[str, bytes], here: str) -> View:
    ways = tuple(Way(f"{here}{one}", one) for one in (name, *more))
    framed = name.endswith(".html")
    return View(words, ways, f"{here}{name}" if framed else "", "" if framed else made[name].decode())
