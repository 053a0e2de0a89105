"""The keys of the house: the one kept beside a SQLite database, and those that sign our mail."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from syndicator.errors import Invalid, Misconfigured
from syndicator.observe import logger
from syndicator.render.mail.envelope import verp
from syndicator.runtime.chance import mint_key
from syndicator.settings import Settings, Source

if TYPE_CHECKING:
    from syndicator.render.mail.dkim import Signer

log = logger("runtime")


def own_key(store_url: str) -> str:
    """The key kept beside a SQLite database, made at first use, readable by its owner alone."""
    path = Path(store_url.partition(":///")[2]).with_name("secret_key")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        handle, new = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(mint_key())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one
            os.link(new, path)
        Path(new).unlink()
    return path.read_text().strip()


def signer_of(settings: Settings, sender_domain: str) -> Signer | None:
    """Who signs our mail, the first key; raises Misconfigured naming every key that could not (mail:MC14, MC16)."""
    if not settings.dkim:
        return None  # the relay signs
    from syndicator.render.mail.dkim import signer  # most newsrooms' relays sign

    made, faults = [], []
    for key in settings.dkim:
        try:
            made.append(signer(key.selector, key.private_key.reveal(), key.domain, sender_domain))
            _warn_of_open_file(settings, f"dkim.{key.selector}.private_key")
        except Invalid as fault:
            faults.append(f'[[dkim]] "{key.selector}" .{fault}')
    if faults:
        raise Misconfigured(faults)
    return made[0]


def _warn_of_open_file(settings: Settings, path: str) -> None:
    """Say in the log where everybody on this machine can read the file that a private key came from (mail:MC16)."""
    origin = settings.origins[path]
    named = os.environ.get(origin.where, "") if origin.source is Source.ENVIRONMENT else settings.file
    file = Path(named) if named and (origin.source is Source.FILE or origin.where.endswith("_FILE")) else None
    if file and file.exists() and file.stat().st_mode & 0o007:
        log.warning("private key readable by all", key=path, advice="chmod o-rwx the file it stands in")


def bounce_domain_of(settings: Settings) -> str:
    domain = settings.mail.bounce_domain
    if domain:
        try:
            verp(b"any key", 2**63 - 1, domain)
        except Invalid as fault:
            raise Misconfigured(
                [f"[mail] .bounce_domain: {fault}; write a domain such as bounces.example.org"]
            ) from None
    return domain
