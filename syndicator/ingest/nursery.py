"""Our end of a nursery (`ingest.child`): it is started, asked, and ended; never trusted, never waited for.

A nursery that dies, stays silent or says nonsense is ended with its whole group. What its answer means is
for `ingest.parse`.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import syndicator
from syndicator.ingest.child.protocol import ANSWER, NOT_STARTED, QUESTION, TOO_LONG, TOO_SLOW, longest

PROGRAM = (sys.executable, "-P", "-m", "syndicator.ingest.child")
SHARE = 0.9  # of the time is the fork's: the rest is for the nursery to end it and tell us
PIPE = 1 << 20  # bytes that a pipe may hold; the usual 64 KiB mean eighty turns for 5 MB
CHUNK = 1 << 20
Head = dict[str, object]  # all that `child.Question` holds, the body apart


class Broken(Exception):
    """The nursery is gone, or does not keep to the protocol; of the body it says nothing."""


class Said(NamedTuple):
    """What was said of a body, and how its process ended: 0, minus a signal, TOO_SLOW or TOO_LONG."""

    words: bytes
    ended: int


class Nursery:
    """One process that reads one body after the other; `ask` is for one thread, `kill` for any."""

    def __init__(self, program: Sequence[str] = PROGRAM) -> None:
        """Start it; raises OSError."""
        self._process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            cwd="/",
            bufsize=0,
            start_new_session=True,  # a group of its own, to be ended as one
        )
        assert self._process.stdin
        assert self._process.stdout
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._lock = threading.Lock()
        self._polite = True
        for line in (self._to, self._from):
            os.set_blocking(line, False)
            with suppress(OSError, AttributeError):  # there is a limit for each user; only Linux has it
                fcntl.fcntl(line, fcntl.F_SETPIPE_SZ, PIPE)

    @property
    def pid(self) -> int:
        """Its process, and its process group."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it may be asked again: it answered as it should, and no body was ended by force."""
        return self._polite

    def ask(self, body: bytes, head: Head, ends: float) -> Said:
        """What a process of its own says of `body`; `ends` is an instant of time.monotonic.

        Raises Broken; where time runs out before there is an answer the nursery is to blame, too, but
        `Said` says TOO_SLOW.
        """
        self._polite = False
        if _ready(self._from, 0):
            raise Broken("it speaks unasked")
        head["wall"] = max(0.0, (ends - time.monotonic()) * SHARE)
        asked = json.dumps(head).encode()
        question = [QUESTION.pack(len(asked), len(body)), asked, body]
        said = self._exchange(question, longest(len(body)), ends)
        self._polite = said.ended not in {TOO_SLOW, TOO_LONG}
        return said

    def _exchange(self, question: list[bytes], most: int, ends: float) -> Said:
        unsaid = [memoryview(part) for part in question if part]
        heard, poll = bytearray(), select.poll()
        poll.register(self._from, select.POLLIN)
        poll.register(self._to, select.POLLOUT)
        while ready := poll.poll(max(0.0, ends - time.monotonic()) * 1000):
            for line, _ in ready:
                if line == self._to:
                    self._say(unsaid)
                    if not unsaid:
                        poll.unregister(self._to)
                elif (said := self._hear(heard, most)) is not None:
                    return said
        return Said(b"", TOO_SLOW)

    def _say(self, unsaid: list[memoryview]) -> None:
        try:
            sent = os.write(self._to, unsaid[0][:CHUNK])
        except OSError as fault:
            raise Broken("it no longer listens") from fault
        unsaid[0] = unsaid[0][sent:]
        if not unsaid[0]:
            del unsaid[0]

    def _hear(self, heard: bytearray, most: int) -> Said | None:
        """The answer as soon as it is whole; raises Broken for one longer than `most` bytes."""
        piece = os.read(self._from, CHUNK)
        if not piece:
            raise Broken("it ended")
        heard += piece
        if len(heard) < ANSWER.size:
            return None
        size, ended = ANSWER.unpack_from(heard)
        if size > most or ended == NOT_STARTED or len(heard) > ANSWER.size + size:
            raise Broken("it says more than an answer" if ended != NOT_STARTED else "it cannot fork")
        return Said(bytes(heard[ANSWER.size :]), ended) if len(heard) == ANSWER.size + size else None

    def kill(self) -> None:
        """End it and all that it started; whoever is asking it finds it broken."""
        with self._lock:
            if self._process.returncode is None:  # not waited for yet: until then the id is surely its own
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, wait for it and close the pipes; only when nobody is asking it."""
        self.kill()
        with self._lock:
            self._process.wait()
        for line in (self._process.stdin, self._process.stdout):
            if line:
                line.close()


def _ready(line: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(line, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


@lru_cache(maxsize=1)
def environment() -> dict[str, str]:
    """Only what Python needs to find us: ours holds the site's secrets."""
    return {"PYTHONPATH": str(Path(syndicator.__file__).parents[1]), "PYTHONUTF8": "1"}
