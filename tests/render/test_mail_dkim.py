"""Signatures: what dkimpy says of them, what breaks them and what does not, and keys that cannot sign."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from dkim.canonicalization import Relaxed  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid, Misconfigured
from syndicator.render.mail.dkim import OVERSIGNED, relaxed_body, signer
from syndicator.runtime import Runtime
from syndicator.settings import load
from tests.interop.dkim import by_dkimpy, faults, house_signer, letters, pem
from tests.make import NOW

SENDER = "news.example"
KEY = pem()


def test_a_verifier_agrees_and_nothing_spoilt_passes() -> None:
    """mail:MC15 dkimpy verifies every letter; a second header, another word or a missing one breaks it; relays do not."""
    assert faults(50, thorough=2) == []


def test_what_is_signed_and_how() -> None:
    """mail:MC10, mail:MC13, mail:MC15 The list headers and Feedback-ID are signed, who-says-what twice; no l=, no x=."""
    message = next(letters(1))
    tags = re.sub(r"\s", "", message.partition(b"\r\nTo: ")[0].decode().partition(":")[2])
    said = dict(tag.split("=", 1) for tag in tags.split(";"))
    names = said["h"].lower().split(":")
    assert ("rsa-sha256", "relaxed/relaxed", SENDER, "news2026") == (
        said["a"],
        said["c"],
        said["d"],
        said["s"],
    )
    assert not {"l", "x"} & set(said)
    present = [line.partition(b":")[0].decode().lower() for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in b" \t"]  # fmt: skip
    twice = {name.lower() for name in OVERSIGNED}
    for name in set(present[1:]) | twice:
        assert names.count(name) == present.count(name) + (name in twice)
    assert {"from", "to", "subject", "date", "message-id", "reply-to", "content-type", "list-unsubscribe", "list-unsubscribe-post"} <= twice  # fmt: skip
    assert max(map(len, message.partition(b"\r\nTo: ")[0].split(b"\r\n"))) <= 78


def test_the_same_letter_is_signed_the_same() -> None:
    """mail:MC2 Two signatures of one letter are the same bytes, also after another letter in between."""
    raw = next(letters(1)).partition(b"\r\nTo: ")[2]
    first, other, again = (house_signer().sign(body, NOW) for body in (raw, raw + b"x\r\n", raw))
    assert first == again != other


@settings(max_examples=60)
@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b".", b"b c"])).map(b"".join))
def test_bodies_are_relaxed_as_others_do(body: bytes) -> None:
    """mail:MC15 The hashed form of any body of whole lines is the one dkimpy makes (RFC 6376 §3.4.4)."""
    assert Relaxed.canonicalize_body(body + b"\r\n") == relaxed_body(body + b"\r\n")


def test_a_key_that_cannot_sign_is_refused_in_words() -> None:
    """mail:MC15, mail:MC16 Too short, of another sort, locked or broken: said before any letter is written."""
    locked = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    cases = {
        pem(1024): "1024 bits",
        locked.decode(): "password",
        curve.decode(): "no RSA key",
        KEY[:300]: "cannot be read",
    }
    for key, words in cases.items():
        with pytest.raises(Invalid, match=words):
            signer("news", key, "", SENDER)


@pytest.mark.parametrize("domain", ["other.example", "example", "ws.example", "press.news.example"])
def test_a_domain_that_does_not_speak_for_the_sender_is_refused(domain: str) -> None:
    """mail:MC14 The signing domain is the sender's or above it; DMARC counts no other."""
    with pytest.raises(Invalid, match=r"domain: .*sender"):
        signer("news", KEY, domain, SENDER)


def test_a_domain_above_the_senders_may_sign() -> None:
    """mail:MC14 Relaxed alignment: d= may be the organisation's, in A-labels."""
    above = signer("news", KEY, "Bücher.example", "press.xn--bcher-kva.example")
    assert "xn--bcher-kva.example" == above.domain
    assert by_dkimpy(above.sign(b"From: a@press.xn--bcher-kva.example\r\n\r\nHello\r\n", NOW), above.record)


def test_a_key_is_never_shown() -> None:
    """mail:MC16 What a signer prints of itself holds no key."""
    assert "key" not in repr(house_signer()).lower()


def configured(folder: Path, *keys: tuple[str, str]) -> Runtime:
    """A runtime of a config file with these selectors and keys."""
    entries = [f'[[dkim]]\nselector = "{name}"\nprivate_key = """{key}"""\n' for name, key in keys]
    file = folder / "syndicator.toml"
    mail = '[mail]\nfrom = "Society <press@news.example>"\n'
    file.write_text(f'[store]\nurl = "sqlite:///{folder}/s.db"\n{mail}{"".join(entries)}')
    return Runtime(load(file, {}))


def test_every_bad_key_is_named_at_the_start(tmp_path: Path) -> None:
    """mail:MC16 A process does not start with a key that cannot sign, the second one included."""
    runtime = configured(tmp_path, ("old", pem(1024)), ("new", "-----BEGIN PRIVATE KEY-----\nx"))
    with pytest.raises(Misconfigured) as fault:
        runtime.prepare(start=True)
    words = " ".join(fault.value.faults)
    assert '"old" .private_key: has 1024 bits' in words
    assert '"new" .private_key: cannot be read' in words


def test_the_first_of_two_keys_signs(tmp_path: Path) -> None:
    """mail:MC16 With two selectors the first one signs, loaded once; the second is on its way in or out."""
    runtime = configured(tmp_path, ("new", KEY), ("old", pem()))
    runtime.prepare(start=True)
    assert runtime.desk.signer
    assert ("new", SENDER) == (runtime.desk.signer.selector, runtime.desk.signer.domain)
    assert runtime.desk.signer is runtime.desk.signer
    runtime.close()


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o640, 0), (0o644, 1)])
def test_a_key_everybody_can_read_is_told_of(tmp_path: Path, mode: int, warned: int) -> None:
    """mail:MC16 The mode of the file a key stands in is looked at, in the config or beside it; never the key is shown."""
    runtime = configured(tmp_path, ("news", KEY))
    (tmp_path / "syndicator.toml").chmod(mode)
    with structlog.testing.capture_logs() as lines:
        assert runtime.desk.signer
    assert ["dkim.news.private_key"] * warned == [line["key"] for line in lines]


def test_a_key_in_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mail:MC16 A key named by …_FILE signs, and its file is the one whose mode is looked at."""
    name, file = "SYNDICATOR_DKIM__NEWS__PRIVATE_KEY_FILE", tmp_path / "news.pem"
    file.write_text(KEY)
    file.chmod(0o644)
    configured(tmp_path, ("news", "-----BEGIN PRIVATE KEY----- soon -----END PRIVATE KEY-----"))
    monkeypatch.setenv(name, str(file))
    runtime = Runtime(load(tmp_path / "syndicator.toml", {name: str(file)}))
    with structlog.testing.capture_logs() as lines:
        assert runtime.desk.signer
    assert ["dkim.news.private_key"] == [line["key"] for line in lines]
