"""Makes `.venv` ready: the one program behind every `make` target.

The installed versions come from `requirements.lock` and nowhere else, hashes included; what the two
packages without a wheel are *built* with, and uv itself, come from `build.lock`. The stamp
`.venv/.ready` is written last, so an interrupted set-up is seen and made anew at the next start.
uv does the work; plain pip only where uv cannot be installed or started.

Standard library only, and no syntax newer than Python 3.6: an old interpreter must get as far as
the line that says it is too old.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file must say so itself, before anything is installed
    found = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.exit(
        f"Set-up needs Python 3.11 or newer; this one is {found}. Say which to use: make PYTHON=python3.12"
    )

import argparse
import ast
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILE = (
    "pip",
    "compile",
    "--quiet",
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-header",
)
EVERYTHING = ("--all-extras", "--group", "test", "--group", "check")
VENV_MISSING = "Set-up needs Python's venv module: install it (Debian, Ubuntu: apt-get install python3-venv), then start again."

# pip's option → uv's variable, and how uv separates several values.
PIP_TO_UV = {
    "index-url": ("UV_DEFAULT_INDEX", None),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", None),
    "proxy": ("ALL_PROXY", None),
    "default-timeout": ("UV_HTTP_TIMEOUT", None),
    "timeout": ("UV_HTTP_TIMEOUT", None),
}
# pip's own precedence: a file's [install] beats its [global], the environment beats both.
PIP_SECTIONS = ("global", "install", ":env:")
TRUE = ("1", "true", "yes", "on")


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the environment ready, or with `lock` compile the locks anew; 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(description="Make .venv ready, or compile the locks.")
    parser.add_argument("what", nargs="?", choices=("ready", "lock"), default="ready")
    arguments, more = parser.parse_known_args(argv)
    try:
        if arguments.what == "lock":
            lock(ROOT, more)
        else:
            make_ready(ROOT)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def make_ready(root: Path) -> bool:
    """Build `.venv` unless its stamp says it is what the locks ask for; whether anything was built."""
    venv = root / ".venv"
    if is_ready(venv, stamp(root)):
        return False
    require_venv()
    with alone(root) as lock_fd:
        wanted = stamp(root)
        if is_ready(venv, wanted):  # another set-up ended while this one waited
            return False
        print(
            "Setting up .venv from requirements.lock (once, some 20 seconds) …", file=sys.stderr, flush=True
        )
        build(root, venv, lock_fd)
        (venv / ".ready").write_text(wanted, encoding="ascii")
    return True


def stamp(root: Path) -> str:
    """What the environment depends on, as one hash: locks, project metadata, interpreter, place."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [
        (root / "requirements.lock").read_text(encoding="utf-8"),
        (root / "build.lock").read_text(encoding="utf-8"),
        # Only what an installer reads: another ruff rule is no reason to install anew.
        json.dumps([project["project"], project["build-system"], project["tool"]["hatch"]], sort_keys=True),
        platform.python_version(),
        sys.base_prefix,
        str(root),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_ready(venv: Path, wanted: str) -> bool:
    """Whether the environment was finished, for just this stamp, and its interpreter still starts."""
    with contextlib.suppress(OSError):
        done = (venv / ".ready").read_text(encoding="ascii")
        return done == wanted and os.access(venv / "bin" / "python", os.X_OK)
    return False


def require_venv() -> None:
    """Raise where this interpreter cannot make environments: Debian takes ensurepip out of its python3."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SetupError(VENV_MISSING)


def build(root: Path, venv: Path, lock_fd: int) -> None:
    """Remove what is there and install everything the lock names, then the project itself."""
    create_venv(venv, lock_fd)
    python = venv / "bin" / "python"
    install = installer(root, python, lock_fd)
    # Two steps: in hash mode the project itself is refused, as it has no hash.
    install(["--require-hashes", "-r", str(root / "requirements.lock")])
    install(["--no-deps", "-e", str(root)])


def create_venv(venv: Path, lock_fd: int) -> None:
    """An empty environment with pip in it, in the place of whatever was there."""
    if venv.is_symlink() or venv.is_file():
        venv.unlink()
    elif venv.exists():
        shutil.rmtree(venv)
    # When this runs from the .venv that was just removed, its interpreter is gone; the one below it is not.
    interpreter = getattr(sys, "_base_executable", sys.executable)
    run([interpreter, "-m", "venv", str(venv)], lock_fd, dict(os.environ))


class Installer:
    """`install(arguments)` with uv where it starts, else with pip; the project's build constraints included."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], lock_fd: int) -> None:
        self.command, self.env, self.lock_fd = command, env, lock_fd

    def __call__(self, arguments: Sequence[str]) -> None:
        """Install, or raise: a wrong hash is never a reason to try another way."""
        run([*self.command, *arguments], self.lock_fd, self.env)


def installer(root: Path, python: Path, lock_fd: int) -> Installer:
    """uv, told what pip is told; plain pip only where uv cannot be installed or started."""
    constraints = str(root / "build.lock")
    uv = start_uv(root, python, lock_fd)
    if uv is not None:
        config = pip_config(python)
        env = uv_environment(os.environ, config)
        options = [
            "--quiet",
            "--compile-bytecode",
            "--python",
            str(python),
            "--build-constraints",
            constraints,
        ]
        # uv has a variable for each of pip's options but this one.
        options += ["--no-index"] if str(config.get("no-index", "")).lower() in TRUE else []
        return Installer([str(uv), "pip", "install", *options], env, lock_fd)
    print("uv cannot be had here: going on with pip, which is slower.", file=sys.stderr, flush=True)
    # Variables and not options: they reach the environments pip builds sdists in, each in its versions of
    # pip. A URL, as pip splits a path at its spaces; without hashes, as pip would want them of what it finds.
    pins = python.parent.parent / "build-constraints.txt"
    pins.write_text(without_hashes((root / "build.lock").read_text(encoding="utf-8")), encoding="utf-8")
    where = pins.as_uri()
    env = {**os.environ, "PIP_CONSTRAINT": where, "PIP_BUILD_CONSTRAINT": where}
    return Installer([str(python), "-m", "pip", "install", "--quiet", "--no-input"], env, lock_fd)


def start_uv(root: Path, python: Path, lock_fd: int) -> Path | None:
    """Where uv is, after installing the locked one into the environment; None where it cannot be had."""
    uv = python.with_name("uv")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "uv.lock")
        wanted.write_text(stanza((root / "build.lock").read_text(encoding="utf-8"), "uv"), encoding="utf-8")
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-input"]
        try:
            run(
                [*pip, "--only-binary", "uv", "--require-hashes", "-r", str(wanted)],
                lock_fd,
                dict(os.environ),
            )
            run([str(uv), "--version"], lock_fd, dict(os.environ), quiet=True)
        except SetupError:
            return None
    return uv


def stanza(lock_text: str, name: str) -> str:
    """The lines of one package in a lock: its version and its hashes."""
    lines: list[str] = []
    inside = False
    for line in lock_text.splitlines():
        if not line.startswith((" ", "#")):
            inside = line.startswith(name + "==")
        if inside and not line.lstrip().startswith("#"):
            lines.append(line)
    return "\n".join(lines).rstrip("\\ ") + "\n"


def without_hashes(lock_text: str) -> str:
    """The pinned versions of a lock alone."""
    lines = lock_text.splitlines()
    return "".join(
        line.removesuffix("\\").rstrip() + "\n" for line in lines if not line.startswith((" ", "#"))
    )


def pip_config(python: Path) -> dict[str, str | list[str]]:
    """What pip was told by its files and its variables; empty when pip does not say."""
    listing = subprocess.run(
        [str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    return read_pip_config(listing)


def read_pip_config(listing: str) -> dict[str, str | list[str]]:
    """The output of `pip config list` as option → value; the listing is sorted by name, not by precedence."""
    found: dict[str, str | list[str]] = {}
    parsed = []
    for line in listing.splitlines():
        key, _, literal = line.partition("=")
        section, _, option = key.strip().rpartition(".")
        if section in PIP_SECTIONS:
            parsed.append((PIP_SECTIONS.index(section), option, literal))
    for _, option, literal in sorted(parsed):
        with contextlib.suppress(ValueError, SyntaxError):
            found[option] = ast.literal_eval(literal)
    return found


def uv_environment(environ: Mapping[str, str], config: Mapping[str, str | list[str]]) -> dict[str, str]:
    """The environment in which uv finds what pip would; what the user has set for uv stays. Never print it: it may hold a password."""
    # pip merges all indexes; uv by default stops at the first one that knows the name. The hashes make it safe.
    env = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_NO_PROGRESS": "1"}
    for option, (variable, separator) in PIP_TO_UV.items():
        value = config.get(option)
        if value:
            words = value if isinstance(value, list) else str(value).split()
            env[variable] = separator.join(words) if separator else str(value)
    return {**env, **environ}


def lock(root: Path, more: Sequence[str]) -> None:
    """Compile the three locks; `more` goes to uv (`--upgrade`, `--upgrade-package NAME`)."""
    require_venv()
    with alone(root) as lock_fd, tempfile.TemporaryDirectory() as folder:
        create_venv(Path(folder, "venv"), lock_fd)
        python = Path(folder, "venv", "bin", "python")
        run(
            [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq", "uv"],
            lock_fd,
            dict(os.environ),
        )
        env = uv_environment(os.environ, whole_index(pip_config(python)))
        for arguments in (
            ["build.in", "-o", "build.lock"],
            [*EVERYTHING, "pyproject.toml", "-o", "requirements.lock"],
            ["-c", "requirements.lock", "pyproject.toml", "-o", "runtime.lock"],
        ):
            run([str(python.with_name("uv")), *COMPILE, *more, *arguments], lock_fd, env, cwd=root)


def whole_index(config: Mapping[str, str | list[str]]) -> dict[str, str | list[str]]:
    """Only the main index: a folder of wheels holds some platforms' files, and the lock would hold their hashes alone."""
    return {
        option: value for option, value in config.items() if option not in {"find-links", "extra-index-url"}
    }


@contextlib.contextmanager
def alone(root: Path) -> Iterator[int]:
    """One set-up at a time; children inherit the lock, so after a kill the next start waits for the orphan."""
    lock_fd = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another set-up in this folder to end …", file=sys.stderr, flush=True)
            fcntl.flock(lock_fd, fcntl.LOCK_EX)
        yield lock_fd
    finally:
        os.close(lock_fd)


def run(
    command: Sequence[str],
    lock_fd: int,
    env: Mapping[str, str],
    *,
    quiet: bool = False,
    cwd: Path | None = None,
) -> None:
    """Run to the end; the child speaks for itself, a failure raises."""
    try:
        subprocess.run(
            command,
            check=True,
            cwd=cwd,
            env=env,
            pass_fds=(lock_fd,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else sys.stderr,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (
            f"exit {error.returncode}" if isinstance(error, subprocess.CalledProcessError) else error.strerror
        )
        raise SetupError(f"Set-up stopped: {Path(command[0]).name} failed ({reason}); see above.") from error


if __name__ == "__main__":
    sys.exit(main())
