"""The embargo oracle: random releases, edits, moves, lifts and cancellations, and everybody looking.

    python -m tests.embargo --releases 1000 --clients 20 [--store sqlite|postgresql] [--seconds 60] [--seed 1]

A real server and a real worker over a real store; a canary in every version's headline, text, slug, spokesperson,
picture and file name. Clients poll every surface the whole time. In the end the store says what was
released when: no canary may have been seen before, none of a version that did not go out may have been seen at
all, and before the first release not a byte of any surface may have changed. All clocks are one machine's;
that the database's is the same is checked.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from syndicator import press
from syndicator.errors import SyndicatorError
from syndicator.model.audience import Cadence, address
from syndicator.model.item import Author, Content, Kind, Medium, Spokesperson, slug_for
from syndicator.model.release import Embargo, Release, ReleaseState
from syndicator.signup import Tokens
from syndicator.store import Store, Tx, accreditations, audience, items, media, open_store, releases, topics
from syndicator.store.media import Cabinet
from tests.make import reserved_port
from tests.storm import database, settle
from tests.verdict import Found, Judge, canary_of
from tests.watchers import Ear, Mailbox, Sights, Surfaces, canaries, clients

ROOT = Path(__file__).parents[1]
KEY = "a-key-for-oracles-only-0123456789"
TOPICS = ("climate", "health", "space")
ACCREDITED = {"acc0@desk0.example": "all", "acc1@desk1.example": "climate"}
OTHERS = {"ord0@home0.example": "all", "ended@home1.example": "climate"}
WITNESS = "ord0@home0.example"  # subscribes to everything: every release must reach it once
PATIENCE = 120.0  # seconds; only a hang lets an oracle fail by time
HOUR = timedelta(hours=1)
DRAFTING, BATCH = 0.04, 10  # seconds a release takes to be drafted at most; how many are at once


def oracle(url: str, *, count: int, watchers: int, seconds: float, seed: int) -> Found:
    """Let `count` releases with random embargoes within `seconds` go out, or not, while `watchers` clients look."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_store(url, host_clock=lambda: datetime.now(UTC), keys=lambda: (KEY,)) as store:
            made = _Oracle(store, url, folder, count, seconds, seed)
            try:
                return made.run(watchers)
            finally:
                made.close()


class _Oracle:
    def __init__(self, store: Store, url: str, folder: Path, count: int, seconds: float, seed: int) -> None:
        self.store, self.url, self.folder = store, url, folder
        self.count, self.span, self.dice, self.seed = (
            count,
            timedelta(seconds=seconds),
            random.Random(seed),
            seed,
        )
        # Drafting takes its time before the first instant; nothing may be seen of it.
        self.sights = Sights(opens=datetime.now(UTC) + HOUR)
        self.mailbox, self.ear = Mailbox(self.sights), Ear(self.sights)
        self.cabinet = Cabinet(folder / "media", 1_000_000)
        self.tokens = Tokens([KEY])
        self.words: dict[str, str] = {}  # canary → uid
        self.approved: set[str] = set()
        self.lifted: dict[str, datetime] = {}
        self.found = Found(count)

    def run(self, watchers: int) -> Found:
        """The whole of it."""
        port = reserved_port()
        self.store.upgrade()
        self._configure(port)
        with self._process("worker"), self._process("serve", "--port", str(port)) as server:
            _wait(lambda: _ready(port) or server.poll() is not None)
            assert server.poll() is None, (self.folder / "serve.log").read_text()
            self._people()
            self._same_clock()
            surfaces = self._surfaces(port)
            over = threading.Event()
            waits = clients(watchers, surfaces, self.sights, over, self.seed)
            try:
                uids = self._draft(surfaces)
                self._stir(uids)
                self._settle()
            finally:
                over.set()
                for wait in waits:
                    wait()
        return self._verdict()

    def _verdict(self) -> Found:
        with self.store.read() as tx:
            known = releases.listing(tx, state=ReleaseState.RELEASED)
        out = {canary_of(one): one for one in known}
        trusted = frozenset(ACCREDITED)
        said = {log.name: canaries(log.read_bytes()) for log in self.folder.glob("*.log")}
        judge = Judge(
            self.found, self.sights, out, self.lifted, frozenset(self.approved), trusted, WITNESS, said
        )
        return judge.verdict()

    def close(self) -> None:
        """Nobody listens any more."""
        for server in (self.mailbox, self.ear):
            server.server_close()

    # -- the newsroom ---------------------------------------------------------------------------

    def _configure(self, port: int) -> None:
        hub = self.ear.url
        parts = "\n".join(f'[[topics]]\nslug = "{slug}"\ntitle = "{slug.title()}"' for slug in TOPICS)
        (self.folder / "syndicator.toml").write_text(
            f"""
[site]
title = "Oracle"
base_url = "http://127.0.0.1:{port}"
secret_key = "{KEY}"
[store]
url = "{self.url}"
media_dir = "{self.folder}/media"
[mail]
transport = "smtp"
host = "127.0.0.1"
port = {self.mailbox.port}
tls = "none"
from = "press@oracle.example"
confirm_above = 0
[feeds]
hubs = ["{hub}/hub"]
allow_private = ["127.0.0.0/8"]
[[partners]]
slug = "agency"
channel = "webhook"
url = "{hub}/in"
topics = ["all"]
allow_private = ["127.0.0.0/8"]
{parts}
"""
        )

    @contextmanager
    def _process(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / f"{command[0]}.log").open("ab") as log:
            running = subprocess.Popen(
                [sys.executable, "-m", "syndicator", "--config", "syndicator.toml", "--log-level", "debug", *command],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )  # fmt: skip
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(60)

    def _people(self) -> None:
        with self.store.begin() as tx:
            self._contacts = {}
            for mail, slug in (ACCREDITED | OTHERS).items():
                contact, _ = audience.add_contact(tx, address(mail))
                audience.subscribe(tx, contact.id, topics.named(tx, slug).id, Cadence.IMMEDIATE, "oracle")
                self._contacts[mail] = contact.id
                if mail in ACCREDITED or mail.startswith("ended"):
                    accreditations.accredit(tx, contact.id, "oracle", "signed")
            accreditations.end(tx, self._contacts["ended@home1.example"], "broke an embargo")

    def _same_clock(self) -> None:
        before = datetime.now(UTC)
        with self.store.read() as tx:
            assert (
                before - timedelta(milliseconds=5) <= tx.now <= datetime.now(UTC) + timedelta(milliseconds=5)
            )

    def _surfaces(self, port: int) -> Surfaces:
        formats = ("atom", "rss", "json")
        feeds = [f"/feeds/{slug}.{format}" for slug in ("all", *TOPICS) for format in formats]
        fixed = [
            "/",
            "/feeds",
            "/feeds.opml",
            "/sitemap.xml",
            "/sitemap-0.xml",
            "/news-sitemap.xml",
            "/robots.txt",
        ]
        fixed += [f"/topics/{slug}" for slug in TOPICS] + ["/media-list", "/press/", "/healthz", "/hub"]
        fixed += [f"/feeds/{slug}/archive/1.{format}" for slug in ("all", *TOPICS) for format in formats]
        return Surfaces(port, fixed, feeds)

    # -- the editors ----------------------------------------------------------------------------

    def _content(self, tx: Tx, uid: str) -> Content:
        """New words with a canary of their own in all that can be seen."""
        canary = "zq" + "".join(self.dice.choices("abcdefghijklmnoprstuvwxy", k=12)) + "qz"
        self.words[canary] = uid
        items.save_spokesperson(tx, Spokesperson(slug=canary, name=f"Dr {canary}", phone="+44 20 1"))
        data = f"\x89PNG {canary}".encode()
        digest, name = self.cabinet.put(data), f"{self.dice.getrandbits(128):032x}.png"
        media.take(tx, digest, name, type="image/png", length=len(data), filename=f"{canary}.png")
        media.use(tx, [digest], uid)
        picture = Medium(
            url=f"http://127.0.0.1/media/{name}",
            type="image/png",
            length=len(data),
            title=canary,
            alt=f"A picture of {canary}",
            digest=digest,
        )
        return Content(
            title=f"On {canary} and others",
            kind=Kind.PRESS_RELEASE,
            summary=f"In short: {canary}",
            body=f"<p>At length: {canary}</p>",
            topics=(self.dice.choice(TOPICS),),
            authors=(Author(name=f"A. {canary}"),),
            spokesperson=canary,
            media=(picture,),
            kicker=canary,
            dek=canary,
        )

    def _draft(self, surfaces: Surfaces) -> list[str]:
        """All of them, in every state, before the first instant comes; ends when that has come."""
        uids = [f"tag:oracle.example,2026:{n}" for n in range(self.count)]
        opens = datetime.now(UTC) + timedelta(seconds=0.5 + self.count * DRAFTING)
        self.sights.opens = opens
        for start in range(0, self.count, BATCH):
            with self.store.begin() as tx:
                for uid in uids[start : start + BATCH]:
                    until = opens + self.span * self.dice.random()
                    press.draft(tx, uid, self._content(tx, uid), Embargo(until=until))
                    self._known(tx, self._forward(tx, uid), surfaces)
        return uids

    def _forward(self, tx: Tx, uid: str) -> Release:
        """Approved and scheduled, mostly; some are forgotten on the way and are missed."""
        release = releases.named(tx, uid)
        if self.dice.random() < 0.93:
            release = press.approve(tx, uid, "editor")
            self.approved |= canaries(release.content.title.encode())
            if self.dice.random() < 0.95:
                with suppress(
                    SyndicatorError
                ):  # on a busy machine its instant has come already: it is missed
                    release = press.schedule(tx, uid, None, advance=self.dice.random() < 0.7)
        return release

    def _known(self, tx: Tx, release: Release, surfaces: Surfaces) -> None:
        """What the clients may guess at from now on."""
        name = release.content.media[0].url.rpartition("/")[2]
        surfaces.guesses.extend([f"/items/{slug_for(release.content.title)}", f"/media/{name}"])
        for mail, paths in (("acc0@desk0.example", surfaces.copies), (WITNESS, surfaces.strangers)):
            token = self.tokens.press_token(self._contacts[mail], release.id)
            paths += [f"/press/{token}/", f"/press/{token}/embargo.ics", f"/press/{token}/media/{name}"]
        ended = self.tokens.press_token(self._contacts["ended@home1.example"], release.id)
        surfaces.strangers.append(f"/press/{ended}/")

    def _stir(self, uids: Sequence[str]) -> None:
        """Until the last instant has come: edits, moves, lifts, cancellations, at random."""
        acts: list[Callable[[str], None]] = [self._edit, self._edit, self._move, self._move, self._cancel]
        ends = self.sights.opens + self.span
        while (now := datetime.now(UTC)) < ends:
            chosen = [*acts, self._lift] if now > self.sights.opens else acts
            with suppress(SyndicatorError):  # it was too late for that, or too early
                self.dice.choice(chosen)(self.dice.choice(uids))
                self.found.acts += 1
            time.sleep(0.02)  # an editor's pace, and room for the worker on SQLite

    def _edit(self, uid: str) -> None:
        with self.store.begin() as tx:
            held = releases.named(tx, uid)
            until = held.embargo.until if held.embargo else tx.now
            if held.state is not ReleaseState.RELEASED and until - tx.now > timedelta(seconds=0.2):
                press.draft(tx, uid, self._content(tx, uid), Embargo(until=until + self._some(0.2)))
                self._forward(tx, uid)

    def _move(self, uid: str) -> None:
        with self.store.begin() as tx:
            held = releases.named(tx, uid)
            if held.state is ReleaseState.SCHEDULED and held.at:
                if self.dice.random() < 0.5:
                    press.reschedule(tx, uid, held.at + self._some(0.3))
                else:
                    soon = max(tx.now, self.sights.opens) + self._some(0.3)
                    press.reschedule(tx, uid, soon, earlier=True)

    def _cancel(self, uid: str) -> None:
        with self.store.begin() as tx:
            if self.dice.random() < 0.3 and releases.named(tx, uid).state is not ReleaseState.RELEASED:
                press.cancel(tx, uid, "not now")

    def _lift(self, uid: str) -> None:
        begun = datetime.now(UTC)
        with self.store.begin() as tx:
            press.lift(tx, uid)
        self.lifted[uid] = begun

    def _some(self, share: float) -> timedelta:
        return self.span * (share * self.dice.random())

    def _settle(self) -> None:
        """Until nothing is scheduled, owed or on its way."""

        def done() -> bool:
            with self.store.read() as tx:
                return press.next_release(tx) is None and topics.next_stale(tx) is None

        with self.store.read() as tx:  # moved again and again, the last may go long after all others
            moved = [one.at - tx.now for one in releases.listing(tx, state=ReleaseState.SCHEDULED) if one.at]
        _wait(done, patience=PATIENCE + max(moved, default=timedelta()).total_seconds())
        settle(self.store)
        _wait(lambda: len(self._unseen()) == 0, patience=5, strict=False)

    def _unseen(self) -> list[str]:
        with self.store.read() as tx:
            out = [canary_of(one) for one in releases.listing(tx, state=ReleaseState.RELEASED)]
        return [canary for canary in out[-20:] if canary not in self.sights.in_feeds]


def _ready(port: int) -> bool:
    with suppress(OSError), closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as wire:
        wire.request("GET", "/readyz")
        return wire.getresponse().status == 200
    return False


def _wait(true: Callable[[], bool], patience: float = PATIENCE, *, strict: bool = True) -> None:
    ends = time.monotonic() + patience
    while not true():
        if time.monotonic() > ends:
            if strict:
                raise TimeoutError("the oracle waited in vain")
            return
        time.sleep(0.02)  # polls a condition


def main() -> None:
    """Run it and print what came of it; exit 1 on any fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    for name, default in (("releases", 1000), ("clients", 20), ("seconds", 60), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with database(given.store) as url:
        found = oracle(
            url, count=given.releases, watchers=given.clients, seconds=given.seconds, seed=given.seed
        )
    print(f"{given.store}, seed {given.seed}: {found}")
    for fault in found.faults[:50]:
        print(fault)
    sys.exit(1 if found.faults else 0)


if __name__ == "__main__":
    main()
