"""Letters about somebody's own affairs: which sorts there are, and what each needs to know. Pure.

They are no news: each goes to one address, once, because of what that person did or asked for.
"""

from __future__ import annotations

from enum import StrEnum


class Letter(StrEnum):
    """The sorts; in brackets the facts each is given beside its link. Facts never hold a token."""

    ASK = "ask"  # is it really you who signed up? [topics, cadence]; link: confirm the request
    KNOWN = "known"  # you are on the list already [topics]; link: preferences
    PERMISSION = (
        "permission"  # may we write to you? [topics, listed: by another yes]; link: confirm the subscriptions
    )
    SOURCE = "source"  # where your address is from [source or taken, basis, topics, listed], once ever; link: preferences
    FAREWELL = "farewell"  # you have left [topics, until, zone, left, all: left everything]; link: undo
    OWNER = "owner"  # somebody left for the desk you look after [address, and as above]; link: undo
    MAGIC = "magic"  # the link to all your preferences that you asked for [minutes]
    MOVE = "move"  # confirm your new address [former]; to the new one; link: confirm the move
    MOVED = "moved"  # your address was changed [masked]; to the old one
    GRANTED = "granted"  # you are accredited [until, zone]; link: private page
    DENIED = "denied"  # you are not accredited [reason]
    APPLIED = "applied"  # to the desk: somebody asks to be accredited [name, outlet, words]
    REMINDER = "reminder"  # to the editor: an issue waits for a yes [title, number, slot]


# What somebody waits for at their screen goes first; the rest may stand behind news.
PROMPT = frozenset({Letter.ASK, Letter.KNOWN, Letter.MAGIC, Letter.MOVE, Letter.FAREWELL, Letter.OWNER})
# To who works here. They have left the list at most, not their work: what they do as staff reaches them still.
STAFF = frozenset({Letter.APPLIED, Letter.REMINDER})
OWN_AFFAIRS = PROMPT | STAFF  # go to who has only left (mail:LM10)


def letter_subject(letter_id: int) -> str:
    """The subject of a letter in the ledger."""
    return f"letter/{letter_id}"
