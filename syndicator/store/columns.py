"""What columns hold that the databases write differently: instants, keys, JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, BigInteger, Dialect, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime: timestamptz on PostgreSQL, fixed-width sortable text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("an instant must be aware")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else _as_text(utc)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if dialect.name == "postgresql" else datetime.fromisoformat(value)


@lru_cache(256)  # a transaction writes its one instant again and again
def _as_text(utc: datetime) -> str:
    # strftime drops leading zeros of years below 1000; isoformat keeps the text sortable.
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only on INTEGER PRIMARY KEY
Json = JSON().with_variant(JSONB, "postgresql")
RuleJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
