"""From raw tables to `Settings`: understand every value, compare entries, report all faults at once.

    file → environment → flags → values → entries against each other → Settings, or Misconfigured

A value that is not understood is left at its default while the rest is looked at, so that one run
of `config check` finds everything there is to mend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from syndicator.errors import Faulty, Invalid, Misconfigured
from syndicator.model.delivery import Policy
from syndicator.model.item import ALL
from syndicator.model.markup import UNLINEAR
from syndicator.model.routing import Route, route_from
from syndicator.model.schedule import Job
from syndicator.model.site import Site
from syndicator.settings import keys as k
from syndicator.settings import provided
from syndicator.settings.declared import REQUIRED
from syndicator.settings.keys import SECTIONS, Transport
from syndicator.settings.secrets import Secret
from syndicator.settings.sources import (
    Draft,
    Origin,
    Source,
    Table,
    from_file,
    overlay_environment,
    overlay_flags,
)
from syndicator.settings.values import nearest, shown

USUAL = Path("config/syndicator.toml")
# What the web process answers at fixed addresses; a former site's page may have stood at any other.
OWN = frozenset(
    "/ /feeds /feeds.opml /sitemap.xml /news-sitemap.xml /robots.txt /healthz /readyz /media-list".split()
)
Records = list[tuple[Table, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration, read and checked; `origins` says where each value came from.

    `newsroom` is the section [site] as written; `site()` is the model's view of it.
    """

    newsroom: k.Newsroom = field(default_factory=k.Newsroom)
    store: k.Store = field(default_factory=k.Store)
    web: k.Web = field(default_factory=k.Web)
    mail: k.Mail = field(default_factory=k.Mail)
    delivery: k.Delivery = field(default_factory=k.Delivery)
    feeds: k.Feeds = field(default_factory=k.Feeds)
    press: k.Press = field(default_factory=k.Press)
    media_list: k.MediaList = field(default_factory=k.MediaList)
    digest: k.Digest = field(default_factory=k.Digest)
    bounces: k.Bounces = field(default_factory=k.Bounces)
    newsletter: k.Newsletter = field(default_factory=k.Newsletter)
    privacy: k.Privacy = field(default_factory=k.Privacy)
    redirects: tuple[provided.Redirect, ...] = ()
    topics: tuple[provided.FileTopic, ...] = ()
    upstreams: tuple[provided.FileUpstream, ...] = ()
    partners: tuple[provided.FilePartner, ...] = ()
    spokespeople: tuple[provided.FileSpokesperson, ...] = ()
    boilerplates: tuple[provided.FileBoilerplate, ...] = ()
    dkim: tuple[provided.DkimKey, ...] = ()
    schedules: tuple[provided.FileSchedule, ...] = ()
    file: str = ""
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False, compare=False)

    def site(self) -> Site:
        """The newsroom as its readers see it."""
        room, feeds = self.newsroom, self.feeds
        return Site(
            title=room.title, base_url=room.base_url, language=room.language, zone=room.timezone,
            description=room.description, rights=room.rights, media_contact=room.media_contact or None,
            hubs=feeds.hubs, max_age=int(feeds.max_age.total_seconds()), window=feeds.window,
            icon=room.icon, logo=room.logo, favicon=room.favicon or room.icon, stylesheet=feeds.stylesheet,
        )  # fmt: skip

    def policy(self) -> Policy:
        """How a delivery's tries are bounded."""
        said, mail = self.delivery, self.mail
        return Policy(
            lease=said.lease,
            repeat_after=said.repeat_after,
            on_unknown=said.on_unknown,
            late_after=mail.late_after,
            domain_connections=mail.domain_connections,
            domain_rate=mail.domain_rate,
            stop_above=mail.stop_above,
        )

    def signing_keys(self) -> tuple[Secret, ...]:
        """The key that signs, then former ones that only verify; empty when none was given."""
        given = self.newsroom.secret_key
        return tuple(map(Secret, given.reveal().split())) if given else ()

    def listing(self) -> Iterator[tuple[str, str, Origin]]:
        """Every key, its value with secrets hidden, and its origin: what `config show` prints."""
        for section in SECTIONS.values():
            content = getattr(self, section.field)
            for index, entry in enumerate(content if section.named_by else (content,)):
                for key in section.keys().values():
                    path = _path(section, entry, index, key.name)
                    yield (
                        path,
                        shown(getattr(entry, key.field.name)),
                        self.origins.get(path, Origin(Source.DEFAULT)),
                    )


def load(
    path: Path | None, environ: Mapping[str, str], flags: Mapping[str, str] = MappingProxyType({})
) -> Settings:
    """The settings of `path`, else of $SYNDICATOR_CONFIG, else of config/syndicator.toml if there is one.

    `flags` are named `section.key` and go before the environment, that before the file, that before
    the defaults. Raises Misconfigured with every fault there is.
    """
    if path is None and (named := environ.get("SYNDICATOR_CONFIG")):
        path = Path(named)
    elif path is None and USUAL.exists():
        path = USUAL
    draft = from_file(path)
    overlay_environment(draft, environ)
    overlay_flags(draft, flags)
    records = {name: _understood(draft, name) for name in SECTIONS}
    for check in CHECKS:
        draft.faults += check(records)
    if draft.faults:
        raise Misconfigured(sorted(map(_one_line, draft.faults), key=lambda fault: _line(fault, draft.file)))
    return _settings(draft, records)


def _understood(draft: Draft, name: str) -> Records:
    return [(table, _record(table, draft.faults)) for table in draft.tables[name]]


def _record(table: Table, faults: list[str]) -> Any:
    # The section's data class, or None when a key without default is missing or not understood.
    values: dict[str, Any] = {}
    complete = True
    for name, key in table.section.keys().items():
        given = table.given.get(name)
        try:
            if given:
                values[key.field.name] = key.value.parse(given.raw)
            elif key.default is REQUIRED:
                raise Invalid(f"is missing; {key.meaning[0].lower()}{key.meaning[1:]}")
        except Invalid as fault:
            each = fault.faults if isinstance(fault, Faulty) else (str(fault),)
            faults += [f"{table.at_key(name)}: {words}" for words in each]
            complete = complete and key.default is not REQUIRED
    return table.section.type(**values) if complete else None


def _one_line(fault: str) -> str:
    return UNLINEAR.sub(lambda odd: ascii(odd[0])[1:-1], fault)


def _line(fault: str, file: str) -> float:
    # Faults of the file come first, from top to bottom.
    number = fault.removeprefix(f"{file}:").partition(":")[0]
    return float(number) if file and number.isdecimal() and fault.startswith(f"{file}:") else float("inf")


def _settings(draft: Draft, records: Mapping[str, Records]) -> Settings:
    parts: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name, section in SECTIONS.items():
        made = tuple(record for _, record in records[name])
        parts[section.field] = made if section.named_by else made[0]
        for index, (table, record) in enumerate(records[name]):
            origins |= {
                _path(section, record, index, key): given.origin for key, given in table.given.items()
            }
    zone = parts["newsroom"].timezone
    for name in ("schedules", "spokespeople"):
        parts[name] = tuple(replace(entry, timezone=entry.timezone or zone) for entry in parts[name])
    return Settings(**parts, file=draft.file, origins=origins)


def _path(section: k.Section, entry: Any, index: int, key: str) -> str:
    if not section.named_by:
        return f"{section.name}.{key}"
    name = str(index + 1) if section.name == "redirects" else getattr(entry, section.named_by)
    return f"{section.name}.{name}.{key}"


def _same_names(records: Mapping[str, Records]) -> Iterator[str]:
    for section in SECTIONS.values():
        first: dict[str, Table] = {}
        for table, _ in records[section.name]:
            if (name := table.name) is None:
                continue
            if name in first:
                where = f"; the first is at {first[name].where}" if first[name].where else ""
                yield f'{table.at_key(section.named_by or "")}: there is another {section.header} "{name}"{where}'
            first.setdefault(name, table)


def _topic_names(records: Mapping[str, Records]) -> Iterator[str]:
    topics = records["topics"]
    ruled = {table.name for table, _ in topics if table.given.keys() & {"any", "all", "none", "kinds"}}
    known = {table.name for table, _ in topics if table.name}
    for table, topic in topics:
        if table.name == ALL:
            yield f'{table.at_key("slug")}: "all" exists already and holds every item; choose another slug'
        for key in ("any", "all", "none"):
            yield from _plain_topics(table, key, getattr(topic, key, ()), known, ruled)
    for table, upstream in records["upstreams"]:
        yield from _plain_topics(table, "topics", getattr(upstream, "topics", ()), known, ruled)
        for number, rule in _rules(table):
            yield from _plain_topics(table, "rules", rule.topics, known, ruled, f"rule {number}: ")
    for table, partner in records["partners"]:
        for slug in getattr(partner, "topics", ()):
            if slug not in known | {ALL}:
                yield f'{table.at_key("topics")}: unknown topic "{slug}"{nearest(slug, known)}'
    for table, newsletter in records["newsletter"]:
        # It may be one that was made by hand, so that only what can never be right is a fault.
        if (slug := getattr(newsletter, "topic", "")) in ruled | {ALL}:
            yield f'{table.at_key("topic")}: "{slug}" holds items by its rule; an issue needs a plain topic'


def _rules(table: Table) -> Iterator[tuple[int, Route]]:
    """The rules of an upstream that are understood, by number, whatever is wrong with its others."""
    given = table.given.get("rules")
    for number, said in enumerate(given.raw if given and isinstance(given.raw, list) else (), 1):
        if isinstance(said, dict):
            with suppress(Invalid):  # it is named already
                yield number, route_from(said)


def _plain_topics(
    table: Table,
    key: str,
    slugs: tuple[str, ...],
    known: set[str],
    ruled: set[str | None],
    where: str = "",
) -> Iterator[str]:
    at = f"{table.at_key(key)}: {where}"
    for slug in slugs:
        if slug == ALL:
            yield f'{at}"all" holds every item; leave it out'
        elif slug in ruled:
            yield f'{at}the topic "{slug}" is made by a rule; name plain topics'
        elif slug not in known:
            meant = nearest(slug, known) or "; make it in this file, under [[topics]]"
            yield f'{at}unknown topic "{slug}"{meant}'


def _people(records: Mapping[str, Records]) -> Iterator[str]:
    known = {table.name for table, _ in records["spokespeople"] if table.name}
    for table, person in records["spokespeople"]:
        stand_in = getattr(person, "stand_in", "")
        if stand_in and stand_in == person.slug:
            yield f"{table.at_key('stand_in')}: nobody stands in for themselves; name another person"
        elif stand_in and stand_in not in known:
            yield f'{table.at_key("stand_in")}: unknown spokesperson "{stand_in}"{nearest(stand_in, known)}'


def _recurrences(records: Mapping[str, Records]) -> Iterator[str]:
    upstreams = {table.name for table, _ in records["upstreams"] if table.name}
    for table, schedule in records["schedules"]:
        given = [key for key in ("cron", "every", "at") if key in table.given]
        if len(given) != 1:
            found = f"; there are {' and '.join(given)}" if given else ""
            yield f"{table.at}: needs exactly one of cron, every and at{found}"
        upstream = getattr(schedule, "upstream", "")
        if upstream and upstream not in upstreams:
            yield f'{table.at_key("upstream")}: unknown upstream "{upstream}"{nearest(upstream, upstreams)}'
        elif upstream and schedule.job is not Job.POLL:
            yield f"{table.at_key('upstream')}: only the job poll reads an upstream; leave it out"


def _relay(records: Mapping[str, Records]) -> Iterator[str]:
    table, mail = records["mail"][0]
    if mail.transport is not Transport.SMTP:
        return
    if not mail.host and "host" not in table.given:
        yield f'{table.at_key("host")}: is missing; transport = "smtp" needs the name of the relay'
    elif not mail.host:
        yield f"{table.at_key('host')}: is empty; write the name of the relay"
    if bool(mail.username) != bool(mail.password):
        lacking = "password" if mail.username else "username"
        yield f"{table.at_key(lacking)}: is missing; an account has both username and password"
    usual = {465: k.Tls.TLS, 587: k.Tls.STARTTLS}.get(mail.port)
    if mail.tls is not k.Tls.NONE and usual and usual is not mail.tls:
        yield f'{table.at_key("port")}: port {mail.port} speaks {usual}, and tls is "{mail.tls}"; change one of the two'


def _roads(records: Mapping[str, Records]) -> Iterator[str]:
    for table, partner in records["partners"]:
        if partner and "://" not in partner.url:
            yield f'{table.at_key("url")}: "{partner.url}" is no web address; write https://host/path'


def _redirects(records: Mapping[str, Records]) -> Iterator[str]:
    """A former address may not hide what the web process itself answers, nor lead in a circle."""
    known = [(table, redirect) for table, redirect in records["redirects"] if redirect]
    base_url = next((room.base_url for _, room in records["site"] if room), "")
    onward = {_bare(redirect.from_): _bare(redirect.to.removeprefix(base_url)) for _, redirect in known}
    told = set[str]()
    for table, redirect in known:
        if _bare(redirect.from_) in OWN:
            yield f"{table.at_key('from')}: is an address of Syndicator itself; leave it out"
        seen, here = set[str](), _bare(redirect.from_)
        while here in onward and here not in seen:
            seen.add(here)
            here = onward[here]
        if here == _bare(redirect.from_) and here in seen and here not in told:
            told |= seen  # a circle is one fault, wherever it is entered
            yield f"{table.at_key('to')}: leads back to where it began; write the new address"


def _bare(address: str) -> str:
    """An address with a slash at its end is the same without."""
    path, mark, query = address.partition("?")
    return (path.rstrip("/") or "/") + mark + query


CHECKS: tuple[Callable[[Mapping[str, Records]], Iterator[str]], ...] = (
    _same_names,
    _topic_names,
    _people,
    _recurrences,
    _relay,
    _roads,
    _redirects,
)
