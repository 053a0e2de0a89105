"""Merging one composed mail per recipient, against building one EmailMessage each; signing, against dkimpy.

Both ways give the same headers, text and HTML, and signatures over the same headers. CPU time of this
process, best of five rounds: the machine is shared. Goals (`requirements/mail` G3): 300 times cheaper to merge,
10 times cheaper to sign.
Run: `python -m bench.mail [recipients]`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

import dkim  # type: ignore[import-untyped]  # dkimpy has no types

from bench._post import NOW, SENDER, composed, people, private_key
from syndicator.render.mail import Slots, Template
from syndicator.render.mail.dkim import signer

GOAL, GOAL_SIGNED = 300, 10
ROUNDS = 5


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


def merging(template: Template, many: Sequence[Slots], few: Sequence[Slots]) -> dict[str, float]:
    """CPU microseconds per message of both ways, and their ratio."""
    headers, text, html = _taken_apart(template.merge(many[0]), many[0])
    merged = _cpu(template.merge, many)
    peer = _cpu(lambda slots: built(headers, text, html, slots), few)
    return {"merge_us": round(merged, 2), "emailmessage_us": round(peer, 1), "ratio": round(peer / merged)}


def signing(messages: Sequence[bytes]) -> dict[str, float]:
    """CPU microseconds per signature, rsa2048 over the same headers, and the ratio."""
    pem = private_key()
    own = signer("bench", pem, "", SENDER.domain)
    ours = _cpu(lambda message: own.sign(message, NOW), messages)
    signature = own.sign(messages[0], NOW).partition(b" h=")[2].partition(b";")[0]
    names = [name for name in b"".join(signature.split()).split(b":") if name]
    domain = SENDER.domain.encode()

    def theirs(message: bytes) -> bytes:
        canonical = (b"relaxed", b"relaxed")
        signed: bytes = dkim.sign(
            message, b"bench", domain, pem.encode(), canonicalize=canonical, include_headers=names
        )
        return signed

    peer = _cpu(theirs, messages[:20])
    return {"sign_us": round(ours, 1), "dkimpy_us": round(peer, 1), "sign_ratio": round(peer / ours, 1)}


def main() -> int:
    """Print one line of JSON; fail if a goal is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    template, many = composed(), people(count)
    first = template.merge(many[0])
    figures = {"bytes": float(len(first)), **merging(template, many, many[:100])}
    figures |= signing([template.merge(slots) for slots in many[:300]])
    print(json.dumps({"bench": "mail", "goal": GOAL, "sign_goal": GOAL_SIGNED, **figures}))
    return 0 if figures["ratio"] >= GOAL and figures["sign_ratio"] >= GOAL_SIGNED else 1


def _cpu(work: Callable[[Any], bytes], many: Sequence[Any]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for one in many:
            work(one)
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
