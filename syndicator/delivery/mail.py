"""The mail road: ledger rows → letters, composed once per revision and merged per recipient.

A letter says the same every time it is tried: Message-ID and Date come from the ledger row, so a
repeat after a doubt can be recognised by whoever receives it (mail:MC2, MC4). Over which postman it
goes (a relay, a folder) is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from syndicator.delivery.road import Parcel, our_fault
from syndicator.errors import SyndicatorError, TryLater
from syndicator.model.delivery import Outcome, Result, Role, Try
from syndicator.model.site import Site
from syndicator.render.mail import Sender, Slots, Template, compose_confirmation, compose_revision, message_id
from syndicator.store import Tx, audience, deliveries, items, topics
from syndicator.wire.letters import Letter, Postman

BATCH = 50  # rows that may be in doubt after a crash


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The addresses only one recipient gets: by subscription, and for preferences by contact.

    `press` leads to a contact's own page of a release, while it is under embargo (mail:MC22).
    """

    confirm: Callable[[int], str]
    unsubscribe: Callable[[int], str]
    preferences: Callable[[int], str]
    press: Callable[[int, int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every letter of the house has in common; `key` makes Message-IDs that cannot be guessed."""

    site: Site
    sender: Sender
    key: bytes
    links: Links


class MailRoad:
    """One postman, opened when the first letter is ready, kept while there is work."""

    batch = BATCH

    def __init__(self, desk: Desk, postman: Callable[[], Postman]) -> None:
        self._desk = desk
        self._call = postman
        self._postman: Postman | None = None
        self._templates: dict[tuple[int, int, Role], Template] = {}

    def prepare(self, tx: Tx, tries: Sequence[Try]) -> list[Parcel]:
        """Letters for these deliveries; one that cannot be written is refused in words, alone."""
        threads = _threads(tx, tries)
        return [self._parcel(tx, attempt, threads.get(attempt.id)) for attempt in tries]

    def open(self) -> None:
        """Reach the relay, if there is no living connection; raises WireFault or TryLater."""
        if self._postman is None or not getattr(self._postman, "alive", True):
            self._postman = self._call()

    def carry(self, parcels: Iterable[Parcel]) -> Iterator[tuple[Parcel, Result]]:
        """Hand the letters over; see `wire.smtp` for what each outcome means."""
        by_id: dict[int, Parcel] = {}

        def letters() -> Iterator[Letter]:
            for parcel in parcels:
                by_id[parcel.attempt.id] = parcel
                yield parcel.load

        assert self._postman is not None
        for letter, result in self._postman.send(letters()):
            yield by_id[letter.id], result

    def close(self) -> None:
        """Say goodbye to the relay."""
        if self._postman:
            self._postman.quit()
            self._postman = None

    def _parcel(self, tx: Tx, attempt: Try, answers: str | None) -> Parcel:
        try:
            template = self._template(tx, attempt)
            message = template.merge(self._slots(attempt, answers))
        except TryLater:  # the database is away: that is no fault of this letter
            raise
        except SyndicatorError as fault:
            return Parcel(
                attempt,
                fault=Result(outcome=Outcome.REFUSED, detail=f"this letter cannot be written: {fault}"),
            )
        except Exception as bug:  # noqa: BLE001 - our_fault logs it
            return our_fault(attempt, bug)  # of this letter alone: the others must get out
        sender = self._desk.sender.address
        return Parcel(
            attempt, Letter(id=attempt.id, sender=sender, recipient=attempt.address, message=message)
        )

    def _slots(self, attempt: Try, answers: str | None) -> Slots:
        links, subscription = self._desk.links, attempt.subscription_id or 0
        contact = int(attempt.recipient.removeprefix("contact/"))
        confirming = attempt.item_id is None
        return Slots(
            to_address=attempt.address,
            to_name=attempt.name,
            message_id=self._message_id(attempt.subject, attempt.recipient),
            date=attempt.planned,
            unsubscribe_url="" if confirming else links.unsubscribe(subscription),
            preferences_url="" if confirming else links.preferences(contact),
            confirm_url=links.confirm(subscription) if confirming else "",
            in_reply_to=self._message_id(answers, attempt.recipient) if answers else None,
        )

    def _message_id(self, subject: str, recipient: str) -> str:
        return message_id(self._desk.key, self._desk.sender.domain, subject, recipient)

    def _template(self, tx: Tx, attempt: Try) -> Template:
        if attempt.item_id is None or attempt.revision is None:
            return self._confirmation(tx, attempt)
        known = (attempt.item_id, attempt.revision, attempt.role)
        if known not in self._templates:
            self._templates[known] = self._revision(tx, *known)
        return self._templates[known]

    def _revision(self, tx: Tx, item_id: int, number: int, role: Role) -> Template:
        item = items.by_id(tx, item_id)
        assert item is not None
        revision = items.revision(tx, item_id, number)
        titles = topics.titles(tx, revision.content.topics)
        return compose_revision(
            item,
            revision,
            site=self._desk.site,
            sender=self._desk.sender,
            topics=[titles.get(slug, slug) for slug in revision.content.topics],
            spokesperson=items.spokesperson(tx, revision.content.spokesperson),
            role=role,
        )

    def _confirmation(self, tx: Tx, attempt: Try) -> Template:
        subscription = audience.subscription(tx, attempt.subscription_id or 0)
        title = topics.titles(tx, [subscription.topic]).get(subscription.topic, subscription.topic)
        return compose_confirmation([title], site=self._desk.site, sender=self._desk.sender)


def _threads(tx: Tx, tries: Sequence[Try]) -> dict[int, str]:
    """Delivery → the subject its recipient had first, for those told of a correction or a kill."""
    told: dict[int, list[Try]] = {}
    for attempt in tries:
        if attempt.role is Role.TOLD and attempt.item_id:
            told.setdefault(attempt.item_id, []).append(attempt)
    found: dict[int, str] = {}
    for item_id, group in told.items():
        first = deliveries.first_subjects(tx, item_id, [attempt.recipient for attempt in group])
        found.update({a.id: first[a.recipient] for a in group if a.recipient in first})
    return found
