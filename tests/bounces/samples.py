"""Mails that servers of many makes send back, written from their documentation and from RFC 3464, 5965 and 3834.

`{verp}` stands for the address a letter was sent from, `{id}` for its Message-ID; each sample says what it is to
be taken for, and the code it gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from syndicator.model.bounce import Kind

JANE = "jane@press.example"
RETURNED = """
From: Society <news@society.example>
To: Jane <jane@press.example>
Subject: A statement
Message-ID: <{id}>
List-Unsubscribe: <https://news.example/media-list/unsubscribe/{link}>

Words.
"""


@dataclass(frozen=True)
class Sample:
    """One mail, what it is, and of whom it speaks."""

    name: str
    text: str
    kind: Kind
    code: str = ""
    recipient: str = JANE

    def mail(
        self, verp: str = "news@society.example", message_id: str = "unknown@society.example", link: str = "x"
    ) -> bytes:
        """The bytes of it, sent to this address about the letter with this Message-ID."""
        text = self.text.replace("{returned}", RETURNED.strip())
        text = text.replace("{verp}", verp).replace("{id}", message_id).replace("{link}", link)
        return text.encode().replace(b"\n", b"\r\n")


def report(
    sender: str, status: str, *, words: str = "It could not be delivered.", returned: str = "message/rfc822"
) -> str:
    """A multipart/report of delivery status (RFC 6522, RFC 3464)."""
    return (
        f"Return-Path: <>\nFrom: {sender}\nTo: {{verp}}\nSubject: Undelivered\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=_r"\n\n'
        f"--=_r\nContent-Type: text/plain\n\n{words}\n\n"
        f"--=_r\nContent-Type: message/delivery-status\n\n{dedent(status).strip()}\n\n"
        f"--=_r\nContent-Type: {returned}\n\n{{returned}}\n--=_r--\n"
    )


def plain(sender: str, subject: str, words: str, *more: str) -> str:
    """A mail of words alone."""
    head = [
        f"From: {sender}",
        "To: {verp}",
        f"Subject: {subject}",
        *more,
        "Return-Path: <>",
        "MIME-Version: 1.0",
    ]
    return "\n".join(head) + "\nContent-Type: text/plain; charset=utf-8\n\n" + dedent(words).strip() + "\n"


def feedback(sort: str, *fields: str) -> str:
    """An abuse report as RFC 5965 shows it."""
    lines = [f"Feedback-Type: {sort}", "User-Agent: Loop/1", "Version: 1", *fields]
    return (
        "From: <fbl@isp.example>\nTo: <abuse@society.example>\nSubject: FW: A statement\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="=_f"\n\n'
        "--=_f\nContent-Type: text/plain\n\nThis is a report.\n\n"
        "--=_f\nContent-Type: message/feedback-report\n\n" + "\n".join(lines) + "\n\n"
        "--=_f\nContent-Type: message/rfc822\n\n{returned}\n--=_f--\n"
    )


SAMPLES = (
    Sample(
        "postfix, no such user",
        report(
            "MAILER-DAEMON@mx.press.example (Mail Delivery System)",
            """
            Reporting-MTA: dns; mx.press.example
            X-Postfix-Queue-ID: 4F0D
            X-Postfix-Sender: rfc822; {verp}
            Arrival-Date: Mon, 2 Mar 2026 09:00:00 +0000 (UTC)

            Final-Recipient: rfc822; jane@press.example
            Original-Recipient: rfc822;jane@press.example
            Action: failed
            Status: 5.1.1
            Remote-MTA: dns; imap.press.example
            Diagnostic-Code: smtp; 550 5.1.1 <jane@press.example> User doesn't exist
            """,
        ),
        Kind.HARD,
        "5.1.1",
    ),
    Sample(
        "postfix, still trying",
        report(
            "MAILER-DAEMON@mx.press.example (Mail Delivery System)",
            """
            Reporting-MTA: dns; mx.press.example

            Final-Recipient: rfc822; jane@press.example
            Action: delayed
            Status: 4.4.1
            Diagnostic-Code: X-Postfix; connect to press.example[192.0.2.1]:25: Connection timed out
            Will-Retry-Until: Sat, 7 Mar 2026 09:00:00 +0000 (UTC)
            """,
        ),
        Kind.DELAYED,
        "4.4.1",
    ),
    Sample(
        "sendmail, no such user",
        report(
            "Mail Delivery Subsystem <MAILER-DAEMON@mail.press.example>",
            """
            Reporting-MTA: dns; mail.press.example
            Received-From-MTA: DNS; relay.society.example
            Arrival-Date: Mon, 2 Mar 2026 10:00:00 +0100

            Final-Recipient: RFC822; jane@press.example
            Action: failed
            Status: 5.1.1
            Remote-MTA: DNS; in.press.example
            Diagnostic-Code: SMTP; 550 5.1.1 jane@press.example... User unknown
            Last-Attempt-Date: Mon, 2 Mar 2026 10:00:01 +0100
            """,
            returned="text/rfc822-headers",
        ),
        Kind.HARD,
        "5.1.1",
    ),
    Sample(
        "exchange, no such recipient",
        report(
            "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@press.example>",
            """
            Reporting-MTA: dns;AM0PR.eurprd.prod.example

            Final-recipient: RFC822;jane@press.example
            Action: failed
            Status: 5.1.10
            Diagnostic-code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
            X-Display-Name: Jane
            """,
        ),
        Kind.HARD,
        "5.1.10",
    ),
    Sample(
        "exchange, not open to outsiders",
        report(
            "Microsoft Outlook <postmaster@press.example>",
            """
            Reporting-MTA: dns;EX01.press.example

            Final-recipient: RFC822;jane@press.example
            Action: failed
            Status: 5.7.1
            Diagnostic-code: smtp;550 5.7.1 RESOLVER.RST.AuthRequired; authentication required
            """,
        ),
        Kind.POLICY,
        "5.7.1",
    ),
    Sample(
        "exchange, out of office",
        plain(
            "Jane <jane@press.example>",
            "Automatic reply: A statement",
            "I am out of the office until Monday. 550 of us are.",
            "Auto-Submitted: auto-generated",
            "X-Auto-Response-Suppress: All",
        ),
        Kind.AUTO_REPLY,
        recipient="",
    ),
    Sample(
        "gmail, no such user",
        report(
            "Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
            """
            Reporting-MTA: dns; googlemail.example
            Arrival-Date: Mon, 02 Mar 2026 01:00:00 -0800 (PST)
            X-Original-Message-ID: <{id}>

            Final-Recipient: rfc822; jane@press.example
            Action: failed
            Status: 5.1.1
            Remote-MTA: dns; aspmx.l.google.example. (192.0.2.26, the server for the domain press.example.)
            Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try
             550-5.1.1 double-checking the recipient's email address for typos or
             550 5.1.1 unnecessary spaces.
            """,
        ),
        Kind.HARD,
        "5.1.1",
    ),
    Sample(
        "gmail, over quota",
        report(
            "Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
            """
            Reporting-MTA: dns; googlemail.example

            Final-Recipient: rfc822; jane@press.example
            Action: failed
            Status: 4.2.2
            Diagnostic-Code: smtp; 452-4.2.2 The recipient's inbox is out of storage space.
            """,
        ),
        Kind.SOFT,
        "4.2.2",
    ),
    Sample(
        "gmail, bulk mail refused",
        report(
            "Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
            """
            Reporting-MTA: dns; googlemail.example

            Final-Recipient: rfc822; jane@press.example
            Action: failed
            Status: 5.7.26
            Diagnostic-Code: smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated.
            """,
        ),
        Kind.POLICY,
        "5.7.26",
    ),
    Sample(
        "exim",
        plain(
            "Mail Delivery System <Mailer-Daemon@mx.press.example>",
            "Mail delivery failed: returning message to sender",
            """
            This message was created automatically by mail delivery software.

            A message that you sent could not be delivered to one or more of its
            recipients. This is a permanent error. The following address(es) failed:

              jane@press.example
                host in.press.example [192.0.2.9]
                SMTP error from remote mail server after RCPT TO:<jane@press.example>:
                550 5.1.1 unknown user
            """,
            "X-Failed-Recipients: jane@press.example",
            "Auto-Submitted: auto-replied",
        ),
        Kind.HARD,
        "5.1.1",
    ),
    Sample(
        "qmail",
        plain(
            "MAILER-DAEMON@mx.press.example",
            "failure notice",
            """
            Hi. This is the qmail-send program at mx.press.example.
            I'm afraid I wasn't able to deliver your message to the following addresses.
            This is a permanent error; I've given up. Sorry it didn't work out.

            <jane@press.example>:
            192.0.2.9 does not like recipient.
            Remote host said: 550 5.1.1 <jane@press.example>: Recipient address rejected: User unknown
            Giving up on 192.0.2.9.

            --- Below this line is a copy of the message.

            {returned}
            """,
        ),
        Kind.HARD,
        "5.1.1",
    ),
    Sample(
        "courier",
        report(
            "Courier mail server at mx.press.example <@>",
            """
            Reporting-MTA: dns; mx.press.example
            Arrival-Date: Mon, 02 Mar 2026 09:00:00 +0000
            Received-From-MTA: dns; relay.society.example

            Final-Recipient: rfc822; jane@press.example
            Action: failed
            Status: 5.0.0
            Remote-MTA: dns; in.press.example [192.0.2.9]
            Diagnostic-Code: smtp; 550 User unknown.
            """,
        ),
        Kind.HARD,
        "5.0.0",
    ),
    Sample(
        "notes",
        report(
            "postmaster@press.example",
            """
            Reporting-MTA: dns;notes.press.example

            Final-Recipient: rfc822;jane@press.example
            Action: failed
            Status: 5.1.1
            Diagnostic-Code: X-Notes; User jane (jane@press.example) not listed in Domino Directory
            """,
        ),
        Kind.HARD,
        "5.1.1",
    ),
    Sample(
        "groupwise, mailbox full",
        report(
            "Mailer-Daemon@gwia.press.example",
            """
            Reporting-MTA: dns; gwia.press.example

            Final-Recipient: rfc822; jane@press.example
            Action: failed
            Status: 5.2.2
            Diagnostic-Code: smtp; 552 5.2.2 Mailbox full
            """,
        ),
        Kind.SOFT,
        "5.2.2",
    ),
    Sample(
        "dovecot lda, over quota",
        report(
            "Mail Delivery Subsystem <postmaster@imap.press.example>",
            """
            Reporting-MTA: dns; imap.press.example
            Original-Recipient: rfc822; jane@press.example
            Final-Recipient: rfc822; jane@press.example
            Action: failed
            Status: 5.2.2
            """,
            words="Your message was automatically rejected:\nQuota exceeded (mailbox for user is full)",
        ),
        Kind.SOFT,
        "5.2.2",
    ),
    Sample(
        "mailenable, in words, no code",
        plain(
            "Postmaster <postmaster@mx.press.example>",
            "Message Delivery Failure",
            """
            Your message could not be delivered to the following recipients:

              <jane@press.example>: mailbox is disabled for the moment
            """,
        ),
        Kind.HARD,
    ),
    Sample(
        "oracle, delivered",
        report(
            "postmaster@press.example",
            """
            Reporting-MTA: dns; mx.press.example

            Final-Recipient: rfc822; jane@press.example
            Action: relayed (to a server that sends no receipts)
            Status: 2.1.5
            """,
        ),
        Kind.RELAYED,
        "2.1.5",
    ),
    Sample(
        "encoded, as some gateways do",
        report(
            "postmaster@press.example",
            "Reporting-MTA: dns; gw.press.example",
        ).replace(
            "message/delivery-status\n\nReporting-MTA: dns; gw.press.example",
            "message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
            "UmVwb3J0aW5nLU1UQTogZG5zOyBndwoKRmluYWwtUmVjaXBpZW50OiByZmM4MjI7IGphbmVAcHJl\n"
            "c3MuZXhhbXBsZQpBY3Rpb246IGZhaWxlZApTdGF0dXM6IDUuMS4xCg==",
        ),
        Kind.HARD,
        "5.1.1",
    ),
    Sample(
        "vacation program",
        plain(
            "jane@press.example",
            "away",
            "I am away.",
            "Auto-Submitted: auto-replied (vacation)",
            "Precedence: bulk",
        ),
        Kind.AUTO_REPLY,
        recipient="",
    ),
    Sample("complaint", feedback("abuse"), Kind.COMPLAINT, recipient=""),
    Sample("opted out", feedback("opt-out", "Original-Rcpt-To: <jane@press.example>"), Kind.COMPLAINT),
    Sample("no complaint after all", feedback("not-spam"), Kind.NOT_SPAM, recipient=""),
)
