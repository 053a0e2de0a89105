"""What a sign-up leads to, at each edge of its limits."""

from datetime import UTC, datetime

import pytest

from syndicator.model.audience import Cadence
from syndicator.model.consent import Wording, counted, truncated
from syndicator.model.joining import Counts, RequestState, Terms, Wish, outcome
from syndicator.model.suppression import Reason, Suppression

TERMS = Terms(per_network=3, per_domain=5, ceiling=8)
ASKED, KNOWN, QUIET = RequestState.ASKED, RequestState.KNOWN, RequestState.QUIET
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def suppressed(reason: Reason, domain: str = "") -> Suppression:
    """A suppression in force."""
    return Suppression(reason=reason, created=NOW, domain=domain)


@pytest.mark.parametrize(
    ("expected", "counts"),
    [
        (ASKED, Counts()),
        (QUIET, Counts(asked=1)),
        (ASKED, Counts(unanswered=2)),
        (QUIET, Counts(unanswered=3)),
        (ASKED, Counts(known=1)),
        (ASKED, Counts(network=2, domain=4, all=7)),
        (QUIET, Counts(network=3)),
        (QUIET, Counts(domain=5)),
        (QUIET, Counts(all=8)),
    ],
)
def test_limits_of_a_stranger(expected: RequestState, counts: Counts) -> None:
    """mail:LM4 security:R2 one confirmation a day, three ever, and so many for a network, a domain, and all."""
    assert expected is outcome(None, counts, TERMS, trap=False, news=True)


@pytest.mark.parametrize(
    ("expected", "counts"),
    [(KNOWN, Counts()), (QUIET, Counts(known=1)), (KNOWN, Counts(asked=1)), (QUIET, Counts(all=8))],
)
def test_who_is_on_the_list_is_told_once_a_day(expected: RequestState, counts: Counts) -> None:
    """mail:LM1 somebody who has all they wish for hears so, rate limited."""
    assert expected is outcome(None, counts, TERMS, trap=False, news=False)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("news", [True, False])
def test_suppressed_addresses_get_nothing(reason: Reason, *, news: bool) -> None:
    """mail:LM1 mail:LM10 only who left by themselves may be asked again."""
    became = outcome(suppressed(reason), Counts(), TERMS, trap=False, news=news)
    assert (QUIET if reason is not Reason.LEFT else ASKED if news else KNOWN) is became
    assert QUIET is outcome(suppressed(reason, "example.org"), Counts(), TERMS, trap=False, news=news)


def test_the_trap() -> None:
    """mail:LM4 whoever fills in what people do not see is mailed nothing."""
    assert QUIET is outcome(None, Counts(), TERMS, trap=True, news=True)


def test_a_wish_comes_back_as_it_was() -> None:
    """What a row keeps is the wish."""
    wish = Wish(address="jane@example.org", topics=("policy", "funding"), cadence=Cadence.WEEKLY, zone="UTC")
    assert wish == Wish.from_json(wish.as_json())


@pytest.mark.parametrize("ip", ["", "unknown", "192.0.2.1.1", "1/2/3", "::1::", None])
def test_what_is_no_address_is_kept_as_nothing(ip: str | None) -> None:
    """security:D7 nothing that is no IP address is written down as one."""
    assert (None, None) == (truncated(ip), counted(ip))


def test_networks_lose_their_end() -> None:
    """security:D7 mail:LM4 evidence keeps /24 and /48; limits count /24 and /64."""
    assert ("203.0.113.0/24", "2001:db8:1::/48") == (truncated("203.0.113.9"), truncated("2001:db8:1:2:3::4"))
    assert "2001:db8:1::/48" == truncated("2001:db8:1:2::/64")
    assert ("203.0.113.0/24", "2001:db8:1:2::/64") == (counted("203.0.113.9"), counted("2001:db8:1:2:3::4"))


def test_a_wording_has_a_hash_of_its_own() -> None:
    """mail:LM3 another version of the same words is another wording, and so are the words in another language."""
    one = Wording("1", "en", "Yes")
    others = {Wording("2", "en", "Yes").hash, Wording("1", "de", "Yes").hash, Wording("1", "en", "Yes.").hash}
    assert 3 == len(others - {one.hash})
    assert 64 == len(one.hash)
