"""`syndicator doctor`: what must be right for mail to arrive and for embargoes to hold, and what to do where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session

if TYPE_CHECKING:
    from syndicator.doctor import Finding, House, Mailing
    from syndicator.runtime import Runtime

COLUMNS = ("state", "check", "found", "advice")


def doctor(
    ctx: typer.Context,
    resolver: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The DNS server to ask; else the system's.")
    ] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Check the set-up: DNS records, the relay, links in mail, the house; exit 1 if a check fails."""
    from syndicator.doctor import State, examine
    from syndicator.wire.dns import Resolver

    with session.opened(ctx, prepared=False) as runtime:
        mailing = _mailing(runtime)
        found = list(examine(_house(runtime), mailing, lambda: Resolver(resolver)))
    output.listing(map(_row, found), COLUMNS, as_json=as_json)
    if mailing is None:
        output.say("the checks of mail were skipped, for it goes into a folder: see mail.transport")
    failed = [one.check for one in found if one.state is State.FAIL]
    if failed:
        output.say(f"{len(failed)} of {len(found)} checks failed: {', '.join(failed)}")
        raise typer.Exit(1)


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "state": finding.state,
        "check": finding.check,
        "found": finding.words,
        "advice": finding.advice or None,
    }


def _house(runtime: Runtime) -> House:
    from syndicator.doctor import House
    from syndicator.runtime import clock

    said = runtime.settings.store
    url = said.url.reveal()
    kept = Path(url.partition(":///")[2]).with_name("secret_key") if url.startswith("sqlite") else None
    return House(
        store=runtime.store,
        clock=clock,
        media=Path(said.media_dir),
        key_given=bool(runtime.settings.signing_keys()),
        key_kept=kept,
        mailbox=(runtime.intake.name, runtime.intake.every) if runtime.intake else None,
        newsletter=runtime.settings.newsletter.topic,
    )


def _mailing(runtime: Runtime) -> Mailing | None:
    from syndicator.doctor import Domains, Mailing, Signing
    from syndicator.runtime import USER_AGENT
    from syndicator.settings import Transport
    from syndicator.wire.guard import Guard
    from syndicator.wire.http import Client

    said = runtime.settings
    if said.mail.transport is Transport.FOLDER:
        return None

    def link(row: int) -> str:
        return runtime.desk.links.unsubscribe(row)  # late: it may have to make a key

    sender = said.mail.from_.address.typed.rpartition("@")[2]
    keys = [Signing(key.selector, key.domain or sender, key.private_key.reveal()) for key in said.dkim]
    return Mailing(
        relay=runtime.relay,
        domains=Domains(
            sender=sender,
            bounce=said.mail.bounce_domain or sender,
            helo=runtime.relay.helo,
            relay=said.mail.host,
            keys=tuple(keys),
        ),
        base_url=runtime.site.base_url,
        link=link,
        client=Client(Guard(), USER_AGENT),  # it refuses what the public cannot reach
        postal=said.mail.postal,
    )


app = given.command(doctor)
