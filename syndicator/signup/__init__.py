"""How people come onto the media list, tune it and leave: `links` in mail, `media_list` as CSV."""

from syndicator.signup.links import (
    CONFIRM_WITHIN,
    CONSENT,
    LEFT,
    Confirmation,
    Preferences,
    Preview,
    Purpose,
    Tokens,
    confirm,
    preferences,
    subscribe,
    unsubscribe,
)

__all__ = [
    "CONFIRM_WITHIN",
    "CONSENT",
    "LEFT",
    "Confirmation",
    "Preferences",
    "Preview",
    "Purpose",
    "Tokens",
    "confirm",
    "preferences",
    "subscribe",
    "unsubscribe",
]
