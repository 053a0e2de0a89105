"""JSON Feed 1.0 and 1.1 (jsonfeed.org), which feedparser does not read (feeds:I14).

As tolerant as the rest: ids may be numbers, `author` may be one or `authors` many, what nobody knows is
passed over. It gives the same plain values as `ingest.child.reading` does for XML.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from syndicator.ingest.child.dates import read_date
from syndicator.ingest.child.files import Files
from syndicator.ingest.child.labour import sorted_out
from syndicator.ingest.child.scan import MAX_ABSURD, MAX_ITEMS, MAX_TOKEN, Omitted, Refuse
from syndicator.model.markup import from_plain, language_tag, strip_illegal, web_address

VERSION = re.compile(r"https?://(?:www\.)?jsonfeed\.org/version/([0-9.]{1,9})/?")
MAX_TERMS = 200
MAX_PEOPLE = 50
INHERITED = 5  # people of a feed who stand in each of its items
MAX_DIGITS = 40  # of a number that is an id
ENDED = "it says that it has ended: nothing new will come"
Item = dict[str, Any]


def read_json(text: str, url: str | None, known: frozenset[str]) -> dict[str, Any]:
    """The feed in a JSON text as plain values (`entries.Parsed`); raises Refuse for what is none."""
    feed = _loaded(text)
    version = VERSION.match(_line(feed.get("version")))
    items = feed.get("items")
    named = any(_line(feed.get(name)) for name in ("version", "title", "home_page_url", "feed_url"))
    if not isinstance(items, list) or not named:
        raise Refuse("this is JSON, not a feed")
    if len(items) > MAX_ITEMS:
        raise Refuse(f"it holds more than {MAX_ITEMS:,} items")
    inherited = (_people(feed, url), _line(feed.get("language")), url)
    entries, omitted, unchanged = [], [], []
    for item in items:
        if not isinstance(item, dict):
            continue
        raw = _hash(item, inherited)
        if raw in known:
            unchanged.append(raw)
        elif why := _overlong(item):
            omitted.append(Omitted(_words(item.get("title"))[:4000] or _id(item), _id(item) or None, why))
        else:
            entries.append({**_entry(item, feed, url), "raw": raw})
    taken, left = sorted_out(entries)
    return {
        "version": f"json{version[1].replace('.', '')}" if version else "json",
        "title": _words(feed.get("title"))[:4000],
        # Its id is its own address (JSON Feed 1.1, "feed_url").
        "id": _web(feed.get("feed_url"), url),
        "link": _web(feed.get("home_page_url"), url),
        "self_link": _web(feed.get("feed_url"), url),
        "updated": None,
        "entries": taken,
        "unchanged": list(dict.fromkeys(unchanged)),
        "omitted": [one._asdict() for one in (*omitted, *left)],
        "warning": ENDED if feed.get("expired") is True else None,
        "deleted": [],
        "hubs": list(dict.fromkeys(_hubs(feed, url)))[:10],
        "stated": {},
    }


def _loaded(text: str) -> Item:
    """The object a text says; raises Refuse, in time and memory that grow with its length only."""
    text = text.strip("\ufeff \t\r\n")
    try:
        said = json.loads(text, strict=False, parse_int=_figure, parse_constant=_nothing)
    except RecursionError:
        raise Refuse("it is nested too deeply") from None
    except ValueError as fault:
        raise Refuse(f"this looks like JSON, but is broken: {str(fault)[:200]}") from None
    if not isinstance(said, dict):
        raise Refuse("this is JSON, not a feed")
    return said


def _figure(digits: str) -> int | str:
    # Python refuses to read a number of more than 4,300 digits, and takes its time for fewer.
    return int(digits) if len(digits) <= MAX_DIGITS else digits[:MAX_DIGITS]


def _nothing(_: str) -> None:
    """NaN and its kin are no JSON, and no figures either."""


def _hash(item: Item, inherited: tuple[Any, ...]) -> str:
    kept = {name: value for name, value in item.items() if not name.startswith("_")}
    said = json.dumps([kept, inherited], sort_keys=True, default=str)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _overlong(item: Item) -> str | None:
    longest = max((len(value) for value in item.values() if isinstance(value, str)), default=0)
    if longest > MAX_ABSURD:
        raise Refuse(f"a text in it is longer than {MAX_ABSURD // 2**20} MiB")
    return f"a text in it is longer than {MAX_TOKEN // 2**20} MiB" if longest > MAX_TOKEN else None


def _entry(item: Item, feed: Item, url: str | None) -> dict[str, Any]:
    guid, link = _id(item), _web(item.get("url"), url)
    html, text = _text(item.get("content_html")), _text(item.get("content_text"))
    # Dates by presence, not by what one would have them say (feeds:I16).
    texts = [line for name in ("date_published", "date_modified") if (line := _line(item.get(name))[:200])]
    dates = [(moment, line) for line in texts if (moment := read_date(line))]
    return {
        "guid": guid or None,
        "permalink": bool(guid) and guid == link,
        "link": link or _web(item.get("external_url"), url),
        "title": _words(item.get("title"))[:4000],
        "summary": strip_illegal(_text(item.get("summary"))).strip()[:20_000],
        "body": strip_illegal(html) or from_plain(strip_illegal(text)),
        # Nothing is said of a base in JSON Feed; a page's addresses are meant against the page.
        "base": link or url,
        "published": dates[0][0].isoformat() if dates else None,
        "dated": dates[0][1] if dates else texts[0] if texts else None,
        "authors": _people(item, url) or _people(feed, url)[:INHERITED],
        "language": language_tag(_line(item.get("language"))) or language_tag(_line(feed.get("language"))),
        "files": _files(item, url),
        "withheld": False,
        "categories": _categories(item),
    }


def _id(item: Item) -> str:
    """The id; numbers are texts, as 1.1 asks readers to take them ("id")."""
    said = item.get("id")
    if isinstance(said, int | float) and not isinstance(said, bool):
        return str(said)[:MAX_DIGITS]
    return _line(said) or _line(item.get("guid"))


def _people(thing: Item, url: str | None) -> list[dict[str, Any]]:
    """`authors` of 1.1, else the one `author` of 1.0; a name in place of an object is taken as such."""
    found = thing.get("authors")
    listed = found if isinstance(found, list) and found else [thing.get("author")]
    people: dict[str, dict[str, Any]] = {}
    for one in listed[:MAX_PEOPLE]:
        author = one if isinstance(one, dict) else {"name": one}
        address = _line(author.get("url"))
        mail = (
            address.removeprefix("mailto:") if address.startswith("mailto:") else _line(author.get("email"))
        )
        name = _words(author.get("name")) or mail.partition("@")[0]
        if name:
            known = {"name": name[:4000], "email": mail if "@" in mail else None, "url": _web(address, url)}
            people.setdefault(name.casefold(), known)
    return list(people.values())


def _files(item: Item, url: str | None) -> list[dict[str, Any]]:
    files = Files(url)
    attachments = item.get("attachments")
    for found in attachments if isinstance(attachments, list) else ():
        if isinstance(found, dict):
            files.add(found)
    for name in ("image", "banner_image"):
        files.picture({"url": item.get(name)})
    return files.all()


def _categories(item: Item) -> list[dict[str, Any]]:
    tags = item.get("tags")
    terms = (_words(tag)[:4000] for tag in tags) if isinstance(tags, list) else ()
    return [{"term": term} for term in dict.fromkeys(terms) if term][:MAX_TERMS]


def _hubs(feed: Item, url: str | None) -> Iterator[str]:
    hubs = feed.get("hubs")
    for hub in hubs if isinstance(hubs, list) else ():
        if isinstance(hub, dict) and _line(hub.get("type")).lower() == "websub":
            address = _web(hub.get("url"), url)
            if address:
                yield address


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _line(value: Any) -> str:
    return strip_illegal(value).strip()[:4000] if isinstance(value, str) else ""


def _words(value: Any) -> str:
    """A one-line text; titles are plain in JSON Feed, so what looks like HTML is meant to be seen."""
    return " ".join(strip_illegal(_text(value)).split())


def _web(value: Any, url: str | None) -> str | None:
    address = web_address(value, url) if isinstance(value, str) else None
    return strip_illegal(address) if address and len(address) <= 4_000 else None
