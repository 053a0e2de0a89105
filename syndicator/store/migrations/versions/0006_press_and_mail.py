"""The press workflow (versions, approval, advances, notices, media, audit) and what the mail engine remembers."""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

from syndicator.model.item import content_from_json
from syndicator.store.columns import Id, Instant, Json

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _columns()
    _newsroom()
    _ledger()
    _unbind_ledger()
    _keep_versions()
    _name_domains()


def _columns() -> None:
    op.add_column("attempts", sa.Column("cause", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("release_id", Id, nullable=True))
    op.add_column("deliveries", sa.Column("version", sa.Integer(), nullable=True))
    op.add_column("deliveries", sa.Column("mailbox", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("domain", sa.Text(), server_default="", nullable=False))
    op.drop_index("ix_deliveries_due", "deliveries")
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["lane", "priority", "due", "id", "domain", "state"],
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.add_column("contacts", sa.Column("domain", sa.Text(), server_default="", nullable=False))
    op.add_column("deliveries", sa.Column("late_ok", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("deliveries", sa.Column("stop", sa.Text(), nullable=True))
    about_release = sa.text("release_id IS NOT NULL")
    op.create_index(
        "ix_deliveries_release_id",
        "deliveries",
        ["release_id"],
        sqlite_where=about_release,
        postgresql_where=about_release,
    )
    op.add_column("items", sa.Column("marked", sa.Text(), nullable=True))
    op.add_column("lanes", sa.Column("since", Instant(), nullable=True))
    op.add_column("releases", sa.Column("drafted_by", sa.Text(), nullable=True))
    op.add_column("releases", sa.Column("approved", Instant(), nullable=True))
    op.add_column("releases", sa.Column("advance", Instant(), nullable=True))
    op.add_column("releases", sa.Column("moves", sa.Integer(), server_default="0", nullable=False))
    op.add_column("releases", sa.Column("released", Instant(), nullable=True))
    op.add_column("revisions", sa.Column("marked", sa.Text(), nullable=True))


def _unbind_ledger() -> None:
    """Keys that PostgreSQL need not check row by row (`schema.ledger`); on SQLite they cost nothing and stay."""
    if op.get_bind().dialect.name == "postgresql":
        for column in ("contact_id", "subscription_id", "item_id", "lane"):
            op.drop_constraint(f"fk_deliveries_{column}", "deliveries", type_="foreignkey")
        op.drop_constraint("fk_delivery_contents_item_id", "delivery_contents", type_="foreignkey")


def _newsroom() -> None:
    op.create_table(
        "boilerplates",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_boilerplates")),
    )
    op.create_table(
        "media",
        sa.Column("id", Id, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), server_default="0", nullable=False),
        sa.Column("height", sa.Integer(), server_default="0", nullable=False),
        sa.Column("filename", sa.Text(), server_default="", nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.Column("released", Instant(), nullable=True),
        sa.Column("redacted", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        sa.UniqueConstraint("digest", name=op.f("uq_media_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_media_name")),
    )
    op.create_table(
        "embargo_notices",
        sa.Column("id", Id, nullable=False),
        sa.Column("release_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("before", Instant(), nullable=True),
        sa.Column("after", Instant(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("created", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_embargo_notices_release_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embargo_notices")),
        sa.UniqueConstraint("release_id", "number", name=op.f("uq_embargo_notices_release_id_number")),
    )
    op.create_table(
        "media_uses",
        sa.Column("media_id", Id, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("shown", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["media_id"], ["media.id"], name=op.f("fk_media_uses_media_id")),
        sa.PrimaryKeyConstraint("media_id", "uid", name=op.f("pk_media_uses")),
    )
    op.create_index("ix_media_uses_uid", "media_uses", ["uid"])
    op.create_table(
        "redacted",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_redacted")),
    )
    op.create_table(
        "release_versions",
        sa.Column("release_id", Id, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("embargo_until", Instant(), nullable=True),
        sa.Column("embargo_zone", sa.Text(), nullable=True),
        sa.Column("embargo_wall", sa.Text(), nullable=True),
        sa.Column("drafted_by", sa.Text(), nullable=True),
        sa.Column("created", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_release_versions_release_id")),
        sa.PrimaryKeyConstraint("release_id", "version", name=op.f("pk_release_versions")),
    )


def _ledger() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", Id, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("raised", Instant(), nullable=False),
        sa.Column("ended", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        sa.UniqueConstraint("key", name=op.f("uq_alarms_key")),
    )
    op.create_index(
        "ix_alarms_open",
        "alarms",
        ["raised"],
        sqlite_where=sa.text("ended IS NULL"),
        postgresql_where=sa.text("ended IS NULL"),
    )
    op.create_table(
        "audit",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", Json, nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("digest", name=op.f("uq_audit_digest")),
    )
    op.create_index("ix_audit_subject", "audit", ["subject", "id"])
    op.create_table(
        "accreditations",
        sa.Column("id", Id, nullable=False),
        sa.Column("contact_id", Id, nullable=False),
        sa.Column("granted", Instant(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.Column("agreement", sa.Text(), nullable=False),
        sa.Column("ended", Instant(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_accreditations_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accreditations")),
    )
    op.create_index("ix_accreditations_contact_id", "accreditations", ["contact_id"])
    op.create_index(
        "uq_accreditations_live",
        "accreditations",
        ["contact_id"],
        unique=True,
        sqlite_where=sa.text("ended IS NULL"),
        postgresql_where=sa.text("ended IS NULL"),
    )
    op.create_table(
        "domains",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("open", Instant(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("changed", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["lane"], ["lanes.key"], name=op.f("fk_domains_lane")),
        sa.PrimaryKeyConstraint("lane", "domain", name=op.f("pk_domains")),
    )


def _keep_versions() -> None:
    """Every release there is, in the version it has now: later edits are compared with it."""
    names = ("content", "embargo_until", "embargo_zone", "embargo_wall")
    releases = sa.table("releases", sa.column("id"), sa.column("updated", Instant()), *_words())
    versions = sa.table(
        "release_versions",
        sa.column("release_id"),
        sa.column("base"),
        sa.column("created", Instant()),
        *_words(),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(releases)).all():
        until = row.embargo_until.isoformat() if row.embargo_until else ""
        words = f"{content_from_json(row.content).fingerprint} {until}"
        values = {name: getattr(row, name) for name in names}
        values |= {"release_id": row.id, "version": row.version, "created": row.updated}
        base = hashlib.sha256(words.encode()).hexdigest()[:16]
        connection.execute(sa.insert(versions).values(**values, base=base))


def _words() -> list[sa.ColumnClause[Any]]:
    plain: list[sa.ColumnClause[Any]] = [
        sa.column(name) for name in ("version", "embargo_zone", "embargo_wall")
    ]
    return [*plain, sa.column("content", Json), sa.column("embargo_until", Instant())]


def _name_domains() -> None:
    """The domain of every address stands behind the last @ of the contact's key."""
    contacts = sa.table("contacts", sa.column("id"), sa.column("key"), sa.column("domain"))
    connection = op.get_bind()
    rows = connection.execute(sa.select(contacts.c.id, contacts.c.key)).all()
    named = [{"row": row.id, "found": row.key.rpartition("@")[2]} for row in rows]
    update = sa.update(contacts).where(contacts.c.id == sa.bindparam("row"))
    if named:
        connection.execute(update.values(domain=sa.bindparam("found")), named)
