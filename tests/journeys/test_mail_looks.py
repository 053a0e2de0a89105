"""Every sort of letter as Chromium shows it: on a phone and on a desk, in daylight and in the dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from syndicator.model.item import Significance
from tests.conftest import require_program
from tests.journeys.test_demo import QUIET
from tests.render.letters import SLOTS, advance, every, revised, words
from tests.render.test_mail import parsed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

# The lowest contrast of any words with what is behind them (WCAG 2.2 §1.4.3), and whose it is.
CONTRAST = """() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let worst = [21, ""];
  while (words.nextNode()) {
    const node = words.currentNode;
    if (!node.data.trim()) continue;
    const [a, b] = [light(rgb(getComputedStyle(node.parentElement).color)), light(behind(node.parentElement))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, node.data.trim().slice(0, 60)];
  }
  return worst;
}"""


EVIL = """<script>hit()</script>
<img src=x onerror=hit()>
<svg onload=hit()><p>a</p></svg>
<svg><style><img src=x onerror=hit()></style></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=hit()&gt;"></table>
<form><math><mtext></form><form><mglyph><style></math><img src onerror=hit()>
<noscript><p title="</noscript><img src=x onerror=hit()>"></noscript>
<!--><img src=x onerror=hit()>-->
<style>@import "https://evil.example/a.css"; * { background: url(https://evil.example/b) }</style>
<link rel=stylesheet href=https://evil.example/c.css>
<meta http-equiv=refresh content="0;url=https://evil.example/d">
<base href=https://evil.example/>
<iframe srcdoc="<script>parent.hit()</script>"></iframe>
<object data=https://evil.example/e></object><embed src=https://evil.example/f>
<a href="java&#9;script:hit()">one</a> <a href=" javascript:hit()">two</a> <a href="data:text/html,<script>hit()</script>">three</a>
<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='hit()'/>">
<img srcset="https://evil.example/g 2x" alt="h">
<video poster=https://evil.example/h><source onerror=hit()></video>
<p style="position:fixed;inset:0;background:url(https://evil.example/i)" onmouseover=hit()>over all</p>
<table background=https://evil.example/j><tr><td>k</td></tr></table>
<template><img src=x onerror=hit()></template>
<xmp><img src=x onerror=hit()></xmp>
<select><option><style></option></select><img src=x onerror=hit()></style>
<input autofocus onfocus=hit()><details open ontoggle=hit()>l</details>
</div></td></tr></table></body></html><p>after the end</p>
<plaintext><b>m"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    program = require_program("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 860])
def test_every_letter_is_readable(chromium: Browser, width: int, scheme: str) -> None:
    """mail:MC21 Nothing is cut off or scrolls sideways, and all words stand out, on every screen.

    With MAIL_SHOTS set to a folder, what was seen is kept there.
    """
    shots = os.environ.get("MAIL_SHOTS")
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    page = context.new_page()

    def refused(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route("**/*", refused)
    for sort, template in every().items():
        page.set_content(parsed(template.merge(SLOTS))[2])
        assert width == page.evaluate("document.documentElement.scrollWidth"), sort
        ratio, said = page.evaluate(CONTRAST)
        assert ratio >= 4.5, f"{sort} in {scheme}: {said!r} has a contrast of {ratio:.2f}"
        if shots:
            page.screenshot(path=f"{shots}/{sort}-{width}-{scheme}.png", full_page=True)
    assert {"https://news.example/media/pictureXY.png"} == set(
        asked
    )  # the picture of public mail, nothing else
    context.close()


def test_no_author_can_run_or_fetch_or_escape(chromium: Browser) -> None:
    """mail:MC21 HTML that fights the sanitiser runs nothing, fetches nothing and stays in its place, in a real browser."""
    context = chromium.new_context()
    asked: list[str] = []

    def refused(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page = context.new_page()
    page.route("**/*", refused)
    page.add_init_script("window.hits = 0; window.hit = () => { window.hits += 1 }")
    page.goto("about:blank")
    page.set_content(EVIL.splitlines()[1])
    page.wait_for_function("window.hits > 0")  # the traps are armed
    page.goto("about:blank")
    asked.clear()
    for evil in (EVIL, *EVIL.splitlines()):
        for made in (
            revised(Significance.FIRST, words(body=evil, media=())),
            advance(words(body=evil, media=())),
        ):
            page.set_content(parsed(made.merge(SLOTS))[2])
            assert page.evaluate("window.hits") == 0, evil
            assert page.evaluate("document.querySelectorAll('body > *').length") == 1, evil
            foot = page.get_by_text("Sent to Jane Doe").first
            assert page.evaluate(
                "node => node.closest('td').innerText.includes('Unsubscribe')", foot.element_handle()
            )
    assert {url for url in asked if "news.example" not in url} == set()
    context.close()
