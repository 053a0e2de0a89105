"""What comes in over HTTP: whose word it is, then what it says, in that order (mail:LM16).

The bytes are kept as they came until that is clear. What is not the provider's leaves no row behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from syndicator.bounces.providers import mailgun, postmark, sendgrid, ses, sns
from syndicator.bounces.providers.fields import mapping, text
from syndicator.bounces.reading import Report
from syndicator.bounces.taking import Signs, event_key, hold, take
from syndicator.errors import Invalid, Refused
from syndicator.observe import logger
from syndicator.store import Store, bounces

log = logger("bounces")
BATCH = 10  # events in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The providers that may tell us something; None where one is not set.

    `postmark` is a password, `mailgun` the key it signs with, `sendgrid` its public key in base64.
    """

    store: Store
    signs: Signs
    ses: sns.Desk | None = None
    postmark: str | None = None
    mailgun: str | None = None
    sendgrid: str | None = None

    def knows(self, provider: str) -> bool:
        """Whether this provider may tell us something at all."""
        return provider in self._doors()

    def take(self, provider: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Take what a provider says; `headers` by names in small letters.

        Raises Refused where it is not the provider's word, Invalid where nobody could understand it.
        """
        door = self._doors().get(provider)
        if door is None:
            raise Refused("this provider is not set under [bounces]")
        door(body, headers)

    def _doors(self) -> Mapping[str, Callable[[bytes, Mapping[str, str]], None]]:
        doors: dict[str, Callable[[bytes, Mapping[str, str]], None]] = {}
        if self.ses is not None:
            doors[ses.SOURCE] = partial(self._of_ses, self.ses)
        if self.postmark:
            doors[postmark.SOURCE] = partial(self._of_postmark, self.postmark)
        if self.mailgun:
            doors[mailgun.SOURCE] = partial(self._of_mailgun, self.mailgun)
        if self.sendgrid:
            doors[sendgrid.SOURCE] = partial(self._of_sendgrid, self.sendgrid)
        return doors

    def _of_ses(self, desk: sns.Desk, body: bytes, _: Mapping[str, str]) -> None:
        message = _read(body)
        desk.check(message, self._now())
        if message["Type"] == sns.CONFIRMATION:
            desk.confirm(message)
            log.info("subscription confirmed", topic=message["TopicArn"])
        if message["Type"] != sns.NOTIFICATION:
            return
        try:
            event = _read(text_of(message).encode("utf-8", "replace"))
        except Invalid:  # a test from the console, in plain words
            event = {}
        if not ses.silent(event):
            self._record([ses.told(event, text(message.get("MessageId")))], ses.SOURCE)

    def _of_postmark(self, secret: str, body: bytes, headers: Mapping[str, str]) -> None:
        if not postmark.admitted(headers.get("authorization", ""), secret):
            raise Refused("the password is wrong")
        event = _read(body)
        if not postmark.silent(event):
            self._record([postmark.told(event, _hash(body))], postmark.SOURCE)

    def _of_mailgun(self, key: str, body: bytes, _: Mapping[str, str]) -> None:
        said = _read(body)
        token = mailgun.token_of(said, key, self._now())
        event = mapping(said.get("event-data"))
        report = mailgun.told(event, _hash(body))
        # All it says, not its id: who has seen a token could write any words, or another recipient, below that.
        words = _hash(json.dumps(event, sort_keys=True).encode())
        with self.store.begin() as tx:
            if not bounces.spend(tx, f"{mailgun.SOURCE}-token/{token}", mailgun.SOURCE, words):
                raise Refused("the token was used for another event")
            if not mailgun.silent(event):
                take(tx, self.signs, report, mailgun.SOURCE)

    def _of_sendgrid(self, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        sendgrid.check(key, body, headers, self._now())
        events, whole = _listed(body), _hash(body)
        reports = [
            sendgrid.told(event, f"{whole}/{place}")
            for place, event in enumerate(map(mapping, events))
            if not sendgrid.silent(event)
        ]
        self._record(reports, sendgrid.SOURCE)

    def _record(self, reports: Sequence[Report], source: str) -> None:
        """Take these, some in one transaction: what breaks off is told again, and what was taken stays taken."""
        for start in range(0, len(reports), BATCH):
            some = reports[start : start + BATCH]
            with self.store.begin() as tx:
                known = bounces.known(tx, [event_key(source, one) for one in some])
                fresh = [one for one in some if event_key(source, one) not in known]
                hold(tx, fresh)
                for report in fresh:
                    take(tx, self.signs, report, source)

    def _now(self) -> datetime:
        with self.store.read() as tx:
            return tx.now


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message, however long."""
    value = message.get("Message")
    return value if isinstance(value, str) else ""


def _read(body: bytes) -> Mapping[str, Any]:
    found = mapping(_parsed(body))
    if not found:
        raise Invalid("this is no event of a mail provider: it is no JSON object")
    return found


def _listed(body: bytes) -> list[Any]:
    found = _parsed(body)
    if not isinstance(found, list):
        raise Invalid("these are no events of a mail provider: it is no JSON array")
    return found


def _parsed(body: bytes) -> Any:
    if body.count(b"[") + body.count(b"{") > 20_000:
        raise Invalid("this is no event of a mail provider: it is nested too much")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid("this is no event of a mail provider: it is no JSON") from None


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
