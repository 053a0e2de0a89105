"""A loopback server that says what its script says: the other end of the tests of the HTTP clients.

It runs in threads of its own, so that clients of both colours meet the same server.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SOON = 10.0  # seconds: generous for a deadline of half a second, far below what a hang would take
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

Script = Callable[[socket.socket, bytes], object]
Answers = list[tuple[Any, ...]]


@dataclass
class Server:
    """A loopback server: `script` is called for each request and may answer, hang, drip or reset."""

    script: Script
    tls: ssl.SSLContext | None = None
    address: str = "127.0.0.1"
    greedy: bool = True  # read the request before the script runs
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server((self.address, 0), backlog=500)
        self.port: int = self.listener.getsockname()[1]
        self._spawn(self._accept)

    def url(self, path: str = "/", host: str | None = None) -> str:
        """Where `path` is to be had."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{host or self.address}:{self.port}{path}"

    def close(self) -> None:
        """Stop, and wait until every conversation has ended."""
        self.stop.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
        for thread in list(self.threads):
            thread.join(SOON)
        self.listener.close()

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stop.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), closing(connection) as plain:
            plain.settimeout(SOON)
            if not self.tls:
                self._talk(plain)
                return
            with self.tls.wrap_socket(plain, server_side=True) as secured:
                self._talk(secured)

    def _talk(self, connection: socket.socket) -> None:
        if not self.greedy:
            self.script(connection, b"")
            return
        while request := _request(connection):
            self.requests.append(request)
            self.script(connection, request)


def _request(connection: socket.socket) -> bytes:
    taken = b""
    while b"\r\n\r\n" not in taken:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        taken += piece
    head, _, body = taken.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


Serve = Callable[..., Server]


def names(**hosts: str | Sequence[str]) -> Callable[..., Answers]:
    """A look-up that knows these hosts (`_` stands for a dot) and no other."""

    def resolve(host: str, port: object, **_: object) -> Answers:
        found = hosts.get(host.replace(".", "_"))
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = [found] if isinstance(found, str) else found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, port)) for answer in answers]

    return resolve


def no_look_up(*_: object, **__: object) -> Answers:
    """A look-up that must not be asked."""
    raise AssertionError("a name was looked up")


def moved(status: int, location: str) -> bytes:
    """A redirect."""
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def by_path(answers: dict[str, bytes]) -> Script:
    """Says what there is for each path."""
    return lambda connection, request: connection.sendall(answers.get(path_of(request), OK))


def reset(connection: socket.socket, _: bytes = b"") -> None:
    """Breaks off without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def dripping(start: bytes, drop: bytes) -> Script:
    """Sends `start`, then one `drop` each 20 ms: no single read ever waits long."""

    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        pause = threading.Event()
        while not pause.wait(0.02):
            connection.sendall(drop)

    return drip


def flooding(start: bytes, piece: bytes) -> Script:
    """Sends `start`, then one `piece` after the other, as fast as they are taken."""

    def flood(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)

    return flood


def path_of(request: bytes) -> str:
    """The path it asks for."""
    return request.split(b" ", 2)[1].decode()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own: `trust` for clients, `identity(name)` for servers."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    folder: Path

    @property
    def trust(self) -> ssl.SSLContext:
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def identity(self, name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        signed = certificate(name, key, self.certificate.subject, self.key, authority=False)
        path = self.folder / f"{name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    public = key.public_key()
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )
