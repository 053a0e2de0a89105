"""A Postfix of our own on the loopback: Debian's programs, everything else in a folder that goes with it.

No file of the machine's own Postfix is read or written, and the queue is its own. Postfix needs root to
start, and gives it up itself. It is ended by the id of the process that was started.
"""

from __future__ import annotations

import grp
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.make import reserved_port

PATIENCE = 60.0  # seconds; only a hang lets anything here fail by time
LONG_AGO = 10**9
DAEMONS = Path("/usr/lib/postfix/sbin")
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
default_transport = lmtp:inet:127.0.0.1:{lmtp}
lmtp_destination_concurrency_limit = 8
local_recipient_maps =
alias_maps =
alias_database =
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
smtpd_peername_lookup = no
smtp_host_lookup = native
disable_dns_lookups = yes
import_environment = MAIL_CONFIG=$config_directory MAIL_DEBUG MAIL_LOGTAG TZ LANG=C
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
lmtp unix - - n - 8 lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A relay for everybody on the loopback; what it takes goes to an LMTP server, `lmtp`, or waits in its queue."""

    def __init__(self, folder: Path, lmtp: int) -> None:
        self.folder, self.port = folder, reserved_port()
        self._master: subprocess.Popen[bytes] | None = None
        (folder / "etc").mkdir(parents=True)
        main = MAIN.format(folder=folder, daemons=DAEMONS, lmtp=lmtp)
        (folder / "etc/main.cf").write_text(main)
        (folder / "etc/master.cf").write_text(MASTER.format(port=self.port))
        for file in (folder / "etc").iterdir():
            os.utime(file, (LONG_AGO, LONG_AGO))  # Postfix waits until what it reads is a second old
        folder.chmod(0o755)
        _rooms(folder)
        self._environ = {**os.environ, "MAIL_CONFIG": str(folder / "etc"), "LANG": "C"}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to listen; its queue is as it was left."""
        command = [str(DAEMONS / "master"), "-c", str(self.folder / "etc"), "-s"]
        self._master = subprocess.Popen(command, env=self._environ)
        until((self.folder / "queue/public/qmgr").exists, "Postfix did not start")

    def stop(self) -> None:
        """End it with all its children; what it has not delivered stays in its queue."""
        if self._master is not None:
            self._master.send_signal(signal.SIGTERM)
            self._master.wait(PATIENCE)
            self._master = None

    def waiting(self) -> int:
        """How many letters are in its queue."""
        queues = (self.folder / "queue" / name for name in ("maildrop", "incoming", "active", "deferred"))
        return sum(len(files) for queue in queues for _, _, files in os.walk(queue))


def until(so: Callable[[], bool], words: str) -> None:
    """Wait until a condition holds, looking often; raises TimeoutError only after a hang."""
    ends = time.monotonic() + PATIENCE
    while not so():
        if time.monotonic() > ends:
            raise TimeoutError(words)
        time.sleep(0.02)  # polls a condition


def _rooms(folder: Path) -> None:
    """The queue's folders as `postfix check` would make them; that takes it two seconds."""
    postfix, postdrop = pwd.getpwnam("postfix"), grp.getgrnam("postdrop")
    (folder / "queue/pid").mkdir(parents=True)
    private = "active bounce corrupt defer deferred flush hold incoming private saved trace".split()
    for name in ("data", *(f"queue/{room}" for room in private)):
        (folder / name).mkdir(mode=0o700)
        os.chown(folder / name, postfix.pw_uid, -1)
    for name, mode in (("maildrop", 0o730), ("public", 0o710)):
        (folder / "queue" / name).mkdir()
        os.chown(folder / "queue" / name, postfix.pw_uid, postdrop.gr_gid)
        (folder / "queue" / name).chmod(mode)
