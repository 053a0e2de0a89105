"""Forgetting people for good: in the store, in the folder of letters, and again after a restore (mail:LM19).

A journal beside the files of items names who was forgotten by the digest of their address alone: a copy of the
store from before knows them still, and is cleaned when the program starts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from syndicator.model.audience import Address, Standing
from syndicator.observe import logger
from syndicator.store import Store, audience, copies, erasure, suppressions
from syndicator.wire.folder import forget

log = logger("signup")
JOURNAL = "erased.txt"


@dataclass(frozen=True, slots=True)
class Eraser:
    """Where words about people are kept, for whoever has to wipe them: a store, a folder of letters, a journal."""

    store: Store
    letters: Path | None = None
    journal: Path | None = None

    def erase(self, contact_id: int, by: str = "") -> list[str]:
        """Forget a contact; what could not be done, in words. Twice is harmless."""
        with self.store.read() as tx:  # a search of all that was ever sent, for which nobody waits
            contact = audience.find_contact(tx, contact_id)
            if contact is None or contact.standing is Standing.ERASED:
                return []
            who = contact.address
            found = erasure.quotes(tx, who, contact.name)
        with self.store.begin() as tx:
            now = audience.find_contact(tx, contact_id)
            if now is None:
                return []
            # Their address or name was changed since: then every row is looked at.
            still = found if (now.address, now.name) == (who, contact.name) else None
            digest = erasure.erase(tx, contact_id, by, still)
            if digest and self.journal:
                _add(self.journal, digest)  # before the commit: better once too often than not at all
        log.info("erased", contact=contact_id)
        return self._tidied(contact.address) if digest else []

    def erase_address(self, who: Address, by: str = "") -> list[str] | None:
        """Forget whoever has this address, on the list or not; None where there is nothing about it."""
        with self.store.read() as tx:
            found = None if audience.known_contact(tx, who) else erasure.quotes(tx, who, "")
        with self.store.begin() as tx:
            suppressions.hold(tx, suppressions.digest(tx, who.key))  # their first yes may be on its way
            contact = audience.known_contact(tx, who)
            digest = None if contact else erasure.erase_stranger(tx, who, by, found)
            if digest and self.journal:
                _add(self.journal, digest)
        if contact:
            return self.erase(contact.id, by)
        return self._tidied(who) if digest else None

    def beyond(self) -> list[str]:
        """In words, where on other machines letters may lie to whoever was forgotten."""
        return copies.rehearsed_elsewhere(self.journal.parent) if self.journal else []

    def again(self) -> list[int]:
        """Forget anew whoever the journal names and the store still shows, as after a restore; their keys."""
        digests = _read(self.journal)
        if not digests:
            return []
        with self.store.read() as tx:
            shown = erasure.restored(tx, digests)
            unknown = sorted(set(digests) - erasure.erased(tx, digests))
        if unknown:
            with self.store.begin() as tx:
                for digest in unknown:
                    erasure.refuse(tx, digest)
                erasure.forget_mailboxes(tx, set(unknown))
        for contact_id in shown:
            self.erase(contact_id)
            log.warning("erased again: the store still showed them", contact=contact_id)
        return shown

    def _tidied(self, who: Address) -> list[str]:
        kept, undone = copies.rehearsed(self.journal.parent) if self.journal else ([], [])
        folders = [*([self.letters] if self.letters else []), *kept]
        undone += [words for folder in folders for words in forget(folder, who.key)]
        left = self.store.scrub()
        return [*undone, *([left] if left else [])]


def _add(journal: Path, digest: str) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="ascii") as file:
        file.write(f"{digest}\n")
        file.flush()
        os.fsync(file.fileno())


def _read(journal: Path | None) -> list[str]:
    if journal is None or not journal.exists():
        return []
    return list(dict.fromkeys(journal.read_text("ascii").split()))
