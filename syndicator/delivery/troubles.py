"""A destination in trouble: one incident, told once and every hour, an alarm when it lasts, and its end.

Also the circuit breaker, which pauses the lane of a sending that is turned away too often. Serves walk B.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from syndicator.delivery.road import Road
from syndicator.errors import TryLater, WireFault
from syndicator.model.delivery import Channel, Outcome, Policy, Result, Try
from syndicator.model.outcomes import SUSPICIOUS
from syndicator.observe import logger
from syndicator.store import Store, Tx, alarms, deliveries

log = logger("delivery")
# A destination in trouble for so long is an alarm.
ALARM_AFTER = {Channel.MAIL: timedelta(minutes=5), Channel.WEBHOOK: timedelta(hours=1)}
Group = Sequence[tuple[Try, Result]]


def stop_if_turned_away(tx: Tx, key: str, group: Group, policy: Policy) -> None:
    """Pause the lane if a sending is turned away too often; anew only for what comes after a person resumed it."""
    if not policy.stop_above:
        return
    bad = {
        attempt.subject
        for attempt, result in group
        if result.outcome is Outcome.REFUSED and result.cause in SUSPICIOUS
    }
    for subject in sorted(bad):
        why = deliveries.suspicion(tx, key, subject, policy.stop_above)
        if why is None:
            continue
        words = (
            f"{why}: all of this lane is paused; see `syndicator delivery list --subject {subject} "
            f"--state refused`, then `delivery resume {key}`"
        )
        if deliveries.pause(tx, key, words):
            occasion = f"{deliveries.stop_key(key, subject)}{tx.now.isoformat()}"
            alarms.raise_(tx, occasion, f"Mail is paused: {subject} is turned away", words)
            log.error("lane paused", lane=key, fault=words)


def met(
    store: Store, key: str, channel: Channel, tries: Sequence[Try], fault: str, hit: Sequence[int] = ()
) -> None:
    """The destination is in trouble: one incident, told once and every hour, an alarm when it lasts."""
    with store.begin() as tx:
        deliveries.give_back(tx, tries)
        incident = deliveries.lane_failed(tx, key, fault, hit)
        lasting = ALARM_AFTER.get(channel)
        if lasting is not None and tx.now - incident.since >= lasting:
            _alarm(tx, key, incident, fault)
    if incident.news:
        log.warning("lane in trouble", lane=key, fault=fault, since=incident.since.isoformat())


def _alarm(tx: Tx, key: str, incident: deliveries.Incident, fault: str) -> None:
    since = incident.since.isoformat(timespec="seconds")
    waiting = next(one.waiting for one in deliveries.lanes(tx) if one.key == key)
    words = (
        f"Since {since} nothing gets through to {key}: {fault}. {waiting} wait; they go out by themselves when it is "
        "back, and what is too late by then asks first (`syndicator delivery lanes`)."
    )
    alarms.raise_(tx, f"lane/{key}/{since}", f"{key} is out of reach", words)


def probe(store: Store, key: str, channel: Channel, road: Road) -> None:
    """Nothing may go out, for all that waits is late: is the relay that was away there again?"""
    with store.read() as tx:
        unasked = deliveries.unasked(tx, key)
    if unasked:
        try:
            road.open()
        except (WireFault, TryLater) as fault:
            met(store, key, channel, (), str(fault))
        else:
            with store.begin() as tx:
                over(tx, key)


def over(tx: Tx, key: str) -> None:
    """The destination took something, or is there again: its incident and its alarm end."""
    if deliveries.lane_works(tx, key):
        alarms.end(tx, f"lane/{key}/")
        log.warning("lane works again", lane=key)
