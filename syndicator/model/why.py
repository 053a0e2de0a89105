"""Why somebody did or did not get an item, in one sentence. Pure: what the rows say goes in, words come out.

The weightiest reason is given: what was sent, then what is on its way, then the first thing that kept it from being
owed to them. Each sentence is about the person: it is said to them, or by staff about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from syndicator.model.audience import Cadence, Standing, SubscriptionState
from syndicator.model.delivery import DeliveryState
from syndicator.model.item import ItemState
from syndicator.model.outcomes import Cause


class Form(StrEnum):
    """In what they were to get it."""

    MAIL = "mail"
    DIGEST = "digest"
    ADVANCE = "advance copy"
    CORRECTION = "correction"
    ISSUE = "issue of the newsletter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One delivery that carried the item, or was to. `at` is when it ended, or is due; None: it waits for a person.

    `topic` and `cadence` are of the subscription it came by; `returned` says what came back later; `held` why it
    waits although nothing of it is late.
    """

    form: Form
    state: DeliveryState
    at: datetime | None
    topic: str = ""
    cadence: Cadence | None = None
    attempts: int = 0
    detail: str = ""
    code: int | None = None
    cause: Cause | None = None
    returned: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription to one of the item's topics, live or ended. `confirmed`: since when it is no mere wish."""

    topic: str
    cadence: Cadence
    state: SubscriptionState
    since: datetime
    ended: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One person and one item. `pushed`: when it was told, by topic; `closes`: when their digests close next.

    `item` is None for a release that is not public. `outside`: the audience it names does not hold them.
    """

    item: ItemState | None
    topics: tuple[str, ...]
    pushed: Mapping[str, datetime] = field(default_factory=dict)
    published: datetime | None = None
    duties: tuple[Duty, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    closes: Mapping[Cadence, datetime] = field(default_factory=dict)
    standing: Standing = Standing.LISTED
    suppressed: str | None = None
    paused: datetime | None = None
    outside: bool = False


# The states in the order in which they answer the question.
SENT = (
    DeliveryState.ACCEPTED,
    DeliveryState.UNKNOWN,
    DeliveryState.SENDING,
    DeliveryState.LEASED,
    DeliveryState.DUE,
    DeliveryState.REFUSED,
    DeliveryState.EXPIRED,
    DeliveryState.CANCELLED,
)
SERVERS = {
    Cause.DEAD_ADDRESS: "there is no such mailbox",
    Cause.DISABLED: "the mailbox is closed",
    Cause.NO_MAIL: "the domain takes no mail",
    Cause.FULL: "the mailbox is full",
    Cause.GREYLISTED: "it asked for patience",
}
GONE = {
    ItemState.WITHDRAWN: "withdrawn",
    ItemState.KILLED: "killed",
    ItemState.REDACTED: "redacted",
}


def why(case: Case) -> str:
    """Why this person did or did not get this item."""
    if case.duties:
        return _of_duty(min(case.duties, key=_rank), case)
    return next(_reasons(case))


def _rank(duty: Duty) -> tuple[bool, int, bool]:
    """Which duty tells most, the smallest first: an issue that shows it counts only where nothing of its own does."""
    return duty.form is Form.ISSUE, SENT.index(duty.state), duty.form is Form.ADVANCE


def _of_duty(duty: Duty, case: Case) -> str:
    way = _way(duty)
    match duty.state:
        case DeliveryState.ACCEPTED:
            return _accepted(duty, case)
        case DeliveryState.UNKNOWN:
            again = f"; it is tried again on {_day(duty.at)}" if duty.at else ""
            return f"They may have got it{way}: the connection broke before an answer came{again}."
        case DeliveryState.REFUSED if duty.code is None and duty.cause is None:  # by ourselves
            return f"It was owed to them{way}, but could not be sent: {duty.detail}."
        case DeliveryState.REFUSED:
            said = SERVERS.get(duty.cause, duty.detail) if duty.cause else duty.detail
            code = f" ({duty.code})" if duty.code else ""
            return f"It was sent to them{way}, and their mail server refused it on {_day(duty.at)}: {said}{code}."
        case DeliveryState.EXPIRED:
            return f"It was tried {duty.attempts} times{way}, and given up on {_day(duty.at)}: {duty.detail}."
        case DeliveryState.CANCELLED:
            return _cancelled(duty, case)
        case DeliveryState.SENDING | DeliveryState.LEASED:
            return f"It is on its way to them right now{way}."
        case DeliveryState.DUE:
            return _due(duty)


def _accepted(duty: Duty, case: Case) -> str:
    if duty.returned:
        return f"It was sent to them on {_day(duty.at)}{_way(duty)}, but came back: {duty.returned}."
    if duty.form is Form.ADVANCE and case.item:
        return (
            f"They had it before, as an advance copy on {_day(duty.at)}, and it was not owed to them again."
        )
    return f"They got it on {_day(duty.at)}{_way(duty)}: the mail server took it."


def _due(duty: Duty) -> str:
    if duty.held:
        return f"It is held{_way(duty)}: {duty.held}."
    if duty.at is None:
        return f"It was late and is held{_way(duty)}; `syndicator delivery retry` says yes to it."
    if duty.attempts:
        put_off = f"Their mail server put it off ({duty.detail})"
        return f"{put_off}; it is tried again on {_day(duty.at)}{_way(duty)}."
    return f"It is planned for {_day(duty.at)}{_way(duty)}."


def _cancelled(duty: Duty, case: Case) -> str:
    if case.item in GONE:
        return f"It was owed to them{_way(duty)}, but it was {GONE[case.item]} before it was sent."
    return f"It was owed to them{_way(duty)}, but not sent: {duty.detail}."


def _reasons(case: Case) -> Iterator[str]:
    """What kept it from being owed to them; the first holds."""
    if case.standing is Standing.ERASED:
        yield "They were erased: nothing is sent to them, and nothing else is known."
    if case.suppressed is not None:
        yield f"Nothing is mailed to them: the address is suppressed ({case.suppressed})."
    if case.item is None:
        yield "It is not public yet, and no advance copy was planned for them."
    active = [one for one in case.wanted if one.state is SubscriptionState.ACTIVE]
    if not case.wanted:
        yield f"They never subscribed to any of its topics ({', '.join(case.topics) or 'none'})."
    if not case.pushed:
        yield "It was mailed to nobody: it was too old, or its kind or upstream is not pushed."
    if case.outside:
        yield "They are not in the audience that the release names."
    yield from _unheard(case, active)
    yield from _waiting(case, active)
    yield "Their subscription began to count after it had been told."


def _unheard(case: Case, active: list[Wanted]) -> Iterator[str]:
    """Of somebody without a subscription that was live when it was told."""
    told = min(case.pushed.values(), default=None)
    if active or told is None:
        return
    pending = [one for one in case.wanted if one.state is SubscriptionState.PENDING]
    if pending:
        yield f"Their subscription to {pending[0].topic} was never confirmed."
    last = max(case.wanted, key=lambda one: one.ended or one.since)
    if last.ended and last.ended <= told:
        yield f"Their subscription to {last.topic} had ended on {_day(last.ended)} ({last.reason}), before it was told."
    yield f"Their subscription to {last.topic} ended on {_day(last.ended)} ({last.reason}), before it was sent."


def _waiting(case: Case, active: list[Wanted]) -> Iterator[str]:
    """Of somebody whose subscription is live: too late for it, at rest, or waiting for a digest."""
    told = [(one, case.pushed[one.topic]) for one in active if one.topic in case.pushed]
    if not told:
        topics = ", ".join(sorted({one.topic for one in active}))
        yield f"It was not told to those of {topics}: it came to that topic later, or without a push."
    heard = [(one, at) for one, at in told if one.since <= at]
    if not heard:
        one, at = min(told, key=lambda pair: pair[0].since)
        yield f"They subscribed to {one.topic} on {_day(one.since)}, after it was told on {_day(at)}."
    one, at = heard[0]
    if case.paused and at < case.paused:
        yield f"They had paused all mail until {_day(case.paused)}."
    if one.cadence in case.closes:
        if case.item in GONE:
            yield f"It was {GONE[case.item]} before their {one.cadence} digest closed."
        yield f"It waits for their {one.cadence} digest, which closes on {_day(case.closes[one.cadence])}."
    if case.item in GONE:
        yield f"It was {GONE[case.item]} before it was sent to them."


def _way(duty: Duty) -> str:
    match duty.form:
        case Form.DIGEST:
            return f", in their {duty.cadence} digest" if duty.cadence else ", in a digest"
        case Form.ADVANCE:
            return ", as an advance copy"
        case Form.ISSUE:
            return ", in an issue of the newsletter that shows it"
        case Form.CORRECTION:
            return ", as a correction of what they had"
        case Form.MAIL:
            return f", by their {duty.cadence} subscription to {duty.topic}" if duty.topic else ""


def _day(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "a day nobody wrote down"
