"""A list of feeds taken as upstreams, and ours given away as one: OPML in and out (feeds:I27).

Reading a list is `ingest.sources.opml`. Here a feed gets a name, and what is read already is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from syndicator.ingest.sources.opml import Outline, Subscriptions
from syndicator.model.item import slug_for
from syndicator.model.markup import strip_illegal
from syndicator.model.upstream import Upstream, is_folder
from syndicator.store import Store, Tx
from syndicator.store.upstreams import lists
from syndicator.store.upstreams.lists import Listed

GROUP = 500  # upstreams in one transaction: others want to write, too
LONGEST = 56  # characters of a slug before its number
LONGEST_ADDRESS = 4_000


@dataclass(slots=True)
class Taken:
    """What a list brought: upstreams that are new (slug and feed), addresses that were there, and those refused."""

    added: list[tuple[str, Outline]] = field(default_factory=list)
    there: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def take(store: Store, found: Subscriptions, like: Upstream, *, dry_run: bool = False) -> Taken:
    """Make an upstream `like` this one of each feed in a list whose address is not there yet, in short transactions.

    Raises NotFound for an unknown topic, and Conflict where somebody else takes the same list.
    """
    taken = Taken(refused=[(url, "it is no address of the web") for url in found.refused])
    with store.read() as tx:
        ours = list(lists.listed(tx))
    names = Names({one.slug for one in ours})
    known = {place_of(one.url): one.slug for one in ours}
    for outline in found.feeds:
        if len(outline.url) > LONGEST_ADDRESS:
            taken.refused.append((outline.url[:200], f"it is longer than {LONGEST_ADDRESS} characters"))
        elif slug := known.get(place_of(outline.url)):
            taken.there.append((slug, outline.url))
        else:
            slug = known[place_of(outline.url)] = names.free(outline)
            taken.added.append((slug, outline))
    if not dry_run:
        _add(store, taken, like)
    return taken


def document(title: str, upstreams: Iterable[Listed]) -> Iterator[str]:
    """Upstreams as lines of OPML 2.0, which every reader imports; folders lie on no web and are left out."""
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<opml version="2.0">\n<head><title>{escape(_line(title))}</title></head>\n<body>'
    for one in upstreams:
        if not is_folder(one.url):
            said = {"text": one.slug, "title": one.slug, "type": "rss", "xmlUrl": one.url}
            said |= {"htmlUrl": one.page} if one.page else {}
            yield f"<outline {' '.join(f'{key}={quoteattr(_line(value))}' for key, value in said.items())}/>"
    yield "</body>\n</opml>"


def _add(store: Store, taken: Taken, like: Upstream) -> None:
    for start in range(0, len(taken.added), GROUP):
        group = taken.added[start : start + GROUP]
        with store.begin() as tx:
            lists.add_all(tx, [replace(like, slug=slug, url=one.url, created=tx.now) for slug, one in group])


@dataclass(slots=True)
class Names:
    """Gives slugs that no upstream has, made of titles; `next_` saves counting up for each of 100,000 namesakes."""

    taken: set[str]
    next_: dict[str, int] = field(default_factory=dict)

    def free(self, outline: Outline) -> str:
        titled = "" if outline.title == outline.url else outline.title[:500]
        host = (urlsplit(outline.url).hostname or "feed").removeprefix("www.")
        name = slug_for(titled or host)
        name = (slug_for(host) if name == "item" else name)[:LONGEST].strip("-")
        slug, number = name, self.next_.get(name, 2)
        while slug in self.taken:
            slug, number = f"{name}-{number}", number + 1
        self.next_[name] = number
        self.taken.add(slug)
        return slug


def reader_of(tx: Tx, url: str) -> str | None:
    """The slug of the upstream that reads this feed already."""
    place = place_of(url)
    return next((one.slug for one in lists.listed(tx) if place_of(one.url) == place), None)


def place_of(url: str) -> str:
    """What makes two addresses the same feed: http and https are, and so is a host in other letters."""
    parts = urlsplit(url)
    return f"{parts.netloc.lower()}{parts.path or '/'}?{parts.query}"


def _line(text: str) -> str:
    return " ".join(strip_illegal(text).split())
