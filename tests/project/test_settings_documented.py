"""docs/settings.md, the sample file and the published schema say what the code says.

Run as a program (`python -m tests.project.test_settings_documented`), it writes table and schema anew.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from syndicator.settings import load, schema
from syndicator.settings.declared import REQUIRED
from syndicator.settings.keys import SECTIONS, Key, Section, catalogue
from syndicator.settings.values import Value

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs/settings.md"
SAMPLE = ROOT / "config/syndicator.toml"
SCHEMA = ROOT / "config/syndicator.schema.json"
KEYS = list(catalogue())
UPDATE = "`python -m tests.project.test_settings_documented` writes it anew"


def key_id(key: Key) -> str:
    return f"{key.section.name}.{key.name}"


def table(section: Section) -> str:
    """The table of a section as it stands in docs/settings.md."""
    head = "| key | type | default | meaning | environment |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(row(key) for key in section.keys().values())


def row(key: Key) -> str:
    env = f"`{key.env}`" if key.env else "in the file only"
    return f"| `{key.name}` | {words(key.value)} | {default(key)} | {key.meaning} | {env} |\n"


def words(value: Value) -> str:
    return value.words.replace("|", "\\|")


def default(key: Key) -> str:
    if key.default is REQUIRED:
        return "required"
    return "not set" if key.default is None else f"`{json.dumps(key.default)}`"


def written_schema() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def documented(section: Section) -> str:
    match = re.search(
        rf"^## {re.escape(section.header)}$.*?(^\|.*?\|\n)(?!\|)", DOCS.read_text(), re.MULTILINE | re.DOTALL
    )
    assert match, f"docs/settings.md has no table under the heading {section.header}"
    return match[1]


def uncommented(text: str) -> str:
    """The sample with every example switched on: a comment that is a header or an assignment becomes one."""
    return re.sub(r"^#\s?(?=(\[\[?[a-z]+\]\]?|[a-z_]+ = .*)$)", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("key", KEYS, ids=key_id)
def test_every_key_is_documented(key: Key) -> None:
    """docs/settings.md has every key with its type, default, meaning and environment name, as the code has them."""
    assert row(key) in documented(key.section), f"docs/settings.md lacks or misstates {key_id(key)}; {UPDATE}"


@pytest.mark.parametrize("section", SECTIONS.values(), ids=lambda section: section.name)
def test_nothing_else_is_documented(section: Section) -> None:
    """The tables name no key that does not exist."""
    assert table(section) == documented(section), UPDATE


@pytest.mark.parametrize("key", KEYS, ids=key_id)
def test_every_key_stands_in_the_sample(key: Key) -> None:
    """The sample file shows every key, active or as an example."""
    content = tomllib.loads(uncommented(SAMPLE.read_text()))[key.section.name]
    entries: list[dict[str, Any]] = content if key.section.named_by else [content]
    assert any(key.name in entry for entry in entries)


def test_the_samples_active_values_are_the_defaults() -> None:
    """The sample as shipped says what an empty file says: deleting a line changes nothing."""
    content = tomllib.loads(SAMPLE.read_text())
    given = {(section, key): raw for section, keys in content.items() for key, raw in keys.items()}
    defaults = {(key.section.name, key.name): key.default for key in KEYS if not key.section.named_by}
    assert given == {path: raw for path, raw in defaults.items() if raw is not None}


def test_the_sample_loads(tmp_path: Path) -> None:
    """The shipped file is without fault and means what an empty file means."""
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    expected = [(path, value) for path, value, _ in load(empty, {}).listing()]
    assert expected == [(path, value) for path, value, _ in load(SAMPLE, {}).listing()]


def test_the_samples_examples_load(tmp_path: Path) -> None:
    """Every commented example is right: the file loads with all of them switched on."""
    whole = tmp_path / "whole.toml"
    whole.write_text(uncommented(SAMPLE.read_text()))
    read = load(whole, {})
    assert read.topics
    assert read.upstreams
    assert read.partners
    assert read.schedules


@pytest.mark.parametrize(
    "text", [SAMPLE.read_text(), uncommented(SAMPLE.read_text())], ids=["as shipped", "examples on"]
)
def test_the_sample_fits_the_schema(text: str) -> None:
    """operations:OP13: the shipped sample validates against `config schema`."""
    jsonschema.validate(tomllib.loads(text), schema())


def test_the_shipped_schema_is_the_generated_one() -> None:
    """operations:OP13: config/syndicator.schema.json is what the code says, and the sample names it first."""
    assert written_schema() == SCHEMA.read_text(), UPDATE
    assert SAMPLE.read_text().startswith("#:schema ./syndicator.schema.json\n")


def write() -> None:
    """Write tables and schema from the code."""
    text = DOCS.read_text()
    for section in SECTIONS.values():
        text = text.replace(documented(section), table(section), 1)
    DOCS.write_text(text)
    SCHEMA.write_text(written_schema())


if __name__ == "__main__":
    write()
