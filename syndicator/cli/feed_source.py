"""Where `item import` gets its feed from, and how it reports what became of the entries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from syndicator.cli import files, output
from syndicator.errors import SyndicatorError, TryLater

if TYPE_CHECKING:
    from syndicator.ingest.entries import Parsed
    from syndicator.ingest.imports import Imported
    from syndicator.runtime import Runtime


def feed(runtime: Runtime, source: str, allow_private: Sequence[str]) -> tuple[Parsed, str]:
    """The parsed feed of a file, of stdin (`-`) or at a web address, and that address."""
    from syndicator.ingest.parse import parse

    if not source.startswith(("http://", "https://")):
        return parse(files.read_bytes(source)), ""
    body, content_type, url = _fetched(runtime, source, allow_private)
    return parse(body, content_type=content_type, url=url), source


def report(done: Imported, *, as_json: bool) -> None:
    """Print what was taken and what was refused."""
    if as_json:
        output.show_json(done.as_json())
        return
    for prospect in done.items:
        print("\t".join((prospect.fate, prospect.uid or "-", output.cell(prospect.content.title))))
    for entry in done.refused:
        output.say(f"refused: {output.cell(entry.title)}: {output.cell(entry.why)}")


def _fetched(runtime: Runtime, url: str, allow_private: Sequence[str]) -> tuple[bytes, str, str]:
    from syndicator.ingest.fetch import Body, Fetched, fetch
    from syndicator.model.upstream import Upstream, Validators

    with runtime.store.read() as tx:
        now = tx.now
    once = Upstream(id=0, slug="import", url=url, allow_private=tuple(allow_private), created=now)

    async def asked() -> Fetched:
        async with runtime.upstream_client(once) as client:
            return await fetch(client, url, Validators(), now)

    answer = asyncio.run(asked())
    if isinstance(answer, Body):
        return answer.body, answer.content_type, answer.base
    words = getattr(answer, "words", "it answered with nothing new")
    retry = getattr(answer, "retry_after", None)
    raise (TryLater if retry else SyndicatorError)(f"{url} cannot be read: {words}")
