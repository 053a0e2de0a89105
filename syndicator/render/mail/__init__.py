"""Mail, composed once and merged per recipient (DESIGN §5.7): model in, RFC 5322 bytes out.

`compose` turns a revision into a `Template`; `template` cuts it into byte segments and joins them
with each recipient's `Slots`; `headers` writes every header line itself, for EmailMessage injects
and misfolds (`requirements/mail` §5, pitfalls 1 and 2). Nothing here asks a clock, dice or the
network: same input, same bytes, in every process (MC2). Dot-stuffing, DKIM and the envelope belong
to the transport. Serves walk B.
"""

from syndicator.render.mail.compose import Sender, compose_confirmation, compose_revision
from syndicator.render.mail.headers import message_id
from syndicator.render.mail.template import Slots, Template

__all__ = ["Sender", "Slots", "Template", "compose_confirmation", "compose_revision", "message_id"]
