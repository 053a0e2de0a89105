"""The way to the mail relay: what the operator sets, and a session connected, secured and authenticated.

smtplib does it, for there others have met the odd servers already; nothing is ever sent in clear text that was
to be secured. The socket is then ours: the transactions are in `smtp`. Serves walk B.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any, Literal

from syndicator.errors import SyndicatorError, TryLater, Unreachable
from syndicator.wire.letters import Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the relay may take, in seconds (RFC 5321 §4.5.3.2, mail:SE5)."""

    connect: float = 30  # and the TLS handshake
    greeting: float = 300  # and every reply until the first letter
    command: float = 300  # MAIL, RCPT, RSET
    data: float = 120
    block: float = 180  # one write
    dot: float = 600  # a shorter one makes duplicates
    farewell: float = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The mail server that takes our letters, as the operator set it."""

    host: str
    port: int
    tls: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    helo: str
    timeouts: Timeouts = Timeouts()
    ca_file: str | None = None
    # A connection is left after so many letters, or so many seconds (mail:SE1); 0 is never.
    letters: int = 0
    age: float = 0


def session(relay: Relay) -> smtplib.SMTP:
    """A session ready for MAIL, its buffered reader given up; raises Unreachable or, after a 4xx, TryLater."""
    try:
        with contextlib.ExitStack() as undo:
            smtp = _SessionInTLS(relay, context=_trust(relay)) if relay.tls == "tls" else _Session(relay)
            undo.callback(smtp.close)
            if relay.tls == "starttls":
                smtp.starttls(context=_trust(relay))
            _log_in(smtp, relay)
            _give_up_reader(smtp)
            undo.pop_all()
            return smtp
    except (OSError, UnicodeError) as fault:
        raise _no_session(relay, fault) from fault


def offer(smtp: smtplib.SMTP) -> Offer:
    """What the relay said it can do."""
    size = smtp.esmtp_features.get("size", "")
    return Offer(
        pipelining=smtp.has_extn("pipelining"),
        eight_bit=smtp.has_extn("8bitmime"),
        utf8=smtp.has_extn("smtputf8"),
        largest=int(size) if size.isdigit() and size.isascii() else 0,
    )


def clean(text: bytes) -> str:
    """What a server said, as one line fit for a log: no control characters, not too long."""
    line = text.decode("utf-8", "replace")
    if not line.isprintable():
        line = "".join(sign if sign.isprintable() else " " for sign in line)
    return line.strip()[:LONGEST_DETAIL]


def reason(fault: OSError) -> str:
    """A fault of the socket in an operator's words."""
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {fault.verify_message}"
    return fault.strerror or str(fault)


LONGEST_DETAIL = 300  # characters of a reply we keep


class _Session(smtplib.SMTP):
    """smtplib, one command at a time: bytes behind a reply answer nothing, so they end the session.

    Thus nothing injected before STARTTLS survives it (RFC 3207 §6), and smtplib's buffered reader is empty
    when the socket passes to us.
    """

    def __init__(self, relay: Relay, **tls: Any) -> None:
        self._relay = relay
        limit = relay.timeouts.connect
        super().__init__(relay.host, relay.port, local_hostname=relay.helo, timeout=limit, **tls)

    def getreply(self) -> tuple[int, bytes]:
        assert self.sock is not None
        self.sock.settimeout(self._relay.timeouts.greeting)
        reply = super().getreply()
        if self._more_than_asked():
            self.close()
            raise smtplib.SMTPServerDisconnected(
                "it answers more than it was asked: somebody may be in between"
            )
        self.sock.settimeout(self._relay.timeouts.connect)
        return reply

    def _more_than_asked(self) -> bool:
        assert self.sock is not None
        self.sock.settimeout(0)
        try:
            return bool(self.file.peek(1))  # type: ignore[union-attr]
        except OSError:  # TLS has nothing for us, or the next command will meet the same fault
            return False


class _SessionInTLS(_Session, smtplib.SMTP_SSL):
    pass


def _trust(relay: Relay) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=relay.ca_file)


def _log_in(smtp: smtplib.SMTP, relay: Relay) -> None:
    smtp.ehlo_or_helo_if_needed()  # again after STARTTLS: what was said before counts for nothing
    if relay.username is not None:
        smtp.login(relay.username, relay.password or "")


def _give_up_reader(smtp: smtplib.SMTP) -> None:
    assert smtp.sock is not None
    # The end of a letter must not wait for the acknowledgement of its beginning (Nagle).
    smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if smtp.file is not None:  # from here on we read; `getreply` made sure that it is empty
        smtp.file.close()
        smtp.file = None


def _no_session(relay: Relay, fault: OSError | UnicodeError) -> SyndicatorError:
    name = f"mail relay {relay.host}:{relay.port}"
    match fault:
        case smtplib.SMTPAuthenticationError(smtp_code=code) if code // 100 == 5:
            return Unreachable(
                f"{name} refuses the user name or password ({_said(fault)}): check both in the mail settings"
            )
        case smtplib.SMTPResponseException(smtp_code=code) if code // 100 == 4:
            return TryLater(f"{name} is not ready ({_said(fault)}): it is tried again later")
        case smtplib.SMTPResponseException():
            return Unreachable(f"{name} does not want us ({_said(fault)}): ask its operator")
        case smtplib.SMTPNotSupportedError() if relay.tls == "starttls":
            return Unreachable(
                f"{name} lacks what the mail settings ask for ({fault}); nothing was sent in clear text"
            )
        case UnicodeError():
            return Unreachable(f"{name}: host, helo, user name and password must be plain ASCII")
        case _:
            return Unreachable(
                f"{name}: {reason(fault)}; check host, port, tls and ca_file in the mail settings"
            )


def _said(fault: smtplib.SMTPResponseException) -> str:
    said = fault.smtp_error
    return f"{fault.smtp_code} {clean(said if isinstance(said, bytes) else said.encode())}"
