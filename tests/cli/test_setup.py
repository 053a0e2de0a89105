"""`syndicator init`, `config`, `db`: before there is a newsroom, and what it is made of."""

import json
import stat
import tomllib
from pathlib import Path

import jsonschema
import pytest

from syndicator.cli import init
from syndicator.settings import load, schema
from syndicator.settings.keys import catalogue
from tests.cli.program import InProcess


@pytest.fixture
def bare(tmp_path: Path) -> InProcess:
    """A command line without any setting."""
    program = InProcess("", tmp_path)
    program.env = dict.fromkeys(program.env)  # type: ignore[assignment]  # typer's runner unsets what is None
    return program


def test_init_makes_a_newsroom_and_twice_changes_nothing(bare: InProcess) -> None:
    """Config, database and a key only its owner reads; the second time not a byte changes (operations:OP2)."""
    config = Path(bare("init", "news", "--yes").strip())
    assert bare.folder / "news" / "config" / "syndicator.toml" == config
    key = bare.folder / "news" / "var" / "secret_key"
    assert 0o600 == stat.S_IMODE(key.stat().st_mode)
    before = {path: path.read_bytes() for path in (config, key)}
    said = bare.try_("init", "news")
    assert 0 == said.code
    assert "nothing was changed" in said.err
    assert 3 == said.err.count("next: ")
    assert before == {path: path.read_bytes() for path in (config, key)}


def test_the_new_config_works_from_anywhere(bare: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by --config from another folder it means the same database, and has no faults."""
    config = bare("init", "news").strip()
    bare("--config", config, "topic", "add", "policy", "Policy")
    monkeypatch.chdir("/")
    bare("--config", config, "config", "check")
    assert ["all", "policy"] == [topic["slug"] for topic in bare.json("--config", config, "topic", "list")]


def test_the_new_config_names_every_key() -> None:
    """Each key of this version is there with its meaning, and the file fits the schema (operations:OP13)."""
    text = init.text(Path("/srv/news"))
    jsonschema.validate(tomllib.loads(text), schema())
    lines = {line.removeprefix("# ").partition(" = ")[0] for line in text.splitlines()}
    assert {key.name for key in catalogue()} <= lines


def test_what_stands_in_the_way_is_refused(bare: InProcess) -> None:
    """A file where the folder should be: exit 6, one line."""
    bare.file("news", "title: in the way")
    said = bare.try_("init", "news")
    assert 6 == said.code
    assert 1 == said.err.count("\n")


def test_config_show_says_where_a_value_came_from(lite: InProcess) -> None:
    """Flag > environment > file > default, with the origin of each (operations:OP8)."""
    config = lite.folder / "c.toml"
    config.write_text('[site]\ntitle = "Meridian"\n', encoding="utf-8")
    lite.env["SYNDICATOR_WEB__PORT"] = "8123"
    own = ("--config", str(config), "config", "show")
    assert ("Meridian", "8123") == tuple(str(lite.json(*own)[key]) for key in ("site.title", "web.port"))
    origins = lite.json(*own, "--origin")
    assert f"file {config}:2" == origins["site.title"]["origin"]
    assert "environment SYNDICATOR_WEB__PORT" == origins["web.port"]["origin"]
    assert "default" == origins["web.host"]["origin"]
    assert "site.title\tMeridian" in lite(*own).splitlines()


def test_secrets_are_never_shown(lite: InProcess) -> None:
    """No planted secret is in any form of `config show` (operations:OP14)."""
    lite.env["SYNDICATOR_MAIL__PASSWORD"] = planted = "planted-secret-of-the-test"
    for line in (["config", "show"], ["config", "show", "--origin"], ["config", "show", "--json"]):
        out = lite(*line)
        assert planted not in out
        assert lite.env["SYNDICATOR_SITE__SECRET_KEY"] not in out


def test_config_check_opens_nothing(lite: InProcess) -> None:
    """It reads only: no database is made (operations:OP10)."""
    lite.env["SYNDICATOR_STORE__URL"] = f"sqlite:///{lite.folder}/not/there.db"
    said = lite.try_("config", "check")
    assert (0, "") == (said.code, said.out)
    assert "no faults" in said.err
    assert not (lite.folder / "not").exists()


def test_the_schema_is_printed(lite: InProcess) -> None:
    """`config schema` is the JSON Schema of the settings."""
    assert schema() == json.loads(lite("config", "schema"))


def test_an_upgrade_twice_is_harmless(cli: InProcess) -> None:
    """`db upgrade` on a database that is up to date says its revision (operations:OP23)."""
    status = cli.json("db", "status")
    assert f"{status['needed']}\n" == cli("db", "upgrade")
    assert status == cli.json("db", "status")
    assert status["current"]


def test_a_file_may_be_named_by_the_environment(lite: InProcess) -> None:
    """SYNDICATOR_CONFIG stands in for --config."""
    config = lite.folder / "c.toml"
    config.write_text('[site]\ntitle = "Meridian"\n', encoding="utf-8")
    lite.env["SYNDICATOR_CONFIG"] = str(config)
    assert "Meridian" == lite.json("config", "show")["site.title"]
    assert "Meridian" == load(config, {}).newsroom.title
