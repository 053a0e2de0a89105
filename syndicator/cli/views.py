"""What things look like in JSON: the field names are a contract (DESIGN §6).

Pure: a model object in, plain values out; instants stay datetimes and become text when printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from syndicator.model.audience import Accreditation, Contact, Partner, Subscription
    from syndicator.model.item import Content, Item, Revision, Topic
    from syndicator.model.release import Release, Version
    from syndicator.model.schedule import Schedule
    from syndicator.model.site import Site
    from syndicator.model.upstream import Upstream
    from syndicator.store.audit import Entry
    from syndicator.store.deliveries import Attempt, Delivery, Domain, Had, Lane
    from syndicator.store.documents import Validators
    from syndicator.store.schedules import Run
    from syndicator.store.topics import Addresses
    from syndicator.store.upstreams import Status

View = dict[str, Any]


def item(thing: Item, site: Site) -> View:
    """An item in a listing."""
    words = thing.content
    return {
        "uid": thing.uid,
        "slug": thing.slug,
        "url": words.url or site.item_url(thing.slug),
        "title": words.title,
        "kind": words.kind,
        "state": thing.state,
        "revision": thing.revision,
        "topics": list(words.topics),
        "published": thing.published,
        "updated": thing.updated,
        "upstream": thing.upstream,
    }


def whole_item(thing: Item, site: Site) -> View:
    """An item with its words."""
    words = thing.content
    return item(thing, site) | {
        "page": site.item_url(thing.slug),
        "language": words.language or site.language,
        "authors": [author.name for author in words.authors],
        "spokesperson": words.spokesperson,
        "media": [medium.url for medium in words.media],
        "rights": words.rights or None,
        "urgent": words.urgent,
        "audience": list(words.audience),
        "note": thing.note,
        "summary": words.summary,
        **_press(words),
        "text": words.text,
        "content_html": words.body,
    }


def _press(words: Content) -> View:
    """What only press releases have, where they have it."""
    values = {
        "kicker": words.kicker,
        "dek": words.dek,
        "dateline": words.dateline,
        "paper": words.paper,
        "boilerplates": list(words.boilerplates),
    }
    return {name: value for name, value in values.items() if value}


def revision(one: Revision) -> View:
    """One version of an item."""
    return {
        "number": one.number,
        "significance": one.significance,
        "created": one.created,
        "note": one.note,
        "title": one.content.title,
        "fingerprint": one.content.fingerprint[:16],
    }


def changes(versions: Sequence[Revision]) -> list[View]:
    """Versions of an item, oldest first, each with what it changed; one that ends the item has a note instead."""
    from syndicator.model.difference import difference
    from syndicator.model.item import GONE

    rows = []
    for before, one in zip([None, *versions], versions, strict=False):
        compared = before is not None and one.significance not in GONE
        lines = difference(before.content, one.content) if before and compared else []
        rows.append({**revision(one), "difference": lines})
    return rows


def topic(one: Topic, places: Addresses) -> View:
    """A topic; `rule` is null for a plain one. Its state is live, closing, closed, or merged `into` another."""
    rule = one.rule and {
        "any": list(one.rule.any),
        "all": list(one.rule.all),
        "none": list(one.rule.none),
        "kinds": [str(kind) for kind in one.rule.kinds],
    }
    into = places.moved.get(one.slug)
    state = "closing" if one.closing else "live"
    if into or one.slug in places.closed:
        state = "merged" if into else "closed"
    return {
        "slug": one.slug,
        "title": one.title,
        "uid": one.uid,
        "state": state,
        "into": into,
        "closes": one.closing.over if one.closing else None,
        "note": one.closing.note if one.closing else None,
        "rule": rule,
        "managed_by_file": one.file,
    }


def document(known: Validators, site: Site) -> View:
    """A stored feed."""
    return {
        "topic": known.topic,
        "format": known.format,
        "url": site.feed_url(known.topic, known.format),
        "etag": known.etag,
        "modified": known.modified,
        "size": known.size,
        "gzip_size": known.gzip_size,
    }


def upstream(one: Upstream, status: Status) -> View:
    """An upstream and how it fares; `unmodified` is the share of good polls that brought nothing new, 0 to 1."""
    from syndicator.model.routing import route_to_json

    return {
        "slug": one.slug,
        "url": one.url,
        "relation": one.relation,
        "topics": list(one.topics),
        "kind": one.kind,
        "push": one.push,
        "push_max_age": one.push_max_age,
        "on_change": one.on_change,
        "hold": one.hold,
        "delay": one.delay,
        "every": one.every,
        "rules": [route_to_json(rule) for rule in one.rules],
        "on_gone": one.on_gone,
        "confirm_above": one.confirm_above,
        "full_text": one.full_text,
        "allow_private": list(one.allow_private),
        "paused": status.paused,
        "managed_by_file": one.file,
        "checked": status.checked,
        "succeeded": status.succeeded,
        "next_check": status.next_check,
        "failures": status.failures,
        "status": status.status,
        "fault": status.fault,
        "weekly": status.weekly,
        "polls": status.polls,
        "unmodified": round(status.unmodified / status.polls, 2) if status.polls else None,
        "site": status.site,
        "moved_to": status.moved_to,
        "hub": status.hub,
        "page_checks": status.checks,
        "departed": status.departed,
        "asking": status.asking,
    }


def release(one: Release) -> View:
    """A release; `embargo` is its instant in UTC, `embargo_typed` what the editor wrote."""
    embargo = one.embargo
    return {
        "id": one.id,
        "uid": one.uid,
        "state": one.state,
        "embargo": embargo.until if embargo else None,
        "embargo_typed": f"{embargo.wall} {embargo.zone}".strip() if embargo else None,
        "at": one.at,
        "title": one.content.title,
        "kind": one.content.kind,
        "topics": list(one.content.topics),
        "version": one.version,
        "base": one.base,
        "drafted_by": one.drafted_by,
        "approved_by": one.approved_by,
        "advance": one.advance,
        "moves": one.moves,
        "released": one.released,
        "upstream": one.upstream,
        "reason": one.reason,
        "created": one.created,
        "updated": one.updated,
    }


def whole_release(one: Release) -> View:
    """A release with its words."""
    words = one.content
    shown = {"spokesperson": words.spokesperson, "media": [medium.url for medium in words.media]}
    body = {"text": words.text, "content_html": words.body}
    return release(one) | shown | {"summary": words.summary} | _press(words) | body


def contact(one: Contact) -> View:
    """Somebody on the media list; `suppressed` says why the address must not be mailed."""
    return {
        "id": one.id,
        "email": one.address.typed,
        "name": one.name,
        "outlet": one.outlet,
        "timezone": one.zone,
        "created": one.created,
        "suppressed": one.suppressed,
    }


def subscription(one: Subscription) -> View:
    """What somebody subscribes to, or did."""
    return {
        "id": one.id,
        "topic": one.topic,
        "cadence": one.cadence,
        "state": one.state,
        "consent": one.consent,
        "created": one.created,
        "ended": one.ended,
        "reason": one.reason,
    }


def partner(one: Partner) -> View:
    """A partner, without its secret."""
    return {
        "slug": one.slug,
        "channel": one.channel,
        "url": one.url,
        "topics": list(one.topics),
        "kinds": [str(kind) for kind in one.kinds],
        "on_unknown": one.on_unknown,
        "allow_private": list(one.allow_private),
        "paused": one.paused,
        "managed_by_file": one.file,
        "created": one.created,
    }


def schedule(one: Schedule, slots: Sequence[datetime]) -> View:
    """A schedule, in words and with its next runs; `offset` is the zone's at the next one."""
    from zoneinfo import ZoneInfo

    from syndicator.model.schedule import describe

    offset = f"{slots[0].astimezone(ZoneInfo(one.zone)):%z}" if slots else ""
    return {
        "name": one.name,
        "job": one.job,
        "when": describe(one.when),
        "timezone": one.zone,
        "offset": f"{offset[:3]}:{offset[3:]}" if offset else None,
        "upstream": one.upstream,
        "paused": one.paused,
        "managed_by_file": one.file,
        "next": list(slots),
    }


def run(one: Run) -> View:
    """One run of a schedule."""
    names = "id schedule slot trigger state started ended worker detail".split()
    return {name: getattr(one, name) for name in names}


def delivery(one: Delivery) -> View:
    """A row of the ledger."""
    names = "id subject recipient channel state attempts last_outcome detail due created settled".split()
    return {name: getattr(one, name) for name in names}


def attempt(one: Attempt) -> View:
    """One try of a delivery."""
    names = "number started ended outcome code cause detail worker".split()
    return {name: getattr(one, name) for name in names}


def version(one: Version) -> View:
    """One version of a release's words, as a line of its history."""
    return {
        "version": one.number,
        "base": one.base,
        "title": one.content.title,
        "embargo": one.embargo.until if one.embargo else None,
        "drafted_by": one.drafted_by,
        "created": one.created,
    }


def had(one: Had) -> View:
    """Somebody who was sent an advance copy, or may have been."""
    return {
        "email": one.address,
        "name": one.name,
        "version": one.version,
        "state": one.state,
        "settled": one.settled,
    }


def accreditation(one: Accreditation) -> View:
    """Somebody's leave to see what is under embargo, or what it was."""
    return {
        "granted": one.granted,
        "granted_by": one.granted_by,
        "until": one.until,
        "agreement": one.agreement,
        "ended": one.ended,
        "reason": one.reason,
    }


def audited(one: Entry) -> View:
    """One act in the audit."""
    return {
        "id": one.id,
        "at": one.at,
        "actor": one.actor,
        "act": one.act,
        "subject": one.subject,
        "why": one.why,
        "detail": dict(one.detail),
        "digest": one.digest,
    }


def lane(one: Lane) -> View:
    """A destination: whether it rests, since when it is in trouble and why, how many wait, the oldest since when."""
    names = "key channel paused since waiting oldest late open fault".split()
    return {name: getattr(one, name) for name in names}


def slow_domain(one: Domain) -> View:
    """A domain of recipients that asked for patience."""
    return {name: getattr(one, name) for name in "lane domain open width rate failures fault".split()}
