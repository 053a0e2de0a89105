"""Parsing a feed in a process of its own, with limits: bytes in, `Parsed` out, or `Unreadable` in words.

A `Pool` keeps a few nurseries (`ingest.nursery`), which fork for each body. Whatever happens there (time,
memory, a crash) is a fault of that feed only (security:X2, X3). The answer is validated as if it came from
the feed's author.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import FailFast, Field, TypeAdapter, ValidationError

from syndicator.errors import Invalid
from syndicator.ingest.child.protocol import TOO_LONG, TOO_SLOW
from syndicator.ingest.entries import MAX_ENTRIES, Answer, Entry, Link, Parsed
from syndicator.ingest.fetch import MAX_BYTES
from syndicator.ingest.nursery import PROGRAM, Broken, Head, Nursery, Said

WALL = timedelta(seconds=15)
CPU = timedelta(seconds=10)
IDLE = timedelta(minutes=1)  # a nursery takes some 40 MB
MAX_LINE = 10_000_000  # bytes of one line of an answer: a text of 2,000,000 characters fits
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # as JSON says it; PostgreSQL takes no such text
DEATHS: dict[int, str] = {
    TOO_SLOW: "reading it takes too long",
    TOO_LONG: "reading it gives more than a feed can hold",
    -signal.SIGKILL: "reading it was stopped: it takes too much time or memory",
    -signal.SIGSEGV: "reading it crashed the parser",
    -signal.SIGABRT: "reading it crashed the parser",
    -signal.SIGBUS: "reading it crashed the parser",
}


class Unreadable(Invalid):
    """A body that is no feed, or none we dare to read; the message says why in words.

    `links` are the feeds that it names, if it is a web page that names some (feeds:I11).
    """

    def __init__(self, words: str, links: tuple[Link, ...] = ()) -> None:
        super().__init__(words)
        self.links = links


class Pool:
    """Processes that read feeds, at most `size` at once, for as many threads as like to ask.

    Who asks first is served first. A process is started when it is needed and ended when it was `idle` for
    so long. `cpu` is what one body may take of computing, in whole seconds.
    """

    def __init__(
        self,
        size: int = 2,
        *,
        cpu: timedelta = CPU,
        idle: timedelta = IDLE,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._cpu = max(1, int(cpu.total_seconds()))
        self._rest = idle.total_seconds()
        self._program = program
        self._lock = threading.Lock()
        self._calm = threading.Condition(self._lock)  # fewer are busy
        self._free = size  # places that nobody has
        self._waiting: deque[threading.Lock] = deque()  # each let go when its place is free
        self._busy: set[Nursery] = set()
        self._idle: deque[tuple[float, Nursery]] = deque()  # since when; the newest is asked first
        self._sweeper: threading.Thread | None = None
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        """The pool; leaving ends its processes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End every process; whoever still asks or waits gets RuntimeError, which is no fault of a feed."""
        with self._lock:
            self._closed.set()
            sweeper = self._sweeper
            for nursery in self._busy:
                nursery.kill()
            while self._waiting:
                self._waiting.popleft().release()
            while self._idle:
                self._idle.pop()[1].end()
            self._calm.wait_for(lambda: not self._busy)  # whoever was asking one ends it
        if sweeper:
            sweeper.join()

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
        place is free. Raises Unreadable, whatever the body does to the parser (feeds:I12).
        """
        if len(body) > MAX_BYTES:
            raise Unreadable(f"it is {len(body):,} bytes long; the limit is {MAX_BYTES:,}")
        if not body.strip():
            raise Unreadable("it is empty")
        head: Head = {
            "content_type": content_type,
            "url": url,
            "known": sorted(known),
            "cpu": self._cpu,
        }
        with self._place():
            said = self._said(body, head, time.monotonic() + timeout.total_seconds())
        if not said.words:
            raise Unreadable(self._death(said.ended))
        return _feed(said.words)

    def _death(self, ended: int) -> str:
        if ended == -signal.SIGXCPU:
            return f"reading it takes more than {self._cpu} seconds of computing"
        return DEATHS.get(ended, "the parser failed on it")

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of `size` places, in the order of asking."""
        turn = None
        with self._lock:
            if self._free:
                self._free -= 1
            else:
                turn = threading.Lock()
                turn.acquire()
                self._waiting.append(turn)
        if turn:
            turn.acquire()  # whoever leaves hands over the place
        try:
            self._open()
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().release()
                else:
                    self._free += 1

    def _open(self) -> None:
        if self._closed.is_set():
            raise RuntimeError("the pool is closed")

    def _said(self, body: bytes, head: Head, ends: float) -> Said:
        why = ""
        for _ in range(2):  # a nursery that was killed is replaced once
            nursery = self._taken()
            try:
                return nursery.ask(body, head, ends)
            except Broken as fault:
                self._open()
                why = str(fault)
            finally:
                self._back(nursery)
        raise Unreadable(f"no process is left to read it: {why}")

    def _taken(self) -> Nursery:
        with self._lock:
            self._open()
            try:
                nursery = self._idle.pop()[1] if self._idle else Nursery(self._program)
            except OSError as fault:
                raise Unreadable(f"no process can be started to read it: {fault}") from fault
            self._busy.add(nursery)
            if self._sweeper is None:
                sweeper = threading.Thread(target=self._sweep, name="nurseries", daemon=True)
                with suppress(RuntimeError):  # no thread to be had: it stays until the pool is closed
                    sweeper.start()
                    self._sweeper = sweeper
            return nursery

    def _back(self, nursery: Nursery) -> None:
        kept = nursery.usable
        if not kept:
            nursery.end()
        with self._lock:
            self._busy.discard(nursery)
            if kept and not self._closed.is_set():
                self._idle.append((time.monotonic(), nursery))
            elif kept:
                nursery.end()
            self._calm.notify_all()

    def _sweep(self) -> None:
        """End those that were idle for too long; there is no sweeper where there is no nursery."""
        while not self._closed.wait(self._rest / 4):
            with self._lock:
                while self._idle and time.monotonic() - self._idle[0][0] >= self._rest:
                    self._idle.popleft()[1].end()
                if not self._idle and not self._busy:
                    self._sweeper = None
                    return


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


# -- the answer ------------------------------------------------------------------------------------------


def _feed(said: bytes) -> Parsed:
    """The feed in an answer: a line of its own, then lines of entries; raises Unreadable."""
    head, *lines = said.split(b"\n", MAX_ENTRIES + 1)
    answer: Answer = _valid(_answer(), head)
    feed = answer.feed
    if feed is None:
        raise Unreadable(answer.refused or "the parser gave no answer", answer.links)
    entries = list(feed.entries)
    for line in lines:
        entries += _valid(_entries(), line)
        if len(entries) > MAX_ENTRIES:
            raise Unreadable(f"it holds more than {MAX_ENTRIES:,} items")
    return replace(feed, entries=tuple(entries))


@lru_cache(maxsize=1)
def _answer() -> TypeAdapter[Any]:
    return TypeAdapter(Answer)


@lru_cache(maxsize=1)
def _entries() -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[tuple[Entry, ...], Field(max_length=MAX_ENTRIES), FailFast()])


def _valid(kind: TypeAdapter[Any], line: bytes) -> Any:
    if len(line) > MAX_LINE:
        raise Unreadable(DEATHS[TOO_LONG])
    if b"\\u0000" in line and NUL.search(line):
        raise Unreadable("the parser's answer is not acceptable: it holds a character that no row can keep")
    try:
        return kind.validate_json(line)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(f"the parser's answer is not acceptable: {where} {first['msg']}") from None
