"""`syndicator run`, `health`, and the end: two processes that serve and work until they are told (operations:OP33)."""

import http.client
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cli.program import Beside
from tests.make import reserved_port
from tests.wire.smtp_server import HANG, Server

PATIENCE = 30.0  # seconds


@pytest.fixture
def program(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beside:
    """A newsroom on a free port."""
    monkeypatch.chdir(tmp_path)
    return on_a_port(store_url, tmp_path)


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path) -> Beside:
    """The same on SQLite: for what comes before any database."""
    return on_a_port(sqlite_url, tmp_path)


def on_a_port(url: str, folder: Path) -> Beside:
    """A newsroom that listens where nobody else does."""
    made = Beside(url, folder)
    made.env["SYNDICATOR_WEB__PORT"] = str(reserved_port())
    return made


@contextmanager
def running(program: Beside, *args: str) -> "Iterator[subprocess.Popen[str]]":
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


def answer(program: Beside, path: str) -> int:
    """The status the web process answers with, 0 for none."""
    connection = http.client.HTTPConnection("127.0.0.1", int(program.env["SYNDICATOR_WEB__PORT"]), timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_run_serves_and_works_until_it_is_told(program: Beside) -> None:
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


def test_serve_alone_is_not_ready(program: Beside) -> None:
    """Without a worker /readyz says so and `health` names it; /healthz is well (operations:OP27)."""
    with running(program, "serve") as process:
        assert eventually(lambda: answer(program, "/healthz") == 200), log(program)
        said = program.try_("health")
        assert 1 == said.code
        assert "worker" in said.err
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(PATIENCE), log(program)


def test_a_worker_ends_in_order(program: Beside) -> None:
    """SIGTERM: the work in hand is finished, exit 0."""
    with running(program, "worker") as process:
        assert eventually(lambda: "started" in log(program))
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(PATIENCE), log(program)
    assert "ended" in log(program)


def test_a_worker_keeps_its_grace(program: Beside) -> None:
    """A relay that falls silent after a letter keeps no worker longer than --grace; exit 1."""
    with Server({"DOT": HANG}) as relay:
        program.env |= {
            "SYNDICATOR_MAIL__TRANSPORT": "smtp",
            "SYNDICATOR_MAIL__HOST": "127.0.0.1",
            "SYNDICATOR_MAIL__PORT": str(relay.port),
            "SYNDICATOR_MAIL__TLS": "none",
        }
        program("contact", "add", "jane@example.org")
        program("contact", "subscribe", "jane@example.org", "all", "--consent", "by phone")
        program("item", "add", program.file("a.md", "title: On budgets"))
        with running(program, "worker", "--grace", "300ms") as process:
            assert eventually(lambda: "DOT" in relay.log), log(program)
            process.send_signal(signal.SIGTERM)
            assert 1 == process.wait(10), log(program)


def test_run_that_is_killed_leaves_nobody_behind(program: Beside) -> None:
    """After kill -9 the web process gives back the port and the worker ends in order (Linux)."""
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent is gone")
    with running(program, "run") as process:
        assert eventually(lambda: answer(program, "/readyz") == 200), log(program)
        process.kill()
        process.wait(PATIENCE)
        assert eventually(lambda: answer(program, "/healthz") == 0), log(program)
        assert eventually(lambda: "ended" in log(program)), log(program)


def test_run_over_another_schema_ends_at_once(lite: Beside, sqlite_url: str) -> None:
    """Exit 75 and the command that helps, before any child is started."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0000'")
    said = lite.try_("run")
    assert 75 == said.code
    assert "syndicator db upgrade" in said.err


def test_a_port_that_is_taken_is_said(lite: Beside) -> None:
    """Exit 3, for it is a matter of configuration, and one line that names the address and what to do."""
    with socket.create_server(("127.0.0.1", int(lite.env["SYNDICATOR_WEB__PORT"]))):
        said = lite.try_("serve")
    assert 3 == said.code
    assert "cannot listen on 127.0.0.1:" in said.err
    assert "Traceback" not in said.err


def test_a_config_with_faults_ends_run_at_once(lite: Beside) -> None:
    """Exit 3, before any child is started."""
    lite.env["SYNDICATOR_SITE__TIMEZONE"] = "Europe/Lodnon"
    said = lite.try_("run")
    assert 3 == said.code
    assert "Europe/London" in said.err


def log(program: Beside) -> str:
    """What the processes said."""
    path = program.folder / "log"
    return path.read_text(encoding="utf-8") if path.exists() else ""
