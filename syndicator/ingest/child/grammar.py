"""feedparser's two parsers, with hooks of our own where it loses or mixes up what a feed says.

The only place where feedparser is called. It is given text that `ingest.child.scan` has looked at, never a string
that it could take for an address or a path (feeds:I8); its sanitiser, its resolving of links in HTML and its
dates are off: those are ours (feeds:I18, feeds:I20, feeds:I23). Hooks are methods named `_start_…` and
`_end_…` after an element's prefix and name: that is how feedparser finds them.
"""

from __future__ import annotations

import io
import re
import xml.sax
from contextlib import suppress
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple
from xml.sax import expatreader

from feedparser import mixin
from feedparser.api import LooseFeedParser, StrictFeedParser
from feedparser.util import FeedParserDict

Dict = dict[str, Any]  # feedparser's own kind: reading a key that is not there may find another

# It joins the base to itself at each tag.
mixin.make_safe_absolute_uri = lru_cache(maxsize=64)(mixin.make_safe_absolute_uri)

MAIL = re.compile(r"[^\s@<>()\[\]\"]+@[^\s@<>()\[\]\"]+\.[A-Za-z0-9-]{2,}")
STUMBLES = (KeyError, TypeError, ValueError, IndexError)
MAX_TOMBSTONES = 5_000
MAX_TAGS = 500
NAMESPACES = {
    "http://purl.org/atompub/tombstones/1.0": "at",
    "http://purl.org/syndication/thread/1.0": "thr",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "http://search.yahoo.com/mrss/": "media",
    "http://www.w3.org/2007/app": "app",
    "http://purl.org/atom/app#": "app",
    "https://github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md": "podcast",
    "https://podcastindex.org/namespace/1.0": "podcast",
    "https://search.yahoo.com/mrss/": "media",
    "https://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
}


class Found(NamedTuple):
    """What feedparser found: of the feed, of its entries, which format it is, and what is wrong with it."""

    feed: Dict
    entries: list[Dict]
    version: str
    warning: str | None


def found(body: bytes, base: str, entities: dict[str, str]) -> Found:
    """What is in `body`, UTF-8 without a declaration; where that is no XML, what can be read of it (feeds:I13)."""
    strict = Strict(base, None, "utf-8")
    # Not `make_parser`, which looks for other parsers all over the path first.
    parser = expatreader.create_parser()  # noqa: S315 - `ingest.child.scan` has refused what is an attack
    parser.setFeature(xml.sax.handler.feature_namespaces, True)
    parser.setFeature(xml.sax.handler.feature_external_ges, False)  # security:X1
    parser.setContentHandler(strict)
    parser.setErrorHandler(strict)
    source = xml.sax.xmlreader.InputSource()
    source.setByteStream(io.BytesIO(body))
    source.setEncoding("utf-8")
    try:
        parser.parse(source)
    except (MemoryError, RecursionError):
        raise
    except Exception as fault:  # noqa: BLE001 - feedparser raises more than it says (feeds:I12)
        loose = Loose(base, None, "utf-8", entities)
        loose.feed(body.decode("utf-8", "replace"))
        return Found(loose.feeddata, loose.entries, loose.version, _why(strict.exc or fault))
    return Found(strict.feeddata, strict.entries, strict.version, _why(strict.exc) if strict.exc else None)


def _why(fault: Exception) -> str:
    if isinstance(fault, xml.sax.SAXParseException):
        return f"line {fault.getLineNumber()} is no XML: {fault.getMessage()}"
    return f"it is no XML: {fault}"


def person_of(said: str) -> Dict:
    """RSS's one field for both, "mail (Name)" or "Name <mail>", as name and email (feeds:I25)."""
    mail = MAIL.search(said[:320])
    if mail is None:
        return {"name": said}
    return {"email": mail[0], "name": said.replace(mail[0], "").strip(" ()<>[]\"'")}


class Params(FeedParserDict):  # type: ignore[misc]  # feedparser has no types
    """What is known of a text while it is read: asked ten times for each tag, and copied often."""

    get = dict.get  # its own raises an error for each name that is not there

    def __deepcopy__(self, _: object) -> FeedParserDict:
        return FeedParserDict(self)


class _Hooks:
    """What is ours in both parsers; the rest is feedparser's."""

    # Typed as little as feedparser is: its own methods and state are met at run time only.
    namespaces: ClassVar[dict[str, str]] = {**StrictFeedParser.namespaces, **NAMESPACES}
    _matchnamespaces: ClassVar[dict[str, str]] = {}
    resolve_relative_uris = False
    sanitize_html = False
    _group: Dict | None = None  # of media: what is said of all files in it, and these
    _file: Dict | None = None  # the media:content we are in
    _alternate: Dict | None = None  # the podcast:alternateEnclosure we are in
    _tombstone: Dict | None = None
    _rights = "rights"  # under which name the rights we are in are kept

    def __init__(self: Any, *settings: Any) -> None:
        super().__init__(*settings)
        self.contentparams = Params()

    def push_content(self: Any, *what: Any) -> None:
        super().push_content(*what)  # type: ignore[misc]  # feedparser has no types
        self.contentparams = Params(self.contentparams)

    # feedparser's own hooks stumble over an empty size and over an end without its start: that element is
    # lost, not the feed (feeds:I12).
    def unknown_starttag(self: Any, tag: str, attributes: Any) -> None:
        with suppress(*STUMBLES):
            super().unknown_starttag(tag, attributes)  # type: ignore[misc]  # feedparser has no types

    def unknown_endtag(self: Any, tag: str) -> None:
        try:
            super().unknown_endtag(tag)  # type: ignore[misc]  # feedparser has no types
        except STUMBLES:
            self.depth -= 1  # what it did not come to
            for stack in (self.basestack, self.langstack):
                del stack[-1:]
            self.baseuri = self.basestack[-1] if self.basestack else self.baseuri
            self.lang = self.langstack[-1] if self.langstack else self.lang

    def handle_charref(self: Any, reference: str) -> None:
        # `ingest.child.scan` drops what is no character; what it leaves may be a new one: &#x&#x110000;110000;
        with suppress(*STUMBLES):
            super().handle_charref(reference)  # type: ignore[misc]  # feedparser has no types

    # Dates stay text: `ingest.child.dates` reads them, and nothing else tries to (feeds:I18).
    def _end_published(self: Any) -> None:
        self.pop("published")

    def _end_updated(self: Any) -> None:
        self.pop("updated")

    def _end_created(self: Any) -> None:
        self.pop("created")

    def _end_expirationdate(self: Any) -> None:
        self.pop("expired")

    _end_issued = _end_pubdate = _end_published
    _end_modified = _end_lastbuilddate = _end_updated

    # Identities are kept byte for byte; feedparser would resolve them like addresses (feeds:I15).
    def _start_guid(self: Any, attributes: Dict) -> None:
        self._permalink = str(attributes.get("ispermalink", "true")).strip().lower() != "false"
        self.guidislink = False
        self.push("id", 1)

    def _end_guid(self: Any) -> None:
        self.pop("id")
        self._get_context()["permalink"] = self._permalink

    _start_id = _start_guid
    _end_id = _end_guid

    # Each author is an own one, however many; feedparser reads the first one's field only (feeds:I25).
    def _end_author(self: Any) -> None:
        said = self.pop("author")
        self.inauthor = 0
        people = self._get_context().get("authors")
        if said and people and not people[-1]:
            people[-1].update(person_of(said))

    _end_managingeditor = _end_author

    def _sync_author_detail(self, key: str = "author") -> None:
        """Nothing: `_end_author` has done it, and without a search that takes minutes on hostile text."""

    # feedparser compares each with all before it: a hundred thousand would take minutes.
    def _add_tag(self: Any, term: Any, scheme: Any, label: Any) -> None:
        if len(self._get_context().get("tags") or ()) < MAX_TAGS:
            super()._add_tag(term, scheme, label)  # type: ignore[misc]  # feedparser has no types

    # What is said of a file is not what the entry says: feedparser makes a caption the entry's text.
    def _start_item(self: Any, attributes: Dict) -> None:
        self._group = self._file = self._alternate = None
        super()._start_item(attributes)  # type: ignore[misc]  # feedparser has no types

    _start_entry = _start_item

    def _start_media_group(self: Any, _: Dict) -> None:
        self._group = {"files": []}

    def _end_media_group(self: Any) -> None:
        group, self._group = self._group or {"files": []}, None
        for file in group.pop("files"):
            file.update({name: said for name, said in group.items() if name not in file})
        for name, said in group.items():
            self._item_level().setdefault(name, said)

    def _start_media_content(self: Any, attributes: Dict) -> None:
        self._file = {name: value for name, value in attributes.items() if name != "title"}
        self._file["url"] = self.resolve_uri(attributes.get("url") or "")
        self._get_context().setdefault("media_content", []).append(self._file)
        if self._group is not None:
            self._group["files"].append(self._file)

    def _end_media_content(self: Any) -> None:
        self._file = None

    def _start_media_thumbnail(self: Any, attributes: Dict) -> None:
        file = {**attributes, "url": self.resolve_uri(attributes.get("url") or "")}
        self._get_context().setdefault("media_thumbnail", []).append(file)
        self.push("media_said", 0)

    def _end_media_thumbnail(self: Any) -> None:
        said, file = self.pop("media_said"), self._get_context().get("media_thumbnail", [{}])[-1]
        file["url"] = file.get("url") or self.resolve_uri(said or "")

    def _start_media_title(self: Any, _: Dict) -> None:
        self.push("media_said", 0)

    _start_media_description = _start_media_credit = _start_media_copyright = _start_media_title

    def _end_media_title(self: Any) -> None:
        self._describe("title")

    def _end_media_description(self: Any) -> None:
        self._describe("alt")

    def _end_media_credit(self: Any) -> None:
        self._describe("credit")

    def _end_media_copyright(self: Any) -> None:
        self._describe("copyright")

    # Those of a file within an entry are not the entry's (feeds:I28).
    def _start_rights(self: Any, attributes: Dict) -> None:
        self._rights = "rights" if self._file is None else "file_rights"
        self.push_content(self._rights, attributes, "text/plain", 1)

    def _end_rights(self: Any) -> None:
        self.pop_content(self._rights)

    def _describe(self: Any, name: str) -> None:
        if not (said := self.pop("media_said")):
            return
        lowest = next((one for one in (self._file, self._group) if one is not None), None)
        level = self._item_level() if lowest is None else lowest
        several = name == "credit" and name in level and len(level[name]) < 500
        level[name] = f"{level[name]}, {said}" if several else level.get(name, said)

    def _item_level(self: Any) -> Dict:
        said: Dict = self._get_context().setdefault("media_said", {})
        return said

    def _start_itunes_image(self: Any, attributes: Dict) -> None:
        if address := attributes.get("href") or attributes.get("url"):
            self._get_context()["image"] = {"href": self.resolve_uri(address)}
        self.push("itunes_image", 0)

    # A second text of a podcast is no body: feedparser would put it before the description.
    def _start_itunes_summary(self: Any, _: Dict) -> None:
        self.push("itunes_summary", 1)

    def _end_itunes_summary(self: Any) -> None:
        self.pop("itunes_summary")

    def _end_url(self: Any) -> None:
        if self.inentry and self.inimage:  # an RSS image within an item
            self.entries[-1]["image"] = {"href": self.pop("href")}
        else:
            super()._end_url()  # type: ignore[misc]  # feedparser has no types

    _end_homepage = _end_uri = _end_url

    def _start_podcast_alternateenclosure(self: Any, attributes: Dict) -> None:
        self._alternate = attributes

    def _end_podcast_alternateenclosure(self: Any) -> None:
        self._alternate = None

    def _start_podcast_source(self: Any, attributes: Dict) -> None:
        if self._alternate is not None and attributes.get("uri"):
            file = {**self._alternate, "url": self.resolve_uri(attributes["uri"])}
            self._get_context().setdefault("media_content", []).append(file)

    def _start_podcast_images(self: Any, attributes: Dict) -> None:
        address = (attributes.get("href") or attributes.get("srcset") or "").split() or [""]
        if address[0].strip(","):
            self._get_context().setdefault("image", {"href": self.resolve_uri(address[0].strip(","))})

    _start_podcast_image = _start_podcast_images

    # How often to come (feeds:I4): feedparser keeps the last hour and day only.
    def _start_hour(self: Any, _: Dict) -> None:
        self.push("hour", 0)

    def _end_hour(self: Any) -> None:
        self.feeddata.setdefault("skip_hours", []).append(self.pop("hour"))

    def _start_day(self: Any, _: Dict) -> None:
        self.push("day", 0)

    def _end_day(self: Any) -> None:
        self.feeddata.setdefault("skip_days", []).append(self.pop("day"))

    # RFC 6721: its links and names are not the feed's.
    def start_tombstone(self: Any, attributes: Dict) -> None:
        self._tombstone = {"ref": attributes.get("ref"), "when": attributes.get("when")}
        self.insource = 1

    def end_tombstone(self: Any) -> None:
        graves = self.feeddata.setdefault("tombstones", [])
        if self._tombstone and len(graves) < MAX_TOMBSTONES:
            graves.append(self._tombstone)
        self._tombstone, self.insource = None, 0
        self.sourcedata.clear()

    def _start_at_comment(self: Any, _: Dict) -> None:
        self.push("at_comment", 0)

    def _end_at_comment(self: Any) -> None:
        said = self.pop("at_comment")
        if self._tombstone:
            self._tombstone["comment"] = said


def _named(name: str, start: Any, end: Any) -> None:
    """Hook up an element whose name cannot be one of a method."""
    setattr(_Hooks, f"_start_{name}", start)
    setattr(_Hooks, f"_end_{name}", end)


_named("at_deleted-entry", _Hooks.start_tombstone, _Hooks.end_tombstone)


class Strict(_Hooks, StrictFeedParser):  # type: ignore[misc]  # feedparser has no types
    """For XML. Text is gathered until a tag: expat gives a piece for each entity, feedparser half a microsecond."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._pieces: list[str] = []
        self.characters = self._pieces.append

    def startElementNS(self, *element: Any) -> None:  # noqa: N802 - named by SAX
        self._flush()
        super().startElementNS(*element)

    def endElementNS(self, *element: Any) -> None:  # noqa: N802 - named by SAX
        self._flush()
        super().endElementNS(*element)

    def _flush(self) -> None:
        if self._pieces:
            self.handle_data("".join(self._pieces))
            self._pieces.clear()


class Loose(_Hooks, LooseFeedParser):  # type: ignore[misc]  # feedparser has no types
    """For what is nearly XML."""
