"""`syndicator upstream accept|keep|rules`, and what `add` and `edit` say of filing."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.cli.upstream_filing import rules_from, toml_of
from syndicator.model.item import Kind
from syndicator.model.routing import End, Route
from syndicator.store import departures, incoming, open_store, upstreams
from tests.cli.endpoint import Endpoint, endpoint
from tests.cli.program import InProcess

ALLOW = ("--allow-private", "127.0.0.1", "--relation", "own")
CMS = "https://cms.example/feed"
PATTERNS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
ROUTES = st.builds(
    Route,
    category=st.none() | PATTERNS,
    author=st.none() | PATTERNS,
    title=st.none() | PATTERNS,
    kind=st.none() | st.sampled_from(Kind),
    topics=st.lists(st.from_regex(r"[a-z0-9-]{1,9}", fullmatch=True), min_size=1, max_size=3).map(tuple),
    as_kind=st.none() | st.sampled_from(Kind),
    end=st.none() | st.sampled_from(End),
)


def feed(*numbers: int) -> bytes:
    """A feed whose items have no date, which makes them new from the second poll on."""
    items = "".join(
        f"<item><title>Item {n}</title><link>https://cms.example/{n}</link><guid>https://cms.example/?p={n}</guid></item>"
        for n in numbers
    )
    return f'<rss version="2.0"><channel><title>CMS</title>{items}</channel></rss>'.encode()


@pytest.fixture
def origin() -> Iterator[Endpoint]:
    """A feed at its origin."""
    with endpoint() as made:
        made.body = feed(0)
        yield made


def test_filing_is_said_and_stays(cli: InProcess) -> None:
    """DESIGN §6 — delay, pace, what becomes of what is taken down, and from how many on a person is asked."""
    made = cli.json(
        "upstream", "add", "cms", CMS, "--delay", "1h", "--every", "30m", "--on-gone", "withdraw",
        "--confirm-above", "5",
    )  # fmt: skip
    fields = ("delay", "every", "on_gone", "confirm_above")
    assert ("1h", "30m", "withdraw", 5) == tuple(made[name] for name in fields)
    after = cli.json("upstream", "edit", "cms", "--delay", "0s", "--every", "auto")
    assert ("0s", None, "withdraw", 5) == tuple(after[name] for name in fields)
    assert 2 == cli.try_("upstream", "edit", "cms", "--delay", "soon").code


def test_the_text_of_what_is_not_licensed_is_left_out(cli: InProcess, origin: Endpoint) -> None:
    """feeds:I28 — said when it is added or edited, and it holds for what is read from then on."""
    text = b"<description>&lt;p&gt;All of it&lt;/p&gt;</description></item>"
    origin.body = feed(1).replace(b"</item>", text)
    assert not cli.json("upstream", "add", "cms", origin.url, *ALLOW, "--no-full-text")["full_text"]
    cli("upstream", "poll", "cms")
    assert cli.json("upstream", "edit", "cms", "--full-text")["full_text"]
    origin.body = feed(1, 2).replace(b"</item>", text)
    cli("upstream", "poll", "cms")
    found = [cli.json("item", "show", one["uid"]) for one in cli.json("item", "list")]
    said = {one["title"]: (one["summary"], one["content_html"]) for one in found}
    assert {"Item 1": ("All of it", ""), "Item 2": ("", "<p>All of it</p>")} == said


@pytest.mark.parametrize("form", ["toml", "json"])
def test_rules_are_printed_as_they_are_taken(cli: InProcess, form: str) -> None:
    """DESIGN §6 — TOML or JSON, from a file or stdin; what was printed changes nothing when it is taken back."""
    cli("topic", "add", "press", "Press")
    cli("upstream", "add", "cms", CMS)
    said = '[[rules]]\ncategory = "press*"\ntopics = ["press"]\nend = "draft"\n'
    path = cli.folder / "rules.toml"
    path.write_text(said)
    assert said == cli("upstream", "rules", "cms", str(path))
    options = ["--json"] if form == "json" else []
    printed = cli("upstream", "rules", "cms", *options)
    assert printed == cli("upstream", "rules", "cms", "-", *options, stdin=printed)
    assert [{"category": "press*", "topics": ["press"], "end": "draft"}] == cli.json(
        "upstream", "show", "cms"
    )["rules"]
    for nothing in ("", "# none yet\n", "{}"):
        refused = cli.try_("upstream", "rules", "cms", "-", stdin=nothing)
        assert (2, True) == (refused.code, "rules = []" in refused.err)
    assert said == cli("upstream", "rules", "cms")
    ended = cli.try_("upstream", "rules", "cms", "-", stdin="rules = []")
    assert ("rules = []\n", '"cms" has no rules now\n') == (ended.out, ended.err)


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("rules = 3", 2, "a list"),
        ('[[rules]]\ncolour = "red"', 2, 'rule 1: a rule has no "colour"'),
        (
            '[[rules]]\nend="x"\n[[rules]]\nend="hold"\n[[rules]]\ncatgory = "red"\nend="item"',
            2,
            'rule 3: a rule has no "catgory"; did you mean "category"?',
        ),
        ('[[rules]]\nend="x"\n[[rules]]\ncatgory = "red"\nend="item"', 2, "rule 1: a rule's end is one of"),
        ('[[rule]]\ntitle = "x"', 2, 'no "rule" among rules'),
        ("[[rules]\n", 2, "cannot be read"),
        ("[" * 100_000, 2, "cannot be read"),
        ('[[rules]]\ntopics = ["nowhere"]', 5, 'no topic "nowhere"'),
        ('[[rules]]\nend = "hold"\n' * 101, 2, "the limit is 100"),
    ],
)
def test_bad_rules_are_named_and_change_nothing(lite: InProcess, said: str, code: int, words: str) -> None:
    """DESIGN §9 — an error says what is wrong with which rule."""
    lite("upstream", "add", "cms", CMS)
    told = lite.try_("upstream", "rules", "cms", "-", stdin=said)
    assert code == told.code, told.err
    assert words in told.err
    assert [] == lite.json("upstream", "rules", "cms")


@settings(max_examples=50)
@given(st.lists(ROUTES, max_size=4).map(tuple))
def test_any_rules_survive_being_written(routes: tuple[Route, ...]) -> None:
    """DESIGN §6 — whatever a pattern holds, TOML brings it back."""
    assert routes == rules_from(toml_of(routes))


def test_a_yes_is_given_by_command(cli: InProcess, origin: Endpoint) -> None:
    """DESIGN §2 (Subscription) — the fault names the command; with --no-push nobody is told."""
    cli("topic", "add", "policy", "Policy")
    cli("contact", "add", "jane@example.org")
    cli("contact", "subscribe", "jane@example.org", "policy", "--consent", "test")
    cli("upstream", "add", "cms", origin.url, *ALLOW, "--topics", "policy", "--confirm-above", "2")
    assert 6 == cli.try_("upstream", "accept", "cms").code
    cli("upstream", "poll", "cms")
    origin.body = feed(1, 2, 3, 0)
    (asked,) = cli.json("upstream", "poll", "cms")
    assert (0, 3) == (asked["new"], asked["asking"])
    assert "upstream accept cms" in asked["fault"]
    cli("upstream", "accept", "cms", "--no-push")
    (done,) = cli.json("upstream", "poll", "cms")
    assert (3, None) == (done["new"], done["asking"])
    assert [] == cli.json("delivery", "list")


def test_what_was_taken_down_is_shown_and_kept(cli: InProcess, origin: Endpoint) -> None:
    """feeds:I17 — the uid, its title and page; `keep` ends the question, a second time there is none."""
    cli("upstream", "add", "cms", origin.url, *ALLOW)
    cli("upstream", "poll", "cms")
    url = cli.env["SYNDICATOR_STORE__URL"]
    with open_store(url, host_clock=lambda: datetime.now(UTC)) as store, store.begin() as tx:
        key = upstreams.named(tx, "cms").id
        (one,) = incoming.present(tx, key)
        incoming.leave(tx, key, [one.identity], ask=False)
        departures.put_before_a_person(tx, key, one.identity)
    (shown,) = cli.json("upstream", "show", "cms")["taken_down"]
    assert ("https://cms.example/?p=0", "Item 0", "https://cms.example/0") == (
        shown["uid"], shown["title"], shown["page"],
    )  # fmt: skip
    said = cli.try_("upstream", "show", "cms")
    assert "Item 0" in said.out
    assert "upstream keep UID" in said.err
    cli("upstream", "keep", shown["uid"])
    assert "taken_down" not in cli.json("upstream", "show", "cms")
    assert 5 == cli.try_("upstream", "keep", shown["uid"]).code


def test_a_change_at_the_origin_can_be_read(cli: InProcess, origin: Endpoint) -> None:
    """feeds:I16 — each is a new revision, and `item history --diff` says what changed, in lines a person reads."""
    cli("upstream", "add", "cms", origin.url, *ALLOW)
    cli("upstream", "poll", "cms")
    origin.body = feed(0).replace(
        b"<title>Item 0", b"<description>It was long. It is long.</description><title>New"
    )
    cli("upstream", "poll", "cms")
    uid = "https://cms.example/?p=0"
    first, second = cli.json("item", "history", uid, "--diff")
    assert [] == first["difference"]
    assert {"- title: Item 0", "+ title: New"} <= set(second["difference"])
    assert any("It was long." in line for line in second["difference"])
    assert "\n    - title: Item 0\n    + title: New\n" in cli("item", "history", uid, "--diff")
    cli("item", "withdraw", uid, "--reason", "x")
    assert [] == cli.json("item", "history", uid, "--diff")[-1]["difference"]
