"""Issues of the newsletter: their items, choices and blocks.

One issue is in hand at a time: number and slot are unique, so of two workers that open one the second finds
it there. What was included in an issue that went out, or was never wanted, is not offered again; whatever was
put off is. Serves `newsletter.tend`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, false, func, insert, select, update

from syndicator.errors import NotFound
from syndicator.model.delivery import Channel, DeliveryState, Priority
from syndicator.model.item import Content, Item, ItemState, memberships
from syndicator.model.newsletter import (
    IN_HAND,
    Block,
    BlockKind,
    Choice,
    Issue,
    IssueState,
    Line,
    Sheet,
    offer,
    ordered,
)
from syndicator.store import items, names, schema, topics
from syndicator.store.deliveries import owed
from syndicator.store.engine import Tx, insert_or_skip

n, ni, nb = schema.newsletters.c, schema.newsletter_items.c, schema.newsletter_blocks.c
i, r, m, d = schema.items.c, schema.revisions.c, schema.memberships.c, schema.deliveries.c

SETTLE = timedelta(hours=1)  # what was being written while an issue was frozen is offered to the next
OLDEST = timedelta(days=62)  # archives that are taken over are no news
MOST = 500  # items on offer: more than that is no letter


def open_(tx: Tx, title: str, slot: datetime, since: datetime) -> Issue | None:
    """The next issue, for this slot, its window from `since` on; None if another worker was faster."""
    last = tx.connection.execute(select(func.max(n.number))).scalar() or 0
    values = {
        "number": last + 1,
        "state": IssueState.OPEN,
        "slot": slot,
        "opened": since,
        "closes": slot,
        "title": title,
        "introduction": "",
        "created": tx.now,
    }
    row = insert_or_skip(tx, schema.newsletters).values(**values).returning(n.id)
    made = tx.connection.execute(row).scalar()
    return None if made is None else named(tx, last + 1)


def in_hand(tx: Tx) -> Issue | None:
    """The issue that is open or approved, if there is one."""
    query = select(schema.newsletters).where(n.state.in_(IN_HAND)).order_by(n.number).limit(1)
    row = tx.connection.execute(query).first()
    return _issue(row) if row else None


def named(tx: Tx, number: int) -> Issue:
    """The issue with this number; raises NotFound."""
    row = tx.connection.execute(select(schema.newsletters).where(n.number == number)).first()
    if row is None:
        raise NotFound(f"there is no issue No. {number}; `syndicator newsletter list` shows them all")
    return _issue(row)


def held(tx: Tx, number: int) -> Issue:
    """The same, kept from others until the transaction ends."""
    tx.connection.execute(select(n.id).where(n.number == number).with_for_update())
    return named(tx, number)


def listing(tx: Tx, *, limit: int | None = None, after: int = 0) -> list[Issue]:
    """Issues by number."""
    query = select(schema.newsletters).where(n.number > after).order_by(n.number).limit(limit)
    return [_issue(row) for row in tx.connection.execute(query)]


def last_closed(tx: Tx) -> datetime | None:
    """Where the window of the last issue that went out ended."""
    query = select(func.max(n.closes)).where(n.state == IssueState.SENT)
    return tx.connection.execute(query).scalar()


def change(tx: Tx, issue: Issue, **values: Any) -> Issue:
    """Write these fields of an issue; returns it as it is now."""
    tx.connection.execute(update(schema.newsletters).where(n.id == issue.id).values(**values))
    return named(tx, issue.number)


def sheet(tx: Tx, issue: Issue) -> Sheet:
    """All an issue holds: what was said, in order, then what is offered since."""
    said = tx.connection.execute(
        select(ni.item_id, ni.choice).where(ni.newsletter_id == issue.id).order_by(ni.position, ni.item_id)
    ).all()
    known = {row.item_id: Choice(row.choice) for row in said}
    found = {item.id: item for item in items.many(tx, known)}
    lines = [Line(found[key], choice, said=True) for key, choice in known.items() if key in found]
    if issue.state is IssueState.OPEN:
        slugs = [one.slug for one in topics.listing(tx)]
        lines += [offer(item) for item in ordered(_offered(tx, issue, known), slugs)]
    return Sheet(issue, tuple(lines), tuple(_blocks(tx, issue)))


def choose(tx: Tx, issue: Issue, lines: Iterable[Line], by: str) -> None:
    """Write what was said about these items, in this order, in place of all that was."""
    tx.connection.execute(delete(schema.newsletter_items).where(ni.newsletter_id == issue.id))
    rows = [
        {
            "newsletter_id": issue.id,
            "item_id": line.item.id,
            "choice": line.choice,
            "position": position,
            "chosen_by": by,
        }
        for position, line in enumerate(lines, 1)
    ]
    if rows:
        tx.connection.execute(insert(schema.newsletter_items), rows)


def set_blocks(tx: Tx, issue: Issue, blocks: Sequence[Block]) -> None:
    """Give an issue these blocks in place of those it had."""
    tx.connection.execute(delete(schema.newsletter_blocks).where(nb.newsletter_id == issue.id))
    rows = [
        {
            "newsletter_id": issue.id,
            "position": position,
            "kind": block.kind,
            "title": block.title,
            "text": block.text,
            "url": block.url,
            "at": block.at,
            "place": block.place,
        }
        for position, block in enumerate(blocks, 1)
    ]
    if rows:
        tx.connection.execute(insert(schema.newsletter_blocks), rows)


def readers(tx: Tx, content: Content) -> int:
    """How many people an issue with these words would be mailed to if it went out now.

    It enters every topic any item of its words would, `all` among them, and readers of each of them are mailed.
    """
    entered = memberships(names.filed(tx, content), topics.ruled(tx))
    who = owed.audience(tx, content, list(topics.ids(tx, entered).values()), false()).subquery()
    return int(tx.connection.execute(select(func.count()).select_from(who)).scalar_one())


def is_issue(tx: Tx, uid: str) -> bool:
    """Whether this item is an issue of the newsletter."""
    return tx.connection.execute(select(n.id).where(n.uid == uid)).first() is not None


def send_last(tx: Tx, subject: str) -> None:
    """Let the mails of an issue go out behind all others (DESIGN §2, Delivery)."""
    mails = (d.subject == subject) & (d.channel == Channel.MAIL) & (d.state == DeliveryState.DUE)
    tx.connection.execute(update(schema.deliveries).where(mails).values(priority=Priority.NEWSLETTER))


def samples(tx: Tx, number: int) -> int:
    """How many tests of an issue were mailed."""
    tests = d.subject.startswith(f"newsletter/{number}/", autoescape=True)
    return int(tx.connection.execute(select(func.count(d.subject.distinct())).where(tests)).scalar_one())


def gone(tx: Tx) -> list[tuple[int, str, str]]:
    """Issues that are public with words of an item that is not any more: number, uid of the issue, uid of the item.

    An issue that was changed, or taken back, after the item was is none of them.
    """
    issue = schema.items.alias("issue")
    query = (
        select(n.number, n.uid, i.uid.label("item"))
        .join(schema.newsletter_items, ni.newsletter_id == n.id)
        .join(schema.items, i.id == ni.item_id)
        .join(issue, issue.c.uid == n.uid)
        .where(n.state == IssueState.SENT, ni.choice == Choice.INCLUDE, i.state != ItemState.LIVE)
        .where(issue.c.state == ItemState.LIVE)
        .order_by(n.number, i.uid)
    )
    changed = select(func.max(r.created)).where(r.item_id == issue.c.id).scalar_subquery()
    taken = select(func.max(r.created)).where(r.item_id == i.id).scalar_subquery()
    rows = tx.connection.execute(query.where(changed < taken))
    return [(row.number, row.uid, row.item) for row in rows]


def _offered(tx: Tx, issue: Issue, known: Iterable[int]) -> list[Item]:
    """Live items of the window that nobody has spoken of, and those that were put off; no issue is in another."""
    # What was offered to one that went out is settled: it was in it, put off, or is never wanted.
    past = exists().where(ni.item_id == i.id, ni.newsletter_id == n.id, n.state == IssueState.SENT)
    first = exists().where(r.item_id == i.id, r.number == 1, r.created >= issue.opened - SETTLE)
    oldest = issue.opened - OLDEST
    # No item was changed before its date, but for parts of a second: the index of changes ends the search.
    window = (i.updated >= oldest, i.published >= oldest, first, ~past)
    fresh = select(i.id).where(*window).order_by(i.updated.desc()).limit(MOST)
    keys = {*tx.connection.execute(fresh.where(*_fit(known))).scalars()}
    again = select(i.id).where(i.id.in_(_put_off(tx)), *_fit(known))
    return items.many(tx, keys | {*tx.connection.execute(again).scalars()})


def _fit(known: Iterable[int]) -> tuple[ColumnElement[bool], ...]:
    """Of a row of items: it is public and live, no issue itself, and none of these."""
    public, letter = exists().where(m.item_id == i.id), exists().where(n.uid == i.uid)
    return (i.state == ItemState.LIVE, public, ~letter, i.id.not_in(list(known)))


def _put_off(tx: Tx) -> list[int]:
    """Items of which the last issue that was offered them said: next time."""
    ever = select(ni.item_id).where(ni.choice == Choice.NEXT)
    query = select(ni.item_id, ni.choice).join(schema.newsletters, n.id == ni.newsletter_id)
    rows = query.where(n.state == IssueState.SENT, ni.item_id.in_(ever)).order_by(n.number)
    last = {row.item_id: row.choice for row in tx.connection.execute(rows)}
    return [key for key, choice in last.items() if choice == Choice.NEXT]


def _blocks(tx: Tx, issue: Issue) -> list[Block]:
    query = select(schema.newsletter_blocks).where(nb.newsletter_id == issue.id).order_by(nb.position)
    names = ("title", "text", "url", "at", "place")
    return [
        Block(kind=BlockKind(row.kind), **{name: getattr(row, name) for name in names})
        for row in tx.connection.execute(query)
    ]


def _issue(row: Row[Any]) -> Issue:
    names = (
        "id number slot opened closes title headline introduction approved approved_by reminded escalated uid created"
    ).split()
    return Issue(state=IssueState(row.state), **{name: getattr(row, name) for name in names})
