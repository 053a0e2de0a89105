"""Upstreams in the store: claims, fences, settlements and remembered identities, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from syndicator.errors import Conflict, Invalid, NotFound, Refused
from syndicator.model.cadence import CEILING, POLITE, TOLD, Pace
from syndicator.model.item import Kind, Significance
from syndicator.model.upstream import Relation, Upstream, Validators
from syndicator.store import Store, hubs, open_store, upstreams
from tests.make import NOW, FakeClock, make_newsroom

LEASE = timedelta(minutes=3)
READ = Validators(etag='W/"1"', last_modified="yesterday", body_hash="h")
HEARD = upstreams.Heard(validators=READ)


def make(slug: str = "cms", **other: object) -> Upstream:
    values = {"id": 0, "slug": slug, "url": f"https://{slug}.example/feed", "created": NOW, **other}
    return Upstream(**values)  # type: ignore[arg-type]


def add(store: Store, *slugs: str) -> None:
    with store.begin() as tx:
        for slug in slugs or ("cms",):
            upstreams.add(tx, make(slug))


def claim(store: Store, lease: timedelta = LEASE) -> upstreams.Claim:
    with store.begin() as tx:
        (claimed,) = upstreams.claim_due(tx, 1, lease)
    return claimed


def status(store: Store, slug: str = "cms") -> upstreams.Status:
    with store.read() as tx:
        return upstreams.status(tx, slug)


def test_every_field_comes_back(store: Store) -> None:
    """What was configured is what is read."""
    make_newsroom(store)
    wanted = make(
        relation=Relation.OWN,
        topics=("policy",),
        kind=Kind.STATEMENT,
        push=False,
        push_max_age=timedelta(hours=6),
        on_change=Significance.CORRECTION,
        hold=True,
        full_text=False,
        allow_private=("10.0.0.0/8",),
        file=True,
    )
    with store.begin() as tx:
        added = upstreams.add(tx, wanted)
        assert [added] == upstreams.listing(tx)
    assert {**_fields(wanted), "id": added.id} == _fields(added)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (make("No Slug"), Invalid),
        (make(url="file:///etc/passwd"), Invalid),
        (make(url="https://user:secret@cms.example/feed"), Invalid),
        (make(on_change=Significance.KILL), Invalid),
        (make(topics=("nowhere",)), NotFound),
    ],
)
def test_what_cannot_be_meant_is_refused(store: Store, wrong: Upstream, error: type[Exception]) -> None:
    """security:H2 — an address is a web address; only a person sends a kill; topics exist."""
    with store.begin() as tx, pytest.raises(error):
        upstreams.add(tx, wrong)


def test_a_slug_is_taken_once(store: Store) -> None:
    """The second upstream of a slug is refused and names `upstream edit`."""
    add(store)
    with store.begin() as tx, pytest.raises(Conflict, match="upstream edit"):
        upstreams.add(tx, make())


def test_a_claim_is_exclusive_until_its_lease_ends(store: Store, clock: FakeClock) -> None:
    """DESIGN §4 — claims make the loops of many workers safe together."""
    add(store, "a", "b")
    with store.begin() as tx:
        assert ["a", "b"] == [one.upstream.slug for one in upstreams.claim_due(tx, 5, LEASE)]
        assert upstreams.claim_due(tx, 5, LEASE) == []
        assert upstreams.next_check(tx) is None
    clock.advance(minutes=3)
    assert claim(store).lease_no == 2


def test_racing_workers_claim_each_upstream_once(store_url: str) -> None:
    """DESIGN §4 — four threads, twenty upstreams, twenty claims."""
    clock = FakeClock()
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        add(store, *(f"u{n}" for n in range(20)))

        def work(_: int) -> list[str]:
            mine: list[str] = []
            while True:
                with store.begin() as tx:
                    claims = upstreams.claim_due(tx, 1, LEASE)
                if not claims:
                    return mine
                mine += [one.upstream.slug for one in claims]

        with ThreadPoolExecutor(4) as pool:
            claimed = [slug for mine in pool.map(work, range(4)) for slug in mine]
        assert len(claimed) == len(set(claimed))
        with store.begin() as tx:  # SKIP LOCKED may pass by a row another thread was just taking
            claimed += [one.upstream.slug for one in upstreams.claim_due(tx, 20, LEASE)]
        assert sorted(claimed) == sorted(f"u{n}" for n in range(20))


def test_success_is_settled_with_validators(store: Store, clock: FakeClock) -> None:
    """feeds:I1, feeds:I4 — validators byte for byte; the next check after the interval, with jitter."""
    add(store)
    held = claim(store)
    with store.begin() as tx:
        assert upstreams.settle_success(tx, held, HEARD, fault="left out: one")
    now = status(store)
    assert (now.succeeded, now.failures, now.status, now.fault) == (NOW, 0, 200, "left out: one")
    assert now.next_check
    assert NOW + POLITE <= now.next_check <= NOW + POLITE * 1.1
    clock.advance(minutes=70)
    again = claim(store)
    assert again.validators == READ
    with store.begin() as tx:
        upstreams.settle_unchanged(tx, [(again, HEARD)])
    assert status(store).fault == "left out: one"


def test_failures_back_off_and_a_success_forgets_them(store: Store, clock: FakeClock) -> None:
    """feeds:I6 — the wait doubles up to a day; Retry-After is obeyed; validators stay."""
    add(store)
    waits = []
    for _ in range(9):
        held = claim(store)
        with store.begin() as tx:
            upstreams.settle_failure(tx, held, "the server answered 503", status=503)
        clock.advance(seconds=20)
        with store.begin() as tx:
            upstreams.poll_now(tx, "cms")
        waits.append(status(store).failures)
    assert waits == list(range(1, 10))
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_failure(tx, held, "no answer")
    assert status(store).next_check == clock() + CEILING
    clock.advance(seconds=1)
    with store.begin() as tx:
        upstreams.pause(tx, "cms", paused=False)
    held, five = claim(store), timedelta(hours=5)
    with store.begin() as tx:
        upstreams.settle_failure(tx, held, "429", status=429, retry_after=five)
    until = status(store).next_check
    assert until
    assert clock() + five <= until <= clock() + five * 1.1
    clock.advance(hours=1)
    with store.begin() as tx:
        upstreams.poll_now(tx, "cms")
    assert status(store).next_check == until


def test_gone_pauses(store: Store, clock: FakeClock) -> None:
    """feeds:I6 — 410 stops polling at once; resuming polls at once."""
    add(store)
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_failure(tx, held, "gone", status=410, gone=True)
        assert upstreams.next_check(tx) is None
    clock.advance(days=9)
    with store.begin() as tx:
        assert upstreams.claim_due(tx, 1, LEASE) == []
        upstreams.pause(tx, "cms", paused=False)
        assert len(upstreams.claim_due(tx, 1, LEASE)) == 1


def test_whoever_was_overtaken_settles_nothing(store: Store, clock: FakeClock) -> None:
    """delivery §1.4 — the fence: a later claim, another address and removal all end an earlier claim."""
    add(store)
    first = claim(store)
    clock.advance(minutes=4)
    second = claim(store)
    with store.begin() as tx:
        assert not upstreams.fence(tx, first)
        assert not upstreams.settle_success(tx, first, HEARD)
        assert not upstreams.settle_failure(tx, first, "late")
        assert upstreams.fence(tx, second)
        upstreams.edit(tx, make(url="https://other.example/feed"))
        assert not upstreams.settle_success(tx, second, HEARD)
    clock.advance(seconds=1)
    third = claim(store)
    with store.begin() as tx:
        upstreams.remove(tx, "cms")
        upstreams.add(tx, make())
        assert not upstreams.settle_failure(tx, third, "late")


def test_another_address_forgets_validators(store: Store, clock: FakeClock) -> None:
    """feeds:I2 — validators belong to their address."""
    add(store)
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_success(tx, held, HEARD)
        upstreams.edit(tx, make(push=False))
    clock.advance(hours=2)
    assert claim(store).validators == READ
    with store.begin() as tx:
        upstreams.edit(tx, make(url="https://other.example/feed"))
    clock.advance(seconds=1)
    assert claim(store).validators == Validators()


# -- hosts


def add_at(store: Store, hosts: Sequence[str]) -> None:
    """An upstream on each of these hosts, all due."""
    with store.begin() as tx:
        for number, host in enumerate(hosts):
            upstreams.add(tx, make(f"u{number}", url=f"https://{host}/{number}"))


def claimed(store: Store, limit: int = 9) -> list[str]:
    """Who is claimed now."""
    with store.begin() as tx:
        return [one.upstream.slug for one in upstreams.claim_due(tx, limit, LEASE)]


def test_a_host_is_asked_one_at_a_time_and_not_at_once_again(store: Store, clock: FakeClock) -> None:
    """feeds:I4: while one feed of a host is asked, and for a second after that began, no other one is."""
    add_at(store, ["a.example", "A.example", "b.example"])
    assert ["u0", "u2"] == claimed(store)
    clock.advance(minutes=1)
    assert [] == claimed(store)  # u0 is still being asked
    with store.begin() as tx:
        upstreams.pause(tx, "u0", paused=True)
    clock.advance(minutes=3)
    assert ["u2", "u1"] == sorted(claimed(store), reverse=True)


def test_the_host_is_free_after_a_second(store: Store, clock: FakeClock) -> None:
    """feeds:I4: a feed that was settled at once leaves its host alone for the rest of the second."""
    add_at(store, ["a.example", "a.example"])
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_success(tx, held, HEARD)
    clock.advance(seconds=0.9)
    assert [] == claimed(store)
    clock.advance(seconds=0.1)
    assert ["u1"] == claimed(store)


def test_a_crowded_host_stands_in_nobodys_way(store: Store) -> None:
    """feeds:I4: fifty feeds of one host that wait longest leave the slots to the others; folders have no host."""
    add_at(store, ["crowd.example"] * 50 + ["a.example", "b.example"])
    with store.begin() as tx:
        for slug in ("x", "y"):
            upstreams.add(tx, make(slug, url=f"file:///srv/{slug}/", relation=Relation.OWN))
    assert ["u0", "u50", "u51"] == claimed(store, 3)
    assert ["x", "y"] == claimed(store, 3)


def test_racing_workers_share_a_host(store_url: str) -> None:
    """feeds:I4: of many workers that claim at the same instant one gets the host."""
    clock = FakeClock()
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        add_at(store, ["a.example"] * 8)
        with ThreadPoolExecutor(4) as pool:
            got = [slug for mine in pool.map(lambda _: claimed(store), range(8)) for slug in mine]
        assert ["u0"] == got


def test_some_are_claimed_by_name(store: Store, clock: FakeClock) -> None:
    """DESIGN §6, upstream poll: due or not, one of a host at a time as ever."""
    add_at(store, ["a.example", "a.example", "b.example", "c.example"])
    for held in (claim(store), claim(store)):
        with store.begin() as tx:
            upstreams.settle_success(tx, held, HEARD)
    clock.advance(seconds=2)
    with store.begin() as tx:
        some = upstreams.claim_some(tx, ["u0", "u1", "u2"], 9, LEASE)
        assert {"u1", "u2"} == {one.upstream.slug for one in some}  # u1 has waited longest of its host
        assert upstreams.any_free(tx, ["u0"])
        assert not upstreams.any_free(tx, ["u1"])


# -- pings


def test_a_ping_makes_due_at_once_but_not_too_often(store: Store, clock: FakeClock) -> None:
    """feeds:I4: twenty seconds lie between two polls, however often somebody pings, and no ping puts one off."""
    add(store)
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_success(tx, held, HEARD)
    clock.advance(seconds=5)
    for _ in range(3):
        with store.begin() as tx:
            upstreams.poll_now(tx, "cms")
    assert status(store).next_check == NOW + timedelta(seconds=20)
    clock.advance(hours=1)
    with store.begin() as tx:
        upstreams.poll_now(tx, "cms")
    assert status(store).next_check == NOW + timedelta(seconds=20)


def test_a_ping_during_a_poll_is_not_lost(store: Store, clock: FakeClock) -> None:
    """feeds:I4: the poll may have asked before what the ping is about; another one follows, and only one."""
    add(store)
    for settle in (
        lambda tx, held: upstreams.settle_success(tx, held, HEARD),
        lambda tx, held: upstreams.settle_unchanged(tx, [(held, HEARD)]),
        lambda tx, held: upstreams.settle_failure(tx, held, "no answer"),
    ):
        held, began = claim(store), clock()
        clock.advance(seconds=2)
        with store.begin() as tx:
            upstreams.poll_now(tx, "cms")
        clock.advance(seconds=2)
        with store.begin() as tx:
            settle(tx, held)
        assert status(store).next_check == began + timedelta(seconds=20)
        clock.advance(seconds=20)
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_success(tx, held, HEARD)
    assert (status(store).next_check or NOW) >= clock() + POLITE


# -- what an answer says


def heard(**other: object) -> upstreams.Heard:
    return replace(HEARD, **other)  # type: ignore[arg-type]


def test_a_pace_is_remembered_until_the_next_reading(store: Store, clock: FakeClock) -> None:
    """feeds:I4: what feed and header said holds for unchanged answers, too; the clock outlives a restart."""
    add(store)
    day = timedelta(hours=12)
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_success(tx, held, heard(pace=Pace(interval=day), header=timedelta(hours=2)))
    until = status(store).next_check
    assert until
    assert NOW + day <= until <= NOW + day * 1.1
    with store.begin() as tx:
        assert upstreams.next_check(tx) == until
    clock.advance(days=1)
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_unchanged(tx, [(held, HEARD)])
    assert (status(store).next_check or NOW) >= clock() + day
    clock.advance(days=1)
    held = claim(store)
    assert held.pace == Pace(interval=day, header=timedelta(hours=2))
    with store.begin() as tx:
        upstreams.settle_success(tx, held, heard(pace=Pace()))
    assert (status(store).next_check or NOW) <= clock() + POLITE * 1.1


def test_a_hub_that_tells_us_makes_polls_few(store: Store) -> None:
    """feeds:W5: a slow poll stays as a safety net."""
    add(store)
    with store.begin() as tx:
        hubs.want(tx, upstreams.named(tx, "cms").id, "https://hub.example/", "https://cms.example/feed")
        tx.connection.exec_driver_sql("UPDATE hub_subscriptions SET state = 'active'")
    held = claim(store)
    assert held.told
    with store.begin() as tx:
        upstreams.settle_success(tx, held, HEARD)
    assert (status(store).next_check or NOW) >= NOW + TOLD
    assert status(store).hub == "active"


NEW = "https://new.example/feed"


@pytest.mark.parametrize("unchanged", [True, False])
def test_a_move_is_believed_after_days(store: Store, clock: FakeClock, unchanged: bool) -> None:  # noqa: FBT001
    """feeds:I5: a permanent redirect is followed at once and believed once it has held for three days without a break."""
    add(store)

    def answer(moved: str | None) -> str:
        clock.advance(days=1)
        held = claim(store)
        with store.begin() as tx:
            if unchanged:
                upstreams.settle_unchanged(tx, [(held, heard(moved=moved))])
            else:
                upstreams.settle_success(tx, held, heard(moved=moved))
            return upstreams.named(tx, "cms").url

    old = "https://cms.example/feed"
    assert [old] * 3 == [answer(NEW) for _ in range(3)]
    assert status(store).moved_to == NEW
    assert [old] * 4 == [answer(moved) for moved in (None, NEW, NEW, NEW)]
    assert NEW == answer(NEW)
    assert status(store).moved_to is None
    clock.advance(days=1)
    assert claim(store).validators == READ  # they belong to where the redirect led (feeds:I2)


def test_the_file_keeps_its_address(store: Store, clock: FakeClock) -> None:
    """feeds:I5, DESIGN §5.12: what the file says only the file changes; the fault names the new address."""
    with store.begin() as tx:
        upstreams.add(tx, make(file=True))
    for _ in range(5):
        held = claim(store)
        with store.begin() as tx:
            upstreams.settle_unchanged(tx, [(held, heard(moved=NEW))])
        clock.advance(days=1)
    assert f"it has moved to {NEW}; change the address in the file" == status(store).fault
    with store.read() as tx:
        assert upstreams.named(tx, "cms").url != NEW


def test_unchanged_polls_are_settled_in_a_group(store: Store, clock: FakeClock) -> None:
    """feeds:I4, DESIGN §5.3: each gets its own clock; whoever was overtaken is left alone; the share is shown."""
    add(store, "a", "b", "c")
    with store.begin() as tx:
        held = upstreams.claim_due(tx, 9, LEASE)
        upstreams.edit(tx, make("c", url="https://other.example/feed"))
        upstreams.settle_unchanged(tx, [(one, heard(status=304)) for one in held])
        upstreams.settle_unchanged(tx, [])
    a, b, c = (status(store, slug) for slug in "abc")
    assert (a.polls, a.unmodified, a.status, a.succeeded, c.polls) == (1, 1, 304, NOW, 0)
    assert a.next_check != b.next_check
    clock.advance(hours=2)
    held_a = next(one for one in _claims(store) if one.upstream.slug == "a")
    with store.begin() as tx:
        upstreams.settle_success(tx, held_a, HEARD)
    assert (status(store, "a").polls, status(store, "a").unmodified) == (2, 1)


def test_leases_are_kept_and_given_back(store: Store, clock: FakeClock) -> None:
    """DESIGN §4: whoever lives keeps its claims; what was broken off is due at once, with nothing else changed."""
    add(store)
    held = claim(store)
    clock.advance(minutes=2)
    with store.begin() as tx:
        upstreams.renew(tx, [held], LEASE)
    clock.advance(minutes=2)
    with store.begin() as tx:
        assert upstreams.claim(tx, "cms", LEASE) is None
        upstreams.give_back(tx, [held])
        upstreams.renew(tx, [held], LEASE)  # too late
    assert claim(store).failures == 0


def test_what_a_hub_brought_leaves_the_clock_alone(store: Store, clock: FakeClock) -> None:
    """feeds:W6: nobody was asked, so validators and next check stay; what could not be taken is asked for at once."""
    add(store)
    held = claim(store)
    with store.begin() as tx:
        upstreams.settle_success(tx, held, HEARD)
    before = status(store)
    clock.advance(minutes=1)
    for again in (False, True):
        with store.begin() as tx:
            pushed = upstreams.claim_pushed(tx, "cms", LEASE)
            assert pushed
            assert upstreams.settle_pushed(tx, pushed, again=again)
        if not again:
            assert status(store) == before
    assert status(store).next_check == clock()
    assert claim(store).validators == Validators(body_hash="")


def test_a_page_that_names_its_feed_is_left_for_it(store: Store, clock: FakeClock) -> None:
    """feeds:I11: another address from now on, at once, known as nothing before."""
    add(store)
    held = claim(store)
    with store.begin() as tx:
        assert upstreams.settle_elsewhere(tx, held, NEW)
        assert upstreams.named(tx, "cms").url == NEW
    clock.advance(seconds=1)
    again = claim(store)
    assert (again.upstream.host, again.validators, again.failures) == ("new.example", Validators(), 1)


def test_a_yes_is_given_once_something_waits(store: Store, clock: FakeClock) -> None:
    """DESIGN §2: what waits for a yes is counted; the yes makes it due, and is told to the next poll."""
    add(store)
    held = claim(store)
    with store.begin() as tx:
        with pytest.raises(Refused, match="upstream show"):
            upstreams.accept(tx, "cms", "push")
        upstreams.ask(tx, held, 40)
        upstreams.settle_success(tx, held, HEARD)
    assert status(store).asking == 40
    clock.advance(seconds=1)
    with store.begin() as tx:
        upstreams.accept(tx, "cms", "quiet")
    again = claim(store)
    assert (again.asking, again.accepted) == (40, "quiet")
    with store.begin() as tx:
        upstreams.answered(tx, again)
    assert status(store).asking is None


def _claims(store: Store) -> list[upstreams.Claim]:
    with store.begin() as tx:
        return upstreams.claim_due(tx, 9, LEASE)


def test_unknown_slugs_are_named(store: Store) -> None:
    """Every door says the same: there is no such upstream, and how to list them."""
    with store.begin() as tx:
        for act in (upstreams.named, upstreams.status, upstreams.remove, upstreams.poll_now):
            with pytest.raises(NotFound, match="upstream list"):
                act(tx, "none")


def _fields(upstream: Upstream) -> dict[str, object]:
    return {name: getattr(upstream, name) for name in Upstream.__dataclass_fields__}
