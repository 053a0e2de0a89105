"""Whoever touches what is not public yet is on this list, with the reason: a new one fails until it was looked at.

The command line is left out: who may run it sees everything.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes
from starlette.routing import BaseRoute, Route

from syndicator import web
from syndicator.render.mail import Sender
from syndicator.store import open_store
from syndicator.store.media import Cabinet
from syndicator.web.app import Web, create_app
from tests.make import FakeClock
from tests.web.served import SITE, TOKENS

ROOT = Path(__file__).parents[2] / "syndicator"
TABLES = {"releases", "release_versions", "embargo_notices", "media", "media_uses"}
SOURCES = (
    "syndicator.store.releases",
    "syndicator.store.press_links",
    "syndicator.store.media",
    "syndicator.press.preview",
)
WORDS = {"Release", "Version", "Notice", "foreseen", "visible"}
OUTSIDE = ("cli/", "store/migrations/", "store/schema/")

REVIEWED = {
    # The rows.
    "store/releases.py": "the rows themselves",
    "store/media.py": "files: `public` asks for a release and a live item, `of` is asked by press links and staff alone",
    "store/rehearsal.py": "asks whether one is due; no words leave",
    "store/press_links.py": "what the web asks before it shows a copy",
    "store/incoming.py": "whether what an upstream brings is held already; no words leave",
    "store/alarms.py": "names a release by its uid, without its words",
    "store/redactions.py": "wipes them",
    "store/deliveries/advances.py": "plans who gets them; the words are read when the letter is written",
    "store/deliveries/foreseen.py": "counts who would get them",
    "store/segments.py": "whether one that is not out names a segment; staff are told its uid",
    "store/whys.py": "for staff: the command line prints a sentence, without its words",
    "store/deliveries/threads.py": "which letter a letter answers; no words leave",
    "feeds/redaction.py": "wipes them",
    "store/deliveries/trying.py": "drops a letter whose release or accreditation does not stand any more",
    # The flows that change them.
    "press/drafts.py": "takes words in",
    "press/moves.py": "instants, no words",
    "press/lifting.py": "the one door from release to item, once its instant has come",
    "press/alarms.py": "names a release by its uid, without its words",
    "press/told.py": "plans copies for those who had other words",
    "embargo.py": "plans notices to those who had an advance",
    "press/plan.py": "for staff: the command line prints it",
    "press/rehearsal.py": "for staff: every channel is a folder",
    "press/report.py": "for staff: the command line prints it",
    "press/sample.py": "a marked test to named addresses, on somebody's order",
    "press/media.py": "takes files in",
    "press/desk.py": "asks `visible` for each release, and the accreditation, at every request",
    "press/preview.py": "for staff and whom they sent a link; web/preview.py asks `visible`",
    "publish.py": "opens the files of an item that has become public",
    "topics.py": "whether a topic that ends is still needed",
    "ingest/filing.py": "puts what upstreams bring on hold",
    "ingest/prospects.py": "counts what waits of an upstream",
    "ingest/sources/imports.py": "puts what is imported on hold",
    "worker/loops.py": "asks when the next is due",
    "worker/once.py": "counts what was released",
    "worker/stuck.py": "looks whether a release that failed was changed",
    "runtime/root.py": "makes the cabinet of files",
    # Those through whom words can leave.
    "delivery/writing.py": "letters to those a duty was planned for; claims asks accreditation and state again",
    "render/calendar.py": "renders what web/press.py allows",
    "render/mail/embargoed.py": "renders what delivery hands over",
    "web/app.py": "hands the cabinet on",
    "web/press.py": "asks `visible` at every request, in the transaction that reads",
    "web/preview.py": "asks `visible` at every request, in the transaction that reads",
    "web/media.py": "asks `media.public`; for press links it is handed what they found",
}
ROUTES = {
    "public items and topics only": (
        "/", "/topics/{slug}", "/items/{slug}", "/feeds", "/feeds.opml", "/sitemap.xml", "/sitemap-{part}.xml",
        "/news-sitemap.xml",
    ),
    "nothing of the store": (
        "/healthz", "/robots.txt", "/favicon.ico", "/favicon.svg", "/static/style.css", "/static/feed.css",
        "/static/copy.js", "/static/form.css", "/static/zone.js",
    ),
    "its state alone": ("/readyz",),
    "topics and the visitor's own subscriptions": (
        "/media-list", "/media-list/confirm/{token}", "/media-list/unsubscribe/{token}",
        "/media-list/preferences", "/media-list/preferences/{token}", "/media-list/undo/{token}", "/media-list/move/{token}", "/media-list/accreditation/{token}",
    ),
    "takes something in and gives nothing out": ("/callbacks/websub/{end}", "/ping/{token}", "/xmlrpc"),
    "files of live items only": ("/media/{name}",),
    "asks `visible` itself": (
        "/press/{token}", "/press/{token}/", "/press/{token}/embargo.ics", "/press/{token}/media/{name}",
        "/press/{token}/{name}", "/press/{token}/feed.atom",
    ),
    "nothing is there": ("/press/{rest:path}",),
}  # fmt: skip
TEMPLATES = {
    "banner.html": "web/press.py and web/preview.py alone give one",
    "item.html": "shows a banner, if it is given one",
    "preview.html": "web/preview.py alone",
    "desk.html": "web/desk.py alone, with what press/desk.py allows",
    "demo.html": "when the next is due, on the demo's own page",
    "report.html": "for staff: the command line writes it",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module but those left out and those in which no word of it stands."""
    for path in sorted(ROOT.rglob("*.py")):
        name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        if not name.startswith(OUTSIDE) and any(
            word in text for word in ("release", "media", "preview", "press")
        ):
            yield name, ast.parse(text)


def touches(tree: ast.Module) -> bool:
    """Whether it reads their tables, or imports what does, or has to do with their words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "schema" and node.attr in TABLES:
                return True
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                if f"{node.module}.{one.name}".startswith(SOURCES):
                    return True
                if node.module == "syndicator.model.release" and one.name in WORDS:
                    return True
    return False


def test_every_module_that_touches_releases_was_looked_at() -> None:
    """security:E1 one that is new here is to ask `model.release.visible`, or to be put down with its reason."""
    found = {name for name, tree in modules() if touches(tree)}
    assert set() == found - set(REVIEWED), "new: let it ask `visible`, or say here why it need not"
    assert {"web/press.py", "web/preview.py"} == {
        name for name in found if name.startswith("web/") and name not in ("web/app.py", "web/media.py")
    }


def test_every_answer_about_a_release_asks_the_one_question() -> None:
    """security:E1 whatever in the web reads a release through a link asks `visible` in the same breath."""
    asking: dict[str, set[str]] = {}
    for name in ("web/press.py", "web/preview.py"):
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            asking[f"{name}:{function.name}"] = {
                node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                for node in ast.walk(function)
                if isinstance(node, ast.Call)
            }
    reading = {name for name, called in asking.items() if called & {"_copy", "read_preview"}}
    assert {
        "web/press.py:page",
        "web/press.py:calendar",
        "web/press.py:medium",
        "web/preview.py:shown",
    } == reading
    assert "visible" in asking["web/press.py:open"]  # a copy's own way to ask it
    assert set() == {name for name in reading if not asking[name] & {"visible", "open"}}


def test_every_address_was_looked_at(tmp_path: Path) -> None:
    """security:E1 an address that is new is put down here, under what it may show."""
    with open_store(f"sqlite:///{tmp_path}/store.db", host_clock=FakeClock()) as store:
        sender = Sender(address="press@news.example", name="Society")
        cabinet = Cabinet(tmp_path / "media", 1)
        app = create_app(Web(store=store, site=SITE, tokens=TOKENS, sender=sender, cabinet=cabinet))
        known = {path for paths in ROUTES.values() for path in paths}
        assert known == set(paths_of(app._starlette.routes))


def paths_of(routes: list[BaseRoute]) -> Iterator[str]:
    """The patterns of these routes."""
    for route in routes:
        assert isinstance(route, Route), f"{route}: a mount or a socket is to be looked at, too"
        yield route.path


def test_every_template_was_looked_at() -> None:
    """security:E1 a page that speaks of a release, a version or a banner is one of these."""
    said = set()
    folder = Path(next(iter(web.__path__))).parent
    for path in [*folder.glob("web/templates/*.html"), *folder.glob("render/templates/*.html")]:
        tree = Environment().parse(path.read_text(encoding="utf-8"))
        if any(
            name.startswith(("release", "version", "embargo", "banner", "report"))
            for name in {node.name for node in tree.find_all(nodes.Name)}
        ):
            said.add(path.name)
    assert set(TEMPLATES) >= said
    assert {"banner.html", "item.html", "preview.html"} <= said
