"""`syndicator demo`: an invented newsroom on this machine, from first item to accepted mail.

It prepares a fresh store under `var/demo`, starts the very worker and web that `run` starts, lets a
press release leave its embargo a few seconds later, and prints what went where. Nothing leaves
127.0.0.1: mails are files, the partner and the upstream are small servers of this process
(`neighbours`). `stage` is what the /demo page looks at.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from socket import socket
from typing import Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli.demo.neighbours import FeedServer, PartnerServer
from syndicator.cli.demo.stage import DemoStage
from syndicator.errors import NotFound, Refused, TryLater
from syndicator.observe import configure_logging
from syndicator.runtime import Runtime
from syndicator.settings import load
from syndicator.store.deliveries import Delivery
from syndicator.worker import Worker

MARK = ".syndicator-demo"
PATIENCE = 60.0  # seconds until `--once` gives up
EMBARGO = timedelta(seconds=4)
GRACE = timedelta(seconds=10)
OWN = Path(__file__).resolve().parents[2]


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Do the whole job once and end.")] = False,
    port: Annotated[int, typer.Option(help="Where to serve; another is taken if it is in use.")] = 8000,
    data: Annotated[Path, typer.Option(help="Where the demo keeps its store and mail.")] = Path("var/demo"),
) -> None:
    """Show everything at work on this machine: items, feeds, mail, a partner. Nothing leaves it."""
    configure_logging(level="error")
    with ExitStack() as stack:
        stack.enter_context(_cleared(data))
        bound = None if once else stack.enter_context(_bound(port))
        address = f"http://127.0.0.1:{bound.getsockname()[1] if bound else port}"
        runtime = Runtime(load(newsroom() / "syndicator.toml", os.environ, _flags(data, address)))
        stack.callback(runtime.close)
        partner = stack.enter_context(PartnerServer())
        upstream = stack.enter_context(FeedServer((newsroom() / "partner-feed.atom").read_bytes()))
        stage = DemoStage(runtime, partner, newsroom(), once=once)
        if bound and bound.getsockname()[1] != port:
            _say(f"Port {port} is taken: the demo is at {address} instead.")
        _say(
            f"A new store under {data}; everything stays on this machine. What an earlier demo made there is gone."
        )
        for line in stage.prepare(upstream.url, EMBARGO):
            _say(line)
        worker = Worker(runtime, threading.Event())
        worker.start()
        stack.callback(worker.end, GRACE)
        if bound is None:
            _await_settled(stage)
            _report(stage, address, data)
        else:
            _serve(stage, bound, address, data)


def newsroom() -> Path:
    """The folder with the demo's newsroom: in the working directory, beside the program, or packed with it."""
    for folder in (Path("config/demo"), OWN.parent / "config" / "demo", OWN / "_config" / "demo"):
        if (folder / "syndicator.toml").exists():
            return folder
    raise NotFound("the demo's newsroom is not installed: start it from a checkout of Syndicator")


def _flags(data: Path, address: str) -> dict[str, str]:
    where = data.absolute()
    return {
        "store.url": f"sqlite:///{where}/demo.db",
        "store.media_dir": f"{where}/media",
        "mail.transport": "folder",
        "mail.folder": f"{where}/mail",
        "site.base_url": address,
    }


@contextmanager
def _cleared(data: Path) -> Iterator[None]:
    """An empty folder for this demo alone; what an earlier demo made there is thrown away."""
    if data.exists() and any(data.iterdir()) and not (data / MARK).exists():
        raise Refused(f"{data} holds something that is no demo; name another folder with --data")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / MARK).open("w") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(
                f"a demo is running in {data}: end it first, or name another folder with --data"
            ) from None
        for found in data.iterdir():
            if found.name != MARK:
                shutil.rmtree(found) if found.is_dir() else found.unlink()
        yield


def _bound(port: int) -> socket:
    # Imported here: with `--once` nothing of the web is needed.
    from syndicator.web.app import listen

    try:
        return listen("127.0.0.1", port)
    except OSError:
        return listen("127.0.0.1", 0)


def _await_settled(stage: DemoStage) -> None:
    ends = time.monotonic() + PATIENCE
    while open_duties := stage.open_duties():
        if time.monotonic() > ends:
            raise TryLater(f"after {PATIENCE:.0f} s this is still open: {open_duties}")
        time.sleep(0.05)


def _serve(stage: DemoStage, bound: socket, address: str, data: Path) -> None:
    from syndicator.runtime.terms import named_of, terms_of
    from syndicator.web.app import Web, create_app, server
    from syndicator.web.demo import routes
    from syndicator.web.pages import Pages

    runtime = stage.runtime
    pages = routes(stage, Pages(runtime.site))
    with runtime.watch() as watch:
        web = Web(
            store=runtime.store,
            site=runtime.site,
            tokens=runtime.tokens,
            watch=watch,
            extra_routes=pages,
            cabinet=runtime.cabinet,
            sender=runtime.desk.sender,
            eraser=runtime.eraser,
            terms=terms_of(runtime.settings),
            named=named_of(runtime.desk),
            desk_mails=runtime.settings.press.alarms,
        )
        bound.listen(128)
        threading.Thread(target=_tell, args=(stage, address, data), daemon=True).start()
        server(create_app(web), "127.0.0.1", bound.getsockname()[1]).run(sockets=[bound])


def _tell(stage: DemoStage, address: str, data: Path) -> None:
    _say(f"Serving at {address} …")
    try:
        _await_settled(stage)
    except TryLater as fault:
        _say(str(fault))
    _report(stage, address, data)
    _say(f"\nOpen {address}/demo to see each mail as its reader does. Ctrl-C ends the demo.")


def _report(stage: DemoStage, address: str, data: Path) -> None:
    """Items, feeds, mails, webhooks: what there is now and what went where."""
    _heading("Items")
    _table([(item.kind, item.state, item.title) for item in stage.item_lines()])
    _heading("Feeds")
    _table(
        [
            (f"{address}{path}", f"{count} items", f"{size:,} bytes", tag)
            for path, count, size, tag in stage.feed_lines()
        ]
    )
    for heading, channel in (("Mails", "mail"), ("Webhooks", "webhook")):
        _heading(heading)
        _table([_delivery(row) for row in reversed(stage.ledger()) if row.channel == channel])
    got, right = len(stage.events()), sum(event.verified for event in stage.events())
    _say(f"\nThe partner got {got} webhook{'s' * (got != 1)} and found {right} signed as it should be.")
    _say(f"The mails are in {data / 'mail'}, one .eml file each.")
    if stage.once:
        _say("Nothing is served now: `make run` shows feeds, pages and mails in a browser.")


def _delivery(row: Delivery) -> tuple[str, ...]:
    return (row.recipient, row.state, row.subject, row.detail or "")


def _heading(words: str) -> None:
    typer.echo(f"\n{words}")


def _table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they must be; on standard output, for it is what one asked for."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  " + "  ".join(cells).rstrip())
    if not rows:
        typer.echo("  none")


def _say(words: str) -> None:
    typer.echo(words)
    sys.stdout.flush()


app = given.command(demo)
