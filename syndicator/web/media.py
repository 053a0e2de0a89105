"""`/media/{name}`: pictures and other files of public items, as they are, block by block.

A name nobody has, one whose item is not out yet and one whose item was taken back get the same answer
(security:E1). What is there is served as what it was found to be when it came in and nothing else: no
guessing, no scripts, no frame (security:I3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from syndicator.model.filetype import is_picture
from syndicator.store import Store, media
from syndicator.store.media import Cabinet, Kept
from syndicator.web.feeds import tag_matches
from syndicator.web.newsroom import missing
from syndicator.web.pages import Pages

BLOCK = 256 * 1024  # bytes read and sent at a time
# Bytes never change under a name, so one could keep them for good. But a file can be redacted, and then copies
# in shared caches must end: an hour, constant (a lifetime that shrinks tells of what is to come), then a 304.
LIFETIME = "public, max-age=3600"
NOT_KEPT = {"cache-control": "no-store"}
# A browser that opens one by itself runs nothing of it and lends it no cookie (CSP 3 §6.3.2, sandbox).
SHUT = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cross-origin-resource-policy": "cross-origin",  # other newsrooms may show our pictures
    "x-content-type-options": "nosniff",
}
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Media:
    """The files of one store's public items."""

    def __init__(self, store: Store, cabinet: Cabinet, pages: Pages) -> None:
        self._store, self._cabinet, self._pages = store, cabinet, pages

    def routes(self) -> list[BaseRoute]:
        """Where they stand (DESIGN §6)."""
        return [Route("/media/{name}", self.file)]

    async def file(self, request: Request) -> Response:
        """A file, a part of one, or that there is none."""
        kept, slug = await run_in_threadpool(self._find, request.path_params["name"])
        if kept is None:
            return await run_in_threadpool(missing, self._pages, request, NOT_KEPT)
        headers = {"cache-control": LIFETIME}
        return await run_in_threadpool(answer, request, self._cabinet, kept, headers, slug)

    def _find(self, name: str) -> tuple[Kept | None, str]:
        with self._store.read() as tx:
            kept = media.public(tx, name)
            return kept, media.slug(tx, kept.id) if kept else ""


def answer(
    request: Request, cabinet: Cabinet, kept: Kept, headers: Mapping[str, str], called: str = ""
) -> Response:
    """One of our files, whoever may have it: 200, 206, 304 or 416; `headers` say how long it may be kept.

    `called` is what a file that is no picture is saved as, without its ending. Raises NotFound when the bytes
    are not where they should be.
    """
    tag = f'"{kept.digest}"'
    said = {**SHUT, **headers, "etag": tag, "accept-ranges": "bytes"}
    known = ",".join(request.headers.getlist("if-none-match")).encode("latin-1")
    if known and tag_matches(kept.digest.encode(), known):
        return Response(status_code=304, headers=said)
    said["content-type"] = kept.type
    if not is_picture(kept.type):
        said["content-disposition"] = f'attachment; filename="{_file_name(kept, called)}"'
    asked = request.headers.get("range", "")
    if (
        request.headers.get("if-range", tag) != tag
    ):  # RFC 9110 §13.1.5: only the strong tag says it is the same
        asked = ""
    status, first, last = _part(asked, kept.length)
    if status == 416:
        return Response(status_code=416, headers={**said, "content-range": f"bytes */{kept.length}"})
    if status == 206:
        said["content-range"] = f"bytes {first}-{last}/{kept.length}"
    said["content-length"] = str(last - first + 1)
    file = cabinet.open(kept.digest)
    if request.method == "HEAD":
        file.close()
        return Response(status_code=status, headers=said)
    file.seek(first)
    return StreamingResponse(_blocks(file, last - first + 1), status, said)


def _part(asked: str, length: int) -> tuple[int, int, int]:
    """Status, first and last byte (RFC 9110 §14.2); of several parts, or what reads oddly, the whole file is sent."""
    found = RANGE.fullmatch(asked.strip())
    if not found or not (found[1] or found[2]):
        return 200, 0, length - 1
    if not found[1]:
        first, last = max(0, length - int(found[2])), length - 1
    else:
        first, last = int(found[1]), min(int(found[2]) if found[2] else length, length - 1)
        if found[2] and int(found[2]) < first:
            return 200, 0, length - 1  # no valid range: as if it had not been asked for
    return (416, 0, 0) if first > last else (206, first, last)


def _blocks(file: BinaryIO, left: int) -> Iterator[bytes]:
    with file:
        while left and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block


def _file_name(kept: Kept, called: str) -> str:
    # Slugs and our names are plain ASCII; eight digits of the name tell the files of one item apart.
    stem, _, ending = kept.name.rpartition(".")
    return f"{called}-{stem[:8]}.{ending}" if called else kept.name
