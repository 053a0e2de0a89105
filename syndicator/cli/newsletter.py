"""`syndicator newsletter …`: issues made from the items of a time, put in order by an editor, approved by a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session
from syndicator.cli.confirm import confirmed
from syndicator.errors import Invalid

if TYPE_CHECKING:
    from syndicator.cli.views import View
    from syndicator.model.newsletter import Block, Issue, Sheet
    from syndicator.runtime import Runtime

app = given.group("Issues made from the items of a time: see, put in order, test, approve.")

COLUMNS = ("number", "title", "state", "slot", "approved_by", "uid")
ITEMS = ("choice", "kind", "topic", "title", "uid", "why")
Number = Annotated[int, typer.Argument(parser=given.whole(1), metavar="N", help="Its number.")]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="UID", help="Put this item into the issue; may be given more than once."),
]
Later = Annotated[
    list[str] | None,
    typer.Option("--next", metavar="UID", help="Leave it out now, and offer it to the next issue again."),
]
Never = Annotated[
    list[str] | None, typer.Option(metavar="UID", help="Leave it out, and never offer it again.")
]


@app.command("list")
def list_(
    ctx: typer.Context, limit: given.Limit = None, after: given.After = 0, *, as_json: given.Json = False
) -> None:
    """List all issues, the first first."""
    from syndicator.store import newsletters

    with session.reading(ctx) as (runtime, tx):
        rows = [_view(issue) for issue in newsletters.listing(tx, limit=limit, after=after)]
        output.listing(rows, COLUMNS, as_json=as_json)
        if not rows:
            output.say(_why_none(runtime))


@app.command()
def show(
    ctx: typer.Context,
    number: Number,
    *,
    file: Annotated[
        bool, typer.Option("--file", help="As the file it can be changed in and handed in again.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Show an issue with all it holds, as it would go out now."""
    from syndicator import newsletter
    from syndicator.model import issuefile

    with session.reading(ctx) as (runtime, tx):
        sheet = newsletter.sheet_of(tx, number)
        if file:
            print(issuefile.written(sheet, runtime.site.zone), end="")
            return
        mails = newsletter.readers(tx, sheet, runtime.newsletter)
        if as_json:
            output.show_json(_whole(sheet) | {"mails": mails})
            return
        output.details(
            _view(sheet.issue) | {"introduction": sheet.issue.introduction, "mails": mails}, as_json=False
        )
        output.listing(_lines(sheet), ITEMS, as_json=False)
        output.listing(map(_block, sheet.blocks), ("kind", "title", "at", "place", "url"), as_json=False)


@app.command()
def edit(
    ctx: typer.Context,
    number: Number,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="As `newsletter show N --file` prints it; - for stdin."),
    ] = None,
    include: Include = None,
    later: Later = None,
    never: Never = None,
    by: given.By = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Change an issue: by its file, or item by item."""
    from syndicator import newsletter
    from syndicator.model import issuefile
    from syndicator.model.newsletter import Choice

    said = {Choice.INCLUDE: include, Choice.NEXT: later, Choice.NEVER: never}
    choices = {uid: choice for choice, uids in said.items() for uid in uids or ()}
    if bool(file) == bool(choices):
        raise Invalid("hand in a FILE, or name items with --include, --next or --never")
    who = session.actor(by)
    with session.writing(ctx) as (runtime, tx):
        if file:
            text = files.read(file)
            sheet = newsletter.edit(tx, number, issuefile.read(text, runtime.site.zone), who)
            _rebase(file, text, sheet.base)
        else:
            sheet = newsletter.choose(tx, number, choices, who)
        _warn(sheet, newsletter.readers(tx, sheet, runtime.newsletter))
        _tell(sheet, as_json=as_json)


@app.command("test")
def mail_test(
    ctx: typer.Context,
    number: Number,
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="Who gets the marked test.")],
    by: given.By = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Mail it as it stands to these addresses, marked as a test. It counts nowhere."""
    from syndicator import newsletter

    who = session.actor(by)
    with session.writing(ctx) as (_, tx):
        subject = newsletter.mail_test(tx, number, addresses, who)
    output.say(
        "it goes out with the next turn of a worker: `syndicator delivery list` shows what became of it"
    )
    if as_json:
        output.show_json({"number": number, "subject": subject, "recipients": addresses})
    else:
        print(subject)


@app.command()
def approve(
    ctx: typer.Context,
    number: Number,
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take the yes back, so that it can be changed.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Say yes to it: it is frozen, and goes out at its slot; at once if that has gone by."""
    from syndicator import newsletter

    who = session.actor(by)
    with session.writing(ctx) as (runtime, tx):
        mails = 0
        if undo:
            issue = newsletter.reopen(tx, number, who)
        else:
            mails = newsletter.readers(tx, newsletter.sheet_of(tx, number), runtime.newsletter)
            issue = newsletter.approve(tx, number, who, runtime.newsletter)
            # Asked once it is known to be possible; a no undoes it with the transaction.
            confirmed(mails, confirm, runtime.settings.mail.confirm_above, f"mails with No. {number}")
        _tell(newsletter.sheet_of(tx, number), as_json=as_json)
    if not undo:
        _say_when(issue, mails)


@app.command()
def cancel(ctx: typer.Context, number: Number, by: given.By = "", *, as_json: given.Json = False) -> None:
    """Let it not go out at its slot. What it holds stays, for the slot after it."""
    from syndicator import newsletter

    who = session.actor(by)
    with session.writing(ctx) as (_, tx):
        issue = newsletter.cancel(tx, number, who)
        _tell(newsletter.sheet_of(tx, number), as_json=as_json)
    if issue.state == "open":
        output.say(f"it stays open and goes out at {issue.slot:%Y-%m-%d %H:%M} UTC, once approved")


def _rebase(file: str, text: str, base: str) -> None:
    """Write into the file what it is made from now, so that it can be changed and handed in again."""
    if file == files.STDIN or not files.BASE.search(text):
        return
    try:
        files.write(Path(file), files.with_base(text, base))
    except Invalid:  # it is handed in all the same
        output.say(f'{file} cannot be written: put base: "{base}" there before you hand it in again')


def _warn(sheet: Sheet, mails: int) -> None:
    """Say who gets what was meant for some people alone, and was put in by hand."""
    for line in sheet.lines:
        if line.why and line.item in sheet.included:
            output.say(
                f"{line.item.uid} is for {', '.join(line.item.content.audience)} alone: in this issue "
                f"{output.counted(mails, 'reader gets', 'readers get')} it by mail; "
                f"--never {line.item.uid} leaves it out"
            )


def _say_when(issue: Issue, mails: int) -> None:
    if issue.uid:
        output.say(f"its slot had gone by: it is out, as {issue.uid}")
    else:
        output.say(f"it goes out at {issue.slot:%Y-%m-%d %H:%M} UTC, by mail to {mails:,}")


def _why_none(runtime: Runtime) -> str:
    if not runtime.newsletter.rules.topic:
        return "there is no newsletter: set [newsletter] topic, and make a schedule with --job newsletter"
    return "no issue is open yet: a worker opens one once a schedule with --job newsletter has a slot"


def _tell(sheet: Sheet, *, as_json: bool) -> None:
    if as_json:
        output.show_json(_whole(sheet))
    else:
        print(f"{sheet.issue.number} {sheet.issue.state}")


def _view(issue: Issue) -> View:
    return {
        "number": issue.number,
        "title": issue.title,
        "headline": issue.headline or None,
        "state": issue.state,
        "slot": issue.slot,
        "opened": issue.opened,
        "closes": issue.closes,
        "approved": issue.approved,
        "approved_by": issue.approved_by,
        "uid": issue.uid,
    }


def _whole(sheet: Sheet) -> View:
    return _view(sheet.issue) | {
        "base": sheet.base,
        "introduction": sheet.issue.introduction,
        "items": _lines(sheet),
        "blocks": [_block(block) for block in sheet.blocks],
    }


def _lines(sheet: Sheet) -> list[View]:
    return [
        {
            "uid": line.item.uid,
            "choice": line.choice,
            "kind": line.item.content.kind,
            "topic": next(iter(line.item.content.topics), None),
            "title": line.item.content.title,
            "state": line.item.state,
            "why": line.why or None,
        }
        for line in sheet.lines
    ]


def _block(block: Block) -> View:
    return {
        "kind": block.kind,
        "title": block.title,
        "text": block.text,
        "url": block.url or None,
        "at": block.at,
        "place": block.place or None,
    }
