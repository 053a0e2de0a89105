"""The calendar of an embargo: what RFC 5545 asks, whatever stands in the headline."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from syndicator.model.release import Embargo
from syndicator.render.calendar import Deadline, Standing, calendar
from syndicator.render.view import line
from tests.make import NOW, make_release, make_site

SITE = make_site()
NINE = NOW + timedelta(hours=1)


def deadline(
    standing: Standing = Standing.HOLDS, title: str | None = "On budgets", **other: object
) -> Deadline:
    """Of a release under embargo until nine."""
    release = make_release(**{"embargo": Embargo(until=NINE), "at": NINE, **other})
    page = "https://news.example/press/1.1.abc/"
    return Deadline(release=release, standing=standing, title=title, page=page, own=f"{page}embargo.ics")


@given(st.text(max_size=200), st.sampled_from(Standing))
@settings(max_examples=50)
def test_any_headline_stays_in_its_line(title: str, standing: Standing) -> None:
    """mail:EM3 no headline ends its property, folds wrongly or is lost: RFC 5545 §3.1, §3.3.11."""
    made = calendar(deadline(standing, title), SITE)
    lines = made.split(b"\r\n")
    assert b"" == lines.pop()
    assert all(len(one) <= 75 and b"\n" not in one and b"\r" not in one for one in lines)
    event = Calendar.from_ical(made).walk("VEVENT")
    assert 1 == len(event)
    expected = f"{standing}: {line(title) or SITE.title}"
    assert " ".join(expected.split()) == " ".join(str(event[0]["summary"]).split())
    assert {"SUMMARY", "DTSTART", "DTSTAMP", "UID", "SEQUENCE", "STATUS"} <= set(event[0])


def test_the_same_release_is_the_same_bytes() -> None:
    """mail:MC2 nothing but the release and its standing changes a calendar; the event keeps its name for good."""
    assert calendar(deadline(), SITE) == calendar(deadline(), SITE)
    names = {
        Calendar.from_ical(calendar(one, SITE)).walk("VEVENT")[0]["uid"]
        for one in (deadline(), deadline(moves=3))
    }
    assert 1 == len(names)
    other = Calendar.from_ical(calendar(deadline(uid="tag:x:other"), SITE)).walk("VEVENT")[0]["uid"]
    assert other not in names


def test_its_count_never_falls() -> None:
    """mail:EM3 a calendar takes a change only under a higher SEQUENCE (RFC 5546 §2.1.4)."""
    steps = [
        deadline(),
        deadline(moves=1),
        deadline(Standing.REVISED, moves=1),
        deadline(moves=2),
        deadline(Standing.OVER, moves=2, released=NOW),
    ]
    counts = [one.sequence for one in steps]
    assert sorted(counts) == counts
    assert counts[-1] > counts[-2]
    assert deadline(Standing.CANCELLED, moves=2).sequence == counts[-1]


def test_it_ends_when_it_ended() -> None:
    """mail:EM3 an early lift shows at its own instant, a late one at the end that was agreed."""
    assert NINE == deadline().ends
    assert NOW == deadline(Standing.OVER, released=NOW).ends
    assert NINE == deadline(Standing.OVER, released=NINE + timedelta(seconds=1)).ends
    assert NINE == deadline(embargo=None).ends
