"""The delivery ledger: one row per (subject, recipient); what was planned, tried and became of it.

`owed` and `told` add duties inside the publishing transaction, `pings` those to hubs, `claims` takes them to the wire and back,
`rows` shows them to operators. `delivery_contents` says which revisions a delivery carried, and so
who had what. Serves walk B.
"""

from syndicator.store.deliveries.advances import (
    Had,
    advances_waiting,
    cancel_advances,
    cancel_notices,
    carry_over,
    had,
    latest_had,
    plan_advances,
    plan_notices,
    was_told,
)
from syndicator.store.deliveries.claims import (
    cancel_for_subscription,
    claim,
    give_back,
    renew,
    start,
)
from syndicator.store.deliveries.destinations import (
    Incident,
    Lane,
    condition,
    due_lanes,
    lane_failed,
    lane_over,
    lane_works,
    lanes,
    next_due,
    pause,
    resume,
    stopped,
    unasked,
)
from syndicator.store.deliveries.domains import Domain
from syndicator.store.deliveries.domains import listing as domains_at_rest
from syndicator.store.deliveries.duties import MAIL_LANE, record_shown
from syndicator.store.deliveries.owed import plan_confirmation, plan_mailbox, plan_owed, plan_test
from syndicator.store.deliveries.pings import plan_changes, plan_pings, prune_pings
from syndicator.store.deliveries.rows import (
    Attempt,
    Delivery,
    attempts,
    contents,
    counts,
    letter,
    listing,
    named,
    open_count,
    resolve,
    retry,
    retry_late,
)
from syndicator.store.deliveries.settling import recover, settle_all
from syndicator.store.deliveries.suspicion import stop_key, suspicion
from syndicator.store.deliveries.told import (
    Radius,
    cancel_unsent,
    newcomers,
    plan_told,
    radius,
    replace_unsent,
    somebody_had,
)
from syndicator.store.deliveries.trying import locked

__all__ = [
    "MAIL_LANE",
    "Attempt",
    "Delivery",
    "Domain",
    "Had",
    "Incident",
    "Lane",
    "Radius",
    "advances_waiting",
    "attempts",
    "cancel_advances",
    "cancel_for_subscription",
    "cancel_notices",
    "cancel_unsent",
    "carry_over",
    "claim",
    "condition",
    "contents",
    "counts",
    "domains_at_rest",
    "due_lanes",
    "give_back",
    "had",
    "lane_failed",
    "lane_over",
    "lane_works",
    "lanes",
    "latest_had",
    "letter",
    "listing",
    "locked",
    "named",
    "newcomers",
    "next_due",
    "open_count",
    "pause",
    "plan_advances",
    "plan_changes",
    "plan_confirmation",
    "plan_mailbox",
    "plan_notices",
    "plan_owed",
    "plan_pings",
    "plan_test",
    "plan_told",
    "prune_pings",
    "radius",
    "record_shown",
    "recover",
    "renew",
    "replace_unsent",
    "resolve",
    "resume",
    "retry",
    "retry_late",
    "settle_all",
    "somebody_had",
    "start",
    "stop_key",
    "stopped",
    "suspicion",
    "unasked",
    "was_told",
]
