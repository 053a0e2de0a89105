"""The words of the XML formats: namespaces, and how an element, a text and a date are written.

Serves walk A. P- and T-numbers are our rules for feeds and feedgen 1.0's traps.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from lxml import etree

ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
DC = "http://purl.org/dc/elements/1.1/"
HISTORY = "http://purl.org/syndication/history/1.0"  # RFC 5005 §2
MEDIA = "http://search.yahoo.com/mrss/"
TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"  # RFC 6721 §2
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_MARKUP = re.compile("([&<])")


def child(parent: Any, name: str, **attributes: str) -> Any:
    """A new last child; in Atom by its bare name, for feedgen puts those in no namespace (T24)."""
    return etree.SubElement(parent, name, attributes)


def text(parent: Any, name: str, words: str) -> None:
    """A new last child that holds a text."""
    child(parent, name).text = words


def plain(parent: Any, name: str, words: str, **attributes: str) -> None:
    """A new last child that holds a plain text, spelt out."""
    made = child(parent, name, **attributes)
    made.text = words
    spell_out(made)


def spell_out(element: Any) -> None:
    """Write `&` and `<` of a plain text as hexadecimal references.

    What the RSS Profile found most readers to show literally (P5), and the validator takes as a sign that
    no HTML is meant, in Atom as well; to XML parsers it is the same text.
    """
    words = element.text or ""
    if "&" not in words and "<" not in words:  # nearly all
        return
    first, *rest = _MARKUP.split(words)
    element.text = first
    for sign, after in zip(rest[::2], rest[1::2], strict=True):
        reference = etree.Entity(f"#x{ord(sign):X}")
        reference.tail = after
        element.append(reference)


def rfc822(moment: datetime) -> str:
    """A UTC instant as RSS wants it: English names and four-digit years whatever the locale (P11, T22)."""
    return format_datetime(moment, usegmt=True)
