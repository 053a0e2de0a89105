"""`syndicator contact …`: the media list: who is on it, what they subscribe to, whom not to mail."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import (
    contact_accredit,
    contact_import,
    contact_person,
    contact_segment,
    contact_suppress,
    contact_words,
    output,
    session,
    views,
)
from syndicator.model.audience import Cadence, address, person_name
from syndicator.model.markup import one_line
from syndicator.model.release import zone_named

app = given.group("The media list.")

CadenceOption = Annotated[Cadence, typer.Option(help="How often it brings mail.")]


def add(
    ctx: typer.Context,
    email: given.Email,
    name: Annotated[str, typer.Option(metavar="NAME", help="As it stands in mail.")] = "",
    outlet: Annotated[str, typer.Option(metavar="OUTLET", help="Whom they write for.")] = "",
    timezone: given.Zone = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Put somebody on the media list; they get nothing until they subscribe."""
    from syndicator.store import audience

    who, called, writes_for = address(email), person_name(name), one_line(outlet, "an outlet")
    with session.writing(ctx) as (runtime, tx):
        zone = zone_named(timezone or runtime.site.zone).key
        contact, new = audience.add_contact(tx, who, name=called, outlet=writes_for, zone=zone)
    if not new:
        output.say(f"{contact.address.typed} is on the media list already; nothing was changed")
    if as_json:
        output.show_json(views.contact(contact))
    else:
        print(contact.address.typed)


def subscribe(
    ctx: typer.Context,
    email: given.Email,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's slug.")],
    cadence: CadenceOption = Cadence.IMMEDIATE,
    consent: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Where their yes came from; without it they are asked."),
    ] = None,
    *,
    again: Annotated[
        bool,
        typer.Option("--again", help="Ask once more who has not said yes; once a day, three times in all."),
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Subscribe somebody on the list to a topic; without --consent a confirmation goes out first.

    Where its link is over after 72 hours, the same again asks once more.
    """
    from syndicator import signup
    from syndicator.store import audience, topics

    who, yes = address(email), consent and one_line(consent, "--consent")
    with session.writing(ctx) as (_, tx):
        contact = audience.contact(tx, who)
        topic_id = topics.named(tx, topic).id
        subscription, new = signup.subscribe(tx, contact.id, topic_id, cadence, yes or None, again=again)
    words = "is" if new else "was already"
    output.say(f"the subscription of {contact.address.typed} to {topic} {words} {subscription.state}")
    if contact.suppressed:
        output.say(f"but the address is suppressed ({contact.suppressed}): nothing is mailed to it")
    if as_json:
        output.show_json(views.subscription(subscription))


def show(
    ctx: typer.Context,
    email: given.Email,
    why: Annotated[
        str, typer.Option(metavar="UID", help="Say in one sentence why they did or did not get this item.")
    ] = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Show somebody, every subscription they have or had, and whether they see what is under embargo.

    With --json it is all there is of them, to be handed to them on request; the audit says who looked.
    """
    from syndicator.cli import contact_shown
    from syndicator.store import accreditations, audience, tags

    if why:
        contact_words.why(ctx, email, why, as_json=as_json)
        return
    who = address(email)
    everything = contact_person.everything(ctx, who) if as_json else {}
    with session.reading(ctx) as (_, tx):
        contact = audience.contact(tx, who)
        known = audience.subscriptions(tx, contact.id)
        leave = accreditations.history(tx, contact.id)
        accredited = accreditations.live(tx, contact.id) is not None
        plain = contact_shown.lines(contact, tags.of(tx, contact.id), known, leave, tx.now)
    if not as_json:
        output.details(plain, as_json=False)
        return
    more = {
        "accredited": accredited,
        "subscriptions": [views.subscription(one) for one in known],
        "accreditations": [views.accreditation(one) for one in leave],
    }
    output.show_json(everything | views.contact(contact) | more)


# As they are needed, one after another; what each does in few enough words for one line.
for name, work, about in (
    ("add", add, "Put somebody on the media list."),
    ("subscribe", subscribe, "Subscribe somebody to a topic."),
    ("list", contact_words.list_, "List everybody, or those whom options take."),
    ("show", show, "Show somebody with all their subscriptions."),
    ("history", contact_words.history, "Show all somebody got, and all that changed."),
    ("import", contact_import.import_, "Take people from a list, or take that back."),
    ("export", contact_import.export, "Write everybody to stdout, as CSV."),
    ("ask", contact_import.ask, "Ask who was imported without a yes for it."),
    ("edit", contact_person.edit, "Change what is known of somebody."),
    ("cadence", contact_person.cadence, "Change how often a subscription brings mail."),
    ("tag", contact_words.tag, "Give somebody tags, or take them."),
    ("note", contact_words.note, "Write a note about somebody, for staff."),
    ("accredit", contact_accredit.accredit, "Trust somebody with what is under embargo."),
    ("unsubscribe", contact_person.unsubscribe, "End a subscription of somebody, or all."),
    ("suppress", contact_suppress.suppress, "Never mail an address or a domain again."),
    ("unsuppress", contact_suppress.unsuppress, "Allow mail to it again."),
    ("suppressions", contact_suppress.listing, "List who is not mailed."),
    ("erase", contact_person.erase, "Forget somebody for good."),
):
    # What begins with a hyphen is a tag to take, not an option.
    said = {"ignore_unknown_options": True} if name == "tag" else {}
    app.command(name, short_help=about, context_settings=said)(work)
app.add_typer(contact_segment.app, name="segment")
