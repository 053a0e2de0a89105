"""Log lines: no whole mail address is in one, whoever wrote it there."""

import io

import pytest

from syndicator.observe import configure_logging, logger, masked


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("jane@paper.example", "j…@paper.example"),
        ("ü@x.example", "ü…@x.example"),
        ("@x.example", "…@x.example"),
    ],
)
def test_an_address_is_its_first_letter_and_its_domain(whole: str, short: str) -> None:
    """security:D6 enough to find a domain's trouble, too little to know a person."""
    assert short == masked(whole)


@pytest.mark.parametrize("json", [True, False])
def test_no_line_holds_an_address(json: bool) -> None:  # noqa: FBT001 - both ways to write
    """security:D6: in the words of a server, in a list, in a traceback."""
    out = io.StringIO()
    configure_logging(out, json=json)
    said = "550 5.1.1 <jane.doe@paper.example>: unknown; see mailto:Jane.Doe@PAPER.example?x"
    try:
        raise ValueError(said)
    except ValueError:
        logger("test").exception("refused", detail=said, whom=["jane.doe@paper.example", 3], more={"a": said})
    words = out.getvalue().lower()
    assert "jane.doe" not in words
    assert 7 == words.count("@paper.example")
    assert "550 5.1.1" in words
