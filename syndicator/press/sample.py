"""Samples: the letter of a release, marked as a test, to addresses somebody named. They count nowhere.

A sample goes through the ledger like every letter, ahead of the releases, and carries no item: whoever got one
is not told of corrections because of it, and no plan or report speaks of it. Serves `release test`.
"""

from __future__ import annotations

from collections.abc import Sequence

from syndicator.errors import Invalid, Refused
from syndicator.model.audience import address
from syndicator.model.delivery import sample_subject
from syndicator.model.release import ReleaseState
from syndicator.press.rules import RULES, Rules
from syndicator.store import Tx, audit, deliveries, releases, suppressions
from syndicator.store.deliveries.owed import samples

MOST = 20  # addresses at once: more than that is a mailing


def sample(tx: Tx, uid: str, addresses: Sequence[str], by: str = "", *, rules: Rules = RULES) -> str:
    """Owe the release's letter as it stands, marked, to each of these addresses; returns the subject of the rows.

    Raises Invalid for what is no address, Refused for a suppressed one, for too many, and under embargo where
    mail may be read on its way (EM7).
    """
    release = releases.held_for_change(tx, uid)  # tests of one version are numbered one after the other
    wanted = {one.key: one for one in map(address, addresses)}
    if not wanted:
        raise Invalid("name at least one address")
    if len(wanted) > MOST:
        raise Refused(f"{len(wanted)} addresses are no test any more: name {MOST} at most")
    for one in wanted.values():
        if why := suppressions.barred(tx, one, own_affair=True):
            raise Refused(f"{one.typed} is {why}: nothing may be mailed there, a test neither")
    embargoed = release.embargo is not None and release.state is not ReleaseState.RELEASED
    if embargoed and not rules.tls_ok:
        raise Refused(
            f"release {uid} is under embargo and mail.tls is none: set mail.tls to starttls or tls to mail a test"
        )
    number = samples(tx, release.id, release.version) + 1
    subject = sample_subject(uid, release.version, str(number))
    for one in wanted.values():
        deliveries.plan_mailbox(tx, subject, one.typed, release_id=release.id, version=release.version)
    audit.record(tx, by, "release.test", uid, version=release.version, number=number, addresses=len(wanted))
    return subject
