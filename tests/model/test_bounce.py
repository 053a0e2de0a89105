"""When an address is given up: the rules of the score beside a plain oracle, and what codes mean for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.model.bounce import Kind, Score, Strike, kind_of_cause, kind_of_report, score
from syndicator.model.outcomes import Cause

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def _at(day: float) -> datetime:
    return START + day * DAY


def _given_up(strikes: list[Strike], accepted: list[datetime], now: datetime) -> bool:
    """The same by brute force, day by day, as mail:LM11 says it."""
    hard: set[object] = set()
    days: list[datetime] = []
    happened = sorted([*((one.at, one) for one in strikes), (now, None)], key=lambda pair: pair[0])
    for at, strike in happened:
        if days:
            for taken in accepted:
                if days[-1] <= taken and at - taken >= 7 * DAY:
                    hard, days = set(), []
                    break
        if strike is None:
            break
        if strike.kind not in (Kind.HARD, Kind.SOFT):
            continue
        days.append(at)
        if strike.sure:
            hard |= {"sure", "for sure"}
        if strike.kind is Kind.HARD:
            hard.add(at.date())
    if len(hard) >= 2:
        return True
    return len({one.date() for one in days}) >= 5 and max(days) - min(days) >= 10 * DAY


INSTANTS = st.integers(0, 24 * 30).map(lambda hours: START + timedelta(hours=hours))
STRIKES = st.lists(
    st.builds(Strike, st.sampled_from(Kind), INSTANTS, st.booleans().filter(lambda sure: not sure)),
    max_size=14,
)


@given(STRIKES, st.lists(INSTANTS, max_size=4), st.integers(0, 10))
def test_the_score_is_that_of_a_plain_oracle(
    strikes: list[Strike], accepted: list[datetime], later: int
) -> None:
    """mail:LM11, mail:LM12, mail:LM14 Hard on two days, soft on five over ten days, forgotten after quiet days."""
    now = _at(30 + later)
    assert _given_up(strikes, accepted, now) == score(strikes, accepted, now).given_up


@given(STRIKES, st.lists(INSTANTS, max_size=3))
def test_order_and_replays_do_not_matter(strikes: list[Strike], accepted: list[datetime]) -> None:
    """mail:LM13 The same events twice, in whatever order, score the same."""
    now = _at(31)
    assert score(strikes, accepted, now) == score([*reversed(strikes), *strikes], accepted, now)


@given(
    st.lists(
        st.builds(
            Strike, st.sampled_from([one for one in Kind if one not in (Kind.HARD, Kind.SOFT)]), INSTANTS
        )
    )
)
def test_nothing_else_ever_scores(strikes: list[Strike]) -> None:
    """mail:LM12, mail:LM14 Policy, delays, auto-replies and what is not understood never count against anybody."""
    assert Score() == score(strikes, [], _at(31))


def test_its_edges() -> None:
    """mail:LM11 Once to our face; twice by report, on separate days; five times over ten days, not over nine."""

    def up(*strikes: Strike, taken: tuple[float, ...] = (), now: float = 40) -> bool:
        return score(strikes, [_at(one) for one in taken], _at(now)).given_up

    def soft(*days: float) -> tuple[Strike, ...]:
        return tuple(Strike(Kind.SOFT, _at(one)) for one in days)

    first, same, next_ = (Strike(Kind.HARD, _at(day)) for day in (0, 0.9, 1))
    assert [True, False, False, True] == [
        up(Strike(Kind.HARD, _at(0), sure=True)),
        up(first),
        up(first, same),
        up(first, next_),
    ]
    assert [False, True, False] == [
        up(*soft(0, 2, 4, 6, 9.9)),
        up(*soft(0, 2, 4, 6, 10)),
        up(*soft(0, 0.5, 4, 6, 10)),
    ]
    # A letter that was taken and seven quiet days wipe it out; six do not, nor does a letter from before.
    assert [False, True, True] == [
        up(first, Strike(Kind.HARD, _at(8)), taken=(1,), now=8.1),
        up(first, Strike(Kind.HARD, _at(7.9)), taken=(1,), now=8.1),
        up(first, next_, taken=(-1,), now=30),
    ]


@pytest.mark.parametrize(
    ("action", "status", "words", "kind"),
    [
        ("failed", "5.1.1", "550 5.1.1 no such user", Kind.HARD),
        ("Failed", "5.0.0", "550 5.1.1 <j@x>: user unknown", Kind.HARD),
        ("failed", "4.1.1", "450 4.1.1 unverified recipient", Kind.SOFT),
        ("failed", "5.2.2", "552 5.2.2 mailbox full", Kind.SOFT),
        ("failed", "4.4.1", "connect to mx: Connection timed out", Kind.SOFT),
        ("failed", "5.4.7", "", Kind.SOFT),
        ("failed", "5.0.0", "", Kind.SOFT),
        ("failed", "5.7.1", "550 5.7.1 blocked by our list", Kind.POLICY),
        (
            "failed",
            "5.7.0",
            "552-5.7.0 This message was blocked because its content presents a security issue",
            Kind.POLICY,
        ),
        ("failed", "5.6.0", "554 5.6.0 content rejected", Kind.POLICY),
        ("failed", "5.1.1", "550 5.1.1 sender blocked by Spamhaus", Kind.POLICY),
        ("delayed", "4.2.2", "mailbox full", Kind.DELAYED),
        ("relayed", "2.1.9", "", Kind.RELAYED),
        ("expanded", "2.0.0", "", Kind.RELAYED),
        ("delivered", "2.1.5", "", Kind.RELAYED),
        ("exploded", "5.1.1", "", Kind.UNKNOWN),
        ("", "", "", Kind.UNKNOWN),
    ],
)
def test_what_a_report_says_of_an_address(action: str, status: str, words: str, kind: Kind) -> None:
    """mail:LM11, mail:LM12, mail:LM13 A dead address is not a full one, and neither is what they think of us."""
    assert kind is kind_of_report(action, status, words)[0]


def test_every_cause_has_a_kind_and_only_the_recipients_own_score() -> None:
    """mail:LM12 Throttled, blocked, too big, our own log-in: nobody on the list is blamed for these."""
    blamed = {cause for cause in Cause if kind_of_cause(cause) in (Kind.HARD, Kind.SOFT)}
    ours = {Cause.POLICY, Cause.CONTENT, Cause.TOO_BIG, Cause.AUTH, Cause.THROTTLED, Cause.UTF8}
    assert set(Cause) - ours == blamed
    assert {Cause.DEAD_ADDRESS, Cause.DISABLED, Cause.NO_MAIL} == {
        c for c in Cause if kind_of_cause(c) is Kind.HARD
    }
    assert Kind.SOFT is kind_of_cause(Cause.DEAD_ADDRESS, final=False)
