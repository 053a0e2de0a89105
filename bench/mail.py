"""Merging one composed mail per recipient, against building one EmailMessage per recipient.

Both give the same headers, text and HTML. CPU time of this process, best of five rounds: the
machine is shared. Goal (`requirements/mail` G3): at least 300 times cheaper.
Run: `python -m bench.mail [recipients]`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

from syndicator.model.item import Content, Item, ItemState, Kind, Revision, Significance, Spokesperson
from syndicator.model.markup import clean, markdown
from syndicator.model.site import Site
from syndicator.render.mail import Sender, Slots, Template, compose_revision, message_id

GOAL = 300
ROUNDS = 5
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SITE = Site(title="Society for Open Chemistry", base_url="https://news.chemsoc.example", zone="Europe/London")
SENDER = Sender(address="press@chemsoc.example", name="Society for Open Chemistry")
PERSON = Spokesperson(slug="ada", name="Ada Okafor", mail="ada@chemsoc.example", phone="+44 20 7946 0123")
PARAGRAPH = (
    "The draft would cut public funding for [basic research](https://example.org/budget) by 40 %. " * 4
)
NAMES = ("Jane Doe", "Ada", "Karl-Heinz Meier", "", "Jürgen Müller")


def composed() -> Template:
    """A press release of ordinary length, about 2,000 characters."""
    content = Content(
        title="Warning on a draft budget: −40 % would end basic research",
        kind=Kind.PRESS_RELEASE,
        summary="The Society asks Parliament to reject cuts that would close a third of laboratories.",
        body=clean(markdown("\n\n".join([PARAGRAPH] * 5))),
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


def recipients(count: int) -> list[Slots]:
    """As many recipients, one name in five outside ASCII; dates as a planner gives them, in seconds."""
    key, pages = b"k" * 32, "https://news.chemsoc.example/media-list"
    return [
        Slots(
            to_address=f"journalist.{n}@paper.example",
            to_name=NAMES[n % len(NAMES)],
            message_id=message_id(key, SENDER.domain, "revision/tag:x/1", str(n)),
            date=NOW + timedelta(seconds=n // 1000),
            unsubscribe_url=f"{pages}/unsubscribe/{n:026}",
            preferences_url=f"{pages}/preferences/{n:026}",
        )
        for n in range(count)
    ]


def built(headers: list[tuple[str, str]], text: str, html: str, slots: Slots) -> bytes:
    """The same mail the usual way: the parts filled in, an EmailMessage made and serialised."""
    message = EmailMessage(policy=policy.SMTP)
    for name, value in headers:
        message[name] = value
    message["To"] = Address(slots.to_name, addr_spec=slots.to_address)
    message["Date"] = slots.date
    message["Message-ID"] = f"<{slots.message_id}>"
    message["List-Unsubscribe"] = f"<{slots.unsubscribe_url}>"
    message.set_content(_filled(text, slots), cte="quoted-printable")
    message.add_alternative(_filled(html, slots), subtype="html", cte="quoted-printable")
    return message.as_bytes()


def measure(template: Template, many: list[Slots], few: list[Slots]) -> dict[str, float]:
    """CPU microseconds per message of both ways, and their ratio."""
    headers, text, html = _taken_apart(template.merge(many[0]), many[0])
    merged = _cpu(template.merge, many)
    peer = _cpu(lambda slots: built(headers, text, html, slots), few)
    return {"merge_us": round(merged, 2), "emailmessage_us": round(peer, 1), "ratio": round(peer / merged)}


def main() -> int:
    """Print one line of JSON; fail if the goal is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    template, many = composed(), recipients(count)
    figures = {"bytes": float(len(template.merge(many[0]))), **measure(template, many, many[:100])}
    print(json.dumps({"bench": "mail", "goal": GOAL, **figures}))
    return 0 if figures["ratio"] >= GOAL else 1


def _cpu(work: Callable[[Slots], bytes], many: list[Slots]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for slots in many:
            work(slots)
        times.append(time.process_time() - start)
    return min(times) * 1e6 / len(many)


def _taken_apart(raw: bytes, slots: Slots) -> tuple[list[tuple[str, str]], str, str]:
    message = message_from_bytes(raw, policy=policy.default)
    own = {"to", "date", "message-id", "list-unsubscribe", "content-type", "mime-version"}
    headers = [(name, str(value)) for name, value in message.items() if name.lower() not in own]
    parts = [part.get_content() for part in message.iter_parts() if isinstance(part, EmailMessage)]
    places = {slots.unsubscribe_url: "{unsubscribe}", slots.preferences_url: "{preferences}"}
    for value, place in {**places, slots.to_name: "{name}", slots.to_address: "{address}"}.items():
        parts = [part.replace(value, place) for part in parts]
    return headers, parts[0], parts[1]


def _filled(text: str, slots: Slots) -> str:
    text = text.replace("{unsubscribe}", slots.unsubscribe_url).replace(
        "{preferences}", slots.preferences_url
    )
    return text.replace("{name}", slots.to_name).replace("{address}", slots.to_address)


if __name__ == "__main__":
    sys.exit(main())
