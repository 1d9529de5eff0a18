"""The answers of a layout's questions laid out: rows as a tree in order, one column for each member of the split."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app_framework.olap import CellSet
from app_framework.olap.cellset import NOT_AVAILABLE
from app_framework.web.pivot.columns import SEPARATOR, LevelColumn, MeasureColumn, ShownAs
from app_framework.web.pivot.errors import PivotTooLargeError
from app_framework.web.pivot.layout import Layout, Question, Sort

Path: TypeAlias = tuple[object, ...]
"""Members from coarse to fine: of the group it is a row, of the split a column."""

Values: TypeAlias = tuple[object, ...]
GROUPING_ID = "__GROUPING_ID__"


@dataclass(frozen=True, slots=True)
class FrameColumn:
    """A column of a pivot, its values as they are shown."""

    name: str
    shown_as: ShownAs
    values: list[object]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a pivot may be.

    Args:
        cells: rows times columns.
        columns: columns of measures.
    """

    cells: int = 1_000_000
    columns: int = 500


class Frame:
    """A laid-out pivot.

    Args:
        depths: of each row in the tree: 0 for the grand total.
        paths: the columns ``__ROW_PATH_0__``, … with which Perspective reads the tree.
        columns: the others, in the order in which Perspective counts them.
        version: of the data; 0 where nothing was asked.
    """

    def __init__(
        self, depths: list[int], paths: Sequence[FrameColumn], columns: Sequence[FrameColumn], version: int = 0
    ) -> None:
        self.version = version
        self.depths = depths
        self.paths = tuple(paths)
        self.columns = tuple(columns)

    def path(self, row: int) -> Path:
        """Return the members that a row stands below, as they are shown."""
        return (self.depths[row], *(column.values[row] for column in self.paths))

    def __len__(self) -> int:
        return len(self.depths)

    def __eq__(self, other: object) -> bool:
        """Whether both show the same."""
        if not isinstance(other, Frame):
            return NotImplemented
        return (self.depths, self.paths, self.columns) == (other.depths, other.paths, other.columns)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Frame {len(self):,} rows, {len(self.columns)} columns>"


def lay_out(layout: Layout, answers: Iterable[tuple[Question, CellSet]], bounds: Bounds) -> Frame:
    """Return the pivot that some answers make.

    Raises:
        PivotTooLargeError: it has more cells, or more columns, than a pivot may have.
    """
    answers = tuple(answers)
    cells = _read_cells(layout, answers, bounds)
    rows = _rows(layout, cells)
    keys = _split_keys(layout, cells)
    width = max(1, len(layout.shown_measures) * len(keys))
    if width > bounds.columns:
        raise PivotTooLargeError("columns", bounds.columns)
    if width * len(rows) > bounds.cells:
        raise PivotTooLargeError("cells", bounds.cells)
    columns = _split_columns(layout, cells, rows, keys) if layout.split else _columns(layout, cells, rows)
    version = min((max(answer.versions.values(), default=0) for _, answer in answers), default=0)
    return Frame([len(row) for row in rows], _path_columns(layout, rows), columns, version)


def _read_cells(
    layout: Layout, answers: Iterable[tuple[Question, CellSet]], bounds: Bounds
) -> Mapping[Path, Mapping[Path, Values]]:
    """Return split path → row path → values of the measures asked for."""
    cells: dict[Path, dict[Path, Values]] = {}
    for question, answer in answers:
        if len(answer) * len(layout.measures) > bounds.cells:
            raise PivotTooLargeError("cells", bounds.cells)
        split, levels = question.split_depth, len(question.query.levels)
        rolled_split = (1 << split) - 1
        for row, grouping in zip(answer.rows, answer.grouping, strict=True):
            if not grouping & rolled_split:
                members = tuple(map(_one_nan, row[: levels - grouping.bit_count()]))
                cells.setdefault(members[:split], {})[members[split:]] = row[levels:]
    return cells


def _rows(layout: Layout, cells: Mapping[Path, Mapping[Path, Values]]) -> list[Path]:
    found = {path for column in cells.values() for path in column}
    if layout.rows == "total":
        return [()]
    deepest = len(layout.group)
    # Above a slicing level there is nothing to add up: such rows are there, and empty.
    found |= {path[:depth] for path in found for depth in range(deepest)}
    totals = cells.get((), {})
    keys = [_sort_key(layout, sort, layout.group, totals.get) for sort in layout.sorts if not sort.of_columns]
    ordered = _in_order(found, keys)
    if layout.rows == "rollup":
        return ordered or [()]
    return [path for path in ordered if len(path) == deepest]


def _split_keys(layout: Layout, cells: Mapping[Path, Mapping[Path, Values]]) -> list[Path]:
    if not layout.split:
        return [()]
    keys = [
        _sort_key(layout, sort, layout.split, lambda key: cells.get(key, {}).get(()))
        for sort in layout.sorts
        if sort.of_columns or isinstance(sort.by, LevelColumn)
    ]
    deepest = len(layout.split)
    ordered = _in_order({key[:depth] for key in cells for depth in range(deepest + 1)}, keys)
    return [key for key in ordered if key in cells and (layout.split_totals or len(key) == deepest)]


SortKey: TypeAlias = tuple[Callable[[Path], object], bool]


def _sort_key(
    layout: Layout, sort: Sort, levels: Sequence[LevelColumn], values: Callable[[Path], Values | None]
) -> SortKey:
    """Return what a sort compares of a path, and whether the largest is first."""
    if isinstance(sort.by, MeasureColumn):
        position = layout.measures.index(sort.by)

        def measure(path: Path) -> object:
            found = values(path)
            value = found[position] if found is not None else None
            return abs(value) if sort.absolute and isinstance(value, int | float) else value

        return measure, sort.descending
    depth = levels.index(sort.by) + 1 if sort.by in levels else 0
    return (lambda path: path[-1] if len(path) == depth else 0), sort.descending


def _in_order(paths: Iterable[Path], keys: Sequence[SortKey]) -> list[Path]:
    """Return paths as a tree is read: each before those below it, siblings by the keys and then by their member."""
    children: dict[Path, list[Path]] = {}
    for path in paths:
        if path:
            children.setdefault(path[:-1], []).append(path)
    ordered: list[Path] = []
    waiting: list[Path] = [()] if children or () in set(paths) else []
    while waiting:
        path = waiting.pop()
        ordered.append(path)
        siblings = _sorted(children.get(path, []), lambda each: each[-1], descending=False)
        for key, descending in reversed(keys):
            siblings = _sorted(siblings, key, descending=descending)
        waiting.extend(reversed(siblings))
    return ordered


def _sorted(paths: list[Path], key: Callable[[Path], object], *, descending: bool) -> list[Path]:
    """Return paths by a key, what has none last in both directions; equal ones stay as they were."""
    valued = [(value, path) for path in paths if not _is_nothing(value := key(path))]
    nothing = [path for path in paths if _is_nothing(key(path))]
    valued.sort(key=lambda each: each[0], reverse=descending)  # type: ignore[arg-type,return-value]
    return [path for _, path in valued] + nothing


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


_NAN = float("nan")


def _one_nan(member: object) -> object:
    """Two NaN are never equal, but one is itself: so that rows with it find each other."""
    return _NAN if isinstance(member, float) and math.isnan(member) else member


def _path_columns(layout: Layout, rows: Sequence[Path]) -> list[FrameColumn]:
    if layout.is_table:
        return []
    return [
        FrameColumn(
            f"__ROW_PATH_{i}__",
            level.shown_as,
            [level.to_shown(row[i]) if len(row) > i else None for row in rows],
        )
        for i, level in enumerate(layout.group)
    ]


def _columns(layout: Layout, cells: Mapping[Path, Mapping[Path, Values]], rows: Sequence[Path]) -> list[FrameColumn]:
    """The columns without a split; a level among them is known where the row is of one of its members."""
    shown = []
    for column in layout.columns:
        if isinstance(column, MeasureColumn):
            values = _measure_values(layout, column, cells.get((), {}), rows)
        else:
            at = layout.group.index(column) if column in layout.group else len(layout.group)
            values = [column.to_shown(row[at]) if len(row) > at else None for row in rows]
        shown.append(FrameColumn(column.name, column.shown_as, values))
    return shown


def _split_columns(
    layout: Layout, cells: Mapping[Path, Mapping[Path, Values]], rows: Sequence[Path], keys: Sequence[Path]
) -> list[FrameColumn]:
    heads = _heads(layout, keys)
    return [
        FrameColumn(head + measure.name, measure.shown_as, _measure_values(layout, measure, cells[key], rows))
        for key, head in zip(keys, heads, strict=True)
        for measure in layout.shown_measures
    ]


def _measure_values(
    layout: Layout, measure: MeasureColumn, values: Mapping[Path, Values], rows: Sequence[Path]
) -> list[object]:
    position = layout.measures.index(measure)
    return [measure.to_shown(found[position]) if (found := values.get(row)) is not None else None for row in rows]


def _heads(layout: Layout, keys: Sequence[Path]) -> list[str]:
    """Return what stands before the measure in the names of split columns: ``2013|EWR|``.

    Perspective puts such columns in the order of their names as texts. Where that is not the order wanted (10 before
    9, or largest first), each label begins with its rank, written in characters that have no width.
    """
    labels = [[_label(level, member) for level, member in zip(layout.split, key, strict=False)] for key in keys]
    plain = [_joined(steps) for steps in labels]
    if plain == sorted(plain) and len(set(plain)) == len(plain):
        return plain
    ranks = _ranks(keys)
    width = max(1, (len(ranks) - 1).bit_length())
    return [
        _joined([_invisible(ranks[key[: depth + 1]], width) + label for depth, label in enumerate(steps)])
        for key, steps in zip(keys, labels, strict=True)
    ]


def _joined(steps: Sequence[str]) -> str:
    return "".join(step + SEPARATOR for step in steps)


def _label(level: LevelColumn, member: object) -> str:
    """A member as text, without the separator, which would look like one more level."""
    if member is None:
        return NOT_AVAILABLE
    text = "true" if member is True else "false" if member is False else str(level.to_shown(member))
    return text.replace(SEPARATOR, "\N{BROKEN BAR}")


def _ranks(keys: Sequence[Path]) -> dict[Path, int]:
    """Return the place of each path, and of each above one, in the order given."""
    ranks: dict[Path, int] = {}
    for key in keys:
        for depth in range(1, len(key) + 1):
            ranks.setdefault(key[:depth], len(ranks))
    return ranks


def _invisible(rank: int, width: int) -> str:
    """A number as characters without width that stand in its order; every number has as many."""
    digits = f"{rank:0{width}b}"
    return digits.replace("0", "\N{ZERO WIDTH SPACE}").replace("1", "\N{ZERO WIDTH NON-JOINER}")
