"""What people sign up to, and how letters about it are called: settings turned into what `signup` takes."""

from __future__ import annotations

from syndicator.delivery.mail import Desk
from syndicator.model.consent import Wording
from syndicator.model.joining import Terms
from syndicator.render.mail import message_id
from syndicator.settings import Settings
from syndicator.signup.joining import Named


def terms_of(settings: Settings) -> Terms:
    """The terms of the media list; its wordings are in the newsroom's language."""
    said, language = settings.media_list, settings.site().language
    return Terms(
        open=said.open,
        consent=Wording(said.consent_version, language, said.consent),
        agreement=Wording(said.agreement_version, language, said.agreement),
        privacy_url=said.privacy_url or "",
        newsletter=settings.newsletter.topic,
        per_network=said.per_network,
        per_domain=said.per_domain,
        ceiling=said.ceiling,
    )


def named_of(desk: Desk) -> Named:
    """A letter's Message-ID by its subject and recipient, before it is written: evidence holds it."""
    return lambda subject, recipient: message_id(desk.key, desk.sender.domain, subject, recipient)
