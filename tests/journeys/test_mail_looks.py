"""Every sort of letter as Chromium shows it: on a phone and on a desk, in daylight and in the dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import require_program
from tests.journeys.test_demo import QUIET
from tests.render.letters import SLOTS, every
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
