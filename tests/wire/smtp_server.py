"""A scripted SMTP server on the loopback: what it answers, when it falls silent, what it saw.

A script maps a verb, or (verb, n) for its n-th time on a connection, to actions: text is a reply line, bytes
go out as they are, CLOSE hangs up, HANG reads on without a word, DEAF does
not even read, HOLD keeps the replies behind it until the next
command has come (which proves pipelining without a clock). Verbs beside SMTP's own: GREETING, DOT.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Fault(Enum):
    CLOSE = "close"
    HANG = "hang"
    HOLD = "hold"
    DEAF = "deaf"


CLOSE, HANG, HOLD, DEAF = Fault
Action = str | bytes | Fault
Script = Mapping[str | tuple[str, int], Action | Sequence[Action]]

USUAL: dict[str, str] = {
    "GREETING": "220 test.example ESMTP",
    "STARTTLS": "220 2.0.0 go ahead",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "DOT": "250 2.0.0 queued",
    "RSET": "250 2.0.0 flushed",
    "QUIT": "221 2.0.0 bye",
}


@dataclass(slots=True)
class Mail:
    """What one transaction brought; the body as it was on the wire, still stuffed, without the final dot."""

    sender: str
    recipients: list[str] = field(default_factory=list)
    wire: bytes = b""

    @property
    def message(self) -> bytes:
        lines = self.wire.split(b"\r\n")
        return b"\r\n".join(line.removeprefix(b".") for line in lines)


class _HungUp(Exception):
    pass


class Server:
    """Answers every connection in a thread of its own; `log` and `mails` hold all of them in order."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        extensions: Sequence[str] = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"),
        context: ssl.SSLContext | None = None,
        implicit: bool = False,
    ) -> None:
        self.script: Script = script or {}
        self.extensions, self.context, self.implicit = tuple(extensions), context, implicit
        self.log: list[str] = []
        self.mails: list[Mail] = []
        self.ahead: list[str] = []  # verbs that had company before they were answered
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self.ending = threading.Event()
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        acceptor = threading.Thread(target=self._accept, daemon=True)
        acceptor.start()
        self._threads.append(acceptor)
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)

    def verbs(self) -> list[str]:
        """The first word of every command, in order."""
        return [line.split(" ")[0].split(":")[0].upper() for line in self.log]

    def wait(self) -> None:
        """Until every connection so far has ended; afterwards the log is complete."""
        for thread in self._threads[1:]:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        talk = _Talk(self, sock)
        self._open.add(sock)
        with contextlib.suppress(_HungUp, OSError):
            talk.run()
        self._open.discard(talk.sock)
        talk.sock.close()


class _Talk:
    """One connection."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server, self.sock = server, sock
        self.times: Counter[str] = Counter()
        self.pending = bytearray()
        self.held, self.holding = b"", False
        self.secured = False
        self.mail: Mail | None = None

    def run(self) -> None:
        if self.server.implicit:
            self.secure()
        self.act("GREETING")
        while True:
            line = self.line().decode("utf-8")
            self.holding = False
            self.server.log.append(line)
            verb = line.split(" ")[0].upper()
            if self.pending:
                self.server.ahead.append(verb)
            self.obey(verb, line)

    def obey(self, verb: str, line: str) -> None:
        said = self.act(verb, self.ehlo() if verb == "EHLO" else None)
        good = said[:1] in {"2", "3"}
        if verb == "STARTTLS" and good:
            self.secure()
        elif verb == "MAIL" and good:
            self.mail = Mail(_path(line))
        elif verb == "RCPT" and good and self.mail is not None:
            self.mail.recipients.append(_path(line))
        elif verb == "DATA" and good:
            self.take_body()
        elif verb == "RSET":
            self.mail = None
        elif verb == "QUIT":
            raise _HungUp

    def ehlo(self) -> str:
        offers = self.server.extensions
        if self.server.context is not None and not self.secured:
            offers = (*offers, "STARTTLS")
        lines = ["test.example", *offers]
        return "\r\n".join(f"250{'-' if n < len(lines) - 1 else ' '}{line}" for n, line in enumerate(lines))

    def take_body(self) -> None:
        mail = self.mail or Mail("nobody")
        lines = []
        while (line := self.line()) != b".":
            lines.append(line + b"\r\n")
        mail.wire = b"".join(lines)
        self.server.log.append("DOT")
        if mail.recipients:
            self.server.mails.append(mail)
        self.mail = None
        self.act("DOT")

    def act(self, verb: str, usual: str | None = None) -> str:
        """Do what the script says; the last reply given."""
        self.times[verb] += 1
        script = self.server.script
        actions = script.get(
            (verb, self.times[verb]), script.get(verb, usual or USUAL.get(verb, "500 5.5.1 what"))
        )
        said = ""
        for action in [actions] if isinstance(actions, str | bytes | Fault) else actions:
            if isinstance(action, str):
                said = action
            self.do(action)
        return said

    def do(self, action: Action) -> None:
        match action:
            case str():
                self.held += action.encode() + b"\r\n"
                self.flush()
            case bytes():
                self.held += action
                self.flush()
            case Fault.CLOSE:
                raise _HungUp
            case Fault.HANG:
                while self.sock.recv(65536):
                    pass
                raise _HungUp
            case Fault.DEAF:
                self.server.ending.wait()
                raise _HungUp
            case Fault.HOLD:
                self.holding = True

    def flush(self) -> None:
        if not self.holding:
            self.sock.sendall(self.held)
            self.held = b""

    def line(self) -> bytes:
        while (end := self.pending.find(b"\r\n")) < 0:
            some = self.sock.recv(65536)
            if not some:
                raise _HungUp
            self.pending += some
        line = bytes(self.pending[:end])
        del self.pending[: end + 2]
        return line

    def secure(self) -> None:
        assert self.server.context is not None
        self.server._open.discard(self.sock)
        self.pending.clear()
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        self.server._open.add(self.sock)
        self.secured = True


def _path(line: str) -> str:
    return line[line.index("<") + 1 : line.index(">")]


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of our own; `file` is what a client trusts."""

    file: Path
    _key: ec.EllipticCurvePrivateKey
    _name: x509.Name

    def context(self, host: str) -> ssl.SSLContext:
        """What a server of this name shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        alt: x509.GeneralName
        try:
            alt = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alt = x509.DNSName(host)
        cert = (
            _certificate(_named(host), self._name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([alt]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self.file.with_name(f"{host}.pem")
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(cert.public_bytes(serialization.Encoding.PEM) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def authority(folder: Path) -> Authority:
    """A new certificate authority with its file in `folder`."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _named("Test CA")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    cert = (
        _certificate(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "ca.pem"
    file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return Authority(file, key, name)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
    )
