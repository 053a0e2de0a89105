"""The media list: contacts and what they want, what they said yes to, whom not to mail, what came back."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, false, text

from syndicator.store.columns import Id, Instant, Json
from syndicator.store.schema.frame import metadata

NOT_ENDED = text("state <> 'ended'")
NOT_OVER = text("ended IS NULL")
UNDECIDED = text("decided IS NULL")
MAILED = text("state IN ('asked', 'known', 'confirmed')")
ONCE = text("sort = 'source'")

contacts = Table(
    "contacts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False, server_default=""),  # of the key, as suppressions know it
    Column("domain", Text, nullable=False, server_default=""),  # of the address, in A-labels
    Column("name", Text, nullable=False),
    Column("outlet", Text, nullable=False),
    Column("country", Text, nullable=False, server_default=""),  # ISO 3166-1 alpha-2, or empty
    Column("language", Text, nullable=False, server_default=""),  # empty: the newsroom's
    Column("zone", Text, nullable=False),
    # When digests come, by the clock on the contact's wall; which of these count depends on the cadence.
    Column("hour", Integer, nullable=False, server_default="8"),
    Column("weekday", Integer, nullable=False, server_default="0"),  # 0 is Monday
    Column("monthday", Integer, nullable=False, server_default="1"),  # past the end of a month: its last day
    Column("nth", Integer, nullable=False, server_default="1"),  # n-th weekday of the month; 5 is the last
    Column(
        "capped", Boolean, nullable=False, server_default=false()
    ),  # "never more than this", urgent or not
    Column("text_only", Boolean, nullable=False, server_default=false()),  # letters without their HTML part
    Column("paused_until", Instant),
    Column("standing", Text, nullable=False, server_default="listed"),
    Column("basis", Text),  # the lawful basis somebody recorded in place of the contact's own yes
    Column("owner", Text),  # of a desk's address: who is told when it leaves
    Column("notes", Text, nullable=False, server_default=""),
    Column("generation", Integer, nullable=False, server_default="0"),  # of the links to preferences
    Column("press_generation", Integer, nullable=False, server_default="0"),  # of the private page and feed
    Column("created", Instant, nullable=False),
    Index("ix_contacts_digest", "digest"),
)

contact_tags = Table(
    "contact_tags",
    metadata,
    Column("contact_id", Id, ForeignKey("contacts.id"), primary_key=True),
    Column("tag", Text, primary_key=True),
    Index("ix_contact_tags_tag", "tag"),
)

segments = Table(
    "segments",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("rule", Json, nullable=False),
    Column("created", Instant, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("key", Text, primary_key=True),  # the digest of an address, or "@domain"
    Column("reason", Text, nullable=False),  # one of model.suppression.Reason
    Column("words", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, server_default=""),
    Column("created", Instant, nullable=False),
    Column("expires", Instant),
)

consents = Table(
    "consents",
    metadata,
    # Every wording somebody said yes to, kept as long as anybody's evidence names it.
    Column("hash", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("created", Instant, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Id, primary_key=True),
    Column("contact_id", Id, ForeignKey("contacts.id")),
    Column("digest", Text, nullable=False),
    Column("act", Text, nullable=False),  # requested, asked, confirmed, imported, changed, left, basis
    Column("at", Instant, nullable=False),
    Column("network", Text),  # an IP address without its end
    Column("agent", Text),
    Column("form", Text),
    Column("consent", Text),  # the hash of the wording
    Column("language", Text),
    Column("source", Text),
    Column("message_id", Text),
    Column("person", Text),  # of ours, where one acted
    Column("detail", Json, nullable=False),
    Index("ix_evidence_contact_id", "contact_id"),
    Index("ix_evidence_digest", "digest"),
)

requests = Table(
    "requests",
    metadata,
    # What somebody typed into the form. Nothing of it counts until the owner of the address says yes.
    Column("id", Id, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("mailbox", Text, nullable=False, server_default=""),  # digest without a plus and what follows it
    Column("domain", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("wish", Json, nullable=False),  # address, name, outlet, country, language, zone, topics, cadence
    Column("consent", Text, nullable=False),
    Column("state", Text, nullable=False),  # one of model.joining.RequestState
    Column("created", Instant, nullable=False),
    Column("confirmed", Instant),
    Column("contact_id", Id, ForeignKey("contacts.id")),
    Index("ix_requests_digest", "digest", "created"),
    Index("ix_requests_mailbox", "mailbox", "created"),
    # What limits count: sign-ups that mailed something, so a flood that mails nothing costs no count anything.
    Index("ix_requests_domain", "domain", "created", sqlite_where=MAILED, postgresql_where=MAILED),
    Index("ix_requests_network", "network", "created", sqlite_where=MAILED, postgresql_where=MAILED),
    Index("ix_requests_created", "created", sqlite_where=MAILED, postgresql_where=MAILED),
    Index("ix_requests_contact_id", "contact_id"),
)

moves = Table(
    "moves",
    metadata,
    # A change of address that is waited for: confirmed at the new one, told at the old.
    Column("id", Id, primary_key=True),
    Column("contact_id", Id, ForeignKey("contacts.id"), nullable=False),
    Column("address", Text, nullable=False),
    Column("created", Instant, nullable=False),
    Column("confirmed", Instant),
    Index("ix_moves_contact_id", "contact_id"),
)

letters = Table(
    "letters",
    metadata,
    # What a letter about somebody's own affairs says, beside its sort: farewell, magic link, already known ...
    Column("id", Id, primary_key=True),
    Column("sort", Text, nullable=False),
    Column("contact_id", Id, ForeignKey("contacts.id")),
    Column("about", Id),  # the row its link is about
    Column("facts", Json, nullable=False),
    Column("created", Instant, nullable=False),
    Index("ix_letters_contact_id", "contact_id"),
    # Where their address is from is told to a contact once ever.
    Index("uq_letters_source", "contact_id", unique=True, sqlite_where=ONCE, postgresql_where=ONCE),
)

accreditations = Table(
    "accreditations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("contact_id", Id, ForeignKey("contacts.id"), nullable=False),
    Column("granted", Instant, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("until", Instant),
    Column("agreement", Text, nullable=False),  # which text they agreed to, and how that is known
    Column("ended", Instant),
    Column("reason", Text),
    Index(
        "uq_accreditations_live",
        "contact_id",
        unique=True,
        sqlite_where=NOT_OVER,
        postgresql_where=NOT_OVER,
    ),
    Index("ix_accreditations_contact_id", "contact_id"),
)

applications = Table(
    "applications",
    metadata,
    # Somebody asks to be accredited; a person of ours decides.
    Column("id", Id, primary_key=True),
    Column("contact_id", Id, ForeignKey("contacts.id"), nullable=False),
    Column("words", Text, nullable=False),
    Column("consent", Text, nullable=False),  # the hash of the agreement
    Column("created", Instant, nullable=False),
    Column("decided", Instant),
    Column("decided_by", Text),
    Column("granted", Boolean),
    Column("reason", Text),
    Index(
        "uq_applications_open",
        "contact_id",
        unique=True,
        sqlite_where=UNDECIDED,
        postgresql_where=UNDECIDED,
    ),
)

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
    Column("since", Instant),  # items pushed from here on are for it; NULL: from its beginning
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
    # With whose each is: a release asks for all of them, and need not look at the rows on SQLite.
    Index("ix_subscriptions_topic_id", "topic_id", "state", "cadence", "contact_id"),
    Index("ix_subscriptions_contact_id", "contact_id"),
)

pushes = Table(
    "pushes",
    metadata,
    # An item entered a topic while it was to be pushed: what digests are made of, whoever reads them.
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True),
    Column("topic_id", Id, ForeignKey("topics.id"), primary_key=True),
    Column("at", Instant, nullable=False),
    Index("ix_pushes_at", "at"),
    Index("ix_pushes_topic_id", "topic_id", "at"),
)

windows = Table(
    "windows",
    metadata,
    # The digest a contact waits for, by cadence: half-open, so that one begins where the one before it ended.
    Column("contact_id", Id, ForeignKey("contacts.id"), primary_key=True),
    Column("cadence", Text, primary_key=True),
    Column("opened", Instant, nullable=False),
    Column("closes", Instant, nullable=False),
    Index("ix_windows_closes", "closes", "contact_id", "cadence"),  # in the order they are planned
)

bounces = Table(
    "bounces",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "event", Text, nullable=False, unique=True
    ),  # what makes a replay the same: provider's id, or a hash
    Column("at", Instant, nullable=False),
    Column("source", Text, nullable=False),  # smtp, imap, lmtp, or a provider
    Column("kind", Text, nullable=False),  # one of model.bounce.Kind
    Column("contact_id", Id, ForeignKey("contacts.id")),
    Column("delivery_id", Id),
    Column("code", Text),  # RFC 3463, where one was given
    Column("detail", Text, nullable=False),  # addresses masked
    Index("ix_bounces_contact_id", "contact_id"),
    Index("ix_bounces_at", "at"),
)

mailboxes = Table(
    "mailboxes",
    metadata,
    # How far a folder of incoming mail was read (RFC 9051 section 2.3.1.1).
    Column("name", Text, primary_key=True),
    Column("validity", Id, nullable=False),
    Column("uid", Id, nullable=False),
    Column("seen", Instant, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("basis", Text),
    Column("counts", Json, nullable=False),
    Column("undone", Instant),
)

import_rows = Table(
    "import_rows",
    metadata,
    # What an import made, so that it can be taken back as one act.
    Column("import_id", Id, ForeignKey("imports.id"), primary_key=True),
    Column("sort", Text, primary_key=True),  # contact, subscription, suppression, tag
    Column("key", Text, primary_key=True),
)

newsletters = Table(
    "newsletters",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("state", Text, nullable=False),  # open, approved, sent, cancelled
    Column("slot", Instant, nullable=False, unique=True),  # when it is to go out
    Column("opened", Instant, nullable=False),  # its window of items, half-open
    Column("closes", Instant, nullable=False),
    Column("title", Text, nullable=False),
    Column("headline", Text, nullable=False, server_default=""),  # empty: its name and month
    Column("introduction", Text, nullable=False),
    Column("approved", Instant),
    Column("approved_by", Text),
    Column("reminded", Instant),  # the editor
    Column("escalated", Instant),  # whoever stands in, too
    Column("uid", Text),  # of the item it was published as
    Column("created", Instant, nullable=False),
)

newsletter_items = Table(
    "newsletter_items",
    metadata,
    Column("newsletter_id", Id, ForeignKey("newsletters.id"), primary_key=True),
    Column("item_id", Id, ForeignKey("items.id"), primary_key=True),
    Column("choice", Text, nullable=False),  # include, next, never
    Column("position", Integer, nullable=False),
    Column("chosen_by", Text),
)

newsletter_blocks = Table(
    "newsletter_blocks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("newsletter_id", Id, ForeignKey("newsletters.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # event, job, link
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("at", Instant),
    Column("place", Text, nullable=False),
    UniqueConstraint("newsletter_id", "position"),
)
