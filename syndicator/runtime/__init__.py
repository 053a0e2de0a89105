"""Composition root: the clock, the dice, the keys, the store, the roads — built once, handed down.

`chance` alone may ask the time of day or for randomness; `root` alone turns settings into what flows take: values
and callables; `provisioning` makes the store agree with the config file.
"""

from syndicator.runtime.chance import (
    clock,
    mint_key,
    mint_medium,
    mint_name,
    mint_secret,
    mint_token,
    mint_uid,
)
from syndicator.runtime.provisioning import reconcile
from syndicator.runtime.root import USER_AGENT, Runtime

__all__ = [
    "USER_AGENT",
    "Runtime",
    "clock",
    "mint_key",
    "mint_medium",
    "mint_name",
    "mint_secret",
    "mint_token",
    "mint_uid",
    "reconcile",
]
