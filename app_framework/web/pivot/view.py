"""One view that a browser looks at: a laid-out pivot, the rows of it that are open, windows of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app_framework.olap.arrow import ArrowWindows
from app_framework.web.pivot.columns import ShownAs
from app_framework.web.pivot.frame import GROUPING_ID, Frame
from app_framework.web.pivot.layout import Layout

ARROW_TYPES: Mapping[ShownAs, str] = {
    "string": "string",
    "float": "double",
    "integer": "double",
    "date": "date32",
    "datetime": "timestamp[ms]",
    "boolean": "bool",
}


class View:
    """A pivot as it is looked at.

    Args:
        layout: what the reader asked for.
        frame: the answer.
    """

    def __init__(self, layout: Layout, frame: Frame) -> None:
        deepest = len(layout.group)
        self.layout = layout
        self.frame = frame
        self.schema: dict[str, ShownAs] = {column.name: column.shown_as for column in frame.columns}
        self._depths = frame.depths
        self._leading = [GROUPING_ID, *(path.name for path in frame.paths)]
        bits = [(1 << (deepest - depth)) - 1 for depth in frame.depths]
        self._windows = ArrowWindows(
            {GROUPING_ID: ("int32", bits)}
            | {column.name: (ARROW_TYPES[column.shown_as], column.values) for column in (*frame.paths, *frame.columns)}
        )
        self._closed: set[int] = set()
        self._shown_depth: int | None = None
        self._open: Sequence[int] = range(len(frame.depths))

    def over(self, frame: Frame) -> View:
        """Return the view over a newer answer: what was closed stays closed, what is new is as deep as was wished."""
        view = View(self.layout, frame)
        view._shown_depth = self._shown_depth
        closed = {self.frame.path(row): row in self._closed for row in range(len(self.frame))}
        for row, depth in enumerate(frame.depths):
            if closed.get(frame.path(row), self._shown_depth is not None and depth >= self._shown_depth):
                view._closed.add(row)
        view._open = view._opened()
        return view

    def __len__(self) -> int:
        """The rows that are open."""
        return len(self._open)

    def window(self, rows: tuple[int, int | None], columns: tuple[int, int | None]) -> bytes:
        """Return some of the open rows and of the columns, from and to each, as Arrow."""
        names = list(self.schema)[slice(*columns)]
        return self._windows.window([*self._leading, *names], self._open[slice(*rows)])

    def extremes(self, column: str) -> tuple[object, object]:
        """Return the least and the largest value of a column."""
        return self._windows.extremes(column) if column in self.schema else (None, None)

    def close(self, row: int) -> int:
        """Hide what is below an open row; return how many rows that are."""
        return self._change(row, self._closed.add)

    def open(self, row: int) -> int:
        """Show what is below an open row; return how many rows that are."""
        return self._change(row, self._closed.discard)

    def show_depth(self, depth: int) -> None:
        """Show rows of at most this depth."""
        self._shown_depth = depth
        self._closed = {row for row, its in enumerate(self._depths) if its >= depth}
        self._open = self._opened()

    @property
    def size(self) -> int:
        """All rows, open or not."""
        return len(self._depths)

    def _change(self, row: int, change: Callable[[int], None]) -> int:
        if not 0 <= row < len(self._open):
            return 0
        before = len(self._open)
        change(self._open[row])
        self._open = self._opened()
        return abs(len(self._open) - before)

    def _opened(self) -> Sequence[int]:
        """The rows without those below a closed one; a tree is read in order, so one pass finds them."""
        if not self._closed:
            return range(len(self._depths))
        shown: list[int] = []
        hidden_below: int | None = None
        for row, depth in enumerate(self._depths):
            if hidden_below is not None and depth > hidden_below:
                continue
            hidden_below = depth if row in self._closed else None
            shown.append(row)
        return shown

    def __repr__(self) -> str:
        return f"<View {len(self):,} of {len(self._depths):,} rows open, {len(self.schema)} columns>"
