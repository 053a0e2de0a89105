"""`syndicator schedule …`: when something recurs, what comes next, and how its runs ended."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views
from syndicator.errors import Invalid, TryLater
from syndicator.model.schedule import Job, RunState, Schedule, next_slots, when_from

if TYPE_CHECKING:
    from syndicator.store import Tx

app = given.group("When something recurs, and its runs.")

NEXT = 3  # runs shown in a listing


@app.command()
def add(
    ctx: typer.Context,
    name: given.Name,
    job: Annotated[Job, typer.Option(help="What is started.")],
    cron: Annotated[str | None, typer.Option(metavar="LINE", help="minute hour day month weekday.")] = None,
    every: Annotated[str | None, typer.Option(metavar="SPAN", help="An interval: 15m.")] = None,
    at: Annotated[str | None, typer.Option(metavar="INSTANT", help="Once.")] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE", help="An IANA zone; else the site's as it is now, and it stays that one."
        ),
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(metavar="SLUG", help="With --job poll: only this one.")
    ] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Let a job recur: exactly one of --cron, --every and --at."""
    from syndicator.store import schedules

    with session.writing(ctx) as (runtime, tx):
        zone = timezone or runtime.site.zone
        _check_upstream(tx, job, upstream)
        made = Schedule(
            id=0,
            name=given.slug(name, "schedule"),
            job=job,
            when=when_from(cron, every, at, zone),
            zone=zone,
            upstream=upstream,
            created=tx.now,
        )
        view = _view(schedules.add(tx, made), tx.now)
    if made.job is Job.NEWSLETTER and not runtime.settings.newsletter.topic:
        output.say("nothing goes out by it before [newsletter] topic names where issues are published")
    if as_json:
        output.show_json(view)
    else:
        print(view["name"])


@app.command("list")
def list_(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """List all schedules in words, with their next runs."""
    from syndicator.store import schedules

    with session.reading(ctx) as (_, tx):
        rows = [_view(one, tx.now) for one in schedules.listing(tx)]
    columns = ("name", "job", "when", "timezone", "offset", "paused", "next")
    output.listing(rows, columns, as_json=as_json)


@app.command("next")
def next_(
    ctx: typer.Context,
    name: given.Name,
    count: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many.")] = 5,
    *,
    as_json: given.Json = False,
) -> None:
    """Show when it runs next, in UTC and in its own zone."""
    from syndicator.store import schedules

    with session.reading(ctx) as (_, tx):
        one = schedules.named(tx, name)
        slots = list(islice(next_slots(one.when, one.zone, tx.now), count))
    rows = [{"at": slot, "local": slot.astimezone(ZoneInfo(one.zone)).isoformat()} for slot in slots]
    output.listing(rows, ("at", "local"), as_json=as_json)


@app.command()
def run(ctx: typer.Context, name: given.Name, *, as_json: given.Json = False) -> None:
    """Run it now, beside its schedule; the run is written down. Exit 1 if it failed."""
    import threading

    from syndicator import worker
    from syndicator.store import schedules

    with session.opened(ctx) as runtime:
        with runtime.store.read() as tx:
            schedule, slot = schedules.named(tx, name), tx.now
        run_id = worker.run(worker.Worker(runtime, threading.Event()), schedule, slot, schedules.MANUAL)
        if run_id is None:  # a slot of the schedule's own fell on this very microsecond
            raise TryLater(
                f'"{name}" runs at this very moment; `syndicator schedule history {name}` shows it'
            )
        with runtime.store.read() as tx:
            done = schedules.one_run(tx, run_id)
    output.say(f"{done.state}: {done.detail}" if done.detail else str(done.state))
    if as_json:
        output.show_json(views.run(done))
    if done.state is RunState.FAILED:
        raise typer.Exit(1)


@app.command()
def pause(ctx: typer.Context, name: given.Name) -> None:
    """Let it rest; what passes meanwhile is not made up for."""
    _pause(ctx, name, paused=True)


@app.command()
def resume(ctx: typer.Context, name: given.Name) -> None:
    """Let it run again."""
    _pause(ctx, name, paused=False)


@app.command()
def history(
    ctx: typer.Context, name: given.Name, limit: given.Limit = None, *, as_json: given.Json = False
) -> None:
    """List its runs, newest first."""
    from syndicator.store import schedules

    with session.reading(ctx) as (_, tx):
        rows = map(views.run, schedules.history(tx, name, limit))
        output.listing(rows, ("slot", "trigger", "state", "started", "ended", "detail"), as_json=as_json)


def _view(one: Schedule, now: datetime) -> views.View:
    return views.schedule(one, [] if one.paused else list(islice(next_slots(one.when, one.zone, now), NEXT)))


def _check_upstream(tx: Tx, job: Job, upstream: str | None) -> None:
    from syndicator.store import upstreams

    if upstream and job is not Job.POLL:
        raise Invalid(f"--upstream: only the job poll reads an upstream, {job} does not")
    if upstream:
        upstreams.named(tx, upstream)


def _pause(ctx: typer.Context, name: str, *, paused: bool) -> None:
    from syndicator.store import schedules

    with session.writing(ctx) as (_, tx):
        schedules.pause(tx, name, paused=paused)
    output.say(f'the schedule "{name}" {"rests" if paused else "runs again"}')
