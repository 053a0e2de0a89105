"""The links of press copies and previews: one person's own, one version's own, good for their time alone."""

import string
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.signup import Preview, Purpose, Tokens
from tests.make import NOW

TOKENS = Tokens(["present key", "former key"])
ROWS = st.integers(1, 2**63 - 1)


@given(ROWS, ROWS)
@settings(max_examples=25)
def test_a_press_link_names_whom_and_what(contact: int, release: int) -> None:
    """mail:EM6 each recipient has a link of their own, and it is read as nothing else."""
    token = TOKENS.press_token(contact, release)
    assert (contact, release, 0) == TOKENS.read_press(token)
    assert TOKENS.read_preview(token, NOW) is None
    assert all(TOKENS.read(purpose, token) is None for purpose in Purpose)
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


@given(ROWS, ROWS, st.data())
@settings(max_examples=50)
def test_a_changed_press_link_is_none(contact: int, release: int, data: st.DataObject) -> None:
    """mail:MC22 nobody makes a link to another release, or another person's, from their own."""
    token = TOKENS.press_token(contact, release)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_=. %\n"))
    for other in (
        token[:place] + letter + token[place + 1 :],
        token[:place] + letter + token[place:],
        token[:-1],
        f"0{token}",
        f"1.{token}",
    ):
        if other != token:
            assert TOKENS.read_press(other) is None


@given(st.text(max_size=60) | st.from_regex(r"\A[0-9]{1,30}\.[0-9]{1,30}\.[0-9]{0,3}.{0,30}\Z"))
@settings(max_examples=50)
def test_no_text_breaks_the_reading(text: str) -> None:
    """Whatever stands in the address, there is an answer."""
    assert TOKENS.read_press(text) is None
    assert TOKENS.read_preview(text, NOW) is None


def test_a_preview_link_ends_by_itself() -> None:
    """security:E2 a preview is signed and expires; what it says about its end is signed with it."""
    ends = NOW + timedelta(hours=1)
    token = TOKENS.preview_token(5, 2, ends)
    assert Preview(5, 2, ends) == TOKENS.read_preview(token, ends - timedelta(microseconds=1))
    assert TOKENS.read_preview(token, ends) is None
    assert TOKENS.read_press(token) is None
    later = token.replace(str(int(ends.timestamp())), str(int(ends.timestamp()) + 60))
    assert TOKENS.read_preview(later, NOW) is None


def test_former_keys_read_press_links() -> None:
    """mail:LM6 links in mail that was sent survive a change of key."""
    before, after = Tokens(["old"]), Tokens(["new", "old"])
    assert (3, 4, 0) == after.read_press(before.press_token(3, 4))
    assert before.read_press(after.press_token(3, 4)) is None
