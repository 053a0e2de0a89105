"""How long the command line takes to answer, beside `import typer` (DESIGN §8: at most 1.5×).

    python -m bench.start

Best of fifteen interleaved starts each, wall clock; what limits it is Python's own start.
"""

from __future__ import annotations

import subprocess
import sys
import time

ROUNDS = 15
GOAL = 1.5
PEERS = {
    "python -c pass": ("-c", "pass"),
    "python -c 'import typer'": ("-c", "import typer"),
    "syndicator --version": ("-m", "syndicator", "--version"),
    "syndicator --help": ("-m", "syndicator", "--help"),
    "syndicator item --help": ("-m", "syndicator", "item", "--help"),
}


def seconds(arguments: tuple[str, ...]) -> float:
    """One start."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - begun


def main() -> int:
    """Print the table; 1 if the goal was missed."""
    best = dict.fromkeys(PEERS, float("inf"))
    for _ in range(ROUNDS):
        for name, arguments in PEERS.items():
            best[name] = min(best[name], seconds(arguments))
    typer = best["python -c 'import typer'"]
    for name, took in best.items():
        print(f"{name:28} {took * 1000:7.1f} ms   {took / typer:5.2f} × typer")
    return int(best["syndicator --version"] > GOAL * typer)


if __name__ == "__main__":
    sys.exit(main())
