"""Schedules, their runs, and the workers that are about (walk C).

A run is a row unique on (schedule, slot): of many workers whose alarm rings for a slot, the first to
insert it runs, the others do nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, ScalarSelect, delete, func, select, update

from syndicator.errors import Conflict, NotFound
from syndicator.model.schedule import (
    At,
    Cron,
    Every,
    Job,
    RunState,
    Schedule,
    When,
    duration_text,
    kept_duration,
    owed_slots,
)
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_skip, insert_or_update

# A run a person asked for has the moment as its slot, and moves no other.
MANUAL = "manual"
s, r, w = schema.schedules.c, schema.runs.c, schema.workers.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One firing at one slot. `trigger` is `slot` or `manual`."""

    id: int
    schedule: str
    slot: datetime
    trigger: str
    worker: str
    state: RunState
    started: datetime
    ended: datetime | None
    detail: str


def add(tx: Tx, schedule: Schedule) -> Schedule:
    """Make a schedule; raises Conflict if the name is taken. It owes nothing for slots before now."""
    values = {**_values(schedule), "created": tx.now, "since": tx.now}
    if tx.connection.execute(insert_or_skip(tx, schema.schedules).values(**values)).rowcount == 0:
        raise Conflict(f'the schedule "{schedule.name}" exists already; `syndicator schedule list` shows it')
    return named(tx, schedule.name)


def edit(tx: Tx, schedule: Schedule) -> None:
    """Write the schedule with this name anew; slots before now are none of its business."""
    values = {**_values(schedule), "since": tx.now}
    tx.connection.execute(update(schema.schedules).where(s.name == schedule.name).values(**values))


def listing(tx: Tx) -> list[Schedule]:
    """All schedules, by name."""
    return [_schedule(row) for row in tx.connection.execute(select(schema.schedules).order_by(s.name))]


def named(tx: Tx, name: str) -> Schedule:
    """The schedule with this name; raises NotFound."""
    row = tx.connection.execute(select(schema.schedules).where(s.name == name)).first()
    if row is None:
        raise NotFound(f'there is no schedule "{name}"; `syndicator schedule list` shows them all')
    return _schedule(row)


def pause(tx: Tx, name: str, *, paused: bool) -> None:
    """Stop or resume a schedule; slots that pass while it is paused are not made up for."""
    schedule = named(tx, name)
    tx.connection.execute(
        update(schema.schedules).where(s.id == schedule.id).values(paused=paused, since=tx.now)
    )


def remove(tx: Tx, name: str) -> None:
    """Forget a schedule and its runs."""
    schedule = named(tx, name)
    tx.connection.execute(delete(schema.runs).where(r.schedule_id == schedule.id))
    tx.connection.execute(delete(schema.schedules).where(s.id == schedule.id))


def due(tx: Tx, name: str | None = None) -> list[tuple[Schedule, list[datetime]]]:
    """Schedules that owe runs now, each with its slots, oldest first; of one schedule if named."""
    query = select(schema.schedules, _last_slot().label("slot"))
    if name:
        query = query.where(s.name == name)
    owed = []
    for row in tx.connection.execute(query.where(s.paused.is_(False)).order_by(s.name)):
        schedule = _schedule(row)
        done_to = max(row.since, row.slot) if row.slot else row.since
        slots = owed_slots(schedule.when, schedule.zone, tx.now, done_to)
        if slots:
            owed.append((schedule, slots))
    return owed


def start_run(tx: Tx, schedule: Schedule, slot: datetime, trigger: str, worker: str) -> int | None:
    """The key of a run this worker has just won, or None: another has this slot."""
    values = {
        "schedule_id": schedule.id,
        "slot": slot,
        "trigger": trigger,
        "worker": worker,
        "state": RunState.RUNNING,
        "started": tx.now,
        "detail": "",
    }
    statement = insert_or_skip(tx, schema.runs).values(**values).returning(r.id)
    return tx.connection.execute(statement).scalar()


def end_run(tx: Tx, run_id: int, state: RunState, detail: str) -> None:
    """Write how a run ended."""
    tx.connection.execute(
        update(schema.runs).where(r.id == run_id).values(state=state, ended=tx.now, detail=detail)
    )


def fail_lost(tx: Tx, silence: timedelta) -> int:
    """Write down as failed what runs for a worker that has not been seen for so long; returns how many."""
    alive = select(w.name).where(w.seen >= tx.now - silence)
    lost = (r.state == RunState.RUNNING) & (r.started < tx.now - silence) & r.worker.not_in(alive)
    values = {"state": RunState.FAILED, "ended": tx.now, "detail": "its worker ended before it did"}
    return tx.connection.execute(update(schema.runs).where(lost).values(**values)).rowcount


def one_run(tx: Tx, run_id: int) -> Run:
    """The run with this id; raises NotFound."""
    query = select(schema.runs, s.name).join(schema.schedules, s.id == r.schedule_id).where(r.id == run_id)
    row = tx.connection.execute(query).first()
    if row is None:
        raise NotFound(f"run {run_id} is forgotten; its schedule may have been removed")
    return _run(row, row.name)


def history(tx: Tx, name: str, limit: int | None = 50) -> list[Run]:
    """The latest runs of a schedule, newest first."""
    schedule = named(tx, name)
    rows = tx.connection.execute(
        select(schema.runs).where(r.schedule_id == schedule.id).order_by(r.slot.desc()).limit(limit)
    )
    return [_run(row, name) for row in rows]


def prune_runs(tx: Tx, older_than: timedelta) -> int:
    """Forget runs that ended long ago; the newest of each schedule and trigger stays: it says what is done."""
    newest = select(func.max(r.id)).group_by(r.schedule_id, r.trigger)
    old = (r.ended < tx.now - older_than) & r.id.not_in(newest)
    return tx.connection.execute(delete(schema.runs).where(old)).rowcount


def beat(tx: Tx, name: str, started: datetime) -> None:
    """Say that a worker is alive."""
    insert_or_update(tx, schema.workers, {"name": name, "started": started, "seen": tx.now}, "name")


def leave(tx: Tx, name: str) -> None:
    """A worker ends in good order."""
    tx.connection.execute(delete(schema.workers).where(w.name == name))


def last_beat(tx: Tx) -> datetime | None:
    """When any worker was last seen."""
    return tx.connection.execute(select(func.max(w.seen))).scalar()


def workers(tx: Tx) -> list[tuple[str, datetime]]:
    """Workers and when they were last seen."""
    return [(row.name, row.seen) for row in tx.connection.execute(select(w.name, w.seen).order_by(w.name))]


def prune_workers(tx: Tx, older_than: timedelta) -> int:
    """Forget workers that ended without a word."""
    return tx.connection.execute(delete(schema.workers).where(w.seen < tx.now - older_than)).rowcount


def _last_slot() -> ScalarSelect[Any]:
    # Not max() over all runs: asked each second, it must end at the newest entry of the unique index.
    mine = select(r.slot).where(r.schedule_id == s.id, r.trigger != MANUAL)
    return mine.order_by(r.slot.desc()).limit(1).correlate(schema.schedules).scalar_subquery()


def _values(schedule: Schedule) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "job": schedule.job,
        **_when_values(schedule.when),
        "zone": schedule.zone,
        "upstream": schedule.upstream,
        "paused": schedule.paused,
        "file": schedule.file,
    }


def _when_values(when: When) -> dict[str, Any]:
    return {
        "cron": when.line if isinstance(when, Cron) else None,
        "every": duration_text(when.span) if isinstance(when, Every) else None,
        "at": when.instant if isinstance(when, At) else None,
    }


def _schedule(row: Row[Any]) -> Schedule:
    return Schedule(
        id=row.id,
        name=row.name,
        job=Job(row.job),
        when=Cron(row.cron) if row.cron else Every(kept_duration(row.every)) if row.every else At(row.at),
        zone=row.zone,
        upstream=row.upstream,
        paused=row.paused,
        file=row.file,
        created=row.created,
    )


def _run(row: Row[Any], name: str) -> Run:
    return Run(
        id=row.id,
        schedule=name,
        slot=row.slot,
        trigger=row.trigger,
        worker=row.worker,
        state=RunState(row.state),
        started=row.started,
        ended=row.ended,
        detail=row.detail,
    )
