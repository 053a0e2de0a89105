"""The domains we send from, asked of a real DNS server: a zone that is right, and each way to have it wrong."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from syndicator.doctor import Domains, Finding, Signing, State
from syndicator.doctor.domain import examine
from syndicator.wire.dns import Resolver
from tests.wire.dns_server import Records, Server

RELAY = "151.101.1.6"  # an address of the public internet; nobody connects to it here
OTHER = "151.101.1.7"


@cache
def pair(number: int) -> tuple[str, str]:
    """A private key as PEM, and the p= of its record."""
    key = rsa.generate_private_key(65537, 2048)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return secret.decode(), base64.b64encode(public).decode()


def dkim(number: int, front: str = "v=DKIM1; k=rsa; p=", *, key: str | None = None) -> str:
    """A record in two strings, as a key of 2048 bits needs."""
    text = front + (pair(number)[1] if key is None else key)
    return f'"{text[:250]}" "{text[250:]}"' if len(text) > 250 else f'"{text}"'


def domains(**other: Any) -> Domains:
    keys = tuple(Signing(f"news{n}", "chemsoc.example", pair(n)[0]) for n in (1, 2))
    said = {
        "sender": "chemsoc.example",
        "bounce": "bounces.chemsoc.example",
        "helo": "news.chemsoc.example",
        "relay": "relay.chemsoc.example",
        "keys": keys,
    }
    return Domains(**{**said, **other})


def zone() -> dict[str, str | list[str]]:
    """Everything as it should be."""
    return {
        "news.chemsoc.example A": OTHER,
        "relay.chemsoc.example A": RELAY,
        "6.1.101.151.in-addr.arpa PTR": "relay.chemsoc.example.",
        "bounces.chemsoc.example TXT": ['"v=spf1 mx include:spf.relay.example -all"', '"verified=yes"'],
        "bounces.chemsoc.example MX": "10 mx.chemsoc.example.",
        "mx.chemsoc.example A": OTHER,
        "spf.relay.example TXT": f'"v=spf1 ip4:{RELAY}/30 ~all"',
        "news1._domainkey.chemsoc.example TXT": dkim(1),
        "news2._domainkey.chemsoc.example TXT": dkim(2, "p="),
        "_dmarc.chemsoc.example TXT": '"v=DMARC1; p=none; rua=mailto:dmarc@chemsoc.example"',
        "chemsoc.example MX": "10 mx.chemsoc.example.",
    }


def found(records: Records, asked: Domains | None = None, **server: Any) -> dict[str, Finding]:
    with Server(records, **server) as dns:
        return {one.check: one for one in examine(asked or domains(), Resolver(dns.place, 2))}


def test_a_zone_that_is_right() -> None:
    """mail:DC1 SPF, both DKIM keys, DMARC, alignment, PTR, HELO, MX, no null MX: all ok, with nothing left to do."""
    all_of_them = found(zone())
    checks = "helo ptr spf dkim/news1 dkim/news2 dmarc alignment mx null-mx".split()
    assert dict.fromkeys(checks, State.OK) == {check: one.state for check, one in all_of_them.items()}
    assert [] == [one for one in all_of_them.values() if one.advice]


SPF, MX, DMARC = "bounces.chemsoc.example TXT", "bounces.chemsoc.example MX", "_dmarc.chemsoc.example TXT"
KEY1, KEY2 = "news1._domainkey.chemsoc.example TXT", "news2._domainkey.chemsoc.example TXT"
PTR = "6.1.101.151.in-addr.arpa PTR"
MANY = '"v=spf1 ' + " ".join(f"a:h{n}.example" for n in range(11)) + ' -all"'
WRONG: list[tuple[str, str, str | list[str] | None, str, str]] = [
    # check, record, what stands there (None: nothing), how it ends, in which words
    ("helo", "news.chemsoc.example A", None, "fail", "has no address"),
    ("ptr", PTR, None, "fail", "points back to no name"),
    ("ptr", PTR, "mx.chemsoc.example.", "fail", "which does not lead to it"),
    ("ptr", "relay.chemsoc.example A", None, "fail", "the relay, has no address"),
    ("ptr", "relay.chemsoc.example A", "127.0.0.1", "skipped", "only private addresses"),
    ("spf", SPF, None, "fail", "has no SPF record"),
    ("spf", SPF, '"v=spf10 -all"', "fail", "has no SPF record"),
    ("spf", SPF, ['"v=spf1 -all"', '"v=spf1 ~all"'], "fail", "has 2 SPF records"),
    ("spf", SPF, '"v=spf1 +all"', "fail", "lets everybody send"),
    ("spf", SPF, '"v=spf1 include:nobody.example -all"', "fail", "no SPF record stands there"),
    ("spf", SPF, '"v=spf1 ipv4:192.0.2.1 -all"', "fail", "is no term of SPF"),
    ("spf", SPF, '"v=spf1 ip4:192.0.2.1/99 -all"', "fail", "is no address range"),
    ("spf", SPF, MANY, "fail", "more than 10 look-ups"),
    ("spf", SPF, '"v=spf1 redirect=bounces.chemsoc.example"', "fail", "more than 10 look-ups"),
    ("spf", SPF, f'"v=spf1 ip4:{OTHER} -all"', "warn", f"does not name the relay's address {RELAY}"),
    ("spf", SPF, f'"v=spf1 ip4:{RELAY}"', "warn", "says nothing of other senders"),
    ("dkim/news1", KEY1, None, "fail", "no TXT record at news1._domainkey.chemsoc.example"),
    ("dkim/news2", KEY2, None, "fail", "no TXT record at news2._domainkey.chemsoc.example"),
    ("dkim/news1", KEY1, dkim(2), "fail", "not the public half"),
    ("dkim/news2", KEY2, dkim(1), "fail", "not the public half"),
    ("dkim/news1", KEY1, dkim(1, key=""), "fail", "revoked"),
    ("dkim/news1", KEY1, '"v=DKIM1; k=rsa"', "fail", "there is no p="),
    ("dkim/news1", KEY1, dkim(1, key="%%%"), "fail", "no base64"),
    ("dkim/news1", KEY1, '"nonsense"', "fail", "is no tag"),
    ("dkim/news1", KEY1, dkim(1, "v=DKIM2; p="), "fail", "is not DKIM1"),
    ("dkim/news1", KEY1, dkim(1, "k=ed25519; p="), "fail", "the key that signs here is rsa"),
    ("dkim/news1", KEY1, dkim(1, "h=sha1; p="), "fail", "does not allow sha256"),
    ("dkim/news1", KEY1, dkim(1, "s=other; p="), "fail", "does not allow mail"),
    ("dkim/news1", KEY1, [dkim(1), dkim(2)], "fail", "more than one TXT record"),
    ("dkim/news1", KEY1, dkim(1, "t=y:s; p="), "warn", "take it for a test"),
    ("dmarc", DMARC, None, "fail", "has no DMARC record"),
    ("dmarc", DMARC, ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'], "fail", "more than one DMARC"),
    ("dmarc", DMARC, '"v=DMARC1; p=all"', "fail", "is none of none, quarantine, reject"),
    ("mx", MX, None, "fail", "has no MX record: bounces are lost"),
    ("mx", MX, "10 nobody.example.", "fail", "nobody.example, which has no address"),
    ("null-mx", MX, "0 .", "fail", "bounces.chemsoc.example says that it takes no mail"),
    ("null-mx", "chemsoc.example MX", "0 .", "fail", "chemsoc.example says that it takes no mail"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "name", "said", "state", "words"), WRONG)
def test_what_is_wrong_is_said(
    check: str, name: str, said: str | list[str] | None, state: str, words: str
) -> None:
    """mail:DC1 Each fault is found by its own check, in words, with something to do about it."""
    records = zone()
    if said is None:
        del records[name]
    else:
        records[name] = said
    asked = domains() if check.startswith("dkim") else domains(keys=())  # to load a key takes a while
    one = found(records, asked)[check]
    assert (state, True) == (one.state, words in one.words), one
    assert one.advice or state == "skipped"


def test_silence_of_dns_is_not_absence() -> None:
    """mail:DC1 SERVFAIL fails the one check and says to ask again, not to publish what may be there."""
    all_of_them = found(zone(), domains(keys=()), broken=["_dmarc.chemsoc.example"])
    assert "no DNS server answers" in all_of_them["dmarc"].words
    assert "ask again" in all_of_them["dmarc"].advice
    assert State.OK == all_of_them["mx"].state


ALIGNED: list[tuple[Mapping[str, Any], str, str, str]] = [
    ({"keys": ()}, "p=none", "ok", "the relay signs"),
    ({"keys": (), "bounce": "esp.example"}, "p=none", "fail", "nothing here speaks for From"),
    ({"bounce": "esp.example"}, "p=none", "warn", "only DKIM speaks for From"),
    ({}, "p=none; aspf=s", "warn", "only DKIM speaks for From"),
    ({"sender": "press.chemsoc.example"}, "p=reject", "ok", "chemsoc.example signs"),
    ({"sender": "press.chemsoc.example"}, "p=reject; adkim=s", "fail", "DKIM does not speak for From"),
]


@pytest.mark.parametrize(("other", "policy", "state", "words"), ALIGNED)
def test_alignment(other: Mapping[str, Any], policy: str, state: str, words: str) -> None:
    """mail:DC1 What authenticates must speak for the From domain, to the letter where DMARC asks for it."""
    records = {**zone(), "_dmarc.chemsoc.example TXT": f'"v=DMARC1; {policy}"'}
    one = found(records, domains(**other))["alignment"]
    assert (state, True) == (one.state, words in one.words), one


def test_no_key_here_means_the_relay_signs() -> None:
    """mail:DC1 Without [[dkim]] there is nothing to compare: skipped, and how to find out."""
    one = found(zone(), domains(keys=()))["dkim"]
    assert (State.SKIPPED, True) == (one.state, "DKIM-Signature" in one.advice)


def test_a_bare_address_is_no_name_to_greet_with() -> None:
    """mail:DC1 HELO with an address is refused by many."""
    assert State.FAIL == found(zone(), domains(helo="192.0.2.1", keys=()))["helo"].state


def test_a_domain_without_mx_may_have_an_address() -> None:
    """mail:DC1 Bounces then go to that address (RFC 5321 §5.1): a warning, no failure."""
    records = {**zone(), "bounces.chemsoc.example A": OTHER}
    del records["bounces.chemsoc.example MX"]
    assert State.WARN == found(records, domains(keys=()))["mx"].state


def test_a_private_key_stays_private() -> None:
    """security:S11 The key is in no repr."""
    assert "PRIVATE" not in repr(domains())
