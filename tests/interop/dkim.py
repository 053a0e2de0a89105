"""Letters signed here, judged by dkimpy: each verifies, and none does after it was spoilt on its way.

`letters` are what a relay gets; `spoilt` is what must break a signature, `relayed` what must not. Another
verifier is one more function of (message, TXT record).

    python -m tests.interop.dkim [letters]
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache

import dkim  # type: ignore[import-untyped]  # dkimpy has no types
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from syndicator.model.item import Kind, Revision, Significance
from syndicator.model.markup import clean, markdown
from syndicator.model.release import Embargo, Version
from syndicator.render.mail import Sender, Slots, Template, compose_advance, compose_revision, message_id
from syndicator.render.mail.dkim import OVERSIGNED, Signer, signer
from tests.make import NOW, make_content, make_item, make_release, make_site

SENDER = Sender(address="press@news.example", name="Gesellschaft für Chemie", reply_to="desk@news.example")
WORDS = ("Ada", "Jürgen Müller", "", "Doe, Jane", "x" * 120, "用户 😀", 'A "B" <c>', "=?odd?")
BODY = "A  text with   runs of spaces,\ttabs and a line of one dot:\n\n    .\n\nFrom here on “quotes” and −40 %.\n\n"
Verifier = Callable[[bytes, str], bool]


def pem(bits: int = 2048) -> str:
    """A new private key as an operator keeps it."""
    key = rsa.generate_private_key(65537, bits)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *form).decode()


@cache
def house_signer() -> Signer:
    """The signer most tests share: a key takes a tenth of a second to make."""
    return signer("news2026", pem(), "", SENDER.domain)


def letters(count: int) -> Iterator[bytes]:
    """Letters of two sorts to `count` people, signed, with names and texts of every kind."""
    templates = [_released(), _advance()]
    for n in range(count):
        slots = _slots(n)
        yield house_signer().sign(templates[n % 2].merge(slots), slots.date)


def by_dkimpy(message: bytes, record: str) -> bool:
    """Whether dkimpy takes the signature for valid, given the key's TXT record."""
    return bool(dkim.verify(message, dnsfunc=lambda _name, timeout=5: record.encode()))


def spoilt(message: bytes) -> Iterator[tuple[str, bytes]]:
    """The message as nobody may change it, each time in one way, with words for what was done."""
    head, _, body = message.partition(b"\r\n\r\n")
    signature, _, rest = head.partition(b"\r\nTo: ")
    rest = b"To: " + rest
    for name in OVERSIGNED:
        added = name.encode() + b": evil@example.net\r\n"
        yield f"a second {name} above", added + message
        yield f"a second {name} below", signature + b"\r\n" + rest + b"\r\n" + added + b"\r\n" + body
    for field in re.split(rb"\r\n(?![ \t])", rest):
        here = field.partition(b":")[0].decode()
        yield f"another {here}", head.replace(field, field + b"x") + b"\r\n\r\n" + body
        yield f"no {here}", head.replace(b"\r\n" + field, b"", 1) + b"\r\n\r\n" + body
    yield "another body", message.replace(b"quotes", b"guotes", 1)
    yield "more body", message + b"<p>Buy now</p>\r\n"
    yield "less body", message[:-20]


def relayed(message: bytes) -> Iterator[tuple[str, bytes]]:
    """The message as relays change it without harm: headers of their own, other folds, white space."""
    head, _, body = message.partition(b"\r\n\r\n")
    yield "Received above", b"Received: from a by b;\r\n Mon, 2 Mar 2026 09:00:00 +0000\r\n" + message
    yield "unfolded", re.sub(rb"\r\n[ \t]+", b" ", head) + b"\r\n\r\n" + body
    yield "folded anew", re.sub(rb"(?<=[;,:]) ", b"\r\n\t", head) + b"\r\n\r\n" + body
    yield "spaces at the ends of lines", head + b"\r\n\r\n" + body.replace(b"\r\n", b"  \r\n")
    yield "empty lines at the end", message + b"\r\n\r\n"
    yield (
        "names in other letters",
        re.sub(rb"(?m)^(Subject|From|To):", lambda m: m[1].upper() + b":", head) + b"\r\n\r\n" + body,
    )


def faults(count: int, verifier: Verifier = by_dkimpy, *, thorough: int = 5) -> list[str]:
    """What the verifier makes of `count` letters that it should not; the first few are tried in every way."""
    record, found = house_signer().record, []
    for n, message in enumerate(letters(count)):
        if not verifier(message, record):
            found.append(f"letter {n} does not verify")
        if verifier(b"From: evil@example.net\r\n" + message, record):
            found.append(f"letter {n} verifies with a second From")
        if n < thorough:
            found += [
                f"letter {n} verifies with {what}" for what, bad in spoilt(message) if verifier(bad, record)
            ]
            found += [
                f"letter {n} breaks: {what}" for what, good in relayed(message) if not verifier(good, record)
            ]
    return found


def speed(count: int, threads: int) -> tuple[float, float]:
    """Letters signed a second by so many threads, and CPU microseconds each: the library signs without our lock."""
    raw = [_released().merge(_slots(n)) for n in range(min(count, 200))]
    each = [threading.Thread(target=_sign, args=(raw, count // threads)) for _ in range(threads)]
    start, work = time.perf_counter(), time.process_time()
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    signed = count // threads * threads
    return signed / (time.perf_counter() - start), (time.process_time() - work) * 1e6 / signed


def main() -> int:
    """Print what was found; 1 if anything was."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    found = faults(count)
    print(*found, sep="\n")
    print(
        f"{count} letters signed here, each judged by dkimpy as it was and with a second From: {len(found)} faults"
    )
    (one, work), (two, _) = speed(count, 1), speed(count, 2)
    print(
        f"{work:.0f} µs of CPU a signature; {one:,.0f} a second by one thread, {two:,.0f} by two ({two / one:.2f}×)"
    )
    return 1 if found else 0


def _sign(raw: list[bytes], count: int) -> None:
    for n in range(count):
        house_signer().sign(raw[n % len(raw)], NOW)


def _slots(n: int) -> Slots:
    return Slots(
        to_address=f"reader.{n}@paper.example",
        to_name=WORDS[n % len(WORDS)].replace("=?", "="),
        message_id=message_id(b"k" * 32, SENDER.domain, "revision/tag:x/1", str(n)),
        date=NOW + timedelta(seconds=n),
        unsubscribe_url=f"https://news.example/media-list/unsubscribe/{n:0{1 + n % 90}}",
        preferences_url=f"https://news.example/media-list/preferences/{n}",
        press_url=f"https://news.example/press/{n}/",
        in_reply_to="earlier@news.example" if n % 3 == 0 else None,
    )


@cache
def _released() -> Template:
    words = make_content(
        "Warnung vor dem Entwurf: −40 %", body=clean(markdown(BODY * 5)), kind=Kind.PRESS_RELEASE
    )
    item = make_item(content=words)
    first = Revision(number=1, significance=Significance.FIRST, content=words, created=NOW)
    return compose_revision(item, first, site=make_site(), sender=SENDER, topics=["Policy"])


@cache
def _advance() -> Template:
    embargo = Embargo(until=NOW + timedelta(days=1), zone="Europe/Berlin")
    words = make_content("A study of a length", body=clean(markdown(BODY)))
    release = replace(make_release(content=words), embargo=embargo)
    version = Version(number=1, content=words, embargo=embargo, drafted_by=None, created=NOW)
    return compose_advance(release, version, site=make_site(), sender=SENDER, topics=["Policy"])


if __name__ == "__main__":
    sys.exit(main())
