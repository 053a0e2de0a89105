"""`syndicator delivery …`: the ledger. What was to be brought to whom, every try, and what a person decides."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views
from syndicator.errors import Invalid
from syndicator.model.delivery import DeliveryState

app = given.group("The ledger: who was sent what, and what became of it.")

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
def retry(ctx: typer.Context, id: given.Id, *, as_json: given.Json = False) -> None:
    """Try it again now; refused for what was accepted or is under way."""
    from syndicator.store import deliveries

    with session.writing(ctx) as (_, tx):
        deliveries.retry(tx, id)
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
    as_json: given.Json = False,
) -> None:
    """Settle a doubt: exactly one of --accepted and --cancelled."""
    from syndicator.store import deliveries

    if accepted == cancelled:
        raise Invalid("say what became of it: --accepted or --cancelled")
    state = DeliveryState.ACCEPTED if accepted else DeliveryState.CANCELLED
    with session.writing(ctx) as (_, tx):
        deliveries.resolve(tx, id, state, reason or "settled by hand")
        after = views.delivery(deliveries.named(tx, id))
    _say(after, as_json=as_json)


def _say(view: views.View, *, as_json: bool) -> None:
    output.say(f"delivery {view['id']} is {view['state']}")
    if as_json:
        output.show_json(view)
