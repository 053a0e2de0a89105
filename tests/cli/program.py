"""The command line as tests call it: in this process for the many, as a real process for the few."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
KEY = "a-key-for-tests-long-enough-to-sign"


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


class Program:
    """One newsroom's command line."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "SYNDICATOR_STORE__URL": url,
            "SYNDICATOR_SITE__SECRET_KEY": KEY,
            "SYNDICATOR_MAIL__FOLDER": str(folder / "mail"),
            "SYNDICATOR_CONFIG": "",
        }

    def try_(self, *args: str, stdin: str = "") -> Said:
        """Run a command, whatever its end."""
        raise NotImplementedError

    def __call__(self, *args: str, stdin: str = "", code: int = 0) -> str:
        """Run a command that is expected to end with `code`; its stdout."""
        said = self.try_(*args, stdin=stdin)
        assert code == said.code, f"{' '.join(args)}\n{said.out}{said.err}"
        return said.out

    def json(self, *args: str, stdin: str = "", code: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self(*args, "--json", stdin=stdin, code=code))

    def file(self, name: str, front: str, body: str = "Some words.") -> str:
        """A Markdown file with this front matter; its path."""
        path = self.folder / name
        path.write_text(f"---\n{front.strip()}\n---\n{body}\n", encoding="utf-8")
        return str(path)


class InProcess(Program):
    """Quick: typer's runner, in this process; the working folder is the test's."""

    def try_(self, *args: str, stdin: str = "") -> Said:
        """Run a command; a bug comes through."""
        from syndicator.cli.root import app

        result = CliRunner().invoke(app, list(args), input=stdin, env=self.env, catch_exceptions=False)
        return Said(result.exit_code, result.stdout, result.stderr)


class RealProcess(Program):
    """True: `python -m syndicator` in the test's folder."""

    def try_(self, *args: str, stdin: str = "") -> Said:
        """Run a process to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "syndicator", *args],
            input=stdin,
            cwd=self.folder,
            env=self.environ(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(
        self, *args: str, stdout: int = subprocess.DEVNULL, stdin: int = subprocess.DEVNULL
    ) -> "subprocess.Popen[str]":
        """A process that goes on; its stderr is kept in a file beside."""
        log = (self.folder / "log").open("a", encoding="utf-8")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "syndicator", *args],
                cwd=self.folder,
                env=self.environ(),
                stdin=stdin,
                stdout=stdout,
                stderr=log,
                text=True,
            )

    def on_terminal(self, *args: str) -> list[str]:
        """The lines a command shows on a terminal of 80 columns, without colour."""
        master, slave = pty.openpty()
        environ = {**self.environ(), "TERM": "dumb", "NO_COLOR": "1"}
        line = [sys.executable, "-m", "syndicator", *args]
        shown = b""
        try:
            with subprocess.Popen(line, stdout=slave, env=environ, cwd=self.folder) as child:
                os.close(slave)
                with suppress(OSError):  # how Linux says that nobody writes there any more
                    while some := os.read(master, 4096):
                        shown += some
            assert 0 == child.returncode
        finally:
            os.close(master)
        return shown.decode().splitlines()

    def environ(self) -> Mapping[str, str]:
        """The environment of a process: ours, without settings of whoever runs the tests."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATOR_")}
        return {**ours, "PYTHONPATH": str(ROOT), **{name: value for name, value in self.env.items() if value}}


class Beside(RealProcess):
    """An editor in this process beside others of their own: only `run`, `serve` and `worker` are started."""

    def try_(self, *args: str, stdin: str = "") -> Said:
        """Run a command, whatever its end."""
        if args[0] in {"run", "serve", "worker"}:
            return super().try_(*args, stdin=stdin)
        here = InProcess(self.env["SYNDICATOR_STORE__URL"], self.folder)
        here.env |= self.env
        return here.try_(*args, stdin=stdin)
