"""The configuration as an operator meets it: who wins, what is a fault, how it is said, what stays secret."""

import copy
import pickle
import traceback
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syndicator.errors import Misconfigured
from syndicator.model.delivery import Channel, OnUnknown, Policy
from syndicator.model.item import Kind, Rule, Spokesperson
from syndicator.model.schedule import At, Cron, Every, Job
from syndicator.model.site import Site
from syndicator.model.upstream import Upstream
from syndicator.settings import Listen, Secret, SecretUrl, Settings, Source, Tls, Transport, load
from syndicator.settings.secrets import HIDDEN
from tests.make import NOW

PLANTED = "planted-hunter2-secret"
WEBHOOK_SECRET = "whsec_cGxhbnRlZC1odW50ZXIyLXNlY3JldC1ieXRlcw=="
Load = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a text as syndicator.toml, under an environment and flags."""
    monkeypatch.chdir(tmp_path)

    def read(text: str = "", environ: Mapping[str, str] | None = None, **flags: str) -> Settings:
        Path("syndicator.toml").write_text(text)
        return load(
            Path("syndicator.toml"), environ or {}, {n.replace("__", "."): v for n, v in flags.items()}
        )

    return read


def faults(read: Load, environ: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        read(environ=environ)
    return caught.value.faults


# -- where values come from


def test_an_empty_file_works(read: Load) -> None:
    """Without a word of configuration everything stays on this machine."""
    settings = read()
    assert "sqlite:///var/syndicator.db" == settings.store.url.reveal()
    assert ("127.0.0.1", 8000) == (settings.web.host, settings.web.port)
    assert Transport.FOLDER is settings.mail.transport
    assert Site(title="Newsroom", base_url="http://127.0.0.1:8000") == settings.site()
    assert Policy(late_after=timedelta(hours=12), stop_above=20) == settings.policy()
    assert () == settings.signing_keys()


def test_no_file_and_an_empty_environment_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder without config/ the defaults alone hold."""
    monkeypatch.chdir(tmp_path)
    assert Settings() == load(None, {})


def test_the_usual_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """config/syndicator.toml in the working directory is read without being named."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/syndicator.toml").write_text("[web]\nport = 81\n")
    settings = load(None, {})
    assert (81, "config/syndicator.toml") == (settings.web.port, settings.file)


def test_a_file_is_named_by_argument_then_by_environment(tmp_path: Path) -> None:
    """--config goes before SYNDICATOR_CONFIG."""
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text("[web]\nport = 1\n")
    other.write_text("[web]\nport = 2\n")
    environ = {"SYNDICATOR_CONFIG": str(other)}
    assert [1, 2] == [load(one, environ).web.port, load(None, environ).web.port]


def test_flag_before_environment_before_file_before_default(read: Load) -> None:
    """operations:OP8: each source wins over the next, and a value says where it came from."""
    environ = {"SYNDICATOR_WEB__PORT": "82", "SYNDICATOR_SITE__TITLE": "From env"}
    settings = read('[web]\nport = 81\nhost = "::1"\n[site]\ntitle = "From file"', environ, web__port="83")
    assert (83, "::1", "From env") == (settings.web.port, settings.web.host, settings.newsroom.title)
    origins = {path: (origin.source, origin.where) for path, _, origin in settings.listing()}
    assert (Source.FLAG, "web.port") == origins["web.port"]
    assert (Source.ENVIRONMENT, "SYNDICATOR_SITE__TITLE") == origins["site.title"]
    assert Source.FILE is origins["web.host"][0]
    assert origins["web.host"][1].endswith("syndicator.toml:3")
    assert (Source.DEFAULT, "") == origins["site.language"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [("Title", "Title"), ("Title\n", "Title"), ("Title\r\n", "Title"), ("Éa", "Éa")],
)
def test_a_value_may_stand_in_a_file(read: Load, tmp_path: Path, content: str, expected: str) -> None:
    """operations:OP9: …_FILE names a file whose content is the value, without its last line break."""
    (tmp_path / "title").write_bytes(content.encode())
    settings = read(environ={"SYNDICATOR_SITE__TITLE_FILE": str(tmp_path / "title")})
    assert expected == settings.newsroom.title


def test_variable_and_file_together_are_a_fault(read: Load, tmp_path: Path) -> None:
    """operations:OP9: setting both is an error."""
    (tmp_path / "port").write_text("81\n")
    environ = {"SYNDICATOR_WEB__PORT": "82", "SYNDICATOR_WEB__PORT_FILE": str(tmp_path / "port")}
    expected = "SYNDICATOR_WEB__PORT: SYNDICATOR_WEB__PORT_FILE is set as well; keep one of the two"
    assert (expected,) == faults(read, environ)


def test_a_file_that_cannot_be_read_is_not_quoted(read: Load) -> None:
    """operations:OP14: whoever writes the password itself into …_FILE does not find it in the log."""
    expected = "SYNDICATOR_MAIL__PASSWORD_FILE: the file it names cannot be read: No such file or directory"
    assert (expected,) == faults(read, {"SYNDICATOR_MAIL__PASSWORD_FILE": PLANTED})


def test_a_file_that_is_no_text_is_a_fault(read: Load, tmp_path: Path) -> None:
    """operations:OP9: a file named by mistake is not taken for a value."""
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    expected = "SYNDICATOR_SITE__TITLE_FILE: the file it names is not UTF-8"
    assert (expected,) == faults(read, {"SYNDICATOR_SITE__TITLE_FILE": str(tmp_path / "picture")})


def test_the_environment_writes_every_type(read: Load) -> None:
    """Numbers, lists, durations, words: the environment can say what the file can."""
    environ = {
        "SYNDICATOR_MAIL__TLS": "tls",
        "SYNDICATOR_MAIL__PORT": "465",
        "SYNDICATOR_DELIVERY__LEASE": "6s",
        "SYNDICATOR_WEB__TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8",
        "SYNDICATOR_FEEDS__HUBS": "",
        "SYNDICATOR_WEB__METRICS_LISTEN": "[::1]:9000",
        "SYNDICATOR_STORE__URL": "sqlite:////data/x.db",
    }
    settings = read('[feeds]\nhubs = ["https://hub.example/"]', environ)
    assert (Tls.TLS, 465) == (settings.mail.tls, settings.mail.port)
    assert timedelta(seconds=6) == settings.policy().lease
    assert ("127.0.0.1/32", "10.0.0.0/8") == settings.web.trusted_proxies
    assert () == settings.site().hubs
    assert Listen("::1", 9000) == settings.web.metrics_listen
    assert "sqlite:////data/x.db" == str(settings.store.url)


def test_an_entry_is_reached_from_the_environment_by_name(read: Load, tmp_path: Path) -> None:
    """operations:OP9: every key has a variable, entries of arrays by their slug in capitals."""
    (tmp_path / "secret").write_text(WEBHOOK_SECRET + "\n")
    text = '[[partners]]\nslug = "science-wire"\nurl = "https://wire.example/in"\n[[upstreams]]\nslug = "cms"\nurl = "https://cms.example/f"\n'
    environ = {
        "SYNDICATOR_PARTNERS__SCIENCE_WIRE__SECRET_FILE": str(tmp_path / "secret"),
        "SYNDICATOR_UPSTREAMS__CMS__PUSH": "false",
    }
    settings = read(text, environ)
    assert Secret(WEBHOOK_SECRET) == settings.partners[0].secret
    assert settings.upstreams[0].push is False


def test_other_variables_are_left_alone(read: Load) -> None:
    """A variable without a double underscore is none of ours, unless it is plainly meant to be."""
    read(environ={"SYNDICATOR_AUTO_MIGRATE": "1", "SYNDICATOR_DIR": "x", "HOME": "/"})
    expected = "SYNDICATOR_SITE_BASE_URL: there is no such variable; did you mean SYNDICATOR_SITE__BASE_URL (two underscores)?"
    assert (expected,) == faults(read, {"SYNDICATOR_SITE_BASE_URL": "https://press.example"})


# -- what the entries become


def test_entries_become_values_of_the_model(read: Load) -> None:
    """What the file says, with the store's id and date, is what the flows work with."""
    settings = read(
        f"""
        [site]
        timezone = "Europe/London"
        [[topics]]
        slug = "policy"
        title = "Policy"
        [[topics]]
        slug = "policy-statements"
        title = "Statements"
        any = ["policy"]
        kinds = ["statement"]
        [[partners]]
        slug = "wire"
        url = "https://wire.example/in"
        secret = "{WEBHOOK_SECRET}"
        topics = ["policy-statements", "all"]
        on_unknown = "hold"
        [[spokespeople]]
        slug = "desk"
        name = "The desk"
        """
    )
    plain, ruled = (topic.topic("tag:x", NOW) for topic in settings.topics)
    assert plain.rule is None
    assert Rule(any=("policy",), kinds=(Kind.STATEMENT,)) == ruled.rule
    assert ruled.file
    partner = settings.partners[0].partner(id=3, created=NOW, minted="unused")
    assert (WEBHOOK_SECRET, Channel.WEBHOOK, OnUnknown.HOLD, True) == (
        partner.secret,
        partner.channel,
        partner.on_unknown,
        partner.file,
    )
    expected = Spokesperson(slug="desk", name="The desk", zone="Europe/London")
    assert expected == settings.spokespeople[0].spokesperson()


def test_a_partner_without_secret_gets_the_minted_one(read: Load) -> None:
    """The file may leave the secret to the database."""
    settings = read('[[partners]]\nslug = "wire"\nurl = "https://wire.example/in"\n')
    assert "minted" == settings.partners[0].partner(id=1, created=NOW, minted="minted").secret


def test_an_upstream_is_the_models(read: Load) -> None:
    """What the file leaves out is as the model has it."""
    (given,) = read('[[upstreams]]\nslug = "x"\nurl = "https://x.example/feed"\n').upstreams
    expected = Upstream(id=7, slug="x", url="https://x.example/feed", file=True, created=NOW)
    assert expected == given.upstream(id=7, created=NOW)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('cron = "@daily"', Cron("0 0 * * *")),
        ('every = "15m"', Every(timedelta(minutes=15))),
        ('at = "2027-01-04T09:00:00"', At(datetime(2027, 1, 4, 8, 0, tzinfo=UTC))),
        ("at = 2027-01-04T09:00:00+00:00", At(datetime(2027, 1, 4, 9, 0, tzinfo=UTC))),
        ("at = 2027-01-04T09:00:00Z", At(datetime(2027, 1, 4, 9, 0, tzinfo=UTC))),
    ],
)
def test_a_schedule_recurs_in_one_of_three_ways(read: Load, line: str, expected: object) -> None:
    """operations:SC1: cron, interval or one date; a wall time counts in the site's zone unless it has its own."""
    text = f'[site]\ntimezone = "Europe/Paris"\n[[schedules]]\nname = "s"\njob = "prune"\n{line}\n'
    schedule = read(text).schedules[0].schedule(id=1, created=NOW)
    assert (expected, "Europe/Paris", Job.PRUNE) == (schedule.when, schedule.zone, schedule.job)


@pytest.mark.parametrize("given", ["https://press.example/", "https://press.example"])
def test_the_base_url_has_no_trailing_slash(read: Load, given: str) -> None:
    """A slash at the end of base_url is taken off: paths bring their own."""
    assert "https://press.example/feeds" == read(f'[site]\nbase_url = "{given}"').site().url("/feeds")


def test_former_signing_keys_follow_the_one_that_signs(read: Load, tmp_path: Path) -> None:
    """A key is changed without breaking the links in mail already sent: one key a line, newest first."""
    (tmp_path / "keys").write_text("new-key-0123456789\nold-key-0123456789\n")
    settings = read(environ={"SYNDICATOR_SITE__SECRET_KEY_FILE": str(tmp_path / "keys")})
    assert ["new-key-0123456789", "old-key-0123456789"] == [key.reveal() for key in settings.signing_keys()]


def test_settings_cannot_be_changed(read: Load) -> None:
    """Nobody turns a setting behind the back of whoever read it."""
    with pytest.raises(FrozenInstanceError):
        read().web.port = 1  # type: ignore[misc]


# -- secrets

PARTNER = '[[partners]]\nslug = "p"\nurl = "https://p.example/h"\n'
SECRETS = f"""
[site]
secret_key = "{PLANTED}"
[store]
url = "postgresql://news:{PLANTED}@db.example/news?password={PLANTED}"
[mail]
username = "news"
password = "{PLANTED}"
[[partners]]
slug = "p"
url = "https://p.example/"
secret = "{WEBHOOK_SECRET}"
"""


@pytest.mark.parametrize(
    "dump",
    [
        repr,
        str,
        lambda s: f"{s} {s.mail} {s.mail.password:>9}",
        asdict,
        copy.deepcopy,
        lambda s: [*s.listing()],
        lambda s: s.origins,
    ],
    ids=["repr", "str", "format", "asdict", "deepcopy", "config show", "origins"],
)
def test_no_dump_shows_a_secret(read: Load, dump: Callable[[Settings], Any]) -> None:
    """operations:OP14: a planted secret is in no representation of the settings."""
    shown = str(dump(read(SECRETS)))
    assert PLANTED not in shown
    assert WEBHOOK_SECRET not in shown


def test_the_program_can_read_its_secrets(read: Load) -> None:
    """Hidden is not lost: one explicit call gives the text."""
    settings = read(SECRETS)
    assert settings.mail.password == Secret(PLANTED)
    assert settings.mail.password is not None
    assert PLANTED == settings.mail.password.reveal()
    assert f"postgresql://news:{HIDDEN}@db.example/news?{HIDDEN}" == str(settings.store.url)


@pytest.mark.parametrize("password", ["p/w", "p@w", "p#w", "p:w", "p?w"])
def test_a_database_password_is_hidden_however_it_is_spelt(password: str) -> None:
    """operations:OP14: not even a password that should have been escaped is shown."""
    assert f"postgresql://u:{HIDDEN}@host/db" == str(SecretUrl(f"postgresql://u:{password}@host/db"))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////data/a@b@c.db",
        "postgresql://u:p%40w@[::1]:5432/d",
        "postgresql+psycopg://u@/d?host=/run/a@b",
        "postgresql:///d",
    ],
)
def test_a_database_address_may_hold_an_at_where_it_means_nothing(read: Load, url: str) -> None:
    """operations:OP11: paths, options and escaped passwords are taken as they are."""
    assert url == read(f'[store]\nurl = "{url}"\n').store.url.reveal()


def test_secrets_are_not_pickled() -> None:
    """A secret goes into no file by accident."""
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(Secret(PLANTED))


@pytest.mark.parametrize(
    "text",
    [
        f'[mail]\npasswrod = "{PLANTED}"\n',
        f'[mail]\npassword = ["{PLANTED}"]\n',
        f"[mail]\npassword = {PLANTED}\n",
        f'[site]\nsecret_key = "{PLANTED} x"\n',
        f'[store]\nurl = "mysql://u:{PLANTED}@h/d"\n',
        f'[store]\nurl = "postgresql://u:p@{PLANTED}@h/d"\n',
        f'[store]\nurl = "postgresql://u:p/{PLANTED}@h/d"\n',
        f'[store]\nurl = "postgresql://u:{PLANTED}/@h/d"\n',
        f'[store]\nurl = "postgresql://u:p@h:{PLANTED}/d"\n',
        f'[[partners]]\nslug = "p"\nurl = "https://u:{PLANTED}@p.example/"\n',
        f'[[upstreams]]\nslug = "p"\nurl = "ftp://u:{PLANTED}@p.example/"\n',
        PARTNER + f'secret = "{PLANTED}"\n',
        PARTNER + f'secret = "whsec_{PLANTED}"\n',
    ],
)
def test_no_fault_quotes_a_secret(read: Load, text: str) -> None:
    """operations:OP14: a planted secret is in no message and no traceback, however it is misplaced."""
    with pytest.raises(Misconfigured) as caught:
        read(text)
    assert PLANTED not in str(caught.value)
    assert PLANTED not in "".join(traceback.format_exception(caught.value))
