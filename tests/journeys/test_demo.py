"""The demo as a newcomer meets it: the command, its tables, the page and its buttons in a real browser."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import require_program

ROOT = Path(__file__).resolve().parents[2]
# Without these, Chromium looks for its maker's hosts at every start.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def command(*arguments: str) -> list[str]:
    """The demo from this checkout."""
    return [sys.executable, "-m", "syndicator", "demo", *arguments]


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """A demo that goes on serving; its address, once everything is settled."""
    running = subprocess.Popen(
        command("--port", "0", "--data", str(data)), cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert running.stdout is not None
    try:
        for line in running.stdout:
            if found := re.match(r"Open (http://127\.0\.0\.1:\d+)/demo", line):
                yield found[1]
                return
        pytest.fail("the demo ended before it was ready")
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """One that goes on serving: its folder and its address."""
    folder = tmp_path_factory.mktemp("serving") / "demo"
    with serving(folder) as base:
        yield folder, base


def test_the_whole_job_once(tmp_path: Path) -> None:
    """operations:OP3: `demo --once` settles every duty, says what went where, and exits 0."""
    done = subprocess.run(
        command("--once", "--data", str(tmp_path / "demo")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    for heading in ("Items", "Feeds", "Mails", "Webhooks"):
        assert f"\n{heading}\n" in done.stdout
    assert "suppressed: complaint" in done.stdout
    assert "signed as it should be" in done.stdout
    assert 5 == len(list((tmp_path / "demo" / "mail").glob("*.eml")))


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    """What it did not make, it does not clear."""
    (tmp_path / "thesis.txt").write_text("three years of work")
    refused = subprocess.run(
        command("--once", "--data", str(tmp_path)), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 6 == refused.returncode
    assert "--data" in refused.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_two_demos_never_share_a_folder(demo: tuple[Path, str]) -> None:
    """What a running demo holds is not cleared under it."""
    folder, base = demo
    second = subprocess.run(
        command("--once", "--data", str(folder)), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 6 == second.returncode
    assert "a demo is running" in second.stderr
    assert 200 == httpx.get(f"{base}/feeds/all.atom").status_code


def test_the_page_and_its_buttons(demo: tuple[Path, str]) -> None:
    """Correct and kill reach whoever had the release; what is gone answers 410; mails show in their frames."""
    browser = require_program("chromium")
    from playwright.sync_api import sync_playwright

    _, base = demo
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=list(QUIET))
        page = chromium.new_page()
        page.goto(f"{base}/demo")
        assert "checklist" in page.frames[1].inner_text("h1")
        page.get_by_role("button", name="Correct the release").click()
        _await_row(page, "item.corrected")
        page.get_by_role("button", name="Kill the release").click()
        _await_row(page, "item.killed")
        page.get_by_role("button", name="Kill the release").click()
        assert "no press release is public" in page.inner_text(".said")
        chromium.close()
        slug = "society-publishes-a-one-page-checklist-for-reporting-on-cell-lines"
        assert 410 == httpx.get(f"{base}/items/{slug}").status_code
        feed = httpx.get(f"{base}/feeds/all.atom")
        again = httpx.get(f"{base}/feeds/all.atom", headers={"if-none-match": feed.headers["etag"]})
        assert (200, 304) == (feed.status_code, again.status_code)


def _await_row(page: object, words: str) -> None:
    """Look again until the partner's table shows the event."""
    from playwright.sync_api import Page, expect

    assert isinstance(page, Page)
    for _ in range(100):
        page.get_by_role("link", name="Look again").click()
        if page.get_by_text(words, exact=True).count():
            break
        page.wait_for_timeout(100)  # between looks at a condition
    expect(page.get_by_text(words, exact=True).first).to_be_visible()
