"""One new entry in a feed of 50: what rendering anew costs, beside feedgen building the whole feed.

`python -m bench.render` prints wall and CPU time per rebuild and the ratio to feedgen's own way
(50 FeedEntry objects, `atom_str`). The goal of DESIGN §8 is 0.10, compression apart. The peer is
feedgen as it comes, without our extensions and with the same fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from feedgen.feed import FeedGenerator
from rich.console import Console
from rich.table import Table

from syndicator.model.item import Author, Content, Item, ItemState, Medium, Topic
from syndicator.model.site import Format, Site
from syndicator.render import documents, entries

GOAL = 0.10  # of feedgen's time, DESIGN §8
ROUNDS = 15
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


def items(count: int) -> list[Item]:
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
        for n in range(count)
        for moment in (START + timedelta(hours=count - n),)
    ]


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
        fill(feed.add_entry(order="append"), item)
    return bytes(feed.atom_str() if format is Format.ATOM else feed.rss_str())


def fill(entry: Any, item: Item) -> None:
    """One item in feedgen's words."""
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


def rendered(item: Item, format: Format) -> bytes:
    """One item from the model to its fragment, its key included."""
    made = entries.entry(item, SITE, TITLES, None)
    entries.key(made, format)
    return entries.fragment(made, format)


def joined(given: list[Item], format: Format, fragments: list[bytes]) -> bytes:
    """The document of these fragments."""
    head = documents.head(TOPIC, SITE, format, [item.updated for item in given])
    return documents.document(head, fragments)


def one_new(given: list[Item], format: Format, kept: list[bytes]) -> bytes:
    """The rebuild when the flow knows which items changed: one entry, one head, one join."""
    return joined(given, format, [rendered(given[0], format), *kept[1:]])


def keys_asked(given: list[Item], format: Format, known: dict[str, bytes]) -> bytes:
    """The rebuild when every item is asked for its key first: nothing is trusted but the content."""
    made = [entries.entry(item, SITE, TITLES, None) for item in given]
    newest = entries.fragment(made[0], format)
    return joined(given, format, [newest, *(known[entries.key(one, format)] for one in made[1:])])


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
    """What is measured, the peer first, the figure with a goal second."""
    kept = [rendered(item, format) for item in given]
    keys = [entries.key(entries.entry(item, SITE, TITLES, None), format) for item in given]
    known = dict(zip(keys, kept, strict=True))
    body = joined(given, format, kept)
    return {
        "feedgen, build and print": lambda: by_feedgen(given, format),
        "one new entry": lambda: one_new(given, format, kept),
        "one new entry, all keys asked": lambda: keys_asked(given, format, known),
        "one entry alone": lambda: rendered(given[0], format),
        "head and join alone": lambda: joined(given, format, kept),
        "pack (hash and gzip)": lambda: documents.pack(body),
    }


def measure(count: int, format: Format) -> tuple[Table, bool]:
    """The table of one format and size, and whether the goal is reached."""
    table = Table("way", "wall µs", "CPU µs", "CPU ratio", title=f"{format.upper()}, {count} entries")
    measured = ways(items(count), format)
    spans = quickest(measured.values(), 20 if count <= 50 else 3)
    ratios = [cpu / spans[0][1] for _, cpu in spans]
    for name, (wall, cpu), ratio in zip(measured, spans, ratios, strict=True):
        table.add_row(name, f"{wall * 1e6:.0f}", f"{cpu * 1e6:.0f}", f"{ratio:.3f}")
    return table, ratios[1] <= GOAL


def main() -> None:
    """Print the tables; exit 1 when the goal for 50 entries is missed."""
    console = Console(width=100)
    reached = []
    for count in (50, 1000):
        for format in Format:
            table, good = measure(count, format)
            console.print(table)
            reached.append(good)
    console.print(f"goal {GOAL} of feedgen after one new entry: {'reached' if all(reached) else 'MISSED'}")
    raise SystemExit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
