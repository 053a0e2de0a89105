"""Poll now: somebody says that a site has news, and its upstreams are asked at once (feeds:W5, I4).

A ping is no more than a hint. Nothing it says is taken over; it moves the next check of upstreams we read
anyway, and never closer than the cadence allows (`upstreams.ping`). Serves walk A.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from syndicator.errors import NotFound
from syndicator.observe import logger
from syndicator.store import Store, hubs, upstreams
from syndicator.store.hubs import Place

log = logger("ingest")

MOST = 10  # upstreams asked for one ping: a host of many sites is not polled whole because of one
LONGEST = 2_000  # characters of an address

Home = tuple[str, str]  # a host without www., and a path that ends in a slash: how addresses are compared


def ask_now(store: Store, upstream_id: int) -> bool:
    """Have this upstream asked as soon as its cadence allows; False if there is none (any more)."""
    with store.begin() as tx:
        try:
            slug = hubs.slug_of(tx, upstream_id)
        except NotFound:
            return False
        upstreams.ping(tx, slug)
    log.info("pinged", upstream=slug)
    return True


def ask_site_now(store: Store, site: str, feeds: Sequence[str] = ()) -> int:
    """The same for every upstream of the site that is at this address; returns how many are meant.

    Whoever says so may be anybody. `feeds` are addresses the pinger gives for its feeds: those of them that we read are meant, too.
    """
    home = _home(site)
    named = [found for feed in feeds if (found := _home(feed))]
    hosts = {host for host, _ in [*([home] if home else []), *named]}
    if not hosts:
        return 0
    with store.read() as tx:  # no stranger gets the store's write lock
        places = hubs.places(tx, {name for host in hosts for name in (host, f"www.{host}")})
    slugs = matched(places, home, named)
    if slugs:
        with store.begin() as tx:
            for slug in slugs:
                upstreams.ping(tx, slug, by_anybody=True)
        log.info("pinged", upstreams=slugs)
    return len(slugs)


def matched(places: Sequence[Place], home: Home | None, feeds: Collection[Home] = ()) -> list[str]:
    """The slugs of those whose feed or page is under this home, and of these feeds; not of all on its host."""
    meant = []
    for place in places:
        own = _home(place.url)
        ours = [one for one in (own, _home(place.site or "")) if one and home and one[0] == home[0]]
        if own in feeds or any(home and path.startswith(home[1]) for _, path in ours):
            meant.append(place.slug)
    return meant[:MOST]


def _home(address: str) -> Home | None:
    if len(address) > LONGEST:
        return None
    try:
        parts = urlsplit(address.strip())
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host:
        return None
    return host, parts.path.rstrip("/") + "/"
