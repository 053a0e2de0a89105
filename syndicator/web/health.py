"""Whether this process is alive, and whether it is ready: for supervisors and load balancers.

`/healthz` touches nothing. `/readyz` asks the store, the schema, the feeds in memory and whatever
the composition root adds (a worker seen lately). It names what is missing and no more: the reason,
which may hold addresses, goes to the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicator.errors import SchemaBehind, SyndicatorError
from syndicator.observe import logger
from syndicator.store import Store

Faults = Callable[[], Sequence[str]]
MAX_AGE = 10.0  # seconds the feeds in memory may have gone without a look at the store
NO_STORE = {"cache-control": "no-store"}


class Health:
    """The two answers; `feeds_age` is in seconds, `more` names further things that are not ready."""

    def __init__(self, store: Store, feeds_age: Callable[[], float], more: Faults) -> None:
        self._store, self._feeds_age, self._more = store, feeds_age, more

    def routes(self) -> list[BaseRoute]:
        """Where the answers stand."""
        return [Route("/healthz", _alive), Route("/readyz", self.ready)]

    def ready(self, _request: Request) -> Response:
        """200, or 503 with one word for each thing that is not ready."""
        faults = [*self._store_faults(), *self._feeds_faults()]
        if not faults:
            faults += self._more()
        if faults:
            return PlainTextResponse(f"not ready: {', '.join(faults)}\n", 503, NO_STORE)
        return PlainTextResponse("ready\n", 200, NO_STORE)

    def _store_faults(self) -> list[str]:
        try:
            with self._store.read():
                pass
            self._store.check_schema()
        except SyndicatorError as fault:
            logger("web").warning("not ready", fault=str(fault))
            return ["schema" if isinstance(fault, SchemaBehind) else "store"]
        return []

    def _feeds_faults(self) -> list[str]:
        return ["feeds"] if self._feeds_age() > MAX_AGE else []


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("alive\n", 200, NO_STORE)
