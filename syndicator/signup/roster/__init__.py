"""The media list as staff brings it in and takes it out: lists of every sort, what they would change, and back."""

from syndicator.signup.roster.back import undo
from syndicator.signup.roster.export import (
    COLUMNS,
    SUPPRESSED,
    dump,
    dump_suppressed,
    everybody,
    harmless,
    suppressed,
)
from syndicator.signup.roster.forms import Form
from syndicator.signup.roster.tables import MOST_BYTES
from syndicator.signup.roster.taking import Loaded, Order, ask, load

__all__ = [
    "COLUMNS",
    "MOST_BYTES",
    "SUPPRESSED",
    "Form",
    "Loaded",
    "Order",
    "ask",
    "dump",
    "dump_suppressed",
    "everybody",
    "harmless",
    "load",
    "suppressed",
    "undo",
]
