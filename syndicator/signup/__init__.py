"""How people come onto the media list, tune it and leave: by `joining` and `confirming`, `centre`, `leaving`."""

from syndicator.signup.centre import Preferences, preferences
from syndicator.signup.confirming import CONFIRM_WITHIN, CONSENT, Asked, Confirmation, confirm
from syndicator.signup.joining import Visit, join
from syndicator.signup.leaving import LEFT, unsubscribe
from syndicator.signup.subscribing import subscribe
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
