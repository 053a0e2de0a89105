"""What machines are sent: the webhook body of an event (DESIGN §6, Standard Webhooks).

`{"type": "release.published" | "item.corrected" | "item.withdrawn" | "item.killed", "timestamp": …,
"data": {"item": {…}}}`: the same event gives the same bytes, however often it is tried.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from syndicator.model.item import Item, Medium, Revision, Significance, Spokesperson
from syndicator.model.site import Site

EVENTS: dict[Significance, str] = {
    Significance.FIRST: "release.published",
    Significance.SILENT: "item.updated",
    Significance.CORRECTION: "item.corrected",
    Significance.WITHDRAWAL: "item.withdrawn",
    Significance.KILL: "item.killed",
}


def event(
    item: Item,
    revision: Revision,
    site: Site,
    topics: Mapping[str, str],
    asked: Sequence[Spokesperson] = (),
    *,
    first: bool,
) -> bytes:
    """The body about one revision; `topics` maps the item's slugs to titles, `asked` are spokesperson and stand-in.

    `first` makes it `release.published` whatever the revision: the partner never had an earlier one.
    """
    gone = revision.significance in (Significance.WITHDRAWAL, Significance.KILL)
    kind = EVENTS[Significance.FIRST if first and not gone else revision.significance]
    return _body(kind, revision.created, {"item": item_view(item, revision, site, topics, asked)})


def trial(partner: str, now: datetime) -> bytes:
    """A body that only tries the road."""
    return _body("partner.test", now, {"partner": partner})


def item_view(
    item: Item, revision: Revision, site: Site, topics: Mapping[str, str], asked: Sequence[Spokesperson] = ()
) -> dict[str, Any]:
    """The item as of a revision, in plain JSON values; what is not there is left out."""
    words = revision.content
    values = {
        "uid": item.uid,
        "url": words.url or site.item_url(item.slug),
        "slug": item.slug,
        "kind": words.kind.value,
        "state": item.state.value,
        "revision": revision.number,
        "kicker": words.kicker,
        "title": words.title,
        "dek": words.dek,
        "summary": words.summary,
        "content_html": words.body,
        "language": words.language or site.language,
        "published": _instant(item.published),
        "updated": _instant(item.updated),
        "note": revision.note,
        "difference_html": revision.marked if revision.significance is Significance.CORRECTION else "",
        "authors": [_known(_author(author)) for author in words.authors],
        "topics": [{"slug": slug, "title": topics.get(slug, slug)} for slug in words.topics],
        "paper": words.paper,
        "quotes": [_known({"text": q.text, "speaker": q.speaker, "role": q.role}) for q in words.quotes],
        "media": [_medium(medium) for medium in words.media],
        "contacts": [_person(person) for person in asked],
    }
    return {key: value for key, value in values.items() if value not in (None, "", [])}


def _medium(medium: Medium) -> dict[str, Any]:
    always = {"url": medium.url, "type": medium.type, "length": medium.length, "title": medium.title}
    more = ("alt", "credit", "licence", "width", "height", "duration")
    return always | _known({name: getattr(medium, name) for name in more})


def _person(person: Spokesperson) -> dict[str, Any]:
    names = ("name", "role", "phone", "mail", "hours", "zone")
    return _known({name: getattr(person, name) for name in names})


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _author(author: Any) -> dict[str, str | None]:
    return {"name": author.name, "email": author.email, "url": author.url}


def _body(kind: str, moment: datetime, data: Mapping[str, Any]) -> bytes:
    event = {"type": kind, "timestamp": _instant(moment), "data": data}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
