"""Random newsrooms, lived through: published, edited, corrected, withdrawn, built; and what they then serve.

`newsrooms()` is a hypothesis strategy for a plan; `live(plan, url)` plays it on a real store and gives
the documents with the items that must be in them.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from syndicator import feeds, publish
from syndicator.model.item import (
    ALL,
    Author,
    Content,
    Guid,
    Item,
    Kind,
    Medium,
    Profile,
    PubDate,
    Rule,
    Source,
    Spokesperson,
    Topic,
)
from syndicator.model.markup import clean
from syndicator.model.site import MEDIA_TYPES, Format, Site
from syndicator.render import entries
from syndicator.store import Store, Tx, archives, documents, items, open_store, topics
from tests.make import NOW, FakeClock

SLUGS = ("policy", "science", "press-releases")
# Anything a person could paste, and what only a machine could: controls, lone surrogates, signs of XML.
NASTY = st.sampled_from(
    [
        "",
        "A\x00B",
        "]]>",
        "<b>",
        "&amp;",
        "a & b < c > d",
        '"quoted"',
        "\ud800",
        "\ufffe",
        "𝔘nicode 🚀",
        "\u202eabc",
    ]
)
# C1 controls are kept (P4) though the validator frowns at them, and feedparser reads them as windows-1252.
ANYTHING = st.characters(exclude_characters=[chr(code) for code in range(0x7F, 0xA0)])
_WORDS = st.one_of(
    st.text(ANYTHING, max_size=60), st.text(alphabet="abc déf -–", min_size=1, max_size=80), NASTY
)
# Plain text that quotes an HTML end tag draws a guess of the validator's (ContainsHTML), however it is written.
WORDS = _WORDS.filter(lambda text: "</" not in text)
NAMES = st.text(alphabet=st.characters(categories=["L", "N", "Zs"]), min_size=1, max_size=30).filter(
    str.strip
)
LANGUAGES = st.sampled_from(["en", "en-GB", "de", "fr", "ar"])
PATHS = st.sampled_from(["a", "b.pdf", "c/d?e=f&g", "é", "x y"])


class Step(NamedTuple):
    """What happens to the item of this number; `seconds` go by before."""

    what: Literal["publish", "edit", "correct", "withdraw", "kill", "build"]
    number: int
    content: Content
    age: int  # days
    seconds: int


@dataclass(frozen=True)
class Plan:
    """A newsroom to live through."""

    site: Site
    profiles: tuple[Profile, ...]
    steps: tuple[Step, ...]


class Expected(NamedTuple):
    """An item as every reader must see it: `published` in whole seconds since 1970."""

    id: str
    link: str
    title: str
    published: int


class Served(NamedTuple):
    """A document as it is served, and the items that must be in it, newest first.

    An archive page holds items as they were when it was closed: there only the ids are known.
    """

    path: str
    url: str
    format: Format
    body: bytes
    items: tuple[Expected, ...]
    tombstones: bool
    page: int | None = None

    @property
    def type(self) -> str:
        """Its Content-Type."""
        return MEDIA_TYPES[self.format]


def _body(text: str, path: str) -> str:
    html = (
        f'<p>{text}</p><p><a href="/{path}">here</a> <img src="https://img.example/{path}" alt="{path}"></p>'
    )
    return clean(html.encode("utf-8", "ignore").decode(), "https://news.example/")


AUTHORS = st.builds(
    Author,
    name=NAMES,
    email=st.sampled_from([None, "press@news.example"]),
    url=st.sampled_from([None, "https://news.example/people/1"]),
)
MEDIA = st.one_of(
    st.builds(
        Medium,
        url=PATHS.map(
            lambda path: f"https://media.example/{path.replace(' ', '%20').replace('é', '%C3%A9')}"
        ),
        type=st.sampled_from(["image/png", "image/jpeg", "audio/mpeg", "video/mp4", "application/pdf"]),
        length=st.integers(1, 10**9),
        title=WORDS,
        alt=WORDS,
        credit=WORDS,
        width=st.integers(0, 4000),
        height=st.integers(0, 4000),
    )
)
SOURCES = st.builds(
    Source,
    id=st.just("urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6"),
    title=NAMES,
    updated=st.just(NOW - timedelta(days=1)),
    feed_url=st.just("https://partner.example/feed.atom"),
    url=st.sampled_from([None, "https://partner.example/"]),
)
CONTENTS = st.builds(
    Content,
    title=WORDS,
    kind=st.sampled_from(Kind),
    summary=WORDS,
    body=st.builds(_body, WORDS, PATHS) | st.just(""),
    topics=st.lists(st.sampled_from(SLUGS), unique=True, max_size=3).map(tuple),
    language=st.none() | LANGUAGES,
    url=st.sampled_from([None, None, "https://elsewhere.example/1?a=b&c=d"]),
    authors=st.lists(AUTHORS, max_size=3).map(tuple),
    spokesperson=st.sampled_from([None, "jane"]),
    media=st.lists(MEDIA, max_size=3, unique_by=lambda medium: medium.url).map(tuple),
    source=st.none() | SOURCES,
    rights=WORDS,
)
SITES = st.builds(
    Site,
    title=NAMES,
    base_url=st.sampled_from(["https://news.example", "http://127.0.0.1:8000", "https://example.org/press"]),
    language=LANGUAGES,
    description=WORDS.filter(lambda text: "\n" not in text),
    rights=WORDS,
    media_contact=st.sampled_from([None, "press@news.example"]),
    hubs=st.sampled_from(
        [(), ("https://hub.example/",), ("https://hub.example/", "https://hub2.example/x?y=z")]
    ),
    window=st.integers(1, 6),
    icon=st.sampled_from(["", "https://news.example/icon.png"]),
    logo=st.sampled_from(["", "https://news.example/logo.png"]),
    stylesheet=st.booleans(),
)
STEPS = st.builds(
    Step,
    what=st.sampled_from(["publish", "publish", "publish", "edit", "correct", "withdraw", "kill", "build"]),
    number=st.integers(0, 30),
    content=CONTENTS,
    age=st.sampled_from([0, 0, 0, 1, 400, 4000]),
    seconds=st.sampled_from([0, 0, 1, 3600]),
)


def newsrooms() -> st.SearchStrategy[Plan]:
    """Plans of up to 30 steps."""
    profiles = st.builds(Profile, full_text=st.booleans(), pub_date=st.sampled_from(PubDate))
    return st.builds(
        Plan,
        site=SITES,
        profiles=st.tuples(profiles, profiles, profiles),
        steps=st.lists(STEPS, min_size=6, max_size=30).map(tuple),
    )


def live(plan: Plan, url: str) -> list[Served]:
    """Play the plan on the migrated, empty store at `url`; what it serves in the end."""
    clock = FakeClock(NOW)
    with open_store(url, host_clock=clock, fixed_clock=clock) as store:
        with store.begin() as tx:
            _found(tx, plan)
        uids: list[str] = []
        for step in plan.steps:
            clock.advance(seconds=step.seconds)
            if step.what == "build":
                feeds.rebuild_stale(store, plan.site)
            else:
                with store.begin() as tx:
                    _play(tx, step, uids)
        for _ in range(3):  # what changed twice within a second is built in the next
            feeds.rebuild_stale(store, plan.site)
            clock.advance(seconds=1)
        return list(_served(store, plan.site))


def _found(tx: Tx, plan: Plan) -> None:
    topic = Topic(slug=ALL, title="All", uid="tag:news.example,2026:topic:all", created=NOW, rule=Rule())
    topics.add(tx, topic)
    for slug, profile in zip(SLUGS, plan.profiles, strict=True):
        uid = f"tag:news.example,2026:topic:{slug}"
        topics.add(tx, Topic(slug=slug, title=slug.title(), uid=uid, created=NOW, profile=profile))
    items.save_spokesperson(
        tx, Spokesperson(slug="jane", name="Jane Roe", mail="jane@news.example", hours="9–17")
    )


def _play(tx: Tx, step: Step, uids: list[str]) -> None:
    if step.what == "publish":
        uid = f"tag:news.example,2026:{len(uids)}"
        guid = (
            Guid(value=f"https://old.example/?p={len(uids)}", permalink=False)
            if step.number % 5 == 0
            else None
        )
        publish.publish(
            tx, uid, replace(step.content, guid=guid), published=tx.now - timedelta(days=step.age)
        )
        uids.append(uid)
        return
    live = [uid for uid in uids if items.named(tx, uid).live]
    if not live:
        return
    uid = live[step.number % len(live)]
    match step.what:
        case "edit":
            publish.edit(tx, uid, step.content)
        case "correct":
            changed = replace(step.content, title=f"{step.content.title} {tx.now.microsecond}{step.number}")
            if changed != items.named(tx, uid).content:
                publish.correct(tx, uid, changed, f"Mended: {step.content.summary or 'a figure'}"[:80] or "x")
        case "withdraw" | "kill":
            publish.withdraw(tx, uid, "It was wrong", kill=step.what == "kill")


def _served(store: Store, site: Site) -> Iterator[Served]:
    with store.read() as tx:
        for topic in topics.listing(tx):
            for page in range(1, topic.pages + 1):
                yield from _archive(tx, topic, site, page)
        for known in documents.validators(tx):
            bodies = documents.bodies(tx, known.topic, known.format)
            topic = topics.named(tx, known.topic)
            assert bodies is not None
            keys = topics.newest(tx, topic.id, site.window)
            inside = items.in_order(items.many(tx, keys), keys)
            gone = bool(topics.withdrawn(tx, topic.id, None, 1))
            url = site.feed_url(known.topic, known.format)
            expected = tuple(_expected(inside, site, known.format, topic.profile))
            yield Served(url.removeprefix(site.base_url), url, known.format, bodies.body, expected, gone)


def _archive(tx: Tx, topic: Topic, site: Site, page: int) -> Iterator[Served]:
    placed = archives.contents(tx, topic.id, page)
    standing = [one for one in placed if one.gone is None]
    found = items.in_order(items.many(tx, keys := [one.item_id for one in standing]), keys)
    for format, stored in archives.documents_of(tx, topic.id, page).items():
        url = site.archive_url(topic.slug, page, format)
        expected = tuple(_expected(found, site, format, topic.profile))
        body = gzip.decompress(stored.gzip)
        yield Served(
            url.removeprefix(site.base_url), url, format, body, expected, len(standing) < len(placed), page
        )


def _expected(inside: Sequence[Item], site: Site, format: Format, profile: Profile) -> Iterator[Expected]:
    for item in inside:
        try:
            view = entries.entry(item, site, {}, None)
        except entries.RenderFault:
            continue  # without any words: left out of feeds, and named in the log
        guid = item.content.guid
        id = guid.value if guid and format is Format.RSS else item.uid
        link = item.content.url or site.item_url(item.slug)
        moved = format is Format.RSS and profile.pub_date is PubDate.UPDATED
        yield Expected(id, link, view.title, int((item.updated if moved else item.published).timestamp()))
