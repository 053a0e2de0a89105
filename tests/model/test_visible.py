"""Who may see a release, and when: every state, every actor, before and after."""

from datetime import timedelta

import pytest

from syndicator.model.release import Actor, Embargo, ReleaseState, visible
from tests.make import NOW, make_release

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("state", ReleaseState)
def test_the_public_sees_what_was_released_and_nothing_else(state: ReleaseState) -> None:
    """security:E1 no instant opens a release to the public: only its release does, in the transaction that makes the item."""
    release = make_release(state=state, embargo=Embargo(until=NOW), at=NOW, advance=NOW - HOUR)
    for now in (NOW - HOUR, NOW - TICK, NOW, NOW + HOUR):
        assert (state is ReleaseState.RELEASED) == visible(release, Actor.PUBLIC, now)


@pytest.mark.parametrize("state", ReleaseState)
def test_the_accredited_see_what_somebody_stands_for_from_its_advance_on(state: ReleaseState) -> None:
    """security:E1 an edit (draft again), a cancellation and a missed instant take it from them; nobody has it early."""
    release = make_release(state=state, embargo=Embargo(until=NOW + HOUR), at=NOW + HOUR, advance=NOW)
    out = state is ReleaseState.RELEASED
    assert out == visible(release, Actor.ACCREDITED, NOW - TICK)
    approved = state in (ReleaseState.APPROVED, ReleaseState.SCHEDULED)
    assert (out or approved) == visible(release, Actor.ACCREDITED, NOW)


def test_without_an_advance_the_accredited_are_the_public() -> None:
    """security:E1 a release that is sent to nobody in advance is seen by nobody in advance."""
    release = make_release(state=ReleaseState.SCHEDULED, at=NOW, advance=None)
    assert not visible(release, Actor.ACCREDITED, NOW + HOUR)


@pytest.mark.parametrize("state", ReleaseState)
def test_staff_see_everything(state: ReleaseState) -> None:
    """security:E1 whoever works on it must see it."""
    assert visible(make_release(state=state), Actor.STAFF, NOW)
