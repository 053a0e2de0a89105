"""How deep HTML is told to be: never too small, and just where it is well formed."""

import pytest

from syndicator.model.nesting import MAX_DEPTH, too_deep


@pytest.mark.parametrize(
    "unit",
    [
        "<p>Words",
        "<p>Words</p><hr><br/>",
        "<ul><li>One<li><p>Two</ul>",
        "<dl><dt>One<dd>Two<dt>Three</dl>",
        "<table><tr><td>One<td>Two</table>",
        "<DIV><b>One</B></div>",
        "<!-- <div> --><!-->",
        "<style><!-- a --></style>",
        "<a title='<b>' href=https://x.example/>One</a >",
    ],
)
def test_what_is_beside_each_other_is_not_deep(unit: str) -> None:
    """security:X1: a long text is no deep one, however many tags HTML lets it leave out."""
    assert not too_deep(unit * 1_000)


def test_the_limit() -> None:
    """security:X1: a hundred elements within each other are taken, one more is not."""
    assert [False, True] == [too_deep("<div>" * n + "</div>" * n) for n in (MAX_DEPTH, MAX_DEPTH + 1)]


@pytest.mark.parametrize(
    "unit",
    [
        "<div>",
        "<div><!-- </div> -->",
        "<div title='</div>'>",
        "<div><table><td></div></table>",
        "<span><li></span>",
        "<li><dd>",
        "<b><i></b>",
        "<svg><![CDATA[></svg>]]>",
        "<style><!-- </style><div>-->",
        "<l\u0131nk>",
        "<d\u00a0>",
    ],
)
def test_no_trick_hides_what_is_open(unit: str) -> None:
    """security:X1: an end that some parser does not see or obey ends nothing."""
    assert too_deep(unit * 1_000)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["<a ", "<!--", "<script><!--", "<a b='>", "<a =", "</", "<", "<p>"])
def test_a_scan_takes_linear_time(unit: str) -> None:
    """security:X1: millions of characters of broken tags are read in a second or so."""
    assert too_deep(unit * 1_000_000) in {True, False}
