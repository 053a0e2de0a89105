"""Every error Syndicator raises on purpose, on one page.

    SyndicatorError            1   something failed
    ├── Invalid                2   what was typed or handed in cannot be understood
    │   └── Faulty             2   … in several places at once
    ├── Misconfigured          3   the configuration is wrong; all faults at once
    ├── NotFound               5   there is no such thing
    ├── Refused                6   a rule says no
    │   ├── IllegalMove        6   … the state of the thing does not allow it
    │   └── Conflict           6   … the same uid already has other content
    │       └── Stale          6   … changed by somebody else since; `faults` says what
    ├── TryLater              75   a lock is held, a neighbour is down
    │   └── SchemaBehind      75   the database needs `syndicator db upgrade`
    └── WireFault              1   a conversation over the network went wrong
        ├── Blocked            1   … the guard refused the target; nothing was sent
        │   └── Misled         1   … a redirect led there; nothing was sent any further
        ├── Unreachable        1   … certainly not accepted: no connection came about
        ├── NoAnswer           1   … bytes left, no answer came: it may have arrived
        └── TooLarge           1   … more bytes than we take

The figure is the exit code of the command line (DESIGN §6). A message is one line: what is
wrong, then what to do next. An exception that is no SyndicatorError is a bug and stays loud.
"""

from __future__ import annotations

from collections.abc import Sequence


class SyndicatorError(Exception):
    """Root of all expected errors; `str()` is one line fit for a person."""

    exit_code = 1


class Invalid(SyndicatorError):
    """Input that cannot be understood: a file, an argument, a field."""

    exit_code = 2


class Misconfigured(SyndicatorError):
    """The configuration has faults; `faults` holds one line for each."""

    exit_code = 3

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class Faulty(Invalid):
    """Several things at once that cannot be understood; `faults` holds one line for each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class NotFound(SyndicatorError):
    """There is no such item, topic, contact, … under the name that was given."""

    exit_code = 5


class Refused(SyndicatorError):
    """A rule of the house says no; the message says what to do instead."""

    exit_code = 6


class IllegalMove(Refused):
    """A state may not follow another; `way` says what to do instead."""

    def __init__(self, thing: str, state: str, to: str, way: str) -> None:
        done = "already" if state == to else f"and cannot become {to}"
        super().__init__(f"{thing} is {state} {done}: {way}")


class Conflict(Refused):
    """The same identity with other content."""


class Stale(Conflict):
    """Made from a version that somebody has changed since; `faults` holds what is wrong, then what was changed."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class TryLater(SyndicatorError):
    """Not now: a lock is held or a neighbour is down; nothing was changed."""

    exit_code = 75


class SchemaBehind(TryLater):
    """The database's schema is not the one this program was written for."""


class WireFault(SyndicatorError):
    """A conversation over the network failed; `may_have_arrived` is the honest doubt."""

    may_have_arrived = False


class Blocked(WireFault):
    """The guard refused the target: its address, port or scheme is not allowed."""


class Misled(Blocked):
    """A redirect led to what the guard refuses, or led on without end."""


class Unreachable(WireFault):
    """No connection came about (DNS, refused, TLS): certainly nothing was accepted."""


class NoAnswer(WireFault):
    """Bytes went out and no answer was read: the other side may have accepted them."""

    may_have_arrived = True


class TooLarge(WireFault):
    """The answer was larger than the limit; reading stopped there."""

    may_have_arrived = True
