"""`syndicator release plan`, `rehearse`, `test` and `report` as a person and a script see them."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests import pictures
from tests.cli.program import InProcess

FRONT = "title: On budgets\nkind: press-release\ntopics: [policy]\nembargo: 2099-03-02 09:00\nembargo_zone: Europe/London"

PICTURE = pictures.picture("PNG", (4, 3))


@pytest.fixture
def uid(cli: InProcess) -> str:
    """The uid of a draft, on each database."""
    return drafted(cli)


def drafted(cli: InProcess) -> str:
    """A draft under embargo in a newsroom with two subscribers, one of them accredited."""
    cli("topic", "add", "policy", "Policy")
    for mail in ("now@x.example", "wire@x.example"):
        cli("contact", "add", mail)
        cli("contact", "subscribe", mail, "policy", "--consent", "form")
    cli("contact", "accredit", "wire@x.example", "--agreement", "signed on paper")
    cli("partner", "add", "agency", "--channel", "webhook", "--url", "https://hooks.example/in")
    return cli("release", "draft", cli.file("release.md", FRONT, "A canary sings.")).strip()


def test_a_plan_names_everybody_and_changes_nothing(cli: InProcess, uid: str) -> None:
    """peers:10: who, when, how many and why, before the draft is even approved; --json is complete."""
    plan = cli.json("release", "plan", uid)
    by = {(one["what"], one["who"]): one["why"] for one in plan["recipients"]}
    assert {
        ("advance copies", "wire@x.example"): "accredited, subscribed to Policy",
        ("mails", "now@x.example"): "subscribed to Policy, immediate",
        ("partner pushes", "agency"): "wants it, by webhook",
    } == by
    steps = {one["what"]: (one["at"], one["count"]) for one in plan["steps"]}
    assert ("2099-03-02T09:00:00Z", 1) == steps["mails"]
    said = cli.try_("release", "plan", uid)
    assert "not accredited\tnow@x.example" in said.out
    assert "release approve" in said.err
    assert "draft" == cli.json("release", "show", uid)["state"]
    assert [] == cli.json("delivery", "list")
    assert 5 == cli.try_("release", "plan", "tag:none").code


def test_a_rehearsal_fills_a_folder(cli: InProcess, uid: str, tmp_path: Path) -> None:
    """Every channel is a folder; without --out only the figures; a folder that is in use is refused."""
    out = tmp_path / "out"
    played = cli.json("release", "rehearse", uid, "--out", str(out))
    found = [(one["scene"], one["channel"], one["count"]) for one in played["written"]]
    assert [("advance", "mail", 1), ("release", "mail", 1), ("release", "webhook", 1)] == found
    (letter,) = (out / "mail").glob("now@x.example-*.eml")
    parsed = message_from_bytes(letter.read_bytes(), policy=policy.default)
    assert "On budgets" == parsed["Subject"]
    body = parsed.get_body(("plain",))
    assert body
    assert "canary" in body.get_content()
    assert 6 == cli.try_("release", "rehearse", uid, "--out", str(out)).code
    assert {"page": 1, "feed": 6, "hub": 0} == played["kept"]
    (page,) = (out / "page").glob("*.html")
    assert '<link rel="stylesheet" href="style.css">' in page.read_text()
    assert b"body" in (out / "page" / "style.css").read_bytes()
    said = cli("release", "rehearse", uid)
    for line in ("advance\tmail\t1", "release\tmail\t1", "release\tpage\t1", "release\tfeed\t6"):
        assert line in said
    assert [] == cli.json("delivery", "list")
    assert "draft" == cli.json("release", "show", uid)["state"]
    assert 5 == cli.try_("release", "rehearse", "tag:none").code


def test_the_page_of_a_rehearsal_has_its_files_beside_it(lite: InProcess, tmp_path: Path) -> None:
    """peers:10: it is looked at where it lies, pictures included; none of them is public for that."""
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(lite.folder / "media")
    (lite.folder / "dish.png").write_bytes(PICTURE)
    front = f"{FRONT.replace('topics: [policy]', '')}\nmedia: [{{file: dish.png, alt: A dish}}]"
    uid = lite("release", "draft", lite.file("r.md", front, "![A dish](dish.png)")).strip()
    lite("release", "rehearse", uid, "--out", str(tmp_path / "out"))
    (page,) = (tmp_path / "out" / "page").glob("*.html")
    (picture,) = (tmp_path / "out" / "page" / "media").iterdir()
    assert f'src="media/{picture.name}"' in page.read_text()
    assert PICTURE == picture.read_bytes()


def test_a_test_is_mailed_and_marked(lite: InProcess) -> None:
    """mail:EM2: subject and head say that it is a test, and what it is under; the report knows nothing of it."""
    cli, uid = lite, drafted(lite)
    subject = cli("release", "test", uid, "boss@x.example").strip()
    assert f"sample/{uid}/1/1" == subject
    cli("worker", "--once", "deliver")
    (letter,) = (cli.folder / "mail").glob("boss@x.example-*.eml")
    parsed = message_from_bytes(letter.read_bytes(), policy=policy.default)
    body = parsed.get_body(("plain",))
    assert body
    text = body.get_content()
    assert parsed["Subject"].startswith("[TEST]")
    head = text[:300]
    assert "EMBARGOED UNTIL" in head
    assert "test" in head.lower()
    (row,) = cli.json("delivery", "list")
    assert ("boss@x.example", "accepted") == (row["recipient"], row["state"])
    assert [] == cli.json("release", "report", uid)["mailings"]
    assert 2 == cli.try_("release", "test", uid, "no address").code
    cli("contact", "suppress", "now@x.example")
    assert 6 == cli.try_("release", "test", uid, "now@x.example").code


def test_a_report_is_printed_and_kept_as_a_page(lite: InProcess, tmp_path: Path) -> None:
    """peers:8: figures as words, JSON and one page."""
    cli, uid = lite, drafted(lite)
    cli("release", "approve", uid, "--by", "Ann")
    cli("release", "lift", uid)
    cli("worker", "--once", "deliver")
    report = cli.json("release", "report", uid)
    (mails,) = [one for one in report["mailings"] if (one["what"], one["channel"]) == ("Release", "mail")]
    assert (2, 2, 0) == (mails["planned"], mails["handed_over"], mails["waiting"])
    assert report["late_seconds"]["release"] is not None
    assert "Release\tmail\tplanned 2\thanded over 2\tbounced 0\trefused 0\tin doubt 0" in cli(
        "release", "report", uid
    )
    path = tmp_path / "report.html"
    cli("release", "report", uid, "--html", str(path))
    assert "On budgets" in path.read_text(encoding="utf-8")
    assert "<!doctype html>" in cli("release", "report", uid, "--html", "-")
    assert 6 == cli.try_("release", "plan", uid).code


def test_a_report_says_first_what_became_of_the_item(lite: InProcess, tmp_path: Path) -> None:
    """peers:8: whoever reads the figures of what was killed or redacted since is told so in the head."""
    cli, uid = lite, drafted(lite)
    cli("release", "approve", uid)
    cli("release", "lift", uid)
    path = tmp_path / "report.html"
    for act, state in (("kill", "killed"), ("redact", "redacted")):
        cli("item", act, uid, "--reason", "legal")
        head = cli("release", "report", uid)
        assert f"released, then {state}\n" in head
        assert (state, "released") == tuple(
            cli.json("release", "report", uid)[name] for name in ("item", "state")
        )
        cli("release", "report", uid, "--html", str(path))
        assert f'<dd class="bad">released, then {state}</dd>' in path.read_text(encoding="utf-8")


def test_what_nobody_wants_is_said_in_words(lite: InProcess) -> None:
    """peers:10: a plan without recipients and a report without mailings are words, not empty tables."""
    cli = lite
    uid = cli("release", "draft", cli.file("alone.md", "title: Alone")).strip()
    assert "nobody is there who wants it" in cli.try_("release", "plan", uid).err
    cli("release", "approve", uid)
    cli("release", "lift", uid)
    said = cli.try_("release", "report", uid)
    assert "nothing was sent" in said.err
    over = cli.try_("release", "plan", uid)
    assert (6, "") == (over.code, over.out)
    assert f"release {uid} is public; `syndicator release report {uid}` says what came of it" in over.err
