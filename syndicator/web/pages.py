"""How a page is made: templates, dates in the newsroom's zone, safe links, headers.

Everything from an item is escaped by Jinja; `article` is the one helper that hands HTML through,
after cleaning it once more (security:H1, H3). Pages set no cookie and load nothing from anywhere else
but the icon an operator names; scripts of ours run where a page asks for one, and add comfort only
(security:H4, operations:PW14).
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from syndicator.model.item import Kind, Medium
from syndicator.model.markup import ATTRIBUTES, SCHEMES, TAGS, clean, first_lines, web_address
from syndicator.model.release import in_zone
from syndicator.model.site import FORMAT_TITLES, MEDIA_TYPES, Format, Site
from syndicator.web.feeds import tag_matches

HERE = Path(__file__).parent
STATIC = HERE / "static"
STYLE = (STATIC / "style.css").read_bytes()
FORM_STYLE = (STATIC / "form.css").read_bytes()
FEED_STYLE = (STATIC / "feed.css").read_bytes()
COPY = (STATIC / "copy.js").read_bytes()
ZONE = (STATIC / "zone.js").read_bytes()
FAVICON = (STATIC / "favicon.svg").read_bytes()
# The address of what pages name changes with its bytes, so it may be kept for good.
FOR_GOOD = {"cache-control": "public, max-age=31536000, immutable"}
FOR_A_DAY = {"cache-control": "public, max-age=86400"}
MAX_AGE = 60  # seconds; constant, so that no lifetime tells of a lift to come
PUBLIC = {"cache-control": f"public, max-age={MAX_AGE}, stale-while-revalidate=60"}
# A token in the address must not travel on, nor be kept, nor be found (mail:LM9, feeds:H16).
TOKEN = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow"}


def _policy(scripts: str, pictures: str = "") -> str:
    return (
        f"default-src 'self'; script-src {scripts}; {pictures}object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self'"
    )


# On every page; a page may have its own word on one of them.
SECURITY: dict[str, str] = {
    "content-security-policy": _policy("'none'"),
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
KINDS = {
    Kind.NEWS: "News",
    Kind.STATEMENT: "Statement",
    Kind.PRESS_RELEASE: "Press release",
    Kind.ADVISORY: "Advisory",
}
# Not strftime: feedgen switches the process's locale while it renders (DESIGN §5.4).
MONTHS = "January February March April May June July August September October November December".split()
_HEADING = re.compile(r"(</?)h1(?=[ >])")
# nh3 writes every attribute as name="value" with its quotes escaped, so this ends where the tag ends.
_IMAGE = re.compile(r'<img((?: [a-z]+="[^"]*")*)>')
_ALT = re.compile(r' alt="([^"]*)"')


class Pages:
    """Renders the templates for one site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._prefix = urlsplit(site.base_url).path
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        scripts = {"copy.js": COPY, "zone.js": ZONE}
        self._scripts = {name: self._static(name, body) for name, body in scripts.items()}
        self._icons = _origins(site)
        self._templates.globals.update(
            site=site, path=self.path, style=self._static("style.css", STYLE), formats=list(Format)
        )
        self._templates.globals.update(form_style=self._static("form.css", FORM_STYLE))
        self._templates.globals.update(stand=self.stand, shown=self.shown, script=None, banner=None)
        self._templates.globals.update(types=MEDIA_TYPES, format_titles=FORMAT_TITLES, kinds=KINDS)
        self._templates.filters.update(
            article=self.article, instant=self.instant, day=self.day, mailto=mailto, tel=tel, web=web_address
        )
        self._templates.filters.update(size=size, host=host, bare_type=bare_type, place=place)

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] = PUBLIC,
        script: str | None = None,
        **values: Any,
    ) -> Response:
        """A page, with a script of ours if it names one; 304 to a client that has these very bytes."""
        if script or self._icons:
            policy = _policy("'self'" if script else "'none'", self._icons)
            headers = {**headers, "content-security-policy": policy}
        if script:
            values["script"] = self._scripts[script]
        body = self.html(template, **values)
        if status != 200 or headers["cache-control"] == "no-store":
            return Response(body, status, headers, media_type="text/html")
        return unless_known(request, body, headers, "text/html; charset=utf-8")

    def html(self, template: str, **values: Any) -> bytes:
        """The bytes of a page."""
        return self._templates.get_template(template).render(**values).encode("utf-8", "replace")

    def path(self, path: str) -> str:
        """A path on this site as a link within it: relative to the host one has come by."""
        return self._prefix + path

    def shown(self, medium: Medium) -> bool:
        """Whether a page shows it: a picture, and served by us, for a page loads nothing from elsewhere."""
        own = (web_address(medium.url) or "").startswith(f"{self.site.base_url}/")
        return own and medium.type.lower().startswith("image/")

    def _static(self, name: str, body: bytes) -> str:
        return self.path(f"/static/{name}?v={hashlib.sha256(body).hexdigest()[:12]}")

    def instant(self, moment: datetime) -> Markup:
        """Day and time in the site's zone for people, UTC for machines."""
        local = in_zone(moment, self.site.zone)
        return _time(moment, f"{_day(local)}, {local:%H:%M} {local.tzname()}")

    def day(self, moment: datetime) -> Markup:
        """The day in the site's zone."""
        return _time(moment, _day(in_zone(moment, self.site.zone)))

    def stand(self, topic: str, title: str) -> str:
        """What a feed is called in a reader's list; distinct for each topic (P28)."""
        return self.site.title if topic == "all" else f"{self.site.title}: {title}"

    def article(self, body: str) -> Markup:
        """An item's HTML, fit to stand in a page: the one place where HTML is handed through (H3).

        It was cleaned when it came in; the allow-list is applied again, whatever the store holds.
        Pictures from other hosts keep their description only, since a page loads nothing from there.
        A page has one h1, and it is ours.
        """
        own = f"{self.site.base_url}/"

        def keep(tag: str, attribute: str, value: str) -> str | None:
            return None if (tag, attribute) == ("img", "src") and not value.startswith(own) else value

        cleaned = nh3.clean(
            clean(body, own),
            tags=set(TAGS),
            attributes=ATTRIBUTES,
            attribute_filter=keep,
            url_schemes=SCHEMES,
            link_rel=None,
        )
        safe = first_lines(cleaned)
        return Markup(_IMAGE.sub(_described, _HEADING.sub(r"\1h2", safe)))  # noqa: S704 - cleaned right above


def unless_known(request: Request, body: bytes, headers: Mapping[str, str], kind: str) -> Response:
    """The body with its tag, or 304 where If-None-Match names it."""
    opaque = hashlib.sha256(body).hexdigest()[:32]
    tagged = {**headers, "etag": f'"{opaque}"'}
    tags = ",".join(request.headers.getlist("if-none-match")).encode("latin-1")
    if tags and tag_matches(opaque.encode(), tags):
        return Response(status_code=304, headers=tagged)
    return Response(body, 200, {**tagged, "content-type": kind})


def mailto(address: str) -> str | None:
    """A link to write to, if this is an address."""
    bare = address.strip()
    return f"mailto:{quote(bare, safe='@+')}" if re.fullmatch(r"[^\s<>@]+@[^\s<>@]+", bare) else None


def tel(number: str) -> str | None:
    """A link to call (RFC 3966), if this is a number."""
    figures = re.sub(r"\(0\)|[^\d+]", "", number)
    return f"tel:{figures}" if re.fullmatch(r"\+?\d{3,}", figures) else None


def size(length: int) -> str:
    """A length in bytes as people read it."""
    if length < 1000:
        return f"{length} bytes"
    return f"{length / 1000:.0f} kB" if length < 999_500 else f"{length / 1_000_000:.1f} MB"


def host(url: str) -> str:
    """Where a link leads."""
    return urlsplit(url).hostname or url


def place(zone: str) -> str:
    """An IANA zone as people call it: "London" for Europe/London."""
    return zone.rpartition("/")[2].replace("_", " ")


def bare_type(kind: str) -> str:
    """A media type without its parameters, as autodiscovery wants it (P28)."""
    return kind.partition(";")[0]


def _origins(site: Site) -> str:
    """Where icons may come from, as a policy says it: the operator's own choice, and nobody else's."""
    named = {urlsplit(url) for url in (site.favicon, site.icon) if web_address(url)}
    hosts = {f"{url.scheme}://{url.netloc}" for url in named} - {
        "{0.scheme}://{0.netloc}".format(urlsplit(site.base_url))
    }
    safe = sorted(host for host in hosts if re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", host))
    return f"img-src 'self' {' '.join(safe)}; " if safe else ""


def _described(image: re.Match[str]) -> str:
    """A picture we do not load, as its description; browsers would show a broken one."""
    if ' src="' in image[1]:
        return image[0]
    alt = _ALT.search(image[1])
    return str(Markup('<span class="absent">{}</span>').format(html.unescape(alt[1]))) if alt else ""


def _day(local: datetime) -> str:
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def _time(moment: datetime, words: str) -> Markup:
    utc = moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}">{}</time>').format(utc, words)
