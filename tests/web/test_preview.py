"""Previews: the very bytes that will be public but for the mark, behind a link that ends by itself."""

import re
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from syndicator import feeds, publish
from syndicator.delivery.mail import Desk, Links, MailRoad
from syndicator.model.item import Content, Medium, Spokesperson
from syndicator.model.release import Embargo, Release, ReleaseState
from syndicator.model.site import Format
from syndicator.press import preview
from syndicator.render.mail import Sender
from syndicator.store import Store, Tx, documents, items, media, press_links, releases, schema
from syndicator.store.media import Cabinet
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription, make_try
from tests.web.served import SITE, TOKENS, running

# What is rendered hangs on no database.
pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
NINE = NOW + timedelta(hours=1)
NAME = "0123456789abcdefghijklmnopqrstuv.png"
PICTURE = b"\x89PNG\r\n\x1a\n and so on"
SENDER = Sender(address="press@news.example", name="Society")
FORMS = (
    "page.html mail.html mail.txt mail.eml advance.html advance.txt advance.eml atom.xml rss.xml feed.json"
)


def words(**other: Any) -> Content:
    """A press release with everything that shows."""
    url = SITE.url(f"/media/{NAME}")
    medium = Medium(url=url, type="image/png", length=len(PICTURE), alt="A map", digest="")
    given: dict[str, Any] = {
        "kicker": "Water",
        "dek": "Ten years on",
        "summary": "In short.",
        "body": f'<p>Words <a href="https://x.example/">elsewhere</a> <img src="{url}" alt="A map"></p>',
        "topics": ("policy",),
        "spokesperson": "ana",
        "media": (medium,),
        **other,
    }
    return make_content("Limits & tides", **given)


def drafted(store: Store, content: Content) -> Release:
    """A release that goes out at nine."""
    make_newsroom(store)
    with store.begin() as tx:
        items.save_spokesperson(tx, Spokesperson(slug="ana", name="Ana Silva", phone="+44 20 1234"))
        embargo = Embargo(until=NINE)
        return releases.add(tx, "tag:x:r", content, state=ReleaseState.SCHEDULED, embargo=embargo, at=NINE)


def forms(tx: Tx, release: Release) -> dict[str, bytes]:
    """Mails and feeds of its latest version."""
    version = releases.version(tx, release.id, release.version)
    return preview.files(tx, release, version, preview.House(SITE, SENDER))


def unmarked(data: bytes) -> bytes:
    """Without what says that it is a preview."""
    return data.replace(preview.MARK.encode(), b"")


def plain(text: str) -> list[str]:
    """The words of a part, without the line under the headline, which is as long as that."""
    return [word for word in text.split() if not re.fullmatch("[-=]+", word)]


def path(release: Release, rest: str = "", number: int = 1, ends: timedelta = timedelta(days=7)) -> str:
    """What the link leads to."""
    return f"/press/{TOKENS.preview_token(release.id, number, NOW + ends)}/{rest}"


def article(page: str) -> str:
    """An item's page between masthead and footer."""
    found = re.search(r"<article.*</article>", page, re.DOTALL)
    assert found
    return found[0]


def test_feeds_and_mail_are_those_that_go_out(store: Store, clock: FakeClock) -> None:
    """mail:MC1 a preview differs from the feeds and the letter of the release by its mark alone."""
    release = drafted(store, words())
    with store.read() as tx:
        seen = forms(tx, release)
    clock.now = NINE
    with store.begin() as tx:
        row = make_subscription(tx)
        item = publish.publish(tx, release.uid, release.content)
        links = Links(
            confirm=str, preferences=lambda *_: SITE.url("/media-list"), unsubscribe=lambda _: SITE.url("/media-list"),
            press=lambda *_: "", letter=lambda _: "",
        )  # fmt: skip
        desk = Desk(site=SITE, sender=SENDER, key=b"k" * 32, links=links)
        attempt = make_try(
            address=SENDER.address,
            name="Preview",
            item_id=item.id,
            recipient=f"contact/{row.contact_id}",
            subscription_id=row.id,
            planned=NINE,
        )
        (letter,) = MailRoad(desk, lambda: pytest.fail("nothing is sent")).prepare(tx, [attempt])
    feeds.rebuild_stale(store, SITE)
    with store.read() as tx:
        for format, name in preview.FEEDS.items():
            public = documents.bodies(tx, "all", format)
            assert public
            assert preview.MARK.encode() in seen[name]
            assert public.body == unmarked(seen[name])
    assert {Format.ATOM, Format.RSS, Format.JSON} == set(preview.FEEDS)
    sent = message_from_bytes(letter.load.message, _class=EmailMessage, policy=policy.default)
    assert f"{preview.MARK}{sent['subject']}".encode() in seen["mail.eml"]
    for kind, name in (("plain", "mail.txt"), ("html", "mail.html")):
        part = sent.get_body((kind,))
        assert part
        assert preview.MARK.encode() in seen[name]
        assert plain(part.get_content()) == plain(unmarked(seen[name]).decode())


def test_the_page_is_the_one_that_goes_out(store: Store, clock: FakeClock) -> None:
    """security:E2 the previewed page differs from the public one by banner and date; it is not kept, found or framed elsewhere."""
    release = drafted(store, words())
    with running(store, sender=SENDER) as web:
        seen = web.ask(path(release, "page.html"))
        assert "Preview of version 1: not public" in seen.text
        assert "<title>PREVIEW: Limits &amp; tides" in seen.text
        clock.now = NINE
        with store.begin() as tx:
            item = publish.publish(tx, release.uid, release.content)
        public = web.ask(f"/items/{item.slug}")
        shown = article(seen.text).replace("To be published", "Published")
        known = re.sub(
            r'<section class="card" aria-labelledby="topics">.*?</section>',
            "",
            article(public.text),
            flags=re.DOTALL,
        )
        assert known.split() == shown.split()
        assert "canonical" in public.text
        assert "canonical" not in seen.text
    assert (
        "frame-ancestors 'self'; style-src 'self'; img-src 'self'; sandbox"
        in seen.headers["content-security-policy"]
    )
    assert ("private, no-store", "noindex, nofollow", "no-referrer") == tuple(
        seen.headers[name] for name in ("cache-control", "x-robots-tag", "referrer-policy")
    )


@pytest.fixture
def kept(tmp_path: Path) -> Cabinet:
    """Where the picture is."""
    return Cabinet(tmp_path / "media", 1_000_000)


def with_picture(store: Store, cabinet: Cabinet) -> Release:
    """A release whose picture is ours."""
    digest = cabinet.put(PICTURE)
    content = words()
    release = drafted(store, replace(content, media=(replace(content.media[0], digest=digest),)))
    with store.begin() as tx:
        media.take(tx, digest, NAME, type="image/png", length=len(PICTURE))
        media.use(tx, [digest], release.uid)
    return release


def test_every_form_is_behind_the_link(store: Store, kept: Cabinet) -> None:
    """security:H5 one page leads to all forms; mail and page are shut in frames, feeds are text, pictures come along."""
    release = with_picture(store, kept)
    with store.read() as tx:
        before = [tx.connection.execute(select(table)).all() for table in schema.metadata.sorted_tables]
    with running(store, sender=SENDER, cabinet=kept) as web:
        index = web.ask(path(release))
        assert 200 == index.status
        named = re.findall(r'<a href="/press/[^/]+/([a-z]+\.[a-z]+)">', index.text)
        assert FORMS.split() == named
        assert 3 == index.text.count("<iframe sandbox src=")
        own = path(release, f"media/{NAME}")
        types = {"html": "text/html; charset=utf-8", "eml": "message/rfc822"}
        for name in named:
            reply = web.ask(path(release, name))
            ending = name.rpartition(".")[2]
            assert (200, types.get(ending, "text/plain; charset=utf-8")) == (
                reply.status,
                reply.headers["content-type"],
            )
            assert (ending == "html") == ("; sandbox" in reply.headers["content-security-policy"])
            assert "private, no-store" == reply.headers["cache-control"]
            assert "PREVIEW" in reply.text
        for name in ("page.html", "mail.html"):
            assert own in web.ask(path(release, name)).text
        assert SITE.url(f"/media/{NAME}") not in web.ask(path(release, "page.html")).text
        assert (200, PICTURE) == (web.ask(own).status, web.ask(own).body)
    with store.read() as tx:
        assert before == [
            tx.connection.execute(select(table)).all() for table in schema.metadata.sorted_tables
        ]


def test_a_preview_ends_by_itself(store: Store, clock: FakeClock, kept: Cabinet) -> None:
    """security:E2 over, forged, of no version, of another kind: the answer of an address nobody ever had."""
    release = with_picture(store, kept)
    hour = timedelta(hours=1)
    rests = ("", "page.html", "mail.eml", "feed.json", f"media/{NAME}")
    with running(store, sender=SENDER, cabinet=kept) as web, running(store) as bare:
        nothing = web.ask("/press/x/")
        plain = web.ask("/items/x").body
        assert {200} == {web.ask(path(release, rest, ends=hour)).status for rest in rests}
        assert 404 == bare.ask(path(release)).status  # nobody said who mail is from
        wrong = [path(release, "other.html"), path(release, "embargo.ics"), path(release, number=2)]
        wrong += [path(release, "media/x.png"), path(release)[:-3] + "AA/"]
        clock.advance(hours=1)
        wrong += [path(release, rest, ends=hour) for rest in rests]
        for address in wrong:
            reply = web.ask(address)
            assert (404, plain, nothing.headers["cache-control"]) == (
                reply.status,
                reply.body,
                reply.headers["cache-control"],
            ), address


def test_a_preview_is_revoked(store: Store, kept: Cabinet) -> None:
    """security:E2 links that were shown around lead nowhere once revoked, on every form of them; a new one is good."""
    release = with_picture(store, kept)
    rests = ("", "page.html", "mail.txt", f"media/{NAME}")
    with running(store, sender=SENDER, cabinet=kept) as web:
        nobody = web.ask("/press/x/").body
        for generation in (1, 2):
            with store.begin() as tx:
                press_links.void_previews(tx, release.id)
            token = TOKENS.preview_token(release.id, 1, NOW + timedelta(days=1), generation)
            assert [(404, nobody)] * 4 == [
                (one.status, one.body) for one in (web.ask(path(release, rest)) for rest in rests)
            ]
            assert {200} == {web.ask(f"/press/{token}/{rest}").status for rest in rests}


def test_a_redacted_draft_has_no_preview(store: Store, kept: Cabinet) -> None:
    """security:E2 a link that was shown around leads nowhere once the draft is redacted."""
    release = with_picture(store, kept)
    rests = ("", "page.html", "mail.txt", f"media/{NAME}")
    with running(store, sender=SENDER, cabinet=kept) as web:
        assert {200} == {web.ask(path(release, rest)).status for rest in rests}
        with store.begin() as tx:
            publish.redact(tx, release.uid)
        assert {404} == {web.ask(path(release, rest)).status for rest in rests}


@pytest.mark.parametrize("kill", [False, True])
def test_what_was_taken_back_has_no_preview(store: Store, kept: Cabinet, *, kill: bool) -> None:
    """mail:EM5: a link sent around before shows nothing any more of an item that was withdrawn or killed."""
    release = drafted(store, words())
    path = f"/press/{TOKENS.preview_token(release.id, 1, NOW + timedelta(days=7))}"
    with store.begin() as tx:
        publish.publish(tx, release.uid, words())
        releases.save(tx, replace(release, state=ReleaseState.RELEASED))
    with running(store, tokens=TOKENS, sender=SENDER, cabinet=kept) as site:
        assert 200 == site.ask(f"{path}/page.html").status
        with store.begin() as tx:
            publish.withdraw(tx, release.uid, "libel", kill=kill)
        asked = [site.ask(f"{path}/{name}") for name in ("", *FORMS.split(), f"media/{NAME}")]
    assert {404} == {one.status for one in asked}


def test_an_older_version_says_so(store: Store) -> None:
    """security:E2 the link shows the version it was made for, whatever is drafted since."""
    release = drafted(store, words())
    with store.begin() as tx:
        releases.save(
            tx, replace(release, version=2, content=words(body="<p>New text.</p>"), state=ReleaseState.DRAFT)
        )
    with running(store, sender=SENDER) as web:
        old, new = (web.ask(path(release, "page.html", number)).text for number in (1, 2))
    assert "version 1, which is not the latest: not public" in old
    assert ("elsewhere" in old, "New text." in old) == (True, False)
    assert "Preview of version 2: not public" in new


def test_what_cannot_go_out_says_why(store: Store) -> None:
    """An editor reads in the preview what would stop the release itself."""
    release = drafted(store, make_content("", body="", summary=""))
    with running(store, sender=SENDER) as web:
        index = web.ask(path(release))
        assert 200 == index.status
        assert "It cannot go out as it is" in index.text
        assert "it has neither title nor text" in index.text
        assert 404 == web.ask(path(release, "atom.xml")).status


def test_no_instant_is_invented(store: Store) -> None:
    """peers:10 where nobody has said when, page and mail say so in words; an embargo gives an instant."""
    release = drafted(store, words())
    with store.begin() as tx:
        open_ = releases.add(tx, "tag:x:open", words())
        made, held = forms(tx, open_), forms(tx, release)
    for name in ("mail.txt", "mail.html"):
        assert b"To be published once it is released" in made[name]

        assert b"once it is released" not in held[name]
    with running(store, sender=SENDER) as web:
        shown = article(web.ask(path(open_, "page.html")).text)
        assert "To be published once it is released" in shown
        assert f"March {NOW.year}" not in shown
        assert f"March {NOW.year}" in article(web.ask(path(release, "page.html")).text)
