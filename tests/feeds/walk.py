"""A reader that walks back: from the live document over its archive pages to the first item (RFC 5005 §4)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from lxml import etree
from sqlalchemy import insert, select

from syndicator.model.item import content_to_json
from syndicator.model.site import Format
from syndicator.store import Store, Tx, archives, documents, schema, topics
from tests.make import make_content

ATOM = "{http://www.w3.org/2005/Atom}"
START = "https://news.example/feeds/"


def fetch(store: Store, url: str) -> bytes:
    """What is served at the address of a feed or an archive page."""
    path, _, suffix = url.removeprefix(START).rpartition(".")
    with store.read() as tx:
        slug, _, page = path.partition("/archive/")
        if page:
            archive = archives.find(tx, slug, int(page), Format(suffix))
            assert archive, url
            return gzip.decompress(archive.gzip)
        live = documents.bodies(tx, slug, Format(suffix))
        assert live, url
        return live.body


def read(body: bytes, format: Format) -> tuple[list[tuple[str, str]], str | None]:
    """The entries of a document as (id, title), and the address of what came before."""
    if format is Format.JSON:
        feed = json.loads(body)
        return [(item["id"], item["title"]) for item in feed["items"]], feed.get("next_url")
    root = etree.fromstring(body)
    if format is Format.ATOM:
        entries = [
            (e.findtext(f"{ATOM}id", ""), e.findtext(f"{ATOM}title", "")) for e in root.iter(f"{ATOM}entry")
        ]
        links = root.findall(f"{ATOM}link")
    else:
        entries = [(e.findtext("guid", ""), e.findtext("title", "")) for e in root.iter("item")]
        links = root[0].findall(f"{ATOM}link")
    return entries, next((link.get("href") for link in links if link.get("rel") == "prev-archive"), None)


def walk(
    store: Store, slug: str, format: Format, see: Callable[[str], None] = lambda _: None
) -> dict[str, str]:
    """Id → title of everything met, the newest version of each; `see` is told every address."""
    found: dict[str, str] = {}
    url: str | None = f"{START}{slug}.{format}"
    while url:
        see(url)
        entries, url = read(fetch(store, url), format)
        for uid, title in entries:
            found.setdefault(uid, title)
    return found


def fill(tx: Tx, slug: str, count: int, newest: datetime, *, prefix: str = "tag:old/") -> list[str]:
    """Put `count` items straight into a topic's tables, a minute apart, the last at `newest`; their uids."""
    topic = topics.named(tx, slug)
    i, t = schema.items, schema.topics.c
    first = (tx.connection.execute(select(i.c.id).order_by(i.c.id.desc()).limit(1)).scalar() or 0) + 1
    rows = []
    for n in range(count):
        moment = newest - timedelta(minutes=count - 1 - n)
        rows.append(
            {
                "id": first + n,
                "uid": f"{prefix}{n:06}",
                "slug": f"{slug}-{first + n}",
                "state": "live",
                "revision": 1,
                "published": moment,
                "updated": moment,
            }
        )
    words = content_to_json(make_content("Old", topics=(slug,)))
    tx.connection.execute(insert(i), rows)
    if not tx.on_sqlite:
        tx.connection.exec_driver_sql("SELECT setval('items_id_seq', (SELECT max(id) FROM items))")
    tx.connection.execute(insert(schema.revisions), [_revision(row, words) for row in rows])
    members = [
        {"topic_id": topic.id, "item_id": row["id"], "published": row["published"], "uid": row["uid"]}
        for row in rows
    ]
    tx.connection.execute(insert(schema.memberships), members)
    topics.mark_stale(tx, list(tx.connection.execute(select(t.id).where(t.slug == slug)).scalars()))
    return [str(row["uid"]) for row in rows]


def _revision(row: dict[str, object], words: dict[str, object]) -> dict[str, object]:
    return {
        "item_id": row["id"],
        "number": 1,
        "significance": "first",
        "content": {**words, "title": f"Old {row['uid']}"},
        "fingerprint": str(row["uid"]),
        "created": row["published"],
    }


def pages(store: Store, slug: str) -> dict[tuple[int, Format], archives.Archive]:
    """Every archive document of a topic, with its bytes."""
    with store.read() as tx:
        found = [archives.find(tx, slug, known.page, known.format) for known in archives.of_topic(tx, slug)]
    return {(one.page, one.format): one for one in found if one}


def ids(body: bytes, format: Format) -> list[str]:
    """The ids of a document's entries, in its order."""
    return [uid for uid, _ in read(body, format)[0]]


def titles(names: Iterable[str]) -> dict[str, str]:
    """What a walk finds of items put there by `fill`."""
    return {uid: f"Old {uid}" for uid in names}
