"""`syndicator item`: what a person does to what is public, on both databases."""

from pathlib import Path

import pytest

from tests.cli.program import InProcess

FIELDS = {"uid", "slug", "url", "title", "kind", "state", "revision", "topics"}
FUTURE = "2099-01-01T09:00:00Z"


@pytest.fixture
def newsroom(cli: InProcess) -> InProcess:
    """A store with a topic."""
    cli("topic", "add", "policy", "Policy")
    return cli


def test_an_added_item_has_its_uid_printed_and_written_back(newsroom: InProcess) -> None:
    """`item add` prints the uid; it stands in the file from then on (DESIGN §6)."""
    file = newsroom.file("budget.md", "title: On budgets\nkind: statement\ntopics: [policy]")
    uid = newsroom("item", "add", file).strip()
    assert f"\nuid: {uid}\n" in Path(file).read_text(encoding="utf-8")
    item = newsroom.json("item", "show", uid)
    assert {
        "uid": uid,
        "slug": "on-budgets",
        "url": "http://127.0.0.1:8000/items/on-budgets",
        "title": "On budgets",
        "kind": "statement",
        "state": "live",
        "revision": 1,
        "topics": ["policy"],
    } == {name: item[name] for name in FIELDS}
    assert item["published"].endswith("Z")


def test_the_same_file_again_changes_nothing(newsroom: InProcess) -> None:
    """Identical content: exit 0, the same uid, "unchanged" on stderr."""
    file = newsroom.file("budget.md", "title: On budgets\ntopics: [policy]")
    first = newsroom.json("item", "add", file)
    said = newsroom.try_("item", "add", file)
    assert (0, first["uid"]) == (said.code, said.out.strip())
    assert "unchanged" in said.err
    assert 1 == len(newsroom.json("item", "list"))


def test_other_words_under_the_same_uid_are_refused(newsroom: InProcess) -> None:
    """Exit 6, naming `item edit`; what is public stays as it was."""
    file = newsroom.file("budget.md", "title: On budgets")
    uid = newsroom("item", "add", file).strip()
    newsroom.file("budget.md", f"uid: {uid}\ntitle: Against budgets")
    said = newsroom.try_("item", "add", file)
    assert 6 == said.code
    assert "item edit" in said.err
    assert "On budgets" == newsroom.json("item", "show", uid)["title"]


@pytest.mark.parametrize(
    "line", [f"embargo: {FUTURE}", f"published: {FUTURE}", "embargo: 2020-01-01T09:00:00Z"]
)
def test_what_must_wait_is_refused(line: str, newsroom: InProcess) -> None:
    """An embargo or a future date: exit 6, naming `release draft`; nothing is stored, the file unchanged."""
    file = newsroom.file("secret.md", f"title: Not yet\n{line}")
    before = Path(file).read_bytes()
    said = newsroom.try_("item", "add", file)
    assert (6, "") == (said.code, said.out)
    assert "release draft" in said.err
    assert [] == newsroom.json("item", "list")
    assert before == Path(file).read_bytes()


def test_an_edit_may_not_lift_an_embargo_either(newsroom: InProcess) -> None:
    """Words whose embargo still holds do not become public as a revision."""
    uid = newsroom("item", "add", newsroom.file("a.md", "title: On budgets")).strip()
    file = newsroom.file("b.md", f"uid: {uid}\ntitle: More on budgets\nembargo: {FUTURE}")
    assert 6 == newsroom.try_("item", "edit", uid, file).code
    assert 6 == newsroom.try_("item", "correct", uid, file, "--note", "more").code


def test_an_item_may_come_by_stdin(newsroom: InProcess) -> None:
    """`-` reads stdin, and no file named so is made."""
    uid = newsroom("item", "add", "-", stdin="---\ntitle: Through a pipe\n---\nWords\n").strip()
    assert "Through a pipe" == newsroom.json("item", "show", uid)["title"]
    assert not (newsroom.folder / "-").exists()


def test_versions_are_kept(newsroom: InProcess) -> None:
    """A silent edit, a correction and a withdrawal are revisions with what was said about them."""
    file = newsroom.file("a.md", "title: On bugdets")
    uid = newsroom("item", "add", file).strip()
    newsroom.file("a.md", "title: On budgets")
    newsroom("item", "edit", uid, file)
    newsroom.file("a.md", "title: On budgets", "Other words.")
    newsroom("item", "correct", uid, file, "--note", "A figure was wrong")
    after = newsroom.json("item", "withdraw", uid, "--reason", "Published in error")
    assert ("withdrawn", 4) == (after["state"], after["revision"])
    expected = [
        ("first", None),
        ("silent", None),
        ("correction", "A figure was wrong"),
        ("withdrawal", "Published in error"),
    ]
    versions = newsroom.json("item", "history", uid)
    assert expected == [(one["significance"], one["note"]) for one in versions]
    assert 6 == newsroom.try_("item", "withdraw", uid, "--reason", "again").code
    assert 0 == newsroom.try_("item", "kill", uid, "--reason", "worse than thought").code
    assert 6 == newsroom.try_("item", "kill", uid, "--reason", "again").code


def test_a_kill_takes_back(newsroom: InProcess) -> None:
    """`item kill` leaves an item that is killed, with its reason."""
    uid = newsroom("item", "add", newsroom.file("a.md", "title: Wrong")).strip()
    newsroom("item", "kill", uid, "--reason", "It is not true")
    item = newsroom.json("item", "show", uid)
    assert ("killed", "It is not true") == (item["state"], item["note"])


def test_a_correction_needs_words_and_changes(newsroom: InProcess) -> None:
    """Without a note exit 2; without a change exit 6."""
    file = newsroom.file("a.md", "title: On budgets")
    uid = newsroom("item", "add", file).strip()
    assert 6 == newsroom.try_("item", "correct", uid, file, "--note", "nothing").code
    newsroom.file("a.md", "title: On other budgets")
    assert 2 == newsroom.try_("item", "correct", uid, file, "--note", " ").code


def test_listings_are_complete_and_can_be_cut(newsroom: InProcess) -> None:
    """All items unless --limit and --after say otherwise; --topic narrows (operations:OP17)."""
    newsroom("topic", "add", "statements", "Statements", "--kinds", "statement")
    made = [
        newsroom("item", "add", newsroom.file(f"{n}.md", f"title: Number {n}\nkind: {kind}")).strip()
        for n, kind in enumerate(["news", "statement", "news"])
    ]
    assert made == [item["uid"] for item in newsroom.json("item", "list")]
    assert made[1:2] == [
        item["uid"] for item in newsroom.json("item", "list", "--limit", "1", "--after", made[0])
    ]
    assert made[1:2] == [item["uid"] for item in newsroom.json("item", "list", "--topic", "statements")]
    lines = newsroom("item", "list").splitlines()
    assert made == [line.split("\t")[0] for line in lines]


FEED = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><id>tag:cms.example,2026:feed</id>
<title>CMS</title><updated>2026-01-02T00:00:00Z</updated>
<entry><id>tag:cms.example,2026:1</id><title>One</title><updated>2026-01-02T00:00:00Z</updated>
<published>2026-01-01T00:00:00Z</published><content type="html">&lt;p&gt;One&lt;/p&gt;</content></entry>
<entry><id>tag:cms.example,2026:2</id><title>Ahead</title><updated>2099-01-02T00:00:00Z</updated>
<published>2099-01-01T00:00:00Z</published><content type="html">&lt;p&gt;Two&lt;/p&gt;</content></entry>
</feed>"""


def test_a_feed_is_imported_once_and_first_in_words(newsroom: InProcess) -> None:
    """A dry run shows {items, refused} and writes nothing; the import refuses what is dated ahead, exit 4."""
    file = newsroom.folder / "feed.xml"
    file.write_text(FEED, encoding="utf-8")
    seen = newsroom.json("item", "import", str(file), "--topics", "policy", "--dry-run", code=4)
    assert {"items", "refused"} == set(seen)
    assert ["tag:cms.example,2026:1"] == [item["uid"] for item in seen["items"]]
    assert ["Ahead"] == [entry["title"] for entry in seen["refused"]]
    assert [] == newsroom.json("item", "list")
    assert 4 == newsroom.try_("item", "import", str(file), "--topics", "policy").code
    stored = newsroom.json("item", "list")
    assert [("tag:cms.example,2026:1", ["policy"])] == [(item["uid"], item["topics"]) for item in stored]
    newsroom("item", "import", str(file), "--topics", "policy", code=4)
    assert stored == newsroom.json("item", "list")


def test_what_is_no_feed_is_refused(newsroom: InProcess) -> None:
    """Exit 2 and one line for a file that is no feed."""
    said = newsroom.try_("item", "import", newsroom.file("a.md", "title: x"))
    assert 2 == said.code
    assert 1 == said.err.count("\n")
