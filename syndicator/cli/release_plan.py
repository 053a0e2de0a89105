"""`syndicator release plan`, `test` and `report`: what will come of a release, a try of it, and what came of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session

if TYPE_CHECKING:
    from datetime import datetime

    from syndicator.cli.views import View
    from syndicator.model.plan import Plan
    from syndicator.model.report import Mailing, Reason, Receipt, Report
    from syndicator.model.site import Site

MAILING = (
    "what",
    "channel",
    "planned",
    "handed_over",
    "bounced",
    "refused",
    "in_doubt",
    "waiting",
    "cancelled",
)
SHOWN = 3  # people named for each reason, where a person reads; --json names all


def plan(ctx: typer.Context, uid: given.Uid, *, as_json: given.Json = False) -> None:
    """Say who will get what, when and why. Also who is left out, and why. Changes nothing."""
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
    if rows:
        output.listing(rows, ("what", "count", "why", "who"), as_json=False)
    else:
        output.say("nobody is mailed and no partner's machine is told: nobody is there who wants it")


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


def mail_test(
    ctx: typer.Context,
    uid: given.Uid,
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="Who gets the marked test.")],
    by: given.By = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Mail it to these addresses, marked as a test. It counts nowhere."""
    from syndicator.press.sample import sample

    who = session.actor(by)
    with session.writing(ctx) as (runtime, tx):
        subject = sample(tx, uid, addresses, who, rules=runtime.rules)
    output.say(
        "it goes out with the next turn of a worker: `syndicator delivery list` shows what became of it"
    )
    if as_json:
        output.show_json({"uid": uid, "subject": subject, "recipients": addresses})
    else:
        print(subject)


def report(
    ctx: typer.Context,
    uid: given.Uid,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one printable page; `-` is stdout.")
    ] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Say what came of it. How many mails were handed over, came back, were refused or are in doubt, and how late it was."""
    from syndicator.press.report import report as make

    with session.reading(ctx) as (runtime, tx):
        made = make(tx, uid)
    if html is not None:
        _page(made, runtime.site, html)
    if as_json:
        output.show_json(whole_report(made))
    elif html is None:
        _in_short(made)


def _page(made: Report, site: Site, path: Path) -> None:
    from syndicator.render.report import report_page

    page = report_page(made, site)
    if str(path) == "-":
        print(page.decode(), end="")
        return
    files.put(path.parent, path.name, page)
    output.say(f"the report of {made.uid} is in {path}")


def _in_short(made: Report) -> None:
    from syndicator.render.report import span

    main = made.main
    output.details(
        {
            "title": made.title,
            "uid": made.uid,
            "state": made.standing,
            "planned for": made.at,
            "public since": made.released,
            "release late by": span(made.late(made.released)) if made.released else None,
            "first mail late by": span(made.late(main.first)) if main and main.first else None,
            "last mail late by": span(made.late(main.last)) if main and main.last else None,
        },
        as_json=False,
    )
    _sent([_mailing(one) for one in made.mailings])
    if whys := [{"what": one.name, **_reason(why)} for one in made.mailings for why in one.reasons]:
        output.listing(whys, ("what", "state", "count", "why"), as_json=False)
    if receipts := [_receipt(one) for one in made.receipts]:
        output.listing(receipts, ("partner", "what", "state", "code"), as_json=False)


def _sent(rows: list[View]) -> None:
    """Each mailing with its figures, which a line without headings names one by one."""
    if not rows:
        output.say("nothing was sent")
    elif sys.stdout.isatty():
        output.listing(rows, MAILING, as_json=False)
    else:
        for row in rows:
            figures = (f"{output.heading(name)} {row[name]}" for name in MAILING[2:])
            print(output.cell(row["what"]), row["channel"], *figures, sep="\t")


def whole_report(one: Report) -> View:
    """What came of a release; spans are seconds."""

    def late(instant: datetime | None) -> float | None:
        found = one.late(instant)
        return None if found is None else round(found.total_seconds(), 3)

    main = one.main
    return {
        "uid": one.uid,
        "title": one.title,
        "state": one.state,
        "item": one.item,
        "version": one.version,
        "embargo": one.embargo,
        "at": one.at,
        "released": one.released,
        "drafted_by": one.drafted_by,
        "approved_by": one.approved_by,
        "late_seconds": {
            "release": late(one.released),
            "first_mail": late(main.first) if main else None,
            "last_mail": late(main.last) if main else None,
        },
        "mailings": [
            _mailing(each) | {"reasons": [_reason(why) for why in each.reasons]} for each in one.mailings
        ],
        "receipts": [_receipt(each) for each in one.receipts],
        "changes": [
            {"revision": each.revision, "significance": each.significance, "created": each.created}
            for each in one.changes
        ],
    }


def _mailing(one: Mailing) -> View:
    from syndicator.model.delivery import DeliveryState

    return {
        "what": one.name,
        "channel": one.channel,
        "planned": one.planned,
        "handed_over": one.handed_over,
        "bounced": one.bounced,
        "refused": one.count(DeliveryState.REFUSED),
        "in_doubt": one.count(DeliveryState.UNKNOWN),
        "waiting": one.waiting,
        "cancelled": one.count(DeliveryState.CANCELLED),
        "expired": one.count(DeliveryState.EXPIRED),
        "repeated": one.repeated,
        "first": one.first,
        "last": one.last,
    }


def _reason(why: Reason) -> View:
    return {"state": why.state, "why": why.words, "count": why.count}


def _receipt(one: Receipt) -> View:
    return {
        "partner": one.partner,
        "what": one.name,
        "state": one.state,
        "code": one.code,
        "settled": one.settled,
    }
