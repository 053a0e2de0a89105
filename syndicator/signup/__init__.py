"""How people come onto the media list, tune it and leave: `links` in mail, `media_list` as CSV."""

from syndicator.signup.links import (
    CONFIRM_WITHIN,
    CONSENT,
    LEFT,
    Confirmation,
    Preferences,
    confirm,
    preferences,
    subscribe,
    unsubscribe,
)
from syndicator.signup.tokens import Magic, Preview, Purpose, Tokens

__all__ = [
    "CONFIRM_WITHIN",
    "CONSENT",
    "LEFT",
    "Confirmation",
    "Magic",
    "Preferences",
    "Preview",
    "Purpose",
    "Tokens",
    "confirm",
    "preferences",
    "subscribe",
    "unsubscribe",
]
