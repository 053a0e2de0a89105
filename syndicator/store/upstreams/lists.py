"""Many upstreams at once: whole lists taken and given (feeds:I27), where one row at a time would take minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import insert, select

from syndicator.errors import Conflict, Invalid
from syndicator.model.item import SLUG
from syndicator.model.site import is_name
from syndicator.model.upstream import Relation, Upstream, address_fault
from syndicator.store import schema, topics
from syndicator.store.engine import Tx
from syndicator.store.upstreams.rows import values_of

u = schema.upstreams.c

OWN = "hosts of own upstreams"  # in a transaction's memo


class Listed(NamedTuple):
    """An upstream as a list names it; `page` is the one its feed names as its own."""

    slug: str
    url: str
    page: str | None


def listed(tx: Tx) -> Iterator[Listed]:
    """All upstreams, by slug."""
    query = select(u.slug, u.url, u.site).order_by(u.slug)
    return (Listed(*row) for row in tx.connection.execute(query))


def own_hosts(tx: Tx) -> frozenset[str]:
    """The names of hosts where our own feeds and their pages are, with and without www: no foreign feed names anything there."""
    if OWN not in tx.memo:
        query = select(u.url, u.site).where(u.relation == Relation.OWN)
        hosts = {_host(address) for row in tx.connection.execute(query) for address in row if address}
        names = {host.removeprefix("www.") for host in hosts if is_name(host)}
        tx.memo[OWN] = frozenset(names | {f"www.{name}" for name in names})
    known: frozenset[str] = tx.memo[OWN]
    return known


def add_all(tx: Tx, upstreams: Sequence[Upstream]) -> None:
    """Make up to 500 upstreams, due at once. Raises Conflict if a slug is taken, Invalid or NotFound for bad values."""
    names = [one.slug for one in upstreams]
    if taken := tx.connection.execute(select(u.slug).where(u.slug.in_(names))).scalar():
        raise Conflict(f'the upstream "{taken}" exists already')
    topics.check_plain(tx, sorted({slug for one in upstreams for slug in one.topics}))
    for one in upstreams:
        if not SLUG.fullmatch(one.slug) or address_fault(one.url):
            raise Invalid(f"{one.slug!r} ({one.url!r}) is no upstream: it needs a slug and a web address")
    begun = {"created": tx.now, "next_check": tx.now, "failures": 0, "lease_no": 0}
    tx.connection.execute(insert(schema.upstreams), [{**values_of(one), **begun} for one in upstreams])


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""
