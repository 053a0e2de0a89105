"""Lists as they are handed in: whichever house, encoding and separator they come from; and what is no list."""

from __future__ import annotations

import csv
import io
import json
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from syndicator.errors import Invalid, SyndicatorError
from syndicator.model.audience import Cadence, address
from syndicator.model.roster import Person
from syndicator.model.suppression import Reason
from syndicator.model.zipped import Archive
from syndicator.signup.roster.forms import Form, Sheet, sheet
from syndicator.signup.roster.people import Manner, Reading, _address, read

KNOWN = {"policy": 1, "funding": 2}
PLAIN = "email,name,topics\njané@paper.example,Jané Müller,policy\n".replace("jané", "jane")
MEMBERS = (
    '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,CC,TIMEZONE,'
    "LEID,EUID,NOTES,TAGS"
)


def understood(data: bytes, **how: object) -> tuple[Sheet, list[Person], list[str]]:
    """The list, the people in it, and the faults of its rows."""
    found = sheet(data, **how)  # type: ignore[arg-type]
    manner = Manner(form=found.form, zone="UTC", known=KNOWN)
    reading = Reading()
    for reading in read(found.rows, manner):  # noqa: B007 - the last is the whole
        pass
    found.told += reading.told()
    return found, list(reading.people.values()), [f"{one.where}: {one.fault}" for one in reading.bad]


def people(data: bytes, **how: object) -> list[Person]:
    """Everybody in a list without a bad row."""
    _, found, bad = understood(data, **how)
    assert [] == bad
    return found


def archive(**files: str) -> bytes:
    """A ZIP of these files, `_` for a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(f"{name}.csv", text)
    return out.getvalue()


def workbook(*rows: list[object]) -> bytes:
    """A workbook of these rows."""
    book, out = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16-le", "read as UTF-16"),
        ("utf-16-be", "read as UTF-16"),
        ("windows-1252", "was read as windows-1252"),
        ("latin-1", "was read as windows-1252"),
    ],
)
def test_any_common_encoding_is_read(encoding: str, told: str) -> None:
    """And a guess is said to be one (mail:LM17)."""
    found, (jane,), _ = understood(PLAIN.encode(encoding))
    assert ("Jané Müller", "jane@paper.example") == (jane.words["name"], jane.address.key)
    assert told in "; ".join(found.told)
    assert bool(told) == bool(found.told)


def test_an_encoding_that_is_named_is_taken() -> None:
    """What no guess can know, --encoding says; one that does not fit is one line (mail:LM17)."""
    text = "email,name\njane@paper.example,Žofie Křížová\n"
    (jane,) = people(text.encode("windows-1250"), encoding="windows-1250")
    assert "Žofie Křížová" == jane.words["name"]
    for encoding, words in (("utf-8", "is not UTF-8"), ("klingon", "is not known"), ("hex", "is not known")):
        with pytest.raises(Invalid, match=words):
            understood(text.encode("windows-1250"), encoding=encoding)
    with pytest.raises(Invalid, match="neither UTF-8 nor windows-1252"):
        understood(b"email,name\njane@paper.example,\x81\x8d\n")


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "sep={}\r\n", "\ufeff"])
def test_any_separator_is_seen(sign: str, start: str) -> None:
    """Quotes and line breaks in cells with it; the line of a row is its first (mail:LM17)."""
    out = io.StringIO()
    rows = csv.writer(out, delimiter=sign, lineterminator="\r\n")
    rows.writerows(
        [["E-Mail", "Notizen", "Name"], ["a@x.example", 'say "hi",;|\nthere', "A"], ["b", "", "B"]]
    )
    _, (one,), (bad,) = understood((start.format(sign) + out.getvalue()).encode())
    assert ('say "hi",;|\nthere', "A") == (one.words["notes"], one.words["name"])
    assert f"line {4 + start.startswith('sep')}: 'b' is no mail address: it has no @" == bad


@pytest.mark.parametrize(
    "header",
    [
        "Email Address,First Name,Last Name,Company,Topics",
        "E-Mail-Adresse;Vorname;Nachname;Redaktion;Themen",
        "Courriel;Prénom;Nom;Média;Sujets",
        "Correo electrónico;Nombre;Apellidos;Medio;Temas",
        "INDIRIZZO EMAIL;NOME;COGNOME;TESTATA;ARGOMENTI",
        '"  e-MAIL ";"Given  Name";Surname;Outlet;Topic',
    ],
)
def test_headers_of_several_languages_are_guessed(header: str) -> None:
    """In any case; what was guessed is said, so that a wrong guess is seen (mail:LM17)."""
    row = "a@x.example,Ada,Lovelace,The Paper,policy".replace(",", ";" if ";" in header else ",")
    found, (ada,), _ = understood(f"{header}\n{row}\n".encode())
    assert {"name": "Ada Lovelace", "outlet": "The Paper"} == ada.words
    assert ["policy"] == [one.topic for one in ada.wishes]
    assert "as email" in found.told[0] or "E-mail" in header or "e-MAIL" in header


def test_a_column_that_nobody_reads_is_named() -> None:
    """mail:LM17 Of two that say who left, one is left alone: whoever takes the list in is told, unless they meant it."""
    head, row = "email,status,Estado,,phone\n", "a@x.example,subscribed,unsubscribed,,1\n"
    words = sheet((head + row).encode()).told[0]
    assert 'left alone "Estado", "phone"; --map NAME=OURS reads one' in words
    assert "Estado" not in sheet((head + row).encode(), maps=("Estado=ignore",)).told[0]
    many = ",".join(f"c{n}" for n in range(900))
    assert len(sheet(f"email,{many}\na@x.example\n".encode()).told[0]) < 200


def test_a_column_that_was_mapped_is_taken_before_any_guess() -> None:
    """--map wins, also to leave a column alone (mail:LM17)."""
    text = "Mail,E-Mail,Status\nold@x.example,new@x.example,freelance\n"
    (one,) = people(text.encode(), maps=("E-Mail=email", "STATUS=ignore"))
    assert "new@x.example" == one.address.key
    with pytest.raises(Invalid, match="OURS is one of email, name"):
        understood(text.encode(), maps=("E-Mail=address",))
    assert "the status 'freelance' is not known" in understood(text.encode())[2][0]


def test_a_workbook_is_read_by_its_values() -> None:
    """Figures, dates and the last values of formulas; a formula nobody has computed is an empty cell (mail:LM17)."""
    data = workbook(
        ["E-Mail", "Name", "Notes", "Topics"], ["a@x.example", 12.0, "=1+1", "policy;funding"], [None]
    )
    found, (one,), _ = understood(data)
    assert (Form.XLSX, {"name": "12"}, 2) == (found.form, one.words, len(one.wishes))
    assert "row 2: 'x' is no mail address" in understood(workbook(["email"], ["x"]))[2][0]


def test_pasted_addresses_are_read_with_their_names() -> None:
    """As they stand in a mail or a document; a line without one is named (mail:LM17)."""
    text = 'Ada <a@x.example>, "Hopper, Grace" <g@x.example>;\nb@x.example  c@x.example\n\nnobody here\n'
    found, some, bad = understood(text.encode())
    named = [(one.address.key, one.words.get("name", "")) for one in some]
    assert [("a@x.example", "Ada"), ("g@x.example", "Hopper, Grace")] == named[:2]
    assert [("b@x.example", ""), ("c@x.example", "")] == named[2:]
    assert (Form.TEXT, 1) == (found.form, len(bad))
    assert bad[0].startswith("line 4: 'nobody here'")


def test_the_export_of_mailchimp() -> None:
    """Who left or was cleaned is gone; a form is a yes, what an owner typed in is none (mail:LM17, peers:7)."""
    listed = (
        f"{MEMBERS}\nform@x.example,Ada,L,2,2020-01-02 10:00:00,192.0.2.7,2020-01-02 10:01:00,192.0.2.7,CH,"
        'Europe/Zurich,1,e,,"""Desk"",""old list"""\n'
        "typed@x.example,B,T,2,,,2019-01-02 10:00:00,,,nowhere,2,f,,\nboth@x.example,,,2,,,2019-01-02 10:00:00,,,,3,g,,\n"
    )
    left = f"{MEMBERS},UNSUB_TIME,UNSUB_REASON\nboth@x.example,,,2,,,,,,,4,h,,,2021-05-06 07:08:09,NORMAL\n"
    files = {"subscribed_members_export_1": listed, "unsubscribed_members_export_1": left}
    files |= {"cleaned_members_export_1": f"{MEMBERS}\ndead@x.example,,,2,,,,,,,5,i,,\n", "readme": "x"}
    found, some, bad = understood(archive(**files))
    who = {one.address.key: one for one in some}
    assert (Form.MAILCHIMP, []) == (found.form, bad)
    ada = who["form@x.example"]
    assert {"name": "Ada L", "country": "CH", "zone": "Europe/Zurich"} == ada.words
    assert ({"desk", "old-list"}, "192.0.2.7", True) == (ada.tags, ada.yes.network, bool(ada.yes))
    assert not who["typed@x.example"].yes
    assert (Reason.LEFT, "NORMAL", 2021) == (
        who["both@x.example"].gone,
        who["both@x.example"].why,
        who["both@x.example"].left.year,  # type: ignore[union-attr]
    )
    assert Reason.DEAD is who["dead@x.example"].gone
    assert "1 row was taken without its timezone" in found.told[0]
    single, _, _ = understood(listed.encode())
    assert Form.MAILCHIMP is single.form


def test_the_exports_of_listmonk_and_keila() -> None:
    """A status and a column of JSON; who was blocked or left is gone, for the others nothing shows a yes (peers:7)."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow("uuid email name attributes status created_at updated_at".split())
    rows.writerow(
        ["u", "a@x.example", "A", '{"Country": "de", "company": "Z", "x": 1}', "enabled", "2020", ""]
    )
    rows.writerow(["u", "b@x.example", "B", "{broken", "blocklisted", "2020", ""])
    rows.writerow(["u", "c@x.example", "C", "[]", "disabled", "2020", ""])
    found, (a, b, c), _ = understood(out.getvalue().encode())
    assert (Form.LISTMONK, {"name": "A", "country": "DE", "outlet": "Z"}) == (found.form, a.words)
    assert (True, Reason.LEFT, Reason.MANUAL) == (a.foreign, b.gone, c.gone)
    keila = "Email,First name,Last name,Data,Status\na@x.example,A,B,,active\nb@x.example,,,,unreachable\n"
    found, (a, b), _ = understood(keila.encode())
    assert (Form.KEILA, "A B", Reason.DEAD) == (found.form, a.words["name"], b.gone)


def test_an_array_of_objects_is_read() -> None:
    """By the columns' names, several topics as a list or a text; what is no such entry is named (mail:LM17)."""
    rows = [
        {
            "email": "a@x.example",
            "name": '-Ada, "A"',
            "topics": ["policy", "funding"],
            "consent": "phone",
            "tags": [],
        },
        {
            "E-Mail": "b@x.example",
            "topics": "policy;funding",
            "notes": None,
            "country": "DE",
            "cadence": "daily",
        },
        {"email": "gone@x.example", "suppressed": "unsubscribed: by a link"},
        {"email": "law@x.example", "suppressed": "legal"},
        {"name": "nobody"},
        {"email": "c@x.example", "name": {"first": "C"}},
        7,
    ]
    for text in (json.dumps(rows), "\ufeff\n " + json.dumps(rows, indent=2)):
        found, (a, b, gone, law), bad = understood(text.encode())
        assert (Form.JSON, {"name": '-Ada, "A"'}, "phone") == (found.form, a.words, a.wishes[0].consent)
        assert ["policy", "funding"] == [one.topic for one in a.wishes] == [one.topic for one in b.wishes]
        assert ({"country": "DE"}, Cadence.DAILY) == (b.words, b.wishes[0].cadence)
        assert (Reason.LEFT, Reason.MANUAL) == (gone.gone, law.gone)
        assert ["entry 5: '' is no mail address: it has no @", "entry 6: its 'name' is no text"] == bad[:2]
        assert "entry 7: it is no object with an email" == bad[2]
    assert [] == people(b"[ ]")
    (one,) = people(b'[{"Zeile": "a@x.example"}]', maps=("Zeile=email",))
    assert "a@x.example" == one.address.key
    pasted, _, _ = understood(b"[Desk] a@x.example\n")
    assert Form.TEXT is pasted.form


def test_rows_about_one_address_are_one_person() -> None:
    """Their subscriptions are joined, the first word stays, whatever says they left wins (mail:LM10)."""
    text = (
        "email,name,topics,cadence,status\nA@x.example,Ada,policy,,\na@X.EXAMPLE,Eve,policy funding,daily,\n"
        "b@x.example,,policy,,\nb@x.example,,,,unsubscribed\n"
    )
    a, b = people(text.encode())
    wishes = [(one.topic, one.cadence) for one in a.wishes]
    assert ("Ada", [("policy", Cadence.IMMEDIATE), ("funding", Cadence.DAILY)]) == (a.words["name"], wishes)
    assert Reason.LEFT is b.gone


def bomb() -> bytes:
    """A workbook whose sheet unpacks to a thousand times its size."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/workbook.xml", "<workbook/>")
        made.writestr("xl/worksheets/sheet1.xml", b" " * 5_000_000)
    return out.getvalue()


def entities() -> bytes:
    """A workbook that declares what no spreadsheet does."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("xl/workbook.xml", '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><workbook/>')
    return out.getvalue()


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "names no column email"),
    "100,000 columns": (
        lambda: b"email" + b",x" * 100_000 + b"\n",
        "has 100,001 columns; the limit is 1,000",
    ),
    "100,000 columns below": (lambda: b"email\n" + b"," * 100_000, "line 2 has 100,001 columns"),
    "NULs": (lambda: b"email,name\n" + b"a" * 5000 + b"@x\n\0\0\n", "line 3 holds a NUL"),
    "rubbish": (lambda: bytes(range(256)) * 40, "it holds NUL bytes"),
    "a line of 50 MB": (lambda: b"email\n" + b"x" * 50_000_000, "line 2 is no CSV: field larger than"),
    "a line of 50 MB alone": (lambda: b"x@" * 25_000_000, "is no CSV: field larger than"),
    "too long": (lambda: b"x" * 100_000_001, "is longer than 100,000,000 bytes"),
    "a ZIP of something else": (lambda: archive(holiday="x"), "neither a workbook"),
    "a broken ZIP": (lambda: b"PK\x03\x04" + b"x" * 400, "no zip archive, or it is cut short"),
    "a ZIP that claims a million": (
        lambda: (
            b"PK\x03\x04" + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60_000, 60_000, 0xFFFFFFFF, 0, 0)
        ),
        "claims 60,000 entries",
    ),
    "a bomb": (bomb, "unpacks to"),
    "entities": (entities, "declares entities"),
    "a broken workbook": (
        lambda: zipped_workbook("<workbook"),
        "is a broken workbook",
    ),
    "JSON of one": (lambda: b'{"email": "a@x.example"}', "no list of people"),
    "JSON of something else": (lambda: b'[{"id": 1}]', "no list of people"),
    "JSON of numbers": (lambda: b"[1, 2]", "no list of people"),
    "JSON cut short": (
        lambda: b'[{"email": "a@x.example"},\n{"email": "b@x',
        "entry 2, from line 2, is no JSON",
    ),
    "JSON without its end": (
        lambda: b'[{"email": "a@x.example"}',
        "after entry 1 it is no JSON array any more",
    ),
    "JSON and more": (lambda: b'[{"email": "a@x.example"}] []', "after entry 1 it is no JSON array any more"),
    "JSON too deep": (lambda: b"[" * 1_000_000, "entry 1 is nested too deeply|entry 1 is broken"),
    "a deep cell": (
        lambda: b'[{"email": "a@x.example", "notes": ' + b"[" * 500_000 + b"]" * 499_000 + b"}]",
        "entry 1 is nested too deeply",
    ),
    "JSON of a long text": (lambda: b'[{"email": "' + b"x" * 2_000_000 + b'"}]', "longer than 1,000,000"),
    "JSON of 2,000 names": (
        lambda: json.dumps([{"email": "a@x.example", **{f"n{n}": "" for n in range(2_000)}}]).encode(),
        "has 2,001 names; the limit is 1,000",
    ),
    "half an UTF-16": (lambda: "email,x\n".encode("utf-16") + b"\n", "is not UTF-16"),
}


def zipped_workbook(text: str) -> bytes:
    """A workbook that holds nothing but this."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("xl/workbook.xml", text)
    return out.getvalue()


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_list_is_one_line(name: str) -> None:
    """And says what is wrong and where; nothing is read beyond a limit (mail:LM17)."""
    make, words = BAD[name]
    with pytest.raises(Invalid, match=words) as told:
        understood(make())
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 300


def test_a_format_that_was_named_must_be_it() -> None:
    """--format forces one; what is certainly another is refused (mail:LM17)."""
    with pytest.raises(Invalid, match="it is xlsx, not mailchimp"):
        understood(workbook(["email"]), form=Form.MAILCHIMP)
    with pytest.raises(Invalid, match="is no workbook"):
        understood(b"email\n", form=Form.XLSX)
    with pytest.raises(Invalid, match="no list of people"):
        understood(b"email\na@x.example\n", form=Form.JSON)
    found, (one,), _ = understood(b"email a@x.example\n", form=Form.TEXT)
    assert (Form.TEXT, "a@x.example") == (found.form, one.address.key)
    assert (
        understood(b"uuid,email,name,attributes,status\n1,a@x.example,A,,enabled\n", form=Form.CSV)[0].form
        is Form.CSV
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text("aB.+-_'é@ <>\"", max_size=9).map(lambda text: f"{text}@x.example"), min_size=2, max_size=4
    )
)
def test_the_quick_way_to_an_address_is_the_slow_one(texts: list[str]) -> None:
    """Addresses are understood as anywhere else, whatever was learned of their domain before (mail:LM5)."""
    domains: dict[str, str] = {}
    for text in ["first@x.example", *texts]:
        try:
            slow = address(text)
        except SyndicatorError:
            with pytest.raises(SyndicatorError):
                _address(text, domains)
        else:
            assert slow == _address(text, domains)


def test_a_bomb_is_judged_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """mail:LM17 what an entry claims is held against its packed size, and one that lies is read no further."""
    data = bomb()
    claim = struct.pack("<L", 5_000_000)
    liar = data.replace(claim, struct.pack("<L", 900_000))
    assert liar != data
    taken: list[int] = []
    read = zipfile.ZipExtFile.read

    def watched(file: zipfile.ZipExtFile, size: int = -1) -> bytes:
        taken.append(size)
        return read(file, size)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", watched)
    with pytest.raises(Invalid, match="times its size"):
        Archive(data, 400_000_000).read("xl/worksheets/sheet1.xml", 400_000_000)
    assert [] == taken
    with pytest.raises(Invalid, match="is broken"):
        Archive(liar, 400_000_000).read("xl/worksheets/sheet1.xml", 400_000_000)
    assert max(taken) < 2_000_000
