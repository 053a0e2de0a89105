"""One relay connection against a scripted server, and against aiosmtpd and Postfix's smtp-sink as strangers."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from syndicator.errors import TryLater, Unreachable
from syndicator.model.outcomes import Cause, Outcome, Result
from syndicator.wire.letters import Postman
from syndicator.wire.relay import Relay, Timeouts
from syndicator.wire.smtp import Connection, Letter, stays_here
from tests.conftest import require_program
from tests.make import reserved_port
from tests.wire.smtp_server import CLOSE, DEAF, HANG, HOLD, Authority, Script, Server, authority

ACCEPTED, DEFERRED, REFUSED, UNKNOWN = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REFUSED, Outcome.UNKNOWN
NO_PIPELINING = ("8BITMIME",)
BOTH_WAYS = pytest.mark.parametrize(
    "extensions", [("PIPELINING", "8BITMIME"), NO_PIPELINING], ids=["pipelined", "stepwise"]
)


def relay(port: int, **other: Any) -> Relay:
    settings = {"host": "127.0.0.1", "tls": "none", "helo": "news.example"} | other
    return Relay(port=port, **settings)


def letter(number: int = 1, message: bytes = b"Subject: x\r\n\r\nhello\r\n", **other: Any) -> Letter:
    names = {"sender": "b+1@news.example", "recipient": f"r{number}@example.org"} | other
    return Letter(id=number, message=message, **names)


def letters(count: int) -> list[Letter]:
    return [letter(number) for number in range(1, count + 1)]


def outcomes(results: Sequence[tuple[Letter, Result]]) -> list[Outcome]:
    return [result.outcome for _, result in results]


def sent(server: Server, given: Sequence[Letter], **other: Any) -> list[tuple[Letter, Result]]:
    with Connection(relay(server.port, **other)) as connection:
        return list(connection.send(given))


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


# -- the usual course


@BOTH_WAYS
def test_500_letters_arrive_in_order(extensions: tuple[str, ...]) -> None:
    """mail:SE2: 500 letters over one connection arrive as they are, in the order given, each reply its own."""
    given = [letter(n, b"Subject: %d\r\n\r\n" % n + b"line\r\n" * (n % 7)) for n in range(500)]
    with Server(extensions=extensions) as server, Connection(relay(server.port)) as connection:
        results = list(connection.send(given))
        assert 500 == connection.sent
        assert connection.alive
    server.wait()
    assert [(one, ACCEPTED) for one in given] == [(one, result.outcome) for one, result in results]
    assert [(g.sender, [g.recipient], g.message) for g in given] == [
        (m.sender, m.recipients, m.message) for m in server.mails
    ]
    assert ["EHLO", *["MAIL", "RCPT", "DATA", "DOT"] * 500, "QUIT"] == server.verbs()


def test_one_write_ends_a_letter_and_begins_the_next() -> None:
    """mail:SE2: MAIL, RCPT and DATA go out together, and with the final dot before them, unanswered."""
    held: Script = {verb: (HOLD, reply) for verb, reply in [("MAIL", "250 ok"), ("RCPT", "250 ok")]}
    with Server({**held, ("DOT", 1): (HOLD, "250 first"), ("DOT", 2): (HOLD, "250 second")}) as server:
        results = sent(server, letters(3), timeouts=Timeouts(command=5, dot=5))
    assert ["250 first", "250 second", "250 2.0.0 queued"] == [f"{r.code} {r.detail}" for _, r in results]


def test_without_pipelining_one_command_at_a_time() -> None:
    """mail:SE2: a relay that does not offer PIPELINING never finds a second command behind the first."""
    with Server(extensions=NO_PIPELINING) as server:
        results = sent(server, letters(5))
        server.wait()
    assert [ACCEPTED] * 5 == outcomes(results)
    assert [] == server.ahead


@pytest.mark.parametrize(
    "message",
    [
        b".\r\n",
        b".first\r\n..second\r\n.\r\nthird\r\n",
        b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n",
        b"Subject: x\r\n\r\na.b\r\n\r\n.\r\n",
        b"\r\n" * 3,
        b"Subject: 8 bit\r\n\r\n\xc3\xa9\r\n",
        b"Subject: x\r\n\r\n" + b"y" * 998 + b"\r\n",
    ],
)
def test_dots_are_stuffed_byte_for_byte(message: bytes) -> None:
    """mail:MC8: lines that begin with a dot, the first one too, arrive as they were."""
    with Server() as server:
        assert [ACCEPTED] == outcomes(sent(server, [letter(message=message)]))
        assert [message] == [mail.message for mail in server.mails]
        assert not any(
            line.startswith(b".") and line[1:2] != b"." for line in server.mails[0].wire.split(b"\r\n")
        )


def test_a_message_without_a_last_line_end_gets_one() -> None:
    """mail:MC6: the final dot stands on a line of its own."""
    with Server() as server:
        assert [ACCEPTED] == outcomes(sent(server, [letter(message=b"Subject: x\r\n\r\nend")]))
        assert b"Subject: x\r\n\r\nend\r\n" == server.mails[0].message


def test_eight_bits_are_announced() -> None:
    """mail:MC7: BODY=8BITMIME stands at MAIL if, and only if, the message needs it."""
    with Server() as server:
        sent(server, [letter(), letter(message=b"\r\n\xff\r\n")])
    assert ["MAIL FROM:<b+1@news.example>", "MAIL FROM:<b+1@news.example> BODY=8BITMIME"] == [
        line for line in server.log if line.startswith("MAIL")
    ]


def test_the_null_sender() -> None:
    """mail:MC17: an empty sender is the null path, as a notice about a notice needs it."""
    with Server() as server:
        assert [ACCEPTED] == outcomes(sent(server, [letter(sender="")]))
        assert "MAIL FROM:<>" in server.log


def test_a_connection_serves_many_groups() -> None:
    """mail:SE1: the connection stays open between groups, without RSET, and QUITs at the end."""
    with Server() as server, Connection(relay(server.port)) as connection:
        for _ in range(3):
            assert [ACCEPTED] * 2 == outcomes(list(connection.send(letters(2))))
        connection.quit()
        connection.quit()
        assert not connection.alive
        assert [] == list(connection.send(letters(1)))
        server.wait()
    assert ["EHLO", *["MAIL", "RCPT", "DATA", "DOT"] * 6, "QUIT"] == server.verbs()


# -- laziness


@BOTH_WAYS
def test_letters_are_taken_one_ahead_at_most(extensions: tuple[str, ...]) -> None:
    """mail:SE12: a letter is taken only when it is about to be written, so the caller marks it just before."""
    taken: list[int] = []

    def source() -> Iterator[Letter]:
        for one in letters(5):
            taken.append(one.id)
            yield one

    ahead = 1 if "PIPELINING" in extensions else 0
    with Server(extensions=extensions) as server, Connection(relay(server.port)) as connection:
        results = connection.send(source())
        assert [] == taken
        for one, _ in results:
            assert list(range(1, min(one.id + ahead, 5) + 1)) == taken


def test_a_result_is_yielded_before_the_next_body() -> None:
    """mail:SE14: what became of the first letter is known while the second waits for its body."""
    with Server() as server, Connection(relay(server.port)) as connection:
        results = connection.send(letters(2))
        assert ACCEPTED is next(results)[1].outcome
        assert 1 == len(server.mails)
        assert 1 == connection.sent


def test_closing_the_iterator_midway_drops_the_connection() -> None:
    """mail:SE17: a half-written transaction is never finished by the next command."""
    with Server() as server, Connection(relay(server.port)) as connection:
        results = connection.send(letters(2))
        next(results)
        assert isinstance(results, Iterator)
        results.close()  # type: ignore[attr-defined]
        assert not connection.alive
        server.wait()
    assert 1 == len(server.mails)
    # How much of the half-written transaction the server read before the reset is chance; nothing follows it.
    assert server.verbs()[-1] in {"MAIL", "RCPT", "DATA"}


@BOTH_WAYS
def test_a_connection_is_left_after_so_many_letters(extensions: tuple[str, ...]) -> None:
    """mail:SE1: the hundredth letter is the last one; nothing is taken behind it, and the relay hears QUIT."""
    given = iter(letters(5))
    with Server(extensions=extensions) as server:
        for expected in (2, 2, 1):
            with Connection(relay(server.port, letters=2)) as connection:
                assert [ACCEPTED] * expected == outcomes(list(connection.send(given)))
                assert connection.alive == (expected == 1)
        server.wait()
    assert 3 == server.verbs().count("QUIT")
    assert [f"r{n}@example.org" for n in range(1, 6)] == [mail.recipients[0] for mail in server.mails]


def test_an_old_connection_is_left() -> None:
    """mail:SE1: behind its age a connection takes no letter and says goodbye."""
    with Server() as server:
        connection = Connection(relay(server.port, age=1e-6))
        assert not connection.alive
        assert [] == list(connection.send(letters(1)))
        server.wait()
    assert ["EHLO", "QUIT"] == server.verbs()


def test_behind_a_slow_relay_nothing_is_taken_ahead() -> None:
    """mail:SE17: a letter taken ahead could not be stopped while a slow relay thinks about the one before it."""
    taken: list[int] = []

    def source() -> Iterator[Letter]:
        for one in letters(4):
            taken.append(one.id)
            yield one

    with Server() as server:
        with Connection(relay(server.port)) as connection:
            connection._swift = False  # as it is after a slow answer
            sending = connection.send(source())
            next(sending)
            assert [1] == taken  # and the relay is well again: from here on one is taken ahead
            assert 3 == len(list(sending))
        server.wait()
    assert 4 == len(server.mails)


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_a_way_is_secure_by_tls_or_by_staying_here(tls: str, ca: Authority) -> None:
    """mail:EM7: a relay on this machine and an encrypted one may carry letters under embargo."""
    with (
        Server(context=ca.context("127.0.0.1")) as server,
        Connection(relay(server.port, tls=tls, ca_file=str(ca.file))) as connection,
    ):
        assert connection.secure


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.2", True),
        ("192.0.2.1", False),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_only_the_loopback_stays_here(peer: str, *, here: bool) -> None:
    """mail:EM7: without TLS only what does not leave this machine is secure, not what is merely near."""
    assert here == stays_here((peer, 25))


def test_taking_only_what_was_given_keeps_the_connection() -> None:
    """mail:SE1: next() on a single letter leaves an idle connection, not a dropped one."""
    with Server() as server, Connection(relay(server.port)) as connection:
        for one in letters(2):
            assert ACCEPTED is next(connection.send([one]))[1].outcome
        assert connection.alive


def test_a_fault_of_the_source_drops_a_half_written_letter() -> None:
    """mail:SE12: an error in the caller's iterable is the caller's, and no body follows it."""

    def source() -> Iterator[Letter]:
        yield letter(1)
        raise LookupError("no more rows")

    with Server() as server, Connection(relay(server.port)) as connection:
        with pytest.raises(LookupError):
            list(connection.send(source()))
        assert not connection.alive
        server.wait()
    assert [] == server.mails


# -- the relay says no


@BOTH_WAYS
def test_a_refused_recipient_between_accepted_ones(extensions: tuple[str, ...]) -> None:
    """mail:SE7: 5xx at RCPT is that recipient's; its neighbours on the wire are not touched."""
    with Server({("RCPT", 2): "550 5.1.1 nobody"}, extensions=extensions) as server:
        results = sent(server, letters(3))
        server.wait()
    assert [ACCEPTED, REFUSED, ACCEPTED] == outcomes(results)
    dead = Result(outcome=REFUSED, detail="5.1.1 nobody", code=550, cause=Cause.DEAD_ADDRESS)
    assert dead == results[1][1]
    assert [["r1@example.org"], ["r3@example.org"]] == [mail.recipients for mail in server.mails]


@pytest.mark.parametrize("dot", ["554 5.5.1 no valid recipients", "250 2.0.0 ok anyway"])
def test_354_after_a_refused_recipient_gets_a_lone_dot(dot: str) -> None:
    """mail:SE2: the body is not sent, a lone dot is, and its reply is nobody's success."""
    with Server({("RCPT", 2): "550 5.1.1 nobody", ("DOT", 2): dot}) as server:
        results = sent(server, letters(3))
    assert [ACCEPTED, REFUSED, ACCEPTED] == outcomes(results)
    assert 550 == results[1][1].code
    assert "RSET" not in server.verbs()


@BOTH_WAYS
def test_rset_after_an_aborted_transaction_only(extensions: tuple[str, ...]) -> None:
    """mail:SE1: MAIL accepted and no 354: RSET; MAIL refused: nothing was begun, nothing is reset."""
    script: dict[Any, Any] = {("RCPT", 1): "450 4.7.1 greylisted", ("MAIL", 2): "550 5.7.1 not from you"}
    if "PIPELINING" in extensions:
        script |= {("DATA", n): "503 5.5.1 out of order" for n in (1, 2)} | {
            ("RCPT", 2): "503 5.5.1 need MAIL"
        }
    with Server(script, extensions=extensions) as server:
        results = sent(server, letters(3))
    assert [DEFERRED, DEFERRED, ACCEPTED] == outcomes(results)
    assert [450, 550, 250] == [result.code for _, result in results]
    assert [Cause.GREYLISTED, Cause.RELAY, None] == [result.cause for _, result in results]
    assert 1 == server.verbs().count("RSET")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"MAIL": "550 5.7.1 sender not allowed"}, (DEFERRED, 550, "5.7.1 sender not allowed", Cause.RELAY)),
        ({"MAIL": "451 4.3.0 later"}, (DEFERRED, 451, "4.3.0 later", Cause.RELAY)),
        ({"MAIL": "530 5.7.0 authenticate first"}, (DEFERRED, 530, "5.7.0 authenticate first", Cause.AUTH)),
        ({"RCPT": "550 5.7.1 blocked by policy"}, (REFUSED, 550, "5.7.1 blocked by policy", Cause.POLICY)),
        ({"RCPT": "552 5.2.2 mailbox full"}, (DEFERRED, 552, "5.2.2 mailbox full", Cause.FULL)),
        ({"RCPT": "550 5.2.2 over quota"}, (DEFERRED, 550, "5.2.2 over quota", Cause.FULL)),
        ({"RCPT": "552 storage exceeded"}, (DEFERRED, 552, "storage exceeded", Cause.FULL)),
        ({"RCPT": "554 5.7.1 Relay access denied"}, (DEFERRED, 554, "5.7.1 Relay access denied", Cause.AUTH)),
        ({"DATA": "451 4.3.0 later"}, (DEFERRED, 451, "4.3.0 later", Cause.BUSY)),
        ({"DATA": "554 5.7.1 no"}, (REFUSED, 554, "5.7.1 no", Cause.POLICY)),
        ({"DOT": "552 5.3.4 too big"}, (REFUSED, 552, "5.3.4 too big", Cause.TOO_BIG)),
        ({"DOT": "554 5.7.1 spam"}, (REFUSED, 554, "5.7.1 spam", Cause.POLICY)),
        ({"DOT": "451 4.7.1 greylisted"}, (DEFERRED, 451, "4.7.1 greylisted", Cause.GREYLISTED)),
        ({"DOT": "250-2.0.0 queued\r\n250 as A1"}, (ACCEPTED, 250, "2.0.0 queued as A1", None)),
        ({"DOT": b"550 5.7.1 a\x1b[31mb\tc\xff\r\n"}, (REFUSED, 550, "5.7.1 a [31mb c\ufffd", Cause.POLICY)),
        ({"DOT": "550 " + "x" * 500}, (REFUSED, 550, "x" * 300, Cause.CONTENT)),
    ],
    ids=str,
)
@BOTH_WAYS
def test_what_a_reply_means(
    script: Script, expected: tuple[Outcome, int, str, Cause | None], extensions: tuple[str, ...]
) -> None:
    """mail:SE6, mail:SE7: code, enhanced code and phase decide; the relay's words are kept, cleaned."""
    with Server(script, extensions=extensions) as server:
        (_, result), (_, second) = sent(server, letters(2))
    outcome, code, words, cause = expected
    assert Result(outcome=outcome, code=code, detail=words, cause=cause) == result == second


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
@BOTH_WAYS
def test_421_closes_and_defers(verb: str, extensions: tuple[str, ...]) -> None:
    """mail:SE6: 421 anywhere defers the letter, ends the connection and takes no further letter."""
    source = iter(letters(9))
    with (
        Server({(verb, 2): ("421 4.3.2 going down", CLOSE)}, extensions=extensions) as server,
        Connection(relay(server.port)) as connection,
    ):
        results = list(connection.send(source))
        assert not connection.alive
    ahead = verb == "DOT" and "PIPELINING" in extensions
    assert [ACCEPTED, DEFERRED, *[DEFERRED] * ahead] == outcomes(results)
    assert {(421, "4.3.2 going down")} == {(result.code, result.detail) for _, result in results[1:]}
    assert list(range(3 + ahead, 10)) == [one.id for one in source]


def test_421_behind_a_refused_recipient_leaves_it_refused() -> None:
    """mail:SE7: 550 to RCPT stays said, although 421 to DATA ends the connection."""
    with Server({"RCPT": "550 5.1.1 nobody", "DATA": ("421 4.7.0 too many errors", CLOSE)}) as server:
        results = sent(server, letters(3))
    assert [(1, REFUSED, 550)] == [(one.id, result.outcome, result.code) for one, result in results]


# -- the link breaks


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [CLOSE, HANG], ids=["drop", "hang"])
@BOTH_WAYS
def test_lost_before_the_dot_is_deferred(verb: str, fault: Any, extensions: tuple[str, ...]) -> None:
    """mail:SE11: a link lost or silent before the final dot certainly brought nothing."""
    limits = Timeouts(command=0.2, data=0.2)
    with Server({(verb, 2): fault}, extensions=extensions) as server:
        results = sent(server, letters(3), timeouts=limits)
    assert [ACCEPTED, DEFERRED] == outcomes(results)
    assert results[1][1].detail.startswith("connection lost before the letter was handed over")
    assert 1 == len(server.mails)


@pytest.mark.parametrize("fault", [CLOSE, HANG, (b"25", CLOSE), (b"250-half\r\n", HANG)], ids=str)
@BOTH_WAYS
def test_lost_after_the_dot_is_unknown(fault: Any, extensions: tuple[str, ...]) -> None:
    """mail:SE11: the dot left and no reply line came: it may have arrived; the letter behind it did not."""
    with Server({("DOT", 2): fault}, extensions=extensions) as server:
        results = sent(server, letters(4), timeouts=Timeouts(dot=0.2))
    ahead = "PIPELINING" in extensions
    assert [ACCEPTED, UNKNOWN, *[DEFERRED] * ahead] == outcomes(results)
    assert results[1][1].detail.startswith("no answer after the final dot, it may have arrived: ")
    assert ["r1@example.org", "r2@example.org"] == [mail.recipients[0] for mail in server.mails]


@BOTH_WAYS
def test_a_dot_the_kernel_never_took_is_deferred(extensions: tuple[str, ...]) -> None:
    """mail:SE11: a relay that stops reading in the middle of a body has not seen its end."""
    with Server({"DATA": ("354 go on", DEAF)}, extensions=extensions) as server:
        big = letter(1, b"Subject: big\r\n\r\n" + (b"z" * 900 + b"\r\n") * 30_000)
        results = sent(server, [big, letter(2)], timeouts=Timeouts(block=0.3))
    assert [DEFERRED] * len(results) == outcomes(results)
    assert [] == server.mails


@pytest.mark.parametrize("said", ["250 what", "banana"])
def test_an_answer_out_of_step_to_data(said: str) -> None:
    """mail:SE2: anything but 354 or a refusal where 354 is due ends the connection; nothing was handed over."""
    with Server({"DATA": said}) as server:
        assert [DEFERRED] == outcomes(sent(server, letters(2)))


@pytest.mark.parametrize(
    "said", ["354 what", "banana", b"\r\n", b"250", b"x" * 20_000, b"250-again\r\n" * 200]
)
def test_nonsense_after_the_dot_is_a_doubt(said: str | bytes) -> None:
    """mail:SE11: an answer that is none leaves the doubt, and ends the connection."""
    with Server({"DOT": (said, CLOSE)}, extensions=NO_PIPELINING) as server:
        assert [UNKNOWN] == outcomes(sent(server, letters(2)))


@BOTH_WAYS
def test_more_answers_than_questions_end_the_connection(extensions: tuple[str, ...]) -> None:
    """mail:SE2: a second reply to one dot never counts for the next letter."""
    with Server({("DOT", 1): b"250 once\r\n250 twice\r\n"}, extensions=extensions) as server:
        results = sent(server, letters(3))
    assert [ACCEPTED, DEFERRED] == outcomes(results)
    assert 1 == len(server.mails)


def test_an_idle_connection_that_was_closed_takes_no_letter() -> None:
    """mail:SE1: relays hang up on idle connections; no letter is lost to finding out."""
    with Server({("DOT", 1): ("250 ok", "421 4.4.2 idle too long", CLOSE)}) as server:
        connection = Connection(relay(server.port))
        assert [ACCEPTED] == outcomes(list(connection.send(letters(1))))
        server.wait()
        source = iter(letters(2))
        assert [] == list(connection.send(source))
        assert not connection.alive
        assert 2 == len(list(source))


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_replies_split_anywhere(step: int) -> None:
    """mail:SE2: replies are matched whatever the TCP segments, one byte at a time or many replies at once."""
    said = b"250-2.0.0 queued\r\n250-as\r\n250 ABC\r\n"
    pieces = tuple(said[at : at + step] for at in range(0, len(said), step))
    mail = tuple(bytes([byte]) for byte in b"250-well\r\n250 ok\r\n")
    with Server({"DOT": pieces, "MAIL": mail}) as server:
        results = sent(server, letters(5))
    assert [Result(outcome=ACCEPTED, detail="2.0.0 queued as ABC", code=250)] * 5 == [r for _, r in results]


# -- what never reaches the wire


@pytest.mark.parametrize("field", ["sender", "recipient"])
@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\r\nRCPT TO:<c@d.example>",
        "a@b.example>\n",
        "a b@c.example",
        "<a@b.example>",
        "a\0@b.example",
        "a\x7f@b",
        "a\t@b",
    ],
)
def test_addresses_that_would_inject(field: str, address: str) -> None:
    """mail:MC19: an address with CR, LF, space, brackets or controls is refused here and never sent."""
    with Server() as server:
        results = sent(server, [letter(1), _misaddressed(field, address), letter(3)])
    assert {1: ACCEPTED, 2: REFUSED, 3: ACCEPTED} == {one.id: result.outcome for one, result in results}
    assert 2 == server.verbs().count("MAIL")
    assert address not in "".join(result.detail for _, result in results)


def _misaddressed(field: str, address: str) -> Letter:
    return letter(2, sender=address) if field == "sender" else letter(2, recipient=address)


def test_non_ascii_needs_smtputf8() -> None:
    """mail:MC19: 用户@例え.jp is refused with words where SMTPUTF8 is not offered, never mangled."""
    with Server() as server:
        ((_, result),) = sent(server, [letter(recipient="用户@例え.jp")])
    assert REFUSED is result.outcome
    assert result.detail.startswith("the recipient's address needs SMTPUTF8")
    assert ["EHLO", "QUIT"] == server.verbs()


def test_non_ascii_with_smtputf8() -> None:
    """mail:MC19: where it is offered the address goes out as it is, announced at MAIL (RFC 6531)."""
    with Server(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8")) as server:
        results = sent(server, [letter(recipient="用户@例え.jp"), letter(2, recipient="a\u2028b@例え.jp")])
    assert [ACCEPTED, REFUSED] == outcomes(sorted(results, key=lambda pair: pair[0].id))
    assert ["用户@例え.jp"] == server.mails[0].recipients
    assert "MAIL FROM:<b+1@news.example> SMTPUTF8" in server.log


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"Subject: x\r\n\r\na\n.\nMAIL FROM:<x@y>\r\n", "bare CR or LF"),
        (b"Subject: x\r\n\r\na\r.\r\n", "bare CR or LF"),
        (b"\nSubject: x\r\n", "bare CR or LF"),
        (b"Subject: x\r\n\r\r\n", "bare CR or LF"),
        (b"Subject: x\r\n\r\na\0b\r\n", "NUL"),
        (b"Subject: x\r\n\r\n" + b"y" * 999 + b"\r\n", "998 octets"),
        (b"y" * 999, "998 octets"),
        (b"a\r\n" + b"y" * 1500, "998 octets"),
        (b"Subject: \xe9\r\n\r\n", "8BITMIME"),
        (b"Subject: x\r\n\r\n" + b"0123456\r\n" * 500, "octets, the relay takes 2000"),
    ],
)
def test_messages_that_must_not_leave(message: bytes, words: str) -> None:
    """mail:MC6: bare CR or LF, NUL, lines too long, 8-bit bytes unasked for are refused here."""
    with Server(extensions=("PIPELINING", "SIZE 2000")) as server:
        ((_, result),) = sent(server, [letter(message=message)])
    assert REFUSED is result.outcome
    assert words in result.detail
    assert "MAIL" not in server.verbs()


def test_an_objection_is_known_before_the_next_letter_is_taken() -> None:
    """mail:SE14: a local refusal is yielded at once, not after whatever comes next."""

    def source() -> Iterator[Letter]:
        yield letter(1, recipient="")
        raise LookupError

    with Server() as server, Connection(relay(server.port)) as connection:
        assert REFUSED is next(connection.send(source()))[1].outcome


# -- opening: greeting, TLS, AUTH


@pytest.mark.parametrize(
    ("script", "fault", "words"),
    [
        ({"GREETING": "554 5.7.1 go away"}, Unreachable, "does not want us (554 5.7.1 go away)"),
        ({"GREETING": "421 4.3.2 busy"}, TryLater, "is not ready (421 4.3.2 busy)"),
        ({"GREETING": CLOSE}, Unreachable, "check host, port, tls and ca_file"),
        ({"GREETING": HANG}, Unreachable, "check host, port"),
        ({"EHLO": CLOSE}, Unreachable, "check host, port"),
        ({"GREETING": "220 hi\r\n250 injected"}, Unreachable, "answers more than it was asked"),
    ],
    ids=str,
)
def test_no_session(script: Script, fault: type[Exception], words: str) -> None:
    """mail:SE7: trouble before the first letter is the host's, said in an operator's words."""
    with Server(script) as server, pytest.raises(fault) as told:
        Connection(relay(server.port, timeouts=Timeouts(greeting=0.2)))
    assert words in str(told.value)
    assert f"mail relay 127.0.0.1:{server.port}" in str(told.value)


def test_nobody_listens() -> None:
    """mail:SE7: a refused connection is Unreachable, with host and port."""
    port = reserved_port()
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}: Connection refused"):
        Connection(relay(port))


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_tls_with_our_own_authority(tls: str, ca: Authority) -> None:
    """mail:SE10: over STARTTLS and over TLS from the start the same letters arrive, and EHLO is said anew."""
    big = letter(2, b"Subject: big\r\n\r\n" + (b".z" * 400 + b"\r\n") * 500)
    with Server(context=ca.context("127.0.0.1"), implicit=tls == "tls") as server:
        results = sent(server, [letter(1), big, letter(3)], tls=tls, ca_file=str(ca.file))
        server.wait()
    assert [ACCEPTED] * 3 == outcomes(results)
    assert big.message == server.mails[1].message
    opening = ["EHLO", "STARTTLS", "EHLO"] if tls == "starttls" else ["EHLO"]
    assert [*opening, *["MAIL", "RCPT", "DATA", "DOT"] * 3, "QUIT"] == server.verbs()


def test_an_idle_connection_over_tls_lives(ca: Authority) -> None:
    """mail:SE1: what TLS says for itself between letters (session tickets) is no reply and no end."""
    ours = {"tls": "starttls", "ca_file": str(ca.file)}
    with (
        Server(context=ca.context("127.0.0.1")) as server,
        Connection(relay(server.port, **ours)) as connection,
    ):
        for _ in range(3):
            assert connection.alive
            assert [ACCEPTED] * 2 == outcomes(list(connection.send(letters(2))))


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ({"DOT": CLOSE}, UNKNOWN),
        ({"DOT": HANG}, UNKNOWN),
        ({"DATA": ("354 go on", DEAF)}, DEFERRED),
        ({"DATA": CLOSE}, DEFERRED),
    ],
    ids=["dot-close", "dot-hang", "body-deaf", "data-close"],
)
def test_doubt_and_certainty_over_tls(script: Script, outcome: Outcome, ca: Authority) -> None:
    """mail:SE11: over TLS too the dot tells a doubt from a certain failure."""
    big = letter(1, b"Subject: big\r\n\r\n" + (b"z" * 900 + b"\r\n") * 20_000)
    ours = {"tls": "starttls", "ca_file": str(ca.file), "timeouts": Timeouts(dot=0.3, block=0.5)}
    with Server(script, context=ca.context("127.0.0.1")) as server:
        assert [outcome] == outcomes(sent(server, [big], **ours))


def test_a_password_smtplib_cannot_say() -> None:
    """mail:SE7: a password that is not ASCII is a fault of the settings, said without showing it."""
    with Server(extensions=("AUTH PLAIN",)) as server, pytest.raises(Unreachable) as told:
        Connection(relay(server.port, username="news", password="geheimnisvöll"))
    assert "plain ASCII" in str(told.value)
    assert "geheim" not in str(told.value)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_a_bad_certificate_ends_it(tls: str, wrong: str, ca: Authority) -> None:
    """mail:SE10: a wrong name or an unknown authority is Unreachable; nothing more is said in any form."""
    context = ca.context("other.example" if wrong == "name" else "127.0.0.1")
    trust = {"ca_file": str(ca.file)} if wrong == "name" else {}
    with Server(context=context, implicit=tls == "tls") as server:
        with pytest.raises(Unreachable, match="certificate is not valid"):
            Connection(relay(server.port, tls=tls, **trust))
        server.wait()
    assert (["EHLO", "STARTTLS"] if tls == "starttls" else []) == server.verbs()


def test_starttls_not_offered_ends_it() -> None:
    """mail:SE10: no STARTTLS, no mail; clear text is never the fallback."""
    with Server() as server:
        with pytest.raises(Unreachable, match="nothing was sent in clear text"):
            Connection(relay(server.port, tls="starttls", username="u", password="p"))
        server.wait()
    assert ["EHLO"] == server.verbs()


def test_starttls_refused_for_now(ca: Authority) -> None:
    """mail:SE10: 454 to STARTTLS is worth another try, not clear text."""
    with (
        Server({"STARTTLS": "454 4.7.0 no TLS now"}, context=ca.context("127.0.0.1")) as server,
        pytest.raises(TryLater, match="is not ready"),
    ):
        Connection(relay(server.port, tls="starttls", ca_file=str(ca.file)))


def test_bytes_injected_before_tls_end_it(ca: Authority) -> None:
    """mail:SE2: replies slipped in behind STARTTLS's 220 are not taken for answers over TLS."""
    script: Script = {"STARTTLS": "220 go\r\n250-evil.example\r\n250 AUTH PLAIN"}
    with Server(script, context=ca.context("127.0.0.1")) as server:
        with pytest.raises(Unreachable, match="answers more than it was asked"):
            Connection(relay(server.port, tls="starttls", ca_file=str(ca.file), username="u", password="p"))
        server.wait()
    assert ["EHLO", "STARTTLS"] == server.verbs()


def test_what_was_offered_before_tls_is_forgotten(ca: Authority) -> None:
    """mail:SE2: PIPELINING said in clear text counts for nothing after STARTTLS (RFC 3207 §4.2)."""
    script: Script = {("EHLO", 1): "250-x\r\n250-PIPELINING\r\n250 STARTTLS", ("EHLO", 2): "250 x"}
    with (
        Server(script, context=ca.context("127.0.0.1")) as server,
        Connection(relay(server.port, tls="starttls", ca_file=str(ca.file))) as connection,
    ):
        assert not connection.offer.pipelining


def test_auth() -> None:
    """mail:SE10: the user name is given before the first letter, the password never shown."""
    with Server(extensions=("PIPELINING", "AUTH PLAIN")) as server:
        ours = relay(server.port, username="news", password="s3cret")
        with Connection(ours) as connection:
            assert [ACCEPTED] == outcomes(list(connection.send(letters(1))))
    assert ["EHLO", "AUTH", "MAIL"] == server.verbs()[:3]
    assert "s3cret" not in repr(ours)


@pytest.mark.parametrize(
    ("said", "fault", "words"),
    [
        ("535 5.7.8 no such user", Unreachable, "refuses the user name or password"),
        ("454 4.7.0 directory down", TryLater, "454 4.7.0 directory down"),
    ],
)
def test_auth_refused(said: str, fault: type[Exception], words: str) -> None:
    """mail:SE7: a refused login is no letter's fault, and its words hold no password."""
    with Server({"AUTH": said}, extensions=("AUTH PLAIN",)) as server, pytest.raises(fault) as told:
        Connection(relay(server.port, username="news", password="s3cret"))
    assert words in str(told.value)
    assert "s3cret" not in str(told.value)


# -- strangers


class _Keeper:
    def __init__(self) -> None:
        self.kept: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.kept.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 kept"


def test_aiosmtpd_as_a_stranger(ca: Authority) -> None:
    """mail:SE10: an independent server takes STARTTLS, AUTH and 50 letters with dots, byte for byte."""

    def check(server: Any, session: Any, envelope: Any, mechanism: str, login: LoginPassword) -> AuthResult:
        return AuthResult(success=login == LoginPassword(b"news", b"s3cret"))

    port = reserved_port()
    keeper = _Keeper()
    stranger = Controller(
        keeper, hostname="127.0.0.1", port=port, tls_context=ca.context("127.0.0.1"), require_starttls=True,
        auth_required=True, authenticator=check, decode_data=False, loop=asyncio.new_event_loop(),
    )  # fmt: skip
    given = [letter(n, b"Subject: %d\r\n\r\n.dot\r\n..\r\n" % n) for n in range(50)]
    stranger.start()
    try:
        ours = relay(port, tls="starttls", ca_file=str(ca.file), username="news", password="s3cret")
        with Connection(ours) as connection:
            results = list(connection.send(given))
    finally:
        stranger.stop()
    assert [ACCEPTED] * 50 == outcomes(results)
    assert [(g.sender, [g.recipient], g.message) for g in given] == keeper.kept


def test_smtp_sink_as_a_stranger(tmp_path: Path) -> None:
    """mail:SE2: Postfix's smtp-sink takes 200 pipelined letters."""
    program = require_program("smtp-sink")
    port = reserved_port()
    sink = subprocess.Popen(
        [program, "-u", "nobody", "-c", f"127.0.0.1:{port}", "10"], stdout=subprocess.DEVNULL
    )
    try:
        with _patiently(port) as connection:
            assert connection.offer.pipelining
            assert [ACCEPTED] * 200 == outcomes(list(connection.send(letters(200))))
    finally:
        sink.terminate()
        sink.wait()


def _patiently(port: int) -> Connection:
    for _ in range(2000):
        with contextlib.suppress(Unreachable):
            return Connection(relay(port))
    raise AssertionError("smtp-sink did not come up")


def test_a_connection_is_a_postman() -> None:
    """mail:SE1: the flow sees send and quit, whoever carries."""
    with Server() as server:
        postman: Postman = Connection(relay(server.port))
        assert [ACCEPTED] == outcomes(list(postman.send(letters(1))))
        postman.quit()
