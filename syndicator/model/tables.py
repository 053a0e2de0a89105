"""Tables as text: which would fill far more than they say, and are read line by line instead.

As text every cell is as wide as its column and as high as its row, so that one line of a hundred thousand
characters above ten thousand short ones is a billion blanks (delivery-and-security X3). Pure; asked by whoever
makes text of HTML (`model.markup`, mail).
"""

from __future__ import annotations

from lxml.html import HtmlElement

MOST = 10**7  # characters that the tables of one text may fill, blanks included
MOST_CELLS = 10**6  # rows times columns of one table
GAP = 2  # blanks between two columns
SPREAD = 3  # lines of a block: its own, and one before and after it

_PARTS = ("table", "thead", "tbody", "tfoot", "tr", "caption")
_CELLS = ("td", "th")
_BLOCKS = (
    "br div p li dt dd h1 h2 h3 h4 h5 h6 hr pre tr ul ol dl blockquote figure figcaption caption".split()
)


def unfold(tree: HtmlElement) -> None:
    """Make plain lines of the tables in `tree` that would fill too much, each row a block of its own."""
    left = MOST
    for table in [*tree.iter("table")]:
        if table.tag != "table":
            continue  # it lay in one that is unfolded
        filled = _filled(table)
        if filled > left:
            _line_by_line(table)
        else:
            left -= filled


def _filled(table: HtmlElement) -> int:
    """How many characters it would take at most; one too many where it has too many cells."""
    widths: list[int] = []
    rows = [*table.iter("tr")] or [table]  # with those of tables within: it is never told too small
    height = 0
    for row in rows:
        cells = [cell for cell in row if cell.tag in _CELLS]
        widths += [0] * (len(cells) - len(widths))
        for column, cell in enumerate(cells):
            widths[column] = max(widths[column], _width(cell))
        height += max(map(_height, cells), default=1)
    few = len(rows) * len(widths) <= MOST_CELLS
    return height * (sum(widths) + GAP * len(widths)) if few else MOST + 1


def _width(cell: HtmlElement) -> int:
    within = sum(1 for _ in cell.iter(*_CELLS))
    pictures = sum(len(picture.get("alt") or "") for picture in cell.iter("img"))
    return len(cell.text_content()) + GAP * within + pictures


def _height(cell: HtmlElement) -> int:
    blocks = sum(1 for _ in cell.iter(*_BLOCKS))
    lines = sum(str(pre.text_content()).count("\n") for pre in cell.iter("pre"))
    return 1 + SPREAD * blocks + lines


def _line_by_line(table: HtmlElement) -> None:
    for part in [*table.iter(*_PARTS)]:
        part.tag = "div"
    for cell in [*table.iter(*_CELLS)]:
        cell.tag, cell.tail = "span", f" {cell.tail or ''}"
