"""`syndicator delivery …`: the ledger. What was to be brought to whom, every try, and what a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views
from syndicator.errors import Invalid, NotFound
from syndicator.model.delivery import DeliveryState

if TYPE_CHECKING:
    from syndicator.runtime import Runtime
    from syndicator.store import Tx, deliveries

app = given.group("The ledger: who was sent what, and what became of it.")

LANES = ("key", "channel", "paused", "since", "waiting", "oldest", "late", "fault")
SLOW = ("lane", "domain", "open", "width", "rate", "failures", "fault")
Lane = Annotated[str, typer.Argument(metavar="[LANE]", help="The destination: mail, partner/SLUG, …")]
COLUMNS = ("id", "state", "channel", "attempts", "last_outcome", "recipient", "subject")


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[DeliveryState | None, typer.Option(help="Only those in this state.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="START", help="Only subjects that begin so.")] = None,
    limit: given.Limit = None,
    after: given.After = 0,
    *,
    as_json: given.Json = False,
) -> None:
    """List deliveries in the order they were planned."""
    from syndicator.store import deliveries

    with session.reading(ctx) as (_, tx):
        rows = deliveries.listing(tx, limit=limit, after=after, state=state, subject=subject)
        output.listing(map(views.delivery, rows), COLUMNS, as_json=as_json)
        _say_trouble(deliveries.lanes(tx))


@app.command()
def show(ctx: typer.Context, id: given.Id, *, as_json: given.Json = False) -> None:
    """Show a delivery, every try of it, and what it carried."""
    from syndicator.store import deliveries, items

    with session.reading(ctx) as (_, tx):
        view = views.delivery(deliveries.named(tx, id))
        carried = deliveries.contents(tx, id)
        uids = {item.id: item.uid for item in items.many(tx, [item_id for item_id, _ in carried])}
        view["contents"] = [{"uid": uids[item_id], "revision": number} for item_id, number in carried]
        view["tries"] = [views.attempt(one) for one in deliveries.attempts(tx, id)]
    output.details(view, as_json=as_json)


@app.command()
def whose(
    ctx: typer.Context,
    trace: Annotated[
        str, typer.Argument(metavar="TRACE", help="A letter's Message-ID, or a link /press/… out of it.")
    ],
    *,
    as_json: given.Json = False,
) -> None:
    """Say whose copy it is that turned up somewhere: by its Message-ID, or by a link in it."""
    with session.reading(ctx) as (runtime, tx):
        found = _by_link(runtime, tx, trace) if "/press/" in trace else _by_message_id(runtime, tx, trace)
    output.details(found, as_json=as_json)


@app.command()
def retry(
    ctx: typer.Context,
    id: Annotated[
        int | None,
        typer.Argument(parser=given.whole(1), metavar="[ID]", help="Its number in the ledger."),
    ] = None,
    *,
    late: Annotated[
        bool, typer.Option("--late", help="Send everything that waits because it is late.")
    ] = False,
    by: given.By = "",
    as_json: given.Json = False,
) -> None:
    """Try it again now; refused for what was accepted or is under way. With --late: all that is late."""
    from syndicator.store import audit, deliveries

    if late == (id is not None):
        raise Invalid("say which: the number of a delivery, or --late for all that waits because it is late")
    if id is None:
        with session.writing(ctx) as (_, tx):
            released = deliveries.retry_late(tx)
            audit.record(tx, session.actor(by), "delivery.retry", "late", count=released)
        output.say(f"{released} late deliveries go out now")
        if as_json:
            output.show_json({"retried": released})
        return
    with session.writing(ctx) as (_, tx):
        deliveries.retry(tx, id)
        audit.record(tx, session.actor(by), "delivery.retry", f"delivery/{id}")
        after = views.delivery(deliveries.named(tx, id))
    _say(after, as_json=as_json)


@app.command()
def resolve(
    ctx: typer.Context,
    id: given.Id,
    *,
    accepted: Annotated[bool, typer.Option("--accepted", help="It arrived.")] = False,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="It is not to be tried again.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="How that is known.")] = "",
    by: given.By = "",
    as_json: given.Json = False,
) -> None:
    """Settle a doubt, or drop what is late: exactly one of --accepted and --cancelled."""
    from syndicator.store import audit, deliveries

    if accepted == cancelled:
        raise Invalid("say what became of it: --accepted or --cancelled")
    state = DeliveryState.ACCEPTED if accepted else DeliveryState.CANCELLED
    with session.writing(ctx) as (_, tx):
        deliveries.resolve(tx, id, state, reason or "settled by hand")
        audit.record(tx, session.actor(by), "delivery.resolve", f"delivery/{id}", reason, state=state)
        after = views.delivery(deliveries.named(tx, id))
    _say(after, as_json=as_json)


@app.command()
def lanes(
    ctx: typer.Context,
    *,
    domains: Annotated[
        bool, typer.Option("--domains", help="Domains of recipients that asked for patience instead.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """List the destinations: which rest, which are in trouble and since when, how many wait for each, the oldest since when."""
    from syndicator.store import deliveries

    with session.reading(ctx) as (_, tx):
        if domains:
            output.listing(map(views.slow_domain, deliveries.domains_at_rest(tx)), SLOW, as_json=as_json)
        else:
            output.listing(map(views.lane, deliveries.lanes(tx)), LANES, as_json=as_json)


@app.command()
def pause(
    ctx: typer.Context,
    lane: Lane = "mail",
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever looks.")] = "",
    by: given.By = "",
) -> None:
    """Let nothing go out any more, within a second; what waits, waits. LANE: see `delivery lanes`."""
    from syndicator.store import audit, deliveries

    with session.writing(ctx) as (_, tx):
        who = session.actor(by)
        words = f"paused by {who}" + (f": {reason}" if reason else "")
        done = deliveries.pause(tx, lane, words)
        if done:
            audit.record(tx, who, "delivery.pause", f"lane/{lane}", reason or None)
    output.say(f"{lane} is paused" if done else f"{lane} was paused already")


@app.command()
def resume(
    ctx: typer.Context,
    lane: Lane = "mail",
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is on record.")] = "",
    by: given.By = "",
) -> None:
    """Let what waits for this lane go out."""
    from syndicator.store import audit, deliveries

    with session.writing(ctx) as (_, tx):
        done = deliveries.resume(tx, lane)
        if done:
            audit.record(tx, session.actor(by), "delivery.resume", f"lane/{lane}", reason)
    output.say(f"{lane} is no longer paused" if done else f"{lane} was not paused")


def _by_message_id(runtime: Runtime, tx: Tx, trace: str) -> views.View:
    from syndicator.runtime.terms import named_of
    from syndicator.store import deliveries

    named, wanted = named_of(runtime.desk), trace.strip().strip("<>").partition("@")[0].lower()
    letter = deliveries.letter(tx, lambda *given: named(*given).partition("@")[0] == wanted)
    if letter is None:
        raise NotFound(
            "no letter of ours has this Message-ID: look whether it is whole, without Message-ID: before it"
        )
    return views.delivery(letter)


def _by_link(runtime: Runtime, tx: Tx, trace: str) -> views.View:
    from syndicator.store import audience, press_links

    token = trace.partition("/press/")[2].partition("/")[0]
    copy, desk = runtime.tokens.read_press(token), runtime.tokens.read_desk(token)
    if not copy and not desk:
        raise NotFound(
            "this link is none we made for one person: it is not whole, or it is that of a preview"
        )
    contact = audience.contact_by_id(tx, copy[0] if copy else desk[0] if desk else 0)
    release = press_links.release(tx, copy[1]) if copy else None
    return {
        "recipient": contact.address.typed,
        "contact": contact.id,
        "release": release.uid if release else None,
    }


def _say_trouble(found: list[deliveries.Lane]) -> None:
    """On stderr, where something holds up more than one delivery."""
    for lane in found:
        if lane.paused:
            output.say(f"{lane.key} is paused ({lane.fault or 'by hand'}): {lane.waiting} wait")
        elif lane.since is not None:
            since = lane.since.isoformat(timespec="seconds")
            output.say(f"{lane.key} is out of reach since {since} ({lane.fault}): {lane.waiting} wait")
        if lane.late:
            output.say(
                f"{lane.late} of {lane.key} are late and wait for a person: `delivery retry --late` sends them"
            )


def _say(view: views.View, *, as_json: bool) -> None:
    output.say(f"delivery {view['id']} is {view['state']}")
    if as_json:
        output.show_json(view)
