"""`syndicator contact`: the media list, by hand and from CSV."""

import csv
import io

import pytest

from tests.cli.program import InProcess

JANE = "Jane.Doe@paper.example"


@pytest.fixture
def newsroom(cli: InProcess) -> InProcess:
    """Two topics and nobody on the list."""
    cli("topic", "add", "policy", "Policy")
    cli("topic", "add", "funding", "Funding")
    return cli


def test_somebody_is_added_once(newsroom: InProcess) -> None:
    """An address in another spelling is the same person; nothing of theirs is overwritten (mail:LM5)."""
    newsroom(
        "contact", "add", JANE, "--name", "Jane Doe", "--outlet", "The Paper", "--timezone", "Europe/Paris"
    )
    said = newsroom.try_("contact", "add", "jane.doe@PAPER.example", "--name", "J. D.")
    assert (0, f"{JANE}\n") == (said.code, said.out)
    assert "already" in said.err
    expected = [(JANE, "Jane Doe", "The Paper", "Europe/Paris", None)]
    fields = ("email", "name", "outlet", "timezone", "suppressed")
    assert expected == [tuple(one[name] for name in fields) for one in newsroom.json("contact", "list")]


def test_with_consent_a_subscription_is_active(newsroom: InProcess) -> None:
    """--consent says where the yes came from; no mail asks for it."""
    newsroom("contact", "add", JANE)
    made = newsroom.json("contact", "subscribe", JANE, "policy", "--consent", "asked by phone")
    assert ("active", "immediate", "asked by phone") == (made["state"], made["cadence"], made["consent"])
    assert [] == newsroom.json("delivery", "list")
    shown = newsroom.json("contact", "show", JANE)
    assert [("policy", "active")] == [(one["topic"], one["state"]) for one in shown["subscriptions"]]


def test_without_consent_a_confirmation_goes_out_once(newsroom: InProcess) -> None:
    """Pending, and one mail that asks; subscribing again plans no second (mail:LM2)."""
    newsroom("contact", "add", JANE)
    made = newsroom.json("contact", "subscribe", JANE, "policy")
    assert "pending" == made["state"]
    newsroom("contact", "subscribe", JANE, "policy")
    (asked,) = newsroom.json("delivery", "list")
    assert (f"confirmation/{made['id']}", JANE, "mail", "due", 0, None) == tuple(
        asked[name] for name in ("subject", "recipient", "channel", "state", "attempts", "last_outcome")
    )


def test_somebody_is_shown_as_text(newsroom: InProcess) -> None:
    """mail:LM18 All the desk knows of them, and one line for each subscription they have or had."""
    newsroom("contact", "add", JANE, "--timezone", "Europe/Paris")
    more = "--hour 7 --weekday 4 --nth 5 --monthday 31 --capped --country FR --owner chief@paper.example"
    newsroom("contact", "edit", JANE, *more.split())
    newsroom("contact", "tag", JANE, "+desk", "+vip")
    newsroom("contact", "note", JANE, "rings back\non Fridays")
    newsroom("contact", "subscribe", JANE, "policy", "--cadence", "weekly", "--consent", "by phone")
    newsroom("contact", "subscribe", JANE, "funding")
    newsroom("contact", "unsubscribe", JANE, "funding", "--reason", "asked to")
    newsroom("contact", "accredit", JANE, "--agreement", "signed")
    shown = [" ".join(line.split()) for line in newsroom("contact", "show", JANE).splitlines()]
    for line in ("hour 7", "weekday Friday", "monthday 31", "nth last", "capped yes", "country FR", "standing listed",
                 "owner chief@paper.example", "tags desk, vip", "notes rings back", "on Fridays", "accredited yes"):  # fmt: skip
        assert line in shown
    (live,) = [line for line in shown if "policy" in line]
    (over,) = [line for line in shown if "funding" in line]
    assert live.startswith("subscriptions policy weekly: active since ")
    assert live.endswith("Z, by phone")
    assert over.startswith("funding immediate: from ")
    assert over.endswith("Z: asked to")
    assert any(line.startswith("accreditations since ") and line.endswith(": signed") for line in shown)


def test_links_that_were_made_void_are_said_to_be(newsroom: InProcess) -> None:
    """mail:LM9 --new-links alone did something, and says what."""
    newsroom("contact", "add", JANE)
    said = newsroom.try_("contact", "edit", JANE, "--new-links").err
    assert ("no field" in said, "lead nowhere" in said) == (False, True)
    both = newsroom.try_("contact", "edit", JANE, "--new-links", "--hour", "6").err
    assert ("hour changed; links" in both, True) == (True, "lead nowhere" in both)
    assert "no field changed" in newsroom.try_("contact", "edit", JANE, "--hour", "6").err


def test_what_is_still_pending_is_said_to_be(newsroom: InProcess) -> None:
    """mail:LM2 Another cadence is no yes; asking once more has its limit."""
    newsroom("contact", "add", JANE)
    newsroom("contact", "subscribe", JANE, "policy")
    said = newsroom.try_("contact", "cadence", JANE, "policy", "weekly")
    assert (0, True) == (said.code, "still pending" in said.err)
    more = newsroom.try_("contact", "subscribe", JANE, "policy", "--cadence", "weekly", "--again")
    assert (6, True) == (more.code, "once a day" in more.err)


def test_a_suppressed_address_is_shown_as_such(newsroom: InProcess) -> None:
    """Suppressing needs nobody on the list, stays at its first reason, and can be taken back."""
    newsroom("contact", "suppress", JANE, "--reason", "asked by phone")
    newsroom("contact", "suppress", JANE, "--reason", "again")
    newsroom("contact", "add", JANE)
    assert "asked by phone" == newsroom.json("contact", "show", JANE)["suppressed"]
    newsroom("contact", "unsuppress", JANE)
    assert newsroom.json("contact", "show", JANE)["suppressed"] is None
    assert "was not suppressed" in newsroom.try_("contact", "unsuppress", JANE).err


PEOPLE = """email,name,outlet,timezone,topics,cadence,consent
jane@paper.example,Jane Doe,The Paper,Europe/Paris,policy;funding,immediate,phone 2026-01-02
nobody,No One,,,,,
max@radio.example,"Max
Power",,,policy,,
eve@tv.example,Eve,,Mars/Olympus,policy,,

kim@tv.example,Kim,,,gossip,,
lee@tv.example,Lee,,,policy,weekly,
"""
BAD = [3, 4, 6, 8]


def test_an_import_takes_the_good_rows_and_names_the_bad(newsroom: InProcess) -> None:
    """Bad rows are named with their line, the rest is taken, exit 4; a dry run writes nothing (mail:LM17)."""
    file = newsroom.folder / "people.csv"
    file.write_text(PEOPLE, encoding="utf-8-sig")
    foreseen = newsroom.json("contact", "import", str(file), "--dry-run", code=4)
    assert [] == newsroom.json("contact", "list")
    done = newsroom.json("contact", "import", str(file), code=4)
    assert foreseen == done
    assert (2, 0, 2, 1) == tuple(done[name] for name in ("added", "known", "active", "pending"))
    assert BAD == [bad["line"] for bad in done["bad"]]
    assert "line 8: there is no topic" in newsroom.try_("contact", "import", str(file)).err
    assert ["jane@paper.example", "lee@tv.example"] == [
        one["email"] for one in newsroom.json("contact", "list")
    ]
    assert 1 == len(newsroom.json("delivery", "list"))


def test_the_same_import_again_changes_nothing(newsroom: InProcess) -> None:
    """Everybody is known, nobody is asked twice."""
    rows = "email,topics\njane@paper.example,policy\n"
    first = newsroom.json("contact", "import", "-", stdin=rows)
    again = newsroom.json("contact", "import", "-", stdin=rows)
    assert (1, 1) == (first["added"], first["pending"])
    assert (0, 1, 0, 0) == tuple(again[name] for name in ("added", "known", "active", "pending"))
    assert 1 == len(newsroom.json("delivery", "list"))


def test_other_column_names_are_mapped(newsroom: InProcess) -> None:
    """--map gives a column our name; the rest is left alone, semicolons are understood."""
    rows = "Nr;E-Mail;Themen\n1;jane@paper.example;policy\n"
    done = newsroom.json(
        "contact", "import", "-", "--map", "E-Mail=email", "--map", "Themen=topics", stdin=rows
    )
    assert (1, 1) == (done["added"], done["pending"])


def test_an_export_can_be_imported(newsroom: InProcess) -> None:
    """The CSV reads back as the same people; no cell is a formula, nobody suppressed is in it (security:I4)."""
    rows = 'email,name,topics,consent\njane@paper.example,=cmd(),"policy,funding",phone\nmax@radio.example,Max,,\n'
    newsroom("contact", "import", "-", stdin=rows)
    newsroom("contact", "add", "gone@paper.example")
    newsroom("contact", "suppress", "gone@paper.example")
    text = newsroom("contact", "export")
    people = list(csv.DictReader(io.StringIO(text)))
    assert ["jane@paper.example", "max@radio.example"] == [one["email"] for one in people]
    assert ("'=cmd()", {"policy", "funding"}) == (people[0]["name"], set(people[0]["topics"].split(";")))
    again = newsroom.json("contact", "import", "-", stdin=text)
    assert (2, 0, 0) == tuple(again[name] for name in ("known", "active", "pending"))


def test_no_cell_is_a_formula_in_any_locale(lite: InProcess) -> None:
    """A formula behind a mark or a foreign separator is text too, and reads back as it was (security:I4)."""
    outlets = [";=1+1", "A | -B", "\ufeff=1", "＝1", "a=b-c", ";;@x"]
    for number, outlet in enumerate(outlets):
        lite("contact", "add", f"+{number}@paper.example", "--outlet", outlet)
    text = lite("contact", "export")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [";'=1+1", "A | '-B", "'=1", "'＝1", "a=b-c", ";;'@x"] == [row["outlet"] for row in rows]
    assert "'+0@paper.example" == rows[0]["email"]
    assert 6 == lite.json("contact", "import", "-", stdin=text)["known"]


def test_a_header_without_end_is_one_line(lite: InProcess) -> None:
    """A first line with a field no CSV reader takes is refused in words, as any other line is (mail:LM17)."""
    for text in ("email," + "x" * 200_000, "email\n" + "x" * 200_000):
        said = lite.try_("contact", "import", "-", stdin=text)
        assert (2, 1) == (said.code, said.err.count("\n"))
        assert "is no CSV: field larger than" in said.err


def test_listings_are_cut_by_id(newsroom: InProcess) -> None:
    """--limit and --after give the next page."""
    for name in ("a", "b", "c"):
        newsroom("contact", "add", f"{name}@paper.example")
    (first,) = newsroom.json("contact", "list", "--limit", "1")
    rest = newsroom.json("contact", "list", "--after", str(first["id"]))
    assert ["b@paper.example", "c@paper.example"] == [one["email"] for one in rest]
