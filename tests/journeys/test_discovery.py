"""The list of feeds and a feed itself, as Chromium shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syndicator.model.site import Format
from tests.conftest import require_program
from tests.journeys.test_demo import QUIET
from tests.web.served import SITE, add_item, lasting_store, running, save_document

if TYPE_CHECKING:
    from playwright.sync_api import Browser

STYLED = '<?xml version="1.0"?><?xml-stylesheet type="text/css" href="/static/feed.css"?>'
FEEDS = {
    Format.ATOM: f"""{STYLED}<feed xmlns="http://www.w3.org/2005/Atom"><id>tag:feed</id><title>Society</title>
<subtitle>What we say</subtitle><entry><id>tag:entry</id><title>Joint letter</title><updated>2026-03-02T09:00:00Z</updated>
<summary>In short</summary><content type="html">&lt;p&gt;At length</content><link rel="alternate" href="https://news.example/items/a"/>
</entry></feed>""",
    Format.RSS: f"""{STYLED}<rss version="2.0"><channel><title>Society</title><description>What we say</description><ttl>5</ttl>
<item><guid>tag:entry</guid><title>Joint letter</title><description>In short</description><pubDate>today</pubDate></item></channel></rss>""",
}


@pytest.fixture(scope="module")
def base(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web process with one item and two feeds."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        add_item(store, "Joint letter", topics=("policy",))
        for format, words in FEEDS.items():
            save_document(store, words.encode(), topic="all", format=format)
        with running(store) as web:
            yield f"http://127.0.0.1:{web.port}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    program = require_program("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


def test_the_copy_button(base: str, chromium: Browser) -> None:
    """feeds:P30 a press on the button, by keyboard as well, puts the address on the clipboard and says so."""
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text))
    page.goto(f"{base}/feeds")
    page.locator("button.copy").nth(1).focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="Address copied").wait_for(state="attached")
    assert f"{SITE.base_url}/feeds/all.rss" == page.evaluate("navigator.clipboard.readText()")
    assert [] == faults  # nothing offends the page's own policy
    context.close()


def test_without_scripts(base: str, chromium: Browser) -> None:
    """feeds:P30 without scripts there is no button that does nothing, and each address is text."""
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{base}/feeds")
    assert not page.locator("button.copy").first.is_visible()
    assert f"{SITE.base_url}/feeds/all.atom" == page.locator(".address").first.inner_text()
    context.close()


@pytest.mark.parametrize("format", FEEDS)
def test_a_feed_as_a_page(base: str, chromium: Browser, format: Format) -> None:
    """feeds:P30 whoever opens a feed sees words by its style, not source and not clutter; it is never a download."""
    page = chromium.new_page()
    page.goto(f"{base}/feeds/all.{format}")
    assert "Joint letter" in (page.text_content(":root") or "")
    root = page.locator(":root")
    root.wait_for()
    shown = str(
        page.evaluate(
            "[...document.querySelectorAll('*')].filter(e => e.checkVisibility()).map(e => e.localName).join(' ')"
        )
    )
    assert {"title", "summary" if format is Format.ATOM else "description"} <= set(shown.split())
    assert not {"id", "guid", "updated", "pubDate", "ttl", "content"} & set(shown.split())
    page.close()
