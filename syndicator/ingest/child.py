"""What runs in the parse child: limits, then the reading of a feed, then one JSON answer.

Started by `ingest.parse` as `python -m syndicator.ingest.child`; the only place where `ingest.reading` runs.
Nothing it says is trusted on the other side, and whatever it raises ends here as a refusal (feeds:I12).
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from contextlib import suppress
from typing import Any

from syndicator.ingest.reading import read
from syndicator.ingest.scan import Refuse

MEMORY = 512 * 2**20  # bytes of address space; Python, feedparser and lxml take 50 MB of it at the start
CPU_SECONDS = 10
NEW_USER_AND_NET = 0x1000_0000 | 0x4000_0000  # CLONE_NEWUSER | CLONE_NEWNET, linux/sched.h


def main() -> None:
    """Answer the one question on stdin."""
    _confine()
    try:
        line, _, body = sys.stdin.buffer.read().partition(b"\n")
        question = json.loads(line)
        answer: dict[str, Any] = {
            "feed": read(
                body, question["content_type"], question["url"], frozenset(question.get("known", ()))
            )
        }
    except Refuse as refusal:
        answer = {"refused": str(refusal)}
    except MemoryError:
        answer = {"refused": f"reading it takes more than {MEMORY // 2**20} MB of memory"}
    except RecursionError:
        answer = {"refused": "it is nested too deeply"}
    except Exception as fault:  # noqa: BLE001 - feeds:I12, and nobody reads a traceback here
        answer = {"refused": f"the parser failed on it: {type(fault).__name__}: {str(fault)[:200]}"}
    sys.stdout.buffer.write(json.dumps(answer).encode())
    sys.stdout.buffer.close()


def _confine() -> None:
    """Nothing can be written, no core dumped, no network reached; memory and computing are bounded."""
    limits = {
        resource.RLIMIT_AS: (MEMORY, MEMORY),
        resource.RLIMIT_CPU: (CPU_SECONDS, CPU_SECONDS + 1),  # a signal that says why, then the end
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
    }
    for kind, most in limits.items():
        with suppress(ValueError, OSError):  # a lower limit is set already
            resource.setrlimit(kind, most)
    with suppress(OSError, AttributeError):  # an empty network namespace, where the system lets us have one
        ctypes.CDLL(None).unshare(NEW_USER_AND_NET)


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
    os._exit(0)
