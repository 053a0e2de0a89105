"""The addresses in mailed links: which door each leads to, and the token it is opened with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from syndicator.delivery.mail import Links
from syndicator.model.letters import Letter
from syndicator.model.site import Site
from syndicator.signup import Tokens
from syndicator.store.letters import Owed


def links_of(site: Site, tokens: Tokens, leaving: Callable[[int], str] = lambda _: "") -> Links:
    """The links of every letter that only its recipient gets; `leaving` is the address to leave by, by subscription."""
    url = site.url
    return Links(
        confirm=lambda row: url(f"/media-list/confirm/{tokens.confirm_token(row)}"),
        unsubscribe=lambda row: url(f"/media-list/unsubscribe/{tokens.unsubscribe_token(row)}"),
        preferences=lambda *whose: url(f"/media-list/preferences/{tokens.preferences_token(*whose)}"),
        press=lambda *whose: url(f"/press/{tokens.press_token(*whose)}/"),
        letter=lambda owed: letter_url(site, tokens, owed),
        leaving=leaving,
    )


def letter_url(site: Site, tokens: Tokens, owed: Owed) -> str:
    """Where the button of this letter leads; empty for the sorts that have none."""
    path = _PATHS.get(owed.sort)
    return site.url(path(tokens, owed)) if path else ""


def _request(tokens: Tokens, owed: Owed) -> str:
    return f"/media-list/confirm/{tokens.request_token(owed.about or 0)}"


def _preferences(tokens: Tokens, owed: Owed) -> str:
    return f"/media-list/preferences/{tokens.preferences_token(_whose(owed), owed.generation)}"


def _magic(tokens: Tokens, owed: Owed) -> str:
    # As long as the letter itself says; mail:LM9 asks for 15 to 60 minutes.
    until = owed.created + timedelta(minutes=int(owed.facts["minutes"]))
    token = tokens.magic_token(_whose(owed), owed.generation, until)
    return f"/media-list/preferences/{token}"


def _undo(tokens: Tokens, owed: Owed) -> str:
    return f"/media-list/undo/{tokens.undo_token(_whose(owed), datetime.fromisoformat(owed.facts['left']))}"


def _move(tokens: Tokens, owed: Owed) -> str:
    return f"/media-list/move/{tokens.move_token(owed.about or 0)}"


def _desk(tokens: Tokens, owed: Owed) -> str:
    return f"/press/{tokens.desk_token(_whose(owed), owed.press_generation)}/"


def _whose(owed: Owed) -> int:
    """The contact a link speaks of: who gets the letter, or, where another gets it, the one it is about."""
    return owed.contact_id or owed.about or 0


_PATHS: dict[Letter, Callable[[Tokens, Owed], str]] = {
    Letter.ASK: _request,
    Letter.KNOWN: _preferences,
    Letter.PERMISSION: _request,
    Letter.SOURCE: _preferences,
    Letter.FAREWELL: _undo,
    Letter.OWNER: _undo,
    Letter.MAGIC: _magic,
    Letter.MOVE: _move,
    Letter.GRANTED: _desk,
}
