"""A feed that offers a hub, and a site that pings: over HTTP and the command line alone (feeds:W5, W6)."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.program import KEY, Beside
from tests.ingest.feeds import entry, rss, serving
from tests.ingest.hub import Hub, Said, ask, hubbing
from tests.make import reserved_port

PATIENCE = 30.0  # seconds
TOPIC = "https://cms.example/feed"
WORDPRESS = b"""<?xml version="1.0"?>
<methodCall>
<methodName>weblogUpdates.extendedPing</methodName>
<params>
<param><value><string>Society</string></value></param>
<param><value><string>http://127.0.0.1/</string></value></param>
<param><value><string>http://127.0.0.1/feed/</string></value></param>
</params></methodCall>"""


@pytest.fixture
def program(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beside:
    """A newsroom on a port of its own, whose public address that is."""
    monkeypatch.chdir(tmp_path)
    made = Beside(sqlite_url, tmp_path)
    port = str(reserved_port())
    made.env |= {"SYNDICATOR_WEB__PORT": port, "SYNDICATOR_SITE__BASE_URL": f"http://127.0.0.1:{port}"}
    return made


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hubbing() as made:
        yield made


def test_a_hub_brings_an_item(program: Beside, hub: Hub) -> None:
    """feeds:W5 W6 `run` reads the feed, subscribes at its hub, and shows what it brings; a ping is heard."""
    home = program.env["SYNDICATOR_SITE__BASE_URL"]
    program("topic", "add", "policy", "Policy")
    hub.at_once = hub.verify
    links = f'<atom:link rel="self" href="{TOPIC}"/><atom:link rel="hub" href="{hub.url}"/>'
    with serving() as site:
        site.say(rss(entry(1)).replace(b"<channel>", f"<channel>{links}".encode()))
        add = ("upstream", "add", "cms", site.url, "--relation", "own", "--topics", "policy")
        program(*add, "--allow-private", "127.0.0.0/8")
        process = program.start("run")
        try:
            assert eventually(lambda: "Item 1" in shown(home)), log(program)
            assert eventually(lambda: bool(hub.asked)), log(program)
            assert eventually(lambda: 202 == hub.bring(rss(entry(2))).status), log(program)
            assert eventually(lambda: "Item 2" in shown(home)), log(program)
            assert "Item 1" in shown(home)
            assert hub.last["hub.callback"].startswith(f"{home}/callbacks/websub/")
            assert 1 == len(site.asked)
            said = ask(f"{home}/xmlrpc", "POST", WORDPRESS, {"content-type": "text/xml"})
            assert b"<boolean>0</boolean>" in said.body
            view = program.json("upstream", "show", "cms")
            assert ("active", hub.url, f"{home}/xmlrpc") == tuple(
                view[key] for key in ("hub", "hub_address", "ping_wordpress")
            )
            assert 202 == ask(view["ping"], "POST").status
            assert 405 == got(view["ping"]).status
            assert 404 == ask(f"{home}/ping/1.x", "POST").status
        finally:
            process.terminate()
            process.wait(PATIENCE)


def eventually(what: Callable[[], bool]) -> bool:
    """Whether it becomes true while one is patient."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.05)
    return False


def got(url: str) -> Said:
    """A page; status 0 while nobody serves."""
    try:
        return ask(url)
    except OSError:
        return Said(0, b"", {})


def shown(home: str) -> str:
    """The topic's feed as anybody may read it."""
    return got(f"{home}/feeds/policy.atom").body.decode()


def log(program: Beside) -> str:
    """What the processes said; never a secret."""
    said = (program.folder / "log").read_text(encoding="utf-8")
    assert KEY not in said
    return said
