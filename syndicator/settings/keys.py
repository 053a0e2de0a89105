"""Every section and key of the configuration, its default and its meaning: one place for code and docs.

A section is a frozen data class; `declared.key` gives each field its sort of value, its default as one
would write it in TOML, and one sentence. What stands in arrays of tables is in `provided`.
"""

# ruff: noqa: RUF009 -- key() makes a dataclasses.field; nothing mutable is shared
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import Any

from syndicator.model.consent import AGREEMENT_WORDS, CONSENT_WORDS
from syndicator.model.delivery import OnUnknown
from syndicator.settings import values as v
from syndicator.settings.declared import key
from syndicator.settings.provided import (
    DkimKey,
    FileBoilerplate,
    FilePartner,
    FileSchedule,
    FileSpokesperson,
    FileTopic,
    FileUpstream,
    Redirect,
)
from syndicator.settings.secrets import Secret, SecretUrl
from syndicator.settings.values import Listen, Sender, Value

SECOND = timedelta(seconds=1)


class Transport(StrEnum):
    """Where mail goes: into a folder as `.eml` files, or to a relay over SMTP."""

    FOLDER = "folder"
    SMTP = "smtp"


class Tls(StrEnum):
    """How the talk with the relay is secured: not, after STARTTLS, or from the first byte."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


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
    media_dir: str = key(
        v.NAME,
        "var/media",
        "The folder for pictures and other files of items; with several machines one that all of them share.",
    )
    media_limit: int = key(
        v.number(1, 10_000), 50, "Megabytes a single picture or other file of an item may have."
    )


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
    connection_letters: int = key(
        v.number(0, 100_000), 100, "Letters after which a connection is given up for a new one; 0 is never."
    )
    connection_age: timedelta = key(
        v.span(SECOND), "5m", "How old a connection becomes before it is given up for a new one."
    )
    late_after: timedelta = key(
        v.span(SECOND),
        "12h",
        "Mail later than this after its instant waits for a person instead of going out.",
    )
    confirm_above: int = key(
        v.number(0, 10_000_000), 500, "Sending to more recipients than this asks for the number to be typed."
    )
    ca_file: str = key(
        v.TEXT, "", "With `smtp`: a file of certificates the relay's is checked against; empty: the system's."
    )
    bounce_domain: str = key(
        v.TEXT, "", "The domain bounces go to, each to an address of its own; empty: they go to the sender."
    )
    postal: str = key(v.TEXT, "", "The newsroom's postal address, as it stands below every mail.")
    domain_connections: int = key(
        v.number(0, 64), 0, "Letters to one domain of recipients under way at once, per store; 0 is no limit."
    )
    domain_rate: int = key(
        v.number(0, 100_000), 0, "Letters a second to one domain of recipients; 0 is no limit."
    )
    stop_above: int = key(
        v.number(0, 100),
        20,
        "Percent of a release's first mails refused by policy or for dead addresses at which all mail pauses and a person is asked; 0 never.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """[press]: how releases come about."""

    second_person: bool = key(
        v.FLAG, False, "Whether a release must be approved by somebody else than who drafted it."
    )
    undo: timedelta = key(
        v.span(timedelta()),
        "0s",
        "How long `release publish` and advance copies wait, so that `release cancel` can still stop everything.",
    )
    advance_again: bool = key(
        v.FLAG, False, "Whether who had an advance copy gets the release once more when its embargo ends."
    )
    preview_for: timedelta = key(v.span(SECOND), "7d", "How long the link to a preview is good for.")
    alarms: tuple[str, ...] = key(
        v.MAILS, [], "Mail addresses of the desk, told of alarms; they also stand in the log and in `health`."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaList:
    """[media_list]: how people come onto the list by themselves, and what they say yes to."""

    open: bool = key(v.FLAG, True, "Whether people can sign up at /media-list.")
    consent: str = key(
        v.NAME,
        CONSENT_WORDS,
        "What people say yes to; every wording is kept for as long as somebody's yes rests on it.",
    )
    consent_version: str = key(v.NAME, "1", "The version of that wording; change it with the wording.")
    agreement: str = key(v.NAME, AGREEMENT_WORDS, "What people agree to who ask to be accredited.")
    agreement_version: str = key(v.NAME, "1", "The version of that agreement; change it with its words.")
    privacy_url: str = key(v.URL_OR_NONE, "", "The address of the newsroom's privacy notice.")
    per_network: int = key(
        v.number(1, 100_000),
        20,
        "How many sign-ups from one network (an IPv4 /24, an IPv6 /64) mail something in an hour.",
    )
    per_domain: int = key(
        v.number(1, 100_000), 100, "How many sign-ups with addresses of one domain mail something in an hour."
    )
    ceiling: int = key(
        v.number(1, 10_000_000),
        1000,
        "How many sign-ups mail something in an hour, all together; above it an alarm is raised.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """[digest]: mail that gathers the items of a day, a week, a month."""

    settle: timedelta = key(
        v.span(timedelta(seconds=60)),
        "60s",
        "How long after its end a window waits for what was published at the last moment.",
    )
    spread: timedelta = key(
        v.span(timedelta()),
        "0s",
        "Over how long digests of one hour are spread, each contact always at the same place.",
    )
    items: int = key(
        v.number(1, 500), 50, "How many items a digest shows; of the others it says how many there are."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounces:
    """[bounces]: where mail that came back is read, and what providers tell us."""

    host: str = key(v.TEXT, "", "The IMAP server with the mailbox bounces go to; empty: none is read.")
    port: int = key(
        v.number(1, 65535), 993, "The server's port; 993 goes with tls, 143 with starttls and none."
    )
    tls: Tls = key(v.choice(Tls, "tls"), "tls", "How the connection is secured; none only to this machine.")
    username: str = key(v.TEXT, "", "The account of the mailbox.")
    password: Secret | None = key(v.PASSWORD, None, "The account's password.")
    ca_file: str = key(
        v.TEXT, "", "A file of certificates the server's is checked against; empty: the system's."
    )
    folder: str = key(v.NAME, "INBOX", "The folder that is read; what was understood is marked as seen.")
    every: timedelta = key(v.span(SECOND), "1m", "How often it is looked at.")
    leave: str = key(
        v.TEXT,
        "",
        "An address whose mail comes into that mailbox, for those who leave by mail: leave@example.org.",
    )
    lmtp_listen: Listen | None = key(
        v.LISTEN_HERE,
        "",
        "Where a worker takes bounces over LMTP from a mail server on this machine: 127.0.0.1:2424; empty: nowhere.",
    )
    ses_topics: tuple[str, ...] = key(
        v.several(v.NAME, "list of names"),
        [],
        "ARNs of the Amazon SNS topics whose word on bounces is believed.",
    )
    postmark_secret: Secret | None = key(
        v.PASSWORD, None, "The password Postmark gives, by basic authentication, when it tells of bounces."
    )
    mailgun_key: Secret | None = key(
        v.PASSWORD, None, "Mailgun's HTTP webhook signing key, with which it signs what it tells of bounces."
    )
    sendgrid_key: str = key(
        v.CURVE_KEY, "", "SendGrid's verification key: the public key of its signed event webhook."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """[newsletter]: issues made from the items of a time, approved by a person. A schedule with this job opens them."""

    topic: str = key(
        v.TEXT,
        "",
        "The topic an issue is published in; who subscribes to it gets the newsletter. Empty: none.",
    )
    title: str = key(v.NAME, "Newsletter", "The name of the newsletter.")
    editors: tuple[str, ...] = key(
        v.MAILS, [], "Mail addresses reminded of an issue: the editor first, then who stands in."
    )
    remind: timedelta = key(
        v.span(SECOND), "1d", "How long before its slot an issue that nobody has approved reminds them."
    )
    unapproved: bool = key(v.FLAG, False, "Whether an issue that nobody approved in time goes out as it is.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """[privacy]: how long things about people are kept."""

    evidence: timedelta = key(
        v.span(SECOND), "1095d", "How long proof of a yes is kept after the last subscription ended."
    )
    requests: timedelta = key(
        v.span(SECOND), "30d", "How long a sign-up is kept, and the address of who never confirmed."
    )
    bounces: timedelta = key(
        v.span(SECOND),
        "400d",
        "How long bounces are kept; what counts against an address stays until it does not.",
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
        Section("press", Press),
        Section("media_list", MediaList),
        Section("digest", Digest),
        Section("bounces", Bounces),
        Section("newsletter", Newsletter),
        Section("privacy", Privacy),
        Section("redirects", Redirect, named_by="from"),
        Section("topics", FileTopic, named_by="slug"),
        Section("upstreams", FileUpstream, named_by="slug"),
        Section("partners", FilePartner, named_by="slug"),
        Section("spokespeople", FileSpokesperson, named_by="slug"),
        Section("boilerplates", FileBoilerplate, named_by="slug"),
        Section("dkim", DkimKey, named_by="selector"),
        Section("schedules", FileSchedule, named_by="name"),
    )
}


def catalogue() -> Iterator[Key]:
    """Every key there is, in the order of the sample file."""
    for section in SECTIONS.values():
        yield from section.keys().values()
