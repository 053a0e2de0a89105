"""`syndicator release preview`: a draft in every form it will take, as files or behind a link that ends by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session

if TYPE_CHECKING:
    from syndicator.model.release import Release, Version
    from syndicator.runtime import Runtime
    from syndicator.store import Tx

STYLE_NAME = "style.css"


def preview(
    ctx: typer.Context,
    uid: given.Uid,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write page, mails and feeds into this folder.")
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="This version; else the latest.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--number", min=1, metavar="N", help="As --version.", hidden=True)
    ] = None,
    *,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link to show around; the default without --out.")
    ] = False,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="First let every link shown around so far lead nowhere.")
    ] = False,
    by: given.By = "",
    as_json: given.Json = False,
) -> None:
    """Show a draft as it will look everywhere: page, mails, Atom, RSS, JSON. Nothing is sent."""
    from syndicator.store import press_links, releases

    paths: list[str] = []
    if revoke:
        _revoke(ctx, uid, by)
        if out is None and not link:
            return
    with session.reading(ctx) as (runtime, tx):
        release = releases.named(tx, uid)
        shown = releases.version(tx, release.id, version or number or release.version)
        if out is not None:
            paths = [str(path) for path in _write(out, runtime, tx, release, shown)]
        expires = tx.now + runtime.settings.press.preview_for
        generation = press_links.preview_generation(tx, release.id)
        token = runtime.tokens.preview_token(release.id, shown.number, expires, generation)
    address = runtime.site.url(f"/press/{token}/") if link or out is None else None
    if as_json:
        until = expires.isoformat() if address else None
        output.show_json({"files": paths, "link": address, "expires": until})
        return
    for line in filter(None, (*paths, address)):
        print(line)
    if address:
        output.say(f"whoever has this link sees the draft until {output.moment(expires, runtime.site.zone)}")


def _revoke(ctx: typer.Context, uid: str, by: str) -> None:
    from syndicator.store import audit, press_links, releases

    with session.writing(ctx) as (_, tx):
        press_links.void_previews(tx, releases.held_for_change(tx, uid).id)
        audit.record(tx, session.actor(by), "release.preview", uid, "links so far revoked")
    output.say(f"links to previews of {uid} that were shown around lead nowhere now")


def _write(out: Path, runtime: Runtime, tx: Tx, release: Release, version: Version) -> list[Path]:
    """The files, for their owner alone: they hold what is not public yet."""
    from syndicator.press.preview import House
    from syndicator.store import copies, media
    from syndicator.web import preview as forms
    from syndicator.web.pages import STYLE, Pages

    site = runtime.site
    made = forms.everything(
        tx,
        release,
        version,
        House(site, runtime.desk.sender),
        Pages(site),
        forms.banner(release, version, site, None),
        "media/",
        style=STYLE_NAME,
    )
    made[STYLE_NAME] = STYLE
    for medium in version.content.media:
        name = forms.own_name(medium, site)
        kept = media.of(tx, release.uid, name) if name else None
        if kept:
            with runtime.cabinet.open(kept.digest) as file:
                made[f"media/{name}"] = file.read()
    copies.note(runtime.cabinet.folder, out, release.uid, tuple(made))  # a redaction finds them
    return [files.put(out, name, data) for name, data in made.items()]
