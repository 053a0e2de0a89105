"""What every part stands on: the metadata, and what the installation as a whole remembers."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, text

from syndicator.store.columns import Id, Instant, Json

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

secrets = Table(
    "secrets",
    metadata,
    # What must outlive a change of the signing key; sealed with it.
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started", Instant, nullable=False),
    Column("seen", Instant, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Json, nullable=False),
    Column("why", Text),
    Column("previous", Text, nullable=False),  # the row before, so that none can be taken out unseen
    Column("digest", Text, nullable=False, unique=True),
    Index("ix_audit_subject", "subject", "id"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # one alarm for one occasion
    Column("subject", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("raised", Instant, nullable=False),
    Column("ended", Instant),
    Index(
        "ix_alarms_open", "raised", sqlite_where=text("ended IS NULL"), postgresql_where=text("ended IS NULL")
    ),
)
