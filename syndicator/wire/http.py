"""The only door to HTTP: webhooks, feed fetches and hub pings go out through a guarded `Client`.

The guard sits at the socket: a name is resolved once, every answer is vetted, and a vetted literal is
dialled, so that no second look-up can slip another address in (`delivery-and-security` §3, S1-S7).
Synchronous, one `Client` per destination (DESIGN §5.8); serves walks A (fetch) and B (send). What a
status means is the caller's to judge.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Empty, SimpleQueue
from typing import Any

import httpcore
import httpx

from syndicator.errors import Blocked, Invalid, NoAnswer, TooLarge, Unreachable, WireFault
from syndicator.observe import logger

Address = IPv4Address | IPv6Address
Headers = Mapping[str, str]
Resolve = Callable[..., Sequence[tuple[Any, ...]]]  # called and answering like socket.getaddrinfo

MAX_REDIRECTS = 5  # whatever a caller asks for; feeds ask for 3 (S4)
DIAL_SECONDS = 5.0  # for one of several addresses: a dead first one must leave time for the second
DIAL_ADDRESSES = 8  # a name with a thousand answers must not make a scanner of us
KEEP_ALIVE_SECONDS = 5.0  # longer, and servers hang up under our next request
GZIP_FRAMING = 65_536  # bytes that gzip may add to what does not shrink

# Not the internet, whatever the running Python's `is_global` thinks of them (S2).
_CLOSED_V4 = "0.0.0.0/8 100.64.0.0/10 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 224.0.0.0/3"
_CLOSED_V6 = "2001::/23 2001:db8::/32 2002::/16 3fff::/20"  # Teredo and its kin, documentation, 6to4
_CLOSED = tuple(map(ip_network, f"{_CLOSED_V4} {_CLOSED_V6}".split()))
# IANA gives out 2000::/3 alone (RFC 4291 §2.4): NAT64, v4-compatible and local addresses lie outside.
_OPEN_V6 = IPv6Network("2000::/3")
_HOUSE = tuple(
    map(ip_network, "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7".split())
)

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2 token
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
_OURS = frozenset(
    "host connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    "transfer-encoding upgrade content-length accept-encoding expect".split()
)
# What may follow a redirect to another origin. An allow-list: secrets travel in headers of any name.
_HARMLESS = frozenset(
    "accept accept-encoding accept-language user-agent content-type if-none-match if-modified-since".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Whom we may talk to: the public internet on `ports`, and `allow` on any port (S2, S3, S9)."""

    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})

    def vet(self, address: Address) -> bool:
        """Whether this address may be dialled; a v4-mapped one is judged by what it wraps.

        >>> Guard().vet(ip_address("93.184.216.34")), Guard().vet(ip_address("::ffff:127.0.0.1"))
        (True, False)
        """
        plain = _unwrapped(address)
        return self._allows(plain) or _public(plain)

    def vet_port(self, address: Address, port: int) -> bool:
        """Whether this port of a vetted address may be dialled."""
        return 0 < port < 65_536 and (port in self.ports or self._allows(_unwrapped(address)))

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.allow)


def parse_guard(ranges: Sequence[str]) -> Guard:
    """The guard that lets these CIDR ranges and single addresses through too; raises Invalid.

    >>> parse_guard(["127.0.0.0/8"]).vet(ip_address("127.0.0.1"))
    True
    """
    try:
        return Guard(allow=tuple(map(ip_network, ranges)))
    except ValueError as fault:
        raise Invalid(f"{fault}; write an address range like 10.1.0.0/16") from fault


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back, any status. Header names are lower case; `url` is the one that answered.

    `permanent`: redirects were followed, and each said 301 or 308: moved for good (RFC 9110 §15.4).
    """

    status: int
    headers: Headers
    body: bytes
    url: str
    permanent: bool = False


class Client(AbstractContextManager["Client"]):
    """A guarded client for one destination, with one connection that is kept for five seconds.

    Threads may share it and take turns; the deadline begins with the turn. `resolve` stands in for
    `socket.getaddrinfo`, `tls` for the usual authorities. Proxies in the environment are not used (S3).
    """

    def __init__(
        self,
        guard: Guard,
        user_agent: str,
        limits: Limits = Limits(),
        *,
        resolve: Resolve = socket.getaddrinfo,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._own = _checked({"user-agent": user_agent, "accept": "*/*"}) | {"accept-encoding": "gzip"}
        self._limits = limits
        self._backend = _Backend(guard, resolve)
        self._turn = threading.Lock()
        context = tls or _authorities()
        # The transport alone, not httpx.Client: that one keeps cookies, reads .netrc and logs whole URLs.
        self._transport = httpx.HTTPTransport(verify=context, trust_env=False)
        # httpx has no public place for a backend; the tests fail should this one move.
        self._transport._pool = httpcore.ConnectionPool(  # noqa: SLF001
            ssl_context=context,
            max_connections=1,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=self._backend,
        )

    def get(self, url: str, headers: Headers | None = None) -> Reply:
        """Fetch `url`; raises Blocked, Unreachable, NoAnswer, TooLarge, and Invalid for an illegal header."""
        return self._exchange("GET", url, headers, None)

    def post(self, url: str, body: bytes, headers: Headers | None = None) -> Reply:
        """Send `body` to `url`; raises like `get`. Only 307 and 308 may repeat it, others are replies."""
        return self._exchange("POST", url, headers, body)

    def close(self) -> None:
        """Hang up; a further request would dial anew."""
        self._transport.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, method: str, url: str, headers: Headers | None, body: bytes | None) -> Reply:
        sent = self._own | _checked(headers or {})
        request = httpx.Request(method, _target(url), headers=sent, content=body)
        with self._turn:
            self._backend.ends = time.monotonic() + self._limits.deadline.total_seconds()
            return self._walk(request)

    def _walk(self, request: httpx.Request) -> Reply:
        moves: list[int] = []
        while True:
            host, url = _host(request.url), str(request.url)
            with _translated(host), closing(self._transport.handle_request(request)) as response:
                status, headers = response.status_code, dict(response.headers)
                location = _location(request, response) if self._limits.redirects else None
                if location is None:
                    body = self._body(host, response)
                    lasting = bool(moves) and {301, 308}.issuperset(moves)
                    return Reply(status=status, headers=headers, body=body, url=url, permanent=lasting)
            if len(moves) == self._limits.redirects:
                raise Blocked(f"{host} redirects more than {len(moves)} times; use its final address")
            moves.append(status)
            request = _redirected(request, location)

    def _body(self, host: str, response: httpx.Response) -> bytes:
        plain = bytearray()
        try:
            _fill(plain, host, response, self._limits.max_bytes)
        except (WireFault, httpx.TransportError):
            if not self._limits.status_only:
                raise
        return bytes(plain[: self._limits.max_bytes])


def _target(url: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        parsed = base.join(url) if base else httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as fault:
        raise Blocked("this is no web address; write it like https://host/path") from fault
    if parsed.scheme not in {"http", "https"}:
        raise Blocked("only http and https are spoken; write the address like https://host/path")
    if parsed.userinfo:
        raise Blocked("an address with a user name or password in it is refused; use a header for them")
    if parsed.port is not None and not 0 < parsed.port < 65_536:  # httpcore takes 0 for the usual port
        raise Blocked(_closed_port(parsed.port))
    _check_host(_host(parsed))
    return parsed.copy_with(fragment=None)


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")  # `url.host` fails on an xn-- label that decodes to nothing


def _check_host(host: str) -> None:
    if ":" in host and "%" not in host:
        return  # httpx let nothing but an IPv6 literal keep a colon; a zone is refused below
    labels = host.split(".")
    plain = len(host) <= 253 and all(map(_LABEL.fullmatch, labels))
    # Names that end in a number are addresses in disguise (WHATWG URL): 127.1, 0x7f.1, 2130706433.
    if not plain or (_NUMBER.fullmatch(labels[-1]) and _literal(host) is None):
        raise Blocked("the host is neither a plain name nor a plain address; write it like host.example")


def _checked(headers: Headers) -> dict[str, str]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            # The value may be a secret: name the header, never show it.
            raise Invalid(f"header {name!r} has a line break or another character that headers cannot carry")
        if name.lower() in _OURS:
            raise Invalid(f"header {name!r} is set by the connection itself; leave it away")
    return {name.lower(): value for name, value in headers.items()}


@contextmanager
def _translated(host: str) -> Iterator[None]:
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


def _location(request: httpx.Request, response: httpx.Response) -> str | None:
    followed = {301, 302, 303, 307, 308} if request.method == "GET" else {307, 308}
    return response.headers.get("location") if response.status_code in followed else None


def _redirected(request: httpx.Request, location: str) -> httpx.Request:
    here, there = request.url, _target(location, request.url)
    if here.scheme == "https" and there.scheme == "http":
        raise Blocked(f"{_host(here)} redirects from https down to http; use an https address")
    same = (here.scheme, here.raw_host, here.port) == (there.scheme, there.raw_host, there.port)
    kept = {name: value for name, value in request.headers.items() if same or name in _HARMLESS}
    return httpx.Request(request.method, there, headers=kept, content=request.content)


def _fill(plain: bytearray, host: str, response: httpx.Response, most: int) -> None:
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    member = zlib.decompressobj(wbits=31)
    coded = 0
    for piece in response.iter_raw():
        if coding not in {"identity", "gzip", "x-gzip"}:
            raise NoAnswer(f"{host} answered in the coding {coding[:20]!r}; only gzip was asked for")
        coded += len(piece)
        try:  # one byte more than there is room for is enough to know that it is too much
            plain += piece if coding == "identity" else member.decompress(piece, most + 1 - len(plain))
        except zlib.error as fault:
            raise NoAnswer(f"{host} answered with broken gzip") from fault
        if len(plain) > most or coded > most + GZIP_FRAMING:  # the latter: empty blocks without end
            raise TooLarge(f"{host} answered with more than {most} bytes; reading stopped there")
    if coded and coding != "identity" and (not member.eof or member.unused_data[:2] == b"\x1f\x8b"):
        raise NoAnswer(f"{host} answered with gzip that is cut off or in several parts")


class _Backend(httpcore.NetworkBackend):
    """Where every connection begins and the guard stands (S2); it also keeps the time (S6)."""

    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve
        self.ends = 0.0

    def left(self) -> float:
        """Seconds left; raises TimeoutError if none (0 would tell a socket not to wait at all)."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline")
        return left

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        if not self._guard.allow and port not in self._guard.ports:
            raise Blocked(_closed_port(port))
        with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            literal = _literal(host)
            addresses = [_unwrapped(address) for address in ([literal] if literal else self._look_up(host))]
            for address in addresses:
                if not self._guard.vet(address):
                    raise Blocked(_closed_address(host, address))
                if not self._guard.vet_port(address, port):
                    raise Blocked(_closed_port(port))
            return _Stream(self._dial(addresses[:DIAL_ADDRESSES], port), self)

    def _look_up(self, host: str) -> list[Address]:
        # getaddrinfo knows no timeout and can take minutes: ask in a thread that may outlive the exchange.
        box: SimpleQueue[Sequence[tuple[Any, ...]] | Exception] = SimpleQueue()

        def ask() -> None:
            try:
                box.put(self._resolve(host, None, type=socket.SOCK_STREAM))
            except Exception as fault:  # noqa: BLE001 - raised again in the thread that waits
                box.put(fault)

        threading.Thread(target=ask, name="look-up", daemon=True).start()
        try:
            answers = box.get(timeout=self.left())
        except Empty:
            raise TimeoutError("look-up") from None
        if isinstance(answers, Exception):
            raise answers
        return [ip_address(answer[4][0]) for answer in answers]

    def _dial(self, addresses: Sequence[Address], port: int) -> socket.socket:
        fault = OSError("the name has no address")
        for address in addresses:
            try:
                patience = min(DIAL_SECONDS, self.left())
                dialled = socket.create_connection((str(address), port), timeout=patience)
            except OSError as refused:
                fault = refused
            else:
                dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return dialled
        raise fault


class _Stream(httpcore.NetworkStream):
    """A socket whose waits are clipped to what is left; httpcore's own starts anew with each partial send."""

    def __init__(self, dialled: socket.socket, backend: _Backend) -> None:
        self._socket = dialled
        self._backend = backend

    def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        with _mapped(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._backend.left())
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        rest = memoryview(buffer)
        with _mapped(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(self._backend.left())
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        try:
            with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._socket.settimeout(self._backend.left())
                secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
                return _Stream(secured, self._backend)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return None
        # The pool asks whether the other side hung up before it uses a kept connection again.
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))


@contextmanager
def _mapped(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as fault:
        raise late(fault) from fault
    except OSError as fault:
        raise broken(fault) from fault


def _closed_address(host: str, address: Address) -> str:
    named = f"{address} is" if _literal(host) else f"{host} leads to {address},"
    for network in _HOUSE:
        if address in network:
            return f'{named} a private address; allow it with allow_private = ["{network}"] if you mean it'
    return f"{named} not a public address; it is not reached"


def _closed_port(port: int) -> str:
    return f"port {port} is closed to us; use 80 or 443, or allow the address by allow_private"


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def _public(address: Address) -> bool:
    outside = address.version == 6 and address not in _OPEN_V6
    closed = address.is_multicast or address.is_reserved or any(address in network for network in _CLOSED)
    return address.is_global and not outside and not closed


@lru_cache(maxsize=1)
def _authorities() -> ssl.SSLContext:
    # Loading them takes tens of milliseconds: once, not once per destination.
    return httpx.create_ssl_context(trust_env=False)
