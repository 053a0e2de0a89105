"""`syndicator doctor` as an operator runs it: a table, JSON, and an exit code for a script."""

from __future__ import annotations

from tests.cli.program import InProcess
from tests.make import reserved_port
from tests.wire.dns_server import Server as Dns
from tests.wire.smtp_server import Server as Relay

ZONE = {
    "chemsoc.example TXT": '"v=spf1 ip4:192.0.2.7 -all"',
    "chemsoc.example MX": "10 mx.chemsoc.example.",
    "mx.chemsoc.example A": "192.0.2.8",
    "_dmarc.chemsoc.example TXT": '"v=DMARC1; p=none"',
    "news.chemsoc.example A": "192.0.2.8",
}


def test_a_folder_needs_no_dns(lite: InProcess) -> None:
    """mail:DC1 As delivered, mail goes into a folder: nothing fails, and each check of mail says that it was skipped."""
    found = lite.json("doctor", "--resolver", f"127.0.0.1:{reserved_port()}")
    assert {"ok", "warn", "skipped"} >= {one["state"] for one in found}
    assert {"spf", "dkim", "relay"} <= {one["check"] for one in found if one["state"] == "skipped"}
    said = lite.try_("doctor", "--resolver", f"127.0.0.1:{reserved_port()}")
    assert (0, True) == (said.code, "the checks of mail were skipped" in said.err.splitlines()[-1])
    assert {"database", "media", "clock"} <= {one["check"] for one in found if one["state"] == "ok"}


def test_a_relay_and_a_zone(lite: InProcess) -> None:
    """mail:DC1 mail:MC24 What is right is ok, what fails is named on stderr with exit code 1, each with something to do."""
    with Dns(ZONE) as dns, Relay() as relay:
        lite.env |= {
            "SYNDICATOR_SITE__BASE_URL": "http://news.chemsoc.example",
            "SYNDICATOR_MAIL__TRANSPORT": "smtp",
            "SYNDICATOR_MAIL__HOST": "127.0.0.1",
            "SYNDICATOR_MAIL__PORT": str(relay.port),
            "SYNDICATOR_MAIL__TLS": "none",
            "SYNDICATOR_MAIL__FROM": "Press <press@chemsoc.example>",
        }
        said = lite.try_("doctor", "--resolver", dns.place)
        found = lite.json("doctor", "--resolver", dns.place, code=1)
    by_check = {one["check"]: one for one in found}
    well = "database relay certificate helo spf dmarc alignment mx null-mx".split()
    assert dict.fromkeys(well, "ok") == {check: by_check[check]["state"] for check in well}
    assert ("warn", "set mail.postal") == (by_check["footer"]["state"], by_check["footer"]["advice"])
    assert (1, "1 of 18 checks failed: unsubscribe") == (said.code, said.err.strip())
    assert "https" in by_check["unsubscribe"]["advice"]
    assert said.out.count("\n") == len(found)


def test_a_resolver_must_be_an_address(lite: InProcess) -> None:
    """mail:DC1 A name cannot be asked before DNS is; the house is looked at all the same."""
    lite.env |= {"SYNDICATOR_MAIL__TRANSPORT": "smtp", "SYNDICATOR_MAIL__HOST": "127.0.0.1"}
    found = lite.json("doctor", "--resolver", "dns.example", code=1)
    assert "is no DNS server" in next(one["found"] for one in found if one["check"] == "dns")
