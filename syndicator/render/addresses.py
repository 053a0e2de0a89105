"""Only addresses that lead somewhere leave the house: absolute, http or https, in fields and in HTML (feeds:P6).

What comes in is cleaned where it comes in; this is the last door, for what was stored before a rule was
made or by another hand. What is right already, nearly everything, passes at the cost of one match.
Serves walk A.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from syndicator.model import markup
from syndicator.model.nesting import MAX_DEPTH, too_deep

_LEGAL = ";/?:@&=+$.-_!~*'(),#%"  # RFC 3986 §2, letters and digits apart
_RIGHT = re.compile(rf"https?://[0-9A-Za-z.-]+(?::[0-9]+)?(?:[/?#][0-9A-Za-z{re.escape(_LEGAL)}]*+)?")
_HOST = re.compile(r"(?:[0-9A-Za-z._~!$&'()*+,;=:%-]*@)?(?:[0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")

# What `markup.clean` writes, and so need not be cleaned again: allowed tags, and attributes of which those
# that are addresses are absolute.
_TAGS = "|".join(sorted(markup.TAGS))
_URLS = "|".join(sorted(markup.URL_ATTRIBUTES))
_WORDS = "|".join(sorted(set().union(*markup.ATTRIBUTES.values()) - markup.URL_ATTRIBUTES))
_CLEAN = re.compile(
    rf"(?:[^<]++|</?(?:{_TAGS})"
    rf'(?: (?:(?:{_URLS})="(?:https?://[^"<>\s/?#]|mailto:)[^"<>\t\n\r]*"|(?:{_WORDS})="[^"<>]*"))*+>)*+'
)


def web(url: str, base: str) -> str:
    """The address, absolute against `base` and spelt as a URI (RFC 3987 §3.1); empty if it is none of the web."""
    if _RIGHT.fullmatch(url):
        return url
    found = markup.web_address(markup.strip_illegal(url), base)
    try:
        parts = urlsplit(found or "")
        host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    except ValueError:  # no address, or no name of a host
        return ""
    if not _HOST.fullmatch(host):
        return ""
    rest = (quote(part, safe=_LEGAL) for part in parts[2:])
    return urlunsplit((parts.scheme, host, *rest))


def html(body: str, base: str) -> str:
    """HTML with absolute addresses and nothing but what the allow-list names.

    Raises ValueError when it is nested too deep to be cleaned.
    """
    if _CLEAN.fullmatch(body):
        return body
    if too_deep(body):
        raise ValueError(f"its text is nested more than {MAX_DEPTH} deep")
    return markup.clean(body, base)
