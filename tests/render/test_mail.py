"""Mail: composed once, merged per recipient, header by header and byte by byte."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from syndicator.errors import Invalid, Refused
from syndicator.model.delivery import Role
from syndicator.model.item import Content, Item, ItemState, Kind, Medium, Revision, Significance, Spokesperson
from syndicator.model.markup import clean, markdown
from syndicator.model.site import Site
from syndicator.render.mail import Sender, Slots, Template, compose_confirmation, compose_revision, message_id
from syndicator.render.mail.headers import encoded_words, mailbox_field, text_field
from syndicator.render.mail.parts import body_parts, day_and_time
from syndicator.render.mail.template import quoted

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SITE = Site(title="Gesellschaft für Chemie", base_url="https://news.example", zone="Europe/Berlin")
SENDER = Sender(address="press@example.org", name="Presse für alle", reply_to="desk@example.org", postal="Ring 1, Bonn")  # fmt: skip
PERSON = Spokesperson(slug="ada", name="Ada Okafor", phone="+49 228 1", mail="ada@example.org")
BODY = """The draft would cut [basic research](https://example.org/budget?year=2026&v=2) by 40 %.

.

From now on — “nothing” is free.

![Chart](https://example.org/chart.png)
"""
SLOTS = Slots(
    to_address="jane@paper.example",
    to_name="Jane Doe",
    message_id="abc@example.org",
    date=NOW,
    unsubscribe_url="https://news.example/media-list/unsubscribe/abc",
    preferences_url="https://news.example/media-list/preferences/abc",
    confirm_url="https://news.example/media-list/confirm/abc",
)
ONCE = "from to subject date message-id mime-version list-id list-unsubscribe list-unsubscribe-post content-type".split()
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
HOSTILE = ["a\r\nBcc: x@e.example", "a\0b", "a\x85b", "a\u2028b", "a\u202eb", "a\ud800b"]
HOSTILE += [f"=?utf-8?{word}?=" for word in ("q?hi=0d=0aBcc:_q@z", "b?aGkNCkJjYzogcUB6", "q?=E2=80=AEabc")]
NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=f"{BIDI}\ufffe\uffff"),
    max_size=200,
)


def content(**changes: object) -> Content:
    """A press release with a link, an image, a lone dot and a line that begins with From."""
    base = Content(
        title="Warning on a draft budget",
        kind=Kind.PRESS_RELEASE,
        summary="Parliament should reject the cuts.",
        body=clean(markdown(BODY)),
        media=(Medium(url="https://news.example/media/x.pdf", type="application/pdf", length=1_234_567),),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def composed(
    words: Content | None = None,
    significance: Significance = Significance.FIRST,
    *,
    state: ItemState = ItemState.LIVE,
    note: str | None = None,
    site: Site = SITE,
    sender: Sender = SENDER,
    person: Spokesperson | None = PERSON,
    role: Role = Role.TOLD,
) -> Template:
    """A template of one revision of one item."""
    words = words or content()
    item = Item(id=1, uid="tag:x,2026:1", slug="warning", state=state, revision=1, content=words, published=NOW, updated=NOW)  # fmt: skip
    revision = Revision(number=1, significance=significance, content=words, created=NOW, note=note)
    return compose_revision(
        item, revision, site=site, sender=sender, topics=["Policy"], spokesperson=person, role=role
    )


@cache
def usual() -> Template:
    """The template most tests merge."""
    return composed()


def parsed(raw: bytes) -> tuple[EmailMessage, str, str]:
    """The message, its text and its HTML, after a look at what no message may have."""
    assert max(raw) < 128
    assert not re.search(rb"[^\r]\n|\r[^\n]|\0", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    for part in (message, text, html):
        assert part.defects == []
        assert [value.defects for value in part.values() if value.defects] == []
    return message, text.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


def hrefs(page: str) -> set[str]:
    """Where the links of an HTML part lead, addresses without mailto."""
    links = (anchor.get("href", "") for anchor in lxml_html.document_fromstring(page).iter("a"))
    return {link.removeprefix("mailto:") for link in links}


def seen(page: str) -> str:
    """What a person reads of an HTML part."""
    return "".join(map(str, lxml_html.document_fromstring(page).itertext()))


@pytest.mark.parametrize(
    "make", [composed, lambda: compose_confirmation(["Policy"], site=SITE, sender=SENDER)]
)
def test_both_parts_say_the_same(make: object) -> None:
    """mail:MC1 Text first, then HTML, with the same links; mail:MC23: each written out."""
    assert callable(make)
    message, text, page = parsed(make().merge(SLOTS))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert {link for link in hrefs(page) if link not in text} == set()
    assert {SLOTS.unsubscribe_url, SLOTS.preferences_url} <= hrefs(page) or SLOTS.confirm_url in hrefs(page)


def test_facts_stand_in_both_parts() -> None:
    """mail:MC1 and mail:MC24 Headline, dek, body, file, contact, postal address, reason: in both."""
    _, text, page = parsed(usual().merge(SLOTS))
    for fact in ("Warning on a draft budget", "Parliament should", "basic research", "1.2 MB", "Ada Okafor", "+49 228 1", "Ring 1, Bonn", "Policy", "Jane Doe <jane@paper.example>", "2 March 2026, 10:00 CET"):  # fmt: skip
        assert fact in text
        assert fact in seen(page)


def test_same_input_same_bytes_in_two_processes() -> None:
    """mail:MC2 Hash seed, time zone and locale of the process change nothing."""
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_mail as t;"
        "sys.stdout.buffer.write(t.composed(t.content(language='de')).merge(t.SLOTS))"
    )
    root = Path(__file__).parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(root)},
            check=True,
            capture_output=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Kathmandu"))
    }
    assert outputs == {composed(content(language="de")).merge(SLOTS)}


def test_boundary_occurs_in_no_part() -> None:
    """mail:MC3 Not even where body, note and slots hold the text of the boundary."""
    found = re.search(rb'boundary="(.*)"', usual().merge(SLOTS))
    assert found
    edge = found[1].decode()
    hostile = composed(content(body=f"<p>--{edge}</p><pre>\n--{edge}--\n</pre>"))
    raw = hostile.merge(replace(SLOTS, to_name=f"--{edge}", unsubscribe_url=f"https://a.example/?--{edge}--"))
    own = re.search(rb'boundary="(=_.*)"', raw)
    assert own
    assert raw.count(own[1]) == 4
    assert f"--{edge}" in parsed(raw)[1]


def test_message_id_is_kept_by_a_retry_and_tells_nothing() -> None:
    """mail:MC4 Deterministic under the key, another one per subject and recipient, no address in it."""
    given_ = (b"k" * 32, "example.org", "revision/tag:x/1", "jane@paper.example")
    assert message_id(*given_) == message_id(*given_)
    others = {
        message_id(b"l" * 32, *given_[1:]),
        message_id(*given_[:2], "revision/tag:x/2", given_[3]),
        message_id(*given_[:3], "joe@paper.example"),
        message_id(*given_[:2], "revision/tag:x/1/jane@", "paper.example"),
        message_id(*given_),
    }
    assert len(others) == 5
    assert re.fullmatch(r"[a-z2-7]{32}@example\.org", message_id(*given_))
    assert message_id(b"k", "bücher.example", "s", "r").endswith("@xn--bcher-kva.example")


def test_a_correction_follows_the_earlier_mail() -> None:
    """mail:MC4 In-Reply-To and References name what the recipient had; who had nothing has neither."""
    template = composed(None, Significance.CORRECTION, note="40 %, not 30 %.")
    message, text, page = parsed(template.merge(replace(SLOTS, in_reply_to="old@example.org")))
    assert message["Subject"] == "CORRECTION: Warning on a draft budget"
    assert message["In-Reply-To"] == message["References"] == "<old@example.org>"
    assert "Corrected 2 March 2026, 10:00 CET: 40 %, not 30 %." in text
    assert "40 %, not 30 %." in page
    assert not {"In-Reply-To", "References"} & set(parsed(template.merge(SLOTS))[0])


def test_the_newly_entitled_get_a_corrected_text_as_a_release() -> None:
    """Who never had the mistake is not told CORRECTION, but still reads what changed."""
    message, text, _ = parsed(
        composed(None, Significance.CORRECTION, note="40 %.", role=Role.OWED).merge(SLOTS)
    )
    assert message["Subject"] == "Warning on a draft budget"
    assert text.startswith("PRESS RELEASE")
    assert "Corrected 2 March 2026, 10:00 CET: 40 %." in text


@pytest.mark.parametrize(
    ("significance", "state", "subject"),
    [
        (Significance.KILL, ItemState.KILLED, "KILL: Warning on a draft budget"),
        (Significance.WITHDRAWAL, ItemState.WITHDRAWN, "WITHDRAWN: Warning on a draft budget"),
    ],
)
def test_a_notice_omits_what_was_taken_back(
    significance: Significance, state: ItemState, subject: str
) -> None:
    """mail:EM5 A kill says what happened and whom to ask, and nothing of the words."""
    message, text, page = parsed(
        composed(None, significance, state=state, note="Released by mistake.").merge(SLOTS)
    )
    assert message["Subject"] == subject
    for part in (text, page):
        assert "Released by mistake." in part
        assert "Ada Okafor" in part
        assert "https://news.example/items/warning" in part
        for gone in ("basic research", "Parliament", "x.pdf", "chart"):
            assert gone not in part


def test_words_of_a_gone_item_are_refused() -> None:
    """mail:EM5 An earlier revision is never composed once the item is gone."""
    with pytest.raises(Refused, match="mail the notice"):
        composed(state=ItemState.KILLED)


def test_header_census() -> None:
    """mail:MC5 Exactly one of each, one recipient; mail:MC12: automatic and bulk; mail:MC13: no more than it may."""
    message, _, _ = parsed(usual().merge(SLOTS))
    census = Counter(name.lower() for name in message)
    assert {name: census[name] for name in ONCE} == dict.fromkeys(ONCE, 1)
    assert max(census.values()) == 1
    assert message["To"] == "Jane Doe <jane@paper.example>"
    assert message["Date"].datetime == NOW
    assert (message["Auto-Submitted"], message["Precedence"]) == ("auto-generated", "bulk")
    assert re.fullmatch(r"[0-9a-f]{12}:press-release:releases:example\.org", message["Feedback-ID"])


def test_hostile_bodies_keep_the_lines_whole() -> None:
    """mail:MC6 and mail:MC7 Bare CR, dots, From, long words and emoji end as short seven-bit CRLF lines."""
    body = clean(f"<pre>a&#13;b\r\n.\r\nFrom me\n{'x' * 3000}{'😀' * 500} \t\n</pre>")
    raw = composed(content(body=body)).merge(SLOTS)
    text = parsed(raw)[1]
    assert max(map(len, raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    assert not re.search(rb"(?m)^From ", raw.partition(b"\r\n\r\n")[2])
    assert "x" * 3000 + "😀" * 500 in text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=300))
def test_quoted_printable_is_reversible(line: str) -> None:
    """mail:MC7 Whatever a line holds, it comes back, from lines of at most 76 octets."""
    message = message_from_bytes(b"Content-Transfer-Encoding: quoted-printable\n\n" + quoted(line))
    assert message.get_payload(decode=True) == line.encode()
    assert max(map(len, quoted(line).split(b"\r\n"))) <= 76


def test_list_id_is_stable() -> None:
    """mail:MC9 The id hangs on the label and the list domain, not on the site's title."""
    renamed = composed(
        site=replace(SITE, title="New Name"), sender=replace(SENDER, list_domain="l.bücher.example")
    )
    assert str(parsed(usual().merge(SLOTS))[0]["List-Id"]).endswith("<releases.lists.example.org>")
    assert parsed(renamed.merge(SLOTS))[0]["List-Id"] == "New Name <releases.l.xn--bcher-kva.example>"


@pytest.mark.parametrize("length", [40, 73, 74, 77, 120, 400, 900])
def test_unsubscribe_stands_raw_on_one_line(length: int) -> None:
    """mail:MC10 One https URI, never folded, never encoded; mail:MC11: the other list fields in brackets."""
    url = "https://news.example/u?t=a&b=".ljust(length, "x")
    raw = usual().merge(replace(SLOTS, unsubscribe_url=url))
    assert f"\r\nList-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: ".encode() in raw
    assert b": List-Unsubscribe=One-Click\r\n" in raw
    assert b"\r\nList-Archive: <https://news.example/>\r\n" in raw
    for name in (b"Help", b"Subscribe"):
        assert b"\r\nList-" + name + b": <https://news.example/media-list>\r\n" in raw
    _, text, page = parsed(raw)
    assert f"Unsubscribe: {url}\n" in text
    assert url in hrefs(page)


@pytest.mark.parametrize("url", ["", "javascript:x", "https://a.example/ö", "https://a.example/>\r\nBcc: x", "https://a.example/a b", "https://a.example/" + "x" * 900])  # fmt: skip
def test_what_is_no_uri_is_refused(url: str) -> None:
    """mail:MC10 A URL that would have to be encoded, folded or cut is refused, naming the slot."""
    with pytest.raises(Invalid, match="unsubscribe_url"):
        usual().merge(replace(SLOTS, unsubscribe_url=url))


def test_replies_go_to_the_spokesperson() -> None:
    """mail:MC14 From stays ours; Reply-To is whom to ask, else the desk."""
    assert parsed(usual().merge(SLOTS))[0]["Reply-To"] == "Ada Okafor <ada@example.org>"
    message = parsed(composed(person=None).merge(SLOTS))[0]
    assert message["Reply-To"].addresses[0].addr_spec == "desk@example.org"
    assert message["From"].addresses[0].addr_spec == "press@example.org"


@given(NAMES)
def test_encoded_words_are_short_and_whole(text: str) -> None:
    """mail:MC18 Words of at most 75, lines of at most 76, each word decodable by itself."""
    lines = f"Subject: {encoded_words(text, 9)}".split("\r\n")
    assert max(map(len, lines)) <= 76
    for line in lines:
        word = line.split(" ", 1)[1]
        assert len(word) <= 75
        decoded = message_from_bytes(f"Subject: {word}\n\n".encode(), policy=policy.default)["Subject"]
        assert decoded.defects == ()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126) | st.just(" "), max_size=300))
def test_subjects_are_folded_within_78(text: str) -> None:
    """mail:MC6 Every subject line is at most 78 octets, however long its words are, and reads the same."""
    line = text_field("Subject", text.replace("=?", "="))
    assert max(map(len, line.split("\r\n"))) <= 78
    assert message_from_bytes(line.encode(), policy=policy.default)["Subject"] == " ".join(
        text.replace("=?", "=").split()
    )


def test_domains_are_a_labels_and_local_parts_ascii() -> None:
    """mail:MC18 and mail:MC19 IDN becomes xn--; a non-ASCII local part is refused, not mangled."""
    raw = composed(sender=replace(SENDER, address="press@bücher.example")).merge(
        replace(SLOTS, to_address="a@例え.jp")
    )
    message = parsed(raw)[0]
    assert message["From"].addresses[0].addr_spec == "press@xn--bcher-kva.example"
    assert message["To"].addresses[0].addr_spec == "a@xn--r8jz45g.jp"
    with pytest.raises(Invalid, match="SMTPUTF8"):
        usual().merge(replace(SLOTS, to_address="用户@例え.jp"))


@pytest.mark.parametrize("evil", HOSTILE)
def test_header_injection_is_refused(evil: str) -> None:
    """mail:MC20 Also after RFC 2047 decoding, in every field that reaches a header, by name."""
    with pytest.raises(Invalid, match="name in From"):
        composed(sender=replace(SENDER, name=evil))
    with pytest.raises(Invalid, match="Subject"):
        composed(content(title=evil))
    with pytest.raises(Invalid, match="name in Reply-To"):
        composed(person=replace(PERSON, name=evil))
    for slot in ("to_name", "to_address", "message_id", "unsubscribe_url", "in_reply_to"):
        with pytest.raises(Invalid, match=slot):
            usual().merge(replace(SLOTS, **{slot: evil}))  # type: ignore[arg-type]


def test_html_is_sanitised_again() -> None:
    """mail:MC21 A stored body is not trusted: no script, handler, remote CSS or foreign url()."""
    evil = '&lt;script&gt;x<p onclick="x()">y<script>z</script><style>@import "//e"</style><a href="javascript:x">b</a><img src="https://e.example/i.png" width="2000"></p>'
    page = parsed(composed(content(body=evil, title="<b>T</b>", summary="<i>S</i>")).merge(SLOTS))[2]
    tree = lxml_html.document_fromstring(page)
    assert tree.xpath("//script | //link | //b | //i | //@onclick") == []
    assert not re.search(r"javascript:|@import|url\(", page)
    assert [(image.get("alt"), image.get("width")) for image in tree.iter("img")] == [("", "576")]
    assert (tree.get("lang"), tree.get("dir")) == ("en", "ltr")
    assert "prefers-color-scheme: dark" in page
    assert 'style="' in page


def test_right_to_left_languages_say_so() -> None:
    """mail:MC21 lang and dir are the content's."""
    page = parsed(composed(content(language="ar")).merge(SLOTS))[2]
    assert '<html lang="ar" dir="rtl">' in page


def test_rights_stand_below_the_text() -> None:
    """feeds:I28 An item's own rights are in both parts; nothing of them is in a notice."""
    words = content(rights="© Ada & <Sons>")
    _, text, page = parsed(composed(words).merge(SLOTS))
    assert text.index("is free") < text.index("© Ada & <Sons>") < text.index("Read online")
    assert "© Ada & <Sons>" in seen(page)
    gone = composed(words, Significance.WITHDRAWAL, state=ItemState.WITHDRAWN)
    assert "Sons" not in "".join(parsed(gone.merge(SLOTS))[1:])


def test_a_long_text_is_cut_at_a_block_and_linked() -> None:
    """mail:MC22 The HTML stays below what Gmail shows; both parts end at the same paragraph."""
    body = "".join(f"<p>Paragraph {n}. {'word ' * 40}</p>" for n in range(1, 1000))
    _, text, page = parsed(composed(content(body=body)).merge(SLOTS))
    assert len(page.encode()) <= 102_000
    counts = [len(set(re.findall(r"Paragraph \d+", part))) for part in (text, page)]
    assert counts[0] == counts[1] > 50
    assert "Read all of it: https://news.example/items/warning" in text


@settings(deadline=None)  # the first one compiles the templates
@given(NAMES)
def test_names_come_back_as_they_were(name: str) -> None:
    """mail:MC25 In the header, the text and the HTML: parse(merge(t, v)) is v."""
    name = " ".join(name.replace("=?", "= ?").split())
    raw = usual().merge(replace(SLOTS, to_name=name))
    message, text, page = parsed(raw)
    shown = f"{name} <jane@paper.example>" if name else "jane@paper.example"
    (address,) = message["To"].addresses
    assert address.addr_spec == "jane@paper.example"
    # CPython's `display_name` puts a space between encoded words, against RFC 2047 §6.2.
    display, spec = parseaddr(re.sub(r"\r\n(?= )", "", message_from_bytes(raw)["To"]))
    assert (str(make_header(decode_header(display))), spec) == (name, "jane@paper.example")
    assert f"Sent to {shown} because" in text
    assert f"Sent to {shown} because" in seen(page)


@pytest.mark.parametrize(
    "name",
    ["=", "<", "&amp;", '"', "\\", "😀" * 100, "x" * 200, "Doe, Jane", "From Jane", "a@b", "J. (x)", "=20"],
    ids=range(12),
)
def test_hostile_names_by_name(name: str) -> None:
    """mail:MC25 The known troublemakers, each for itself; a comma makes no second address (pitfall 5)."""
    test_names_come_back_as_they_were.hypothesis.inner_test(name)  # type: ignore[attr-defined]
    assert max(map(len, mailbox_field("To", name, "jane@paper.example").split("\r\n"))) <= 78


@settings(deadline=None)  # the first one compiles the templates
@given(st.text("abc=&'?/%+~.-", max_size=300))
def test_addresses_of_pages_come_back_as_they_were(tail: str) -> None:
    """mail:MC25 Whatever a URL holds, header, text and HTML say the same."""
    url = f"https://news.example/p/{tail}x"
    message, text, page = parsed(
        usual().merge(replace(SLOTS, unsubscribe_url=url, preferences_url=f"{url}y"))
    )
    assert message["List-Unsubscribe"] == f"<{url}>"
    assert f"Unsubscribe: {url}\nPreferences: {url}y\n" in text
    assert {url, f"{url}y"} <= hrefs(page)


def test_a_stand_in_cannot_be_typed() -> None:
    """Text that looks like our stand-ins stays text."""
    assert "slotabctoend" in parsed(composed(content(summary="slotabctoend")).merge(SLOTS))[1]


def test_dates_are_aware_and_utc() -> None:
    """The same instant gives the same Date in every zone; a naive one is refused."""
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    assert usual().merge(replace(SLOTS, date=berlin)) == usual().merge(SLOTS)
    assert parsed(usual().merge(SLOTS))[0]["Date"] == "Mon, 02 Mar 2026 09:00:00 +0000"
    with pytest.raises(Invalid, match="time zone"):
        usual().merge(replace(SLOTS, date=NOW.replace(tzinfo=None)))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("day", ["1 January 1", "31 December 9999"])
def test_dates_at_the_end_of_the_calendar(zone: str, day: str) -> None:
    """mail:MC20 A day that the site's zone does not have is the one of UTC."""
    first = day.startswith("1 ")
    moment = datetime(1, 1, 1, tzinfo=UTC) if first else datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert day in day_and_time(moment, zone)


def test_a_confirmation_holds_no_typed_word() -> None:
    """mail:LM2 and R2 No name, nothing to unsubscribe from, one link that matters."""
    template = compose_confirmation(["Policy"], site=SITE, sender=SENDER)
    message, text, page = parsed(template.merge(replace(SLOTS, to_name="Buy now evil.example")))
    assert message["To"] == "jane@paper.example"
    assert "evil" not in text + page
    assert [name for name in message if name.startswith(("List-", "Precedence"))] == []
    assert hrefs(page) == {SLOTS.confirm_url, "https://news.example/"}
    assert "72 hours" in text


def test_the_text_part_marks_quotations_and_headings() -> None:
    """mail:MC1 whoever reads the text alone sees what is quoted, who said it, and where a section begins."""
    source = """<p>First</p><blockquote><p>One <em>two</em></p><p>three<br>four</p><blockquote>within <a
    href="https://x.example/y">it</a></blockquote></blockquote><h2>A <b>section</b></h2><p>Last</p>
    <blockquote><p>We do</p><p>Truly</p><p>— <cite>Ada</cite>, chief</p></blockquote>
    <blockquote><p>»Schon«</p><p>— <cite>Bo</cite></p></blockquote><blockquote></blockquote>"""
    expected = """First

> One two
>
> three
> four
>
> > within it [1]

A section
---------

Last

> “We do
>
> Truly”
>
> — Ada, chief

> »Schon«
>
> — Bo"""
    made = body_parts(source, SITE)
    assert expected == made.text
    assert ("https://x.example/y",) == made.links
    assert "&gt;" not in made.html
