"""The mail road: duties → letters on the wire, over whichever postman the caller chose (a relay, a folder).

What a letter says is in `writing`. Here it gets its envelope and its signature, and mail under embargo is
kept from a connection that others could read (EM7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from syndicator.delivery.road import Parcel, log, our_fault
from syndicator.delivery.writing import Desk, Links, Writer, embargoed
from syndicator.errors import SyndicatorError, TryLater, WireFault
from syndicator.model.delivery import Try
from syndicator.model.outcomes import Cause, Outcome, Result
from syndicator.store import Tx
from syndicator.wire.letters import Letter, Postman

__all__ = ["BATCH", "Desk", "Links", "MailRoad"]

BATCH = 50  # rows that may be in doubt after a crash
# RFC 3207 §4's own code: of this letter alone, for all others may go over such a connection.
OVERHEARD = Result(
    outcome=Outcome.DEFERRED,
    code=454,
    cause=Cause.OTHER,
    detail="held back: mail under embargo goes over a secured connection only; set mail.tls to starttls or tls",
)


class MailRoad:
    """One postman, opened when the first letter is ready, kept while there is work."""

    batch = BATCH

    def __init__(self, desk: Desk, postman: Callable[[], Postman]) -> None:
        self._desk = desk
        self._writer = Writer(desk)
        self._call = postman
        self._postman: Postman | None = None

    def prepare(self, tx: Tx, tries: Sequence[Try]) -> list[Parcel]:
        """Letters for these deliveries; one that cannot be written is refused in words, alone."""
        threads = self._writer.threads(tx, tries)
        return [self._parcel(tx, attempt, threads.get(attempt.id)) for attempt in tries]

    def open(self) -> None:
        """Reach the relay, if there is no living connection; raises WireFault or TryLater."""
        if self._postman is None or not getattr(self._postman, "alive", True):
            self._postman = self._call()

    def carry(self, parcels: Iterable[Parcel]) -> Iterator[tuple[Parcel, Result]]:
        """Hand the letters over; see `wire.smtp` for what each outcome means.

        A letter is signed when it is about to be written, outside of any transaction. One under embargo is
        held back where the way to the relay could be overheard.
        """
        by_id: dict[int, Parcel] = {}
        held: list[Parcel] = []

        def letters() -> Iterator[Letter]:
            for parcel in parcels:
                if not self._at_hand.secure and embargoed(parcel.attempt):
                    held.append(parcel)
                    continue
                by_id[parcel.attempt.id] = parcel
                yield self._signed(parcel)

        source, more = letters(), True
        while more:
            for letter, result in self._at_hand.send(source):
                yield by_id.pop(letter.id), result
            more = self._took_another()
        for parcel in held:
            yield parcel, OVERHEARD

    def _took_another(self) -> bool:
        """Whether the connection was worn out, only that, and a new one took its place."""
        if not getattr(self._postman, "worn", False):
            return False
        try:
            self.open()
        except (WireFault, TryLater):
            return False  # whoever opens next hears of it
        return True

    @property
    def _at_hand(self) -> Postman:
        assert self._postman is not None
        return self._postman

    def close(self) -> None:
        """Say goodbye to the relay."""
        if self._postman:
            self._postman.quit()
            self._postman = None

    def _parcel(self, tx: Tx, attempt: Try, answers: str | None) -> Parcel:
        try:
            message = self._writer.letter(tx, attempt, answers)
        except TryLater:  # the database is away: that is no fault of this letter
            raise
        except SyndicatorError as fault:
            return Parcel(
                attempt,
                fault=Result(outcome=Outcome.REFUSED, detail=f"this letter cannot be written: {fault}"),
            )
        except Exception as bug:  # noqa: BLE001 - our_fault logs it
            return our_fault(attempt, bug)  # of this letter alone: the others must get out
        if embargoed(attempt):  # a leaked copy is known by it (EM6); the recipient by their key alone
            log.info(
                "advance written",
                delivery=attempt.id,
                to=attempt.recipient,
                # Left of its @ alone: whole, it looks like an address, and none of these is kept.
                letter=self._writer.message_id(attempt).partition("@")[0],
            )
        return_path = self._desk.return_path(attempt.id)
        return Parcel(
            attempt, Letter(id=attempt.id, sender=return_path, recipient=attempt.address, message=message)
        )

    def _signed(self, parcel: Parcel) -> Letter:
        letter: Letter = parcel.load
        signer = self._desk.signer
        if signer is None:
            return letter
        return replace(letter, message=signer.sign(letter.message, parcel.attempt.planned))
