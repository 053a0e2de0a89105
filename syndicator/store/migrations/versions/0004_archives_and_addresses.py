"""Archive pages, former names of topics, and fragments kept by what they were rendered from."""

import sqlalchemy as sa
from alembic import op

from syndicator.store.columns import Id, Instant
from syndicator.store.schema import DOOMED, OPEN_ONLY, RULED

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archived",
        sa.Column("topic_id", Id, nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("gone", Instant(), nullable=True),
        sa.Column("cut", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_archived_item_id")),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name=op.f("fk_archived_topic_id")),
        sa.PrimaryKeyConstraint("topic_id", "page", "item_id", name=op.f("pk_archived")),
    )
    op.create_index(
        "ix_archived_doomed", "archived", ["topic_id"], sqlite_where=DOOMED, postgresql_where=DOOMED
    )
    op.create_index("ix_archived_item_id", "archived", ["item_id"])
    op.create_table(
        "archives",
        sa.Column("topic_id", Id, nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("gzip", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("modified", Instant(), nullable=False),
        sa.Column("stored", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name=op.f("fk_archives_topic_id")),
        sa.PrimaryKeyConstraint("topic_id", "page", "format", name=op.f("pk_archives")),
    )
    op.create_index(op.f("ix_archives_stored"), "archives", ["stored"])
    op.create_table(
        "topic_slugs",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("topic_id", Id, nullable=False),
        sa.Column("ended", Instant(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name=op.f("fk_topic_slugs_topic_id")),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_topic_slugs")),
    )
    op.create_index(op.f("ix_topic_slugs_topic_id"), "topic_slugs", ["topic_id"])
    op.drop_table("fragments")  # a cache: it fills again
    op.create_table(
        "fragments",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("look", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_fragments_item_id")),
        sa.PrimaryKeyConstraint("item_id", "format", "profile", name=op.f("pk_fragments")),
    )
    op.create_index(op.f("ix_items_updated"), "items", ["updated"])
    op.add_column("memberships", sa.Column("page", sa.Integer(), nullable=True))
    op.create_index(
        "ix_memberships_open",
        "memberships",
        ["topic_id", "id"],
        sqlite_where=OPEN_ONLY,
        postgresql_where=OPEN_ONLY,
    )
    op.add_column("topics", sa.Column("full_text", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("topics", sa.Column("pub_date", sa.Text(), server_default="published", nullable=False))
    op.add_column("topics", sa.Column("pages", sa.Integer(), server_default="0", nullable=False))
    op.add_column("topics", sa.Column("closing", Instant(), nullable=True))
    op.add_column("topics", sa.Column("closed", Instant(), nullable=True))
    op.add_column("topics", sa.Column("farewell", sa.Text(), nullable=True))
    op.add_column("topics", sa.Column("merged", Id, nullable=True))
    # What JSON calls null is no rule; from here on such a topic has none, which an index can tell.
    op.execute("UPDATE topics SET rule = NULL WHERE CAST(rule AS TEXT) = 'null'")
    op.create_index("ix_topics_ruled", "topics", ["slug"], sqlite_where=RULED, postgresql_where=RULED)
