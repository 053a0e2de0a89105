"""`syndicator run`, `health`, and the end: two processes that serve and work until they are told (operations:OP33)."""

import http.client
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.program import RealProcess

PATIENCE = 30.0  # seconds


@pytest.fixture
def program(store_url: str, tmp_path: Path) -> RealProcess:
    """A newsroom on a free port."""
    made = RealProcess(store_url, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        made.env["SYNDICATOR_WEB__PORT"] = str(free.getsockname()[1])
    return made


@contextmanager
def running(program: RealProcess, *args: str) -> "Iterator[subprocess.Popen[str]]":
    """A process that is ended with the block, if it has not ended by then."""
    process = program.start(*args)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


def eventually(what: Callable[[], bool]) -> bool:
    """Whether it becomes true while one is patient."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.1)
    return False


def answer(program: RealProcess, path: str) -> int:
    """The status the web process answers with, 0 for none."""
    connection = http.client.HTTPConnection("127.0.0.1", int(program.env["SYNDICATOR_WEB__PORT"]), timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_run_serves_and_works_until_it_is_told(program: RealProcess) -> None:
    """An item added beside it is in the feeds and on its page within seconds; SIGTERM ends all with 0."""
    assert 1 == program.try_("health").code
    with running(program, "run") as process:
        assert eventually(lambda: answer(program, "/readyz") == 200), log(program)
        assert 0 == program.try_("health").code
        item = program.json("item", "add", program.file("a.md", "title: On budgets"))
        assert eventually(lambda: answer(program, "/feeds/all.atom") == 200), log(program)
        assert eventually(lambda: answer(program, f"/items/{item['slug']}") == 200), log(program)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(PATIENCE), log(program)
    assert 0 == answer(program, "/healthz")
    assert 1 == program.try_("health").code


def test_serve_alone_is_not_ready(program: RealProcess) -> None:
    """Without a worker /readyz says so and `health` names it; /healthz is well (operations:OP27)."""
    with running(program, "serve") as process:
        assert eventually(lambda: answer(program, "/healthz") == 200), log(program)
        said = program.try_("health")
        assert 1 == said.code
        assert "worker" in said.err
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(PATIENCE), log(program)


def test_a_worker_ends_in_order(program: RealProcess) -> None:
    """SIGTERM: the work in hand is finished, exit 0."""
    with running(program, "worker") as process:
        assert eventually(lambda: "started" in log(program))
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(PATIENCE), log(program)
    assert "ended" in log(program)


def test_a_port_that_is_taken_is_said(program: RealProcess) -> None:
    """Exit 1 and one line that names the address."""
    with socket.create_server(("127.0.0.1", int(program.env["SYNDICATOR_WEB__PORT"]))):
        said = program.try_("serve")
    assert 1 == said.code
    assert "cannot listen on 127.0.0.1:" in said.err
    assert "Traceback" not in said.err


def test_a_config_with_faults_ends_run_at_once(program: RealProcess) -> None:
    """Exit 3, before any child is started."""
    program.env["SYNDICATOR_SITE__TIMEZONE"] = "Europe/Lodnon"
    said = program.try_("run")
    assert 3 == said.code
    assert "Europe/London" in said.err


def log(program: RealProcess) -> str:
    """What the processes said."""
    path = program.folder / "log"
    return path.read_text(encoding="utf-8") if path.exists() else ""
