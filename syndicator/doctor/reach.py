"""Whom we must reach and who must reach us: the relay and its certificate, and the links in our mail (mail:DC1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from syndicator.doctor.finding import Finding, fail, guarded, ok, skipped, warn
from syndicator.model.audience import Subscription
from syndicator.store import Store, audience
from syndicator.wire.http import Client
from syndicator.wire.look import look
from syndicator.wire.relay import Relay

SOON_OVER = timedelta(days=21)  # a certificate is renewed 30 days ahead; by now somebody should have noticed
ONE_CLICK = b"List-Unsubscribe=One-Click"  # RFC 8058 §3.1
NOBODY = 0  # no subscription has this id: a token for it ends nothing


def relay_session(relay: Relay, now: datetime) -> Iterator[Finding]:
    """Whether the relay takes us, and how long its certificate is good for."""
    advice = "check [mail] host, port, tls, username, password and ca_file, and whether the relay is up"
    yield from guarded("relay", partial(_session, relay, now), advice)


def unsubscribe(
    base_url: str, link: Callable[[int], str], client: Client, store: Store | None, live: Subscription | None
) -> Iterator[Finding]:
    """Whether mail programs can unsubscribe their readers: RFC 8058 through whatever stands before us.

    `link` makes the address of a subscription's id. GET is asked with the token of `live`, which must stay
    as it is; POST with a token of nobody's, which is answered alike and ends nothing.
    """
    parts = urlsplit(base_url)
    if parts.scheme != "https":
        words = f"{base_url} is not https: no mail program offers one-click unsubscribe (RFC 8058 §3.1)"
        yield fail(
            "unsubscribe", words, "put a certificate before the web process and set site.base_url to https"
        )
        return
    advice = "the public must reach the web process under site.base_url: check the name, the certificate and the proxy"
    yield from guarded("unsubscribe", partial(_one_click, link, client, store, live), advice)


def footer(postal: str) -> Iterator[Finding]:
    """Whether mail says where its sender can be reached by post (mail:MC24; CAN-SPAM, 16 CFR 316)."""
    if postal.strip():
        yield ok("footer", "mail bears our postal address")
    else:
        words = "mail bears no postal address, which many countries ask of whoever mails to many"
        yield warn("footer", words, "set mail.postal")


def newest_live(store: Store) -> Subscription | None:
    """A live subscription to look at; None on an empty list."""
    with store.read() as tx:
        return audience.newest_live(tx)


def _session(relay: Relay, now: datetime) -> Iterator[Finding]:
    seen = look(relay)
    name = f"{relay.host}:{relay.port}"
    speed = "" if seen.offer.pipelining else "; it offers no PIPELINING, mail will be slow"
    yield ok("relay", f"{name} takes us{speed}")
    if seen.certified_until is None:
        words = f"the connection to {name} is not secured (mail.tls is none)"
        if relay.host in {"localhost", "127.0.0.1", "::1"}:
            yield ok("certificate", f"{words}; it does not leave this machine")
        else:
            advice = "set mail.tls to starttls or tls: mail under embargo does not go out without"
            yield fail("certificate", words, advice)
        return
    left = seen.certified_until - now
    words = f"the certificate of {name} is valid for {left.days} more days"
    if left < SOON_OVER:
        yield warn("certificate", words, "have it renewed: a day after its end no mail goes out")
    else:
        yield ok("certificate", words)


def _one_click(
    link: Callable[[int], str], client: Client, store: Store | None, live: Subscription | None
) -> Iterator[Finding]:
    got = client.get(link(live.id if live else NOBODY))
    if got.status != 200:  # a redirect, too: the client follows none
        yield fail("unsubscribe", f"GET answers {got.status}", "let the proxy hand /media-list/ on as it is")
        return
    if live and store and _state(store, live) != live.state:
        yield fail(
            "unsubscribe",
            f"looking at the link ended subscription {live.id}: virus scanners will unsubscribe people",
            "what answers there is not this version of the program: update it, or look at the proxy",
        )
        return
    form = {"content-type": "application/x-www-form-urlencoded"}
    posted = client.post(link(NOBODY), ONE_CLICK, form)
    if posted.status != 200:
        words = f"POST answers {posted.status}"
        yield fail(
            "unsubscribe", words, "let the proxy hand POST on without a check of origin, login or redirect"
        )
    else:
        yield ok("unsubscribe", "GET and POST answer 200 over https, and GET changes nothing")


def _state(store: Store, live: Subscription) -> object:
    with store.read() as tx:
        return audience.subscription(tx, live.id).state


def not_mailed(words: str) -> Iterator[Finding]:
    """Every check of mail, skipped for one reason."""
    for check in "relay certificate unsubscribe footer helo ptr spf dkim dmarc alignment mx null-mx".split():
        yield skipped(check, words)
