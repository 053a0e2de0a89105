"""Evidence: what can be shown of anybody's yes, and of every change since; rows are added, never altered (mail:LM3).

Every wording somebody said yes to is kept beside it, once. Serves sign-up, imports, preferences, leaving, erasure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, or_, select

from syndicator.model.consent import AGENT, Act, Wording, truncated
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_skip

e, w = schema.evidence.c, schema.consents.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One row: what happened and when. `network` lacks the end of the IP address, `consent` is a wording's hash."""

    id: int
    contact_id: int | None
    digest: str
    act: Act
    at: datetime
    network: str | None
    agent: str | None
    form: str | None
    consent: str | None
    language: str | None
    source: str | None
    message_id: str | None
    person: str | None
    detail: Mapping[str, Any]


def record(
    tx: Tx,
    act: str,
    *,
    contact_id: int | None = None,
    digest: str,
    network: str | None = None,
    agent: str | None = None,
    form: str | None = None,
    consent: str | None = None,
    language: str | None = None,
    source: str | None = None,
    message_id: str | None = None,
    person: str | None = None,
    **detail: Any,
) -> None:
    """Write down what happened at `tx.now`; `network` may be a whole IP address, of which the end is not kept.

    `digest` is `suppressions.digest` of the address, so that it holds before there is a contact; `consent` the
    hash `wording` gave; `source` the page or file it came from; `person` who of ours acted.
    """
    values = {
        "contact_id": contact_id,
        "digest": digest,
        "act": Act(act),
        "network": truncated(network),
        "agent": agent[:AGENT] if agent else None,
        "form": form,
        "consent": consent,
        "language": language,
        "source": source,
        "message_id": message_id,
        "person": person,
        "detail": detail,
    }
    tx.connection.execute(insert(schema.evidence).values(**values, at=tx.now))


def of_contact(tx: Tx, contact_id: int) -> list[Evidence]:
    """Everything there is about one contact, oldest first; what was recorded before there was one included.

    That is found by the digests of the addresses they have or had.
    """
    c, other = schema.contacts.c, schema.evidence.alias("other").c
    now = select(c.digest).where(c.id == contact_id, c.digest != "")
    then = select(other.digest).where(other.contact_id == contact_id)
    mine = or_(e.contact_id == contact_id, e.contact_id.is_(None) & e.digest.in_(now.union(then)))
    rows = tx.connection.execute(select(schema.evidence).where(mine).order_by(e.at, e.id))
    return [_evidence(row) for row in rows]


def wording(tx: Tx, version: str, language: str, text: str) -> str:
    """Keep the words somebody is asked to say yes to, once; returns the hash by which evidence names them."""
    words = Wording(version, language, text)
    values = {"hash": words.hash, "version": version, "language": language, "text": text}
    tx.connection.execute(insert_or_skip(tx, schema.consents).values(**values, created=tx.now))
    return words.hash


def wording_of(tx: Tx, hash: str) -> Wording | None:
    """The words with this hash, or None."""
    row = tx.connection.execute(select(schema.consents).where(w.hash == hash)).first()
    return Wording(row.version, row.language, row.text) if row else None


def _evidence(row: Row[Any]) -> Evidence:
    values = {name: getattr(row, name) for name in Evidence.__dataclass_fields__}
    return Evidence(**values | {"act": Act(row.act)})
