"""`python -m tests.interop`: 500 random newsrooms before the validator, the schema and all readers; 200 polls.

Prints what was found and exits 1 if anything was. Run by `make interop`; a short form runs in `make test`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import structlog
from hypothesis import HealthCheck, Phase, given, seed, settings

from syndicator.ingest.parse import Pool
from syndicator.model.site import Format
from tests.conftest import migrate
from tests.interop import hops, judge, readers
from tests.interop.newsrooms import Plan, Served, live, newsrooms
from tests.interop.polling import poll_through


def main() -> int:
    """Live through the newsrooms, judge each as it ends, and sum up."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description=__doc__)
    parser.add_argument("--newsrooms", type=int, default=500)
    parser.add_argument("--polls", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if not judge.validator():
        sys.stdout.write("FEEDVALIDATOR_DIR is not set: the W3C validator is left out\n")
    counted: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = stack.enter_context(Pool(1))
        (folder / "npm").mkdir()
        everyone = {
            **readers.READERS,
            "feedsmith": (stack.enter_context(readers.feedsmith(folder / "npm")), frozenset(Format)),
        }
        (folder / "template").mkdir()
        migrate(f"sqlite:///{folder / 'template' / 'newsroom.db'}")

        @settings(
            max_examples=said.newsrooms,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @seed(said.seed)
        @given(plan=newsrooms())
        def play(plan: Plan) -> None:
            shutil.copytree(folder / "template", folder / "played")  # with its -wal, if it has one
            documents = live(plan, f"sqlite:///{folder / 'played' / 'newsroom.db'}")
            shutil.rmtree(folder / "played")
            counted["newsrooms"] += 1
            counted["documents"] += len(documents)
            counted["archive pages among them"] += sum(document.page is not None for document in documents)
            counted["items"] += sum(len(document.items) for document in documents)
            found = _faults(documents, everyone, folder)
            if counted["newsrooms"] % 5 == 0:
                counted["went through two more newsrooms"] += 1
                found = chain(found, _hops(documents, pool, folder))
            for name, fault in found:
                if faults[name] < 3:
                    sys.stdout.write(f"{name}: {fault}\n")
                faults[name] += 1

        play()
    sys.stdout.write(", ".join(f"{count} {name}" for name, count in counted.items()) + "\n")
    sys.stdout.write(", ".join(f"{count} by {name}" for name, count in faults.items()) or "nothing found")
    sys.stdout.write("\n")
    return 1 if faults or not _polled(said.polls, said.seed) else 0


def _polled(steps: int, seed: int) -> bool:
    """Let `reader` poll a live newsroom; whether it ended with what is public, and was answered rightly."""
    with tempfile.TemporaryDirectory() as folder:
        migrate(f"sqlite:///{folder}/polled.db")
        room, polled = poll_through(steps, f"sqlite:///{folder}/polled.db", seed)
        public = room.live()
    right = True
    for format, seen in polled.items():
        kept = {uid: title for uid, title in seen.final.items() if uid not in room.gone}
        twice = sum(count - 1 for count in seen.new.values())
        good = kept == public and not seen.wrong and not twice
        right &= good
        sys.stdout.write(
            f"reader, {format}: {steps} changes, {len(seen.new)} items, {twice} announced twice, "
            f"{seen.statuses[200]} x 200, {seen.statuses[304]} x 304: {'right' if good else 'WRONG'}\n"
        )
    return right


def _faults(
    documents: list[Served], everyone: dict[str, tuple[readers.Reader, frozenset[Format]]], folder: Path
) -> Iterator[tuple[str, str]]:
    for document in documents:
        if document.format is Format.JSON and judge.SCHEMA.is_dir():
            yield from (
                ("schema", f"{fault} in {document.path}") for fault in judge.against_schema(document.body)
            )
        for name, (read, formats) in everyone.items():
            if document.format in formats and (fault := readers.disagreement(name, read, document)):
                yield name, f"{document.path}: {fault}"
    feeds = [document for document in documents if document.format is not Format.JSON]
    if judge.validator():
        for document, verdict in zip(feeds, judge.verdicts(feeds, folder), strict=True):
            for words in set(verdict) - judge.accepted(document):
                yield (
                    f"validator {words.split(':')[0]}",
                    f"{words} in {document.path}\n{document.body.decode()[:3000]}",
                )


def _hops(documents: list[Served], pool: Pool, folder: Path) -> Iterator[tuple[str, str]]:
    template = folder / "template" / "newsroom.db"
    for document in documents:
        if document.path.startswith("/feeds/all.") and document.format is not Format.JSON:
            for fault in hops.differences(document, pool, template, folder):
                yield f"hops, {document.format}", fault


if __name__ == "__main__":
    sys.exit(main())
