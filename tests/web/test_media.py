"""`/media/{name}` over a real socket: who gets a file when, and how HTTP has it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syndicator import publish
from syndicator.model.filetype import sniffed
from syndicator.model.item import Medium
from syndicator.store import Store, media
from syndicator.store.media import Cabinet, Kept
from tests import pictures
from tests.web.served import SITE, Reply, Running, add_item, lasting_store, running

PICTURE = pictures.picture("PNG", (40, 30))
LONG = pictures.PDF + bytes(range(256)) * 3000  # three blocks


@dataclasses.dataclass(frozen=True)
class Newsroom:
    """A store, its files and its web process."""

    store: Store
    cabinet: Cabinet
    web: Running

    def keep(self, uid: str, data: bytes, name: str) -> Kept:
        """Take a file in for a release that is not public."""
        found = sniffed(data)
        with self.store.begin() as tx:
            digest = self.cabinet.put(data)
            name = hashlib.sha256(name.encode()).hexdigest()[:32] + found.extension
            kept = media.take(
                tx, digest, name, type=found.type, length=len(data), filename="secret merger.pdf"
            )
            media.use(tx, [digest], uid)
            return kept

    def publish(self, uid: str, title: str, *kept: Kept) -> None:
        """Make it public."""
        shown = tuple(
            Medium(url=SITE.url(f"/media/{one.name}"), type=one.type, length=one.length, digest=one.digest)
            for one in kept
        )
        add_item(self.store, title, uid=uid, media=shown)
        with self.store.begin() as tx:
            media.release(tx, uid)

    def ask(self, name: str, method: str = "GET", **headers: str) -> Reply:
        """Ask for a file."""
        return self.web.ask(f"/media/{name}", method, None, **headers)


@pytest.fixture(scope="module")
def newsroom(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    cabinet = Cabinet(tmp_path_factory.mktemp("media"), 10_000_000)
    with (
        lasting_store(sqlite_template, tmp_path_factory) as store,
        running(store, cabinet=cabinet) as web,
    ):
        yield Newsroom(store, cabinet, web)


@pytest.fixture(scope="module")
def picture(newsroom: Newsroom) -> Kept:
    kept = newsroom.keep("tag:x:picture", PICTURE, "picture")
    newsroom.publish("tag:x:picture", "A picture", kept)
    return kept


@pytest.fixture(scope="module")
def paper(newsroom: Newsroom) -> Kept:
    kept = newsroom.keep("tag:x:paper", LONG, "paper")
    newsroom.publish("tag:x:paper", "A paper", kept)
    return kept


def test_before_its_release_a_file_is_as_unknown_as_any(newsroom: Newsroom) -> None:
    """security:E1: the same answer, byte for byte, for what is too early, unknown, withdrawn, or a trick."""
    kept = newsroom.keep("tag:x:early", PICTURE + bytes(9), "early")
    asked = (
        kept.name,
        "nothing.png",
        kept.digest,
        f"{kept.name}%00",
        "%2e%2e",
        kept.name.upper(),
    )
    replies = [newsroom.ask(name) for name in asked]
    newsroom.publish("tag:x:early", "Out", kept)
    assert newsroom.ask(kept.name).body == PICTURE + bytes(9)
    with newsroom.store.begin() as tx:
        publish.withdraw(tx, "tag:x:early", "wrong")
    replies.append(newsroom.ask(kept.name))
    for reply in replies:
        undated = {name: value for name, value in reply.headers.items() if name != "date"}
        expected = {name: value for name, value in replies[1].headers.items() if name != "date"}
        assert (reply.status, reply.body, undated) == (404, replies[1].body, expected)
    assert replies[0].headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/media/../media/x", "/media//etc/passwd", "/media/..%2f..%2fetc%2fpasswd", "/media/"]
)
def test_no_path_leads_elsewhere(newsroom: Newsroom, path: str) -> None:
    """security:I3: a name is looked up among rows; no part of it ever is a path."""
    assert newsroom.web.ask(path).status == 404


def test_a_picture_is_served_as_what_it_is_and_nothing_else(newsroom: Newsroom, picture: Kept) -> None:
    """security:I3: the type it was found to be, no guessing, no scripts; its true length and a strong tag."""
    reply = newsroom.ask(picture.name)
    assert (reply.status, reply.body) == (200, PICTURE)
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["content-length"] == str(len(PICTURE))
    assert reply.headers["etag"] == f'"{hashlib.sha256(PICTURE).hexdigest()}"'
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"].startswith("default-src 'none';")
    assert "sandbox" in reply.headers["content-security-policy"]
    assert "content-disposition" not in reply.headers
    assert reply.headers["cache-control"] == "public, max-age=3600"


def test_what_is_no_picture_is_saved_under_a_name_that_tells_nothing_new(
    newsroom: Newsroom, paper: Kept
) -> None:
    """security:E1: not under its author's own name for it, which was chosen before the release."""
    reply = newsroom.ask(paper.name)
    assert (reply.headers["content-type"], reply.body) == ("application/pdf", LONG)
    said = reply.headers["content-disposition"]
    assert said == f'attachment; filename="a-paper-{paper.name[:8]}.pdf"'


def test_head_and_what_is_known(newsroom: Newsroom, paper: Kept) -> None:
    whole = newsroom.ask(paper.name)
    head = newsroom.ask(paper.name, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(LONG)))
    for tag in (whole.headers["etag"], f"W/{whole.headers['etag']}", f'"x", {whole.headers["etag"]}', "*"):
        known = newsroom.ask(paper.name, if_none_match=tag)
        assert (known.status, known.body, known.headers["etag"]) == (304, b"", whole.headers["etag"])
    assert newsroom.ask(paper.name, if_none_match='"other"').status == 200


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=5-9", slice(5, 10)),
        ("bytes=700000-", slice(700_000, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=10-99999999999", slice(10, None)),
        ("bytes=-99999999999", slice(None)),
    ],
)
def test_a_part_is_given(newsroom: Newsroom, paper: Kept, asked: str, part: slice) -> None:
    reply = newsroom.ask(paper.name, range=asked)
    first, last, _ = part.indices(len(LONG))
    assert (reply.status, reply.body) == (206, LONG[part])
    assert reply.headers["content-range"] == f"bytes {first}-{last - 1}/{len(LONG)}"
    assert reply.headers["content-length"] == str(last - first)
    head = newsroom.ask(paper.name, "HEAD", range=asked)
    assert (head.status, head.headers["content-range"]) == (206, reply.headers["content-range"])


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,4-5", "bytes=9-2", "bytes=a-b", "bytes=-", "lines=0-1", "bytes=1-2x"]
)
def test_what_is_no_single_part_gets_the_whole(newsroom: Newsroom, paper: Kept, asked: str) -> None:
    reply = newsroom.ask(paper.name, range=asked)
    assert (reply.status, reply.body) == (200, LONG)


def test_parts_that_are_not_there_and_parts_of_what_changed(newsroom: Newsroom, paper: Kept) -> None:
    for asked in (f"bytes={len(LONG)}-", "bytes=-0"):
        reply = newsroom.ask(paper.name, range=asked)
        assert (reply.status, reply.headers["content-range"]) == (416, f"bytes */{len(LONG)}")
    tag = newsroom.ask(paper.name, "HEAD").headers["etag"]
    assert newsroom.ask(paper.name, range="bytes=0-1", if_range=tag).status == 206
    for other in (f"W/{tag}", '"other"', "Mon, 02 Mar 2026 09:00:00 GMT"):
        assert newsroom.ask(paper.name, range="bytes=0-1", if_range=other).status == 200


def test_a_file_whose_bytes_are_lost_is_trouble_and_not_unknown(newsroom: Newsroom) -> None:
    kept = newsroom.keep("tag:x:lost", pictures.PDF + b"lost", "lost")
    newsroom.publish("tag:x:lost", "Lost", kept)
    newsroom.cabinet.remove(kept.digest)
    assert newsroom.ask(kept.name).status == 503


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.binary(max_size=700_000))
def test_lengths_are_true(newsroom: Newsroom, data: bytes) -> None:
    """feeds:P19: the length an enclosure names is the length that is served, whatever the bytes."""
    kept = newsroom.keep("tag:x:any", pictures.MP3 + data, hashlib.sha256(data).hexdigest())
    newsroom.publish(f"tag:x:{kept.digest}", "Sound", kept)
    reply = newsroom.ask(kept.name)
    assert len(reply.body) == kept.length == int(reply.headers["content-length"])
    assert hashlib.sha256(reply.body).hexdigest() == kept.digest
