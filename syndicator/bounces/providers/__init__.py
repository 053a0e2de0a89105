"""What mail providers tell over HTTP: whether it is really theirs, and what it says (mail:LM16)."""

from __future__ import annotations
