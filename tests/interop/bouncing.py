"""What a real Postfix makes of letters that a real Dovecot does not take, read from its mailbox by a real worker.

Of three contacts one takes mail, one's box is full, one does not exist. Postfix accepts everything, finds out, and
sends its reports to the address each letter came from; those lie in a fourth box, which the worker reads over IMAP.

    python -m tests.interop.bouncing
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from syndicator.model.audience import address
from syndicator.store import Store, audience, bounces, open_store
from tests.interop.dovecot import Dovecot
from tests.interop.postfix import Postfix, until
from tests.make import FakeClock
from tests.storm import people, release

FINE, FULL, GONE = (f"j{n}@press.example" for n in range(3))
BOX = "b"
CONFIG = """
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%n
mail_plugins = quota
first_valid_uid = 1
auth_username_format = %Ln
recipient_delimiter = +
plugin {{
  quota = maildir:User quota
  quota_grace = 0
}}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
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
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


@dataclass
class Came:
    """What the worker made of it: for each contact kind and code of what came back, and why it is suppressed."""

    back: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)
    suppressed: dict[str, str | None] = field(default_factory=dict)
    again: int = 0  # what a second reading found


def bounced(folder: Path) -> Came:
    """Send one release to all three, and read what comes back."""
    with _box(folder / "dovecot") as box, Postfix(folder / "postfix", box.lmtp) as relay:
        url = f"sqlite:///{folder / 'newsroom.db'}"
        with open_store(url, host_clock=FakeClock(datetime.now(UTC))) as store:
            people(store, 3)
            release(store, "tag:storm.example,2026:bounced")
        _worker(url, relay, box, "deliver")
        reports = folder / "dovecot/mail" / BOX
        until(lambda: relay.waiting() == 0 and _count(reports) == 2, "Postfix sent no two reports")
        _worker(url, relay, box, "bounces")
        came = Came()
        with open_store(url, host_clock=lambda: datetime.now(UTC)) as store:
            _look(store, came)
            _worker(url, relay, box, "bounces")
            with store.read() as tx:
                came.again = sum(bounces.figures(tx, datetime(2000, 1, 1, tzinfo=UTC)).values()) - 2
        return came


def _look(store: Store, came: Came) -> None:
    with store.read() as tx:
        for who in (FINE, FULL, GONE):
            contact = audience.contact(tx, address(who))
            came.back[who] = [(one.kind.value, one.code) for one in bounces.of_contact(tx, contact.id)]
            came.suppressed[who] = contact.suppressed


@contextmanager
def _box(folder: Path) -> Iterator[Dovecot]:
    box, nobody = Dovecot(folder, CONFIG), pwd.getpwnam("nobody")
    home = f"{nobody.pw_uid}:{nobody.pw_gid}::{folder}/home::"
    rules = {"j0": "*:storage=10M", "j1": "*:storage=1K", BOX: "*:storage=10M"}
    lines = [f"{name}::{home}userdb_quota_rule={rule}\n" for name, rule in rules.items()]
    (folder / "users").write_text("".join(lines))
    with box:
        yield box


def _count(folder: Path) -> int:
    return sum(len(list((folder / name).glob("*"))) for name in ("new", "cur"))


def _worker(url: str, relay: Postfix, box: Dovecot, job: str) -> None:
    said = {
        "STORE__URL": url,
        "SITE__SECRET_KEY": "a-key-for-relays-only-0123456789",
        "SITE__BASE_URL": "https://storm.example",
        "MAIL__TRANSPORT": "smtp",
        "MAIL__HOST": "127.0.0.1",
        "MAIL__PORT": str(relay.port),
        "MAIL__TLS": "none",
        "MAIL__FROM": "Press <press@storm.example>",
        "MAIL__BOUNCE_DOMAIN": "bounces.storm.example",
        "BOUNCES__HOST": "127.0.0.1",
        "BOUNCES__PORT": str(box.imap),
        "BOUNCES__TLS": "none",
        "BOUNCES__USERNAME": BOX,
        "BOUNCES__PASSWORD": "secret",
        "CONFIG": "",
    }
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATOR_")}
    environ |= {f"SYNDICATOR_{key}": value for key, value in said.items()}
    command = [sys.executable, "-m", "syndicator", "worker", "--once", job]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the worker failed: {done.stdout}{done.stderr}")


def main() -> int:
    """Run it on the machine's own programs, and print what came back."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    if os.geteuid() or not all(shutil.which(name, path=path) for name in ("postfix", "dovecot")):
        print("bounces: left out, it takes Postfix, Dovecot and root")
        return 0
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        came = bounced(Path(name))
    print(came)
    return 0 if [1, 1] == [len(came.back[who]) for who in (FULL, GONE)] and not came.again else 1


if __name__ == "__main__":
    raise SystemExit(main())
