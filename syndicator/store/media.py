"""Media: the files of releases and items, kept once each by what they hold, and who may have them when.

The bytes lie under `store.media_dir`, named by their SHA-256 (`Cabinet`); rows say by which name the public
gets them, and whose they are. That name is random and made when a file comes in, but it is refused until an
item that shows the file is public (ADR 30), and again once none of them is. Serves walk B.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import ColumnElement, Row, Select, bindparam, exists, func, select, update

from syndicator.errors import Invalid, NotFound, Refused, TryLater
from syndicator.model.item import ItemState, content_from_json
from syndicator.model.release import ReleaseState
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_skip

DIGEST = re.compile(r"[0-9a-f]{64}")
SHARD = re.compile(r"[0-9a-f]{2}")
HALF = re.compile(r"\.[0-9a-f]{64}\.(.*)\.([0-9]+)\.[0-9]+")  # machine, process and thread that write it
NAME = re.compile(r"[0-9a-z.]{1,64}")  # what visitors may ask for at all: no database is given anything else
BLOCK = 1 << 16  # bytes read at a time
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

m, u = schema.media.c, schema.media_uses.c
i, r = schema.items.c, schema.revisions.c
# Built once: every item that is made public asks.
_WORDS = (
    select(r.content)
    .join(schema.items, (r.item_id == i.id) & (r.number == i.revision))
    .where(i.uid == bindparam("whose"))
)
_THEIRS = update(schema.media_uses).where(u.uid == bindparam("whose"))
_PRESENT = u.media_id.in_(select(m.id).where(m.digest.in_(bindparam("digests", expanding=True))))
_SHUT = _THEIRS.where(u.shown.is_not(None), ~_PRESENT).values(shown=None)
_OPEN = _THEIRS.where(u.shown.is_(None), _PRESENT)
_others = schema.media_uses.alias("others")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One file we keep. `length` in bytes, `width` and `height` in pixels or 0.

    `filename` is what its author called it; `redacted` when its bytes were wiped for good.
    """

    id: int
    digest: str
    name: str
    type: str
    length: int
    width: int
    height: int
    filename: str
    created: datetime
    released: datetime | None
    redacted: datetime | None


class Cabinet:
    """The files themselves, in folders by the first two digits of their digest; a folder several machines may share.

    `limit` is in bytes. Files are for their owner alone, written whole or not at all, and never reached through a
    symbolic link; only `folder` itself may be one.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit

    def put(self, data: bytes) -> str:
        """Keep these bytes and return their digest; the same bytes twice are one file.

        Raises Refused when they are too long, and TryLater when the folder does not take them.
        """
        if len(data) > self.limit:
            raise Refused(
                f"it has {len(data):,} bytes; the limit is {self.limit:,} (store.media_limit): make it smaller"
            )
        digest = hashlib.sha256(data).hexdigest()
        try:
            with self._shard(digest, make=True) as shard:
                if not _holds(shard, digest):
                    _write(shard, digest, data)
        except OSError as fault:
            raise TryLater(
                f"{self.folder} takes no file: {fault.strerror}; look at store.media_dir"
            ) from None
        return digest

    def open(self, digest: str) -> BinaryIO:
        """The file, to be read and closed; raises NotFound when it is not there."""
        try:
            with self._shard(digest) as shard:
                handle = os.open(digest, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=shard)
        except OSError:
            raise NotFound(
                f"{self.folder} has no file {digest}; restore store.media_dir from a backup"
            ) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise NotFound(f"{self.folder} has something in the place of file {digest}: take it away")
        return os.fdopen(handle, "rb")

    def remove(self, digest: str) -> bool:
        """Take the file away for good, and say whether it was there; raises TryLater when that is not allowed.

        What was left half written of it goes with it.
        """
        try:
            with self._shard(digest) as shard:
                for half in os.listdir(shard):  # noqa: PTH208 - of an open folder
                    if half.startswith(f".{digest}."):
                        os.unlink(half, dir_fd=shard)
                os.unlink(digest, dir_fd=shard)
                os.fsync(shard)
        except FileNotFoundError:
            return False
        except OSError as fault:
            raise TryLater(
                f"{self.folder} keeps file {digest}: {fault.strerror}; remove it by hand"
            ) from None
        return True

    def digests(self) -> Iterator[str]:
        """Every file there is, in no particular order."""
        with contextlib.suppress(FileNotFoundError):
            for shard in sorted(self.folder.iterdir()):
                if shard.is_dir() and not shard.is_symlink():
                    yield from (path.name for path in shard.iterdir() if DIGEST.fullmatch(path.name))

    def strays(self, before: datetime, hour: int) -> Iterator[str]:
        """The files nobody has brought in since `before`, of those looked at in this `hour` of the day: each once a day."""
        with contextlib.suppress(OSError):
            for shard in self.folder.iterdir():
                if (
                    SHARD.fullmatch(shard.name)
                    and int(shard.name, 16) % 24 == hour
                    and not shard.is_symlink()
                ):
                    for path in shard.iterdir():
                        if DIGEST.fullmatch(path.name) and path.lstat().st_mtime < before.timestamp():
                            yield path.name

    def discard(self, digest: str, before: datetime) -> bool:
        """Remove a file that nothing holds, unless somebody brings the same bytes in at this moment; whether it is gone.

        It is taken out of sight first: whoever brings it in dates it, then looks whether it is still there (`put`).
        """
        with contextlib.suppress(OSError), self._shard(digest) as shard:
            aside = _half(digest)
            os.rename(digest, aside, src_dir_fd=shard, dst_dir_fd=shard)
            if os.stat(aside, dir_fd=shard, follow_symlinks=False).st_mtime < before.timestamp():
                os.unlink(aside, dir_fd=shard)
                return True
            os.rename(aside, digest, src_dir_fd=shard, dst_dir_fd=shard)
        return False

    def sweep(self, before: datetime) -> int:
        """Remove what killed processes left half written: theirs on this machine, any from `before`; returns how many."""
        found = 0
        with contextlib.suppress(FileNotFoundError):
            for path in self.folder.glob("[0-9a-f][0-9a-f]/.*"):
                half = HALF.fullmatch(path.name)
                with contextlib.suppress(OSError):
                    if half and (_died(half) or path.lstat().st_mtime < before.timestamp()):
                        path.unlink()
                        found += 1
        return found

    @contextlib.contextmanager
    def _shard(self, digest: str, *, make: bool = False) -> Iterator[int]:
        if not DIGEST.fullmatch(digest):
            raise Invalid(f"{digest[:80]!r} is no SHA-256 in hex")
        if make:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = os.open(self.folder, FOLDER & ~os.O_NOFOLLOW)
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(digest[:2], 0o700, dir_fd=root)
                    os.fsync(root)
            shard = os.open(digest[:2], FOLDER, dir_fd=root)
        finally:
            os.close(root)
        try:
            yield shard
        finally:
            os.close(shard)


def take(
    tx: Tx,
    digest: str,
    name: str,
    *,
    type: str,
    length: int,
    width: int = 0,
    height: int = 0,
    filename: str = "",
) -> Kept:
    """The record of a file; a new one under `name`, which nobody can guess, or the one these bytes have already.

    Raises Refused for bytes that were redacted: they come back by no door.
    """
    values = {
        "digest": digest,
        "name": name,
        "type": type,
        "length": length,
        "width": width,
        "height": height,
        "filename": filename,
        "created": tx.now,
    }
    tx.connection.execute(insert_or_skip(tx, schema.media).values(**values))
    kept = _one(tx, m.digest == digest)
    if kept is None:
        raise TryLater(f"a file by the name {name} came in at this moment; try again")
    if kept.redacted:
        raise Refused(f"this very file was redacted on {kept.redacted:%Y-%m-%d} and is not taken in again")
    return kept


def use(tx: Tx, digests: Collection[str], uid: str) -> None:
    """Say that the release or item of this uid holds these files; what it held before stays on record."""
    ids = select(m.id).where(m.digest.in_(list(digests)))
    for media_id in tx.connection.execute(ids.order_by(m.id)).scalars():
        tx.connection.execute(insert_or_skip(tx, schema.media_uses).values(media_id=media_id, uid=uid))


def release(tx: Tx, uid: str) -> None:
    """Let the public have the files that the item of this uid shows now; those of former versions are shut (again)."""
    words = tx.connection.execute(_WORDS, {"whose": uid}).scalar()
    shown = [medium.digest for medium in content_from_json(words).media if medium.digest] if words else []
    tx.connection.execute(_SHUT, {"whose": uid, "digests": shown})
    if shown:
        use(tx, shown, uid)
        tx.connection.execute(_OPEN, {"whose": uid, "digests": shown, "shown": tx.now})
        opened = update(schema.media).where(m.digest.in_(shown), m.released.is_(None), m.redacted.is_(None))
        tx.connection.execute(opened.values(released=tx.now))


def public(tx: Tx, name: str) -> Kept | None:
    """The file the public gets by this name, or None: not redacted, and in the present words of an item that is live."""
    if not NAME.fullmatch(name):
        return None
    i = schema.items.c
    live = exists().where(u.media_id == m.id, u.uid == i.uid, i.state == ItemState.LIVE, u.shown.is_not(None))
    return _one(tx, m.name == name, m.redacted.is_(None), live)


def slug(tx: Tx, media_id: int) -> str:
    """The slug of the first live item that shows this file, or an empty text; what it may be called in public."""
    i = schema.items.c
    live = select(i.slug).join(schema.media_uses, u.uid == i.uid)
    query = (
        live.where(u.media_id == media_id, u.shown.is_not(None), i.state == ItemState.LIVE)
        .order_by(i.id)
        .limit(1)
    )
    return tx.connection.execute(query).scalar() or ""


def of(tx: Tx, uid: str, name: str) -> Kept | None:
    """The file of this name, if the release or item of this uid holds it and it was not redacted, or None."""
    if not NAME.fullmatch(name):
        return None
    held = exists().where(u.media_id == m.id, u.uid == uid)
    return _one(tx, m.name == name, m.redacted.is_(None), held)


def by_name(tx: Tx, name: str) -> Kept | None:
    """The file of this name whatever its state, or None; for staff."""
    return _one(tx, m.name == name)


def used_by(tx: Tx, uid: str) -> list[Kept]:
    """The files this release or item holds or held, in the order they came in."""
    query = select(schema.media).join(schema.media_uses, u.media_id == m.id).where(u.uid == uid)
    return [_kept(row) for row in tx.connection.execute(query.order_by(m.id))]


def wipe(tx: Tx, uid: str) -> list[str]:
    """Redact what the item or release of this uid holds and nothing else does; the digests of files to be removed.

    Others hold it that show it, or may: `kept_for` names them. Their rows stay, without the names their authors gave them: the same bytes are refused from now on. What
    was redacted before is named again, so that a restore can be followed by the same call.
    """
    held = exists().where(u.media_id == m.id, u.uid == uid)
    alone = select(m.id, m.digest).where(held, ~_holders(uid).exists()).order_by(m.id)
    rows = tx.connection.execute(alone).all()
    gone = update(schema.media).where(m.id.in_([row.id for row in rows]))
    tx.connection.execute(gone.values(filename="", redacted=func.coalesce(m.redacted, tx.now)))
    return [row.digest for row in rows]


def anything(tx: Tx) -> bool:
    """Whether there is a record of any file."""
    return tx.connection.execute(select(m.id).limit(1)).first() is not None


def unknown(tx: Tx, digests: Collection[str]) -> list[str]:
    """Those of these files of which there is no record: no release and no item holds or held them."""
    known = set(tx.connection.execute(select(m.digest).where(m.digest.in_(list(digests)))).scalars())
    return [one for one in digests if one not in known]


def redacted(tx: Tx) -> list[str]:
    """The digests of all files whose bytes were wiped for good."""
    query = select(m.digest).where(m.redacted.is_not(None)).order_by(m.id)
    return list(tx.connection.execute(query).scalars())


def kept_for(tx: Tx, uid: str) -> list[tuple[str, list[str]]]:
    """The names of the files of this uid that outlive it, each with the uids that hold it as well."""
    held = exists().where(u.media_id == m.id, u.uid == uid)
    query = select(m.id, m.name).where(held, m.redacted.is_(None)).order_by(m.id)
    found = []
    for row in tx.connection.execute(query).all():
        other = _others.c
        theirs = _holders(uid).where(other.media_id == row.id).order_by(other.uid)
        found.append((row.name, list(tx.connection.execute(theirs).scalars())))
    return [(name, holders) for name, holders in found if holders]


def _holders(uid: str) -> Select[Any]:
    """Who holds a file besides this uid: items that show it, and releases not out yet; nothing that was redacted."""
    i, r, other = schema.items.c, schema.releases.c, _others.c
    showing = exists().where(i.uid == other.uid, i.state != ItemState.REDACTED) & other.shown.is_not(None)
    coming = exists().where(r.uid == other.uid, r.state != ReleaseState.RELEASED)
    redacted = exists().where(schema.redacted.c.uid == other.uid)
    return select(other.uid).where(other.media_id == m.id, other.uid != uid, showing | coming, ~redacted)


def _one(tx: Tx, *which: ColumnElement[bool]) -> Kept | None:
    row = tx.connection.execute(select(schema.media).where(*which)).first()
    return _kept(row) if row else None


def _kept(row: Row[Any]) -> Kept:
    return Kept(**row._asdict())


def _holds(shard: int, digest: str) -> bool:
    """Whether the very bytes are there already; what a broken disk has spoilt is written anew."""
    try:
        handle = os.open(digest, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=shard)
    except OSError:
        return False
    with os.fdopen(handle, "rb") as file:
        same = (
            stat.S_ISREG(os.fstat(handle).st_mode)
            and hashlib.file_digest(file, "sha256").hexdigest() == digest
        )
        return same and _renewed(shard, digest, handle)


def _renewed(shard: int, digest: str, handle: int) -> bool:
    """Date the file anew, so that nobody discards it, and say whether it still lies there: both in this order."""
    os.utime(handle)
    try:
        return os.path.samestat(os.fstat(handle), os.stat(digest, dir_fd=shard, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _died(half: re.Match[str]) -> bool:
    """Whether the process that wrote this half is one of this machine and is no more."""
    if half[1] != os.uname().nodename:
        return False
    try:
        os.kill(int(half[2]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def _half(digest: str) -> str:
    return f".{digest}.{os.uname().nodename}.{os.getpid()}.{threading.get_ident()}"


def _write(shard: int, digest: str, data: bytes) -> None:
    half = _half(digest)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(half, dir_fd=shard)  # of a process that died and had our number
    try:
        with os.fdopen(os.open(half, FRESH, 0o600, dir_fd=shard), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(half, digest, src_dir_fd=shard, dst_dir_fd=shard)
        os.fsync(shard)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(half, dir_fd=shard)
        raise
