"""Whatever is typed wrongly ends with the right exit code, one line on stderr, and no traceback (operations:OP18)."""

import pytest

from tests.cli.program import InProcess

FRONT = "title: On budgets\ntopics: [policy]"

USAGE = [
    ("item add nowhere.md", "cannot be read"),
    ("item add untitled.md", "no title"),
    ("item edit tag:x.example,2026:1 other.md", "is about"),
    ("topic add all Everything", '"all" exists already'),
    ("topic add Policy Policy", "no topic slug"),
    ("topic add news News --kinds gossip", "unknown kind 'gossip'"),
    ("contact add nobody", "no mail address"),
    ("contact add a@b.example --name A\nBcc:x", "line break"),
    ("contact add a@b.example --outlet A\rB", "line break"),
    ("contact add a@b.example --timezone Europe/Lodnon", "unknown time zone"),
    ("contact import nowhere.csv", "cannot be read"),
    ("contact import untitled.md", "names no column email"),
    ("contact import people.csv --map E-Mail", "THEIRS=OURS"),
    ("partner add wire --url ftp://wire.example", "no webhook address"),
    ("partner add wire --url https://wire.example --secret short", "no webhook secret"),
    ("partner add Wire --url https://wire.example", "no name for a partner"),
    ("partner add wire --url https://wire.example --channel mail", "by webhook"),
    ("partner add wire --url https://wire.example --allow-private ten", "no address range"),
    ("schedule add tidy --job prune", "exactly one of cron, every and at"),
    ("schedule add tidy --job prune --every 1h --at 2027-01-01T00:00Z", "exactly one"),
    ("schedule add tidy --job prune --cron daily", "write minute hour day"),
    ("schedule add tidy --job prune --every soon", "no duration"),
    ("schedule add tidy --job prune --every 1h --timezone Mars/Olympus", "unknown time zone"),
    ("schedule add tidy --job prune --every 1h --upstream cms", "only the job poll"),
    ("upstream add cms ftp://cms.example/feed", "no web address"),
    ("upstream add cms https://cms.example/feed --on-change kill", "use one of correction, silent"),
    ("upstream add cms https://cms.example/feed --push-max-age long", "no duration"),
    ("release schedule tag:x.example,2026:1 --at tomorrow", "no instant"),
    ("delivery resolve 1", "--accepted or --cancelled"),
    ("worker --once cook", "no job 'cook'"),
    ("worker feeds", "--once feeds"),
    ("contact add a@b.example --name =?utf-8?q?a=0aBcc:_evil?=", "encoded word"),
    ("contact add a@b.example --name A\ud800", "line break or control"),
    ("--log-level loud topic list", "debug, info, warning, error"),
]
MISSING = [
    "item show tag:x.example,2026:1",
    "item history tag:x.example,2026:1",
    "item withdraw tag:x.example,2026:1 --reason why",
    "item list --topic gossip",
    "item list --after tag:x.example,2026:1",
    "item add filed.md",
    "release show tag:x.example,2026:1",
    "release approve tag:x.example,2026:1",
    "release draft filed.md",
    "contact show nobody@b.example",
    "contact subscribe nobody@b.example all",
    "partner test wire",
    "partner pause wire",
    "partner add wire --url https://wire.example --topics gossip",
    "schedule next tidy",
    "schedule run tidy",
    "schedule pause tidy",
    "schedule add poll --job poll --every 1h --upstream cms",
    "upstream show cms",
    "upstream edit cms",
    "upstream poll cms",
    "upstream remove cms",
    "upstream add cms https://cms.example/feed --topics gossip",
    "topic add news News --any gossip",
    "delivery show 9",
    "delivery retry 9",
]
TYPED_WRONG = [
    "item",
    "item ad x",
    "item add",
    "item correct tag:x.example,2026:1 untitled.md",
    "item withdraw tag:x.example,2026:1",
    "itme list",
    "contact subscribe a@b.example policy --cadence hourly",
    "delivery show first",
    "delivery list --limit 0",
    "delivery list --limit 9223372036854775808",
    "delivery list --after 9223372036854775808",
    f"contact list --after {'9' * 5000}",
    "schedule add tidy --job cook --every 1h",
    "release reschedule tag:x.example,2026:1",
]


def words(line: str) -> list[str]:
    """A command line by spaces: nothing here is quoted, for some hold control characters."""
    return line.split(" ")


@pytest.fixture
def newsroom(lite: InProcess) -> InProcess:
    """A store without topics, and some files."""
    lite.file("untitled.md", "kind: news")
    lite.file("other.md", "uid: tag:x.example,2026:2\ntitle: Other")
    lite.file("filed.md", FRONT)
    (lite.folder / "people.csv").write_text("E-Mail\n", encoding="utf-8")
    return lite


@pytest.mark.parametrize(("line", "expected"), USAGE, ids=[line for line, _ in USAGE])
def test_what_cannot_be_understood_exits_2(line: str, expected: str, newsroom: InProcess) -> None:
    """Exit 2 and one line that says what to write instead."""
    said = newsroom.try_(*words(line))
    assert (2, "") == (said.code, said.out)
    assert expected in said.err
    assert 1 == said.err.count("\n")


@pytest.mark.parametrize("line", MISSING)
def test_what_is_not_there_exits_5(line: str, newsroom: InProcess) -> None:
    """Exit 5 and one line that names the command which shows or makes such things."""
    said = newsroom.try_(*words(line))
    assert (5, "") == (said.code, said.out), said.err
    assert 1 == said.err.count("\n")
    assert "syndicator " in said.err or "there is no" in said.err


@pytest.mark.parametrize("line", TYPED_WRONG)
def test_what_typer_refuses_exits_2_and_names_the_help(line: str, newsroom: InProcess) -> None:
    """A verb, an option or a value that does not exist exits 2, on stderr."""
    said = newsroom.try_(*words(line))
    assert (2, "") == (said.code, said.out)
    assert "Usage: " in said.err


def test_an_unknown_noun_names_the_one_that_was_meant(newsroom: InProcess) -> None:
    """One letter wrong is enough to be understood."""
    assert 'did you mean "item"?' in newsroom.try_("itme", "list").err


def test_arguments_that_are_no_text_are_refused_before_anything_reads_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Bytes that are not UTF-8 end with exit 2 and one line, whatever the command (operations:OP18)."""
    from syndicator.cli import root

    for line in (["item", "show", "tag:\udcff"], ["--config", "\ud800", "topic", "list"], ["\udcff"]):
        with pytest.raises(SystemExit) as ended:
            root.run(line)
        said = capsys.readouterr()
        assert (2, "", 1) == (ended.value.code, said.out, said.err.count("\n"))
        assert "not UTF-8" in said.err


def test_faults_of_the_config_are_a_line_each(newsroom: InProcess) -> None:
    """All faults at once, exit 3, with file and line (operations:OP11)."""
    config = newsroom.folder / "bad.toml"
    config.write_text('[web]\nport = "eighty"\n[site]\ntimezone = "Europe/Lodnon"\n', encoding="utf-8")
    said = newsroom.try_("--config", str(config), "config", "check")
    assert (3, "") == (said.code, said.out)
    faults = said.err.splitlines()
    assert 2 == len(faults)
    assert f"{config}:2:" in faults[0]
    assert "Europe/London" in faults[1]


def test_an_empty_postgresql_asks_for_its_schema(postgresql_host: str, newsroom: InProcess) -> None:
    """Exit 75, naming `db upgrade`, and status works before it (operations:OP23)."""
    from tests import postgres

    name = "empty_of_cli"
    postgres.create(postgresql_host, name)
    try:
        newsroom.env["SYNDICATOR_STORE__URL"] = postgres.url(postgresql_host, name)
        said = newsroom.try_("topic", "list")
        assert 75 == said.code
        assert "syndicator db upgrade" in said.err
        before = newsroom.json("db", "status")
        assert (None, False) == (before["revision"], before["current"])
        assert f"empty -> {before['needed']}\n" == newsroom("db", "upgrade")
        assert newsroom.json("db", "status")["current"]
        assert ["all"] == [topic["slug"] for topic in newsroom.json("topic", "list")]
    finally:
        postgres.drop(postgresql_host, name)


def test_a_database_that_does_not_answer_exits_75(newsroom: InProcess) -> None:
    """A neighbour that is down is a matter of time (operations:OP18)."""
    newsroom.env["SYNDICATOR_STORE__URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
    said = newsroom.try_("topic", "list")
    assert 75 == said.code, said.err
    assert 1 == said.err.count("\n")
