"""What SMTP can carry as it is, and that only such a message is called sound."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.model.lines import LONGEST_LINE, Sound, is_sound
from syndicator.wire.letters import Letter, Offer, objection
from syndicator.wire.smtp import _body

UNSOUND = [
    b"a\nb\r\n", b"a\rb\r\n", b"a\r", b"\n", b"\xc3\xa9\r\n", b"a\0b\r\n", b".\r\n", b"a\r\n.b", b"\r\n.\r\n",
    b"x" * (LONGEST_LINE + 1), b"a\r\n" + b"x" * (LONGEST_LINE + 1) + b"\r\nb",
]  # fmt: skip


@pytest.mark.parametrize("message", UNSOUND)
def test_what_is_not_sound(message: bytes) -> None:
    """mail:SE2, mail:MC6 A bare CR or LF, eight bits, a NUL, a dot at the head of a line, a line too long."""
    assert not is_sound(message)


def test_the_longest_line_is_sound() -> None:
    """mail:MC6 998 octets and CRLF."""
    assert is_sound(b"x" * LONGEST_LINE + b"\r\n")


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([b"a", b".", b"\r\n", b"\r", b"\n", b"\0", b"\xff", b"x" * 600])).map(b"".join)
)
def test_sound_needs_no_second_look(message: bytes) -> None:
    """mail:SE2 Whatever is called sound has no fault on any relay, and goes out as it is."""
    if is_sound(message):
        plain, known = (
            Letter(id=1, sender="a@b.example", recipient="c@d.example", message=form(message))
            for form in (bytes, Sound)
        )
        assert None is objection(plain, Offer()) is objection(known, Offer())
        assert _body(plain.message) == _body(known.message)
        assert b"".join(_body(plain.message)).startswith(message)
