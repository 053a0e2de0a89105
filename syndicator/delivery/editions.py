"""Digests as they are written: composed once for all who are to read the same, merged for each (mail:DG10).

What makes two digests one is what stands in `Edition` and nothing of a person. The shelf is shared by all lanes of a
process; whatever lies on it was composed of revisions that its key names, so it never goes stale.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from syndicator.errors import Refused
from syndicator.model.delivery import Try
from syndicator.model.digest import digest_of
from syndicator.model.item import Item
from syndicator.model.release import in_zone
from syndicator.render.mail import Edition, Section, Template, begins, capped, compose_digest
from syndicator.store import Tx, items
from syndicator.store.deliveries.gathered import Gathered, gathered

if TYPE_CHECKING:
    from syndicator.delivery.writing import Desk

KEPT = 256  # digests at hand, some 50 kB each
MOST = 50  # items a digest shows where nobody says otherwise


class Shelf:
    """Digests that were composed, for all lanes of a process; the one used longest ago makes way.

    `composed` counts how many there were.
    """

    def __init__(self, keep: int = KEPT) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Template] = OrderedDict()
        self.composed = 0

    def edition(self, tx: Tx, attempt: Try, held: Gathered, desk: Desk) -> Template:
        """The letter of this digest."""
        cadence, closes = digest_of(attempt.subject)
        day = in_zone(closes, held.zone).date()
        first = begins(cadence, day, in_zone(held.since, held.zone).date())
        key = (cadence, day, first, held.language, held.topics)
        with self._lock:  # whoever wants the same waits for it, and does not compose it again
            if key not in self._kept:
                sections = capped(_sections(tx, held), desk.most_items)
                edition = Edition(cadence=cadence, day=day, sections=sections, first=first)
                self._kept[key] = compose_digest(edition, site=desk.site, sender=desk.sender)
                self.composed += 1
                while len(self._kept) > self._keep:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


class Editions:
    """The digests of one lane: what those of a claim hold is asked for all at once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._held: dict[int, Gathered] = {}

    def read(self, tx: Tx, tries: Sequence[Try]) -> None:
        """Ask what these digests hold, in the transaction their letters are written in."""
        self._held = gathered(tx, [attempt.id for attempt in tries]) if tries else {}

    def letter(self, tx: Tx, attempt: Try) -> Template:
        """The letter of a digest that `read` asked about; raises Refused where nothing is left of it."""
        held = self._held.get(attempt.id)
        if held is None:
            raise Refused("nothing is left of this digest: what it held was taken back")
        return self._desk.shelf.edition(tx, attempt, held, self._desk)


def _sections(tx: Tx, held: Gathered) -> list[Section]:
    return [
        Section(under.title, under.slug, tuple(_item(tx, key) for key, _ in items_of_topic))
        for under, items_of_topic in held.topics
    ]


def _item(tx: Tx, key: int) -> Item:
    item = items.by_id(tx, key)
    assert item is not None  # its revision was read in this transaction
    return item
