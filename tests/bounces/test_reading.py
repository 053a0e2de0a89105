"""What mails of many servers say, in one order, within limits; whose they are is `test_taking`'s."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.bounces.message import DEEPEST, MOST_BYTES, MOST_LOOKS, MOST_PARTS, opened, parts
from syndicator.bounces.reading import understood
from syndicator.model.bounce import Kind
from tests.bounces.samples import JANE, SAMPLES, Sample, feedback, report

TOKEN = "b+" + "a" * 16 + "ae"


def stopped() -> float:
    """A clock that stands: no limit of time is met."""
    return 0.0


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_servers_of_every_make_are_understood(sample: Sample) -> None:
    """mail:LM13, mail:LM14 Standard reports first, words last: kind, code and recipient of each are right."""
    found = understood(sample.mail(), stopped).about(JANE)
    assert (sample.kind, sample.code, sample.recipient) == (found.kind, found.code, found.recipient)


def test_a_delay_is_no_bounce_whatever_its_words() -> None:
    """mail:LM13 `Action: delayed` counts, not the 5xx that somebody wrote beside it (pitfall 15)."""
    status = f"Final-Recipient: rfc822; {JANE}\nAction: delayed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 gone"
    mail = Sample("", report("postmaster@x.example", status), Kind.DELAYED).mail()
    assert Kind.DELAYED is understood(mail, stopped).about(JANE).kind


def test_one_of_several_forwarded_to_does_not_kill_the_address() -> None:
    """mail:LM13 Where a list behind the address took it elsewhere, a dead end there is none of ours."""
    status = "Reporting-MTA: dns; x\n\n" + "\n\n".join(
        f"Final-Recipient: rfc822; {name}@other.example\nAction: {action}\nStatus: {code}"
        for name, action, code in (("a", "failed", "5.1.1"), ("b", "expanded", "2.0.0"))
    )
    found = understood(Sample("", report("p@x.example", status), Kind.RELAYED).mail(), stopped)
    assert Kind.RELAYED is found.about(JANE).kind
    assert Kind.HARD is found.about("a@other.example").kind


def test_what_may_show_whose_it_is_comes_from_every_place() -> None:
    """mail:LM13, mail:LM15 Tokens of the envelope first; Message-ID and link from what was returned."""
    sample = next(one for one in SAMPLES if one.name == "qmail")
    found = understood(sample.mail(f"{TOKEN}@b.example", "one@society.example", "7.mac"), stopped)
    assert (TOKEN,) == found.tokens
    assert ("one@society.example",) == found.returned.message_ids
    assert ("https://news.example/media-list/unsubscribe/7.mac",) == found.returned.links
    arf = feedback("abuse", f"Original-Mail-From: <{TOKEN.upper()}@b.example>")
    assert (TOKEN.upper(),) == understood(Sample("", arf, Kind.COMPLAINT).mail(), stopped).tokens


def _nested(depth: int, inside: bytes = b"hi\r\n") -> bytes:
    body = inside
    for n in range(depth):
        mark = b"b%d" % n
        body = b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n%s\r\n--%s--\r\n' % (
            mark,
            mark,
            body,
            mark,
        )
    return b"From: a@x.example\r\n" + body


HOSTILE = {
    "nested 50 deep": _nested(50),
    "nested 20,000 deep": _nested(20_000),
    "rfc822 in rfc822": b"Content-Type: message/rfc822\r\n\r\n" * 40_000,
    "a header of 3 MB": b"X: " + b"a" * 3_000_000 + b"\r\n\r\nhi",
    "100,000 headers": b"".join(b"X-%d: a\r\n" % n for n in range(100_000)) + b"\r\nhi",
    "no end of the headers": b"From MAILER-DAEMON\n" * 60_000,
    "short lines": b"From: MAILER-DAEMON@x\n\n" + b"x\n" * 499_000,
    "NUL": b"\0" * 10_000,
    "nothing": b"",
    "a boundary of one sign": b'Content-Type: multipart/report; boundary="-"\n\n' + b"---\n" * 200_000,
    "addresses": b"To: " + b"a@x.example, " * 50_000 + b"\n\n",
    "comments in comments": b"To: " + b"(" * 3_990 + b"\n\nhi",
    "blank lines": b"From: MAILER-DAEMON@x\n\n"
    + b" \n" * 490_000,  # a search that begins anew in each never ends
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mails_are_answered_within_limits(name: str) -> None:
    """mail:LM13 1 MB, nested 50 deep, huge headers: a plain answer, and the clock is looked at all the while.

    The clock goes on by itself at each look, so that what does not look would not end here.
    """
    looks = iter(range(10**9))
    found = understood(HOSTILE[name], lambda: next(looks) / 100)
    assert found.about(JANE).kind in (Kind.UNKNOWN, Kind.AUTO_REPLY)
    assert next(looks) <= 2 * MOST_BYTES / 8192 + 10


@pytest.mark.parametrize(
    "line", [b"x\r\n", b"\r", b"--b7\r\nX: y\r\n\r\n"], ids=["short", "CR alone", "parts"]
)
def test_of_parts_in_parts_only_the_first_lines_are_read(line: bytes) -> None:
    """mail:LM13 Each line costs a look per part it stands in: nested 50 deep, some thousand lines of a megabyte are read.

    The report stands before them.
    """
    deep = _nested(50, line * (MOST_BYTES // len(line)))
    leaves = [one.get_payload() for one in opened(deep, stopped).walk() if not one.is_multipart()]
    assert sum(len(one.splitlines()) for one in leaves if isinstance(one, str)) * 50 <= MOST_LOOKS
    mail = SAMPLES[0].mail(f"{TOKEN}@b.example").replace(b"Words.", deep)
    found = understood(mail, stopped)
    assert (Kind.HARD, (TOKEN,)) == (found.about(JANE).kind, found.tokens)


def test_parts_side_by_side_cost_as_well() -> None:
    """mail:LM13 Each is little work, but thousands are not: those of the first lines are looked at."""
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    mail = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + part * 20_000
    assert 100 < len(opened(mail, stopped).get_payload()) < 1_000


def test_old_servers_say_at_once_what_they_have_to_say() -> None:
    """mail:LM13 The rules for words look at every line, so what stands behind a thousand short ones is not heard."""
    head, _, words = next(one for one in SAMPLES if one.name == "qmail").mail().partition(b"\r\n\r\n")
    near, far = (head + b"\r\n\r\n" + b"x\r\n" * count + words for count in (900, 1_100))
    assert [Kind.HARD, Kind.AUTO_REPLY] == [understood(one, stopped).about("").kind for one in (near, far)]


def test_parts_cannot_hide_by_another_way_to_write_a_boundary() -> None:
    """mail:LM13 RFC 2231 lets one write `boundary*=` as well: such parts count among those that are too many."""
    hidden = _nested(MOST_PARTS + 1).replace(b"boundary=", b"boundary*=us-ascii''").replace(b'"', b"")
    assert not opened(hidden, stopped).is_multipart()
    few = _nested(3).replace(b"boundary=", b"boundary*=us-ascii''").replace(b'"', b"")
    assert opened(few, stopped).is_multipart()


def test_parts_are_walked_to_a_limit() -> None:
    """mail:LM13 What stands deeper than the limit is not looked at."""
    inside = "Content-Type: message/delivery-status\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    deep, flat = (_nested(depth, inside.encode()) for depth in (DEEPEST + 2, DEEPEST))
    assert DEEPEST + 1 == len(list(parts(opened(deep, stopped))))
    assert Kind.HARD is not understood(deep, stopped).about(JANE).kind
    assert "message/delivery-status" in [one.get_content_type() for one in parts(opened(flat, stopped))]


def test_a_report_with_a_huge_letter_behind_it_is_understood() -> None:
    """mail:LM13 The first megabyte says it all: a report stands before the letter it returns."""
    mail = SAMPLES[0].mail(f"{TOKEN}@b.example").replace(b"Words.", b"Words. " * 400_000)
    found = understood(mail, time.monotonic)
    assert (Kind.HARD, (TOKEN,)) == (found.about(JANE).kind, found.tokens)


@given(st.binary(max_size=400), st.integers(0, len(SAMPLES) - 1), st.integers(0, 2000))
def test_no_bytes_break_it(noise: bytes, which: int, where: int) -> None:
    """mail:LM13 Whatever is in a mail, cut and spoilt, it is read to an end."""
    mail = SAMPLES[which].mail()
    found = understood(mail[:where] + noise + mail[where:], stopped)
    assert found == understood(mail[:where] + noise + mail[where:], stopped)
