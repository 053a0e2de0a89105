"""Accreditation: somebody asks to see what is under embargo, and a person of ours decides (mail:LM20).

They agree to a text, which is kept with its version; who decided, and until when it holds, is the accreditation's
row. It ends by itself at its date, and with the address it was given for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from syndicator.errors import Refused
from syndicator.model.audience import Accreditation, Contact, address
from syndicator.model.consent import Act
from syndicator.model.joining import Terms
from syndicator.model.letters import Letter
from syndicator.signup.joining import Visit
from syndicator.store import Tx, accreditations, applications, evidence, letters, suppressions
from syndicator.store.applications import Application

FORM = "accreditation/1"
LINK_EACH = timedelta(days=1)


def apply(tx: Tx, contact: Contact, words: str, visit: Visit, terms: Terms, desk: Sequence[str]) -> bool:
    """File a contact's request, with their agreement as evidence, and tell the desk; False if one waits or was granted."""
    if accreditations.live(tx, contact.id):
        return False
    text = terms.agreement
    agreed = evidence.wording(tx, text.version, text.language, text.text)
    if applications.add(tx, contact.id, words, agreed) is None:
        return False
    digest = suppressions.digest(tx, contact.address.key)
    evidence.record(
        tx, Act.APPLIED, contact_id=contact.id, digest=digest, form=FORM, consent=agreed, **visit.where
    )
    facts = {"name": contact.name or contact.address.typed, "outlet": contact.outlet, "words": words}
    for mail in desk:
        letters.plan(tx, Letter.APPLIED, address(mail), about=contact.id, facts=facts)
    return True


def agreement_of(tx: Tx, application: Application) -> str:
    """To what they agreed, and how that is known, as an accreditation keeps it."""
    words = evidence.wording_of(tx, application.consent)
    version = f"wording {words.version}" if words else "a wording that is not kept any more"
    return f"the agreement of the form ({version}), on {application.created:%Y-%m-%d}"


def grant(tx: Tx, contact: Contact, by: str, agreement: str, until: datetime | None) -> Accreditation:
    """Accredit a contact, and tell them if they had asked. Without `agreement` it is the one their request holds.

    Raises Invalid where neither is given, or `until` has gone by.
    """
    asked = applications.of(tx, contact.id)
    known = agreement or (agreement_of(tx, asked) if asked else "")
    made = accreditations.accredit(tx, contact.id, by, known, until)
    if applications.decide(tx, contact.id, by, granted=True):
        _tell(tx, contact, made)
    return made


def deny(tx: Tx, contact: Contact, by: str, reason: str) -> None:
    """Decide against a request and tell them why; raises Refused when none of theirs waits."""
    if not applications.decide(tx, contact.id, by, reason, granted=False):
        raise Refused(
            f"no request of {contact.address.typed} waits: `syndicator contact accredit --requests` lists them"
        )
    letters.plan(tx, Letter.DENIED, contact.address, contact_id=contact.id, facts={"reason": reason})


def renew_link(tx: Tx, contact: Contact) -> None:
    """Make every link to a contact's own page and feed void, and mail a new one; raises Refused unless accredited."""
    held = accreditations.live(tx, contact.id)
    if held is None:
        raise Refused("this contact is not accredited: there is no page to renew the link of")
    accreditations.renew_link(tx, contact.id)
    _tell(tx, contact, held)


def ask_link(tx: Tx, contact: Contact) -> bool:
    """Mail the link to their own page once more, for whoever lost it, once a day at most; whether it is owed."""
    held = accreditations.live(tx, contact.id)
    if held is None or letters.lately(tx, Letter.GRANTED, contact.id, LINK_EACH):
        return False
    _tell(tx, contact, held)
    return True


def _tell(tx: Tx, contact: Contact, held: Accreditation) -> None:
    facts = {"until": held.until.isoformat() if held.until else "", "zone": contact.zone}
    letters.plan(tx, Letter.GRANTED, contact.address, contact_id=contact.id, facts=facts)
