"""What came of a release: from instants and outcomes in the ledger, without asking anybody's machine. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from syndicator.model.delivery import DeliveryState
from syndicator.model.item import GONE, Item, ItemState, Revision, Significance
from syndicator.model.report import RELEASE, Change, Mailing, Reason, Receipt, Report
from syndicator.store import Tx, items, releases, wiped
from syndicator.store.deliveries.reported import Figures, answers, figures

MOST_REASONS = 8  # sorts of reasons a page names of one mailing; the rest is one sum
TOLD = {
    Significance.CORRECTION: "Correction",
    Significance.WITHDRAWAL: "Withdrawal",
    Significance.KILL: "Kill",
    Significance.SILENT: "Revision",
}


def report(tx: Tx, uid: str) -> Report:
    """All the ledger says about this release; raises NotFound."""
    release = releases.named(tx, uid)
    item = items.find(tx, uid)
    history = items.history(tx, item.id) if item else []
    names = {one.number: one for one in history}
    item_id = item.id if item else None
    return Report(
        uid=uid,
        title=(item.content if item else release.content).title,
        state=release.state,
        version=release.version,
        made=tx.now,
        embargo=release.embargo.until if release.embargo else None,
        at=release.at,
        released=release.released,
        drafted_by=release.drafted_by,
        approved_by=release.approved_by,
        mailings=tuple(_mailing(one, names) for one in figures(tx, release.id, item_id)),
        receipts=tuple(
            Receipt(
                name=_name(one.subject, names),
                partner=one.partner,
                state=one.state,
                code=one.code,
                settled=one.settled,
            )
            for one in answers(tx, release.id, item_id)
        ),
        changes=tuple(_changes(item, history)),
        item=_item_state(tx, uid, item),
    )


def _item_state(tx: Tx, uid: str, item: Item | None) -> ItemState | None:
    if item:
        return item.state
    return ItemState.REDACTED if wiped.marked(tx, uid) else None  # what never was public is redacted, too


def _changes(item: Item | None, history: list[Revision]) -> list[Change]:
    told = (Significance.CORRECTION, *GONE)
    return [
        Change(revision=one.number, significance=one.significance, created=one.created)
        for one in history
        if item and one.significance in told
    ]


def _mailing(one: Figures, names: Mapping[int, Revision]) -> Mailing:
    return Mailing(
        name=_name(one.subject, names),
        subject=one.subject,
        channel=one.channel,
        states=dict(one.states),
        first=one.first,
        last=one.last,
        reasons=tuple(_reasons(one.reasons)),
        repeated=one.repeated,
        bounced=one.bounced,
    )


def _reasons(found: Counter[tuple[DeliveryState, str]]) -> list[Reason]:
    """The commonest sorts of reasons; what is rarer is summed up by state."""
    common = found.most_common(MOST_REASONS)
    named = [Reason(state=state, words=words, count=count) for (state, words), count in common]
    rest: Counter[DeliveryState] = Counter()
    for (state, _), count in found.most_common()[MOST_REASONS:]:
        rest[state] += count
    return named + [Reason(state=state, words="other reasons", count=count) for state, count in rest.items()]


def _name(subject: str, names: Mapping[int, Revision]) -> str:
    """What a subject is called: "Advance copies, version 2", "Release", "Correction, revision 3"."""
    sort, _, rest = subject.partition("/")
    number = int(rest.rpartition("/")[2])
    match sort:
        case "advance":
            return f"Advance copies, version {number}"
        case "notice":
            return f"Notice {number} about the embargo"
        case "shown":
            return "Digests and newsletters it was in"
    if number == 1:
        return RELEASE
    revision = names.get(number)
    return f"{TOLD.get(revision.significance, 'Revision') if revision else 'Revision'}, revision {number}"
