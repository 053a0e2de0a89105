"""Redaction: the words of an item leave rows, feeds, archive pages and files, now and again after a restore.

Store rows are wiped in one transaction (`publish.redact`); then every document that held them is built anew
at once, their files are removed, and the database is told to keep nothing of what it deleted. What was
redacted stands in a journal beside the media, without a word of it, so that a restored copy of the store is
redacted again before anybody sees it. Serves no walk: it ends one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from syndicator import publish
from syndicator.errors import SyndicatorError, TryLater
from syndicator.feeds import archive, export, rebuild
from syndicator.model.item import Item, ItemState
from syndicator.model.site import Site
from syndicator.observe import logger
from syndicator.store import Store, Tx, copies, items, media, notices, redactions, rehearsal, topics, wiped
from syndicator.store.media import Cabinet
from syndicator.wire import folder

log = logger("redaction")
JOURNAL = "redactions.jsonl"
BEYOND_PG = (
    "PostgreSQL's own files, WAL and replicas: dead rows are vacuumed, their bytes go as room is reused; "
    "VACUUM FULL, and dropping old WAL, is for whoever runs the database"
)
# The beginning of a line, whose uid is not whole: the deed had not begun.
CUT_OFF = re.compile(r'\{(?:"(?:u(?:i(?:d(?:"(?:: ?)?)?)?)?)?)?|\{"uid": "(?:[^"\\]|\\.)*\\?')
FOREIGN = timedelta(hours=1)  # after which a half file of another machine is nobody's
UNUSED = timedelta(minutes=1)  # the same of a rehearsal's folder that nobody has locked
SOON = timedelta(milliseconds=50)
ROUNDS = 5  # times the documents are looked at again; each waits at most for the next second


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What holds the words: the store, its feeds, the files, the folder of letters.

    `wait` lets so much time go by; `named` gives the Message-ID of a letter by its subject and recipient.
    """

    store: Store
    site: Site
    cabinet: Cabinet
    wait: Callable[[timedelta], None]
    letters: Path | None = None
    named: Callable[[str, str], str] = lambda _subject, _recipient: "nobody"

    @property
    def journal(self) -> Path:
        """Where it is kept what was redacted: on the volume of the media, which all machines share."""
        return self.cabinet.folder / JOURNAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """What was done: how many files were removed, what could not be (`undone`), and what nobody here can recall."""

    uid: str
    files: int
    undone: tuple[str, ...]
    beyond: tuple[str, ...]


def redact(house: House, uid: str, reason: str, *, by: str = "") -> Redacted:
    """Wipe the words of an item, or of a release that was not public, from everywhere in this house.

    It tells nobody who had it: `item kill` or `release cancel` does, and goes first. Raises NotFound, and Refused
    where they are wiped already or the release may still go out.
    """
    with house.store.read() as tx:
        item, now = publish.check_redactable(tx, uid), tx.now
    left = _sweep(house, now)
    with house.store.read() as tx:
        beyond = list(_beyond(tx, uid, item, house.site)) + left
    beyond += copies.elsewhere(house.cabinet.folder, uid)
    if house.store.kind == "postgresql":
        beyond.append(BEYOND_PG)
    # Before the deed: what is journalled and not done yet is done at the next start.
    _write(house.journal, uid, reason, now)
    files, undone = _wipe(house, uid, by)
    return Redacted(uid=uid, files=files, undone=tuple(undone), beyond=tuple(beyond))


def again(house: House) -> list[str]:
    """Redact anew whatever the journal names and the store still shows, as after a restore; the uids.

    What the store does not have (yet) comes in under none of these uids, and what killed processes left goes.
    """
    uids = list(dict.fromkeys(_journalled(house.journal)))
    with house.store.read() as tx:
        shown, now = [uid for uid in uids if redactions.unwiped(tx, uid)], tx.now
        unknown = [uid for uid in uids if not wiped.marked(tx, uid)]
    if unknown:
        with house.store.begin() as tx:
            wiped.mark(tx, unknown)
    _sweep(house, now)
    _remove_redacted(house)
    _burn_again(house, uids)
    for uid in shown:
        _, undone = _wipe(house, uid, "")
        log.warning("redacted again: the store still showed it", uid=uid, undone=undone)
    return shown


def _export_again(house: House) -> Iterator[str]:
    """Make the folders of this machine that feeds were exported to hold what is served now."""
    for place in copies.exports(house.cabinet.folder):
        if (place / export.MANIFEST).is_file():
            try:
                export.export(house.store, house.site, place, unasked=True)
            except SyndicatorError as fault:
                yield f"feeds exported to {place}: {fault}"


def _wipe(house: House, uid: str, by: str) -> tuple[int, list[str]]:
    # These go before the deed is on record: after a crash between the two it is done again.
    files, undone = copies.burn(house.cabinet.folder, uid)
    burnt, _ = _burn(house, [uid])
    with house.store.begin() as tx:
        digests = publish.redact(tx, uid, by=by)
        item = items.find(tx, uid)
        undone += _quoted(tx, item) if item else []
    undone += _rebuild(house, item.id) if item else []
    undone += _export_again(house)
    _wait_for_letters(house, uid)
    late, unburnt = _burn(house, [uid])
    files, undone = files + burnt + late, [*undone, *unburnt]
    for digest in digests:
        try:
            files += house.cabinet.remove(digest)
        except SyndicatorError as fault:
            undone.append(str(fault))
    left = house.store.scrub()
    return files, [*undone, *([left] if left else [])]


def _quoted(tx: Tx, item: Item) -> Iterator[str]:
    """Issues of the newsletter are items of their own, words and all."""
    for number, uid in redactions.issues(tx, item.id):
        yield (
            f"No. {number} of the newsletter has its headline and summary, and so have its former versions: "
            f"`syndicator item edit {uid} FILE` takes them off its page and out of feeds, `item redact {uid}` wipes the issue"
        )


def _burn(house: House, uids: Sequence[str]) -> tuple[int, list[str]]:
    """Remove letters of these from the folder: how many, and those a person must, in words."""
    if house.letters is None or not house.letters.is_dir():
        return 0, []
    with house.store.read() as tx:
        known = [(uid, _key(tx, uid)) for uid in uids]
        sent = [one for each in known for one in redactions.letters_of(tx, *each)]
        names = {name for each in known for name in redactions.written(tx, *each)}
    ids = {house.named(*one).partition("@")[0] for one in sent}
    return folder.remove(house.letters, ids, names)


def _wait_for_letters(house: House, uid: str) -> None:
    """Let a letter that is being written into the folder at this moment get there, that it may be removed."""
    for _ in range(ROUNDS if house.letters and house.letters.is_dir() else 0):
        with house.store.read() as tx:
            if not redactions.in_hand(tx, uid, _key(tx, uid)):
                return
        house.wait(SOON)


def _key(tx: Tx, uid: str) -> int | None:
    item = items.find(tx, uid)
    return item.id if item else None


def _burn_again(house: House, uids: Sequence[str]) -> None:
    """What this machine has in folders of items that another redacted, or out of a backup of them."""
    removed, undone = _burn(house, uids)
    for uid in uids:
        files, left = copies.burn(house.cabinet.folder, uid)
        removed, undone = removed + files, [*undone, *left]
    if removed or undone:
        log.warning("files of what was redacted were still there", removed=removed, undone=undone)


def _remove_redacted(house: House) -> None:
    """Files whose rows say that they are gone: whoever wiped them was killed before, or they came back from a backup."""
    with house.store.read() as tx:
        digests = media.redacted(tx)
    for digest in digests:
        try:
            if house.cabinet.remove(digest):
                log.warning("a redacted file was still there", digest=digest)
        except SyndicatorError as fault:
            log.warning("a redacted file is still there", fault=str(fault))


def _rebuild(house: House, item_id: int) -> Iterator[str]:
    """Build every document anew that held it, and wait where one may change no more within this second (feeds:H5)."""
    left: list[str] = []
    for _ in range(ROUNDS):
        rebuild.rebuild_stale(house.store, house.site)
        with house.store.begin() as tx:
            left = redactions.waiting(tx, item_id)
            left += _retell(tx, house.site, item_id)
            now, due = tx.now, rebuild.next_stale(tx)
        if not left:
            return
        soon = now.replace(microsecond=0) + timedelta(seconds=1)
        house.wait(min(due or soon, soon) - now if (due or soon) > now else SOON)
    yield from (f"the feeds of {slug} still hold it: look at `syndicator feed check`" for slug in left)


def _retell(tx: Tx, site: Site, item_id: int) -> list[str]:
    """Tombstones in closed pages say no more why; the slugs of topics of which one must wait for the next second."""
    by_id, late = {topic.id: topic for topic in topics.listing(tx)}, set()
    changed = False
    for topic_id, page in redactions.pages(tx, item_id):
        topic = by_id[topic_id]
        if archive.retell(tx, topic, site, page) is None:
            late.add(topic.slug)
        else:
            changed = True
    if changed:
        notices.announce(tx)
    return sorted(late)


def _sweep(house: House, now: datetime) -> list[str]:
    """Remove what killed processes left; in words what is left of them."""
    house.cabinet.sweep(now - FOREIGN)
    left = rehearsal.sweep(house.store, now - UNUSED)
    return [f"the copy of a rehearsal that goes on, {place}: it goes with it" for place in left]


def _beyond(tx: Tx, uid: str, item: Item | None, site: Site) -> Iterator[str]:
    """What holds the words and is not ours to wipe."""
    letters, partners = redactions.handed_over(tx, uid, item.id if item else None)
    if letters:
        told = item is None or item.state is ItemState.KILLED
        untold = "" if told else "; `syndicator item kill` first would have told them"
        mails = "1 mail" if letters == 1 else f"{letters:,} mails"
        yield f"{mails} handed over, in relay queues and mailboxes{untold}"
    if partners:
        yield f"copies at the partners {', '.join(partners)}"
    for name, holders in media.kept_for(tx, uid):
        yield f"the file {name}: {', '.join(holders)} holds it too, so it stays until that is redacted"
    if item:
        hubs = f" and the hubs {', '.join(site.hubs)}" if site.hubs else ""
        yield f"copies at aggregators, search engines and caches that read the feeds{hubs}; Atom's tombstone tells them"
    yield "whatever else was made of previews, rehearsals, exported feeds and letters: files moved, copied or sent around"
    yield "backups made before, and logs: the journal beside the media redacts a restored copy again"
    yield "the reasons people gave in the audit, and whatever else quotes it under another uid"
    if item and item.upstream:
        yield f"its origin, {item.upstream}: it is not taken in again from there"
    if uid.startswith(("http:", "https:")):
        yield f"its uid {uid}, by which readers delete it: it stays, with what words it holds"


def _write(journal: Path, uid: str, reason: str, now: datetime) -> None:
    """One line more, on the disk before this returns; what a crash left of another line stays by itself."""
    line = json.dumps({"uid": uid, "reason": reason, "at": now.isoformat()})
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(journal, flags, 0o600), "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            file.write(b"\n" * torn + f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as fault:
        raise TryLater(
            f"{journal} takes no line: {fault.strerror}; nothing was redacted, look at store.media_dir"
        ) from None


def _journalled(journal: Path) -> Iterator[str]:
    """The uids in the journal; a line that a crash cut off before its uid was whole names nothing that was begun.

    Raises TryLater where there is one that cannot be read: better nobody serves than what was redacted is served.
    """
    try:
        lines = journal.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return
    except OSError as fault:
        raise TryLater(
            f"{journal} cannot be read: {fault.strerror}; it says what must stay redacted, give it back to us"
        ) from None
    for number, line in enumerate(lines, 1):
        if not (text := line.strip(" \t\r\0")):
            continue
        try:
            yield str(json.loads(text)["uid"])
        except (ValueError, KeyError, TypeError):
            if not CUT_OFF.fullmatch(text):
                raise TryLater(
                    f"line {number} of {journal} cannot be read and may name what must stay redacted: mend it as "
                    f'{{"uid": "…"}}, or remove it if it names nothing'
                ) from None
            log.warning("a line of the journal of redactions was cut off", journal=str(journal), line=number)
