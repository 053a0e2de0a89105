"""What is read: upstreams, what they brought, hubs that tell us; and when things recur."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from syndicator.store.columns import Id, Instant, Json
from syndicator.store.schema.frame import metadata

PRESENT = text("present")
CHECKED = text("check_at IS NOT NULL")

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
