"""An export behind a real nginx and Caddy: they say what our own web process says, for feeds, archives and lost addresses."""

from __future__ import annotations

import gzip
import http.client
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from syndicator import feeds, publish
from syndicator import topics as flow
from syndicator.feeds.export import export as write_files
from syndicator.model.item import ALL
from syndicator.model.site import Site
from syndicator.render import nginx
from syndicator.store import Store, open_store
from tests.cli.program import ROOT
from tests.conftest import require_program
from tests.make import FakeClock, make_content, make_newsroom, make_site, reserved_port
from tests.web.served import Reply, running, wait_until

FORMATS = ("atom", "rss", "json")
# Whatever a reader, a cache or a browser goes by; the tag may differ, as long as there is one.
SAME = (
    "content-type",
    "content-encoding",
    "cache-control",
    "vary",
    "link",
    "last-modified",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "x-content-type-options",
)
CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {export}/nginx/addresses.conf;
    server {{
        listen 127.0.0.1:{port};
        root {export};
        include {export}/nginx/feeds.conf;
    }}
}}
"""


@dataclass(frozen=True)
class Door:
    """A web server on the loopback."""

    port: int

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """One request on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers={"accept-encoding": "identity", **named})
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())


@contextmanager
def serving(export: Path, folder: Path) -> Iterator[Door]:
    """nginx over an export."""
    program, port = require_program("nginx"), reserved_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, export=export, port=port))
    with process([program, "-c", str(config), "-e", "stderr"], port, folder) as door:
        yield door


@contextmanager
def process(command: list[str], port: int, folder: Path) -> Iterator[Door]:
    """A web server, once it answers; told to end at the end."""
    door, log = Door(port), folder / "log"
    with log.open("w") as words:
        run = subprocess.Popen(command, stdout=words, stderr=words, env={**os.environ, "HOME": str(folder)})

    def up() -> bool:
        assert run.poll() is None, log.read_text()
        try:
            return door.ask("/").status > 0
        except OSError:
            return False

    try:
        wait_until(up)
        yield door
    finally:
        run.terminate()
        run.wait(20)


@contextmanager
def newsroom(url: str, site: Site) -> Iterator[Store]:
    """Five items in `policy`, two of them archived; topics that were renamed, merged and closed."""
    clock = FakeClock()
    with open_store(url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "health", "over", "sports")
        for number, slug in enumerate(["over", "health", "sports", *["policy"] * 5]):
            clock.advance(minutes=1)
            with store.begin() as tx:
                publish.publish(tx, f"tag:x,2026:{number}", make_content(f"No {number}", topics=(slug,)))
        feeds.rebuild_stale(store, site)
        with store.begin() as tx:
            flow.rename(tx, "health", "well-being")
            flow.merge(tx, "sports", "policy")
            flow.close(tx, "over", after=timedelta())
        for _ in range(5):
            clock.advance(seconds=2)
            feeds.rebuild_stale(store, site)
        yield store


SITE = make_site(window=2, hubs=("https://hub.example/?a=$b", "https://hub.example/'2'"), max_age=120)


@pytest.fixture(scope="module")
def newsroom_twice(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Door]]:
    """A newsroom's feeds, twice: as files, and served by our web process."""
    folder = tmp_path_factory.mktemp("newsroom")
    for part in sqlite_template.parent.iterdir():
        shutil.copy(part, folder)
    with newsroom(f"sqlite:///{folder / sqlite_template.name}", SITE) as store:
        write_files(store, SITE, folder / "export")
        with running(store, SITE) as ours:
            yield folder / "export", Door(ours.port)


@pytest.fixture(scope="module")
def pair(
    newsroom_twice: tuple[Path, Door], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Door, Door]]:
    """Our web process, and nginx over its export."""
    export, ours = newsroom_twice
    with serving(export, tmp_path_factory.mktemp("nginx")) as nginx:
        yield ours, nginx


def seen(reply: Reply) -> dict[str, str | None]:
    """The headers that must be the same."""
    return {name: reply.headers.get(name) for name in SAME}


def test_nginx_says_what_we_say(pair: tuple[Door, Door]) -> None:
    """feeds:H1, feeds:H11, feeds:H13: the same bytes and headers, plain and gzip, live and archived, GET and HEAD."""
    ours, theirs = pair
    paths = [
        f"/feeds/{name}.{end}"
        for name in (ALL, "policy", "policy/archive/1")
        for end in ("atom", "rss", "json")
    ]
    for path, coding, method in itertools.product(paths, ("identity", "gzip"), ("GET", "HEAD")):
        one, other = (door.ask(path, method, accept_encoding=coding) for door in (ours, theirs))
        assert (200, one.body) == (other.status, other.body), path
        assert seen(one) == seen(other), path
        assert ("gzip" if coding == "gzip" else None) == other.headers.get("content-encoding")
        assert one.headers["content-length"] == other.headers["content-length"]
        assert not other.headers["etag"].startswith("W/")
        assert "accept-ranges" not in other.headers


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_nginx_answers_304(pair: tuple[Door, Door], coding: str) -> None:
    """feeds:H3, feeds:H4, feeds:H6: by tag, by weak tag, by date alone, with the headers of the 200."""
    for door in pair:
        full = door.ask("/feeds/policy.rss", accept_encoding=coding)
        tag, date = full.headers["etag"], full.headers["last-modified"]
        for asked in ({"if_none_match": tag}, {"if_none_match": f"W/{tag}"}, {"if_modified_since": date}):
            reply = door.ask("/feeds/policy.rss", accept_encoding=coding, **asked)
            assert (304, b"") == (reply.status, reply.body), asked
            assert tag == reply.headers["etag"]
            lost = {"content-type", "content-encoding"}
            kept = {name: value for name, value in seen(full).items() if name not in lost}
            assert kept == {name: value for name, value in seen(reply).items() if name not in lost}
        assert 200 == door.ask("/feeds/policy.rss", if_none_match='"other"', if_modified_since=date).status


def test_nginx_knows_lost_addresses(pair: tuple[Door, Door]) -> None:
    """feeds:H8: 301 for renamed and merged topics, 410 for closed ones, 404 for what never was; as we say it."""
    paths = [
        "/feeds/health.atom",
        "/feeds/health.rss?utm_source=x",
        "/feeds/health/archive/1.json",
        "/feeds/sports.json",
        "/feeds/sports/archive/1.atom",
        "/feeds/over.atom",
        "/feeds/over.json",
        "/feeds/never.rss",
        "/feeds/policy/archive/99.rss",
        "/feeds/policy.atom.gz",
        "/feeds/policy.xml",
    ]
    statuses = []
    for path in paths:
        one, other = (door.ask(path) for door in pair)
        statuses.append(other.status)
        assert (one.status, one.headers.get("location")) == (other.status, other.headers.get("location")), (
            path
        )
        if not path.endswith(".gz"):  # hidden by nginx's own page
            assert (one.headers["cache-control"], "*") == (
                other.headers["cache-control"],
                other.headers["access-control-allow-origin"],
            ), path
    assert [301] * 5 + [410] * 2 + [404] * 4 == statuses


def test_nginx_lets_browsers_ask(pair: tuple[Door, Door]) -> None:
    """feeds:H10: a preflight is answered; a range is ignored, and so is a query (feeds:H14, feeds:H17)."""
    ours, theirs = (
        door.ask("/feeds/policy.atom", "OPTIONS", origin="https://reader.example") for door in pair
    )
    assert (204, ours.headers["access-control-allow-headers"]) == (
        theirs.status,
        theirs.headers["access-control-allow-headers"],
    )
    assert seen(ours)["access-control-allow-origin"] == seen(theirs)["access-control-allow-origin"]
    for door in pair:
        assert 200 == door.ask("/feeds/policy.atom?null", range="bytes=0-9").status


def test_nginx_serves_the_list(pair: tuple[Door, Door]) -> None:
    """feeds:P29: the OPML of the export."""
    one, other = (door.ask("/feeds.opml") for door in pair)
    assert (one.body, one.headers["content-type"]) == (other.body, other.headers["content-type"])
    assert one.headers["cache-control"] == other.headers["cache-control"]


def test_nginx_below_a_path(sqlite_url: str, tmp_path: Path) -> None:
    """feeds:P15: a newsroom below a path of its host names itself rightly, also when it sends on."""
    site = make_site(window=2, base_url="https://example.org/news")
    require_program("nginx")
    with newsroom(sqlite_url, site) as store:
        write_files(store, site, tmp_path / "export")
    with serving(tmp_path / "export", tmp_path) as door:
        reply = door.ask("/news/feeds/policy.atom", accept_encoding="gzip")
        assert b'href="https://example.org/news/feeds/policy.atom" rel="self"' in gzip.decompress(reply.body)
        assert '<https://example.org/news/feeds/policy.atom>; rel="self"' == reply.headers["link"]
        assert "/news/feeds/well-being.rss" == door.ask("/news/feeds/health.rss").headers["location"]
        assert 200 == door.ask("/news/feeds.opml").status


def test_caddy_as_documented(newsroom_twice: tuple[Path, Door], tmp_path: Path) -> None:
    """feeds:H1: the Caddyfile of docs/operating.md gives the same bytes and headers, and asks us for the rest."""
    program, port = require_program("caddy"), reserved_port()
    export, ours = newsroom_twice
    config = tmp_path / "Caddyfile"
    config.write_text("{\n\tadmin off\n}\n" + caddyfile(export, port, ours.port))
    with process(
        [program, "run", "--adapter", "caddyfile", "--config", str(config)], port, tmp_path
    ) as caddy:
        paths = [f"/feeds/{name}.{end}" for name in ("policy", "policy/archive/1") for end in FORMATS]
        for path, coding in itertools.product(paths, ("identity", "gzip")):
            one, other = (door.ask(path, accept_encoding=coding) for door in (ours, caddy))
            assert (200, one.body) == (other.status, other.body), path
            assert seen(one) == seen(other), path
            again = caddy.ask(path, accept_encoding=coding, if_none_match=other.headers["etag"])
            assert 304 == again.status
        for path in (
            "/feeds/health.rss",
            "/feeds/over.atom",
            "/feeds/never.json",
            "/feeds.opml",
            "/feeds/policy.atom.gz",
        ):
            one, other = (door.ask(path) for door in (ours, caddy))
            assert (one.status, one.headers.get("location")) == (other.status, other.headers.get("location"))


def caddyfile(export: Path, port: int, web: int) -> str:
    """What the documentation shows, for this newsroom."""
    (found,) = re.findall(r"```caddyfile\n(.*?)```", (ROOT / "docs/operating.md").read_text(), re.DOTALL)
    shown = str(found)
    hubs = ", ".join(f'<{hub}>; rel=\\"hub\\"' for hub in SITE.hubs)
    here = (
        ("newsroom.example {", f"http://127.0.0.1:{port} {{"),
        ("/srv/export", str(export)),
        ("https://newsroom.example", SITE.base_url),
        ("127.0.0.1:8000", f"127.0.0.1:{web}"),
        ('<https://hub.example/>; rel=\\"hub\\"', hubs),
        ("max-age=300,", f"max-age={SITE.max_age},"),
    )
    for old, new in here:
        assert old in shown
        shown = shown.replace(old, new, 1 if old == "newsroom.example {" else -1)
    return shown


def test_gone_is_gone_under_every_name() -> None:
    """feeds:H8: a former name of a topic that has ended says so, instead of leading there."""
    said = nginx.addresses(make_site(), {"a": "b", "d": "e"}, {"a"}, {"e"}).decode()
    moved, merged, gone = (
        re.findall(r'"~\^([a-z]+)\$" (\S+);', said.split(name)[1].split("}")[0])
        for name in ("$syndicator_moved {", "$syndicator_moved_page {", "$syndicator_gone {")
    )
    assert ([("a", "b"), ("d", "e")], [("a", '""')], [("d", "1"), ("e", "1")]) == (moved, merged, gone)
