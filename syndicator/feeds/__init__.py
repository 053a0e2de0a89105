"""Stale topics → documents: render what changed, join, and store bytes that differ (walk A).

Feeds are bytes at rest: the same items give the same bytes and the same ETag. `rebuild` takes stale
topics and stores their live documents, `archive` closes pages of what no longer fits there and cuts
out what was withdrawn, `fragments` renders the items that changed, and `plan` holds the decisions,
which are pure. Beside them `export` writes what is stored as files, and `check` has it judged; both are
imported by name, for who builds feeds needs neither. Pages for people and drafts are none of this room's business.
"""

from syndicator.feeds.fragments import look
from syndicator.feeds.rebuild import Rebuilt, next_stale, rebuild_stale

__all__ = ["Rebuilt", "look", "next_stale", "rebuild_stale"]
