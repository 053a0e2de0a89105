"""The configuration as JSON Schema: what `config schema` prints and editors complete from.

config/syndicator.schema.json is this, written out; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Any

from syndicator.settings.declared import REQUIRED
from syndicator.settings.keys import SECTIONS, Key, Section


def schema() -> dict[str, Any]:
    """JSON Schema draft 7 (the newest that TOML editors read) of config/syndicator.toml."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Syndicator's configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _section(section) for name, section in SECTIONS.items()},
    }


def _section(section: Section) -> dict[str, Any]:
    keys = section.keys()
    table: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _key(key) for name, key in keys.items()},
    }
    if not section.named_by:
        return table
    table["required"] = [name for name, key in keys.items() if key.default is REQUIRED]
    return {"type": "array", "items": table}


def _key(key: Key) -> dict[str, Any]:
    where = "" if key.env else " In the file only."
    described = {**key.value.schema, "description": key.meaning + where}
    if key.default is not REQUIRED and key.default is not None:
        described["default"] = key.default
    return described
