"""How deep HTML may turn out to be, told from its tags in linear time, before anything builds a tree of it.

Parsers disagree about tags that are not ended in order, and about what hides tags from them. So an end
tag counts only where each of them obeys it: the depth told here is never too small, and for markup that
is badly out of order too great. Pure; `model.markup` asks before it cleans.
"""

from __future__ import annotations

import re

MAX_DEPTH = 100  # cleaning takes time that grows with the square of it

# HTML §13.2.5: a tag with its attributes, to the end of the text if it is never ended; quotes mean
# something only after an equals sign, and only these five are white space.
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[a-zA-Z][^ \t\n\f\r/>]*+)"
    r"(?:[ \t\n\f\r/]*+[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"
    r"(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:\"[^\"]*+\"|'[^']*+'|[^ \t\n\f\r\"'>][^ \t\n\f\r>]*+))?+)*+"
    r"[ \t\n\f\r/]*+(?:>|\Z)"
)
_TAG_OR_COMMENT = re.compile(rf"<!--(?:-?>|(?:[^-]|-(?!-!?>))*+(?:--!?>|\Z))|{_TAG.pattern}")
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_IN_TABLES = frozenset("colgroup tbody td tfoot th thead tr".split())  # they are nested only as tables are
_IMPLIED = {"p": "p", "li": "li", "dd": "dd", "dt": "dd"}  # the next of the same sort ends the one before
_BLOCKS = frozenset(  # their end ends what is implied within
    "address article aside blockquote center details div dl fieldset figcaption figure footer header main nav ol "
    "section summary table ul li dd dt".split()
)
_RAW = frozenset("iframe noembed noframes noscript plaintext script style textarea title xmp".split())


def too_deep(html: str) -> bool:
    """Whether HTML may be nested more than MAX_DEPTH deep."""
    if html.count("<") <= MAX_DEPTH:
        return False
    open_: list[str] = []
    sections = "<![CDATA[" in html  # within them nothing is a tag, and only some parsers know them
    at = 0
    # Within raw text a comment is none, and might hide the end of it.
    while match := (_TAG if open_ and open_[-1] in _RAW else _TAG_OR_COMMENT).search(html, at):
        at = match.end()
        name = match["name"] or ""
        name = name.lower() if name.isascii() else name
        if name and not match["end"]:
            _begin(open_, name)
        elif name and not sections:
            _end(open_, name)
        if len(open_) > MAX_DEPTH:
            return True
    return False


def _begin(open_: list[str], name: str) -> None:
    if name in _VOID or name in _IN_TABLES:
        return
    if name in _IMPLIED:
        while open_ and open_[-1] == "p":
            open_.pop()
        if open_ and _IMPLIED.get(open_[-1]) == _IMPLIED[name]:
            open_.pop()
    open_.append(name)


def _end(open_: list[str], name: str) -> None:
    start = len(open_)
    while name in _BLOCKS and start and open_[start - 1] in _IMPLIED and open_[start - 1] != name:
        start -= 1
    if start and open_[start - 1] == name:
        del open_[start - 1 :]
