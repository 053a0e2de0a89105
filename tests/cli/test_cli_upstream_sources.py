"""Finding, importing and exporting what we read: lists of feeds, WordPress sites and their exports, folders."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from syndicator.ingest.sources import opml, subscriptions
from syndicator.ingest.sources.opml import Outline, Subscriptions
from syndicator.model.upstream import Upstream
from syndicator.store import Store, upstreams
from syndicator.store.upstreams import lists
from tests.cli.program import InProcess
from tests.ingest.press import Post, Press, serving
from tests.make import NOW, make_newsroom

ALLOW = ("--allow-private", "127.0.0.0/8")
LIST = """<?xml version="1.0"?><opml version="2.0"><body><outline text="Science">
<outline text="Nature &amp; Co" type="rss" xmlUrl="https://nature.example/feed" htmlUrl="https://nature.example/"/>
<outline text="Nature &amp; Co" xmlUrl="https://other.example/feed"/></outline>
<outline xmlUrl="https://www.plain.example/rss?a=1"/>
<outline text="Same again" xmlUrl="http://nature.example/feed"/>
<outline text="A folder" xmlUrl="file:///etc"/><outline text="Bad" xmlUrl="javascript:alert(1)"/>
</body></opml>"""


@pytest.fixture
def press() -> Iterator[Press]:
    """A WordPress site with twelve posts: its feed has ten."""
    with serving() as site:
        site.fill(12)
        site.posts[11].terms = (3, 4)
        yield site


@pytest.fixture
def room(lite: InProcess) -> InProcess:
    """A newsroom with the topic policy."""
    lite("topic", "add", "policy", "Policy")
    return lite


# -- OPML ------------------------------------------------------------------------------------------------


def test_a_list_becomes_upstreams_once(room: InProcess, tmp_path: Path) -> None:
    """feeds:I27 — named by their titles, each address once, what leads into no web refused by name."""
    file = tmp_path / "list.opml"
    file.write_text(LIST)
    seen = room.json("upstream", "import", str(file), "--topics", "policy", "--dry-run", code=4)
    assert [] == room.json("upstream", "list")
    done = room.json("upstream", "import", str(file), "--topics", "policy", code=4)
    assert seen == done
    assert ["nature-co", "nature-co-2", "plain-example"] == [one["slug"] for one in done["added"]]
    assert ("https://nature.example/", ["Science"]) == (done["added"][0]["page"], done["added"][0]["folders"])
    assert [{"slug": "nature-co", "url": "http://nature.example/feed"}] == done["there"]
    assert ["file:///etc", "javascript:alert(1)"] == [one["url"] for one in done["refused"]]
    made = room.json("upstream", "show", "nature-co")
    assert ("foreign", ["policy"], "https://nature.example/feed") == (
        made["relation"],
        made["topics"],
        made["url"],
    )
    again = room.json("upstream", "import", str(file), code=4)
    assert [] == again["added"]
    assert ["nature-co", "nature-co-2", "plain-example", "nature-co"] == [
        one["slug"] for one in again["there"]
    ]


def test_a_list_from_the_web_and_by_stdin(room: InProcess, press: Press) -> None:
    """feeds:I10 — the same guarded client as for feeds; relative addresses are meant from the list's own."""
    press.say("/lists/all.opml", b'<opml><body><outline text="N" xmlUrl="../n.xml"/></body></opml>')
    refused = room.try_("upstream", "import", press.url("lists/all.opml"))
    assert 1 == refused.code
    assert "nothing was sent" in refused.err
    done = room.json("upstream", "import", press.url("lists/all.opml"), *ALLOW)
    assert [press.url("n.xml")] == [one["url"] for one in done["added"]]
    assert "2 at once" not in room("upstream", "import", "-", stdin="<opml><body/></opml>")
    bomb = '<!DOCTYPE opml [<!ENTITY a "aaaa">]><opml><body><outline text="&a;" xmlUrl="https://a.example/"/></body></opml>'
    said = room.try_("upstream", "import", "-", stdin=bomb)
    assert 2 == said.code
    assert "DOCTYPE" in said.err


def test_what_we_read_is_given_away_as_a_list(room: InProcess, tmp_path: Path) -> None:
    """feeds:I27 — valid OPML 2.0 that we ourselves read back; a folder lies on no web and is left out."""
    room("upstream", "add", "a", "https://a.example/feed?x=1&y=<2>")
    room("upstream", "add", "notes", f"file://{tmp_path}")
    told = room("upstream", "export")
    root = ET.fromstring(told.encode())
    assert ("opml", "2.0", ["head", "body"]) == (root.tag, root.get("version"), [part.tag for part in root])
    assert root.findtext("head/title")
    (outline,) = root.findall("body/outline")
    assert {
        "text": "a",
        "title": "a",
        "type": "rss",
        "xmlUrl": "https://a.example/feed?x=1&y=<2>",
    } == outline.attrib
    (back,) = opml.read(told.encode()).feeds
    assert "https://a.example/feed?x=1&y=%3C2%3E" == back.url.replace("<", "%3C").replace(">", "%3E")
    assert [] == room.json("upstream", "import", "-", stdin=told)["added"]


def test_the_page_that_a_feed_names_is_in_the_list(room: InProcess, press: Press) -> None:
    """feeds:I27 — feed, page and title."""
    room("upstream", "add", "press", press.url("feed/"), *ALLOW)
    room("upstream", "poll", "press")
    assert f'htmlUrl="{press.home}"' in room("upstream", "export")


def test_thousands_of_namesakes_are_bearable(store: Store) -> None:
    """feeds:I27 — thousands of feeds of one name, in transactions of 500, each with a name of its own."""
    make_newsroom(store)
    count = 3_000
    found = Subscriptions(
        tuple(Outline(url=f"https://a.example/{n}", title="The Feed") for n in range(count))
    )
    like = Upstream(id=0, slug="x", url="", topics=("policy",), created=NOW)
    taken = subscriptions.take(store, found, like)
    with store.read() as tx:
        ours = list(lists.listed(tx))
        last = upstreams.named(tx, f"the-feed-{count}")
    assert (count, count) == (len(taken.added), len({one.slug for one in ours}))
    assert (f"https://a.example/{count - 1}", ("policy",)) == (last.url, last.topics)


# -- WordPress -------------------------------------------------------------------------------------------


def test_an_address_shows_all_there_is_to_know(room: InProcess, press: Press) -> None:
    """feeds:I11 — feeds, categories with counts, ids, what items would become, redirects, the ping address; nothing written."""
    said = room.json("upstream", "find", press.home, "--topics", "policy", *ALLOW)
    assert [(press.url("feed/"), False), (press.url("comments/feed/"), True)] == [
        (one["url"], one["comments"]) for one in said["feeds"]
    ]
    assert 10 == len(said["items"])
    newest = next(one for one in said["items"] if one["title"] == "Post 12")
    assert ("http://old.press.example/?p=12", "item", ["policy"]) == (
        newest["uid"],
        newest["fate"],
        newest["topics"],
    )
    site = said["wordpress"]
    assert [("policy", 12, True), ("events-people", 1, False)] == [
        (one["slug"], one["items"], one["topic"]) for one in site["categories"]
    ]
    base = site["ping"].removesuffix("/xmlrpc")
    assert {
        "/feed": f"{base}/feeds/all.rss",
        "/category/policy/feed": f"{base}/feeds/policy.rss",
        "/feed/atom": f"{base}/feeds/all.atom",
        "/category/policy/feed/atom": f"{base}/feeds/policy.atom",
    } == site["redirects"]
    assert any(line.startswith("RewriteRule ^category/policy/feed/?") for line in site["apache"])
    assert all("!^Syndicator/" in line for line in site["apache"][1::2])
    assert any('$uri ~ "^/feed/?' in line for line in site["nginx"])
    slug = shlex.split(said["add"])[3]
    where = f"syndicator item import {press.home.rstrip('/')}"
    assert f"{where} --upstream {slug} {' '.join(ALLOW)}" == site["import"]
    assert [] == room.json("upstream", "list")
    assert [] == room.json("item", "list")


def test_what_is_found_is_shown_as_a_poll_shows_it(room: InProcess, press: Press) -> None:
    """feeds:I11 — fate, pushed, date, title, topics, why and id; of a foreign site neither redirects nor its catalogue."""
    said = room.try_("upstream", "find", press.home, "--topics", "policy", *ALLOW)
    (line,) = [line.split("\t") for line in said.out.splitlines() if "\tPost 12\t" in line]
    assert ("item", "Post 12", "policy", "http://old.press.example/?p=12") == (
        line[0],
        line[3],
        line[4],
        line[6],
    )
    assert line[1] in {"yes", "no"}
    assert line[2].startswith("20")
    assert "--upstream" in said.out
    assert "RewriteEngine" in said.out
    assert "--rules FILE" in said.err
    theirs = room("upstream", "find", press.home, "--relation", "foreign", *ALLOW)
    assert "\tPost 12\t" in theirs
    assert not any(word in theirs for word in ("Rewrite", "item import", "/xmlrpc"))


def test_the_address_of_a_wordpress_site_is_enough(room: InProcess, press: Press) -> None:
    """feeds:I11 — its comments and its API are no feeds of items: one is left, and is read from then on."""
    room("upstream", "add", "press", press.home, *ALLOW)
    (seen,) = room.json("upstream", "poll", "press", "--dry-run")
    assert (10, None) == (seen["new"], seen["fault"])
    (done,) = room.json("upstream", "poll", "press")
    assert (10, None) == (done["new"], done["fault"])
    shown = room.json("upstream", "show", "press")
    assert (press.url("feed/"), 0, None) == (shown["url"], shown["failures"], shown["fault"])
    assert 10 == len(room.json("item", "list"))


def test_a_page_without_feeds_says_so(room: InProcess, press: Press) -> None:
    """feeds:I11 — exit 4 and what to try; an address that leads inward is not fetched."""
    press.instead["/"] = lambda _query: (200, {"content-type": "text/html"}, b"<title>Nothing</title>")
    press.say("/wp-json/", {}, status=404)
    said = room.try_("upstream", "find", press.home, *ALLOW)
    assert 4 == said.code
    assert "no feed was found" in said.err
    assert 1 == room.try_("upstream", "find", press.home).code
    assert 1 == room.try_("upstream", "find", "http://169.254.169.254/latest/", *ALLOW).code


def test_a_hostile_site_writes_nothing_into_our_lines(room: InProcess, press: Press) -> None:
    """delivery-and-security:H2 — names and paths of strangers end no line of a shell, of Apache or of nginx."""
    evil = {
        "slug": "policy",
        "name": "\x1b[2J\nx",
        "count": 1,
        "link": press.url('category/"; return 200;#/'),
    }
    press.say(
        "/wp-json/wp/v2/categories", [evil, evil | {"link": press.url("category/a b/"), "slug": "policy"}]
    )
    title = "x'; rm -rf ~; '"
    page = f'<html><head><link rel=alternate type="application/rss+xml" title="{title}" href="/feed/?a=\';touch x;\'"></head></html>'
    press.instead["/"] = lambda _query: (200, {"content-type": "text/html"}, page.encode())
    said = room.json("upstream", "find", press.home, *ALLOW)
    assert {"/feed", "/feed/atom"} == set(said["wordpress"]["redirects"])
    assert "return 200" not in "".join(said["wordpress"]["nginx"])
    words = shlex.split(said["add"])
    assert ["syndicator", "upstream", "add"] == words[:3]
    assert press.home in words[4]
    assert "--relation" == words[5]
    shown = room("upstream", "find", press.home, *ALLOW)
    assert "\x1b" not in shown


def test_find_add_poll_and_the_whole_catalogue_without_doubles(lite: InProcess, press: Press) -> None:
    """feeds:I15 — the journey: find, add by the line it says, poll, import the rest; each item once, under its guid."""
    lite("topic", "add", "policy", "Policy")
    line = lite.json("upstream", "find", press.home, "--topics", "policy", *ALLOW)["add"]
    name = lite(*shlex.split(line)[1:]).strip()
    lite("upstream", "poll", name)
    assert 10 == len(lite.json("item", "list"))
    done = lite.json("item", "import", press.home, "--topics", "policy", *ALLOW)
    fates = [one["fate"] for one in done["items"]]
    assert (2, 10, []) == (fates.count("item"), fates.count("unchanged"), done["refused"])
    uids = [item["uid"] for item in lite.json("item", "list")]
    assert sorted(press.guid(post) for post in press.posts) == sorted(uids)
    press.posts[11].content = "<p>Changed.</p>"
    lite("upstream", "poll", name)
    assert 12 == len(lite.json("item", "list"))
    seen = lite.json("upstream", "find", press.home, *ALLOW)
    assert name == seen["there"]
    shown = {one["uid"]: (one["fate"], one["topics"]) for one in seen["items"]}
    assert {press.guid(post): ("unchanged", ["policy"]) for post in press.posts[2:]} == shown


def test_an_export_then_a_poll_makes_no_double(lite: InProcess, press: Press, tmp_path: Path) -> None:
    """feeds:I15 — import export.xml, then read the same site's feed: the same items."""
    press.posts += [Post(13, status="draft", title="Half-baked"), Post(14, kind="page", title="About us")]
    file = tmp_path / "export.xml"
    file.write_bytes(press.export())
    lite("topic", "add", "policy", "Policy")
    seen = lite.json("item", "import", str(file), "--topics", "policy", "--dry-run", code=4)
    assert [] == lite.json("item", "list")
    done = lite.json("item", "import", str(file), "--topics", "policy", code=4)
    assert seen == done
    assert 12 == len(done["items"])
    assert [("Half-baked", True)] == [(one["title"], "draft" in one["why"]) for one in done["refused"]]
    lite("upstream", "add", "press", press.url("feed/"), "--relation", "own", "--topics", "policy", *ALLOW)
    lite("upstream", "poll", "press")
    assert 12 == len(lite.json("item", "list"))
    pages = lite.json("item", "import", str(file), "--pages", code=4)
    assert "About us" in [one["title"] for one in pages["items"]]


def test_a_catalogue_filed_as_an_upstream_is_that_upstreams(room: InProcess, press: Press) -> None:
    """feeds:I15 — a partner's catalogue by its upstream's topics and rules; its poll then knows every item."""
    room("topic", "add", "events", "Events")
    room("upstream", "add", "partner", press.url("feed/"), "--topics", "policy", *ALLOW)
    room("upstream", "rules", "partner", "-", stdin='[[rules]]\ncategory = "events*"\ntopics = ["events"]\n')
    done = room.json("item", "import", press.home, "--upstream", "partner")
    topics = {one["title"]: one["topics"] for one in done["items"]}
    assert (12, ["policy"], ["policy", "events"]) == (len(topics), topics["Post 1"], topics["Post 12"])
    room("upstream", "poll", "partner")
    uids = {item["uid"] for item in room.json("item", "list")}
    assert {press.guid(post) for post in press.posts} == uids
    assert 5 == room.try_("item", "import", press.home, "--upstream", "nobody").code


def test_an_export_that_breaks_off_says_so(room: InProcess, press: Press, tmp_path: Path) -> None:
    """delivery-and-security:X5 — what is whole comes in."""
    file = tmp_path / "export.xml"
    body = press.export()
    file.write_bytes(body[: body.rindex(b"<item>") + 40])
    said = room.try_("item", "import", str(file))
    assert 0 == said.code
    assert "breaks off" in said.err
    assert 11 == len(room.json("item", "list"))


def test_what_the_gate_refuses_spoils_nothing_around_it(
    room: InProcess, press: Press, tmp_path: Path
) -> None:
    """delivery-and-security:X4 — one item for which the gate refuses its whole piece is named; the others come in."""
    press.posts[5].title = "endless " * 550_000
    file = tmp_path / "export.xml"
    file.write_bytes(press.export())
    done = room.json("item", "import", str(file), "--dry-run", code=4)
    assert sorted(f"Post {n}" for n in range(1, 13) if n != 6) == sorted(
        one["title"] for one in done["items"]
    )
    (refused,) = done["refused"]
    assert "MiB" in refused["why"]


def test_a_site_that_asks_for_patience_keeps_what_was_read(room: InProcess, press: Press) -> None:
    """feeds:I6 — exit 75 in the middle of a catalogue; what was taken is said and stays, the rest comes next time."""
    press.fill(103)

    def busy_later(query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if int(query["offset"]) >= 100:
            return 503, {"retry-after": "86400"}, b""
        del press.instead["/wp-json/wp/v2/posts"]
        try:
            return press.answer("/wp-json/wp/v2/posts", query)
        finally:
            press.instead["/wp-json/wp/v2/posts"] = busy_later

    press.instead["/wp-json/wp/v2/posts"] = busy_later
    said = room.try_("item", "import", press.home, *ALLOW, "--json")
    assert 75 == said.code
    assert "import again" in said.err
    assert 100 == len(room.json("item", "list"))
    del press.instead["/wp-json/wp/v2/posts"]
    done = room.json("item", "import", press.home, *ALLOW)
    assert 3 == sum(one["fate"] == "item" for one in done["items"])
    assert 103 == len(room.json("item", "list"))


def test_a_page_that_is_no_wordpress_is_refused_as_what_it_is(room: InProcess, press: Press) -> None:
    """feeds:I11 — the words of the parser, not of the second try."""
    press.instead["/"] = lambda _query: (
        200,
        {"content-type": "text/html"},
        b"<html><title>Nothing</title></html>",
    )
    press.say("/wp-json/", b"<html>")
    said = room.try_("item", "import", press.home, *ALLOW)
    assert 2 == said.code
    assert "web page" in said.err


# -- folders ---------------------------------------------------------------------------------------------


def test_a_folder_is_added_like_any_feed(room: InProcess, tmp_path: Path) -> None:
    """DESIGN §4 — `upstream add notes file:///…`: our own without a word, polled, shown; nobody else's."""
    folder = tmp_path / "press desk"
    folder.mkdir()
    (folder / "a.md").write_text("---\ntitle: From a file\n---\nWords.\n")
    (folder / "b.md").write_text("no front matter\n")
    made = room.json("upstream", "add", "notes", f"file://{folder}", "--topics", "policy")
    assert ("own", f"file://{folder}") == (made["relation"], made["url"])
    (seen,) = room.json("upstream", "poll", "notes", "--dry-run", code=4)
    assert ["From a file"] == [one["title"] for one in seen["items"]]
    room("upstream", "poll", "notes", code=4)
    assert ["From a file"] == [item["title"] for item in room.json("item", "list")]
    assert "b.md" in room.json("upstream", "show", "notes")["fault"]
    foreign = room.try_("upstream", "add", "theirs", f"file://{folder}", "--relation", "foreign")
    assert 2 == foreign.code
    assert "--relation own" in foreign.err
    assert 2 == room.try_("upstream", "add", "bad", "file:notes").code
