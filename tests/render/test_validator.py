"""What the W3C feed validator says of our documents: nothing (feeds:P1)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from syndicator.model.item import FULL, Closing, Medium, Profile, PubDate
from syndicator.model.site import MEDIA_TYPES, Format
from syndicator.render import documents, entries
from tests.make import NOW
from tests.render.test_documents import ENTRIES, GONE, many
from tests.render.test_entries import (
    AGNES,
    AUDIO,
    FORMATS,
    PAPER,
    POOR,
    RICH,
    SITE,
    TOPIC,
    entry,
    with_content,
)
from tests.render.test_marked import CORRECTED
from tests.render.test_media import FILM, PICTURE
from tests.render.test_press import PRESSED, TEO


@dataclass(frozen=True, kw_only=True)
class Case:
    """What makes a document."""

    made: tuple[entries.Entry, ...] = ENTRIES
    tombstones: tuple[documents.Tombstone, ...] = ()
    told: Any = ()
    site: Any = ()
    profile: Profile = FULL


PLAIN = with_content(POOR, title="AT&T asks: is <a> < <b>?", authors=RICH.content.authors[:1])
UNKNOWN = Medium(url="/relative", type="?", length=0)
SIGNED = replace(PICTURE, title="&amp;", alt="&lt;b&gt;", credit="&#x26;")
BARE = {"title": "Society", "description": "", "rights": "&copy;", "hubs": ()}
CLOSING = Closing(announced=NOW + timedelta(hours=1), over=NOW + timedelta(days=9), note="Thanks & <bye>")
CLOSED = replace(TOPIC, closing=CLOSING)
PICTURES = {"icon": f"{SITE.base_url}/i.png", "logo": f"{SITE.base_url}/l.svg", "favicon": "/f.ico"}
CASES: dict[str, Case] = {
    "rich and poor": Case(),
    "signs": Case(made=(entry(PLAIN),)),
    "references": Case(made=(entry(with_content(POOR, title="&amp;", summary="&lt;", authors=())),)),
    "a picture of signs": Case(made=(entry(with_content(POOR, media=(SIGNED,))),), site=BARE),
    "rights": Case(made=(entry(with_content(POOR, rights="&copy; 1 < 2 & <CC BY>, 𝄞")),)),
    "a title alone": Case(made=(entry(with_content(POOR, summary="")),)),
    "empty": Case(made=()),
    "two hundred": Case(made=tuple(many(200))),
    "tombstone": Case(tombstones=(GONE,)),
    "media": Case(made=(entry(with_content(POOR, media=(FILM, PICTURE, AUDIO, PAPER, UNKNOWN))),)),
    "pictures": Case(site=PICTURES),
    "bare": Case(site={"stylesheet": False, "hubs": (), "rights": "", "description": ""}),
    "live with archives": Case(told={"pages": 3}),
    "first page": Case(told={"page": 1}),
    "third page": Case(told={"page": 3}, tombstones=(GONE,)),
    "complete": Case(told={"complete": True}),
    "summaries": Case(made=(entry(RICH, AGNES), entry(POOR)), profile=Profile(full_text=False)),
    "updated": Case(profile=Profile(pub_date=PubDate.UPDATED)),
    "marked": Case(made=(entry(CORRECTED),)),
    "press": Case(made=(entries.entry(PRESSED, SITE, {}, AGNES, TEO),)),
    "closing": Case(made=(entries.farewell(CLOSED, SITE), *ENTRIES)),
}
# P23: the validator does not know RFC 6721.
ACCEPTED = "warning UnknownNamespace: Use of unknown namespace: http://purl.org/atompub/tombstones/1.0"
JUDGE = """
import json, sys
sys.path.insert(0, sys.argv[1] + "/src")
import feedvalidator
from feedvalidator.formatter.text_plain import Formatter
for line in sys.stdin:
    source, content_type, base = json.loads(line)
    with open(source, "rb") as body:
        events = feedvalidator.validateStream(body, contentType=content_type, base=base)["loggedEvents"]
    text = Formatter(events)
    print(json.dumps([
        f"{kind.__name__.lower()} {type(event).__name__}: {' '.join(text.getMessage(event).split())}"
        for event in events
        for kind in (feedvalidator.logging.Error, feedvalidator.logging.Warning)
        if isinstance(event, kind)
    ]))
"""


def document(case: Case, format: Format) -> tuple[bytes, str]:
    """A case's document and its address."""
    site = replace(SITE, **dict(case.site))
    moments = [one.updated for one in case.made]
    head = documents.head(TOPIC, site, format, moments, **dict(case.told))
    fragments = [entries.fragment(one, format, case.profile) for one in case.made]
    return documents.document(head, fragments, case.tombstones), head.url


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Format], list[str]]:
    """The W3C validator's errors and warnings, run by FEEDVALIDATOR_PYTHON (it needs html5lib, rdflib)."""
    directory = os.environ.get("FEEDVALIDATOR_DIR")
    if not directory:
        pytest.skip("the W3C feed validator: FEEDVALIDATOR_DIR is not set")
    folder, asked = tmp_path_factory.mktemp("documents"), list(product(CASES, FORMATS))
    lines = []
    for number, (name, format) in enumerate(asked):
        body, url = document(CASES[name], format)
        (folder / str(number)).write_bytes(body)
        lines.append(json.dumps([str(folder / str(number)), MEDIA_TYPES[format], url]))
    ran = subprocess.run(
        [os.environ.get("FEEDVALIDATOR_PYTHON", sys.executable), "-W", "ignore", "-c", JUDGE, directory],
        input="\n".join(lines),
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "LANGUAGE": "en"},
    )
    return dict(zip(asked, map(json.loads, ran.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", CASES)
def test_validator(name: str, format: Format, verdicts: dict[tuple[str, Format], list[str]]) -> None:
    """feeds:P1 The W3C validator finds no error and no warning, as served; a tombstone costs the one known."""
    expected = [ACCEPTED] if CASES[name].tombstones and format is Format.ATOM else []
    assert expected == verdicts[name, format]
