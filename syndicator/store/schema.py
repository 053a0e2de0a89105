"""Every table of the canonical store, declared once; nobody outside `store` imports this.

Instants are UTC. "Once" is always a constraint here, never an `if` elsewhere. A change to this
file needs a migration beside it (`migrations/`), and a test holds the two equal on both databases.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from syndicator.store.columns import Id, Instant, Json, RuleJson

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


LIVE_ONLY = text("gone IS NULL")
OPEN_ONLY = text("gone IS NULL AND page IS NULL")
DOOMED = text("gone IS NOT NULL AND NOT cut")
RULED = text("rule IS NOT NULL")
PRESENT = text("present")
CHECKED = text("check_at IS NOT NULL")

clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # The latest host time seen: a SQLite host clock that jumps back must not lift an embargo twice or early.
    Column("high_water", Instant, nullable=False),
)

topics = Table(
    "topics",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("uid", Text, nullable=False, unique=True),
    Column("rule", RuleJson),  # NULL: plain
    Column("file", Boolean, nullable=False),
    Column("created", Instant, nullable=False),
    Column("stale", Instant),  # when its documents may be built anew; NULL: they are fresh
    Column("head", Text),  # the look of the site its documents were built for (`feeds.look`)
    Column("full_text", Boolean, nullable=False, server_default=true()),
    Column("pub_date", Text, nullable=False, server_default="published"),
    Column("pages", Integer, nullable=False, server_default="0"),  # closed archive pages, numbered from 1
    Column("closing", Instant),  # its end was announced
    Column("closed", Instant),  # from when its addresses answer 410
    Column("farewell", Text),
    Column("merged", Id),  # the topic its items, readers and addresses went to
    # Few are ruled, and every publish asks for them.
    Index("ix_topics_ruled", "slug", sqlite_where=RULED, postgresql_where=RULED),
    Index(
        "ix_topics_stale",
        "stale",
        sqlite_where=text("stale IS NOT NULL"),
        postgresql_where=text("stale IS NOT NULL"),
    ),
)

topic_slugs = Table(
    "topic_slugs",
    metadata,
    Column("slug", Text, primary_key=True),  # a name a topic had: its addresses answer 301
    Column("topic_id", Id, ForeignKey("topics.id"), nullable=False, index=True),
    Column("ended", Instant, nullable=False),
    Column("public", Boolean, nullable=False),  # the public had heard of it: its feeds were there
)

spokespeople = Table(
    "spokespeople",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("mail", Text, nullable=False),
    Column("hours", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("stand_in", Text),
)

items = Table(
    "items",
    metadata,
    Column("id", Id, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("published", Instant, nullable=False),
    Column("updated", Instant, nullable=False, index=True),  # no two alike, as Atom wants it of a feed
    Column("note", Text),
    Column("upstream", Text),
    Index("ix_items_upstream", "upstream"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("significance", Text, nullable=False),
    Column("content", Json, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("note", Text),
    Column("created", Instant, nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    Column("id", Id, primary_key=True),  # counts up: the order in which items entered the topic
    Column("topic_id", Id, ForeignKey("topics.id"), nullable=False),
    Column("item_id", Id, ForeignKey("items.id"), nullable=False),
    # published and uid stand here too, so that a topic's newest items are read off one index.
    Column("published", Instant, nullable=False),
    Column("uid", Text, nullable=False),
    Column("gone", Instant),  # withdrawn: out of the feed, a tombstone in Atom
    Column("page", Integer),  # the closed archive page that holds its present revision
    UniqueConstraint("topic_id", "item_id"),
    Index("ix_memberships_item_id", "item_id"),
    Index(
        "ix_memberships_live",
        "topic_id",
        "published",
        "uid",
        sqlite_where=LIVE_ONLY,
        postgresql_where=LIVE_ONLY,
    ),
    Index("ix_memberships_open", "topic_id", "id", sqlite_where=OPEN_ONLY, postgresql_where=OPEN_ONLY),
    Index(
        "ix_memberships_gone",
        "topic_id",
        "gone",
        sqlite_where=text("gone IS NOT NULL"),
        postgresql_where=text("gone IS NOT NULL"),
    ),
)

fragments = Table(
    "fragments",
    metadata,
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True),
    Column("format", Text, primary_key=True),
    Column("profile", Text, primary_key=True),
    # What it was rendered from: it serves as long as both are still so.
    Column("revision", Integer, nullable=False),
    Column("look", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

archives = Table(
    "archives",
    metadata,
    Column("topic_id", Id, ForeignKey("topics.id"), primary_key=True),
    Column("page", Integer, primary_key=True),
    Column("format", Text, primary_key=True),
    Column("etag", Text, nullable=False),
    Column("gzip", LargeBinary, nullable=False),  # the only copy: archive pages are many and seldom read
    Column("size", Integer, nullable=False),  # bytes, inflated
    Column("modified", Instant, nullable=False),
    Column("stored", Instant, nullable=False, index=True),
)

archived = Table(
    "archived",
    metadata,
    Column("topic_id", Id, ForeignKey("topics.id"), primary_key=True),
    Column("page", Integer, primary_key=True),
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True),
    Column("place", Integer, nullable=False),  # from 0, the newest, as the page was closed
    Column("gone", Instant),  # withdrawn: it must come out of the closed page
    Column("cut", Boolean, nullable=False, server_default=false()),  # and is out of it
    Index("ix_archived_item_id", "item_id"),
    Index("ix_archived_doomed", "topic_id", sqlite_where=DOOMED, postgresql_where=DOOMED),
)

documents = Table(
    "documents",
    metadata,
    Column("topic_id", Id, ForeignKey("topics.id"), primary_key=True),
    Column("format", Text, primary_key=True),
    Column("etag", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("gzip", LargeBinary, nullable=False),
    Column("modified", Instant, nullable=False),  # when the bytes last changed, whole seconds (feeds:H4)
    Column("stored", Instant, nullable=False, index=True),
    Column("items", Integer, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Id, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("content", Json, nullable=False),
    Column("embargo_until", Instant),
    Column("embargo_zone", Text),
    Column("embargo_wall", Text),
    Column("at", Instant),
    Column("published", Instant),  # the date an incoming item brings along
    Column("approved_by", Text),
    Column("upstream", Text),
    Column("reason", Text),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    Index("ix_releases_state_at", "state", "at"),
    Index("ix_releases_upstream", "upstream"),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("outlet", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("created", Instant, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("key", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created", Instant, nullable=False),
)

NOT_ENDED = text("state <> 'ended'")
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("contact_id", Id, ForeignKey("contacts.id"), nullable=False),
    Column("topic_id", Id, ForeignKey("topics.id"), nullable=False),
    Column("cadence", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("consent", Text),
    Column("created", Instant, nullable=False),
    Column("confirmed", Instant),
    Column("ended", Instant),
    Column("reason", Text),
    # One live subscription per contact and topic; ended ones are kept as history.
    Index(
        "uq_subscriptions_live",
        "contact_id",
        "topic_id",
        unique=True,
        sqlite_where=NOT_ENDED,
        postgresql_where=NOT_ENDED,
    ),
    Index("ix_subscriptions_topic_id", "topic_id", "state", "cadence"),
    Index("ix_subscriptions_contact_id", "contact_id"),
)

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
)

DUE_ONLY = text("state = 'due'")
TAKEN_ONLY = text("state IN ('leased', 'sending')")
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("recipient", Text, nullable=False),  # "contact/42", "partner/3"
    Column("contact_id", Id, ForeignKey("contacts.id")),
    Column("partner_id", Id, ForeignKey("partners.id")),
    Column("subscription_id", Id, ForeignKey("subscriptions.id")),
    Column("item_id", Id, ForeignKey("items.id")),
    Column("revision", Integer),
    Column("channel", Text, nullable=False),
    Column("lane", Text, ForeignKey("lanes.key"), nullable=False),
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
    Column("created", Instant, nullable=False),
    Column("settled", Instant),
    UniqueConstraint("subject", "recipient"),  # nobody gets the same thing twice
    Index(
        "ix_deliveries_due", "lane", "priority", "due", "id", sqlite_where=DUE_ONLY, postgresql_where=DUE_ONLY
    ),
    Index("ix_deliveries_soonest", "lane", "due", sqlite_where=DUE_ONLY, postgresql_where=DUE_ONLY),
    Index("ix_deliveries_taken", "lease_until", sqlite_where=TAKEN_ONLY, postgresql_where=TAKEN_ONLY),
    Index("ix_deliveries_item_id", "item_id", "recipient"),
    Index("ix_deliveries_subscription_id", "subscription_id"),
)

OWED_ONLY = text("role = 'owed'")
delivery_contents = Table(
    "delivery_contents",
    metadata,
    Column("delivery_id", Id, ForeignKey("deliveries.id"), primary_key=True),
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("role", Text, nullable=False),
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
    Column("detail", Text, nullable=False),
)

upstreams = Table(
    "upstreams",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("relation", Text, nullable=False),
    Column("topics", Json, nullable=False),
    Column("kind", Text, nullable=False),
    Column("push", Boolean, nullable=False),
    Column("push_max_age", Integer, nullable=False),  # seconds
    Column("on_change", Text, nullable=False),
    Column("hold", Boolean, nullable=False),
    Column("allow_private", Json, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("file", Boolean, nullable=False),
    Column("created", Instant, nullable=False),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body_hash", Text),
    Column("next_check", Instant, nullable=False),
    Column("checked", Instant),
    Column("succeeded", Instant),
    Column("status", Integer),
    Column("failures", Integer, nullable=False),
    Column("fault", Text),
    Column("lease_no", Integer, nullable=False),
    Column("lease_until", Instant),
    Column("rules", Json, nullable=False, server_default=text("'[]'")),
    Column("delay", Integer, nullable=False, server_default="0"),  # seconds
    Column("every", Integer),  # seconds; NULL: as its feed wishes
    Column("on_gone", Text, nullable=False, server_default="ask"),
    Column("confirm_above", Integer, nullable=False, server_default="25"),
    Column("full_text", Boolean, nullable=False, server_default=true()),  # else a summary alone (feeds:I28)
    Column("host", Text, nullable=False, server_default=""),
    Column("site", Text),  # the page its feed names as its own
    Column("pace", Json),  # what its feed last said about how often to come (`model.cadence`)
    Column("moved_to", Text),  # where it says it has moved for good,
    Column("moved_since", Instant),  # and since when it has said so without a break
    Column("polls", Integer, nullable=False, server_default="0"),
    Column("unmodified", Integer, nullable=False, server_default="0"),  # polls that brought nothing new
    Column(
        "asking", Integer
    ),  # so many items would be pushed at once; nothing is filed until a person says yes
    Column("accepted", Text),  # and this is what they said: push, quiet
    Column("answered", Instant),  # when they last said so: what was sent before counts no more
    Column("visiting", Boolean, nullable=False, server_default=false()),  # its lease is for asking its server
    Index("ix_upstreams_next_check", "next_check"),
    Index("ix_upstreams_host", "host"),
)

incoming = Table(
    "incoming",
    metadata,
    Column("upstream_id", Id, ForeignKey("upstreams.id"), primary_key=True),
    Column("identity", Text, primary_key=True),  # guid → link → hash
    Column("uid", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("seen", Instant, nullable=False),
    Column("rights", Text, nullable=False, server_default=""),  # with which it came last (feeds:I28)
    Column("first", Instant),  # when it was first seen
    Column("raw", Text),  # the hash of the entry as the feed had it: the same again is not read again
    Column("present", Boolean, nullable=False, server_default=false()),  # it is in the feed now
    Column("alias", Text),  # its identity, and its link, without scheme and host (feeds:I15)
    Column("place", Text),
    Column("dated", Text),  # the date as the feed writes it (feeds:I18)
    Column("page", Text),  # where the origin shows it
    Column("gone", Instant),  # since when it is not in the feed any more
    Column("check_at", Instant),  # when its page is asked next; NULL: it is not
    Column("checks", Integer, nullable=False, server_default="0"),  # how often it was 404 or 410, in a row
    Column(
        "departed", Instant
    ),  # since when it is certain that its origin took it down, and a person is shown it
    Index("ix_incoming_alias", "upstream_id", "alias"),
    Index("ix_incoming_place", "upstream_id", "place"),
    Index("ix_incoming_uid", "uid"),
    Index("ix_incoming_present", "upstream_id", sqlite_where=PRESENT, postgresql_where=PRESENT),
    Index("ix_incoming_check_at", "check_at", sqlite_where=CHECKED, postgresql_where=CHECKED),
)

# A hub that tells us of an upstream's changes (WebSub, the subscriber's side).
hub_subscriptions = Table(
    "hub_subscriptions",
    metadata,
    Column("upstream_id", Id, ForeignKey("upstreams.id"), primary_key=True),
    Column("hub", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("callback", Text, nullable=False, unique=True),  # the random end of our address
    Column("secret", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending, active, refused, leaving
    Column("asked", Instant),
    Column("lease_until", Instant),
    Column("next_try", Instant, nullable=False, index=True),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("fault", Text),
)

# Bodies that hubs brought, until a worker has read them.
inbox = Table(
    "inbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("upstream_id", Id, ForeignKey("upstreams.id"), nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("received", Instant, nullable=False),
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("job", Text, nullable=False),
    Column("cron", Text),
    Column("every", Text),
    Column("at", Instant),
    Column("zone", Text, nullable=False),
    Column("upstream", Text),
    Column("paused", Boolean, nullable=False),
    Column("file", Boolean, nullable=False),
    Column("created", Instant, nullable=False),
    Column(
        "since", Instant, nullable=False
    ),  # slots up to here are none of its business (made, edited, resumed)
)

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("schedule_id", Id, ForeignKey("schedules.id"), nullable=False),
    Column("slot", Instant, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started", Instant, nullable=False),
    Column("ended", Instant),
    Column("detail", Text, nullable=False),
    UniqueConstraint("schedule_id", "slot"),  # many workers ring, one runs
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started", Instant, nullable=False),
    Column("seen", Instant, nullable=False),
)

provisioned = Table(
    "provisioned",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("file", Text, nullable=False),  # which config file was reconciled last
    Column("fingerprint", Text, nullable=False),  # and what it said
)
