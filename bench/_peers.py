"""Peers that a bench installs for itself, out of the way of the project's own environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[1] / "var" / "bench"


def installed(requirement: str) -> Path:
    """A folder for sys.path that holds this package (`django==5.2.8`); installed at the first call."""
    folder = HOME / requirement.replace("==", "-")
    if not (folder / ".ready").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--target", str(folder), requirement], check=True)
        (folder / ".ready").touch()
    return folder
