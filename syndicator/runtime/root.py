"""Composition root: the clock, the dice, the keys, the store, the roads — built once, handed down.

The only module that turns settings into what flows take: values and callables.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from syndicator import __version__
from syndicator.delivery.lanes import Crew
from syndicator.delivery.mail import Desk, MailRoad
from syndicator.delivery.road import Road
from syndicator.delivery.webhook import WebhookRoad
from syndicator.delivery.websub import WebsubRoad
from syndicator.errors import Misconfigured
from syndicator.feeds import redaction
from syndicator.model.audience import Partner
from syndicator.model.delivery import Channel, Policy
from syndicator.model.site import Site
from syndicator.model.upstream import Upstream
from syndicator.observe import logger
from syndicator.render.mail import Sender, message_id
from syndicator.runtime import incoming
from syndicator.runtime.addresses import links_of
from syndicator.runtime.chance import clock, mint_token, mint_uid
from syndicator.runtime.keys import bounce_domain_of, own_key, signer_of
from syndicator.runtime.provisioning import reconcile
from syndicator.settings import Settings, Tls, Transport
from syndicator.signup import Tokens
from syndicator.signup.erasing import JOURNAL, Eraser
from syndicator.store import (
    Store,
    open_store,
)
from syndicator.store.media import Cabinet
from syndicator.wire.exchange import Limits
from syndicator.wire.folder import Folder
from syndicator.wire.guard import parse_guard
from syndicator.wire.http import Client
from syndicator.wire.http_async import AsyncClient
from syndicator.wire.letters import Postman
from syndicator.wire.smtp import Connection, Relay

if TYPE_CHECKING:
    from syndicator.bounces.hooks import Hooks
    from syndicator.bounces.intake import Intake
    from syndicator.bounces.taking import Signs
    from syndicator.ingest.poll import Polled, Poller
    from syndicator.newsletter import House
    from syndicator.press import Rules
    from syndicator.wire.lmtp import Door

log = logger("runtime")
WEBHOOK_DEADLINE = timedelta(seconds=15)
HUB_DEADLINE = timedelta(seconds=10)
PARSERS = 2  # processes that parse feeds; more would take the cores from those that serve
HUB_WIDTH = 2  # pings to one hub at a time: a rebuild of every feed must not take the day
WEBHOOK_ANSWER = 1024  # bytes kept of what a partner or a hub says (security:S7)
PROVIDER_ANSWER = 65_536  # bytes: a certificate, or a word that a subscription is confirmed
FEED_LIMITS = Limits(max_bytes=5_000_000, deadline=timedelta(seconds=30), redirects=5)
MEGABYTE = 1_000_000
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
USER_AGENT = f"Syndicator/{__version__}"


@dataclass(frozen=True)
class Runtime:
    """Everything a door needs. Opens nothing until it is used; `close` gives back the database."""

    settings: Settings

    @cached_property
    def site(self) -> Site:
        """The newsroom as its readers see it."""
        return self.settings.site()

    @cached_property
    def store(self) -> Store:
        """The item store."""
        return open_store(self.settings.store.url.reveal(), host_clock=clock, keys=self._store_keys)

    def _store_keys(self) -> tuple[str, ...]:
        try:
            return self.keys
        except Misconfigured:  # PostgreSQL without one, which is no reason not to write down who did what
            return ()

    @cached_property
    def cabinet(self) -> Cabinet:
        """The files of releases and items."""
        kept = self.settings.store
        return Cabinet(Path(kept.media_dir), kept.media_limit * MEGABYTE)

    def watch(self) -> Store:
        """A second door to the same store that one watcher has for itself; its owner closes it.

        SQLite tells of other connections' commits per connection, so it cannot be shared.
        """
        return open_store(self.settings.store.url.reveal(), host_clock=clock, keys=self._store_keys)

    @cached_property
    def policy(self) -> Policy:
        """How deliveries are tried."""
        return self.settings.policy()

    @cached_property
    def rules(self) -> Rules:
        """How releases come about."""
        from syndicator.press import Rules  # most commands release nothing

        press, mail = self.settings.press, self.settings.mail
        # What goes to a folder or to a relay on this machine crosses no network (EM7).
        near = mail.transport is Transport.FOLDER or mail.host in LOOPBACK
        return Rules(
            second_person=press.second_person,
            undo=press.undo,
            advance_again=press.advance_again,
            tls_ok=near or mail.tls is not Tls.NONE,
        )

    @cached_property
    def newsletter(self) -> House:
        """How issues of the newsletter are made."""
        from syndicator.model.newsletter import Rules  # most commands make none
        from syndicator.newsletter import House

        said = self.settings.newsletter
        rules = Rules(
            topic=said.topic,
            title=said.title,
            editors=said.editors,
            remind=said.remind,
            unapproved=said.unapproved,
        )
        return House(site=self.site, rules=rules, mint=self.mint_uid)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The signing key first, then former ones; SQLite without one keeps its own beside the database.

        Raises Misconfigured on PostgreSQL without `site.secret_key`: many machines must share one.
        """
        given = tuple(key.reveal() for key in self.settings.signing_keys())
        if given:
            return given
        if self.store.kind != "sqlite":
            raise Misconfigured(
                [
                    "[site] .secret_key: is missing; with PostgreSQL every process needs the same one (openssl rand -hex 32)"
                ]
            )
        return (own_key(self.settings.store.url.reveal()),)

    @cached_property
    def tokens(self) -> Tokens:
        """Mints and reads the tokens in mailed links."""
        return Tokens(self.keys)

    def mint_uid(self, now: datetime) -> str:
        """A uid for something new of this newsroom."""
        return mint_uid(self.site.host, now)

    def mint_topic_uid(self, now: datetime) -> str:
        """The permanent id of a topic's feed; it says nothing, for the slug may change before anybody sees it."""
        return mint_uid(self.site.host, now)

    def road(self, lane: str, channel: Channel) -> Road:
        """The way to a destination."""
        if channel is Channel.WEBHOOK:
            return WebhookRoad(
                lane.removeprefix("partner/"), self.site, self.partner_client, clock, self.policy
            )
        if channel is Channel.WEBSUB:
            hub = lane.removeprefix("hub/")
            return WebsubRoad(hub, self.hub_client if hub in self.site.hubs else None, clock)
        return MailRoad(self.desk, self.postman)

    def ping_url(self, upstream: Upstream) -> str:
        """Where a POST makes this upstream be asked now."""
        return self.site.url(f"/ping/{self.tokens.ping_token(upstream.id)}")

    def callback_url(self, end: str) -> str:
        """Where a hub reaches us about one subscription."""
        return self.site.url(f"/callbacks/websub/{end}")

    @cached_property
    def desk(self) -> Desk:
        """What every letter has in common."""
        origin = self.settings.mail.from_
        sender = Sender(
            address=origin.address.typed,
            name=origin.name or self.site.title,
            reply_to=self.site.media_contact,
            postal=self.settings.mail.postal,
        )
        return Desk(
            site=self.site,
            sender=sender,
            key=self.keys[-1].encode(),  # the oldest: a repeat after a change of keys has the same Message-ID
            links=links_of(self.site, self.tokens, incoming.leaving_of(self.settings, self.keys)),
            signer=signer_of(self.settings, sender.domain),
            bounce_domain=bounce_domain_of(self.settings),
            bounce_key=self.keys[0].encode(),
            most_items=self.settings.digest.items,
        )

    def postman(self) -> Postman:
        """Who carries letters: a new connection to the relay, or the folder."""
        mail = self.settings.mail
        if mail.transport is Transport.FOLDER:
            return Folder(mail.folder)
        return Connection(self.relay)

    @cached_property
    def relay(self) -> Relay:
        """The mail relay as the operator set it, with the patience of RFC 5321: a lane that waits keeps its lease."""
        mail = self.settings.mail
        return Relay(
            host=mail.host,
            port=mail.port,
            tls=Tls(mail.tls).value,
            username=mail.username or None,
            password=mail.password.reveal() if mail.password else None,
            helo=self.site.host,
            ca_file=mail.ca_file or None,
            letters=mail.connection_letters,
            age=mail.connection_age.total_seconds(),
        )

    def partner_client(self, partner: Partner) -> Client:
        """The guarded client of one partner, done within half a lease (delivery-and-security §1.4 rule 4)."""
        limits = Limits(
            max_bytes=WEBHOOK_ANSWER, deadline=min(WEBHOOK_DEADLINE, self.policy.lease / 2), status_only=True
        )
        return Client(parse_guard(partner.allow_private), self._agent, limits)

    def hub_client(self) -> Client:
        """The guarded client of one hub."""
        limits = Limits(
            max_bytes=WEBHOOK_ANSWER, deadline=min(HUB_DEADLINE, self.policy.lease / 2), status_only=True
        )
        return Client(parse_guard(self.settings.feeds.allow_private), self._agent, limits)

    def upstream_client(self, upstream: Upstream) -> AsyncClient:
        """The guarded client of one upstream."""
        return AsyncClient(parse_guard(upstream.allow_private), self._agent, FEED_LIMITS)

    @contextlib.contextmanager
    def poller(self, told: Callable[[Polled], None] = lambda _: None) -> Iterator[Poller]:
        """Who polls upstreams, and the processes that parse for it; `told` hears of every poll that has ended."""
        from syndicator.ingest.parse import Pool  # most commands poll nothing
        from syndicator.ingest.poll import HubDesk, Poller

        desk = HubDesk(address=self.callback_url, mint=mint_token)
        with Pool(PARSERS) as pool:
            yield Poller(
                self.store,
                self.upstream_client,
                self.mint_uid,
                pool,
                self.site,
                desk=desk,
                told=told,
                parsers=PARSERS,
            )

    @cached_property
    def signs(self) -> Signs:
        """How we know our own letters again when something comes back about them."""
        return incoming.signs_of(self)

    @cached_property
    def intake(self) -> Intake | None:
        """Who reads the mailbox that bounces come into; None where none is set."""
        return incoming.intake_of(self)

    @cached_property
    def door(self) -> Door | None:
        """Where a mail server hands in bounces; None where no address is set."""
        return incoming.door_of(self)

    @cached_property
    def hooks(self) -> Hooks:
        """What mail providers tell us, and by what they are known."""
        return incoming.hooks_of(self)

    def provider_client(self) -> Client:
        """The guarded client that fetches what a mail provider's message names; no private range is open to it."""
        limits = Limits(max_bytes=PROVIDER_ANSWER, deadline=HUB_DEADLINE)
        return Client(parse_guard(()), self._agent, limits)

    def crew(self, worker: str, stop: threading.Event) -> Crew:
        """What the delivery lanes of one worker share."""
        widths = {Channel.MAIL: self.settings.mail.connections, Channel.WEBSUB: HUB_WIDTH}
        return Crew(
            store=self.store,
            roads=self.road,
            worker=worker,
            policy=self.policy,
            width=lambda channel: widths.get(channel, 1),
            stop=stop,
        )

    def prepare(self, *, start: bool = False) -> bool:
        """Make the database ready, and say whether it is new: an empty SQLite file gets its schema; the file's records are reconciled.

        `start` is the start of a process that serves or works: only then does another config file than
        last time, or another look of the site, take over. Raises SchemaBehind where an operator must run
        `syndicator db upgrade` first.
        """
        if start:
            _ = self.desk  # a key that cannot sign is heard of now, not with the first letter
        new = self.store.revision() is None and self.store.kind == "sqlite"
        if new:
            self.store.upgrade()
        self.store.check_schema()
        reconcile(self, start=start)
        if start:
            self.store.seal()
            self.eraser.again()
            redaction.again(self.house)  # a restored copy of the store may show what was wiped
        return new

    @cached_property
    def house(self) -> redaction.House:
        """Where the words of items are kept, for whoever has to wipe them."""
        return redaction.House(
            store=self.store,
            site=self.site,
            cabinet=self.cabinet,
            wait=lambda span: time.sleep(span.total_seconds()),
            letters=Path(self.settings.mail.folder),  # whatever the transport is now
            named=self._named,
        )

    @cached_property
    def eraser(self) -> Eraser:
        """Who forgets people, wherever this house keeps words about them."""
        mail, kept = self.settings.mail, Path(self.settings.store.media_dir)
        # Whatever the transport is now: letters of another time may lie there.
        return Eraser(self.store, Path(mail.folder), kept / JOURNAL)

    def _named(self, subject: str, recipient: str) -> str:
        # Without the desk: a key that cannot sign keeps nobody from wiping what must go.
        domain = self.settings.mail.from_.address.typed.rpartition("@")[2]
        return message_id(self.keys[-1].encode(), domain, subject, recipient)

    def close(self) -> None:
        """Give back the database."""
        if "store" in self.__dict__:
            self.store.close()

    @property
    def _agent(self) -> str:
        return f"{USER_AGENT} (+{self.site.base_url})"
