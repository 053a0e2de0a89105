"""What a Markdown file with front matter says: the words of an item or a release, field by field. Pure; knows no files.

The fields that only press releases have, and files beside them, are read by `pressfields`; the body is put
together by `pressbody`. Serves walks A and B.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from syndicator.errors import Invalid
from syndicator.model import pressbody, pressfields
from syndicator.model.frontmatter import QUOTED, meant, parted, quoted, words
from syndicator.model.item import SLUG, Author, Content, Kind, is_absolute_iri
from syndicator.model.markup import Draft, language_tag, one_line, strip_illegal, web_address
from syndicator.model.release import Embargo, embargo_from, zone_named
from syndicator.model.upstream import LONGEST_KEY

FIELDS = pressfields.FIELDS.union(
    "uid base title headline summary kind topics published url authors spokesperson language media embargo "
    "embargo_zone slug".split()
)
MAX_BODY = 5_000_000


def draft_from(text: str, *, base_url: str, zone: str, language: str = "en", parts: bool = False) -> Draft:
    """Read a Markdown file with YAML front matter; `zone` is used where a time has no offset, `language` for headings.

    With `parts` it may name files beside it and boilerplates, which the caller then puts in
    (`pressbody.completed`). Raises Invalid naming the field and what to write instead.
    """
    fields, body = parted(text)
    _refuse_unknown(fields)
    if len(body) > MAX_BODY:
        raise Invalid(f"the text is {len(body):,} characters long; the limit is {MAX_BODY:,}")
    press = pressfields.read(fields)
    content = Content(
        title=_title(fields),
        kind=_kind(fields),
        summary=strip_illegal(words(fields.get("summary"), "summary")).strip() or press.dek,
        text=strip_illegal(body).strip(),
        topics=_topics(fields),
        language=_language(fields),
        url=_url(fields),
        authors=_authors(fields),
        spokesperson=_text(fields, "spokesperson"),
        media=press.media,
        kicker=press.kicker,
        dek=press.dek,
        dateline=press.dateline,
        quotes=press.quotes,
        notes=press.notes,
        paper=press.paper,
        boilerplates=press.boilerplates,
        urgent=press.urgent,
        audience=press.audience,
    )
    draft = Draft(
        content=content,
        uid=_uid(fields),
        published=_instant(fields.get("published"), "published", zone),
        embargo=_embargo(fields, zone),
        base=_text(fields, "base"),
        keep_position=press.keep_position,
    )
    if not parts and (named := draft.unresolved):
        raise Invalid(
            f"{named} can only be put in by `syndicator release draft` and `item add`, `edit` and `correct`"
        )
    return pressbody.completed(draft, base_url=base_url, language=language)


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    unknown = sorted(str(name) for name in fields if name not in FIELDS)
    if unknown:
        raise Invalid(f"the front matter has no field {quoted(unknown[0])}{meant(unknown[0], FIELDS)}")


def _title(fields: Mapping[str, Any]) -> str:
    said = {name: words(fields.get(name), name).strip() for name in ("title", "headline")}
    title = said["title"] or said["headline"]
    if not title:
        raise Invalid(
            "the front matter has no title: add a line such as title: Society welcomes new guideline"
        )
    if said["headline"] not in ("", title):
        raise Invalid("the front matter has a title and another headline: keep one of them")
    return one_line(strip_illegal(title), "the title")


def _kind(fields: Mapping[str, Any]) -> Kind:
    kind = words(fields.get("kind"), "kind") or Kind.NEWS
    try:
        return Kind(kind)
    except ValueError:
        raise Invalid(f"unknown kind {quoted(kind)}: use {', '.join(Kind)}") from None


def _topics(fields: Mapping[str, Any]) -> tuple[str, ...]:
    topics = fields.get("topics") or []
    if isinstance(topics, str):
        topics = [part.strip() for part in topics.split(",")]
    if not isinstance(topics, list):
        raise Invalid("topics is no list: write topics: [policy, health]")
    for topic in topics:
        if not isinstance(topic, str) or not SLUG.fullmatch(topic):
            raise Invalid(f"topics: {quoted(topic)} is no topic slug: use 1 to 64 of a-z, 0-9 and hyphen")
    return tuple(dict.fromkeys(topics))


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    return one_line(words(fields.get(name), name), name) or None


def _language(fields: Mapping[str, Any]) -> str | None:
    language = _text(fields, "language")
    if language and not language_tag(language):
        raise Invalid(
            f"language {quoted(language)} is no language tag: write en, de or pt-BR, or leave it out"
        )
    return language


def _uid(fields: Mapping[str, Any]) -> str | None:
    uid = _text(fields, "uid")
    if uid and not is_absolute_iri(uid):
        raise Invalid(
            f"uid {quoted(uid)} is no absolute IRI: use a tag: or urn:uuid: address, or leave it out"
        )
    if uid and len(uid) > LONGEST_KEY:
        raise Invalid(f"uid {quoted(uid)} is too long: use at most {LONGEST_KEY} characters")
    return uid


def _url(fields: Mapping[str, Any]) -> str | None:
    url = _text(fields, "url")
    if url and not web_address(url):
        raise Invalid(f"url {quoted(url)} is no web address: start it with https://")
    return url


def _authors(fields: Mapping[str, Any]) -> tuple[Author, ...]:
    authors = fields.get("authors") or []
    if isinstance(authors, str):
        authors = [authors]
    if not isinstance(authors, list):
        raise Invalid("authors is no list: write authors: [Jane Doe, John Roe]")
    return tuple(_author(number, author) for number, author in enumerate(authors, 1))


def _author(number: int, value: Any) -> Author:
    if isinstance(value, str):
        return Author(name=one_line(value, "an author"))
    if not isinstance(value, Mapping) or not value.get("name"):
        raise Invalid(f"authors: entry {number} needs a name")
    said = {key: words(value.get(key), f"author {key}") for key in ("name", "email", "url")}
    parts = {key: one_line(text, f"author {key}") for key, text in said.items() if text}
    if "url" in parts and not web_address(parts["url"]):
        raise Invalid(f"author url {quoted(parts['url'])} is no web address: start it with https://")
    return Author(**parts)


def _embargo(fields: Mapping[str, Any], zone: str) -> Embargo | None:
    until, place = (
        words(fields.get("embargo"), "embargo"),
        words(fields.get("embargo_zone"), "embargo_zone") or zone,
    )
    for name, value in (("embargo", until), ("embargo_zone", place)):
        if len(value) > QUOTED:
            raise Invalid(
                f"{name} {quoted(value)} is too long: write 2026-03-02 09:00, and Europe/Berlin as its zone"
            )
    return embargo_from(until, place) if until else None


def _instant(value: Any, name: str, zone: str) -> datetime | None:
    if value in (None, ""):
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(words(value, name))
        aware = instant if instant.tzinfo else instant.replace(tzinfo=zone_named(zone))
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{name} {quoted(value)} is no instant: write 2026-03-02T09:00:00+01:00") from None
