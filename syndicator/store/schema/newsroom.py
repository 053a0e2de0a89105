"""What is public and what is to be: items, topics, their documents, releases."""

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

from syndicator.store.columns import Id, Instant, Json, RuleJson
from syndicator.store.schema.frame import metadata

LIVE_ONLY = text("gone IS NULL")
OPEN_ONLY = text("gone IS NULL AND page IS NULL")
DOOMED = text("gone IS NOT NULL AND NOT cut")
RULED = text("rule IS NOT NULL")

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
    Column("marked", Text),  # what the note's correction changed, as HTML
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
    Column("marked", Text),  # a correction: what it changed, sentence by sentence, as HTML
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
    Column("drafted_by", Text),  # whose words these are; where four eyes are asked for, another approves
    Column("approved_by", Text),
    Column("approved", Instant),
    Column("advance", Instant),  # when accredited contacts get their copy; NULL: they get none
    Column("moves", Integer, nullable=False, server_default="0"),  # of its embargo: a calendar's SEQUENCE
    Column("released", Instant),  # when it became an item
    Column("upstream", Text),
    Column("reason", Text),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    Column("previews", Integer, nullable=False, server_default="0"),  # generation of links to previews
    Index("ix_releases_state_at", "state", "at"),
    Index("ix_releases_upstream", "upstream"),
)

release_versions = Table(
    "release_versions",
    metadata,
    Column("release_id", Id, ForeignKey("releases.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("base", Text, nullable=False),  # the fingerprint an edit names as what it was made from
    Column("content", Json, nullable=False),
    Column("embargo_until", Instant),
    Column("embargo_zone", Text),
    Column("embargo_wall", Text),
    Column("drafted_by", Text),
    Column("created", Instant, nullable=False),
)

embargo_notices = Table(
    "embargo_notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("release_id", Id, ForeignKey("releases.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # moved, lifted, cancelled
    Column("before", Instant),  # the end of the embargo as it was told
    Column("after", Instant),  # and as it is now
    Column("words", Text),
    Column("created", Instant, nullable=False),
    UniqueConstraint("release_id", "number"),
)

media = Table(
    "media",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),  # SHA-256 of the bytes: the file under media_dir
    Column("name", Text, nullable=False, unique=True),  # nobody can guess it; refused before an item shows it
    Column("type", Text, nullable=False),
    Column("length", Integer, nullable=False),
    Column("width", Integer, nullable=False, server_default="0"),
    Column("height", Integer, nullable=False, server_default="0"),
    Column("filename", Text, nullable=False, server_default=""),
    Column("created", Instant, nullable=False),
    Column("released", Instant),
    Column("redacted", Instant),  # wiped; the same bytes are refused from now on
)

media_uses = Table(
    "media_uses",
    metadata,
    Column("media_id", Id, ForeignKey("media.id"), primary_key=True),
    Column("uid", Text, primary_key=True),  # of a release or an item
    Column(
        "shown", Instant
    ),  # since when the item's present words show it; NULL: they do not, or are not out
    Index("ix_media_uses_uid", "uid"),
)

# What was redacted: nothing becomes public or is drafted under these uids again.
redacted = Table(
    "redacted",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("at", Instant, nullable=False),
)

boilerplates = Table(
    "boilerplates",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),  # Markdown
)
