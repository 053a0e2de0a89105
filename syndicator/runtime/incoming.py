"""What comes back by mail: the mailbox it is read from, and how we know our own hand again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from syndicator import signup
from syndicator.errors import Invalid, Misconfigured, TryLater
from syndicator.render.mail import message_id
from syndicator.render.mail.envelope import leaving, read_leaving, read_verp
from syndicator.settings import Settings
from syndicator.signup import Purpose, Tokens
from syndicator.store import Tx

if TYPE_CHECKING:
    from syndicator.bounces.hooks import Hooks
    from syndicator.bounces.intake import Intake
    from syndicator.bounces.taking import Signs
    from syndicator.runtime.root import Runtime
    from syndicator.wire.lmtp import Door


def leaving_of(settings: Settings, keys: Sequence[str]) -> Callable[[int], str]:
    """The address that ends a subscription by mail, by its id; empty where no such address is set (mail:LM8).

    Raises Misconfigured where none can be made of what is set.
    """
    address = settings.bounces.leave
    if not address:
        return lambda _: ""
    key = keys[0].encode()
    try:
        leaving(key, 2**63 - 1, address)
    except Invalid as fault:
        words = f"[bounces] .leave: {fault}; write an address such as leave@bounces.example.org"
        raise Misconfigured([words]) from None
    return lambda subscription_id: leaving(key, subscription_id, address)


def signs_of(runtime: Runtime) -> Signs:
    """What reads our tokens, and makes our Message-IDs again."""
    from syndicator.bounces.taking import Signs  # most commands read no mail

    tokens, address, desk = runtime.tokens, runtime.settings.bounces.leave, runtime.desk
    keys = [key.encode() for key in runtime.keys]

    def leave(tx: Tx, subscription_id: int) -> object:
        return signup.unsubscribe(tx, tokens, tokens.unsubscribe_token(subscription_id))

    return Signs(
        delivery=lambda local: read_verp(keys, local),
        message_id=lambda subject, recipient: message_id(desk.key, desk.sender.domain, subject, recipient),
        leave=leave,
        leaving=lambda given: read_leaving(keys, address, given) if address else None,
        subscription=lambda link: _subscription(tokens, link),
    )


def intake_of(runtime: Runtime) -> Intake | None:
    """Who reads the mailbox, or None where none is set."""
    given = runtime.settings.bounces
    if not given.host:
        return None
    from syndicator.bounces.intake import Intake
    from syndicator.wire.imap import Account, Mailbox

    tls: Literal["none", "starttls", "tls"] = given.tls.value
    account = Account(
        host=given.host,
        port=given.port,
        tls=tls,
        username=given.username,
        password=given.password.reveal() if given.password else "",
        folder=given.folder,
        ca_file=given.ca_file or None,
    )
    return Intake(
        store=runtime.store,
        open_box=lambda: Mailbox(account),
        signs=runtime.signs,
        name=f"{given.username}@{given.host}/{given.folder}",
        every=given.every,
        tick=time.monotonic,
    )


def door_of(runtime: Runtime) -> Door | None:
    """Where a mail server hands in what came back, or None where no address is set."""
    given = runtime.settings.bounces.lmtp_listen
    if given is None:
        return None
    from syndicator.bounces.handed import Letterbox
    from syndicator.bounces.message import MOST_BYTES
    from syndicator.wire.lmtp import Door

    box = Letterbox(runtime.store, runtime.signs, time.monotonic)
    return Door(host=given.host, port=given.port, keep=MOST_BYTES, take=box.take)


def hooks_of(runtime: Runtime) -> Hooks:
    """What stands behind the addresses that mail providers tell us something at."""
    from syndicator.bounces.hooks import Hooks
    from syndicator.bounces.providers import sns

    given = runtime.settings.bounces

    def fetch(url: str) -> bytes:
        with runtime.provider_client() as client:
            reply = client.get(url)
        if reply.status != 200:
            raise TryLater(f"Amazon SNS answered {reply.status}: it is asked again later")
        return reply.body

    return Hooks(
        store=runtime.store,
        signs=runtime.signs,
        ses=sns.Desk(frozenset(given.ses_topics), fetch) if given.ses_topics else None,
        postmark=given.postmark_secret.reveal() if given.postmark_secret else None,
        mailgun=given.mailgun_key.reveal() if given.mailgun_key else None,
        sendgrid=given.sendgrid_key or None,
    )


def _subscription(tokens: Tokens, link: str) -> int | None:
    """The subscription a link to leave by is of, wherever our site stood when it was made."""
    path = PurePosixPath(urlsplit(link).path)
    return tokens.read(Purpose.UNSUBSCRIBE, path.name) if path.parent.name == "unsubscribe" else None
