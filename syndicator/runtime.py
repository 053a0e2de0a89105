"""Composition root: the clock, the dice, the keys, the store, the roads — built once, handed down.

The only module that may ask the time of day or for randomness (ruff holds everyone else to it), and
the only one that turns settings into what flows take: values and callables. What the config file
provisions is reconciled here at start and reload (DESIGN §5.12).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from syndicator import __version__, feeds
from syndicator.delivery.lanes import Crew
from syndicator.delivery.mail import Desk, Links, MailRoad
from syndicator.delivery.road import Road
from syndicator.delivery.webhook import WebhookRoad
from syndicator.delivery.websub import WebsubRoad
from syndicator.errors import Invalid, Misconfigured
from syndicator.feeds import redaction
from syndicator.model.audience import Partner
from syndicator.model.delivery import Channel, Policy
from syndicator.model.item import ALL, Rule, Topic
from syndicator.model.site import Site
from syndicator.model.upstream import Upstream
from syndicator.observe import logger
from syndicator.render.mail import Sender
from syndicator.render.mail.envelope import verp
from syndicator.settings import Settings, Source, Tls, Transport
from syndicator.signup import Tokens
from syndicator.store import (
    Store,
    Tx,
    audience,
    documents,
    items,
    names,
    open_store,
    provisioned,
    schedules,
    topics,
    upstreams,
)
from syndicator.store.media import Cabinet
from syndicator.store.provisioned import Provisioned
from syndicator.wire.exchange import Limits
from syndicator.wire.folder import Folder
from syndicator.wire.guard import parse_guard
from syndicator.wire.http import Client
from syndicator.wire.http_async import AsyncClient
from syndicator.wire.letters import Postman
from syndicator.wire.smtp import Connection, Relay

if TYPE_CHECKING:
    from syndicator.ingest.poll import Polled, Poller
    from syndicator.press import Rules
    from syndicator.render.mail.dkim import Signer

log = logger("runtime")
WEBHOOK_DEADLINE = timedelta(seconds=15)
HUB_DEADLINE = timedelta(seconds=10)
# What relays and mailbox providers usually bear of one connection (mail:SE1).
LETTERS_A_CONNECTION, CONNECTION_AGE = 100, timedelta(minutes=5)
PARSERS = 2  # processes that parse feeds; more would take the cores from those that serve
HUB_WIDTH = 2  # pings to one hub at a time: a rebuild of every feed must not take the day
WEBHOOK_ANSWER = 1024  # bytes kept of what a partner or a hub says (security:S7)
FEED_LIMITS = Limits(max_bytes=5_000_000, deadline=timedelta(seconds=30), redirects=5)
MEGABYTE = 1_000_000
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
USER_AGENT = f"Syndicator/{__version__}"


def clock() -> datetime:
    """The host's time, UTC. On PostgreSQL the store asks the database instead."""
    return datetime.now(UTC)


def mint_uid(host: str, now: datetime) -> str:
    """A new permanent uid: a `tag:` URI (RFC 4151) with 80 random bits; says nothing about the item."""
    return f"tag:{host},{now:%Y-%m-%d}:{secrets.token_hex(10)}"


def mint_secret() -> str:
    """A new webhook secret: 256 bits, as Standard Webhooks writes them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def mint_token() -> str:
    """A name or secret nobody can guess: 256 bits, fit for a path."""
    return secrets.token_urlsafe(32)


def mint_medium() -> str:
    """What a file is called in public, without its ending: 128 bits that nobody can guess."""
    return secrets.token_hex(16)


def mint_name(role: str) -> str:
    """A name no other process has: for leases and heartbeats."""
    return f"{role}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


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
        return open_store(self.settings.store.url.reveal(), host_clock=clock, keys=self._audit_keys)

    def _audit_keys(self) -> tuple[str, ...]:
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
        return open_store(self.settings.store.url.reveal(), host_clock=clock)

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
        return (_own_key(self.settings.store.url.reveal()),)

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
        tokens, url = self.tokens, self.site.url
        links = Links(
            confirm=lambda row: url(f"/media-list/confirm/{tokens.confirm_token(row)}"),
            unsubscribe=lambda row: url(f"/media-list/unsubscribe/{tokens.unsubscribe_token(row)}"),
            preferences=lambda row: url(f"/media-list/preferences/{tokens.preferences_token(row)}"),
            press=lambda contact, release: url(f"/press/{tokens.press_token(contact, release)}/"),
        )
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
            links=links,
            signer=_signer(self.settings, sender.domain),
            bounce_domain=_bounce_domain(self.settings),
            bounce_key=self.keys[0].encode(),
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
            letters=LETTERS_A_CONNECTION,
            age=CONNECTION_AGE.total_seconds(),
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
        )

    def close(self) -> None:
        """Give back the database."""
        if "store" in self.__dict__:
            self.store.close()

    @property
    def _agent(self) -> str:
        return f"{USER_AGENT} (+{self.site.base_url})"


def _signer(settings: Settings, sender_domain: str) -> Signer | None:
    """Who signs our mail, the first key; raises Misconfigured naming every key that could not (mail:MC14, MC16)."""
    if not settings.dkim:
        return None  # the relay signs
    from syndicator.render.mail.dkim import signer  # most newsrooms' relays sign

    made, faults = [], []
    for key in settings.dkim:
        try:
            made.append(signer(key.selector, key.private_key.reveal(), key.domain, sender_domain))
            _warn_of_open_file(settings, f"dkim.{key.selector}.private_key")
        except Invalid as fault:
            faults.append(f'[[dkim]] "{key.selector}" .{fault}')
    if faults:
        raise Misconfigured(faults)
    return made[0]


def _warn_of_open_file(settings: Settings, path: str) -> None:
    """Say in the log where everybody on this machine can read the file that a private key came from (mail:MC16)."""
    origin = settings.origins[path]
    named = os.environ.get(origin.where, "") if origin.source is Source.ENVIRONMENT else settings.file
    file = Path(named) if named and (origin.source is Source.FILE or origin.where.endswith("_FILE")) else None
    if file and file.exists() and file.stat().st_mode & 0o007:
        log.warning("private key readable by all", key=path, advice="chmod o-rwx the file it stands in")


def _bounce_domain(settings: Settings) -> str:
    domain = settings.mail.bounce_domain
    if domain:
        try:
            verp(b"any key", 2**63 - 1, domain)
        except Invalid as fault:
            raise Misconfigured(
                [f"[mail] .bounce_domain: {fault}; write a domain such as bounces.example.org"]
            ) from None
    return domain


def reconcile(runtime: Runtime, *, start: bool) -> None:
    """Make the store agree with what the config file provisions; what the file no longer names stays, as local.

    A start that changes nothing writes nothing. A command that was run with another config file leaves
    the store to the file its processes run with.
    """
    wanted = _provided(runtime.settings)
    look = feeds.look(runtime.site)
    with runtime.store.read() as tx:
        last = provisioned.last(tx)
        outdated = start and topics.outdated(tx, look)
    if last and not outdated and (last == wanted or (last.file != wanted.file and not start)):
        return
    with runtime.store.begin() as tx:
        provisioned.begin(tx)
        if provisioned.last(tx) != wanted:
            _reconcile_all(tx, runtime)
            provisioned.done(tx, wanted)
        if outdated:
            _reconcile_topics(tx, runtime)  # the title of `all` is the site's
            topics.mark_outdated(tx, look)


def _provided(settings: Settings) -> Provisioned:
    """The config file and the fingerprint of all it provisions, secrets by their hash alone."""
    records = (
        settings.topics,
        settings.partners,
        settings.upstreams,
        settings.spokespeople,
        settings.boilerplates,
        settings.schedules,
    )
    secrets_of = [partner.secret.reveal() for partner in settings.partners if partner.secret]
    said = f"{records!r} {secrets_of!r}"
    file = str(Path(settings.file).resolve()) if settings.file else ""
    return Provisioned(file, hashlib.sha256(said.encode()).hexdigest())


def _reconcile_all(tx: Tx, runtime: Runtime) -> None:
    _reconcile_topics(tx, runtime)
    _reconcile_spokespeople(tx, runtime)
    for part in runtime.settings.boilerplates:
        items.save_boilerplate(tx, part.boilerplate())
    _reconcile_partners(tx, runtime)
    _reconcile_upstreams(tx, runtime)
    _reconcile_schedules(tx, runtime)
    _let_go(tx, runtime)


def _reconcile_topics(tx: Tx, runtime: Runtime) -> None:
    known = {topic.slug: topic for topic in topics.listing(tx)}
    everything = Topic(
        slug=ALL,
        title=f"All items of {runtime.site.title}",
        uid=runtime.mint_topic_uid(tx.now),
        created=tx.now,
        rule=Rule(),
    )
    if faults := list(_taken(tx, runtime, known)):
        raise Misconfigured(faults)
    wanted = [everything]
    wanted += [topic.topic(runtime.mint_topic_uid(tx.now), tx.now) for topic in runtime.settings.topics]
    for topic in sorted(
        wanted, key=lambda topic: topic.rule is not None
    ):  # plain ones first: rules name them
        before = known.get(topic.slug)
        if before is None:
            added = topics.add(tx, topic)
            if topic.rule:
                topics.refill(tx, added)
        elif topic != replace(before, uid=topic.uid, created=topic.created, closing=None):
            topics.edit(tx, replace(topic, uid=before.uid))
            if before.rule != topic.rule:
                topics.refill(tx, replace(topic, id=before.id))


def _taken(tx: Tx, runtime: Runtime, known: Mapping[str, Topic]) -> Iterator[str]:
    """Topics of the file whose slug readers are led away from: taking it back would cut them off."""
    former = names.former(tx)
    for topic in runtime.settings.topics:
        before, where = known.get(topic.slug), f'[[topics]] "{topic.slug}" .slug'
        if now := former.get(topic.slug):
            yield f'{where}: leads to "{now}" since a topic of this name was renamed or merged; choose another slug'
        elif before and before.closing and before.closing.over <= tx.now:
            yield f"{where}: a topic of this name was closed for good on {before.closing.over:%Y-%m-%d}; choose another slug"


def _let_go(tx: Tx, runtime: Runtime) -> None:
    """What the file named once and names no more is the database's now: staff may edit or remove it."""
    said = runtime.settings
    slugs = {kind: {one.slug for one in getattr(said, kind)} for kind in ("topics", "partners", "upstreams")}
    for topic in topics.listing(tx):
        if topic.file and topic.slug not in slugs["topics"]:
            topics.edit(tx, replace(topic, file=False))
    for partner in audience.partners(tx):
        if partner.file and partner.slug not in slugs["partners"]:
            audience.edit_partner(tx, replace(partner, file=False))
    for upstream in upstreams.listing(tx):
        if upstream.file and upstream.slug not in slugs["upstreams"]:
            upstreams.edit(tx, replace(upstream, file=False))
    names = {one.name for one in said.schedules}
    for schedule in schedules.listing(tx):
        if schedule.file and schedule.name not in names:
            schedules.edit(tx, replace(schedule, file=False))


def _reconcile_spokespeople(tx: Tx, runtime: Runtime) -> None:
    changed = [
        person.spokesperson()
        for person in runtime.settings.spokespeople
        if items.spokesperson(tx, person.slug) != person.spokesperson()
    ]
    for person in changed:
        items.save_spokesperson(tx, person)
    if changed:  # whom to ask stands in feeds, too
        topics.mark_all_stale(tx)  # first: it waits for whoever renders them now
        documents.forget_all(tx)


def _reconcile_partners(tx: Tx, runtime: Runtime) -> None:
    known = {partner.slug: partner for partner in audience.partners(tx)}
    for wanted in runtime.settings.partners:
        before = known.get(wanted.slug)
        if before is None:
            audience.add_partner(tx, wanted.partner(id=0, created=tx.now, minted=mint_secret()))
            continue
        after = wanted.partner(
            id=before.id, created=before.created, minted=before.secret, paused=before.paused
        )
        if after != before:
            audience.edit_partner(tx, after)


def _reconcile_upstreams(tx: Tx, runtime: Runtime) -> None:
    known = {upstream.slug: upstream for upstream in upstreams.listing(tx)}
    for wanted in runtime.settings.upstreams:
        before = known.get(wanted.slug)
        if before is None:
            upstreams.add(tx, wanted.upstream(id=0, created=tx.now))
            continue
        after = wanted.upstream(id=before.id, created=before.created, paused=before.paused)
        if after != before:
            upstreams.edit(tx, after)


def _reconcile_schedules(tx: Tx, runtime: Runtime) -> None:
    known = {schedule.name: schedule for schedule in schedules.listing(tx)}
    for wanted in runtime.settings.schedules:
        before = known.get(wanted.name)
        if before is None:
            schedules.add(tx, wanted.schedule(id=0, created=tx.now))
            continue
        after = wanted.schedule(id=before.id, created=before.created, paused=before.paused)
        if after != before:
            schedules.edit(tx, after)


def _own_key(store_url: str) -> str:
    """The key kept beside a SQLite database, made at first use, readable by its owner alone."""
    path = Path(store_url.partition(":///")[2]).with_name("secret_key")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        handle, new = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one
            os.link(new, path)
        Path(new).unlink()
    return path.read_text().strip()
