"""Who a visitor is: what limits count them by, and what evidence keeps of where they came from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from syndicator.model.consent import counted
from syndicator.signup import Visit
from syndicator.web.limits import Knocks, Trust


class Gate:
    """Lets visitors through, `each` network so often a minute and `all` together, before any database work."""

    def __init__(
        self, trust: Trust, each: int, all: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._trust, self._clock, self._knocks = trust, clock, Knocks(each, all)

    def busy(self, request: Request, headers: Mapping[str, str]) -> Response | None:
        """The answer for who must wait, by the network they come from alone; None for everybody else."""
        wait = self._knocks.take(counted(self.ip(request)), self._clock())
        if not wait:
            return None
        words = "Too many requests from your network; please come again later.\n"
        return PlainTextResponse(words, 429, {**headers, "retry-after": str(wait)})

    def ip(self, request: Request) -> str | None:
        """From where they ask, as far as proxies we trust say so; None where that cannot be told."""
        hops = ", ".join(request.headers.getlist("x-forwarded-for")).encode("latin-1", "replace")
        return self._trust.visitor(request.client.host, hops) if request.client else None

    def visit(self, request: Request, source: str) -> Visit:
        """What evidence keeps of this request; `source` is the address of the page, without a token."""
        said = request.headers.get("accept-language", "")
        return Visit(
            ip=self.ip(request),
            agent=request.headers.get("user-agent", ""),
            language=said.partition(",")[0].partition(";")[0].strip()[:35],
            source=source,
        )
