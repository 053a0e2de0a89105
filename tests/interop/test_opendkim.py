"""What is signed here, before opendkim: it takes each letter, and none that was changed on its way."""

from __future__ import annotations

from syndicator.render.mail.dkim import signer
from tests.conftest import require_program
from tests.interop.dkim import SENDER, house_signer, letters, pem, spoilt
from tests.interop.opendkim import verdicts


def test_opendkim_agrees() -> None:
    """mail:MC13, mail:MC15 Signed letters verify; a second From, another header, another body does not."""
    program, signed = require_program("opendkim"), list(letters(12))
    assert [True] * 12 == verdicts(program, signed, house_signer())
    changed = dict(spoilt(signed[0]))
    assert [] == [
        what
        for what, good in zip(changed, verdicts(program, changed.values(), house_signer()), strict=True)
        if good
    ]


def test_opendkim_needs_the_right_key() -> None:
    """mail:MC13 With another key in DNS nothing verifies: the verifier is no rubber stamp."""
    program = require_program("opendkim")
    stranger = signer("news2026", pem(), "", SENDER.domain)
    assert [False] == verdicts(program, list(letters(1)), stranger)
