"""What runs apart from us: a nursery, which never looks at a feed, and a fork of it for each body, which does.

Started by `ingest.nursery` as `python -m syndicator.ingest.child`. The nursery imports the parsers once,
gives up what nobody here needs, and then answers one question after the other; each body is read in a
process of its own, so that one that takes over or kills its process touches no other (security:X2, X3).
Nothing it says is trusted on the other side, and whatever reading raises ends here as a refusal (feeds:I12).
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, NoReturn

from syndicator.ingest.child import reading
from syndicator.ingest.child.protocol import ANSWER, NOT_STARTED, QUESTION, TOO_LONG, TOO_SLOW, longest
from syndicator.ingest.child.scan import Refuse

MEMORY = 512 * 2**20  # bytes of address space; Python, feedparser and lxml take 50 MB of it at the start
PIECE = 64_000  # bytes of entries said in one line: so many are checked in less than a millisecond
NO_MEMORY = {"refused": f"reading it takes more than {MEMORY // 2**20} MB of memory"}
TOO_DEEP = {"refused": "it is nested too deeply"}
WARM = b'<rss version="2.0"><channel><title>x</title><item><title>x</title></item></channel></rss>'

NEW_USER, NEW_NET, NEW_PID = 0x1000_0000, 0x4000_0000, 0x2000_0000  # CLONE_NEW…, linux/sched.h
DEATH_SIGNAL, NO_NEW_PRIVILEGES = 1, 38  # PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, linux/prctl.h


class Question(NamedTuple):
    """A body and what is known of it; `wall` and `cpu` are seconds that reading it may take."""

    body: bytes
    content_type: str
    url: str | None
    known: frozenset[str]
    wall: float
    cpu: int


class Lines(NamedTuple):
    """The two pipes to whoever asks; a fork has neither."""

    asked: int
    answers: int


def main() -> None:
    """Answer what is asked on stdin until it ends."""
    _confine()
    lines = _lines()
    with suppress(Exception):  # it would fail for each body, too, and say so
        reading.read(WARM, "", None)  # what is imported and compiled late is there before the first fork
    _guard(lines)
    gc.freeze()
    while question := _question(lines.asked):
        said, ended = _answered(question, lines)
        _write(lines.answers, ANSWER.pack(len(said), ended) + said)


# -- the nursery -----------------------------------------------------------------------------------------


def _confine() -> None:
    """Nothing can be written, no core dumped, no network reached, no process seen; memory is bounded."""
    for kind, most in {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }.items():
        _limit(kind, most, most)
    any(map(_unshare, (NEW_USER | NEW_NET | NEW_PID, NEW_USER | NEW_NET, NEW_NET | NEW_PID)))
    _prctl(NO_NEW_PRIVILEGES, 1)


def _lines() -> Lines:
    """The pipes under other numbers: whatever prints or reads by habit reaches nobody."""
    lines = Lines(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    for habit in (0, 1):
        os.dup2(nothing, habit)
    os.close(nothing)
    return lines


def _guard(lines: Lines) -> None:
    """The first process of the namespace: all others in it end with it, and it ends with the nursery."""
    with suppress(OSError):
        if os.fork() == 0:
            _prctl(DEATH_SIGNAL, signal.SIGKILL)
            for line in lines:
                os.close(line)
            while True:
                signal.pause()


def _question(asked: int) -> Question | None:
    """The next one, or None when there will be none."""
    sizes = _exactly(asked, QUESTION.size)
    if len(sizes) < QUESTION.size:
        return None
    head, body = (_exactly(asked, size) for size in QUESTION.unpack(sizes))
    said = json.loads(head)
    known = frozenset(said.pop("known"))
    return Question(body=body, known=known, **said)


def _exactly(line: int, size: int) -> bytes:
    got = bytearray()
    while len(got) < size and (piece := os.read(line, size - len(got))):
        got += piece
    return bytes(got)


def _write(line: int, said: bytes) -> None:
    rest = memoryview(said)
    while rest:
        rest = rest[os.write(line, rest) :]


def _answered(question: Question, lines: Lines) -> tuple[bytes, int]:
    """What a fork says of the body, and how it ended."""
    ours, theirs = os.pipe()
    try:
        pid = os.fork()
    except OSError:  # there are too many processes, or no memory for one more
        os.close(ours)
        os.close(theirs)
        return b"", NOT_STARTED
    if pid == 0:
        os.close(ours)
        _alone(question, lines, theirs)
    os.close(theirs)
    ends, most = time.monotonic() + question.wall, longest(len(question.body))
    said, fault = _heard(ours, lines.asked, ends, most)
    os.close(ours)
    # It may live on. If it was ending its own cause of death stays: that was set before its pipe closed.
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return said, fault or os.waitstatus_to_exitcode(status)


def _heard(line: int, asked: int, ends: float, most: int) -> tuple[bytes, int]:
    said, poll = bytearray(), select.poll()
    poll.register(line, select.POLLIN)
    poll.register(asked, 0)
    while ready := poll.poll(max(0, ends - time.monotonic()) * 1000):
        if any(which == asked for which, _ in ready):
            raise SystemExit  # whoever asked is gone, and with us goes the fork
        piece = os.read(line, 1 << 20)
        if not piece:
            return bytes(said), 0
        said += piece
        if len(said) > most:
            return b"", TOO_LONG
    return b"", TOO_SLOW


# -- the fork --------------------------------------------------------------------------------------------


def _alone(question: Question, lines: Lines, line: int) -> NoReturn:
    """Read the body and say what it holds: out of reach of the nursery, with limits of its own."""
    try:
        for other in lines:
            os.close(other)
        os.setsid()  # "all of my group" is not the nursery
        _prctl(DEATH_SIGNAL, signal.SIGKILL)
        _unshare(NEW_USER)
        _limit(resource.RLIMIT_CPU, question.cpu, question.cpu + 1)  # a signal that says why, then the end
        _limit(resource.RLIMIT_NPROC, 0, 0)
        _write(line, b"\n".join(_said(question)))
    finally:
        os._exit(0)


def _said(question: Question) -> list[bytes]:
    """Lines of JSON: the answer without its entries, then lists of them."""
    try:
        feed = reading.read(question.body, question.content_type, question.url, question.known)
        return list(_pieces(feed))
    except Refuse as refusal:
        answer: dict[str, Any] = {"refused": str(refusal), "links": list(refusal.links)}
    except MemoryError:
        answer = NO_MEMORY  # there is none for words, either, until what was read is let go
    except RecursionError:
        answer = TOO_DEEP
    except Exception as fault:  # noqa: BLE001 - feeds:I12, and nobody reads a traceback here
        answer = {"refused": f"the parser failed on it: {type(fault).__name__}: {str(fault)[:200]}"}
    return [_json(answer)]


def _pieces(feed: dict[str, Any]) -> Iterator[bytes]:
    # In pieces, because whoever checks them cannot do anything else meanwhile (the GIL).
    entries = feed.pop("entries")
    yield _json({"feed": feed})
    piece, size = [], 0
    for said in map(_json, entries):
        piece.append(said)
        size += len(said)
        if size > PIECE:
            yield b"[%s]" % b",".join(piece)
            piece, size = [], 0
    yield b"[%s]" % b",".join(piece)


def _json(said: Any) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")


# -- the system ------------------------------------------------------------------------------------------


def _limit(kind: int, soft: int, hard: int) -> None:
    with suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(kind, (soft, hard))


def _unshare(namespaces: int) -> bool:
    """Whether the system lets us have these."""
    with suppress(OSError, AttributeError):
        return bool(_libc().unshare(namespaces) == 0)
    return False


def _prctl(option: int, value: int) -> None:
    with suppress(OSError, AttributeError):
        _libc().prctl(option, value, 0, 0, 0)


@cache
def _libc() -> ctypes.CDLL:
    """Opened once: a fork would do it again for each call."""
    return ctypes.CDLL(None)


if __name__ == "__main__":
    with suppress(BrokenPipeError, SystemExit):
        main()
    os._exit(0)
