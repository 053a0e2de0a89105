"""`syndicator release preview`: every form of a draft as files, or behind a link."""

from pathlib import Path

from tests.cli.program import InProcess

FORMS = "page.html mail.html mail.txt mail.eml advance.html advance.txt advance.eml atom.xml rss.xml feed.json style.css"
FRONT = "title: On budgets\nkind: press-release\nembargo: 2099-03-02 09:00\nembargo_zone: Europe/London"


def test_a_draft_as_files(cli: InProcess, tmp_path: Path) -> None:
    """security:E2 files for their owner alone, each marked; nothing else is done to the draft."""
    uid = cli("release", "draft", cli.file("release.md", FRONT)).strip()
    before = cli.json("release", "show", uid)
    out = tmp_path / "out"
    assert [str(out / name) for name in FORMS.split()] == cli(
        "release", "preview", uid, "--out", str(out)
    ).split()
    for path in out.iterdir():
        assert 0o600 == path.stat().st_mode & 0o777
        assert path.name == "style.css" or "PREVIEW" in path.read_text(encoding="utf-8")
    assert 0o700 == out.stat().st_mode & 0o777
    assert 'href="style.css"' in (out / "page.html").read_text(encoding="utf-8")
    assert before == cli.json("release", "show", uid)


def test_a_link_that_ends(lite: InProcess) -> None:
    """security:E2 the link says until when it is good; a link to what is not there is refused."""
    lite.env["SYNDICATOR_PRESS__PREVIEW_FOR"] = "2h"
    uid = lite("release", "draft", lite.file("release.md", FRONT)).strip()
    said = lite.try_("release", "preview", uid)
    assert said.out.startswith("http://127.0.0.1:8000/press/1.1.")
    assert "whoever has this link sees the draft until" in said.err
    shown = lite.json("release", "preview", uid, "--link")
    assert (True, []) == (shown["link"].startswith("http://127.0.0.1:8000/press/1.1."), shown["files"])
    assert shown["expires"].startswith("20")
    assert 5 == lite.try_("release", "preview", "tag:x:none").code
    assert 5 == lite.try_("release", "preview", uid, "--number", "2").code


def test_what_stands_there_is_replaced_and_not_written_to(lite: InProcess, tmp_path: Path) -> None:
    """security:E2 a link in the folder leads nobody to a draft, and no file keeps a mode by which others read it."""
    uid = lite("release", "draft", lite.file("release.md", FRONT)).strip()
    out, victim = tmp_path / "out", tmp_path / "victim.txt"
    out.mkdir()
    victim.write_text("Mine.")
    (out / "page.html").symlink_to(victim)
    (out / "mail.txt").write_text("Old.")
    (out / "mail.txt").chmod(0o644)
    lite("release", "preview", uid, "--out", str(out))
    assert "Mine." == victim.read_text()
    assert not (out / "page.html").is_symlink()
    assert {0o600} == {path.stat().st_mode & 0o777 for path in out.iterdir()}
    assert set(FORMS.split()) == {path.name for path in out.iterdir()}


def test_links_are_revoked(lite: InProcess) -> None:
    """security:E2 one word and every link shown around is over; it is on record, and a new one has another token."""
    uid = lite("release", "draft", lite.file("release.md", FRONT)).strip()
    first = lite("release", "preview", uid).rpartition("/press/")[2].split(".")
    said = lite.try_("release", "preview", uid, "--revoke", "--by", "Ada")
    assert (0, "", True) == (said.code, said.out, "lead nowhere now" in said.err)
    second = lite("release", "preview", uid, "--revoke", "--link").rpartition("/press/")[2].split(".")
    assert ([], ["2"]) == (first[3:-1], second[3:-1])
    acts = [one for one in lite.json("audit", "list") if one["act"] == "release.preview"]
    assert ["Ada", uid] == [acts[0]["actor"], acts[0]["subject"]]
    assert 2 == len(acts)
    assert 5 == lite.try_("release", "preview", "tag:x:none", "--revoke").code
