"""The life of a release walked at random: released exactly once, to nobody before its time, whatever was done to it."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from syndicator import press
from syndicator.errors import IllegalMove, Invalid, Refused
from syndicator.model.delivery import DeliveryState
from syndicator.model.release import Embargo, ReleaseState
from syndicator.store import Store, audit, deliveries, items, open_store, releases
from syndicator.store.deliveries.advances import same_words
from tests.advances import UID, accredited, approved, end
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription

FEW = settings(
    max_examples=6,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate, Phase.shrink],
)
STEPS = st.integers(min_value=1, max_value=25).map(lambda n: timedelta(minutes=n))
MINUTES = st.integers(min_value=10, max_value=90).map(lambda n: timedelta(minutes=n))
WORDS = st.sampled_from(["One", "Two"])
ENDS = st.sampled_from(
    [DeliveryState.ACCEPTED, DeliveryState.UNKNOWN, DeliveryState.SENDING, DeliveryState.REFUSED]
)
ALIVE = (ReleaseState.APPROVED, ReleaseState.SCHEDULED)


class Life(RuleBasedStateMachine):
    """One release, four people, two workers; the oracles look at the ledger after every step."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        for part in self.template.parent.iterdir():
            shutil.copy(part, self.folder)
        url = f"sqlite:///{self.folder / self.template.name}"
        self.clock = FakeClock(NOW)
        self.stores = [open_store(url, host_clock=self.clock, fixed_clock=self.clock) for _ in range(2)]
        self.store = self.stores[0]
        self.allowed: datetime | None = None  # from when it may be public, as it stands
        self.lifted = False
        self.outs = 0  # how often something said that it made it public

    def teardown(self) -> None:
        """Give everything back."""
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)

    @initialize(after=MINUTES)
    def begin(self, after: timedelta) -> None:
        """People, and a first draft."""
        make_newsroom(self.store)
        with self.store.begin() as tx:
            accredited(tx, "ann@x.org")
            accredited(tx, "ben@x.org", cadence="weekly")
            accredited(tx, "cat@x.org")
            make_subscription(tx, "eve@x.org")
            press.draft(tx, UID, make_content("One"), Embargo(until=NOW + after))
        self._note()

    @rule(title=WORDS, after=MINUTES, same=st.booleans())
    def edit(self, title: str, after: timedelta, *, same: bool) -> None:
        """Other words, or another embargo, or neither."""
        with suppress(Refused), self.store.begin() as tx:
            embargo = releases.named(tx, UID).embargo if same else Embargo(until=tx.now + after)
            press.draft(tx, UID, make_content(title), embargo)
        self._note()

    @rule()
    def approve(self) -> None:
        """Somebody stands for it."""
        self._try(lambda tx: press.approve(tx, UID, "editor"))

    @rule(wanted=st.booleans())
    def schedule(self, *, wanted: bool) -> None:
        """At its embargo, with or without copies."""
        self._try(lambda tx: press.schedule(tx, UID, None, advance=wanted))

    @rule(after=MINUTES)
    def reschedule(self, after: timedelta) -> None:
        """Earlier or later."""
        self._try(lambda tx: press.reschedule(tx, UID, tx.now + after, earlier=True))

    @rule()
    def cancel(self) -> None:
        """Not at all."""
        self._try(lambda tx: press.cancel(tx, UID, "no"))

    @rule(undo=st.sampled_from([timedelta(), timedelta(minutes=3)]))
    def publish(self, undo: timedelta) -> None:
        """Now, or soon, unless the embargo holds."""
        if self._try(lambda tx: press.publish_now(tx, UID, "editor", undo)) and not undo:
            self.outs += 1

    @rule()
    def lift(self) -> None:
        """Early."""
        if self._try(lambda tx: press.lift(tx, UID, "editor")):
            self.lifted = True
            self.outs += 1

    @rule(how=ENDS, who=st.sampled_from(["ann@x.org", "ben@x.org", "cat@x.org"]))
    def send(self, how: DeliveryState, who: str) -> None:
        """A copy that is due goes out, or may have, or does not."""
        with self.store.read() as tx:
            version = releases.named(tx, UID).version
        end(self.store, f"advance/{UID}/{version}", how, who, doubts=int(how is DeliveryState.UNKNOWN))

    @rule(span=STEPS, worker=st.integers(min_value=0, max_value=1))
    def tick(self, span: timedelta, worker: int) -> None:
        """Time goes on, and both workers look."""
        self.clock.now += span
        for store in (self.stores[worker], self.stores[1 - worker]):
            self.outs += len(press.release_due(store).items)

    @invariant()
    def nobody_before_its_time(self) -> None:
        """No item, and no duty about one, before the embargo's end unless a person lifted it."""
        with self.store.read() as tx:
            item, release = items.find(tx, UID), releases.find(tx, UID)
            subjects = Counter(one.subject for one in deliveries.listing(tx))
        if release is None:
            return
        assert (item is not None) == (release.state is ReleaseState.RELEASED)
        if item is None:
            assert not subjects[f"revision/{UID}/1"]
        elif not self.lifted:
            assert self.allowed
            assert self.allowed <= item.published

    @invariant()
    def once(self) -> None:
        """It became public once, nobody has two duties about the same thing, and the record is whole."""
        with self.store.read() as tx:
            public = items.find(tx, UID) is not None
            rows = Counter((one.subject, one.recipient) for one in deliveries.listing(tx))
            assert [] == audit.verify(tx)
        assert int(public) == self.outs
        assert all(count == 1 for count in rows.values())

    @invariant()
    def only_what_stands_is_on_its_way(self) -> None:
        """A copy that waits is of the present version of something that is still to come (security:E4)."""
        with self.store.read() as tx:
            release = releases.find(tx, UID)
            waiting = {one.subject for one in deliveries.listing(tx) if one.state == DeliveryState.DUE}
        copies = {one for one in waiting if one.startswith("advance/")}
        if release is None or release.state not in ALIVE:
            assert not copies
        else:
            assert copies <= {f"advance/{UID}/{release.version}"}

    @invariant()
    def whoever_is_owed_it_gets_it(self) -> None:
        """Once public, everybody who subscribes at once has the item on its way, or its very words already."""
        with self.store.read() as tx:
            release = releases.find(tx, UID)
            if release is None or release.state is not ReleaseState.RELEASED:
                return
            got = {one.recipient for one in deliveries.listing(tx) if one.subject == f"revision/{UID}/1"}
            same = set(same_words(tx, release))
            has = {
                one.recipient
                for one in deliveries.listing(tx)
                if one.subject in same and one.state in (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN)
            }
        assert {"ann@x.org", "cat@x.org", "eve@x.org"} <= got | has
        assert not got & has

    def _try(self, act: object) -> bool:
        try:
            with self.store.begin() as tx:
                act(tx)  # type: ignore[operator]
        except (Refused, Invalid, IllegalMove):
            return False
        finally:
            self._note()
        return True

    def _note(self) -> None:
        with self.store.read() as tx:
            release = releases.find(tx, UID)
        if release and release.state is not ReleaseState.RELEASED:
            self.allowed = release.embargo.until if release.embargo else NOW


def test_a_release_lives_by_its_rules(sqlite_template: Path) -> None:
    """mail:EM3, security:E4, security:E6: any walk of drafts, approvals, moves, copies, lifts and ticks of two workers."""
    Life.template = sqlite_template
    run_state_machine_as_test(Life, settings=FEW)


# -- exactly once, with two workers that have a store each


@pytest.fixture
def two(store_url: str) -> Iterator[tuple[FakeClock, Store, Store]]:
    """Two processes' doors to one database."""
    clock = FakeClock(NOW)
    with (
        open_store(store_url, host_clock=clock, fixed_clock=clock) as one,
        open_store(store_url, host_clock=clock, fixed_clock=clock) as other,
    ):
        make_newsroom(one)
        with one.begin() as tx:
            accredited(tx, "ann@x.org")
            make_subscription(tx, "eve@x.org")
        yield clock, one, other


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-5, 5), st.booleans()), min_size=1, max_size=4))
def test_two_workers_lift_once_and_never_early(
    two: tuple[FakeClock, Store, Store], plan: list[tuple[int, int, bool]]
) -> None:
    """mail:EM3: whoever looks, and when, around the instant: nothing a tick before it, then one item, each duty once."""
    clock, *stores = two
    start = clock.now
    due: dict[str, datetime] = {}
    with stores[0].begin() as tx:
        for n, (after, _, _) in enumerate(plan):
            due[uid := f"tag:{start:%s%f}:{n}"] = start + timedelta(seconds=after + 1)
            approved(tx, uid, embargo=Embargo(until=due[uid]))
            press.schedule(tx, uid, None)
    seen: list[str] = []
    looks = sorted(
        (due[uid] + timedelta(microseconds=off), first)
        for uid, (_, off, first) in zip(due, plan, strict=True)
    )
    for moment, first in [*looks, (start + timedelta(minutes=1), True)]:
        clock.now = moment
        for store in stores if first else reversed(stores):
            seen += [item.uid for item in press.release_due(store).items]
        assert {uid for uid, instant in due.items() if instant <= clock.now} == set(seen)
    assert sorted(due) == sorted(seen)
    with stores[0].read() as tx:
        for uid in due:
            mails = Counter(
                one.recipient for one in deliveries.listing(tx) if one.subject == f"revision/{uid}/1"
            )
            assert {"ann@x.org": 1, "eve@x.org": 1} == mails
