"""An IMAP server of our own on the loopback: one folder, by UID, that can be told to break off, to lie or to hang up.

It speaks what RFC 3501 asks of the few commands a reader of bounces needs, and writes down which were said.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

FETCH = re.compile(rb"BODY\.PEEK\[\]<(\d+)\.(\d+)>")


@dataclass
class Folder:
    """What the server holds: letters by UID, which are seen, and the folder's UIDVALIDITY."""

    letters: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    validity: int = 1
    name: bytes = b'"INBOX"'
    password: bytes = b'"secret"'


class ImapServer:
    """Serves a folder; `cut` is asked before each answer whether to hang up, `uidnext` False leaves it out."""

    def __init__(
        self,
        folder: Folder,
        *,
        trust: ssl.SSLContext | None = None,
        starttls: bool = False,
        cut: Callable[[bytes], bool] = lambda _: False,
        uidnext: bool = True,
    ) -> None:
        self.folder, self.said = folder, list[bytes]()
        self._trust, self._starttls, self._cut, self._uidnext = trust, starttls, cut, uidnext
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                try:
                    self._talk(peer)
                except OSError:
                    continue

    def _talk(self, peer: socket.socket) -> None:
        if self._trust and not self._starttls:
            peer = self._trust.wrap_socket(peer, server_side=True)
        peer.sendall(b"* OK ready\r\n")
        lines = peer.makefile("rb")
        while line := lines.readline():
            tag, _, command = line.rstrip().partition(b" ")
            self.said.append(command)
            if self._cut(command):
                return
            peer.sendall(self._answer(tag, command))
            if command.upper() == b"STARTTLS" and self._trust:
                peer = self._trust.wrap_socket(peer, server_side=True)
                lines = peer.makefile("rb")
            if command.upper() == b"LOGOUT":
                peer.close()
                return

    def _answer(self, tag: bytes, command: bytes) -> bytes:
        words = command.split(b" ")
        verb = words[0].upper()
        done = tag + b" OK done\r\n"
        if verb == b"CAPABILITY":
            return b"* CAPABILITY IMAP4rev1" + (b" STARTTLS" if self._starttls else b"") + b"\r\n" + done
        if verb == b"LOGIN":
            return done if words[2] == self.folder.password else tag + b" NO [AUTHENTICATIONFAILED] no\r\n"
        if verb == b"SELECT":
            return self._select(tag, words[1])
        if verb == b"UID":
            return self._uid(words) + done
        return (b"* BYE\r\n" if verb == b"LOGOUT" else b"") + done

    def _select(self, tag: bytes, name: bytes) -> bytes:
        if name != self.folder.name:
            return tag + b" NO no such folder\r\n"
        last = max(self.folder.letters, default=0)
        said = b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] ok\r\n" % (
            len(self.folder.letters),
            self.folder.validity,
        )
        if self._uidnext:
            said += b"* OK [UIDNEXT %d] ok\r\n" % (last + 1)
        return said + tag + b" OK [READ-WRITE] done\r\n"

    def _uid(self, words: list[bytes]) -> bytes:
        verb, letters = words[1].upper(), self.folder.letters
        if verb == b"SEARCH":
            return b"* SEARCH" + b"".join(b" %d" % uid for uid in self._between(words[3])) + b"\r\n"
        uids = [int(one) for one in words[2].split(b",")]
        if verb == b"STORE":
            self.folder.seen.update(uids)
            return b""
        return b"".join(self._fetched(uid, b" ".join(words[3:])) for uid in uids if uid in letters)

    def _fetched(self, uid: int, what: bytes) -> bytes:
        raw, part = self.folder.letters[uid], FETCH.search(what)
        if part is None:
            return b"* 1 FETCH (UID %d RFC822.SIZE %d)\r\n" % (uid, len(raw))
        start, length = int(part[1]), int(part[2])
        piece = raw[start : start + length]
        return b"* 1 FETCH (UID %d BODY[]<%d> {%d}\r\n%s)\r\n" % (uid, start, len(piece), piece)

    def _between(self, span: bytes) -> list[int]:
        start, _, end = span.partition(b":")
        last = max(self.folder.letters, default=0)
        low, high = (last if one == b"*" else int(one) for one in (start, end or start))
        found = [uid for uid in sorted(self.folder.letters) if low <= uid <= high]
        return found or ([last] if low > last > 0 else [])  # RFC 3501 section 6.4.8
