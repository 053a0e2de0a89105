"""What each letter says: ledger rows → templates, and the slots of each recipient.

The subject of a delivery says what it is about; each sort has its way to be composed. A letter says the same
every time it is tried: Message-ID and Date come from the ledger row, so a repeat after a doubt can be recognised
by whoever receives it (mail:MC2, MC4). How letters leave the house is `mail`'s. Serves walk B.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from syndicator.delivery.editions import MOST, Editions, Shelf
from syndicator.errors import NotFound, Refused
from syndicator.model.delivery import Priority, Role, Try
from syndicator.model.difference import since
from syndicator.model.item import Content, Significance, Spokesperson
from syndicator.model.letters import Letter
from syndicator.model.newsletter import content_of
from syndicator.model.release import Release, ReleaseState
from syndicator.model.site import Site
from syndicator.render.mail import (
    Sender,
    Slots,
    Template,
    compose_advance,
    compose_alarm,
    compose_confirmation,
    compose_letter,
    compose_notice,
    compose_revision,
    compose_sample,
    message_id,
)
from syndicator.render.mail.envelope import verp
from syndicator.store import Tx, alarms, audience, items, letters, newsletters, releases, topics
from syndicator.store.deliveries import threads, told
from syndicator.store.deliveries.copies import version_had

if TYPE_CHECKING:
    from syndicator.render.mail.dkim import Signer  # most newsrooms' relays sign

# One at a time: lanes that start together would only be in each other's way, and the first letter would be late.
_COMPOSING = threading.Lock()
KEPT = 16  # templates at hand; whatever is sent in one go is of few sorts
EMBARGOED = ("advance", "notice")  # mail that must not be read on its way
RELEASES, NEWSLETTER = "releases", "newsletter"  # the left ends of List-Ids, for ever (mail:MC9)
OF_RELEASES = (*EMBARGOED, "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The addresses only one recipient gets: by subscription, and for preferences by contact and generation.

    `press` leads to a contact's own page of a release, while it is under embargo (mail:MC22); `letter` is where
    the button of a letter about somebody's own affairs leads, by its sort; `leaving` is the address that ends a
    subscription by mail, empty where none does.
    """

    confirm: Callable[[int], str]
    unsubscribe: Callable[[int], str]
    preferences: Callable[[int, int], str]
    press: Callable[..., str]
    letter: Callable[[letters.Owed], str]
    leaving: Callable[[int], str] = lambda _: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every letter of the house has in common; `key` makes Message-IDs that cannot be guessed.

    `signer` is None where the relay signs; `bounce_domain` is where bounces go, each to an address of its own
    made with `bounce_key`; empty, they go to the sender. `most_items` is how many items a digest shows, and `shelf`
    where digests lie that were composed.
    """

    site: Site
    sender: Sender
    key: bytes
    links: Links
    signer: Signer | None = None
    bounce_domain: str = ""
    bounce_key: bytes = b""
    most_items: int = MOST
    shelf: Shelf = field(default_factory=Shelf)

    def return_path(self, delivery_id: int) -> str:
        """The envelope sender of one letter (mail:MC17)."""
        if not self.bounce_domain:
            return self.sender.address
        return verp(self.bounce_key or self.key, delivery_id, self.bounce_domain)


class Writer:
    """Composes each sort of letter once and keeps it for the next recipients; used by one thread."""

    def __init__(self, desk: Desk, keep: int = KEPT) -> None:
        self._desk = desk
        self._keep = keep
        self._kept: OrderedDict[tuple[object, ...], Template] = OrderedDict()
        self._corrected_twice: dict[tuple[int, int], bool] = {}
        self._unannounced: set[int] = set()  # items nobody had an advance copy of
        self._editions = Editions(desk)

    def message_id(self, attempt: Try) -> str:
        """The Message-ID of this letter, without < and >."""
        return self._message_id(attempt.subject, attempt.recipient)

    def threads(self, tx: Tx, tries: Sequence[Try]) -> dict[int, str]:
        """Delivery → the subject its recipient had first of the same thing, for those that answer to something.

        Before any letter of these tries: what their digests hold is asked for here, too.
        """
        self._editions.read(tx, [attempt for attempt in tries if sort(attempt) == "digest"])
        about: dict[tuple[int | None, int | None], list[Try]] = {}
        for attempt in tries:
            if sort(attempt) in ("revision", *EMBARGOED):
                about.setdefault((attempt.item_id, attempt.release_id), []).append(attempt)
        found: dict[int, str] = {}
        for group in about.values():
            first = self._first_subjects(tx, group)
            found.update({a.id: s for a in group if (s := first.get(a.recipient)) and s != a.subject})
        return found

    def _first_subjects(self, tx: Tx, group: Sequence[Try]) -> dict[str, str]:
        """Recipient → what they had first, for letters about one release or item."""
        one, recipients = group[0], [attempt.recipient for attempt in group]
        if one.item_id is None:
            return threads.first_advances(tx, releases.named(tx, _about(one)[0]), recipients)
        again = [attempt.recipient for attempt in group if attempt.role is Role.TOLD]
        first = threads.first_owed(tx, one.item_id, again) if again else {}
        if one.item_id not in self._unannounced:
            item = items.by_id(tx, one.item_id)
            release = releases.find(tx, item.uid) if item else None
            if release and threads.announced(tx, release):
                first |= threads.first_advances(tx, release, recipients)
            else:  # nor will it be: what is public is not sent in advance any more
                self._unannounced.add(one.item_id)
        return first

    def letter(self, tx: Tx, attempt: Try, answers: str | None) -> bytes:
        """The whole message; raises SyndicatorError in words where it cannot be written."""
        if sort(attempt) == "letter":
            return self._own_affairs(tx, attempt)
        release = releases.named(tx, _about(attempt)[0]) if sort(attempt) in OF_RELEASES else None
        return _worn(self._template(tx, attempt, release), attempt).merge(
            self._slots(attempt, release, answers)
        )

    def _own_affairs(self, tx: Tx, attempt: Try) -> bytes:
        """A letter about the recipient's own affairs; the same words are composed once for all they are true of."""
        owed = letters.by_id(tx, int(attempt.subject.rpartition("/")[2]))
        if owed is None:
            raise Refused(
                f"{attempt.subject} was forgotten with the person it was about: nothing is left to say"
            )
        site, sender = self._desk.site, self._desk.sender
        key = ("letter", owed.sort, json.dumps(dict(owed.facts), sort_keys=True))

        def compose() -> Template:
            facts = dict(owed.facts)
            # Of these go many at once, so their row names topics as the house does.
            if owed.sort in (Letter.PERMISSION, Letter.SOURCE):
                titles = topics.titles(tx)
                facts["topics"] = [titles.get(slug, slug) for slug in facts.get("topics", ())]
            return compose_letter(owed.sort, facts, site=site, sender=sender)

        template = self._once(key, compose)
        slots = self._slots(attempt, None, None)
        return _worn(template, attempt).merge(replace(slots, letter_url=self._desk.links.letter(owed)))

    def _slots(self, attempt: Try, release: Release | None, answers: str | None) -> Slots:
        links, subscription, contact = self._desk.links, attempt.subscription_id or 0, contact_id(attempt)
        asking = sort(attempt) == "confirmation"
        listed = contact is not None and not asking
        return Slots(
            to_address=attempt.address,
            to_name=attempt.name,
            message_id=self.message_id(attempt),
            date=_date(attempt, release),
            unsubscribe_url=links.unsubscribe(subscription) if listed else "",
            leaving_address=links.leaving(subscription) if listed and subscription else "",
            preferences_url=links.preferences(contact or 0, attempt.generation) if listed else "",
            confirm_url=links.confirm(subscription) if asking else "",
            press_url=links.press(contact, release.id, attempt.press_generation)
            if contact is not None and release
            else "",
            in_reply_to=self._message_id(answers, attempt.recipient) if answers else None,
        )

    def _message_id(self, subject: str, recipient: str) -> str:
        return message_id(self._desk.key, self._desk.sender.domain, subject, recipient)

    def _template(self, tx: Tx, attempt: Try, release: Release | None) -> Template:
        if release:
            return self._of_release(tx, attempt, release)
        match sort(attempt):
            case "revision":
                missed = self._missed(tx, attempt)
                key = ("revision", attempt.item_id, attempt.revision, attempt.role, missed)
                return self._once(key, lambda: self._revision(tx, attempt, missed))
            case "confirmation":
                return self._confirmation(tx, attempt)
            case "alarm":
                return self._alarm(tx, attempt)
            case "newsletter":
                return self._issue_test(tx, attempt)
            case "digest":
                return self._editions.letter(tx, attempt)
            case other:
                raise Refused(f"nobody knows how to write a letter about {other}/…")

    def _once(self, key: tuple[object, ...], compose: Callable[[], Template]) -> Template:
        """The template of this key, composed now if need be; the one used longest ago makes way."""
        if key not in self._kept:
            with _COMPOSING:
                self._kept[key] = compose()
            while len(self._kept) > self._keep:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _missed(self, tx: Tx, attempt: Try) -> int | None:
        """The revision they had last, where corrections came since that they are to hear of together (EM4)."""
        item_id, number = attempt.item_id, attempt.revision
        if attempt.priority is not Priority.CORRECTION or not item_id or not number:
            return None
        if (item_id, number) not in self._corrected_twice:
            history = items.history(tx, item_id)
            corrections = [one for one in history if one.significance is Significance.CORRECTION]
            self._corrected_twice[item_id, number] = len(corrections) > 1
        if not self._corrected_twice[item_id, number]:
            return None
        return told.last_had(tx, item_id, number, attempt.recipient)

    def _revision(self, tx: Tx, attempt: Try, missed: int | None) -> Template:
        item = items.by_id(tx, attempt.item_id or 0)
        if item is None or attempt.revision is None:
            raise NotFound(f"there is no item for {attempt.subject}")
        revision = items.revision(tx, item.id, attempt.revision)
        if missed is not None:
            revision = since(items.history(tx, item.id), missed, revision.number)
        around, label = (
            self._around(tx, revision.content),
            NEWSLETTER if newsletters.is_issue(tx, item.uid) else RELEASES,
        )
        return compose_revision(item, revision, role=attempt.role, label=label, **around)

    def _of_release(self, tx: Tx, attempt: Try, release: Release) -> Template:
        kind, (_, number) = sort(attempt), _about(attempt)
        # In the words they had: those of now may be a draft, or for those who are accredited still (security:E1).
        known = version_had(tx, release.id, attempt.recipient) if kind == "notice" else None
        # Moved once more, or edited, it says something else.
        key = (kind, release.id, number, known, release.moves, release.state, release.version)
        return self._once(key, lambda: self._written(tx, kind, release, number, known or 1))

    def _written(self, tx: Tx, kind: str, release: Release, number: int, known: int) -> Template:
        if kind == "notice":
            notice = releases.notice(tx, release.id, number)
            words = releases.version(tx, release.id, known).content
            return compose_notice(replace(release, content=words), notice, **self._around(tx, words))
        version = releases.version(tx, release.id, number)
        around = self._around(tx, version.content)
        if kind == "advance":
            return compose_advance(release, version, **around)
        embargo = None if release.state is ReleaseState.RELEASED else release.embargo
        return compose_sample(version.content, embargo, **around)

    def _confirmation(self, tx: Tx, attempt: Try) -> Template:
        subscription = audience.subscription(tx, attempt.subscription_id or 0)
        title = topics.titles(tx, [subscription.topic]).get(subscription.topic, subscription.topic)
        site, sender = self._desk.site, self._desk.sender
        return self._once(
            ("confirmation", title), lambda: compose_confirmation([title], site=site, sender=sender)
        )

    def _issue_test(self, tx: Tx, attempt: Try) -> Template:
        """A test of an issue of the newsletter, as it stands now: never kept, for its editor is at work on it."""
        issue = newsletters.named(tx, int(attempt.subject.split("/")[1]))
        words = content_of(newsletters.sheet(tx, issue), self._desk.site, topics.titles(tx))
        return compose_sample(words, None, **self._around(tx, words))

    def _alarm(self, tx: Tx, attempt: Try) -> Template:
        alarm = alarms.by_id(tx, int(attempt.subject.rpartition("/")[2]))
        return compose_alarm(alarm.subject, alarm.words, site=self._desk.site, sender=self._desk.sender)

    def _around(self, tx: Tx, content: Content) -> _Around:
        titles = topics.titles(tx, content.topics)
        person = items.spokesperson(tx, content.spokesperson)
        return {
            "site": self._desk.site,
            "sender": self._desk.sender,
            "topics": [titles.get(slug, slug) for slug in content.topics],
            "spokesperson": person,
            "stand_in": items.spokesperson(tx, person.stand_in) if person else None,
        }


class _Around(TypedDict):
    site: Site
    sender: Sender
    topics: Sequence[str]
    spokesperson: Spokesperson | None
    stand_in: Spokesperson | None


def _worn(template: Template, attempt: Try) -> Template:
    """The letter as its recipient wants it: with an HTML part, or bare."""
    return template.bare if attempt.text_only and template.bare else template


def sort(attempt: Try) -> str:
    """What sort of letter it is, as its subject says: revision, advance, notice, sample, confirmation, alarm, letter."""
    return attempt.subject.partition("/")[0]


def contact_id(attempt: Try) -> int | None:
    """The contact it goes to; None for an address that was named for a test or an alarm."""
    key = attempt.recipient.removeprefix("contact/")
    return int(key) if key != attempt.recipient else None


def embargoed(attempt: Try) -> bool:
    """Whether nobody on its way may read it: it tells of a release before its time (EM7)."""
    return sort(attempt) in EMBARGOED or (sort(attempt) == "sample" and attempt.under_embargo)


def _date(attempt: Try, release: Release | None) -> datetime:
    """When a letter says it was written: the instant it became a duty, or it was to go out in advance."""
    if release and release.advance and sort(attempt) == "advance":
        return max(attempt.planned, release.advance)
    return attempt.planned


def _about(attempt: Try) -> tuple[str, int]:
    """The uid of the release a letter is about, and the number in its subject: of a version, or of a notice."""
    kind, _, rest = attempt.subject.partition("/")
    if kind == "sample":
        rest = rest.rpartition("/")[0]  # what makes two tests of one version two
    uid, _, number = rest.rpartition("/")
    return uid, int(number)
