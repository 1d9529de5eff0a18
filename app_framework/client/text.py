"""Rows as people see them: a table of text, and one of HTML for a notebook."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

GAP = "  "
CELL_CHARS_MAX = 200
"""A longer cell is cut where a person looks at it; a program gets it whole."""


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int], more: int = 0) -> str:
    """Return rows below their heads.

    Args:
        heads: of the columns.
        rows: the cells that are shown.
        right: the columns that are aligned at their right.
        more: how many rows are not shown.

    >>> print(text_table(["city", "n"], [["Oslo", "3"], ["Rome", "12"]], {1}, more=7))
    city   n
    Oslo   3
    Rome  12
    … 7 more
    """
    lines = [[*heads], *([_cut(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    texts = [
        GAP.join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*texts, *([f"… {more:,} more"] if more else [])])


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int], more: int = 0) -> str:
    """Return the same as HTML; whatever the cells hold, it is text.

    >>> html_table(["a"], [["<b>"]], ())
    '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    styles = [' style="text-align: right"' if place in right else "" for place in range(len(heads))]
    head = "".join(f"<th{style}>{escape(name)}</th>" for name, style in zip(heads, styles, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{s}>{escape(_cut(cell))}</td>' for cell, s in zip(row, styles, strict=True))}</tr>"
        for row in rows
    )
    rest = f"<p>… {more:,} more</p>" if more else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def cell_text(value: object) -> str:
    """Return a value as a cell shows it; what is missing is ``N/A``."""
    if value is None:
        return "N/A"
    if isinstance(value, list):
        return f"[{', '.join('null' if element is None else str(element) for element in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cut(cell: str) -> str:
    return cell if len(cell) <= CELL_CHARS_MAX else f"{cell[: CELL_CHARS_MAX - 1]}…"
