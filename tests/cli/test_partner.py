"""`syndicator partner` and `syndicator delivery`: the road to a machine, and what became of what went there."""

import json
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from tests.cli.endpoint import Endpoint, endpoint
from tests.cli.program import InProcess

ALLOW = ("--allow-private", "127.0.0.0/8")


@pytest.fixture
def hook() -> Iterator[Endpoint]:
    """A partner's webhook."""
    with endpoint() as made:
        yield made


def test_a_minted_secret_is_printed_once(cli: InProcess) -> None:
    """stdout is the secret and nothing else; no listing shows it again."""
    secret = cli("partner", "add", "wire", "--url", "https://wire.example/hook", "--kinds", "news").strip()
    assert secret.startswith("whsec_")
    (listed,) = cli.json("partner", "list")
    assert ("wire", "webhook", ["news"]) == (listed["slug"], listed["channel"], listed["kinds"])
    assert secret not in cli("partner", "list", "--json") + cli("partner", "list")
    assert 6 == cli.try_("partner", "add", "wire", "--url", "https://wire.example/hook").code


def test_a_given_secret_is_not_repeated(cli: InProcess) -> None:
    """With --secret only the slug is printed."""
    secret = "whsec_" + "QUJD" * 8
    out = cli("partner", "add", "wire", "--url", "https://wire.example/hook", "--secret", secret)
    assert "wire\n" == out


def test_a_secret_may_come_by_stdin(lite: InProcess, hook: Endpoint) -> None:
    """With --secret - no list of processes shows it; what is no secret is refused, and none is made instead."""
    secret = "whsec_" + "QUJD" * 8
    add = ("partner", "add", "wire", "--url", hook.url, *ALLOW, "--secret", "-")
    for nothing in ("", "short\n"):
        assert 2 == lite.try_(*add, stdin=nothing).code
    assert "wire\n" == lite(*add, stdin=f"{secret}\nmore\n")
    lite("partner", "test", "wire")
    ((headers, body),) = hook.got
    assert "partner.test" == Webhook(secret).verify(body, headers)["type"]


def test_a_trial_is_a_signed_post_on_record(cli: InProcess, hook: Endpoint) -> None:
    """`partner test` sends now, verifiable with the secret, and the ledger has it (delivery:W1)."""
    secret = cli("partner", "add", "wire", "--url", hook.url, *ALLOW).strip()
    delivery = cli.json("partner", "test", "wire")
    ((headers, body),) = hook.got
    assert "partner.test" == Webhook(secret).verify(body, headers)["type"]
    assert ("accepted", 1, "accepted") == tuple(
        delivery[name] for name in ("state", "attempts", "last_outcome")
    )
    assert 1 == len(delivery["tries"])
    assert [delivery["id"]] == [row["id"] for row in cli.json("delivery", "list", "--subject", "test/wire/")]


def test_a_trial_that_is_not_accepted_exits_1(lite: InProcess, hook: Endpoint) -> None:
    """What the partner answered is printed; data on stdout, the log on stderr."""
    hook.status = 500
    lite("partner", "add", "wire", "--url", hook.url, *ALLOW)
    said = lite.try_("partner", "test", "wire")
    assert 1 == said.code
    assert "500" in said.out
    assert 1 == said.out.count("\n")


def test_a_paused_partner_is_sent_nothing(cli: InProcess, hook: Endpoint) -> None:
    """Refused with the command that resumes it; after that it is sent to again."""
    cli("partner", "add", "wire", "--url", hook.url, *ALLOW)
    cli("partner", "pause", "wire")
    said = cli.try_("partner", "test", "wire")
    assert 6 == said.code
    assert "partner resume wire" in said.err
    assert [] == hook.got
    cli("partner", "resume", "wire")
    assert cli("partner", "test", "wire").startswith("accepted")


def test_a_delivery_shows_what_it_carried_and_can_be_tried_again(cli: InProcess, hook: Endpoint) -> None:
    """Contents and tries are shown whole; what was accepted is never tried again (operations:OP25)."""
    cli("partner", "add", "wire", "--url", hook.url, *ALLOW)
    uid = cli("item", "add", cli.file("a.md", "title: On budgets")).strip()
    (due,) = cli.json("delivery", "list", "--state", "due")
    assert (f"revision/{uid}/1", "wire", "webhook") == (due["subject"], due["recipient"], due["channel"])
    cli("worker", "--once", "deliver")
    shown = cli.json("delivery", "show", str(due["id"]))
    assert [{"uid": uid, "revision": 1}] == shown["contents"]
    assert ["accepted"] == [one["outcome"] for one in shown["tries"]]
    assert "release.published" == json.loads(hook.got[0][1])["type"]
    assert 6 == cli.try_("delivery", "retry", str(due["id"])).code
    assert 6 == cli.try_("delivery", "resolve", str(due["id"]), "--accepted").code


def test_a_refused_delivery_is_tried_again_by_hand(lite: InProcess, hook: Endpoint) -> None:
    """`delivery retry` makes it due at once."""
    hook.status = 404
    lite("partner", "add", "wire", "--url", hook.url, *ALLOW)
    lite("item", "add", lite.file("a.md", "title: On budgets"))
    lite("worker", "--once", "deliver")
    (refused,) = lite.json("delivery", "list", "--state", "refused")
    hook.status = 204
    assert "due" == lite.json("delivery", "retry", str(refused["id"]))["state"]
    lite("worker", "--once", "deliver")
    (after,) = lite.json("delivery", "list")
    assert ("accepted", 2) == (after["state"], after["attempts"])


def test_a_doubt_is_settled_by_a_person(cli: InProcess) -> None:
    """A delivery whose answer was never read is *unknown* under hold, until somebody knows (promise 1)."""
    from tests.cli.silent import silent

    with silent() as url:
        cli("partner", "add", "wire", "--url", url, "--on-unknown", "hold", *ALLOW)
        cli("item", "add", cli.file("a.md", "title: On budgets"))
        cli("worker", "--once", "deliver")
    (doubt,) = cli.json("delivery", "list", "--state", "unknown")
    said = cli.json("delivery", "resolve", str(doubt["id"]), "--accepted", "--reason", "it is in their log")
    assert ("accepted", "it is in their log") == (said["state"], said["detail"])
