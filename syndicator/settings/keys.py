"""Every section and key of the configuration, its default and its meaning: one place for code and docs.

A section is a frozen data class; `key(…)` gives each field its sort of value, its default as one
would write it in TOML, and one sentence. What stands in arrays of tables is *provisioned*: the
records here hold what the file says; ids and dates of creation are the store's (DESIGN §5.12).
"""

# ruff: noqa: RUF009 -- key() makes a dataclasses.field; nothing mutable is shared
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from syndicator.model.audience import Partner
from syndicator.model.delivery import Channel, OnUnknown
from syndicator.model.item import Kind, Profile, PubDate, Rule, Significance, Spokesperson, Topic
from syndicator.model.routing import Route
from syndicator.model.schedule import Job, Schedule, When, when_from
from syndicator.model.upstream import CONFIRM_ABOVE, OnGone, Relation, Upstream, is_folder
from syndicator.settings import values as v
from syndicator.settings.values import Listen, Secret, SecretUrl, Sender, Value

REQUIRED = object()  # the default of a key that has none
# By what roads partners are reached; mail to partners, drops and WebSub come with their parts.
PUSHES = (Channel.WEBHOOK,)
CHANGES = (Significance.SILENT, Significance.CORRECTION)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


class Transport(StrEnum):
    """Where mail goes: into a folder as `.eml` files, or to a relay over SMTP."""

    FOLDER = "folder"
    SMTP = "smtp"


class Tls(StrEnum):
    """How the talk with the relay is secured: not, after STARTTLS, or from the first byte."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


def key(value: Value, default: object, meaning: str) -> Any:
    """A field of a section: its sort of value, its default as TOML writes it (None: not set), its meaning."""
    about = {"value": value, "default": default, "meaning": meaning}
    if default is REQUIRED:
        return field(metadata=about)
    return field(default=None if default is None else value.parse(default), metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsroom:
    """[site]: who publishes. `timezone` is an IANA name; dates are shown to people in it."""

    title: str = key(v.NAME, "Newsroom", "The name of the newsroom, on pages, in feeds and in mail.")
    base_url: str = key(
        v.BASE_URL, "http://127.0.0.1:8000", "Where the public finds it; every public link begins so."
    )
    timezone: str = key(
        v.ZONE,
        "UTC",
        "The zone in which people are shown dates, and schedules keep time unless they say otherwise.",
    )
    language: str = key(v.LANGUAGE, "en", "The language of the items, unless an item names its own.")
    description: str = key(v.TEXT, "", "One sentence about the newsroom, for the front page and for feeds.")
    rights: str = key(v.TEXT, "", "Who holds the rights, as it should stand in feeds.")
    icon: str = key(
        v.URL_OR_NONE, "", "The address of a square picture of 512 pixels or more, for readers and browsers."
    )
    logo: str = key(v.URL_OR_NONE, "", "The address of a wide picture with the newsroom's name.")
    favicon: str = key(v.URL_OR_NONE, "", "The address of a small square picture; empty: the icon.")
    media_contact: str = key(v.MAIL, "", "The public mail address of the press desk.")
    secret_key: Secret | None = key(
        v.SIGNING_KEY,
        None,
        "Signs links in mail. Former keys may follow it after a space: they still verify, and sign nothing.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """[store]: where everything is kept. A relative path counts from the working directory."""

    url: SecretUrl = key(
        v.DATABASE, "sqlite:///var/syndicator.db", "The database: SQLite, or postgresql://user@host/name."
    )
    media_dir: str = key(v.NAME, "var/media", "The folder for pictures and other files of items.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """[web]: the web process."""

    host: str = key(v.NAME, "127.0.0.1", "The address to listen on; 0.0.0.0 for every one.")
    port: int = key(v.number(0, 65535), 8000, "The port to listen on; 0 lets the system choose.")
    trusted_proxies: tuple[str, ...] = key(
        v.NETWORKS, [], "Reverse proxies whose word on the visitor's address is believed."
    )
    full_reads: int = key(
        v.number(0, 1_000_000),
        120,
        "How many whole feeds one visitor may fetch in a minute; unchanged ones do not count, 0 is no limit.",
    )
    metrics_listen: Listen | None = key(v.LISTEN, "127.0.0.1:9464", "Where Prometheus may read metrics.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """[mail]: how mail leaves. `late_after` is how late a release may be before a person is asked."""

    transport: Transport = key(
        v.choice(Transport, "transport"),
        "folder",
        "Write mail into a folder, or hand it to a relay over SMTP.",
    )
    folder: str = key(v.NAME, "var/mail", "With `folder`: where the .eml files go.")
    host: str = key(v.TEXT, "", "With `smtp`: the relay's name.")
    port: int = key(
        v.number(1, 65535),
        587,
        "With `smtp`: the relay's port; 587 goes with starttls, 465 with tls, 25 with none.",
    )
    username: str = key(v.TEXT, "", "With `smtp`: the account, if the relay asks for one.")
    password: Secret | None = key(v.PASSWORD, None, "With `smtp`: the account's password.")
    tls: Tls = key(
        v.choice(Tls, "tls"),
        "starttls",
        "How the connection is secured; mail under embargo refuses none, except on this machine.",
    )
    from_: Sender = key(
        v.SENDER, "Newsroom <press@newsroom.example>", "The sender of all mail, as readers see it."
    )
    connections: int = key(v.number(1, 64), 4, "Connections to the relay at a time, per worker.")
    late_after: timedelta = key(
        v.span(SECOND),
        "12h",
        "Mail later than this after its instant waits for a person instead of going out.",
    )
    confirm_above: int = key(
        v.number(0, 10_000_000), 500, "Sending to more recipients than this asks for the number to be typed."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """[delivery]: how a try is bounded, and what a doubt leads to."""

    lease: timedelta = key(
        v.span(SECOND), "10m", "How long a worker may hold a delivery before another takes it over."
    )
    repeat_after: timedelta = key(
        v.span(SECOND), "10m", "How long after a doubt (it may have arrived) a try is repeated."
    )
    on_unknown: OnUnknown | None = key(
        v.choice(OnUnknown, "on_unknown"),
        None,
        "What a doubt leads to; not set: digests wait for a person, all else is repeated once.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeds:
    """[feeds]: what aggregators see."""

    hubs: tuple[str, ...] = key(v.URLS, [], "WebSub hubs named in feeds and told of every change.")
    allow_private: tuple[str, ...] = key(
        v.NETWORKS, [], "Private address ranges hubs may be reached at; otherwise only the public internet."
    )
    max_age: timedelta = key(
        v.span(SECOND), "5m", "How long a feed may be cached; constant, so that it gives no embargo away."
    )
    window: int = key(
        v.number(1, 1000), 50, "How many items a live feed holds; older ones are in its archive."
    )
    stylesheet: bool = key(
        v.FLAG, True, "Whether Atom and RSS name a style sheet, so that browsers show a page."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """[[redirects]]: an address of a former site, answered 301 to `to`."""

    from_: str = key(v.FORMER, REQUIRED, "The old path on this site, with its query if it had one: /?p=123.")
    to: str = key(v.TARGET, REQUIRED, "The new path, or an address elsewhere.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTopic:
    """[[topics]]: a subject. Without any, all, none and kinds it is plain; with one of them it is ruled."""

    slug: str = key(
        v.SLUGGED,
        REQUIRED,
        "The topic's name in addresses. In the file it stays: another slug is another topic.",
    )
    title: str = key(v.NAME, REQUIRED, "The topic's name for readers.")
    any: tuple[str, ...] = key(v.SLUGS, [], "Rule: an item needs at least one of these plain topics.")
    all: tuple[str, ...] = key(v.SLUGS, [], "Rule: an item needs all of these plain topics.")
    none: tuple[str, ...] = key(v.SLUGS, [], "Rule: an item may have none of these plain topics.")
    kinds: tuple[Kind, ...] = key(
        v.several(v.choice(Kind, "kind"), "list of kinds"), [], "Rule: the item is of one of these kinds."
    )
    full_text: bool = key(v.FLAG, True, "Whether its feeds hold the whole text of items, or their summaries.")
    pub_date: PubDate = key(
        v.choice(PubDate, "pub_date"),
        "published",
        "What RSS calls pubDate: updated suits aggregators that tell a corrected item by it.",
    )

    @property
    def rule(self) -> Rule | None:
        """The rule, or None for a plain topic."""
        rule = Rule(any=self.any, all=self.all, none=self.none, kinds=self.kinds)
        return None if rule == Rule() else rule

    def topic(self, uid: str, created: datetime) -> Topic:
        """The model's topic, managed by the file; `uid` and `created` are the store's, or new."""
        profile = Profile(full_text=self.full_text, pub_date=self.pub_date)
        return Topic(
            slug=self.slug,
            title=self.title,
            uid=uid,
            created=created,
            rule=self.rule,
            file=True,
            profile=profile,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUpstream:
    """[[upstreams]]: a feed we read."""

    slug: str = key(v.SLUGGED, REQUIRED, "The upstream's name in commands and logs.")
    url: str = key(
        v.FEED, REQUIRED, "The address of the feed, or of a folder of Markdown files: file:///srv/press."
    )
    relation: Relation = key(
        v.choice(Relation, "relation"),
        "foreign",
        "own: our CMS, its pages are canonical. foreign: a partner, credited as the source. A folder is always own.",
    )
    topics: tuple[str, ...] = key(v.SLUGS, [], "Plain topics given to every item from it.")
    kind: Kind = key(v.choice(Kind, "kind"), "news", "The kind given to every item from it.")
    push: bool = key(
        v.FLAG,
        True,
        "Whether its items may be sent to contacts and partners; otherwise feeds and pages only.",
    )
    push_max_age: timedelta = key(
        v.span(SECOND),
        "24h",
        "Items older than this are never sent, so that a first reading sends no archive.",
    )
    on_change: Significance = key(
        v.choice(CHANGES, "on_change"),
        "silent",
        "What a changed item becomes: a silent revision, or a correction that is told.",
    )
    hold: bool = key(v.FLAG, False, "Quarantine: each item waits for a person's yes.")
    delay: timedelta = key(
        v.span(timedelta()), "0s", "Quarantine by time: each item becomes public so long after it was seen."
    )
    every: timedelta | None = key(
        v.span(MINUTE),
        None,
        "How often it is asked; not set: as often as its feed wishes, and no oftener than is polite.",
    )
    rules: tuple[Route, ...] = key(
        v.ROUTES,
        [],
        "How single items are filed: [[upstreams.rules]] with category, author, title or kind, and topics, as_kind or end (item, hold, draft).",
    )
    on_gone: OnGone = key(
        v.choice(OnGone, "on_gone"),
        "ask",
        "Of our own CMS: what becomes of an item that was taken down there: ask, withdraw or keep.",
    )
    confirm_above: int = key(
        v.number(0, 1_000_000),
        CONFIRM_ABOVE,
        "More items than this that would be sent to people at once wait for a person's yes.",
    )
    full_text: bool = key(
        v.FLAG,
        True,
        "Whether its items are published with their text; otherwise title, summary and link alone.",
    )
    allow_private: tuple[str, ...] = key(
        v.NETWORKS, [], "Private address ranges it may be read from; otherwise only the public internet."
    )

    def upstream(self, *, id: int, created: datetime, paused: bool = False) -> Upstream:
        """The model's upstream, managed by the file."""
        rest = {f.name: getattr(self, f.name) for f in fields(self)}
        if is_folder(self.url):
            rest["relation"] = Relation.OWN
        return Upstream(id=id, created=created, paused=paused, file=True, **rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePartner:
    """[[partners]]: an organisation's machine that receives pushes. Empty topics or kinds mean all."""

    slug: str = key(v.SLUGGED, REQUIRED, "The partner's name in commands and logs.")
    channel: Channel = key(v.choice(PUSHES, "channel"), "webhook", "By what road it is reached.")
    url: str = key(v.DESTINATION, REQUIRED, "Where it is reached: a web address; for mail a mail address.")
    secret: Secret | None = key(
        v.WEBHOOK_SECRET,
        None,
        "Signs webhooks (Standard Webhooks); not set: one is made and kept in the database.",
    )
    topics: tuple[str, ...] = key(v.SLUGS, [], "Only items in these topics; empty means all.")
    kinds: tuple[Kind, ...] = key(
        v.several(v.choice(Kind, "kind"), "list of kinds"), [], "Only items of these kinds; empty means all."
    )
    on_unknown: OnUnknown | None = key(
        v.choice(OnUnknown, "on_unknown"), None, "What a doubt leads to; not set: as under [delivery]."
    )
    allow_private: tuple[str, ...] = key(
        v.NETWORKS, [], "Private address ranges it may be reached at; otherwise only the public internet."
    )

    def partner(self, *, id: int, created: datetime, minted: str, paused: bool = False) -> Partner:
        """The model's partner, managed by the file; `minted` is the secret if the file gives none."""
        secret = self.secret.reveal() if self.secret else minted
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "secret"}
        return Partner(id=id, created=created, secret=secret, paused=paused, file=True, **rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpokesperson:
    """[[spokespeople]]: whom to ask about an item. `hours` is free text in the person's `timezone`."""

    slug: str = key(v.SLUGGED, REQUIRED, "The name by which an item's front matter calls the person.")
    name: str = key(v.NAME, REQUIRED, "The person's name.")
    role: str = key(v.TEXT, "", "What the person is.")
    phone: str = key(v.TEXT, "", "The telephone number, as it is shown.")
    mail: str = key(v.MAIL, "", "The mail address, as it is shown.")
    hours: str = key(v.TEXT, "", "When the person can be reached.")
    timezone: str = key(v.ZONE_OR_SITE, "", "The zone of these hours; empty means the site's.")
    stand_in: str = key(v.TEXT, "", "The slug of whoever answers in the person's absence.")

    def spokesperson(self) -> Spokesperson:
        """The model's spokesperson."""
        return Spokesperson(
            slug=self.slug, name=self.name, role=self.role, phone=self.phone, mail=self.mail,
            hours=self.hours, zone=self.timezone, stand_in=self.stand_in or None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSchedule:
    """[[schedules]]: when a job recurs: exactly one of `cron`, `every` and `at`."""

    name: str = key(v.SLUGGED, REQUIRED, "The schedule's name in commands and logs.")
    job: Job = key(v.choice(Job, "job"), REQUIRED, "What is started.")
    cron: str | None = key(
        v.CRON, None, "A cron line, read in the schedule's zone: minute hour day month weekday."
    )
    every: str | None = key(v.INTERVAL, None, "A fixed interval.")
    at: str | None = key(v.INSTANT, None, "One instant, once.")
    timezone: str = key(v.ZONE_OR_SITE, "", "The zone of cron and of a wall time; empty means the site's.")
    upstream: str = key(v.TEXT, "", "With job poll: the one upstream to read; empty means all.")

    @property
    def when(self) -> When:
        """The recurrence; raises Invalid unless there is exactly one."""
        return when_from(self.cron, self.every, self.at, self.timezone or "UTC")

    def schedule(self, *, id: int, created: datetime, paused: bool = False) -> Schedule:
        """The model's schedule, managed by the file."""
        return Schedule(
            id=id, name=self.name, job=self.job, when=self.when, zone=self.timezone or "UTC",
            upstream=self.upstream or None, paused=paused, file=True, created=created,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the file, or an array of tables whose entries are known by `named_by`."""

    name: str
    type: type[Any]
    named_by: str | None = None
    attribute: str = ""

    @property
    def field(self) -> str:
        """The attribute of `Settings` that holds it."""
        return self.attribute or self.name

    @property
    def header(self) -> str:
        """The section as it stands in the file."""
        return f"[[{self.name}]]" if self.named_by else f"[{self.name}]"

    def keys(self) -> dict[str, Key]:
        """Its keys by name, in order."""
        made = (Key(self, f) for f in fields(self.type))
        return {key.name: key for key in made}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section."""

    section: Section
    field: Field[Any]

    @property
    def name(self) -> str:
        """The key as it is written; `from_` in Python is `from` in TOML."""
        return self.field.name.rstrip("_")

    @property
    def value(self) -> Value:
        """What it may hold."""
        value: Value = self.field.metadata["value"]
        return value

    @property
    def default(self) -> Any:
        """The default as TOML writes it; None when not set, REQUIRED when there is none."""
        return self.field.metadata["default"]

    @property
    def meaning(self) -> str:
        """What it is for, in one sentence."""
        return str(self.field.metadata["meaning"])

    @property
    def env(self) -> str:
        """Its variable in the environment; empty for what is set in the file only: entries without a name, and tables."""
        if self.section.name == "redirects" or self.value is v.ROUTES:
            return ""
        entry = f"{self.section.named_by.upper()}__" if self.section.named_by else ""
        return f"SYNDICATOR_{self.section.name.upper()}__{entry and f'<{entry[:-2]}>__'}{self.name.upper()}"


SECTIONS: dict[str, Section] = {
    section.name: section
    for section in (
        Section("site", Newsroom, attribute="newsroom"),
        Section("store", Store),
        Section("web", Web),
        Section("mail", Mail),
        Section("delivery", Delivery),
        Section("feeds", Feeds),
        Section("redirects", Redirect, named_by="from"),
        Section("topics", FileTopic, named_by="slug"),
        Section("upstreams", FileUpstream, named_by="slug"),
        Section("partners", FilePartner, named_by="slug"),
        Section("spokespeople", FileSpokesperson, named_by="slug"),
        Section("schedules", FileSchedule, named_by="name"),
    )
}


def catalogue() -> Iterator[Key]:
    """Every key there is, in the order of the sample file."""
    for section in SECTIONS.values():
        yield from section.keys().values()
