"""A folder read over IMAP: by UID, in pieces, over TLS that is checked; and what servers do at the wrong moment."""

from __future__ import annotations

import pytest

from syndicator.errors import TryLater, Unreachable
from syndicator.wire import imap
from syndicator.wire.imap import Account, Mailbox
from tests.make import reserved_port
from tests.wire.imap_server import Folder, ImapServer
from tests.wire.smtp_server import Authority, authority


def _account(port: int, **other: object) -> Account:
    values = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "username": "b",
        "password": "secret",
        "patience": 30,
    }
    return Account(**{**values, **other})  # type: ignore[arg-type]


def _read(account: Account, after: int = 0) -> list[int]:
    with Mailbox(account) as box:
        return [uid for some in box.after(after) for uid in some]


@pytest.mark.parametrize("uidnext", [True, False])
def test_what_is_behind_a_uid_is_found(uidnext: bool) -> None:  # noqa: FBT001 - a case
    """mail:LM13 In order, none twice, nothing where nothing is new, though `n:*` always names the last."""
    folder = Folder(dict.fromkeys((3, 4, 70000), b"x"), validity=9)
    with ImapServer(folder, uidnext=uidnext) as server:
        assert [[3, 4, 70_000], [4, 70_000], [70_000], []] == [
            _read(_account(server.port), after) for after in (0, 3, 69_999, 70_000)
        ]
        with Mailbox(_account(server.port)) as box:
            assert 9 == box.validity
    with ImapServer(Folder(), uidnext=uidnext) as server:
        assert [] == _read(_account(server.port))


def test_a_letter_is_fetched_in_pieces_and_no_further() -> None:
    """mail:LM13 Its size first, then pieces up to the limit; none is marked as seen before we say so, none deleted."""
    letter = bytes(range(256)) * 4_000
    folder = Folder({1: letter, 2: b""})
    with ImapServer(folder) as server, Mailbox(_account(server.port)) as box:
        assert letter[:600_000] == box.letter(1, 600_000)
        assert [letter, b"", None] == [box.letter(uid, 10**7) for uid in (1, 2, 5)]
        assert set() == folder.seen
        box.see([1, 2])
        box.see([])
    assert {1, 2} == folder.seen
    spoken = b" ".join(server.said)
    assert b"EXPUNGE" not in spoken
    assert b"Deleted" not in spoken
    assert (
        max(int(line.split(b".")[-1].split(b">")[0]) for line in server.said if b"PEEK" in line) <= imap.PIECE
    )


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the server's certificate."""
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize("way", ["tls", "starttls"])
def test_a_certificate_is_checked(ca: Authority, way: str) -> None:
    """security:S9 Both ways into TLS: with the operator's own authority it is read, without it never logged in."""
    context = ca.context("127.0.0.1")
    with ImapServer(Folder({1: b"x"}), trust=context, starttls=way == "starttls") as server:
        assert [1] == _read(_account(server.port, tls=way, ca_file=str(ca.file)))
        spoken = len(server.said)
        with pytest.raises(Unreachable, match="certificate is not valid"):
            _read(_account(server.port, tls=way))
        assert not any(b"LOGIN" in line for line in server.said[spoken:])


def test_nothing_is_said_in_clear_where_tls_was_asked_for() -> None:
    """security:S9 A server without STARTTLS gets no password."""
    with ImapServer(Folder()) as server:
        with pytest.raises(Unreachable, match="TLS"):
            _read(_account(server.port, tls="starttls"))
        assert not any(b"LOGIN" in line for line in server.said)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"password": "wrong"}, "AUTHENTICATIONFAILED"), ({"folder": "Bounces"}, "no folder 'Bounces'")],
)
def test_what_an_operator_set_wrong_is_named(change: dict[str, str], words: str) -> None:
    """mail:LM13 One line that says what to look at, and holds no password."""
    with ImapServer(Folder()) as server, pytest.raises(Unreachable, match=words) as fault:
        _read(_account(server.port, **change))
    assert "secret" not in f"{fault.value}{_account(1)!r}"
    assert "wrong" not in str(fault.value)
    with pytest.raises(Unreachable, match=r"check host, port"):
        _read(_account(reserved_port()))


@pytest.mark.parametrize("at", [b"LOGIN", b"SELECT", b"UID SEARCH", b"UID FETCH", b"UID STORE"])
def test_a_server_that_hangs_up_is_tried_later(at: bytes) -> None:
    """mail:LM13 Wherever it breaks off: an error of ours, never a hang and never a half letter."""

    def read(port: int) -> None:
        with Mailbox(_account(port)) as box:
            for uids in box.after(0):
                box.letter(uids[0], 100)
                box.see(uids)

    cut = ImapServer(Folder({1: b"x" * 999}), cut=lambda line: line.startswith(at))
    with cut as server, pytest.raises((TryLater, Unreachable)):
        read(server.port)


def test_folders_of_any_name_are_opened() -> None:
    """mail:LM13 In the modified UTF-7 of RFC 3501 section 5.1.3, quotes and ampersands and all."""
    with ImapServer(Folder(name=b'"R&APw-ck&-&ZeVnLA-"')) as server:
        assert [] == _read(_account(server.port, folder="Rück&日本"))
