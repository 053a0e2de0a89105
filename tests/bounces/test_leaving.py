"""Leaving by mail, the whole way: the address in a real letter, a mail to it in the mailbox, the subscription over."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from syndicator import publish
from syndicator.model.audience import address
from syndicator.runtime import Runtime
from syndicator.settings import load
from syndicator.store import audience, bounces
from syndicator.worker import Worker, run_once
from tests.make import make_content, make_newsroom, make_subscription
from tests.wire.imap_server import Folder, ImapServer

LISTED = re.compile(
    rb"^List-Unsubscribe: <(https://[^>]+)>,\r\n <mailto:([^?>]+)\?subject=unsubscribe>\r\n", re.MULTILINE
)


def _environ(where: str, folder: Path, port: int) -> dict[str, str]:
    said = {
        "STORE__URL": where,
        "SITE__SECRET_KEY": "a-key-for-leaving-only-0123456789",
        "SITE__BASE_URL": "https://news.example",
        "MAIL__TRANSPORT": "folder",
        "MAIL__FOLDER": str(folder),
        "MAIL__FROM": "Press <press@society.example>",
        "BOUNCES__HOST": "127.0.0.1",
        "BOUNCES__PORT": str(port),
        "BOUNCES__TLS": "none",
        "BOUNCES__USERNAME": "b",
        "BOUNCES__PASSWORD": "secret",
        "BOUNCES__LEAVE": "Leave@Bounces.example",
        "CONFIG": "",
    }
    return {f"SYNDICATOR_{key}": value for key, value in said.items()}


@pytest.mark.parametrize(
    "keys",
    [
        "a-key-for-leaving-only-0123456789",
        "another-key-0123456789-0123456789 a-key-for-leaving-only-0123456789",
    ],
)
def test_the_second_way_out_works_and_outlives_a_key(sqlite_url: str, tmp_path: Path, keys: str) -> None:
    """mail:LM8, mail:LM6 One https link, one mailto; whatever the mail says and whoever sends it, twice is harmless."""
    folder = Folder()
    with ImapServer(folder) as server:
        environ = _environ(sqlite_url, tmp_path / "out", server.port)
        runtime = Runtime(load(None, environ))
        make_newsroom(runtime.store)
        with runtime.store.begin() as tx:
            make_subscription(tx, "jane@press.example")
            publish.publish(tx, "tag:x,1", make_content())
        run_once(runtime, ["deliver"])
        runtime.close()
        (letter,) = [one.read_bytes() for one in (tmp_path / "out").rglob("*.eml")]
        found = LISTED.search(letter)
        assert found
        assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in letter
        way = found[2].decode()
        assert len(way.rpartition("@")[0]) <= 64
        for uid in (1, 2):
            folder.letters[uid] = (
                f"From: desk@other.example\r\nTo: {way}\r\nX-N: {uid}\r\n\r\nout\r\n".encode()
            )
        runtime = Runtime(load(None, environ | {"SYNDICATOR_SITE__SECRET_KEY": keys}))
        assert {"bounces": 2} == run_once(runtime, ["bounces"])
        with runtime.store.read() as tx:
            (one,) = audience.subscriptions(tx, audience.contact(tx, address("jane@press.example")).id)
        runtime.close()
    assert ("ended", "unsubscribed") == (one.state, one.reason)
    assert {1, 2} == folder.seen


def test_a_worker_looks_at_the_mailbox_at_its_interval(sqlite_url: str, tmp_path: Path) -> None:
    """mail:LM13 Each turn of its loop asks the rows when it is due, so that many workers read as often as one."""
    folder = Folder({1: b"Subject: hello\r\n\r\nhello"})
    with ImapServer(folder) as server:
        environ = _environ(sqlite_url, tmp_path / "out", server.port)
        first, second = (Runtime(load(None, environ)) for _ in range(2))
        due = [Worker(runtime, threading.Event()).bounces() for runtime in (first, second, first)]
        assert 1 == sum(line.startswith(b"LOGIN") for line in server.said)
        with first.store.read() as tx:
            mark = bounces.mark(tx, "b@127.0.0.1/INBOX")
        assert mark is not None
        assert [mark.seen + first.settings.bounces.every] * 3 == due
        assert {1} == folder.seen
        off = Runtime(load(None, environ | {"SYNDICATOR_BOUNCES__HOST": ""}))
        assert Worker(off, threading.Event()).bounces() is None
        for runtime in (first, second, off):
            runtime.close()
