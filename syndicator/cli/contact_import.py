"""`syndicator contact import|export|ask`: lists from elsewhere, shown as a difference first, taken back as one act."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.cli.confirm import confirmed
from syndicator.errors import Invalid
from syndicator.model.audience import Cadence
from syndicator.model.markup import one_line

if TYPE_CHECKING:
    from syndicator.signup.roster import Form, Loaded

ASKS = "letters that ask for a yes (none goes out now with --legacy)"
TELLS = "letters that say where an address is from (none goes out with --no-notice)"
SHOWN = 5  # lines of each sort; --json shows all
STDIN = "-"
IMPORTS = ("id", "at", "by", "source", "basis", "undone", "counts")


File = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE",
        help="CSV, .xlsx, JSON, pasted addresses, Mailchimp's ZIP, listmonk's or Keila's CSV; - for stdin.",
    ),
]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="THEIRS=OURS", help='Another name for a column: "E-Mail=email".'),
]
Format = Annotated[
    str,
    typer.Option(
        "--format", metavar="FORMAT", help="csv, xlsx, text, json, mailchimp, listmonk or keila; else seen."
    ),
]
Encoding = Annotated[str, typer.Option(metavar="NAME", help="Of a text file; else guessed.")]
Topics = Annotated[
    str, typer.Option("--topics", metavar="A,B", help="What rows without topics subscribe to.")
]
Source = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help="Where the list is from, in words for its people: with --basis they read it. The file is named to staff alone.",
    ),
]
Basis = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help="A lawful basis in place of their own yes, in words they read, such as: press officers' contract; needs --by.",
    ),
]
Undo = Annotated[int | None, typer.Option(parser=given.whole(1), metavar="ID", help="Take this one back.")]
AskNow = Annotated[
    bool, typer.Option("--ask", help="Ask people of a foreign export for their yes now, once each.")
]
Legacy = Annotated[
    bool, typer.Option("--legacy", help="Take who shows no yes unasked, as of a foreign export.")
]
Letters = Annotated[
    int | None,
    typer.Option(
        "--confirm",
        parser=given.whole(0),
        metavar="N",
        help="Yes to so many letters that ask or tell, the very number shown.",
    ),
]
NoNotice = Annotated[
    bool,
    typer.Option("--no-notice", help="With --basis: they were told already whence we have their address."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Take the list's words for people we know; never their status.")
]
ListThem = Annotated[bool, typer.Option("--list", help="Show the imports there were.")]


def import_(
    ctx: typer.Context,
    file: File = None,
    map_: Maps = None,
    form: Format = "",
    encoding: Encoding = "",
    topics: Topics = "",
    cadence: Annotated[Cadence, typer.Option(help="For rows without one.")] = Cadence.IMMEDIATE,
    source: Source = "",
    basis: Basis = "",
    undo: Undo = None,
    confirm: Letters = None,
    by: given.By = "",
    *,
    ask: AskNow = False,
    legacy: Legacy = False,
    no_notice: NoNotice = False,
    overwrite: Overwrite = False,
    list_: ListThem = False,
    dry_run: given.DryRun = False,
    as_json: given.Json = False,
) -> None:
    """Take people from a list. Nobody who left or is suppressed comes back. Exit 4 if rows were bad.

    Columns: email, name, outlet, timezone, topics, cadence, consent, country, language, tags, notes, status. A row with
    consent is active; without, its person is asked at once, many only with --confirm. Exports of other houses: who left
    or was cleaned is suppressed, whoever signed up there by a form is active, all others wait for --ask or `contact ask`.
    """
    if undo is not None or list_:
        if file or (undo is not None and list_):
            raise Invalid("--undo ID and --list stand alone, without FILE")
        _list(ctx, as_json=as_json) if list_ else _undo(ctx, undo or 0, by, as_json=as_json)
        return
    file = _checked(file, basis, by, both=ask and legacy, no_notice=no_notice)
    from syndicator.signup import roster

    with session.opened(ctx) as runtime:
        order = roster.Order(
            source=one_line(source, "--source"),
            file="stdin" if file == STDIN else Path(file).name,
            by=session.actor(by),
            zone=runtime.site.zone,
            form=_form(form),
            maps=tuple(map_ or ()),
            encoding=encoding,
            topics=given.names(topics),
            cadence=cadence,
            basis=one_line(basis, "--basis"),
            overwrite=overwrite,
            ask=ask,
            legacy=legacy,
            notice=not no_notice,
            dry_run=dry_run,
        )
        # A basis stands for every yes: nobody is left to ask.
        agreed = _agreed(confirm, runtime.settings.mail.confirm_above, TELLS if basis else ASKS)
        done = roster.load(runtime.store, _bytes(file), order, say=output.say, agreed=agreed)
    _show(done, dry_run=dry_run, as_json=as_json)
    if done.bad:
        raise typer.Exit(4)


def ask(
    ctx: typer.Context,
    segment: Annotated[str, typer.Option(metavar="SLUG", help="Only those in this segment.")] = "",
    limit: Annotated[
        int, typer.Option(parser=given.whole(1), metavar="N", help="At most so many.", show_default=False)
    ] = 1_000_000,
    confirm: Letters = None,
    by: given.By = "",
    *,
    dry_run: given.DryRun = False,
) -> None:
    """Ask those who were imported without proof of a yes whether we may write to them; each person once for ever."""
    from syndicator.signup import roster
    from syndicator.store import Tx, audit, segments

    def inside(tx: Tx) -> Any:
        if segment:
            segments.named(tx, segment)
        return segments.condition(tx, (segment,) if segment else ())

    with session.opened(ctx) as runtime:
        agreed = _agreed(confirm, runtime.settings.mail.confirm_above, "letters that ask for a yes")
        count = roster.ask(runtime.store, inside, limit, dry_run=dry_run, agreed=agreed)
        if count and not dry_run:
            with runtime.store.begin() as tx:
                audit.record(tx, session.actor(by), "contact.ask", "contacts", count=count)
    print(
        f"{output.counted(count, 'person is', 'people are')} {'to be ' if dry_run else ''}asked for their yes"
    )


def export(
    ctx: typer.Context,
    segment: Annotated[str, typer.Option(metavar="SLUG", help="Only those in this segment.")] = "",
    by: given.By = "",
    *,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="The suppressions instead, by digest: no address is in it.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Write everybody and their live subscriptions to stdout, as CSV or JSON that `contact import` reads."""
    from syndicator.signup import roster
    from syndicator.store import audit

    if suppressed and segment:
        raise Invalid("--suppressed and --segment do not go together: a suppression belongs to no contact")
    with session.opened(ctx) as runtime:
        # Written down before anything is shown: a list that was taken away is in the audit (mail:LM18).
        with runtime.store.begin() as tx:
            what: dict[str, Any] = {"segment": segment or None, "suppressed": suppressed or None}
            audit.record(tx, session.actor(by), "contact.export", "contacts", **what)
        with runtime.store.read() as tx:
            rows: Iterator[dict[str, Any]] = (
                roster.suppressed(tx) if suppressed else roster.everybody(tx, segment)
            )
            if as_json:
                output.listing(rows, (), as_json=True)
            elif suppressed:
                roster.dump_suppressed(tx, sys.stdout)
            else:
                roster.dump(tx, sys.stdout, segment)


def _checked(file: str | None, basis: str, by: str, *, both: bool, no_notice: bool) -> str:
    if not file:
        raise Invalid("name the list: a file, or - for stdin")
    if basis and not by.strip():
        raise Invalid("--basis stands for other people's yes: say with --by who answers for it")
    if both:
        raise Invalid("--ask writes to people now and --legacy does not: say one of them")
    if no_notice and not basis:
        raise Invalid("--no-notice is for people taken by a --basis: nobody else is told")
    return file


def _agreed(given_: int | None, limit: int, what: str) -> Callable[[int], None]:
    """What asks a person before many letters leave."""
    return lambda letters: confirmed(letters, given_, limit, what)


def _form(name: str) -> Form | None:
    from syndicator.signup.roster import Form

    return given.choice(name, Form, "format") if name else None


def _bytes(name: str) -> bytes:
    """The list, at most one byte more than is allowed, which is refused where it is read."""
    from syndicator.signup.roster import MOST_BYTES

    if name == STDIN:
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as fault:
        raise Invalid(f"{name} cannot be read: {fault.strerror or fault}") from None


def _show(done: Loaded, *, dry_run: bool, as_json: bool) -> None:
    from syndicator.model.roster import Sort

    if dry_run:
        output.say("nothing was written")
    if done.id is not None:
        output.say(f"`syndicator contact import --undo {done.id}` takes this back")
    if as_json:
        output.show_json(done.as_json())
        return
    figures = ", ".join(f"{name} {done.counts[name]}" for name in ("added", "known", "active", "pending"))
    print(f"{figures}, bad {len(done.bad)}")
    if done.asked:
        print(f"letters that ask for a yes: {done.asked:,}")
    if done.told:
        print(f"letters that say where an address is from: {done.told:,}")
    for sort in Sort:
        some = done.difference[sort]
        if some:
            print(f"{sort} {len(some)}")
        for address, _, why in some[:SHOWN]:
            print(f"  {address}{f': {output.cell(why)}' if why else ''}")
        if len(some) > SHOWN:
            print(f"  and {len(some) - SHOWN} more")


def _undo(ctx: typer.Context, import_id: int, by: str, *, as_json: bool) -> None:
    from syndicator.signup import roster
    from syndicator.store.undoing import COUNTS

    with session.opened(ctx) as runtime:
        done = roster.undo(runtime.store, import_id, session.actor(by), say=_stays())
    if len(done.kept) > SHOWN:
        output.say(f"and {len(done.kept) - SHOWN:,} more stay; --json names everybody")
    counts = {name: getattr(done, name) for name in COUNTS}
    if as_json:
        output.show_json(done.as_json())
    else:
        print(f"taken back: {', '.join(f'{name} {n}' for name, n in counts.items())}, kept {len(done.kept)}")


def _stays() -> Callable[[str, str], None]:
    """What names the first who stay; of a long list nobody reads the rest."""
    room = iter(range(SHOWN))

    def say(address: str, why: str) -> None:
        if next(room, None) is not None:
            output.say(f"{address} stays: {why}")

    return say


def _list(ctx: typer.Context, *, as_json: bool) -> None:
    from syndicator.store import imports

    with session.reading(ctx) as (_, tx):
        rows = [{name: getattr(one, name) for name in IMPORTS} for one in imports.listing(tx)]
        output.listing(rows, IMPORTS, as_json=as_json)
