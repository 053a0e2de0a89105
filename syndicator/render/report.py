"""A report as one printable page: its style within it, nothing loaded from anywhere, nobody counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from syndicator.model.delivery import DeliveryState
from syndicator.model.markup import strip_illegal
from syndicator.model.release import in_zone
from syndicator.model.report import Report
from syndicator.model.site import Site

NONE = "–"


def report_page(report: Report, site: Site) -> bytes:
    """The page, in the newsroom's zone and UTC; the same report gives the same bytes."""
    template = _environment().get_template("report.html")
    return template.render(report=report, site=site, states=DeliveryState).encode()


def moment(instant: datetime | None, zone: str) -> str:
    """An instant in the newsroom's zone and in UTC, to the second.

    >>> moment(datetime(2026, 3, 2, 9, tzinfo=UTC), "Europe/Paris")
    'Monday 2 March 2026, 10:00:00 CET (09:00:00 UTC)'
    """
    if instant is None:
        return NONE
    local, utc = in_zone(instant, zone), instant.astimezone(UTC)
    day = f"{local:%A} {local.day} {local:%B %Y}, {local:%H:%M:%S %Z}"
    other = f"{utc:%H:%M:%S}" if utc.date() == local.date() else f"{utc:%Y-%m-%d %H:%M:%S}"
    return f"{day} ({other} UTC)" if local.utcoffset() else day


def span(late: timedelta | None) -> str:
    """A span as a person reads it, to the thousandth below a minute.

    >>> span(timedelta(seconds=0.25)), span(timedelta(seconds=75)), span(timedelta(hours=2, minutes=3))
    ('0.250 s', '1 min 15 s', '2 h 3 min')
    """
    if late is None:
        return NONE
    seconds = late.total_seconds()
    if abs(seconds) < 60:
        return f"{seconds:.3f} s"
    sign, whole = ("−" if seconds < 0 else ""), int(abs(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{sign}{hours} h {minutes} min" if hours else f"{sign}{minutes} min {whole % 60} s"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("syndicator.render", "templates"),
        autoescape=True,
        finalize=lambda value: type(value)(strip_illegal(value)) if isinstance(value, str) else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(moment=moment, span=span)
    return made
