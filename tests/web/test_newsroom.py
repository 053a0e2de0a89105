"""The pages as visitors get them: what stands on them, what never does, and that every link leads somewhere."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from syndicator import feeds, publish
from syndicator import topics as flow
from syndicator.model.item import (
    Author,
    Item,
    Kind,
    Medium,
    Rule,
    Significance,
    Source,
    Spokesperson,
    Topic,
)
from syndicator.model.site import Format, feed_path
from syndicator.store import Store, items, topics
from tests.make import NOW, FakeClock
from tests.web.served import (
    SITE,
    Reply,
    Running,
    add_item,
    add_topic,
    lasting_store,
    running,
    save_document,
    site,
)

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


class Page(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(reply.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of every such tag."""
        return [seen for name, seen in self.tags if name == tag and wanted.items() <= seen.items()]


def add_people(store: Store) -> None:
    """Whom to ask, with somebody standing in."""
    first = Spokesperson(
        slug="ada", name="Ada Example", role="Policy", phone="+44 (0)20 7946 0018", mail="ada@news.example",
        hours="9 to 5", zone="Europe/London", stand_in="ben",
    )  # fmt: skip
    with store.begin() as tx:
        items.save_spokesperson(tx, first)
        items.save_spokesperson(tx, Spokesperson(slug="ben", name="Ben Sample", mail="ben@news.example"))


def add_everything(store: Store) -> Item:
    """An item with everything."""
    add_people(store)
    return add_item(
        store, "Joint letter", kind=Kind.STATEMENT, summary="Short words.", topics=("policy",),
        body='<h1>Inside</h1><p>Long <a href="https://elsewhere.example/">words</a>.</p>',
        authors=(Author(name="The committee", url="https://committee.example/"),), spokesperson="ada",
        media=(Medium(url="https://files.example/a.pdf", type="application/pdf", length=182_044, title="A file"),),
    )  # fmt: skip


@pytest.fixture
def item(store: Store) -> Item:
    """An item with everything."""
    return add_everything(store)


@pytest.fixture
def web(store: Store, item: Item) -> Iterator[Running]:
    """A web process over a store with one item."""
    with running(store) as web:
        yield web


@pytest.fixture(scope="module")
def lasting(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same for all tests that change nothing."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        add_everything(store)
        with running(store) as web:
            yield web


def test_an_item(web: Running) -> None:
    """operations:PW5 an item's page has its words, its dates, and whom to ask."""
    text = re.sub(r"\s+", " ", web.ask("/items/joint-letter").text)
    for words in (
        "<h1>Joint letter</h1>", "Statement", "Short words.", "The committee", "A file", "182 kB",
        '<time datetime="2026-03-02T09:00:00Z">2 March 2026, 09:00 GMT</time>', "Ada Example", "Ben Sample",
        'href="tel:+442079460018"', 'href="mailto:ada@news.example"', "9 to 5", "(London time)",
        'href="mailto:press@news.example"', 'href="/topics/policy"',
        '<link rel="canonical" href="https://news.example/items/joint-letter">',
    ):  # fmt: skip
        assert words in text


def test_an_item_has_one_media_contact(store: Store) -> None:
    """The person named for it, else the press desk: one word for both, and never both beside each other."""
    asked, plain = add_everything(store), add_item(store, "Nobody is named")
    with running(store) as web:
        for item, whom in ((asked, "Ada Example"), (plain, "press@news.example")):
            side = web.ask(f"/items/{item.slug}").text.partition("<aside")[2].partition("</aside>")[0]
            assert 1 == side.count(">Media contact</h2>")
            assert whom in side
            assert "Whom to ask" not in side


@pytest.mark.parametrize(
    "path", ["/", "/topics/policy", "/items/joint-letter", "/feeds", "/media-list", "/nope"]
)
def test_every_page_is_sound(lasting: Running, path: str) -> None:
    """operations:PW12 one h1, landmarks, a skip link that leads somewhere, a language, a title, unique ids."""
    page = Page(lasting.ask(path))
    assert [1, 1, 1, 1] == [
        len(page.all(tag)) for tag in ("h1", "main", "header" if "items" not in path else "nav", "footer")
    ]
    assert [{"lang": "en"}] == page.all("html")
    ids = [seen["id"] for _, seen in page.tags if "id" in seen]
    assert len(ids) == len(set(ids))
    assert "content" in ids
    assert page.all("a", href="#content")
    labels = [seen["aria-labelledby"] for _, seen in page.tags if "aria-labelledby" in seen]
    assert set(labels) <= set(ids)


@pytest.mark.parametrize(
    "path",
    ["/", "/topics/policy", "/items/joint-letter", "/feeds", "/media-list", "/nope", "/media-list/confirm/x"],
)
def test_autodiscovery(lasting: Running, path: str) -> None:
    """feeds:P28 every page announces each format of its topics and of everything, with titles that differ."""
    found = Page(lasting.ask(path)).all("link", rel="alternate")
    titles = [link["title"] for link in found]
    expected = {"all", "policy"} if path in {"/topics/policy", "/items/joint-letter", "/feeds"} else {"all"}
    assert {feed_path(topic, format) for topic in expected for format in Format} == {
        link["href"] for link in found
    }
    assert len(titles) == len(set(titles))
    assert ["application/atom+xml", "application/rss+xml", "application/feed+json"] == [
        link["type"] for link in found[:3]
    ]


def test_every_link_leads_somewhere(web: Running, store: Store) -> None:
    """A visitor who follows every link of ours never meets an error."""
    for topic in ("all", "policy"):
        for format in Format:
            save_document(store, b"<feed/>", topic=topic, format=format)
    web.app.catalogue.refresh()
    todo, seen = ["/"], set[str]()
    while todo:
        path = todo.pop()
        reply = web.ask(path)
        assert (path, 200) == (path, reply.status)
        seen.add(path)
        if reply.headers["content-type"].startswith("text/html"):
            links = [a.get("href") or a.get("src") or a.get("action") for _, a in Page(reply).tags]
            ours = {link.split("#")[0] for link in links if link and link.startswith("/")}
            todo += sorted(ours - seen - set(todo))
    assert {"/topics/policy", "/items/joint-letter", "/feeds/all.atom", "/media-list", "/favicon.svg"} <= seen


@pytest.mark.parametrize(
    "path",
    ["/", "/topics/policy", "/items/joint-letter", "/feeds", "/media-list", "/nope", "/media-list/confirm/x"],
)
def test_nothing_is_loaded_from_elsewhere(lasting: Running, path: str) -> None:
    """security:H4 operations:PW14 no script but a file of ours, no style of its own, no cookie, no third party."""
    reply = lasting.ask(path)
    policy = reply.headers["content-security-policy"]
    for rule in (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ):
        assert rule in policy
    assert "unsafe" not in policy
    assert "nosniff" == reply.headers["x-content-type-options"]
    assert "set-cookie" not in reply.headers
    scripted = path in ("/feeds", "/media-list")
    assert ("script-src 'self'" if scripted else "script-src 'none'") in policy
    for tag, seen in Page(reply).tags:
        assert tag not in {"style", "iframe", "object", "embed"}
        assert tag != "script" or (scripted and seen["src"].startswith("/static/"))
        assert not [name for name in seen if name == "style" or name.startswith("on")]
        loaded = (
            seen.get("src", "") if tag != "link" else seen["href"] * (seen["rel"] in {"stylesheet", "icon"})
        )
        assert not urlsplit(loaded).netloc


def test_pages_are_small(lasting: Running) -> None:
    """operations:PW15 one style sheet of at most 12 kB, and a page far below 100 kB with it."""
    page = lasting.ask("/items/joint-letter")
    (style,) = Page(page).all("link", rel="stylesheet")
    sheet = lasting.ask(style["href"])
    assert ("text/css; charset=utf-8", "public, max-age=31536000, immutable") == (
        sheet.headers["content-type"],
        sheet.headers["cache-control"],
    )
    assert len(sheet.body) < 12_000
    assert len(page.body) + len(sheet.body) < 100_000


@pytest.mark.parametrize("path", ["/", "/items/joint-letter", "/feeds", "/robots.txt", "/static/style.css"])
def test_pages_are_revalidated(lasting: Running, path: str) -> None:
    """operations:PW14 a page has a tag and a constant lifetime, and is 304 to whoever has it."""
    full = lasting.ask(path)
    again = lasting.ask(path, If_None_Match=f"W/{full.headers['etag']}")
    assert (304, b"", full.headers["etag"]) == (again.status, again.body, again.headers["etag"])
    assert full.headers["cache-control"] == again.headers["cache-control"]
    assert "max-age=" in full.headers["cache-control"]


def test_hostile_words_are_only_words(store: Store) -> None:
    """security:H3 whatever stands in any field, a page has no tag that we did not write."""
    with store.begin() as tx:
        items.save_spokesperson(
            tx,
            Spokesperson(
                slug="evil",
                name=EVIL,
                role=EVIL,
                phone=EVIL,
                mail=EVIL,
                hours=EVIL,
                zone=EVIL,
                stand_in="evil",
            ),
        )
    source = Source(id="x", title=EVIL, updated=NOW, feed_url="javascript:1", url="javascript:alert(3)")
    made = add_item(
        store, EVIL, uid="tag:evil", summary=EVIL, topics=("policy",), spokesperson="evil", language='x" onload="1',
        authors=(Author(name=EVIL, url="javascript:alert(4)", email=EVIL),), url="javascript:alert(5)", source=source,
        body=f'{EVIL}<a href="jav&#x09;ascript:alert(6)">x</a><svg onload=alert(7)><p style="x" id="content" class="card">y',
        media=(Medium(url="javascript:alert(8)", type=EVIL, length=1, title=EVIL),),
    )  # fmt: skip
    with store.begin() as tx:
        topics.edit(tx, replace(topics.named(tx, "policy"), title=EVIL))
        publish.correct(tx, made.uid, replace(made.content, summary=EVIL + "!"), EVIL)
    with running(store, site(title=EVIL, description=EVIL, rights=EVIL, media_contact=EVIL)) as web:
        for path in ("/", "/topics/policy", f"/items/{made.slug}", "/feeds", "/media-list"):
            assert_harmless(web.ask(path))
        with store.begin() as tx:
            publish.withdraw(tx, made.uid, EVIL, kill=True)
        assert_harmless(web.ask(f"/items/{made.slug}"))


def assert_harmless(reply: Reply) -> None:
    """No script, no handler, no dangerous address, and templates are not run on words."""
    assert "49" not in re.sub(r"\d{3,}|49\w", "", reply.text)
    for tag, seen in Page(reply).tags:
        assert tag not in {"svg", "iframe", "style"}
        assert tag != "script" or seen.get("src", "").startswith(("/static/copy.js?v=", "/static/zone.js?v="))
        assert not any(name.startswith("on") or name == "style" for name in seen)
        assert not any("javascript" in seen.get(name, "").lower() for name in ("href", "src", "action"))
        assert tag != "img" or seen == {"src": "https://news.example/x"}
    assert len(Page(reply).all("main", id="content")) == len(
        [s for _, s in Page(reply).tags if s.get("id") == "content"]
    )


def test_pictures_of_other_hosts_are_described(store: Store) -> None:
    """security:H4 a picture from elsewhere is not loaded; its description stands there as words."""
    body = '<p><img src="https://spy.example/p.gif" alt="A &quot;chart&quot; &lt;b&gt;"><img src="https://spy.example/q.gif"><img src="/media/own.png" alt="ours"></p>'
    add_item(store, "Pictures", body=body)
    with running(store) as web:
        reply = web.ask("/items/pictures")
    assert [{"src": "https://news.example/media/own.png", "alt": "ours"}] == Page(reply).all("img")
    assert '<span class="absent">A &#34;chart&#34; &lt;b&gt;</span>' in reply.text
    assert "spy.example" not in reply.text


def test_a_correction_stands_on_top(store: Store, clock: FakeClock) -> None:
    """operations:PW8 the dated note comes before the text."""
    made = add_item(store, "Joint letter", body="<p>Words.</p>")
    clock.advance(days=1)
    with store.begin() as tx:
        publish.correct(
            tx, made.uid, replace(made.content, body="<p>Better words.</p>"), "The words were poor."
        )
    with running(store) as web:
        text = web.ask("/items/joint-letter").text
    assert text.index("The words were poor.") < text.index("Better words.")
    assert 'Correction, <time datetime="2026-03-03T09:00:00Z">3 March 2026, 09:00 GMT</time>' in text


@pytest.mark.parametrize("kill", [False, True])
def test_what_was_withdrawn(store: Store, item: Item, clock: FakeClock, *, kill: bool) -> None:
    """operations:PW8 410 with a dated notice and the reason, without the text; off every list."""
    clock.advance(days=1)
    with store.begin() as tx:
        publish.withdraw(tx, item.uid, "It was wrong.", kill=kill)
    with running(store) as web:
        reply = web.ask("/items/joint-letter")
        assert 410 == reply.status
        assert "It was wrong." in reply.text
        assert 'Withdrawn <time datetime="2026-03-03T09:00:00Z">' in reply.text
        assert kill is ("Please do not use" in reply.text)
        assert "Long" not in reply.text
        assert "Joint letter" not in web.ask("/").text
        assert 404 == web.ask("/topics/policy").status
        assert "policy" not in web.ask("/feeds").text.lower()


def test_what_was_redacted_says_nothing(store: Store, item: Item, clock: FakeClock) -> None:
    """design:2 the old address answers 410 without a word of the item, its title or its reason; so does the new one."""
    clock.advance(days=1)
    with store.begin() as tx:
        publish.withdraw(tx, item.uid, "Because of the letter", kill=True)
        publish.redact(tx, item.uid)
        slug = items.named(tx, item.uid).slug
    with running(store) as web:
        old, new = web.ask("/items/joint-letter"), web.ask(f"/items/{slug}")
    assert (410, 410, True) == (old.status, new.status, "This item has been removed" in old.text)
    assert not any(word in old.text for word in ("letter", "Joint", "Because"))


def test_a_correction_shows_what_changed(store: Store, item: Item) -> None:
    """mail:EM4 below the note: the sentence as it was, and as it is; a silent edit afterwards leaves that standing."""
    words = replace(item.content, body="<p>It is <b>4</b> &lt;now&gt;.</p>")
    with store.begin() as tx:
        publish.correct(tx, item.uid, words, "The figure")
        publish.edit(tx, item.uid, replace(words, summary="Typo gone."))
    with running(store) as web:
        text = web.ask("/items/joint-letter").text
    assert "<h3>What changed</h3>" in text
    assert "<ins>It is 4 &lt;now&gt;.</ins>" in text
    assert "Typo gone.</ins>" not in text


def test_foreign_items_are_credited(store: Store) -> None:
    """feeds:P21, feeds:I28 an item from elsewhere names its source and its rights; its own address is canonical."""
    source = Source(
        id="tag:partner.example:feed", title="The Partner", updated=NOW,
        feed_url="https://partner.example/feed", url="https://partner.example/",
    )  # fmt: skip
    rights = "© Partner & <Sons>"
    add_item(store, "From elsewhere", source=source, url="https://partner.example/1", rights=rights)
    with running(store) as web:
        text = web.ask("/items/from-elsewhere").text
    assert '<link rel="canonical" href="https://partner.example/1">' in text
    assert 'First published by <a href="https://partner.example/">The Partner</a>' in text
    assert "© Partner &amp; &lt;Sons&gt;</p>" in text


def test_missing_pages_are_all_alike(store: Store) -> None:
    """security:E2 an unknown item, a topic without a live item and any other address: the same bytes."""
    add_topic(store, "secret-plans")
    with running(store) as web:
        replies = [
            web.ask(path) for path in ("/items/nothing", "/topics/secret-plans", "/topics/nothing", "/nope/x")
        ]
        everywhere = "".join(web.ask(path).text for path in ("/", "/feeds", "/media-list"))
    assert {404} == {reply.status for reply in replies}
    assert 1 == len({reply.body for reply in replies})
    assert 1 == len({tuple(sorted({**reply.headers, "date": ""}.items())) for reply in replies})
    assert "secret" not in everywhere.lower()


def test_ruled_topics_and_languages(store: Store) -> None:
    """A topic made by a rule has its page; an item in another language says so to screen readers."""
    with store.begin() as tx:
        topics.add(
            tx,
            Topic(
                slug="statements",
                title="Statements",
                uid="tag:st",
                created=NOW,
                rule=Rule(kinds=(Kind.STATEMENT,)),
            ),
        )
    add_item(store, "Offener Brief", kind=Kind.STATEMENT, language="de")
    with running(store) as web:
        assert "Offener Brief" in web.ask("/topics/statements").text
        assert Page(web.ask("/items/offener-brief")).all("article", lang="de")
        assert (301, "/") == ((reply := web.ask("/topics/all")).status, reply.headers["location"])


def test_dates_are_shown_in_the_newsrooms_zone(store: Store, clock: FakeClock) -> None:
    """operations:PW12 people read local time, machines UTC, whatever the season."""
    clock.now = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    add_item(store, "Late")
    with running(store) as web:
        assert (
            '<time datetime="2026-07-01T23:30:00Z">2 July 2026, 00:30 BST</time>'
            in web.ask("/items/late").text
        )
        assert '<time datetime="2026-07-01T23:30:00Z">2 July 2026</time>' in web.ask("/").text


def test_items_are_newest_first(store: Store, clock: FakeClock) -> None:
    """feeds:P13 the front page has the order of the feed."""
    for title in ("First", "Second", "Third"):
        add_item(store, title)
        clock.advance(hours=1)
    with running(store) as web:
        assert ["Third", "Second", "First"] == re.findall(
            r'<h2><a href="[^"]+">(\w+)</a></h2>', web.ask("/").text
        )


def test_an_empty_newsroom(store: Store) -> None:
    """Before anything is published every page stands."""
    with running(store, replace(SITE, media_contact=None)) as web:
        assert [200] * 3 == [web.ask(path).status for path in ("/", "/feeds", "/media-list")]
        assert "Nothing has been published yet." in web.ask("/").text


def test_pages_take_get_and_head_only(lasting: Running) -> None:
    """A page is read; HEAD has its headers without the body."""
    get, head = lasting.ask("/"), lasting.ask("/", "HEAD")
    assert ({**get.headers, "date": ""}, b"") == ({**head.headers, "date": ""}, head.body)
    assert 405 == lasting.ask("/", "POST", body=b"x").status


def test_a_silent_edit_leaves_no_note(store: Store, item: Item) -> None:
    """A silent edit leaves no trace of a correction on the page."""
    with store.begin() as tx:
        publish.edit(tx, item.uid, replace(item.content, body="<p>Typo gone.</p>"))
        assert Significance.SILENT is items.history(tx, item.id)[-1].significance
    with running(store) as web:
        text = web.ask("/items/joint-letter").text
    assert "Typo gone." in text
    assert "Correct" not in text


def test_pictures_of_an_item(store: Store) -> None:
    """feeds:P20 a picture of ours is shown with its words, its maker and its measures; one from elsewhere is named."""
    picture = Medium(
        url="https://news.example/media/a.png", type="image/png", length=1000, title="Figure 1",
        alt="A <chart>", credit="Ada & Co", width=640, height=480,
    )  # fmt: skip
    media = (picture, replace(picture, url="https://spy.example/b.png"))
    add_item(store, "Pictures", media=media)
    with running(store) as web:
        reply = web.ask("/items/pictures")
    expected = {
        "src": "https://news.example/media/a.png", "alt": "A <chart>",
        "width": "640", "height": "480", "loading": "lazy",
    }  # fmt: skip
    assert [expected] == Page(reply).all("img")
    assert re.search(r"<figcaption>Figure 1 · .*Ada &amp; Co", reply.text)
    assert [{"href": "https://spy.example/b.png"}] == Page(reply).all("a", href="https://spy.example/b.png")


# -- addresses of topics -----------------------------------------------------------------------------------


def test_a_renamed_topic(store: Store, item: Item) -> None:
    """feeds:H8 the page of a former name leads to the present one for good."""
    with store.begin() as tx:
        flow.rename(tx, "policy", "politics")
    feeds.rebuild_stale(store, SITE)
    with running(store) as web:
        reply = web.ask("/topics/policy")
        assert (301, "/topics/politics") == (reply.status, reply.headers["location"])
        assert "max-age=" in reply.headers["cache-control"]
        assert 200 == web.ask("/topics/politics").status


def test_a_closed_topic(store: Store, item: Item, clock: FakeClock) -> None:
    """feeds:H8 a topic says when it will end; from then on its page answers 410 and says so, off every list."""
    with store.begin() as tx:
        flow.close(tx, "policy", "Read <Science> instead.", timedelta(days=30))
    feeds.rebuild_stale(store, SITE)
    with running(store) as web:
        before = web.ask("/topics/policy")
        assert (200, True) == (before.status, "This topic ends" in before.text)
        assert "Read &lt;Science&gt; instead." in before.text
        clock.advance(days=30)
        after = web.ask("/topics/policy")
        assert (410, True) == (after.status, "This topic has ended" in after.text)
        assert "Read &lt;Science&gt; instead." in after.text
        lists = [
            web.ask(path).text
            for path in ("/", "/feeds", "/feeds.opml", "/sitemap.xml", "/items/joint-letter")
        ]
    assert not [text for text in lists if "/topics/policy" in text]


def test_the_end_of_what_was_never_seen(store: Store) -> None:
    """security:E2 a topic without a public item is unknown by any name, renamed, closed and merged."""
    for slug in ("secret", "closed", "here"):
        add_topic(store, slug)
    with store.begin() as tx:
        flow.rename(tx, "secret", "secret-plans", "Zyzzogeton")
        flow.close(tx, "closed", "Zyzzogeton", timedelta())
        flow.merge(tx, "here", "secret-plans")
    feeds.rebuild_stale(store, SITE)
    with running(store) as web:
        unknown = web.ask("/topics/nothing")
        for slug in ("secret", "secret-plans", "closed", "here"):
            asked = web.ask(f"/topics/{slug}")
            assert (404, unknown.body) == (asked.status, asked.body)
            assert {**unknown.headers, "date": ""} == {**asked.headers, "date": ""}


# -- icons -------------------------------------------------------------------------------------------------


def test_icons_of_the_operator(store: Store) -> None:
    """feeds:P15 the configured icon is the page's, may be loaded from where it is, and nothing else may."""
    own = site(favicon="https://cdn.example/f.png", icon="https://cdn.example/i.png")
    with running(store, own) as web:
        page = web.ask("/")
        assert [{"rel": "icon", "href": "https://cdn.example/f.png"}] == Page(page).all("link", rel="icon")
        assert Page(page).all("link", rel="apple-touch-icon", href="https://cdn.example/i.png")
        assert "img-src 'self' https://cdn.example;" in page.headers["content-security-policy"]
        assert "script-src 'none'" in page.headers["content-security-policy"]
        reply = web.ask("/favicon.ico")
    assert (302, "https://cdn.example/f.png") == (reply.status, reply.headers["location"])


@pytest.mark.parametrize("favicon", ["", "https://news.example/favicon.ico"])
def test_the_icon_of_the_house(store: Store, favicon: str) -> None:
    """Whoever asks for /favicon.ico gets a picture, and no answer that leads back to itself."""
    with running(store, site(favicon=favicon)) as web:
        reply = web.ask("/favicon.ico")
    assert (200, "image/svg+xml") == (reply.status, reply.headers["content-type"])


def test_a_press_release_with_all_its_parts(store: Store) -> None:
    """design:6: kicker, dek, whose picture it is and who stands in; a picture of the text is shown once."""
    stand_in = Spokesperson(slug="teo", name="Teo", mail="teo@news.example", hours="always")
    asked = Spokesperson(slug="ilse", name="Ilse", hours="9 to 5", zone="Europe/London", stand_in="teo")
    with store.begin() as tx:
        items.save_spokesperson(tx, stand_in)
        items.save_spokesperson(tx, asked)
    own = [
        Medium(
            url=SITE.url(f"/media/{name}.png"),
            type="image/png",
            length=9,
            alt=f"Alt {name}",
            credit=f"Credit {name}",
            licence="CC BY 4.0",
            digest=name * 64,
        )
        for name in "ab"
    ]
    item = add_item(
        store,
        "On cells",
        kicker="Research <policy>",
        dek="What it means",
        summary="Another summary",
        body=f'<p><img src="{own[0].url}" alt="Alt a"></p><blockquote><p>So.</p><p>— <cite>Ilse</cite></p></blockquote>',
        media=tuple(own),
        spokesperson="ilse",
        topics=("policy",),
    )
    with running(store) as web:
        page = Page(reply := web.ask(f"/items/{item.slug}"))
        assert [image["src"] for image in page.all("img")] == [one.url for one in own]
        assert '<span class="subject">Research &lt;policy&gt;</span>' in reply.text
        assert '<p class="lead">What it means</p>' in reply.text
        assert "Credit b · CC BY 4.0" in reply.text
        assert reply.text.count("Credit a, CC BY 4.0") == 1
        assert reply.text.index("9 to 5") < reply.text.index("In their absence") < reply.text.index("Teo")
        for path in ("/", "/topics/policy"):
            assert "Research &lt;policy&gt;" in web.ask(path).text
