"""One accredited person's own page and feed: all they may see before the public does (security:I6, mail:LM20).

The token in the address is all it takes, so nothing here is kept, found, or travels on in a Referer, and a link that
was made void looks like one nobody ever had. What they may see is `press.desk`'s to say.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from syndicator.press.desk import Desk, desk, ends, feed
from syndicator.signup import Tokens
from syndicator.store import Tx
from syndicator.web.banner import PRIVATE, in_words
from syndicator.web.pages import Pages

ATOM = "application/atom+xml"


class Desks:
    """The page and the feed; `tx` is the visit's one transaction."""

    def __init__(self, tokens: Tokens, pages: Pages) -> None:
        self._tokens, self._pages = tokens, pages

    def shown(self, tx: Tx, token: str) -> Desk | None:
        """What this token opens, or None where it opens nothing (any more)."""
        found = self._tokens.read_desk(token)
        return desk(tx, *found) if found else None

    def page(self, request: Request, tx: Tx, shown: Desk) -> Response:
        """The releases under embargo, what ends first at the top."""
        site = self._pages.site
        rows = [
            (
                one,
                in_words(ends(one, tx.now), site.zone),
                self._pages.path(f"/press/{_copy(self._tokens, shown, one.id)}/"),
            )
            for one in shown.releases
        ]
        until = in_words(shown.until, site.zone) if shown.until else ""
        feed_path = self._pages.path(f"/press/{request.path_params['token']}/feed.atom")
        return self._pages.page(request, "desk.html", headers=PRIVATE, rows=rows, until=until, feed=feed_path)

    def feed(self, tx: Tx, shown: Desk) -> Response:
        """The same as a feed."""
        site = self._pages.site

        def leads(release_id: int) -> str:
            return site.url(f"/press/{_copy(self._tokens, shown, release_id)}/")

        return Response(feed(tx, shown, site, leads), 200, PRIVATE, media_type=ATOM)


def _copy(tokens: Tokens, shown: Desk, release_id: int) -> str:
    return tokens.press_token(shown.contact.id, release_id, shown.contact.press_generation)
