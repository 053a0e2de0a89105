"""What machines are sent: the webhook body of an event (DESIGN §6, Standard Webhooks).

`{"type": "release.published" | "item.corrected" | "item.withdrawn" | "item.killed", "timestamp": …,
"data": {"item": {…}}}`: the same event gives the same bytes, however often it is tried.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from syndicator.model.item import Item, Revision, Significance
from syndicator.model.site import Site

EVENTS: dict[Significance, str] = {
    Significance.FIRST: "release.published",
    Significance.SILENT: "item.updated",
    Significance.CORRECTION: "item.corrected",
    Significance.WITHDRAWAL: "item.withdrawn",
    Significance.KILL: "item.killed",
}


def event(item: Item, revision: Revision, site: Site, topics: Mapping[str, str], *, first: bool) -> bytes:
    """The body about one revision; `topics` maps the item's slugs to titles.

    `first` makes it `release.published` whatever the revision: the partner never had an earlier one.
    """
    gone = revision.significance in (Significance.WITHDRAWAL, Significance.KILL)
    kind = EVENTS[Significance.FIRST if first and not gone else revision.significance]
    return _body(kind, revision.created, {"item": item_view(item, revision, site, topics)})


def trial(partner: str, now: datetime) -> bytes:
    """A body that only tries the road."""
    return _body("partner.test", now, {"partner": partner})


def item_view(item: Item, revision: Revision, site: Site, topics: Mapping[str, str]) -> dict[str, Any]:
    """The item as of a revision, in plain JSON values; what is not there is left out."""
    words = revision.content
    values = {
        "uid": item.uid,
        "url": words.url or site.item_url(item.slug),
        "slug": item.slug,
        "kind": words.kind.value,
        "state": item.state.value,
        "revision": revision.number,
        "title": words.title,
        "summary": words.summary,
        "content_html": words.body,
        "language": words.language or site.language,
        "published": _instant(item.published),
        "updated": _instant(item.updated),
        "note": revision.note,
        "difference_html": revision.marked if revision.significance is Significance.CORRECTION else "",
        "authors": [
            {key: value for key, value in _author(author).items() if value} for author in words.authors
        ],
        "topics": [{"slug": slug, "title": topics.get(slug, slug)} for slug in words.topics],
        "media": [{"url": m.url, "type": m.type, "length": m.length, "title": m.title} for m in words.media],
    }
    return {key: value for key, value in values.items() if value not in (None, "", [])}


def _author(author: Any) -> dict[str, str | None]:
    return {"name": author.name, "email": author.email, "url": author.url}


def _body(kind: str, moment: datetime, data: Mapping[str, Any]) -> bytes:
    event = {"type": kind, "timestamp": _instant(moment), "data": data}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
