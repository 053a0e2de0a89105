"""A folder of incoming mail, read over IMAP (RFC 3501, RFC 9051): imaplib over TLS, verified, with limits.

Letters are known by UID; looking at one marks nothing, and nothing is ever deleted. Raises Unreachable or, where a
conversation breaks off, TryLater; what was read so far stays good.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from syndicator.errors import TryLater, Unreachable
from syndicator.wire.relay import clean, reason
from syndicator.wire.smtp import stays_here

PATIENCE = 60.0  # seconds for an answer
SPAN = 20_000  # UIDs asked for at a time: an answer is one line, and imaplib reads none above a million bytes
PIECE = 262_144  # bytes of a letter fetched at a time
_NUMBER = re.compile(rb"\d+")
_SIZE = re.compile(rb"UID (\d+)|RFC822\.SIZE (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A mailbox as the operator set it; `none` only to this machine."""

    host: str
    port: int
    tls: Literal["none", "starttls", "tls"] = "tls"
    username: str
    password: str = field(default="", repr=False)
    folder: str = "INBOX"
    ca_file: str | None = None
    patience: float = PATIENCE


class Mailbox:
    """One open folder; `validity` is its UIDVALIDITY. Use it as a context manager."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.validity = 0
        self._next = 0
        self._imap: imaplib.IMAP4 | None = None

    def __enter__(self) -> Self:
        try:
            self._imap = _connected(self._account)
            self._select()
        except (OSError, imaplib.IMAP4.error, UnicodeError) as fault:
            self._leave()
            raise _unreachable(self._account, fault) from fault
        except Unreachable:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def after(self, uid: int) -> Iterator[list[int]]:
        """The UIDs behind this one, in order, some at a time."""
        start = uid + 1
        while start < self._next:
            end = min(start + SPAN, self._next) - 1
            said = self._search(f"{start}:{end}")
            found = sorted({int(one) for line in said for one in _NUMBER.findall(line or b"")})
            # A range that begins behind the last letter still names that one (RFC 3501 §6.4.8).
            mine = [one for one in found if start <= one <= end]
            if mine:
                yield mine
            start = end + 1

    def letter(self, uid: int, most: int) -> bytes | None:
        """The first `most` bytes of a letter, or None if it is gone; it is not marked as seen by that."""
        size = self._size(uid)
        if size is None:
            return None
        raw = bytearray()
        while len(raw) < min(size, most):
            length = min(PIECE, most - len(raw))
            piece = self._piece(uid, len(raw), length)
            if not piece:
                break
            raw += piece
        return bytes(raw)

    def see(self, uids: list[int]) -> None:
        """Mark these as seen."""
        which = ",".join(map(str, uids))
        if which:
            self._ask(lambda imap: imap.uid("STORE", which, "+FLAGS.SILENT", r"(\Seen)"))

    def _size(self, uid: int) -> int | None:
        said = self._ask(lambda imap: imap.uid("FETCH", str(uid), "(RFC822.SIZE)"))
        for line in said:
            figures = _SIZE.findall(line) if isinstance(line, bytes) else []
            size = next((int(size) for _, size in figures if size), None)
            if size is not None and any(one and int(one) == uid for one, _ in figures):
                return size
        return None

    def _piece(self, uid: int, start: int, length: int) -> bytes:
        part = f"(BODY.PEEK[]<{start}.{length}>)"
        said = self._ask(lambda imap: imap.uid("FETCH", str(uid), part))
        return next((bytes(line[1]) for line in said if isinstance(line, tuple)), b"")

    def _select(self) -> None:
        assert self._imap is not None
        folder = '"' + _utf7(self._account.folder).replace("\\", "\\\\").replace('"', '\\"') + '"'
        state, said = self._imap.select(folder)
        if state != "OK":
            raise Unreachable(
                f"{_name(self._account)} has no folder {self._account.folder!r}: {_words(said)}"
            )
        self.validity = self._figure("UIDVALIDITY")
        # Without UIDNEXT the last letter says how far they go.
        self._next = self._figure("UIDNEXT") or self._last() + 1

    def _figure(self, name: str) -> int:
        assert self._imap is not None
        _, said = self._imap.response(name)
        found = _NUMBER.search(said[0]) if said and isinstance(said[0], bytes) else None
        return int(found[0]) if found else 0

    def _last(self) -> int:
        said = self._search("*")
        return max((int(one) for line in said for one in _NUMBER.findall(line or b"")), default=0)

    def _search(self, span: str) -> list[Any]:
        return self._ask(lambda imap: imap.uid("SEARCH", "UID", span))

    def _ask(self, ask: Callable[[imaplib.IMAP4], Any]) -> list[Any]:
        if self._imap is None:
            raise TryLater(f"{_name(self._account)} was left already")
        try:
            state, said = ask(self._imap)
        except (OSError, imaplib.IMAP4.error) as fault:
            words = f"{_name(self._account)} broke off: {_fault(fault)}; it is read again later"
            raise TryLater(words) from fault
        if state != "OK":
            raise TryLater(f"{_name(self._account)} says no: {_words(said)}; it is asked again later")
        return list(said)

    def _leave(self) -> None:
        imap, self._imap = self._imap, None
        if imap is not None:
            with suppress(OSError, imaplib.IMAP4.error):
                imap.logout()
            with suppress(OSError):  # after a fault it forgets to
                imap.shutdown()


def _connected(account: Account) -> imaplib.IMAP4:
    where = (account.host, account.port)
    if account.tls == "tls":
        trust = ssl.create_default_context(cafile=account.ca_file)
        imap: imaplib.IMAP4 = imaplib.IMAP4_SSL(*where, ssl_context=trust, timeout=account.patience)
    else:
        imap = imaplib.IMAP4(*where, timeout=account.patience)
    try:
        if account.tls == "starttls":
            imap.starttls(ssl.create_default_context(cafile=account.ca_file))
        if account.tls == "none" and not stays_here(imap.sock.getpeername()):
            raise Unreachable(
                f"{_name(account)} is on another machine: a password goes there only with tls or starttls"
            )
        imap.login(account.username, account.password)
    except BaseException:
        with suppress(OSError):  # a handshake that failed has closed it
            imap.shutdown()
        raise
    return imap


def _unreachable(account: Account, fault: Exception) -> Unreachable:
    return Unreachable(
        f"{_name(account)}: {_fault(fault)}; check host, port, tls, ca_file, username and folder in [bounces]"
    )


def _fault(fault: Exception) -> str:
    if isinstance(fault, OSError):
        return reason(fault)
    return clean(str(fault.args[0] if fault.args else fault).encode("utf-8", "replace"))


def _words(said: Any) -> str:
    first = said[0] if said else b""
    return clean(first if isinstance(first, bytes) else str(first).encode())


def _name(account: Account) -> str:
    return f"mailbox {account.host}:{account.port}"


def _utf7(folder: str) -> str:
    """A folder's name as IMAP4rev1 writes it (RFC 3501 §5.1.3)."""
    out, run = "", ""
    for sign in [*folder, ""]:
        if sign and not " " <= sign <= "~":
            run += sign
            continue
        if run:
            coded = run.encode("utf-7").decode().removeprefix("+").removesuffix("-").replace("/", ",")
            out, run = f"{out}&{coded}-", ""
        out += "&-" if sign == "&" else sign
    return out
