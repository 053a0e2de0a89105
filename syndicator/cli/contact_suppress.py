"""`syndicator contact suppress|unsuppress|suppressions`: whom not to mail, an address or a whole domain (mail:LM10)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.errors import Invalid
from syndicator.model.audience import Address, address
from syndicator.model.markup import one_line
from syndicator.model.suppression import Reason, Suppression
from syndicator.observe import masked

if TYPE_CHECKING:
    from syndicator.store import Tx

COLUMNS = ("key", "who", "reason", "words", "source", "created", "expires")
SHORT = 12  # signs of a digest, enough to tell two apart
STAFF = "staff"
# Erasure suppresses by itself: nobody is erased by hand alone.
GIVEN = tuple(reason for reason in Reason if reason is not Reason.ERASED)

Whom = Annotated[
    str, typer.Argument(metavar="EMAIL", help="The mail address, or @domain for everybody there.")
]


def suppress(
    ctx: typer.Context,
    email: Whom,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "by hand",
    sort: Annotated[
        str, typer.Option("--as", metavar="SORT", help=f"What sort of reason it is: {', '.join(GIVEN)}.")
    ] = Reason.MANUAL.value,
    until: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="When it ends by itself; else it lasts.")
    ] = None,
    by: given.By = "",
) -> None:
    """Never mail this address again, whoever adds it; an earlier reason stays unless this one is stronger."""
    from syndicator.store import suppressions

    who, words, actor = _whom(email), one_line(reason, "--reason"), session.actor(by)
    if sort == Reason.ERASED:
        raise Invalid(f"--as {sort} is not for staff: `syndicator contact erase` forgets somebody")
    if sort not in GIVEN:
        raise Invalid(f"unknown sort {sort!r}: use {', '.join(GIVEN)}")
    kind = Reason(sort)
    with session.writing(ctx) as (runtime, tx):
        ends = given.instant(until, runtime.site.zone) if until else None
        if isinstance(who, Address):
            new = suppressions.suppress(tx, who, kind, words, source=STAFF, expires=ends)
        else:
            new = suppressions.suppress_domain(tx, who, kind, words, source=STAFF, expires=ends)
        if new:
            _audit(tx, actor, "contact.suppress", who, words, until=ends)
    shown = who.typed if isinstance(who, Address) else f"@{who}"
    ending = f" until {output.cell(ends)}" if ends and new else ""
    output.say(f"{shown} is not mailed any more{ending}" + ("" if new else "; an earlier reason stays"))


def unsuppress(
    ctx: typer.Context,
    email: Whom,
    by: given.By = "",
    *,
    lasting: Annotated[
        bool,
        typer.Option(
            "--lasting",
            help="Also after a complaint, for a legal reason or once erased: they want mail again.",
        ),
    ] = False,
) -> None:
    """Allow mail to this address again; subscriptions that have ended stay ended."""
    from syndicator.store import suppressions

    who, actor = _whom(email), session.actor(by)
    with session.writing(ctx) as (_, tx):
        if isinstance(who, Address):
            was = suppressions.unsuppress(tx, who, lasting=lasting)
        else:
            was = suppressions.unsuppress_domain(tx, who, lasting=lasting)
        if was:
            _audit(tx, actor, "contact.unsuppress", who, str(was))
    shown = who.typed if isinstance(who, Address) else f"@{who}"
    output.say(f"{shown} {'may be mailed again' if was else 'was not suppressed'}")


def listing(
    ctx: typer.Context,
    limit: given.Limit = None,
    after: Annotated[str, typer.Option(metavar="KEY", help="Only those after this key.")] = "",
    *,
    as_json: given.Json = False,
) -> None:
    """List who is not mailed: domains, and addresses by the digest that is all we keep of them."""
    from syndicator.store import suppressions

    with session.reading(ctx) as (_, tx):
        found = suppressions.listing(tx, limit=limit, after=after)
        known = suppressions.addresses(tx, [key for key, _ in found])
        rows = [_row(key if as_json else key[:SHORT], one, known.get(key, "")) for key, one in found]
    output.listing(rows, COLUMNS, as_json=as_json)


def _row(key: str, one: Suppression, whose: str) -> dict[str, Any]:
    return {
        "key": f"@{one.domain}" if one.domain else key,
        "who": masked(whose) if whose else "",
        "reason": one.reason,
        "words": one.words,
        "source": one.source,
        "created": one.created,
        "expires": one.expires,
    }


def _whom(text: str) -> Address | str:
    """An address, or the domain of `@domain`."""
    if "@" not in text and "." in text:
        raise Invalid(f"{text!r} is no mail address; for a domain: @{text}")
    if not text.startswith("@"):
        return address(text)
    return address(f"postmaster{text}").key.rpartition("@")[2]


def _audit(
    tx: Tx, actor: str, act: str, who: Address | str, words: str, *, until: datetime | None = None
) -> None:
    """Who did it, and why; of an address only its digest: it may have to be forgotten one day."""
    from syndicator.store import audit, suppressions

    named = suppressions.digest(tx, who.key) if isinstance(who, Address) else f"@{who}"
    audit.record(tx, actor, act, f"suppression/{named}", words or None, until=until)
