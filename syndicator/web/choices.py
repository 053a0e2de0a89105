"""What people choose from in forms: countries, time zones, languages, how often. Names are the tz database's.

Whatever is chosen is checked by the flows; these lists only help to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from syndicator.model.audience import Cadence

# In their own words, so that whoever looks for theirs finds it.
LANGUAGES = {
    "en": "English",
    "ar": "العربية",
    "bg": "Български",
    "cs": "Čeština",
    "da": "Dansk",
    "de": "Deutsch",
    "el": "Ελληνικά",
    "es": "Español",
    "et": "Eesti",
    "fi": "Suomi",
    "fr": "Français",
    "ga": "Gaeilge",
    "he": "עברית",
    "hr": "Hrvatski",
    "hu": "Magyar",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "lt": "Lietuvių",
    "lv": "Latviešu",
    "mt": "Malti",
    "nl": "Nederlands",
    "no": "Norsk",
    "pl": "Polski",
    "pt": "Português",
    "ro": "Română",
    "sk": "Slovenčina",
    "sl": "Slovenščina",
    "sv": "Svenska",
    "tr": "Türkçe",
    "uk": "Українська",
    "zh": "中文",
}
OFTEN = {
    Cadence.IMMEDIATE: "At once",
    Cadence.DAILY: "Once a day",
    Cadence.WORKDAYS: "On workdays",
    Cadence.WEEKLY: "Once a week",
    Cadence.MONTHLY: "Once a month",
    Cadence.NTH_WEEKDAY: "On a weekday of the month",
}
EACH = "Each issue"  # how often a newsletter comes
# What the sign-up offers, and what that means before anybody has chosen a day or an hour.
HOW_OFTEN = {
    Cadence.IMMEDIATE: (OFTEN[Cadence.IMMEDIATE], "each release the moment it is public"),
    Cadence.DAILY: (OFTEN[Cadence.DAILY], "one mail in the morning"),
    Cadence.WORKDAYS: (OFTEN[Cadence.WORKDAYS], "one mail in the morning, Monday to Friday"),
    Cadence.WEEKLY: (OFTEN[Cadence.WEEKLY], "one mail on Monday"),
    Cadence.MONTHLY: (OFTEN[Cadence.MONTHLY], "one mail on the first"),
}


@cache
def countries() -> dict[str, str]:
    """ISO 3166-1 alpha-2 code → name in English, by name."""
    lines = _lines("iso3166.tab")
    named = dict(line.split("\t")[:2] for line in lines)
    return dict(sorted(named.items(), key=lambda pair: pair[1]))


@cache
def zones() -> tuple[tuple[str, Sequence[str]], ...]:
    """IANA zones as people look for them: by area ("Europe"), the zones of each by name; UTC is the last."""
    found: dict[str, list[str]] = {}
    for line in _lines("zone.tab"):
        zone = line.split("\t")[2]
        found.setdefault(zone.partition("/")[0], []).append(zone)
    return (*((area, tuple(sorted(some))) for area, some in sorted(found.items())), ("Other", ("UTC",)))


@cache
def known_zones() -> frozenset[str]:
    """All zones of `zones`."""
    return frozenset(zone for _, some in zones() for zone in some)


def is_language(tag: str) -> bool:
    """Whether a form offers this language; the empty one is the newsroom's."""
    return tag in LANGUAGES


def _lines(table: str) -> list[str]:
    text = (files("tzdata.zoneinfo") / table).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
