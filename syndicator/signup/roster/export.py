"""The media list as CSV, written so that it can be read again and so that no cell is a formula (security:I4, mail:LM18)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TextIO

from syndicator.model.audience import Subscription, SubscriptionState
from syndicator.store import Tx, audience, imports, suppressions, tags

COLUMNS = "email name outlet timezone topics cadence consent country language tags notes".split()
SUPPRESSED = "digest domain reason words source created expires".split()
CHUNK = 500  # contacts asked for at once
# What a spreadsheet would take for a formula (delivery-and-security I4, mail:LM17).
SIGNS = "=+\\-@＝＋－＠"
# Spreadsheets of another locale part cells at other signs than our comma.
FORMULA = re.compile(rf"(^|[;|\t\r\n])(\s*)(?=[{SIGNS}])")
DISARMED = re.compile(rf"(^|[;|\t\r\n])(\s*)'(?=[{SIGNS}])")


def everybody(tx: Tx, segment: str = "") -> Iterator[dict[str, Any]]:
    """Everybody (of a segment) by row: one for each cadence and consent of their live subscriptions, at least one."""
    contacts = imports.everybody(tx, segment)
    while chunk := list(islice(contacts, CHUNK)):
        keys = [one.id for one in chunk]
        known, tagged = audience.subscriptions_of(tx, keys), tags.of_all(tx, keys)
        for contact in chunk:
            start: dict[str, Any] = {
                "email": contact.address.typed,
                "name": contact.name,
                "outlet": contact.outlet,
            }
            more: dict[str, Any] = {
                "country": contact.country,
                "language": contact.language,
                "tags": tagged.get(contact.id, []),
            }
            more |= {"notes": contact.notes, "suppressed": contact.suppressed}
            for (cadence, consent), slugs in _groups(known.get(contact.id, ())).items():
                rest: dict[str, Any] = {
                    "timezone": contact.zone,
                    "topics": slugs,
                    "cadence": cadence,
                    "consent": consent,
                }
                yield start | rest | more


def dump(tx: Tx, stream: TextIO, segment: str = "") -> int:
    """Write everybody as CSV, and say how many rows; suppressed addresses are left out: a copy must not revive them."""
    out = csv.writer(stream, lineterminator="\n")
    out.writerow(COLUMNS)
    count = 0
    for row in everybody(tx, segment):
        if not row["suppressed"]:
            values = row | {name: ";".join(row[name]) for name in ("topics", "tags")}
            out.writerow([harmless(values[name]) for name in COLUMNS])
            count += 1
    return count


def suppressed(tx: Tx) -> Iterator[dict[str, Any]]:
    """Every suppression by the digest of its address, which says nothing to others, or by its domain."""
    for key, one in suppressions.listing(tx):
        digest = "" if one.domain else key
        values = (digest, one.domain, one.reason, one.words, one.source, one.created, one.expires)
        yield dict(zip(SUPPRESSED, values, strict=True))


def dump_suppressed(tx: Tx, stream: TextIO) -> None:
    """Write the suppressions as CSV."""
    out = csv.writer(stream, lineterminator="\n")
    out.writerow(SUPPRESSED)
    for row in suppressed(tx):
        out.writerow([harmless(str(plain(row[name]))) for name in SUPPRESSED])


def plain(value: object) -> object:
    """An instant as RFC 3339, nothing as no text."""
    return (
        value.isoformat(timespec="seconds")
        if isinstance(value, datetime)
        else ("" if value is None else value)
    )


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, whatever it parts cells at."""
    return FORMULA.sub(r"\1\2'", text.replace("\ufeff", ""))


def as_it_was(text: str) -> str:
    """A cell as it was before `harmless`."""
    text = text.strip()
    return DISARMED.sub(r"\1\2", text) if "'" in text else text


def _groups(theirs: Sequence[Subscription]) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for one in theirs:
        if one.state is not SubscriptionState.ENDED:
            groups.setdefault((one.cadence.value, one.consent or ""), []).append(one.topic)
    return groups or {("", ""): []}
