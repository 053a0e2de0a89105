"""What an upstream brought under embargo and takes back: whoever has a copy of it is told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from syndicator import press
from syndicator.ingest.filing import take_back
from syndicator.model.delivery import DeliveryState
from syndicator.model.release import Embargo, NoticeKind, Release, ReleaseState
from syndicator.model.routing import Category, End, Route
from syndicator.store import Store, deliveries, releases
from tests.advances import accredited, end
from tests.ingest.filed import Origin, thing, waiting
from tests.make import NOW, make_newsroom

DRAFT = Route(category="press*", topics=("press",), end=End.DRAFT)
PRESS = (Category("Press"),)


@pytest.fixture
def room(store: Store) -> Store:
    make_newsroom(store, "policy", "press")
    return store


def sent_before(room: Store, origin: Origin) -> Release:
    """A draft an upstream brought under embargo, which somebody scheduled and an accredited reader has by now."""
    origin.reads(thing(embargo=Embargo(until=NOW + timedelta(days=1)), categories=PRESS))
    (draft,) = waiting(room)
    with room.begin() as tx:
        accredited(tx, "ann@x.example", "press")
        press.approve(tx, draft.uid, "editor")
        release = press.schedule(tx, draft.uid, None, "editor")
    assert 1 == end(room, f"advance/{release.uid}/1", DeliveryState.ACCEPTED)
    return release


def told(room: Store, uid: str) -> list[tuple[NoticeKind, datetime | None]]:
    with room.read() as tx:
        release = releases.named(tx, uid)
        due = {one.subject for one in deliveries.listing(tx) if one.state is DeliveryState.DUE}
        notices = releases.notices(tx, release.id)
    return [(one.kind, one.after) for one in notices if f"notice/{uid}/{one.number}" in due]


def test_what_its_origin_takes_back_is_told(room: Store) -> None:
    """mail:EM3: whoever has a copy of what an upstream brought is told first of all when the upstream deletes it."""
    origin = Origin(room, rules=(DRAFT,))
    release = sent_before(room, origin)
    with room.begin() as tx:
        take_back(tx, release.uid, "deleted")
    with room.read() as tx:
        now = releases.named(tx, release.uid)
    assert (ReleaseState.CANCELLED, release.moves + 1) == (now.state, now.moves)
    assert [(NoticeKind.CANCELLED, None)] == told(room, release.uid)
