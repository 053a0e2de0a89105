"""Names of log events, and how they are written: one event, one line, at the end of a step.

Lines are key=value on a terminal and JSON otherwise; times are UTC with milliseconds. No line
holds a body, a token or a whole mail address (`masked`). Nothing here decides anything.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

# What may be one, wherever it stands; a word too many masked does no harm.
ADDRESS = re.compile(r"[^\s<>\"'(),;:=/\[\]@]+@[\w-]+(?:\.[\w-]+)+")
Log = structlog.stdlib.BoundLogger | Any


def configure_logging(stream: TextIO | None = None, *, level: str = "info", json: bool | None = None) -> None:
    """Send log lines to `stream` (default stderr), as JSON unless it is a terminal or `json` says so."""
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    render: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _mask,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        # Asked anew for each line: stderr may be another by then.
        logger_factory=lambda *_: structlog.PrintLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(room: str) -> Log:
    """The logger of one room; its name is part of every line. It follows `configure_logging`, also later."""
    return structlog.get_logger(room=room)


def _mask(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Whatever a server or a bug has put into a line: no whole mail address is kept (security:D6)."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = ADDRESS.sub(lambda found: masked(found[0]), value)
        elif isinstance(value, list | tuple | dict):
            event[name] = (
                ADDRESS.sub(lambda found: masked(found[0]), str(value)) if "@" in str(value) else value
            )
    return event


def masked(address: str) -> str:
    """A mail address fit for a log line: its first letter and its domain.

    >>> masked("jane.doe@example.org")
    'j…@example.org'
    """
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
