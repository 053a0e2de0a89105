"""Poll now: somebody says that a site has news, and its upstreams are asked at once (feeds:W5, I4).

A ping is no more than a hint. Nothing it says is taken over; it moves the next check of upstreams we read
anyway, and never closer than the cadence allows (`upstreams.poll_now`). Serves walk A.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from syndicator.errors import NotFound
from syndicator.observe import logger
from syndicator.store import Store, hubs, upstreams
from syndicator.store.hubs import Place

log = logger("ingest")

MOST = 50  # upstreams asked for one ping: a host of many sites is not polled whole because of one
LONGEST = 2_000  # characters of an address


def ask_now(store: Store, upstream_id: int) -> bool:
    """Have this upstream asked as soon as its cadence allows; False if there is none (any more)."""
    with store.begin() as tx:
        try:
            slug = hubs.slug_of(tx, upstream_id)
        except NotFound:
            return False
        upstreams.poll_now(tx, slug)
    log.info("pinged", upstream=slug)
    return True


def ask_site_now(store: Store, addresses: Sequence[str]) -> int:
    """The same for every upstream of the site these addresses are of; returns how many there are."""
    homes = [home for address in addresses if (home := _home(address))]
    with store.read() as tx:  # no stranger gets the store's write lock
        places = hubs.places(tx, {name for host, _ in homes for name in (host, f"www.{host}")})
    slugs = matched(places, homes)
    if slugs:
        with store.begin() as tx:
            for slug in slugs:
                upstreams.poll_now(tx, slug)
        log.info("pinged", upstreams=slugs)
    return len(slugs)


def matched(places: Sequence[Place], homes: Collection[tuple[str, str]]) -> list[str]:
    """The slugs of those under these homes; where there are none, of those on their hosts.

    A home is a host, without www., and a path that ends in a slash.
    """
    hosts = {host for host, _ in homes}
    known = [(place.slug, [_home(place.url), _home(place.site or "")]) for place in places]
    near = [slug for slug, own in known if any(one and one[0] in hosts for one in own)]
    under = [
        slug
        for slug, own in known
        if any(one and one[0] == host and one[1].startswith(path) for one in own for host, path in homes)
    ]
    return (under or near)[:MOST]


def _home(address: str) -> tuple[str, str] | None:
    """Host and path of a web address as they are compared, or None."""
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
