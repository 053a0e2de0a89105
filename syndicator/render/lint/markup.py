"""What Atom and RSS have in common: bytes that are XML, prefixes, media, history, and `atom:link`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from lxml import etree

from syndicator.render.elements import ATOM, CONTENT, DC, HISTORY, MEDIA, XML_LANG
from syndicator.render.lint.found import Problem, Served, address, elsewhere, error, language, warning, whole

BASE = "{http://www.w3.org/XML/1998/namespace}base"
USUAL = {ATOM: (None, "atom"), CONTENT: ("content",), DC: ("dc",), MEDIA: ("media",), HISTORY: ("fh",)}
ARCHIVE_RELS = ("prev-archive", "next-archive", "current")


def parsed(served: Served) -> tuple[Any, list[Problem]]:
    """The root element, or None, and what is wrong with the bytes."""
    body, found = served.body, []
    if body.startswith(b"\xef\xbb\xbf"):
        found.append(error("", "it begins with a byte order mark", "write UTF-8 without one"))
    elif not body.startswith(b"<?xml "):
        found.append(
            warning("", "it does not begin with an XML declaration", 'begin with <?xml version="1.0"')
        )
    # Recovers from nothing, fetches nothing, expands nothing.
    reader = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        root = etree.fromstring(body, reader)
    except etree.XMLSyntaxError as fault:
        found.append(
            error("", f"it is no XML: {fault.msg}", "the item at that line cannot be rendered; see the log")
        )
        return None, found
    about: Any = root.getroottree().docinfo
    if about.doctype:
        found.append(error("", "it has a DOCTYPE", "leave it out: readers refuse it, for fear of entities"))
    if (about.encoding or "UTF-8").upper() != "UTF-8":
        found.append(error("", "it is not in UTF-8", "write UTF-8"))
    found += _prefixes(root)
    return root, found


def attributes(root: Any) -> Iterator[Problem]:
    """Languages and bases anywhere in the document."""
    for element in root.iter(etree.Element):
        if (tag := element.get(XML_LANG)) is not None:
            yield from language("", "xml:lang", tag)
        if element.get(BASE) is not None:
            yield warning(
                "", "it relies on xml:base", "write addresses in full: readers resolve them patchily"
            )


def links(root: Any, served: Served, path: str) -> Iterator[Problem]:
    """The document's own `atom:link` elements: one self, and absolute addresses."""
    found = root.findall(path)
    for link in found:
        yield from address("", f"link rel={link.get('rel', 'alternate')}", link.get("href", ""))
    selves = [link.get("href") for link in found if link.get("rel") == "self"]
    if len(selves) != 1:
        what = f"it has {len(selves)} self links"
        yield error("", what, "name the address it is served at, once: hubs and readers go by it")
    elif selves[0] != served.url:
        yield elsewhere(served, f"its self link is {selves[0]}, it is served at {served.url}")


def history(root: Any, parent: Any, served: Served, path: str) -> Iterator[Problem]:
    """RFC 5005: archive pages say so, complete documents have no archive."""
    rels = Counter(link.get("rel") for link in root.findall(path))
    hrefs = {link.get("rel"): link.get("href") for link in root.findall(path)}
    archived, complete = (parent.find(f"{{{HISTORY}}}{name}") is not None for name in ("archive", "complete"))
    if archived != served.archived:
        what = "it is a page of an archive and has no fh:archive" if served.archived else "it says fh:archive"
        yield error("", what, "only closed pages carry it (RFC 5005 §4)")
    if complete and (archived or any(rels[rel] for rel in ARCHIVE_RELS)):
        yield error("", "it says fh:complete beside an archive", "a complete document has none (RFC 5005 §2)")
    for rel in ARCHIVE_RELS:
        if rels[rel] > 1:
            yield error("", f"it has {rels[rel]} {rel} links", "name one")
        elif rels[rel] and hrefs[rel] == served.url:
            yield error("", f"its {rel} link leads to itself", "a walk along it would never end")
    if served.archived and hrefs.get("current") != served.live_url:
        yield error("", "its current link does not lead to the live feed", "name the feed's own address")


def media(where: str, item: Any) -> Iterator[Problem]:
    """Media RSS: addresses, figures, and words for whoever does not see the picture."""
    for content in item.iter(f"{{{MEDIA}}}content"):
        url, kind = content.get("url", ""), content.get("type", "")
        yield from address(where, "media:content", url)
        for name in ("fileSize", "width", "height", "duration"):
            if content.get(name) is not None:
                yield from whole(where, f"{name} of media:content", content.get(name))
        picture = kind.startswith("image/") or content.get("medium") == "image"
        if picture and not (content.findtext(f"{{{MEDIA}}}description") or "").strip():
            yield warning(
                where, f"the picture {url[:80]} has no alternative text", "give its medium an `alt`"
            )
    for thumbnail in item.iter(f"{{{MEDIA}}}thumbnail"):
        yield from address(where, "media:thumbnail", thumbnail.get("url", ""))


def once(where: str, element: Any, space: str, required: str, most_once: str) -> Iterator[Problem]:
    """Elements that must stand exactly once, and those that may stand once at most."""
    for name in required.split():
        count = len(element.findall(space + name))
        if count != 1:
            what = f"it has no {name}" if not count else f"it has {count} {name}"
            yield error(where, what, "the format asks for exactly one")
    for name in most_once.split():
        count = len(element.findall(space + name))
        if count > 1:
            yield error(where, f"it has {count} {name}", "the format allows one")


def weight(element: Any) -> int:
    """How many bytes an item has."""
    return len(etree.tostring(element, encoding="utf-8"))


def _prefixes(root: Any) -> Iterator[Problem]:
    spaces = {
        (prefix, space) for element in root.iter(etree.Element) for prefix, space in element.nsmap.items()
    }
    for prefix, space in sorted(spaces, key=str):
        if prefix not in USUAL.get(space, (prefix,)):
            what = f"the prefix of {space} is {prefix or 'none'}, not {USUAL[space][-1]}"
            yield warning("", what, "use the usual one: naive readers match the prefix")
