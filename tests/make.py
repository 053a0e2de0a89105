"""What many tests make: the instant they agree on, a clock that stands still, and objects with defaults."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until told to go on."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The instant it shows."""
        return self.now

    def advance(self, **span: float) -> datetime:
        """Go on by a span (`hours=1`); the new instant."""
        self.now += timedelta(**span)
        return self.now
