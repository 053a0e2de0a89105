"""The readers of others, brought to one shape: what each of them sees in a document.

A reader gives for each item its id, link, title and date of publication (whole seconds since 1970), in the
order of the document where it keeps one.
"""

from __future__ import annotations

import calendar
import json
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import atoma
import fastfeedparser
import feedparser

from syndicator.model.site import Format
from tests.conftest import require_program
from tests.interop.newsrooms import Expected, Served

HERE = Path(__file__).parent


Reader = Callable[[Served], list[Expected]]


def by_atoma(document: Served) -> list[Expected]:
    """atoma, the strict one: it raises where a required element is missing or a date is none."""
    match document.format:
        case Format.ATOM:
            found = atoma.parse_atom_bytes(document.body).entries
            return [
                Expected(one.id_, _alternate(one), one.title.value, _seconds(one.published)) for one in found
            ]
        case Format.RSS:
            items = atoma.parse_rss_bytes(document.body).items
            return [Expected(one.guid, one.link, one.title or "", _seconds(one.pub_date)) for one in items]
        case Format.JSON:
            rows = atoma.parse_json_feed_bytes(document.body).items
            return [Expected(one.id_, one.url, one.title or "", _seconds(one.date_published)) for one in rows]


def by_feedparser(document: Served) -> list[Expected]:
    """feedparser, what most Python programs use; it reads no JSON Feed."""
    found = feedparser.parse(document.body, response_headers={"content-type": document.type})
    assert not found.bozo, found.bozo_exception
    return [
        Expected(one.id, one.link, one.get("title", ""), calendar.timegm(one.published_parsed))
        for one in found.entries
    ]


def by_fastfeedparser(document: Served) -> list[Expected]:
    """fastfeedparser, the quick one."""
    found = fastfeedparser.parse(document.body.decode())
    return [
        Expected(
            one["id"], one["link"], one.get("title", ""), _seconds(datetime.fromisoformat(one["published"]))
        )
        for one in found["entries"]
    ]


def comparable(name: str, document: Served, item: Expected) -> Expected:
    """The item as far as this reader keeps it: none changes ids, links and dates; some touch titles.

    White space is theirs. feedparser takes titles for HTML, and fastfeedparser those of RSS.
    """
    if document.page:
        return item._replace(link="", title="", published=0)
    title = " ".join(item.title.split())
    html = name == "feedparser" or (name == "fastfeedparser" and document.format is Format.RSS)
    return item._replace(title="" if html and ("<" in title or "&" in title) else title)


def disagreement(name: str, read: Reader, document: Served) -> str | None:
    """What a reader sees otherwise than it should, or None."""
    try:
        seen = [comparable(name, document, item) for item in read(document)]
    except Exception as fault:  # noqa: BLE001 - whatever it stumbles over is what we want to know
        return f"{type(fault).__name__}: {fault}"
    expected = [comparable(name, document, item) for item in document.items]
    if seen == expected:
        return None
    return next(
        (
            f"{theirs} instead of {ours}"
            for theirs, ours in zip(seen, expected, strict=False)
            if theirs != ours
        ),
        f"{len(seen)} items instead of {len(expected)}",
    )


READERS: dict[str, tuple[Reader, frozenset[Format]]] = {
    "atoma": (by_atoma, frozenset(Format)),
    "feedparser": (by_feedparser, frozenset({Format.ATOM, Format.RSS})),
    "fastfeedparser": (by_fastfeedparser, frozenset(Format)),
}


@contextmanager
def feedsmith(folder: Path) -> Iterator[Reader]:
    """feedsmith, of npm: installed into `folder` from the lock beside this file, asked through one process."""
    node, npm = require_program("node"), require_program("npm")
    for name in ("package.json", "package-lock.json", "read.mjs"):
        shutil.copy(HERE / name, folder)
    install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=120)
    with subprocess.Popen(
        [node, "read.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield lambda document: _ask(process, folder, document)
        process.stdin.close()  # type: ignore[union-attr]


def _ask(process: Any, folder: Path, document: Served) -> list[Expected]:
    source = folder / "feed"
    source.write_bytes(document.body)
    process.stdin.write(json.dumps({"path": str(source)}) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert "fault" not in answer, answer["fault"]
    return [Expected(id, link, title, _when(published)) for id, link, title, published in answer["items"]]


def _when(text: str) -> int:
    moment = parsedate_to_datetime(text) if "," in text else datetime.fromisoformat(text)
    return _seconds(moment)


def _seconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _alternate(entry: Any) -> str:
    return str(next(link.href for link in entry.links if link.rel in (None, "alternate")))


warnings.filterwarnings("ignore", category=DeprecationWarning, module="fastfeedparser")
