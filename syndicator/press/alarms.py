"""Releases that nobody has made ready: the desk hears of it a day, two hours and a quarter of an hour before, and after.

What calls for an alarm is read from the rows each time, so that a worker that was away only comes late; the key
of an alarm names release, embargo and threshold, so that many workers raise it once. It is over when the release
is scheduled or cancelled, or its embargo moves. Nothing of a release's words is in an alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from syndicator import embargo
from syndicator.model.release import Release, ReleaseState
from syndicator.observe import logger
from syndicator.store import Store, Tx, alarms, releases
from syndicator.store.alarms import Unready

log = logger("press")
PREFIX = "release/"
# How long before the end of its embargo a release must be scheduled, else the desk is told; the last one is urgent.
THRESHOLDS = {"24h": timedelta(hours=24), "2h": timedelta(hours=2), "15m": timedelta(minutes=15)}
URGENT = frozenset({"15m", "missed"})
PATIENCE = timedelta(minutes=5)  # in which news of an embargo must have left
LOOK_BACK = timedelta(days=7)  # what was missed longer ago is told to nobody any more


@dataclass(frozen=True, slots=True)
class Occasion:
    """What calls for an alarm: its key, and what is to be said."""

    key: str
    subject: str
    words: str
    urgent: bool


def alarms_due(store: Store, addresses: Sequence[str]) -> bool:
    """Raise, end and mail the alarms that are due; returns whether there was anything to do.

    `addresses` are the desk's. Takes a lock only if there is something to do.
    """
    with store.read() as tx:
        found = {one.key for one in _here(tx)}
        over = any(one.key.startswith(PREFIX) and one.key not in found for one in alarms.open_(tx))
        letters = bool(addresses) and alarms.unmailed(tx)
        if not (over or letters or found - alarms.known(tx, found)):
            return False
    with store.begin() as tx:
        _settle(tx)
        alarms.plan_mails(tx, addresses)
    return True


def occasions(rows: Iterable[Unready], now: datetime) -> Iterator[Occasion]:
    """What calls for an alarm at this instant: pure, so that it can be tried at its edges.

    A draft that came in after a threshold is not scolded for it: its desk is at work on it.
    """
    for row in rows:
        if row.state is ReleaseState.MISSED:
            yield _occasion(row, "missed")
            continue
        for name, before in THRESHOLDS.items():
            if row.created <= row.until - before <= now < row.until:
                yield _occasion(row, name)


def _occasion(row: Unready, name: str) -> Occasion:
    until = row.until.astimezone(UTC)
    key = f"{PREFIX}{row.uid}/{until:%Y-%m-%dT%H:%M:%S.%fZ}/{name}"
    instant = f"{until:%A %d %B %Y %H:%M:%S} UTC"
    if name == "missed":
        subject = f"A release has missed its embargo: {row.uid}"
        words = (
            f"Its embargo ended on {instant}, and nobody had approved and scheduled it. It does not go out by "
            f"itself. Hand the draft in again with a new embargo or without one, or cancel it: "
            f"`syndicator release cancel {row.uid}`."
        )
        return Occasion(key, subject, words, urgent=True)
    missing = "approved, but not scheduled" if row.state is ReleaseState.APPROVED else "not approved"
    todo = "schedule" if row.state is ReleaseState.APPROVED else "approve"
    words = (
        f"Its embargo ends on {instant}, and it is {missing}: as it stands it will not go out. "
        f"Do `syndicator release {todo} {row.uid}`, reschedule it or cancel it."
    )
    return Occasion(
        key,
        f"A release is not ready, {_SPANS[name]} before its embargo ends: {row.uid}",
        words,
        name in URGENT,
    )


_SPANS = {"24h": "24 hours", "2h": "2 hours", "15m": "15 minutes"}


def _here(tx: Tx) -> Iterator[Occasion]:
    longest = max(THRESHOLDS.values())
    yield from occasions(alarms.unready(tx, tx.now - LOOK_BACK, tx.now + longest), tx.now)
    for uid in alarms.told_of(tx):
        yield from _unheard(tx, releases.named(tx, uid), tx.now + longest)


def _unheard(tx: Tx, release: Release, until: datetime) -> Iterator[Occasion]:
    """Those who have a copy go by an end up to `until` that does not hold, and the news has not left since a while."""
    known = embargo.knowledge(tx, release)
    ends = release.embargo.until if release.embargo else None
    if known is None or known.until is None or known.cancelled or known.until == ends:
        return
    told = releases.notices(tx, release.id)[-1]
    if known.until > until or tx.now - told.created < PATIENCE:
        return
    instant = known.until.astimezone(UTC)
    yield Occasion(
        f"{PREFIX}{release.uid}/{instant:%Y-%m-%dT%H:%M:%S.%fZ}/unheard",
        f"Those who have an advance copy do not know that its embargo was changed: {release.uid}",
        f"They go by its end on {instant:%A %d %B %Y %H:%M:%S} UTC, which does not hold any more, and the notice that "
        f"says so has not left: see `syndicator delivery list` and `syndicator health`, or tell them by other ways.",
        urgent=True,
    )


def _settle(tx: Tx) -> None:
    """Raise what is called for and end what is not any more, as the rows stand now that we hold the lock."""
    found = {one.key: one for one in _here(tx)}
    for one in found.values():
        if alarms.raise_(tx, one.key, one.subject, one.words):
            (log.error if one.urgent else log.warning)("alarm", key=one.key, subject=one.subject)
    for alarm in alarms.open_(tx):
        if alarm.key.startswith(PREFIX) and alarm.key not in found:
            alarms.end(tx, alarm.key)
            log.info("alarm over", key=alarm.key)
