"""A live document's head as a form: printed by feedgen once for a site, filled in for each topic.

Ten thousand topics differ in a title, an id, a date and some addresses, and feedgen would spend most of
a rebuild writing all the rest again. The filled form is byte for byte what feedgen prints. Serves walk A.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import cycle

from syndicator.model.item import ALL, Topic
from syndicator.model.site import Format, Site
from syndicator.render import channel
from syndicator.render.elements import rfc822
from syndicator.render.head import Head
from syndicator.render.view import Category

_MARK = "\ue000"  # a private character: no site says it, and if one does its heads are printed without a form
_BLANK = re.compile(f"{_MARK}([a-z]+){_MARK}")
_SOMETIME = datetime(9998, 7, 6, 5, 4, 3, tzinfo=UTC)  # stands for the date until the form is filled in
# As libxml2 prints them; white space that a parser would make a blank of is spelt out.
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = _TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
_SPELT = _TEXT | str.maketrans({"&": "&#x26;", "<": "&#x3C;"})  # as elements.spell_out does


def printed(head: Head) -> bytes:
    """The document without entries and tombstones, as feedgen prints it."""
    form = None
    if head.page is None:  # pages are closed one by one, there is nothing to save
        every, older = head.topic.slug == ALL, bool(head.older_url)
        form = _form(head.site, head.format, every=every, older=older, complete=head.complete)
    return channel.whole(head, channel.generator(head)) if form is None else _filled(form, head)


def _filled(form: list[str], head: Head) -> bytes:
    atom, category = head.format is Format.ATOM, head.category
    said = {
        "uid": head.uid.translate(_TEXT),
        "title": head.title.translate(_SPELT),
        "updated": head.updated.isoformat() if atom else rfc822(head.updated),
        "url": head.url.translate(_ATTRIBUTE),
        "older": head.older_url.translate(_ATTRIBUTE),
        "page": head.page_url.translate(_ATTRIBUTE if atom else _TEXT),
        "slug": category.slug.translate(_ATTRIBUTE) if category else "",
        "label": category.title.translate(_ATTRIBUTE if atom else _SPELT) if category else "",
    }
    by_turns = zip(cycle((False, True)), form, strict=False)
    return "".join(said[part] if blank else part for blank, part in by_turns).encode()


@lru_cache(maxsize=64)
def _form(site: Site, format: Format, *, every: bool, older: bool, complete: bool) -> list[str] | None:
    """The words of such a head with the names of its blanks between them, or None if it cannot be made."""
    topic = Topic(slug=ALL if every else "blank", title="blank", uid="blank", created=_SOMETIME)
    blank = _Blank(
        topic=topic, site=site, format=format, updated=_SOMETIME, newest_page=int(older), complete=complete
    )
    made = channel.whole(blank, channel.generator(blank)).decode()
    for date in (_SOMETIME.isoformat(), rfc822(_SOMETIME)):
        made = made.replace(date, f"{_MARK}updated{_MARK}")
    return None if _ambiguous(site) else _BLANK.split(made)


def _ambiguous(site: Site) -> bool:
    """Whether the site's own words might be taken for a blank."""
    said = (site.title, site.description, site.rights, site.media_contact or "", site.language, site.base_url)
    pictures = (site.icon, site.logo, site.favicon)
    blanks = (_MARK, _SOMETIME.isoformat(), rfc822(_SOMETIME))
    return any(blank in words for words in (*said, *pictures, *site.hubs) for blank in blanks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blank(Head):
    """A head that says where something is to be filled in."""

    @property
    def uid(self) -> str:
        return f"{_MARK}uid{_MARK}"

    @property
    def title(self) -> str:
        return f"{_MARK}title{_MARK}"

    @property
    def category(self) -> Category | None:
        if self.topic.slug == ALL:
            return None
        return Category(f"{_MARK}slug{_MARK}", f"{_MARK}label{_MARK}", self.site.url("/topics/"))

    @property
    def url(self) -> str:
        return f"{_MARK}url{_MARK}"

    @property
    def older_url(self) -> str:
        return f"{_MARK}older{_MARK}" if self.newest_page else ""

    @property
    def page_url(self) -> str:
        return f"{_MARK}page{_MARK}"
