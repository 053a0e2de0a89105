"""`syndicator upstream`: feeds we read, as a person sees and changes them."""

from collections.abc import Iterator

import pytest

from tests.cli.endpoint import Endpoint, endpoint
from tests.cli.program import InProcess
from tests.cli.test_item import FEED

ALLOW = ("--allow-private", "127.0.0.1")
CMS = "https://cms.example/feed"


@pytest.fixture
def origin() -> Iterator[Endpoint]:
    """A feed at its origin."""
    with endpoint() as made:
        made.body = FEED.encode()
        yield made


def test_what_is_not_said_has_its_default_and_stays(cli: InProcess) -> None:
    """`edit` changes what is given and nothing else."""
    cli("topic", "add", "policy", "Policy")
    made = cli.json("upstream", "add", "cms", CMS, "--relation", "own", "--topics", "policy", "--no-push")
    expected = ("own", ["policy"], "news", False, "1d", "silent", False)
    fields = ("relation", "topics", "kind", "push", "push_max_age", "on_change", "hold")
    assert expected == tuple(made[name] for name in fields)
    after = cli.json("upstream", "edit", "cms", "--hold", "--push-max-age", "6h")
    assert made | {"hold": True, "push_max_age": "6h"} == after
    assert [after] == cli.json("upstream", "list")
    shown = cli.json("upstream", "show", "cms")
    assert after == {name: shown[name] for name in after}
    assert {"hub_address", "hub_until", "hub_fault", "ping", "ping_wordpress"} == shown.keys() - after.keys()
    assert 6 == cli.try_("upstream", "add", "cms", CMS).code


def test_what_is_pasted_is_understood(cli: InProcess) -> None:
    """feeds:I11 — some programs give `feed:` for http, and a blank at the end is none of the address."""
    made = [
        cli.json("upstream", "add", f"u{n}", url)["url"]
        for n, url in enumerate(("feed://a.example/f", f"{CMS} "))
    ]
    assert ["http://a.example/f", CMS] == made
    assert CMS == cli.json("upstream", "edit", "u0", "--url", f"feed:{CMS}")["url"]


def test_a_poll_shows_first_and_then_does(cli: InProcess, origin: Endpoint) -> None:
    """--dry-run says what each entry would become and writes nothing; then they are items and held releases."""
    cli("upstream", "add", "cms", origin.url, *ALLOW)
    (seen,) = cli.json("upstream", "poll", "cms", "--dry-run")
    assert (1, 1, None) == (seen["new"], seen["held"], seen["fault"])
    assert {"item", "held"} == {item["fate"] for item in seen["items"]}
    assert [] == cli.json("item", "list")
    cli("upstream", "poll")
    assert ["One"] == [item["title"] for item in cli.json("item", "list")]
    assert ["held"] == [release["state"] for release in cli.json("release", "list")]
    assert cli.json("upstream", "show", "cms")["succeeded"]


def test_an_upstream_that_is_down_is_a_matter_of_time(cli: InProcess, origin: Endpoint) -> None:
    """Exit 75 and the fault in words; it is shown with the upstream (feeds:I6)."""
    cli("upstream", "add", "cms", origin.url, *ALLOW)
    origin.status = 503
    said = cli.try_("upstream", "poll", "cms")
    assert 75 == said.code
    assert 1 == (said.out + said.err).count("answered 503")
    shown = cli.json("upstream", "show", "cms")
    assert (1, 503) == (shown["failures"], shown["status"])


def test_who_forgets_an_upstream_hears_what_still_waits(cli: InProcess, origin: Endpoint) -> None:
    """DESIGN §6 — held releases stay, and go out although their upstream is gone: it is said how many."""
    cli("upstream", "add", "cms", origin.url, *ALLOW)
    cli("upstream", "poll", "cms")
    assert "not public yet: 1;" in cli.try_("upstream", "remove", "cms").err
    cli("upstream", "add", "cms", CMS)
    cli("release", "cancel", cli.json("release", "list")[0]["uid"])
    assert "not public" not in cli.try_("upstream", "remove", "cms").err


def test_it_is_paused_resumed_and_forgotten(cli: InProcess) -> None:
    """A paused one is not polled with the others; a removed one is gone."""
    cli("upstream", "add", "cms", CMS)
    cli("upstream", "pause", "cms")
    assert cli.json("upstream", "show", "cms")["paused"]
    assert [] == cli.json("upstream", "poll")
    cli("upstream", "resume", "cms")
    assert not cli.json("upstream", "show", "cms")["paused"]
    cli("upstream", "remove", "cms")
    assert [] == cli.json("upstream", "list")


def test_what_the_file_manages_is_changed_there(cli: InProcess) -> None:
    """Edit and remove are refused with exit 6 (DESIGN §5.12); pause is an operator's."""
    config = cli.folder / "config.toml"
    config.write_text(f'[[upstreams]]\nslug = "cms"\nurl = "{CMS}"\n', encoding="utf-8")
    own = ("--config", str(config))
    for line in (["edit", "cms", "--hold"], ["remove", "cms"]):
        said = cli.try_(*own, "upstream", *line)
        assert 6 == said.code
        assert "managed by the config file" in said.err
    cli(*own, "upstream", "pause", "cms")
    (listed,) = cli.json(*own, "upstream", "list")
    assert (True, True) == (listed["managed_by_file"], listed["paused"])


def test_an_item_import_reads_from_the_web_too(cli: InProcess, origin: Endpoint) -> None:
    """A web address goes through the guarded client: private ranges only where allowed (security:S2)."""
    refused = cli.try_("item", "import", origin.url, "--dry-run")
    assert 1 == refused.code
    assert 1 == refused.err.count("\n")
    seen = cli.json("item", "import", origin.url, "--dry-run", *ALLOW, code=4)
    assert (1, 1) == (len(seen["items"]), len(seen["refused"]))
