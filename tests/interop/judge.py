"""Judges of documents: the W3C feed validator in a process of its own, and the schema of JSON Feed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from syndicator.model.site import Format
from tests.interop.newsrooms import Served

SHARED = Path(__file__).parents[3] / "shared"
SCHEMA = SHARED / "schemas" / "jsonfeed"
# P23: the validator does not know RFC 6721.
ACCEPTED = "warning UnknownNamespace: Use of unknown namespace: http://purl.org/atompub/tombstones/1.0"
JUDGE = """
import io, json, sys
sys.path.insert(0, sys.argv[1] + "/src")
import feedvalidator
from feedvalidator.formatter.text_plain import Formatter
for line in sys.stdin:
    path, content_type, base = json.loads(line)
    with open(path, "rb") as body:
        events = feedvalidator.validateStream(body, contentType=content_type, base=base)["loggedEvents"]
    text = Formatter(events)
    found = []
    for event in events:
        for kind in (feedvalidator.logging.Error, feedvalidator.logging.Warning):
            if isinstance(event, kind):
                words = " ".join(text.getMessage(event).split())
                found.append(f"{kind.__name__.lower()} {type(event).__name__}: {words}")
    print(json.dumps(found), flush=True)
"""


def validator() -> str | None:
    """Where the W3C validator is checked out, if anywhere."""
    return os.environ.get("FEEDVALIDATOR_DIR")


def verdicts(documents: Sequence[Served], folder: Path) -> list[list[str]]:
    """The validator's errors and warnings for each document, as served; run by FEEDVALIDATOR_PYTHON."""
    python = os.environ.get("FEEDVALIDATOR_PYTHON", sys.executable)
    asked = []
    for number, document in enumerate(documents):
        source = folder / f"{number}.{document.format}"
        source.write_bytes(document.body)
        asked.append(json.dumps([str(source), document.type, document.url]))
    command = [python, "-W", "ignore", "-c", JUDGE, str(validator())]
    ran = subprocess.run(
        command,
        input="\n".join(asked),
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "LANGUAGE": "en"},
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def accepted(document: Served) -> set[str]:
    """What the validator may say of a document."""
    return {ACCEPTED} if document.tombstones and document.format is Format.ATOM else set()


@cache
def _schema() -> Any:
    old, new = (json.loads((SCHEMA / name).read_text()) for name in ("feed-1.json", "feed-1.1.json"))
    # 1.1 refers to 1.0 by this name; unregistered, it would be looked for on the network.
    known = Resource.from_contents(old, default_specification=DRAFT4)
    registry = Registry().with_resources([("https://json.schemastore.org/feed-1", known), ("feed-1", known)])
    return jsonschema.Draft4Validator(new, registry=registry)


def against_schema(body: bytes) -> list[str]:
    """Where a JSON Feed breaks the schema of version 1.1."""
    return [f"{fault.json_path}: {fault.message}" for fault in _schema().iter_errors(json.loads(body))]
