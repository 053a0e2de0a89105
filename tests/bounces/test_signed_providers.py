"""What Mailgun and SendGrid say, and whether it is theirs: signatures of our own making, events as documented."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from syndicator.bounces.providers import mailgun, postmark, sendgrid, ses
from syndicator.bounces.providers.fields import text
from syndicator.errors import Invalid, Refused
from syndicator.model.bounce import Kind
from syndicator.settings import values
from tests.bounces import signed
from tests.bounces.signed import MAILGUN_KEY, SENDGRID_KEY, event, failure, posted
from tests.bounces.test_providers import JSON
from tests.make import NOW

JANE = "jane@press.example"
MINUTES = timedelta(minutes=1)


def _said(**how: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(signed.mailgun({"event": "failed"}, **how))
    return said


def test_what_mailgun_signed_is_believed() -> None:
    """mail:LM16 HMAC-SHA256 of instant and token; a repeat of eight hours ago, and a clock a little ahead."""
    for at in (NOW, NOW - timedelta(hours=8), NOW + 4 * MINUTES):
        said = _said(at=at, token="t" * 50)
        assert "t" * 50 == mailgun.token_of(said, MAILGUN_KEY, NOW)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"signature": []},
        {"signature": {}},
        _said(key="another key"),
        _said(at=NOW - timedelta(hours=13)),
        _said(at=NOW + 6 * MINUTES),
        _said(token="short"),
        _said(token="t" * 30 + "\n"),
        {"signature": _said()["signature"] | {"token": "u" * 50}},
        {"signature": _said()["signature"] | {"timestamp": str(int(NOW.timestamp()) + 1)}},
        {"signature": _said()["signature"] | {"signature": "ä" * 64}},
        {"signature": _said()["signature"] | {"signature": None}},
    ],
)
def test_what_mailgun_did_not_sign_is_refused(said: dict[str, Any]) -> None:
    """mail:LM16 Another key, token or instant, too old, from the future, or nothing at all."""
    with pytest.raises(Refused):
        mailgun.token_of(said, MAILGUN_KEY, NOW)


def test_what_sendgrid_signed_is_believed() -> None:
    """mail:LM16 ECDSA over instant and bytes; a repeat of yesterday, and a clock a little ahead."""
    for at in (NOW, NOW - timedelta(days=1), NOW + 4 * MINUTES):
        sendgrid.check(SENDGRID_KEY, *posted([event(JANE)], at=at), NOW)


def _spoilt() -> dict[str, tuple[bytes, dict[str, str]]]:
    body, headers = posted([event(JANE)])
    sign, instant = sendgrid.SIGNATURE, sendgrid.INSTANT
    return {
        "another word": (body.replace(b"bounce", b"Bounce"), headers),
        "a blank more": (body + b" ", headers),
        "another key": posted(body, key=ec.generate_private_key(ec.SECP256R1())),
        "no signature": (body, {instant: headers[instant]}),
        "no instant": (body, {sign: headers[sign]}),
        "no header": (body, {}),
        "a signature that is none": (body, headers | {sign: "!!"}),
        "another instant": (body, headers | {instant: str(int(headers[instant]) + 1)}),
        "too old": posted(body, at=NOW - timedelta(days=2, minutes=1)),
        "the future": posted(body, at=NOW + 6 * MINUTES),
        "an instant that is none": posted(body, instant="soon"),
        "a huge instant": posted(body, instant="9" * 30),
    }


@pytest.mark.parametrize("name", _spoilt())
def test_what_sendgrid_did_not_sign_is_refused(name: str) -> None:
    """mail:LM16 Each in words of its own, and never with a fault."""
    with pytest.raises(Refused):
        sendgrid.check(SENDGRID_KEY, *_spoilt()[name], NOW)


def test_the_public_key_is_looked_at_with_the_settings() -> None:
    """mail:LM16 One line of base64 with a point of P-256; anything else is a fault of the settings."""
    assert [SENDGRID_KEY, ""] == [values.CURVE_KEY.read(one) for one in (SENDGRID_KEY, "")]
    pem = f"-----BEGIN PUBLIC KEY-----\n{SENDGRID_KEY}\n-----END PUBLIC KEY-----"
    for wrong in ("x", "ü", SENDGRID_KEY[:-4], "A" + SENDGRID_KEY[1:], pem):
        with pytest.raises(Invalid, match="P-256"):
            values.CURVE_KEY.read(wrong)
    nowhere = base64.b64encode(base64.b64decode(SENDGRID_KEY)[:27] + bytes(64)).decode()  # on no curve
    with pytest.raises(Refused):
        sendgrid.check(nowhere, *posted([]), NOW)


MAILGUN: dict[str, tuple[dict[str, Any], Kind]] = {
    "dead": (failure(JANE), Kind.HARD),
    "dead, in no words": (
        failure(JANE, status={"message": "", "enhanced-code": "", "code": 550}),
        Kind.HARD,
    ),
    "full": (
        failure(JANE, status={"code": 552, "message": "5.2.2 Mailbox full", "enhanced-code": "5.2.2"}),
        Kind.SOFT,
    ),
    "refused us": (
        failure(JANE, status={"message": "5.7.1 blocked using Spamhaus", "enhanced-code": "5.7.1"}),
        Kind.POLICY,
    ),
    "still tried": (
        failure(JANE, severity="temporary", reason="generic", status={"code": 451, "message": "4.3.0 later"}),
        Kind.DELAYED,
    ),
    "tried for too long": (
        failure(
            JANE,
            severity="temporary",
            reason="old",
            status={"code": 498, "message": "No MX for press.example", "enhanced-code": ""},
        ),
        Kind.SOFT,
    ),
    "tried for too long, whatever its code": (
        failure(JANE, severity="temporary", reason="old"),
        Kind.SOFT,
    ),
    "remembered as dead": (
        failure(
            JANE,
            reason="suppress-bounce",
            status={
                "code": 605,
                "message": "",
                "description": "Not delivering to previously bounced address",
            },
        ),
        Kind.HARD,
    ),
    "remembered as complaining": (failure(JANE, reason="suppress-complaint"), Kind.COMPLAINT),
    "remembered as gone": (failure(JANE, reason="suppress-unsubscribe"), Kind.LEFT),
    "complaint": (failure(JANE, event="complained"), Kind.COMPLAINT),
    "left by their link": (failure(JANE, event="unsubscribed"), Kind.LEFT),
    "refused by Mailgun": (
        failure(JANE, event="rejected", reject={"reason": "Sandbox subdomains are for test purposes only"}),
        Kind.POLICY,
    ),
    "unheard of": (failure(JANE, event="teleported"), Kind.UNKNOWN),
    "nothing": ({}, Kind.UNKNOWN),
}


@pytest.mark.parametrize("name", MAILGUN)
def test_what_mailgun_says(name: str) -> None:
    """mail:LM16, mail:LM12, mail:LM13 By their codes; what is still tried is no bounce, what blocks us no fault of theirs."""
    said, kind = MAILGUN[name]
    assert kind is mailgun.told(said, "h").about(JANE).kind


SENDGRID: dict[str, tuple[dict[str, Any], Kind]] = {
    "dead": (event(JANE), Kind.HARD),
    "dead, in no words": (event(JANE, reason="", status=""), Kind.HARD),
    "dead, by its class": (
        event(JANE, reason="550 sorry", bounce_classification="Invalid Address"),
        Kind.HARD,
    ),
    "full": (event(JANE, status="5.2.2", reason="552 5.2.2 mailbox full"), Kind.SOFT),
    "refused us": (event(JANE, status="5.7.1", reason="550 5.7.1 blocked using Spamhaus"), Kind.POLICY),
    "refused us, by its class": (event(JANE, bounce_classification="Reputation"), Kind.POLICY),
    "too much of us": (event(JANE, bounce_classification="Frequency or Volume Too High"), Kind.POLICY),
    "blocked, whatever its code": (
        event(JANE, type="blocked", status="5.1.1", reason="550 5.1.1 no user"),
        Kind.SOFT,
    ),
    "blocked, out of reach": (
        event(JANE, type="blocked", status="4.0.0", reason="delivery attempts expired"),
        Kind.SOFT,
    ),
    "remembered as dead": (event(JANE, "dropped"), Kind.HARD),
    "remembered as complaining": (event(JANE, "dropped", reason="Spam Reporting Address"), Kind.COMPLAINT),
    "remembered as gone": (event(JANE, "dropped", reason="Unsubscribed Address"), Kind.LEFT),
    "dropped for our words": (event(JANE, "dropped", reason="Spam Content"), Kind.POLICY),
    "still tried": (event(JANE, "deferred"), Kind.DELAYED),
    "complaint": (event(JANE, "spamreport"), Kind.COMPLAINT),
    "left by their link": (event(JANE, "unsubscribe"), Kind.LEFT),
    "left a group of theirs": (event(JANE, "group_unsubscribe", asm_group_id=10), Kind.LEFT),
    "came back to it": (event(JANE, "group_resubscribe", asm_group_id=10), Kind.UNKNOWN),
    "unheard of": (event(JANE, "teleported"), Kind.UNKNOWN),
    "nothing": ({}, Kind.UNKNOWN),
}


@pytest.mark.parametrize("name", SENDGRID)
def test_what_sendgrid_says(name: str) -> None:
    """mail:LM16, mail:LM12, mail:LM13 By event, type and class; a block is not a dead address."""
    said, kind = SENDGRID[name]
    assert kind is sendgrid.told(said, "h").about(JANE).kind


def test_how_they_show_which_letter_they_mean() -> None:
    """mail:LM16, mail:LM13 By our Message-ID, with or without brackets, and our token where it is the sender."""
    said = failure(JANE, envelope={"sender": "b+token@bounces.example"})
    found = mailgun.told(said, "h")
    assert ("20260302.1@society.example",) == found.returned.message_ids
    assert (("b+token",), (JANE,)) == (found.tokens, found.returned.recipients)
    found = sendgrid.told(event(JANE, **{"smtp-id": "<a@society.example>"}), "h")
    assert (("a@society.example",), (JANE,)) == (found.returned.message_ids, found.returned.recipients)


def test_events_are_told_apart_by_what_names_them() -> None:
    """mail:LM13 Mailgun's ids are unique within a day alone; what has none is known by the bytes it came in."""
    later = failure(JANE, timestamp=NOW.timestamp() + 86_400)
    keys = {mailgun.told(one, "h").key for one in (failure(JANE), failure(JANE), later)}
    assert 2 == len(keys)
    assert ["h", "h"] == [mailgun.told({}, "h").key, sendgrid.told({}, "h").key]


def test_what_somebody_read_is_nobodys_business() -> None:
    """mail:LM16 Opens and clicks of any provider are passed over, and so is what says that all is well."""
    assert all(mailgun.silent({"event": one}) for one in ("opened", "clicked", "accepted", "delivered"))
    assert all(sendgrid.silent({"event": one}) for one in ("open", "click", "processed", "delivered"))
    assert all(postmark.silent({"RecordType": one}) for one in ("Open", "Click"))
    assert all(ses.silent({"eventType": one}) for one in ("Open", "Click"))
    heard = ("failed", "complained", "bounce", "Bounce", "", None, 7)
    assert not any(mailgun.silent({"event": one}) or sendgrid.silent({"event": one}) for one in heard)
    assert not any(postmark.silent({"RecordType": one}) or ses.silent({"eventType": one}) for one in heard)


def test_what_no_database_takes_is_left_out() -> None:
    """mail:LM16 NUL and halves of characters, which JSON may write into an id: one event would stop a whole batch."""
    assert ["ab", "a?b", ""] == [
        text(json.loads(f'"{one}"')) for one in (r"a\u0000b", r"a\ud800b", r"\u0000")
    ]


NAMES = (
    "event id timestamp severity reason delivery-status message envelope recipient email type status".split()
)
WORDS = st.sampled_from(["failed", "bounce", "dropped", "permanent", "old"])


@given(st.dictionaries(st.sampled_from(NAMES), JSON | WORDS))
def test_no_event_breaks_them(said: dict[str, Any]) -> None:
    """mail:LM16 Fields of any sort in any place: an event that is not understood is kept as that."""
    for report in (mailgun.told(said, "h"), sendgrid.told(said, "h")):
        assert report.about(JANE).kind in Kind
        assert json.dumps(report.key)
