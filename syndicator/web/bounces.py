"""Where mail providers tell of bounces and complaints: `/callbacks/bounces/{provider}` (mail:LM16).

Nothing of a body, an address or a password is logged; whoever is not the provider learns nothing but that.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicator.bounces.hooks import Hooks
from syndicator.errors import Invalid, Refused, SyndicatorError, TryLater, WireFault
from syndicator.observe import logger
from syndicator.web.callbacks import FRESH, GONE_AWAY, NOT_HERE, whole_body

log = logger("web")
MAX_BODY = 1_000_000  # bytes


class BounceHooks:
    """The door over one store; `hooks` makes what stands behind it, at the first call."""

    def __init__(self, hooks: Callable[[], Hooks]) -> None:
        self._hooks = hooks

    def routes(self) -> list[BaseRoute]:
        """Where it stands: the address is in the providers' settings."""
        return [Route("/callbacks/bounces/{provider}", self.post, methods=["POST"])]

    async def post(self, request: Request) -> Response:
        """An event: 200 once it is kept, whatever sort it is; 403 and nothing kept where it is not theirs."""
        provider, hooks = request.path_params["provider"], self._hooks()
        if not hooks.knows(provider):
            return _line(NOT_HERE, 404)
        try:
            body = await whole_body(request, MAX_BODY)
        except ClientDisconnect:
            return _line(GONE_AWAY, 400)
        if body is None:
            return _line("An event is short.\n", 413)
        try:
            await run_in_threadpool(hooks.take, provider, body, request.headers)
        except SyndicatorError as fault:
            return _refusal(provider, fault)
        return _line("Thank you.\n")


def _refusal(provider: str, fault: SyndicatorError) -> Response:
    if isinstance(fault, Refused):
        log.warning("event refused", provider=provider, fault=str(fault))
        more = {"www-authenticate": 'Basic realm="bounces"'} if provider == "postmark" else {}
        return _line("This is not theirs.\n", 403, **more)
    if isinstance(fault, Invalid):
        return _line("This is no event.\n", 400)
    if isinstance(fault, TryLater | WireFault):
        log.warning("event put off", provider=provider, fault=str(fault))
        return _line("Come again later.\n", 503, **{"retry-after": "60"})
    raise fault


def _line(text: str, status: int = 200, **headers: str) -> Response:
    return PlainTextResponse(text, status, headers={**FRESH, **headers})
