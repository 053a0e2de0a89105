"""What a look at a document can find, and the small rules that all formats share: addresses, dates, languages.

A rule answers with words about what is wrong, or with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urlsplit

from syndicator.model.site import Format

LONG_TITLE = 200  # characters; readers cut at 60 to 150
LARGE_DOCUMENT, LARGE_ITEM = 2_000_000, 1_000_000  # bytes; Google takes no more (feeds:P24)
SKEW = timedelta(seconds=2)  # between our clock and that of whoever stored the document
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}|[a-z]{4,8})(?:-[a-z0-9]{1,8})*", re.IGNORECASE
)  # RFC 5646 §2.1, its shape
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_RFC822 = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d{1,2} "
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d(?::\d\d)? (?:[+-]\d{4}|GMT|UT)"
)
_IRI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s<>\"]+", re.IGNORECASE)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Level(StrEnum):
    """How bad it is: readers or validators refuse it, or some of them stumble."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: with which item (its uid; empty: the document), what, and what to do."""

    level: Level
    where: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A document as it is, or would be, served at `url` at the instant `now`.

    `gzip` and `etag` are what is stored beside the body, None where there is nothing; `live_url` is the
    feed's own address where the document is one of its archive pages.
    """

    body: bytes
    format: Format
    url: str
    now: datetime
    gzip: bytes | None = None
    etag: str | None = None
    live_url: str = ""

    @property
    def archived(self) -> bool:
        """Whether it is a closed page of an archive."""
        return self.live_url not in ("", self.url)


def elsewhere(served: Served, what: str) -> Problem:
    """A document that says another address than it is served at; a closed page may, after the site has moved."""
    if served.archived:
        return warning("", what, "closed pages keep their address: let the former one answer with redirects")
    return error("", what, "check site.base_url")


def error(where: str, what: str, advice: str) -> Problem:
    """Something readers or validators refuse."""
    return Problem(Level.ERROR, where, what, advice)


def warning(where: str, what: str, advice: str) -> Problem:
    """Something some readers stumble over."""
    return Problem(Level.WARNING, where, what, advice)


def address(
    where: str, name: str, url: str, *, mail: bool = False, spelling: Level = Level.ERROR
) -> Iterator[Problem]:
    """An address that leads somewhere from anywhere: absolute, http or https (`mail`: or mailto, tel).

    `spelling` is how bad blanks and the like are: browsers mend them in HTML, nobody does elsewhere.
    """
    advice = "write it in full, with https:// and the host"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        yield error(where, f"{name} is no address: {_cut(url)}", advice)
        return
    if parts.scheme in ("javascript", "vbscript", "data"):
        yield error(
            where, f"{name} is a {parts.scheme}: link", "remove it: readers block it, or worse, do not"
        )
    elif mail and parts.scheme in ("mailto", "tel"):
        return
    elif not url.strip():
        yield error(where, f"{name} is empty", advice)
    elif not parts.scheme or url.startswith("//"):
        yield error(where, f"{name} is relative: {_cut(url)}", advice)
    elif parts.scheme not in ("http", "https"):
        yield warning(where, f"{name} is a {_cut(parts.scheme)}: link, which few readers open", advice)
    elif not host:
        yield error(where, f"{name} is no address: {_cut(url)}", advice)
    elif re.search(r"[\s<>\"{}|\\^`]", url):
        yield Problem(spelling, where, f"{name} is misspelt: {_cut(url)}", "write a blank as %20, and so on")


def identifier(where: str, name: str, text: str | None) -> Iterator[Problem]:
    """A permanent id: an absolute IRI (RFC 4287 §4.2.6)."""
    if not text:
        yield error(where, f"it has no {name}", "every feed and item needs one that never changes")
    elif not _IRI.fullmatch(text):
        yield error(where, f"its {name} is no absolute IRI: {_cut(text)}", "mint a tag: or urn:uuid: id")


def rfc3339(where: str, name: str, text: str, now: datetime) -> Iterator[Problem]:
    """A date as Atom and JSON Feed write it, with offset, not in the future."""
    if not _RFC3339.fullmatch(text):
        yield error(where, f"{name} is no RFC 3339 date: {_cut(text)}", "write it like 2026-03-01T09:00:00Z")
        return
    yield from _moment(where, name, text, datetime.fromisoformat, now)


def rfc822(where: str, name: str, text: str, now: datetime) -> Iterator[Problem]:
    """A date as RSS writes it, with a year of four digits and an offset, not in the future."""
    if not _RFC822.fullmatch(text):
        advice = "write it like Sun, 01 Mar 2026 09:00:00 +0000"
        yield error(where, f"{name} is no RFC 822 date with a four-digit year: {_cut(text)}", advice)
        return
    yield from _moment(where, name, text, parsedate_to_datetime, now)
    if "," in text:
        yield from _weekday(where, name, text)


def language(where: str, name: str, text: str) -> Iterator[Problem]:
    """A language tag such as en-GB."""
    if not _LANGUAGE.fullmatch(text):
        yield error(where, f"{name} is no language tag: {_cut(text)}", "use a tag of BCP 47, like en-GB")


def title(where: str, text: str | None, *, needed: bool) -> Iterator[Problem]:
    """A title people can read in a list."""
    if text is None or not text.strip():
        if needed:
            yield warning(where, "its title is missing or empty", "give it a title: lists show nothing else")
    elif len(text) > LONG_TITLE:
        yield warning(
            where, f"its title has {len(text)} characters", f"stay below {LONG_TITLE}: readers cut it"
        )


def characters(where: str, text: str) -> Iterator[Problem]:
    """No sign XML 1.0 could not carry: other readers of the same text choke on it (feeds:P4)."""
    if bad := _FORBIDDEN.search(text):
        yield error(
            where, f"it holds U+{ord(bad[0]):04X}, which XML forbids", "remove the sign from the text"
        )


def twins(names: Iterable[str], what: str, level: Level, advice: str) -> Iterator[Problem]:
    """Values that must be the only ones of their kind, told once for each that is not."""
    counted: dict[str, int] = {}
    for name in names:
        counted[name] = counted.get(name, 0) + 1
    for name, count in counted.items():
        if count > 1:
            yield Problem(
                level, name if what == "id" else "", f"the {what} {_cut(name)} stands {count} times", advice
            )


def size(where: str, length: int, most: int) -> Iterator[Problem]:
    """No more bytes than aggregators take."""
    if length > most:
        what = f"it is {length:,} bytes long; aggregators take {most:,}"
        yield warning(where, what, "shorten texts, give summaries only, or lower feeds.window")


def whole(where: str, name: str, text: str | None, least: int = 0) -> Iterator[Problem]:
    """A whole number that is not below `least`."""
    if text is None or not text.strip().isascii() or not text.strip().isdigit() or int(text[:18]) < least:
        yield error(where, f"{name} is no whole number from {least}: {_cut(text or '')}", "give it in digits")


def _moment(
    where: str, name: str, text: str, read: Callable[[str], datetime], now: datetime
) -> Iterator[Problem]:
    try:
        moment = read(text)
        future = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) > now + SKEW  # -0000 is UTC, too
    except (ValueError, OverflowError):
        yield error(where, f"{name} is a day that never was: {_cut(text)}", "correct the date")
        return
    if future:
        yield error(
            where, f"{name} lies in the future: {_cut(text)}", "schedule a release instead of dating ahead"
        )
    elif moment.year < 1970:
        yield warning(
            where, f"{name} lies before 1970: {_cut(text)}", "check the date: many readers take it for none"
        )


def _weekday(where: str, name: str, text: str) -> Iterator[Problem]:
    try:
        day = "Mon Tue Wed Thu Fri Sat Sun".split()[parsedate_to_datetime(text).weekday()]
    except ValueError:
        return  # told already
    if not text.startswith(day):
        yield error(where, f"{name} names another weekday than its date has: {_cut(text)}", f"it is a {day}")


def _cut(text: str) -> str:
    shown = "".join(sign if sign.isprintable() else " " for sign in text[:80])
    return f"{shown}…" if len(text) > 80 else shown
