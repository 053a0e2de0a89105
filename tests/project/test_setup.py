"""Set-up: what its stamp depends on, what uv is told, and how it recovers."""

import ast
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import setup

PROGRAM = setup.ROOT / "tools" / "setup.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what set-up reads, in a path with a space."""
    root = tmp_path / "a project"
    (root / "tools").mkdir(parents=True)
    for name in ("pyproject.toml", "requirements.lock", "build.lock", "tools/setup.py"):
        shutil.copy(setup.ROOT / name, root / name)
    return root


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("requirements.lock", "sha256:", "sha256:0"),
        ("build.lock", "sha256:", "sha256:0"),
        ("pyproject.toml", '"alembic",', '"alembic>=1",'),
        ("pyproject.toml", "syndicator.cli:main", "syndicator.cli:other"),
    ],
)
def test_the_stamp_changes_with_what_is_installed(project: Path, file: str, old: str, new: str) -> None:
    """Another lock, dependency or entry point makes the environment stale."""
    before = setup.stamp(project)
    replace(project / file, old, new)
    assert before != setup.stamp(project)


def test_the_stamp_does_not_change_with_a_rule_of_style(project: Path) -> None:
    """Nobody installs anew because of a linter's setting."""
    before = setup.stamp(project)
    replace(project / "pyproject.toml", "line-length = 110", "line-length = 100")
    assert before == setup.stamp(project)


def test_the_stamp_changes_with_the_place(project: Path) -> None:
    """An environment that was moved with its folder has wrong paths inside."""
    before = setup.stamp(project)
    moved = project.rename(project.with_name("elsewhere"))
    assert before != setup.stamp(moved)


def test_an_environment_without_a_stamp_is_not_ready(project: Path) -> None:
    """The stamp is written last: without it, or without an interpreter, set-up was interrupted."""
    venv = project / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    assert not setup.is_ready(venv, "wanted")
    (venv / ".ready").write_text("wanted")
    assert setup.is_ready(venv, "wanted")
    assert not setup.is_ready(venv, "something else")
    (venv / "bin" / "python").unlink()
    assert not setup.is_ready(venv, "wanted")


def test_a_killed_set_up_is_made_anew(project: Path) -> None:
    """`kill -9` in the middle leaves no stamp, and nothing of the half-made environment survives."""
    venv = project / ".venv"
    process = subprocess.Popen([sys.executable, project / "tools" / "setup.py"], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while not (venv / "pyvenv.cfg").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not setup.is_ready(venv, setup.stamp(project))
    (venv / "half-made").touch()
    with setup.alone(project) as lock_fd:  # waits for what the killed one has started
        setup.create_venv(venv, lock_fd)
    assert not (venv / "half-made").exists()
    subprocess.run([venv / "bin" / "python", "-m", "pip", "--version"], check=True, stdout=subprocess.DEVNULL)


def test_one_set_up_at_a_time(project: Path) -> None:
    """A second set-up waits; so does one that comes after a kill, for the children that still run."""
    with setup.alone(project) as lock_fd:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(lock_fd,))
        assert is_taken(project)
    assert is_taken(project)
    child.kill()
    child.wait()
    assert not is_taken(project)


def test_the_missing_venv_module_is_named_in_one_line(project: Path) -> None:
    """Debian's python3 comes without ensurepip; say which package brings it, and nothing else."""
    without = "import sys, runpy; sys.modules['ensurepip'] = None; runpy.run_path(sys.argv.pop(), run_name='__main__')"
    program = project / "tools" / "setup.py"
    done = subprocess.run(
        [sys.executable, "-c", without, program], capture_output=True, text=True, check=False
    )
    assert (1, 1) == (done.returncode, done.stderr.count("\n"))
    assert "python3-venv" in done.stderr
    assert not (project / ".venv").exists()


def test_an_old_interpreter_gets_as_far_as_being_told() -> None:
    """Python 3.6 can read the file, and so reach the line that asks for 3.11."""
    ast.parse(PROGRAM.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_second_start_does_nothing() -> None:
    """Every `make` target begins with set-up: where all is ready, nothing is said and nothing built."""
    if not setup.is_ready(Path(sys.prefix), setup.stamp(setup.ROOT)):
        pytest.skip("these tests run outside of the .venv that make builds")
    mark = Path(sys.prefix) / ".ready"
    before = mark.stat().st_mtime_ns
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, check=True)
    assert (b"", b"", before) == (done.stdout, done.stderr, mark.stat().st_mtime_ns)


def test_pip_settings_keep_their_precedence() -> None:
    """`pip config list` is sorted by name; the environment wins over [install], that over [global]."""
    listing = """\
:env:.timeout='30'
global.index-url='https://global.example/simple'
global.timeout='10'
install.index-url='https://install.example/simple'
install.timeout='20'
install.find-links=['/a', '/b']
wheel.index-url='https://wheel.example/simple'
not a setting
"""
    assert {
        "timeout": "30",
        "index-url": "https://install.example/simple",
        "find-links": ["/a", "/b"],
    } == setup.read_pip_config(listing)


def test_uv_is_told_what_pip_is_told() -> None:
    """uv reads neither pip.conf nor PIP_*; its lists have separators of their own."""
    config: dict[str, str | list[str]] = {
        "index-url": "https://one.example/simple",
        "extra-index-url": "\nhttps://two.example/simple\nhttps://three.example/simple",
        "find-links": "/wheels /more",
        "cert": "/etc/ca.pem",
        "trusted-host": "one.example",
        "default-timeout": "60",
    }
    assert {
        "UV_DEFAULT_INDEX": "https://one.example/simple",
        "UV_INDEX": "https://two.example/simple https://three.example/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_INSECURE_HOST": "one.example",
        "UV_HTTP_TIMEOUT": "60",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_NO_PROGRESS": "1",
    } == setup.uv_environment({}, config)


def test_what_the_user_has_set_for_uv_stays() -> None:
    """A person who speaks to uv directly knows why."""
    mine = {"UV_DEFAULT_INDEX": "https://mine.example/simple", "UV_INDEX_STRATEGY": "first-index"}
    told = setup.uv_environment(mine, {"index-url": "https://pip.example/simple"})
    assert mine.items() <= told.items()


def test_pip_itself_says_what_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings come from pip's own mouth: files and variables, in its own precedence."""
    (tmp_path / "pip.conf").write_text("[global]\nproxy = http://a.example:1\n[install]\nno-index = yes\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_PROXY", "http://b.example:2")
    found = setup.pip_config(Path(sys.executable))
    assert ("http://b.example:2", "yes") == (found["proxy"], found["no-index"])


def test_one_package_is_cut_out_of_a_lock() -> None:
    """The locked uv is installed by hash before anything else is."""
    text = (
        "a==1 \\\n    --hash=sha256:aa\n    # via b\nuv==2 ; python_version > '3' \\\n"
        "    --hash=sha256:bb \\\n    --hash=sha256:cc\n    # via -r build.in\nuvx==3 \\\n    --hash=sha256:dd\n"
    )
    expected = "uv==2 ; python_version > '3' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    assert expected == setup.stanza(text, "uv")
    assert "a==1\nuv==2 ; python_version > '3'\nuvx==3\n" == setup.without_hashes(text)


def replace(path: Path, old: str, new: str) -> None:
    """Change one place of a file, which must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def is_taken(root: Path) -> bool:
    """Whether somebody holds the set-up lock of this folder."""
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
