"""`syndicator upstream find|import|export`: what to read, found behind an address or brought as a list."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.model.upstream import Relation

if TYPE_CHECKING:
    from syndicator.ingest.sources.find import Found
    from syndicator.model.upstream import Upstream
    from syndicator.runtime import Runtime

SHOWN = 10  # items, where a person reads

Own = Annotated[Relation, typer.Option(help="Whose feed it would be.")]
Foreign = Annotated[Relation, typer.Option(help="Whose feeds they are.")]


def find(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Any address of a site.")],
    topics: given.Topics = "",
    relation: Own = Relation.OWN,
    allow_private: given.Ranges = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Show what is behind an address: its feeds, what its items would become, and how WordPress moves here."""
    from syndicator.ingest.sources.find import add_line
    from syndicator.ingest.sources.find import as_json as json_of
    from syndicator.model.upstream import pasted
    from syndicator.store import topics as store_topics

    with session.opened(ctx) as runtime:
        like = _like(runtime, relation, given.names(topics), given.ranges(allow_private))
        found = asyncio.run(_found(runtime, like, pasted(url)))
        with runtime.store.read() as tx:
            known = {one.slug for one in store_topics.listing(tx)}
            slug, there = _named(tx, found)
        said = json_of(found, runtime.site, known) | {"there": there, "add": None}
        if said["wordpress"]:
            said["wordpress"]["import"] = _catalogue(said["wordpress"]["home"], there or slug, like)
        if found.best and not there:
            said["add"] = add_line(slug, found.best, like)
    if as_json:
        output.show_json(said)
    else:
        _show(said, relation)
    if not found.feeds:
        raise typer.Exit(4)


def import_(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="An OPML list; - for stdin.")],
    topics: given.Topics = "",
    relation: Foreign = Relation.FOREIGN,
    allow_private: given.Ranges = None,
    *,
    dry_run: given.DryRun = False,
    as_json: given.Json = False,
) -> None:
    """Read the feeds of an OPML list from now on; those we read already stay as they are. Exit 4 if some were refused."""
    from syndicator.cli import feed_source
    from syndicator.ingest.sources import opml, subscriptions

    with session.opened(ctx) as runtime:
        ranges = given.ranges(allow_private)
        body, base = feed_source.document(runtime, source, ranges)
        like = _like(runtime, relation, given.names(topics), ranges)
        taken = subscriptions.take(runtime.store, opml.read(body, base), like, dry_run=dry_run)
    if as_json:
        added = [
            {"slug": slug, "url": one.url, "title": one.title, "page": one.page, "folders": list(one.folders)}
            for slug, one in taken.added
        ]
        there = [{"slug": slug, "url": url} for slug, url in taken.there]
        refused = [{"url": url, "why": why} for url, why in taken.refused]
        output.show_json({"added": added, "there": there, "refused": refused})
    else:
        for slug, one in taken.added:
            print(f"{slug}\t{output.cell(one.url)}")
        for url, why in taken.refused:
            output.say(f"refused: {output.cell(url)}: {why}")
        output.say(f"new: {len(taken.added)}; there already: {len(taken.there)}")
    if taken.refused:
        raise typer.Exit(4)


def export(ctx: typer.Context) -> None:
    """Print all upstreams as OPML 2.0, for any other reader of feeds; folders are left out."""
    from syndicator.ingest.sources import subscriptions
    from syndicator.store.upstreams import lists

    with session.reading(ctx) as (runtime, tx):
        for line in subscriptions.document(f"What {runtime.site.title} reads", lists.listed(tx)):
            print(line)


async def _found(runtime: Runtime, like: Upstream, url: str) -> Found:
    from syndicator.ingest.parse import Pool
    from syndicator.ingest.sources.find import Look

    with Pool(1) as pool:
        async with runtime.upstream_client(like) as client:
            look = Look(client, pool, runtime.store, like, runtime.site.named_host, like.created)
            return await look.at(url)


def _like(runtime: Runtime, relation: Relation, topics: Sequence[str], ranges: Sequence[str]) -> Upstream:
    from syndicator.model.upstream import Upstream
    from syndicator.store import topics as store_topics

    with runtime.store.read() as tx:
        store_topics.check_plain(tx, topics)
        return Upstream(
            id=0,
            slug="found",
            url="",
            relation=relation,
            topics=tuple(topics),
            allow_private=tuple(ranges),
            created=tx.now,
        )


def _named(tx: Any, found: Found) -> tuple[str, str | None]:
    """A free name for the best feed, and the name of the upstream that reads it already."""
    from syndicator.ingest.sources.opml import Outline
    from syndicator.ingest.sources.subscriptions import Names, place_of
    from syndicator.store.upstreams import lists

    ours = list(lists.listed(tx))
    url = found.best or found.url
    there = next((one.slug for one in ours if place_of(one.url) == place_of(url)), None)
    return Names({one.slug for one in ours}).free(Outline(url=url, title=url)), there


def _catalogue(home: str, slug: str, like: Upstream) -> str:
    """The command that brings all of a site's items, filed as the upstream of this name files them."""
    ranges = [word for network in like.allow_private for word in ("--allow-private", network)]
    return shlex.join(["syndicator", "item", "import", home, "--upstream", slug, *ranges])


def _show(said: dict[str, Any], relation: Relation) -> None:
    for feed in said["feeds"]:
        mark = "comments" if feed["comments"] else "feed"
        print("\t".join((mark, output.cell(feed["url"]), output.cell(feed["title"]))))
    output.listing(said["items"][-SHOWN:], (*output.PROSPECTS, "uid"), as_json=False)
    for entry in said["refused"][:SHOWN]:
        output.say(f"left out: {output.cell(entry['title'])}: {output.cell(entry['why'])}")
    if said["fault"]:
        output.say(output.cell(said["fault"]))
    if said["wordpress"]:
        _show_wordpress(said["wordpress"], own=relation is Relation.OWN)
    if said["there"]:
        output.say(f'the upstream "{said["there"]}" reads it already')
    elif said["add"]:
        print(f"\n{output.cell(said['add'])}")
        output.say(
            "with --rules FILE its rules are in force before the first reading; --paused reads nothing yet"
        )
    else:
        output.say("no feed was found there; look for the word RSS or feed on the page, and try that address")


def _show_wordpress(site: dict[str, Any], *, own: bool) -> None:
    print(f"\nWordPress: {output.cell(site['name'])} ({output.cell(site['home'])})")
    for one in site["categories"]:
        topic = "" if one["topic"] else "no topic of this name yet"
        print("\t".join(("category", output.cell(one["slug"]), str(one["items"]), topic)))
    if not own:
        return  # of somebody else's site we neither take everything nor set the redirects
    print(f"\nIts whole catalogue: {output.cell(site['import'])}")
    print(f"Settings → Writing → Update Services: {site['ping']}")
    print("\nRedirects for Apache (.htaccess, above # BEGIN WordPress):", *site["apache"], sep="\n")
    print("\nThe same for nginx (in its server block):", *site["nginx"], sep="\n")
