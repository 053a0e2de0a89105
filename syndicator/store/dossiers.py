"""All that is kept of one person, as one document: for themselves, and for staff who must answer them (mail:LM18)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, or_, select

from syndicator.store import audit, schema
from syndicator.store.engine import Tx

HIDDEN = frozenset({"contact_id", "digest", "key", "generation", "press_generation", "delivery_id"})
SENT = "id subject state outcome attempts detail created settled".split()
TRIED = "number started ended outcome code detail".split()
d, e, r = schema.deliveries.c, schema.evidence.c, schema.requests.c


def handed_out(tx: Tx, contact_id: int, *, by: str) -> dict[str, Any]:
    """The same, and the audit says that it was handed out, to whom (`by`)."""
    audit.record(tx, by, "contact.export", f"contact/{contact_id}")
    return of(tx, contact_id)


def of(tx: Tx, contact_id: int) -> dict[str, Any]:
    """Everything about a contact in plain values: instants are RFC 3339 in UTC, empty fields are left out.

    Keys: profile, tags, subscriptions, evidence, requests, accreditations, applications, moves, letters,
    deliveries (each with its tries), bounces.
    """
    c = schema.contacts.c
    profile = tx.connection.execute(select(schema.contacts).where(c.id == contact_id)).mappings().one()
    digest = profile["digest"]
    tags = schema.contact_tags.c
    found = tx.connection.execute(select(tags.tag).where(tags.contact_id == contact_id).order_by(tags.tag))
    return {
        "profile": _plain(profile),
        "tags": list(found.scalars()),
        "subscriptions": _subscriptions(tx, contact_id),
        "evidence": _rows(tx, schema.evidence, or_(e.contact_id == contact_id, _about(e, digest))),
        "requests": _rows(tx, schema.requests, or_(r.contact_id == contact_id, _about(r, digest))),
        "accreditations": _theirs(tx, schema.accreditations, contact_id),
        "applications": _theirs(tx, schema.applications, contact_id),
        "moves": _theirs(tx, schema.moves, contact_id),
        "letters": _theirs(tx, schema.letters, contact_id),
        "deliveries": _deliveries(tx, contact_id),
        "bounces": _theirs(tx, schema.bounces, contact_id),
    }


def _subscriptions(tx: Tx, contact_id: int) -> list[dict[str, Any]]:
    s, t = schema.subscriptions.c, schema.topics.c
    query = select(schema.subscriptions, t.slug.label("topic")).join(schema.topics, t.id == s.topic_id)
    rows = tx.connection.execute(query.where(s.contact_id == contact_id).order_by(s.id)).mappings()
    return [_plain({name: value for name, value in row.items() if name != "topic_id"}) for row in rows]


def _deliveries(tx: Tx, contact_id: int) -> list[dict[str, Any]]:
    a = schema.attempts.c
    sent = select(*(d[name] for name in SENT)).where(d.contact_id == contact_id).order_by(d.id)
    tries: dict[int, list[dict[str, Any]]] = {}
    tried = select(a.delivery_id, *(a[name] for name in TRIED)).join(schema.deliveries, d.id == a.delivery_id)
    for row in tx.connection.execute(tried.where(d.contact_id == contact_id).order_by(a.id)).mappings():
        tries.setdefault(row["delivery_id"], []).append(_plain(row))
    rows = tx.connection.execute(sent).mappings().all()
    return [_plain(row) | {"tries": tries.get(row["id"], [])} for row in rows]


def _theirs(tx: Tx, table: Table, contact_id: int) -> list[dict[str, Any]]:
    return _rows(tx, table, table.c.contact_id == contact_id)


def _about(columns: Any, digest: str) -> Any:
    """Rows from before there was a contact, by what stands for the address."""
    return columns.contact_id.is_(None) & (columns.digest == digest) & (columns.digest != "")


def _rows(tx: Tx, table: Table, which: Any) -> list[dict[str, Any]]:
    rows = tx.connection.execute(select(table).where(which).order_by(table.c.id)).mappings()
    return [_plain(row) for row in rows]


def _plain(row: Any) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name not in HIDDEN}
    return {name: _value(value) for name, value in kept.items() if value not in (None, "", {}, [])}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_value(one) for one in value]
    return value
