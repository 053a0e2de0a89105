"""Work beside the polls: speaking to hubs, asking the pages of vanished items; each kind once at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from syndicator.errors import TryLater
from syndicator.ingest import departures, websub
from syndicator.ingest.visit import Kit
from syndicator.observe import logger

log = logger("ingest")

TEND = 5.0  # seconds between looks after hubs and vanished pages

Side = Callable[[Kit], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDesk:
    """What speaking to hubs takes: `address` makes our public address of a callback's end, `mint` such ends and secrets."""

    address: Callable[[str], str]
    mint: Callable[[], str]


class Sides:
    """Work beside the polls, each of its kind once at a time."""

    def __init__(self, kit: Kit, sides: Sequence[Side]) -> None:
        self._kit = kit
        self._next = dict.fromkeys(sides, 0.0)
        self._running: dict[Side, asyncio.Task[None]] = {}

    def go_on(self) -> None:
        """Start those whose time has come again and that are not running."""
        now = time.monotonic()
        for side, due in self._next.items():
            if now >= due and side not in self._running:
                self._next[side] = now + TEND
                task = asyncio.create_task(guarded(side, self._kit))
                self._running[side] = task
                task.add_done_callback(partial(self._over, side))

    async def end(self) -> None:
        """Break them off: they go on elsewhere, or another time."""
        await cancelled(list(self._running.values()))

    def _over(self, side: Side, _: object) -> None:
        del self._running[side]


async def guarded(side: Side, kit: Kit) -> None:
    """One turn of it; whatever goes wrong there is logged, and stops nothing else."""
    try:
        await side(kit)
    except TryLater as fault:
        log.warning("store away", loop="poll", fault=str(fault))
    except Exception:
        log.exception("loop broke", loop="poll")


async def cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Break these off, and wait until they are."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def asking_pages(kit: Kit) -> int:
    """Ask the pages that are due; how many."""
    return await departures.check_due(kit.store, kit.call, kit.client_for)


def tending(desk: HubDesk) -> Side:
    """Speak to the hubs that are to be spoken to."""

    async def tend(kit: Kit) -> int:
        return await websub.tend(kit.store, kit.call, kit.client_for, desk.address, desk.mint)

    return tend
