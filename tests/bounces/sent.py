"""A newsroom whose letters went out, and signs that know them again: what tests of bounces begin with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from syndicator import publish
from syndicator.bounces.reading import understood
from syndicator.bounces.taking import Signs, take
from syndicator.model.audience import Contact, address
from syndicator.model.bounce import Kind
from syndicator.model.delivery import Outcome, Policy, Result
from syndicator.model.outcomes import Cause
from syndicator.render.mail import message_id
from syndicator.render.mail.envelope import leaving, read_leaving, read_verp, verp
from syndicator.store import Store, Tx, audience, deliveries
from tests.bounces.samples import JANE, Sample
from tests.make import make_content, make_newsroom, make_subscription

KEY = b"a key of the tests"
LEAVE = "leave@bounces.example"
DOMAIN = "society.example"
LEASE = timedelta(minutes=10)


def signs(left: list[int] | None = None) -> Signs:
    """What knows our hand again; `left` collects the subscriptions that were ended by mail."""
    gone: list[int] = [] if left is None else left
    links = {"https://news.example/media-list/unsubscribe/7.good": 1}

    def leave(tx: Tx, row: int) -> bool:
        gone.append(row)
        return audience.end(tx, row, "unsubscribed")

    return Signs(
        delivery=lambda local: read_verp([KEY], local),
        message_id=lambda subject, recipient: message_id(KEY, DOMAIN, subject, recipient),
        leave=leave,
        leaving=lambda given: read_leaving([KEY], LEAVE, given),
        subscription=links.get,
    )


@dataclass
class Room:
    """One contact, and letters to them."""

    store: Store
    mail: str = JANE
    contact: Contact = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        make_newsroom(self.store)
        with self.store.begin() as tx:
            make_subscription(tx, self.mail)
        self.contact = self.known()

    def known(self) -> Contact:
        """The contact as they are now."""
        with self.store.read() as tx:
            return audience.contact(tx, address(self.mail))

    def send(self, outcome: Outcome = Outcome.ACCEPTED, cause: Cause | None = None, words: str = "") -> int:
        """Publish something; the letter about it ends so. Its key."""
        self.count += 1
        with self.store.begin() as tx:
            publish.publish(tx, f"tag:x,{self.count}", make_content(topics=("policy",)))
            tries = deliveries.claim(tx, "mail", "w", 50, LEASE)
            (mine,) = deliveries.start(tx, tries, LEASE)
            code = int(words[:3]) if words else None
            result = Result(outcome=outcome, cause=cause, detail=words, code=code)
            deliveries.settle_all(tx, [(mine, result)], Policy())
        return mine.id

    def verp(self, delivery: int) -> str:
        """Where a bounce of this letter goes to."""
        return verp(KEY, delivery, "bounces.example")

    def leaving(self) -> str:
        """Where mail ends their first subscription."""
        with self.store.read() as tx:
            return leaving(KEY, audience.subscriptions(tx, self.contact.id)[0].id, LEAVE)

    def message_id(self, delivery: int) -> str:
        """The Message-ID of this letter."""
        with self.store.read() as tx:
            (one,) = [row for row in deliveries.listing(tx) if row.id == delivery]
        return message_id(KEY, DOMAIN, one.subject, f"contact/{self.contact.id}")

    def states(self) -> list[tuple[str, str | None]]:
        """Their subscriptions: state and reason."""
        with self.store.read() as tx:
            return [(one.state, one.reason) for one in audience.subscriptions(tx, self.contact.id)]

    def comes(self, raw: bytes | Sample, source: str = "imap", left: list[int] | None = None) -> Kind:
        """A mail comes in; what it was taken for."""
        mail = raw.mail() if isinstance(raw, Sample) else raw
        with self.store.begin() as tx:
            return take(tx, signs(left), understood(mail, lambda: 0.0), source)
