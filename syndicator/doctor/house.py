"""The house itself: database, clock, key, pictures, and what stands open in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from syndicator.doctor.finding import Finding, fail, guarded, ok, warn
from syndicator.errors import SyndicatorError
from syndicator.model.bounce import FEW, UNBEARABLE, UNEASY
from syndicator.model.schedule import Job
from syndicator.store import Store, alarms, bounces, deliveries, schedules, topics
from syndicator.store.deliveries.rows import taken_for

# A lift is promised within a second (DESIGN §8); a minute off is no drift, it is another clock.
DRIFT, OTHER = timedelta(seconds=1), timedelta(minutes=1)
PATIENCE = timedelta(minutes=5)  # how long a destination may be away before it is more than a hiccup
GMAIL = ("gmail.com", "googlemail.com")  # personal accounts, which alone are counted
BULK, NEARLY_BULK = 5_000, 4_000  # letters a day
PRIVATE = 0o077  # permissions others must not have on a key


def database(store: Store) -> Iterator[Finding]:
    """Whether the database answers, has our schema and takes a write."""
    try:
        store.check_schema()
        with store.begin():
            pass
    except SyndicatorError as fault:
        yield fail(
            "database", str(fault), "check store.url, and run `syndicator db upgrade` where it says so"
        )
    else:
        yield ok("database", f"{store.kind} answers, with the schema this program needs")


def clock(store: Store, host_clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Whether the clock that lifts embargoes can be believed."""
    yield from guarded("clock", partial(_clock, store, host_clock), "see what the database says")


def media(folder: Path) -> Iterator[Finding]:
    """Whether pictures can be kept; a file is written and removed again."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            pass
    except OSError as fault:
        words = f"{folder} does not take a file: {fault.strerror or fault}"
        yield fail(
            "media", words, "set store.media_dir to a folder this user may write to, shared by every machine"
        )
    else:
        yield ok("media", f"{folder} takes files")


def secret_key(store: Store, *, given: bool, kept: Path | None) -> Iterator[Finding]:
    """Whether links in mail outlive this machine; `kept` is the key file beside a SQLite database."""
    advice = "set site.secret_key_file to a file of mode 0600 made by: openssl rand -hex 32"
    if given:
        yield ok("secret-key", "site.secret_key is set")
    elif store.kind != "sqlite" or kept is None:
        yield fail("secret-key", "site.secret_key is missing: every process needs the same one", advice)
    elif kept.exists() and kept.stat().st_mode & PRIVATE:
        yield fail("secret-key", f"others on this machine may read {kept}", f"run: chmod 600 {kept}")
    else:
        words = f"links in mail are signed with {kept}: without it, nobody can unsubscribe from old mail"
        yield warn(
            "secret-key", words, f"keep a copy of {kept} with your backups, or set site.secret_key_file"
        )


def standing(store: Store) -> Iterator[Finding]:
    """Alarms nobody has ended, and destinations in trouble."""
    yield from guarded("alarms", partial(_alarms, store), "see what the database says")
    yield from guarded("lanes", partial(_lanes, store), "see what the database says")
    yield from guarded("complaints", partial(_complaints, store), "see what the database says")
    yield from guarded("gmail", partial(gmail, store), "see what the database says")


def mailbox(store: Store, name: str, every: timedelta) -> Iterator[Finding]:
    """Whether the folder bounces come into is read; `every` is how often it should be."""
    yield from guarded("bounces", partial(_mailbox, store, name, every), "see what the database says")


def newsletter(store: Store, topic: str) -> Iterator[Finding]:
    """Whether issues of the newsletter can be filed under its topic, and whether anything opens them."""
    yield from guarded("newsletter", partial(_newsletter, store, topic), "see what the database says")


def gmail(store: Store, nearly: int = NEARLY_BULK) -> Iterator[Finding]:
    """Whether we come near the number of letters to Gmail in a day that makes a bulk sender for ever (its guidelines)."""
    with store.read() as tx:
        count = taken_for(tx, GMAIL, tx.now - timedelta(days=1))
    if count >= nearly:
        yield warn(
            "gmail",
            f"{count:,} letters went to Gmail within a day; from {BULK:,} on, counted over all mail of your "
            f"organisation's domain, Gmail holds it to be a bulk sender for ever",
            "see that spf, dkim, dmarc, alignment and unsubscribe above are ok, and complaints stay below 0.10 %",
        )


def _clock(store: Store, host_clock: Callable[[], datetime]) -> Iterator[Finding]:
    before = host_clock()
    with store.read() as tx:
        told, behind = tx.now, tx.clock_behind
    after = host_clock()
    off = max(before - told, told - after, timedelta())
    sync = "let NTP keep both clocks (timedatectl set-ntp true), then restart the workers"
    if behind:
        words = f"this machine's clock is {behind.total_seconds():.0f} s behind what the database has seen"
        yield fail("clock", f"{words}: nothing is released until it has caught up", sync)
    elif off > OTHER:
        yield fail(
            "clock", f"the database's clock is {off.total_seconds():.0f} s away from this machine's", sync
        )
    elif off > DRIFT:
        yield warn(
            "clock", f"the database's clock is {off.total_seconds():.1f} s away from this machine's", sync
        )
    else:
        yield ok("clock", "this machine and the database agree on the time")


def _alarms(store: Store) -> Iterator[Finding]:
    with store.read() as tx:
        standing = alarms.open_(tx)
    for alarm in standing:
        yield warn("alarms", f"{alarm.subject} (since {alarm.raised:%Y-%m-%d %H:%M} UTC)", alarm.words)
    if not standing:
        yield ok("alarms", "none is open")


def _lanes(store: Store) -> Iterator[Finding]:
    with store.read() as tx:
        now, lanes = tx.now, deliveries.lanes(tx)
    well = True
    for lane in lanes:
        if lane.paused:
            words = f"{lane.key} is paused; {_wait(lane.waiting)}"
            yield warn("lanes", words, f"`syndicator delivery resume {lane.key}` lets it go on")
        elif lane.since is not None:
            words = f"{lane.key} is in trouble since {lane.since:%Y-%m-%d %H:%M} UTC, {_wait(lane.waiting)}: {lane.fault}"
            advice = "mend that; what waits goes out by itself once the destination answers"
            yield (fail if now - lane.since > PATIENCE else warn)("lanes", words, advice)
        if lane.late:
            advice = "`syndicator delivery retry --late` sends them"
            yield warn("lanes", f"{lane.late} for {lane.key} are late and wait for a person", advice)
        well = well and not (lane.paused or lane.since or lane.late)
    if well:
        count = "1 destination" if len(lanes) == 1 else f"{len(lanes)} destinations"
        yield ok("lanes", f"{count}, none in trouble")


def _mailbox(store: Store, name: str, every: timedelta) -> Iterator[Finding]:
    with store.read() as tx:
        now, mark = tx.now, bounces.mark(tx, name)
    advice = "start a worker, or see in its log why the mailbox is out of reach: `syndicator worker --once bounces`"
    if mark is None:
        yield warn("bounces", f"{name} was never read", advice)
    elif now - mark.seen > max(2 * every, PATIENCE):
        yield fail("bounces", f"{name} was read last on {mark.seen:%Y-%m-%d %H:%M} UTC", advice)
    else:
        yield ok("bounces", f"{name} is read")


def _newsletter(store: Store, topic: str) -> Iterator[Finding]:
    with store.read() as tx:
        jobs = {one.job for one in schedules.listing(tx) if not one.paused}
        try:
            topics.check_plain(tx, [topic])
        except SyndicatorError as fault:
            advice = "set newsletter.topic to a plain topic that stays, or make it: `syndicator topic add`"
            yield fail("newsletter", f"[newsletter] topic: {fault}", advice)
            return
    if Job.NEWSLETTER in jobs:
        yield ok("newsletter", f"its issues are filed under {topic}")
    else:
        advice = '`syndicator schedule add newsletter --job newsletter --cron "0 9 1 * *"` does'
        yield warn("newsletter", "no schedule opens its issues", advice)


def _complaints(store: Store) -> Iterator[Finding]:
    with store.read() as tx:
        rate = bounces.rate(tx, tx.now - timedelta(days=1))
    words = f"{rate.complaints} of {rate.accepted} letters of a day were complained of ({rate.share:.2%})"
    advice = "ask whether these people wanted that mail: above 0.30 % mailbox providers refuse all of it"
    if rate.share >= UNBEARABLE and rate.complaints >= FEW:
        yield fail("complaints", words, advice)
    elif rate.complaints and rate.share >= UNEASY:
        yield warn("complaints", words, advice)


def _wait(count: int) -> str:
    return f"{count} {'waits' if count == 1 else 'wait'}"
