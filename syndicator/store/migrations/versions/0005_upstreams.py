"""Routing, presence and aliases of what upstreams bring; hubs that tell us, and what they brought."""

from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

from syndicator.model.incoming import alias_of
from syndicator.store.columns import Id, Instant, Json
from syndicator.store.schema import CHECKED, PRESENT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BATCH = 1_000


def upgrade() -> None:
    op.create_index("ix_items_upstream", "items", ["upstream"])
    op.create_index("ix_releases_upstream", "releases", ["upstream"])
    _upstreams()
    _incoming()
    op.create_table(
        "hub_subscriptions",
        sa.Column("upstream_id", Id, nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("callback", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked", Instant(), nullable=True),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("next_try", Instant(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["upstream_id"], ["upstreams.id"], name=op.f("fk_hub_subscriptions_upstream_id")
        ),
        sa.PrimaryKeyConstraint("upstream_id", name=op.f("pk_hub_subscriptions")),
        sa.UniqueConstraint("callback", name=op.f("uq_hub_subscriptions_callback")),
    )
    op.create_index(op.f("ix_hub_subscriptions_next_try"), "hub_subscriptions", ["next_try"])
    op.create_table(
        "inbox",
        sa.Column("id", Id, nullable=False),
        sa.Column("upstream_id", Id, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("received", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["upstream_id"], ["upstreams.id"], name=op.f("fk_inbox_upstream_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
    )
    op.create_index(op.f("ix_inbox_upstream_id"), "inbox", ["upstream_id"])


def _upstreams() -> None:
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("rules", Json, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("delay", sa.Integer(), server_default="0", nullable=False),
        sa.Column("every", sa.Integer(), nullable=True),
        sa.Column("on_gone", sa.Text(), server_default="ask", nullable=False),
        sa.Column("confirm_above", sa.Integer(), server_default="25", nullable=False),
        sa.Column("full_text", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("pace", Json, nullable=True),
        sa.Column("moved_to", sa.Text(), nullable=True),
        sa.Column("moved_since", Instant(), nullable=True),
        sa.Column("polls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unmodified", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asking", sa.Integer(), nullable=True),
        sa.Column("accepted", sa.Text(), nullable=True),
        sa.Column("answered", Instant(), nullable=True),
        sa.Column("visiting", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    for column in columns:
        op.add_column("upstreams", column)
    op.create_index("ix_upstreams_host", "upstreams", ["host"])
    table = sa.table("upstreams", sa.column("id"), sa.column("url"), sa.column("host"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(table.c.id, table.c.url)).all():
        host = (urlsplit(row.url).hostname or "").lower()
        connection.execute(sa.update(table).where(table.c.id == row.id).values(host=host))


def _incoming() -> None:
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("rights", sa.Text(), server_default="", nullable=False),
        sa.Column("first", Instant(), nullable=True),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("present", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("dated", sa.Text(), nullable=True),
        sa.Column("page", sa.Text(), nullable=True),
        sa.Column("gone", Instant(), nullable=True),
        sa.Column("check_at", Instant(), nullable=True),
        sa.Column("checks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("departed", Instant(), nullable=True),
    )
    for column in columns:
        op.add_column("incoming", column)
    _fill()
    op.create_index("ix_incoming_alias", "incoming", ["upstream_id", "alias"])
    op.create_index("ix_incoming_place", "incoming", ["upstream_id", "place"])
    op.create_index("ix_incoming_uid", "incoming", ["uid"])
    op.create_index(
        "ix_incoming_present", "incoming", ["upstream_id"], sqlite_where=PRESENT, postgresql_where=PRESENT
    )
    op.create_index(
        "ix_incoming_check_at", "incoming", ["check_at"], sqlite_where=CHECKED, postgresql_where=CHECKED
    )


def _fill() -> None:
    """By what else a thing is known again, where its page is, and since when it is: as far as it was written down."""
    incoming = sa.table(
        "incoming",
        *map(sa.column, ("upstream_id", "identity", "uid", "alias", "place", "page")),
        sa.column("seen", Instant()),
        sa.column("first", Instant()),
    )
    connection, n = op.get_bind(), incoming.c
    connection.execute(sa.update(incoming).values(first=n.seen))
    filled = (
        sa.update(incoming)
        .where(n.upstream_id == sa.bindparam("key"), n.identity == sa.bindparam("name"))
        .values({name: sa.bindparam(f"new_{name}") for name in ("alias", "place", "page")})
    )
    pages = _pages(connection)
    rows = connection.execute(sa.select(n.upstream_id, n.identity, n.uid)).all()
    for start in range(0, len(rows), BATCH):
        some = []
        for row in rows[start : start + BATCH]:
            page = pages.get(row.uid)
            new = {"new_alias": alias_of(row.identity), "new_place": alias_of(page), "new_page": page}
            some.append({"key": row.upstream_id, "name": row.identity, **new})
        connection.execute(filled, some)


def _pages(connection: sa.Connection) -> dict[str, str]:
    """The page of each item and release that came from an upstream, by uid."""
    brought = sa.table("incoming", sa.column("uid"))
    came = sa.select(brought.c.uid)
    revision = sa.table("revisions", sa.column("item_id"), sa.column("number"), sa.column("content", Json))
    item = sa.table("items", *map(sa.column, ("id", "uid", "revision")))
    release = sa.table("releases", sa.column("uid"), sa.column("content", Json))
    now = sa.and_(revision.c.item_id == item.c.id, revision.c.number == item.c.revision)
    found: dict[str, str] = {}
    for query in (
        sa.select(release.c.uid, release.c.content["url"].as_string()).where(release.c.uid.in_(came)),
        sa.select(item.c.uid, revision.c.content["url"].as_string())
        .join_from(item, revision, now)
        .where(item.c.uid.in_(came)),
    ):
        found.update((uid, url) for uid, url in connection.execute(query) if url)
    return found
