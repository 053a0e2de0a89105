"""What every part stands on: the metadata, and what the installation as a whole remembers."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, Text

from syndicator.store.columns import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # The latest host time seen: a SQLite host clock that jumps back must not lift an embargo twice or early.
    Column("high_water", Instant, nullable=False),
)

provisioned = Table(
    "provisioned",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("file", Text, nullable=False),  # which config file was reconciled last
    Column("fingerprint", Text, nullable=False),  # and what it said
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started", Instant, nullable=False),
    Column("seen", Instant, nullable=False),
)
