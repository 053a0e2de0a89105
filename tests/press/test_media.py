"""What a text names is put into it: boilerplates, files beside it, files we have already; on both databases."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from syndicator import press, publish
from syndicator.errors import Invalid, NotFound, Refused
from syndicator.model.drafts import draft_from
from syndicator.model.item import Boilerplate
from syndicator.model.markup import Draft
from syndicator.press.media import GRACE, Intake, sweep, taken_in
from syndicator.store import Store, items, media, open_store
from syndicator.store.media import Cabinet
from tests import pictures
from tests.make import NOW, FakeClock, make_newsroom, make_site

UID = "tag:news.example,2026:1"
PNG = pictures.picture("PNG", (40, 30))
FILES = {"a.png": PNG, "b.pdf": pictures.PDF, "bad.svg": pictures.SVG}
MEDIA = (
    "topics: [policy]\nmedia:\n- {file: a.png, alt: A dish, credit: J. Roe}\n- {file: b.pdf, credit: J. Roe}"
)
Take = Callable[..., Draft]


@pytest.fixture
def cabinet(tmp_path: Path) -> Cabinet:
    return Cabinet(tmp_path / "media", 1_000_000)


@pytest.fixture
def take(store: Store, cabinet: Cabinet) -> Take:
    """Take a text in for a uid, and say what its author was told."""
    make_newsroom(store)
    names = (f"{number:032x}" for number in itertools.count(1))
    intake = Intake(cabinet=cabinet, site=make_site(), mint=lambda: next(names))

    def taken(front: str, text: str = "Words.", uid: str = UID) -> Draft:
        draft = draft_from(
            f"---\ntitle: T\n{front}\n---\n{text}\n", base_url="https://news.example", zone="UTC", parts=True
        )
        with store.begin() as tx:
            return taken_in(tx, draft, uid, intake, FILES.__getitem__)[0]

    return taken


def test_files_come_in_with_what_was_found_in_them(store: Store, take: Take) -> None:
    """security:I3: type, length and size are what we see; the name is nobody's to guess; both are this release's."""
    content = take(MEDIA, "![A dish](a.png)").content
    picture, paper = content.media
    assert (picture.type, picture.length, picture.width, picture.height) == ("image/png", len(PNG), 40, 30)
    assert (paper.type, paper.length, paper.alt) == ("application/pdf", len(pictures.PDF), "")
    assert content.body == f'<p><img src="{picture.url}" alt="A dish"></p>'
    assert picture.url == f"https://news.example/media/{1:032x}.png"
    with store.read() as tx:
        assert [one.digest for one in media.used_by(tx, UID)] == [picture.digest, paper.digest]
        assert media.public(tx, f"{1:032x}.png") is None


def test_files_are_public_from_the_release_on_and_an_edit_brings_its_own(store: Store, take: Take) -> None:
    """security:E1: at the very transaction that makes the item public; the same for a picture that comes later."""
    content = take("topics: [policy]\nmedia: [{file: b.pdf}]").content
    with store.begin() as tx:
        press.draft(tx, UID, content, None)
        press.approve(tx, UID, "Jo")
        press.publish_now(tx, UID)
        assert media.public(tx, f"{1:032x}.pdf")
    later = take(MEDIA).content
    with store.begin() as tx:
        name = later.media[0].url.rpartition("/")[2]
        assert media.public(tx, name) is None
        publish.edit(tx, UID, later)
        assert media.public(tx, name)


def test_a_file_of_ours_is_known_by_its_address(store: Store, take: Take) -> None:
    """Whatever a file that was read back says of it, its record is what counts."""
    url = take(MEDIA).content.media[0].url
    again = take(f"media: [{{url: '{url}', type: text/html, length: 5, alt: x, credit: y}}]", uid="tag:x:2")
    assert (again.content.media[0].type, again.content.media[0].length) == ("image/png", len(PNG))
    with store.begin() as tx:
        assert [one.digest for one in media.used_by(tx, "tag:x:2")] == [again.content.media[0].digest]
        media.wipe(tx, "tag:x:2")  # held by another as well: it stays
        media.use(tx, [], UID)
    elsewhere = "media: [{url: 'https://cdn.example/media/a.png', type: image/png, length: 5, alt: x}]"
    assert take(elsewhere).content.media[0].digest == ""
    with pytest.raises(NotFound, match="we have no such file"):
        take(f"media: [{{url: 'https://news.example/media/{9:032x}.png', type: image/png, length: 5}}]")


def test_bytes_that_were_redacted_do_not_come_back(store: Store, take: Take) -> None:
    """security:I3: nor by a new file, nor by the address they had."""
    url = take(MEDIA).content.media[0].url
    with store.begin() as tx:
        media.wipe(tx, UID)
    with pytest.raises(Refused, match=r"media a\.png: this very file was redacted"):
        take(MEDIA)
    with pytest.raises(NotFound, match=r"\(any more\)"):
        take(f"media: [{{url: '{url}', type: image/png, length: 5}}]")


def test_one_bad_file_keeps_all_of_them_out(take: Take, cabinet: Cabinet) -> None:
    with pytest.raises(Invalid, match=r"media bad\.svg: it is an SVG picture"):
        take(f"{MEDIA}\n- {{file: bad.svg, alt: x}}")
    assert list(cabinet.digests()) == []


def test_boilerplates_are_put_in_as_they_are_now(store: Store, take: Take) -> None:
    """design:6: what was drafted with one keeps its words; one that is not there is named, with those that are."""
    with store.begin() as tx:
        items.save_boilerplate(tx, Boilerplate(slug="about", title="About us", text="We are *us*."))
    first = take("boilerplates: [about]").content
    assert first.body.endswith("<h2>About us</h2><p>We are <em>us</em>.</p>")
    with store.begin() as tx:
        items.save_boilerplate(tx, Boilerplate(slug="about", title="About us", text="We are others."))
    assert first.body.endswith("We are <em>us</em>.</p>")
    assert take("boilerplates: [about]").content.body.endswith("We are others.</p>")
    with pytest.raises(NotFound, match='no boilerplate "abuot" in the config file; there are: about'):
        take("boilerplates: [abuot]")


def _aged(cabinet: Cabinet, data: bytes, at: datetime) -> str:
    digest = cabinet.put(data)
    os.utime(cabinet.folder / digest[:2] / digest, (at.timestamp(), at.timestamp()))
    return digest


def test_files_of_texts_that_were_not_kept_go_after_a_day(
    store: Store, clock: FakeClock, cabinet: Cabinet, take: Take
) -> None:
    """security:I3: what nothing holds is not kept for ever; what is held stays, and what came in within the day."""
    take(MEDIA)
    held = set(cabinet.digests())
    for digest in held:
        os.utime(cabinet.folder / digest[:2] / digest, (0, 0))
    old, young = (_aged(cabinet, f"{n}".encode(), NOW - GRACE + timedelta(hours=n)) for n in (-1, 24))
    gone = 0
    for _ in range(24):
        gone += sweep(store, cabinet)
        clock.advance(hours=1)
    assert 1 == gone
    assert {*held, young} == set(cabinet.digests())
    assert old not in held


def test_a_new_store_beside_an_old_cabinet_removes_nothing(
    sqlite_url: str, clock: FakeClock, cabinet: Cabinet
) -> None:
    """operations:B1: its database was lost, and comes back from a backup tomorrow: the files are there then."""
    old = _aged(cabinet, b"of the store that was lost", NOW - 2 * GRACE)
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as empty:
        for _ in range(24):
            assert 0 == sweep(empty, cabinet)
            clock.advance(hours=1)
    assert [old] == list(cabinet.digests())


def test_whoever_brings_a_file_in_while_it_is_discarded_has_it(cabinet: Cabinet) -> None:
    """security:I3: bytes that nobody held are held again: at whatever moment that comes, they are there."""
    for turn in range(100):
        digest = _aged(cabinet, f"{turn}".encode(), NOW - GRACE)
        start = threading.Barrier(2)

        def discard(digest: str = digest, start: threading.Barrier = start) -> None:
            start.wait()
            cabinet.discard(digest, NOW)

        other = threading.Thread(target=discard)
        other.start()
        start.wait()
        assert digest == cabinet.put(f"{turn}".encode())
        other.join()
        with cabinet.open(digest) as file:
            assert f"{turn}".encode() == file.read()
