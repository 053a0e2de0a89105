"""`syndicator topic` and `syndicator feed`: subjects, and their documents as files."""

import gzip
from pathlib import Path

import pytest

from syndicator.cli import feed_files
from syndicator.model.site import Format
from syndicator.store.documents import Bodies
from tests.cli.program import InProcess


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


def test_feeds_are_built_and_checked(newsroom: InProcess) -> None:
    """`feed build` builds at once, `feed list` shows validators, `feed check` finds nothing."""
    assert 4 == newsroom.json("feed", "build")["changed"]
    assert 0 == newsroom.json("feed", "build")["changed"]
    listed = newsroom.json("feed", "list")
    expected = [("all", "atom"), ("all", "rss"), ("policy", "atom"), ("policy", "rss")]
    assert expected == [(feed["topic"], feed["format"]) for feed in listed]
    assert all(feed["etag"].startswith('"') for feed in listed)
    assert [] == newsroom.json("feed", "check")


def test_an_export_holds_the_stored_bytes(newsroom: InProcess) -> None:
    """feeds/<topic>.<format> and .gz, dated as the feed is; stale ones are rebuilt, unchanged ones left alone."""
    assert 8 == len(newsroom.json("feed", "export", "out")["written"])
    assert [] == newsroom.json("feed", "export", "out")["written"]
    folder = newsroom.folder / "out" / "feeds"
    names = [f"{topic}.{end}" for topic in ("all", "policy") for end in ("atom", "atom.gz", "rss", "rss.gz")]
    assert names == sorted(path.name for path in folder.iterdir())
    plain = (folder / "policy.atom").read_bytes()
    assert b"On budgets" in plain
    assert plain == gzip.decompress((folder / "policy.atom.gz").read_bytes())
    newsroom("item", "add", newsroom.file("b.md", "title: Elsewhere"))
    written = newsroom.json("feed", "export", "out")["written"]
    assert {"all.atom", "all.atom.gz", "all.rss", "all.rss.gz"} >= {Path(name).name for name in written}


def test_a_folder_that_cannot_be_written_is_refused(newsroom: InProcess) -> None:
    """Exit 6 and one line where a file stands in the way."""
    newsroom.file("out", "title: in the way")
    said = newsroom.try_("feed", "export", "out")
    assert 6 == said.code
    assert 1 == said.err.count("\n")


ATOM = '<feed xmlns="http://www.w3.org/2005/Atom"><id>i</id><title>t</title><updated>u</updated>{}</feed>'
ENTRY = "<entry><id>a</id><title>t</title><updated>u</updated></entry>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ATOM.format(ENTRY), []),
        (ATOM.format(ENTRY * 2), ["the id a stands 2 times"]),
        (ATOM.format("<entry><id>a</id><title>t</title></entry>"), ["item 1 has no updated"]),
        (ATOM.format("").replace("<id>i</id>", ""), ["it has no id"]),
        ("<rss/>", ["its root is rss, not {http://www.w3.org/2005/Atom}feed"]),
    ],
)
def test_what_keeps_a_reader_from_reading_is_named(body: str, expected: list[str]) -> None:
    """Missing elements, double ids and other roots are problems (RFC 4287 §4.1)."""
    found = feed_files._faults(Format.ATOM, Bodies(body.encode(), gzip.compress(body.encode()), '"x"'))
    assert expected == list(found)


def test_broken_bytes_are_named() -> None:
    """What is no XML, and a gzip copy of something else."""
    found = list(feed_files._faults(Format.RSS, Bodies(b"<rss>", gzip.compress(b"other"), '"x"')))
    assert "its gzip copy holds other bytes" == found[0]
    assert found[1].startswith("it is no XML: ")
