"""`syndicator contact accredit`: who may see what is under embargo, who asks to, and the link to their own page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views
from syndicator.errors import Invalid
from syndicator.model.audience import address
from syndicator.model.markup import one_line
from syndicator.model.release import ReleaseState

if TYPE_CHECKING:
    from datetime import datetime

    from syndicator.model.audience import Contact
    from syndicator.runtime import Runtime
    from syndicator.store import Tx

REQUESTS = ("email", "name", "outlet", "asked", "words")
Someone = Annotated[
    str | None, typer.Argument(metavar="EMAIL", help="The mail address; none with --requests.")
]
Agreement = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help="What they agreed to, and how you know, such as: embargo terms, signed 2 March. "
        "Needed, unless a request of theirs waits: it holds their yes.",
    ),
]
Until = Annotated[
    str | None, typer.Option(metavar="INSTANT", help="When it ends by itself; else it lasts until --end.")
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Needed with --end and --deny: why.")]
End = Annotated[bool, typer.Option("--end", help="End it: they see nothing under embargo from now on.")]
Deny = Annotated[bool, typer.Option("--deny", help="Decide against their request; they are told why.")]
Requests = Annotated[bool, typer.Option("--requests", help="List who asks and waits for a decision.")]
RenewLink = Annotated[
    bool,
    typer.Option("--renew-link", help="Make the address of their page and feed void, and mail a new one."),
]


@dataclass(frozen=True)
class _Wanted:
    """What the options ask for."""

    agreement: str
    until: str | None
    reason: str
    end: bool
    deny: bool
    renew: bool

    def check(self) -> None:
        """Raises Invalid where options do not belong together, or one is missing."""
        if self.end + self.deny + self.renew > 1:
            raise Invalid("--end, --deny and --renew-link are three things: choose one")
        taking = "--end takes an accreditation back" if self.end else "--deny decides against a request"
        if (self.end or self.deny) and (self.agreement or self.until):
            raise Invalid(f"{taking}: --agreement and --until belong to one that is given")
        if (self.end or self.deny) and not self.reason:
            raise Invalid("say why with --reason")


def accredit(
    ctx: typer.Context,
    email: Someone = None,
    agreement: Agreement = "",
    until: Until = None,
    reason: Reason = "",
    by: given.By = "",
    *,
    end: End = False,
    deny: Deny = False,
    renew_link: RenewLink = False,
    requests: Requests = False,
    as_json: given.Json = False,
) -> None:
    """Trust somebody with releases that are under embargo, or end that.

    Whoever is accredited gets an advance copy of each release of their topics, and a page of their own for it.
    """
    if requests:
        _list_requests(ctx, as_json=as_json)
        return
    if email is None:
        raise Invalid("say whom, by mail address; --requests lists who asks")
    who, actor = address(email), session.actor(by)
    wanted = _Wanted(
        one_line(agreement, "--agreement"), until, one_line(reason, "--reason"), end, deny, renew_link
    )
    wanted.check()
    with session.writing(ctx) as (runtime, tx):
        from syndicator.store import accreditations, audience

        contact = audience.contact(tx, who)
        words, ahead = _act(runtime, tx, contact, actor, wanted)
        contact = audience.contact(tx, who)
        leave = [views.accreditation(one) for one in accreditations.history(tx, contact.id)]
        accredited = accreditations.live(tx, contact.id) is not None
    output.say(f"{who.typed} {words}")
    for uid in ahead:
        output.say(
            f"copies of {uid} were planned before: `syndicator release schedule {uid}` again sends one"
        )
    if as_json:
        output.show_json(views.contact(contact) | {"accredited": accredited, "accreditations": leave})


def _act(runtime: Runtime, tx: Tx, contact: Contact, actor: str, wanted: _Wanted) -> tuple[str, list[str]]:
    """Do it and write it down; what happened, in words, and the uids of releases whose copies went out before."""
    from syndicator.signup import accrediting
    from syndicator.store import accreditations, audit, releases

    limit: datetime | None = None
    ahead: list[str] = []
    if wanted.renew:
        accrediting.renew_link(tx, contact)
        act, words = "contact.renew-link", "has a new link, which is mailed; the former ones lead nowhere"
    elif wanted.deny:
        accrediting.deny(tx, contact, actor, wanted.reason)
        act, words = "contact.deny", "is told that the answer is no"
    elif wanted.end:
        accreditations.end(tx, contact.id, wanted.reason)
        act, words = "contact.unaccredit", "is accredited no more"
    else:
        limit = given.instant(wanted.until, runtime.site.zone) if wanted.until else None
        accrediting.grant(tx, contact, actor, wanted.agreement, limit)
        act, words = "contact.accredit", f"is accredited{f' until {output.cell(limit)}' if limit else ''}"
        scheduled = releases.listing(tx, state=ReleaseState.SCHEDULED)
        ahead = [one.uid for one in scheduled if one.advance]
    audit.record(tx, actor, act, f"contact/{contact.id}", wanted.reason or None, until=limit)
    return words, ahead


def _list_requests(ctx: typer.Context, *, as_json: bool) -> None:
    from syndicator.store import applications, audience

    with session.reading(ctx) as (_, tx):
        rows = []
        for one in applications.waiting(tx):
            contact = audience.contact_by_id(tx, one.contact_id)
            rows.append(
                {
                    "id": one.id,
                    "email": contact.address.typed,
                    "name": contact.name,
                    "outlet": contact.outlet,
                    "asked": one.created,
                    "words": one.words,
                }
            )
        output.listing(iter(rows), REQUESTS, as_json=as_json)
