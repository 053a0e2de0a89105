"""Words as a Markdown file with front matter: what `drafts.draft_from` reads back to the very same words. Pure.

So an editor can fetch what was handed in, change a word, and hand it in again, and nothing else changes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import yaml

from syndicator.model.item import Author, Content, Kind, Medium, Quote
from syndicator.model.release import Embargo

ENDLESS = 1 << 20  # characters of a line: none is broken, so that an editor's search finds it


def written(
    content: Content,
    *,
    uid: str | None = None,
    published: datetime | None = None,
    embargo: Embargo | None = None,
    base: str = "",
    typed: str = "",
) -> str:
    """The whole file; `base` is the version of a release it shows, `typed` is an embargo nobody has read yet. Words that were never Markdown (an import's) stand in it as HTML.

    Boilerplates stand in it by name and our own files by address; who holds the rights of an import, and whom it is
    credited to, stay with the item (`item.reworded`).
    """
    fields = {
        "uid": uid,
        "base": base,
        "kicker": content.kicker,
        "title": content.title,
        "dek": content.dek,
        "summary": content.summary if content.summary != content.dek else "",
        "kind": "" if content.kind is Kind.NEWS else content.kind.value,
        "topics": list(content.topics),
        **_when(published, embargo),
        **({"embargo": typed} if typed else {}),
        "dateline": content.dateline,
        "language": content.language,
        "url": content.url,
        "authors": [_author(author) for author in content.authors],
        "spokesperson": content.spokesperson,
        "quotes": [_quote(quote) for quote in content.quotes],
        "paper": content.paper,
        "notes": content.notes,
        "boilerplates": list(content.boilerplates),
        "urgent": content.urgent,
        "audience": list(content.audience),
        "media": [_medium(medium) for medium in content.media],
    }
    said = {name: value for name, value in fields.items() if value}
    front = yaml.dump(said, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=ENDLESS)
    body = content.body if content.text is None else content.text
    return f"---\n{front}---\n\n{body}\n"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as a block, which a person can read and edit."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's own interface
        """Nothing is said once and referred to: the reader refuses that."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _when(published: datetime | None, embargo: Embargo | None) -> dict[str, str]:
    said = {"published": published.isoformat()} if published else {}
    if embargo:
        said |= {"embargo": embargo.wall or embargo.until.isoformat(), "embargo_zone": embargo.zone}
    return said


def _author(author: Author) -> dict[str, str] | str:
    values = {"name": author.name, "email": author.email, "url": author.url}
    known = {name: value for name, value in values.items() if value}
    return known if len(known) > 1 else author.name


def _quote(quote: Quote) -> dict[str, str]:
    known = {"text": quote.text, "speaker": quote.speaker, "role": quote.role}
    return {name: value for name, value in known.items() if value}


def _medium(medium: Medium) -> dict[str, Any]:
    always = {"url": medium.url, "type": medium.type, "length": medium.length} if medium.url else {}
    more = {
        "file": medium.file,
        "title": medium.title,
        "alt": medium.alt,
        "credit": medium.credit,
        "licence": medium.licence,
        "width": medium.width if medium.url else 0,
        "height": medium.height if medium.url else 0,
        "duration": medium.duration,
    }
    return always | {name: value for name, value in more.items() if value}
