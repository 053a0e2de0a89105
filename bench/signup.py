"""Signing up: the time of the answer for every state of an address side by side, under a running send, and a flood.

1. The time band (mail:LM1): the same form for addresses in each state, in turn, over HTTP. Nobody may read off it
   whether an address is known: the first quartile, which a shared machine disturbs least, of each state is within
   15 % of that of all.
2. The sign-up page beside a running send: GET and POST while a worker process sends to 20,000 contacts, into a
   folder; p50 and p99, and the same without the send.
3. A bot that signs up 10,000 addresses from as many networks: how many letters go out, against the ceiling.
Run: `python -m bench.signup [rounds]`.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import text

from syndicator import publish, signup
from syndicator.model.audience import Cadence, address
from syndicator.model.item import ALL, Content, Rule, Topic
from syndicator.model.joining import RequestState, Terms, Wish
from syndicator.model.suppression import Reason
from syndicator.runtime import clock
from syndicator.signup import Tokens, Visit
from syndicator.store import Store, audience, open_store, suppressions, topics
from syndicator.web import media_list
from tests.web.served import running

KEY = "a-key-for-the-bench-0123456789"
GOAL = 0.15  # how far the first quartile of a state may be from that of all
CONTACTS = 20_000
FLOOD, CEILING = 10_000, 1_000
FORM = {"topics": "policy", "cadence": "daily", "consent": "yes", "zone": "Europe/London", "website": ""}
STATES = ("new", "pending", "active", "left", "complaint", "legal", "erased", "domain", "asked", "trapped")
WIDE = Terms(per_network=10**5, per_domain=10**5, ceiling=10**6)


class Visitor:
    """One connection to the web process, from another network with every form."""

    def __init__(self, port: int) -> None:
        self._port, self._count = port, 0

    def send(self, mail: str, **more: str) -> float:
        """Seconds until the answer to a sign-up is there."""
        body = urlencode({**FORM, "email": mail, **more})
        return self._ask("POST", body)

    def look(self) -> float:
        """Seconds until the form is there."""
        return self._ask("GET", "")

    def _ask(self, method: str, body: str) -> float:
        self._count += 1
        n = self._count
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": f"{10 + n // 65536 % 200}.{n // 256 % 256}.{n % 256}.1",
        }
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)) as wire:
            begun = time.perf_counter()
            wire.request(method, "/media-list", body or None, headers)
            reply = wire.getresponse()
            reply.read()
            took = time.perf_counter() - begun
        assert reply.status == 200, reply.status
        return took


def newsroom(store: Store) -> None:
    """A public topic."""
    with store.begin() as tx:
        for slug, rule in ((ALL, Rule()), ("policy", None)):
            topics.add(
                tx, Topic(slug=slug, title=slug.title(), uid=f"tag:b:{slug}", created=tx.now, rule=rule)
            )
        publish.publish(tx, "tag:b:first", Content(title="First", body="<p>Words.</p>", topics=("policy",)))


def prepare(store: Store, state: str, mail: str) -> None:
    """Put an address into a state."""
    who = address(mail)
    with store.begin() as tx:
        if state in ("pending", "active"):
            contact, _ = audience.add_contact(tx, who)
            consent = "bench" if state == "active" else None
            audience.subscribe(tx, contact.id, topics.named(tx, "policy").id, Cadence.IMMEDIATE, consent)
        elif state == "domain":
            suppressions.suppress_domain(tx, who.key.partition("@")[2], Reason.MANUAL)
        elif state == "asked":
            signup.join(tx, Wish(address=mail, topics=("policy",)), Visit(), WIDE)
        elif state not in ("new", "trapped"):
            reason = Reason.LEFT if state == "left" else Reason(state)
            suppressions.suppress(tx, who, reason)


def band(store: Store, visitor: Visitor, rounds: int) -> bool:
    """The first table; whether the goal was met."""
    took: dict[str, list[float]] = {state: [] for state in STATES}
    for n in range(rounds + 5):
        for state in STATES[n % len(STATES) :] + STATES[: n % len(STATES)]:
            mail = f"j{n}@{state}{n}.example"
            prepare(store, state, mail)
            spent = visitor.send(mail, website="x" * (state == "trapped"))
            if n >= 5:  # what is warmed up by then is the same for all
                took[state].append(spent)
    quick = {state: statistics.quantiles(some, n=4)[0] for state, some in took.items()}
    middle = statistics.median(quick.values())
    print(f"{'state':<12}{'p25 ms':>9}{'p50 ms':>9}{'p95 ms':>9}{'p25 of all':>12}")
    for state, some in took.items():
        cuts = statistics.quantiles(some, n=20)
        p25, p50, p95 = quick[state], cuts[9], cuts[-1]
        print(f"{state:<12}{p25 * 1e3:>9.2f}{p50 * 1e3:>9.2f}{p95 * 1e3:>9.2f}{p25 / middle:>12.2f}")
    worst = max(abs(p25 / middle - 1) for p25 in quick.values())
    print(f"farthest first quartile from that of all: {worst:.1%} (goal: within {GOAL:.0%})\n")
    return worst <= GOAL


def spread(label: str, took: Sequence[float]) -> None:
    """One row of the second table."""
    cuts = statistics.quantiles(took, n=100)
    print(f"{label:<34}{len(took):>6}{cuts[49] * 1e3:>9.1f}{cuts[98] * 1e3:>9.1f}")


def visits(visitor: Visitor, name: str, enough: Callable[[int], bool]) -> tuple[list[float], list[float]]:
    """GET and POST in turn until that is enough."""
    looks: list[float] = []
    posts: list[float] = []
    while not enough(len(looks)):
        looks.append(visitor.look())
        posts.append(visitor.send(f"{name}{len(posts)}@visitors.example"))
    return looks, posts


def beside(store: Store, visitor: Visitor, url: str, folder: Path) -> None:
    """The second table."""
    print(f"{'the page':<34}{'n':>6}{'p50 ms':>9}{'p99 ms':>9}")
    looks, posts = visits(visitor, "calm", lambda n: n >= 300)
    spread("GET, nothing is sent", looks)
    spread("POST, nothing is sent", posts)
    people(store, CONTACTS)
    with store.begin() as tx:
        publish.publish(tx, "tag:b:sent", Content(title="Sent", body="<p>Words.</p>", topics=("policy",)))
    env = {
        **os.environ,
        "SYNDICATOR_STORE__URL": url,
        "SYNDICATOR_SITE__SECRET_KEY": KEY,
        "SYNDICATOR_MAIL__FOLDER": str(folder / "mail"),
        "SYNDICATOR_CONFIG": "",
    }
    command = [sys.executable, "-m", "syndicator", "worker", "--once", "deliver"]
    begun = time.perf_counter()
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        looks, posts = visits(visitor, "busy", lambda _: worker.poll() is not None)
    seconds = time.perf_counter() - begun
    spread("GET beside the send", looks)
    spread("POST beside the send", posts)
    print(f"the send: {CONTACTS} letters into a folder in {seconds:.1f} s\n")


def people(store: Store, count: int) -> None:
    """So many contacts who get each statement at once."""
    with store.begin() as tx:
        topic = topics.named(tx, "policy").id
        for n in range(count):
            contact, _ = audience.add_contact(tx, address(f"p{n}@d{n % 500}.example"))
            audience.subscribe(tx, contact.id, topic, Cadence.IMMEDIATE, "bench")


def flood(store: Store) -> bool:
    """The third figure; whether no more was mailed than the ceiling allows."""
    terms = Terms(ceiling=CEILING)
    with store.begin() as tx:  # what was mailed above is not the flood's
        tx.connection.execute(text("DELETE FROM requests"))
    begun, asked = time.perf_counter(), 0
    for n in range(FLOOD):
        wish = Wish(address=f"victim{n}@d{n}.example", topics=("policy",))
        with store.begin() as tx:
            visit = Visit(ip=f"{n // 65536 + 10}.{n // 256 % 256}.{n % 256}.1")
            asked += signup.join(tx, wish, visit, terms) is RequestState.ASKED
    each = (time.perf_counter() - begun) / FLOOD
    print(f"a bot: {FLOOD} sign-ups from as many networks within the hour, {each * 1e3:.2f} ms each")
    print(f"letters owed: {asked} (ceiling: {CEILING})")
    return asked == CEILING


def main() -> int:
    """All three."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    media_list.ALL = 10**6  # all visitors together are let in faster than a minute allows
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/store.db"
        with open_store(url, host_clock=clock, keys=lambda: (KEY,)) as store:
            store.upgrade()
            newsroom(store)
            options: dict[str, Any] = {
                "tokens": Tokens([KEY]),
                "trusted_proxies": ["127.0.0.0/8"],
                "terms": WIDE,
            }
            with running(store, **options) as web:
                visitor = Visitor(web.port)
                even = band(store, visitor, rounds)
                beside(store, visitor, url, Path(name))
            return 0 if flood(store) and even else 1


if __name__ == "__main__":
    sys.exit(main())
