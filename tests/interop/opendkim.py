"""Debian's opendkim, asked what it thinks of letters: a second verifier beside dkimpy, and another code base.

It runs in its test mode: letters from files, the key from a file, nothing over the network.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from syndicator.render.mail.dkim import Signer

GOOD = re.compile(r"/(\d+)\.eml: verification \(.*\) succeeded$", re.MULTILINE)
CONFIG = """
Mode v
Socket local:{folder}/socket
TestPublicKeys {folder}/keys
MinimumKeyBits 2048
"""


def verdicts(program: str, messages: Iterable[bytes], signer: Signer) -> list[bool]:
    """Whether opendkim takes the signature of each letter for valid, given the key's TXT record."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "keys").write_text(f"{signer.selector}._domainkey.{signer.domain} {signer.record}\n")
        (folder / "config").write_text(CONFIG.format(folder=folder))
        files = []
        for number, message in enumerate(messages):
            files.append(folder / f"{number}.eml")
            files[-1].write_bytes(message)
        command = [program, "-x", str(folder / "config"), "-t", ",".join(map(str, files))]
        said = subprocess.run(command, capture_output=True, check=False, text=True)
    good = {int(number) for number in GOOD.findall(said.stdout + said.stderr)}
    return [number in good for number in range(len(files))]
