"""Upstreams: feeds we read, and what a person or the config file says about them (walk A).

*Own* is our CMS: its pages are canonical. *Foreign* is a partner: credited by `atom:source`. What an
incoming item means is in `model.incoming`, how it is filed in `model.routing`, when its feed is asked
again in `model.cadence`.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote, unquote, urlsplit

from syndicator.errors import Invalid
from syndicator.model.item import Kind, Significance
from syndicator.model.routing import Route

# Identities and uids are keys: PostgreSQL refuses index rows above 2,704 bytes, four per character.
LONGEST_KEY = 600
CONFIRM_ABOVE = 25  # items that would be pushed by one poll without a person's yes
LONGEST_ADDRESS = 2_000  # characters
HOST_AND_PATH = re.compile(r"[^\W_][\w-]*(?:\.[\w-]+)+(?::\d+)?(?:[/?]\S*)?")
FOLDER = "file:"  # what the address of a folder of Markdown files begins with


class Relation(StrEnum):
    """Whose feed it is."""

    OWN = "own"
    FOREIGN = "foreign"


class OnGone(StrEnum):
    """What becomes of an item that its own CMS has taken down: gone from the feed, and its page twice 404 or 410."""

    ASK = "ask"  # a person is shown it
    WITHDRAW = "withdraw"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A feed we read, how its items are filed, and whether they may be pushed.

    `push_max_age` bounds what may be mailed when it enters a topic; `on_change` is the significance
    of a changed item; `hold` is quarantine: every item waits for a person, `delay` another one: every
    item waits so long. `every` is how often it is asked, where a person says so (None: as its feed
    wishes). `rules` route single items. More than `confirm_above` items that would be pushed at once
    wait for a yes. `on_gone` is about items of an own upstream alone. Without `full_text` its items keep
    title, summary and link (feeds:I28). `allow_private` lists address ranges the guard allows for it.
    """

    id: int
    slug: str
    url: str
    relation: Relation = Relation.FOREIGN
    topics: tuple[str, ...] = ()
    kind: Kind = Kind.NEWS
    push: bool = True
    push_max_age: timedelta = timedelta(hours=24)
    on_change: Significance = Significance.SILENT
    hold: bool = False
    delay: timedelta = timedelta()
    every: timedelta | None = None
    rules: tuple[Route, ...] = ()
    on_gone: OnGone = OnGone.ASK
    confirm_above: int = CONFIRM_ABOVE
    full_text: bool = True
    allow_private: tuple[str, ...] = ()
    paused: bool = False
    file: bool = False
    created: datetime

    @property
    def host(self) -> str:
        """The host its address names, lower case; empty for a folder. Hosts are asked one at a time (feeds:I4)."""
        return (urlsplit(self.url).hostname or "").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What the last 200 said, byte for byte, to be sent back (feeds:I1)."""

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None


def address_fault(url: str) -> str | None:
    """Why no feed is read from what should be its address on the web, in a line; None if it can be.

    It is shown, exported and credited as it stands, so it is one line and holds no password (security:S3, H2).
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "this is no web address: write it like https://host/path"
    if parts.username is not None or parts.password is not None:
        return "an address with a user name or password in it is refused: write it without them"
    if not url.isprintable() or url != url.strip() or len(url) > LONGEST_ADDRESS:
        return f"an address is one line of at most {LONGEST_ADDRESS:,} characters"
    return None if sound else f"{url!r} is no web address: start it with https://"


def over_the_web(url: str) -> str:
    """The address behind `feed:`, the scheme some programs gave to feeds.

    >>> [over_the_web(url) for url in ("feed://a.example/f", "feed:https://a.example/f")]
    ['http://a.example/f', 'https://a.example/f']
    """
    rest = url.removeprefix("feed:")
    return f"http:{rest}" if rest != url and rest.startswith("//") else rest


def pasted(text: str) -> str:
    """The web address that is meant by what somebody pastes of a site; what is none stays as it is.

    >>> [pasted(text) for text in (" www.a.example/b ", "a.example:8080", "a b", "mailto:x@a.example")]
    ['https://www.a.example/b', 'https://a.example:8080', 'a b', 'mailto:x@a.example']
    """
    url = over_the_web(text.strip())
    return f"https://{url}" if HOST_AND_PATH.fullmatch(url) else url


def is_folder(url: str) -> bool:
    """Whether an address names a folder on this machine, rather than a feed on the web."""
    return url[: len(FOLDER)].lower() == FOLDER


def folder_path(url: str) -> str:
    """The absolute folder a `file:` address names (RFC 8089); raises Invalid, saying how it is written.

    >>> folder_path("file:///srv/press%20desk/")
    '/srv/press desk'
    """
    try:
        parts = urlsplit(url)
        path = unquote(parts.path, errors="strict")
    except ValueError:  # brackets that hold no address, or bytes that are no text
        parts, path = urlsplit(FOLDER), ""
    if parts.query or parts.fragment or parts.netloc not in {"", "localhost"}:
        path = ""
    plain = posixpath.normpath(path).strip("/") if path.startswith("/") and path.isprintable() else ""
    if not plain:
        raise Invalid(f"{url!r} is no folder: write file:// and its absolute path, file:///srv/press")
    return f"/{plain}"


def folder_url(path: str) -> str:
    """The `file:` address of an absolute path.

    >>> folder_url("/srv/press desk")
    'file:///srv/press%20desk'
    """
    return f"{FOLDER}//{quote(path)}"
