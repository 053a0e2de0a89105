"""Mail that goes out before its release is public: advance copies, notices about them, marked samples.

Each says first of all, in its subject and in the first line of both parts, until when nothing of it may be
used (EM2). It holds no address the public could open: pictures and files are links to the recipient's own
page, which serves them while the recipient is accredited (MC22). Serves walk B before the lift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from syndicator.errors import Refused
from syndicator.model.item import Content, Spokesperson
from syndicator.model.markup import strip_illegal
from syndicator.model.release import Embargo, Notice, NoticeKind, Release, Version
from syndicator.model.site import Site
from syndicator.render.mail.compose import KICKERS, UNTITLED, asked, headline, worded
from syndicator.render.mail.letterhead import (
    Contacts,
    Sender,
    house,
    marks_for,
    plain_headers,
    press_headers,
    sheet,
)
from syndicator.render.mail.parts import body_parts, direction, embargo_end
from syndicator.render.mail.template import Piece, Template

LABEL = "embargoed"  # of the List-Id: whoever files advance copies by it finds all of them


def compose_advance(
    release: Release,
    version: Version,
    *,
    site: Site,
    sender: Sender,
    topics: Sequence[str],
    spokesperson: Spokesperson | None = None,
    stand_in: Spokesperson | None = None,
) -> Template:
    """The advance copy of one version of a release, for all who may have it.

    The instant is the release's own, for that may have been moved since the version was written. Slots:
    press_url (with a slash at its end), unsubscribe_url, preferences_url. Raises Refused without an embargo.
    """
    until = _until(release)
    content, contacts = version.content, Contacts(spokesperson, stand_in)
    facts = _facts(content, release.embargo, site) | house(site, sender, topics) | asked(contacts)
    headers = press_headers(
        f"EMBARGOED UNTIL {facts['until']}: {facts['title']}",
        sender,
        contacts,
        site=site,
        uid=release.uid,
        tone="advance",
        label=LABEL,
    )
    marks = marks_for(sorted(facts.items()), content.body)
    body = body_parts(content.body, site, page=marks["press_url"])
    return sheet("advance", [*headers, _embargo_header(until)], facts, body, marks)


def compose_notice(
    release: Release,
    notice: Notice,
    *,
    site: Site,
    sender: Sender,
    topics: Sequence[str],
    spokesperson: Spokesperson | None = None,
    stand_in: Spokesperson | None = None,
) -> Template:
    """What those who had the advance are told: its embargo was moved, lifted early, or the release cancelled.

    It holds the headline and none of the other words. Slots: as `compose_advance`, and in_reply_to, the
    recipient's advance.
    """
    content, contacts = release.content, Contacts(spokesperson, stand_in)
    zone = release.embargo.zone if release.embargo else site.zone
    facts = _notice_facts(content, notice, zone, site) | house(site, sender, topics) | asked(contacts)
    opening = f"EMBARGOED UNTIL {facts['after']} (moved)" if facts["moved"] else facts["banner"]
    headers = press_headers(
        f"{opening}: {facts['title']}",
        sender,
        contacts,
        site=site,
        uid=release.uid,
        tone=f"embargo-{notice.kind}",
        label=LABEL,
    )
    if facts["moved"] and notice.after:
        headers.append(_embargo_header(notice.after))
    return sheet("notice", headers, facts)


def compose_sample(
    content: Content,
    embargo: Embargo | None,
    *,
    site: Site,
    sender: Sender,
    topics: Sequence[str],
    spokesperson: Spokesperson | None = None,
    stand_in: Spokesperson | None = None,
) -> Template:
    """A marked test of a release, to look at in a mail reader; it unsubscribes nobody.

    `embargo` is the one that holds, None if there is none (any more). Whoever is named for a test has no
    page of their own: pictures and files are named, not linked. Slots: those of every letter.
    """
    contacts = Contacts(spokesperson, stand_in)
    facts = _facts(content, embargo, site) | house(site, sender, topics) | asked(contacts)
    opening = f"[TEST] EMBARGOED UNTIL {facts['until']}: " if embargo else "[TEST] "
    headers = plain_headers(f"{opening}{facts['title']}", sender, contacts)
    if embargo:
        headers.append(_embargo_header(embargo.until))
    return sheet("sample", headers, facts, body_parts(content.body, site, page=""))


def _until(release: Release) -> datetime:
    if release.embargo is None:
        raise Refused(f"release {release.uid} has no embargo: there is no advance copy of it to send")
    return release.embargo.until


def _facts(content: Content, embargo: Embargo | None, site: Site) -> dict[str, Any]:
    facts = worded(content, site)
    return facts | {
        "tone": "embargoed" if embargo else content.kind,
        "kicker": strip_illegal(content.kicker).strip() or KICKERS[content.kind],
        "until": embargo_end(embargo.until, embargo.zone) if embargo else "",
        "files": [_hidden(file, site) for file in facts["files"]],
    }


def _hidden(file: Mapping[str, str], site: Site) -> dict[str, str]:
    # Below the recipient's own page, where ours are; what is elsewhere is named on that page.
    public = site.url("/media/")
    own = file["url"].removeprefix(public) if file["url"].startswith(public) else ""
    return {"name": file["name"], "size": file["size"], "path": f"media/{own}" if own else ""}


def _notice_facts(content: Content, notice: Notice, zone: str, site: Site) -> dict[str, Any]:
    moved = notice.kind is NoticeKind.MOVED and notice.after is not None
    language = content.language or site.language
    banner = {
        NoticeKind.MOVED: "HOLD, DO NOT USE YET",
        NoticeKind.LIFTED: "EMBARGO LIFTED",
        NoticeKind.CANCELLED: "CANCELLED, DO NOT USE",
    }[notice.kind]
    return {
        "tone": "gone" if notice.kind is NoticeKind.CANCELLED else "embargoed",
        "kind": notice.kind,
        "moved": moved,
        "banner": banner,
        "before": embargo_end(notice.before, zone) if notice.before else "",
        "after": embargo_end(notice.after, zone) if notice.after else "",
        "words": strip_illegal(notice.words).strip(),
        "language": language,
        "dir": direction(language),
        "title": headline(content, gone=True) or UNTITLED,
    }


def _embargo_header(until: datetime) -> Piece:
    # Machines read it (EM2): ISO 8601 in UTC, whole seconds.
    return f"X-Embargo-Until: {until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\r\n".encode()
