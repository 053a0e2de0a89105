"""JSON Feed 1.1: one object per item, joined below a head; the same neutral entry as Atom and RSS.

Keys stand in the order of the specification; what is not known is left out, never null (P2). An item's
`url` is its one canonical address wherever that is, as in the other formats (P7). `external_url` is for
feeds of links, whose items speak of a page elsewhere; ours are what they are, so it never stands here.
Nor do rights: version 1.1 has no place for them (feeds:I28); the item's page and the other formats say them.
Serves walk A.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from syndicator.model.item import Medium
from syndicator.render.head import Head
from syndicator.render.view import Entry, line

VERSION = "https://jsonfeed.org/version/1.1"


def item(entry: Entry) -> bytes:
    """One item, as a JSON object in UTF-8."""
    content, images = entry.content, entry.images
    fields = {
        "id": entry.uid,
        "url": entry.url,
        "title": entry.title,
        "content_html": content,
        "content_text": "" if content else entry.summary or entry.title,
        "summary": entry.summary if content else "",
        "image": images[0].url if images else "",
        "banner_image": next((image.url for image in images if _banner(image)), ""),
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat(),
        "authors": [_known({"name": one.name, "url": one.url}) for one in entry.authors],
        "tags": [category.title for category in entry.categories],
        "language": entry.language,
        "attachments": [_attachment(medium) for medium in entry.media],
    }
    return _dumped(_known(fields))


def document(head: Head, items: Sequence[bytes]) -> bytes:
    """The whole feed, items in the order given."""
    site = head.site
    fields = {
        "version": VERSION,
        "title": head.title,
        "home_page_url": head.page_url,
        "feed_url": head.live_url,  # an archive page is a further page of the one feed
        "description": head.description,
        "next_url": head.older_url,  # P26
        "icon": head.picture(site.icon),
        "favicon": head.picture(site.favicon),
        "authors": [{"name": line(site.title), "url": site.url("/")}],
        "language": site.language,
        "hubs": [{"type": "WebSub", "url": hub} for hub in head.hubs],  # W1
    }
    return b'%s,"items":[%s]}\n' % (_dumped(_known(fields))[:-1], b",".join(items))


def _attachment(medium: Medium) -> dict[str, Any]:
    always = {"url": medium.url, "mime_type": medium.type}  # P19
    known = {
        "title": medium.title,
        "size_in_bytes": medium.length,
        "duration_in_seconds": medium.duration,
    }
    return always | _known(known)


def _banner(image: Medium) -> bool:
    # P20: a picture for the head of a page is at least twice as wide as it is high.
    return image.width >= 2 * image.height > 0


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _dumped(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
