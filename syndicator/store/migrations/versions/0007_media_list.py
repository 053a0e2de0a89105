"""The media list: sign-up, evidence, suppressions by digest, bounces, digests and the newsletter."""

import sqlalchemy as sa
from alembic import op

from syndicator.store import pepper
from syndicator.store.columns import Id, Instant, Json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _columns()
    _people()
    _returns()
    _digests()
    bare = sa.text("mailbox IS NOT NULL")
    op.create_index(
        "ix_deliveries_mailbox", "deliveries", ["mailbox"], sqlite_where=bare, postgresql_where=bare
    )
    theirs = sa.text("contact_id IS NOT NULL")
    op.create_index(
        "ix_deliveries_contact_id", "deliveries", ["contact_id"], sqlite_where=theirs, postgresql_where=theirs
    )
    # As in 0006: a key that PostgreSQL need not check row by row (`schema.ledger`).
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("fk_delivery_contents_delivery_id", "delivery_contents", type_="foreignkey")
    _know_by_digest()


def _columns() -> None:
    op.add_column("contacts", sa.Column("digest", sa.Text(), server_default="", nullable=False))
    op.add_column("contacts", sa.Column("country", sa.Text(), server_default="", nullable=False))
    op.add_column("contacts", sa.Column("language", sa.Text(), server_default="", nullable=False))
    op.add_column("contacts", sa.Column("hour", sa.Integer(), server_default="8", nullable=False))
    op.add_column("contacts", sa.Column("weekday", sa.Integer(), server_default="0", nullable=False))
    op.add_column("contacts", sa.Column("monthday", sa.Integer(), server_default="1", nullable=False))
    op.add_column("contacts", sa.Column("nth", sa.Integer(), server_default="1", nullable=False))
    op.add_column("contacts", sa.Column("capped", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("contacts", sa.Column("text_only", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("contacts", sa.Column("paused_until", Instant(), nullable=True))
    op.add_column("contacts", sa.Column("standing", sa.Text(), server_default="listed", nullable=False))
    op.add_column("contacts", sa.Column("basis", sa.Text(), nullable=True))
    op.add_column("contacts", sa.Column("owner", sa.Text(), nullable=True))
    op.add_column("contacts", sa.Column("notes", sa.Text(), server_default="", nullable=False))
    op.add_column("contacts", sa.Column("generation", sa.Integer(), server_default="0", nullable=False))
    op.add_column("contacts", sa.Column("press_generation", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_contacts_digest", "contacts", ["digest"], unique=False)
    op.add_column("releases", sa.Column("previews", sa.Integer(), server_default="0", nullable=False))
    op.add_column("subscriptions", sa.Column("since", Instant(), nullable=True))
    op.drop_index("ix_subscriptions_topic_id", "subscriptions")
    whose = ["topic_id", "state", "cadence", "contact_id"]
    op.create_index("ix_subscriptions_topic_id", "subscriptions", whose, unique=False)
    op.add_column("suppressions", sa.Column("words", sa.Text(), server_default="", nullable=False))
    op.add_column("suppressions", sa.Column("source", sa.Text(), server_default="", nullable=False))
    op.add_column("suppressions", sa.Column("expires", Instant(), nullable=True))


def _people() -> None:
    op.create_table(
        "consents",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_consents")),
    )
    op.create_table(
        "segments",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("rule", Json, nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_segments")),
    )
    op.create_table(
        "applications",
        sa.Column("id", Id, nullable=False),
        sa.Column("contact_id", Id, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.Column("decided", Instant(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("granted", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_applications_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    op.create_index(
        "uq_applications_open",
        "applications",
        ["contact_id"],
        unique=True,
        sqlite_where=sa.text("decided IS NULL"),
        postgresql_where=sa.text("decided IS NULL"),
    )
    op.create_table(
        "contact_tags",
        sa.Column("contact_id", Id, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_contact_tags_contact_id")),
        sa.PrimaryKeyConstraint("contact_id", "tag", name=op.f("pk_contact_tags")),
    )
    op.create_index("ix_contact_tags_tag", "contact_tags", ["tag"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("id", Id, nullable=False),
        sa.Column("contact_id", Id, nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("network", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("consent", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("detail", Json, nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_evidence_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index("ix_evidence_contact_id", "evidence", ["contact_id"], unique=False)
    op.create_index("ix_evidence_digest", "evidence", ["digest"], unique=False)
    op.create_table(
        "letters",
        sa.Column("id", Id, nullable=False),
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("contact_id", Id, nullable=True),
        sa.Column("about", Id, nullable=True),
        sa.Column("facts", Json, nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_letters_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
    )
    op.create_index("ix_letters_contact_id", "letters", ["contact_id"], unique=False)
    once = sa.text("sort = 'source'")
    op.create_index(
        "uq_letters_source",
        "letters",
        ["contact_id"],
        unique=True,
        sqlite_where=once,
        postgresql_where=once,
    )
    op.create_table(
        "moves",
        sa.Column("id", Id, nullable=False),
        sa.Column("contact_id", Id, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.Column("confirmed", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_moves_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
    )
    op.create_index("ix_moves_contact_id", "moves", ["contact_id"], unique=False)
    op.create_table(
        "requests",
        sa.Column("id", Id, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("mailbox", sa.Text(), server_default="", nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("wish", Json, nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.Column("confirmed", Instant(), nullable=True),
        sa.Column("contact_id", Id, nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_requests_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index("ix_requests_contact_id", "requests", ["contact_id"], unique=False)
    mailed = sa.text("state IN ('asked', 'known', 'confirmed')")
    op.create_index(
        "ix_requests_created", "requests", ["created"], sqlite_where=mailed, postgresql_where=mailed
    )
    op.create_index("ix_requests_digest", "requests", ["digest", "created"], unique=False)
    op.create_index(
        "ix_requests_domain", "requests", ["domain", "created"], sqlite_where=mailed, postgresql_where=mailed
    )
    op.create_index("ix_requests_mailbox", "requests", ["mailbox", "created"], unique=False)
    op.create_index(
        "ix_requests_network",
        "requests",
        ["network", "created"],
        sqlite_where=mailed,
        postgresql_where=mailed,
    )


def _returns() -> None:
    op.create_table(
        "imports",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=True),
        sa.Column("counts", Json, nullable=False),
        sa.Column("undone", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_table(
        "mailboxes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("validity", Id, nullable=False),
        sa.Column("uid", Id, nullable=False),
        sa.Column("seen", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mailboxes")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "bounces",
        sa.Column("id", Id, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("contact_id", Id, nullable=True),
        sa.Column("delivery_id", Id, nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_bounces_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bounces")),
        sa.UniqueConstraint("event", name=op.f("uq_bounces_event")),
    )
    op.create_index("ix_bounces_at", "bounces", ["at"], unique=False)
    op.create_index("ix_bounces_contact_id", "bounces", ["contact_id"], unique=False)
    op.create_table(
        "import_rows",
        sa.Column("import_id", Id, nullable=False),
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_rows_import_id")),
        sa.PrimaryKeyConstraint("import_id", "sort", "key", name=op.f("pk_import_rows")),
    )


def _digests() -> None:
    op.create_table(
        "newsletters",
        sa.Column("id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("slot", Instant(), nullable=False),
        sa.Column("opened", Instant(), nullable=False),
        sa.Column("closes", Instant(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("headline", sa.Text(), server_default="", nullable=False),
        sa.Column("introduction", sa.Text(), nullable=False),
        sa.Column("approved", Instant(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("reminded", Instant(), nullable=True),
        sa.Column("escalated", Instant(), nullable=True),
        sa.Column("uid", sa.Text(), nullable=True),
        sa.Column("created", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_newsletters")),
        sa.UniqueConstraint("number", name=op.f("uq_newsletters_number")),
        sa.UniqueConstraint("slot", name=op.f("uq_newsletters_slot")),
    )
    op.create_table(
        "newsletter_blocks",
        sa.Column("id", Id, nullable=False),
        sa.Column("newsletter_id", Id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=True),
        sa.Column("place", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name=op.f("fk_newsletter_blocks_newsletter_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_newsletter_blocks")),
        sa.UniqueConstraint(
            "newsletter_id", "position", name=op.f("uq_newsletter_blocks_newsletter_id_position")
        ),
    )
    op.create_table(
        "newsletter_items",
        sa.Column("newsletter_id", Id, nullable=False),
        sa.Column("item_id", Id, nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("chosen_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_newsletter_items_item_id")),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name=op.f("fk_newsletter_items_newsletter_id")
        ),
        sa.PrimaryKeyConstraint("newsletter_id", "item_id", name=op.f("pk_newsletter_items")),
    )
    op.create_table(
        "pushes",
        sa.Column("item_id", Id, nullable=False),
        sa.Column("topic_id", Id, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_pushes_item_id")),
        sa.ForeignKeyConstraint(["topic_id"], ["topics.id"], name=op.f("fk_pushes_topic_id")),
        sa.PrimaryKeyConstraint("item_id", "topic_id", name=op.f("pk_pushes")),
    )
    op.create_index("ix_pushes_at", "pushes", ["at"], unique=False)
    op.create_index("ix_pushes_topic_id", "pushes", ["topic_id", "at"], unique=False)
    op.create_table(
        "windows",
        sa.Column("contact_id", Id, nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("opened", Instant(), nullable=False),
        sa.Column("closes", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_windows_contact_id")),
        sa.PrimaryKeyConstraint("contact_id", "cadence", name=op.f("pk_windows")),
    )
    op.create_index("ix_windows_closes", "windows", ["closes", "contact_id", "cadence"], unique=False)


def _know_by_digest() -> None:
    """Contacts and suppressions by the digest of their address, which is what an erased one is known by."""
    connection = op.get_bind()
    pepper.make(connection)
    contacts = sa.table("contacts", sa.column("id"), sa.column("key"), sa.column("digest"))
    taken = [
        {"row": row.id, "found": pepper.digest(connection, row.key)}
        for row in connection.execute(sa.select(contacts.c.id, contacts.c.key))
    ]
    if taken:
        known = sa.update(contacts).where(contacts.c.id == sa.bindparam("row"))
        connection.execute(known.values(digest=sa.bindparam("found")), taken)
    suppressions = sa.table("suppressions", sa.column("key"), sa.column("reason"), sa.column("words"))
    for row in connection.execute(sa.select(suppressions.c.key, suppressions.c.reason)).all():
        values = {"key": pepper.digest(connection, row.key), "reason": "manual", "words": row.reason}
        connection.execute(sa.update(suppressions).where(suppressions.c.key == row.key).values(**values))
