"""What `syndicator upstream add|edit|list|show` say to a person: all at once, on 80 columns, in plain words."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syndicator.cli.upstream_shown import brief
from syndicator.store import incoming, open_store, upstreams
from tests.cli.endpoint import Endpoint
from tests.cli.program import InProcess, RealProcess
from tests.cli.test_upstream_filing import ALLOW, CMS, origin

__all__ = ["origin"]  # a fixture

RULES = '[[rules]]\ncategory = "press*"\ntopics = ["press"]\nend = "draft"\n\n[[rules]]\nend = "hold"\n'


def test_rules_are_in_force_before_the_first_reading(lite: InProcess) -> None:
    """DESIGN §6 — `add --rules`, and --paused: nothing is read under other rules than those one wants."""
    lite("topic", "add", "press", "Press")
    made = lite.json("upstream", "add", "cms", CMS, "--rules", "-", "--paused", stdin=RULES)
    assert (2, True) == (len(made["rules"]), made["paused"])
    assert [] == lite.json("upstream", "poll")
    refused = lite.try_("upstream", "add", "b", CMS, "--rules", "-", stdin='[[rules]]\nend = "x"\n')
    assert (2, True) == (refused.code, "rule 1" in refused.err)
    assert ["cms"] == [one["slug"] for one in lite.json("upstream", "list")]


def test_an_address_that_is_read_already_is_said(lite: InProcess) -> None:
    """DESIGN §9 — one line that names the other upstream; it is done as it was asked."""
    lite("upstream", "add", "cms", CMS)
    for line in (["add", "again", CMS.replace("https", "http")], ["edit", "again", "--url", CMS]):
        said = lite.try_("upstream", *line)
        assert (0, 1) == (said.code, said.err.count("\n"))
        assert 'the upstream "cms" reads this address already' in said.err
    assert "" == lite.try_("upstream", "edit", "again", "--hold").err


def test_a_path_is_told_its_address(lite: InProcess, tmp_path: Path) -> None:
    """DESIGN §9 — what to write instead; a folder that is not there yet is accepted, and said."""
    for line in (["add", "notes", "/srv/press"], ["edit", "cms", "--url", "/srv/press"]):
        said = lite.try_("upstream", *line)
        assert (2, True) == (said.code, "write it as file:///srv/press" in said.err)
    config = tmp_path / "c.toml"
    config.write_text('[[upstreams]]\nslug = "n"\nurl = "/srv/press"\n')
    said = lite.try_("--config", str(config), "config", "check")
    assert (3, True) == (said.code, "write it as file:///srv/press" in said.err)
    said = lite.try_("upstream", "add", "notes", f"file://{tmp_path}/later")
    assert (0, 1, True) == (said.code, said.err.count("\n"), f"{tmp_path}/later" in said.err)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--every", "30s", "write 1m or more"),
        ("--every", "99999d", "write 3650d or less"),
        ("--push-max-age", "999999999d", "write 3650d or less"),
        ("--delay", "9999999h", "write 3650d or less"),
        ("--on-gone", "x", "use one of ask, keep, withdraw"),
        ("--on-change", "kill", "use one of correction, silent"),
    ],
)
def test_an_option_has_the_bounds_of_the_file(lite: InProcess, option: str, value: str, words: str) -> None:
    """DESIGN §6 — refused in one line that names the option and what may be written."""
    said = lite.try_("upstream", "add", "cms", CMS, option, value)
    assert (2, 1) == (said.code, said.err.count("\n"))
    assert said.err.startswith(f"{option}: ")
    assert words in said.err


def test_the_files_own_upstream_is_named_with_its_line(lite: InProcess) -> None:
    """DESIGN §5.12 — `add` under the name of one of the file says where that stands."""
    config = lite.folder / "config.toml"
    config.write_text(f'[[upstreams]]\nslug = "cms"\nurl = "{CMS}"\n', encoding="utf-8")
    said = lite.try_("--config", str(config), "upstream", "add", "cms", CMS)
    assert (6, True) == (said.code, f"managed by {config}:2" in said.err)


def test_a_topic_that_only_a_rule_names_is_found_before_the_start(lite: InProcess) -> None:
    """DESIGN §6 — `config check` says it, so that no command ends where only `topic add` could help."""
    config = lite.folder / "config.toml"
    config.write_text(
        f'[[upstreams]]\nslug = "cms"\nurl = "{CMS}"\nrules = [{{ end = "hold" }}, {{ topics = ["nowhere"] }}]\n'
    )
    for line in (["config", "check"], ["topic", "add", "nowhere", "Nowhere"]):
        said = lite.try_("--config", str(config), *line)
        assert 3 == said.code
        assert f'{config}:4: [[upstreams]] "cms" .rules: rule 2: unknown topic "nowhere"' in said.err


def test_the_list_fits_a_terminal(lite: InProcess) -> None:
    """operations:OP17 — 80 columns: name, state, next check, items per week, and the fault on one line."""
    lite("upstream", "add", "a-very-long-name-of-a-feed", CMS)
    lite("upstream", "add", "b", "https://b.example/feed", "--paused")
    url = lite.env["SYNDICATOR_STORE__URL"]
    with open_store(url, host_clock=lambda: datetime.now(UTC)) as store:
        with store.begin() as tx:
            (held,) = upstreams.claim_due(tx, 1, timedelta(minutes=5))
        with store.begin() as tx:
            upstreams.settle_failure(tx, held, "it answered 503 " * 20, status=503)
    shown = RealProcess(url, lite.folder).on_terminal("upstream", "list")
    assert max(map(len, shown)) <= 80
    (failing,) = [one for one in shown if "a-very-long-name-of-a-feed" in one]
    (paused,) = [one for one in shown if " b " in one]
    assert "failing" in failing
    assert "it answered 503" in failing
    assert "paused" in paused
    assert 1 == sum("503" in one for one in shown)


def test_a_state_is_one_word() -> None:
    """operations:OP17 — paused before asking before failing before read; the next check on the site's clock."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    view = {"slug": "a", "paused": False, "asking": None, "failures": 0, "weekly": 1.5, "fault": None}
    shown = brief({**view, "next_check": now + timedelta(hours=1)}, "Europe/Paris", now)
    assert {"slug": "a", "state": "read", "next check": "14:00", "weekly": 1.5, "fault": None} == shown
    far = brief({**view, "next_check": now + timedelta(days=1), "failures": 2}, "UTC", now)
    assert ("24 Nov 12:00", "failing") == (far["next check"], far["state"])
    asking = {**view, "next_check": now, "failures": 2, "asking": 0}
    assert ("now", "asking") == (brief(asking, "UTC", now)["next check"], brief(asking, "UTC", now)["state"])
    assert "paused" == brief({**asking, "paused": True, "next_check": None}, "UTC", now)["state"]


def test_a_held_release_says_where_it_is_from_and_why(lite: InProcess, origin: Endpoint) -> None:
    """operations:OP17 — `release list` names the upstream, and on a terminal the reason, in short."""
    lite("upstream", "add", "cms", origin.url, *ALLOW, "--hold")
    lite("upstream", "poll", "cms")
    lite("release", "draft", lite.file("own.md", "title: Our own"))
    upstreams_named = [line.split("\t")[-1] for line in lite("release", "list").splitlines()]
    assert ["cms", "-"] == upstreams_named
    (held, _) = lite.json("release", "list")
    assert ("cms", True) == (held["upstream"], bool(held["reason"]))
    shown = RealProcess(lite.env["SYNDICATOR_STORE__URL"], lite.folder).on_terminal("release", "list")
    assert max(map(len, shown)) <= 80
    assert all(word in " ".join(shown) for word in ("held", "Item 0", "(cms:", held["reason"].split()[0]))


def test_what_is_shown_explains_itself(lite: InProcess, origin: Endpoint) -> None:
    """feeds:I17 — a line for each rule, names in words, and each page that is to be asked with its next look."""
    lite("topic", "add", "press", "Press")
    lite(
        "upstream", "add", "cms", origin.url, *ALLOW, "--rules", "-", stdin=RULES.replace('"hold"', '"item"')
    )
    lite("upstream", "poll", "cms")
    lite("upstream", "poll", "cms")
    with (
        open_store(lite.env["SYNDICATOR_STORE__URL"], host_clock=lambda: datetime.now(UTC)) as store,
        store.begin() as tx,
    ):
        key = upstreams.named(tx, "cms").id
        (one,) = incoming.present(tx, key)
        incoming.leave(tx, key, [one.identity], ask=True)
    shown = lite("upstream", "show", "cms")
    found = {line[:20].strip(): line for line in shown.splitlines()}
    assert 'category "press*": topics press, end draft' in found["rules"]
    assert "every item: end item" in shown
    assert "0s" in found["delay"]
    assert "% of 2" in found["polls without news"]
    assert "items per week" in found
    (asked,) = [line for line in shown.splitlines() if "pages to be asked" in line]
    assert all(word in asked for word in ("Item 0", "https://cms.example/0", "next look 20"))
    said = lite.json("upstream", "show", "cms")
    assert 0 <= said["unmodified"] <= 1
    assert ["Item 0"] == [row["title"] for row in said["to_be_asked"]]
