"""What is wiped when an item is redacted: every word of it, wherever a table keeps one.

The uid stays, for it is what readers delete by and what an upstream brings again; so do who had it, when and
how it ended, and digests of files. Nothing else of the item is left. Only `publish` calls what writes here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, delete, func, or_, select, union, update

from syndicator.model.delivery import MAY_HAVE, DeliveryState
from syndicator.model.incoming import READING
from syndicator.model.item import Content, Item, ItemState, content_to_json
from syndicator.model.newsletter import Choice, IssueState
from syndicator.model.outcomes import WRITTEN
from syndicator.model.release import OPEN_RELEASES, ReleaseState
from syndicator.store import schema, wiped
from syndicator.store.deliveries.duties import cancel
from syndicator.store.engine import Tx
from syndicator.store.incoming import veiled
from syndicator.store.items import former_slug
from syndicator.store.topics import is_open

TITLE = "(removed)"
MARK = "redacted"  # stands where a column wants some text
WHY = "it was redacted"
QUOTED = "what was said here may have quoted what was redacted since: look at `syndicator delivery lanes`"
# Tables that held words: where a database must be told to forget what it deleted, these are meant.
WORDY = (
    "items revisions fragments documents archives releases release_versions embargo_notices incoming inbox "
    "deliveries attempts bounces media upstreams alarms lanes domains newsletters newsletter_blocks"
).split()

i, r, d, dc, a, n = (
    schema.items.c,
    schema.revisions.c,
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.attempts.c,
    schema.incoming.c,
)


def bare(content: Content) -> Content:
    """What is left of an item's words: its kind and the topics it is filed under."""
    return Content(title=TITLE, kind=content.kind, topics=content.topics)


def wipe(tx: Tx, item: Item) -> None:
    """Take every word of this item out of every row; the bytes of feeds are made anew by `feeds`."""
    _wipe_item(tx, item)
    _wipe_ledger(tx, deliveries_of(item.uid, item.id))  # before the lanes, as whoever settles
    wipe_release(tx, item.uid)
    _wipe_closed(tx, item.id)
    _wipe_issue(tx, item.uid)
    tx.connection.execute(delete(schema.fragments).where(schema.fragments.c.item_id == item.id))


def wipe_release(tx: Tx, uid: str) -> None:
    """Take every word that a release of this uid left out of every row, and close the uid for good.

    What was not public is cancelled, whatever its state; of what waits only notices about its embargo still go out.
    """
    e = schema.releases.c
    wiped.mark(tx, [uid])
    unreleased = (e.uid == uid) & (e.state != ReleaseState.RELEASED)
    over = {"state": ReleaseState.CANCELLED, "at": None, "advance": None}
    tx.connection.execute(update(schema.releases).where(unreleased).values(**over))
    _wipe_words(tx, uid)
    _stop(tx, select(e.id).where(e.uid == uid))
    _wipe_ledger(tx, deliveries_of(uid))
    _wipe_intake(tx, uid)
    named = schema.alarms.c.key.contains(uid, autoescape=True)
    tx.connection.execute(update(schema.alarms).where(named).values(subject=MARK, words=MARK))
    _wipe_faults(tx)


def unwiped(tx: Tx, uid: str) -> bool:
    """Whether the store shows words of an item or a release of this uid, or could make them public."""
    e = schema.releases.c
    item = select(i.id).where(i.uid == uid, i.state != ItemState.REDACTED)
    words = or_(e.content["title"].as_string() != TITLE, e.state.in_(OPEN_RELEASES))
    release = select(e.id).where(e.uid == uid, words)
    return any(tx.connection.execute(query).first() is not None for query in (item, release))


def pages(tx: Tx, item_id: int) -> list[tuple[int, int]]:
    """The (topic, page) of closed archive pages out of which the item is, and which may still say why.

    Their topics are held until this transaction ends, so that nobody builds them meanwhile.
    """
    at, t = schema.archived.c, schema.topics.c
    query = select(at.topic_id, at.page).where(at.item_id == item_id, at.cut)
    found = [(row.topic_id, row.page) for row in tx.connection.execute(query.order_by(at.topic_id, at.page))]
    held = select(t.id).where(t.id.in_({topic_id for topic_id, _ in found})).order_by(t.id)
    tx.connection.execute(held.with_for_update(key_share=True)).all()
    return found


def waiting(tx: Tx, item_id: int) -> list[str]:
    """The slugs of topics whose documents may still hold words of the item, because they are not built anew yet."""
    at, m, t = schema.archived.c, schema.memberships.c, schema.topics.c
    here = union(
        select(m.topic_id).where(m.item_id == item_id), select(at.topic_id).where(at.item_id == item_id)
    )
    stale = t.stale.is_not(None) & is_open(tx) & t.id.in_(select(here.subquery().c[0]))
    uncut = t.id.in_(select(at.topic_id).where(at.item_id == item_id, ~at.cut))
    return list(
        tx.connection.execute(select(t.slug).where(stale | (uncut & is_open(tx))).order_by(t.slug)).scalars()
    )


def handed_over(tx: Tx, uid: str, item_id: int | None = None) -> tuple[int, list[str]]:
    """How many letters with it left the house, or may have, and the partners who were sent it: nobody recalls those."""
    p = schema.partners.c
    had = or_(d.state.in_(MAY_HAVE), d.doubts > 0)
    carried = d.id.in_(deliveries_of(uid, item_id))
    letters = select(func.count()).where(carried, had, d.partner_id.is_(None), d.subject.not_like("ping/%"))
    slugs = select(p.slug).join(schema.deliveries, d.partner_id == p.id).where(carried, had).distinct()
    return (
        tx.connection.execute(letters).scalar_one(),
        sorted(tx.connection.execute(slugs).scalars()),
    )


def letters_of(tx: Tx, uid: str, item_id: int | None = None) -> list[tuple[str, str]]:
    """The (subject, recipient) of every letter that carried it, by which letters are known wherever they lie."""
    carried = d.id.in_(deliveries_of(uid, item_id)) & d.partner_id.is_(None)
    query = select(d.subject, d.recipient).where(carried)
    return [(row.subject, row.recipient) for row in tx.connection.execute(query)]


def written(tx: Tx, uid: str, item_id: int | None = None) -> set[str]:
    """The names of files that letters of it were written as, by what the folder said; empty once that is wiped."""
    said = a.detail.startswith(WRITTEN) & a.delivery_id.in_(deliveries_of(uid, item_id))
    return {
        detail.removeprefix(WRITTEN)
        for detail in tx.connection.execute(select(a.detail).where(said)).scalars()
    }


def in_hand(tx: Tx, uid: str, item_id: int | None = None) -> bool:
    """Whether a letter of it is being sent at this moment."""
    sending = (d.state == DeliveryState.SENDING) & d.id.in_(deliveries_of(uid, item_id))
    return (
        tx.connection.execute(select(d.id).where(sending, d.partner_id.is_(None)).limit(1)).first()
        is not None
    )


def issues(tx: Tx, item_id: int) -> list[tuple[int, str]]:
    """Number and uid of the issues of the newsletter that went out with this item's headline, and were not redacted."""
    n, ni = schema.newsletters.c, schema.newsletter_items.c
    shown = (ni.item_id == item_id) & (ni.choice == Choice.INCLUDE) & (n.state == IssueState.SENT)
    query = (
        select(n.number, n.uid)
        .join(schema.newsletter_items, ni.newsletter_id == n.id)
        .join(schema.items, i.uid == n.uid)
        .where(shown, i.state != ItemState.REDACTED)
        .order_by(n.number)
    )
    return [(row.number, row.uid) for row in tx.connection.execute(query)]


def everything(tx: Tx) -> list[str]:
    """The uids of all redacted items, in the order they were stored."""
    query = select(i.uid).where(i.state == ItemState.REDACTED).order_by(i.id)
    return list(tx.connection.execute(query).scalars())


def _wipe_item(tx: Tx, item: Item) -> None:
    slug = item.slug if item.state is ItemState.REDACTED else former_slug(item.slug)
    values = {
        "state": ItemState.REDACTED,
        "slug": slug,
        "note": None,
        "marked": None,
        "updated": item.updated,
    }
    tx.connection.execute(update(schema.items).where(i.id == item.id).values(**values))
    words = bare(item.content)
    kept = {"content": content_to_json(words), "fingerprint": words.fingerprint, "note": None, "marked": None}
    tx.connection.execute(update(schema.revisions).where(r.item_id == item.id).values(**kept))


def _wipe_issue(tx: Tx, uid: str) -> None:
    """What an editor wrote for the issue of the newsletter that this item was published as."""
    e = schema.newsletters.c
    own = select(e.id).where(e.uid == uid)
    blocks = delete(schema.newsletter_blocks)
    tx.connection.execute(blocks.where(schema.newsletter_blocks.c.newsletter_id.in_(own)))
    tx.connection.execute(update(schema.newsletters).where(e.uid == uid).values(introduction="", headline=""))


def _wipe_words(tx: Tx, uid: str) -> None:
    e, v, w = schema.releases.c, schema.release_versions.c, schema.embargo_notices.c
    words = content_to_json(Content(title=TITLE))
    own = select(e.id).where(e.uid == uid)
    tx.connection.execute(update(schema.releases).where(e.uid == uid).values(content=words, reason=None))
    versions = update(schema.release_versions).where(v.release_id.in_(own))
    tx.connection.execute(versions.values(content=words, base=MARK))
    tx.connection.execute(update(schema.embargo_notices).where(w.release_id.in_(own)).values(words=None))


def _stop(tx: Tx, release: Select[Any]) -> None:
    """Advance copies and tests that are not on the wire are cancelled; notices say what became of it, without words."""
    theirs = d.release_id.in_(release) & d.subject.not_like("notice/%")
    sending = update(schema.deliveries).where(theirs, d.state == DeliveryState.SENDING)
    tx.connection.execute(sending.values(stop=WHY))
    cancel(tx, theirs & d.state.in_((DeliveryState.DUE, DeliveryState.LEASED)), WHY)


def _wipe_faults(tx: Tx) -> None:
    """What a server said of one letter is kept as the fault of its lane, too, and told in alarms about lanes."""
    for table in (schema.lanes, schema.domains):
        tx.connection.execute(update(table).where(table.c.fault.is_not(None)).values(fault=MARK))
    about = or_(*(schema.alarms.c.key.startswith(f"{sort}/") for sort in ("lane", "stop")))
    tx.connection.execute(update(schema.alarms).where(about).values(words=QUOTED))


def _wipe_ledger(tx: Tx, theirs: Select[Any]) -> None:
    """What servers answered may quote a headline."""
    tx.connection.execute(update(schema.attempts).where(a.delivery_id.in_(theirs)).values(detail=MARK))
    said = d.id.in_(theirs) & d.detail.is_not(None)
    tx.connection.execute(update(schema.deliveries).where(said).values(detail=MARK))
    back = schema.bounces.c.delivery_id.in_(theirs)
    tx.connection.execute(update(schema.bounces).where(back).values(detail=MARK))


def _wipe_intake(tx: Tx, uid: str) -> None:
    """What it was called at its origin becomes a hash, by which it is known again and stays away."""
    box, u = schema.inbox.c, schema.upstreams.c
    rows = tx.connection.execute(select(n.upstream_id, n.identity).where(n.uid == uid)).all()
    blank: dict[str, Any] = dict.fromkeys(("alias", "place", "dated", "page", "check_at"))
    for row in rows:
        known = (n.upstream_id == row.upstream_id) & (n.identity == row.identity)
        values = {**blank, "identity": veiled(row.identity), "fingerprint": f"{READING}:{MARK}", "rights": ""}
        tx.connection.execute(update(schema.incoming).where(known).values(**values))
    origins = sorted({row.upstream_id for row in rows})
    tx.connection.execute(delete(schema.inbox).where(box.upstream_id.in_(origins)))
    # What a hub brought is read from the feed itself instead.
    asked = update(schema.upstreams).where(u.id.in_(origins))
    tx.connection.execute(asked.values(fault=None, next_check=tx.now))


def _wipe_closed(tx: Tx, item_id: int) -> None:
    """Feeds of topics that are over are built no more: their bytes, which nobody is served, go as they are."""
    at, m, t, doc, page = (
        schema.archived.c,
        schema.memberships.c,
        schema.topics.c,
        schema.documents.c,
        schema.archives.c,
    )
    here = union(
        select(m.topic_id).where(m.item_id == item_id), select(at.topic_id).where(at.item_id == item_id)
    )
    over = select(t.id).where(t.id.in_(select(here.subquery().c[0])), ~is_open(tx))
    tx.connection.execute(delete(schema.documents).where(doc.topic_id.in_(over)))
    tx.connection.execute(delete(schema.archives).where(page.topic_id.in_(over)))


def deliveries_of(uid: str, item_id: int | None = None) -> Select[Any]:
    """The keys of the rows that carried this release, and, with `item_id`, the item it became."""
    release = select(schema.releases.c.id).where(schema.releases.c.uid == uid)
    every: Any = select(d.id).where(d.release_id.in_(release))
    if item_id is not None:
        carried = select(dc.delivery_id.label("id")).where(dc.item_id == item_id)
        every = union(select(d.id).where(d.item_id == item_id), every, carried)
    return select(every.subquery().c.id)
