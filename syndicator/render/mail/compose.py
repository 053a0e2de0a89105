"""What a mail says: a revision or a request to confirm becomes a `Template` with both parts.

The first release, a correction and a notice of withdrawal or kill share one layout and differ in
`Tone`. A notice holds nothing of the words that were taken back but the headline an editor needs
to find them (EM5). Headers that every recipient has in common are written here; the order of
both parts and of their links is the same (MC1). Words of the house are English and marked so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from css_inline import CSSInliner
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from syndicator.errors import Refused
from syndicator.model.delivery import Role
from syndicator.model.item import GONE, Item, Kind, Revision, Significance, Spokesperson
from syndicator.model.markup import strip_illegal, web_address
from syndicator.model.site import Site
from syndicator.render.mail.headers import (
    a_label,
    addr_spec,
    ascii_uri,
    list_id_field,
    mailbox_field,
    text_field,
)
from syndicator.render.mail.parts import Body, body_parts, bytes_in_words, day_and_time, direction
from syndicator.render.mail.template import Hole, Marks, Piece, Template, alternative, template

LARGEST_HTML = 100_000  # octets; Gmail clips a mail above 102 KB (MC22)
CONFIRM_WITHIN = timedelta(hours=72)  # what a confirmation's link is good for (LM2)

_BODY_BUDGETS = (None, 60_000, 30_000, 10_000, 0)  # octets of the author's HTML, tried in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who the mail is from: one address of a domain whose DKIM key the relay has (MC14).

    `reply_to` is used where no spokesperson with an address is known; `list_domain` is the domain
    of List-Ids, for ever (MC9), by default `lists.` and the sender's; `postal` is the address the
    law asks for in the footer (MC24).
    """

    address: str
    name: str
    reply_to: str | None = None
    list_domain: str = ""
    postal: str = ""

    @property
    def domain(self) -> str:
        """The domain of the address, in A-labels: the right side of our Message-IDs."""
        return addr_spec(self.address, "the sender's address").rpartition("@")[2].lower()

    @property
    def lists(self) -> str:
        """The domain our List-Ids stand in, in A-labels."""
        return a_label(self.list_domain or f"lists.{self.domain}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """How one sort of revision mail announces itself."""

    name: str  # the CSS class that gives the accent
    prefix: str = ""  # of the subject
    kicker: str = ""
    verb: str = ""  # what happened, and when


KICKERS: dict[Kind, str] = {
    Kind.NEWS: "News",
    Kind.STATEMENT: "Statement",
    Kind.PRESS_RELEASE: "Press release",
    Kind.ADVISORY: "Media advisory",
}
TONES: dict[Significance, Tone] = {
    Significance.CORRECTION: Tone(
        name="correction", prefix="CORRECTION: ", kicker="Correction", verb="Corrected"
    ),
    Significance.WITHDRAWAL: Tone(name="gone", prefix="WITHDRAWN: ", kicker="Withdrawn", verb="Withdrawn"),
    Significance.KILL: Tone(name="gone", prefix="KILL: ", kicker="Kill notice", verb="Killed"),
}


def compose_revision(
    item: Item,
    revision: Revision,
    *,
    site: Site,
    sender: Sender,
    topics: Sequence[str],
    spokesperson: Spokesperson | None = None,
    note: str | None = None,
    role: Role = Role.TOLD,
    label: str = "releases",
) -> Template:
    """The mail about one revision, for all its recipients.

    `topics` are titles; `note` says what changed or happened and is the revision's own by default;
    `role` OWED makes a plain release of a correction, for who never had an earlier version; `label`
    is the left end of the List-Id. Slots: unsubscribe_url, preferences_url, and in_reply_to for
    who had an earlier version. Raises Invalid naming the header field that cannot be written, and
    Refused where the item is gone but the revision would still show its words.
    """
    if not item.live and revision.significance not in GONE:
        raise Refused(f"{item.uid} is {item.state}: its words may not be mailed; mail the notice instead")
    tone = _tone(revision, role)
    facts = _facts(item, revision, tone, site, spokesperson, note)
    facts |= _house(site, sender, topics)
    replies = _replies(sender, spokesperson)
    headers = _headers(f"{tone.prefix}{revision.content.title}", sender, replies, "to")
    headers += _list_headers(site, sender, label)
    headers += [
        f"Feedback-ID: {_feedback_id(item, tone, label, sender)}\r\n".encode(),
        Hole("thread", "header"),
    ]
    return _template("release", headers, facts, body_parts(revision.content.body, site))


def compose_confirmation(
    topics: Sequence[str], *, site: Site, sender: Sender, within: timedelta = CONFIRM_WITHIN
) -> Template:
    """The mail that asks whether somebody wants mail about these topics (titles).

    Slot: confirm_url. It holds nothing that was typed into the form, not even a name (R2), nothing
    else to read (LM2), and no List-Unsubscribe: there is no subscription yet that it could end.
    """
    facts = {
        "hours": int(within.total_seconds() // 3600),
        "language": "en",
        "dir": "ltr",
        "tone": "confirmation",
    }
    facts |= _house(site, sender, topics)
    subject = f"Please confirm: press mail from {site.title}"
    headers = _headers(subject, sender, _replies(sender, None), "to_unnamed")
    return _template("confirmation", headers, facts, Body())


def _tone(revision: Revision, role: Role) -> Tone:
    plain = Tone(name=revision.content.kind, kicker=KICKERS[revision.content.kind])
    if role is Role.OWED and revision.significance not in GONE:
        return plain
    return TONES.get(revision.significance, plain)


def _facts(
    item: Item, revision: Revision, tone: Tone, site: Site, person: Spokesperson | None, note: str | None
) -> dict[str, Any]:
    content, gone = revision.content, revision.significance in GONE
    language = content.language or site.language
    changed = gone or revision.significance is Significance.CORRECTION
    return {
        "tone": tone.name,
        "kicker": tone.kicker,
        "gone": gone,
        "killed": revision.significance is Significance.KILL,
        "language": language,
        "dir": direction(language),
        "title": content.title,
        "summary": "" if gone else strip_illegal(content.summary).strip(),
        "authors": [] if gone else [author.name for author in content.authors],
        "rights": "" if gone else strip_illegal(content.rights),
        "published": day_and_time(item.published, site.zone),
        "changed": day_and_time(revision.created, site.zone) if changed else "",
        "verb": tone.verb or "Corrected",
        "note": strip_illegal(note or revision.note or "").strip() if changed else "",
        "url": site.item_url(item.slug) if gone else web_address(content.url) or site.item_url(item.slug),
        "files": [] if gone else [_file(medium.url, medium.title, medium.length) for medium in content.media],
        "person": person,
    }


def _file(url: str, title: str, length: int) -> dict[str, str]:
    name = title or urlsplit(url).path.rpartition("/")[2] or url
    return {"url": url, "name": strip_illegal(name), "size": bytes_in_words(length)}


def _house(site: Site, sender: Sender, topics: Sequence[str]) -> dict[str, Any]:
    return {"site": site, "sender": sender, "topics": topics, "home": site.url("/")}


def _headers(subject: str, sender: Sender, replies: tuple[str, str] | None, to: str) -> list[Piece]:
    address = addr_spec(sender.address, "the sender's address")
    lines = [mailbox_field("From", sender.name, address)]
    if replies:
        lines.append(mailbox_field("Reply-To", *replies))
    lines.append(text_field("Subject", subject))
    return [
        Hole(to, "header"),
        ("\r\n" + "\r\n".join(lines) + "\r\nDate: ").encode(),
        Hole("date", "header"),
        b"\r\nMessage-ID: <",
        Hole("message_id", "header"),
        b">\r\nAuto-Submitted: auto-generated\r\n",  # RFC 3834 §5: responders stay quiet
    ]


def _list_headers(site: Site, sender: Sender, label: str) -> list[Piece]:
    archive, about = (ascii_uri(site.url(path), "site.base_url") for path in ("/", "/media-list"))
    return [
        f"Precedence: bulk\r\n{list_id_field(site.title, label, sender.lists)}\r\n".encode(),
        f"List-Archive: <{archive}>\r\nList-Help: <{about}>\r\n".encode(),
        b"List-Unsubscribe: <",
        Hole("unsubscribe_url", "header"),
        b">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",  # RFC 8058 §3.1
    ]


def _replies(sender: Sender, person: Spokesperson | None) -> tuple[str, str] | None:
    if person and person.mail:
        return person.name, addr_spec(person.mail, "the spokesperson's address")
    return (sender.name, addr_spec(sender.reply_to, "reply_to")) if sender.reply_to else None


def _feedback_id(item: Item, tone: Tone, label: str, sender: Sender) -> str:
    # MC13: three free fields and a stable last one, nothing about the recipient.
    return f"{hashlib.sha256(item.uid.encode()).hexdigest()[:12]}:{tone.name}:{label}:{sender.domain}"


def _template(name: str, headers: list[Piece], facts: Mapping[str, Any], body: Body) -> Template:
    marks = Marks(hashlib.sha256(repr((name, sorted(facts.items()), body)).encode()).hexdigest()[:24])
    for budget in _BODY_BUDGETS:
        values = {**facts, "slot": marks, "body": body.within(budget)}
        html = _inliner().inline(_environment().get_template(f"{name}.html").render(values))
        if len(html.encode()) <= LARGEST_HTML:
            break
    else:
        raise Refused(
            f"the mail about {facts.get('title')!r} is over {LARGEST_HTML:,} octets without its text"
        )
    text = _environment().get_template(f"{name}.txt").render(values)
    return template(alternative(headers, marks.pieces(text, "text"), marks.pieces(html, "html")))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("syndicator.render", "templates/mail"),
        autoescape=select_autoescape(["html"]),
        finalize=lambda value: type(value)(strip_illegal(value)) if isinstance(value, str) else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@lru_cache(maxsize=1)
def _inliner() -> CSSInliner:
    # Media queries stay in <style>: they cannot be inlined, and dark mode lives there.
    return CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, keep_style_tags=False)
