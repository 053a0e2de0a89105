"""A database as the program left it before 0005: written with SQL, for no code of today may have a say in it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from alembic import command
from sqlalchemy import Connection, bindparam, text

from syndicator.store import Store
from syndicator.store.columns import Instant, Json
from syndicator.store.migrations import _config
from tests.make import NOW

READ = NOW - timedelta(minutes=30)  # when the feed was read before the upgrade
MINE = 1000  # above this the keys are ours; the database counts up from 1
TYPES: dict[str, Any] = {
    **dict.fromkeys(("published", "updated", "created", "seen", "next_check"), Instant()),
    **dict.fromkeys(("topics", "allow_private", "content"), Json),
}


def at_0004(store: Store) -> None:
    """Bring an empty database to 0004, with the topics `all` and `policy`."""
    with store._engine.begin() as connection:
        command.upgrade(_config(connection), "0004")
        for slug in ("all", "policy"):
            _add(connection, "topics", slug=slug, title=slug, uid=f"tag:{slug}", file=False, created=READ)


def add_upstream(store: Store, url: str) -> None:
    """The upstream "cms", own, its changes told as corrections, as it was after its first reading."""
    values = {"id": MINE, "slug": "cms", "url": url, "relation": "own", "topics": ["policy"], "kind": "news"}
    values |= {"push": True, "push_max_age": 86_400, "on_change": "correction", "hold": False}
    values |= {"allow_private": ["127.0.0.0/8"], "paused": False, "file": False, "created": READ}
    values |= {"etag": '"1"', "body_hash": "0" * 64, "next_check": READ, "failures": 0, "lease_no": 1}
    with store._engine.begin() as connection:
        _add(connection, "upstreams", **values)


def add_item(store: Store, number: int, identity: str, edited: str | None = None, **words: Any) -> None:
    """What was made of an entry and remembered of it; `edited` is the title a person gave it since."""
    content = {"title": f"Item {number}", "kind": "news", "topics": ["policy"], **words}
    said = {name: value for name, value in content.items() if name not in {"topics", "source", "guid"}}
    line = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    words_then = hashlib.sha256(line.encode()).hexdigest()
    ids = {"id": MINE + number, "uid": f"tag:news.example,2026:{number}", "slug": f"item-{number}"}
    last = {"state": "live", "revision": 2 if edited else 1, "upstream": "cms"}
    dates = {"published": READ, "updated": READ + timedelta(microseconds=number)}
    titles = [content["title"], *filter(None, [edited])]
    with store._engine.begin() as connection:
        _add(connection, "items", **ids, **last, **dates)
        for revision, title in enumerate(titles, 1):
            told = {"significance": "first" if revision == 1 else "silent", "fingerprint": words_then}
            kept = {"number": revision, "content": content | {"title": title}, "created": READ}
            _add(connection, "revisions", item_id=ids["id"], **kept, **told)
        member = "INSERT INTO memberships (topic_id, item_id, published, uid) SELECT id, :item, :published, :uid FROM topics"
        typed = text(member).bindparams(bindparam("published", type_=Instant()))
        connection.execute(typed, {"item": ids["id"], "published": READ, "uid": ids["uid"]})
        remembered = {"uid": ids["uid"], "fingerprint": words_then, "seen": READ}
        _add(connection, "incoming", upstream_id=MINE, identity=identity, **remembered)


def _add(connection: Connection, table: str, **values: Any) -> None:
    binds = [bindparam(name, type_=TYPES[name]) for name in values if name in TYPES]
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    query = text(f"INSERT INTO {table} ({names}) VALUES ({marks})")
    connection.execute(query.bindparams(*binds), values)
