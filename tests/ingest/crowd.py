"""A server on many loopback addresses at once, a host for each upstream: well-behaved ones and hostile ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def host(number: int) -> str:
    """The address of the so-manieth host, from 0: 127.1.0.1 …"""
    return f"127.1.{number // 250}.{number % 250 + 1}"


@dataclass
class Crowd:
    """What each address does, by host; `asked` are the hosts in the order in which they were asked, `open` is how many talk now."""

    port: int = 0
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    busiest: dict[str, int] = field(default_factory=dict)
    _talking: dict[str, int] = field(default_factory=dict)

    def url(self, number: int, path: str = "/feed") -> str:
        """The address of a feed on the so-manieth host."""
        return f"http://{host(number)}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a request and behave."""
        where = writer.get_extra_info("sockname")[0]
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked.append(where)
            self._talking[where] = self._talking.get(where, 0) + 1
            self.busiest[where] = max(self.busiest.get(where, 0), self._talking[where])
            try:
                await self.behaviours[where](reader, writer)
                await writer.drain()
            finally:
                self._talking[where] -= 1
        writer.close()


def saying(body: bytes, *, status: str = "200 OK", headers: str = "", length: int | None = None) -> Behaviour:
    """Answer so and hang up."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = len(body) if length is None else length
        head = f"HTTP/1.1 {status}\r\ncontent-length: {size}\r\nconnection: close\r\n{headers}\r\n"
        writer.write(head.encode() + body)

    return behave


@contextmanager
def crowding(hosts: int) -> Iterator[Crowd]:
    """A server on so many addresses, for as long as the block runs."""
    crowd, loop, ready = Crowd(), asyncio.new_event_loop(), threading.Event()
    over: list[asyncio.Event] = []

    async def serve() -> None:
        over.append(asyncio.Event())
        first = await asyncio.start_server(crowd.serve, host(0), 0, backlog=100)
        crowd.port = first.sockets[0].getsockname()[1]
        others = [host(number) for number in range(1, hosts)]
        rest = await asyncio.start_server(crowd.serve, others, crowd.port, backlog=100) if others else first
        ready.set()
        await over[0].wait()
        for server in (first, rest):
            server.close()

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serve())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield crowd
    finally:
        loop.call_soon_threadsafe(over[0].set)
        thread.join(10)
