"""The processes that read feeds: what is done to them, and what they do, costs one feed and nothing else.

The programs here are real nurseries in which the reading of a feed is hostile code, as if a body had taken
it over.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from syndicator.ingest.child import __main__ as child
from syndicator.ingest.nursery import Nursery, _ready
from syndicator.ingest.parse import Pool, Unreadable, _feed
from tests.ingest.feeds import entry, rss

SECOND = timedelta(seconds=1)
GOOD = rss(entry())
LATER = rss(entry(title="later"))
MARK = f"tests.ingest.test_pool of {os.getpid()}"


def program(*, at_start: str = "") -> tuple[str, ...]:
    """A nursery whose forks run the code in a body that is `evil` instead of reading it."""
    lines = [f"# {MARK}", "import ctypes, os, signal, socket, time"]
    lines += ["from syndicator.ingest.child import __main__ as child, reading", "real = reading.read"]
    lines += [
        "def read(body, *rest):",
        "    if not body.startswith(b'evil'):",
        "        return real(body, *rest)",
    ]
    lines += ["    exec(body[4:])", "    return locals()['evil']() or real(LATER, *rest)"]
    lines += [f"LATER = {LATER!r}", "reading.read = read", at_start, "child.main()"]
    return (sys.executable, "-P", "-c", "\n".join(lines))


def evil(code: str) -> bytes:
    """A body that runs this as if it had taken over its process; what it returns is the feed."""
    return ("evildef evil():\n" + "\n".join(f"    {line}" for line in code.splitlines())).encode()


def ours() -> set[int]:
    """Every process of our programs that lives."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended since
            if MARK.encode() in path.read_bytes():
                found.add(int(path.parent.name))
    return found


def children() -> set[int]:
    """Our children, the ended ones that nobody has waited for among them."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, _, rest = path.read_text(errors="replace").partition(" (")
            if os.getpid() == int(rest.rpartition(") ")[2].split()[1]):
                found.add(int(pid))
    return found


def until(holds: Callable[[], object]) -> None:
    """Wait for something that other threads and processes bring about."""
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends
        os.sched_yield()


@contextmanager
def nothing_left() -> Iterator[None]:
    if not Path("/proc/self/fd").exists():
        yield
        return
    before, fds, programs = children(), open_files(), ours()
    yield
    assert set() == children() - before
    assert fds == open_files()
    until(lambda: ours() <= programs)  # those of a namespace end a moment after its first


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module")
def taken() -> Iterator[Pool]:
    """A pool for bodies that take over, one after the other; none of them is near its computing time."""
    with nothing_left(), Pool(1, cpu=60 * SECOND, program=program()) as pool:
        yield pool


@pytest.fixture
def hurried() -> Iterator[Pool]:
    """A pool that grants little computing, so that a test of that limit is soon over."""
    with nothing_left(), Pool(1, cpu=SECOND, program=program()) as pool:
        yield pool


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """security:X3 — no process, no zombie and no pipe outlives the pool that had it."""
    with nullcontext() if {"taken", "hurried"} & {*request.fixturenames} else nothing_left():
        yield


def refusal(pool: Pool, body: bytes, timeout: timedelta = 20 * SECOND) -> str:
    with pytest.raises(Unreadable) as caught:
        pool.parse(body, timeout=timeout)
    return str(caught.value)


def works(pool: Pool) -> None:
    (one,) = pool.parse(GOOD).entries
    assert one.title == "Item 1"


# -- what a body may do to its process -------------------------------------------------------------------

SILENT = "os.closerange(0, 100); signal.pause()"
TALKATIVE = "[os.write(fd, child.ANSWER.pack(2, 0) + b'{}') for fd in range(100) if os.path.exists(f'/proc/self/fd/{fd}')]"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param("ctypes.string_at(0)", "crashed the parser", id="crash"),
        pytest.param("bytearray(600 * 2**20)", "more than 512 MB of memory", id="memory"),
        pytest.param("x = []\nwhile True: x.append(bytearray(2**14))", "512 MB of memory", id="memory-bits"),
        pytest.param("os._exit(0)", "the parser failed on it", id="exit"),
        pytest.param("raise SystemExit(3)", "the parser failed on it", id="system-exit"),
        pytest.param("raise ValueError('no')", "ValueError: no", id="exception"),
        pytest.param("f = lambda: f()\nf()", "nested too deeply", id="recursion"),
        pytest.param(SILENT, "was stopped", id="silent"),
        pytest.param(
            "child._said = lambda _: 1\nos.write(1, b'x')\nreturn 5", "AttributeError", id="no-feed"
        ),
        pytest.param(TALKATIVE + "\nos._exit(0)", "not acceptable", id="talkative"),
        pytest.param("os.kill(os.getppid(), signal.SIGKILL)", "", id="kills-what-started-it"),
        pytest.param("return {'version': 5, 'entries': []}", "not acceptable", id="other-types"),
        pytest.param("return {'version': 'x' * 5000, 'entries': []}", "not acceptable", id="too-long-a-line"),
        pytest.param("return {'version': 'x', 'entries': [{}] * 5001}", "at most 5000", id="entries"),
        pytest.param(
            "return {'version': 'x' * 11_000_000, 'entries': []}", "more than a feed", id="long-line"
        ),
        pytest.param(
            "return {'version': 'x' * 33_000_000, 'entries': []}", "more than a feed", id="too-long"
        ),
    ],
)
def test_what_a_body_does_to_its_process_is_its_own_failure(code: str, words: str, taken: Pool) -> None:
    """security:X2, security:X3, feeds:I12 — it ends in words; the next body is read as if nothing had been."""
    assert words in refusal(taken, evil(code))
    works(taken)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param("while True: pass", "more than 1 seconds of computing", id="plain"),
        pytest.param(
            "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", "too much time", id="deaf"
        ),
    ],
)
def test_computing_without_end_is_ended(code: str, words: str, hurried: Pool) -> None:
    """security:X2, security:X3 — also where the body has made its process deaf to the first signal."""
    assert words in refusal(hurried, evil(code))
    works(hurried)


def test_the_wall_clock_ends_a_process(taken: Pool) -> None:
    """security:X2 — one out of time is ended, whatever it waits for."""
    assert refusal(taken, evil("signal.pause()"), SECOND / 2) == "reading it takes too long"
    works(taken)


def test_what_a_process_started_ends_with_it() -> None:
    """security:X2 — nothing that a body leaves running outlives its time, even in a session of its own."""
    if not namespaces():
        pytest.skip("this system gives no process namespaces")
    code = "if os.fork() == 0:\n    os.setsid()\n    while True: signal.pause()"
    with Pool(1, program=program()) as pool:
        with suppress(Unreadable):  # where it may not even fork
            pool.parse(evil(code), timeout=SECOND)
        works(pool)


def test_a_process_reaches_no_network(taken: Pool) -> None:
    """security:X2 — even code that runs in the child cannot connect to a listener of this machine."""
    if not namespaces():
        pytest.skip("this system gives no network namespaces")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        code = f"socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}), 5)"
        assert "OSError" in refusal(taken, evil(code))
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_process_writes_no_file(tmp_path: Path, taken: Pool) -> None:
    """security:X2 — not a byte of a file can be written."""
    assert refusal(taken, evil(f"open({str(tmp_path / 'x')!r}, 'w').write('x' * 100_000)"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


def test_a_process_has_one_pipe_and_nothing_else(taken: Pool) -> None:
    """security:X2, security:D1 — it holds neither our pipes nor our environment."""
    words = refusal(taken, evil("raise ValueError(len(os.listdir('/proc/self/fd')), *sorted(os.environ))"))
    # 0, 1 and 2, which lead nowhere; the answer; the folder it looks at. Python itself sets LC_CTYPE.
    assert words.replace("'LC_CTYPE', ", "").endswith("ValueError: (5, 'PYTHONPATH', 'PYTHONUTF8')")


def namespaces() -> bool:
    """Whether a process may have some of its own here."""
    with suppress(OSError):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if child._unshare(child.NEW_USER | child.NEW_NET | child.NEW_PID) else 1)
        return os.waitpid(pid, 0)[1] == 0
    return False


# -- what it may say -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        b'{"feed": {"version": "x", "entries": [' + b"1," * 4_000_000 + b"1]}}",
        b'{"feed": {"version": "x", "omitted": [' + b"{}," * 2_000_000 + b"1]}}",
        b'{"feed": {"version": "x"}}\n[' + b"1," * 4_000_000 + b"1]",
        b'{"feed": {"version": "x"}}\n[{"files": [' + b"1," * 4_000_000 + b"1]}]",
        b'{"feed": {"version": "x"}}' + b"\n" * 20_000_000,
        b'{"feed": {' + b",".join(b'"a%d":1' % n for n in range(600_000)) + b"}}",
        b"[" * 9_000_000,
    ],
    ids=["entries", "omitted", "line", "files", "newlines", "names", "deep"],
)
def test_a_long_lie_costs_little(said: bytes) -> None:
    """security:X2 — millions of wrong things are one fault: they used to cost us 5 GB and 26 seconds."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreadable, match="not acceptable"):
        _feed(said)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB


def test_a_small_body_gives_no_large_answer(taken: Pool) -> None:
    """security:X2 feeds:I23 — what grows twenty times is refused before we hold it; five thousand empty entries are not."""
    said = "return {'version': 'rss20', 'entries': [{'title': 'x' * %d} for _ in range(4_900)]}"
    assert "more than a feed can hold" in refusal(taken, evil(said % 900))
    assert 4_900 == len(taken.parse(evil(said % 10)).entries)


def test_what_cannot_be_stored_is_refused() -> None:
    """security:X5 — NUL in the child's words would break the row that keeps them; a text about it would not."""
    with pytest.raises(Unreadable, match="no row can keep"):
        _feed(b'{"feed": {"version": "x", "warning": "a\\\\\\u0000b"}}')
    assert _feed(b'{"feed": {"version": "x", "warning": "a\\\\u0000b"}}').warning == "a\\u0000b"


def test_an_answer_comes_in_pieces() -> None:
    """feeds:I23 — entries are said in lines that are checked in a millisecond each; their order stays."""
    many = [{"title": f"{n}", "body": "x" * 1_000} for n in range(1_000)]
    head, *lines = child._pieces({"version": "rss20", "entries": many})
    assert max(map(len, lines)) < child.PIECE + 2_000
    feed = _feed(b"\n".join([head, *lines]))
    assert [one.title for one in feed.entries] == [f"{n}" for n in range(1_000)]


# -- what is done to it ----------------------------------------------------------------------------------


def nursery_of(pool: Pool) -> Nursery:
    (found,) = (*pool._busy, *(nursery for _, nursery in pool._idle))
    return found


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_nursery_that_was_killed_is_replaced(death: signal.Signals) -> None:
    """security:X3 — nobody notices, neither between two bodies nor in the middle of one."""
    with Pool(1) as pool:
        works(pool)
        os.kill(nursery_of(pool).pid, death)
        works(pool)


def test_a_nursery_killed_in_the_middle_is_replaced(tmp_path: Path) -> None:
    """security:X3 — the body is read by the next one."""
    once = tmp_path / "asked"
    code = f"if not os.path.exists({str(once)!r}):\n    open({str(once)!r}, 'x')\n    signal.pause()"
    with Pool(1, program=program()) as pool, ThreadPoolExecutor(1) as thread:
        answer = thread.submit(pool.parse, evil(code))
        until(once.exists)
        os.kill(nursery_of(pool).pid, signal.SIGKILL)
        assert [one.title for one in answer.result(timeout=20).entries] == ["later"]


def test_a_nursery_that_dies_each_time_ends_in_words() -> None:
    """security:X3 — it is tried twice."""
    with Pool(1, program=(sys.executable, "-c", "pass")) as pool:
        assert refusal(pool, GOOD) in {
            "no process is left to read it: it ended",
            "no process is left to read it: it no longer listens",
        }


def test_a_nursery_that_does_not_read_is_ended() -> None:
    """security:X2 — neither three megabytes that nobody takes nor silence keep us waiting."""
    with Pool(1) as pool:
        works(pool)
        os.kill(nursery_of(pool).pid, signal.SIGSTOP)
        body = rss(entry(title="x" * 3_000_000))
        assert refusal(pool, body, SECOND / 2) == "reading it takes too long"
        works(pool)


@pytest.mark.parametrize(
    "said",
    [
        "b'x' * 1_000_000",
        "b'\\xff' * 8",
        "child.ANSWER.pack(5_000_000, 0)",
        "child.ANSWER.pack(1, 0) + b'xyz'",
    ],
)
def test_nonsense_from_a_nursery_ends_in_words(said: str) -> None:
    """security:X2 — an answer of another form is no answer."""
    with Pool(
        1, program=program(at_start=f"child._answered = lambda *_: os.write(4, {said}) and signal.pause()")
    ) as pool:
        assert "no process is left to read it" in refusal(pool, GOOD, 2 * SECOND)


def test_a_nursery_that_speaks_unasked_is_not_believed() -> None:
    """security:X2 — what was said too early answers nothing: another is asked."""
    speak = "os.write(4, child.ANSWER.pack(2, 0) + b'{}')"
    with Pool(1, program=program(at_start=f"signal.signal(signal.SIGUSR1, lambda *_: {speak})")) as pool:
        works(pool)
        first = nursery_of(pool)
        os.kill(first.pid, signal.SIGUSR1)
        until(lambda: _ready(first._from, 0))
        works(pool)
        assert nursery_of(pool) is not first


def test_no_fork_to_be_had_ends_in_words() -> None:
    """security:X3 — memory or processes used up are told; the house stays up."""
    code = "os.fork = lambda: (_ for _ in ()).throw(BlockingIOError())"
    with Pool(1, program=program(at_start=code)) as pool:
        assert refusal(pool, GOOD) == "no process is left to read it: it cannot fork"
    with Pool(1, program=("/nonexistent/python",)) as pool:
        assert refusal(pool, GOOD).startswith("no process can be started to read it: ")


# -- many at once ----------------------------------------------------------------------------------------


def test_a_hundred_bodies_at_once() -> None:
    """security:X3 — good and bad ones from many threads: each gets its own answer, and two run at a time."""
    crash = evil("ctypes.string_at(0)")
    bodies = [crash if n % 10 == 0 else rss(entry(n)) for n in range(100)]

    def title(body: bytes) -> str:
        try:
            return pool.parse(body).entries[0].title
        except Unreadable as refused:
            return str(refused)

    with Pool(2, program=program()) as pool, ThreadPoolExecutor(100) as threads:
        said = list(threads.map(title, bodies))
        assert len(pool._idle) <= 2
    assert said == ["reading it crashed the parser" if n % 10 == 0 else f"Item {n}" for n in range(100)]


def test_who_asks_first_is_served_first() -> None:
    """feeds:I23 — no upstream waits for ever behind others."""
    served: list[int] = []

    def ask(number: int) -> None:
        pool.parse(GOOD)
        served.append(number)

    def waits(how_many: int) -> bool:
        return len(pool._waiting) == how_many

    with Pool(1) as pool, ThreadPoolExecutor(10) as threads:
        with pool._place():
            for number in range(10):
                threads.submit(ask, number)
                until(partial(waits, number + 1))
        threads.shutdown()
    assert served == list(range(10))


def test_closing_ends_what_is_under_way() -> None:
    """security:X3 — whoever asks or waits is told that it was no fault of the feed."""
    with ThreadPoolExecutor(2) as threads:
        pool = Pool(1, program=program())
        asked = [threads.submit(pool.parse, evil("signal.pause()")) for _ in range(2)]
        until(lambda: pool._busy and pool._waiting)
        pool.close()
        for answer in asked:
            assert isinstance(answer.exception(timeout=20), RuntimeError)
    with pytest.raises(RuntimeError, match="closed"):
        pool.parse(GOOD)


def test_an_idle_nursery_ends_and_another_is_started() -> None:
    """DESIGN §8 — an idle house keeps no parser in memory."""
    with Pool(2, idle=SECOND / 20) as pool:
        for _ in range(2):
            works(pool)
            until(lambda: not pool._idle and not pool._sweeper)


def test_a_pool_is_used_from_many_threads_while_it_closes() -> None:
    """security:X3 — no thread is left waiting, whenever the end comes."""
    started = threading.Barrier(9)

    def ask() -> None:
        started.wait()
        with suppress(RuntimeError):
            while True:
                works(pool)

    pool = Pool(2)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask) for _ in range(8)]
        started.wait()
        until(lambda: pool._idle or pool._waiting)
        pool.close()
        assert [answer.result(timeout=20) for answer in asked] == [None] * 8
