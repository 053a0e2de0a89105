"""A feed for one person: what they may see before the public does. It names no address of its own, no hub, no archive.

Whatever in it could lead others there is a token in the links of its entries, which are the person's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from syndicator.model.site import Format, Site
from syndicator.render.entries import fragment
from syndicator.render.view import Entry

HEAD = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    '<feed xmlns:media="http://search.yahoo.com/mrss/" xmlns="http://www.w3.org/2005/Atom" xml:lang={language}>'
    "<id>{id}</id><title>{title}</title><subtitle>{subtitle}</subtitle><updated>{updated}</updated>"
    "<author><name>{author}</name></author>"
)


def private_feed(uid: str, subtitle: str, entries: Sequence[Entry], site: Site, since: datetime) -> bytes:
    """An Atom document with these entries, newest first as given; `since` dates it while it has none.

    `uid` is its permanent id, which is no address.
    """
    updated = max([since, *(entry.updated for entry in entries)]).astimezone(UTC)
    head = HEAD.format(
        language=quoteattr(site.language),
        id=escape(uid),
        title=escape(f"{site.title}: under embargo"),
        subtitle=escape(subtitle),
        updated=updated.isoformat(timespec="seconds"),
        author=escape(site.title),
    )
    return b"".join((head.encode(), *(fragment(entry, Format.ATOM) for entry in entries), b"</feed>"))
