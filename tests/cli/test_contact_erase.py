"""Forgetting somebody: after it the address and the name are nowhere, and the address does not come back."""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Text, cast, insert, select

from syndicator.model.audience import address
from syndicator.model.letters import Letter
from syndicator.runtime import Runtime
from syndicator.settings import load
from syndicator.store import Store, audience, evidence, letters, moves, schema, suppressions
from tests.cli.program import InProcess, Said
from tests.web.served import running

MAIL, NAME = "Zenobia.Quixote@paper.example", "Zenobia Quixote"
TRACES = ("zenobia", "quixote")


@pytest.fixture
def house(cli: InProcess) -> InProcess:
    """Somebody who has left traces everywhere, on each database."""
    return furnished(cli)


@pytest.fixture
def one_house(lite: InProcess) -> InProcess:
    """The same on SQLite, for what does not depend on the database."""
    return furnished(lite)


def furnished(cli: InProcess) -> InProcess:
    """Sign-up, mail, bounces, moves, what others were told of them."""
    cli("topic", "add", "policy", "Policy")
    cli("contact", "add", MAIL, "--name", NAME, "--outlet", "The Quixote Post", "--timezone", "Europe/Paris")
    cli("contact", "subscribe", MAIL, "policy", "--consent", f"mail from {MAIL}")
    cli("contact", "accredit", MAIL, "--agreement", f"terms signed by {NAME}")
    cli("contact", "add", "desk@paper.example")
    cli("contact", "edit", "desk@paper.example", "--owner", MAIL)
    cli("item", "add", cli.file("a.md", "title: News\ntopics: [policy]"))
    cli("worker", "--once", "deliver")
    with opened(cli) as runtime:
        _traces(runtime.store)
    cli("contact", "subscribe", MAIL, "policy", "--cadence", "daily", "--consent", f"phone, {NAME}")
    return cli


def _traces(store: Store) -> None:
    who = address(MAIL)
    with store.begin() as tx:
        contact = audience.contact(tx, who)
        digest = suppressions.digest(tx, who.key)
        given: dict[str, Any] = {
            "contact_id": contact.id,
            "digest": digest,
            "network": "192.0.2.9",
            "agent": NAME,
        }
        evidence.record(tx, "requested", **given, source=f"list of {NAME}", told=MAIL)
        wish = {"address": MAIL, "name": NAME}
        now = tx.now
        request = {"digest": digest, "domain": "paper.example", "network": "192.0.2.0/24", "wish": wish}
        for values in (request, {**request, "contact_id": contact.id}):
            row = insert(schema.requests).values(**values, consent="", state="asked", created=now)
            tx.connection.execute(row)
        moves.add(tx, contact.id, address("quixote@new.example"))
        letters.plan(tx, Letter.KNOWN, who, contact_id=contact.id, facts={"topics": [NAME]})
        letters.plan(tx, Letter.MOVED, who, facts={"masked": NAME})
        facts = {"name": NAME, "outlet": "x", "words": f"I am {NAME}, {MAIL}"}
        letters.plan(tx, Letter.APPLIED, address("press@news.example"), facts=facts)
        _rows(tx.connection, contact.id, now)


def _rows(connection: object, contact_id: int, now: datetime) -> None:
    """What other rooms write: given here as rows, so that each table has a trace."""
    said = f"550 5.1.1 <{MAIL}>: {NAME} is unknown here"
    for table, values in (
        (schema.contact_tags, {"contact_id": contact_id, "tag": "quixote"}),
        (schema.applications, {"contact_id": contact_id, "words": said, "consent": "", "created": now}),
        (
            schema.bounces,
            {
                "event": "1",
                "at": now,
                "source": "smtp",
                "kind": "hard",
                "contact_id": contact_id,
                "detail": said,
            },
        ),
        (schema.alarms, {"key": "lane/mail/1", "subject": said, "words": said, "raised": now}),
    ):
        known = {name: value for name, value in values.items() if name in table.c}
        connection.execute(insert(table).values(**known))  # type: ignore[attr-defined]


def opened(cli: InProcess) -> "Opened":
    """The house's runtime for a block."""
    return Opened(cli)


class Opened:
    """A runtime over the house, with the settings the commands have."""

    def __init__(self, cli: InProcess) -> None:
        self._runtime = Runtime(load(None, cli.env, {}))

    def __enter__(self) -> Runtime:
        return self._runtime

    def __exit__(self, *_: object) -> None:
        self._runtime.close()


def traces(store: Store) -> set[str]:
    """Tables in which a trace stands, every column of every row read as text."""
    found = set()
    with store.read() as tx:
        for table in schema.metadata.sorted_tables:
            rows = tx.connection.execute(select(*(cast(column, Text) for column in table.c)))
            words = "\n".join(str(row).casefold() for row in rows)
            if any(trace in words for trace in TRACES):
                found.add(table.name)
    return found


def files_with_traces(*folders: Path) -> Iterator[Path]:
    """Files below these folders whose name or bytes hold a trace."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            data = path.read_bytes().lower() if path.is_file() else b""
            if any(trace in path.name.lower() or trace.encode() in data for trace in TRACES):
                yield path


def test_after_an_erasure_there_is_no_trace(house: InProcess, tmp_path: Path) -> None:
    """mail:LM19 security:D7 shown by 5: no table, database file, write-ahead log, letter, log line or later backup has it.

    Nobody puts the address on the list again, by hand or from a file.
    """
    (tmp_path / "a.md").unlink()
    with opened(house) as runtime:
        before = traces(runtime.store)
    people = {"contacts", "contact_tags", "evidence", "requests", "moves", "letters", "accreditations"}
    assert people | {"applications", "subscriptions", "bounces", "deliveries"} <= before
    assert list(files_with_traces(tmp_path / "mail"))
    asked = house.try_("contact", "erase", MAIL)
    assert (6, True) == (asked.code, "--yes" in asked.err)
    said = house.try_("contact", "erase", MAIL, "--yes")
    assert (0, "") == (said.code, "".join(trace for trace in TRACES if trace in said.err.lower()))
    with opened(house) as runtime:
        assert set() == traces(runtime.store)
        with runtime.store.read() as tx:
            d = schema.deliveries.c
            theirs = select(d.state).where(d.contact_id == 1).distinct()
            assert {"accepted", "cancelled"} == set(tx.connection.execute(theirs).scalars())
    assert [] == list(files_with_traces(tmp_path / "mail"))
    url = house.env["SYNDICATOR_STORE__URL"]
    if url.startswith("sqlite"):
        base = Path(url.removeprefix("sqlite:///"))
        copy = tmp_path / "backup.db"
        with sqlite3.connect(base) as live, sqlite3.connect(copy) as kept:
            live.backup(kept)
        for path in (base, base.with_name(f"{base.name}-wal"), copy):
            data = path.read_bytes().lower() if path.exists() else b""
            assert not any(trace.encode() in data for trace in TRACES), path
    said = house.try_("contact", "add", MAIL.upper())
    assert (6, True) == (said.code, "erased" in said.err)
    house.try_("contact", "import", "-", stdin=f"email,name,topics,consent\n{MAIL},{NAME},policy,a card\n")
    assert ["desk@paper.example"] == [one["email"] for one in house.json("contact", "list")]
    assert 5 == house.try_("contact", "erase", MAIL, "--yes").code
    assert "contact.erase" in [one["act"] for one in house.json("audit", "list")]


def test_a_restored_copy_is_cleaned_at_the_start(sqlite_url: str, tmp_path: Path) -> None:
    """mail:LM19 a backup from before knows them still: at the next start they are forgotten again."""
    lite = InProcess(sqlite_url, tmp_path)
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(tmp_path / "media")
    lite("contact", "add", MAIL, "--name", NAME)
    base = Path(sqlite_url.removeprefix("sqlite:///"))
    with sqlite3.connect(base) as live, sqlite3.connect(tmp_path / "older.db") as kept:
        live.backup(kept)
    lite("contact", "erase", MAIL, "--yes")
    for suffix in ("", "-wal", "-shm"):
        base.with_name(base.name + suffix).unlink(missing_ok=True)
    shutil.copy(tmp_path / "older.db", base)
    with opened(lite) as runtime:
        assert {"contacts"} == traces(runtime.store)
        runtime.prepare(start=True)
        assert set() == traces(runtime.store)
    assert 6 == lite.try_("contact", "add", MAIL).code


@pytest.mark.parametrize(
    ("mail", "said"), [(MAIL, MAIL), ("ÉVA.Quixote@paper.example", "éva.quixote@paper.example")]
)
def test_whoever_only_asked_is_forgotten_too(lite: InProcess, mail: str, said: str) -> None:
    """mail:LM19 a sign-up that nobody confirmed: its wish, its evidence and the mail that asked; then nothing is left, in whatever spelling."""
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(lite.folder / "media")
    assert 5 == lite.try_("contact", "erase", said, "--yes").code
    with opened(lite) as runtime, runtime.store.begin() as tx:
        who = address(mail)
        asked = {
            "digest": suppressions.digest(tx, who.key),
            "domain": "paper.example",
            "network": "192.0.2.0/24",
        }
        wish = {"wish": {"address": mail, "name": NAME}, "consent": "", "state": "asked", "created": tx.now}
        tx.connection.execute(insert(schema.requests).values(**asked, **wish))
        evidence.record(tx, "requested", digest=asked["digest"], agent=NAME)
        letters.plan(tx, Letter.ASK, who, about=1, facts={"topics": [NAME], "cadence": "daily"})
    lite("worker", "--once", "deliver")
    with opened(lite) as runtime:
        link = f"/media-list/confirm/{runtime.tokens.request_token(1)}"
    # No header of a letter can hold the other address, but the ledger can.
    assert mail.isascii() == bool(list(files_with_traces(lite.folder / "mail")))
    lite("contact", "erase", said, "--yes")
    with opened(lite) as runtime, running(runtime.store, runtime.site, tokens=runtime.tokens) as web:
        assert set() == traces(runtime.store)
        assert [410, 410] == [web.ask(link, method).status for method in ("GET", "POST")]
    assert [] == list(files_with_traces(lite.folder / "mail", lite.folder / "media"))
    assert [5, 6] == [
        lite.try_("contact", "erase", said, "--yes").code,
        lite.try_("contact", "add", said).code,
    ]


def test_one_export_for_staff_and_person(one_house: InProcess) -> None:
    """mail:LM18 profile, subscriptions, evidence, deliveries, bounces, accreditations and tags; the audit has it."""
    told = one_house.json("contact", "show", MAIL)
    keys = {
        "profile",
        "subscriptions",
        "evidence",
        "deliveries",
        "bounces",
        "accreditations",
        "tags",
        "letters",
    }
    assert keys <= told.keys()
    assert [NAME, ["quixote"]] == [told["profile"]["name"], told["tags"]]
    assert any(one["tries"] for one in told["deliveries"])
    assert "contact.export" in [one["act"] for one in one_house.json("audit", "list")]


def said_of(program: InProcess, *args: str) -> Said:
    """How a command ended."""
    return program.try_("contact", *args)


def test_editing_by_staff(one_house: InProcess) -> None:
    """peers:3 a change of how often ends one and begins another; each change leaves evidence of who made it."""
    one_house("contact", "edit", MAIL, "--name", "Z. Quixote", "--hour", "6", "--by", "mira")
    one_house("contact", "cadence", MAIL, "policy", "weekly", "--by", "mira")
    one_house("contact", "unsubscribe", MAIL, "policy", "--reason", "asked by phone", "--by", "mira")
    told = one_house.json("contact", "show", MAIL)
    assert ["Z. Quixote", 6] == [told["profile"]["name"], told["profile"]["hour"]]
    history = [(one["cadence"], one["state"]) for one in told["subscriptions"]]
    assert [("immediate", "ended"), ("daily", "ended"), ("weekly", "ended")] == history
    assert "asked by phone" == told["subscriptions"][-1]["reason"]
    changes = [one for one in told["evidence"] if one.get("person") == "mira"]
    assert ["changed", "changed", "left"] == [one["act"] for one in changes]
    assert {"hour": [8, 6]} == changes[0]["detail"]["values"]
    for args in (
        ("edit", MAIL),
        ("edit", MAIL, "--country", "Germany"),
        ("edit", MAIL, "--timezone", "Mars/X"),
    ):
        assert 2 == said_of(one_house, *args).code
    assert 6 == said_of(one_house, "cadence", MAIL, "policy", "daily").code
