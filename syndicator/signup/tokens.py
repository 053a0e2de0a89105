"""The tokens in mailed links: a row's key and a MAC over (purpose, row, …), and nothing about a person.

Nothing is stored for a token, and one for one purpose is worthless for another. Those to unsubscribe never expire
and survive a change of key (mail:LM6, DESIGN §5.13).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from syndicator.errors import Invalid

# 144 bits of HMAC-SHA256: more than LM2 asks for, and base64 has no spare bits to play with.
MAC_BYTES = 18
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Purpose(StrEnum):
    """What a token is good for; part of what is signed, never of the token."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    PING = "ping"
    PRESS = "press"
    PREVIEW = "preview"
    REQUEST = "request"
    MAGIC = "magic"
    UNDO = "undo"
    MOVE = "move"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class Preview:
    """What the link to a preview shows, until when: one version of a release.

    `generation` is that of its links when it was made: raised, all earlier ones lead nowhere.
    """

    release_id: int
    version: int
    expires: datetime
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Magic:
    """Whose preferences a mailed link opens, all of them, until when; `generation` is the contact's when it was made."""

    contact_id: int
    generation: int
    expires: datetime


class Tokens:
    """Mints and reads tokens. The first key signs; former keys after it only verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or not all(keys):
            raise Invalid("links in mail need a signing key: set site.secret_key")
        self._keys = tuple(key.encode() for key in keys)

    def __repr__(self) -> str:
        return f"Tokens({len(self._keys)} keys)"  # never the keys: a repr ends up in logs

    def confirm_token(self, subscription_id: int) -> str:
        """For `/media-list/confirm/{token}`."""
        return self._mint(self._keys[0], Purpose.CONFIRM, subscription_id, 0)

    def unsubscribe_token(self, subscription_id: int) -> str:
        """For `/media-list/unsubscribe/{token}`; good for ever."""
        return self._mint(self._keys[0], Purpose.UNSUBSCRIBE, subscription_id, 0)

    def preferences_token(self, contact_id: int, generation: int = 0) -> str:
        """For `/media-list/preferences/{token}`; another generation makes earlier ones worthless."""
        return self._mint(self._keys[0], Purpose.PREFERENCES, contact_id, generation)

    def ping_token(self, upstream_id: int) -> str:
        """For `/ping/{token}`; good as long as the key."""
        return self._mint(self._keys[0], Purpose.PING, upstream_id, 0)

    def press_token(self, contact_id: int, release_id: int, generation: int = 0) -> str:
        """For `/press/{token}/`, one person's own; good as long as they are accredited (mail:EM6).

        Another generation makes earlier ones worthless, as of the desk's; the first is not written, as it never was.
        """
        parts = (contact_id, release_id, generation) if generation else (contact_id, release_id)
        return self._seal(self._keys[0], Purpose.PRESS, parts)

    def read_press(self, token: str) -> tuple[int, int, int] | None:
        """The contact, the release and the generation such a token speaks of, or None if we did not sign it."""
        if found := self._unseal(Purpose.PRESS, token, 2):
            return found[0], found[1], 0
        found = self._unseal(Purpose.PRESS, token, 3)
        return (found[0], found[1], found[2]) if found else None

    def preview_token(self, release_id: int, version: int, expires: datetime, generation: int = 0) -> str:
        """For `/press/{token}/` of a preview; `expires` counts in whole seconds and stands in it.

        The first generation is not written, as it never was.
        """
        parts = (release_id, version, int(expires.timestamp()), *([generation] if generation else []))
        return self._seal(self._keys[0], Purpose.PREVIEW, parts)

    def read_preview(self, token: str, now: datetime) -> Preview | None:
        """What such a token shows, or None if we did not sign it or its time is over at `now`."""
        found = self._unseal(Purpose.PREVIEW, token, 3) or self._unseal(Purpose.PREVIEW, token, 4)
        if found is None:
            return None
        release_id, version, ends, *generation = found
        expires = datetime.fromtimestamp(ends, UTC)  # we signed it: it is in the calendar
        return Preview(release_id, version, expires, *generation) if now < expires else None

    def request_token(self, request_id: int) -> str:
        """For `/media-list/confirm/{token}` of a sign-up; the row says until when."""
        return self._seal(self._keys[0], Purpose.REQUEST, (request_id, 0))

    def read_request(self, token: str) -> int | None:
        """The sign-up such a token speaks of, or None if we did not sign it."""
        found = self._unseal(Purpose.REQUEST, token, 2)
        return found[0] if found else None

    def magic_token(self, contact_id: int, generation: int, expires: datetime) -> str:
        """For `/media-list/preferences/{token}`, with all that may be done there; `expires` in whole seconds."""
        parts = (contact_id, generation, int(expires.timestamp()))
        return self._seal(self._keys[0], Purpose.MAGIC, parts)

    def read_magic(self, token: str, now: datetime) -> Magic | None:
        """What such a token opens, or None if we did not sign it or its time is over at `now`."""
        found = self._unseal(Purpose.MAGIC, token, 3)
        if found is None:
            return None
        expires = datetime.fromtimestamp(found[2], UTC)  # we signed it: it is in the calendar
        return Magic(found[0], found[1], expires) if now < expires else None

    def undo_token(self, contact_id: int, left: datetime) -> str:
        """For `/media-list/undo/{token}`: takes back what ended at that instant, counted in microseconds."""
        return self._seal(self._keys[0], Purpose.UNDO, (contact_id, _microseconds(left)))

    def read_undo(self, token: str) -> tuple[int, datetime] | None:
        """Who left, and at which instant, or None if we did not sign it."""
        found = self._unseal(Purpose.UNDO, token, 2)
        return (found[0], EPOCH + timedelta(microseconds=found[1])) if found else None

    def move_token(self, move_id: int) -> str:
        """For `/media-list/move/{token}`: confirms a change of address; the row says until when."""
        return self._mint(self._keys[0], Purpose.MOVE, move_id, 0)

    def desk_token(self, contact_id: int, generation: int) -> str:
        """For `/press/{token}/`, one person's page and feed of all they may see; another generation voids it."""
        return self._seal(self._keys[0], Purpose.DESK, (contact_id, generation, 0, 0))

    def read_desk(self, token: str) -> tuple[int, int] | None:
        """The contact and the generation such a token speaks of, or None if we did not sign it."""
        found = self._unseal(Purpose.DESK, token, 4)
        return (found[0], found[1]) if found else None

    def read(self, purpose: Purpose, token: str, generation: int = 0) -> int | None:
        """The row a token speaks of, or None if we did not sign it for this purpose."""
        number = token.partition(".")[0]
        if not _is_key(number):
            return None
        row = int(number)
        given = token.encode("utf-8", "surrogatepass")
        # Whole tokens are compared: base64 that decodes to the same bytes is not the same token.
        known = [self._mint(key, purpose, row, generation).encode() for key in self._keys]
        return row if any(hmac.compare_digest(given, one) for one in known) else None

    def _unseal(self, purpose: Purpose, token: str, count: int) -> tuple[int, ...] | None:
        *figures, _mac = token.split(".", count)
        if len(figures) != count or not all(_is_key(one) for one in figures):
            return None
        parts = tuple(int(one) for one in figures)
        given = token.encode("utf-8", "surrogatepass")
        known = [self._seal(key, purpose, parts).encode() for key in self._keys]
        return parts if any(hmac.compare_digest(given, one) for one in known) else None

    @staticmethod
    def _seal(key: bytes, purpose: Purpose, parts: tuple[int, ...]) -> str:
        figures = [str(part) for part in parts]
        signed = "/".join(["syndicator", purpose, *figures]).encode()
        return ".".join([*figures, _mac(key, signed)])

    @staticmethod
    def _mint(key: bytes, purpose: Purpose, row: int, generation: int) -> str:
        # The parts cannot run into each other: a purpose is a word of ours, the rest are figures.
        signed = f"syndicator/{purpose}/{row}/{generation}".encode()
        return f"{row}.{_mac(key, signed)}"


def _mac(key: bytes, signed: bytes) -> str:
    keyed = _keyed(key).copy()
    keyed.update(signed)
    return base64.urlsafe_b64encode(keyed.digest()[:MAC_BYTES]).decode()


@functools.lru_cache(8)
def _keyed(key: bytes) -> hmac.HMAC:
    """The key as HMAC works with it: a copy costs a fraction of it, and two stand in each letter."""
    return hmac.new(key, digestmod=hashlib.sha256)


def _is_key(figures: str) -> bool:
    return figures.isascii() and figures.isdigit() and len(figures) <= 19  # a key is below 2**63


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)
