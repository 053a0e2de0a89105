"""What the benches of mail share: one press release for many, a sink, Postfix's programs, and a wire with a delay.

smtp-sink and smtp-source come from PATH or from POSTFIX_DIR, a folder the Postfix package was unpacked into
(`dpkg-deb -x postfix_*.deb DIR`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from syndicator.errors import Unreachable
from syndicator.model.delivery import Outcome
from syndicator.model.item import Content, Item, ItemState, Kind, Revision, Significance, Spokesperson
from syndicator.model.markup import clean, markdown
from syndicator.model.site import Site
from syndicator.render.mail import Sender, Slots, Template, compose_revision, message_id
from syndicator.render.mail.dkim import Signer
from syndicator.wire.relay import Relay
from syndicator.wire.smtp import Connection, Letter

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SITE = Site(title="Society for Open Chemistry", base_url="https://news.chemsoc.example", zone="Europe/London")
SENDER = Sender(address="press@chemsoc.example", name="Society for Open Chemistry")
PERSON = Spokesperson(slug="ada", name="Ada Okafor", mail="ada@chemsoc.example", phone="+44 20 7946 0123")
PARAGRAPH = (
    "The draft would cut public funding for [basic research](https://example.org/budget) by 40 %. " * 4
)
NAMES = ("Jane Doe", "Ada", "Karl-Heinz Meier", "", "Jürgen Müller")
KEY = b"k" * 32


def composed(paragraphs: int = 5) -> Template:
    """A press release of ordinary length, about 2,000 characters with five paragraphs."""
    content = Content(
        title="Warning on a draft budget: −40 % would end basic research",
        kind=Kind.PRESS_RELEASE,
        summary="The Society asks Parliament to reject cuts that would close a third of laboratories.",
        body=clean(markdown("\n\n".join([PARAGRAPH] * paragraphs))),
    )
    item = Item(
        id=1,
        uid="tag:chemsoc.example,2026:1",
        slug="warning",
        state=ItemState.LIVE,
        revision=1,
        published=NOW,
        updated=NOW,
        content=content,
    )
    first = Revision(number=1, significance=Significance.FIRST, content=content, created=NOW)
    return compose_revision(item, first, site=SITE, sender=SENDER, topics=["Policy"], spokesperson=PERSON)


def slots(number: int) -> Slots:
    """What is a recipient's own, minted as the engine mints it; one name in five is outside ASCII."""
    pages = "https://news.chemsoc.example/media-list"
    return Slots(
        to_address=f"journalist.{number}@paper.example",
        to_name=NAMES[number % len(NAMES)],
        message_id=message_id(KEY, SENDER.domain, "revision/tag:x/1", str(number)),
        date=NOW + timedelta(seconds=number // 1000),
        unsubscribe_url=f"{pages}/unsubscribe/{number:026}",
        preferences_url=f"{pages}/preferences/{number:026}",
    )


def people(count: int) -> list[Slots]:
    """As many recipients."""
    return [slots(number) for number in range(count)]


def letters(template: Template, everybody: Iterable[Slots], signed: Signer | None = None) -> Iterator[Letter]:
    """One letter for each recipient, merged (and signed) when it is asked for."""
    for number, own in enumerate(everybody):
        message = template.merge(own)
        if signed:
            message = signed.sign(message, own.date)
        yield Letter(id=number, sender=SENDER.address, recipient=own.to_address, message=message)


def send_merged(
    template: Template, port: int, people: Sequence[Slots], connections: int, signed: Signer | None = None
) -> None:
    """Our connections, one thread each, every letter merged on the way for one of `people`."""
    with ThreadPoolExecutor(connections) as threads:
        shares = [people[n::connections] for n in range(connections)]
        work = [threads.submit(_send, template, port, share, signed) for share in shares]
        for done in work:
            done.result()


def _send(template: Template, port: int, people: Sequence[Slots], signed: Signer | None) -> None:
    source, done = letters(template, people, signed), 0
    while done < len(people):  # a connection may be left after so many letters
        with Connection(relay(port)) as connection:
            got = [result.outcome for _, result in connection.send(source)]
        if not got or set(got) != {Outcome.ACCEPTED}:
            raise SystemExit(f"ours: {got.count(Outcome.ACCEPTED)} of {len(got)} accepted")
        done += len(got)


def private_key() -> str:
    """A new key of 2048 bits, as PEM."""
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *form).decode()


def relay(port: int) -> Relay:
    """The sink as our relay."""
    return Relay(host="127.0.0.1", port=port, tls="none", helo="bench.example")


def program(name: str) -> str:
    """Where one of Postfix's programs is; empty if nowhere."""
    root = os.environ.get("POSTFIX_DIR")
    folders = [str(Path(root) / "usr/sbin")] if root else []
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin"])) or ""


def environment() -> dict[str, str]:
    """The environment those programs need."""
    root = os.environ.get("POSTFIX_DIR")
    return (
        {**os.environ, "LD_LIBRARY_PATH": str(Path(root) / "usr/lib/postfix")} if root else dict(os.environ)
    )


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Postfix's smtp-sink, which takes everything; its port."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []  # as root it insists
    child = subprocess.Popen([program("smtp-sink"), *user, f"127.0.0.1:{port}", "200"], env=environment())
    try:
        await_relay(port)
        yield port
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def far(port: int, seconds: float) -> Iterator[int]:
    """The same port as if it were far away: every byte takes `seconds` longer each way; a process of its own."""
    near = free_port()
    child = subprocess.Popen([sys.executable, "-m", "bench._post", str(near), str(port), str(seconds)])
    try:
        await_relay(near)
        yield near
    finally:
        child.terminate()
        child.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def await_relay(port: int) -> None:
    """Wait until something at this port takes mail."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(Unreachable):
            return Connection(relay(port)).quit()
        time.sleep(0.05)
    raise SystemExit("no mail server came up within ten seconds")


@dataclass(frozen=True, slots=True)
class Figure:
    """What one peer did in one round, in seconds; `cpu` is that of this process and its children."""

    seconds: float
    cpu: float


def measured(work: Callable[[], object]) -> Figure:
    """How long it took, and what it cost."""
    cpu, start = _cpu(), time.perf_counter()
    work()
    return Figure(time.perf_counter() - start, _cpu() - cpu)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


async def _delay(near: int, port: int, seconds: float) -> None:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop, waiting = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

        async def late() -> None:
            while True:
                due, some = await waiting.get()
                await asyncio.sleep(due - loop.time())
                if not some:
                    break
                writer.write(some)
            with contextlib.suppress(OSError):
                writer.close()

        behind = asyncio.create_task(late())
        with contextlib.suppress(OSError):
            while some := await reader.read(1 << 16):
                waiting.put_nowait((loop.time() + seconds, some))
        waiting.put_nowait((loop.time() + seconds, b""))
        await behind

    async def relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(relayed, "127.0.0.1", near)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_delay(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
