"""Where bounces go: an address of its own for each letter, which nobody can make up."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.render.mail.envelope import MAC_BYTES, leaving, read_leaving, read_verp, verp

KEY, FORMER = b"k" * 32, b"f" * 32
IDS = st.integers(0, 2**63 - 1)


def local(delivery_id: int, key: bytes = KEY) -> str:
    return verp(key, delivery_id, "bounces.news.example").partition("@")[0]


@settings(max_examples=50)
@given(IDS, st.sampled_from([str.lower, str.upper, str.title]))
def test_a_bounce_tells_its_letter(delivery_id: int, fold: object) -> None:
    """mail:MC17 The local part has at most 64 octets of lower-case base32, and survives being folded."""
    assert callable(fold)
    mine = local(delivery_id)
    assert delivery_id == read_verp([KEY], fold(mine))
    assert delivery_id == read_verp([b"new" * 8, KEY], mine)
    assert len(mine) <= 64
    assert set(mine) <= set(string.ascii_lowercase + "234567+")


@settings(max_examples=50)
@given(IDS, st.integers(2, 30), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_forged_bounce_is_ignored(delivery_id: int, place: int, sign: str) -> None:
    """mail:MC17 Another key, another sign or another length says nothing; 80 bits of it are a MAC."""
    mine = local(delivery_id)
    assert read_verp([FORMER], mine) is None
    place = min(place, len(mine) - 1)
    changed = mine[:place] + sign + mine[place + 1 :]
    assert (delivery_id if changed == mine else None) == read_verp([KEY], changed)
    assert read_verp([KEY], mine + sign) is None
    assert read_verp([KEY], mine[:-1]) is None
    assert MAC_BYTES * 8 >= 64


@pytest.mark.parametrize(
    "odd", ["", "b+", "b+aaaa", "press", "b+" + "a" * 16, "b+" + "1" * 18, "b+" + "a" * 62, "B+ä" + "a" * 17, "b+" + "a" * 16 + "b" * 3]
)  # fmt: skip
def test_what_is_no_such_address_is_no_fault(odd: str) -> None:
    """mail:MC17 Whatever comes in as a local part, the answer is no delivery, never an error."""
    assert read_verp([KEY], odd) is None


def test_the_domain_is_in_a_labels_and_not_too_long() -> None:
    """mail:MC17, mail:MC18 Headers and envelope hold A-labels; a path has 254 octets."""
    assert verp(KEY, 7, "bücher.example").endswith("@xn--bcher-kva.example")
    with pytest.raises(Invalid, match=r"bounce_domain|domain"):
        verp(KEY, 7, ".".join(["x" * 60] * 4))


LEAVE = "Leave@bounces.example"


@settings(max_examples=30)
@given(
    IDS,
    st.sampled_from([str.lower, str.upper, str.title, str]),
    st.integers(0, 25),
    st.sampled_from("abcdez234567"),
)
def test_an_address_to_leave_by_tells_its_subscription(row: int, fold: object, place: int, sign: str) -> None:
    """mail:LM8, mail:LM6 However it is folded, and after a change of keys; another sign, key or purpose says nothing."""
    assert callable(fold)
    mine = leaving(KEY, row, LEAVE)
    head, token = mine[:6], mine.partition("@")[0][6:]
    assert ("Leave+", "bounces.example") == (head, mine.rpartition("@")[2])
    assert [row, row] == [
        read_leaving([KEY], LEAVE, fold(mine)),
        read_leaving([b"new" * 8, KEY], LEAVE, mine),
    ]
    assert read_leaving([FORMER], LEAVE, mine) is None
    changed = token[:place] + sign + token[place + 1 :]
    assert (row if changed == token else None) == read_leaving(
        [KEY], LEAVE, f"{head}{changed}@bounces.example"
    )
    assert read_verp([KEY], f"b+{token}") is None
    assert read_leaving([KEY], LEAVE, f"leave+{local(row)[2:]}@bounces.example") is None


@pytest.mark.parametrize(
    "odd", ["", "@", "leave@bounces.example", "leave+@bounces.example", "leave+ä@bounces.example"]
)
def test_what_is_no_address_to_leave_by_ends_nothing(odd: str) -> None:
    """mail:LM8 Whatever comes in, the answer is no subscription, never an error; one of another domain is not ours."""
    assert read_leaving([KEY], LEAVE, odd) is None
    assert read_leaving([KEY], LEAVE, leaving(KEY, 7, "leave@other.example")) is None


@pytest.mark.parametrize(
    "address", ["leave", "@x.example", f"{'l' * 40}@x.example", f"leave@{'.'.join(['x' * 60] * 4)}"]
)
def test_an_address_without_room_for_a_token_is_refused(address: str) -> None:
    """mail:LM8 At the start, in words, and not with each letter."""
    with pytest.raises(Invalid):
        leaving(KEY, 2**63 - 1, address)
