"""What one can sign up for: the same on the form and among somebody's preferences."""

from __future__ import annotations

from syndicator.model.item import ALL
from syndicator.model.joining import Terms
from syndicator.store import Tx, topics
from syndicator.web.newsroom import public_topics

ALL_NEWS = "All news"


def offered(tx: Tx, terms: Terms) -> dict[str, str]:
    """Slug → title of all news, of each topic the public hears of, and of the newsletter's.

    That one needs readers before its first issue; it stands at the end, so that it does not move once it is out.
    Of no other topic without an item is anything said.
    """
    letter = topics.some(tx, [terms.newsletter]) if terms.newsletter else {}
    found = dict.fromkeys(topics.some(tx, [ALL]), ALL_NEWS)
    found |= {one.slug: one.title for one in public_topics(tx) if one.slug not in letter}
    return found | {slug: one.title for slug, one in letter.items() if slug != ALL and not one.closing}
