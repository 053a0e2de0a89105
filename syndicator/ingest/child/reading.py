"""Reading a feed: bytes in, plain values out. It runs in the parse child and nowhere else.

An entry whose hash is known already is not worked out: of fifty entries one has changed, mostly. What is
HTML stays as it stands in the feed: it is cleaned where it is believed, in `ingest.entries`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import urljoin

from syndicator.ingest.child.charset import decoded
from syndicator.ingest.child.dates import read_date
from syndicator.ingest.child.files import Files
from syndicator.ingest.child.jsonfeed import read_json
from syndicator.ingest.child.labour import sorted_out
from syndicator.ingest.child.page import feeds_of
from syndicator.ingest.child.scan import Page, Refuse, prepared
from syndicator.model.markup import (
    clean,
    from_plain,
    language_tag,
    plain_text,
    strip_illegal,
    web_address,
)
from syndicator.model.nesting import too_deep

MAX_ENTRIES = 5_000
MAX_TERMS = 200
MAX_PEOPLE = 50
INHERITED = 5  # people of a feed who stand in each of its entries: fifty make much of little
TEXTUAL = {"text/html", "application/xhtml+xml", "text/plain", ""}
PERIODS = {"hourly": 3600, "daily": 86_400, "weekly": 604_800, "monthly": 2_592_000, "yearly": 31_536_000}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DATES = ("published", "updated", "created")
MAX_INTERVAL = 10**8  # seconds
Dict = dict[str, Any]  # feedparser's own kind: reading a key that is not there may find another


def read(
    body: bytes, content_type: str, url: str | None, known: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The feed in `body` as plain values (`entries.Parsed`); raises Refuse for what is none.

    `url` is what its relative addresses are meant against; of entries whose hash is in `known` only that is told.
    """
    text, warning = decoded(body, content_type)
    if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        return read_json(text, url, known)
    return _read_xml(text, url, known, warning)


def _read_xml(text: str, url: str | None, known: frozenset[str], warning: str | None) -> dict[str, Any]:
    from syndicator.ingest.child.grammar import found  # here: whoever only asks for a child needs no parser

    try:
        ready = prepared(text)
    except Page:
        raise Page(feeds_of(text, url)) from None
    feed, entries, version, fault = found(ready.body, url or "", ready.entities)
    warning = _line(fault)[:300] or warning
    if not entries and not ready.omitted and not version and not _text(feed.get("title")):
        raise Refuse(f"this is not a feed{f': {warning}' if warning else ''}")
    if len(entries) > MAX_ENTRIES:
        raise Refuse(f"it holds more than {MAX_ENTRIES:,} items")
    hashes = [(_hash(entry, feed, version, url), entry) for entry in entries]
    said = [{**_entry(entry, feed, version, url), "raw": raw} for raw, entry in hashes if raw not in known]
    taken, left = sorted_out(said)
    return {
        "version": version,
        "title": _plain(feed, "title")[:4000],
        "id": _line(feed.get("id")) or None,
        "link": _web(feed.get("link"), url),
        "self_link": next(_linked(feed, "self", url), None),
        "updated": _date(feed)[0],
        "entries": taken,
        "unchanged": list(dict.fromkeys(raw for raw, _ in hashes if raw in known)),
        "omitted": [one._asdict() for one in (*ready.omitted, *left)],
        "warning": warning,
        "deleted": list(_deleted(feed)),
        "hubs": list(dict.fromkeys(_linked(feed, "hub", url)))[:10],
        "stated": _stated(feed),
        "rights": _rights(feed),
    }


def _hash(entry: Dict, feed: Dict, version: str, url: str | None) -> str:
    """What changes when the feed says anything else of the entry that we keep, inherited things included."""
    get = partial(dict.get, entry)  # its own is slow, and none of these names has another
    kept = (
        *(get(name) for name in ("id", "permalink", "link", "title_detail", "title", "content")),
        *(get(name) for name in ("summary_detail", "summary", "feedburner_origlink")),
        *(get(name) for name in ("itunes_summary", "itunes_duration", "image", "tags", "language")),
        *(get(name) for name in ("media_content", "media_thumbnail", "media_said", "app_draft")),
        # Not when it was last changed: with each new entry of that feed, all others would be read again.
        {**(_source(entry, url) or {}), "updated": None},
        [(thing.get("rights"), list(_licences(thing))) for thing in (entry, _taken_from(entry), feed)],
        next((entry[name] for name in DATES if dict.get(entry, name)), None),
        [link for link in _dicts(entry, "links") if link.get("rel") in {"alternate", "enclosure"}],
        list(_authors(entry, feed, version)),
        (feed.get("language"), feed.get("link"), version, url),
    )
    return hashlib.sha256(repr(kept).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _entry(entry: Dict, feed: Dict, version: str, url: str | None) -> dict[str, Any]:
    rss = not version.startswith("atom")
    guid = _line(entry.get("id")) or None
    permalink = rss and entry.get("permalink") is True and _web(guid) is not None
    link = _link(entry, url) or (_web(guid) if permalink else None)
    home = link or _web(feed.get("link"), url)
    body, summary, base = _texts(entry, url, home, rss=rss)
    published, dated = _date(entry)
    return {
        "guid": guid,
        "permalink": permalink,
        "link": link,
        "title": _title(entry)[:4000],
        "summary": summary[:20_000],
        "body": body,
        "base": base[:4000] if base else None,
        "published": published,
        "dated": dated,
        "authors": list(_authors(entry, feed, version)),
        "language": _language(entry, feed),
        "files": _files(entry, url),
        "withheld": _text(entry.get("app_draft")).strip().lower() == "yes",  # RFC 5023 §13.1.1
        "categories": _categories(entry),
        "source": _source(entry, url),
        "rights": _rights(entry) or _rights(_taken_from(entry)),
        "formerly": list(_formerly(entry, url, guid, link)),
    }


def _source(entry: Dict, url: str | None) -> dict[str, Any] | None:
    """The feed it was taken from by the one we read: Atom's source, or RSS's with its address and title alone."""
    said = _taken_from(entry)
    feed_url = next(_linked(said, "self", url), None) or _web(said.get("href"), url)
    found = {
        "id": _line(said.get("id")) or None,
        "title": _plain(said, "title")[:4000],
        "updated": _date(said)[0],
        "feed_url": feed_url,
        "url": _web(said.get("link"), url),
    }
    return found if found["id"] or feed_url else None


def _taken_from(entry: Dict) -> Dict:
    said = entry.get("source")
    return said if isinstance(said, dict) else {}


def _rights(thing: Dict) -> str:
    """Who holds the rights, and what others may do (RFC 4287 §4.2.10, Dublin Core, Media RSS); else the licence's address."""
    said = _plain(thing, "rights") or " ".join(_line(_media(thing).get("copyright")).split())
    return (said or next(_licences(thing), ""))[:4000]


def _licences(thing: Dict) -> Iterator[str]:
    # RFC 4946; feedparser makes such a link of Creative Commons' own elements, too.
    for link in _dicts(thing, "links"):
        if link.get("rel") == "license" and (address := _web(link.get("href"))):
            yield address


def _formerly(entry: Dict, url: str | None, guid: str | None, link: str | None) -> Iterator[str]:
    """What earlier rules took for its guid, an address like any other, and for its page, a service's in between (feeds:I15)."""
    if guid and entry.get("permalink") is True:
        with suppress(ValueError):
            if (address := urljoin(url or "", guid)) != guid:
                yield address[:4000]
    if _text(entry.get("feedburner_origlink")) and (between := _web(entry.get("link"), url)) not in {
        link,
        None,
    }:
        yield between


def _link(entry: Dict, url: str | None) -> str | None:
    """Its page: the original one where a service put its own in between, then the usual places."""
    others = (link.get("href") for link in _dicts(entry, "links") if link.get("rel") == "alternate")
    elsewhere = (part.get("src") for part in _dicts(entry, "content") if _kind(part) in TEXTUAL)
    candidates = (entry.get("feedburner_origlink"), entry.get("link"), *others, *elsewhere)
    return next(filter(None, (_web(href, url) for href in candidates)), None)


def _texts(entry: Dict, url: str | None, home: str | None, *, rss: bool) -> tuple[str, str, str | None]:
    """Body (HTML as it stands), summary (plain), the body's base: two different texts, or one, the body (feeds:P17).

    Addresses resolve against xml:base, else the item's page in RSS, else the feed (feeds:I21).
    """
    contents = [part for part in _dicts(entry, "content") if _kind(part) in TEXTUAL and part.get("value")]
    contents.sort(key=lambda part: _kind(part) == "text/plain")  # marked up before plain, else in order
    brief = _brief(entry, contents)
    body, short = _html(contents[0]) if contents else "", _html(brief)
    base = _text((contents[0] if body else brief).get("base")) or url
    base = home if rss and home and base == url else base
    if not body and not rss and _kind(brief) == "text/plain":
        return "", _words(short), base  # Atom says that it is a summary; RSS has one element for both
    if not body or body == short:
        return body or short, "", base
    return body, _words(short), base


def _brief(entry: Dict, contents: list[Dict]) -> Dict:
    # feedparser copies a content into a missing summary, but then there is no detail of it.
    detail = dict.get(entry, "summary_detail")
    if isinstance(detail, dict):
        return detail
    if not contents and _text(entry.get("summary")):
        return {"type": "text/html", "value": entry["summary"]}
    if contents:
        return {}
    said = _text(entry.get("itunes_summary")) or _text(_media(entry).get("alt"))
    return {"type": "text/plain", "value": said}


def _html(part: Dict) -> str:
    value = strip_illegal(_text(part.get("value")))
    return from_plain(value) if _kind(part) == "text/plain" else value


def _words(html: str) -> str:
    """The plain text of HTML, be it ever so deep."""
    if too_deep(html):
        return " ".join(unescape(re.sub(r"<[^<>]*>", " ", html)).split())
    return plain_text(clean(html))


def _kind(part: Dict) -> str:
    return _text(part.get("type")).lower()


def _title(entry: Dict) -> str:
    return _plain(entry, "title") or _line(_media(entry).get("title"))


def _media(entry: Dict) -> Dict:
    """What is said of all files of an entry together."""
    said: object = entry.get("media_said")
    return said if isinstance(said, dict) else {}


def _plain(thing: Dict, name: str) -> str:
    """A one-line text; HTML in it is taken off, entities are resolved once (feeds:P5)."""
    found = thing.get(f"{name}_detail")
    detail: Dict = found if isinstance(found, dict) else {}
    # The detail may be of a deeper element of this name, the text itself never is.
    value = strip_illegal(_text(thing.get(name)) or _text(detail.get("value")))
    if _kind(detail) != "text/plain" and ("<" in value or "&" in value):
        value = _words(value)
    return " ".join(value.split())


def _date(thing: Dict) -> tuple[str | None, str | None]:
    """When it was published, else changed, and that text as it stands; no date where none can be read (feeds:I18)."""
    # dict's own get: feedparser's copies published into a missing updated (feeds:I16).
    texts = [line for name in DATES if (line := _line(dict.get(thing, name))[:200])]
    for line in texts:
        if moment := read_date(line):
            return moment.isoformat(), line
    return None, texts[0] if texts else None


def _authors(entry: Dict, feed: Dict, version: str) -> Iterator[dict[str, Any]]:
    # RFC 4287 §4.2.1: entry, else its source, else the feed. In RSS the managing editor is no author.
    inherited = (_taken_from(entry), feed) if version.startswith("atom") else ()
    for place, most in ((entry, MAX_PEOPLE), *((place, INHERITED) for place in inherited)):
        people: dict[str, dict[str, Any]] = {}
        for person in map(_person, _dicts(place, "authors")):
            if person:
                people.setdefault(person["name"].casefold(), person)
        if people:
            yield from list(people.values())[:most]
            return


def _person(author: Dict) -> dict[str, Any] | None:
    name, email = _line(author.get("name")), _line(author.get("email"))
    if not name and not email:
        return None
    # One with a domain and one dot at least; a name alone is none that one can write to.
    real = (
        email if re.fullmatch(r"[^\s@<>()\[\]\"]+@[^\s@<>()\[\]\"]+\.[A-Za-z0-9-]{2,}", email[:320]) else None
    )
    if "<" in name or "&" in name:
        name = " ".join(_words(name).split())
    return {"name": name or email.partition("@")[0], "email": real, "url": _web(author.get("href"))}


def _language(entry: Dict, feed: Dict) -> str | None:
    details = [*_dicts(entry, "content"), entry.get("title_detail"), dict.get(entry, "summary_detail")]
    inner = (detail.get("language") for detail in details if isinstance(detail, dict))
    for language in (entry.get("language"), *inner, feed.get("language")):
        if isinstance(language, str) and (tag := language_tag(language.replace("_", "-"))):
            return tag
    return None


def _categories(entry: Dict) -> list[dict[str, Any]]:
    terms: dict[tuple[str, str], dict[str, Any]] = {}
    for tag in _dicts(entry, "tags"):
        # RSS escapes HTML in them as it does in titles.
        term, scheme, label = (_line(tag.get(name)) for name in ("term", "scheme", "label"))
        term = _words(term) if "&" in term or "<" in term else term
        if (term := " ".join(term.split())) and len(terms) < MAX_TERMS:
            terms.setdefault((term, scheme), {"term": term, "scheme": scheme or None, "label": label or None})
    return list(terms.values())


def _files(entry: Dict, url: str | None) -> list[dict[str, Any]]:
    files = Files(url)
    for link in _dicts(entry, "links"):
        if link.get("rel") == "enclosure":
            files.add(link)
    for said in _dicts(entry, "media_content"):
        files.add(said)
    for picture in (*_dicts(entry, "media_thumbnail"), entry.get("image")):
        if isinstance(picture, dict):
            files.picture(picture)
    files.lasting(entry.get("itunes_duration"))
    files.described(_media(entry))
    return files.all()


def _linked(feed: Dict, relation: str, url: str | None) -> Iterator[str]:
    for link in _dicts(feed, "links"):
        if relation in _text(link.get("rel")).lower().split() and (address := _web(link.get("href"), url)):
            yield address


def _deleted(feed: Dict) -> Iterator[dict[str, Any]]:
    """Tombstones (RFC 6721 §3); one without an id or a date that can be read is told all the same, or is none."""
    for grave in _dicts(feed, "tombstones"):
        if ref := _line(grave.get("ref")):
            when = read_date(_line(grave.get("when")))
            comment = strip_illegal(_text(grave.get("comment"))).strip()[:20_000]
            yield {"ref": ref, "when": when.isoformat() if when else None, "comment": comment}


def _stated(feed: Dict) -> dict[str, Any]:
    """How often it wants to be asked (feeds:I4): ttl in minutes (RSS 2.0), and the syndication module's period."""
    ttl = _figure(feed.get("ttl")) * 60
    period = PERIODS.get(_line(feed.get("sy_updateperiod")).lower(), 0)
    often = _figure(feed.get("sy_updatefrequency")) or 1
    hours = {_figure(hour) % 24 for hour in _texts_of(feed.get("skip_hours")) if hour.strip().isdigit()}
    days = {
        DAYS.index(name) for day in _texts_of(feed.get("skip_days")) if (name := day.strip().lower()) in DAYS
    }
    return {
        "interval": min(max(ttl, period // often), MAX_INTERVAL) or None,
        # All of them would mean never: nobody means that.
        "skip_hours": sorted(hours) if len(hours) < 24 else [],
        "skip_days": sorted(days) if len(days) < 7 else [],
    }


def _figure(value: Any) -> int:
    text = _line(value)
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _texts_of(value: Any) -> Iterable[str]:
    return (one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _dicts(thing: Dict, name: str) -> list[Dict]:
    """A list of things; elements with odd names make feedparser put anything there."""
    found = thing.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _line(value: Any) -> str:
    return strip_illegal(value).strip()[:4000] if isinstance(value, str) else ""


def _web(value: Any, url: str | None = None) -> str | None:
    address = web_address(value, url) if isinstance(value, str) else None
    return strip_illegal(address) if address and len(address) <= 4_000 else None
