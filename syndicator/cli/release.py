"""`syndicator release …`: what is not yet public, from draft to the moment it goes out, through `press`."""

from __future__ import annotations

import sys
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
Advance = Annotated[
    str | None,
    typer.Option(
        "--advance", metavar="INSTANT", help="When accredited contacts get their copy; else at once."
    ),
]
NoAdvance = Annotated[bool, typer.Option("--no-advance", help="Nobody gets a copy before the embargo ends.")]
COLUMNS = ("id", "uid", "state", "embargo", "at", "title", "upstream")
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

    who = session.actor(by)
    with session.opened(ctx) as runtime:
        handed = files.handed(file, runtime.site, files.Said(topics, kind, embargo))
        with runtime.store.begin() as tx:
            uid = handed.draft.uid or runtime.mint_uid(tx.now)
            handed = files.settled(tx, runtime, handed, uid)
            release = press.draft(tx, uid, handed.draft.content, handed.draft.embargo, base=base, by=who)
            handed.keep(uid)  # before the commit: else the same file could become a second release
            now = tx.now
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
            files.show(release.content, release.uid, release.embargo)
            return
        _say_instant(release, runtime)
        output.details(views.whole_release(release) | {"versions": history}, as_json=as_json)


@app.command()
def approve(
    ctx: typer.Context, uid: given.Uid, by: given.By = "", base: Base = None, *, as_json: given.Json = False
) -> None:
    """Approve the words. Only then can it be scheduled or published."""
    from syndicator import press

    who = session.actor(by)
    with session.writing(ctx) as (runtime, tx):
        release = press.approve(tx, uid, who, base=base, rules=runtime.rules)
        _say_copies(tx, release)
    _tell(release, as_json=as_json)


@app.command()
def schedule(
    ctx: typer.Context,
    uid: given.Uid,
    at: Annotated[str | None, AT] = None,
    advance: Advance = None,
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    no_advance: NoAdvance = False,
    as_json: given.Json = False,
) -> None:
    """Let it go out by itself, when its embargo ends or at --at. The accredited get a copy before."""
    from syndicator import press

    if advance and no_advance:
        raise typer.BadParameter("--advance and --no-advance say the contrary")
    zone, who = session.settings(ctx).site().zone, session.actor(by)
    instant = given.instant(at, zone) if at else None
    before: datetime | bool = given.instant(advance, zone) if advance else not no_advance
    with session.writing(ctx) as (runtime, tx):
        _ask(tx, runtime, uid, confirm, at_once=False)
        release = press.schedule(tx, uid, instant, who, advance=before, rules=runtime.rules)
        _say_instant(release, runtime)
        _say_copies(tx, release)
    _tell(release, as_json=as_json)


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
        output.say(f"was: {output.cell(was)}; is now: {output.cell(release.at)}")
        _say_instant(release, runtime)
    if had:
        verb = "are told" if release.moves != before.moves else "were told no other end of it"
        output.say(f"{len(had)} had an advance copy or may have; they {verb} (--json names them)")
    moved = {"was": was, "now": release.at, "had": [views.had(one) for one in had]}
    _tell(release, as_json=as_json, more=moved)


@app.command()
def publish(
    ctx: typer.Context,
    uid: given.Uid,
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Make it public now, once approved. Refused while its embargo holds: see lift."""
    from syndicator import press

    who = session.actor(by)
    with session.writing(ctx) as (runtime, tx):
        _ask(tx, runtime, uid, confirm)
        release = press.publish_now(tx, uid, who, runtime.rules.undo, rules=runtime.rules)
        shown = _item(tx, runtime, uid) if release.state is ReleaseState.RELEASED else None
    if shown:
        _show_item(shown, as_json=as_json)
    else:
        output.say(f"until then `syndicator release cancel {uid}` stops page, feed and mail together")
        _tell(release, as_json=as_json)


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
        _ask(tx, runtime, uid, confirm)
        press.lift(tx, uid, who, why, rules=runtime.rules)
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
    with session.writing(ctx) as (_, tx):
        release = press.cancel(tx, uid, why, who)
        had = deliveries.had(tx, release.id)
    if had:
        output.say(
            f"{len(had)} had an advance copy or may have: they are told first of all (--json names them)"
        )
    output.say("to bring it back, hand in the draft again with `syndicator release draft`")
    _tell(release, as_json=as_json, more={"had": [views.had(one) for one in had]})


def _ask(
    tx: Tx, runtime: Runtime, uid: str, given_number: int | None, *, at_once: bool = True
) -> None:
    """Nobody mails many people by a slip: above the limit their number is to be said."""
    from syndicator.press.plan import letters
    from syndicator.store import releases

    count = letters(tx, releases.named(tx, uid), runtime.rules, at_once=at_once)
    confirmed(count, given_number, runtime.settings.mail.confirm_above, f"mails about {uid}")


def _say_copies(tx: Tx, release: Release) -> None:
    from syndicator.store import deliveries

    copies = deliveries.advances_waiting(tx, release)
    if copies and release.advance:
        when = "now" if release.advance <= tx.now else f"at {output.cell(release.advance)}"
        output.say(f"{copies} accredited contacts get an advance copy {when}")


def _say_instant(release: Release, runtime: Runtime) -> None:
    """Read the instant back, where its readers are: that is how a wrong zone or day is noticed."""
    embargo, zone = release.embargo, runtime.site.zone
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


def _tell(release: Release, *, as_json: bool, more: views.View | None = None) -> None:
    when = f", it goes out at {output.cell(release.at)}" if release.at else ""
    output.say(f"{release.uid} is {release.state}{when}")
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
    return row | {"title": f"{row['title']} ({more})" if more else row["title"]}
