"""Merged letters are sound whatever stands in their slots, so that the wire need not look through each."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.model.lines import Sound, is_sound
from tests.interop.dkim import _advance, _released, _slots

NAMES = st.text(max_size=300) | st.sampled_from(
    [".", ".x", "From here", "x" * 73 + ".y", ". " * 60, "ü" * 24 + "."]
)
PATHS = st.text("ab./?=&%~", max_size=820)


@settings(max_examples=150, deadline=None)
@given(name=NAMES, path=PATHS, left=st.from_regex(r"[a-z.+]{1,80}", fullmatch=True))
def test_no_slot_spoils_a_line(name: str, path: str, left: str) -> None:
    """mail:MC6, mail:MC20 Seven bits, CRLF, no line too long, none that begins with a dot; or the value is refused."""
    own = replace(
        _slots(0),
        to_name=name,
        to_address=f"{left}@paper.example",
        message_id=f"{left}@news.example",
        unsubscribe_url=f"https://news.example/{path}",
        preferences_url=f"https://news.example/.{path}",
        press_url=f"https://news.example/{path}/",
    )
    for template in (_released(), _advance()):
        try:
            message = template.merge(own)
        except Invalid:
            continue
        assert isinstance(message, Sound)
        assert is_sound(bytes(message))


def test_a_dot_at_the_head_of_a_line_is_encoded() -> None:
    """mail:MC20 Where a long address or name breaks before a dot, it reads =2E: nobody on the way doubles it."""
    url = "https://news.example/" + "x" * 52 + "." + "y" * 20
    message = _released().merge(replace(_slots(0), preferences_url=url, to_name=".hidden"))
    assert b"\r\n=2Eyyyy" in message
    assert b"\r\n=2Ehidden" in message
