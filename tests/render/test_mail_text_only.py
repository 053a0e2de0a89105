"""Letters without an HTML part, for contacts who want them so."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from syndicator.delivery.lanes import drain
from syndicator.publish import publish
from syndicator.store import Store, audience, wishes
from syndicator.wire.folder import Folder
from tests.delivery.test_mail import crew, letters
from tests.make import make_content, make_newsroom, make_subscription
from tests.render.letters import SLOTS, every


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize("sort", every())
def test_the_bare_letter_says_the_same(sort: str) -> None:
    """mail:LM9, mail:MC6: header by header and word by word the text of the whole letter, in lines as short."""
    whole = every()[sort]
    assert whole.bare
    raw = whole.bare.merge(SLOTS)
    one, both = read(raw), read(whole.merge(SLOTS))
    assert "text/plain" == one.get_content_type()
    assert one.get_content() == both.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    differ = ("content-type", "content-transfer-encoding")
    headers = [[pair for pair in m.items() if pair[0].lower() not in differ] for m in (one, both)]
    assert headers[0] == headers[1]
    assert max(raw) < 128
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


def test_who_wants_text_alone_gets_it(store: Store, tmp_path: Path) -> None:
    """mail:LM9: one release, and each recipient gets it in the form of their choice."""
    make_newsroom(store)
    with store.begin() as tx:
        for mail in ("a@x.example", "b@x.example"):
            make_subscription(tx, mail)
        jane = next(one for one in audience.contacts(tx) if one.address.typed == "a@x.example")
        wishes.edit_contact(tx, jane.id, text_only=True)
        publish(tx, "tag:x,1", make_content())
    assert 2 == drain(crew(store, lambda: Folder(tmp_path / "out")))
    forms = {str(one["to"]): one.get_content_type() for one in letters(tmp_path / "out")}
    assert {"a@x.example": "text/plain", "b@x.example": "multipart/alternative"} == forms
