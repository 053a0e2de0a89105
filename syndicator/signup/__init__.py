"""How people come onto the media list, tune it and leave: `joining`, `confirming`, `links` in mail, `roster` as lists."""

from syndicator.signup.centre import Preferences, preferences
from syndicator.signup.confirming import CONFIRM_WITHIN, CONSENT, Asked, Confirmation, confirm
from syndicator.signup.joining import Visit, join
from syndicator.signup.leaving import LEFT, unsubscribe
from syndicator.signup.links import subscribe
from syndicator.signup.tokens import Magic, Preview, Purpose, Tokens

__all__ = [
    "CONFIRM_WITHIN",
    "CONSENT",
    "LEFT",
    "Asked",
    "Confirmation",
    "Magic",
    "Preferences",
    "Preview",
    "Purpose",
    "Tokens",
    "Visit",
    "confirm",
    "join",
    "preferences",
    "subscribe",
    "unsubscribe",
]
