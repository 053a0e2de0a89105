"""Words mail servers use where codes say too little: the last resort of `model.replies`, as data.

The first rule that fits wins, so what is sure stands above what is vague. Each phrase was met in replies that
servers send, and stands in the table of `tests/model/replies.tsv`.
"""

from __future__ import annotations

import re

from syndicator.model.outcomes import Cause


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


RULES: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    (Cause.UTF8, _any(r"smtputf8", r"non-ascii (?:local|address)", r"internationali[sz]ed (?:mail|address)")),
    (Cause.POLICY, _any(r"RESOLVER\.RST")),  # the mailbox is not open to everybody
    (
        Cause.AUTH,
        _any(
            r"relay access denied",
            r"unable to relay",
            r"relay(?:ing)? (?:is )?(?:not permitted|denied|prohibited)",
            r"we do not relay",
            r"not permitted to relay",
            r"authentication (?:is )?required",
            r"must authenticate",
            r"must issue a STARTTLS",
            r"permissions? to send as",
            r"address is not verified",
            r"relay denied",
            r"in my list of allowed rcpthosts",
        ),
    ),
    (
        Cause.GREYLISTED,
        _any(r"gr[ae]y[- ]?list", r"postgrey", r"sqlgrey", r"try again (?:later|in \d)[^.]* to prove"),
    ),
    (
        Cause.THROTTLED,
        _any(
            r"rate[- ]limit",
            r"too many (?:connections|messages|recipients|emails|concurrent|sessions|mails)",
            r"(?:sending|message) (?:quota|limit)s? (?:is )?exceeded",
            r"sending limit",
            r"too quickly",
            r"too much mail",
            r"Daily .{0,20}(?:quota|limit)",
            r"deferred due to (?:unexpected volume|user complaints)",
            r"temporarily deferred",
            r"exceeded (?:the )?(?:rate|connection|maximum number|max)",
            r"throttl",
            r"unusual rate",
            r"at a rate that",
            r"slow down",
            r"message rate",
            r"velocity",
        ),
    ),
    (
        Cause.FULL,
        _any(
            r"(?:mail)?box (?:is )?(?:full|over)",
            r"mailbox full",
            r"over[- ]?quota",
            r"quota (?:is )?exceeded",
            r"exceeded (?:his|her|its|their|the|storage) ?\w* ?(?:quota|allocation|limit)",
            r"out of storage",
            r"is over quota",
            r"QuotaExceeded",
        ),
    ),
    (
        Cause.TOO_BIG,
        _any(
            r"size limit",
            r"message (?:size )?(?:is )?too (?:big|large)",
            r"exceeds (?:the )?(?:maximum|fixed|limits?|size)",
            r"exceeded .{0,20}message size",
            r"message size exceeds",
        ),
    ),
    (
        Cause.NO_MAIL,
        _any(
            r"host (?:or domain )?name? ?not found",
            r"domain (?:name )?(?:does not|doesn't) exist",
            r"domain not found",
            r"does not accept (?:any )?(?:e-?)?mail",
            r"null ?mx",
            r"no (?:valid )?mx",
            r"unrout(?:e)?able (?:address|domain)",
            r"no such domain",
        ),
    ),
    (
        Cause.CONTENT,
        _any(
            r"virus",
            r"malware",
            r"infected",
            r"security issue",
            r"invalid header",
            r"bare (?:LF|CR|line)",
            r"RFC ?2?822",
            r"5322",
        ),
    ),
    (
        Cause.POLICY,
        _any(
            r"spam(?! ?folder)",
            r"unsolicited",
            r"bulk mail",
            r"\bDMARC\b",
            r"\bSPF\b",
            r"\bDKIM\b",
            r"unauthenticated",
            r"block(?:ed|ing|[ -]?list)",
            r"black ?list",
            r"deny ?list",
            r"banned",
            r"spamhaus",
            r"spamcop",
            r"barracuda",
            r"sorbs",
            r"\bDNS[BR]Ls?\b",
            r"\bRBL\b",
            r"reputation",
            r"polic(?:y|ies)",
            r"sender (?:address )?(?:rejected|denied|verify failed|is not)",
            r"client host (?:rejected|blocked)",
            r"reverse (?:dns|hostname)|\bPTR\b|no rDNS",
            r"access denied",
            r"not (?:accepted|allowed) (?:from|to send)",
            r"suspicious",
            r"local policy",
            r"content (?:rejected|restriction)",
            r"not authori[sz]ed",
            r"complaint",
            r"helo command rejected",
        ),
    ),
    (
        Cause.DISABLED,
        _any(
            r"(?:account|mailbox|user|recipient|address)\b.{0,40}\b(?:disabled|suspended|inactive|deactivated|locked|expired|discontinued)",
            r"(?:disabled|suspended|inactive|deactivated) (?:account|mailbox|user|recipient)",
        ),
    ),
    (
        Cause.DEAD_ADDRESS,
        _any(
            r"no such (?:user|recipient|mailbox|address|person|local user)",
            r"(?:user|recipient|mailbox|address|account)\b.{0,60}\b(?:unknown|not found|does(?: not|n't) exist|not exist|invalid|unavailable)",
            r"(?:unknown|invalid|bad) (?:user|recipient|mailbox|local part|address|destination)",
            r"does(?: not|n't) have an? [\w.!]* ?(?:account|mailbox)",
            r"no mailbox here",
            r"not a (?:known|valid) (?:user|mailbox|recipient)",
            r"not our customer",
            r"mailbox unavailable",
            r"recipient address rejected(?!.*(?:access denied|policy|grey))",
            r"there is no one at this address",
            r"RecipientNotFound",
        ),
    ),
    (
        Cause.BUSY,
        _any(
            r"insufficient (?:system|disk)",
            r"try (?:again )?later",
            r"temporar",
            r"server (?:is )?(?:too )?busy",
            r"system (?:resources|load)",
            r"timed? ?out",
            r"service unavailable",
        ),
    ),
)

# Exchange Online, for addresses its directory does not know ("directory based edge blocking").
DEAD_BEHIND_5_4_1 = _any(r"recipient address rejected: access denied")

_IN = r"(?:try(?: again)?|retry|wait|again|back|for|you|available)(?: again)?(?: after| in| at least| within)?:? "
PAUSES: tuple[tuple[re.Pattern[str], tuple[int, ...]], ...] = (
    (re.compile(r"\b(\d{1,2}):(\d{2}):(\d{2})\b"), (3600, 60, 1)),
    (re.compile(_IN + r"(\d{1,6}) ?(?:s|secs?|seconds?)\b", re.IGNORECASE), (1,)),
    (re.compile(_IN + r"(\d{1,4}) ?(?:m|mins?|minutes?)\b", re.IGNORECASE), (60,)),
    (re.compile(_IN + r"(\d{1,2}) ?(?:h|hrs?|hours?)\b", re.IGNORECASE), (3600,)),
)
