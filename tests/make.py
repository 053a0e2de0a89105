"""What many tests make: the instant they agree on, a clock that stands still, and objects with defaults."""

from __future__ import annotations

import base64
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # at run time only tests that use them pay for the imports
    from syndicator.model.audience import Contact, Partner, Subscription
    from syndicator.model.delivery import Try
    from syndicator.model.item import Content, Item, Topic
    from syndicator.model.release import Release
    from syndicator.model.site import Site
    from syndicator.store import Store, Tx

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


_HELD: list[socket.socket] = []


def reserved_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, and which nobody else is given while the tests run.

    It is bound and never listened on, so connections are refused; a server that sets SO_REUSEADDR, as all
    do that are started here, may still take it.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    return int(held.getsockname()[1])


class FakeClock:
    """A clock that stands still until told to go on."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The instant it shows."""
        return self.now

    def advance(self, **span: float) -> datetime:
        """Go on by a span (`hours=1`); the new instant."""
        self.now += timedelta(**span)
        return self.now


# -- values ----------------------------------------------------------------------------------------------


def make_site(**other: Any) -> Site:
    """A newsroom at https://news.example."""
    from syndicator.model.site import Site

    return Site(**{"title": "Society", "base_url": "https://news.example", **other})


def make_content(title: str = "A statement", **other: Any) -> Content:
    """Words filed under `policy`."""
    from syndicator.model.item import Content

    words = {"summary": "In short.", "body": "<p>At length.</p>", "topics": ("policy",)}
    return Content(title=title, **{**words, **other})


def make_item(uid: str = "tag:news.example,2026:1", **other: Any) -> Item:
    """A live item in its first revision, as no store knows it."""
    from syndicator.model.item import Item, ItemState

    values = {
        "id": 1,
        "uid": uid,
        "slug": "a-statement",
        "state": ItemState.LIVE,
        "revision": 1,
        "published": NOW,
        "updated": NOW,
        "content": make_content(),
    }
    return Item(**{**values, **other})


def make_topic(slug: str = "policy", **other: Any) -> Topic:
    """A plain topic."""
    from syndicator.model.item import Topic

    values = {
        "slug": slug,
        "title": slug.title(),
        "uid": f"tag:news.example,2026:topic:{slug}",
        "created": NOW,
    }
    return Topic(**{**values, **other})


def make_release(**other: Any) -> Release:
    """A draft without embargo, as no store knows it."""
    from syndicator.model.release import Release, ReleaseState

    values = {
        "id": 1,
        "uid": "tag:news.example,2026:r",
        "state": ReleaseState.DRAFT,
        "version": 1,
        "content": make_content(),
        "created": NOW,
        "updated": NOW,
    }
    return Release(**{**values, **other})


def make_try(**other: Any) -> Try:
    """A mail delivery in its first try."""
    from syndicator.model.delivery import Channel, Try

    values = {
        "id": 1,
        "subject": "revision/tag:x/1",
        "channel": Channel.MAIL,
        "lane": "mail",
        "recipient": "contact/1",
        "address": "a@example.org",
        "name": "",
        "attempt": 1,
        "lease_no": 1,
        "item_id": 1,
        "revision": 1,
        "planned": NOW,
    }
    return Try(**{**values, **other})


# -- rows ------------------------------------------------------------------------------------------------


def make_newsroom(store: Store, *slugs: str) -> None:
    """Make `all` and these plain topics (`policy` if none is named)."""
    from syndicator.model.item import ALL, Rule
    from syndicator.store import topics

    with store.begin() as tx:
        topics.add(tx, make_topic(ALL, title="All items", rule=Rule()))
        for slug in slugs or ("policy",):
            topics.add(tx, make_topic(slug))


def make_contact(tx: Tx, mail: str = "jane@example.org", **other: Any) -> Contact:
    """Somebody on the media list."""
    from syndicator.model.audience import address
    from syndicator.store import audience

    return audience.add_contact(tx, address(mail), **other)[0]


def make_subscription(
    tx: Tx,
    mail: str = "jane@example.org",
    topic: str = "policy",
    *,
    cadence: str = "immediate",
    consent: str | None = "test",
) -> Subscription:
    """A contact's subscription, active unless `consent` is None."""
    from syndicator.model.audience import Cadence
    from syndicator.store import audience, topics

    contact = make_contact(tx, mail)
    return audience.subscribe(tx, contact.id, topics.named(tx, topic).id, Cadence(cadence), consent)[0]


def make_partner(tx: Tx, slug: str = "agency", **other: Any) -> Partner:
    """A partner reached over a webhook."""
    from syndicator.model.audience import Partner
    from syndicator.model.delivery import Channel
    from syndicator.store import partners

    values = {"url": "https://hooks.example/in", "secret": SECRET, "channel": Channel.WEBHOOK}
    return partners.add(tx, Partner(id=0, slug=slug, created=NOW, **{**values, **other}))
