"""Merging, in letters of every sort: the same as building each one, whatever a value holds, in every process."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.render.mail import Slots
from tests.render.letters import SLOTS, every
from tests.render.test_mail import NAMES, ONCE, parsed

SORTS = tuple(every())
LISTED = (
    "release",
    "correction",
    "withdrawal",
    "kill",
    "advance",
    "moved",
    "lifted",
    "cancelled",
    "arabic",
    "issue",
)
ODD = [
    "=",
    "<b>",
    "&amp;",
    '"',
    "😀" * 50,
    "x" * 200,
    "=3D=\r".strip(),
    "From a",
    ".",
    "--=_x",
    "%s {{ 7*7 }} {% raw %}",
]
URLS = st.text("abc=&'?/%+~.-", max_size=300).map("https://news.example/p/{}x".format)
TOKENS = Slots(
    to_address="address@token.example",
    to_name="NameToken",
    message_id=SLOTS.message_id,
    date=SLOTS.date,
    unsubscribe_url="https://token.example/unsubscribe",
    preferences_url="https://token.example/preferences",
    confirm_url="https://token.example/confirm",
    press_url="https://token.example/press/",
    letter_url="https://token.example/letter",
)


def built(sort: str, slots: Slots) -> tuple[str, str]:
    """Text and HTML of the letter as the standard library builds one from filled-in parts."""
    values = {
        f"{TOKENS.to_name} <{TOKENS.to_address}>": f"{slots.to_name} <{slots.to_address}>" if slots.to_name else slots.to_address,
        TOKENS.to_address: slots.to_address,
        **{getattr(TOKENS, name): getattr(slots, name) for name in ("unsubscribe_url", "preferences_url", "confirm_url", "press_url", "letter_url")},
    }  # fmt: skip
    _, text, page = parsed(every()[sort].merge(TOKENS))
    message = EmailMessage(policy=policy.SMTP)
    message.set_content(_filled(text, values), cte="quoted-printable")
    message.add_alternative(
        _filled(page, {escape(old): escape(new) for old, new in values.items()}),
        subtype="html",
        cte="quoted-printable",
    )
    return _parts(message.as_bytes())


def _parts(raw: bytes) -> tuple[str, str]:
    _, text, page = parsed(raw)
    return text.rstrip("\n"), page.rstrip("\n")  # the standard library ends every part with a line break


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], text)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(SORTS), NAMES | st.sampled_from(ODD), URLS, URLS)
def test_merging_is_building(sort: str, name: str, url: str, other: str) -> None:
    """mail:MC25 parse(merge(t, v)) is parse(build(v)), for every sort of letter and whatever the values hold."""
    name = " ".join(name.replace("=?", "= ?").split())
    slots = replace(SLOTS, to_name=name, unsubscribe_url=url, preferences_url=other, press_url=f"{url}/", confirm_url=other, letter_url=url)  # fmt: skip
    assert built(sort, slots) == _parts(every()[sort].merge(slots))


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(SORTS), NAMES | st.sampled_from(ODD), URLS)
def test_no_value_meets_the_line_folding_around_it(sort: str, name: str, url: str) -> None:
    """mail:MC25, mail:MC6, mail:MC7 However long a value is, every line of the parts has at most 76 octets, seven bits."""
    name = " ".join(name.replace("=?", "= ?").split())
    slots = replace(SLOTS, to_name=name, unsubscribe_url=url, preferences_url=url, press_url=f"{url}/", confirm_url=url, letter_url=url)  # fmt: skip
    raw = every()[sort].merge(slots)
    parsed(raw)
    assert max(map(len, raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76


@pytest.mark.parametrize("sort", SORTS)
def test_header_census_of_every_letter(sort: str) -> None:
    """mail:MC5, mail:MC6, mail:MC12, mail:MC13 Each header once, one recipient, lines that can be folded at most 78 octets."""
    raw = every()[sort].merge(SLOTS)
    message = parsed(raw)[0]
    census = Counter(name.lower() for name in message)
    once = ONCE if sort in LISTED else [name for name in ONCE if not name.startswith("list-")]
    assert {name: census[name] for name in once} == dict.fromkeys(once, 1)
    assert max(census.values()) == 1
    assert "auto-generated" == message["Auto-Submitted"]
    assert ["jane@paper.example"] == [one.addr_spec for one in message["To"].addresses]
    if sort in LISTED:
        assert "bulk" == message["Precedence"]
        assert re.fullmatch(r"[0-9a-f]{12}:[a-z-]+:[a-z]+:news\.example", message["Feedback-ID"])
    lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert [line for line in lines if len(line) > 78 and b"<https://" not in line] == []


@pytest.mark.parametrize("sort", LISTED)
def test_what_is_told_later_is_in_the_thread(sort: str) -> None:
    """mail:MC4, mail:EM4 In-Reply-To and References name what the recipient had; who had nothing has neither."""
    message = parsed(every()[sort].merge(SLOTS))[0]
    assert "<earlier@news.example>" == message["In-Reply-To"] == message["References"]
    alone = parsed(every()[sort].merge(replace(SLOTS, in_reply_to=None)))[0]
    assert not {"In-Reply-To", "References"} & set(alone)


def digests() -> list[str]:
    """The SHA-256 of a letter of each sort."""
    return [hashlib.sha256(template.merge(SLOTS)).hexdigest() for template in every().values()]


def test_every_letter_is_the_same_in_another_process() -> None:
    """mail:MC2 Another hash seed, another zone: the same bytes of every sort."""
    made = subprocess.run(
        [sys.executable, "-c", "from tests.render.test_mail_merge import digests; print(*digests())"],
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert digests() == made.stdout.split()


def test_list_ids_are_one_for_each_list() -> None:
    """mail:MC9 Advance copies and notices are a list of their own, under an id that never changes."""
    ids = {sort: message_from_bytes(every()[sort].merge(SLOTS))["List-Id"].split()[-1] for sort in LISTED}
    embargoed = {sort for sort, name in ids.items() if name == "<embargoed.lists.news.example>"}
    assert {"advance", "moved", "lifted", "cancelled"} == embargoed
    assert {"<releases.lists.news.example>"} == {ids[sort] for sort in ids if sort not in embargoed}
