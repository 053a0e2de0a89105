"""Who gets what over which road: partners, lanes, and the ledger."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from syndicator.store.columns import Id, Instant, Json
from syndicator.store.schema.frame import metadata

DUE_ONLY = text("state = 'due'")
TAKEN_ONLY = text("state IN ('leased', 'sending')")
OWED_ONLY = text("role = 'owed'")
ABOUT_RELEASE = text("release_id IS NOT NULL")
BARE = text("mailbox IS NOT NULL")
OF_CONTACT = text("contact_id IS NOT NULL")


def _embedded(column: str, target: str) -> ForeignKeyConstraint:
    """A key that SQLite alone checks; every store test runs there, too.

    PostgreSQL asks the other table row by row, 2.5 µs each, and share-locks one row of lanes and items for every
    recipient of a release: a third of the time that planning one takes. The planner reads these keys off the
    other tables in the statement that writes them, and nobody deletes from those. Of deliveries go pings, which carry
    nothing, and what an import that is taken back made, with what it carried (`store.undoing`).
    """
    return ForeignKeyConstraint([column], [target], info={"dialect": "sqlite"}).ddl_if(dialect="sqlite")


partners = Table(
    "partners",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("topics", Json, nullable=False),
    Column("kinds", Json, nullable=False),
    Column("on_unknown", Text),
    Column("allow_private", Json, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("file", Boolean, nullable=False),
    Column("created", Instant, nullable=False),
)

lanes = Table(
    "lanes",
    metadata,
    Column("key", Text, primary_key=True),  # "mail", "partner/slug": one destination
    Column("channel", Text, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),  # in a row
    Column("open", Instant, nullable=False),  # not before this instant (back-off of the destination itself)
    Column("fault", Text),
    Column("since", Instant),  # the first of these failures: one incident, however long
)

domains = Table(
    "domains",
    metadata,
    # Recipients' mail domains that asked for patience, or that an operator slowed down; all others have no row.
    Column("lane", Text, ForeignKey("lanes.key"), primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("open", Instant, nullable=False),  # not before this instant
    Column("width", Integer),  # letters under way at once; NULL: as many as there are connections
    Column("rate", Float),  # letters a second; NULL: no limit
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("fault", Text),
    Column("changed", Instant, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("recipient", Text, nullable=False),  # "contact/42", "partner/3"
    Column("contact_id", Id),
    Column("partner_id", Id, ForeignKey("partners.id")),
    Column("subscription_id", Id),
    Column("item_id", Id),
    Column("revision", Integer),
    Column("release_id", Id),  # an advance or a notice: there is no item yet
    Column("version", Integer),  # of the release, or the number of its notice
    Column("mailbox", Text),  # of a recipient who is no contact: a test, an alarm
    Column("domain", Text, nullable=False, server_default=""),  # of the contact's address, as it was planned
    Column("channel", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("due", Instant),
    Column("lease_no", Integer, nullable=False),  # the fence: only the latest claim may settle
    Column("lease_until", Instant),
    Column("leased_by", Text),
    Column("sending", Instant),
    Column("attempts", Integer, nullable=False),
    Column("doubts", Integer, nullable=False),
    Column("outcome", Text),
    Column("detail", Text),
    Column("late_ok", Boolean, nullable=False, server_default=false()),  # a person said yes to a late one
    Column("stop", Text),  # why it must not be sent although it is marked as sending
    Column("created", Instant, nullable=False),
    Column("settled", Instant),
    _embedded("contact_id", "contacts.id"),
    _embedded("subscription_id", "subscriptions.id"),
    _embedded("item_id", "items.id"),
    _embedded("lane", "lanes.key"),
    UniqueConstraint("subject", "recipient"),  # nobody gets the same thing twice
    # Domain and state stand last, so that a claim walks past a resting domain without leaving the index.
    Index(
        "ix_deliveries_due",
        "lane",
        "priority",
        "due",
        "id",
        "domain",
        "state",
        sqlite_where=DUE_ONLY,
        postgresql_where=DUE_ONLY,
    ),
    Index("ix_deliveries_soonest", "lane", "due", sqlite_where=DUE_ONLY, postgresql_where=DUE_ONLY),
    Index("ix_deliveries_taken", "lease_until", sqlite_where=TAKEN_ONLY, postgresql_where=TAKEN_ONLY),
    Index("ix_deliveries_item_id", "item_id", "recipient"),
    Index("ix_deliveries_subscription_id", "subscription_id"),
    Index(
        "ix_deliveries_release_id", "release_id", sqlite_where=ABOUT_RELEASE, postgresql_where=ABOUT_RELEASE
    ),
    Index("ix_deliveries_mailbox", "mailbox", sqlite_where=BARE, postgresql_where=BARE),
    Index("ix_deliveries_contact_id", "contact_id", sqlite_where=OF_CONTACT, postgresql_where=OF_CONTACT),
)

delivery_contents = Table(
    "delivery_contents",
    metadata,
    Column("delivery_id", Id, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("role", Text, nullable=False),
    _embedded("delivery_id", "deliveries.id"),
    _embedded("item_id", "items.id"),
    Index("ix_delivery_contents_item_id", "item_id"),
    # An item is owed to a person once, for ever (DESIGN §2, Subscription).
    Index(
        "uq_delivery_contents_owed",
        "item_id",
        "recipient",
        unique=True,
        sqlite_where=OWED_ONLY,
        postgresql_where=OWED_ONLY,
    ),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("worker", Text),
    Column("started", Instant, nullable=False),
    Column("ended", Instant, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Integer),
    Column("cause", Text),  # what sort of answer it was (`model.replies`)
    Column("detail", Text, nullable=False),
)
