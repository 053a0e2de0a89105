"""Made-up and mutilated feeds, thrown at the gate, the parser and what is made of its answers; addresses at the guard.

    python -m tests.fuzz --minutes 10 [--seed 1]

Each body depends on the seed and its number alone. A refusal in words is a good end. A fault is whatever else
ends a parse, an answer of our own child that our own side refuses, and an item that breaks a promise. Prints
the figures; exits 1 where there is a fault or something took longer than it may. A short form runs in `make test`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from syndicator.errors import Blocked, Invalid
from syndicator.ingest.entries import Parsed, incoming
from syndicator.ingest.fetch import MAX_BYTES
from syndicator.ingest.parse import DEATHS, WALL, Pool, Unreadable
from syndicator.model.incoming import Incoming
from syndicator.model.markup import clean, web_address
from syndicator.model.upstream import Relation, Upstream
from syndicator.wire.guard import Guard, check_host, literal
from tests.ingest.feeds import atom, entry, rss

SHARED = Path(os.environ.get("SYNDICATOR_SHARED") or Path(__file__).parents[2] / "shared")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
OURS = ("the parser failed", "not acceptable", "crashed", "no process")  # refusals that name a fault of ours
SIGNALS = frozenset(DEATHS.values())

TOKENS = [token.encode("utf-8", "surrogatepass") for token in (
    "<!--", "-->", "<![CDATA[", "]]>", "<?xml", "?>", "<!DOCTYPE", "<!ENTITY a 'b'>", "<!ENTITY % a 'b'>", "&a;",
    "&#x110000;", "&#55296;", "&#0;", "&amp;amp;", "&lt;script&gt;", "<", ">", "&", '"', "'", "\0", "\ufeff",
    "\ud800", "\u202e", "\u2028", "\r\n", "\x1b", "xml:base='//['", "xmlns:a='b'", "xmlns=''", "<a:b>", "</item>",
    "<item>", "<entry>", "<channel>", "</rss>", "<svg><script>", "jav&#x09;ascript:", "data:text/html,", "http://[::",
    "file:///etc/passwd", "%00", "99999999999999999999", "-1", "1e999", "NaN", "{", "}", "[", "]", ":", ",", "null",
    "true", '"items"', '"id"', "\\u0000", "\\ud800", "=?utf-8?q?=0A?=", "\U0001f4a9", "ä", "İ", "ß", "\x85",
)]  # fmt: skip
TAGS = """rss channel feed entry item title link guid id description summary content content:encoded author
dc:creator dc:date dc:subject category pubDate updated published enclosure media:content media:group media:thumbnail
itunes:image itunes:duration itunes:summary source rdf:RDF rdf:li at:deleted-entry ttl sy:updatePeriod skipHours hour
textInput image url width div xhtml:div p a img b svg math script style html body opml outline""".split()
NAMES = """href rel type src mode xml:base xml:lang isPermaLink length url scheme domain term label ref when
rdf:about rdf:resource width height duration version xmlns onclick style""".split()
SPACES = """xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:at="http://purl.org/atompub/tombstones/1.0"
xmlns:sy="http://purl.org/rss/1.0/modules/syndication/" xmlns:xhtml="http://www.w3.org/1999/xhtml" """
DATES = ["Mon, 02 Mar 2026 09:00:00 +0000", "2026-03-02T09:00:00Z", "0001-01-01", "9999-12-31T24:00:00+99:99"]
DATES += [
    "Mon, 32 Feb 26 25:61:61 PDT",
    "2026-W10",
    "1772442000",
    "yesterday",
    "2026-03-02T09:00:00.999999999-00:00",
]
HOSTS = [
    "example.org",
    "127.0.0.1",
    "0x7f.1",
    "2130706433",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "169.254.169.254",
    "a" * 300,
]
HOSTS += [
    "xn--",
    "ex ample",
    "１２７.0.0.1",
    "127。0。0。1",
    "localhost",
    "[fe80::1%eth0]",
    "8.8.8.8",
    "",
    "..",
    "0",
]
CHARSETS = ["", "utf-8", "utf-16", "utf-7", "iso-8859-1", "windows-1252", "koi8-r", "idna", "zip", "x" * 200]
TYPES = ["application/xml", "text/html", "application/feed+json", "text/plain", "", "a/b;c", '"']


@dataclass
class Figures:
    """What was thrown and what came of it; spans in seconds, memory in MB."""

    seed: int
    bodies: int = 0
    octets: int = 0
    read: int = 0
    entries: int = 0
    items: int = 0
    left_out: int = 0
    addresses: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        reasons = "\n".join(f"  {count:8,}  {why}" for why, count in self.refusals.most_common())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return (
            f"seed {self.seed}: {self.bodies:,} bodies, {self.octets / 2**20:,.0f} MiB; {self.read:,} read\n"
            f"{self.entries:,} entries: {self.items:,} items, {self.left_out:,} left out; {self.addresses:,} addresses vetted\n"
            f"{sum(self.refusals.values()):,} refusals:\n{reasons}\n"
            f"{self.deaths:,} processes died; slowest body {self.slowest[0]:.2f} s (number {self.slowest[1]:,}); "
            f"peak memory of the parent {peak:,.0f} MB; {len(self.faults)} faults"
        )


def fuzz(seed: int, enough: Callable[[Figures], bool]) -> Figures:
    """Throw one body after the other until it is enough."""
    figures = Figures(seed)
    known = seeds()
    with Pool(1) as pool:
        while not enough(figures):
            dice = random.Random(f"{seed}/{figures.bodies}")
            try:
                throw(pool, figures, body_of(dice, known), dice)
                vet(figures, dice)
            except Exception:  # noqa: BLE001 - a fault is told, and the next body is thrown
                figures.faults.append(f"body {figures.bodies}: {traceback.format_exc()}")
            figures.bodies += 1
    return figures


# -- bodies ----------------------------------------------------------------------------------------------


def seeds() -> list[bytes]:
    """Feeds to start from: ours, and the corpus where it is at hand."""
    many = [
        entry(n, description="&lt;p&gt;Words &amp;amp; <![CDATA[<b>more</b>]]>&lt;/p&gt;") for n in range(5)
    ]
    told = "<entry><id>urn:x:1</id><title type='html'>a &amp;amp; b</title><content type='xhtml'><div>x</div></content></entry>"
    item = {
        "id": 1,
        "url": "https://x.example/1",
        "content_html": "<p>x</p>",
        "date_published": DATES[1],
        "tags": ["a"],
    }
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "x", "items": [item, {"id": "2"}]}
    page = b"<!doctype html><html><head><link rel='alternate' type='application/rss+xml' href='/feed'></head></html>"
    own = [rss(*many), atom(told, told), json.dumps(feed).encode(), page]
    corpus = sorted((SHARED / "corpus" / "feeds").glob("*.*")) if SHARED.exists() else []
    return own * 10 + [path.read_bytes() for path in corpus if path.suffix in {".xml", ".json"}]


def body_of(dice: random.Random, known: list[bytes]) -> bytes:
    """A body: mostly a feed that something was done to."""
    kind = dice.random()
    if kind < 0.02:
        return dice.randbytes(dice.randrange(3_000))
    if kind < 0.06:
        return large(dice)
    made = grown(dice) if kind < 0.35 else dice.choice(known)
    for _ in range(dice.choice([0, 1, 1, 2, 4, 16, 64])):
        made = mutilated(dice, made, known)
    return made[: MAX_BYTES + 1]


def grown(dice: random.Random) -> bytes:
    """A document of the right words in any order."""
    root = dice.choice(["rss", "feed", "rdf:RDF", "channel", "html", "opml"])
    inside = "".join(branch(dice, dice.randrange(1, 7)) for _ in range(dice.randrange(8)))
    spaces = SPACES if dice.random() < 0.8 else ""
    atom = 'xmlns="http://www.w3.org/2005/Atom"' if root == "feed" and dice.random() < 0.9 else ""
    text = f"<{root} version='2.0' {spaces} {atom}>{inside}</{root}>"
    if dice.random() < 0.3:
        text = f'<?xml version="1.0" encoding="{dice.choice(CHARSETS)}"?>{text}'
    return text.encode(dice.choice(["utf-8", "utf-8", "utf-8", "utf-16", "latin-1"]), "replace")


def branch(dice: random.Random, depth: int) -> str:
    tag = dice.choice(TAGS)
    said = "".join(f' {name}="{words(dice)}"' for name in dice.sample(NAMES, dice.choice([0, 0, 1, 2, 5])))
    if depth <= 0 or dice.random() < 0.3:
        return f"<{tag}{said}>{words(dice)}</{tag}>" if dice.random() < 0.9 else f"<{tag}{said}/>"
    return f"<{tag}{said}>{''.join(branch(dice, depth - 1) for _ in range(dice.randrange(5)))}</{tag}>"


def words(dice: random.Random) -> str:
    token = dice.choice(TOKENS).decode("utf-8", "replace").translate({34: "&quot;"})
    plain = token if dice.random() < 0.1 else token.replace("&", "&amp;").replace("<", "&lt;")
    return dice.choice(
        [plain, address(dice).replace("&", "&amp;").replace("<", "&lt;"), dice.choice(DATES), "a b", ""]
    )


def large(dice: random.Random) -> bytes:
    """Much of one thing."""
    piece = dice.choice(
        [*TOKENS, b"<a>", b"<item>", b"<item/>", b"a.", b"<b c='", b" a='b'", b"<p>&lt;p&gt;", b"&lt;div&gt;"]
    )
    much = piece * min(dice.choice([100, 10_000, 300_000]), 1_500_000 // len(piece))
    where = dice.choice(
        [b"<description>", b"<author>x@", b"<title>", b"<link>", b"<pubDate>", b"<!--", b"<![CDATA[", b"<a "]
    )
    return rss(entry(title="x")).replace(b"<item>", b"<item>" + where + much, 1)


def mutilated(dice: random.Random, body: bytes, known: list[bytes]) -> bytes:
    """`body` with one thing done to it."""
    at, to = sorted(dice.randrange(len(body) + 1) for _ in range(2))
    to = min(to, at + dice.choice([1, 10, 1_000]))
    other = dice.choice(known)
    begins = dice.randrange(len(other) + 1)
    done = [
        lambda: body[:at] + dice.choice(TOKENS) + body[at:],
        lambda: body[:at] + dice.choice(TOKENS) + body[to:],
        lambda: body[:at] + body[to:],
        lambda: body[:at] + body[at:to] * dice.choice([2, 3, 200]) + body[to:],
        lambda: body[:at] + dice.randbytes(to - at) + body[to:],
        lambda: body[:at] + bytes(byte ^ (1 << dice.randrange(8)) for byte in body[at:to]) + body[to:],
        lambda: body[:at] + other[begins : begins + to - at] + body[to:],
        lambda: body[:at] if dice.random() < 0.2 else body,
        lambda: retagged(dice, body),
    ]
    return dice.choice(done)()


def retagged(dice: random.Random, body: bytes) -> bytes:
    """One name becomes another wherever it stands."""
    found = re.findall(rb"</?([A-Za-z:]{1,20})", body[:20_000])
    return body.replace(dice.choice(found), dice.choice(TAGS).encode()) if found else body


# -- what comes of them ----------------------------------------------------------------------------------


def throw(pool: Pool, figures: Figures, body: bytes, dice: random.Random) -> None:
    """Read it as the poller would, and look at each item."""
    figures.octets += len(body)
    served = (
        f"{dice.choice(TYPES)}; charset={dice.choice(CHARSETS)}"
        if dice.random() < 0.5
        else dice.choice(TYPES)
    )
    url = dice.choice([None, "https://cms.example/feeds/news.xml", address(dice)])
    began = time.monotonic()
    try:
        feed = pool.parse(body, content_type=served, url=url)
    except Unreadable as refusal:
        _refused(figures, str(refusal))
        return
    finally:
        figures.slowest = max(figures.slowest, (time.monotonic() - began, figures.bodies))
    figures.read += 1
    figures.entries += len(feed.entries)
    relation = dice.choice(list(Relation))
    upstream = Upstream(id=1, slug="x", url="https://x.example/feed", created=NOW, relation=relation)
    for thing in _items(figures, feed, upstream):
        _promised(thing)
    if feed.entries and dice.random() < 0.1:
        _unchanged(pool, body, feed, served, url)


def _refused(figures: Figures, words: str) -> None:
    figures.refusals[re.sub(r"[0-9]+:[0-9]+|<unknown>|: .*", "…", words)[:90]] += 1
    figures.deaths += words in SIGNALS or "seconds of computing" in words
    if any(fault in words for fault in OURS):
        figures.faults.append(f"body {figures.bodies}: {words}")


def _items(figures: Figures, feed: Parsed, upstream: Upstream) -> Iterable[Incoming]:
    for one in feed.entries:
        try:
            thing = incoming(one, feed, upstream, NOW)
        except Invalid:
            figures.left_out += 1
        else:
            figures.items += 1
            yield thing


def _promised(thing: Incoming) -> None:
    """What every item keeps to, wherever it stems from (security:H1, H2, X5).

    Cleaning once more may move an end tag that HTML's own rules for headings put where they are not read
    alike (one body of 2,500); after that nothing moves.
    """
    content = thing.content
    texts = [
        content.title,
        content.summary,
        content.body,
        thing.guid or "",
        *(one.name for one in content.authors),
    ]
    assert not any("\0" in text or "\ufffe" in text for text in texts), texts
    assert content.title.strip()
    assert "\n" not in content.title
    links = [content.url, *(medium.url for medium in content.media), *(one.url for one in content.authors)]
    assert all(web_address(link) == link for link in links if link), links
    again = clean(content.body)
    assert clean(again) == again, content.body
    # Only in a real tag: what is escaped is text, be it ever so wild.
    assert not re.search(r"<(?:script|style|iframe|form|input|svg)\b|<[^<>]*\son\w+=\"", content.body), (
        content.body
    )


def _unchanged(pool: Pool, body: bytes, feed: Parsed, served: str, url: str | None) -> None:
    """feeds:I16 — the same bytes again hold nothing new."""
    hashes = frozenset(entry.raw for entry in feed.entries if entry.raw)
    again = pool.parse(body, content_type=served, url=url, known=hashes)
    assert again.entries == ()
    assert set(again.unchanged) == hashes


# -- addresses -------------------------------------------------------------------------------------------


def address(dice: random.Random) -> str:
    """Something like an address."""
    host = (
        dice.choice(HOSTS)
        if dice.random() < 0.7
        else ".".join(hex(dice.randrange(300)) for _ in range(dice.randrange(1, 5)))
    )
    scheme = dice.choice(["http", "https", "HTTP", "javascript", "file", "data", "ht tp", "", "feed"])
    user = dice.choice(["", "", "u:p@", "@", "a@b@"])
    port = dice.choice(["", "", ":80", ":22", ":99999", ":-1", ":x", ":"])
    path = dice.choice(["", "/", "/a?b=c&d", "/%zz", "//x", "/\t", "\\x", "/ä", "#"])
    return f"{scheme}{dice.choice([':', '://', '://', '://', ':/'])}{user}{host}{port}{path}"


def vet(figures: Figures, dice: random.Random) -> None:
    """security:S2, S3 — no host that the guard lets pass is an address that is not public."""
    for _ in range(20):
        figures.addresses += 1
        web_address(address(dice), dice.choice([None, address(dice)]))
        host = (
            dice.choice(HOSTS)
            if dice.random() < 0.5
            else str(ip_address(dice.getrandbits(dice.choice([32, 128]))))
        )
        with suppress(Blocked):
            check_host(host)
            if answers := literal(host):
                for one in Guard().vetted(host, 443, answers):
                    assert one.is_global, host


def main() -> int:
    """Throw for as long as is asked, print the figures; 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    ends = time.monotonic() + said.minutes * 60
    figures = fuzz(said.seed, lambda _: time.monotonic() >= ends)
    sys.stdout.write(f"{figures}\n")
    sys.stdout.writelines(f"\n{fault}\n" for fault in figures.faults[:10])
    return 1 if figures.faults or figures.slowest[0] > WALL.total_seconds() + 1 else 0


if __name__ == "__main__":
    sys.exit(main())
