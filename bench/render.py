"""Rendering: a feed after one new entry, beside feedgen, Django's feedgenerator and plain concatenation.

`python -m bench.render` also shows what a publish costs with a thousand, a hundred thousand and a million
items in the store, and how long ten thousand stale topics take. Ratios and CPU µs count: on a machine
others use as well wall time is theirs, too. The peers are as they come, with the same fields; a goal of
DESIGN §8 that is missed makes it exit 1.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from feedgen.feed import FeedGenerator
from rich.console import Console
from rich.table import Table

from bench import _newsroom
from bench._peers import installed
from syndicator.model.item import Author, Content, Item, ItemState, Medium, Topic
from syndicator.model.site import Format, Site
from syndicator.render import documents, entries

GOAL = 0.10  # of feedgen's time for one new entry of 50, DESIGN §8
GOAL_MILLION = 1.3  # of the cost of a publish among a thousand items
GOAL_TOPICS = 5.0  # seconds until 10,000 stale topics are fresh
ROUNDS = 15
DJANGO = "django==5.2.8"
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SITE = Site(title="Society", base_url="https://news.example.org", hubs=("https://hub.example.org/",))
TITLES = {"policy": "Policy", "law": "Law"}
TOPIC = Topic(slug="policy", title="Policy", uid="tag:news.example.org,2026:policy", created=START)
AUTHOR = Author(name="Ada Lovelace", email="ada@example.org")
MEDIUM = Medium(url="https://news.example.org/media/talk.mp3", type="audio/mpeg", length=123456)
BODY = f"<p>{'Some words of a longer sentence, and a <b>mark</b>. ' * 16}</p>\n"  # 840 bytes
CONTENT = Content(
    title="A statement on the draft budget",
    summary="What the society thinks of it, in one sentence of usual length.",
    body=BODY,
    topics=("policy", "law"),
    authors=(AUTHOR,),
    media=(MEDIUM,),
)
LIMITS = """What limits each figure: after one new entry half the time goes into feedgen's and lxml's work on that one
entry, half into the head's form and joining the kept fragments; concatenation shows what is left when nothing is
checked or escaped but the text itself. Next would be to print entries without feedgen. A publish is some thirty
statements; it grows with the depth of the indexes alone. Ten thousand topics: a third is reading and writing rows
through SQLAlchemy, a sixth compression, a sixth commits; next would be one query for the windows of many topics."""


def items(number: int) -> list[Item]:
    """A feed's items, newest first."""
    first = Item(
        id=0,
        uid="tag:news.example.org,2026:0",
        slug="statement",
        state=ItemState.LIVE,
        revision=1,
        published=START,
        updated=START,
        content=CONTENT,
    )
    return [
        replace(first, id=n, uid=f"tag:news.example.org,2026:{n}", published=moment, updated=moment)
        for n in range(number)
        for moment in (START + timedelta(hours=number - n),)
    ]


# -- peers -----------------------------------------------------------------------------------------------


def by_feedgen(given: list[Item], format: Format) -> bytes:
    """The whole feed as users of feedgen build it."""
    feed = FeedGenerator()
    feed.id(TOPIC.uid)
    feed.title(TOPIC.title)
    feed.subtitle(TOPIC.title)
    feed.language(SITE.language)
    feed.updated(given[0].updated)
    feed.link(href=SITE.feed_url("policy", format), rel="self")
    feed.link(href=SITE.topic_url("policy"), rel="alternate")
    for item in given:
        _fill(feed.add_entry(order="append"), item)
    return bytes(feed.rss_str() if format is Format.RSS else feed.atom_str())


def _fill(entry: Any, item: Item) -> None:
    entry.id(item.uid)
    entry.title(item.content.title)
    entry.link(href=SITE.item_url(item.slug))
    entry.enclosure(MEDIUM.url, str(MEDIUM.length), MEDIUM.type)
    entry.author(name=AUTHOR.name, email=AUTHOR.email)
    entry.summary(item.content.summary)
    entry.content(item.content.body, type="html")
    entry.published(item.published)
    entry.updated(item.updated)
    for slug in item.content.topics:
        entry.category(term=slug, label=TITLES[slug], scheme=SITE.url("/topics/"))


def by_django(given: list[Item], format: Format) -> bytes:
    """The whole feed as Django's syndication framework writes it."""
    from django.utils import feedgenerator

    kind = feedgenerator.Rss201rev2Feed if format is Format.RSS else feedgenerator.Atom1Feed
    feed = kind(
        title=TOPIC.title,
        link=SITE.topic_url("policy"),
        description=TOPIC.title,
        language=SITE.language,
        feed_url=SITE.feed_url("policy", format),
        feed_guid=TOPIC.uid,
    )
    for item in given:
        medium = feedgenerator.Enclosure(MEDIUM.url, str(MEDIUM.length), MEDIUM.type)
        feed.add_item(
            title=item.content.title,
            link=SITE.item_url(item.slug),
            description=item.content.body,
            author_name=AUTHOR.name,
            author_email=AUTHOR.email,
            pubdate=item.published,
            updateddate=item.updated,
            unique_id=item.uid,
            unique_id_is_permalink=False,
            categories=[TITLES[slug] for slug in item.content.topics],
            enclosures=[medium],
        )
    return bytes(feed.writeString("utf-8").encode())


def by_concatenation(given: list[Item], _format: Format) -> bytes:
    """The least there is to do: every text escaped, everything joined, nothing checked (Atom)."""
    head = f'<feed xmlns="http://www.w3.org/2005/Atom"><id>{TOPIC.uid}</id><title>{TOPIC.title}</title>'
    return "".join((head, *map(_entry, given), "</feed>")).encode()


def _entry(item: Item) -> str:
    words = item.content
    topics = "".join(f'<category term="{slug}" label="{TITLES[slug]}"/>' for slug in words.topics)
    return (
        f"<entry><id>{item.uid}</id><title>{escape(words.title)}</title><updated>{item.updated.isoformat()}</updated>"
        f"<author><name>{escape(AUTHOR.name)}</name></author>"
        f'<link rel="alternate" href="{escape(SITE.item_url(item.slug))}"/>'
        f'<link rel="enclosure" href="{escape(MEDIUM.url)}" length="{MEDIUM.length}" type="{MEDIUM.type}"/>{topics}'
        f'<summary>{escape(words.summary)}</summary><content type="html">{escape(words.body)}</content></entry>'
    )


# -- ours ------------------------------------------------------------------------------------------------


def rendered(item: Item, format: Format) -> bytes:
    """One item from the model to its fragment."""
    return entries.fragment(entries.entry(item, SITE, TITLES, None), format)


def joined(given: list[Item], format: Format, fragments: list[bytes]) -> bytes:
    """The document of these fragments."""
    head = documents.head(TOPIC, SITE, format, [item.updated for item in given], pages=1)
    return documents.document(head, fragments)


def one_new(given: list[Item], format: Format, kept: list[bytes]) -> bytes:
    """The rebuild after a publish: one entry, one head, one join, one tag."""
    body = joined(given, format, [rendered(given[0], format), *kept[1:]])
    documents.tag(body)
    return body


# -- measuring -------------------------------------------------------------------------------------------


def spent(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    return (time.perf_counter() - wall) / times, (time.process_time() - processor) / times


def quickest(works: Iterable[Callable[[], object]], times: int) -> list[tuple[float, float]]:
    """The best round of each, all ways in turn: neighbours on the machine can only add time."""
    given = list(works)
    rounds = [[spent(work, times) for work in given] for _ in range(ROUNDS)]
    return [(min(wall for wall, _ in way), min(cpu for _, cpu in way)) for way in zip(*rounds, strict=True)]


def ways(given: list[Item], format: Format) -> dict[str, Callable[[], object]]:
    """What is measured, feedgen first, the figure with a goal second."""
    kept = [rendered(item, format) for item in given]
    body = joined(given, format, kept)
    return {
        "feedgen, build and print": lambda: by_feedgen(given, format),
        "one new entry": lambda: one_new(given, format, kept),
        "Django's feedgenerator": lambda: by_django(given, format),
        "plain concatenation": lambda: by_concatenation(given, format),
        "one entry alone": lambda: rendered(given[0], format),
        "head and join alone": lambda: joined(given, format, kept),
        "pack (hash and gzip)": lambda: documents.pack(body),
    }


def measure(number: int, format: Format) -> tuple[Table, float]:
    """The table of one format and size, and our ratio to feedgen (its Atom, where it has no such format)."""
    table = Table("way", "wall µs", "CPU µs", "CPU ratio", title=f"{format.upper()}, {number} entries")
    measured = ways(items(number), format)
    spans = quickest(measured.values(), 20 if number <= 50 else 2)
    ratios = [cpu / spans[0][1] for _, cpu in spans]
    for name, (wall, cpu), ratio in zip(measured, spans, ratios, strict=True):
        table.add_row(name, f"{wall * 1e6:.0f}", f"{cpu * 1e6:.0f}", f"{ratio:.3f}")
    return table, ratios[1]


def publishing(folder: Path) -> tuple[Table, float]:
    """What one publish and its rebuild cost as the store grows; the ratio of a million to a thousand."""
    table = Table("items in the store", "publish CPU µs", "rebuild CPU µs", "ratio", title="Publish (SQLite)")
    costs: list[float] = []
    with _newsroom.opened(folder / "publish.db") as room:
        for number in (1_000, 100_000, 1_000_000):
            room.grow(number)
            publish, rebuild = zip(*(room.publish() for _ in range(60)), strict=True)
            costs.append(median(publish) + median(rebuild))
            cells = (f"{median(publish) * 1e6:.0f}", f"{median(rebuild) * 1e6:.0f}")
            table.add_row(f"{number:,}", *cells, f"{costs[-1] / costs[0]:.2f}")
    return table, costs[-1] / costs[0]


def many_topics(folder: Path, number: int = 10_000) -> tuple[Table, float]:
    """How long stale topics take; the wall seconds of the case with a goal."""
    table = Table("10,000 stale topics", "wall s", "CPU s", "CPU µs each", title="Rebuild (SQLite)")
    spans: dict[str, tuple[float, float]] = {}
    with _newsroom.opened(folder / "topics.db") as room:
        room.add_topics(number)
        room.rebuild()
        for name in ("nothing changed", "one new item in each"):
            spans[name] = min(room.rebuild_all(new=name != "nothing changed") for _ in range(3))
    for name, (wall, cpu) in spans.items():
        table.add_row(name, f"{wall:.2f}", f"{cpu:.2f}", f"{cpu / number * 1e6:.0f}")
    return table, spans["one new item in each"][0]


def main() -> None:
    """Print the tables; exit 1 when a goal is missed."""
    sys.path.append(str(installed(DJANGO)))
    console = Console(width=110)
    missed: list[str] = []
    for number in (50, 1000):
        for format in Format:
            table, ratio = measure(number, format)
            console.print(table)
            if ratio > GOAL:
                missed.append(f"{format} with {number} entries: {ratio:.3f} of feedgen, goal {GOAL}")
    with tempfile.TemporaryDirectory() as folder:
        table, ratio = publishing(Path(folder))
        console.print(table)
        if ratio > GOAL_MILLION:
            missed.append(f"publish among a million items: {ratio:.2f}, goal {GOAL_MILLION}")
        table, seconds = many_topics(Path(folder))
        console.print(table)
        if seconds > GOAL_TOPICS:
            missed.append(f"10,000 topics: {seconds:.1f} s, goal {GOAL_TOPICS}")
    console.print(LIMITS)
    console.print("\n".join(f"MISSED: {one}" for one in missed) or "all goals reached")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
