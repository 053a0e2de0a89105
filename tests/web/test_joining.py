"""The sign-up form over HTTP: one answer for every address, faults in the form's own words, no act by a GET."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from syndicator import signup
from syndicator.model.audience import SubscriptionState, address
from syndicator.model.joining import Terms, Wish
from syndicator.model.suppression import Reason
from syndicator.signup import Visit
from syndicator.store import Store, audience, deliveries, evidence, letters, suppressions
from tests.make import make_subscription
from tests.web.served import SITE, TOKENS, Reply, Running, add_item, lasting_store, running

TYPED = {
    "name": "Jane",
    "outlet": "Paper",
    "zone": "Europe/Paris",
    "topics": "policy",
    "cadence": "daily",
    "consent": "yes",
}
STATES = ["new", "pending", "active", "ended", "domain", "asked", "trapped", "invalid", "crowd", *Reason]
KIND = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def store(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A newsroom with two topics, and somebody in each state an address can be in."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        for slug in ("policy", "funding"):
            add_item(store, slug.title(), topics=(slug,))
        with store.begin() as tx:
            make_subscription(tx, "jane@pending.example", consent=None)
            make_subscription(tx, "jane@active.example")
            audience.end(tx, make_subscription(tx, "jane@ended.example").id, "unsubscribed")
            suppressions.suppress_domain(tx, "domain.example", Reason.MANUAL)
            for reason in Reason:
                suppressions.suppress(tx, address(f"jane@{reason}.example"), reason)
            wish = Wish(address="jane@asked.example", topics=("policy",))
            signup.join(tx, wish, Visit(), Terms())
        yield store


@pytest.fixture(scope="module")
def web(store: Store) -> Iterator[Running]:
    """A web process behind a proxy it trusts, so that each test is a visitor of its own."""
    terms = Terms(privacy_url="https://news.example/privacy", per_domain=2)
    with running(store, trusted_proxies=["127.0.0.0/8"], terms=terms) as web:
        yield web


def send(web: Running, network: str = "198.51.100.7", **typed: str) -> Reply:
    """Send the form off as a browser does."""
    fields = {**TYPED, "email": "jane@example.org", "website": "", **typed}
    return web.ask(
        "/media-list", "POST", urlencode(fields).encode(), Content_Type=KIND, X_Forwarded_For=network
    )


def owed(store: Store) -> int:
    """How many deliveries there are."""
    with store.read() as tx:
        return len(deliveries.listing(tx))


def newest(store: Store) -> str:
    """The token in the letter planned last."""
    with store.read() as tx:
        about = letters.by_id(tx, int(deliveries.listing(tx)[-1].subject.rpartition("/")[2]))
    assert about is not None
    return TOKENS.request_token(about.about or 0)


def test_the_same_answer_for_everybody(web: Running, store: Store) -> None:
    """mail:LM1 security:R1 status, headers and bytes are the same for every state of an address, and for a filled trap."""
    for n in range(2):
        send(web, f"203.0.{n}.1", email=f"x{n}@crowd.example")
    before = owed(store)
    replies = {
        state: send(web, f"10.0.{n}.1", email=f"jane@{state}.example", website="x" * (state == "trapped"))
        for n, state in enumerate(STATES)
    }
    # New, pending, ended, who had left, and a domain that is none are asked; who is on the list is told.
    assert 6 == owed(store) - before
    first = replies["new"]
    assert (200, "no-store") == (first.status, first.headers["cache-control"])
    for state, reply in replies.items():
        assert (first.status, first.body) == (reply.status, reply.body), state
        assert {**first.headers, "date": ""} == {**reply.headers, "date": ""}, state
    assert "example" not in re.sub(r"news\.example|Society of Example", "", first.text)


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"email": ""}, "email", "Enter your mail address."),
        ({"email": "jane"}, "email", "This is no mail address"),
        ({"email": "jane@paper"}, "email", "This is no mail address"),
        ({"email": '"quoted local"@example.org'}, "email", "This is no mail address"),
        ({"email": "jane@[192.0.2.1]"}, "email", "This is no mail address"),
        ({"email": "jane@example.org\r\nBcc: all@example.org"}, "email", "This is no mail address"),
        ({"email": f"{'j' * 300}@example.org"}, "email", "This is no mail address"),
        ({"name": "x" * 201}, "name", "at most 200"),
        ({"outlet": "\u202eevil"}, "outlet", "plain characters"),
        ({"topics": "nothing-like-it"}, "topics", "Choose at least one topic."),
        ({"cadence": "hourly"}, "cadence", "Choose how often."),
        ({"consent": "no"}, "consent", "Tick the box"),
    ],
)
def test_faults_of_the_form(
    web: Running, store: Store, typed: dict[str, str], field: str, words: str
) -> None:
    """operations:PW9 what is wrong stands at its field, read with it, with what was typed; nobody is mailed."""
    before = owed(store)
    reply = send(web, "10.1.0.1", **typed)
    assert (422, "no-store") == (reply.status, reply.headers["cache-control"])
    (fault,) = re.findall(rf'<p class="fault" id="{field}-fault">(.*?)</p>', reply.text)
    assert words in fault
    assert re.search(rf'id="{field}"[^>]* aria-describedby="{field}-fault', reply.text)
    assert 'role="alert"' in reply.text
    assert before == owed(store)


def test_faults_do_not_depend_on_the_list(web: Running) -> None:
    """mail:LM1 a fault says the same of a known address as of an unknown one."""
    replies = [send(web, "10.2.0.1", email=f"jane@{who}.example", consent="") for who in ("active", "nobody")]
    texts = [
        one.text.replace("jane@active.example", "").replace("jane@nobody.example", "") for one in replies
    ]
    assert texts[0] == texts[1]


def test_what_was_typed_is_only_words(web: Running) -> None:
    """security:H1 typed HTML comes back as text, at its place."""
    text = send(
        web, "10.3.0.1", name='"><script>alert(1)</script>', consent="", country="DE", zone="Asia/Tokyo"
    ).text
    assert "<script>alert" not in text
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in text
    assert '<option value="DE" selected>' in text
    assert '<option value="Asia/Tokyo" selected>' in text
    assert 'name="topics" value="policy" checked' in text
    assert "data-guess" not in text  # a zone that was chosen is not guessed anew


def test_the_form_itself(web: Running) -> None:
    """operations:PW9 mail:LM4 labels, the wording with its version, the way to the privacy notice, a trap nobody is told of."""
    reply = web.ask("/media-list")
    text = reply.text
    assert 200 == reply.status
    fields = set(re.findall(r'<(?:input|select)[^>]* id="([a-z]+)"', text))
    assert fields <= set(re.findall(r'<label for="([a-z]+)"', text)) | {"consent"}
    assert {"email", "name", "outlet", "country", "language", "zone", "consent", "website"} == fields
    assert "I want to receive news of the topics I chose by mail." in text
    assert "Wording 1." in text
    assert 'href="https://news.example/privacy"' in text
    assert re.search(
        r'<div class="unseen" aria-hidden="true"><label for="website">Leave this empty</label>', text
    )
    assert re.search(r'name="website"[^>]* tabindex="-1" autocomplete="off"', text)
    assert '<option value="Europe/London" selected>London<' in text  # as the preferences call it
    assert [] == re.findall(r"captcha|recaptcha", text)


def test_a_page_of_another_site(web: Running, store: Store) -> None:
    """security:H4 a form that another site sends in a visitor's name is not taken."""
    before = owed(store)
    body = urlencode({**TYPED, "email": "jane@cross.example"}).encode()
    reply = web.ask(
        "/media-list",
        "POST",
        body,
        Content_Type=KIND,
        Sec_Fetch_Site="cross-site",
        X_Forwarded_For="10.4.0.1",
    )
    assert 403 == reply.status
    assert "the page of another site" in reply.text
    assert before == owed(store)


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        (413, b"x=" + b"a" * 70_000),
        (413, b"&".join([b"topics=a"] * 1500)),
        (422, b"\xff\xfe%zz&=&&%00"),
        (422, b""),
    ],
)
def test_what_is_no_form(web: Running, expected: int, body: bytes) -> None:
    """security:R5 too long, too many fields, rubbish: a clear answer, and no fault of ours."""
    reply = web.ask("/media-list", "POST", body, Content_Type=KIND, X_Forwarded_For="10.5.0.1")
    assert expected == reply.status
    assert '<form class="form"' in reply.text


def test_knocking_too_often(store: Store) -> None:
    """security:R2 whoever sends form after form waits, by their network and not by any address; others do not."""
    with running(store, trusted_proxies=["127.0.0.0/8"]) as web:
        knocks = [web.ask("/media-list", "POST", b"", X_Forwarded_For=f"10.6.0.{n}") for n in range(30)]
        assert {422} == {one.status for one in knocks}
        while knocks[-1].status != 429:  # one more is let through each two seconds
            knocks.append(web.ask("/media-list", "POST", b"", X_Forwarded_For="10.6.0.250"))
        assert 0 < int(knocks[-1].headers["retry-after"]) <= 60
        assert 422 == web.ask("/media-list", "POST", b"", X_Forwarded_For="10.7.0.1").status


def test_closed(store: Store) -> None:
    """A list that nobody can join by themselves says whom to write to, and takes no form."""
    with running(store, terms=Terms(open=False)) as web:
        page = web.ask("/media-list")
        assert (200, False) == (page.status, "<form" in page.text)
        assert "Write to" in page.text
        before = owed(store)
        assert 422 == send(web).status
        assert before == owed(store)


def test_the_link_in_the_mail(web: Running, store: Store) -> None:
    """mail:LM2 mail:LM3 security:D7 GET shows, a hundred times; POST confirms; evidence has the network the trusted proxy named."""
    send(web, "10.8.0.1", email="jane@link.example")
    path = f"/media-list/confirm/{newest(store)}"
    looks = [web.ask(path, method) for method in ("GET", "HEAD") * 20]
    assert {200} == {one.status for one in looks}
    assert "Policy" in looks[0].text
    assert "Once a day" in looks[0].text
    assert "Jane" not in looks[0].text  # what a stranger typed is not shown
    with store.read() as tx:
        assert "jane@link.example" not in [one.address.typed for one in audience.contacts(tx)]
    done = [
        web.ask(path, "POST", b"", X_Forwarded_For="203.0.113.200", User_Agent="Browser") for _ in range(2)
    ]
    assert [200, 200] == [one.status for one in done]
    assert done[0].body == done[1].body
    with store.read() as tx:
        contact = audience.contact(tx, address("jane@link.example"))
        (one,) = audience.subscriptions(tx, contact.id)
        proof = evidence.of_contact(tx, contact.id)
    assert (SubscriptionState.ACTIVE, "Europe/Paris") == (one.state, contact.zone)
    assert [("10.8.0.0/24", None), (None, None), ("203.0.113.0/24", "Browser")] == [
        (e.network, e.agent) for e in proof
    ]
    preferences = re.findall(r'href="(/media-list/preferences/[^"]+)"', done[0].text)
    assert 200 == web.ask(preferences[0]).status
    for reply in (*looks, *done):
        assert ("no-store", "no-referrer") == (
            reply.headers["cache-control"],
            reply.headers["referrer-policy"],
        )
        assert "noindex" in reply.headers["x-robots-tag"]


def test_links_that_open_nothing(web: Running) -> None:
    """security:R3 forged, cut and unknown links are over: the same words for all of them, by GET and by POST."""
    token = TOKENS.request_token(1)
    bad = (
        "x",
        token[:-1],
        token[2:],
        TOKENS.request_token(4711),
        TOKENS.preferences_token(1),
        "9" * 400,
        "%00",
    )
    replies = [web.ask(f"/media-list/confirm/{one}", method) for one in bad for method in ("GET", "POST")]
    assert {410} == {one.status for one in replies}
    assert 1 == len({one.body for one in replies})


def test_strangers_do_not_get_the_write_lock(web: Running, store: Store) -> None:
    """security:R5 while somebody writes, a link nobody ever made and a form with faults are answered at once."""
    with store.begin() as tx:
        suppressions.suppress(tx, address("other@example.net"), Reason.MANUAL)
        assert 410 == web.ask("/media-list/confirm/1.0.nobody", "POST").status
        assert 422 == send(web, "10.9.0.1", consent="").status


def test_the_site_does_not_say_who_is_trusted(store: Store) -> None:
    """mail:LM3 a visitor's own X-Forwarded-For is not believed where no proxy is trusted."""
    with running(store, SITE) as web:
        send(web, "192.0.2.1", email="jane@forged.example")
    with store.begin() as tx:
        signup.confirm(tx, TOKENS, newest(store))
        contact = audience.contact(tx, address("jane@forged.example"))
        assert [None] * 3 == [one.network for one in evidence.of_contact(tx, contact.id)]
