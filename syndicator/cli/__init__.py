"""The command line: `syndicator NOUN VERB …`, one module per noun, imported when it is called for.

Parsing and printing only; whatever happens is done by the flows. Data goes to stdout, words to stderr,
and every expected error is one line and an exit code (DESIGN §6). `main` answers `--version` and
`--help` before anything heavy is imported: starting is a figure (DESIGN §8, operations:OP1).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args == ["--version"]:
        print(version())
        return
    from syndicator.cli import root

    root.run(args)


def version() -> str:
    """Our version and those that decide how it behaves: Python's and SQLite's (operations:OP1)."""
    import platform
    import sqlite3

    from syndicator import __version__

    return f"syndicator {__version__} (Python {platform.python_version()}, SQLite {sqlite3.sqlite_version})"
