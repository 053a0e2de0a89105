"""What providers say, and whether it is theirs: signatures of a self-made Amazon, and events as they are documented."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from syndicator.bounces.providers import postmark, ses, sns
from syndicator.errors import Refused
from syndicator.model.bounce import Kind
from tests.bounces import provided
from tests.bounces.provided import CERTIFICATE, LINK, TOPIC, bounce, certificate, message
from tests.make import NOW

JANE = "jane@press.example"


def _desk(answer: bytes | None = None) -> tuple[sns.Desk, list[str]]:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return certificate() if answer is None else answer

    return sns.Desk({TOPIC}, fetch), asked


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("more", [{}, {"Subject": "Amazon SES"}, {"Timestamp": "2026-02-20T09:00:00.000Z"}])
def test_what_sns_signed_is_believed(version: str, more: dict[str, Any]) -> None:
    """mail:LM16 SHA1 and SHA256, with and without a subject, and a retry of ten days ago; one certificate is fetched once."""
    desk, asked = _desk()
    for _ in range(3):
        desk.check(message("words\nüber", version, **more), NOW)
    assert [CERTIFICATE] == asked


def _spoilt() -> dict[str, dict[str, Any]]:
    good, host = message("words"), "https://sns.eu-west-1.amazonaws.com"
    other = rsa.generate_private_key(65537, 2048)
    return {
        "another word": good | {"Message": "other words"},
        "another key": message("words", key=other),
        "no signature": good | {"Signature": None},
        "a signature that is none": good | {"Signature": "!!"},
        "another topic": message("words", TopicArn=f"{TOPIC}2"),
        "no topic": {},
        "another version": good | {"SignatureVersion": "3"},
        "another type": message("words", Type="Nothing"),
        "the future": message("words", Timestamp="2026-03-02T09:06:00.000Z"),
        "no instant": message("words", Timestamp="soon"),
        "another host": message("words", SigningCertURL=f"https://evil.example/{CERTIFICATE[30:]}"),
        "a host that looks like it": message(
            "words", SigningCertURL=CERTIFICATE.replace(".com", ".com.evil.example")
        ),
        "a user before it": message(
            "words", SigningCertURL=CERTIFICATE.replace("https://", "https://sns.x.com@evil.example/")
        ),
        "without TLS": message("words", SigningCertURL=CERTIFICATE.replace("https", "http")),
        "another port": message("words", SigningCertURL=CERTIFICATE.replace(".com/", ".com:8443/")),
        "another path": message("words", SigningCertURL=f"{host}/../x.pem"),
        "a line break": message("words", SigningCertURL=f"{CERTIFICATE}\n"),
    }


@pytest.mark.parametrize("name", _spoilt())
def test_what_it_did_not_sign_is_refused(name: str) -> None:
    """mail:LM16 Each in words of its own, and nothing is fetched from any host but Amazon's (pitfall 26)."""
    desk, asked = _desk()
    with pytest.raises(Refused):
        desk.check(_spoilt()[name], NOW)
    assert set(asked) <= {CERTIFICATE}


def test_a_certificate_must_be_one_that_holds_now() -> None:
    """mail:LM16 Neither rubbish nor one whose time is over."""
    for answer in (
        b"rubbish",
        certificate(begins=NOW - timedelta(days=366)),
        certificate(begins=NOW + timedelta(days=1)),
    ):
        with pytest.raises(Refused, match="certificate"):
            _desk(answer)[0].check(message("words"), NOW)


def test_a_subscription_is_confirmed_where_sns_is_and_nowhere_else() -> None:
    """mail:LM16 The link stands in what was signed, and still leads to Amazon's host alone."""
    desk, asked = _desk()
    desk.confirm({"SubscribeURL": LINK})
    assert [LINK] == asked
    for link in (
        "https://evil.example/?x",
        LINK.replace("https", "http"),
        LINK.replace(".com/", ".com.evil.example/"),
        None,
    ):
        with pytest.raises(Refused):
            desk.confirm({"SubscribeURL": link})
    assert [LINK] == asked


SES = {
    "dead": (bounce(JANE), Kind.HARD),
    "dead, in no words": (bounce(JANE, one={"status": None, "diagnosticCode": None}), Kind.HARD),
    "refused us": (
        bounce(JANE, one={"status": "5.7.1", "diagnosticCode": "smtp; 550 5.7.1 blocked"}),
        Kind.POLICY,
    ),
    "full": (
        bounce(
            JANE,
            kind="Transient",
            sub="MailboxFull",
            one={"status": "5.2.2", "diagnosticCode": "smtp; 552 5.2.2 full"},
        ),
        Kind.SOFT,
    ),
    "transient, general": (
        bounce(JANE, kind="Transient", one={"status": None, "diagnosticCode": None}),
        Kind.SOFT,
    ),
    "transient, whatever its code": (bounce(JANE, kind="Transient"), Kind.SOFT),
    "too large": (bounce(JANE, kind="Transient", sub="MessageTooLarge"), Kind.POLICY),
    "undetermined": (bounce(JANE, kind="Undetermined", one={"status": "", "diagnosticCode": ""}), Kind.SOFT),
    "complaint": (
        {
            "eventType": "Complaint",
            "complaint": {"complainedRecipients": [{"emailAddress": JANE}], "feedbackId": "f"},
        },
        Kind.COMPLAINT,
    ),
    "not spam": (
        {"notificationType": "Complaint", "complaint": {"complaintFeedbackType": "not-spam"}},
        Kind.NOT_SPAM,
    ),
    "delay": ({"eventType": "DeliveryDelay", "mail": {"destination": [JANE]}}, Kind.DELAYED),
    "delivered": ({"notificationType": "Delivery", "mail": {"destination": [JANE]}}, Kind.RELAYED),
    "unheard of": ({"eventType": "Teleported"}, Kind.UNKNOWN),
    "nothing": ({}, Kind.UNKNOWN),
    "bounce of nobody": (
        {"notificationType": "Bounce", "bounce": {"bouncedRecipients": "jane"}},
        Kind.UNKNOWN,
    ),
}


@pytest.mark.parametrize("name", SES)
def test_what_ses_says(name: str) -> None:
    """mail:LM16, mail:LM12 Bounces by their codes, Transient never dead; what is not known is kept as that."""
    event, kind = SES[name]
    assert kind is ses.told(event, "m").about(JANE).kind


def test_how_ses_shows_which_letter_it_means() -> None:
    """mail:LM16 Its own Message-ID is on the wire; ours is among the headers, and our token in the sender."""
    headers = [
        {"name": "Message-Id", "value": "<a@society.example>"},
        {"name": "To", "value": JANE},
        "rubbish",
    ]
    common = {"messageId": "<b@society.example>"}
    event = bounce(JANE, source="b+token@bounces.example", headers=headers, commonHeaders=common)
    found = ses.told(event, "m")
    assert ("0100-f", ("b+token",)) == (found.key, found.tokens)
    assert ("b@society.example", "a@society.example") == found.returned.message_ids


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"RecordType": "Bounce", "Type": "HardBounce", "Details": "smtp;550 5.1.1 no such user"}, Kind.HARD),
        (
            {
                "RecordType": "Bounce",
                "Type": "HardBounce",
                "Details": "smtp;550 5.7.1 blocked using Spamhaus",
            },
            Kind.POLICY,
        ),
        ({"RecordType": "Bounce", "Type": "SoftBounce"}, Kind.SOFT),
        ({"RecordType": "Bounce", "Type": "Transient"}, Kind.SOFT),
        ({"RecordType": "Bounce", "Type": "Blocked"}, Kind.POLICY),
        ({"RecordType": "Bounce", "Type": "ISPBlock"}, Kind.POLICY),
        ({"RecordType": "Bounce", "Type": "AutoResponder"}, Kind.AUTO_REPLY),
        ({"RecordType": "Bounce", "Type": "Unsubscribe"}, Kind.LEFT),
        ({"RecordType": "Bounce", "Type": "SomethingNew"}, Kind.UNKNOWN),
        ({"RecordType": "SpamComplaint"}, Kind.COMPLAINT),
        (
            {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "HardBounce"},
            Kind.HARD,
        ),
        (
            {
                "RecordType": "SubscriptionChange",
                "SuppressSending": True,
                "SuppressionReason": "SpamComplaint",
            },
            Kind.COMPLAINT,
        ),
        (
            {
                "RecordType": "SubscriptionChange",
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
                "Origin": "Recipient",
            },
            Kind.LEFT,
        ),
        (
            {
                "RecordType": "SubscriptionChange",
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
                "Origin": "Admin",
            },
            Kind.UNKNOWN,
        ),
        ({"RecordType": "SubscriptionChange", "SuppressSending": False}, Kind.UNKNOWN),
        ({"RecordType": "Delivery"}, Kind.RELAYED),
        ({"RecordType": "Open"}, Kind.UNKNOWN),
        ({}, Kind.UNKNOWN),
    ],
)
def test_what_postmark_says(event: dict[str, Any], kind: Kind) -> None:
    """mail:LM16, mail:LM12, mail:LM14 By record and type; what blocks us is no fault of the recipient."""
    assert kind is postmark.told(event | {"Email": JANE}, "h").about(JANE).kind


def test_the_password_is_all_that_shows_postmark() -> None:
    """mail:LM16 Whatever the user is called; nothing else opens, in whatever form."""

    def header(text: str, scheme: str = "Basic") -> str:
        return f"{scheme} {base64.b64encode(text.encode()).decode()}"

    assert [True, True] == [
        postmark.admitted(header(one), "s3cret") for one in ("postmark:s3cret", ":s3cret")
    ]
    wrong = [
        "",
        "Basic",
        "Basic !!",
        header("x:wrong"),
        header("s3cret"),
        header("x:s3cret", "Bearer"),
        header("x:s3cret:"),
    ]
    assert [False] * len(wrong) == [postmark.admitted(one, "s3cret") for one in wrong]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = "notificationType eventType mail bounce complaint destination RecordType Type Email ID".split()


@given(st.dictionaries(st.sampled_from(NAMES), JSON | st.sampled_from(["Bounce", "Complaint", "Delivery"])))
def test_no_event_breaks_it(event: dict[str, Any]) -> None:
    """mail:LM16 Fields of any sort in any place: an event that is not understood is kept as that."""
    for report in (ses.told(event, "m"), postmark.told(event, "h")):
        assert report.about(JANE).kind in Kind
        assert json.dumps(report.key)


def test_the_self_made_amazon_signs_as_documented() -> None:
    """mail:LM16 Name and value on lines of their own, in the order of the alphabet, what is missing left out."""
    said = provided.message("w", Subject="s")
    names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    lines = "".join(f"{name}\n{said[name]}\n" for name in names)
    assert lines.encode() == sns.signed(said, names)
