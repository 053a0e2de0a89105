"""`syndicator topic` and `syndicator feed`: subjects, and their documents as files."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from syndicator.runtime import clock
from syndicator.store import archives, open_store, schema
from tests.cli.program import InProcess
from tests.delivery.receiver import Receiver


@pytest.fixture
def newsroom(cli: InProcess) -> InProcess:
    """A topic with one item."""
    cli("topic", "add", "policy", "Policy")
    cli("item", "add", cli.file("a.md", "title: On budgets\ntopics: [policy]"))
    return cli


def test_a_rule_fills_its_topic_at_once(newsroom: InProcess) -> None:
    """A ruled topic holds what fits already; nobody is told about it (DESIGN §2)."""
    made = newsroom.json("topic", "add", "wide", "Wide", "--any", "policy", "--kinds", "news,statement")
    assert {"any": ["policy"], "all": [], "none": [], "kinds": ["news", "statement"]} == made["rule"]
    assert 1 == len(newsroom.json("item", "list", "--topic", "wide"))
    assert ["all", "policy", "wide"] == [topic["slug"] for topic in newsroom.json("topic", "list")]
    assert 6 == newsroom.try_("topic", "add", "wide", "Again").code
    assert 2 == newsroom.try_("topic", "add", "wider", "Wider", "--any", "wide").code


FORMATS = ("atom", "json", "rss")


def test_feeds_are_built_and_checked(newsroom: InProcess) -> None:
    """`feed build` builds at once, `feed list` shows validators, `feed check` finds nothing."""
    assert 6 == newsroom.json("feed", "build")["changed"]
    assert 0 == newsroom.json("feed", "build")["changed"]
    listed = newsroom.json("feed", "list")
    expected = [(topic, format) for topic in ("all", "policy") for format in FORMATS]
    assert expected == [(feed["topic"], feed["format"]) for feed in listed]
    assert all(feed["etag"].startswith('"') for feed in listed)
    assert [] == newsroom.json("feed", "check")


def test_what_is_served_is_checked(newsroom: InProcess, tmp_path: Path) -> None:
    """feeds:P1: exit 0 with warnings, naming item and remedy; 1 for bytes that no reader takes."""
    picture = "media:\n- {url: https://x.example/i.png, type: image/png, length: 9}"
    newsroom("item", "add", newsroom.file("b.md", f"uid: tag:x,2026:b\ntitle: Bare\ntopics: []\n{picture}"))
    newsroom("feed", "build")
    found = newsroom.json("feed", "check")
    assert {("all", "warning", "tag:x,2026:b")} == {
        (one["topic"], one["level"], one["where"]) for one in found
    }
    assert all(one["advice"] for one in found)
    with open_store(newsroom.env["SYNDICATOR_STORE__URL"], host_clock=clock) as store, store.begin() as tx:
        values = {"body": b"<feed>", "etag": '"x"'}
        tx.connection.execute(
            update(schema.documents).where(schema.documents.c.format == "atom").values(**values)
        )
    said = newsroom.try_("feed", "check")
    assert 1 == said.code
    assert "it is no XML" in said.out
    assert "its gzip copy holds other bytes" in said.out


def test_files_are_checked_before_they_are_published(newsroom: InProcess) -> None:
    """feeds:P1: the file as it would stand in a feed; nothing is stored, and an embargo is no fault."""
    picture = "media:\n- {url: https://x.example/i.png, type: image/png, length: 9}"
    poor = newsroom.file("p.md", f"title: Poor\nembargo: 2099-01-01T00:00:00Z\n{picture}")
    well = newsroom.file("w.md", "title: Well\ntopics: [policy]\npublished: 2020-01-01T00:00:00Z")
    assert [] == newsroom.json("feed", "check", well)
    (found,) = newsroom.json("feed", "check", well, poor)
    assert (poor, "warning", "atom") == (found["file"], found["level"], found["format"])
    assert "no alternative text" in found["problem"]
    assert 2 == newsroom.try_("feed", "check", str(newsroom.folder / "none.md")).code
    nowhere = newsroom.file("n.md", "title: Lost\ntopics: [nowhere]")
    refused = newsroom.try_("feed", "check", nowhere)
    assert (5, True) == (refused.code, 'there is no topic "nowhere"' in refused.err)
    assert ["On budgets"] == [item["title"] for item in newsroom.json("item", "list")]


def names(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


BESIDE = [
    ".syndicator-export.json",
    ".syndicator-export.lock",
    "feeds.opml",
    "feeds.opml.gz",
    "nginx/addresses.conf",
    "nginx/feeds.conf",
]


def exported(*topics: str) -> list[str]:
    """The files of an export of topics without archives."""
    feeds = [f"feeds/{topic}.{end}{gz}" for topic in topics for end in FORMATS for gz in ("", ".gz")]
    return sorted([*BESIDE, *feeds])


def test_an_export_holds_the_stored_bytes(newsroom: InProcess) -> None:
    """feeds/<topic>.<format> and .gz, dated as the feed is; stale ones are rebuilt, unchanged ones left alone."""
    assert 16 == len(newsroom.json("feed", "export", "out")["written"])
    assert {"files": 16, "written": [], "removed": []} == newsroom.json("feed", "export", "out")
    folder = newsroom.folder / "out"
    assert exported("all", "policy") == names(folder)
    plain, packed = folder / "feeds/policy.atom", folder / "feeds/policy.atom.gz"
    assert b"On budgets" in plain.read_bytes()
    assert plain.read_bytes() == gzip.decompress(packed.read_bytes())
    (listed,) = [
        one for one in newsroom.json("feed", "list") if (one["topic"], one["format"]) == ("policy", "atom")
    ]
    modified = datetime.fromisoformat(listed["modified"]).timestamp()
    assert [modified, modified] == [path.stat().st_mtime for path in (plain, packed)]
    before = {name: (folder / name).stat().st_mtime_ns for name in names(folder)}
    newsroom("item", "add", newsroom.file("b.md", "title: Elsewhere"))
    written = {
        str(Path(name).relative_to("out")) for name in newsroom.json("feed", "export", "out")["written"]
    }
    assert {f"feeds/all.{end}{gz}" for end in FORMATS for gz in ("", ".gz")} >= written
    untouched = set(before) - written - {".syndicator-export.json"}
    assert {name: before[name] for name in untouched} == {
        name: (folder / name).stat().st_mtime_ns for name in untouched
    }


def test_an_export_holds_the_archive(cli: InProcess) -> None:
    """feeds:P26: closed pages lie beside, byte for byte, and are checked with the rest."""
    cli.env["SYNDICATOR_FEEDS__WINDOW"] = "2"
    for number in range(5):
        cli(
            "item", "add", cli.file("a.md", f"title: No {number}\npublished: 2026-01-0{number + 1}T00:00:00Z")
        )
    cli("feed", "export", "out")
    pages = [name for name in names(cli.folder / "out" / "feeds") if name.startswith("all/archive/")]
    assert {f"all/archive/{n}.{end}{gz}" for n in (1, 2) for end in FORMATS for gz in ("", ".gz")} == set(
        pages
    )
    assert [] == cli.json("feed", "check")


def test_a_build_tries_again_what_no_page_could_hold(cli: InProcess) -> None:
    """feeds:P26: an item that could not be rendered when its page was closed stands on one after `feed build`."""
    cli.env["SYNDICATOR_FEEDS__WINDOW"] = "2"
    for number in range(5):
        front = f"title: No {number}\npublished: 2026-01-0{number + 1}T00:00:00Z"
        cli("item", "add", cli.file(f"{number}.md", front))
    with open_store(cli.env["SYNDICATOR_STORE__URL"], host_clock=clock) as store, store.begin() as tx:
        oldest = schema.memberships.c.published == datetime(2026, 1, 1, tzinfo=UTC)
        # as a renderer leaves it that fails
        tx.connection.execute(update(schema.memberships).where(oldest).values(page=archives.NO_PAGE))
    cli("feed", "build")
    cli("feed", "export", "out")
    pages = (cli.folder / "out/feeds/all/archive").glob("*.atom")
    assert any(b"<title>No 0</title>" in page.read_bytes() for page in pages)


def test_what_is_served_no_more_is_removed(newsroom: InProcess) -> None:
    """feeds:H8: a topic renamed away leaves no file behind; what others put there stays."""
    newsroom("feed", "export", "out")
    folder = newsroom.folder / "out"
    (folder / "feeds" / "theirs.atom").write_text("kept")
    (folder / ".syndicator-export.json").write_text(
        json.dumps(
            [*json.loads((folder / ".syndicator-export.json").read_text()), "../a.md", "feeds/../../a.md"]
        )
    )
    newsroom("topic", "rename", "policy", "politics")
    done = newsroom.json("feed", "export", "out")
    assert {f"out/feeds/policy.{end}{gz}" for end in FORMATS for gz in ("", ".gz")} == set(done["removed"])
    assert sorted([*exported("all", "politics"), "feeds/theirs.atom"]) == names(folder)
    assert (newsroom.folder / "a.md").is_file()


def test_a_folder_that_cannot_be_written_is_refused(newsroom: InProcess) -> None:
    """Exit 6 and one line where a file stands in the way."""
    newsroom.file("out", "title: in the way")
    said = newsroom.try_("feed", "export", "out")
    assert 6 == said.code
    assert 1 == said.err.count("\n")


def test_pings_stand_in_the_ledger(cli: InProcess) -> None:
    """feeds:W2: `delivery list` shows each with its hub and feed, `delivery show` every try, `retry` sends again."""
    with Receiver((503, 204)) as hub:
        cli.env["SYNDICATOR_FEEDS__HUBS"] = hub.url
        cli.env["SYNDICATOR_FEEDS__ALLOW_PRIVATE"] = "127.0.0.0/8"
        cli("item", "add", cli.file("a.md", "title: News"))
        cli("feed", "build")
        listed = cli.json("delivery", "list", "--subject", "ping/http://127.0.0.1:8000/feeds/all.")
        assert {(hub.url, "websub", "due", 0)} == {
            (row["recipient"], row["channel"], row["state"], row["attempts"]) for row in listed
        }
        assert 3 == len(listed)
        first = str(listed[0]["id"])
        others = schema.deliveries.c.id != listed[0]["id"]
        for state in ("due", "accepted"):
            cli("delivery", "retry", first)
            with open_store(cli.env["SYNDICATOR_STORE__URL"], host_clock=clock) as store, store.begin() as tx:
                tx.connection.execute(update(schema.lanes).values(open=tx.now))  # as if its pause were over
                later = tx.now + timedelta(hours=1)  # only the first is looked at
                tx.connection.execute(update(schema.deliveries).where(others).values(due=later))
            cli("worker", "--once", "deliver")
            assert state == cli.json("delivery", "show", first)["state"]
        tries = cli.json("delivery", "show", first)["tries"]
    assert ["deferred", "accepted"] == [one["outcome"] for one in tries]
