"""What an operator decided about releases, as the flows take it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How releases come about.

    `second_person`: whoever drafted the words may not approve them. `undo`: how long what was decided waits, so
    that it can still be stopped. `advance_again`: who had an advance copy gets the release once more at the
    lift. `tls_ok`: mail travels so that what is under embargo may travel by it (EM7).
    """

    second_person: bool = False
    undo: timedelta = timedelta()
    advance_again: bool = False
    tls_ok: bool = True


RULES = Rules()
