"""What every test may ask for: a clock, an empty store on SQLite and on PostgreSQL, a program or a reason.

SQLite is a file copied from a migrated one; PostgreSQL is one server for the whole run (tests/postgres.py)
with a database per worker, brought back to its start after each test.
"""

import gc
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests import postgres
from tests.listening import left_behind
from tests.make import NOW, FakeClock

if TYPE_CHECKING:  # at run time only tests that open a store pay for its import
    from syndicator.store import Store
    from tests.dialects import Kept

# Every run draws other examples, and there are many runs; HYPOTHESIS_PROFILE=default draws a hundred at once.
# How fast an example was drawn or tried says how busy the machine is, and nothing about the program.
settings.register_profile(
    "brief", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "brief"))

gc.disable()  # until everything is collected: what is loaded here stays, and there is much to walk through

DATABASES = ["sqlite", "postgresql"]
LONG = ("tests/journeys/", "tests/interop/", "tests/test_promise.py", "tests/store/test_migrations.py")
SERVER = pytest.StashKey[postgres.Server]()


def require_program(name: str) -> str:
    """Where an outside program is; the test is skipped by the program's name where it is absent.

    Under SYNDICATOR_REQUIRE_ALL=1 (.ci/run) it fails instead: there everything has been installed.
    """
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
    if path is not None:
        return path
    if os.environ.get("SYNDICATOR_REQUIRE_ALL") == "1":
        pytest.fail(f"{name} is not installed, and SYNDICATOR_REQUIRE_ALL asks for it", pytrace=False)
    pytest.skip(f"{name} is not installed")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command run in-process configures logging for the whole process: not for the next test.

    As structlog does it by itself, but tracebacks are plain: to draw one with all its values takes half a second.
    """
    structlog.reset_defaults()
    *usual, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*usual, plain])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def _no_server_left_behind() -> Iterator[None]:
    """Nobody pays for a server another test forgot to end."""
    yield
    assert [] == left_behind()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that shows NOW until it is advanced."""
    return FakeClock(NOW)


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, clock: FakeClock) -> "Iterator[Store]":
    """An open, migrated, empty store whose time is `clock`; once per database."""
    from syndicator.store import open_store

    where = request.getfixturevalue(f"{request.param}_url")
    with open_store(where, host_clock=clock, fixed_clock=clock) as opened, ExitStack() as stack:
        if request.param == "postgresql":
            stack.enter_context(request.getfixturevalue("postgresql_pool").lent(opened))
        yield opened


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty, migrated database of the test's own: for several processes or connections."""
    fixture = "sqlite_url" if request.param == "sqlite" else "postgresql_own_url"
    return str(request.getfixturevalue(fixture))


# -- SQLite ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def compiled_once() -> None:
    """Statements are compiled once for all engines of the run, as a program with one engine does it."""
    from tests import dialects

    dialects.share()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory, compiled_once: None) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("template") / "store.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated file of the test's own."""
    folder = tmp_path / "store"
    folder.mkdir()
    for part in sqlite_template.parent.iterdir():  # with its -wal, if it has one
        shutil.copy(part, folder)
    return f"sqlite:///{folder / sqlite_template.name}"


# -- PostgreSQL ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgresql_host(request: pytest.FixtureRequest) -> str:
    """Where the run's one server listens; without xdist it starts when the first test needs it."""
    handed = getattr(request.config, "workerinput", {})
    return str(handed["postgresql_host"] if handed else server(request.config).host)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_host: str, worker_id: str, compiled_once: None) -> str:
    """The name of this worker's migrated database; nobody stays connected to it."""
    name = f"template_{worker_id}"
    postgres.create(postgresql_host, name)
    migrate(postgres.url(postgresql_host, name))
    return name


@pytest.fixture(scope="session")
def postgresql_shared(
    postgresql_host: str, postgresql_template: str
) -> Iterator[tuple[str, postgres.Rewind]]:
    """The database this worker's tests use in turn, and what rewinds it."""
    name = postgresql_template.replace("template", "shared")
    postgres.create(postgresql_host, name, postgresql_template)
    rewind = postgres.Rewind(postgres.dsn(postgresql_host, name))
    yield postgres.url(postgresql_host, name), rewind
    rewind.close()


@pytest.fixture(scope="session")
def postgresql_pool(postgresql_shared: tuple[str, postgres.Rewind]) -> "Iterator[Kept]":
    """Connections to it that outlive a test."""
    from tests.dialects import Kept

    kept = Kept(postgresql_shared[0])
    yield kept
    kept.close()


@pytest.fixture
def postgresql_url(postgresql_shared: tuple[str, postgres.Rewind], postgresql_pool: "Kept") -> Iterator[str]:
    """This worker's database, rewound afterwards."""
    where, rewind = postgresql_shared
    yield where
    rewind(postgresql_pool.idle)


@pytest.fixture
def postgresql_own_url(postgresql_host: str, postgresql_template: str, worker_id: str) -> Iterator[str]:
    """A database of the test's own, dropped afterwards; some 20 ms, `postgresql_url` takes one."""
    name = f"own_{worker_id}"
    postgres.create(postgresql_host, name, postgresql_template)
    yield postgres.url(postgresql_host, name)
    postgres.drop(postgresql_host, name)


def migrate(where: str) -> None:
    """Bring an empty database to the newest schema."""
    from syndicator.store import open_store

    with open_store(where, host_clock=FakeClock(NOW), fixed_clock=FakeClock(NOW)) as opened:
        opened.upgrade()


# -- one server for all workers ----------------------------------------------------------------------------


def server(config: pytest.Config) -> postgres.Server:
    """The run's one server, started at the first call."""
    if SERVER not in config.stash:
        config.stash[SERVER] = postgres.Server()
    return config.stash[SERVER]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's controller hands its server to each worker: no lock file, no race."""
    node.workerinput["postgresql_host"] = server(node.config).host


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server with the run."""
    if SERVER in config.stash:
        config.stash[SERVER].stop()
        del config.stash[SERVER]


# -- what is costly -----------------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Folders of tests lie in memory where there is room: what is written is synced, and a disk takes its time."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", postgres.roomy())


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for rubbish among what the tests make, not again and again among 7,000 tests and their modules."""
    gc.freeze()
    gc.enable()


# -- what ran where ----------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests ran on each database: a run that has lost one of them should be seen."""
    stats = terminalreporter.stats
    ran = [
        report.nodeid
        for outcome in ("passed", "failed", "xfailed", "xpassed")
        for report in stats.get(outcome, ())
    ]
    counted = count_databases(ran)
    if counted:
        terminalreporter.write_line(
            f"ran on SQLite: {counted['sqlite']}, on PostgreSQL: {counted['postgresql']}"
        )


def count_databases(nodeids: list[str]) -> Counter[str]:
    """How many of these tests name a database among their parameters."""
    words = re.compile(r"\[(.*)\]$", re.DOTALL)
    found: Counter[str] = Counter()
    for nodeid in nodeids:
        match = words.search(nodeid)
        if match is not None:
            found.update(set(match[1].split("-")) & set(DATABASES))
    return found
