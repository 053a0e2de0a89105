"""What the documents say is there, is there: commands, targets, links, functions; and the demo's texts load."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from syndicator.model.drafts import draft_from
from syndicator.model.markup import Draft
from syndicator.settings import load

ROOT = Path(__file__).resolve().parents[2]
ADRS = sorted((ROOT / "docs/adr").glob("*.md"))
DOCS = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
DOCS += [ROOT / "docs" / name for name in ("flows.md", "operating.md", "privacy.md", "settings.md")]
DEMO = ROOT / "config/demo"
ITEMS = sorted((DEMO / "items").glob("*.md"))
RELEASES = sorted((DEMO / "releases").glob("*.md"))
# Words that may follow a command and are no verb of it: what stands for something, and shell.
PLACEHOLDER = re.compile(r"[A-Z…\"'$\[\-|>&;#)(./]|\d")


def doc_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code(text: str) -> Iterator[str]:
    """Everything written as code: each line of a block, continuation joined, and each span."""
    blocks = re.findall(r"^ *```.*?\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        yield from block.replace("\\\n", " ").splitlines()
    without = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", without))


def commands(text: str) -> Iterator[list[str]]:
    """Every call of the program within code, as words after its name."""
    for line in code(text):
        for found in re.finditer(r"(?:^|[\s(/])syndicator (.*)", line):
            lexer = shlex.shlex(found[1], posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            try:
                yield list(lexer)
            except ValueError:  # a quotation that ends in another line
                yield found[1].split()


def noun_and_verb(text: str) -> Iterator[list[str]]:
    """Spans such as `release draft`, where the program's name goes without saying."""
    spans = re.findall(r"`([a-z]+(?: [^`]+))`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    nouns = root_command().list_commands(None)
    yield from (span.split() for span in spans if span.split()[0] in nouns)


@cache
def root_command() -> Any:
    from typer.main import get_command

    from syndicator.cli import root

    return get_command(root.app)


def options(command: Any) -> set[str]:
    return {
        "--help",
        *(option for param in command.params for option in (*param.opts, *param.secondary_opts)),
    }


def fault_of(words: list[str]) -> str | None:
    """What is wrong with a call of `syndicator`, as far as nouns, verbs and options go."""
    command = root_command()
    known = options(command)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in {"|", "&&", ";", ">", "<", "<<", "#", ")"}:
            break
        if word.startswith("--"):
            if word.partition("=")[0] not in known:
                return f"no option {word}"
            takes = next((p for p in command.params if word in p.opts), None)
            if takes is not None and "=" not in word and not getattr(takes, "is_flag", False) and rest:
                rest.pop(0)
        elif hasattr(command, "commands") and not PLACEHOLDER.match(word):
            found = command.get_command(None, word)
            if found is None:
                return f"no command {word!r}"
            command = found
            known = known | options(command)
    return None


@pytest.mark.parametrize("path", [*DOCS, *ADRS], ids=doc_id)
def test_every_command_exists(path: Path) -> None:
    """operations:OP34: each `syndicator …` in the documents, and each noun with a verb, is something the program has."""
    text = path.read_text()
    calls = [*commands(text), *noun_and_verb(text)]
    assert [] == [(words, fault) for words in calls if (fault := fault_of(words))]


@pytest.mark.parametrize("path", [*DOCS, *ADRS], ids=doc_id)
def test_every_target_exists(path: Path) -> None:
    """Each `make …` in the documents is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {found[1] for line in code(path.read_text()) if (found := re.match(r"make ([a-z]+)", line))}
    assert set() == called - targets


@pytest.mark.parametrize("path", [*DOCS, *ADRS], ids=doc_id)
def test_every_link_resolves(path: Path) -> None:
    """A link to a file finds it, and a link to a heading finds that heading."""
    assert [] == [link for link in links(path) if not resolves(path, link)]


def links(path: Path) -> Iterator[str]:
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from (link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link)


def resolves(path: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (path.parent / name).resolve() if name else path
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(path: Path) -> set[str]:
    """The headings of a document as web pages of repositories name them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", ADRS, ids=doc_id)
def test_every_decision_has_its_form(path: Path) -> None:
    """A decision is numbered as its file and has context, decision and consequences, in this order."""
    text = path.read_text()
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert ["Context", "Decision", "Consequences"] == re.findall(r"^## (.+)$", text, re.MULTILINE)


def test_decisions_are_numbered_without_gaps() -> None:
    """ADR n is the n-th."""
    assert [f"{n:04}" for n in range(1, len(ADRS) + 1)] == [path.name[:4] for path in ADRS]


def test_every_function_of_the_flows_exists() -> None:
    """Each `file.py:name` in docs/flows.md is a function or class of that file."""
    named = set(re.findall(r"([a-z_/]+\.py):([A-Za-z_]+)", (ROOT / "docs/flows.md").read_text()))
    assert len(named) > 40
    assert set() == {f"{file}:{name}" for file, name in named if name not in definitions(file)}


@cache
def definitions(file: str) -> frozenset[str]:
    """What a file of the program defines, methods included; nothing where there is no such file."""
    path = ROOT / "syndicator" / file
    if not path.exists():
        return frozenset()
    nodes = list(ast.walk(ast.parse(path.read_text())))
    makers = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {node.name for node in nodes if isinstance(node, makers)}
    targets = [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in nodes if isinstance(node, ast.AnnAssign)]
    return frozenset(names | {target.id for target in targets if isinstance(target, ast.Name)})


@pytest.mark.parametrize("path", [*DOCS, *ADRS], ids=doc_id)
def test_every_file_named_exists(path: Path) -> None:
    """Paths of the project that stand as code in the documents exist."""
    spans = re.findall(r"`((?:syndicator|config|docs|tests|bench|tools)/[\w./-]*)`", path.read_text())
    assert [] == [span for span in spans if not (ROOT / span).exists()]


@pytest.mark.parametrize("path", ITEMS, ids=doc_id)
def test_the_demos_items_load(path: Path) -> None:
    """An item of the demo is dated, filed, has somebody to ask, and says at once that it is demo text."""
    newsroom = load(DEMO / "syndicator.toml", {})
    draft = draft_from(
        path.read_text(), base_url=newsroom.site().base_url, zone=newsroom.site().zone, parts=True
    )
    plain = {topic.slug for topic in newsroom.topics if topic.rule is None}
    assert draft.uid
    assert draft.published is not None
    assert "2025-07" <= f"{draft.published:%Y-%m}" <= "2025-08"
    assert set(draft.content.topics) <= plain
    assert draft.content.topics
    assert draft.content.spokesperson in {person.slug for person in newsroom.spokespeople}
    assert set(draft.content.boilerplates) <= {part.slug for part in newsroom.boilerplates}
    assert says_it_is_demo_text(draft)


@pytest.mark.parametrize("path", RELEASES, ids=doc_id)
def test_the_demos_releases_load(path: Path) -> None:
    """A release of the demo has neither embargo nor uid: the demo gives it both when it starts."""
    draft = draft_from(path.read_text(), base_url="http://127.0.0.1:8000", zone="UTC", parts=True)
    assert (None, None, None) == (draft.embargo, draft.uid, draft.published)
    assert draft.content.kind == "press-release"
    assert says_it_is_demo_text(draft)


def says_it_is_demo_text(draft: Draft) -> bool:
    """Whether its first words, but for a dateline, do."""
    first = draft.content.body.removeprefix(f"<p><strong>{draft.content.dateline}</strong> – ")
    return first.removeprefix("<p>").startswith("<em>Demo text.")


def test_the_demo_has_a_newsroom() -> None:
    """Five items, a release, two people to ask; every address ends in .example."""
    assert (5, 1) == (len(ITEMS), len(RELEASES))
    newsroom = load(DEMO / "syndicator.toml", {})
    assert len(newsroom.spokespeople) == 2
    texts = [path.read_text() for path in (*ITEMS, *RELEASES, DEMO / "syndicator.toml")]
    addresses = [found for text in texts for found in re.findall(r"[\w.+-]+@([\w.-]+\w)", text)]
    assert addresses
    assert [] == [host for host in addresses if not host.endswith(".example")]
