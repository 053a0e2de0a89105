"""`syndicator release plan`, `test` and `report`: what will come of a release, a try of it, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session

if TYPE_CHECKING:
    from syndicator.cli.views import View
    from syndicator.model.plan import Plan

SHOWN = 3  # people named for each reason, where a person reads; --json names all


def plan(ctx: typer.Context, uid: given.Uid, *, as_json: given.Json = False) -> None:
    """Say what happens when, to how many and whom, and why; and who is left out, and why. Changes nothing."""
    from syndicator.press.plan import plan as make

    with session.reading(ctx) as (runtime, tx):
        made = make(tx, uid, runtime.site, runtime.rules)
    if as_json:
        output.show_json(whole_plan(made))
        return
    for words in made.warnings:
        output.say(words)
    _steps(made)
    _reasons(made)


def _steps(made: Plan) -> None:
    rows = [
        {"at": step.at or "once published", "what": step.what, "count": step.count, "to": step.detail}
        for step in made.steps
    ]
    output.listing(rows, ("at", "what", "count", "to"), as_json=False)


def _reasons(made: Plan) -> None:
    """Each reason once, with how many it applies to and the first few of them."""
    from syndicator.model.plan import What

    rows = []
    for what in (What.ADVANCE, What.MAILS, What.PUSHES):
        for why, count, reached in made.reasons(what):
            some = made.examples(what, why, SHOWN)
            more = f", … {count - len(some)} more" if count > len(some) else ""
            row = {"what": what if reached else f"no {what}", "count": count, "why": why}
            rows.append(row | {"who": ", ".join(some) + more})
    output.listing(rows, ("what", "count", "why", "who"), as_json=False)


def whole_plan(one: Plan) -> View:
    """What will come of a release, complete: every recipient and everybody left out, with the reason."""
    return {
        "uid": one.uid,
        "version": one.version,
        "state": one.state,
        "warnings": list(one.warnings),
        "steps": [
            {"at": step.at, "what": step.what, "count": step.count, "detail": step.detail}
            for step in one.steps
        ],
        "recipients": [{"who": each.who, "what": each.what, "why": each.why} for each in one.reached],
        "left_out": [{"who": each.who, "what": each.what, "why": each.why} for each in one.left_out],
    }
