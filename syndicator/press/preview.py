"""What a draft will look like everywhere, before it is public: mail and feeds, made by what makes the real ones.

Every headline says that it is a preview; nothing else differs from what will go out, but the instant and an
address that is not taken yet. Nothing is written. The page is the web's, for it draws the public ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import EmailMessage

from syndicator.model.item import ALL, Content, Item, Revision, Significance, Spokesperson
from syndicator.model.release import Release, ReleaseState, Version, foreseen
from syndicator.model.site import Format, Site
from syndicator.render import documents, entries
from syndicator.render.mail import Sender, Slots, Template, compose_advance, compose_revision
from syndicator.store import Tx, items, topics

MARK = "[PREVIEW] "
NOT_YET = "once it is released"  # in the place of an instant nobody has said
FEEDS = {Format.ATOM: "atom.xml", Format.RSS: "rss.xml", Format.JSON: "feed.json"}


@dataclass(frozen=True, slots=True)
class House:
    """Who publishes, and who their mail is from."""

    site: Site
    sender: Sender


@dataclass(frozen=True, slots=True)
class _Around:
    """What the store knows about these words: titles of topics, whom to ask."""

    titles: dict[str, str]
    person: Spokesperson | None
    stand_in: Spokesperson | None

    @property
    def topics(self) -> Sequence[str]:
        return list(self.titles.values())


def marked(content: Content) -> Content:
    """The same words under a headline that cannot be mistaken; without a word they stay the fault they are."""
    title = entries.plain_title(content.title, content.summary, content.body)
    return replace(content, title=f"{MARK}{title}" if title else "")


def undated(release: Release) -> bool:
    """Whether nobody has said yet when this will be, or was, published."""
    said = release.at or release.embargo or release.published
    return not said and release.state is not ReleaseState.RELEASED


def files(tx: Tx, release: Release, version: Version, house: House) -> dict[str, bytes]:
    """Mail, the advance copy if there is an embargo, and feeds of one version, by file name, in this order.

    Raises RenderFault or Invalid where the real thing could not be made either.
    """
    content = marked(version.content)
    item = replace(foreseen(release, version.content, tx.now), content=content)
    around = _around(tx, content)
    when = f"To be published {NOT_YET}" if undated(release) else None
    made = dict(_letter("mail", _mail(item, house, around, when), item, house))
    if release.embargo:
        made |= _letter(
            "advance", _advance(release, replace(version, content=content), house, around), item, house
        )
    return made | dict(_feeds(tx, item, house.site, around))


def _around(tx: Tx, content: Content) -> _Around:
    titles = topics.titles(tx, content.topics)
    person = items.spokesperson(tx, content.spokesperson)
    stand_in = items.spokesperson(tx, person.stand_in) if person else None
    return _Around({slug: titles.get(slug, slug) for slug in content.topics}, person, stand_in)


def _mail(item: Item, house: House, around: _Around, when: str | None) -> Template:
    first = Revision(number=1, significance=Significance.FIRST, content=item.content, created=item.published)
    return compose_revision(
        item,
        first,
        site=house.site,
        sender=house.sender,
        topics=around.topics,
        spokesperson=around.person,
        stand_in=around.stand_in,
        when=when,
    )


def _advance(release: Release, version: Version, house: House, around: _Around) -> Template:
    return compose_advance(
        release,
        version,
        site=house.site,
        sender=house.sender,
        topics=around.topics,
        spokesperson=around.person,
        stand_in=around.stand_in,
    )


def _letter(name: str, template: Template, item: Item, house: House) -> Iterator[tuple[str, bytes]]:
    """A letter as it is on the wire, and its two parts as people read them; its links lead to nobody's own pages."""
    site, address = house.site, house.sender.address
    raw = template.merge(
        Slots(
            to_address=address,
            to_name="Preview",
            message_id=f"preview@{house.sender.domain}",
            date=item.published,
            unsubscribe_url=site.url("/media-list"),
            preferences_url=site.url("/media-list"),
            press_url=site.url("/press/"),
        )
    )
    message = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
    for kind in ("html", "plain"):
        part = message.get_body((kind,))
        if part is not None:
            yield f"{name}.{'html' if kind == 'html' else 'txt'}", part.get_content().encode()
    yield f"{name}.eml", raw


def _feeds(tx: Tx, item: Item, site: Site, around: _Around) -> Iterator[tuple[str, bytes]]:
    entry = entries.entry(item, site, around.titles, around.person, around.stand_in)
    topic = topics.named(tx, ALL)
    for format, name in FEEDS.items():
        head = documents.head(topic, site, format, [entry.updated], complete=True)
        yield name, documents.document(head, [entries.fragment(entry, format, topic.profile)])
