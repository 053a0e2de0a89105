"""Items, revisions, topics and the bytes of their feeds."""

import sqlalchemy as sa
from alembic import op

from syndicator.store.columns import Id, Instant, Json

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("high_water", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock")),
    )
    op.create_table(
        "items",
        sa.Column("id", Id, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("published", Instant(), nullable=False),
        sa.Column("updated", Instant(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("upstream", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("slug", name=op.f("uq_items_slug")),
        sa.UniqueConstraint("uid", name=op.f("uq_items_uid")),
    )
    op.create_table(
        "spokespeople",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.Column("hours", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("stand_in", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_spokespeople")),
    )
    op.create_table(
        "topics",
        sa.Column("id", Id, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("rule", Json, nullable=True),
        sa.Column("file", sa.Boolean(), nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.Column("stale", Instant(), nullable=True),
        sa.Column("head", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topics")),
        sa.UniqueConstraint("slug", name=op.f("uq_topics_slug")),
        sa.UniqueConstraint("uid", name=op.f("uq_topics_uid")),
    )
    op.create_index(
        "ix_topics_stale",
        "topics",
        ["stale"],
        unique=False,
        sqlite_where=sa.text("stale IS NOT NULL"),
        postgresql_where=sa.text("stale IS NOT NULL"),
    )
    op.create_table(
        "documents",
        sa.Column("topic_id", Id, nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("gzip", sa.LargeBinary(), nullable=False),
        sa.Column("modified", Instant(), nullable=False),
        sa.Column("stored", Instant(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name=op.f("fk_documents_topic_id")),
        sa.PrimaryKeyConstraint("topic_id", "format", name=op.f("pk_documents")),
    )
    op.create_index(op.f("ix_documents_stored"), "documents", ["stored"], unique=False)
    op.create_table(
        "fragments",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_fragments_item_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_fragments")),
    )
    op.create_index(op.f("ix_fragments_item_id"), "fragments", ["item_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("id", Id, nullable=False),
        sa.Column("topic_id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("published", Instant(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("gone", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_memberships_item_id")),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name=op.f("fk_memberships_topic_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint("topic_id", "item_id", name=op.f("uq_memberships_topic_id_item_id")),
    )
    op.create_index(
        "ix_memberships_gone",
        "memberships",
        ["topic_id", "gone"],
        unique=False,
        sqlite_where=sa.text("gone IS NOT NULL"),
        postgresql_where=sa.text("gone IS NOT NULL"),
    )
    op.create_index("ix_memberships_item_id", "memberships", ["item_id"], unique=False)
    op.create_index(
        "ix_memberships_live",
        "memberships",
        ["topic_id", "published", "uid"],
        unique=False,
        sqlite_where=sa.text("gone IS NULL"),
        postgresql_where=sa.text("gone IS NULL"),
    )
    op.create_table(
        "revisions",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("significance", sa.Text(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_revisions_item_id")),
        sa.PrimaryKeyConstraint("item_id", "number", name=op.f("pk_revisions")),
    )
