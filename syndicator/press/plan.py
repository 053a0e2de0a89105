"""What will come of a release, before it does: built from the rows the release itself will be made of.

Reads only. Whom mail goes to is `deliveries.foreseen`'s answer, which asks the planner's own functions; who is
owed it by a machine is the partner's own `wants`. Serves walk B and `release plan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from syndicator import publish
from syndicator.errors import Refused
from syndicator.model.audience import Cadence, Partner, SubscriptionState
from syndicator.model.delivery import PING_DELAY
from syndicator.model.item import memberships
from syndicator.model.plan import LeftOut, Plan, Reached, Step, What
from syndicator.model.release import OPEN_RELEASES, Release, ReleaseState, foreseen
from syndicator.model.site import Format, Site
from syndicator.press.rules import RULES, Rules
from syndicator.store import Tx, deliveries, items, partners, releases, topics
from syndicator.store.deliveries.foreseen import Foresight, Wish, wishes

ACCREDITED = "accredited, subscribed to {}"
NOT_ACCREDITED = "not accredited"
OUTSIDE = "not in the audience that the release names"


def plan(tx: Tx, uid: str, site: Site, rules: Rules = RULES) -> Plan:
    """What will come of this release as it stands now; raises NotFound, and Refused for one that is over."""
    release = releases.named(tx, uid)
    if release.state not in OPEN_RELEASES:
        raise Refused(_over(release))
    at = _instant(tx, release, rules)
    ahead = Foresight(at=at, advance=_advance(tx, release, at, rules), again=rules.advance_again)
    slugs = memberships(release.content, topics.ruled(tx))
    titles = topics.titles(tx, slugs)
    pushed = _pushed(tx, release, at)
    people = list(_people(wishes(tx, release, ahead), titles, ahead, pushed=pushed))
    machines = list(_machines(tx, slugs, release, pushed=pushed))
    reached = tuple(one for one in (*people, *machines) if isinstance(one, Reached))
    left_out = tuple(one for one in (*people, *machines) if isinstance(one, LeftOut))
    count = {what: sum(one.what is what for one in reached) for what in What}
    return Plan(
        uid=uid,
        version=release.version,
        state=release.state,
        steps=tuple(_steps(release, ahead, count, sorted(titles.values()), site)),
        reached=reached,
        left_out=left_out,
        warnings=tuple(_warnings(tx, release, count, pushed=pushed)),
    )


def letters(tx: Tx, release: Release, rules: Rules = RULES, *, at_once: bool = False) -> int:
    """How many mails this release means, advance copies among them, counted as `plan` does; if it went out `at_once`, or as it stands."""
    at = tx.now if at_once else _instant(tx, release, rules)
    copies = None if at_once else _advance(tx, release, at, rules)
    ahead = Foresight(at=at, advance=copies, again=rules.advance_again)
    people = _people(wishes(tx, release, ahead), {}, ahead, pushed=_pushed(tx, release, at))
    return sum(isinstance(one, Reached) for one in people)


def _pushed(tx: Tx, release: Release, at: datetime) -> bool:
    """Whether anybody is mailed it at all, if it goes out then."""
    return publish.push_of(tx, release.upstream).covers(
        foreseen(replace(release, at=at), release.content, at), at
    )


def _over(release: Release) -> str:
    match release.state:
        case ReleaseState.RELEASED:
            return f"release {release.uid} is public; `syndicator release report {release.uid}` says what came of it"
        case state:
            return (
                f"release {release.uid} is {state}: hand its draft in again, then there is something to plan"
            )


def _instant(tx: Tx, release: Release, rules: Rules) -> datetime:
    """When it goes out, or would if all that is missing were done now."""
    if release.at:
        return max(release.at, tx.now)
    if release.embargo and release.embargo.holds(tx.now):
        return release.embargo.until
    return tx.now + rules.undo


def _advance(tx: Tx, release: Release, at: datetime, rules: Rules) -> datetime | None:
    """When advance copies are due; None if none are to come."""
    if release.embargo is None or not release.embargo.holds(tx.now):
        return None
    if not publish.push_of(tx, release.upstream).allowed:
        return None
    if release.state is ReleaseState.SCHEDULED:
        return release.advance
    due = tx.now + rules.undo
    return due if due < at else None


def _people(
    rows: Iterator[Wish], titles: dict[str, str], ahead: Foresight, *, pushed: bool
) -> Iterator[Reached | LeftOut]:
    for _, group in groupby(rows, key=lambda wish: wish.contact_id):
        theirs = list(group)
        one = next((wish for wish in theirs if wish.owed), theirs[0])
        topic = titles.get(one.topic, one.topic)
        if ahead.advance:
            yield _copy(theirs, titles)
        if one.suppressed is not None:
            yield LeftOut(one.address, What.MAILS, f"suppressed: {one.suppressed}")
        elif not pushed:
            yield LeftOut(one.address, What.MAILS, "nothing of this kind, age or upstream is pushed")
        elif one.owed:
            marked = ", accredited" if one.accredited else ""
            yield Reached(one.address, What.MAILS, f"subscribed to {topic}, {one.cadence}{marked}")
        else:
            yield LeftOut(one.address, What.MAILS, _why_not(theirs))


def _copy(theirs: list[Wish], titles: dict[str, str]) -> Reached | LeftOut:
    """Whether an advance copy is on its way to a contact."""
    one = next((wish for wish in theirs if wish.state is SubscriptionState.ACTIVE), theirs[0])
    if one.suppressed is not None:
        return LeftOut(one.address, What.ADVANCE, f"suppressed: {one.suppressed}")
    if one.advance:
        if not one.accredited:  # planned while they were; the claim asks again (EM1)
            return LeftOut(one.address, What.ADVANCE, "not accredited any more")
        return Reached(one.address, What.ADVANCE, ACCREDITED.format(titles.get(one.topic, one.topic)))
    if not one.accredited:
        return LeftOut(one.address, What.ADVANCE, NOT_ACCREDITED)
    if one.state is not SubscriptionState.ACTIVE or not one.inside or one.paused:
        return LeftOut(one.address, What.ADVANCE, _why_not(theirs))
    return LeftOut(
        one.address, What.ADVANCE, "had these words already" if one.had else "none was planned for them"
    )


def _why_not(theirs: list[Wish]) -> str:
    """Why somebody with a subscription to one of the topics is not owed it; the nearest miss is named."""
    active = [wish for wish in theirs if wish.state is SubscriptionState.ACTIVE]
    if active and not active[0].inside:
        return OUTSIDE
    if active and active[0].paused:
        return f"paused until {active[0].paused:%Y-%m-%d}"
    if active and active[0].had:
        return "had it already, as an advance copy" if not active[0].advance else "gets it as an advance copy"
    for wish in active:
        if wish.cadence is not Cadence.IMMEDIATE:
            return f"gets it in a digest: {wish.cadence}"
    if any(wish.state is SubscriptionState.PENDING for wish in theirs):
        return "the subscription is not confirmed"
    return f"the subscription has ended: {theirs[-1].ended or 'no reason given'}"


def _machines(
    tx: Tx, slugs: frozenset[str], release: Release, *, pushed: bool
) -> Iterator[Reached | LeftOut]:
    paused = {lane.key for lane in partners.lanes(tx) if lane.paused}
    for partner in partners.listing(tx):
        no = (
            "nothing of this kind, age or upstream is pushed"
            if not pushed
            else _unwanted(partner, slugs, release)
        )
        if no:
            yield LeftOut(partner.slug, What.PUSHES, no)
            continue
        waits = ", waits: its lane is paused" if f"partner/{partner.slug}" in paused else ""
        yield Reached(partner.slug, What.PUSHES, f"wants it, by {partner.channel}{waits}")


def _unwanted(partner: Partner, slugs: frozenset[str], release: Release) -> str:
    if partner.wants(slugs, release.content.kind):
        return ""
    if partner.kinds and release.content.kind not in partner.kinds:
        return f"does not want {release.content.kind}"
    return "wants none of its topics"


def _steps(
    release: Release, ahead: Foresight, count: dict[What, int], titles: list[str], site: Site
) -> Iterator[Step]:
    formats = ", ".join(Format)
    feeds = len(titles) * len(Format)
    if ahead.advance:
        yield Step(at=ahead.advance, what=What.ADVANCE, count=count[What.ADVANCE], detail="to the accredited")
    certain = ahead.at if release.at or release.embargo else None
    yield Step(at=certain, what=What.RELEASE, count=1, detail=_when(release, ahead))
    yield Step(at=certain, what=What.PAGE, count=1, detail="its own page, and the lists of its topics")
    yield Step(at=certain, what=What.FEEDS, count=feeds, detail=f"{', '.join(titles)}: {formats}")
    yield Step(at=certain, what=What.MAILS, count=count[What.MAILS], detail="to subscribers, at once")
    yield Step(at=certain, what=What.PUSHES, count=count[What.PUSHES], detail="to partners' machines")
    pinged = certain + PING_DELAY if certain else None
    yield Step(
        at=pinged,
        what=What.PINGS,
        count=feeds * len(site.hubs),
        detail=", ".join(site.hubs) or "no hub is named",
    )


def _when(release: Release, ahead: Foresight) -> str:
    if release.at:
        return "goes out by itself"
    if release.embargo and release.embargo.until == ahead.at:
        return "at the end of its embargo, once it is approved and scheduled"
    return "when `release publish` is said"


def _warnings(tx: Tx, release: Release, count: dict[What, int], *, pushed: bool) -> Iterator[str]:
    match release.state:
        case ReleaseState.DRAFT:
            yield f"it is a draft: nothing of this happens before `syndicator release approve {release.uid}`"
        case ReleaseState.APPROVED:
            yield f"it is not scheduled: it waits for `syndicator release schedule {release.uid}` or `publish`"
        case ReleaseState.HELD if release.at is None:
            yield f"it is in quarantine: it waits for `syndicator release publish {release.uid}`"
    if items.find(tx, release.uid):
        yield "its uid is public already: it cannot go out as it is"
    if not pushed:
        yield "nobody is mailed: it is too old, or its upstream's items are not pushed"
    mail = next((lane for lane in partners.lanes(tx) if lane.key == deliveries.MAIL_LANE), None)
    if mail and mail.paused and count[What.MAILS] + count[What.ADVANCE]:
        yield "mail is paused: letters are planned and wait for `syndicator delivery resume mail`"
