"""Dates as feeds write them: each in UTC, or none at all; never one that nobody wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.ingest.child.dates import ZONES, read_date

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("GMT", 0),
        ("UT", 0),
        ("UTC", 0),
        ("Z", 0),
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("PDT", -7),
        ("CET", 1),
        ("CEST", 2),
        ("MEZ", 1),
        ("MESZ", 2),
        ("EET", 2),
        ("EEST", 3),
        ("BST", 1),
        ("WEST", 1),
        ("MSK", 3),
        ("IST", 5.5),
        ("JST", 9),
        ("KST", 9),
        ("AEST", 10),
        ("AEDT", 11),
        ("ACST", 9.5),
        ("NZDT", 13),
        ("NST", -3.5),
        ("+0100", 1),
        ("-0330", -3.5),
        ("+05:45", 5.75),
        ("+01", 1),
        ("GMT+0200", 2),
        ("GMT-05:00", -5),
        ("+0100 (CET)", 1),
        ("(CEST)", 2),
        ("Klingon", 0),
        ("A", 0),
        ("", 0),
    ],
)
def test_zones(zone: str, hours: float) -> None:
    """feeds:I18 — named zones, offsets in all spellings; no zone, a military or an unknown one is UTC."""
    at = NINE - timedelta(hours=hours)
    assert read_date(f"Mon, 02 Mar 2026 09:00:00 {zone}") == at
    assert read_date(f"2026-03-02 09:00:00 {zone}") == at


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 02 Mar 2026 09:00:00 GMT",
        "Mon, 2 Mar 26 09:00 GMT",
        "Monday, 02 March 2026 09:00:00 +0000",
        "2 Mar 2026 09:00:00 GMT",
        "02-Mar-2026 09:00:00",
        "March 2, 2026 9:00 am",
        "Mar 2nd, 2026 09:00",
        "Mon Mar  2 09:00:00 2026",
        "Mon Mar  2 09:00:00 GMT 2026",
        "Mon Mar 02 2026 10:00:00 GMT+0100 (Central European Standard Time)",
        "2026-03-02T09:00:00Z",
        "2026-03-02t09:00:00.123456z",
        "2026-03-02T09:00Z",
        "2026-03-02T10:00:00+01:00",
        "2026-03-02T10:00:00+0100",
        "2026-03-02 09:00:00",
        "2026/03/02 09:00:00",
        "20260302T090000Z",
        "20260302T0900",
        "2026-03-01T24:00:00-09:00",
        "lun., 2 mars 2026 09:00:00 +0000",
        "mar, 02 mar 2026 09:00:00 +0000",
        "Mo, 02 Mär 2026 10:00:00 +0100",
        "02 de marzo de 2026 09:00",
        "2026-március-02T9:00",
        "Δευ, 02 Μαρ 2026 09:00:00 GMT",
        "2026년 03월 02일  18:00:00",
        "2026-03-02 오후 6:00:00",
    ],
)
def test_the_same_instant_in_many_spellings(text: str) -> None:
    """feeds:I18 — RFC 822, ISO 8601, asctime and what programs and languages make of them."""
    assert read_date(text) == NINE


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Mon, 02 Mar 2026 24:00:00 +0000", datetime(2026, 3, 3, tzinfo=UTC)),
        ("2026-12-31T24:00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Thu, 01 Jan 04 19:48:21 GMT", datetime(2004, 1, 1, 19, 48, 21, tzinfo=UTC)),
        ("Fri, 01 Jan 99 00:00:00 GMT", datetime(1999, 1, 1, tzinfo=UTC)),
        ("March 2, 2026 12:30 AM", datetime(2026, 3, 2, 0, 30, tzinfo=UTC)),
        ("March 2, 2026 12:30 p.m.", datetime(2026, 3, 2, 12, 30, tzinfo=UTC)),
        ("2026-03-02", datetime(2026, 3, 2, tzinfo=UTC)),
        ("Mon, 02 Mar 2026", datetime(2026, 3, 2, tzinfo=UTC)),
        ("Sept 5, 2025", datetime(2025, 9, 5, tzinfo=UTC)),
        ("2026-03", datetime(2026, 3, 1, tzinfo=UTC)),
        ("1 août 2026", datetime(2026, 8, 1, tzinfo=UTC)),
        ("1 juil. 2026", datetime(2026, 7, 1, tzinfo=UTC)),
    ],
)
def test_edges(text: str, at: datetime) -> None:
    """feeds:I18 — the end of a day, a leap second, two digits (RFC 5322 §4.3), noon, no time at all."""
    assert read_date(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "15:00",
        "Monday",
        "March",
        "02",
        "-02-03",
        "1704067200",
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "1899-12-30T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-13-02",
        "2026-02-30",
        "2026-03-02T25:00:00Z",
        "2026-03-02T24:00:01Z",
        "2026-03-02T09:61:00Z",
        "2026-03-02T13:00 PM",
        "Mon, 02 Mar 2026 09:00:00 +9900",
        "Mon, 32 Mar 2026 09:00:00 GMT",
        "Mon, 02 Foo 2026 09:00:00 GMT",
        "2026-03-02T09:00:00Z" * 100,
    ],
)
def test_what_is_no_date(text: str) -> None:
    """feeds:I18 — feedparser fills in this year or today; nothing is made up here, and "none" is none."""
    assert read_date(text) is None


@given(st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 30)), st.sampled_from(sorted(ZONES)))
def test_what_is_written_is_read(wall: datetime, zone: str) -> None:
    """feeds:I18 — any second, any named zone, in both families of spellings."""
    at = (wall.replace(microsecond=0, tzinfo=UTC)) - ZONES[zone]
    assert read_date(wall.strftime(f"%a, %d %b %Y %H:%M:%S {zone.upper()}")) == at
    assert read_date(f"{wall:%Y-%m-%dT%H:%M:%S} {zone.upper()}") == at


@given(st.text(max_size=120))
def test_any_text_is_a_date_or_none(text: str) -> None:
    """feeds:I12, feeds:I18 — nothing a feed writes there raises, or gives a year that cannot be."""
    moment = read_date(text)
    assert moment is None or 1900 <= moment.year <= 2100
