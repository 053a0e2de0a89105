"""`syndicator contact`: lists, tags, segments, history, and why somebody did not get an item."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest

from tests.cli.program import InProcess

HEAD = "email,name,topics,cadence,consent,tags,country\n"
ITEM = "---\ntitle: {}\nkind: press-release\ntopics: [policy]\n---\nWords.\n"


@pytest.fixture
def newsroom(lite: InProcess) -> InProcess:
    """Two topics and three people: one at a desk, one in Berlin, one who was not asked yet."""
    for slug in ("policy", "funding"):
        lite("topic", "add", slug, slug.title())
    rows = (
        "desk@x.example,Dee,policy,,phone,desk,CH\nberlin@x.example,Ben,policy funding,daily,phone,,DE\n"
        "new@x.example,Neo,policy,,,desk,DE\n"
    )
    lite("contact", "import", "-", stdin=HEAD + rows)
    return lite


def listed(cli: InProcess, *options: str) -> list[str]:
    """Whom a listing names."""
    return [str(one["email"]).partition("@")[0] for one in cli.json("contact", "list", *options)]


def test_people_are_tagged_and_listed_by_what_we_know(newsroom: InProcess) -> None:
    """Tags come and go; every condition of a listing must hold (issue: outlets, notes, tags)."""
    assert "press, vip" == newsroom("contact", "tag", "desk@x.example", "+VIP", "-desk", "+press").strip()
    assert (["desk"], ["new"]) == (listed(newsroom, "--tag", "vip"), listed(newsroom, "--tag", "desk"))
    assert (["desk", "berlin"], ["berlin"]) == (
        listed(newsroom, "--topic", "policy"),
        listed(newsroom, "--topic", "funding"),
    )
    assert [] == listed(newsroom, "--topic", "funding", "--tag", "vip")
    assert 5 == newsroom.try_("contact", "list", "--topic", "gossip").code
    assert "write +vip" in newsroom.try_("contact", "tag", "desk@x.example", "vip").err
    assert 2 == newsroom.try_("contact", "tag", "desk@x.example", "+two words").code
    newsroom("contact", "note", "desk@x.example", "rings back")
    newsroom("contact", "note", "desk@x.example", "on Fridays", "--add")
    (row,) = [one for one in csv.DictReader(io.StringIO(newsroom("contact", "export"))) if one["tags"]][:1]
    assert ("rings back\non Fridays", "press;vip", "CH") == (row["notes"], row["tags"], row["country"])


def test_a_note_is_somebodys(newsroom: InProcess) -> None:
    """mail:LM3 Evidence and audit say who wrote it, and the audit nothing of its words."""
    for _ in range(2):
        newsroom("contact", "note", "desk@x.example", "rings back", "--by", "Ann")
    (noted,) = [one for one in newsroom.json("audit", "list") if one["act"] == "contact.note"]
    assert ("Ann", False) == (noted["actor"], "rings" in str(noted))
    kept = newsroom.json("contact", "show", "desk@x.example")["evidence"]
    assert ["Ann"] == [one["person"] for one in kept if one["act"] == "changed"]


def test_segments_are_saved_shown_changed_and_removed(newsroom: InProcess) -> None:
    """With how many are in it and who comes first; a rule of nothing and an unknown one are refused in words."""
    newsroom("contact", "segment", "add", "desks", "--any", "Desk", "--title", "All desks")
    made = newsroom.json("contact", "segment", "show", "desks")
    assert ({"any": ["desk"]}, 2, ["desk@x.example", "new@x.example"]) == (
        made["rule"], made["members"], made["first"]
    )  # fmt: skip
    newsroom("contact", "segment", "edit", "desks", "--countries", "de", "--topics", "policy")
    assert [0] == [one["members"] for one in newsroom.json("contact", "segment", "list")]
    newsroom("contact", "segment", "edit", "desks", "--topics", "")
    assert ["new"] == listed(newsroom, "--segment", "desks")
    said = newsroom.try_("contact", "list", "--segment", "desk")
    assert (5, True) == (said.code, 'did you mean "desks"?' in said.err)
    assert "is everybody" in newsroom.try_("contact", "segment", "add", "all-of-them").err
    assert "is no country" in newsroom.try_("contact", "segment", "add", "x", "--countries", "Germany").err
    newsroom("contact", "segment", "remove", "desks")
    assert [] == newsroom.json("contact", "segment", "list")


def test_a_release_for_a_segment_names_one_there_is(newsroom: InProcess) -> None:
    """The front matter's audience: a near name is offered, the plan says who is left out."""
    newsroom("contact", "segment", "add", "desks", "--any", "desk")
    file = newsroom.folder / "r.md"
    words = ITEM.replace("---\nWords", "audience: [{}]\n---\nWords")
    file.write_text(words.format("For desks", "desk"), encoding="utf-8")
    said = newsroom.try_("release", "draft", str(file))
    assert (5, True) == (said.code, 'did you mean "desks"?' in said.err)
    file.write_text(words.format("For desks", "desks"), encoding="utf-8")
    uid = newsroom("release", "draft", str(file)).strip()
    assert "not in the audience that the release names" in newsroom("release", "plan", uid)


def test_an_item_for_a_segment_names_one_there_is(newsroom: InProcess) -> None:
    """mail:LM16 An unknown audience is refused with the near name at each door to the public; shown is what was said."""
    newsroom("contact", "segment", "add", "desks", "--any", "desk")
    file, wrong = newsroom.folder / "right.md", newsroom.folder / "wrong.md"
    words = ITEM.replace("---\nWords", "audience: [{}]\nurgent: true\n---\nWords").format
    file.write_text(words("For desks", "desks"), encoding="utf-8")
    wrong.write_text(words("For a desk", "desk"), encoding="utf-8")
    said = newsroom.try_("item", "add", str(wrong))
    assert (5, True) == (said.code, 'did you mean "desks"?' in said.err)
    uid = newsroom("item", "add", str(file)).strip()
    for more in (("edit",), ("edit", "--dry-run"), ("correct", "--note", "Another audience.")):
        said = newsroom.try_("item", more[0], uid, str(wrong), *more[1:])
        assert (5, True) == (said.code, 'did you mean "desks"?' in said.err)
    shown = newsroom.json("item", "show", uid)
    assert (["desks"], True) == (shown["audience"], shown["urgent"])
    newsroom("contact", "segment", "remove", "desks")
    file.write_text(f"{file.read_text()}\nMore.\n", encoding="utf-8")
    newsroom("item", "edit", uid, str(file))


def test_json_that_was_exported_is_read_again(newsroom: InProcess) -> None:
    """mail:LM17 `export --json` and back changes nobody, with --overwrite too; who is suppressed stays so elsewhere."""
    newsroom("contact", "edit", "desk@x.example", "--name", '\'=1+1, "Desk"')
    newsroom("contact", "subscribe", "desk@x.example", "policy", "--cadence", "weekly")
    newsroom("contact", "add", "gone@x.example")
    newsroom("contact", "suppress", "gone@x.example", "--reason", "asked by phone")
    text, mails = newsroom("contact", "export", "--json"), len(newsroom.json("delivery", "list"))
    rows = json.loads(text)
    for more in ((), ("--overwrite",), ("--format", "json")):
        said = json.loads(newsroom("contact", "import", "-", "--json", *more, stdin=text))
        assert ("json", 1, len({one["email"] for one in rows}) - 1) == (
            said["format"], said["suppressed"], said["unchanged"]
        )  # fmt: skip
    assert (rows, mails) == (
        json.loads(newsroom("contact", "export", "--json")),
        len(newsroom.json("delivery", "list")),
    )
    said = newsroom("contact", "import", "-", stdin=text.replace("gone@", "other@"))
    assert "suppressed 1\n  other@x.example: manual\n" in said
    refused = newsroom.try_("contact", "import", "-", stdin='{"error": "no"}')
    assert (2, 1, True) == (refused.code, refused.err.count("\n"), "no list of people" in refused.err)


def test_the_history_of_somebody(newsroom: InProcess) -> None:
    """Newest first: what they were owed, what they subscribed to, where they came from (mail:LM18)."""
    file = newsroom.folder / "i.md"
    file.write_text(ITEM.format("A Statement"), encoding="utf-8")
    newsroom("item", "add", str(file))
    rows = newsroom.json("contact", "history", "desk@x.example")
    assert sorted((one["at"] for one in rows), reverse=True) == [one["at"] for one in rows]
    assert {"subscribed", "imported"} < {one["what"] for one in rows}
    (letter,) = [one for one in rows if one["what"].startswith("revision/")]
    assert ("due", "A Statement") == (letter["outcome"], letter["about"])
    newsroom("contact", "edit", "desk@x.example", "--capped", "--hour", "6", "--name", "Desk Two")
    changed = newsroom.json("contact", "history", "desk@x.example")[0]["detail"]
    assert "fields: name, values: capped no → yes, hour 8 → 6" == changed


def test_why_somebody_did_or_did_not_get_an_item(newsroom: InProcess) -> None:
    """One sentence for each, as the rows say at this moment (peers:3; the issue's `contact show --why`)."""
    file = newsroom.folder / "i.md"
    file.write_text(ITEM.format("A Statement"), encoding="utf-8")
    uid = newsroom("item", "add", str(file)).strip()
    newsroom("contact", "add", "idle@x.example")

    def why(name: str) -> str:
        return newsroom("contact", "show", f"{name}@x.example", "--why", uid).strip()

    assert why("desk").startswith("It is planned for 20")
    assert why("berlin").startswith("It waits for their daily digest, which closes on ")
    assert "Their subscription to policy was never confirmed." == why("new")
    assert "They never subscribed to any of its topics (policy)." == why("idle")
    newsroom("contact", "suppress", "idle@x.example", "--reason", "asked by phone")
    assert "(asked by phone)" in why("idle")
    newsroom("worker", "--once", "deliver")
    assert why("desk").startswith("They got it on ")
    assert 5 == newsroom.try_("contact", "show", "desk@x.example", "--why", "tag:nothing").code


def test_a_list_is_undone_by_its_number(newsroom: InProcess) -> None:
    """The import says how; --list shows them; what was answered for by nobody is refused (mail:LM17)."""
    rows = "uuid,email,name,attributes,status,created_at\n1,l@x.example,L,{},enabled,2020\n2,b@x.example,B,{},blocklisted,2020\n"
    said = newsroom.try_("contact", "import", "-", "--topics", "policy", "--dry-run", stdin=rows)
    assert "legacy 1\n  l@x.example: policy pending\n" in said.out
    assert "suppressed 1\n  b@x.example: unsubscribed\n" in said.out
    refused = newsroom.try_("contact", "import", "-", "--basis", "their contract", stdin=rows)
    assert (2, True) == (refused.code, "say with --by who answers for it" in refused.err)
    said = newsroom.try_(
        "contact", "import", "-", "--topics", "policy", "--by", "Ann", "--source", "old list", stdin=rows
    )
    assert (0, True) == (said.code, "contact import --undo 2" in said.err)
    made = newsroom.json("contact", "import", "--list")[-1]
    assert ("Ann", "old list", 1, None) == (
        made["by"],
        made["source"],
        made["counts"]["legacy"],
        made["undone"],
    )
    assert "1 person is asked" in newsroom("contact", "ask")
    exported = newsroom("contact", "export", "--suppressed")
    assert ("import 2", "unsubscribed") == tuple(
        next(csv.DictReader(io.StringIO(exported)))[name] for name in ("source", "reason")
    )
    assert "b@x.example" not in exported
    assert "contacts 1, subscriptions 0, suppressions 1" in newsroom("contact", "import", "--undo", "2")
    assert ["desk", "berlin", "new"] == listed(newsroom)
    acts = [one["act"] for one in newsroom.json("audit", "list")]
    assert {"contact.import", "contact.export", "contact.import-undo", "contact.ask"} <= set(acts)


def test_a_list_without_topics_and_a_long_undo_are_few_words(newsroom: InProcess) -> None:
    """mail:LM17 Who subscribes to nothing is counted, a dry run says that it was one, an undo names five who stay."""
    rows = "email\n" + "".join(f"p{number}@x.example\n" for number in range(7))
    said = newsroom.try_("contact", "import", "-", "--dry-run", stdin=rows)
    assert "7 people subscribe to nothing, for no topic is named: --topics\n" in said.err
    assert said.err.endswith("nothing was written\n")
    newsroom("contact", "import", "-", stdin=rows)
    number = newsroom.json("contact", "import", "--list")[-1]["id"]
    for person in range(7):
        newsroom("contact", "subscribe", f"p{person}@x.example", "policy", "--consent", "phone")
    said = newsroom.try_("contact", "import", "--undo", str(number))
    assert "kept 7\n" in said.out
    assert 5 == said.err.count(" stays: ")
    assert said.err.endswith("and 2 more stay; --json names everybody\n")


def test_many_letters_need_the_very_number(newsroom: InProcess) -> None:
    """mail:LM17 A list without consents writes to many at once only for whoever says how many; else nothing is done."""
    newsroom.env["SYNDICATOR_MAIL__CONFIRM_ABOVE"] = "2"
    mails = len(newsroom.json("delivery", "list"))
    people = [f"p{number}@x.example,policy,,\n" for number in range(3)]
    # Asked before, said yes, two cadences: no letter, none, and two.
    others = ["new@x.example,policy,,\n", "y@x.example,policy,,phone\n"]
    others += ["p0@x.example,funding,daily,\n"]
    rows = "email,topics,cadence,consent\n" + "".join([*people, *others])
    shown = newsroom("contact", "import", "-", "--dry-run", stdin=rows)
    assert "letters that ask for a yes: 4\n" in shown
    for more in ((), ("--confirm", "3")):
        said = newsroom.try_("contact", "import", "-", *more, stdin=rows)
        assert (6, "", True) == (said.code, said.out, "say --confirm 4" in said.err)
        assert 1 == len(said.err.strip().splitlines())
    assert mails == len(newsroom.json("delivery", "list"))
    assert "p1" not in listed(newsroom)
    done = newsroom.json("contact", "import", "-", "--confirm", "4", stdin=rows)
    assert (4, 4) == (done["asked"], done["added"])
    assert mails + 4 == len(newsroom.json("delivery", "list"))
    assert 0 == newsroom.json("contact", "import", "-", stdin=rows)["asked"]


def test_letters_about_a_basis_need_the_very_number(newsroom: InProcess) -> None:
    """mail:LM17 With --basis those who are told where their address is from are counted; --no-notice tells nobody."""
    newsroom.env["SYNDICATOR_MAIL__CONFIRM_ABOVE"] = "1"
    mails = len(newsroom.json("delivery", "list"))
    rows = "email,topics,consent\np@x.example,policy,\nq@x.example,policy,\ny@x.example,policy,phone\n"
    basis = ("contact", "import", "-", "--basis", "their contract", "--by", "Ann")
    assert "letters that say where an address is from: 2\n" in newsroom(*basis, "--dry-run", stdin=rows)
    said = newsroom.try_(*basis, stdin=rows)
    assert (6, True, True) == (said.code, "say --confirm 2" in said.err, "--no-notice" in said.err)
    assert 2 == newsroom.try_("contact", "import", "-", "--no-notice", stdin=rows).code
    assert mails == len(newsroom.json("delivery", "list"))
    done = newsroom.json(*basis, "--no-notice", stdin=rows)
    assert (0, 2, mails) == (done["told"], done["told_elsewhere"], len(newsroom.json("delivery", "list")))
    more = "email,topics\np2@x.example,policy\nq2@x.example,policy\n"
    assert 2 == newsroom.json(*basis, "--confirm", "2", stdin=more)["told"]
    newsroom("worker", "--once", "deliver")
    (mail,) = [
        one for one in sorted((newsroom.folder).rglob("*.eml")) if b"To: p2@x.example" in one.read_bytes()
    ]
    text = " ".join(mail.read_text().replace("=\n", "").split())
    assert "their contract" in text
    assert "/media-list/preferences/" in text
    assert "list for journalists" in text
    assert "Where it is from: a list of contacts that " in text  # what the file is called is for staff
    assert "stdin" not in text
    assert "stdin" in {one["source"] for one in newsroom.json("contact", "import", "--list")}


def test_a_list_can_be_taken_unasked(newsroom: InProcess) -> None:
    """mail:LM17 With --legacy nobody is written to, however many they are, until `contact ask`."""
    newsroom.env["SYNDICATOR_MAIL__CONFIRM_ABOVE"] = "0"
    mails = len(newsroom.json("delivery", "list"))
    rows = "email,topics,consent\np@x.example,policy,\nq@x.example,policy,phone\n"
    assert 2 == newsroom.try_("contact", "import", "-", "--legacy", "--ask", stdin=rows).code
    done = newsroom.json("contact", "import", "-", "--legacy", stdin=rows)
    assert (0, 1, 1) == (done["asked"], done["legacy"], done["new"])
    assert mails == len(newsroom.json("delivery", "list"))
    more = "email,topics\nq@x.example,funding\n"  # on the list by a yes to something else
    assert 1 == newsroom.json("contact", "import", "-", "--legacy", stdin=more)["pending"]
    assert "2 people are to be asked" in newsroom("contact", "ask", "--dry-run")
    said = newsroom.try_("contact", "ask")
    assert (6, True, mails) == (
        said.code,
        "say --confirm 2" in said.err,
        len(newsroom.json("delivery", "list")),
    )
    assert "2 people are asked" in newsroom("contact", "ask", "--confirm", "2")
    assert mails + 2 == len(newsroom.json("delivery", "list"))
    assert "0 people are asked" in newsroom("contact", "ask")


def test_a_file_that_is_no_list_is_one_line(newsroom: InProcess) -> None:
    """Whatever it is, nothing is written and no trace is shown (mail:LM17, security:I4)."""
    file = newsroom.folder / "people.xlsx"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("xl/workbook.xml", "<broken")
    for text in (None, "email," + "x," * 100_000, "email\n\0\n", "mail\ttopics\nx@x.example\tgossip\n"):
        given = [str(file)] if text is None else ["-"]
        said = newsroom.try_("contact", "import", *given, stdin=text or "")
        assert (True, True) == (said.code in (2, 4), "Traceback" not in said.err)
    assert 3 == len(listed(newsroom))
    assert 2 == newsroom.try_("contact", "import").code
    assert 2 == newsroom.try_("contact", "import", "x", "--undo", "1").code
    assert 5 == newsroom.try_("contact", "import", "--undo", "9").code
