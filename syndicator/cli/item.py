"""`syndicator item …`: what is public. Adds, edits, corrects and takes back through `publish`.

Running workers rebuild the feeds after each of these; nothing here needs one to be running.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session, views
from syndicator.cli.confirm import confirmed
from syndicator.errors import Invalid, SyndicatorError
from syndicator.model.item import Content, Item, Kind, Significance, Verdict
from syndicator.model.markup import one_line
from syndicator.model.site import Site
from syndicator.model.upstream import Relation

if TYPE_CHECKING:
    from syndicator.model.markup import Draft
    from syndicator.runtime import Runtime
    from syndicator.store import Tx
    from syndicator.store.deliveries import Radius

app = given.group("What is public: add, edit, correct, withdraw, kill, redact, show, import.")


@dataclass(frozen=True, slots=True)
class Act:
    """What is to be done to which item, and what was said about it on the command line."""

    uid: str
    act: Significance
    confirm: int | None
    dry_run: bool = field(kw_only=True)
    as_json: bool = field(kw_only=True)


Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; readers see it at its address.")]
Redacting = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, without any of the words that go: it is kept.")
]
COLUMNS = ("uid", "state", "kind", "published", "topics", "title")


@app.command()
def add(
    ctx: typer.Context,
    file: given.Source,
    by: given.By = "",
    topics: given.WordTopics = "",
    kind: given.WordKind = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Make a file public at once; its uid is printed, and written back into the file if it had none.

    FILE is Markdown, or a Word document (.docx): of that a Markdown file is made beside it, by which it is edited.
    """
    from syndicator import publish
    from syndicator.model.delivery import revision_subject
    from syndicator.store import deliveries

    with session.opened(ctx) as runtime:
        handed = files.handed(file, runtime.site, files.Said(topics, kind))
        with runtime.store.begin() as tx:
            uid = handed.draft.uid or runtime.mint_uid(tx.now)
            publish.public_words(handed.draft, tx.now, first=True)  # before any of its files is taken in
            handed = files.settled(tx, runtime, handed, uid)
            content = publish.public_words(handed.draft, tx.now, first=True)
            item, verdict = publish.submit(
                tx, uid, content, published=handed.draft.published, by=session.actor(by)
            )
            handed.keep(uid)  # before the commit: else the same file could become a second item
            planned = len(deliveries.listing(tx, subject=revision_subject(uid, 1)))
        if verdict is Verdict.UNCHANGED:
            output.say(f"unchanged: {item.uid} is public with these very words")
        else:
            output.say(f"public at {runtime.site.item_url(item.slug)}; deliveries planned: {planned}")
        _done(item, runtime.site, as_json=as_json)


@app.command()
def edit(
    ctx: typer.Context,
    uid: given.Uid,
    file: given.Source,
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    dry_run: given.DryRun = False,
    as_json: given.Json = False,
) -> None:
    """Revise an item silently (a typo): feeds and pages change, nobody is told."""
    from syndicator import publish

    act = Act(uid, Significance.SILENT, confirm, dry_run=dry_run, as_json=as_json)
    with session.opened(ctx) as runtime:
        handed = files.handed(file, runtime.site)
        _reword(runtime, act, handed, lambda tx, words: publish.edit(tx, uid, words, by=session.actor(by)))


@app.command()
def correct(
    ctx: typer.Context,
    uid: given.Uid,
    file: given.Source,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What changed; readers see it.")],
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    dry_run: given.DryRun = False,
    as_json: given.Json = False,
) -> None:
    """Correct an item: readers see the note and what changed, and whoever had the item is told."""
    from syndicator import publish

    act = Act(uid, Significance.CORRECTION, confirm, dry_run=dry_run, as_json=as_json)
    with session.opened(ctx) as runtime:
        handed, who = files.handed(file, runtime.site), session.actor(by)
        _reword(runtime, act, handed, lambda tx, words: publish.correct(tx, uid, words, note, by=who))


@app.command()
def withdraw(
    ctx: typer.Context,
    uid: given.Uid,
    reason: Reason,
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    dry_run: given.DryRun = False,
    as_json: given.Json = False,
) -> None:
    """Take an item back: out of the feeds, a notice at its address; machines that keep copies are told."""
    from syndicator import publish

    act = Act(uid, Significance.WITHDRAWAL, confirm, dry_run=dry_run, as_json=as_json)
    with session.opened(ctx) as runtime:
        _act(runtime, act, lambda tx: publish.withdraw(tx, uid, reason, by=session.actor(by)))


@app.command()
def kill(
    ctx: typer.Context,
    uid: given.Uid,
    reason: Reason,
    confirm: given.Confirm = None,
    by: given.By = "",
    *,
    dry_run: given.DryRun = False,
    as_json: given.Json = False,
) -> None:
    """Take an item back and tell everyone who had it, before anything else goes out."""
    from syndicator import publish

    act = Act(uid, Significance.KILL, confirm, dry_run=dry_run, as_json=as_json)
    with session.opened(ctx) as runtime:
        _act(runtime, act, lambda tx: publish.withdraw(tx, uid, reason, kill=True, by=session.actor(by)))


@app.command()
def redact(
    ctx: typer.Context, uid: given.Uid, reason: Redacting, by: given.By = "", *, as_json: given.Json = False
) -> None:
    """Wipe an item, or a release that was not public, from everywhere here, for good. Tells nobody: kill it first. Exit 4 if some stay."""
    from syndicator.feeds import redaction

    with session.opened(ctx) as runtime:
        why = one_line(reason, "--reason")
        if not why:
            raise Invalid(
                "say why with --reason TEXT, and none of the words that go: it is kept in the journal"
            )
        done = redaction.redact(runtime.house, uid, why, by=session.actor(by))
    removed = output.counted(done.files, "file was", "files were")
    output.say(f"not a word of {uid} is left here; {removed} removed. Not ours to wipe:")
    for what in done.beyond:
        output.say(f"  - {what}")
    for what in done.undone:
        output.say(f"STILL HERE: {what}")
    if as_json:
        output.show_json(asdict(done))
    else:
        print(uid)
    if done.undone:
        raise typer.Exit(4)


@app.command("list")
def list_(
    ctx: typer.Context,
    topic: Annotated[str | None, typer.Option(metavar="SLUG", help="Only items in this topic.")] = None,
    limit: given.Limit = None,
    after: Annotated[
        str | None, typer.Option(metavar="UID", help="Only those stored after this one.")
    ] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """List items in the order they were stored."""
    from syndicator.store import items, topics

    with session.reading(ctx) as (runtime, tx):
        if topic:
            topics.named(tx, topic)
        start = items.named(tx, after).id if after else 0
        rows = (
            views.item(one, runtime.site) for one in items.listing(tx, limit=limit, after=start, topic=topic)
        )
        output.listing(rows, COLUMNS, as_json=as_json)


@app.command()
def show(
    ctx: typer.Context, uid: given.Uid, *, markdown: given.Markdown = False, as_json: given.Json = False
) -> None:
    """Show an item with its words."""
    from syndicator.store import items

    with session.reading(ctx) as (runtime, tx):
        if markdown:
            files.show(items.named(tx, uid).content, uid)
            return
        output.details(views.whole_item(items.named(tx, uid), runtime.site), as_json=as_json)


@app.command()
def history(
    ctx: typer.Context,
    uid: given.Uid,
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Show what each version changed.")] = False,
    as_json: given.Json = False,
) -> None:
    """List every version of an item, oldest first."""
    from syndicator.store import items

    with session.reading(ctx) as (_, tx):
        versions = items.history(tx, items.named(tx, uid).id)
    columns = ("number", "significance", "created", "note", "title")
    if not diff:
        output.listing(map(views.revision, versions), columns, as_json=as_json)
    elif as_json:
        output.listing(views.changes(versions), columns, as_json=True)
    else:
        for row in views.changes(versions):
            print("\t".join(output.cell(row[name]) for name in columns))
            for line in row["difference"]:
                print(f"    {output.cell(line)}")


@app.command("import")
def import_(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL", help="A feed, a WordPress export or a WordPress site; - for stdin."
        ),
    ],
    upstream: Annotated[
        str | None,
        typer.Option(metavar="SLUG", help="File them as this upstream does, by its topics, kind and rules."),
    ] = None,
    topics: given.Topics = "",
    kind: Annotated[Kind, typer.Option(help="The kind given to every item.")] = Kind.NEWS,
    relation: Annotated[Relation, typer.Option(help="Whose feed it is.")] = Relation.OWN,
    pages: Annotated[bool, typer.Option("--pages", help="Of WordPress: its pages, too.")] = False,  # noqa: FBT002 - typer's way
    allow_private: given.Ranges = None,
    *,
    dry_run: given.DryRun = False,
    as_json: given.Json = False,
) -> None:
    """Take the entries of a feed as items, once; archives are never mailed. Exit 4 if some were refused."""
    from syndicator.cli import feed_source
    from syndicator.ingest.sources.imports import Import, filed_as

    with session.opened(ctx) as runtime:
        filing = feed_source.filing(runtime, upstream) or filed_as(
            runtime.store,
            source if source.startswith(feed_source.WEB) else "",
            given.names(topics),
            kind,
            relation,
        )
        if allow_private or not upstream:
            filing = replace(filing, allow_private=given.ranges(allow_private))
        once = Import(runtime.store, filing, dry_run, runtime.site.named_host)
        try:
            feed_source.take(runtime, source, once, pages=pages)
        except SyndicatorError:
            if once.done.items or once.done.refused:  # what was taken before the fault is here
                feed_source.report(once.done, as_json=as_json)
            raise
    feed_source.report(once.done, as_json=as_json)
    if once.done.refused:
        raise typer.Exit(4)


def _about(uid: str, handed: files.Handed) -> files.Handed:
    if handed.draft.uid not in (None, uid):
        raise Invalid(f"{handed.name} is about {handed.draft.uid}, not about {uid}")
    return handed


def _reword(runtime: Runtime, act: Act, handed: files.Handed, do: Callable[[Tx, Content], Item]) -> None:
    """Act with new words: what they bring along is kept in the act's own transaction, and by none other."""
    from syndicator import publish

    def with_files(tx: Tx) -> Item:
        settled = files.settled(tx, runtime, handed, act.uid)
        return do(tx, publish.public_words(settled.draft, tx.now, first=False))

    _act(runtime, act, with_files, _about(act.uid, handed).draft)


def _act(runtime: Runtime, act: Act, do: Callable[[Tx], Item], draft: Draft | None = None) -> None:
    """Show how far an act on a public item goes, ask where that is far, then do it in one transaction."""
    from syndicator import publish

    limit, what = runtime.settings.mail.confirm_above, f"mails about {act.uid}"
    with runtime.store.read() as tx:
        content = publish.public_words(draft, tx.now, first=False) if draft else None
        shown = publish.reach(tx, act.uid, act.act, content)
    if act.dry_run:
        _show_radius(shown, as_json=act.as_json)
        return
    output.say(f"this reaches {shown}")
    confirmed(shown.mails, act.confirm, limit, what)
    with runtime.store.begin() as tx:
        if act.act is not Significance.KILL:  # which is urgent, and right for whoever was added meanwhile
            confirmed(publish.reach(tx, act.uid, act.act, content).mails, shown.mails, limit, what)
        item = do(tx)
    _done(item, runtime.site, as_json=act.as_json)


def _show_radius(radius: Radius, *, as_json: bool) -> None:
    if as_json:
        output.show_json(asdict(radius))
    else:
        print(radius)


def _done(item: Item, site: Site, *, as_json: bool) -> None:
    if as_json:
        output.show_json(views.item(item, site))
    else:
        print(item.uid)
