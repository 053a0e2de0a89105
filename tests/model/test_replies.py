"""What servers' replies mean: real words, the phases, and the pauses they ask for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.model.outcomes import OF_THE_RELAY, SUSPICIOUS, Cause, Outcome
from syndicator.model.phrases import RULES
from syndicator.model.replies import Phase, asked_pause, enhanced_of, judge_reply


class Line(NamedTuple):
    server: str
    phase: Phase
    outcome: Outcome
    cause: Cause
    code: int
    words: str


def _lines() -> list[Line]:
    text = Path(__file__).with_name("replies.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return [
        Line(server, Phase(phase), Outcome(outcome), Cause(cause), int(reply[:3]), reply[4:])
        for server, phase, outcome, cause, reply in rows
    ]


LINES = _lines()


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.server}-{line.code}-{line.words[:24]}")
def test_real_replies(line: Line) -> None:
    """mail:SE6: what the servers of this world say, in their own words, has the right cause and outcome."""
    judged = judge_reply(line.code, enhanced_of(line.words), line.words, line.phase)
    assert (line.outcome, line.cause) == judged


def test_there_are_enough_of_them() -> None:
    """mail:SE6: at least eighty replies, of the servers most letters go to, and of every cause."""
    assert len(LINES) >= 80
    assert len({(line.words, line.phase) for line in LINES}) == len(LINES)
    wanted = "gmail exchange-online outlook.com yahoo postfix exim sendmail proofpoint mimecast barracuda gmx icloud qmail"
    assert set(wanted.split()) <= {line.server for line in LINES}
    assert set(Cause) - {Cause.OTHER} <= {line.cause for line in LINES}


def test_every_rule_is_needed() -> None:
    """mail:SE6: text rules are a last resort: each sort of them decides a reply of the table."""
    for cause, pattern in RULES:
        assert any(line.cause is cause and pattern.search(line.words) for line in LINES), cause


@pytest.mark.parametrize(
    "line", [one for one in LINES if one.cause is Cause.POLICY], ids=lambda one: one.words[:30]
)
def test_policy_is_ours_in_every_phase(line: Line) -> None:
    """mail:SE6, pitfall 14: who calls us a spammer says nothing about the recipient, whatever the phase."""
    for phase in Phase:
        _, cause = judge_reply(line.code, enhanced_of(line.words), line.words, phase)
        early = phase in (Phase.CONNECT, Phase.MAIL)
        assert cause is Cause.POLICY or (early and cause in OF_THE_RELAY)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(400, 599),
    st.sampled_from(["", "4.7.1", "5.1.1", "5.2.2", "5.7.1", "5.7.26", "4.4.2", "5.9.9", "5.0.0"]),
    st.text(max_size=60),
)
def test_host_recipient_or_letter(code: int, enhanced: str, words: str) -> None:
    """mail:SE7: nobody is refused at the greeting; MAIL refuses letters only, never a recipient; 4xx never refuses."""
    first, cause = judge_reply(code, enhanced, words, Phase.CONNECT)
    assert (first, cause in OF_THE_RELAY | {Cause.POLICY}) == (Outcome.DEFERRED, True)
    outcome, cause = judge_reply(code, enhanced, words, Phase.MAIL)
    if outcome is Outcome.REFUSED:
        assert cause in {Cause.UTF8, Cause.TOO_BIG, Cause.CONTENT}
    else:
        assert cause in OF_THE_RELAY | {Cause.UTF8, Cause.TOO_BIG, Cause.CONTENT}
    for phase in Phase:
        outcome, cause = judge_reply(code, enhanced, words, phase)
        assert code >= 500 or outcome is Outcome.DEFERRED
        assert not (cause in OF_THE_RELAY and outcome is Outcome.REFUSED)


def test_after_the_dot_nobody_is_dead() -> None:
    """mail:SE7: a bare 550 is the recipient's at RCPT and the letter's after the dot."""
    assert (Outcome.REFUSED, Cause.DEAD_ADDRESS) == judge_reply(550, "", "no", Phase.RCPT)
    assert (Outcome.REFUSED, Cause.CONTENT) == judge_reply(550, "", "no", Phase.DOT)
    assert Cause.CONTENT not in SUSPICIOUS


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("4.7.1 Greylisted for 300 seconds", 300),
        ("Greylisted, please try again in 300 seconds", 300),
        ("4.2.0 try again in 00:04:58", 298),
        ("please retry after 10 minutes", 600),
        ("Rate limit: wait 2 hours", 7200),
        ("try again in 5m", 300),
        ("come back in 900 days", None),
        ("try again in 999999 seconds", 4 * 3600),
        ("try again later", None),
        ("4.7.500 Server busy", None),
        ("queued 12:30 as 300 s", None),
    ],
)
def test_asked_pauses(words: str, seconds: int | None) -> None:
    """mail:SE8: a pause the server names is read in seconds, minutes, hours or on a clock; never more than four hours."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert expected == asked_pause(words)
