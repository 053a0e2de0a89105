"""One HTTP exchange without the socket: what may be asked, where a redirect leads, what comes back.

The pure part that both clients share: limits, headers, targets, redirects, inflating and the words of
faults (`delivery-and-security` §3, S3-S7). What a status means is the caller's to judge.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import httpx

from syndicator.errors import Blocked, Invalid, Misled, NoAnswer, TooLarge, Unreachable, WireFault
from syndicator.observe import logger
from syndicator.wire.guard import check_host, closed_port

Headers = Mapping[str, str]

MAX_REDIRECTS = 5  # whatever a caller asks for (S4)
DIAL_SECONDS = 5.0  # for one of several addresses: a dead first one must leave time for the second
KEEP_ALIVE_SECONDS = 5.0  # longer, and servers hang up under our next request
# Codings that change the bytes (IANA's registry). Some servers name a charset in that place, or "none".
_CODINGS = frozenset(
    "aes128gcm br compress dcb dcz deflate exi gzip pack200-gzip x-compress x-gzip zstd".split()
)
GZIP_FRAMING = 65_536  # bytes that gzip may add to what does not shrink

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2 token
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
_OURS = frozenset(
    "host connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    "transfer-encoding upgrade content-length accept-encoding expect".split()
)
# What may follow a redirect to another origin. An allow-list: secrets travel in headers of any name.
_HARMLESS = frozenset("accept accept-encoding accept-language user-agent content-type".split())
# Validators belong to where they came from: they follow only what moved for good (feeds:I2).
_CONDITIONS = frozenset({"if-none-match", "if-modified-since"})
_PERMANENT = frozenset({301, 308})
_GET_FOLLOWS = frozenset({301, 302, 303, 307, 308})
_POST_FOLLOWS = frozenset({307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one exchange may cost; raises Invalid where none could keep to it.

    `max_bytes` of body after inflation; `deadline` of wall clock for everything, look-up, redirects and
    body included (S6); `redirects` to follow, at most 5. `status_only` is for those who want no body
    (webhooks, pings): it is cut at `max_bytes`, and trouble after the headers is no error.
    """

    max_bytes: int = 5_000_000
    deadline: timedelta = timedelta(seconds=15)
    redirects: int = 0
    status_only: bool = False

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or self.deadline <= timedelta() or not 0 <= self.redirects <= MAX_REDIRECTS:
            raise Invalid(f"limits need a byte, some time and 0 to {MAX_REDIRECTS} redirects; got {self}")


USUAL = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back, any status. Header names are lower case; `url` is the one that answered.

    `moves` are the statuses of the redirects that were followed on the way to it.
    """

    status: int
    headers: Headers
    body: bytes
    url: str
    moves: tuple[int, ...] = ()

    @property
    def permanent(self) -> bool:
        """Whether redirects were followed and each said 301 or 308: moved for good (RFC 9110 §15.4)."""
        return bool(self.moves) and _PERMANENT.issuperset(self.moves)


class Walk:
    """The course of one exchange: `request` is what is to be asked next; its host is named in every fault."""

    def __init__(self, method: str, url: str, headers: Headers, body: bytes | None, limits: Limits) -> None:
        self._limits = limits
        self._moves: tuple[int, ...] = ()
        self.request = httpx.Request(method, _target(url), headers=dict(headers), content=body)
        self._asked = self.host

    @property
    def host(self) -> str:
        """Whom `request` is for."""
        return _host(self.request.url)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Turn what goes wrong between here and `host` into our faults; of a refusal it says what led to it."""
        try:
            with _translated(self.host):
                yield
        except Misled:
            raise
        except Blocked as fault:
            if not self._moves:
                raise
            raise Misled(f"{self._asked} redirects to where we do not go: {fault}") from fault

    def leads_on(self, response: httpx.Response) -> bool:
        """Whether this answer sends us elsewhere, which is then in `request`; raises Blocked if it may not."""
        follows = _GET_FOLLOWS if self.request.method == "GET" else _POST_FOLLOWS
        location = response.headers.get("location")
        if not self._limits.redirects or location is None or response.status_code not in follows:
            return False
        if len(self._moves) == self._limits.redirects:
            raise Misled(f"{self.host} redirects more than {len(self._moves)} times; use its final address")
        self._moves += (response.status_code,)
        self.request = _redirected(self.request, location, lasting=response.status_code in _PERMANENT)
        return True

    @contextmanager
    def intake(self, response: httpx.Response) -> Iterator[Intake]:
        """Where the body of this answer goes, for as long as it is read; raises what `Intake` does."""
        intake = Intake(
            self.host, response.headers.get("content-encoding", "identity"), self._limits.max_bytes
        )
        try:
            try:
                yield intake
            except httpx.RemoteProtocolError as fault:
                raise intake.cut_off(response.headers.get("content-length")) from fault
            intake.end()
        except (WireFault, httpx.TransportError):
            if not self._limits.status_only:
                raise

    def reply(self, response: httpx.Response, intake: Intake) -> Reply:
        """What the last answer amounts to."""
        url, headers = str(self.request.url), _joined(response.headers.multi_items())
        return Reply(
            status=response.status_code, headers=headers, body=intake.plain, url=url, moves=self._moves
        )


class Intake:
    """A body as it comes in, inflated, and never more of it than `most` bytes (S6)."""

    def __init__(self, host: str, coding: str, most: int) -> None:
        self._host = host
        self._coding = _coding(coding)
        self._most = most
        self._member = zlib.decompressobj(wbits=31)
        self._coded = 0
        self._plain = bytearray()

    @property
    def plain(self) -> bytes:
        """What came so far, cut where more of it came than was allowed."""
        return bytes(self._plain[: self._most])

    def cut_off(self, announced: str | None) -> NoAnswer:
        """The fault of a body that was not sent as it was announced."""
        if announced is None:
            return NoAnswer(f"{self._host} broke off amid its answer, after {self._coded} bytes")
        return NoAnswer(
            f"{self._host} sent {self._coded} bytes and broke off; its Content-Length says {announced}"
        )

    def take(self, piece: bytes) -> None:
        """Add what was read; raises TooLarge, and NoAnswer for what cannot be inflated."""
        if self._coding not in {"identity", "gzip", "x-gzip"}:
            raise NoAnswer(
                f"{self._host} answered in the coding {self._coding[:20]!r}; only gzip was asked for"
            )
        self._coded += len(piece)
        try:  # one byte more than there is room for is enough to know that it is too much
            self._plain += piece if self._coding == "identity" else self._inflated(piece)
        except zlib.error as fault:
            raise NoAnswer(f"{self._host} answered with broken gzip") from fault
        # The latter: empty blocks without end.
        if len(self._plain) > self._most or self._coded > self._most + GZIP_FRAMING:
            raise TooLarge(f"{self._host} answered with more than {self._most} bytes; reading stopped there")

    def end(self) -> None:
        """Say that nothing more comes; raises NoAnswer where half a body was sent for a whole one."""
        whole = self._member.eof and self._member.unused_data[:2] != b"\x1f\x8b"
        if self._coded and self._coding != "identity" and not whole:
            raise NoAnswer(f"{self._host} answered with gzip that is cut off or in several parts")

    def _inflated(self, piece: bytes) -> bytes:
        return self._member.decompress(piece, self._most + 1 - len(self._plain))


def _coding(named: str) -> str:
    """What a Content-Encoding amounts to: of its names those that are no coding change nothing."""
    names = (name.strip().lower() for name in named.split(","))
    return ", ".join(name for name in names if name in _CODINGS) or "identity"


def checked(headers: Headers) -> dict[str, str]:
    """These headers with lower-case names; raises Invalid for what no header may hold or a caller may not set."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            # The value may be a secret: name the header, never show it.
            raise Invalid(f"header {name!r} has a line break or another character that headers cannot carry")
        if name.lower() in _OURS:
            raise Invalid(f"header {name!r} is set by the connection itself; leave it away")
    return {name.lower(): value for name, value in headers.items()}


def own_headers(user_agent: str) -> dict[str, str]:
    """What every request carries; raises Invalid for a name that is no header."""
    return checked({"user-agent": user_agent, "accept": "*/*"}) | {"accept-encoding": "gzip"}


@contextmanager
def _translated(host: str) -> Iterator[None]:
    """Turn httpx's faults into ours, in words that name `host` and nothing of the address behind it."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as fault:
        # S7: only our log is told whether the name, the port or the patience was missing.
        cause = fault.__cause__.args[0] if fault.__cause__ else fault
        logger("wire").info("no connection", host=host, cause=repr(cause))
        if isinstance(cause, ssl.SSLError):
            raise Unreachable(f"no secure connection to {host} came about; check its certificate") from fault
        raise Unreachable(f"no connection to {host}; check the name and whether it is up") from fault
    except httpx.TimeoutException as fault:
        raise NoAnswer(f"{host} did not answer in time; it may have got the request") from fault
    except httpx.TransportError as fault:
        raise NoAnswer(f"{host} hung up or answered in broken HTTP; it may have got the request") from fault


@contextmanager
def mapped(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Turn a socket's faults into these two, which httpcore understands."""
    try:
        yield
    except TimeoutError as fault:
        raise late(fault) from fault
    except OSError as fault:
        raise broken(fault) from fault


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side closed, or spoke unasked: what the pool wants to know of a kept connection."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


@lru_cache(maxsize=1)
def authorities() -> ssl.SSLContext:
    """The usual authorities, whatever the environment says (S3)."""
    # Loading them takes tens of milliseconds: once, not once per destination.
    return httpx.create_ssl_context(trust_env=False)


def _joined(lines: Sequence[tuple[str, str]]) -> dict[str, str]:
    # dict(httpx.Headers) takes seconds for what a server can write into 100 kB: it looks all lines up for each.
    joined: dict[str, list[str]] = {}
    for name, value in lines:
        joined.setdefault(name, []).append(value)
    return {name: ", ".join(values) for name, values in joined.items()}


def _target(url: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        parsed = base.join(url) if base else httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as fault:
        raise Blocked("this is no web address; write it like https://host/path") from fault
    if parsed.scheme not in {"http", "https"}:
        raise Blocked("only http and https are spoken; write the address like https://host/path")
    if parsed.userinfo:
        raise Blocked("an address with a user name or password in it is refused; write it without them")
    if parsed.port is not None and not 0 < parsed.port < 65_536:  # httpcore takes 0 for the usual port
        raise Blocked(closed_port(parsed.port))
    check_host(_host(parsed))
    return parsed.copy_with(fragment=None)


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")  # `url.host` fails on an xn-- label that decodes to nothing


def _redirected(request: httpx.Request, location: str, *, lasting: bool) -> httpx.Request:
    here, there = request.url, _target(location, request.url)
    if here.scheme == "https" and there.scheme == "http":
        raise Misled(f"{_host(here)} redirects from https down to http; use an https address")
    same = (here.scheme, here.raw_host, here.port) == (there.scheme, there.raw_host, there.port)
    kept = {
        name: value
        for name, value in request.headers.items()
        if (lasting if name in _CONDITIONS else same or name in _HARMLESS)
    }
    return httpx.Request(request.method, there, headers=kept, content=request.content)
