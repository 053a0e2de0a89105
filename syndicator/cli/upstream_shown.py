"""`syndicator upstream list|show`: how the feeds we read fare, in words that docs/operating.md explains."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views

if TYPE_CHECKING:
    from syndicator.model.upstream import Upstream
    from syndicator.runtime import Runtime
    from syndicator.store import Tx
    from syndicator.store.departures import Departed, Waiting

COLUMNS = (
    "slug",
    "relation",
    "paused",
    "succeeded",
    "next_check",
    "weekly",
    "unmodified",
    "hub",
    "fault",
    "url",
)
BRIEF = ("slug", "state", "next check", "weekly", "fault")  # what 80 columns hold
SHOWN = 20  # things that wait for a look at their page, where a person reads
# What is no setting is called by what it means; docs/operating.md has a line on each.
CALLED = {
    "managed_by_file": "managed by file",
    "checked": "last asked",
    "succeeded": "last read",
    "next_check": "next check",
    "failures": "failures in a row",
    "status": "last status",
    "weekly": "items per week",
    "unmodified": "polls without news",
    "site": "its page",
    "moved_to": "says it moved to",
    "asking": "waiting for a yes",
    "page_checks": "pages to be asked",
    "departed": "taken down",
    "hub_address": "hub address",
    "hub_until": "hub until",
    "hub_fault": "hub fault",
    "ping_wordpress": "ping for WordPress",
}


def list_(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """List all upstreams and how they fare."""
    from syndicator.store import upstreams

    with session.reading(ctx) as (runtime, tx):
        status = {one.slug: one for one in upstreams.statuses(tx)}
        rows = [views.upstream(one, status[one.slug]) for one in upstreams.listing(tx)]
        zone, now = runtime.site.zone, tx.now
    if as_json or not sys.stdout.isatty():
        output.listing(rows, COLUMNS, as_json=as_json)
    else:
        output.listing((brief(row, zone, now) for row in rows), BRIEF, as_json=False, cut=("fault",))


def show(ctx: typer.Context, slug: given.Slug, *, as_json: given.Json = False) -> None:
    """Show one upstream and how it fares."""
    from syndicator.store import departures, upstreams

    with session.reading(ctx) as (runtime, tx):
        one = upstreams.named(tx, slug)
        view = views.upstream(one, upstreams.status(tx, slug)) | _told(tx, one, runtime)
        gone, waiting = departures.listing(tx, one.id), departures.waiting(tx, one.id, SHOWN)
    if as_json:
        looks = {"to_be_asked": [row._asdict() for row in waiting]} if waiting else {}
        output.show_json(view | looks | ({"taken_down": [row._asdict() for row in gone]} if gone else {}))
        return
    output.details(_words(view, gone, waiting), as_json=False)
    if gone:
        output.say(
            "taken down at the origin: `syndicator item withdraw UID`, or `syndicator upstream keep UID`"
        )


def brief(view: views.View, zone: str, now: datetime) -> views.View:
    """An upstream in the columns of `BRIEF`; its next check on the clock of `zone`."""
    return {
        "slug": view["slug"],
        "state": state(view),
        "next check": _clock(view["next_check"], zone, now),
        "weekly": view["weekly"],
        "fault": view["fault"],
    }


def state(view: views.View) -> str:
    """How it stands, in a word: paused, asking (new items wait for a yes), failing, or read."""
    if view["paused"]:
        return "paused"
    if view["asking"] is not None:
        return "asking"
    return "failing" if view["failures"] else "read"


def _clock(at: datetime | None, zone: str, now: datetime) -> str | None:
    from zoneinfo import ZoneInfo

    if at is None:
        return None
    if at <= now:
        return "now"
    here = at.astimezone(ZoneInfo(zone))
    return f"{here:%H:%M}" if here.date() == now.astimezone(ZoneInfo(zone)).date() else f"{here:%d %b %H:%M}"


def _words(view: views.View, gone: Sequence[Departed], waiting: Sequence[Waiting]) -> dict[str, Any]:
    """The same for a person: every name explains itself, every rule and every thing has a line."""
    said = view | {
        "rules": output.Lines(map(rule_line, view["rules"])),
        "unmodified": None if view["unmodified"] is None else f"{view['unmodified']:.0%} of {view['polls']}",
        "polls": None,
        "page_checks": None,
        "departed": None,
    }
    words = {CALLED.get(name, name): value for name, value in {"state": state(view), **said}.items()}
    more = view["page_checks"] - len(waiting)
    words[CALLED["page_checks"]] = output.Lines(
        [f"{row.uid}  {row.title}  {row.page}  next look {output.cell(row.next_look)}" for row in waiting]
        + ([f"and {more} more"] if more > 0 else [])
    )
    words[CALLED["departed"]] = output.Lines(
        f"{row.uid}  {row.title}  {row.page or ''}  since {output.cell(row.since)}" for row in gone
    )
    return words


def rule_line(rule: dict[str, Any]) -> str:
    """A rule as one line: when it holds, and what follows.

    >>> rule_line({"category": "press*", "topics": ["press"], "end": "draft"})
    'category "press*": topics press, end draft'
    """
    from syndicator.model.routing import CONDITIONS, RESULTS

    when = " and ".join(f'{name} "{rule[name]}"' for name in CONDITIONS if name in rule) or "every item"
    then = ", ".join(f"{name} {output.cell(rule[name])}" for name in RESULTS if name in rule)
    return f"{when}: {then}"


def _told(tx: Tx, one: Upstream, runtime: Runtime) -> views.View:
    """How others tell us that it has news: its hub, and the addresses that may be pinged."""
    from syndicator.store import hubs

    hub = hubs.find(tx, one.id)
    return {
        "hub_address": hub and hub.hub,
        "hub_until": hub and hub.lease_until,
        "hub_fault": hub and hub.fault,
        "ping": runtime.ping_url(one),
        "ping_wordpress": runtime.site.url("/xmlrpc"),
    }
