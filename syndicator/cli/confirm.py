"""The number a person says before a large mailing leaves: it must be the very number that was planned."""

from __future__ import annotations

import sys

from syndicator.errors import Refused


def confirmed(count: int, given: int | None, limit: int, what: str) -> None:
    """Return if at most `limit` mails leave, or if `given` (`--confirm N`) is exactly `count`.

    `what` says which mails, in words ("mails about tag:…"). On a terminal the number is asked for; without
    one, or with another number, it raises Refused, naming the option to use.
    """
    if count <= limit or given == count:
        return
    if given is not None:
        raise Refused(f"it would be {count:,} {what}, not {given:,}: look again, then say --confirm {count}")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(f"{count:,} {what} are more than {limit:,}: to go on, say --confirm {count}")
    print(f"{count:,} {what}. Type the number to go on: ", end="", file=sys.stderr, flush=True)
    typed = sys.stdin.readline().strip().replace(",", "")
    if typed != str(count):
        raise Refused(f"nothing was done: the number is {count}, that was {typed or 'nothing'!r}")
