"""`syndicator release rehearse`: the real release, audience and clock, with a folder at the end of every channel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session
from syndicator.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syndicator.delivery.mail import MailRoad
    from syndicator.delivery.webhook import WebhookRoad
    from syndicator.model.audience import Partner
    from syndicator.model.delivery import Channel
    from syndicator.model.item import Item
    from syndicator.press.rehearsal import Hands, House, Played
    from syndicator.runtime import Runtime
    from syndicator.store import Store, Tx
    from syndicator.wire.exchange import Reply

STYLE_NAME = "style.css"
PARTLY = 4  # exit code: some could not be written


def rehearse(
    ctx: typer.Context,
    uid: given.Uid,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep what would go out in this empty folder; else only the figures are shown.",
        ),
    ] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Play a release through: every mail, event, feed and page as it would be. Nothing is sent, nothing changes."""
    from syndicator.press.rehearsal import rehearse as play

    with session.opened(ctx) as runtime, _folder(out, runtime, uid) as folder:
        played = play(runtime.store, uid, house(runtime, folder))
    _show(played, out, as_json=as_json)
    if played.refused:
        raise typer.Exit(PARTLY)


def house(runtime: Runtime, folder: Path) -> House:
    """The newsroom with folders at the ends of its roads."""
    from syndicator import feeds
    from syndicator.press.rehearsal import House

    bench = Bench(runtime, folder)

    def build(stage: Store) -> None:
        feeds.rebuild_stale(stage, runtime.site)

    return House(rules=runtime.rules, roads=bench.road, build=build, published=bench.keep)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where everything is written, below one folder."""

    runtime: Runtime
    folder: Path

    def road(self, lane: str, channel: Channel, scene: str, hands: Hands) -> MailRoad | WebhookRoad:
        """The very road a lane would take, to a folder: letters in `mail` or `advance`, events in `webhook`."""
        from syndicator.delivery.mail import MailRoad
        from syndicator.delivery.webhook import WebhookRoad
        from syndicator.model.delivery import Channel
        from syndicator.wire.folder import Folder

        if channel is Channel.MAIL:
            letters = self.folder / ("mail" if scene == "release" else scene)
            return MailRoad(self.runtime.desk, lambda: Folder(letters))
        slug = lane.removeprefix("partner/")

        def drawer(partner: Partner) -> Any:
            return Drawer(self.folder / "webhook" / f"{partner.slug}.json")

        return WebhookRoad(slug, self.runtime.site, drawer, hands, self.runtime.policy)

    def keep(self, tx: Tx, item: Item) -> dict[str, int]:
        """The item's page and the feeds it is in, as they would be served, and the pings that tell hubs of it."""
        from syndicator.model.site import Format
        from syndicator.store import documents, rehearsal, topics

        slugs, feeds = topics.of_item(tx, item.id), 0
        for name, data in self._page(tx, item, slugs).items():
            files.put(self.folder, f"page/{name}", data)
        for slug in slugs:
            for format in Format:
                if kept := documents.bodies(tx, slug, format):
                    files.put(self.folder, f"feeds/{slug}.{format}", kept.body)
                    feeds += 1
        pings = [{"hub": hub, "url": url} for hub, url in rehearsal.pings(tx)]
        if pings:
            files.put(self.folder, "hub/pings.json", _json(pings))
        return {"page": 1, "feed": feeds, "hub": len(pings)}

    def _page(self, tx: Tx, item: Item, slugs: dict[str, int]) -> dict[str, bytes]:
        """The page with all it needs to be looked at where it lies, by file name."""
        from syndicator.store import media
        from syndicator.web.newsroom import item_values
        from syndicator.web.pages import STYLE, Pages
        from syndicator.web.preview import own_name, relocated

        site = self.runtime.site
        page = Pages(site).html("item.html", **item_values(tx, item, slugs, site), style=STYLE_NAME)
        made = {f"{item.slug}.html": relocated(page, item.content, site, "media/"), STYLE_NAME: STYLE}
        for medium in item.content.media:
            name = own_name(medium, site)
            kept = media.of(tx, item.uid, name) if name else None
            if kept:
                with self.runtime.cabinet.open(kept.digest) as file:
                    made[f"media/{name}"] = file.read()
        return made


@dataclass(frozen=True, slots=True)
class Drawer:
    """What stands in for the client of one partner: what would be posted goes into a file."""

    path: Path

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Keep the request, and say that it was taken."""
        from syndicator.wire.exchange import Reply

        files.put(
            self.path.parent,
            self.path.name,
            _json({"url": url, "headers": dict(headers), "body": json.loads(body)}),
        )
        return Reply(status=200, headers=cast("Any", {}), body=b"", url=url)

    def close(self) -> None:
        """There is nothing to hang up."""


@contextmanager
def _folder(out: Path | None, runtime: Runtime, uid: str) -> Iterator[Path]:
    from syndicator.store import copies, rehearsal

    if out is None:
        with rehearsal.scratch(runtime.store) as folder:
            yield folder
        return
    if out.exists() and any(out.iterdir()):
        raise Refused(f"{out} is not empty: a rehearsal is kept in a folder of its own")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    copies.note(runtime.cabinet.folder, out, uid)  # a redaction finds it
    yield out


def _show(played: Played, out: Path | None, *, as_json: bool) -> None:
    rows = [
        {"scene": scene, "channel": channel, "count": count}
        for (scene, channel), count in sorted(played.written.items())
    ]
    refused = [{"recipient": who, "why": why} for who, why in played.refused]
    if as_json:
        where = str(out) if out else None
        output.show_json(
            {
                "uid": played.uid,
                "at": played.at,
                "folder": where,
                "written": rows,
                "kept": played.kept,
                "refused": refused,
            }
        )
        return
    output.say(f"rehearsed as of {output.cell(played.at)}; nothing was sent, nothing was changed")
    rows += [{"scene": "release", "channel": sort, "count": count} for sort, count in played.kept.items()]
    output.listing(rows, ("scene", "channel", "count"), as_json=False)
    for row in refused:
        output.say(f"{row['recipient']}: {row['why']}")


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
