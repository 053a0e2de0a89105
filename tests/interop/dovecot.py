"""A Dovecot of our own on the loopback: one mailbox, filled over LMTP for whatever address, read over IMAP."""

from __future__ import annotations

import imaplib
import os
import pwd
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.interop.postfix import PATIENCE, until
from tests.make import reserved_port

CONFIG = """
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail
first_valid_uid = 1
protocol lmtp {{
  auth_username_format = anyone
}}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  process_limit = 8
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


class Dovecot:
    """One mailbox; `lmtp` is where letters for anybody go in."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder, self.lmtp, self.imap = folder, reserved_port(), reserved_port()
        nobody = pwd.getpwnam("nobody")
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        for name in ("mail", "home"):
            (folder / name).mkdir()
            os.chown(folder / name, nobody.pw_uid, nobody.pw_gid)
        said = {"user": nobody.pw_uid, "group": nobody.pw_gid, "imap": self.imap, "lmtp": self.lmtp}
        (folder / "dovecot.conf").write_text(config.format(folder=folder, **said))
        self._master: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._master = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", str(self.folder / "dovecot.conf")])
        until(self._answers, "Dovecot did not start")
        return self

    def __exit__(self, *_: object) -> None:
        if self._master is not None:
            self._master.send_signal(signal.SIGTERM)
            self._master.wait(PATIENCE)

    def count(self) -> int:
        """How many letters have arrived."""
        return sum(len(list((self.folder / "mail" / name).glob("*"))) for name in ("new", "cur"))

    def letters(self) -> list[bytes]:
        """All letters as a reader gets them over IMAP."""
        with imaplib.IMAP4("127.0.0.1", self.imap) as reader:
            reader.login("anyone", "secret")
            reader.select("INBOX", readonly=True)
            _, parts = reader.fetch("1:*", "(BODY.PEEK[])") if self.count() else ("", [])
        return [part[1] for part in parts if isinstance(part, tuple)]

    def _answers(self) -> bool:
        try:
            imaplib.IMAP4("127.0.0.1", self.imap).logout()
        except OSError:
            return False
        return True
