"""`contact accredit`: requests, a yes, a no, a new link."""

from syndicator.model.audience import address
from syndicator.model.joining import Terms
from syndicator.runtime import clock
from syndicator.signup import Visit, accrediting
from syndicator.store import Store, audience, deliveries, evidence, letters, open_store
from tests.cli.program import KEY, InProcess

LOTS = ("--reason", "we do not know you")


def opened(cli: InProcess) -> Store:
    """The store the commands work on."""
    return open_store(cli.env["SYNDICATOR_STORE__URL"], host_clock=clock, keys=lambda: (KEY,))


def asks(cli: InProcess, mail: str, words: str = "Staff writer") -> None:
    """Somebody on the list asks to be accredited, by the form."""
    cli("contact", "add", mail, "--name", "Jane", "--outlet", "Paper")
    with opened(cli) as store, store.begin() as tx:
        contact = audience.contact(tx, address(mail))
        assert accrediting.apply(tx, contact, words, Visit(ip="203.0.113.9"), Terms(), ["desk@news.example"])
        assert not accrediting.apply(tx, contact, "again", Visit(), Terms(), ["desk@news.example"])


def sorts(cli: InProcess) -> list[tuple[str, str]]:
    """To whom which letters are owed."""
    with opened(cli) as store, store.read() as tx:
        rows = sorted(deliveries.listing(tx), key=lambda row: row.id)
        owed = [(row.recipient, letters.by_id(tx, int(row.subject.rpartition("/")[2]))) for row in rows]
    return [(to, one.sort.value) for to, one in owed if one]


def test_a_yes_to_a_request(cli: InProcess) -> None:
    """mail:LM20 a person grants, by the agreement the form holds; the request is closed, and they are told."""
    asks(cli, "jane@paper.example")
    (waits,) = cli.json("contact", "accredit", "--requests")
    assert ("jane@paper.example", "Paper", "Staff writer") == (
        waits["email"],
        waits["outlet"],
        waits["words"],
    )
    made = cli.json(
        "contact", "accredit", "jane@paper.example", "--until", "2099-01-01T00:00:00Z", "--by", "ana"
    )
    assert made["accredited"]
    (accreditation,) = made["accreditations"]
    assert accreditation["agreement"].startswith("the agreement of the form (wording 1), on ")
    assert "ana" == accreditation["granted_by"]
    assert [] == cli.json("contact", "accredit", "--requests")
    assert [("desk@news.example", "applied"), ("jane@paper.example", "granted")] == sorts(cli)


def test_what_they_agreed_to_is_kept(lite: InProcess) -> None:
    """mail:LM3 security:D7 the agreement's words are evidence, with the network they came from."""
    asks(lite, "jane@paper.example")
    with opened(lite) as store, store.read() as tx:
        (proof,) = evidence.of_contact(tx, audience.contact(tx, address("jane@paper.example")).id)
        words = evidence.wording_of(tx, proof.consent or "")
    assert ("applied", "203.0.113.0/24", "accreditation/1") == (proof.act, proof.network, proof.form)
    assert words == Terms().agreement


def test_a_no_to_a_request(lite: InProcess) -> None:
    """mail:LM20 a no needs a reason, which they are told; without a request there is nothing to say no to."""
    asks(lite, "jane@paper.example")
    lite("contact", "accredit", "jane@paper.example", "--deny", code=2)
    lite("contact", "accredit", "jane@paper.example", "--deny", *LOTS)
    assert ("jane@paper.example", "denied") == sorts(lite)[-1]
    assert not lite.json("contact", "show", "jane@paper.example")["accredited"]
    lite("contact", "accredit", "jane@paper.example", "--deny", *LOTS, code=6)


def test_staff_accredits_without_a_request(lite: InProcess) -> None:
    """mail:LM20 whoever did not ask is accredited by an agreement staff knows of, and needs one; no letter goes out."""
    lite("contact", "add", "jane@paper.example")
    lite("contact", "accredit", "jane@paper.example", code=2)
    lite("contact", "accredit", "jane@paper.example", "--agreement", "signed 2 March")
    assert [] == sorts(lite)


def test_a_new_link(lite: InProcess) -> None:
    """security:I6 a link that was passed on is made void, and a new one mailed; who is not accredited has none."""
    lite("contact", "add", "jane@paper.example")
    lite("contact", "accredit", "jane@paper.example", "--renew-link", code=6)
    lite("contact", "accredit", "jane@paper.example", "--agreement", "signed 2 March")
    lite("contact", "accredit", "jane@paper.example", "--renew-link")
    assert [("jane@paper.example", "granted")] == sorts(lite)
    with opened(lite) as store, store.read() as tx:
        assert 1 == audience.contact(tx, address("jane@paper.example")).press_generation


def test_options_that_do_not_belong_together(lite: InProcess) -> None:
    """Three things at once, or nobody named: the command says what to choose."""
    lite("contact", "add", "jane@paper.example")
    lite("contact", "accredit", code=2)
    lite("contact", "accredit", "jane@paper.example", "--end", "--deny", *LOTS, code=2)
    lite("contact", "accredit", "jane@paper.example", "--deny", "--until", "2099-01-01", *LOTS, code=2)
