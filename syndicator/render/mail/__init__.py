"""Mail, composed once and merged per recipient (DESIGN §5.7): model in, RFC 5322 bytes out.

`compose`, `embargoed` and `letters` turn what is to be said into a `Template`; `template` cuts it into byte segments and
joins them with each recipient's `Slots`; `headers` writes every header line itself, for EmailMessage injects
and misfolds (`requirements/mail` §5, pitfalls 1 and 2). `dkim` signs, `envelope` makes the addresses that
bounces come back to. Nothing here asks a clock, dice or the network: same input, same bytes, in every
process (MC2). Dot-stuffing belongs to the transport. Serves walk B.
"""

from syndicator.render.mail.compose import compose_alarm, compose_confirmation, compose_revision
from syndicator.render.mail.digest import Edition, Section, begins, capped, compose_digest
from syndicator.render.mail.embargoed import compose_advance, compose_notice, compose_sample
from syndicator.render.mail.headers import message_id
from syndicator.render.mail.letterhead import Sender
from syndicator.render.mail.letters import compose_letter
from syndicator.render.mail.template import Slots, Template

__all__ = [
    "Edition",
    "Section",
    "Sender",
    "Slots",
    "Template",
    "begins",
    "capped",
    "compose_advance",
    "compose_alarm",
    "compose_confirmation",
    "compose_digest",
    "compose_letter",
    "compose_notice",
    "compose_revision",
    "compose_sample",
    "message_id",
]
