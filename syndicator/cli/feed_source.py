"""Where imports get their documents from, by file, stdin or address, and how they report what became of them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from syndicator.cli import files, output
from syndicator.errors import Invalid, SyndicatorError, TryLater

if TYPE_CHECKING:
    from syndicator.ingest.fetch import Body, Fetched
    from syndicator.ingest.parse import Pool
    from syndicator.ingest.sources.imports import Import, Imported
    from syndicator.ingest.sources.wordpress import Getter, Wordpress
    from syndicator.ingest.sources.wxr import Piece
    from syndicator.model.upstream import Upstream
    from syndicator.runtime import Runtime

WEB = ("http://", "https://")


def document(runtime: Runtime, source: str, allow_private: Sequence[str]) -> tuple[bytes, str | None]:
    """The bytes of a file, of stdin (`-`) or at a web address, and what its relative addresses are meant from."""
    if not source.startswith(WEB):
        return files.read_bytes(source), None
    body = _fetched(runtime, source, allow_private)
    return body.body, body.base


def filing(runtime: Runtime, slug: str | None) -> Upstream | None:
    """The upstream as which items are filed, and when this is; None where none is named. Raises NotFound."""
    from syndicator.store import upstreams

    if slug is None:
        return None
    with runtime.store.read() as tx:
        return upstreams.named(tx, slug)


def take(runtime: Runtime, source: str, once: Import, *, pages: bool = False) -> None:
    """Import a feed, a WordPress export of any size, or a WordPress site's whole catalogue.

    What was taken before a fault stays, and is in `once.done`.
    """
    from syndicator.ingest.parse import Pool, Unreadable

    with Pool(1) as pool:
        if not source.startswith(WEB):
            with _opened(source) as file:
                _take_file(pool, file, source, once, pages=pages)
            return
        body = _fetched(runtime, source, once.filing.allow_private)
        try:
            feed = pool.parse(body.body, content_type=body.content_type, url=body.base)
        except Unreadable as refusal:
            asyncio.run(_catalogue(runtime, source, once, refusal, pages=pages))
        else:
            once.take(feed)


def report(done: Imported, *, as_json: bool) -> None:
    """Print what was taken and what was refused."""
    if as_json:
        output.show_json(done.as_json())
        return
    for prospect in done.items:
        print("\t".join((prospect.fate, prospect.uid or "-", output.cell(prospect.content.title))))
    for entry in done.refused:
        output.say(f"refused: {output.cell(entry.title)}: {output.cell(entry.why)}")


def _take_file(pool: Pool, file: BinaryIO, name: str, once: Import, *, pages: bool) -> None:
    from syndicator.ingest.sources import wxr

    start = file.read(wxr.SNIFFED)
    file.seek(0)
    if not wxr.is_export(start):
        body = file.read(files.MAX_FILE + 1)
        if len(body) > files.MAX_FILE:
            raise Invalid(f"{name} is too long: the limit is {files.MAX_FILE:,} bytes")
        once.take(pool.parse(body))
        return
    export = wxr.Export(file, pages=pages)
    for piece in export.pieces():
        _take_piece(pool, piece, once)
    if export.skipped:
        output.say(f"attachments, menus and other things that are no posts, passed over: {export.skipped}")
    if export.cut:
        output.say(
            f"{name} breaks off in the middle: what was whole is imported; export it again for the rest"
        )


def _take_piece(pool: Pool, piece: Piece, once: Import) -> None:
    """Take a piece of an export; where the gate refuses all of it, each half, down to the one that is to blame."""
    from syndicator.ingest.filing import LeftOut
    from syndicator.ingest.parse import Unreadable

    once.done.refused += piece.refused
    if not piece.items:
        return
    try:
        feed = pool.parse(piece.body)
    except Unreadable as refusal:
        if len(piece.items) == 1:
            title = piece.titles[0]
            once.done.refused.append(LeftOut(title=title, identity=None, why=str(refusal)))
            return
        for half in piece.halves():
            _take_piece(pool, half, once)
    else:
        once.take(feed)


async def _catalogue(
    runtime: Runtime, url: str, once: Import, refusal: SyndicatorError, *, pages: bool
) -> None:
    """Import all posts of the WordPress site that a page belongs to; raises `refusal` if it belongs to none."""
    from syndicator.ingest.sources import wordpress

    async with runtime.upstream_client(once.filing) as client:
        site = await wordpress.site_of(client, url)
        if site is None:
            raise refusal
        for kind in ("posts", "pages") if pages else ("posts",):
            await _walk(client, site, kind, once)


async def _walk(client: Getter, site: Wordpress, kind: str, once: Import) -> None:
    from syndicator.ingest.sources import wordpress

    now = await asyncio.to_thread(_now, once)
    seen, total = 0, None
    async for piece in wordpress.posts(client, site, now, asyncio.sleep, kind=kind):
        await asyncio.to_thread(once.take, piece.feed, piece.refused)
        seen, total = seen + len(piece.feed.entries) + len(piece.refused), piece.total or total
        output.say(f"{kind} read: {seen}{f' of {total}' if total else ''}")
    if total and seen < total:
        output.say(f"the site says that it has {total}, but gave no more than {seen}")


def _now(once: Import) -> datetime:
    with once.store.read() as tx:
        return tx.now


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == files.STDIN:
        yield io.BytesIO(files.read_bytes(name))
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below, after the only fault that is the caller's
    except OSError as fault:
        raise Invalid(f"{name} cannot be read: {fault.strerror or fault}") from None
    with file:
        yield file


def _fetched(runtime: Runtime, url: str, allow_private: Sequence[str]) -> Body:
    from syndicator.ingest.fetch import Body, fetch
    from syndicator.model.upstream import Upstream, Validators

    with runtime.store.read() as tx:
        now = tx.now
    once = Upstream(id=0, slug="import", url=url, allow_private=tuple(allow_private), created=now)

    async def asked() -> Fetched:
        async with runtime.upstream_client(once) as client:
            return await fetch(client, url, Validators(), now)

    answer = asyncio.run(asked())
    if isinstance(answer, Body):
        return answer
    words = getattr(answer, "words", "it answered with nothing new")
    retry = getattr(answer, "retry_after", None)
    raise (TryLater if retry else SyndicatorError)(f"{url} cannot be read: {words}")
