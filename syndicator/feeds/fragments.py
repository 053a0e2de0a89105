"""Items → fragments: render those that have none, once per transaction, and keep them for the next.

One item that cannot be rendered costs only itself, and is named. Serves walk A.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from syndicator.feeds import plan
from syndicator.model.item import Item, Profile, Spokesperson
from syndicator.model.site import Format, Site
from syndicator.observe import logger
from syndicator.render import entries
from syndicator.store import Tx, documents, items, topics
from syndicator.store.documents import Placed

log = logger("feeds")
ByFormat = dict[Format, bytes]
NOTHING: ByFormat = {}  # of an item that cannot be rendered


def look(site: Site) -> str:
    """What every document depends on besides its items; another look makes all of them stale."""
    return hashlib.sha256(f"{entries.RENDERER_VERSION} {site!r}".encode()).hexdigest()


class Fragments:
    """The fragments of one transaction: kept ones, those rendered in it, and who could not be.

    Topics and people are read when first needed, after the transaction took its topics: whoever changes
    a name marks the topics stale, and so waits for us, or was seen by us.
    """

    def __init__(self, tx: Tx, site: Site, here: str) -> None:
        self.left_out: set[str] = set()
        self._tx, self._site, self._look = tx, site, here
        self._titles: dict[str, str] = {}
        self._people: dict[str, Spokesperson] | None = None
        self._made: dict[tuple[Profile, int], tuple[int, ByFormat]] = {}
        self._unsaved: dict[tuple[Profile, int], tuple[int, ByFormat]] = {}

    @property
    def look(self) -> str:
        """The look of the site they are rendered for."""
        return self._look

    def of(self, placed: Sequence[Placed], profile: Profile, *, keep: bool) -> list[ByFormat]:
        """The fragments of these items in their order, NOTHING for what cannot be rendered.

        An item is in all formats or in none (feeds:P7). `keep` says whether they will be asked for
        again: those of a closed page will not.
        """
        lacking = [one for one in placed if not one.fragments and (profile, one.item_id) not in self._made]
        if lacking:
            self._render([one.item_id for one in lacking], profile)
        if keep:
            for one in placed:
                found = self._made.get((profile, one.item_id))
                if found and found[1] and not one.fragments:
                    self._unsaved[profile, one.item_id] = found
        return [one.fragments or self._made[profile, one.item_id][1] for one in placed]

    def save(self) -> None:
        """Keep what was rendered for live documents; in one order, so that two of us never deadlock."""
        for profile in sorted({profile for profile, _ in self._unsaved}, key=lambda one: one.name):
            rows = [
                (item_id, revision, bodies)
                for (own, item_id), (revision, bodies) in self._unsaved.items()
                if own == profile
            ]
            documents.save_fragments(self._tx, profile.name, self._look, rows)
        self._unsaved.clear()

    def _render(self, item_ids: Sequence[int], profile: Profile) -> None:
        found = items.many(self._tx, item_ids)
        self._learn(found)
        for item in found:
            self._made[profile, item.id] = (item.revision, self._rendered(item, profile))

    def _rendered(self, item: Item, profile: Profile) -> ByFormat:
        people = self._people or {}
        asked = people.get(item.content.spokesperson or "")
        stand_in = people.get(asked.stand_in or "") if asked else None
        try:
            view = entries.entry(item, self._site, self._titles, asked, stand_in)
            bodies = {format: entries.fragment(view, format, profile) for format in Format}
        except Exception:  # feeds:P7: a bug that one item wakes is loud, and costs no other item
            log.exception("left out", uid=item.uid)
            self.left_out.add(item.uid)
            return NOTHING
        if (size := max(map(len, bodies.values()))) > plan.LARGE:
            log.warning("large article; aggregators may refuse it", uid=item.uid, bytes=size)
        return bodies

    def _learn(self, found: Sequence[Item]) -> None:
        filed = {slug for item in found for slug in item.content.topics}
        if missing := filed.difference(self._titles):
            self._titles.update(topics.titles(self._tx, missing))
        if self._people is None:
            self._people = {person.slug: person for person in items.spokespeople(self._tx)}
