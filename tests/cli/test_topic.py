"""`syndicator topic`: names, mergers and ends at the command line."""

from tests.cli.program import InProcess

ITEM = "title: A statement\ntopics: [policy]\nuid: tag:news.example,2026:1"


def topic(cli: InProcess, slug: str) -> dict[str, object]:
    """A topic as it is listed."""
    (found,) = [one for one in cli.json("topic", "list") if one["slug"] == slug]
    return dict(found)


def test_a_topic_is_renamed(cli: InProcess) -> None:
    """feeds:H8: slug and title change, the uid stays; the same file filed under the old name is unchanged."""
    cli("topic", "add", "policy", "Policy")
    before = topic(cli, "policy")
    path = cli.file("item.md", ITEM)
    cli("item", "add", path)
    assert "affairs\n" == cli("topic", "rename", "policy", "affairs", "--title", "Public affairs")
    after = topic(cli, "affairs")
    assert {**before, "slug": "affairs", "title": "Public affairs"} == after
    said = cli.try_("item", "add", path)
    assert (0, True) == (said.code, "unchanged" in said.err)
    assert ["affairs"] == cli.json("item", "show", "tag:news.example,2026:1")["topics"]
    assert "policy" == cli.json("topic", "rename", "affairs", "policy")["slug"]


def test_refusals_are_one_line(cli: InProcess) -> None:
    """design:6: unknown 5, reserved or no slug 2, taken or a former name of another 6; what is said is one line."""
    for slug in ("a", "b", "c"):
        cli("topic", "add", slug, slug.title())
    cli("topic", "rename", "c", "d")
    for args, code in (
        (("rename", "x", "y"), 5),
        (("rename", "a", "all"), 2),
        (("rename", "a", "b"), 6),
        (("rename", "a", "c"), 6),
        (("rename", "all", "a"), 6),
        (("add", "c", "C"), 6),
        (("merge", "a", "a"), 2),
        (("merge", "a", "x"), 5),
        (("merge", "all", "a"), 6),
        (("close", "x"), 5),
        (("close", "all"), 6),
        (("close", "a", "--after", "soon"), 2),
        (("close", "a", "--after", "999999999d"), 2),
        (("close", "a", "--cancel"), 6),
    ):
        said = cli.try_("topic", *args)
        assert (code, "", 1) == (said.code, said.out, len(said.err.strip().splitlines())), (args, said)


def test_the_config_files_topics_are_its_own(lite: InProcess) -> None:
    """design:5.12: rename, merge and close of a topic the file manages are refused and say so."""
    config = lite.folder / "syndicator.toml"
    config.write_text('[[topics]]\nslug = "owned"\ntitle = "Owned"\n')
    lite.env["SYNDICATOR_CONFIG"] = str(config)
    lite("topic", "add", "a", "A")
    for args in (("rename", "owned", "b"), ("merge", "owned", "a"), ("close", "owned")):
        said = lite.try_("topic", *args)
        assert (6, True) == (said.code, "managed by the config file" in said.err)


def test_the_config_file_takes_no_former_name(lite: InProcess) -> None:
    """design:5.12, feeds:H8: readers of a former name are led on; a line in the file that cuts them off is refused."""
    config = lite.folder / "syndicator.toml"
    config.write_text("")
    lite.env["SYNDICATOR_CONFIG"] = str(config)
    for slug in ("a", "m", "into"):
        lite("topic", "add", slug, slug.title())
    lite("topic", "rename", "a", "b")
    lite("topic", "merge", "m", "into")
    config.write_text("".join(f'[[topics]]\nslug = "{slug}"\ntitle = "New"\n' for slug in ("a", "m")))
    refused = lite.try_("topic", "list")
    assert 3 == refused.code
    assert '[[topics]] "a" .slug: leads to "b"' in refused.err
    config.write_text("")
    assert {"b", "into"} <= {one["slug"] for one in lite.json("topic", "list")}


def test_a_command_says_what_comes_of_it(cli: InProcess) -> None:
    """operations:OP13: when a topic appears, where it leads, when it ends, and how to take that back."""
    assert "from its first item on" in cli.try_("topic", "add", "a", "A").err
    assert 'lead to those of "b"' in cli.try_("topic", "rename", "a", "b").err
    ending = cli.try_("topic", "close", "b", "--after", "1d").err
    assert "it closes for good at" in ending
    assert "--cancel" in ending
    assert "it stays open" in cli.try_("topic", "close", "b", "--cancel").err
    assert "it is closed for good" in cli.try_("topic", "close", "b", "--now").err


def test_a_topic_is_merged(cli: InProcess) -> None:
    """feeds:H8: the list says where it went; its items and its name belong to the other."""
    for slug in ("policy", "affairs"):
        cli("topic", "add", slug, slug.title())
    cli("item", "add", cli.file("item.md", ITEM))
    assert "affairs\n" == cli("topic", "merge", "policy", "affairs")
    gone = topic(cli, "policy")
    assert ("merged", "affairs") == (gone["state"], gone["into"])
    assert ["affairs"] == cli.json("item", "show", "tag:news.example,2026:1")["topics"]
    assert "affairs" in cli("topic", "list")
    cli("contact", "add", "jane@example.org")
    cli("contact", "subscribe", "jane@example.org", "policy", "--consent", "paper")
    (subscription,) = cli.json("contact", "show", "jane@example.org")["subscriptions"]
    assert "affairs" == subscription["topic"]


def test_a_topic_is_closed(cli: InProcess) -> None:
    """feeds:H8: with notice, for another date, taken back, and at once."""
    cli("topic", "add", "policy", "Policy")
    assert "policy\n" == cli("topic", "close", "policy", "--note", "Read us elsewhere.")
    closing = topic(cli, "policy")
    assert ("closing", "Read us elsewhere.") == (closing["state"], closing["note"])
    assert closing["closes"]
    said = cli.try_("item", "add", cli.file("item.md", ITEM))
    assert (6, True) == (said.code, "takes nothing new" in said.err)
    assert closing["closes"] != cli.json("topic", "close", "policy", "--after", "1d")["closes"]
    kept = cli.json("topic", "close", "policy", "--cancel")
    assert ("live", None) == (kept["state"], kept["closes"])
    assert "closed" == cli.json("topic", "close", "policy", "--now")["state"]
    assert 6 == cli.try_("topic", "close", "policy", "--cancel").code
