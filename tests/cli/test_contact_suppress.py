"""`contact suppress`, `unsuppress` and `suppressions`: whom not to mail, by hand."""

from __future__ import annotations

from tests.cli.program import InProcess

JANE = "jane@paper.example"


def test_reasons_scopes_and_ends(lite: InProcess) -> None:
    """mail:LM10, security:R6 An address or a domain, for good or until; a stronger reason takes a weaker one's place."""
    lite("contact", "add", JANE)
    lite("contact", "suppress", JANE, "--reason", "holidays", "--until", "2099-01-01T00:00:00Z")
    lite("contact", "suppress", "@Radio.Example", "--reason", "their lawyer", "--as", "legal")
    assert "holidays" == lite.json("contact", "show", JANE)["suppressed"]
    lite("contact", "add", "max@radio.example")
    assert "their lawyer" == lite.json("contact", "show", "max@radio.example")["suppressed"]
    lite("contact", "suppress", JANE, "--reason", "rang us, angry", "--as", "complaint")
    listed = {one["who"] or one["key"]: one for one in lite.json("contact", "suppressions")}
    assert {"j…@paper.example", "@radio.example"} == set(listed)
    assert ("complaint", "rang us, angry", "staff", None) == tuple(
        listed["j…@paper.example"][name] for name in ("reason", "words", "source", "expires")
    )
    assert JANE not in lite("contact", "suppressions")


def test_lasting_ones_are_lifted_on_purpose_alone(lite: InProcess) -> None:
    """mail:LM10 Exit 6 and a way out; what was done stands in the audit, without the address."""
    lite("contact", "suppress", JANE, "--as", "legal")
    refused = lite.try_("contact", "unsuppress", JANE)
    assert (6, True) == (refused.code, "--lasting" in refused.err)
    assert "may be mailed again" in lite.try_("contact", "unsuppress", JANE, "--lasting").err
    acts = [one for one in lite.json("audit", "list") if one["act"].startswith("contact.")]
    assert ["contact.suppress", "contact.unsuppress"] == sorted(one["act"] for one in acts)
    assert JANE not in str(acts)


def test_what_cannot_be_is_refused_in_words(lite: InProcess) -> None:
    """mail:LM10 A sort nobody knows, an end that a sort has not, a domain that is none: exit 2, one line."""
    for words, said in (
        ([JANE, "--as", "boring"], "unknown sort"),
        ([JANE, "--as", "erased"], "contact erase"),
        ([JANE, "--as", "legal", "--until", "2099-01-01T00:00:00Z"], "never ends"),
        ([JANE, "--until", "2001-01-01T00:00:00Z"], "gone by"),
        (["@"], "no mail address"),
        (["jane"], "no mail address"),
        (["zeitung2.example"], "for a domain: @zeitung2.example"),
    ):
        refused = lite.try_("contact", "suppress", *words)
        assert (2, True) == (refused.code, said in refused.err), refused
    assert "erased" not in lite.try_("contact", "suppress", JANE, "--as", "boring").err
