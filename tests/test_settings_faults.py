"""What is wrong in a configuration, and how it is said: file, line, table, key, remedy, all at once."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.errors import Misconfigured
from syndicator.settings import load
from syndicator.settings.sources import lines

Faults = Callable[..., list[str]]


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    """The faults of a text as syndicator.toml, under an environment and flags."""
    monkeypatch.chdir(tmp_path)

    def faults(text: str = "", environ: Mapping[str, str] | None = None, **flags: str) -> list[str]:
        Path("syndicator.toml").write_text(text)
        with pytest.raises(Misconfigured) as caught:
            load(Path("syndicator.toml"), environ or {}, {n.replace("__", "."): v for n, v in flags.items()})
        return list(caught.value.faults)

    return faults


ENTRY = {
    "topics": '[[topics]]\nslug = "a"\ntitle = "A"\n',
    "ruled": '[[topics]]\nslug = "r"\ntitle = "R"\nkinds = ["news"]\n',
    "upstreams": '[[upstreams]]\nslug = "u"\nurl = "https://u.example/f"\n',
    "partners": '[[partners]]\nslug = "p"\nurl = "https://p.example/h"\n',
    "spokespeople": '[[spokespeople]]\nslug = "s"\nname = "S"\n',
    "schedules": '[[schedules]]\nname = "d"\njob = "poll"\n',
}
FAULTS = {
    "unknown section": ("[wbe]\n", '1: [wbe]: there is no section "wbe"; did you mean "web"?'),
    "unknown key": ("[web]\nprot = 1\n", '2: [web] .prot: there is no key "prot"; did you mean "port"?'),
    "wrong type": ('[web]\nport = "80"\n', "2: [web] .port: must be a whole number, not text in quotes"),
    "true is no number": ("[web]\nport = true\n", "2: [web] .port: must be a whole number, not true or false"),
    "out of range": ("[web]\nport = 70000\n", "2: [web] .port: 70000 is out of range: write 0 to 65535"),
    "not a table": ("web = 3\n", "1: web must be written as [web], then one key = value in a line"),
    "not an array": ('[topics]\nslug = "a"\n', "1: topics must be written as [[topics]], then one key = value in a line"),
    "zone": ('[site]\ntimezone = "Europe/Lodnon"\n', '2: [site] .timezone: unknown time zone "Europe/Lodnon"; did you mean "Europe/London"?'),
    "language": ('[site]\nlanguage = "english"\n', '2: [site] .language: "english" is no language tag: write en, en-GB or another tag of RFC 5646'),
    "empty": ('[site]\ntitle = " "\n', "2: [site] .title: is empty; write a text"),
    "base_url relative": ('[site]\nbase_url = "press.example"\n', '2: [site] .base_url: "press.example" is no absolute web address: write https://host/path'),
    "base_url scheme": ('[site]\nbase_url = "ftp://x"\n', '2: [site] .base_url: "ftp://x" is no absolute web address: write https://host/path'),
    "base_url port": ('[site]\nbase_url = "http://x:y"\n', '2: [site] .base_url: "http://x:y" is no absolute web address: write https://host/path'),
    "base_url query": ('[site]\nbase_url = "http://x/?a"\n', '2: [site] .base_url: "http://x/?a" must end with host or path: leave out everything from ? or # on'),
    "short key": ('[site]\nsecret_key = "x"\n', "2: [site] .secret_key: is too short: use at least 16 characters, such as `openssl rand -hex 32` prints"),
    "database": ('[store]\nurl = "mysql://x"\n', "2: [store] .url: is no database address: write sqlite:///var/syndicator.db or postgresql://user@host/name"),
    "database, raw @": ('[store]\nurl = "postgresql://u:p@w@h/d"\n', "2: [store] .url: holds more than one @: write %40 for @ and %2F for / in user and password"),
    "database, raw @ and /": ('[store]\nurl = "postgresql://u:1/p@h/d"\n', "2: [store] .url: holds more than one @"),
    "database port": ('[store]\nurl = "postgresql://u:p@h:x/d"\n', "2: [store] .url: has a port that is no number: write host:5432"),
    "proxy": ('[web]\ntrusted_proxies = ["x"]\n', '2: [web] .trusted_proxies: "x" is no address range: write 10.0.0.0/8, 192.0.2.7 or fd00::/8'),
    "list of the wrong": ("[feeds]\nhubs = [1]\n", "2: [feeds] .hubs: must be text in quotes, not a whole number"),
    "listen": ('[web]\nmetrics_listen = "9464"\n', '2: [web] .metrics_listen: "9464" is no place to listen: write 127.0.0.1:9464, or "" for none'),
    "transport": ('[mail]\ntransport = "smpt"\n', '2: [mail] .transport: unknown transport "smpt"; did you mean "smtp"?'),
    "tls": ('[mail]\ntls = "ssl"\n', '2: [mail] .tls: unknown tls "ssl"; use one of none, starttls, tls'),
    "smtp without host": ('[mail]\ntransport = "smtp"\n', '1: [mail] .host: is missing; transport = "smtp" needs the name of the relay'),
    "smtp, empty host": ('[mail]\ntransport = "smtp"\nhost = ""\n', "3: [mail] .host: is empty; write the name of the relay"),
    "smtp half account": ('[mail]\ntransport = "smtp"\nhost = "r"\nusername = "u"\n', "1: [mail] .password: is missing; an account has both username and password"),
    "smtp port": ('[mail]\ntransport = "smtp"\nhost = "r"\nport = 465\n', '4: [mail] .port: port 465 speaks tls, and tls is "starttls"; change one of the two'),
    "duration": ("[delivery]\nlease = 10\n", "2: [delivery] .lease: must be text in quotes, not a whole number"),
    "duration words": ('[delivery]\nlease = "10 min"\n', "2: [delivery] .lease: '10 min' is no duration: write a number and s, m, h or d, such as 10m"),
    "duration short": ('[delivery]\nlease = "1ms"\n', "2: [delivery] .lease: 1ms is too short: write 1s or more"),
    "on_unknown": ('[delivery]\non_unknown = "drop"\n', '2: [delivery] .on_unknown: unknown on_unknown "drop"; use one of hold, repeat'),
    "missing key": ('[[topics]]\nslug = "a"\n', '1: [[topics]] "a" .title: is missing; the topic\'s name for readers.'),
    "entry without name": ("[[topics]]\ntitle = 'A'\n", "1: [[topics]] #1 .slug: is missing; the topic's name in addresses. In the file it stays: another slug is another topic."),
    "slug": ('[[topics]]\nslug = "A b"\ntitle = "A"\n', '2: [[topics]] "A b" .slug: "A b" is no slug: use 1 to 64 of a-z, 0-9 and hyphen'),
    "topic all": ('[[topics]]\nslug = "all"\ntitle = "A"\n', '2: [[topics]] "all" .slug: "all" exists already and holds every item; choose another slug'),
    "same slug": (ENTRY["topics"] * 2, '5: [[topics]] "a" .slug: there is another [[topics]] "a"; the first is at syndicator.toml:1'),
    "rule, unknown": (ENTRY["topics"] + 'any = ["b"]\n', '4: [[topics]] "a" .any: unknown topic "b"; use one of a'),
    "rule, ruled": (ENTRY["ruled"] + ENTRY["topics"] + 'none = ["r"]\n', '8: [[topics]] "a" .none: the topic "r" is made by a rule; name plain topics'),
    "rule, itself": (ENTRY["topics"] + 'all = ["a"]\n', '4: [[topics]] "a" .all: the topic "a" is made by a rule; name plain topics'),
    "rule, all": (ENTRY["topics"] + 'any = ["all"]\n', '4: [[topics]] "a" .any: "all" holds every item; leave it out'),
    "kind": (ENTRY["topics"] + 'kinds = ["new"]\n', '4: [[topics]] "a" .kinds: unknown kind "new"; did you mean "news"?'),
    "relation": (ENTRY["upstreams"] + 'relation = "forein"\n', '4: [[upstreams]] "u" .relation: unknown relation "forein"; did you mean "foreign"?'),
    "on_change": (ENTRY["upstreams"] + 'on_change = "loud"\n', '4: [[upstreams]] "u" .on_change: unknown on_change "loud"; use one of correction, silent'),
    "upstream's topic": (ENTRY["upstreams"] + 'topics = ["b"]\n', '4: [[upstreams]] "u" .topics: unknown topic "b"'),
    "partner's topic": (ENTRY["topics"] + ENTRY["partners"] + 'topics = ["b"]\n', '7: [[partners]] "p" .topics: unknown topic "b"; use one of a'),
    "channel": (ENTRY["partners"] + 'channel = "webhok"\n', '4: [[partners]] "p" .channel: unknown channel "webhok"; did you mean "webhook"?'),
    "channel not built yet": ('[[partners]]\nslug = "p"\nchannel = "mail"\nurl = "https://p.example/"\n', '3: [[partners]] "p" .channel: unknown channel "mail"; use one of webhook'),
    "partner's url": ('[[partners]]\nslug = "p"\nurl = "https://p.example/#x"\n', "3: [[partners]] \"p\" .url: 'https://p.example/#x' is no webhook address: use https://host/path without user, password or #fragment"),
    "partner's secret": (ENTRY["partners"] + 'secret = "short"\n', '4: [[partners]] "p" .secret: is no webhook secret: write whsec_ and 24 to 64 bytes in base64 (`openssl rand -base64 32`)'),
    "stand-in": (ENTRY["spokespeople"] + 'stand_in = "t"\n', '4: [[spokespeople]] "s" .stand_in: unknown spokesperson "t"; use one of s'),
    "stand-in, itself": (ENTRY["spokespeople"] + 'stand_in = "s"\n', '4: [[spokespeople]] "s" .stand_in: nobody stands in for themselves; name another person'),
    "job": ('[[schedules]]\nname = "d"\njob = "pol"\nevery = "1m"\n', '3: [[schedules]] "d" .job: unknown job "pol"; did you mean "poll"?'),
    "cron": (ENTRY["schedules"] + 'cron = "0 9"\n', "4: [[schedules]] \"d\" .cron: cron '0 9': Wrong number of fields; write minute hour day month weekday, such as 0 8 * * 1-5"),
    "cron never": (ENTRY["schedules"] + 'cron = "0 0 31 2 *"\n', "4: [[schedules]] \"d\" .cron: cron '0 0 31 2 *': Bad day-of-month"),
    "at": (ENTRY["schedules"] + 'at = "soon"\n', '4: [[schedules]] "d" .at: "soon" is no instant: write 2026-03-02T09:00:00+01:00'),
    "no recurrence": (ENTRY["schedules"], '1: [[schedules]] "d": needs exactly one of cron, every and at'),
    "two recurrences": (ENTRY["schedules"] + 'every = "1m"\ncron = "@daily"\n', '1: [[schedules]] "d": needs exactly one of cron, every and at; there are cron and every'),
    "schedule's zone": (ENTRY["schedules"] + 'every = "1m"\ntimezone = "UCT+1"\n', '5: [[schedules]] "d" .timezone: unknown time zone "UCT+1"; did you mean'),
    "upstream unknown": (ENTRY["schedules"] + 'every = "1m"\nupstream = "v"\n', '5: [[schedules]] "d" .upstream: unknown upstream "v"'),
    "upstream, other job": (ENTRY["upstreams"] + '[[schedules]]\nname = "d"\njob = "prune"\nevery = "1m"\nupstream = "u"\n', '8: [[schedules]] "d" .upstream: only the job poll reads an upstream; leave it out'),
    "redirect": ('[[redirects]]\nfrom = "old"\nto = "/new"\n', '2: [[redirects]] "old" .from: "old" is no path of this site: begin with one slash, and leave out white space and #'),
    "redirect, query": ('[[redirects]]\nfrom = "/?"\nto = "/new"\n', '2: [[redirects]] "/?" .from: "/?" is no address on this site: write a path, or a path with a query such as /?p=123'),
    "redirect, loop": ('[[redirects]]\nfrom = "/a"\nto = "/a/"\n', '3: [[redirects]] "/a" .to: leads back to where it began; write the new address'),
    "redirect, long loop": ('[[redirects]]\nfrom = "/a"\nto = "/b?x=1"\n[[redirects]]\nfrom = "/b?x=1"\nto = "/c"\n[[redirects]]\nfrom = "/c"\nto = "/a"\n', '3: [[redirects]] "/a" .to: leads back to where it began; write the new address'),
    "redirect, loop by name": ('[site]\nbase_url = "https://news.example"\n[[redirects]]\nfrom = "/z"\nto = "https://news.example/z"\n', '5: [[redirects]] "/z" .to: leads back to where it began; write the new address'),
    "redirect of our own": ('[[redirects]]\nfrom = "/healthz"\nto = "/a"\n', '2: [[redirects]] "/healthz" .from: is an address of Syndicator itself; leave it out'),
    "redirect to no host": ('[[redirects]]\nfrom = "/z"\nto = "https://a..example/z"\n', '3: [[redirects]] "/z" .to: "https://a..example/z" names a host that no address can have'),
    "redirect to a word": ('[[redirects]]\nfrom = "/z"\nto = "b"\n', '3: [[redirects]] "/z" .to: "b" leads nowhere: write a path such as /items/a-title, or https://host/path'),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_says_where_what_and_what_to_write(faults: Faults, text: str, expected: str) -> None:
    """operations:OP11, OP12: file, line, table, key, what is wrong and what was meant, in one line."""
    (found,) = faults(text)
    prefix = "syndicator.toml:" if expected[0].isdigit() else ""
    assert found.startswith(prefix + expected)
    assert len(found.splitlines()) == 1


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"SYNDICATOR_WEB__PROT": "1"},
            'SYNDICATOR_WEB__PROT: there is no key "prot" in [web]; did you mean "port"?',
        ),
        (
            {"SYNDICATOR_WBE__PORT": "1"},
            'SYNDICATOR_WBE__PORT: there is no section "wbe"; did you mean "web"?',
        ),
        ({"SYNDICATOR_WEB__PORT": "eighty"}, "SYNDICATOR_WEB__PORT: 'eighty' is not a whole number"),
        ({"SYNDICATOR_WEB__PORT": "70000"}, "SYNDICATOR_WEB__PORT: 70000 is out of range: write 0 to 65535"),
        ({"SYNDICATOR_WEB__X__PORT": "1"}, "SYNDICATOR_WEB__X__PORT: write it as SYNDICATOR_WEB__KEY"),
        (
            {"SYNDICATOR_TOPICS__TITLE": "x"},
            "SYNDICATOR_TOPICS__TITLE: write it as SYNDICATOR_TOPICS__<SLUG>__KEY",
        ),
        (
            {"SYNDICATOR_REDIRECTS__TO": "x"},
            "SYNDICATOR_REDIRECTS__TO: [[redirects]] can be set in the file only",
        ),
        (
            {"SYNDICATOR_PARTNERS__AFP__URL": "x"},
            'SYNDICATOR_PARTNERS__AFP__URL: there is no [[partners]] entry, or more than one, that is called "afp"; entries are made in the file',
        ),
    ],
)
def test_a_fault_of_the_environment_names_its_variable(
    faults: Faults, environ: dict[str, str], expected: str
) -> None:
    """operations:OP11: what is wrong in the environment is not looked for in the file."""
    assert [expected] == faults(environ=environ)


def test_a_fault_of_a_flag_names_the_flag(faults: Faults) -> None:
    """operations:OP11: a flag is named as a flag."""
    assert ["flag web.port: 'x' is not a whole number"] == faults(web__port="x")
    assert ['flag web.prot: there is no key "web.prot"; did you mean "web.port"?'] == faults(web__prot="1")


def test_all_faults_are_reported_at_once(faults: Faults) -> None:
    """operations:OP11: one run finds every fault, those of the file from top to bottom, then the others."""
    text = "".join(text for text, expected in FAULTS.values() if text.startswith("[[schedules]]"))
    found = faults('[site]\ntimezone = "X"\n[wbe]\n' + text, {"SYNDICATOR_WEB__PORT": "x"})
    numbers = [int(line.split(":")[1]) for line in found if line.startswith("syndicator.toml:")]
    assert sorted(numbers) == numbers
    assert len(found) - 1 == len(numbers)
    assert len(numbers) > 10
    assert found[-1].startswith("SYNDICATOR_WEB__PORT: ")


def test_a_broken_entry_causes_no_second_fault(faults: Faults) -> None:
    """A topic whose title is missing is still known to whoever names it."""
    text = '[[topics]]\nslug = "b"\n' + ENTRY["topics"] + 'any = ["b"]\n'
    assert 1 == len(faults(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[web]\nport = \n",
            "syndicator.toml:2:8: Invalid value: this is not TOML; are all texts in quotes?",
        ),
        (
            "[web]\nhost = localhost\n",
            "syndicator.toml:2:8: Invalid value: this is not TOML; are all texts in quotes?",
        ),
    ],
)
def test_what_is_no_toml_is_shown_by_line_and_column(faults: Faults, text: str, expected: str) -> None:
    """operations:OP8: a slip of the pen is found by line and column."""
    assert [expected] == faults(text)


def test_a_file_that_ends_too_early_is_a_fault(faults: Faults) -> None:
    """An open bracket at the end has no column, but it has a line."""
    (found,) = faults("[feeds]\nhubs = [\n")
    assert found.startswith("syndicator.toml:")


def test_a_file_that_is_missing_or_foreign_is_a_fault(tmp_path: Path) -> None:
    """A file that was named must be there, and must be text."""
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[site]\ntitle = "Caf\xe9"\n')
    for path, expected in (
        (tmp_path / "none.toml", "there is no such file"),
        (latin, "is not UTF-8"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(Misconfigured, match=expected):
            load(path, {})


BLOCKS = [
    ('k = "v" # [x]', "k"),
    ('"quoted" = 1', "quoted"),
    ("long = '''\nk = 2\n[no]\n'''", "long"),
    ('deep = """\n[[no]]\n\\""" k = 1\n"""', "deep"),
    ('list = [\n  "a]", # ]\n  ["k = 1"],\n]', "list"),
    ("inline = { k = 1 }", "inline"),
    ("a.b = 1", "a"),
    ("# k = 1", None),
    ("", None),
]


@given(st.lists(st.permutations(BLOCKS), min_size=1, max_size=3))
def test_lines_are_found_among_strings_and_brackets(tables: list[list[tuple[str, str | None]]]) -> None:
    """operations:OP11: a line is the line of the key, not of something that looks like it."""
    text, expected = "", {}
    for index, blocks in enumerate(tables):
        expected["t", index, ""] = text.count("\n") + 1
        text += "[[t]]\n"
        for block, key in blocks:
            if key:
                expected["t", index, key] = text.count("\n") + 1
            text += block + "\n"
    assert expected == lines(text)


def test_dotted_and_quoted_tables_have_lines() -> None:
    """Other ways to write a table are followed as well."""
    found = lines('web.port = 1\n[ "site" ]\ntitle = 1\n[partners.afp]\nurl = 1\n')
    assert (1, 3, 4) == (found["web", 0, "port"], found["site", 0, "title"], found["partners", 0, "afp"])


def test_importing_settings_imports_no_flow() -> None:
    """The floor below settings is the model: neither database nor network comes in with it."""
    code = "import sys, syndicator.settings; print([m for m in ('sqlalchemy', 'httpx', 'pydantic', 'starlette') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "[]" == done.stdout.strip()


def test_every_fault_of_rules_and_ranges_is_told_at_once(faults: Faults) -> None:
    """DESIGN §6 — one run names all there is to mend: each rule by its number, each range by itself."""
    rules = (
        'rules = [ { catgory = "x", end = "draft" }, { topics = ["b"] },\n { end = "x", kind = "y" },'
        ' { topics = ["r", "all"] }, { end = "hold" } ]\nallow_private = ["x", "10.0.0.0/8", "y"]\n'
    )
    at = 'syndicator.toml:11: [[upstreams]] "u" .rules: rule'
    told = faults(ENTRY["topics"] + ENTRY["ruled"] + ENTRY["upstreams"] + rules)
    assert [
        f'{at} 1: a rule has no "catgory"; did you mean "category"?',
        f"{at} 3: a rule's kind is one of news, statement, press-release, advisory; not 'y'; a rule's end is one of item, hold, draft; not 'x'",
        f'{at} 2: unknown topic "b"; use one of a, r',
        f'{at} 4: the topic "r" is made by a rule; name plain topics',
        f'{at} 4: "all" holds every item; leave it out',
    ] == [line for line in told if "rule" in line.partition(": ")[2]]
    assert ["x", "y"] == [line.split('"')[3] for line in told if "address range" in line]


def test_what_is_set_in_the_file_only_says_so(faults: Faults) -> None:
    """operations:OP13 — rules are tables, which no variable can hold."""
    variable = "SYNDICATOR_UPSTREAMS__U__RULES"
    assert [f"{variable}: [[upstreams]] .rules can be set in the file only"] == faults(
        ENTRY["upstreams"], {variable: "x"}
    )
