"""What is handed in with a text: files beside it, Word documents, boilerplates; and words fetched to be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import pictures
from tests.cli.program import InProcess
from tests.words import drawing, paragraph, word

FRONT = "title: On cells\nkind: press-release\nembargo: 2099-03-02 09:00\nembargo_zone: Europe/London"
PICTURE = "media: [{file: dish.png, alt: A dish, credit: J. Roe, licence: CC BY 4.0}]"
PNG = pictures.picture("PNG", (40, 30))
CONFIG = '[[boilerplates]]\nslug = "about"\ntitle = "About us"\ntext = "We are **us**."\n'


@pytest.fixture
def lite(lite: InProcess) -> InProcess:
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(lite.folder / "media")
    lite.env["SYNDICATOR_STORE__MEDIA_LIMIT"] = "1"
    (lite.folder / "dish.png").write_bytes(PNG)
    return lite


def _kept(lite: InProcess) -> list[bytes]:
    return [path.read_bytes() for path in sorted((lite.folder / "media").glob("*/*"))]


def test_a_file_beside_the_text_is_kept_once_and_public_with_its_item(lite: InProcess) -> None:
    """security:I3, mail:MC22: taken in by what it holds, called by a name that tells nothing, the same each time."""
    file = lite.file("release.md", f"{FRONT}\n{PICTURE}", "![A dish](dish.png)")
    uid = lite("release", "draft", file).strip()
    first = lite.json("release", "show", uid)
    assert lite.json("release", "draft", file)["version"] == 1  # the same bytes are the same file
    assert _kept(lite) == [PNG]
    assert "dish" not in first["content_html"].replace('alt="A dish"', "")
    lite("release", "approve", uid)
    lite("release", "lift", uid)
    [url] = lite.json("item", "show", uid)["media"]
    assert f'<img src="{url}" alt="A dish">' in first["content_html"]


def test_words_are_fetched_changed_and_handed_in_again(lite: InProcess) -> None:
    """design:6: `release show --markdown` is a file that changes nothing when it comes back as it is."""
    lite.env["SYNDICATOR_CONFIG"] = str(lite.folder / "site.toml")
    (lite.folder / "site.toml").write_text(CONFIG)
    file = lite.file(
        "release.md", f"{FRONT}\nboilerplates: [about]\n{PICTURE}", "![A dish](dish.png) *Words*"
    )
    uid = lite("release", "draft", file).strip()
    assert (
        "<h2>About us</h2><p>We are <strong>us</strong>.</p>"
        in lite.json("release", "show", uid)["content_html"]
    )
    back = lite.folder / "elsewhere" / "back.md"
    back.parent.mkdir()
    back.write_text(lite("release", "show", uid, "--markdown"))
    assert lite.json("release", "draft", str(back))["version"] == 1
    back.write_text(back.read_text().replace("*Words*", "*Other words*"))
    changed = lite.json("release", "draft", str(back))
    assert (changed["version"], changed["uid"]) == (2, uid)
    lite("release", "approve", uid)
    lite("release", "lift", uid)
    public = lite.folder / "public.md"
    public.write_text(lite("item", "show", uid, "--markdown"))
    before = lite.json("item", "show", uid)
    lite("item", "edit", uid, str(public))
    assert lite.json("item", "show", uid)["content_html"] == before["content_html"]


BAD = {
    "there is no such file": ("media: [{file: none.png, alt: x}]", 2),
    "a picture without alt: say in words": ("media: [{file: dish.png}]", 2),
    "says where it was taken (GPS)": ("media: [{file: place.jpg, alt: x}]", 6),
    "SVG picture, which can hold scripts": ("media: [{file: evil.png, alt: x}]", 2),
    "a zip archive is hidden behind it": ("media: [{file: two.gif, alt: x}]", 2),
    "million pixels": ("media: [{file: bomb.png, alt: x}]", 2),
    "the limit is 1,000,000 bytes": ("media: [{file: long.pdf}]", 2),
    "it leads elsewhere: put the file itself": ("media: [{file: link.png, alt: x}]", 2),
    "it is text, which belongs into the release": ("media: [{file: release.md}]", 2),
    "we have no such file": (
        f"media: [{{url: 'http://127.0.0.1:8000/media/{'0' * 32}.png', type: a/b, length: 1}}]",
        5,
    ),
    'no boilerplate "abuot" in the config file; there are: none yet': ("boilerplates: [abuot]", 5),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_cannot_be_taken_in_is_said_in_one_line_and_nothing_is_kept(lite: InProcess, fault: str) -> None:
    """security:I3: every bad file by its name, in one line; no release is made of it, and the text stays as it was."""
    files = {
        "place.jpg": pictures.picture("JPEG", place=True),
        "evil.png": pictures.SVG,
        "two.gif": pictures.picture("GIF") + pictures.archive(),
        "bomb.png": pictures.bomb(),
        "long.pdf": pictures.PDF + bytes(1_000_000),
    }
    for name, data in files.items():
        (lite.folder / name).write_bytes(data)
    (lite.folder / "link.png").symlink_to("/etc/hostname")
    front, code = BAD[fault]
    file = lite.file("release.md", f"{FRONT}\n{front}")
    before = Path(file).read_bytes()
    said = lite.try_("release", "draft", file)
    assert (said.code, len(said.err.splitlines()), said.out) == (code, 1, "")
    assert fault in said.err
    assert Path(file).read_bytes() == before
    assert lite.json("release", "list") == []
    assert _kept(lite) == []


def test_a_place_that_may_be_known_is_kept_and_what_is_missing_is_told(lite: InProcess) -> None:
    data = pictures.picture("JPEG", place=True)
    (lite.folder / "place.jpg").write_bytes(data)
    front = f"{FRONT}\nmedia: [{{file: place.jpg, alt: x, keep_position: true}}]"
    said = lite.try_("release", "draft", lite.file("release.md", front))
    assert (said.code, _kept(lite)) == (0, [data])
    assert "place.jpg has neither credit nor licence" in said.err


def test_a_word_file_becomes_a_draft_and_a_markdown_file_beside_it(lite: InProcess) -> None:
    """design:6: words, pictures and what was left out; the Markdown beside it knows the uid and changes nothing."""
    path = lite.folder / "release.docx"
    made = word(
        paragraph("On stem cells", "Title"),
        paragraph("Said ", inside='<w:r><w:commentReference w:id="0"/></w:r>' + drawing("p", "A dish")),
        paragraph("Bare", inside=drawing("q")),
        targets={"p": ("image", "media/a.png", False), "q": ("image", "media/b.png", False)},
        parts={"word/media/a.png": PNG, "word/media/b.png": pictures.picture("PNG", (9, 9))},
    )
    path.write_bytes(made)
    lite("topic", "add", "policy", "Policy")
    said = lite.try_("release", "draft", str(path), "--topics", "policy", "--embargo", "2099-03-02 09:00")
    uid = said.out.strip()
    assert said.code == 0
    assert "comments are left out: 1" in said.err
    assert "picture-2.png has no alt" in said.err
    release = lite.json("release", "show", uid)
    assert (release["title"], release["topics"], release["embargo"]) == (
        "On stem cells",
        ["policy"],
        "2099-03-02T09:00:00Z",
    )
    assert release["content_html"].count('<img src="http://127.0.0.1:8000/media/') == 2
    beside = lite.folder / "release.md"
    assert (beside.stat().st_mode & 0o777, path.read_bytes()) == (0o600, made)
    assert f"uid: {uid}" in beside.read_text()
    assert lite.json("release", "draft", str(beside))["version"] == 1
    again = lite.try_("release", "draft", str(path))
    assert (again.code, len(again.err.splitlines())) == (6, 1)
    assert "release.md was made of it already" in again.err
    assert len(lite.json("release", "list")) == 1


def test_the_pictures_of_a_word_file_lie_beside_its_markdown(lite: InProcess) -> None:
    """design:6: under the names the text uses and over nobody's file, so that it is edited and handed in like any other."""
    (lite.folder / "picture-1.png").write_bytes(pictures.picture("PNG", (3, 3)))
    path = lite.folder / "word.docx"
    path.write_bytes(
        word(
            paragraph("On stem cells", "Title"),
            paragraph("Said ", inside=drawing("p", "A dish")),
            paragraph("Bare", inside=drawing("q", "Another")),
            targets={"p": ("image", "media/a.png", False), "q": ("image", "media/b.png", False)},
            parts={"word/media/a.png": PNG, "word/media/b.png": pictures.picture("PNG", (9, 9))},
        )
    )
    uid = lite("release", "draft", str(path)).strip()
    beside = lite.folder / "word.md"
    text = beside.read_text()
    assert "![A dish](picture-1-2.png)" in text
    assert "![Another](picture-2.png)" in text
    assert PNG == (lite.folder / "picture-1-2.png").read_bytes()
    assert pictures.picture("PNG", (9, 9)) == (lite.folder / "picture-2.png").read_bytes()
    assert pictures.picture("PNG", (3, 3)) == (lite.folder / "picture-1.png").read_bytes()
    assert 0o600 == (lite.folder / "picture-2.png").stat().st_mode & 0o777
    assert 1 == lite.json("release", "draft", str(beside))["version"]
    beside.write_text(text.replace("Said", "Told"))
    changed = lite.json("release", "draft", str(beside))
    assert (2, uid) == (changed["version"], changed["uid"])
    shown = lite.json("release", "show", uid)["content_html"]
    assert 2 == shown.count('<img src="http://127.0.0.1:8000/media/')


def test_a_word_file_is_made_public_at_once(lite: InProcess) -> None:
    path = lite.folder / "Note.DOCX"
    path.write_bytes(word(paragraph("A note", "Title"), paragraph("Words")))
    item = lite.json("item", "add", str(path), "--kind", "news")
    assert (item["title"], item["kind"], item["state"]) == ("A note", "news", "live")
    assert f"uid: {item['uid']}" in (lite.folder / "Note.md").read_text()


def test_a_word_file_that_is_refused_leaves_nothing(lite: InProcess) -> None:
    """security:R4: a bomb, a topic that does not exist, an embargo that is none: one line, no Markdown, no release."""
    path = lite.folder / "bad.docx"
    good = word(paragraph("A note", "Title"), paragraph("Words"))
    for data, args, code, words in (
        (word(paragraph("T", "Title"), parts={"word/x.xml": b" " * 50_000_000}), (), 2, "unpacks to"),
        (b"PK\x03\x04", (), 2, "no zip archive"),
        (good, ("--topics", "gossip"), 5, "gossip"),
        (good, ("--kind", "rumour"), 2, "unknown kind 'rumour'"),
        (good, ("--embargo", "soon"), 2, "no instant"),
    ):
        path.write_bytes(data)
        said = lite.try_("release", "draft", str(path), *args)
        assert (said.code, len(said.err.splitlines())) == (code, 1), said.err
        assert words in said.err
        assert not (lite.folder / "bad.md").exists()
    assert lite.json("release", "list") == []
    said = lite.try_("release", "draft", lite.file("a.md", FRONT), "--topics", "policy")
    assert (said.code, "are for Word files" in said.err) == (2, True)
