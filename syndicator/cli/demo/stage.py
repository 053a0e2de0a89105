"""The stage: what the demo puts into its store, what its buttons do, and what its page looks at.

Everything goes through the same flows an editor's commands go through.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from syndicator import press, publish
from syndicator.cli.demo.neighbours import PartnerServer
from syndicator.cli.files import read_beside
from syndicator.errors import Refused
from syndicator.model.audience import Cadence, Partner, address
from syndicator.model.delivery import Channel
from syndicator.model.drafts import draft_from
from syndicator.model.item import Item
from syndicator.model.markup import Draft
from syndicator.model.pressbody import body
from syndicator.model.release import Embargo
from syndicator.model.site import feed_path
from syndicator.model.suppression import Reason
from syndicator.model.upstream import Relation, Upstream
from syndicator.press.media import Intake, taken_in
from syndicator.runtime import Runtime, mint_medium
from syndicator.store import (
    Tx,
    audience,
    deliveries,
    documents,
    items,
    partners,
    releases,
    suppressions,
    topics,
    upstreams,
)
from syndicator.store.deliveries import Delivery
from syndicator.web.demo import ShownEvent, ShownMail

LOOPBACK = ("127.0.0.0/8",)
CONSENT = "demo: invented people"
CORRECTION = "The number of questions was wrong: the checklist asks thirteen, not twelve."
# Who is on the invented media list: address, name, outlet, topics.
PEOPLE = (
    ("maren.holt@daily-courier.example", "Maren Holt", "Daily Courier", ("press-releases", "funding")),
    ("d.osei@lab-notes.example", "Daniel Osei", "Lab Notes", ("all",)),
    ("science@evening-post.example", "Science desk", "Evening Post", ("research-integrity",)),
    ("yuki.tanabe@cell-radio.example", "田辺 ゆき", "Cell Radio", ("press-releases",)),
    ("former@closed-paper.example", "Former desk", "Closed Paper", ("press-releases",)),
)
SUPPRESSED = "former@closed-paper.example"
PENDING = "new.reader@weekly-cell.example"


@dataclass(frozen=True, slots=True)
class ItemLine:
    """An item as the table shows it."""

    kind: str
    state: str
    title: str


class DemoStage:
    """The demo's newsroom over one runtime."""

    def __init__(self, runtime: Runtime, partner: PartnerServer, folder: Path, *, once: bool) -> None:
        self.runtime = runtime
        self.once = once
        self._partner = partner
        self._folder = folder
        self._releases: list[str] = []

    def prepare(self, upstream_url: str, embargo: timedelta) -> Iterator[str]:
        """Fill the empty store, saying what is done."""
        self.runtime.prepare(start=True)
        with self.runtime.store.begin() as tx:
            count = sum(1 for _ in self._add_items(tx))
        yield f"Published {count} items of an invented society."
        with self.runtime.store.begin() as tx:
            self._add_people(tx)
            self._add_partner(tx)
            self._add_upstream(tx, upstream_url)
        yield f"Put {len(PEOPLE) + 1} contacts on the media list (one suppressed, one still to confirm)."
        yield "Connected a partner by signed webhook and another organisation's feed as an upstream."
        until = self.schedule(embargo)
        yield f"A press release is under embargo; it goes out in {embargo.total_seconds():.0f} s, at {until:%H:%M:%S} UTC."

    def schedule(self, embargo: timedelta) -> datetime:
        """Draft, approve and schedule the press release, `embargo` from now; returns the instant."""
        with self.runtime.store.begin() as tx:
            until = (tx.now + embargo).replace(microsecond=0) + timedelta(seconds=1)
            path = next(iter(sorted((self._folder / "releases").glob("*.md"))))
            uid = self.runtime.mint_uid(tx.now)
            words = self._settled(tx, path, self._draft(path), uid).content
            if self._releases:
                words = replace(words, title=f"{words.title} ({len(self._releases) + 1})")
            press.draft(tx, uid, words, Embargo(until=until, zone=self.runtime.site.zone), by="demo writer")
            press.approve(tx, uid, "demo editor")
            press.schedule(tx, uid, None, "demo editor")
        self._releases.append(uid)
        return until

    # --- what the page looks at ---------------------------------------------------------------

    def mails(self) -> Sequence[ShownMail]:
        """Every mail in the folder, newest first."""
        files = sorted(Path(self.runtime.settings.mail.folder).glob("*.eml"))
        return sorted((_shown(path) for path in files), key=lambda mail: (mail.at, mail.name), reverse=True)

    def events(self) -> Sequence[ShownEvent]:
        """Everything the partner got, newest first."""
        return self._partner.got()

    def ledger(self) -> Sequence[Delivery]:
        """Every delivery, newest first."""
        with self.runtime.store.read() as tx:
            return list(reversed(deliveries.listing(tx)))

    def release_at(self) -> datetime | None:
        """When the next release goes out."""
        with self.runtime.store.read() as tx:
            waiting = [releases.named(tx, uid) for uid in self._releases]
        return min((one.at for one in waiting if one.at and one.state == "scheduled"), default=None)

    def act(self, button: str) -> None:
        """Do what a button says; raises Refused where a rule says no."""
        if button == "release":
            self.schedule(timedelta(seconds=29))
        elif button == "correct":
            self._correct()
        elif button == "kill":
            with self.runtime.store.begin() as tx:
                publish.withdraw(
                    tx, self._latest(tx).uid, "Demo: the checklist was sent out by mistake.", kill=True
                )

    # --- what the tables show -----------------------------------------------------------------

    def item_lines(self) -> Sequence[ItemLine]:
        """Every item."""
        with self.runtime.store.read() as tx:
            return [ItemLine(item.content.kind, item.state, item.content.title) for item in items.listing(tx)]

    def feed_lines(self) -> Sequence[tuple[str, int, int, str]]:
        """Path, items, bytes and ETag of every document."""
        with self.runtime.store.read() as tx:
            known = documents.validators(tx)
            counts = {
                topic.slug: len(topics.newest(tx, topic.id, self.runtime.site.window))
                for topic in topics.listing(tx)
            }
        return [
            (feed_path(one.topic, one.format), counts[one.topic], one.size, one.etag)
            for one in sorted(known, key=lambda one: (one.topic, one.format))
        ]

    def open_duties(self) -> str:
        """What is still to be done before all is settled, in words; empty when nothing is."""
        with self.runtime.store.read() as tx:
            unpolled = any(status.checked is None for status in upstreams.statuses(tx))
            waiting = [uid for uid in self._releases if releases.named(tx, uid).state == "scheduled"]
            duties = deliveries.open_count(tx)
            stale = topics.next_stale(tx)
        parts = (
            "an upstream is not read yet" if unpolled else "",
            f"{len(waiting)} releases wait" if waiting else "",
            f"{duties} deliveries are open" if duties else "",
            "feeds are being built" if stale else "",
        )
        return ", ".join(part for part in parts if part)

    # --- inside -------------------------------------------------------------------------------

    def _draft(self, path: Path) -> Draft:
        site = self.runtime.site
        return draft_from(
            path.read_text("utf-8"),
            base_url=site.base_url,
            zone=site.zone,
            language=site.language,
            parts=True,
        )

    def _settled(self, tx: Tx, path: Path, draft: Draft, uid: str) -> Draft:
        intake = Intake(cabinet=self.runtime.cabinet, site=self.runtime.site, mint=mint_medium)
        limit = self.runtime.cabinet.limit
        return taken_in(tx, draft, uid, intake, lambda name: read_beside(path.parent, name, limit))[0]

    def _add_items(self, tx: Tx) -> Iterator[Item]:
        drafts = {path: self._draft(path) for path in sorted((self._folder / "items").glob("*.md"))}
        for path, draft in sorted(drafts.items(), key=lambda pair: pair[1].published or tx.now):
            uid = draft.uid or self.runtime.mint_uid(tx.now)
            content = self._settled(tx, path, draft, uid).content
            yield publish.publish(tx, uid, content, published=draft.published)

    def _add_people(self, tx: Tx) -> None:
        for typed, name, outlet, wanted in PEOPLE:
            contact, _ = audience.add_contact(tx, address(typed), name=name, outlet=outlet)
            for topic in topics.ids(tx, wanted).values():
                audience.subscribe(tx, contact.id, topic, Cadence.IMMEDIATE, CONSENT)
        suppressions.suppress(tx, address(SUPPRESSED), Reason.COMPLAINT, "complaint (demo)")
        contact, _ = audience.add_contact(tx, address(PENDING), name="New reader")
        pending, _ = audience.subscribe(
            tx, contact.id, topics.named(tx, "policy").id, Cadence.IMMEDIATE, None
        )
        deliveries.plan_confirmation(tx, contact.id, pending.id)

    def _add_partner(self, tx: Tx) -> None:
        partner = Partner(
            id=0,
            slug="wire-desk",
            channel=Channel.WEBHOOK,
            url=self._partner.url,
            secret=self._partner.secret,
            allow_private=LOOPBACK,
            created=tx.now,
        )
        partners.add(tx, partner)

    def _add_upstream(self, tx: Tx, url: str) -> None:
        upstream = Upstream(
            id=0,
            slug="alliance",
            url=url,
            relation=Relation.FOREIGN,
            topics=("regulation",),
            allow_private=LOOPBACK,
            created=tx.now,
        )
        upstreams.add(tx, upstream)

    def _latest(self, tx: Tx) -> Item:
        public = [item for uid in reversed(self._releases) if (item := items.find(tx, uid)) and item.live]
        if not public:
            raise Refused("no press release is public right now: let one out first")
        return public[0]

    def _correct(self) -> None:
        with self.runtime.store.begin() as tx:
            item = self._latest(tx)
            text = (item.content.text or "").replace(
                "twelve", "thirteen"
            ) + f"\n\nCorrected {tx.now:%H:%M:%S} UTC.\n"
            known = item.content
            dek, summary = (words.replace("Twelve", "Thirteen") for words in (known.dek, known.summary))
            words = replace(known, dek=dek, summary=summary, text=text)
            parts = [part for part in items.boilerplates(tx) if part.slug in known.boilerplates]
            site = self.runtime.site
            words = replace(
                words, body=body(words, base_url=site.base_url, language=site.language, parts=parts)
            )
            publish.correct(tx, item.uid, words, CORRECTION)


def _shown(path: Path) -> ShownMail:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    date = message["date"]
    return ShownMail(
        name=path.stem,
        to=str(message["to"]),
        subject=str(message["subject"]),
        at=date.datetime,
        html=_part(message, "html"),
        text=_part(message, "plain"),
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
