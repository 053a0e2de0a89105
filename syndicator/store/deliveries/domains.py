"""How much may go to one domain of recipients now: the limits are kept in a row, so all workers keep them together.

A claim asks for a `Gate`, takes only what it lets through and writes down what it took; whatever is behind a
resting domain is taken in its stead. Domains without a limit have no row. The rules are in `model.pace`. Serves
walk B.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, or_, select

from syndicator.model import pace
from syndicator.model.delivery import Channel, Policy, Try
from syndicator.model.outcomes import Cause, Outcome, Result
from syndicator.store import schema
from syndicator.store.deliveries.destinations import IS_TAKEN, condition, forgiven, hold, reconsider
from syndicator.store.engine import Tx, insert_or_update_all

m, d = schema.domains.c, schema.deliveries.c
COMPLAINTS = frozenset({Cause.THROTTLED, Cause.POLICY})
# Rows that only say when the last letter went are swept when there are so many of them.
MANY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain of recipients with limits as operators see it; instants UTC."""

    lane: str
    domain: str
    open: datetime
    width: int | None
    rate: float | None
    failures: int
    fault: str | None


def listing(tx: Tx) -> list[Domain]:
    """The domains that asked for patience, or that were slowed down, by name."""
    slow = or_(m.failures > 0, m.width.is_not(None), m.rate.is_not(None))
    found = tx.connection.execute(select(schema.domains).where(slow).order_by(m.lane, m.domain))
    names = "lane domain open width rate failures fault".split()
    return [Domain(**{name: getattr(row, name) for name in names}) for row in found]


def limits(tx: Tx, lane: str, policy: Policy) -> Gate | None:
    """The gate before this lane, which is ours until the transaction ends; None where nothing is limited."""
    how = condition(tx, lane)
    general = how.channel == Channel.MAIL and (policy.domain_connections or policy.domain_rate)
    if not general and not how.paced:
        return None
    hold(tx, lane)  # two workers must not both take the last place of a domain
    # What is written of them from here on must not bring old limits to life.
    tx.connection.execute(delete(schema.domains).where(m.lane == lane, forgiven(tx.now)))
    return Gate(tx, lane, policy)


class Gate:
    """Lets letters through as long as their domains have room. One claim, one gate."""

    def __init__(self, tx: Tx, lane: str, policy: Policy) -> None:
        self._tx, self._lane, self._policy = tx, lane, policy
        self._paces: dict[str, pace.Pace] = {}
        self._room: dict[str, int | None] = {}
        self._let_in: Counter[str] = Counter()
        self._under_way: dict[str, int] | None = None

    def open_domains(self) -> ColumnElement[bool]:
        """The condition on rows of the ledger that their domains do not rest, as far as we know."""
        rest = select(m.domain).where(m.lane == self._lane, m.open > self._tx.now)
        full = [domain for domain, room in self._room.items() if room == 0]
        return d.domain.not_in(rest) & d.domain.not_in(full)

    def admit(self, rows: Sequence[Row[Any]]) -> list[int]:
        """The keys of those rows (id, domain), in their order, that may go now."""
        self._look({row.domain for row in rows} - self._room.keys())
        return [row.id for row in rows if self._admits(row.domain)]

    def close(self) -> None:
        """Write down what was taken of the domains that have a rate."""
        now, tx = self._tx.now, self._tx
        rows = [
            {"lane": self._lane, "domain": domain, "open": after.open, "changed": now}
            for domain, letters in sorted(self._let_in.items())
            if (after := pace.taken(self._paces[domain], letters, now)) != self._paces[domain]
        ]
        insert_or_update_all(tx, schema.domains, rows, ("lane", "domain"))
        reconsider(tx, self._lane)
        if rows and self._count() > MANY:
            idle = (m.open < now) & (m.failures == 0) & m.width.is_(None) & m.rate.is_(None)
            tx.connection.execute(delete(schema.domains).where(m.lane == self._lane, idle))

    def _admits(self, domain: str) -> bool:
        room = self._room[domain]
        if room == 0:
            return False
        if room is not None:
            self._room[domain] = room - 1
        self._let_in[domain] += 1
        return True

    def _look(self, names: Collection[str]) -> None:
        known = _paces(self._tx, self._lane, names)
        for domain in names:
            own = known.get(domain) or pace.Pace(open=self._tx.now - timedelta(days=1))
            bound = pace.limited(own, self._policy.domain_connections, self._policy.domain_rate)
            self._paces[domain] = bound
            # What was planned without a domain (a request to confirm) is nobody's crowd.
            self._room[domain] = pace.room(bound, self._busy(domain, bound), self._tx.now) if domain else None

    def _busy(self, domain: str, bound: pace.Pace) -> int:
        if bound.width is None:
            return 0
        if self._under_way is None:
            counted = select(d.domain, func.count().label("n")).where(IS_TAKEN, d.lane == self._lane)
            found = self._tx.connection.execute(counted.group_by(d.domain))
            self._under_way = {row.domain: row.n for row in found}
        return self._under_way.get(domain, 0)

    def _count(self) -> int:
        query = select(func.count()).select_from(schema.domains).where(m.lane == self._lane)
        return int(self._tx.connection.execute(query).scalar_one())


def hear(tx: Tx, results: Sequence[tuple[Try, Result]], policy: Policy) -> None:
    """Slow down for domains that ask for it, and trust those again that take letters (mail:SE4, SE6)."""
    complained = any(result.cause in COMPLAINTS for _, result in results)
    mailed = {attempt.lane for attempt, _ in results if attempt.channel is Channel.MAIL}
    for lane in sorted(mailed):
        if not complained and not condition(tx, lane).paced:  # the usual case
            continue
        by_domain: dict[str, list[Result]] = {}
        for attempt, result in results:
            if attempt.lane == lane and attempt.domain:
                by_domain.setdefault(attempt.domain, []).append(result)
        if not by_domain:
            continue
        hold(tx, lane)
        known = _paces(tx, lane, by_domain)
        for domain in sorted(by_domain):
            _hear(tx, lane, domain, known.get(domain), by_domain[domain], policy)


def _hear(
    tx: Tx, lane: str, domain: str, own: pace.Pace | None, results: Sequence[Result], policy: Policy
) -> None:
    complaints = [one for one in results if one.cause in COMPLAINTS]
    if complaints:
        before = own or pace.Pace(open=tx.now)
        if before.failures and before.open > tx.now:
            return  # it rests already: these were under way together
        bound = pace.limited(before, policy.domain_connections, policy.domain_rate)
        asked = max((one.after for one in complaints if one.after), default=None)
        _write(tx, lane, domain, pace.slowed(bound, tx.now, asked), complaints[0].detail)
    elif own and (own.width or own.failures) and any(one.outcome is Outcome.ACCEPTED for one in results):
        after = pace.eased(own)
        if after.width is None and after.rate is None and after.open <= tx.now:
            _delete(tx, lane, domain)
        else:
            _write(tx, lane, domain, after, None if after.width is None else "")


def _write(tx: Tx, lane: str, domain: str, after: pace.Pace, fault: str | None) -> None:
    values: dict[str, Any] = {
        "lane": lane,
        "domain": domain,
        "open": after.open,
        "width": after.width,
        "rate": after.rate,
        "failures": after.failures,
        "changed": tx.now,
    }
    if fault != "":  # the words of the last complaint stay until all is well
        values["fault"] = fault
    insert_or_update_all(tx, schema.domains, [values], ("lane", "domain"))
    reconsider(tx, lane)


def _delete(tx: Tx, lane: str, domain: str) -> None:
    """Nothing is left of its limits: every claim would ask for a row that is there."""
    tx.connection.execute(delete(schema.domains).where(m.lane == lane, m.domain == domain))
    reconsider(tx, lane)


def _paces(tx: Tx, lane: str, names: Collection[str]) -> dict[str, pace.Pace]:
    if not names:
        return {}
    query = select(schema.domains).where(m.lane == lane, m.domain.in_(sorted(names)))
    return {
        row.domain: pace.Pace(open=row.open, width=row.width, rate=row.rate, failures=row.failures)
        for row in tx.connection.execute(query.order_by(m.domain).with_for_update())
    }
