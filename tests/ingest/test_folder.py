"""A folder of Markdown files as an upstream: what is read of it, what is not, and what becomes of its items."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from syndicator.errors import Invalid
from syndicator.ingest.fetch import Failed, Unchanged
from syndicator.ingest.filing import Reading
from syndicator.ingest.parse import Pool
from syndicator.ingest.poll import Poller
from syndicator.ingest.sources import folder
from syndicator.ingest.visit import Polled
from syndicator.model.incoming import Fate
from syndicator.model.item import Kind
from syndicator.model.release import ReleaseState
from syndicator.model.routing import End, Route
from syndicator.model.upstream import OnGone, Relation, Upstream, Validators, folder_path, folder_url
from syndicator.store import Store, departures, items, releases, upstreams
from tests.ingest.filed import public, titles
from tests.make import NOW, FakeClock, make_newsroom, make_site

NOTHING = Validators()
SITE = make_site()


def make_folder(path: Path, **other: Any) -> Upstream:
    """The upstream of a folder."""
    values = {"relation": Relation.OWN, "topics": ("policy",), **other}
    return Upstream(id=1, slug="notes", url=folder_url(str(path)), created=NOW, **values)


def write(path: Path, name: str, front: str = "", body: str = "Words.") -> Path:
    """A file in the folder; its title is its name, unless `front` has one."""
    file = path / name
    file.parent.mkdir(exist_ok=True)
    title = "" if "title:" in front else f"title: {name}\n"
    file.write_text(f"---\n{title}{front}\n---\n{body}\n", encoding="utf-8")
    return file


def read(path: Path, known: frozenset[str] = frozenset(), **other: Any) -> Reading:
    """What a first look at the folder brings."""
    found = folder.look(make_folder(path, **other), NOTHING, SITE, known)
    assert isinstance(found, tuple)
    return found[0]


def names(reading: Reading) -> list[str | None]:
    """The identities it brought."""
    return [thing.guid for thing in reading.things]


# -- what is read ----------------------------------------------------------------------------------------


def test_files_directly_in_it_and_one_folder_down(tmp_path: Path) -> None:
    """DESIGN §4 — `*.md` and `*.markdown`; nothing hidden, nothing deeper, nothing else."""
    for name in ("b.md", "a.MARKDOWN", "2026/c.md", ".hidden.md", "notes.txt", "md"):
        write(tmp_path, name)
    (tmp_path / "2026" / "deep").mkdir()
    write(tmp_path / "2026" / "deep", "d.md")
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git", "e.md")
    (tmp_path / "folder.md").mkdir()
    assert ["2026/c.md", "a.MARKDOWN", "b.md"] == names(read(tmp_path))


def test_a_file_says_what_it_is_and_the_upstream_says_the_rest(tmp_path: Path) -> None:
    """DESIGN §4 — its topics beside the upstream's, its kind if it names one, its dates and its uid."""
    write(
        tmp_path,
        "a.md",
        "uid: tag:news.example,2026:a\ntopics: [press]\nkind: statement\npublished: 2026-01-01T09:00:00Z",
    )
    write(tmp_path, "b.md", "embargo: 2030-01-01T09:00:00Z")
    first, second = read(tmp_path, kind=Kind.ADVISORY).things
    assert ("tag:news.example,2026:a", ("policy", "press"), Kind.STATEMENT) == (
        first.guid,
        first.content.topics,
        first.content.kind,
    )
    assert first.published is not None
    assert 2026 == first.published.year
    assert ("b.md", Kind.ADVISORY, None) == (second.guid, second.content.kind, second.content.source)
    assert second.embargo is not None
    assert folder_url(str(tmp_path / "b.md")) == second.page


def test_a_bad_file_is_left_out_and_named(tmp_path: Path) -> None:
    """DESIGN §4 — whatever is wrong with one, the others are read; and nothing is taken for deleted then."""
    write(tmp_path, "good.md")
    (tmp_path / "empty.md").write_bytes(b"")
    (tmp_path / "latin.md").write_bytes(b"---\ntitle: K\xf6ln\n---\n")
    (tmp_path / "yaml.md").write_text("---\ntitle: [\n---\n")
    (tmp_path / "bomb.md").write_text("---\na: &a [x]\nb: [*a, *a]\ntitle: x\n---\n")
    (tmp_path / "deep.md").write_text("---\ntitle: x\n---\n" + "<div>" * 5_000)
    (tmp_path / "large.md").write_bytes(b"x" * (folder.MOST_BYTES + 1))
    (tmp_path / "line\nbreak.md").write_text("---\ntitle: x\n---\n")
    reading = read(tmp_path)
    assert ["good.md"] == names(reading)
    assert not reading.whole
    why = {one.title: one.why for one in reading.left_out}
    assert {"empty.md", "latin.md", "yaml.md", "bomb.md", "deep.md", "large.md", "line\ufffdbreak.md"} == set(
        why
    )
    assert "save it as UTF-8" in why["latin.md"]
    assert "20,000,000" in why["large.md"]
    assert "anchor or alias" in why["bomb.md"]


def test_nothing_leads_out_of_the_folder(tmp_path: Path) -> None:
    """security:S2 — links are not followed, wherever they lead; a pipe makes nobody wait; both hide nothing that is gone."""
    inside = tmp_path / "press"
    inside.mkdir()
    secret = write(tmp_path, "secret.md")
    write(inside, "a.md")
    (inside / "link.md").symlink_to(secret)
    (inside / "near.md").symlink_to("a.md")
    (inside / "out").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe.md")
    reading = read(inside)
    assert ["a.md"] == names(reading)
    why = {one.title: one.why for one in reading.left_out}
    assert {"link.md", "near.md", "pipe.md"} == set(why)
    assert "symbolic link" in why["link.md"]
    assert "no file" in why["pipe.md"]
    assert reading.tells_who_is_gone


def test_a_folder_that_is_too_large_or_not_there_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """feeds:I7 — bounds on files and bytes; a folder that cannot be read fails, and deletes nothing (I6)."""
    for number in range(3):
        write(tmp_path, f"{number}.md")
    monkeypatch.setattr(folder, "MOST_FILES", 2)
    failed = folder.look(make_folder(tmp_path), NOTHING, SITE, frozenset())
    assert isinstance(failed, Failed)
    assert "more than 2 Markdown files" in failed.words
    monkeypatch.undo()
    monkeypatch.setattr(folder, "MOST_IN_ALL", 10)
    failed = folder.look(make_folder(tmp_path), NOTHING, SITE, frozenset())
    assert isinstance(failed, Failed)
    assert "several folders" in failed.words
    failed = folder.look(make_folder(tmp_path / "nowhere"), NOTHING, SITE, frozenset())
    assert isinstance(failed, Failed)
    assert "No such file" in failed.words
    failed = folder.look(make_folder(tmp_path / "0.md"), NOTHING, SITE, frozenset())
    assert isinstance(failed, Failed)
    assert "Not a directory" in failed.words


def test_an_unchanged_folder_is_unchanged(tmp_path: Path) -> None:
    """feeds:I16 — by names and bytes: touching changes nothing, a byte, a name or a new link does."""
    file = write(tmp_path, "a.md")
    upstream = make_folder(tmp_path)
    found = folder.look(upstream, NOTHING, SITE, frozenset())
    assert isinstance(found, tuple)
    reading, validators = found
    known = frozenset(one.raw for one in reading.things if one.raw)
    os.utime(file, (1, 1))
    assert isinstance(folder.look(upstream, validators, SITE, known), Unchanged)
    for change in (
        lambda: file.write_bytes(file.read_bytes() + b"."),
        lambda: file.rename(tmp_path / "b.md"),
        lambda: (tmp_path / "c.md").symlink_to("b.md"),
    ):
        change()
        found = folder.look(upstream, validators, SITE, frozenset())
        assert isinstance(found, tuple)
        _, validators = found


def test_only_what_changed_is_worked_out(tmp_path: Path) -> None:
    """feeds:I16 — files known by their hash are only named."""
    write(tmp_path, "a.md")
    write(tmp_path, "b.md")
    first, second = read(tmp_path).things
    assert first.raw
    reading = read(tmp_path, frozenset({first.raw}))
    assert ((first.raw,), [second.guid]) == (reading.unchanged, names(reading))


@pytest.mark.parametrize(
    "url",
    [
        "file:",
        "file:///",
        "file:notes",
        "file://host/srv",
        "file:///srv?x",
        "file:///..",
        "file:///a%00b",
        "file:///%ff",
        "file://[/a",
    ],
)
def test_an_address_that_is_no_folder_is_refused_in_words(url: str) -> None:
    """DESIGN §6 — an absolute path on this machine, and nothing else."""
    with pytest.raises(Invalid, match="file:///srv/press"):
        folder_path(url)


def test_a_page_is_there_gone_or_out_of_reach(tmp_path: Path) -> None:
    """feeds:I17 — what a deleted file says to who asks for its page; elsewhere and unreadable say nothing."""
    write(tmp_path, "sub/a b.md")
    upstream = make_folder(tmp_path)

    def status(name: str) -> int:
        return folder.page_status(upstream, folder_url(f"{tmp_path}/{name}"))

    assert [200, 410] == [status("sub/a b.md"), status("c.md")]
    (tmp_path / "c.md").symlink_to("sub")
    assert [200, 503] == [status("c.md"), folder.page_status(upstream, "file:///etc/passwd.md")]
    assert 503 == folder.page_status(upstream, "https://news.example/a.md")
    (tmp_path / "sub" / "a b.md").unlink()
    assert [503, 503] == [
        status("sub/a b.md"),
        folder.page_status(make_folder(tmp_path / "x"), "file:///x/a.md"),
    ]


# -- what becomes of it ----------------------------------------------------------------------------------


class Desk:
    """A folder that is polled as a worker polls it."""

    def __init__(self, store: Store, path: Path, clock: FakeClock, **other: Any) -> None:
        self.store, self.path, self.clock = store, path, clock
        self._numbers = count(1)
        with store.begin() as tx:
            self.upstream = upstreams.add(tx, make_folder(path, **other))

    def poll(self, **span: float) -> Polled:
        """Poll it once, 20 minutes or `span` later."""
        done: list[Polled] = []
        self.clock.advance(**(span or {"minutes": 20}))

        def mint(_: object) -> str:
            return f"tag:news.example,2026:{next(self._numbers)}"

        with Pool(1) as pool:
            poller = Poller(self.store, _no_client, mint, pool, SITE, told=done.append)
            asyncio.run(poller.drain())
        (polled,) = done
        return polled

    def fates(self, **span: float) -> list[str]:
        """What one poll came to."""
        return [str(one.fate) for one in self.poll(**span).prospects]


def _no_client(upstream: Upstream) -> Any:
    raise AssertionError(f"{upstream.slug} lies on no web")


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: FakeClock) -> Desk:
    """A folder with two files, polled once."""
    make_newsroom(store, "policy", "press")
    write(tmp_path, "a.md", "title: A")
    write(tmp_path, "b.md", "title: B", body="Of B.")
    made = Desk(store, tmp_path, clock)
    assert ["item", "item"] == made.fates()
    return made


def uids(store: Store) -> dict[str, str]:
    """The uid of each public item by its title."""
    return {item.content.title: item.uid for item in public(store)}


def test_files_become_items_and_their_changes_revisions(desk: Desk) -> None:
    """feeds:I16 — a folder is polled like any feed, and an unchanged one costs nothing."""
    assert ["A", "B"] == sorted(titles(desk.store))
    assert not desk.poll().read
    before = uids(desk.store)["A"]
    write(desk.path, "a.md", "title: A, changed")
    assert ["revised"] == desk.fates()
    assert before == uids(desk.store)["A, changed"]


def test_a_renamed_file_keeps_its_uid(desk: Desk) -> None:
    """feeds:I15 — known by its bytes, in one reading with its leaving; then by its new name."""
    before = uids(desk.store)
    (desk.path / "b.md").rename(desk.path / "2026-b.md")
    assert "item" not in desk.fates()
    assert before == uids(desk.store)
    write(desk.path, "2026-b.md", "title: B", body="Of B, at length.")
    assert ["revised"] == desk.fates()
    assert before == uids(desk.store)
    desk.poll(hours=3)
    desk.poll(hours=3)
    assert before == uids(desk.store)


def test_a_copy_is_another_item_and_a_uid_written_in_is_the_same(desk: Desk) -> None:
    """feeds:I15 — a copied file stands beside its pattern; the uid that `item show` names may be written into it."""
    before = uids(desk.store)
    (desk.path / "c.md").write_bytes((desk.path / "b.md").read_bytes())
    assert ["item"] == desk.fates()
    assert 3 == len(public(desk.store))
    write(desk.path, "a.md", f"title: A\nuid: {before['A']}")
    assert "item" not in desk.fates()
    (desk.path / "a.md").rename(desk.path / "z.md")
    write(desk.path, "z.md", f"title: A again\nuid: {before['A']}")
    assert ["revised"] == desk.fates()
    assert before["A"] == uids(desk.store)["A again"]


def test_a_deleted_file_is_withdrawn_after_two_looks(desk: Desk) -> None:
    """feeds:I17 — gone at two looks an hour apart, then withdrawn where the upstream says so."""
    with desk.store.begin() as tx:
        upstreams.edit(tx, make_folder(desk.path, on_gone=OnGone.WITHDRAW))
    (desk.path / "b.md").unlink()
    desk.poll()
    assert ["A", "B"] == sorted(titles(desk.store))
    desk.poll(minutes=70)
    assert ["A"] == titles(desk.store)


def test_a_deleted_file_is_put_before_a_person_by_default(desk: Desk) -> None:
    """feeds:I17 — and an empty folder, such as a disk that is not mounted, deletes nothing."""
    (desk.path / "b.md").unlink()
    desk.poll()
    (desk.path / "a.md").rename(desk.path.parent / "kept")
    desk.poll(minutes=70)
    with desk.store.read() as tx:
        assert 0 == upstreams.status(tx, "notes").departed
    (desk.path.parent / "kept").rename(desk.path / "a.md")
    desk.poll(minutes=70)
    desk.poll(minutes=70)
    with desk.store.read() as tx:
        assert 1 == upstreams.status(tx, "notes").departed
        assert ["B"] == [one.title for one in departures.listing(tx, desk.upstream.id)]
    assert ["A", "B"] == sorted(titles(desk.store))


def test_while_one_file_is_bad_none_is_taken_for_deleted(desk: Desk) -> None:
    """feeds:I17 — a slip in the front matter withdraws nothing."""
    with desk.store.begin() as tx:
        upstreams.edit(tx, make_folder(desk.path, on_gone=OnGone.WITHDRAW))
    (desk.path / "b.md").write_text("---\ntitle: [\n---\n")
    polled = desk.poll()
    assert "b.md" in (polled.fault or "")
    desk.poll(minutes=70)
    desk.poll(minutes=70)
    assert ["A", "B"] == sorted(titles(desk.store))


def test_what_is_left_out_is_named_as_long_as_it_is(desk: Desk) -> None:
    """DESIGN §4 — the fault names five and where the rest is shown, also where nothing changed; then it ends."""
    bad = [write(desk.path, f"{number}.md", "kind: [") for number in range(7)]
    for polled in (desk.poll(), desk.poll()):
        assert 7 == len(polled.left_out)
        assert 5 == (polled.fault or "").count("left out")
        assert "and 2 more, which `syndicator upstream poll notes --dry-run` shows" in (polled.fault or "")
        with desk.store.read() as tx:
            assert polled.fault == upstreams.status(tx, "notes").fault
    for file in bad:
        file.unlink()
    assert desk.poll().fault is None
    assert not desk.poll().read


def test_an_embargo_is_kept_and_goes_out_at_its_instant(desk: Desk) -> None:
    """feeds:I18 — a file under embargo, or dated ahead, is a held release and no item."""
    write(desk.path, "c.md", "title: C\nembargo: 2030-01-01T09:00:00\nembargo_zone: Europe/Berlin")
    write(desk.path, "d.md", f"title: D\npublished: {(desk.clock.now + timedelta(days=2)).isoformat()}")
    polled = desk.poll()
    assert [Fate.HELD, Fate.HELD] == [one.fate for one in polled.prospects]
    assert ["A", "B"] == sorted(titles(desk.store))
    with desk.store.read() as tx:
        held = {one.content.title: one for one in releases.listing(tx) if one.state is ReleaseState.HELD}
    assert {"C", "D"} == set(held)
    embargo = held["C"].embargo
    assert embargo is not None
    assert ("Europe/Berlin", 2030) == (embargo.zone, embargo.until.year)
    assert held["C"].at == embargo.until


def test_rules_route_files_too(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    """feeds:I25 — by title, to topics, a kind and an end."""
    make_newsroom(store, "policy", "press")
    write(tmp_path, "a.md", "title: Press release on wolves")
    write(tmp_path, "b.md", "title: Note")
    rule = Route(title="press release*", topics=("press",), as_kind=Kind.PRESS_RELEASE, end=End.DRAFT)
    desk = Desk(store, tmp_path, clock, rules=(rule,))
    assert {"draft", "item"} == set(desk.fates())
    with store.read() as tx:
        (draft,) = releases.listing(tx)
        assert ["Note"] == [one.content.title for one in items.listing(tx)]
    assert (("policy", "press"), Kind.PRESS_RELEASE) == (draft.content.topics, draft.content.kind)
