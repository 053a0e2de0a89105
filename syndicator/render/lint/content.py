"""The HTML inside items: what aggregators strip, cannot resolve, or cannot read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

from syndicator.render.lint.found import Level, Problem, address, error, warning

ADDRESSES = ("href", "src", "poster", "cite", "action", "formaction", "background", "data")
SILENT = frozenset("script style iframe object embed form input button meta link base applet frame".split())


def html(where: str, text: str) -> Iterator[Problem]:
    """What is wrong with a piece of HTML."""
    reader = _Reader(where)
    reader.feed(text)
    reader.close()
    seen = set()
    for problem in reader.found:  # a link that stands ten times is told of once
        if problem not in seen:
            seen.add(problem)
            yield problem


class _Reader(HTMLParser):
    """Notes what it meets."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.found: list[Problem] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in SILENT:
            self.found.append(error(self.where, f"its text holds <{tag}>", "remove it: readers do, too"))
        for name in given.keys() & set(ADDRESSES):
            self._address(tag, name, given[name])
        for candidate in _candidates(given.get("srcset", "")):
            self._address(tag, "srcset", candidate)
        for name in given:
            if name.startswith("on") or name == "style":
                words = f"its text holds {name}= in <{tag}>"
                self.found.append(warning(self.where, words, "remove it: readers do, too"))
        if tag == "img" and "alt" not in given:
            words = f"the picture {given.get('src', '')[:80]} in its text has no alt"
            advice = 'say what is seen in alt="…"; alt="" for mere ornament'
            self.found.append(warning(self.where, words, advice))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def _address(self, tag: str, name: str, url: str) -> None:
        if name == "href" and url.startswith("#"):
            words = f"href in <a> leads within the page: {url[:80]}"
            self.found.append(warning(self.where, words, "write the page's whole address before the #"))
            return
        kind = f"{name} in <{tag}>"
        self.found += address(self.where, kind, url, mail=name == "href", spelling=Level.WARNING)


def _candidates(srcset: str) -> Iterator[str]:
    # HTML, "Parse a srcset attribute": addresses may hold commas; a candidate ends with one, or after its size.
    rest = srcset.strip(" \t\n\r\f,")
    while rest:
        url, *more = rest.split(None, 1)
        yield url.rstrip(",")
        rest = more[0] if more else ""
        if not url.endswith(","):
            rest = rest.partition(",")[2]
        rest = rest.lstrip(" \t\n\r\f,")
