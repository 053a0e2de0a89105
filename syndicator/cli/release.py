"""`syndicator release …`: what is not yet public, from draft to the moment it goes out, through `press`."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, release_plan, release_preview, release_rehearse, session, views
from syndicator.cli.confirm import confirmed
from syndicator.model.markup import one_line
from syndicator.model.release import ReleaseState, midnight, read_back

if TYPE_CHECKING:
    from syndicator.model.release import Release
    from syndicator.runtime import Runtime
    from syndicator.store import Tx

app = given.group("Press releases until they are public: draft, approve, then schedule or publish.")

app.command()(release_preview.preview)
app.command()(release_plan.plan)
app.command()(release_rehearse.rehearse)
app.command("test")(release_plan.mail_test)
app.command()(release_plan.report)

AT = typer.Option("--at", metavar="INSTANT", help="RFC 3339, or wall time in the site's zone.")
Base = Annotated[str | None, typer.Option(metavar="BASE", help="The version it was made from.")]
Why = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; whoever had an advance copy reads it.")
]
OnRecord = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is on record.")]
Advance = Annotated[
    str | None,
    typer.Option(
        "--advance",
        metavar="INSTANT",
        help="When accredited contacts get their copy, or now; else as said before, at first at once.",
    ),
]
NoAdvance = Annotated[bool, typer.Option("--no-advance", help="Nobody gets a copy before the embargo ends.")]
COLUMNS = ("id", "uid", "state", "embargo", "at", "title", "released", "upstream")
BRIEF = ("uid", "state", "at", "title")  # what a terminal has room for
SHORT = 40  # characters of a reason, where a person reads


@app.command()
def draft(
    ctx: typer.Context,
    file: given.Source,
    base: Base = None,
    by: given.By = "",
    topics: given.WordTopics = "",
    kind: given.WordKind = "",
    embargo: given.WordEmbargo = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Hand in a draft, or change one. Its uid is printed, and written back into the file.

    FILE is Markdown, or a Word document (.docx): of that a Markdown file is made beside it, by which it is edited.
    """
    from syndicator import press
    from syndicator.store import releases

    who = session.actor(by)
    with session.opened(ctx) as runtime:
        handed = files.handed(file, runtime.site, files.Said(topics, kind, embargo))
        with runtime.store.begin() as tx:
            uid = handed.draft.uid or runtime.mint_uid(tx.now)
            handed = files.settled(tx, runtime, handed, uid)
            before, words = releases.find(tx, uid), handed.draft
            made_from = base or words.base
            release = press.draft(tx, uid, words.content, words.embargo, base=made_from, by=who)
            handed.keep(uid, release.base)  # before the commit: else it could become a second release
            told, now = _what_became(tx, before, release), tx.now
        handed.rebase(release.base)
        for line in told:
            output.say(line)
        _say_instant(release, runtime)
        if release.embargo and not release.embargo.holds(now):
            output.say("that has gone by already: give it an embargo to come, or none")
    if handed.draft.published:
        output.say("its date of publication will be the moment of its release")
    if as_json:
        output.show_json(views.release(release))
    else:
        print(release.uid)


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[ReleaseState | None, typer.Option(help="Only those in this state.")] = None,
    limit: given.Limit = None,
    after: given.After = 0,
    *,
    as_json: given.Json = False,
) -> None:
    """List releases in the order they were drafted."""
    from syndicator.store import releases

    with session.reading(ctx) as (_, tx):
        rows = map(views.release, releases.listing(tx, limit=limit, after=after, state=state))
        if as_json or not sys.stdout.isatty():
            output.listing(rows, COLUMNS, as_json=as_json)
        else:
            output.listing(map(_in_short, rows), BRIEF, as_json=False)


@app.command()
def show(
    ctx: typer.Context,
    uid: given.Uid,
    version: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Its words as they were in this version.")
    ] = None,
    *,
    markdown: given.Markdown = False,
    as_json: given.Json = False,
) -> None:
    """Show a release with its words, and the versions it had."""
    from syndicator.store import releases

    with session.reading(ctx) as (runtime, tx):
        release = releases.named(tx, uid)
        history = [views.version(one) for one in releases.versions(tx, release.id)]
        if version is not None:
            was = releases.version(tx, release.id, version)
            release = replace(release, version=version, content=was.content, embargo=was.embargo)
        if markdown:
            files.show(release.content, release.uid, release.embargo, release.base)
            return
        _say_instant(release, runtime)
        output.details(views.whole_release(release) | {"versions": history}, as_json=as_json)


@app.command()
def approve(
    ctx: typer.Context,
    uid: given.Uid,
    reason: OnRecord = "",
    by: given.By = "",
    base: Base = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Approve the words. Only then can it be scheduled or published."""
    from syndicator import press

    who, why = session.actor(by), one_line(reason, "--reason")
    with session.writing(ctx) as (runtime, tx):
        release = press.approve(tx, uid, who, base=base, why=why, rules=runtime.rules)
    _tell(release, runtime, as_json=as_json)


@app.command()
def schedule(
    ctx: typer.Context,
    uid: given.Uid,
    at: Annotated[str | None, AT] = None,
    advance: Advance = None,
    reason: OnRecord = "",
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    no_advance: NoAdvance = False,
    as_json: given.Json = False,
) -> None:
    """Let it go out by itself, when its embargo ends or at --at. The accredited get a copy before."""
    from syndicator import press
    from syndicator.store import deliveries

    zone, who = session.settings(ctx).site().zone, session.actor(by)
    instant, copies = given.instant(at, zone) if at else None, _advance(advance, zone, none=no_advance)
    why = one_line(reason, "--reason")
    with session.writing(ctx) as (runtime, tx):
        before, mails = _now(tx, runtime, uid, at_once=False)
        waiting = deliveries.advances_waiting(tx, before)
        release = press.schedule(tx, uid, instant, who, advance=copies, why=why, rules=runtime.rules)
        again = release == before
        new = deliveries.advances_waiting(tx, release) - (waiting if again else 0)
        if new or not again:
            confirmed(mails, confirm, runtime.settings.mail.confirm_above, f"mails about {uid}")
        _say_instant(release, runtime)
        _say_copies(tx, release, runtime, new, since=again)
    _tell(release, runtime, as_json=as_json, again=again)


@app.command()
def reschedule(
    ctx: typer.Context,
    uid: given.Uid,
    at: Annotated[str, AT],
    reason: Why = "",
    by: given.By = "",
    *,
    earlier: Annotated[
        bool, typer.Option("--earlier", help="Move the embargo itself to before its end.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Move the instant it goes out. Its embargo moves along, and whoever had a copy is told."""
    from syndicator import press
    from syndicator.model.release import Embargo
    from syndicator.store import deliveries, releases

    zone, who, why = session.settings(ctx).site().zone, session.actor(by), one_line(reason, "--reason")
    typed = Embargo(until=given.instant(at, zone), zone=zone, wall=at)
    with session.writing(ctx) as (runtime, tx):
        before = releases.named(tx, uid)
        release = press.reschedule(
            tx, uid, typed.until, who, why, typed=typed, earlier=earlier, rules=runtime.rules
        )
        had = deliveries.had(tx, release.id)
        was = before.at or (before.embargo.until if before.embargo else None)
        zone = runtime.site.zone
        output.say(f"was: {output.moment(was, zone) if was else '-'}; is now: {_going(release, zone)}")
        _say_instant(release, runtime)
    if had:
        verb = "are told" if release.moves != before.moves else "were told no other end of it"
        output.say(f"{len(had)} had an advance copy or may have; they {verb} (--json names them)")
    moved = {"was": was, "now": release.at, "had": [views.had(one) for one in had]}
    _tell(release, runtime, as_json=as_json, more=moved)


@app.command()
def publish(
    ctx: typer.Context,
    uid: given.Uid,
    reason: OnRecord = "",
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Make it public now, once approved. Refused while its embargo holds: see lift."""
    from syndicator import press

    who, why = session.actor(by), one_line(reason, "--reason")
    with session.writing(ctx) as (runtime, tx):
        mails = _now(tx, runtime, uid)[1]
        release = press.publish_now(tx, uid, who, runtime.rules.undo, why=why, rules=runtime.rules)
        # Asked once it is known to be possible; a no undoes it with the transaction.
        confirmed(mails, confirm, runtime.settings.mail.confirm_above, f"mails about {uid}")
        shown = _item(tx, runtime, uid) if release.state is ReleaseState.RELEASED else None
    if shown:
        _show_item(shown, as_json=as_json)
    else:
        output.say(f"until then `syndicator release cancel {uid}` stops page, feed and mail together")
        _tell(release, runtime, as_json=as_json)


@app.command()
def lift(
    ctx: typer.Context,
    uid: given.Uid,
    reason: Why = "",
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    as_json: given.Json = False,
) -> None:
    """End its embargo early and make it public now. Whoever had an advance copy is told."""
    from syndicator import press

    who, why = session.actor(by), one_line(reason, "--reason")
    with session.writing(ctx) as (runtime, tx):
        mails = _now(tx, runtime, uid)[1]
        press.lift(tx, uid, who, why, rules=runtime.rules)
        confirmed(mails, confirm, runtime.settings.mail.confirm_above, f"mails about {uid}")
        shown = _item(tx, runtime, uid)
    _show_item(shown, as_json=as_json)


@app.command()
def cancel(
    ctx: typer.Context, uid: given.Uid, reason: Why = "", by: given.By = "", *, as_json: given.Json = False
) -> None:
    """Call it off. The draft is kept, and whoever had an advance copy is told."""
    from syndicator import press
    from syndicator.store import deliveries

    who, why = session.actor(by), one_line(reason, "--reason")
    with session.writing(ctx) as (runtime, tx):
        release = press.cancel(tx, uid, why, who)
        had = deliveries.had(tx, release.id)
    if had:
        output.say(
            f"{len(had)} had an advance copy or may have: they are told first of all (--json names them)"
        )
    output.say("to bring it back, hand in the draft again with `syndicator release draft`")
    _tell(release, runtime, as_json=as_json, more={"had": [views.had(one) for one in had]})


def _advance(text: str | None, zone: str, *, none: bool) -> datetime | bool | None:
    """What was said of advance copies: an instant, at once, not at all, or (None) nothing."""
    if text and none:
        raise typer.BadParameter("--advance and --no-advance say the contrary")
    if text:
        return True if text.strip() == "now" else given.instant(text, zone)
    return False if none else None


def _now(tx: Tx, runtime: Runtime, uid: str, *, at_once: bool = True) -> tuple[Release, int]:
    """The release as it is, and how many mails its moment means: nobody mails many people by a slip."""
    from syndicator.press.plan import letters
    from syndicator.store import releases

    release = releases.named(tx, uid)
    return release, letters(tx, release, runtime.rules, at_once=at_once)


def _what_became(tx: Tx, before: Release | None, release: Release) -> list[str]:
    """What a draft that was handed in again did to the release, in words."""
    from syndicator.store import deliveries

    if before is None:
        return []
    if before.version == release.version:
        return [f"unchanged; it is version {release.version}, {release.state}"]
    if before.state not in (ReleaseState.APPROVED, ReleaseState.SCHEDULED):
        return []
    uid, had = release.uid, Counter(one.version for one in deliveries.had(tx, release.id))
    back = (
        f"it was {before.state} and is a draft again: it does not go out before `syndicator release approve {uid}` "
        f"and `syndicator release schedule {uid}`"
    )
    return [
        "; ".join(
            [back, *(f"{count} had an advance copy of version {n}" for n, count in sorted(had.items()))]
        )
    ]


def _say_copies(tx: Tx, release: Release, runtime: Runtime, copies: int, *, since: bool) -> None:
    if copies > 0 and release.advance:
        due = release.advance if release.advance > tx.now else tx.now + runtime.rules.undo
        when = "now" if due <= tx.now else f"at {output.moment(due, runtime.site.zone)}"
        who = "newly accredited contact" if since else "accredited contact"
        output.say(f"{output.counted(copies, f'{who} gets', f'{who}s get')} an advance copy {when}")


def _say_instant(release: Release, runtime: Runtime) -> None:
    """Read the instant back, where its readers are: that is how a wrong zone or day is noticed."""
    embargo, zone = release.embargo, runtime.site.zone
    if release.state is ReleaseState.RELEASED:
        output.say(f"public since {output.moment(release.released or release.updated, zone)}")
        return
    if embargo:
        zones = (zone, embargo.zone) if embargo.zone else (zone,)
        _say_lines("under embargo until", embargo.until, zones)
        if warning := midnight(embargo.until, embargo.zone) or midnight(embargo.until, zone):
            output.say(warning)
    if release.at and (embargo is None or release.at != embargo.until):
        _say_lines("it goes out", release.at, (zone,))
        if warning := midnight(release.at, zone):
            output.say(warning)


def _say_lines(lead: str, instant: datetime, zones: tuple[str, ...]) -> None:
    for line in read_back(instant, *zones):
        output.say(f"{lead} {line}")


def _going(release: Release, zone: str) -> str:
    return output.moment(release.at, zone) if release.at else "-"


def _tell(
    release: Release, runtime: Runtime, *, as_json: bool, more: views.View | None = None, again: bool = False
) -> None:
    when = f", it goes out at {_going(release, runtime.site.zone)}" if release.at else ""
    output.say(f"{release.uid} is {release.state}{' already' if again else ''}{when}")
    if as_json:
        output.show_json(views.release(release) | (more or {}))


def _item(tx: Tx, runtime: Runtime, uid: str) -> views.View:
    from syndicator.store import items

    return views.item(items.named(tx, uid), runtime.site)


def _show_item(shown: views.View, *, as_json: bool) -> None:
    if as_json:
        output.show_json(shown)
    else:
        print(shown["url"])


def _in_short(row: views.View) -> views.View:
    """The row for a terminal: after its title the upstream it is from, and as much of its reason as there is room for."""
    reason = row["reason"] or ""
    short = reason if len(reason) <= SHORT else f"{reason[: SHORT - 1]}…"
    more = ": ".join(filter(None, (row["upstream"], short)))
    when = row["released"] or row["at"]
    return row | {"at": when, "title": f"{row['title']} ({more})" if more else row["title"]}
