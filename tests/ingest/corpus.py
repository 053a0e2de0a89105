"""The corpus of other people's feeds, what their sources state of them, and a table of what we make of it.

The files stand beside the project (`../shared`, or SYNDICATOR_SHARED) and are never part of it.
`python -m tests.ingest.corpus` prints the table by source.
"""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from syndicator.errors import Invalid
from syndicator.ingest.entries import Entry, Parsed, incoming
from syndicator.ingest.parse import Pool, Unreadable
from syndicator.model.incoming import Incoming
from syndicator.model.upstream import Upstream
from tests.make import NOW

SHARED = Path(os.environ.get("SYNDICATOR_SHARED") or Path(__file__).parents[3] / "shared")
CORPUS = SHARED / "corpus" / "feeds"
UPSTREAM = Upstream(id=1, slug="corpus", url="https://example.org/feed", created=NOW)


@dataclass(frozen=True)
class Row:
    """A file of the corpus and what is stated of it."""

    file: str
    source: str
    entries: int | None
    title: str | None
    assertion: str
    headers: dict[str, str]
    seen: int  # entries that feedparser finds

    @property
    def body(self) -> bytes:
        """The file as it is."""
        return (CORPUS / self.file).read_bytes()


@dataclass(frozen=True)
class Taken:
    """A feed as parsed, and what became of its entries; one that says nothing at all is none."""

    feed: Parsed

    @cached_property
    def things(self) -> list[Incoming]:
        """All that can be taken."""
        found = []
        for entry in self.feed.entries:
            with suppress(Invalid):
                found.append(incoming(entry, self.feed, UPSTREAM, NOW))
        return found

    @property
    def entry(self) -> Entry:
        """The first."""
        return self.feed.entries[0]

    @property
    def body(self) -> str:
        """The first one's text, clean, though it may have no title."""
        return incoming(replace(self.entry, title="x"), self.feed, UPSTREAM, NOW).content.body


def rows() -> list[Row]:
    """All of the index; none where it is not there."""
    if not (CORPUS / "index.tsv").exists():
        return []
    with (CORPUS / "index.tsv").open(encoding="utf-8", newline="") as index:
        return [_row(said) for said in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE)]


def _row(said: dict[str, str]) -> Row:
    name, _, value = said["http_headers"].partition(":")
    title = said["expected_title"]
    if "\\" in title:  # the index has it as Python's own notation
        title = title.encode().decode("unicode_escape")
    return Row(
        file=said["file"],
        source=said["source_repo"],
        entries=int(said["expected_entries"]) if said["expected_entries"] else None,
        title=TITLES.get(said["file"], title) or None,
        assertion=said["source_assertion"],
        headers={name.lower(): value.strip()} if name else {},
        seen=int(said["feedparser_entries"] or 0),
    )


def read(pool: Pool, row: Row) -> Taken | str:
    """What becomes of a file as if it were served with its headers; or why it is refused."""
    base = row.headers.get("content-location") or UPSTREAM.url
    try:
        return Taken(pool.parse(row.body, content_type=row.headers.get("content-type", ""), url=base))
    except Unreadable as refusal:
        return str(refusal)


# Where the index and a specification disagree, the specification counts.
TITLES = {
    # XML 1.0 §4.6: &apos; is the character. The assertion itself allows both.
    "fp__xml__escaped_apos.xml": "it's correct",
}

Held = Callable[[Taken], bool]


def _clean(taken: Taken) -> bool:
    return taken.feed.warning is None


def _bozo(taken: Taken) -> bool:
    return taken.feed.warning is not None


# What the sources assert, said of our own fields. "bozo" is our warning (feeds:I13).
ASSERTIONS: dict[str, Held] = {
    "fp__amp__amp03.xml": lambda taken: _clean(taken) and taken.entry.title == "&",
    # RFC 4287 §3.1.1.2: its value is HTML; ours is what that HTML says.
    "fp__amp__amp12.xml": lambda taken: _clean(taken) and taken.entry.title == "&",
    "fp__atom10__atom10_namespace.xml": lambda taken: _clean(taken) and taken.feed.title == "Example Atom",
    "fp__atom10__entry_summary_inline_markup.xml": lambda taken: (
        _clean(taken) and taken.body == "Example <b>Atom</b>"
    ),
    "fp__base__http_entry_content_base_content_location.xml": lambda taken: (
        _clean(taken) and taken.body == '<div><a href="http://example.com/relative/uri">click here</a></div>'
    ),
    "fp__cdf__item_abstract_map_summary.xml": lambda taken: (
        _clean(taken) and taken.body == "<p>Example description</p>"
    ),
    "fp__chardet__tis620.xml": _bozo,
    "fp__entities__ouml.xml": lambda taken: taken.feed.title == "testing \xf6 entity",
    "fp__entities__zwj.xml": lambda taken: taken.feed.title == "testing \u200d entity",
    "fp__illformed__rdf_channel_empty_textinput.xml": _bozo,
    "fp__illformed__undeclared_namespace.xml": _bozo,
    "fp__lang__entry_summary_xml_lang_inherit_2.xml": lambda taken: (
        _clean(taken) and taken.entry.language == "en"
    ),
    # SVG is not on our allow-list (security:H1).
    "fp__namespace__atomsvgdesc.xml": lambda taken: (
        _clean(taken) and "<svg" in taken.entry.body and taken.body == ""
    ),
    "fp__node_precedence__atom10_title.xml": lambda taken: (
        _clean(taken) and [entry.title for entry in taken.feed.entries] == ["Correct Value"] * 2
    ),
    "fp__rdf__doctype_contains_entity_decl.xml": _clean,
    "fp__rdf__rdf_channel_link.xml": lambda taken: _clean(taken) and taken.feed.link == "http://example.com/",
    # Neither is `border` (security:H1).
    "fp__sanitize__acceptable_attribute_border.xml": lambda taken: (
        _clean(taken) and taken.entry.body == '<span border=""></span>'
    ),
    "fp__sanitize__item_description_object.xml": lambda taken: (
        _clean(taken) and taken.body == "safe description"
    ),
    "fp__xml__escaped_apos.xml": lambda taken: _clean(taken) and taken.feed.title == "it's correct",
    "fp__xml__xlink_ns_no_prefix.xml": lambda taken: _clean(taken) and taken.feed.title == "xlink",
    "fv__3.1.1.1__example_text_title.xml": lambda taken: _clean(taken) and taken.entry.title == "Less: <",
    "fv__3.1.1.3__bogus_mathml_attr.xml": lambda taken: (
        "bogus" in taken.entry.body and taken.body.endswith("content.") and "bogus" not in taken.body
    ),
    "fv__4.2.2.2__category-scheme-invalid-iri.xml": lambda taken: (
        taken.things[0].categories[0].scheme == "insert value here"  # a text to us, never an address
    ),
    # What is no date is none: the one it was changed at stands in (feeds:I18).
    "fv__4.2.9__published-invalid-date.xml": lambda taken: (
        taken.entry.published == datetime(2003, 12, 13, 18, 30, 2, tzinfo=UTC)
        and taken.entry.dated == "2003-12-13T18:30:02Z"
    ),
    "fv__8.2__alternate_href_ipv6_literal.xml": lambda taken: (
        taken.feed.link == "http://[FEDC:BA98:7654:3210:FEDC:BA98:7654:3210]/tests/atom/ipv6/"
    ),
    "fp__base__http_feed_copyright_base64_base_content_location.xml": lambda taken: (
        taken.feed.rights == "click here"
    ),
    "fv__element-channel-item__multiple_item_author.xml": lambda taken: (
        [person.email for person in taken.entry.authors] == ["me@example.com"]
    ),
    "fv__element-channel-ttl__invalid_ttl_blank.xml": lambda taken: taken.feed.stated.interval is None,
    "fv__namespace-elements-atom-link__noself.xml": lambda taken: taken.feed.self_link is None,
    "fv__namespace-elements-content__funky_content_encoded.xml": lambda taken: (
        (taken.entry.body, taken.entry.summary) == ("Bar", "Foo")
    ),
}

# What is asserted of fields that we do not keep, and which.
NOT_KEPT = {
    "fp__atom10__entry_source_link_type.xml": "the type of a link within atom:source",
    "fp__atom__feed_info_base64.xml": "atom03:info",
    "fp__geo__georss_box.xml": "geo",
    "fp__geo__georss_point_no_coords.xml": "geo",
    "fp__geo__georss_polygon_insufficient_coords.xml": "geo",
    "fp__geo__gml_point.xml": "geo",
    "fp__http__headers_last_modified-blank.xml": "an HTTP header, which is `ingest.fetch`'s",
    "fp__itunes__itunes_channel_explicit_true.xml": "itunes:explicit",
    "fp__itunes__itunes_item_explicit_false.xml": "itunes:explicit",
    "fp__lang__feed_title_xml_lang.xml": "the language of the feed's title",
    "fp__psc__atomsimplechapter.xml": "chapters",
    "fp__rss__channel_category.xml": "the channel's categories",
    "fp__rss__channel_dc_subject_multiple.xml": "the channel's categories",
    "fv__4.2.12__subtitle-blank.xml": "the feed's subtitle",
    "fv__element-channel-description__html_in_channel_description.xml": "the channel's description",
    "fv__element-channel-language__invalid_language_blank.xml": "the channel's language, without items",
    "fv__element-channel-textinput__multiple_textInput_description.xml": "textInput",
    "fv__element-channel__multiple_docs.xml": "docs",
    "fv__fh__subscription-doc-without-current.xml": "archive links (RFC 5005)",
    "fv__itunes__new_feed_url.xml": "itunes:new-feed-url",
}


def main() -> None:
    """Print what becomes of each source's files: how many of what is stated of them is met."""
    table: dict[str, Counter[str]] = {}
    with Pool(2) as pool:
        for row in rows():
            _count(table.setdefault(row.source, Counter()), row, read(pool, row))
    lines = {source: table[source] for source in sorted(table)} | {"all": sum(table.values(), Counter())}
    width = max(map(len, lines))
    for source, cells in {"source": COLUMNS, **{name: _cells(one) for name, one in lines.items()}}.items():
        said = (cell.rjust(max(len(name), 7)) for cell, name in zip(cells, COLUMNS, strict=True))
        sys.stdout.write(f"{source.ljust(width)}  {'  '.join(said)}\n")


COLUMNS = ("files", "read", "refused", "warned", "items", "entries", "titles", "asserted", "not kept")


def _cells(counts: Counter[str]) -> list[str]:
    met = [f"{counts[name]}/{counts[f'{name} stated']}" for name in ("entries", "titles", "asserted")]
    return [*(str(counts[name]) for name in COLUMNS[:5]), *met, str(counts["not kept"])]


def _count(counts: Counter[str], row: Row, taken: Taken | str) -> None:
    asserted = row.file in ASSERTIONS
    counts["files"] += 1
    counts["not kept"] += row.file in NOT_KEPT
    counts["entries stated"] += row.entries is not None
    counts["titles stated"] += row.title is not None
    counts["asserted stated"] += asserted
    if isinstance(taken, str):
        counts["refused"] += 1
        return
    counts["read"] += 1
    counts["warned"] += taken.feed.warning is not None
    counts["items"] += len(taken.things)
    counts["entries"] += row.entries == len(taken.feed.entries)
    counts["titles"] += row.title == taken.feed.title
    counts["asserted"] += asserted and ASSERTIONS[row.file](taken)


if __name__ == "__main__":
    main()
