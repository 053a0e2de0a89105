"""What a text only names is put into it: boilerplates from the store, files beside it into the cabinet (walk B).

Called in the transaction that stores the words, so that words, files and who holds them appear together.
What was wrong with a file is said by its name, in one line, before anything is kept of the release.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice

from syndicator.errors import Invalid, NotFound, Refused, SyndicatorError
from syndicator.model import pressbody
from syndicator.model.filetype import Found, is_picture, sniffed
from syndicator.model.item import Boilerplate, Medium
from syndicator.model.markup import Draft
from syndicator.model.site import Site
from syndicator.store import Store, Tx, items, media
from syndicator.store.media import Cabinet

GRACE = timedelta(days=1)  # longer than any transaction that brings a file in
PIECE = 500  # files asked for in one statement
OURS = re.compile(r"[0-9a-f]{32}\.[a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Where files go, and what they are called: `mint` gives a name that nobody can guess, without its ending.

    Pictures without alt text are refused where `needs_alt`; else their author is told of them.
    """

    cabinet: Cabinet
    site: Site
    mint: Callable[[], str]
    needs_alt: bool = True


def taken_in(
    tx: Tx, draft: Draft, uid: str, intake: Intake, read: Callable[[str], bytes]
) -> tuple[Draft, tuple[str, ...]]:
    """The draft with everything it names, and what its author should hear of; `read` gives a file beside the text.

    Raises NotFound for a boilerplate that is not there, naming those that are, Invalid for a file that cannot be
    taken, and Refused where a rule forbids it.
    """
    parts = _boilerplates(tx, draft.content.boilerplates)
    _look_at_all(draft, intake, read)  # before the first of them is kept: all are good, or none comes in
    told: list[str] = []
    shown = [_medium(tx, medium, intake, read, told) for medium in draft.content.media]
    media.use(tx, [medium.digest for medium in shown if medium.digest], uid)
    whole = pressbody.completed(
        draft, base_url=intake.site.base_url, language=intake.site.language, parts=parts, media=shown
    )
    return whole, tuple(told)


def keep(tx: Tx, data: bytes, found: Found, intake: Intake, filename: str = "") -> media.Kept:
    """Put a file into the cabinet and on record, under a name nobody is told before its item is public."""
    digest = intake.cabinet.put(data)
    return media.take(
        tx,
        digest,
        intake.mint() + found.extension,
        type=found.type,
        length=len(data),
        width=found.width,
        height=found.height,
        filename=filename,
    )


def sweep(store: Store, cabinet: Cabinet) -> int:
    """Remove files that came in with a text that was not kept after all, a day later; returns how many.

    A twenty-fourth of the cabinet each hour. Whoever asks for the same file at this moment gets it (`Cabinet.put`).
    A store that knows no file at all is a new one beside an old cabinet, and may be put back yet: it removes none.
    """
    with store.read() as tx:
        before, hour = tx.now - GRACE, tx.now.hour
        if not media.anything(tx):
            return 0
    strays, gone = cabinet.strays(before, hour), 0
    while some := list(islice(strays, PIECE)):
        with store.read() as tx:
            unknown = media.unknown(tx, some)
        gone += sum(cabinet.discard(digest, before) for digest in unknown)
    return gone


def _boilerplates(tx: Tx, slugs: tuple[str, ...]) -> list[Boilerplate]:
    if not slugs:
        return []
    known = {part.slug: part for part in items.boilerplates(tx)}
    if missing := [slug for slug in slugs if slug not in known]:
        there = ", ".join(known) or "none yet"
        raise NotFound(f'there is no boilerplate "{missing[0]}" in the config file; there are: {there}')
    return [known[slug] for slug in slugs]


def _medium(tx: Tx, medium: Medium, intake: Intake, read: Callable[[str], bytes], told: list[str]) -> Medium:
    name = medium.file or medium.url
    try:
        if medium.url:
            whole = _known(tx, medium, intake)
        else:
            data = read(medium.file)
            whole = _addressed(medium, keep(tx, data, sniffed(data), intake, medium.file), intake)
    except SyndicatorError as fault:
        raise type(fault)(f"media {name}: {fault}") from None
    if is_picture(whole.type) and not whole.alt:
        told.append(f"{name} has no alt: say in words what the picture shows")
    if whole.digest and not (whole.credit or whole.licence):
        told.append(f"{name} has neither credit nor licence: nobody will know whether they may use it")
    return whole


def _look_at_all(draft: Draft, intake: Intake, read: Callable[[str], bytes]) -> None:
    """Refuse a bad file before a good one is kept: what no release holds would lie about for good."""
    for medium in draft.content.media:
        if not medium.url:
            try:
                _look_at(medium, draft, sniffed(read(medium.file)), needs_alt=intake.needs_alt)
            except SyndicatorError as fault:
                raise type(fault)(f"media {medium.file}: {fault}") from None


def _look_at(medium: Medium, draft: Draft, found: Found, *, needs_alt: bool) -> None:
    if needs_alt and is_picture(found.type) and not medium.alt:
        raise Invalid("it is a picture without alt: say in words what it shows, for those who cannot see it")
    if found.position and medium.file not in draft.keep_position:
        raise Refused(
            "it says where it was taken (GPS), to everybody: save it without, or write keep_position: true"
        )


def _known(tx: Tx, medium: Medium, intake: Intake) -> Medium:
    """A file elsewhere as it is; one of ours, as a file that was read back from a release names it, by its record."""
    start = intake.site.url("/media/")
    name = medium.url.removeprefix(start)
    if name == medium.url or not OURS.fullmatch(name):
        return medium
    kept = media.by_name(tx, name)
    if kept is None or kept.redacted:
        raise NotFound("we have no such file (any more): hand it in with file: …, or leave it out")
    return _addressed(medium, kept, intake)


def _addressed(medium: Medium, kept: media.Kept, intake: Intake) -> Medium:
    return replace(
        medium,
        url=intake.site.url(f"/media/{kept.name}"),
        type=kept.type,
        length=kept.length,
        width=kept.width,
        height=kept.height,
        digest=kept.digest,
    )
