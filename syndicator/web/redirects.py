"""Addresses of a former site, answered 301 before any routing (feeds:H8).

The settings name them: a path, or a path with a query (`/?p=123`), and where it is now. However many
there are, a request costs a few look-ups.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from syndicator.web.feeds import Answer, moved

Parameters = tuple[tuple[str, str], ...]
MOST = 50  # parameters of a query that are looked at


class Redirects:
    """Former addresses by path, then by the names of the parameters they need, then by these' values."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), prefix: str = "") -> None:
        """`pairs` of former address and present one; `prefix` stands before present paths (site.base_url's path)."""
        self._known: dict[str, dict[tuple[str, ...], dict[Parameters, str]]] = {}
        for former, target in pairs:
            path, _, query = former.partition("?")
            needed = tuple(sorted(parse_qsl(query, keep_blank_values=True)))
            names = tuple(name for name, _ in needed)
            at = prefix + target if target.startswith("/") else target
            self._known.setdefault(unquote(path), {}).setdefault(names, {})[needed] = _ascii(at)

    def __bool__(self) -> bool:
        return bool(self._known)

    def find(self, path: str, query: bytes) -> Answer | None:
        """The way on from a path (decoded) and query, or None. A slash at the end more or less is no matter.

        Of several that fit, that with the most parameters counts; parameters that it does not name change nothing.
        """
        known = self._known.get(path) or self._known.get(_other(path))
        if known is None:
            return None
        asked: dict[str, str] = {}
        if query:
            text = query.decode("latin-1")
            asked = dict(parse_qsl("&".join(text.split("&")[:MOST]), keep_blank_values=True))
        for names in sorted(known, key=len, reverse=True):
            target = known[names].get(tuple((name, asked[name]) for name in names if name in asked))
            if target is not None:
                return moved(target)
        return None


def _other(path: str) -> str:
    return path[:-1] if path.endswith("/") else path + "/"


def _ascii(address: str) -> str:
    """An address as a header may hold it; what is encoded stays so, a host gets its name in IDNA (RFC 3490)."""
    parts = urlsplit(address)
    if parts.hostname and not parts.hostname.isascii():
        host = parts.hostname.encode("idna").decode()
        address = urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))
    return quote(address, safe="/:?#[]@!$&'()*+,;=%~")
