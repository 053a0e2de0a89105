"""The newsletter: opened by a schedule, put together by an editor, approved by a person, published as an item.

`tend` is what workers call: it opens the issue for the next slot, reminds, raises the alarm and publishes, each of
it once, in one transaction. An issue goes out as an item of the newsletter's topic, with a page and a place in
the feeds; whoever subscribes to that topic is owed it like any item, behind all other mail. After days of rest
one issue goes out, never several (ADR 45). Serves walk C and `newsletter …`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from syndicator import publish
from syndicator.errors import Invalid, NotFound, Refused, Stale
from syndicator.model.audience import address
from syndicator.model.delivery import revision_subject
from syndicator.model.issuefile import Edit, difference, says_the_same
from syndicator.model.item import Content, Item, Topic
from syndicator.model.letters import Letter
from syndicator.model.newsletter import (
    IN_HAND,
    Choice,
    Issue,
    IssueState,
    Line,
    Rules,
    Sheet,
    Step,
    content_of,
    next_step,
    to_remind,
)
from syndicator.model.schedule import Job, Schedule, next_slots, slot_before
from syndicator.model.site import Site
from syndicator.observe import logger
from syndicator.store import (
    Store,
    Tx,
    alarms,
    audit,
    deliveries,
    letters,
    names,
    newsletters,
    schedules,
    suppressions,
    topics,
)

log = logger("newsletter")
FIRST = timedelta(days=31)  # what the first issue looks back at where no slot was before it
MOST_TESTS = 20  # addresses at once: more than that is a mailing
CLOSES = "newsletter-topic/"  # how the keys of alarms begin that say so
NOBODY = "nobody: newsletter.unapproved"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What issues are made with: the newsroom, the operator's rules, and how the uid of an item is minted."""

    site: Site
    rules: Rules
    mint: Callable[[datetime], str]


@dataclass(frozen=True, slots=True)
class Tended:
    """What a look at the newsletter did, in words, and the item that went out, if one did."""

    words: str
    item: Item | None = None


def tend(store: Store, house: House) -> Tended:
    """Do what is due: open, remind, publish, or say that nobody said yes. Nothing twice, whoever else looks.

    While its topic is about to close it rests, and that is said once: what is in hand stays as it is, and goes on if
    the end is taken back. Raises NotFound where that topic does not exist; Invalid where nothing can be filed there.
    """
    with store.read() as tx:
        rest = _at_rest(tx, house.rules)
        if not rest:
            _check_topic(tx, house.rules)
        if not _to_say(tx, house.rules) and (rest or not _anything(tx, house.rules)):
            return Tended(rest or "nothing is due")
    with store.begin() as tx:
        _say_it_closes(tx, house.rules)
        if rest := _at_rest(tx, house.rules):
            return Tended(rest)
        _watch(tx)
        item = None
        if issue := newsletters.in_hand(tx):
            done = _take_on(tx, house, newsletters.held(tx, issue.number))
            item, words = done.item, done.words
        else:
            words = ""
        if newsletters.in_hand(tx) is None:
            words = f"{words}; {_open(tx, house.rules)}".removeprefix("; ")
    if item:
        log.info("newsletter published", uid=item.uid)
    return Tended(words, item)


def sheet_of(tx: Tx, number: int) -> Sheet:
    """An issue with all it holds; raises NotFound."""
    return newsletters.sheet(tx, newsletters.named(tx, number))


def words_of(tx: Tx, sheet: Sheet, house: House) -> Content:
    """An issue as the words it would go out with now."""
    return content_of(sheet, house.site, topics.titles(tx), house.rules.topic)


def readers(tx: Tx, sheet: Sheet, house: House) -> int:
    """How many people an issue would be mailed to if it went out now; nobody where its topic does not exist."""
    if not house.rules.topic:
        return 0
    try:
        return newsletters.readers(tx, words_of(tx, sheet, house))
    except NotFound:
        return 0


def edit(tx: Tx, number: int, said: Edit, by: str) -> Sheet:
    """Let an issue be as a file says; items the file does not name stand at its end, as they were.

    Raises Stale, with the difference, if somebody changed the issue since the file was made; NotFound for an item
    that is not on offer; Refused once it has its yes.
    """
    sheet = _changeable(tx, number)
    if said.number not in (None, number):
        raise Invalid(f"the file is of No. {said.number}, not of No. {number}")
    if said.base and said.base != sheet.base:
        if says_the_same(sheet, said):
            return sheet
        head = (
            f"{sheet.issue.name} was changed since this file was made (base {said.base}, it is {sheet.base} now): take it "
            f"anew with `syndicator newsletter show {number} --file`; it says:"
        )
        raise Stale([head, *difference(sheet, said)])
    known = {line.item.uid: line for line in sheet.lines}
    _check_known(said.choices, known, number)
    lines = [Line(known[uid].item, choice, said=True) for uid, choice in said.choices.items()]
    # What somebody had said stays said; what is merely on offer is not frozen by an edit.
    lines += [line for uid, line in known.items() if uid not in said.choices and line.said]
    newsletters.choose(tx, sheet.issue, lines, by)
    newsletters.set_blocks(tx, sheet.issue, said.blocks)
    words = {"headline": said.headline, "introduction": said.introduction}
    newsletters.change(tx, sheet.issue, title=said.title or sheet.issue.title, **words)
    return _changed(tx, number, by)


def choose(tx: Tx, number: int, choices: Mapping[str, Choice], by: str) -> Sheet:
    """Say of some items whether they go in, come next time, or never; all else stays as it is."""
    sheet = _changeable(tx, number)
    known = {line.item.uid: line for line in sheet.lines}
    _check_known(choices, known, number)
    lines = [
        replace(line, choice=choices.get(uid, line.choice), said=line.said or uid in choices)
        for uid, line in known.items()
    ]
    newsletters.choose(tx, sheet.issue, [line for line in lines if line.said], by)
    return _changed(tx, number, by)


def approve(tx: Tx, number: int, by: str, house: House) -> Issue:
    """A person's yes: what is in it is frozen, and later items are the next issue's. Late, it goes out at once.

    Raises Refused for one that is out or holds nothing.
    """
    issue = newsletters.held(tx, number)
    if issue.state is IssueState.APPROVED:
        return issue
    sheet = _changeable(tx, number)
    if sheet.empty:
        raise Refused(f"{issue.name} holds nothing: add an introduction, a block or an item first")
    _check_topic(tx, house.rules)
    newsletters.choose(tx, issue, sheet.lines, by)
    values = {"state": IssueState.APPROVED, "approved": tx.now, "approved_by": by, "closes": tx.now}
    issue = newsletters.change(tx, issue, **values)
    audit.record(tx, by, "newsletter.approve", f"newsletter/{number}", items=len(sheet.included))
    if issue.slot <= tx.now:
        _publish(tx, house, newsletters.sheet(tx, issue))
    return newsletters.named(tx, number)


def cancel(tx: Tx, number: int, by: str) -> Issue:
    """Let an issue not go out at its slot: a yes is taken back, and it stays open for the slot after it.

    Where no schedule names a further slot it is over, and what was in it is offered to the next.
    """
    issue = newsletters.held(tx, number)
    _check_in_hand(issue)
    slot = _next_slot(tx, max(issue.slot, tx.now))
    audit.record(tx, by, "newsletter.cancel", f"newsletter/{number}", slot=issue.slot)
    return _put_off(tx, issue, slot)


def reopen(tx: Tx, number: int, by: str) -> Issue:
    """Take a yes back, so that the issue can be changed; raises Refused for one without."""
    issue = newsletters.held(tx, number)
    if issue.state is not IssueState.APPROVED:
        raise Refused(f"{issue.name} is {issue.state}: there is no yes to take back")
    audit.record(tx, by, "newsletter.reopen", f"newsletter/{number}")
    return newsletters.change(
        tx, issue, state=IssueState.OPEN, approved=None, approved_by=None, closes=issue.slot
    )


def mail_test(tx: Tx, number: int, addresses: Sequence[str], by: str) -> str:
    """Owe the issue as it stands, marked as a test, to each of these addresses; returns the subject of the rows."""
    issue = newsletters.held(tx, number)  # tests are numbered one after the other
    wanted = {one.key: one for one in map(address, addresses)}
    if not 0 < len(wanted) <= MOST_TESTS:
        raise Refused(f"a test goes to 1 to {MOST_TESTS} addresses, not to {len(wanted)}")
    for one in wanted.values():
        if why := suppressions.barred(tx, one, own_affair=True):
            raise Refused(f"{one.typed} is {why}: nothing may be mailed there, a test neither")
    subject = f"newsletter/{number}/{newsletters.samples(tx, number) + 1}"
    for one in wanted.values():
        deliveries.plan_mailbox(tx, subject, one.typed)
    audit.record(tx, by, "newsletter.test", f"newsletter/{issue.number}", addresses=len(wanted))
    return subject


def _check_topic(tx: Tx, rules: Rules) -> None:
    try:
        topics.check_plain(tx, [rules.topic])
    except NotFound:
        raise NotFound(
            f'[newsletter] topic "{rules.topic}" does not exist: make it with `syndicator topic add {rules.topic} TITLE`'
        ) from None


def _at_rest(tx: Tx, rules: Rules) -> str:
    """Why there are no issues at all, in words; empty where there are."""
    if not rules.topic:
        return "there is no newsletter: set [newsletter] topic"
    topic = _closing(tx, rules)
    return f'the topic "{topic.slug}" of the newsletter closes: no issue goes out' if topic else ""


def _closing(tx: Tx, rules: Rules) -> Topic | None:
    """The newsletter's topic, if it is about to close, or has."""
    topic = topics.find(tx, names.present(tx, (rules.topic,))[0]) if rules.topic else None
    return topic if topic and topic.closing else None


def _occasion(topic: Topic | None) -> str:
    """The key of the alarm that the newsletter's topic closes; empty where it does not."""
    if topic is None or topic.closing is None:
        return ""
    return f"{CLOSES}{topic.slug}/{topic.closing.announced.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _to_say(tx: Tx, rules: Rules) -> bool:
    """Whether `_say_it_closes` has something to say, or to take back."""
    key = _occasion(_closing(tx, rules))
    over = any(one.key.startswith(CLOSES) and one.key != key for one in alarms.open_(tx))
    return over or bool(key and not alarms.known(tx, (key,)))


def _say_it_closes(tx: Tx, rules: Rules) -> None:
    topic = _closing(tx, rules)
    for alarm in alarms.open_(tx):
        if alarm.key.startswith(CLOSES) and alarm.key != _occasion(topic):
            alarms.end(tx, alarm.key)
    if topic is None or topic.closing is None:
        return
    words = (
        f'The topic "{topic.slug}" closes on {topic.closing.over.astimezone(UTC):%d %B %Y %H:%M} UTC and takes nothing new. '
        f"No issue is opened, reminded of or sent. `syndicator topic close {topic.slug} --cancel` takes the end back "
        "until then, and the newsletter goes on; else name another under [newsletter] topic, or none."
    )
    if alarms.raise_(tx, _occasion(topic), "The newsletter has stopped: its topic closes", words):
        log.warning("newsletter stopped", topic=topic.slug, over=topic.closing.over.isoformat())


def _anything(tx: Tx, rules: Rules) -> bool:
    """Whether a look has something to write: asked each minute, so that it costs a row or two."""
    issue = newsletters.in_hand(tx)
    if issue is None:
        return _next_slot(tx, tx.now) is not None
    if any(to_remind(issue, tx.now, rules)) or _moved(tx, issue) or _stray(tx):
        return True
    waits = issue.state is IssueState.OPEN and not rules.unapproved
    return issue.slot <= tx.now and not (waits and _alarm(issue) in {one.key for one in alarms.open_(tx)})


def _take_on(tx: Tx, house: House, issue: Issue) -> Tended:
    if issue.state not in IN_HAND:  # another worker was faster
        return Tended("")
    if slot := _moved(tx, issue):
        issue = newsletters.change(tx, issue, slot=slot, closes=slot, reminded=None, escalated=None)
    _remind(tx, issue, house)
    if tx.now < issue.slot:
        return Tended(f"{issue.name} is {issue.state}")
    sheet = newsletters.sheet(tx, issue)
    match next_step(sheet, tx.now, house.rules):
        case Step.PUBLISH:
            item = _publish(tx, house, sheet)
            return Tended(f"{issue.name} is out", item)
        case Step.POSTPONE:
            _put_off(tx, issue, _next_slot(tx, tx.now))
            log.warning("newsletter empty", number=issue.number, slot=issue.slot.isoformat())
            return Tended(f"{issue.name} holds nothing: it was not sent")
        case Step.WAIT:
            _say_it_waits(tx, issue)
            return Tended(f"{issue.name} waits: nobody has approved it")
        case Step.NOTHING:
            return Tended("")


def _publish(tx: Tx, house: House, sheet: Sheet) -> Item:
    issue, uid = sheet.issue, house.mint(tx.now)
    content = content_of(sheet, house.site, topics.titles(tx), house.rules.topic)
    if issue.state is IssueState.OPEN:
        newsletters.choose(tx, issue, sheet.lines, NOBODY)
    item = publish.publish(tx, uid, content, by=issue.approved_by or NOBODY)
    newsletters.send_last(tx, revision_subject(uid, item.revision))
    closes = issue.closes if issue.approved else tx.now
    newsletters.change(tx, issue, state=IssueState.SENT, uid=uid, closes=closes)
    deliveries.record_shown(tx, item)
    alarms.end(tx, _alarm(issue))
    return item


def _open(tx: Tx, rules: Rules) -> str:
    schedule = _schedule(tx)
    slot = _next_slot(tx, tx.now)
    if schedule is None or slot is None:
        return "no schedule with the job newsletter names a slot"
    since = newsletters.last_closed(tx) or slot_before(schedule.when, schedule.zone, tx.now) or tx.now - FIRST
    issue = newsletters.open_(tx, rules.title, slot, since)
    return f"{issue.name} is open" if issue else "another worker opened the next issue"


def _put_off(tx: Tx, issue: Issue, slot: datetime | None) -> Issue:
    alarms.end(tx, _alarm(issue))
    again = {"approved": None, "approved_by": None, "reminded": None, "escalated": None}
    if slot is None:
        # Its slot is free again for whoever makes a schedule anew.
        ended = min(issue.slot, tx.now)
        return newsletters.change(tx, issue, state=IssueState.CANCELLED, slot=ended, **again)
    return newsletters.change(tx, issue, state=IssueState.OPEN, slot=slot, closes=slot, **again)


def _remind(tx: Tx, issue: Issue, house: House) -> None:
    first, late = to_remind(issue, tx.now, house.rules)
    facts = {"title": issue.title, "number": issue.number, "slot": issue.slot.isoformat()}
    for to in dict.fromkeys([*first, *late]):
        letters.plan(tx, Letter.REMINDER, address(to), facts=facts)
    if first or late:
        sent = {"reminded": tx.now} if first else {}
        newsletters.change(tx, issue, **sent, **({"escalated": tx.now} if late else {}))


def _say_it_waits(tx: Tx, issue: Issue) -> None:
    subject = f"{issue.name} has missed its slot: nobody has approved it"
    words = (
        f"It was to go out on {issue.slot.astimezone(UTC):%A %d %B %Y %H:%M} UTC. It waits, and goes out at once with a "
        f"yes: `syndicator newsletter approve {issue.number}`. Or let it wait for the next slot: "
        f"`syndicator newsletter cancel {issue.number}`."
    )
    if alarms.raise_(tx, _alarm(issue), subject, words):
        log.warning("newsletter waits", number=issue.number, slot=issue.slot.isoformat())


def _watch(tx: Tx) -> None:
    """Say where an issue that is out shows words of an item that was taken back since: a person changes it."""
    found = {
        f"newsletter-gone/{number}/{item}": (number, uid, item) for number, uid, item in newsletters.gone(tx)
    }
    for key, (number, uid, item) in found.items():
        words = (
            f"The item {item} is gone, and No. {number} of the newsletter still shows its headline and summary. Correct "
            f"that issue, which tells whoever had it: `syndicator item correct {uid} FILE --note …`; or redact it, too."
        )
        alarms.raise_(tx, key, f"No. {number} of the newsletter shows an item that was taken back", words)
    for alarm in alarms.open_(tx):
        if alarm.key.startswith("newsletter-gone/") and alarm.key not in found:
            alarms.end(tx, alarm.key)


def _stray(tx: Tx) -> bool:
    """Whether `_watch` has something to say, or to take back."""
    found = {f"newsletter-gone/{number}/{item}" for number, _, item in newsletters.gone(tx)}
    return found != {one.key for one in alarms.open_(tx) if one.key.startswith("newsletter-gone/")}


def _changeable(tx: Tx, number: int) -> Sheet:
    issue = newsletters.held(tx, number)
    _check_in_hand(issue)
    if issue.state is IssueState.APPROVED:
        raise Refused(
            f"{issue.name} is approved and frozen: `syndicator newsletter approve {number} --undo` opens it again"
        )
    return newsletters.sheet(tx, issue)


def _check_in_hand(issue: Issue) -> None:
    if issue.state not in IN_HAND:
        more = f"; `syndicator item correct {issue.uid}` changes what is public" if issue.uid else ""
        raise Refused(f"{issue.name} is {issue.state}: it cannot be changed any more{more}")


def _check_known(choices: Iterable[str], known: Mapping[str, Line], number: int) -> None:
    for uid in choices:
        if uid not in known:
            raise NotFound(
                f"{uid} is not on offer for No. {number}; `syndicator newsletter show {number}` lists what is"
            )


def _changed(tx: Tx, number: int, by: str) -> Sheet:
    audit.record(tx, by, "newsletter.edit", f"newsletter/{number}")
    return sheet_of(tx, number)


def _schedule(tx: Tx) -> Schedule | None:
    mine = (one for one in schedules.listing(tx) if one.job is Job.NEWSLETTER and not one.paused)
    return next(mine, None)


def _next_slot(tx: Tx, after: datetime) -> datetime | None:
    schedule = _schedule(tx)
    return next(next_slots(schedule.when, schedule.zone, after), None) if schedule else None


def _moved(tx: Tx, issue: Issue) -> datetime | None:
    """The slot an open issue has now that its schedule was edited; None where it stands as it was."""
    if issue.state is not IssueState.OPEN or issue.slot <= tx.now:
        return None
    schedule = _schedule(tx)
    if schedule is None or issue.slot in _slots_to(schedule, tx.now, issue.slot):
        return None
    return _next_slot(tx, tx.now)


def _slots_to(schedule: Schedule, now: datetime, last: datetime) -> list[datetime]:
    """The slot at `last`, if the schedule has one there."""
    around = next_slots(schedule.when, schedule.zone, max(now, last - timedelta(seconds=1)))
    first = next(around, None)
    return [first] if first else []


def _alarm(issue: Issue) -> str:
    return f"newsletter/{issue.number}/{issue.slot.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
