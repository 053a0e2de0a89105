"""A reader that polls us for a while ends with the right items. `make interop` does 200 steps."""

from __future__ import annotations

from syndicator.model.site import Format
from tests.interop.polling import poll_through


def test_a_polling_reader_ends_with_the_right_items(sqlite_url: str) -> None:
    """feeds:P8, H3, H6 Each item is announced once, in its present words; whoever has the version gets 304."""
    room, polled = poll_through(20, sqlite_url, seed=7)
    ever = set(room.uids)
    for format in Format:
        seen = polled[format]
        assert set(seen.new) <= ever
        assert set(seen.new.values()) == {1}
        assert {uid: title for uid, title in seen.final.items() if uid not in room.gone} == room.live()
        assert not seen.wrong
        assert seen.statuses.total() == 40
        assert seen.statuses[304] > 5
