"""The letter of a digest: what it says, in both parts, and what it leaves to its readers."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from syndicator.model.audience import Cadence
from syndicator.render.mail import Edition, Section, capped, compose_digest
from tests.make import make_content, make_item
from tests.render.letters import SENDER, SITE, SLOTS, digest, edition
from tests.render.test_mail import parsed

if TYPE_CHECKING:
    from syndicator.model.item import Item

EXPECTED = """WEEKLY DIGEST
5 items

23 February to 2 March
----------------------

POLICY

Evacuation of the <north> site
Urgent · Press release · 2 March 2026
Everybody is safe & well.
https://news.example/items/evacuation

Warning on a draft budget
Corrected 3 March 2026 · Press release · 2 March 2026
Parliament should reject the cuts.
https://news.example/items/a-statement

RESEARCH & "FUNDING"

بيان حول مسودة الميزانية
Press release · 2 March 2026
سيؤدي المشروع إلى خفض التمويل
https://news.example/items/budget
"""


def items(count: int) -> tuple[Item, ...]:
    """So many items."""
    return tuple(
        make_item(f"tag:{number}", slug=f"s{number}", content=make_content(f"Item {number}"))
        for number in range(count)
    )


def test_the_text_says_what_came_under_each_topic() -> None:
    """mail:DG8 mail:DG10 Headline, summary, date and address of each item; what is urgent or corrected is marked."""
    message, text, _ = parsed(digest().merge(SLOTS))
    assert message["Subject"] == "Weekly digest, 23 February to 2 March: 5 items"
    assert text.replace("\r\n", "\n").startswith(EXPECTED)
    assert 'And 1 more in Research & "funding": https://news.example/topics/research' in text
    assert "Not shown" not in text


def test_both_parts_say_the_same() -> None:
    """mail:MC1 Every headline, mark and address of the text stands in the HTML, escaped."""
    _, text, html = parsed(digest().merge(SLOTS))
    for words in (
        "Evacuation of the &lt;north&gt; site",
        "Urgent",
        "Corrected 3 March 2026",
        "And 1 more in",
    ):
        assert words in html
    for line in text.splitlines():
        if line.startswith("https://"):
            assert f'href="{line}"' in html


def test_one_click_leaves_the_whole_digest() -> None:
    """mail:MC8 List-Unsubscribe with one click, the same link and the preferences in both parts."""
    message, text, html = parsed(digest().merge(SLOTS))
    assert message["List-Unsubscribe"] == f"<{SLOTS.unsubscribe_url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "digests.lists.news.example" in message["List-Id"]
    for part in (text, html):
        assert SLOTS.unsubscribe_url in part
        assert SLOTS.preferences_url in part


@pytest.mark.parametrize(
    ("cadence", "day", "subject"),
    [
        (Cadence.DAILY, date(2026, 3, 2), "Daily digest, 2 March: 1 item"),
        (Cadence.WORKDAYS, date(2026, 3, 2), "Daily digest, 2 March: 1 item"),
        (Cadence.WEEKLY, date(2026, 1, 3), "Weekly digest, 27 December to 3 January: 1 item"),
        (Cadence.MONTHLY, date(2026, 3, 31), "Monthly digest, 28 February to 31 March: 1 item"),
        (Cadence.NTH_WEEKDAY, date(2026, 3, 9), "Monthly digest, 9 February to 9 March: 1 item"),
    ],
)
def test_the_subject_says_which_days(cadence: Cadence, day: date, subject: str) -> None:
    """mail:DG2 By the calendar of its readers, however many days the window had."""
    one = Edition(cadence=cadence, day=day, sections=(Section("Policy", "policy", items(1)),))
    message, _, _ = parsed(compose_digest(one, site=SITE, sender=SENDER).merge(SLOTS))
    assert subject == message["Subject"]


@pytest.mark.parametrize(
    ("most", "shown"),
    [(9, [(4, 0), (3, 0)]), (5, [(4, 0), (1, 2)]), (4, [(4, 0), (0, 3)]), (1, [(1, 3), (0, 3)])],
)
def test_what_is_too_much_is_counted(most: int, shown: list[tuple[int, int]]) -> None:
    """mail:DG10 The first items, topic by topic; each topic says how many more there are. None is lost from the count."""
    sections = capped([Section("A", "a", items(4)), Section("B", "b", items(3))], most)
    assert shown == [(len(one.items), one.more) for one in sections]
    assert Edition(cadence=Cadence.DAILY, day=date(2026, 3, 2), sections=sections).total == 7


def test_five_hundred_items_fit() -> None:
    """mail:MC22 The most an operator may ask for is still a mail that nobody clips; what is larger is refused in words."""
    one = Edition(cadence=Cadence.DAILY, day=date(2026, 3, 2), sections=(Section("A", "a", items(150)),))
    _, _, html = parsed(compose_digest(one, site=SITE, sender=SENDER).merge(SLOTS))
    assert html.count("<h3") == 150


def test_the_same_issue_is_the_same_bytes() -> None:
    """mail:MC2 Composed again, in another process or after a restart, nothing differs."""
    again = compose_digest(edition(), site=SITE, sender=SENDER)
    assert digest().merge(SLOTS) == again.merge(SLOTS)
