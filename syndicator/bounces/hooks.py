"""What comes in over HTTP: whose word it is, then what it says, in that order (mail:LM16).

The bytes are kept as they came until that is clear. What is not the provider's leaves no row behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syndicator.bounces.providers import postmark, ses, sns
from syndicator.bounces.providers.fields import mapping, text
from syndicator.bounces.reading import Report
from syndicator.bounces.taking import Signs, take
from syndicator.errors import Invalid, Refused
from syndicator.model.bounce import Kind
from syndicator.observe import logger
from syndicator.store import Store

log = logger("bounces")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The providers that may tell us something; None where one is not set."""

    store: Store
    signs: Signs
    ses: sns.Desk | None = None
    postmark: str | None = None

    def knows(self, provider: str) -> bool:
        """Whether this provider may tell us something at all."""
        return (provider == ses.SOURCE and self.ses is not None) or (
            provider == postmark.SOURCE and bool(self.postmark)
        )

    def take(self, provider: str, body: bytes, authorization: str) -> Kind | None:
        """Take what a provider says; None where it only asked whether we listen.

        Raises Refused where it is not the provider's word, Invalid where nobody could understand it.
        """
        if provider == ses.SOURCE and self.ses is not None:
            return self._of_ses(self.ses, body)
        if not self.postmark or not postmark.admitted(authorization, self.postmark):
            raise Refused("the password is wrong")
        return self._record(postmark.told(_read(body), hashlib.sha256(body).hexdigest()), postmark.SOURCE)

    def _of_ses(self, desk: sns.Desk, body: bytes) -> Kind | None:
        message = _read(body)
        with self.store.read() as tx:
            now = tx.now
        desk.check(message, now)
        if message["Type"] == sns.CONFIRMATION:
            desk.confirm(message)
            log.info("subscription confirmed", topic=message["TopicArn"])
            return None
        if message["Type"] != sns.NOTIFICATION:
            return None
        try:
            event = _read(text_of(message).encode("utf-8", "replace"))
        except Invalid:  # a test from the console, in plain words
            event = {}
        return self._record(ses.told(event, text(message.get("MessageId"))), ses.SOURCE)

    def _record(self, report: Report, source: str) -> Kind:
        with self.store.begin() as tx:
            return take(tx, self.signs, report, source)


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message, however long."""
    value = message.get("Message")
    return value if isinstance(value, str) else ""


def _read(body: bytes) -> Mapping[str, Any]:
    if body.count(b"[") + body.count(b"{") > 20_000:
        raise Invalid("this is no event of a mail provider: it is nested too much")
    try:
        found = mapping(json.loads(body))
    except (ValueError, RecursionError):
        raise Invalid("this is no event of a mail provider: it is no JSON") from None
    if not found:
        raise Invalid("this is no event of a mail provider: it is no JSON object")
    return found
