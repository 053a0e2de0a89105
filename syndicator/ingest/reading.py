"""Reading a feed: bytes in, plain values out. It runs in the parse child and nowhere else.

The only place where feedparser is called. It is handed a stream, never a string or bytes: those it would
open as an address or a file (feeds:I8).
"""

from __future__ import annotations

import io
import re
import warnings
from calendar import timegm
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from syndicator.ingest.scan import Omitted, Refuse, prepared
from syndicator.model.markup import clean, from_plain, language_tag, plain_text, strip_illegal, web_address
from syndicator.model.nesting import too_deep

MAX_ENTRIES = 5_000
MAX_TEXT = 2_000_000  # characters of one body, as `ingest.entries` takes them
TEXTUAL = {"text/html", "application/xhtml+xml", "text/plain", ""}
MAIL = re.compile(r"[^\s@<>()\"]+@[^\s@<>()\"]+\.[A-Za-z0-9-]{2,}")
MEDIA_TYPE = re.compile(r"[\w.+-]{1,90}/[\w.+-]{1,90}")
EXTENSIONS = {
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
    "png": "image/png",
    "webp": "image/webp",
}
Dict = dict[str, Any]  # feedparser's own kind: reading a key that is not there may find another


def read(
    body: bytes,
    content_type: str,
    url: str | None,
    known: frozenset[str] = frozenset(),  # noqa: ARG001 - the hashes arrive before they are made
) -> dict[str, Any]:
    """The feed in `body` as plain values; raises Refuse for what is none."""
    import feedparser

    warnings.simplefilter("ignore")  # feedparser deprecates its own mapping of dates (feeds:I16)
    ready, content_type, omitted = prepared(body, content_type)
    headers = {"content-type": content_type, "content-location": url or ""}
    # Both off: HTML is cleaned, and its addresses resolved, by ourselves below; it halves the cost twice (I23).
    options = {"response_headers": headers, "sanitize_html": False, "resolve_relative_uris": False}
    # A stream, not the bytes: those it would take for the path of a file and open it, if there is one (I8).
    found = feedparser.parse(io.BytesIO(ready), **options)
    feed, entries = found.get("feed", {}), found.get("entries", [])
    version = found.get("version") or ""
    if not entries and not omitted and not version and not feed.get("title"):
        raise Refuse(f"this is not a feed{_bozo(found)}")
    if len(entries) > MAX_ENTRIES:
        raise Refuse(f"it holds more than {MAX_ENTRIES:,} items")
    said = [_entry(entry, feed, version, url) for entry in entries]
    why = f"its text is longer than {MAX_TEXT:,} characters"
    omitted += [Omitted(one["title"], one["guid"], why) for one in said if len(one["body"]) > MAX_TEXT]
    return {
        "version": version,
        "title": _plain(feed, "title")[:4000],
        "id": _line(feed.get("id")) or None,
        "link": web_address(feed.get("link"), url),
        "self_link": _self(feed, url),
        "updated": _date(feed),
        "entries": [one for one in said if len(one["body"]) <= MAX_TEXT],
        "omitted": [one._asdict() for one in omitted],
        "warning": _bozo(found).lstrip(": ") or None,
    }


def _bozo(found: Dict) -> str:
    fault = found.get("bozo_exception") if found.get("bozo") else None
    return f": {strip_illegal(str(fault))[:300]}" if fault else ""


def _self(feed: Dict, url: str | None) -> str | None:
    links = (link for link in feed.get("links", ()) if link.get("rel") == "self")
    return next(filter(None, (web_address(link.get("href"), url) for link in links)), None)


def _entry(entry: Dict, feed: Dict, version: str, url: str | None) -> dict[str, Any]:
    link = _link(entry, url)
    home = link or web_address(feed.get("link"), url)
    body, summary, base = _texts(entry, url, home if version.startswith("rss") else None)
    guid = _line(entry.get("id")) or None
    return {
        "guid": guid,
        "permalink": bool(entry.get("guidislink")) or (guid is not None and guid == link),
        "link": link,
        "title": _plain(entry, "title")[:4000],
        "summary": summary[:20_000],
        "body": body,
        "base": base,
        "published": _date(entry),
        "authors": list(_authors(entry, feed, version)),
        "language": _language(entry, feed),
        "files": _files(entry, url),
        "withheld": str(entry.get("app_draft", "")).strip().lower() == "yes",  # RFC 5023 §13.1.1
    }


def _link(entry: Dict, url: str | None) -> str | None:
    others = (link.get("href") for link in entry.get("links", ()) if link.get("rel") == "alternate")
    return next(filter(None, (web_address(href, url) for href in (entry.get("link"), *others))), None)


def _texts(entry: Dict, url: str | None, home: str | None) -> tuple[str, str, str | None]:
    """Body (HTML as it stands), summary (plain), the body's base: two different texts, or one, the body (feeds:P17).

    Addresses resolve against xml:base, else the item's page in RSS, else the feed (feeds:I21).
    """
    contents = [part for part in entry.get("content", ()) if _kind(part) in TEXTUAL and part.get("value")]
    contents.sort(key=lambda part: _kind(part) == "text/plain")  # marked up before plain, else in order
    # feedparser copies a content into a missing summary, but then there is no detail of it.
    brief = entry.get("summary_detail") if "summary_detail" in entry else None
    if brief is None and not contents and entry.get("summary"):
        brief = {"type": "text/html", "value": entry["summary"]}
    body, short = _html(contents[0]) if contents else "", _html(brief) if brief else ""
    base = (contents[0] if body else brief or {}).get("base") or url
    base = home if home and base == url else base
    if not body or body == short:
        return body or short, "", base
    return body, _words(short), base


def _html(part: Dict) -> str:
    value = str(part.get("value") or "")
    return from_plain(value) if _kind(part) == "text/plain" else value


def _words(html: str) -> str:
    """The plain text of HTML, be it ever so deep."""
    if too_deep(html):
        return " ".join(re.sub(r"<[^<>]*>", " ", html).split())
    return plain_text(clean(html))


def _kind(part: Dict) -> str:
    return str(part.get("type") or "").lower()


def _plain(thing: Dict, name: str) -> str:
    """A one-line text; HTML in it is taken off, entities are resolved once (feeds:P5)."""
    detail = thing.get(f"{name}_detail") or {}
    value = strip_illegal(str(detail.get("value") or thing.get(name) or ""))
    if _kind(detail) != "text/plain" and ("<" in value or "&" in value):
        value = _words(value)
    return " ".join(value.split())


def _line(value: Any) -> str:
    return strip_illegal(value).strip()[:4000] if isinstance(value, str) else ""


def _date(thing: Dict) -> str | None:
    """When it was published, else changed; None where the feed gives no date that can be one (feeds:I18)."""
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        # dict's own get: feedparser's copies published into a missing updated (feeds:I16).
        if parsed := dict.get(thing, name):
            with suppress(ValueError, OverflowError, OSError):
                moment = datetime.fromtimestamp(timegm(parsed), UTC)
                if moment.year >= 1900:  # 0001-01-01 is how some programs write "none"
                    return moment.isoformat()
    return None


def _authors(entry: Dict, feed: Dict, version: str) -> Iterator[dict[str, Any]]:
    # RFC 4287 §4.2.1: entry, else its source, else the feed. In RSS the managing editor is no author.
    inherited = (entry.get("source") or {}, feed) if version.startswith("atom") else ()
    for place in (entry, *inherited):
        listed = place.get("authors") or ()
        if len(listed) == 1 and not version.startswith("atom"):
            listed = [_split(_line(entry.get("author")))]
        people = [person for person in map(_person, listed) if person]
        if people:
            yield from people[:50]
            return


def _split(author: str) -> Dict:
    """RSS's one field for both, "mail (Name)" or "Name <mail>"; feedparser cuts a long top-level domain (I25)."""
    mail = MAIL.search(author[:320])
    if mail is None:
        return {"name": author}
    return {"email": mail[0], "name": author.replace(mail[0], "").strip(" ()<>\"'")}


def _person(author: Dict) -> dict[str, Any] | None:
    name, email = _line(author.get("name")), _line(author.get("email"))
    if not name and not email:
        return None
    real = email if MAIL.fullmatch(email) else None
    return {"name": name or email.partition("@")[0], "email": real, "url": web_address(author.get("href"))}


def _language(entry: Dict, feed: Dict) -> str | None:
    details: Sequence[Dict] = [*entry.get("content", ()), entry.get("title_detail") or {}]
    for language in (*(detail.get("language") for detail in details), feed.get("language")):
        if isinstance(language, str) and (tag := language_tag(language)):
            return tag
    return None


def _files(entry: Dict, url: str | None) -> list[dict[str, Any]]:
    enclosures = [link for link in entry.get("links", ()) if link.get("rel") == "enclosure"]
    files: dict[str, dict[str, Any]] = {}
    for found in (*enclosures, *entry.get("media_content", ())):
        address = web_address(found.get("href") or found.get("url"), url)
        if address and address not in files and len(files) < 50:
            files[address] = {"url": address, "type": _media_type(found, address), "length": _length(found)}
        if address in files:
            files[address].update(_figures(found))
    return list(files.values())


def _figures(file: Dict) -> dict[str, int]:
    """Pixels and seconds, as far as they are stated and sane (feeds:P20)."""
    stated = {name: str(file.get(name) or "").strip() for name in ("width", "height", "duration")}
    return {name: int(figure) for name, figure in stated.items() if re.fullmatch(r"[0-9]{1,6}", figure)}


def _media_type(file: Dict, address: str) -> str:
    stated = str(file.get("type") or "").strip().lower()
    if MEDIA_TYPE.fullmatch(stated):
        return stated
    extension = address.partition("?")[0].rpartition(".")[2].lower()
    return EXTENSIONS.get(extension, "application/octet-stream")


def _length(file: Dict) -> int:
    """Bytes; sizes may be text, empty, negative or absurd (feeds:I24)."""
    stated = str(file.get("length") or file.get("filesize") or "").strip()
    return min(int(stated), 2**53) if re.fullmatch(r"[0-9]{1,18}", stated) else 0
