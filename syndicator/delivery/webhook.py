"""The webhook road: signed POSTs after Standard Webhooks, to one partner, in order.

`webhook-id` is the same on every try, so a receiver can drop what it has. No answer after bytes left is
a doubt; so is a 5xx where a doubt is held for a person (`requirements/delivery-and-security` §1.4 rule 5),
for the work may have been done before the fault. No redirect is followed; the guard pins the address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from syndicator.delivery.answers import GONE, is_final, retry_after, said
from syndicator.delivery.road import Parcel, our_fault
from syndicator.errors import Blocked, Invalid, SyndicatorError, WireFault
from syndicator.model.audience import Partner
from syndicator.model.delivery import OnUnknown, Outcome, Policy, Result, Role, Try, doubt_policy
from syndicator.model.site import Site
from syndicator.observe import logger
from syndicator.render import payload
from syndicator.store import Tx, items, partners, topics
from syndicator.wire.exchange import Reply
from syndicator.wire.http import Client

log = logger("webhook")
BATCH = 1  # one in flight: a partner gets things in order


class WebhookRoad:
    """One partner's endpoint. `client` is its own guarded client; `now` dates the signature; `policy`
    is the house's, where the partner has no wish of its own.
    """

    batch = BATCH

    def __init__(
        self,
        slug: str,
        site: Site,
        client: Callable[[Partner], Client],
        now: Callable[[], datetime],
        policy: Policy,
    ) -> None:
        self._slug = slug
        self._site = site
        self._make = client
        self._now = now
        self._policy = policy
        self._partner: Partner | None = None
        self._client: Client | None = None

    def prepare(self, tx: Tx, tries: Sequence[Try]) -> list[Parcel]:
        """The bodies of these events, as of the revision each row names."""
        self._partner = partners.named(tx, self._slug)
        titles = topics.titles(tx) if tries else {}
        return [self._parcel(tx, attempt, titles) for attempt in tries]

    def open(self) -> None:
        """Make the partner's client; it dials when it must."""
        if self._client is None and self._partner:
            self._client = self._make(self._partner)

    def carry(self, parcels: Iterable[Parcel]) -> Iterator[tuple[Parcel, Result]]:
        """POST one after the other."""
        for parcel in parcels:
            yield parcel, self._post(parcel.attempt, parcel.load)

    def close(self) -> None:
        """Hang up."""
        if self._client:
            self._client.close()
            self._client = None

    def _parcel(self, tx: Tx, attempt: Try, titles: dict[str, str]) -> Parcel:
        try:
            return Parcel(attempt, self._body(tx, attempt, titles))
        except SyndicatorError:
            raise
        except Exception as bug:  # noqa: BLE001 - our_fault logs it
            return our_fault(attempt, bug)  # of this event alone: the others must get out

    def _body(self, tx: Tx, attempt: Try, titles: dict[str, str]) -> bytes:
        if attempt.item_id is None or attempt.revision is None:
            return payload.trial(self._slug, attempt.planned)
        item = items.by_id(tx, attempt.item_id)
        assert item is not None
        revision = items.revision(tx, attempt.item_id, attempt.revision)
        person = items.spokesperson(tx, revision.content.spokesperson)
        stand_in = items.spokesperson(tx, person.stand_in) if person else None
        asked = [one for one in (person, stand_in) if one]
        return payload.event(item, revision, self._site, titles, asked, first=attempt.role is Role.OWED)

    def _post(self, attempt: Try, body: bytes) -> Result:
        assert self._partner is not None
        assert self._client is not None
        try:
            headers = signed(self._partner.secret, webhook_id(attempt), self._now(), body)
            reply = self._client.post(self._partner.url, body, headers)
            hold = doubt_policy(attempt, self._policy) is OnUnknown.HOLD
            return judge(reply, self._now(), hold=hold)
        except Blocked as fault:
            return Result(outcome=Outcome.REFUSED, detail=f"not sent: {fault}")
        except WireFault as fault:
            return Result(
                outcome=Outcome.UNKNOWN if fault.may_have_arrived else Outcome.DEFERRED, detail=str(fault)
            )
        except SyndicatorError as fault:
            return Result(outcome=Outcome.REFUSED, detail=str(fault))


def webhook_id(attempt: Try) -> str:
    """The id of an event for one partner: the same on every try, and of no meaning to others."""
    digest = hashlib.sha256(f"{attempt.subject}\n{attempt.recipient}".encode()).hexdigest()
    return f"msg_{digest[:32]}"


def signed(secret: str, event_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: id, timestamp (seconds), HMAC-SHA256 over `id.timestamp.body`.

    Raises Invalid for a secret that is none.
    """
    try:
        hook = Webhook(secret)
    except (EmptyWebhookSecretError, ValueError):
        raise Invalid("the partner's secret cannot sign: it must be whsec_ and base64") from None
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": hook.sign(event_id, now, body.decode()),
    }


def judge(reply: Reply, now: datetime, *, hold: bool = False) -> Result:
    """What a partner's answer means. 4xx is final but for those that ask to come again; 3xx and 5xx are
    tried again, with the same id. Where doubts are held (`hold`), a 5xx is one: nothing goes twice.
    """
    status = reply.status
    if 200 <= status < 300:
        return Result(outcome=Outcome.ACCEPTED, code=status, detail=f"answered {status}")
    if 300 <= status < 400:
        words = f"answered {status}: redirects are not followed; give the partner's final address"
        return Result(outcome=Outcome.DEFERRED, code=status, detail=words)
    if is_final(status):
        words = f"answered {status}{said(reply)}"
        return Result(outcome=Outcome.REFUSED, code=status, detail=words, over=status == GONE)
    if hold and status >= 500:
        return Result(
            outcome=Outcome.UNKNOWN, code=status, detail=f"answered {status}{said(reply)}; it may be done"
        )
    after = retry_after(reply.headers.get("retry-after"), now)
    return Result(
        outcome=Outcome.DEFERRED, code=status, detail=f"answered {status}{said(reply)}", after=after
    )
