"""What one accredited person may see at this moment: the releases under embargo of which they have the advance.

Asked anew each time, by the ledger and by `visible` (security:E1); what was lifted, called off or revised since is
not among them. Serves their page and their feed; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from syndicator.model.audience import Contact
from syndicator.model.item import Content
from syndicator.model.release import Actor, Release, ReleaseState, foreseen, visible
from syndicator.model.site import Site
from syndicator.render import entries
from syndicator.render.private import private_feed
from syndicator.store import Tx, accreditations, audience, items, press_links, topics

Leads = Callable[[int], str]  # a release's key → the address of this person's own page of it


@dataclass(frozen=True, slots=True)
class Desk:
    """Whose page it is, until when they are accredited, and what they may see, what ends first at the top."""

    contact: Contact
    since: datetime
    until: datetime | None
    releases: Sequence[Release]


def desk(tx: Tx, contact_id: int, generation: int) -> Desk | None:
    """What this person may see, or None where the link is void or they are not accredited (any more)."""
    held = accreditations.live(tx, contact_id)
    if held is None:
        return None
    contact = audience.contact_by_id(tx, contact_id)
    if contact.press_generation != generation:
        return None
    theirs = [one for one in press_links.advanced(tx, contact_id) if _open(tx, contact_id, one)]
    return Desk(
        contact, held.granted, held.until, sorted(theirs, key=lambda one: (ends(one, tx.now), one.id))
    )


def ends(release: Release, otherwise: datetime) -> datetime:
    """When its embargo ends, as far as somebody has said so."""
    return release.embargo.until if release.embargo else release.at or otherwise


def feed(tx: Tx, shown: Desk, site: Site, leads: Leads) -> bytes:
    """These releases as Atom; each entry leads to the person's own page of it."""
    made = [_entry(tx, release, site, leads(release.id)) for release in shown.releases]
    uid = f"{topics.named(tx, 'all').uid}:desk:{shown.contact.id}"
    words = "For you alone. Nothing of it may be published, or passed on, before its embargo ends."
    return private_feed(uid, words, made, site, shown.since)


def _open(tx: Tx, contact_id: int, release: Release) -> bool:
    if release.state is ReleaseState.RELEASED or not visible(release, Actor.ACCREDITED, tx.now):
        return False
    return press_links.was_planned(tx, contact_id, release)


def _entry(tx: Tx, release: Release, site: Site, page: str) -> entries.Entry:
    until = ends(release, tx.now)
    words = _at_home(release.content, site, page)
    title = entries.plain_title(words.title, words.summary, words.body)
    marked = replace(words, title=f"EMBARGOED until {until:%Y-%m-%d %H:%M} UTC: {title}", url=page)
    item = replace(foreseen(release, marked, tx.now), updated=release.updated)
    person = items.spokesperson(tx, words.spokesperson)
    stand_in = items.spokesperson(tx, person.stand_in) if person else None
    return entries.entry(item, site, topics.titles(tx, words.topics), person, stand_in)


def _at_home(content: Content, site: Site, page: str) -> Content:
    """The words with the files we keep where this person finds them: their public addresses lead nowhere yet."""
    public, own = site.url("/media/"), f"{page.rstrip('/')}/media/"
    media = tuple(replace(one, url=one.url.replace(public, own)) for one in content.media)
    return replace(content, body=content.body.replace(public, own), media=media)
