"""What every letter of the house has in common: its sender, the headers all recipients share, its sheet.

`press_headers` are those of mail to a list, `plain_headers` those of mail that was asked for once. `sheet`
renders both parts of a template and keeps them below the size that mail readers clip (MC22). What a letter
says is in `compose` and `embargoed`. Words of the house are English and marked so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from css_inline import CSSInliner
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from syndicator.errors import Refused
from syndicator.model.item import Spokesperson
from syndicator.model.markup import excerpt, strip_illegal
from syndicator.model.site import Site
from syndicator.render.mail.headers import (
    a_label,
    addr_spec,
    ascii_uri,
    list_id_field,
    mailbox_field,
    text_field,
    vetted,
)
from syndicator.render.mail.parts import Body
from syndicator.render.mail.template import Hole, Marks, Piece, Template, alternative, plain, template

LONGEST_SUBJECT = 300  # characters; the headline stands whole in both parts
LARGEST_HTML = 100_000  # octets; Gmail clips a mail above 102 KB (MC22)

_BODY_BUDGETS = (None, 60_000, 30_000, 10_000, 0)  # octets of the author's HTML, tried in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who the mail is from: one address of a domain whose DKIM key the relay has, or we have (MC14).

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


@dataclass(frozen=True, slots=True)
class Contacts:
    """Whom to ask about a release: the spokesperson, and who stands in."""

    person: Spokesperson | None = None
    stand_in: Spokesperson | None = None


NOBODY = Contacts()
NOTHING = Body()


def plain_headers(subject: str, sender: Sender, contacts: Contacts = NOBODY, to: str = "to") -> list[Piece]:
    """The headers of every letter; `to` is the slot its recipient stands in."""
    address = addr_spec(sender.address, "the sender's address")
    lines = [mailbox_field("From", sender.name, address)]
    if replies := _replies(sender, contacts.person):
        lines.append(mailbox_field("Reply-To", *replies))
    lines.append(text_field("Subject", excerpt(vetted(subject, "Subject"), LONGEST_SUBJECT)))
    return [
        Hole(to, "header"),
        ("\r\n" + "\r\n".join(lines) + "\r\nDate: ").encode(),
        Hole("date", "header"),
        b"\r\nMessage-ID: <",
        Hole("message_id", "header"),
        b">\r\nAuto-Submitted: auto-generated\r\n",  # RFC 3834 §5: responders stay quiet
    ]


def press_headers(
    subject: str, sender: Sender, contacts: Contacts, *, site: Site, uid: str, tone: str, label: str
) -> list[Piece]:
    """The headers of mail to the media list, with the way out of it and the thread it belongs to.

    `label` is the left end of the List-Id; `tone` says what sort of letter it is, in the Feedback-ID.
    """
    archive, about = (ascii_uri(site.url(path), "site.base_url") for path in ("/", "/media-list"))
    # MC13: three free fields and a stable last one, nothing about the recipient.
    feedback = f"{hashlib.sha256(uid.encode()).hexdigest()[:12]}:{tone}:{label}:{sender.domain}"
    return [
        *plain_headers(subject, sender, contacts),
        f"Precedence: bulk\r\n{list_id_field(site.title, label, sender.lists)}\r\n".encode(),
        f"List-Archive: <{archive}>\r\nList-Help: <{about}>\r\nList-Subscribe: <{about}>\r\n".encode(),
        b"List-Unsubscribe: <",
        Hole("unsubscribe_url", "header"),
        b">",
        Hole("leaving", "header"),
        b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",  # RFC 8058 §3.1
        f"Feedback-ID: {feedback}\r\n".encode(),
        Hole("thread", "header"),
    ]


def house(site: Site, sender: Sender, topics: Sequence[str] = ()) -> dict[str, Any]:
    """What the top and the foot of every letter show."""
    return {"site": site, "sender": sender, "topics": topics, "home": site.url("/")}


def marks_for(*all_that_is_shown: object) -> Marks:
    """Stand-ins for slots that nobody who wrote any of this can have typed."""
    return Marks(hashlib.sha256(repr(all_that_is_shown).encode()).hexdigest()[:24])


def sheet(
    name: str,
    headers: Sequence[Piece],
    facts: Mapping[str, Any],
    body: Body = NOTHING,
    marks: Marks | None = None,
) -> Template:
    """The template of one letter, both parts from the templates of this name.

    `marks` are those the body was made with, if it holds slots. Raises Refused where even without the
    author's text the HTML is too large.
    """
    marks = marks or marks_for(name, sorted(facts.items()), body)
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
    words = tuple(marks.pieces(text, "text"))
    whole = template(alternative(headers, words, marks.pieces(html, "html")))
    return replace(whole, bare=template(plain(headers, words)))


def _replies(sender: Sender, person: Spokesperson | None) -> tuple[str, str] | None:
    if person and person.mail:
        return person.name, addr_spec(person.mail, "the spokesperson's address")
    return (sender.name, addr_spec(sender.reply_to, "reply_to")) if sender.reply_to else None


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
