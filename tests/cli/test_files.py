"""Handing in files: what can be read, and the uid that is written back into the front matter."""

import stat
from pathlib import Path

import frontmatter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.cli import files
from syndicator.errors import Invalid
from syndicator.model.site import Site

SITE = Site(title="Newsroom", base_url="https://newsroom.example")
UID = "tag:newsroom.example,2026-03-02:0123456789abcdef0123"
FRONT = "title: On budgets\nkind: statement"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"---\n{FRONT}\n---\nWords.\n", f"---\nuid: {UID}\n{FRONT}\n---\nWords.\n"),
        (f"---\r\n{FRONT}\r\n---\r\nWords.", f"---\r\nuid: {UID}\r\n{FRONT}\r\n---\r\nWords."),
        (f"\ufeff---\n{FRONT}\n---\n", f"\ufeff---\nuid: {UID}\n{FRONT}\n---\n"),
        (f"---\nuid:\n{FRONT}\n---\n", f"---\nuid: {UID}\n{FRONT}\n---\n"),
        (f"---\n{FRONT}\nuid: ''  # to come\n---\nx", f"---\n{FRONT}\nuid: {UID}\n---\nx"),
        (f"---\n{FRONT}\n---\nuid:\n", f"---\nuid: {UID}\n{FRONT}\n---\nuid:\n"),
    ],
)
def test_the_uid_goes_into_the_front_matter_and_nothing_else_changes(text: str, expected: str) -> None:
    """The uid stands in the front matter, a line that said nothing is filled, all else stays."""
    assert expected == files.with_uid(text, UID)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=200))
def test_whatever_the_body_the_uid_is_read_again(body: str) -> None:
    """A file with the uid written back says that uid, and the same words as before (operations:OP17)."""
    text = f"---\n{FRONT}\n---\n{body}"
    read = frontmatter.loads(files.with_uid(text, UID))
    assert UID == read["uid"]
    assert frontmatter.loads(text).content == read.content


def test_other_front_matter_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """A file whose front matter is not YAML keeps its bytes, and the error says how to start it."""
    with pytest.raises(Invalid, match="start the file with ---"):
        files.with_uid('+++\ntitle = "On budgets"\n+++\n', UID)


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    """Writing back replaces the file behind a link and keeps who may read it."""
    target, link = tmp_path / "real.md", tmp_path / "link.md"
    target.write_text(f"---\n{FRONT}\n---\n", encoding="utf-8")
    target.chmod(0o640)
    link.symlink_to(target)
    files.handed(str(link), SITE).keep(UID)
    assert link.is_symlink()
    assert 0o640 == stat.S_IMODE(target.stat().st_mode)
    assert UID == files.handed(str(target), SITE).draft.uid
    assert ["link.md", "real.md"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_uid_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """A file that has its uid is not touched."""
    path = tmp_path / "item.md"
    path.write_text(f"---\nuid: {UID}\n{FRONT}\n---\n", encoding="utf-8")
    before = path.stat().st_mtime_ns
    files.handed(str(path), SITE).keep("tag:other.example,2026:1")
    assert before == path.stat().st_mtime_ns


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "not UTF-8"),
        (b"no front matter", "no front matter"),
        (b"---\nkind: news\n---\n", "no title"),
        (b"---\ntitle: [\n---\n", "not YAML in line"),
    ],
)
def test_what_cannot_be_understood_is_said_in_one_line(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    """The error names the file and what to do."""
    path = tmp_path / "item.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Invalid, match=words) as raised:
        files.handed(str(path), SITE)
    assert "item.md" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_without_end_is_refused() -> None:
    """No more than the limit is read, whatever the source."""
    with pytest.raises(Invalid, match="too long"):
        files.read("/dev/zero")


def test_nothing_is_put_behind_a_link(tmp_path: Path) -> None:
    """security:E2: a folder of previews or rehearsals whose inner folder is a link is refused; nothing half is left."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    out.mkdir()
    (out / "media").symlink_to(elsewhere)
    with pytest.raises(Invalid, match="is a link"):
        files.put(out, "media/x.png", b"x")
    (out / "page").mkdir()
    with pytest.raises(Invalid, match="cannot be written"):
        files.put(out, "page", b"x")
    assert [] == list(elsewhere.iterdir())
    assert {"media", "page"} == {path.name for path in out.iterdir()}
