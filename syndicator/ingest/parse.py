"""Parsing a feed in a child process with limits: bytes in, `Parsed` out, or `Unreadable` in words.

The child (`ingest.child`) is started by exec with an empty environment, reads the body on stdin and
writes one JSON answer. Whatever happens to it — time, memory, a crash — is a fault of that feed only
(delivery-and-security X2, X3). Its answer is validated as if it came from the feed's author.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Self

from pydantic import TypeAdapter, ValidationError

import syndicator
from syndicator.errors import Invalid
from syndicator.ingest.entries import Answer, Link, Parsed
from syndicator.ingest.fetch import MAX_BYTES

WALL = timedelta(seconds=15)
MAX_ANSWER = 32_000_000  # bytes; a body of 5 MB grows a little when it is cleaned and escaped
DEATHS: dict[int, str] = {
    signal.SIGXCPU: "reading it takes more than 10 seconds of computing",
    signal.SIGKILL: "reading it was stopped: it takes too much time or memory",
    signal.SIGSEGV: "reading it crashed the parser",
    signal.SIGABRT: "reading it crashed the parser",
}


class Unreadable(Invalid):
    """A body that is no feed, or none we dare to read; the message says why in words.

    `links` are the feeds that it names, if it is a web page that names some (feeds:I11).
    """

    def __init__(self, words: str, links: tuple[Link, ...] = ()) -> None:
        super().__init__(words)
        self.links = links


class Pool:
    """Processes that read feeds, at most `size` at once; for as many threads as like to ask."""

    def __init__(self, size: int = 2) -> None:
        self._free = threading.Semaphore(size)

    def __enter__(self) -> Self:
        """The pool; leaving ends its processes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End every process; whoever still waits for one gets RuntimeError."""

    def parse(
        self,
        body: bytes,
        *,
        content_type: str = "",
        url: str | None = None,
        known: frozenset[str] = frozenset(),
        timeout: timedelta = WALL,
    ) -> Parsed:
        """The feed in `body`; `url` is what its relative addresses are resolved against.

        Entries whose hash is in `known` are only named, in `Parsed.unchanged`. `timeout` begins when a
        process is free. Raises Unreadable, whatever the body does to the parser (feeds:I12).
        """
        if len(body) > MAX_BYTES:
            raise Unreadable(f"it is {len(body):,} bytes long; the limit is {MAX_BYTES:,}")
        if not body.strip():
            raise Unreadable("it is empty")
        question = {"content_type": content_type, "url": url, "known": sorted(known)}
        with self._free:
            answer = _validated(_ask(json.dumps(question).encode() + b"\n" + body, timeout))
        if answer.feed is None:
            raise Unreadable(answer.refused or "the parser gave no answer", answer.links)
        return answer.feed


def parse(
    body: bytes,
    *,
    content_type: str = "",
    url: str | None = None,
    known: frozenset[str] = frozenset(),
    timeout: timedelta = WALL,
) -> Parsed:
    """`Pool.parse` for one body, in a process of its own; raises Unreadable."""
    with Pool(1) as pool:
        return pool.parse(body, content_type=content_type, url=url, known=known, timeout=timeout)


def _ask(question: bytes, timeout: timedelta) -> bytes:
    # A file instead of a pipe: the child cannot make us wait for it to read.
    with tempfile.TemporaryFile() as file:
        file.write(question)
        file.seek(0)
        child = _start(file)
        try:
            said = _read(child, time.monotonic() + timeout.total_seconds())
        finally:
            _end(child)
    if not said:
        raise Unreadable(DEATHS.get(-(child.returncode or 0), "the parser failed on it"))
    return said


def _start(stdin: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "syndicator.ingest.child"],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        cwd="/",
        start_new_session=True,  # a group of its own, to be ended as one
    )


@lru_cache(maxsize=1)
def _environment() -> dict[str, str]:
    """Only what Python needs to find us: ours holds the site's secrets."""
    return {"PYTHONPATH": str(Path(syndicator.__file__).parents[1]), "PYTHONUTF8": "1"}


def _read(child: subprocess.Popen[bytes], ends: float) -> bytes:
    assert child.stdout
    said, poll = bytearray(), select.poll()
    poll.register(child.stdout, select.POLLIN)
    while True:
        left = ends - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise Unreadable("reading it takes too long")
        piece = os.read(child.stdout.fileno(), 1 << 20)
        if not piece:
            return bytes(said)
        said += piece
        if len(said) > MAX_ANSWER:
            raise Unreadable("reading it gives more than a feed can hold")


def _end(child: subprocess.Popen[bytes]) -> None:
    # The whole group, and before the child is reaped: until then the id is surely ours. Its own cause
    # of death stays: it was set before its end of the pipe was closed.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout:
        child.stdout.close()


@lru_cache(maxsize=1)
def _answers() -> TypeAdapter[Any]:
    return TypeAdapter(Answer)


def _validated(said: bytes) -> Answer:
    try:
        answer: Answer = _answers().validate_json(said)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(f"the parser's answer is not acceptable: {where} {first['msg']}") from None
    return answer
