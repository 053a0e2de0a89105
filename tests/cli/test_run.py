"""`syndicator run`: children that crash, that cannot begin, and that are told to end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from syndicator.cli import run
from syndicator.cli.run import Child, Supervisor


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in run.STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def python(name: str, code: str) -> Child:
    """A child that runs a line of Python."""
    return Child(name, [sys.executable, "-c", code])


def supervised(children: list[Child], until: Callable[[], bool], grace: float = 5) -> int:
    """Supervise until something has happened; the exit code."""
    supervisor = Supervisor(children, timedelta(seconds=grace))

    def watch() -> None:
        deadline = time.monotonic() + 20
        while not until() and time.monotonic() < deadline:
            time.sleep(0.02)
        supervisor.stop()

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = supervisor.run()
    supervisor.stop()
    watcher.join()
    return code


def test_a_database_that_is_away_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 75 says try later: the child is started again, the other goes on."""
    marks = tmp_path / "marks"
    away = python("worker", f"open({str(marks)!r}, 'a').write('x'); raise SystemExit(75)")
    code = supervised([away], lambda: marks.exists() and len(marks.read_text(encoding="utf-8")) >= 2)
    assert 0 == code
    assert "worker ended with 75; it is started again in 1 s" in capsys.readouterr().err


def test_a_crashed_child_is_started_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A child that ends by itself runs again after a pause that doubles (operations:OP33)."""
    marks = tmp_path / "marks"
    crash = python("worker", f"open({str(marks)!r}, 'a').write('x'); raise SystemExit(1)")
    code = supervised([crash], lambda: marks.exists() and len(marks.read_text(encoding="utf-8")) >= 2)
    assert 0 == code
    assert "worker ended with 1; it is started again in 1 s" in capsys.readouterr().err


def test_pauses_double_up_to_a_minute_and_are_forgotten() -> None:
    """1, 2, 4 … 60 seconds; after a steady minute a crash is a first one again."""
    child = Child("web", [])
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] == [child.crashed(now=10.0) for _ in range(8)]
    assert 1.0 == child.crashed(now=200.0)


@pytest.mark.parametrize("code", run.HOPELESS)
def test_what_cannot_begin_ends_the_whole(code: int, tmp_path: Path) -> None:
    """A child that says usage or config is not tried again; its exit code is ours, the other ends."""
    lasting = python("web", "import time; time.sleep(60)")
    hopeless = python("worker", f"raise SystemExit({code})")
    ended = supervised(
        [lasting, hopeless], lambda: False if lasting.process is None else lasting.process.poll() is not None
    )
    assert code == ended
    assert lasting.process is not None
    assert -signal.SIGTERM == lasting.process.returncode


def test_children_end_when_told(tmp_path: Path) -> None:
    """SIGTERM is passed on; a child that ends in order makes exit code 0."""
    ready = tmp_path / "ready"
    polite = python(
        "web",
        "import signal, sys, time, pathlib\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)",
    )
    assert 0 == supervised([polite], ready.exists)


def test_a_child_that_does_not_end_is_killed_after_the_grace(tmp_path: Path) -> None:
    """After the grace time it is killed, and the exit code says so."""
    ready = tmp_path / "ready"
    deaf = python(
        "web",
        "import signal, time, pathlib\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)",
    )
    assert 1 == supervised([deaf], ready.exists, grace=0.3)
    assert deaf.process is not None
    assert -signal.SIGKILL == deaf.process.returncode


def test_ctrl_c_reaches_the_children_through_us_alone() -> None:
    """Each child is in a process group of its own."""
    child = python("web", "import time; time.sleep(60)")
    child.start()
    try:
        assert child.process is not None
        assert os.getpgid(child.process.pid) == child.process.pid
    finally:
        assert isinstance(child.process, subprocess.Popen)
        child.process.kill()
        child.process.wait()
