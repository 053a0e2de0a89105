"""A journalist's life on the media list, in Chromium: without scripts on a phone by night, with them at a desk.

Mail lies in a folder, as the worker put it there; what a link in it leads to is opened as people do. With
JOURNEY_SHOTS=folder each page is kept as a picture.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from syndicator.model.joining import Terms
from syndicator.runtime import clock
from syndicator.signup import Tokens
from syndicator.store import open_store
from tests.cli.program import KEY, InProcess
from tests.conftest import require_program
from tests.journeys.test_demo import QUIET
from tests.journeys.test_mail_looks import CONTRAST
from tests.web.served import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

JANE = "jane@paper.example"
WAYS = {
    "phone": {
        "viewport": {"width": 320, "height": 640},
        "color_scheme": "dark",
        "java_script_enabled": False,
    },
    "desk": {
        "viewport": {"width": 1280, "height": 900},
        "color_scheme": "light",
        "timezone_id": "Asia/Tokyo",
    },
}


@dataclass
class Newsroom:
    """The command line, the folder its mail goes to, and where its pages are."""

    cli: InProcess
    base: str

    def publish(self, title: str) -> None:
        """Publish a statement, and let the worker send what is due."""
        name = re.sub(r"\W", "", title)
        self.cli(
            "item", "add", self.cli.file(f"{name}.md", f"title: {title}\ntopics: [policy]\nkind: statement")
        )
        self.work()

    def work(self) -> None:
        """Send what is due."""
        self.cli("worker", "--once", "deliver")

    def mails(self) -> list[EmailMessage]:
        """What lies in the folder for Jane, oldest first."""
        paths = sorted((self.cli.folder / "mail").rglob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        found = [
            BytesParser(EmailMessage, policy=policy.default).parsebytes(path.read_bytes()) for path in paths
        ]
        return [one for one in found if one["To"].addresses[0].addr_spec == JANE]

    def here(self, url: str) -> str:
        """An address of the newsroom as this test reaches it."""
        return f"{self.base}{urlsplit(url).path}"

    def link(self, mail: EmailMessage, path: str) -> str:
        """The link in a mail's text that leads to this path."""
        body = mail.get_body(("plain",))
        assert body is not None
        (found,) = set(re.findall(rf"https?://\S+{path}[\w.=-]+", body.get_content()))
        return self.here(found)


@pytest.fixture
def newsroom(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Newsroom]:
    """A newsroom that has published on science policy, and serves its pages."""
    monkeypatch.chdir(tmp_path)
    cli = InProcess(sqlite_url, tmp_path)
    cli("topic", "add", "policy", "Science policy")
    with (
        open_store(sqlite_url, host_clock=clock, keys=lambda: (KEY,)) as store,
        running(store, tokens=Tokens([KEY]), terms=Terms(privacy_url="https://news.example/privacy")) as web,
    ):
        made = Newsroom(cli, f"http://127.0.0.1:{web.port}")
        made.publish("Before anybody listened")
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    program = require_program("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


def look(page: Page, name: str, *, scripted: bool) -> None:
    """Nothing sticks out, every word can be read; a picture of it where somebody asked for one."""
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    screen = page.viewport_size
    assert screen is not None
    assert screen["width"] == picture.width, f"{name} is wider than its screen"
    if shots := os.environ.get("JOURNEY_SHOTS"):
        picture.save(f"{shots}/{name}.png")
    if scripted:  # without them the page cannot be asked
        ratio, words = page.evaluate(CONTRAST)
        assert ratio >= 4.5, words


@pytest.mark.parametrize("way", WAYS)
def test_a_life_on_the_list(newsroom: Newsroom, chromium: Browser, way: str) -> None:
    """mail:LM1 mail:LM2 mail:LM7 mail:LM8 sign up, confirm, get a release, look at the preferences, leave by one click, hear of it once, and no more."""
    scripted = way == "desk"
    context = chromium.new_context(**WAYS[way])  # type: ignore[arg-type]
    page = context.new_page()

    page.goto(f"{newsroom.base}/media-list")
    assert ("Asia/Tokyo" if scripted else "Europe/London") == page.locator("#zone").input_value()
    page.get_by_role("button", name="Join").click()
    assert 3 == page.locator(".fault").count()
    look(page, f"1-faults-{way}", scripted=scripted)
    page.get_by_label("Mail address").fill(JANE)
    page.get_by_label("Name").fill("Jane Doe")
    page.get_by_label("Science policy").check()
    page.get_by_label("I want to receive").check()
    look(page, f"2-form-{way}", scripted=scripted)
    page.get_by_role("button", name="Join").click()
    page.get_by_role("heading", name="Look into your mail").wait_for()
    look(page, f"3-asked-{way}", scripted=scripted)

    newsroom.work()
    newsroom.publish("Before her yes")
    (asked,) = newsroom.mails()
    assert "Jane" not in asked.as_string()  # nothing that was typed but the address
    assert asked["List-Unsubscribe"] is None
    confirm = newsroom.link(asked, "/media-list/confirm/")
    for _ in range(3):  # as mail scanners do
        assert 200 == httpx.get(confirm).status_code
    page.goto(confirm)
    page.get_by_text("Science policy").wait_for()
    look(page, f"4-confirm-{way}", scripted=scripted)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("heading", name="You are on the list").wait_for()
    look(page, f"5-confirmed-{way}", scripted=scripted)
    page.get_by_role("link", name="Ask for releases under embargo").click()
    page.get_by_role("button", name="Ask to be accredited").wait_for()
    look(page, f"6-accreditation-{way}", scripted=scripted)

    newsroom.publish("After her yes")
    _, release = newsroom.mails()
    assert "After her yes" in release["Subject"]
    page.goto(newsroom.link(release, "/media-list/preferences/"))
    page.get_by_text("Science policy").first.wait_for()
    page.get_by_role("link", name="Ask to be accredited").wait_for()
    look(page, f"7-preferences-{way}", scripted=scripted)

    one_click = newsroom.here(re.findall(r"<(http[^>]+)>", release["List-Unsubscribe"])[0])
    for _ in range(2):
        assert 200 == httpx.post(one_click, data={"List-Unsubscribe": "One-Click"}).status_code
    newsroom.work()
    newsroom.publish("After she had left")
    newsroom.work()
    *_, farewell = newsroom.mails()
    assert 3 == len(newsroom.mails())
    assert "/media-list/undo/" in farewell.as_string()
    page.goto(newsroom.link(farewell, "/media-list/undo/"))
    look(page, f"8-undo-{way}", scripted=scripted)
    context.close()
