"""What stands in arrays of tables: records the file provisions, and redirects.

The records here hold what the file says; ids and dates of creation are the store's (DESIGN §5.12).
"""

# ruff: noqa: RUF009 -- key() makes a dataclasses.field; nothing mutable is shared
from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from syndicator.errors import Invalid
from syndicator.model.audience import Partner
from syndicator.model.delivery import Channel, OnUnknown
from syndicator.model.item import Boilerplate, Kind, Profile, PubDate, Rule, Significance, Spokesperson, Topic
from syndicator.model.pressfields import passage
from syndicator.model.routing import Route
from syndicator.model.schedule import Job, Schedule, When, when_from
from syndicator.model.upstream import CONFIRM_ABOVE, OnGone, Relation, Upstream, is_folder
from syndicator.settings import values as v
from syndicator.settings.declared import REQUIRED, key
from syndicator.settings.secrets import Secret


def _passage(text: str) -> str:
    if not text.strip():
        raise Invalid("is empty; write a text")
    return passage(text, "the value")


PASSAGE = v.checked("text, of several lines if need be", _passage, minLength=1)

# By what roads partners are reached; mail to partners, drops and WebSub come with their parts.
PUSHES = (Channel.WEBHOOK,)
CHANGES = (Significance.SILENT, Significance.CORRECTION)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBoilerplate:
    """[[boilerplates]]: a reusable part of releases, such as who we are."""

    slug: str = key(v.SLUGGED, REQUIRED, "The name by which a release's front matter calls it.")
    title: str = key(v.NAME, REQUIRED, "Its heading.")
    text: str = key(PASSAGE, REQUIRED, "Its words, in Markdown.")

    def boilerplate(self) -> Boilerplate:
        """The model's part."""
        return Boilerplate(slug=self.slug, title=self.title, text=self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """[[dkim]]: a key that signs our mail. The first one signs; a second is on its way in or out."""

    selector: str = key(
        v.SELECTOR, REQUIRED, "Its name in DNS: the key is published at SELECTOR._domainkey.DOMAIN."
    )
    domain: str = key(
        v.TEXT, "", "The domain that signs; empty: the sender's. Must be the sender's or above it."
    )
    private_key: Secret = key(
        v.PRIVATE_KEY,
        REQUIRED,
        "The private key, RSA of 2048 bits or more, in PEM; better: in a file of its own.",
    )
