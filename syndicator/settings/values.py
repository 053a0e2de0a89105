"""What a key may hold: how a value is written in TOML or in the environment, and what it becomes.

A `Value` reads what was typed, or raises Invalid with what to write instead; it also says itself in
words (docs/settings.md) and as JSON Schema (`config schema`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit
from zoneinfo import available_timezones

from syndicator.errors import Faulty, Invalid
from syndicator.model.audience import Address, address, webhook_url
from syndicator.model.item import SLUG
from syndicator.model.markup import one_line
from syndicator.model.release import zone_named
from syndicator.model.routing import route_from
from syndicator.model.schedule import checked_cron, checked_interval, duration, duration_text
from syndicator.model.upstream import folder_path, folder_url, is_folder
from syndicator.settings import secrets

SHAPES: dict[type, str] = {
    str: "text in quotes",
    int: "a whole number",
    bool: "true or false",
    list: "a list in brackets",
    dict: "a table",
}


class Sender(NamedTuple):
    """Whom mail comes from: a display name, possibly empty, and an address."""

    name: str
    address: Address

    def __str__(self) -> str:
        return f"{self.name} <{self.address.typed}>" if self.name else self.address.typed


class Listen(NamedTuple):
    """An address and port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One sort of value: `words` for people, the TOML `shape`, its JSON Schema, and how it is read."""

    words: str
    shape: type = str
    schema: Mapping[str, Any]
    read: Callable[[Any], Any]

    def parse(self, raw: object) -> Any:
        """What a TOML value means; raises Invalid with what to write."""
        if type(raw) is not self.shape:  # not isinstance: True is no number
            raise Invalid(f"must be {SHAPES[self.shape]}, not {_shape_of(raw)}")
        return self.read(raw)

    def from_text(self, text: str) -> object:
        """The TOML value a text in the environment stands for: numbers, true and false, lists by comma."""
        if self.shape is list:
            return [part.strip() for part in text.split(",") if part.strip()]
        if self.shape is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if self.shape is int and re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
            return int(text)
        if self.shape is not str:
            raise Invalid(f"{text!r} is not {SHAPES[self.shape]}")
        return text


def shown(value: object) -> str:
    """A value as `config show` prints it: secrets hidden, durations as they are written."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case timedelta():
            return duration_text(value)
        case Sender() | Listen():
            return str(value)
        case tuple():
            return ", ".join(map(shown, value))
        case _:
            return str(value)


def nearest(word: str, known: Collection[str], ask: str = "use one of") -> str:
    """The end of a sentence about an unknown word: the one that was meant, or a short list of all."""
    spelled = {name.casefold(): name for name in sorted(known)}
    if close := difflib.get_close_matches(word.casefold(), spelled, n=1, cutoff=0.6):
        return f'; did you mean "{spelled[close[0]]}"?'
    return f"; {ask} {', '.join(sorted(known))}" if 0 < len(known) <= 12 else ""


def text(words: str = "text", *, required: bool = False) -> Value:
    """One line of text."""

    def read(raw: str) -> str:
        if required and not raw.strip():
            raise Invalid("is empty; write a text")
        return one_line(raw, "the value") if raw else raw

    return Value(words=words, schema={"type": "string"} | ({"minLength": 1} if required else {}), read=read)


def number(low: int, high: int) -> Value:
    """A whole number from `low` to `high`."""

    def read(raw: int) -> int:
        if not low <= raw <= high:
            raise Invalid(f"{raw} is out of range: write {low} to {high}")
        return raw

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Value(words=f"number, {low} to {high}", shape=int, schema=schema, read=read)


def choice(options: Iterable[StrEnum], what: str) -> Value:
    """One of a closed set of words; `what` names the set in a fault."""
    known = {str(option): option for option in options}

    def read(raw: str) -> StrEnum:
        if raw not in known:
            raise Invalid(f'unknown {what} "{raw}"{nearest(raw, known)}')
        return known[raw]

    return Value(words=" or ".join(f"`{name}`" for name in known), schema={"enum": list(known)}, read=read)


def span(low: timedelta) -> Value:
    """A duration such as 10m, no shorter than `low`."""

    def read(raw: str) -> timedelta:
        if (length := duration(raw)) < low:
            raise Invalid(f"{raw} is too short: write {duration_text(low)} or more")
        return length

    schema = {"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$"}
    least = f"; at least `{duration_text(low)}`" if low > timedelta(seconds=1) else ""
    return Value(words=f"duration: `6s`, `10m`, `2h`, `1d`{least}", schema=schema, read=read)


def several(one: Value, words: str, *, called: str = "") -> Value:
    """A list of values of one sort; in the environment separated by commas. Faulty names each fault.

    `called` is for values that do not name themselves in a fault: the message begins with it and a number.
    """

    def read(raw: list[object]) -> tuple[Any, ...]:
        good, faults = [], []
        for number, part in enumerate(raw, 1):
            try:
                good.append(one.parse(part))
            except Invalid as fault:
                faults.append(f"{called} {number}: {fault}" if called else str(fault))
        if faults:
            raise Faulty(faults)
        return tuple(good)

    return Value(words=words, shape=list, schema={"type": "array", "items": dict(one.schema)}, read=read)


def checked(words: str, check: Callable[[str], Any], **schema: Any) -> Value:
    """Text that `check` reads, or refuses with Invalid."""
    return Value(words=words, schema={"type": "string"} | schema, read=check)


def _zone(raw: str) -> str:
    try:
        return zone_named(raw).key
    except Invalid:
        raise Invalid(f'unknown time zone "{raw}"{nearest(raw, available_timezones())}') from None


def _zone_or_site(raw: str) -> str:
    return raw and _zone(raw)


def _slug(raw: str) -> str:
    if not SLUG.fullmatch(raw):
        raise Invalid(f'"{raw}" is no slug: use 1 to 64 of a-z, 0-9 and hyphen')
    return raw


def _language(raw: str) -> str:
    # RFC 5646 §2.1, as far as a newsroom meets it: en, en-GB, zh-Hant-TW.
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", raw):
        raise Invalid(f'"{raw}" is no language tag: write en, en-GB or another tag of RFC 5646')
    return raw


def _web_address(raw: str) -> SplitResult:
    parts = _split(raw)
    if parts is None or parts.scheme not in ("http", "https") or re.search(r"[\s\x00-\x1f\x7f]", raw):
        shown = "" if "@" in raw else f'"{raw}" '  # what stands before an @ may be a password
        raise Invalid(f"{shown}is no absolute web address: write https://host/path")
    if "@" in parts.netloc:
        raise Invalid("a web address must not hold a user or password")
    return parts


def _split(raw: str) -> SplitResult | None:
    try:
        parts = urlsplit(raw)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _base_url(raw: str) -> str:
    parts = _web_address(raw)
    if "?" in raw or "#" in raw:
        raise Invalid(f'"{raw}" must end with host or path: leave out everything from ? or # on')
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _url(raw: str) -> str:
    _web_address(raw)
    return webhook_url(raw)


def _feed_or_folder(raw: str) -> str:
    if raw.startswith("/"):
        raise Invalid(f'"{raw}" is a path: for a folder of Markdown files write it as {folder_url(raw)}')
    return folder_url(folder_path(raw)) if is_folder(raw) else _url(raw)


def _selector(raw: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*", raw):
        raise Invalid(f"{raw!r} is no selector: use letters, digits and hyphens, such as news2026")
    return raw


def _network(raw: str) -> str:
    try:
        return str(ip_network(raw))
    except ValueError:
        raise Invalid(f'"{raw}" is no address range: write 10.0.0.0/8, 192.0.2.7 or fd00::/8') from None


def _listen(raw: str) -> Listen | None:
    host, _, port = raw.rpartition(":")
    if not raw:
        return None
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Invalid(f'"{raw}" is no place to listen: write 127.0.0.1:9464, or "" for none')
    return Listen(host.removeprefix("[").removesuffix("]"), int(port))


def _listen_here(raw: str) -> Listen | None:
    listen = _listen(raw)
    try:
        here = listen is None or listen.host == "localhost" or ip_address(listen.host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise Invalid(f'"{raw}" is not on this machine alone: write 127.0.0.1:2424')
    return listen


def _sender(raw: str) -> Sender:
    name, typed = parseaddr(one_line(raw, "the value"))
    if re.fullmatch(
        r"[A-Za-z0-9._-]+@localhost", typed
    ):  # no address of the outside world, but one may try with it
        return Sender(name, Address(typed=typed, key=typed.casefold()))
    return Sender(name, address(typed or raw))


def _mail_or_none(raw: str) -> str:
    return raw and address(raw).typed


def _destination(raw: str) -> str:
    return _url(raw) if "://" in raw else address(raw).typed


def _path(raw: str) -> str:
    if not raw.startswith("/") or raw.startswith("//") or re.search(r"[\s?#]", raw):
        raise Invalid(
            f'"{raw}" is no path of this site: begin with one slash, and leave out white space and #'
        )
    return raw


def _own(raw: str) -> str:
    path, mark, query = raw.partition("?")
    if re.search(r"[\s?#]", query) or (mark and not query):
        raise Invalid(
            f'"{raw}" is no address on this site: write a path, or a path with a query such as /?p=123'
        )
    return _path(path) + mark + query


def _target(raw: str) -> str:
    if raw.startswith("/"):
        return _own(raw)
    if "://" not in raw:
        raise Invalid(f'"{raw}" leads nowhere: write a path such as /items/a-title, or https://host/path')
    try:
        (urlsplit(raw).hostname or "").encode("idna")
    except ValueError:
        raise Invalid(f'"{raw}" names a host that no address can have') from None
    return _url(raw)


def _cron(raw: str) -> str:
    return checked_cron(raw)


def _interval(raw: str) -> str:
    checked_interval(raw)
    return raw


def _instant(raw: str) -> str:
    try:
        datetime.fromisoformat(raw)
    except ValueError:
        raise Invalid(f'"{raw}" is no instant: write 2026-03-02T09:00:00+01:00') from None
    return raw


def _shape_of(raw: object) -> str:
    names: Iterable[tuple[type, str]] = SHAPES.items()
    return next((name for shape, name in names if type(raw) is shape), f"a {type(raw).__name__}")


TEXT = text()
NAME = text(required=True)
ZONE = checked("IANA time zone", _zone)
ZONE_OR_SITE = checked("IANA time zone", _zone_or_site)
SLUGGED = checked("slug: a-z, 0-9, hyphen", _slug, pattern="^[a-z0-9-]{1,64}$")
LANGUAGE = checked("language tag", _language, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
BASE_URL = checked("web address", _base_url, pattern="^https?://[^?#]+$")
URL = checked("web address", _url, pattern="^https?://")
FEED = checked("web address, or file:// and a folder", _feed_or_folder, pattern="^(https?|file)://")
URL_OR_NONE = checked("web address", lambda text: _url(text) if text else "")
DATABASE = checked(
    "database address; its password is hidden",
    secrets.database,
    pattern="^(sqlite|postgresql)(\\+[a-z0-9]+)?://",
)
SIGNING_KEY = checked("secret", secrets.signing_key, minLength=secrets.SECRET_KEY_MIN)
WEBHOOK_SECRET = checked("secret", secrets.webhook_secret)
PASSWORD = checked("secret", secrets.password)
NETWORK = checked("address range", _network)
LISTEN = checked("host:port, or empty for none", _listen)
LISTEN_HERE = checked("host:port on this machine, or empty for none", _listen_here)
SENDER = checked("mail address, with or without a name", _sender)
MAIL = checked("mail address", _mail_or_none)
MAILS = several(MAIL, "list of mail addresses")
SELECTOR = checked("DNS name", _selector, pattern="^[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$")
CURVE_KEY = checked("public key, in base64", secrets.curve_key)
PRIVATE_KEY = checked("private key in PEM", secrets.private_key)
FORMER = checked("path, or path with a query", _own, pattern="^/")
DESTINATION = checked("web address, or mail address", _destination)
TARGET = checked("path or web address", _target, pattern="^(/|https?://)")
CRON = checked("cron line", _cron)
INTERVAL = checked("duration: `6s`, `10m`, `2h`, `1d`", _interval, pattern="^[0-9]{1,9}(ms|s|m|h|d)$")
INSTANT = checked("instant: RFC 3339, or wall time in the schedule's zone", _instant)
FLAG = Value(words="`true` or `false`", shape=bool, schema={"type": "boolean"}, read=bool)
SLUGS = several(SLUGGED, "list of slugs")
NETWORKS = several(NETWORK, "list of address ranges")
URLS = several(URL, "list of web addresses")
_ROUTE = Value(words="table", shape=dict, schema={"type": "object"}, read=route_from)
ROUTES = several(_ROUTE, "list of tables", called="rule")
