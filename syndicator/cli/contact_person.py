"""`syndicator contact edit`, `unsubscribe`, `pause` and `erase`: what staff does for one person, as that person may."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views
from syndicator.errors import Invalid, NotFound, Refused
from syndicator.model.audience import Address, Cadence, SubscriptionState, address, person_name
from syndicator.model.markup import one_line
from syndicator.model.release import zone_named

Language = Annotated[
    str | None, typer.Option(metavar="TAG", help="What they read, such as en; empty: not known.")
]
Hour = Annotated[int | None, typer.Option(min=0, max=23, help="When digests come, on their clock.")]
Nth = Annotated[int | None, typer.Option(min=1, max=5, help="Which weekday of a month; 5: the last.")]
Owner = Annotated[
    str | None, typer.Option(metavar="EMAIL", help="Who is told when this desk's address leaves; or empty.")
]

Capped = Annotated[
    bool | None,
    typer.Option("--capped/--not-capped", help="Never more than their digests, urgent or not."),
]
TextOnly = Annotated[
    bool | None, typer.Option("--text-only/--not-text-only", help="Letters without their HTML part.")
]


def edit(
    ctx: typer.Context,
    email: given.Email,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="As it stands in mail.")] = None,
    outlet: Annotated[str | None, typer.Option(metavar="OUTLET", help="Whom they write for.")] = None,
    country: Annotated[str | None, typer.Option(metavar="CODE", help="ISO 3166-1, such as DE.")] = None,
    language: Language = None,
    timezone: given.Zone = None,
    hour: Hour = None,
    weekday: Annotated[int | None, typer.Option(min=0, max=6, help="Of digests; 0 is Monday.")] = None,
    monthday: Annotated[int | None, typer.Option(min=1, max=31, help="Of monthly digests.")] = None,
    nth: Nth = None,
    owner: Owner = None,
    by: given.By = "",
    *,
    capped: Capped = None,
    text_only: TextOnly = None,
    new_links: Annotated[
        bool, typer.Option("--new-links", help="Links to their preferences mailed so far lead nowhere.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Change what is known of somebody, and when their digests come; what is not named stays."""
    from syndicator.store import audience, audit, wishes

    who, actor = address(email), session.actor(by)
    fields: dict[str, Any] = {
        "name": None if name is None else person_name(name),
        "outlet": None if outlet is None else one_line(outlet, "--outlet"),
        "country": None if country is None else _country(country),
        "language": None if language is None else one_line(language, "--language"),
        "zone": None if timezone is None else zone_named(timezone).key,
        "owner": None if owner is None else _owner(owner),
        "hour": hour,
        "weekday": weekday,
        "monthday": monthday,
        "nth": nth,
        "capped": capped,
        "text_only": text_only,
    }
    wanted = {field: value for field, value in fields.items() if value is not None}
    if not wanted and not new_links:
        raise Invalid("say what to change, such as --name NAME or --hour 7")
    with session.writing(ctx) as (_, tx):
        contact = audience.contact(tx, who)
        if "owner" in wanted:
            wanted["owner"] = wanted["owner"] or None
        changed = wishes.edit_contact(tx, contact.id, {"person": actor}, **wanted)
        if new_links:
            wishes.void_links(tx, contact.id)
        audit.record(tx, actor, "contact.edit", f"contact/{contact.id}", fields=changed, new_links=new_links)
        contact = audience.contact(tx, who)
    voided = "links to preferences that were mailed so far lead nowhere now" if new_links else ""
    told = f"{', '.join(changed) or 'no field'} changed" if changed or not new_links else ""
    output.say(f"{who.typed}: {'; '.join(filter(None, [told, voided]))}")
    if as_json:
        output.show_json(views.contact(contact))


def unsubscribe(
    ctx: typer.Context,
    email: given.Email,
    topic: Annotated[str | None, typer.Argument(metavar="TOPIC", help="The topic's slug; else all.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it stays in their history.")] = "by hand",
    by: given.By = "",
) -> None:
    """End somebody's subscription to a topic, or all of them, and stop what is on its way. No mail says so."""
    from syndicator.store import audience, audit, names, topics, wishes

    who, actor, why = address(email), session.actor(by), one_line(reason, "--reason") or "by hand"
    with session.writing(ctx) as (_, tx):
        contact = audience.contact(tx, who)
        live = wishes.live(tx, contact.id)
        if topic:
            slug = topics.named(tx, topic).slug
            live = [one for one in live if names.present(tx, (one.topic,)) == (slug,)]
        wishes.leave(tx, contact.id, [one.id for one in live], why, person=actor)
        subject = f"contact/{contact.id}"
        audit.record(tx, actor, "contact.unsubscribe", subject, why, topics=[one.topic for one in live])
    ended = ", ".join(one.topic for one in live)
    output.say(f"{who.typed} gets no more of: {ended}" if live else f"{who.typed} had no such subscription")


def cadence(
    ctx: typer.Context,
    email: given.Email,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's slug.")],
    often: Annotated[Cadence, typer.Argument(metavar="CADENCE", help="How often from now on.")],
    by: given.By = "",
) -> None:
    """Change how often a subscription brings mail: one ends, another begins, and nothing falls between."""
    from syndicator.store import audience, names, topics, wishes

    who, actor = address(email), session.actor(by)
    with session.writing(ctx) as (_, tx):
        contact = audience.contact(tx, who)
        slug = topics.named(tx, topic).slug
        live = wishes.live(tx, contact.id)
        known = [one for one in live if names.present(tx, (one.topic,)) == (slug,)]
        if not known:
            raise Refused(
                f"{who.typed} does not subscribe to {slug}: `syndicator contact subscribe` does that"
            )
        now = wishes.change_cadence(tx, known[0].id, often, person=actor)
    if now.state is SubscriptionState.PENDING:
        output.say(
            f"{who.typed} will get {slug} {often}, but it is still pending: they have not said yes yet; "
            f"`syndicator contact subscribe {who.typed} {slug} --cadence {often} --again` asks once more"
        )
        return
    output.say(f"{who.typed} gets {slug} {often}")


def erase(
    ctx: typer.Context,
    email: given.Email,
    by: given.By = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be taken back.")] = False,
) -> None:
    """Forget somebody for good: every word about them goes, and nobody can put the address on the list again.

    What stays: that something was sent, when, and how it ended, and a fingerprint by which the address is refused.
    """
    who, actor = address(email), session.actor(by)
    with session.opened(ctx) as runtime:
        if not yes:
            _sure(who.typed)
        undone, beyond = runtime.eraser.erase_address(who, actor), runtime.eraser.beyond()
    if undone is None:
        raise NotFound(f"there is nothing about {who.typed}: it is not on the list, and never asked to be")
    output.say("they are forgotten; what servers and partners hold of earlier mail is beyond us")
    for words in beyond:
        output.say(f"look there by hand: {words}")
    for words in undone:
        output.say(f"not done: {words}")
    if undone:
        raise typer.Exit(4)


def everything(ctx: typer.Context, who: Address) -> dict[str, Any]:
    """All there is of somebody, as they themselves may have it; the audit says who looked."""
    from syndicator.store import audience, dossiers

    with session.writing(ctx) as (_, tx):
        return dossiers.handed_out(tx, audience.contact(tx, who).id, by=session.actor())


def _sure(typed: str) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(f"{typed} would be forgotten, and that cannot be taken back: to go on, say --yes")
    print(f"Forget {typed} for good? Type the address to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().casefold() != typed.casefold():
        raise Refused("nothing was done: that was another address")


def _country(code: str) -> str:
    if code and not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise Invalid(f"--country {code!r}: write two letters, such as DE")
    return code.upper()


def _owner(text: str) -> str:
    return address(text).typed if text.strip() else ""
