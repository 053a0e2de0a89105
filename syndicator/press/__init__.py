"""Releases: draft, approve, schedule, publish, lift, cancel — and what goes out when its instant comes (walk B).

Nothing here is public until `release_due`, `publish_now` or `lift` hands it to `publish` in one transaction:
page, feed and mail duty appear together or not at all. A release nobody approved never goes by itself: at
its embargo it becomes *missed*. `drafts` holds what is done to the words, `moves` what is decided about them,
`lifting` the moment they become public, `told` who gets the new words; what those hear who had a copy is in
`syndicator.embargo`, for `ingest` moves releases, too.
"""

from syndicator.press.drafts import approve, draft
from syndicator.press.lifting import Released, lift, next_release, publish_now, release_due
from syndicator.press.moves import cancel, reschedule, schedule
from syndicator.press.rules import RULES, Rules

__all__ = [
    "RULES",
    "Released",
    "Rules",
    "approve",
    "cancel",
    "draft",
    "lift",
    "next_release",
    "publish_now",
    "release_due",
    "reschedule",
    "schedule",
]
