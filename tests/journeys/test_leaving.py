"""From the letter in the mailbox to the farewell and back: the command line, the pages, and the bytes of mail alone."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from syndicator.runtime import Runtime
from syndicator.settings import load
from tests.cli.program import InProcess
from tests.web.served import Reply, Running, running

JANE = "jane@paper.example"
FORM = "application/x-www-form-urlencoded"


class Mailbox:
    """What came into the folder, in the order it came."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._seen = folder, set[Path]()

    def new(self) -> list[EmailMessage]:
        """The letters since the last look."""
        fresh = sorted(set(self._folder.glob("*.eml")) - self._seen)
        self._seen.update(fresh)
        return [_read(path) for path in fresh]


def _read(path: Path) -> EmailMessage:
    letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(letter, EmailMessage)
    return letter


def link(letter: EmailMessage, door: str) -> str:
    """The path of the link to this door in the text of a letter."""
    body = letter.get_body(("plain",))
    assert body is not None
    found = re.search(rf"https?://\S+(/media-list/{door}/\S+)", body.get_content())
    assert found, body.get_content()
    return found[1]


def one_click(web: Running, letter: EmailMessage) -> Reply:
    """What a mail program does when its own button is pressed (RFC 8058)."""
    assert "List-Unsubscribe=One-Click" == letter["List-Unsubscribe-Post"]
    found = re.search(r"<(https?://[^>]+)>", letter["List-Unsubscribe"])
    assert found
    return web.ask(urlsplit(found[1]).path, "POST", b"List-Unsubscribe=One-Click", Content_Type=FORM)


def post(web: Running, path: str, **fields: str) -> Reply:
    """Send a form off."""
    return web.ask(path, "POST", urlencode(fields).encode(), Content_Type=FORM)


def test_leaving_and_coming_back(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mail:LM7 mail:LM9 mail:LM19: release, one click, farewell, undo; a new address; and forgotten for good."""
    monkeypatch.chdir(tmp_path)
    cli, mailbox = InProcess(sqlite_url, tmp_path), Mailbox(tmp_path / "mail")
    cli("topic", "add", "policy", "Policy")
    cli("contact", "add", JANE)
    cli("contact", "subscribe", JANE, "policy", "--consent", "on paper")

    def published(title: str) -> list[EmailMessage]:
        cli("item", "add", cli.file("a.md", f"title: {title}\ntopics: [policy]"))
        return delivered()

    def delivered() -> list[EmailMessage]:
        cli("worker", "--once", "deliver")
        return mailbox.new()

    runtime = Runtime(load(None, cli.env, {}))
    with running(runtime.store, runtime.site, tokens=runtime.tokens, eraser=runtime.eraser) as web:
        (first,) = published("One")
        assert 200 == one_click(web, first).status
        (farewell,) = delivered()
        assert "left" in farewell["Subject"]
        assert [] == published("Two")
        assert 200 == post(web, link(farewell, "undo")).status
        (third,) = published("Three")
        preferences = link(third, "preferences")
        assert 200 == post(web, preferences, do="leave").status
        (farewell,) = published("Four")  # nothing but that everything was left, although a topic was today
        assert "left" in farewell["Subject"]
        post(web, preferences, do="link")
        (magic,) = delivered()
        everything = link(magic, "preferences")
        assert 200 == post(web, everything, do="save", **{"topic:policy": "immediate"}).status
        post(web, everything, do="move", address="jane@new.example")
        (move,) = delivered()
        assert ("jane@new.example", 200) == (move["To"], post(web, link(move, "move")).status)
        told, news = sorted(
            [*delivered(), *published("Five")], key=lambda letter: str(letter["To"]), reverse=True
        )
        assert [JANE, "jane@new.example"] == [told["To"], news["To"]]
        assert 200 == web.ask(link(news, "preferences")).status
        assert 404 == web.ask(preferences).status
        post(web, "/media-list/preferences", address="Jane@NEW.example")
        (magic,) = delivered()
        assert 200 == post(web, link(magic, "preferences"), do="erase", sure="yes").status
        assert [] == published("Six")
        assert 404 == web.ask(link(magic, "preferences")).status
    runtime.close()
    assert not [path for path in (tmp_path / "mail").iterdir() if b"jane@new" in path.read_bytes().lower()]
