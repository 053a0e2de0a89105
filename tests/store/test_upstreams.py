"""Upstreams in the store: claims, fences, settlements and remembered identities, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from syndicator.errors import Conflict, Invalid, NotFound
from syndicator.model.cadence import CEILING, POLITE
from syndicator.model.item import Kind, Significance
from syndicator.model.upstream import Relation, Upstream, Validators
from syndicator.store import Store, open_store, upstreams
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
    assert claim(store).validators == Validators()


def test_unknown_slugs_are_named(store: Store) -> None:
    """Every door says the same: there is no such upstream, and how to list them."""
    with store.begin() as tx:
        for act in (upstreams.named, upstreams.status, upstreams.remove, upstreams.poll_now):
            with pytest.raises(NotFound, match="upstream list"):
                act(tx, "none")


def _fields(upstream: Upstream) -> dict[str, object]:
    return {name: getattr(upstream, name) for name in Upstream.__dataclass_fields__}
