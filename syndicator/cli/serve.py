"""`syndicator serve`: the web process, until it is told to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.errors import Misconfigured

if TYPE_CHECKING:
    from syndicator.runtime import Runtime

# Three beats of a worker's heart, and some patience with a busy machine (operations:OP27).
SILENCE = timedelta(seconds=10)

Host = Annotated[str | None, typer.Option(metavar="HOST", help="Where to listen; else web.host.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, metavar="PORT", help="Else web.port.")]


def flags(host: str | None, port: int | None) -> dict[str, str]:
    """The flags as settings know them."""
    said = {"web.host": host, "web.port": None if port is None else str(port)}
    return {name: value for name, value in said.items() if value is not None}


def serve(ctx: typer.Context, host: Host = None, port: Port = None) -> None:
    """Run the web process until SIGTERM or Ctrl-C."""
    from syndicator.store import open_store
    from syndicator.web import app as web
    from syndicator.web.bounces import BounceHooks

    with session.opened(ctx, start=True, flags=flags(host, port)) as runtime:
        from syndicator.runtime import clock
        from syndicator.runtime.terms import named_of, terms_of

        with open_store(runtime.settings.store.url.reveal(), host_clock=clock) as watch:
            listen = runtime.settings.web
            made = web.create_app(
                web.Web(
                    store=runtime.store,
                    site=runtime.site,
                    tokens=runtime.tokens,
                    watch=watch,
                    extra_routes=BounceHooks(lambda: runtime.hooks).routes(),
                    ready=_silence(runtime),
                    redirects=[(one.from_, one.to) for one in runtime.settings.redirects],
                    trusted_proxies=listen.trusted_proxies,
                    full_reads=listen.full_reads,
                    cabinet=runtime.cabinet,
                    sender=runtime.desk.sender,
                    eraser=runtime.eraser,
                    terms=terms_of(runtime.settings),
                    named=named_of(runtime.desk),
                    desk_mails=runtime.settings.press.alarms,
                )
            )
            try:
                web.serve(made, listen.host, listen.port, _started)
            except OSError as fault:
                where = f"{listen.host}:{listen.port}"
                words = f"[web]: cannot listen on {where}: {fault.strerror or fault}; choose another web.port, or --port"
                raise Misconfigured([words]) from None


def _started(host: str, port: int) -> None:
    output.say(f"serving on http://{f'[{host}]' if ':' in host else host}:{port}")


def _silence(runtime: Runtime) -> Callable[[], Sequence[str]]:
    """Names "worker" when none was seen lately."""

    def ready() -> Sequence[str]:
        from syndicator.store import schedules

        with runtime.store.read() as tx:
            seen = schedules.last_beat(tx)
            return [] if seen and tx.now - seen < SILENCE else ["worker"]

    return ready


app = given.command(serve)
