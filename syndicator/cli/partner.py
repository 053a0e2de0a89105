"""`syndicator partner …`: the machines that receive pushes, and a try of the road to one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session, views
from syndicator.errors import Invalid, Refused
from syndicator.model.audience import Partner, webhook_url
from syndicator.model.delivery import Channel, DeliveryState, OnUnknown
from syndicator.model.item import ALL, Kind

if TYPE_CHECKING:
    from syndicator.runtime import Runtime
    from syndicator.store import Tx

app = given.group("The machines that receive pushes.")

COLUMNS = ("slug", "channel", "paused", "topics", "kinds", "url")


@app.command()
def add(
    ctx: typer.Context,
    slug: given.Slug,
    url: Annotated[str, typer.Option(metavar="URL", help="Where it is reached.")],
    channel: Annotated[Channel, typer.Option(help="By what road.")] = Channel.WEBHOOK,
    secret: Annotated[
        str | None,
        typer.Option(
            metavar="whsec_…",
            help="Signs webhooks; else one is made; - reads it from stdin, for whoever lists processes sees arguments.",
        ),
    ] = None,
    topics: given.Topics = "",
    kinds: given.Kinds = "",
    allow_private: given.Ranges = None,
    on_unknown: Annotated[OnUnknown | None, typer.Option(help="What a doubt leads to.")] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Push to a partner from now on; a secret that is made here is printed once, and never again."""
    from syndicator.runtime import mint_secret
    from syndicator.store import partners

    if channel is not Channel.WEBHOOK:
        raise Invalid(f"--channel {channel}: partners are reached by webhook so far")
    key = _secret(secret) if secret else mint_secret()
    with session.writing(ctx) as (_, tx):
        _check_topics(tx, given.names(topics))
        partner = partners.add(
            tx,
            Partner(
                id=0,
                slug=given.slug(slug, "partner"),
                channel=channel,
                url=webhook_url(url),
                secret=key,
                topics=given.names(topics),
                kinds=given.choices(kinds, Kind, "kind"),
                on_unknown=on_unknown,
                allow_private=given.ranges(allow_private),
                created=tx.now,
            ),
        )
    _print(partner, None if secret else key, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """List all partners; secrets are never shown."""
    from syndicator.store import partners

    with session.reading(ctx) as (_, tx):
        output.listing(map(views.partner, partners.listing(tx)), COLUMNS, as_json=as_json)


@app.command("test")
def try_(ctx: typer.Context, slug: given.Slug, *, as_json: given.Json = False) -> None:
    """Send a signed trial now, by the same road as everything else. Exit 1 unless it was accepted."""
    from syndicator.store import deliveries

    with session.opened(ctx) as runtime:
        delivery_id = _send_trial(runtime, slug)
        with runtime.store.read() as tx:
            delivery = deliveries.named(tx, delivery_id)
            tries = deliveries.attempts(tx, delivery_id)
    if as_json:
        output.show_json(views.delivery(delivery) | {"tries": [views.attempt(one) for one in tries]})
    else:
        said = tries[-1].detail if tries else delivery.detail or "it was not tried"
        print(f"{delivery.last_outcome or delivery.state}: {output.cell(said)}")
    if delivery.state is not DeliveryState.ACCEPTED:
        raise typer.Exit(1)


@app.command()
def pause(ctx: typer.Context, slug: given.Slug) -> None:
    """Send it nothing until it is resumed; nothing planned is lost."""
    _pause(ctx, slug, paused=True)


@app.command()
def resume(ctx: typer.Context, slug: given.Slug) -> None:
    """Send to it again, at once."""
    _pause(ctx, slug, paused=False)


def _secret(text: str) -> str:
    from syndicator.settings.values import WEBHOOK_SECRET

    try:
        return str(WEBHOOK_SECRET.parse(files.line() if text == files.STDIN else text).reveal())
    except Invalid as fault:
        raise Invalid(f"--secret {fault}") from None


def _check_topics(tx: Tx, slugs: tuple[str, ...]) -> None:
    from syndicator.store import topics

    topics.ids(tx, set(slugs) - {ALL})


def _print(partner: Partner, minted: str | None, *, as_json: bool) -> None:
    if minted:
        output.say(f'the secret of "{partner.slug}" is shown now and never again')
    if as_json:
        output.show_json(views.partner(partner) | ({"secret": minted} if minted else {}))
    else:
        print(minted or partner.slug)


def _send_trial(runtime: Runtime, slug: str) -> int:
    import threading

    from syndicator.delivery import lanes
    from syndicator.runtime import mint_name
    from syndicator.store import deliveries, partners

    with runtime.store.begin() as tx:
        partner = partners.named(tx, slug)
        if partner.paused:
            raise Refused(f'"{slug}" is paused: `syndicator partner resume {slug}` first')
        number = f"{slug}/{tx.now:%Y%m%dT%H%M%S.%fZ}"
        delivery_id = deliveries.plan_test(tx, partner.id, slug, number)
    crew = runtime.crew(mint_name("test"), threading.Event())
    lanes.run(crew, f"partner/{slug}", partner.channel)
    return delivery_id


def _pause(ctx: typer.Context, slug: str, *, paused: bool) -> None:
    from syndicator.store import partners

    with session.writing(ctx) as (_, tx):
        partners.pause(tx, slug, paused=paused)
    output.say(f'the partner "{slug}" is {"paused" if paused else "sent to again"}')
