"""Letters over one connection to the mail relay: smtplib opened it (`relay`), the transactions are ours.

They are pipelined where the relay offers it: one write ends a letter and begins the next. Replies are matched
strictly in order, and the moment the final dot went to the kernel is remembered: only that tells "deferred"
from "unknown" (mail:SE2, SE11). Which letters, how often and over how many connections is decided in
`delivery`; how a letter is written, in `render.mail`. Serves walk B.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

from syndicator.model.lines import Sound
from syndicator.model.outcomes import Cause, Outcome, Result
from syndicator.model.replies import Phase, asked_pause, enhanced_of, judge_reply
from syndicator.wire.letters import Letter, objection
from syndicator.wire.relay import LONGEST_DETAIL, Relay, Timeouts, clean, offer, reason, session

__all__ = ["Connection", "Letter", "Relay", "Timeouts"]


class Connection:
    """One authenticated connection; raises Unreachable or, after a 4xx, TryLater when none comes about."""

    def __init__(self, relay: Relay) -> None:
        smtp = session(relay)
        self.relay = relay
        self.offer = offer(smtp)
        self.sent = 0  # letters whose final dot was written
        self._sock = smtp.sock
        sock = self._open_socket()
        self.secure = isinstance(sock, ssl.SSLSocket) or stays_here(sock.getpeername())
        self._limits = relay.timeouts
        self._buffer, self._at = b"", 0  # what was read, and how far it was understood
        self._taken: list[Letter] = []  # without a result yet, in order; never more than two
        self._dotted = False  # the first of them has its final dot in the kernel
        self._swift = True  # the last dot was answered at once
        self._since = time.monotonic()
        self._midway = False  # something was written whose end was not read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.quit()

    @property
    def alive(self) -> bool:
        """Whether letters can be given; looks, as relays hang up on idle connections. A worn one says goodbye."""
        if self._sock is not None and not self._midway and self._hung_up(self._sock):
            self._drop()
        if self._worn:
            self.quit()
        return self._sock is not None

    @property
    def worn(self) -> bool:
        """Whether it is well, but has carried its share: what comes next is for a new one."""
        return self._sock is not None and not self._midway and self._worn

    @property
    def _worn(self) -> bool:
        most, age = self.relay.letters, self.relay.age
        # `_taken` holds what is not concluded; of that the first may be counted as sent already.
        under_way = self.sent + len(self._taken) - self._dotted
        return bool(most and under_way >= most) or bool(age and time.monotonic() - self._since >= age)

    def send(self, letters: Iterable[Letter]) -> Iterator[tuple[Letter, Result]]:
        """Send letters one after the other and yield how each ended, as soon as it is known.

        Every letter taken gets a result. When the connection dies no more are taken: those left in `letters`
        were not touched and may go over another. To stop, end `letters`; closing this iterator midway drops
        the connection.
        """
        if not self.alive:
            return
        try:
            yield from self._converse(iter(letters))
        except _Lost as lost:
            self._drop()
            yield from self._unsettled(lost)
        finally:
            if self._midway:  # else the relay would take our next command for the body it waits for
                self._drop()

    def quit(self) -> None:
        """QUIT and close; no error, whatever the relay says."""
        if self._sock is not None and not self._midway:
            with contextlib.suppress(_Lost):
                self._put(b"QUIT\r\n")
                self._reply(self._limits.farewell)
        self._drop()

    def _converse(self, source: Iterator[Letter]) -> Generator[tuple[Letter, Result], None, None]:
        ahead = self.offer.pipelining
        letter = yield from self._fitting(source)
        if letter is not None and ahead:
            self._put(b"".join(_commands(letter)))
        while letter is not None:
            refusal, ending = self._envelope(letter)
            if refusal is not None:
                self._midway = bool(ending)
                yield self._taken.pop(0), refusal
                if self._sock is None:
                    return
            # Behind a slow relay nothing is taken ahead: it could not be stopped any more (mail:SE17).
            following = (yield from self._fitting(source)) if ahead and self._swift else None
            self._hand_over(ending, following, dotted=refusal is None)
            result = self._concluded(ending) if ending else None
            self._midway = following is not None
            if refusal is None and result is not None:
                self._dotted = False
                yield self._taken.pop(0), result
            if following is None:
                following = yield from self._fitting(source)
                if following is not None and ahead:
                    self._put(b"".join(_commands(following)))
            letter = following

    def _fitting(self, source: Iterator[Letter]) -> Generator[tuple[Letter, Result], None, Letter | None]:
        while not self._worn and (letter := next(source, None)) is not None:
            fault = objection(letter, self.offer)
            if fault is None:
                self._taken.append(letter)
                return letter
            yield letter, fault
        return None

    def _envelope(self, letter: Letter) -> tuple[Result | None, tuple[bytes, ...]]:
        """The relay's refusal, if any, and the bytes that end the transaction."""
        replies = self._answers(letter)
        refusal = _refusal(replies)
        if len(replies) == len(_EXPECTED) and replies[-1].kind == _GO_AHEAD:
            # RFC 2920 §3.1: refused RCPT, yet 354: the body it waits for is a lone dot.
            return refusal, (_body(letter.message) if refusal is None else (_DOT,))
        return refusal, (_RESET if replies[0].kind == _GOOD else ())

    def _answers(self, letter: Letter) -> list[_Reply]:
        limits = (self._limits.command, self._limits.command, self._limits.data)
        commands = (b"", b"", b"") if self.offer.pipelining else _commands(letter)
        replies: list[_Reply] = []
        try:
            for command, limit in zip(commands, limits, strict=True):
                if command:
                    self._put(command)
                replies.append(self._reply(limit))
                if command and replies[-1].kind > _GO_AHEAD:
                    break
        except _Lost:
            if _refusal(replies) is None:
                raise
            self._drop()  # 550 to RCPT, 421 to DATA: the recipient is refused all the same
        return replies

    def _hand_over(self, ending: Sequence[bytes], following: Letter | None, *, dotted: bool) -> None:
        begin = b"" if following is None else b"".join(_commands(following))
        if not ending and not begin:
            return
        try:
            self._put(b"".join((*ending, begin)), sum(map(len, ending)))
        except _Lost as lost:
            self._dotted = dotted and lost.reached
            raise
        self._dotted = dotted
        self.sent += dotted

    def _concluded(self, ending: Sequence[bytes]) -> Result | None:
        asked = time.monotonic()
        reply = self._reply(self._limits.dot)
        self._swift = time.monotonic() - asked < _SLOW
        if ending == (_DOT,):
            return None  # whatever it says to an empty letter for nobody, it is no success
        if reply.kind == _GOOD:
            return None if ending is _RESET else _result(Outcome.ACCEPTED, reply)
        if ending is not _RESET and reply.kind in _NO:
            return _turned_down(reply, Phase.DOT)
        raise _Lost(f"the relay is out of step: {reply}")

    def _unsettled(self, lost: _Lost) -> Iterator[tuple[Letter, Result]]:
        taken, dotted, self._taken, self._dotted = self._taken, self._dotted, [], False
        for place, letter in enumerate(taken):
            if dotted and place == 0 and lost.code is None:
                words = f"no answer after the final dot, it may have arrived: {lost}"
                yield letter, Result(outcome=Outcome.UNKNOWN, detail=words[:LONGEST_DETAIL])
                continue
            words = str(lost) if lost.code else f"connection lost before the letter was handed over: {lost}"
            cause = _of_closing(str(lost)) if lost.code else Cause.RELAY
            yield (
                letter,
                Result(
                    outcome=Outcome.DEFERRED,
                    detail=words[:LONGEST_DETAIL],
                    code=lost.code,
                    cause=cause,
                    spared=place > 0,  # only its envelope was on the way: the trouble was another's
                ),
            )

    def _put(self, data: bytes, dot: int = 0) -> None:
        """Write all; a fault knows whether the first `dot` bytes may have left us."""
        sock = self._open_socket()
        if self._at < len(self._buffer):  # nothing is owed to us before a write: whose answer would that be?
            raise _Lost("the relay answered more than it was asked")
        self._midway = True
        view, done = memoryview(data), 0
        record = _TLS_RECORD if isinstance(sock, ssl.SSLSocket) else 0
        try:
            sock.settimeout(self._limits.block)
            while done < len(data):
                done += sock.send(view[done : done + (record or _PLAIN_BLOCK)])
        except OSError as fault:
            # What a plain socket did not count is not sent; a TLS record may be, although its write failed.
            raise _Lost(reason(fault), reached=done + record >= dot > 0) from fault

    def _reply(self, limit: float) -> _Reply:
        deadline = time.monotonic() + limit
        texts: list[bytes] = []
        while True:
            line = self._line(deadline)
            if not _REPLY_LINE.match(line) or len(texts) > _MOST_LINES:
                raise _Lost(f"the relay's answer is not SMTP: {clean(line)}")
            texts.append(line[4:])
            if line[3:4] != b"-":
                break
        reply = _Reply(int(line[:3]), texts)
        if reply.code == _CLOSING:
            raise _Lost(str(reply), code=reply.code)
        return reply

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            self._read(deadline - time.monotonic())
        line = self._buffer[self._at : end]
        self._at = end + 1
        return line.removesuffix(b"\r")

    def _read(self, seconds: float) -> None:
        if seconds <= 0:
            raise _Lost("no answer in time")
        if len(self._buffer) - self._at > _LONGEST_LINE:
            raise _Lost("the relay's answer has no end")
        sock = self._open_socket()
        try:
            sock.settimeout(seconds)
            some = sock.recv(4096)
        except OSError as fault:
            raise _Lost(reason(fault)) from fault
        if not some:
            raise _Lost("the relay closed the connection")
        self._buffer, self._at = self._buffer[self._at :] + some, 0

    def _open_socket(self) -> socket.socket:
        if self._sock is None:
            raise _Lost("the connection is closed")
        return self._sock

    def _hung_up(self, sock: socket.socket) -> bool:
        """An idle relay has nothing to say to us but 421 or the end."""
        if self._at < len(self._buffer):
            return True
        try:
            sock.settimeout(0)
            sock.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True

    def _drop(self) -> None:
        sock, self._sock, self._midway = self._sock, None, False
        if sock is not None:
            sock.close()


def stays_here(peer: tuple[Any, ...]) -> bool:
    """Whether what is sent to this end of a socket does not leave this machine."""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


_DOT = b".\r\n"
_RESET = (b"RSET\r\n",)
_GOOD, _GO_AHEAD, _NO = 2, 3, (4, 5)  # first figures of a reply code
_EXPECTED = (_GOOD, _GOOD, _GO_AHEAD)
_PHASES = (Phase.MAIL, Phase.RCPT, Phase.DATA)
_SLOW = 0.3  # seconds
_CLOSING = 421
_LONGEST_LINE = 8192  # octets; RFC 5321 §4.5.3.1.5 says 512, smtplib takes as much
_MOST_LINES = 100
_PLAIN_BLOCK = 1 << 18
_TLS_RECORD = 1 << 14  # RFC 8446 §5.1: one write, one record
_REPLY_LINE = re.compile(rb"[2-5][0-9]{2}(?:[ -]|$)")
_LEADING_DOT = re.compile(rb"\n\.")


class _Lost(Exception):
    """The conversation is over; `code` if the relay said so (421)."""

    def __init__(self, words: str, *, code: int | None = None, reached: bool = False) -> None:
        self.code, self.reached = code, reached
        super().__init__(words)


class _Reply(NamedTuple):
    code: int
    texts: list[bytes]

    @property
    def kind(self) -> int:
        return self.code // 100

    def __str__(self) -> str:
        return clean(b" ".join(self.texts))


def _refusal(replies: Sequence[_Reply]) -> Result | None:
    for reply, good, phase in zip(replies, _EXPECTED, _PHASES, strict=False):
        if reply.kind in _NO:
            return _turned_down(reply, phase)
        if reply.kind != good:
            raise _Lost(f"the relay is out of step: {reply}")
    return None


def _turned_down(reply: _Reply, phase: Phase) -> Result:
    words = str(reply)
    outcome, cause = judge_reply(reply.code, enhanced_of(words), words, phase)
    after = asked_pause(words) if outcome is Outcome.DEFERRED else None
    return Result(outcome=outcome, detail=words, code=reply.code, cause=cause, after=after)


def _of_closing(words: str) -> Cause:
    """What 421 says; the phase plays no part, for the connection is over."""
    return judge_reply(_CLOSING, enhanced_of(words), words, Phase.RCPT)[1] or Cause.RELAY


def _result(outcome: Outcome, reply: _Reply) -> Result:
    return Result(outcome=outcome, detail=str(reply), code=reply.code)


def _commands(letter: Letter) -> tuple[bytes, bytes, bytes]:
    message = letter.message
    extras = "" if isinstance(message, Sound) or message.isascii() else " BODY=8BITMIME"
    if not (letter.sender.isascii() and letter.recipient.isascii()):
        extras += " SMTPUTF8"
    mail, rcpt = f"MAIL FROM:<{letter.sender}>{extras}\r\n", f"RCPT TO:<{letter.recipient}>\r\n"
    return mail.encode(), rcpt.encode(), b"DATA\r\n"


def _body(message: bytes) -> tuple[bytes, ...]:
    if not isinstance(message, Sound) and _LEADING_DOT.search(message):
        message = message.replace(b"\n.", b"\n..")
    first = b"." if message.startswith(b".") else b""
    return first, message, b"" if message.endswith(b"\r\n") else b"\r\n", _DOT
