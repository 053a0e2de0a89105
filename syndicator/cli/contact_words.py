"""`syndicator contact list|tag|note|history`: what we know of people beside what they said, and all they ever got."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views
from syndicator.errors import Invalid
from syndicator.model.audience import address

COLUMNS = ("id", "email", "name", "outlet", "timezone", "tags", "standing", "suppressed", "accredited")
HISTORY = ("at", "what", "about", "outcome", "detail")
LONGEST_NOTE = 2_000


def list_(
    ctx: typer.Context,
    limit: given.Limit = None,
    after: given.After = 0,
    tag: Annotated[str, typer.Option(metavar="TAG", help="Only those with this tag.")] = "",
    outlet: Annotated[str, typer.Option(metavar="OUTLET", help="Only those who write for it.")] = "",
    topic: Annotated[
        str, typer.Option(metavar="TOPIC", help="Only those with a live subscription to it.")
    ] = "",
    segment: Annotated[str, typer.Option(metavar="SLUG", help="Only those in this segment.")] = "",
    *,
    as_json: given.Json = False,
) -> None:
    """List everybody, in the order they came, or those whom all of these take."""
    from syndicator.model.segment import Rule, tag_named
    from syndicator.store import accreditations, audience, segments, tags
    from syndicator.store import topics as all_topics

    rule = Rule(
        any=(tag_named(tag),) if tag else (),
        outlets=(outlet,) if outlet else (),
        topics=(topic,) if topic else (),
    )
    with session.reading(ctx) as (_, tx):
        if topic:
            all_topics.named(tx, topic)
        if segment:
            segments.named(tx, segment)
        which = segments.meeting(tx, rule) & segments.condition(tx, (segment,) if segment else ())
        accredited = accreditations.everybody(tx)
        people = audience.contacts(tx, limit=limit, after=after, where=which)
        tagged = tags.of_all(tx, [one.id for one in people])
        rows = (
            views.contact(one)
            | {"accredited": one.id in accredited, "tags": tagged.get(one.id, []), "standing": one.standing}
            for one in people
        )
        output.listing(rows, COLUMNS, as_json=as_json)


def tag(
    ctx: typer.Context,
    email: given.Email,
    changes: Annotated[
        list[str], typer.Argument(metavar="+TAG|-TAG …", help="Tags to give and to take: +desk -old.")
    ],
    by: given.By = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Give somebody tags, or take them: words of ours, by which lists are cut and segments made."""
    from syndicator.model.segment import tag_named
    from syndicator.store import audience, audit, tags

    who = address(email)
    if wrong := [one for one in changes if not one.startswith(("+", "-"))]:
        raise Invalid(f"{wrong[0]!r}: write +{wrong[0]} to give the tag, -{wrong[0]} to take it")
    give = [tag_named(one[1:]) for one in changes if one.startswith("+")]
    take = [tag_named(one[1:]) for one in changes if one.startswith("-")]
    with session.writing(ctx) as (_, tx):
        contact = audience.contact(tx, who)
        tags.take(tx, contact.id, take)
        tags.put(tx, contact.id, give)
        now = tags.of(tx, contact.id)
        audit.record(
            tx, session.actor(by), "contact.tag", f"contact/{contact.id}", None, given=give, taken=take
        )
    if as_json:
        output.show_json(views.contact(contact) | {"tags": now})
    else:
        print(", ".join(now) or "no tags")


def note(
    ctx: typer.Context,
    email: given.Email,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="In place of the former note; empty: none.")],
    by: given.By = "",
    *,
    add: Annotated[bool, typer.Option("--add", help="Below the former note.")] = False,
) -> None:
    """Write a note about somebody, for staff; they see it when they ask for all we keep of them."""
    from syndicator.store import audience, audit, wishes

    who, actor = address(email), session.actor(by)
    with session.writing(ctx) as (_, tx):
        contact = audience.contact(tx, who)
        words = "\n".join(filter(None, [contact.notes, text])) if add else text
        if len(words) > LONGEST_NOTE or any(ord(char) < 32 and char not in "\n\t" for char in words):
            raise Invalid(f"a note is text of at most {LONGEST_NOTE:,} characters: shorten it")
        if wishes.edit_contact(tx, contact.id, {"person": actor}, notes=words.strip()):
            audit.record(tx, actor, "contact.note", f"contact/{contact.id}")  # never its words
    output.say(f"the note about {contact.address.typed} {'is written' if words.strip() else 'is gone'}")


def history(
    ctx: typer.Context, email: given.Email, limit: given.Limit = None, *, as_json: given.Json = False
) -> None:
    """Show everything somebody got or was owed, and all that changed about them, newest first."""
    from syndicator.store import audience, whys

    with session.reading(ctx) as (_, tx):
        rows = whys.history(tx, audience.contact(tx, address(email)))[:limit]
        shown = ({name: getattr(one, name) for name in HISTORY} for one in rows)
        output.listing(shown, HISTORY, as_json=as_json)


def why(ctx: typer.Context, email: str, uid: str, *, as_json: bool) -> None:
    """Say in one sentence why somebody did or did not get an item: `contact show EMAIL --why ITEM`."""
    from syndicator.model.why import why as sentence
    from syndicator.store import audience, whys

    with session.reading(ctx) as (_, tx):
        contact = audience.contact(tx, address(email))
        said = sentence(whys.case(tx, contact, uid))
    if as_json:
        output.show_json({"email": contact.address.typed, "item": uid, "why": said})
    else:
        print(said)
