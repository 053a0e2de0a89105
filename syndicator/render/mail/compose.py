"""What a mail about public things says: a revision, a request to confirm, an alarm.

The first release, a correction and a notice of withdrawal or kill share one layout and differ in
`Tone`. A notice holds nothing of the words that were taken back but the headline an editor needs
to find them (EM5). The order of both parts and of their links is the same (MC1). What goes out
before its embargo is in `embargoed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Any
from urllib.parse import urlsplit

from syndicator.errors import Refused
from syndicator.model.delivery import Role
from syndicator.model.item import GONE, Content, Item, Kind, Medium, Revision, Significance, Spokesperson
from syndicator.model.markup import strip_illegal, web_address
from syndicator.model.site import Site
from syndicator.render.entries import plain_title
from syndicator.render.mail.letterhead import Contacts, Sender, house, plain_headers, press_headers, sheet
from syndicator.render.mail.parts import Body, body_parts, bytes_in_words, changes, day_and_time, direction
from syndicator.render.mail.template import Template

UNTITLED = "(without a headline)"
CONFIRM_WITHIN = timedelta(hours=72)  # what a confirmation's link is good for (LM2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """How one sort of letter announces itself."""

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
    stand_in: Spokesperson | None = None,
    note: str | None = None,
    role: Role = Role.TOLD,
    label: str = "releases",
    when: str | None = None,
) -> Template:
    """The mail about one revision, for all its recipients.

    `topics` are titles; `note` says what changed or happened and is the revision's own by default;
    `role` OWED makes a plain release of a correction, for who never had an earlier version; `label`
    is the left end of the List-Id; `when` stands for the instant of publication where there is none. Slots: unsubscribe_url, preferences_url, and in_reply_to for
    who had an earlier version. Raises Invalid naming the header field that cannot be written, and
    Refused where the item is gone but the revision would still show its words.
    """
    if not item.live and revision.significance not in GONE:
        raise Refused(f"{item.uid} is {item.state}: its words may not be mailed; mail the notice instead")
    tone, contacts = _tone(revision, role), Contacts(spokesperson, stand_in)
    facts = _facts(item, revision, tone, site, note) | house(site, sender, topics) | asked(contacts)
    facts["published"] = when or facts["published"]
    subject = f"{tone.prefix}{facts['title']}"
    headers = press_headers(subject, sender, contacts, site=site, uid=item.uid, tone=tone.name, label=label)
    return sheet("release", headers, facts, body_parts(revision.content.body, site))


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
    subject = f"Please confirm: press mail from {site.title}"
    headers = plain_headers(subject, sender, to="to_unnamed")
    return sheet("confirmation", headers, facts | house(site, sender, topics))


def compose_alarm(subject: str, words: str, *, site: Site, sender: Sender) -> Template:
    """The mail that tells the desk of an alarm: `subject` is its headline, `words` say what to do.

    No slots but those of every letter, and no reply: whoever reads it works here.
    """
    facts: dict[str, Any] = {"title": strip_illegal(subject), "language": "en", "dir": "ltr", "tone": "gone"}
    facts["paragraphs"] = [" ".join(part.split()) for part in words.split("\n\n") if part.strip()]
    headers = plain_headers(f"[ALARM] {' '.join(subject.split())}", sender)
    return sheet("alarm", headers, facts | house(site, sender))


def worded(content: Content, site: Site) -> dict[str, Any]:
    """What a letter shows of a release's words, beside its body: headline, what stands around it, files."""
    language = content.language or site.language
    paper = web_address(content.paper)
    return {
        "language": language,
        "dir": direction(language),
        "title": headline(content) or UNTITLED,
        "dek": strip_illegal(content.dek or content.summary).strip(),
        "authors": [author.name for author in content.authors],
        "rights": strip_illegal(content.rights),
        "paper": paper if paper and escape(paper) not in content.body else "",
        "files": [_file(medium) for medium in content.media],
    }


def headline(content: Content, *, gone: bool = False) -> str:
    """The title; where there is none, the first words, or nothing of them where they are `gone`."""
    if content.title.strip():
        return content.title
    return "" if gone else plain_title("", content.summary, content.body)


def asked(contacts: Contacts) -> dict[str, Any]:
    """Whom to ask, as both parts show it."""
    people = (contacts.person, contacts.stand_in)
    return {"person": contacts.person, "people": [person for person in people if person]}


def _tone(revision: Revision, role: Role) -> Tone:
    kind = revision.content.kind
    plain = Tone(name=kind, kicker=strip_illegal(revision.content.kicker).strip() or KICKERS[kind])
    if role is Role.OWED and revision.significance not in GONE:
        return plain
    return TONES.get(revision.significance, plain)


def _facts(item: Item, revision: Revision, tone: Tone, site: Site, note: str | None) -> dict[str, Any]:
    content, gone = revision.content, revision.significance in GONE
    changed = gone or revision.significance is Significance.CORRECTION
    facts = worded(content, site)
    url = site.item_url(item.slug) if gone else web_address(content.url) or site.item_url(item.slug)
    told = tone.name == "correction"
    if gone:
        facts |= {
            "title": headline(content, gone=True) or UNTITLED,
            "dek": "",
            "authors": [],
            "rights": "",
            "paper": "",
            "files": [],
        }
    return facts | {
        "tone": tone.name,
        "kicker": tone.kicker,
        "gone": gone,
        "killed": revision.significance is Significance.KILL,
        "published": day_and_time(item.published, site.zone),
        "changed": day_and_time(revision.created, site.zone) if changed else "",
        "verb": tone.verb or "Corrected",
        "note": strip_illegal(note or revision.note or "").strip() if changed else "",
        "marked": changes(revision.marked, site, url, facts["language"]) if told else Body(),
        "url": url,
    }


def _file(medium: Medium) -> dict[str, str]:
    name = medium.title or medium.file or urlsplit(medium.url).path.rpartition("/")[2] or medium.url
    return {"url": medium.url, "name": strip_illegal(name), "size": bytes_in_words(medium.length)}
