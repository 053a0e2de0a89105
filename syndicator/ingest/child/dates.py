"""Dates as feeds write them: RFC 822 and its kin, ISO 8601, and what programs in the wild make of both (feeds:I18).

Ours instead of feedparser's own: that takes CEST for UTC and knows no 24:00:00, and where a text is hardly
a date it fills in today's. Here what is not said is not made up, except that no zone means UTC.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime, timedelta

LONGEST = 100  # characters
FIRST_YEAR, LAST_YEAR = 1900, 2100  # year 1 is how some programs write "none", 9999 how others write "never"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # and so do those that write a zero
PIVOT = 50  # RFC 5322 §4.3: two digits below it are of this century

# The first letters of months, without their accents: English, then what else is seen.
_MONTHS = (
    "jan ene gen ιαν",
    "feb fev fevr φεβ",
    "mar mrz mrt μαρ",
    "apr avr abr απρ",
    "may mai mag maj mei μαι",
    "jun juin giu ιουν",
    "jul juil lug ιουλ",
    "aug aou aout ago αυγ",
    "sep set sze σεπ",
    "oct okt ott out οκτ",
    "nov noe νοε",
    "dec dez dic δεκ",
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_ZONES = {  # hours east of Greenwich; RFC 822 §5.1 first, then what is usual
    -12: "bit",
    -11: "sst nut",
    -10: "hst hast",
    -9: "akst hadt",
    -8: "pst pt akdt",
    -7: "pdt mst mt",
    -6: "mdt cst ct",
    -5: "cdt est et pet cot",
    -4: "edt ast at clt bot",
    -3: "adt brt art uyt clst",
    -2: "brst fnt",
    -1: "azot cvt",
    0: "utc gmt ut z wet egst",
    1: "cet met mez bst west wat",
    2: "cest mest mesz eet cat sast",
    3: "eest msk trt eat idt fet",
    4: "gst azt get samt msd",
    5: "pkt uzt yekt mvt",
    6: "bdt almt omst btt",
    7: "ict wib krat novt",
    8: "sgt hkt awst pht myt wita irkt",
    9: "jst kst wit yakt",
    10: "aest chst pgt vlat",
    11: "aedt sbt magt",
    12: "nzst fjt pett",
    13: "nzdt tot phot",
}
ZONES = {name: timedelta(hours=hours) for hours, names in _ZONES.items() for name in names.split()}
ZONES |= {name: timedelta(hours=5, minutes=30) for name in ("ist", "slst")}
ZONES |= {"nst": timedelta(hours=-3.5), "ndt": timedelta(hours=-2.5), "irst": timedelta(hours=3.5)}
ZONES |= {"acst": timedelta(hours=9.5), "acdt": timedelta(hours=10.5), "npt": timedelta(hours=5.75)}
ZONES |= {"mmt": timedelta(hours=6.5), "aft": timedelta(hours=4.5)}

OFFSET = r"(?:(?:gmt|utc)?\s?(?P<sign>[+-])(?P<h>\d{1,2}):?(?P<m>\d\d)?(?!\d)|(?P<zone>[a-z]{1,5})\b)"
TIME = re.compile(
    r"(?:^|(?<=\d)t|\s)\s*(?P<half>오전|오후)?\s*(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    rf"(?:\s?(?P<noon>[ap])\.?m\b\.?)?(?:\s?\(?{OFFSET})?"
)
SHAPES = tuple(
    re.compile(shape + r"\s*")
    for shape in (
        r"(?P<year>\d{4})[-/.](?P<month>\d{1,2}|[^\W\d]+)[-/.](?P<day>\d{1,2})t?",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)t?",
        r"(?P<year>\d{4})(?:-(?P<month>\d\d))?",
        r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[ -]+(?:de )?(?P<month>[^\W\d]{3,12})\.?[ -]+(?:de )?(?P<year>\d{4}|\d\d)",
        r"(?P<month>[^\W\d]{3,12})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)? (?P<year>\d{4}|\d\d)",
        r"(?P<year>\d{4})년 ?(?P<month>\d{1,2})월 ?(?P<day>\d{1,2})일",
    )
)
COMPACT = re.compile(r"(\d{8})t?(\d\d)(\d\d)(\d\d)?(?=z?$|[+-]\d)")
WEEKDAY = re.compile(r"^[^\W\d]{2,12}\.? (?=\S)")
# asctime and Perl: the year last, behind the time and perhaps a zone.
YEAR_LAST = re.compile(
    r"^([^\W\d]{3,12} \d{1,2}) (\d{1,2}:\d\d(?::\d\d)?(?: [a-z]{2,5}| [+-]\d{4})?) (\d{4})$"
)


def read_date(text: str) -> datetime | None:
    """The instant that a text names, in UTC; None if it names none, or one that cannot be meant."""
    line = _plain(text)
    # With its first word, then without: "mar" is March, and Tuesday in French.
    return (_read(line) or _read(WEEKDAY.sub("", line))) if line else None


def _read(line: str) -> datetime | None:
    line = COMPACT.sub(_spread, YEAR_LAST.sub(r"\1 \3 \2", line))
    time = TIME.search(line)
    day = _day(line[: time.start()] if time else line)
    if day is None:
        return None
    with suppress(ValueError, OverflowError):
        moment = day + _since_midnight(time, line) if time else day
        return moment if FIRST_YEAR <= moment.year <= LAST_YEAR and moment != EPOCH else None
    return None


def _plain(text: str) -> str:
    """In lower case, without accents, commas and runs of blanks; empty if it is too long to be a date."""
    if len(text) > LONGEST:
        return ""
    # Composed again at the end: a Korean syllable is no letter with accents.
    bare = "".join(
        char for char in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(char)
    )
    return " ".join(unicodedata.normalize("NFC", bare).replace(",", " ").replace("\u2212", "-").split())


def _spread(compact: re.Match[str]) -> str:
    day, hour, minute, second = compact.groups()
    return f"{day} {hour}:{minute}:{second or '00'}"


def _day(text: str) -> datetime | None:
    found = next(filter(None, (shape.fullmatch(text) for shape in SHAPES)), None)
    if found is None:
        return None
    year, month, day = (found.groupdict().get(name) or "1" for name in ("year", "month", "day"))
    number = int(month) if month.isdigit() else MONTHS.get(month[:4]) or MONTHS.get(month[:3]) or 0
    full = int(year) + ((2000 if int(year) < PIVOT else 1900) if len(year) == 2 else 0)
    with suppress(ValueError):
        return datetime(full, number, int(day), tzinfo=UTC)
    return None


def _since_midnight(time: re.Match[str], line: str) -> timedelta:
    """From midnight UTC of the day as written; raises ValueError for a time that no clock shows."""
    hour, minute, second = (int(time[name] or 0) for name in ("hour", "minute", "second"))
    if time["noon"] or time["half"]:
        if hour > 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if time["noon"] == "p" or time["half"] == "오후" else 0)
    # 24:00:00 is the end of the day (ISO 8601-1:2019 §4.3.8.2), :60 a leap second.
    if hour > 24 or (hour == 24 and (minute or second)) or minute > 59 or second > 60:
        raise ValueError(hour)
    since = timedelta(hours=hour, minutes=minute, seconds=min(second, 59))
    if time["half"] or "년" in line:
        return since - ZONES["kst"]
    return since - _offset(time)


def _offset(time: re.Match[str]) -> timedelta:
    if time["sign"]:
        hours, minutes = time["h"], time["m"] or "0"
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset > timedelta(hours=14) or int(minutes) > 59:
            raise ValueError(hours)
        return -offset if time["sign"] == "-" else offset
    return ZONES.get(time["zone"] or "", timedelta())  # RFC 5322 §4.3: military and unknown names mean UTC
