"""Mail before a release is public, and what its recipients hear later: letter by letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import html as lxml_html

from syndicator.errors import Invalid, Refused
from syndicator.model.item import Significance, Spokesperson
from syndicator.model.release import Embargo, Notice, NoticeKind
from syndicator.render.mail import compose_alarm, compose_notice, compose_sample
from syndicator.render.mail.parts import embargo_end
from tests.make import NOW
from tests.render.letters import (
    ADA,
    AROUND,
    EMBARGO,
    ENDS,
    PAGE,
    SENDER,
    SITE,
    SLOTS,
    TEXT,
    UNTIL,
    advance,
    every,
    notice,
    released,
    revised,
    words,
)
from tests.render.test_mail import HOSTILE, hrefs, parsed, seen

SORTS = "release correction withdrawal kill advance moved lifted cancelled sample alarm confirmation arabic".split()
ONE_OFF = ("sample", "alarm", "confirmation", "letter")
LISTED = [sort for sort in SORTS if not sort.startswith(ONE_OFF)]


@pytest.mark.parametrize("sort", SORTS)
def test_both_parts_of_every_letter_have_the_same_links(sort: str) -> None:
    """mail:MC1, mail:MC23 Text first, then HTML; each link is written out, absolute and none a shortener's."""
    message, text, page = parsed(every()[sort].merge(SLOTS))
    assert ["text/plain", "text/html"] == [part.get_content_type() for part in message.iter_parts()]
    assert {link for link in hrefs(page) if link not in text} == set()
    assert {link for link in hrefs(page) if not link.startswith("https://") and "@" not in link} == set()
    assert "slot" not in text + page


@pytest.mark.parametrize("sort", LISTED)
def test_every_letter_to_the_list_says_who_we_are_and_how_to_leave(sort: str) -> None:
    """mail:MC24 Postal address, who we are, why you get this, unsubscribe and preferences; in both parts."""
    message, text, page = parsed(every()[sort].merge(SLOTS))
    for part in (text, " ".join(seen(page).split())):
        for fact in (
            SITE.title,
            SENDER.postal,
            "Sent to Jane Doe <jane@paper.example>",
            "because that address",
        ):
            assert fact in part
    assert {SLOTS.unsubscribe_url, SLOTS.preferences_url} <= hrefs(page)
    assert f"<{SLOTS.unsubscribe_url}>" == message["List-Unsubscribe"]
    assert "List-Unsubscribe=One-Click" == message["List-Unsubscribe-Post"]


@pytest.mark.parametrize("sort", SORTS)
def test_every_letter_is_small_calm_and_at_home_in_the_dark(sort: str) -> None:
    """mail:MC21, mail:MC22 Below Gmail's 102 KB, 640 wide, language and direction said, nothing from elsewhere."""
    page = parsed(every()[sort].merge(SLOTS))[2]
    tree = lxml_html.document_fromstring(page)
    assert len(page.encode()) < 102_000
    assert (("ar", "rtl") if sort == "arabic" else ("en", "ltr")) == (tree.get("lang"), tree.get("dir"))
    assert tree.xpath("//script | //link | //iframe | //form | //@onclick") == []
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    widths = [node.get("width", "") for node in tree.iter()]
    assert max(int(width) for width in widths if width.isdecimal()) <= 640
    assert [image for image in tree.iter("img") if image.get("alt") is None] == []


@pytest.mark.parametrize("sort", ["advance", "sample", "moved"])
def test_what_is_under_embargo_says_so_first_of_all(sort: str) -> None:
    """mail:EM2 Subject and the first line of both parts: until when, in the zone typed and in UTC; a header for machines."""
    message, text, page = parsed(every()[sort].merge(SLOTS))
    ends = "Thursday 9 July 2026, 09:30 BST (08:30 UTC)" if sort == "moved" else ENDS
    assert message["Subject"].removeprefix("[TEST] ").startswith(f"EMBARGOED UNTIL {ends}")
    assert f"EMBARGOED UNTIL {ends}" == text.split("\n")[0]
    body = lxml_html.document_fromstring(page).find("body")
    assert body is not None
    assert "".join(map(str, body.itertext())).strip().startswith(f"EMBARGOED UNTIL {ends}")
    assert ("2026-07-09T08:30:00Z" if sort == "moved" else "2026-07-07T23:30:00Z") == message[
        "X-Embargo-Until"
    ]


@pytest.mark.parametrize("sort", sorted(set(SORTS) - {"advance", "sample", "moved"}))
def test_nothing_else_claims_an_embargo(sort: str) -> None:
    """mail:EM2 A header that machines obey stands where an embargo holds, and nowhere else."""
    assert parsed(every()[sort].merge(SLOTS))[0]["X-Embargo-Until"] is None


@pytest.mark.parametrize(
    ("instant", "zone", "expected"),
    [
        (UNTIL, "Europe/London", ENDS),
        (UNTIL, "UTC", "Tuesday 7 July 2026, 23:30 UTC"),
        (datetime(2026, 3, 2, 9, tzinfo=UTC), "Asia/Dubai", "Monday 2 March 2026, 13:00 UTC+04 (09:00 UTC)"),
        (datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC), "America/New_York",
         "Wednesday 31 December 2025, 19:00:05 EST (Thursday 1 January, 00:00:05 UTC)"),
        (datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))), "Europe/London",
         "Thursday 1 January 2026, 00:00 GMT (00:00 UTC)"),
    ],
)  # fmt: skip
def test_the_end_of_an_embargo_cannot_be_misread(instant: datetime, zone: str, expected: str) -> None:
    """mail:EM2 Weekday, date, time and zone, and the same in UTC, with the day where it is another."""
    assert expected == embargo_end(instant, zone)


def test_an_advance_holds_no_address_the_public_could_open() -> None:
    """mail:MC22 Pictures and files lead to the recipient's own page; the words are all there, and the reminder."""
    _, text, page = parsed(advance().merge(SLOTS))
    for part in (text, page):
        assert "/media/" not in part.replace(f"{PAGE}media/", "")
        assert "/items/" not in part
        assert "cdn.example" not in part
        assert "embargo agreement that you gave us" in part
    assert {PAGE, f"{PAGE}media/pictureXY.png", f"{PAGE}embargo.ics"} <= hrefs(page)
    tree = lxml_html.document_fromstring(page)
    assert tree.xpath("//img") == []
    links = {"".join(map(str, a.itertext())): a.get("href") for a in tree.iter("a")}
    assert (PAGE, PAGE, PAGE) == (links["[picture: A chart of the cuts]"], links["on file"], links["Film"])
    assert "Chart (412 kB)" in text
    assert "[picture: A chart of the cuts]" in text


def test_a_picture_within_a_link_gives_nothing_away() -> None:
    """mail:MC22 A picture that links to its larger self is one link to the recipient's own page."""
    body = '<p><a href="https://news.example/media/bigXY.png"><img src="https://o.example/s.png" alt="A map"></a> x</p>'
    page = parsed(advance(words(body=body)).merge(SLOTS))[2]
    assert not {"bigXY", "o.example"} & {word for word in ("bigXY", "o.example") if word in page}
    assert [PAGE] == [a.get("href") for a in lxml_html.document_fromstring(page).iter("a") if "A map" in "".join(map(str, a.itertext()))]  # fmt: skip


def test_a_sample_is_marked_and_links_no_file() -> None:
    """mail:EM2 A test says TEST in subject and text, unsubscribes nobody and names files without their addresses."""
    message, text, page = parsed(every()["sample"].merge(replace(SLOTS, unsubscribe_url="", press_url="")))
    assert message["Subject"].startswith("[TEST] EMBARGOED UNTIL")
    assert [name for name in message if name.startswith(("List-", "Precedence", "Feedback"))] == []
    assert "TEST: A sample, for looking at only." in text
    advanced = parsed(advance().merge(SLOTS))
    for part, same in ((text, advanced[1]), (page, advanced[2])):
        assert "Nobody else" not in part
        assert "Until it ends, do not publish, broadcast, post or pass on any of this" in part
        assert "Until it ends, do not publish, broadcast, post or pass on any of this" in same
    assert "/media/" not in text + page
    assert "[picture: A chart of the cuts]" in text
    public, *_ = parsed(compose_sample(words(), None, **AROUND).merge(SLOTS))
    assert "[TEST] Warning on a draft budget" == public["Subject"]
    assert public["X-Embargo-Until"] is None
    assert "Under embargo" not in "".join(parsed(compose_sample(words(), None, **AROUND).merge(SLOTS))[1:])


def test_an_advance_needs_an_embargo() -> None:
    """mail:EM1 Without an embargo there is nothing to send in advance: refused in words."""
    with pytest.raises(Refused, match="no embargo"):
        advance(embargo=None)


def test_an_advance_after_a_move_says_the_new_instant() -> None:
    """mail:EM3 The instant is the release's own, not that of the version when it was written."""
    later = Embargo(until=UNTIL + timedelta(days=1), zone="Europe/London")
    text = parsed(advance(embargo=later).merge(SLOTS))[1]
    assert "EMBARGOED UNTIL Thursday 9 July 2026, 00:30 BST" in text
    assert "Tuesday 7 July" not in text


@pytest.mark.parametrize(
    ("sort", "subject", "told"),
    [
        ("moved", "EMBARGOED UNTIL Thursday 9 July 2026, 09:30 BST (08:30 UTC) (moved): ", [f"It was: {ENDS}", "It is now: Thursday 9 July", "The journal asked for it."]),
        ("lifted", "EMBARGO LIFTED: ", ["you may publish now", f"It would have ended: {ENDS}"]),
        ("cancelled", "CANCELLED, DO NOT USE: ", ["Do not use it"]),
    ],
)  # fmt: skip
def test_notices_say_what_became_of_the_embargo(sort: str, subject: str, told: list[str]) -> None:
    """mail:EM3 Moved: old and new instant; lifted; cancelled. In the thread of the advance, without its words."""
    message, text, page = parsed(every()[sort].merge(SLOTS))
    assert f"{subject}Warning on a draft budget" == message["Subject"]
    assert "<earlier@news.example>" == message["In-Reply-To"] == message["References"]
    for part in (text, " ".join(seen(page).split())):
        for fact in told:
            assert fact in part
        assert "basic research" not in part
    assert (sort != "cancelled") == (PAGE in text)
    assert (sort == "moved") == (f"{PAGE}embargo.ics" in text)


def test_an_embargo_given_up_before_the_release_is_no_leave_to_publish() -> None:
    """mail:EM3 An embargo without an end, or whose end came before the release, does not say "you may publish"."""
    message, text, _ = parsed(notice(NoticeKind.MOVED, None).merge(SLOTS))
    assert message["Subject"].startswith("HOLD, DO NOT USE YET: ")
    assert "Please hold this release: it is not out." in text
    assert f"It would have ended: {ENDS}" in text
    assert "may publish now" not in text
    told = Notice(number=2, kind=NoticeKind.MOVED, before=None, after=UNTIL, created=NOW)
    text = parsed(compose_notice(released(), told, **AROUND).merge(SLOTS))[1]
    assert f"It is now: {ENDS}" in text
    assert "It was" not in text


def test_a_correction_shows_what_changed() -> None:
    """mail:EM4 Sentence by sentence, marked in HTML and said in words in the text; cleaned once more."""
    message, text, page = parsed(every()["correction"].merge(SLOTS))
    tree = lxml_html.document_fromstring(page)
    assert "CORRECTION: Warning on a draft budget" == message["Subject"]
    assert [
        ["The draft would cut basic research by 40 %."],
        ["The draft would cut basic research by 30 %."],
    ] == [[node.text for node in tree.iter(tag)][:1] for tag in ("del", "ins")]
    assert (
        "* Before: The draft would cut basic research by 40 %. Now: The draft would cut basic research by 30 %."
        in text
    )
    assert text.index("30 %, not 40 %.") < text.index("Before:") < text.index("THE CORRECTED TEXT")
    evil = '<ul><li onclick="x">a<script>b</script></li></ul>'
    page = parsed(revised(Significance.CORRECTION, marked=evil).merge(SLOTS))[2]
    assert "onclick" not in page
    assert "<script" not in page


def test_a_long_difference_ends_on_the_page_of_the_item() -> None:
    """mail:MC22 A correction of a thousand sentences is shown as far as a mail goes."""
    marked = "<ul>" + "".join(f"<li>Added: <ins>Sentence {n}.</ins></li>" for n in range(5000)) + "</ul>"
    page = parsed(revised(Significance.CORRECTION, marked=marked).merge(SLOTS))[2]
    assert len(page.encode()) < 102_000
    assert "Sentence 100." in page
    assert 'href="https://news.example/items/a-statement"' in page


@pytest.mark.parametrize("sort", ["kill", "withdrawal", "cancelled"])
def test_what_was_taken_back_is_not_said_again(sort: str) -> None:
    """mail:EM5 Not a word but the headline: no kicker, no dek, no body, no paper, no file."""
    _, text, page = parsed(every()[sort].merge(SLOTS))
    for killed in (
        "Science policy",
        "Parliament",
        "basic research",
        "Twelve",
        "doi.org",
        "Chart",
        "media/",
        "film",
    ):
        assert killed not in text + page
    assert "Warning on a draft budget" in text


def test_struck_words_are_marked_in_the_text_part() -> None:
    """mail:MC1 Words an author struck out do not read as said, where there is no line through them."""
    text = parsed(every()["release"].merge(SLOTS))[1]
    assert "[-Ten-] Twelve laboratories" in text
    kept = parsed(
        revised(Significance.FIRST, words(body="<p><del>a <b>c</b></del> d <ins>b</ins></p>")).merge(SLOTS)
    )
    assert "[-a c-] d {+b+}" in kept[1]


def test_whom_to_ask_and_when() -> None:
    """mail:MC1 Kicker, dek, paper, files with sizes, the spokesperson's hours and zone and the stand-in: in both parts."""
    _, text, page = parsed(every()["release"].merge(SLOTS))
    for part in (text.lower(), " ".join(seen(page).split()).lower()):
        for fact in ("Science policy", "Parliament should", "doi.org/10.5555/12345678", "Chart (412 kB)", "Film (9.9 MB)", "Ada Okafor, Chief scientist", "Mon–Fri 9–17 (Europe/London)", "Stand-in", "Bo Brandt", "+49 228 1", "Mon–Thu 9–15 (Europe/Berlin)"):  # fmt: skip
            assert fact.lower() in part


def test_an_alarm_is_short_and_plain() -> None:
    """operations: what is wrong and what to do, to those who work here."""
    message, text, _ = parsed(every()["alarm"].merge(SLOTS))
    assert "[ALARM] A release is not approved" == message["Subject"]
    assert "It is due in 2 hours.\n\nApprove it." in text
    assert message["List-Id"] is None


LIFTED = Notice(number=1, kind=NoticeKind.LIFTED, before=UNTIL, after=NOW, created=NOW)


def made_by(person: Spokesperson) -> None:
    compose_sample(words(), EMBARGO, site=SITE, sender=SENDER, topics=[], spokesperson=person)


@pytest.mark.parametrize("evil", HOSTILE)
def test_nothing_typed_breaks_a_header_of_these_letters(evil: str) -> None:
    """mail:MC20 Titles, names and addresses that would break a header are refused, in every sort of letter."""
    with pytest.raises(Invalid, match="Subject"):
        advance(words(title=evil))
    with pytest.raises(Invalid, match="Subject"):
        compose_sample(words(title=evil), EMBARGO, **AROUND)
    with pytest.raises(Invalid, match="name in Reply-To"):
        made_by(replace(ADA, name=evil))
    for field, changed in (
        ("name in From", {"sender": replace(SENDER, name=evil)}),
        ("the sender's address", {"sender": replace(SENDER, address=f"{evil}@news.example")}),
        ("name in List-Id", {"site": replace(SITE, title=evil)}),
    ):
        with pytest.raises(Invalid, match=f"{field}|address"):
            compose_notice(released(), LIFTED, **{**AROUND, **changed})  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="press_url"):
        every()["advance"].merge(replace(SLOTS, press_url=evil))


def test_what_stands_in_the_text_alone_may_hold_anything() -> None:
    """mail:MC6, mail:MC20 Controls and overrides in other fields end as text, seven bits and whole lines."""
    odd = "a\r\n.\r\nBcc: x@e.example\0\u202e\u2028\x85 <b>&amp;"
    said = words(kicker=odd, dek=odd, rights=odd, paper=odd, summary=odd)
    for made in (
        revised(Significance.CORRECTION, said, note=odd),
        advance(said),
        notice(NoticeKind.LIFTED, NOW, odd),
    ):
        message, _, page = parsed(made.merge(SLOTS))
        assert "Bcc" not in message
        assert lxml_html.document_fromstring(page).xpath("//b") == []
    odd_alarm = compose_alarm("Odd", odd, site=SITE, sender=SENDER)
    assert "Bcc" not in parsed(odd_alarm.merge(SLOTS))[0]


def test_five_megabytes_become_a_mail_in_no_time() -> None:
    """mail:MC22 A text of any length gives a mail below the limit, and says where the rest is."""
    long = "<p>" + "word " * 40 + "</p>"
    for body in (long * 24_000, f"<p>{'word ' * 1_000_000}</p>"):
        message = advance(words(body=body)).merge(SLOTS)
        assert len(message) < 400_000
        assert f"All of it on your own page: {PAGE}" in parsed(message)[1]


def test_the_text_is_what_was_written() -> None:
    """mail:MC1 The words of the body stand in both parts of an advance, links as footnotes in the text."""
    _, text, page = parsed(advance().merge(SLOTS))
    assert "The draft would cut basic research [1] by 40 %." in text
    assert "[1] https://example.org/budget?year=2026&v=2" in text
    assert "The draft would cut basic research by 40 %." in seen(page)
    assert TEXT.count("310") == text.count("310") == 1


def test_what_has_no_headline_and_what_has_a_long_one() -> None:
    """mail:MC6, mail:EM5 The first words stand in for a headline, but not in a notice; a subject ends at 300 characters."""
    bare = words(title="", summary="In short: cuts.", dek="")
    assert "In short: cuts." == parsed(revised(Significance.FIRST, bare).merge(SLOTS))[0]["Subject"]
    message, text, page = parsed(revised(Significance.KILL, bare).merge(SLOTS))
    assert "KILL: (without a headline)" == message["Subject"]
    assert "In short" not in text + page
    long = "Budget cut " * 1000
    message, text, _ = parsed(advance(words(title=long)).merge(SLOTS))
    assert len(message["Subject"]) <= 300
    assert message["Subject"].startswith(f"EMBARGOED UNTIL {ENDS}: Budget cut")
    assert long.strip() in text
