"""How a key is declared: its sort of value, its default as one would write it in TOML, its meaning."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from syndicator.settings.values import Value

REQUIRED = object()  # the default of a key that has none


def key(value: Value, default: object, meaning: str) -> Any:
    """A field of a section: its sort of value, its default as TOML writes it (None: not set), its meaning."""
    about = {"value": value, "default": default, "meaning": meaning}
    if default is REQUIRED:
        return field(metadata=about)
    return field(default=None if default is None else value.parse(default), metadata=about)
