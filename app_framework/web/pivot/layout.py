"""What a reader put together in the browser, and the questions that answer it: nothing is added up afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app_framework.olap import CubeQuery, Order
from app_framework.olap.filter import Filter
from app_framework.web.pivot.columns import Column, LevelColumn, MeasureColumn, PivotColumns
from app_framework.web.pivot.errors import PivotError
from app_framework.web.pivot.filters import read_filters

Rows = Literal["rollup", "flat", "total"]


@dataclass(frozen=True, slots=True)
class Sort:
    """One direction of rows, or of split columns.

    Args:
        by: a level or a measure.
        descending: the largest first; null is last in both directions.
        absolute: whether the sign counts.
        of_columns: whether it orders the columns of a split.
    """

    by: Column
    descending: bool
    absolute: bool = False
    of_columns: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One query of a layout.

    Args:
        query: what the cube is asked.
        split_depth: how many levels of the split its rows are of.
        group_depth: how many levels of the group; None when totals bring every depth.
    """

    query: CubeQuery
    split_depth: int
    group_depth: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """A pivot as the reader wants it.

    Args:
        group: the levels of its rows, from coarse to fine.
        split: the levels of its columns.
        columns: what stands in each column of the split, or of the whole.
        measures: what is asked for: those shown, then those sorted by.
        sorts: the first decides.
        where: which rows of the cube count.
        rows: ``rollup`` shows every depth of the group, ``flat`` the deepest only, ``total`` one row.
        split_totals: whether every depth of the split has columns.
        is_table: whether the levels among the columns are the group, as in a plain table.
    """

    group: tuple[LevelColumn, ...]
    split: tuple[LevelColumn, ...]
    columns: tuple[Column, ...]
    measures: tuple[MeasureColumn, ...]
    sorts: tuple[Sort, ...]
    where: Mapping[str, Filter]
    rows: Rows
    split_totals: bool
    is_table: bool

    @property
    def shown_measures(self) -> tuple[MeasureColumn, ...]:
        """The measures among the columns."""
        return tuple(column for column in self.columns if isinstance(column, MeasureColumn))

    @property
    def questions(self) -> tuple[Question, ...]:
        """What to ask; the first one has the cells themselves, the others have totals of the split."""
        depths = [len(self.split)]
        if self.split_totals:
            depths += reversed(range(len(self.split)))
        elif self.split and any(isinstance(sort.by, MeasureColumn) and not sort.of_columns for sort in self.sorts):
            depths.append(0)  # rows are sorted by their total over the split
        return tuple(question for depth in depths for question in self._questions(depth))

    def _questions(self, split_depth: int) -> Iterator[Question]:
        """Yield what is to be asked below some levels of the split; a slicing level is never rolled up."""
        if any(level.slicing for level in self.split[split_depth:]):
            return
        if not self._has_totals:
            yield self._question(split_depth, 0 if self.rows == "total" else len(self.group))
        elif any(level.slicing for level in (*self.split[:split_depth], *self.group)):
            for depth in reversed(range(len(self.group) + 1)):
                if not any(level.slicing for level in self.group[depth:]):
                    yield self._question(split_depth, depth)
        else:
            yield self._question(split_depth, None)

    @property
    def _has_totals(self) -> bool:
        """Whether rows above the deepest are needed: to be shown, or to sort groups and split columns by."""
        if not self.group or self.rows == "total":
            return False
        by_measure = [sort for sort in self.sorts if isinstance(sort.by, MeasureColumn)]
        return self.rows == "rollup" or any(sort.of_columns or len(self.group) > 1 for sort in by_measure)

    def _question(self, split_depth: int, group_depth: int | None) -> Question:
        levels = [*self.split[:split_depth], *self.group[:group_depth]]
        answered = {level.name for level in levels} | {measure.name for measure in self.measures}
        query = CubeQuery(
            measures=[measure.name for measure in self.measures],
            levels=[level.name for level in levels],
            where=self.where,
            totals="none" if group_depth is not None else "all",
            order=[Order(s.by.name, s.descending) for s in self.sorts if _in_query(s) and s.by.name in answered],
        )
        return Question(query, split_depth, group_depth)


def read_layout(columns: PivotColumns, config: Mapping[str, Any]) -> Layout:
    """Return the layout that a view's configuration describes, as Perspective writes it.

    Args:
        columns: of the cube.
        config: ``group_by``, ``split_by``, ``columns``, ``filter``, ``filter_op``, ``sort``, ``group_rollup_mode``, …

    Raises:
        PivotError: it names what there is not, or asks for what a cube does not do.
    """
    if config.get("expressions") or config.get("windows"):
        raise PivotError("Formulas belong to the cube: write a measure with `formula` in its model.")
    shown = tuple(columns.column(str(name)) for name in config.get("columns") or () if name is not None)
    rows = _rows(config.get("group_rollup_mode"))
    group = _levels(columns, "group_by", config)
    split = _levels(columns, "split_by", config)
    if both := [level.name for level in split if level in group]:
        raise PivotError(f"{both[0]!r} cannot group rows and split columns at once.")
    is_table = not group and not split and rows != "total"
    if is_table:
        group = tuple(dict.fromkeys(column for column in shown if isinstance(column, LevelColumn)))
    sorts = tuple(_sort(columns, *each) for each in config.get("sort") or () if each[1] != "none")
    measures = dict.fromkeys(c for c in (*shown, *(s.by for s in sorts)) if isinstance(c, MeasureColumn))
    return Layout(
        group=group,
        split=split,
        columns=shown,
        measures=tuple(measures) or _any_measure(columns),
        sorts=sorts,
        where=read_filters(columns, config.get("filter") or (), str(config.get("filter_op") or "and").lower()),
        rows="flat" if is_table else rows,
        split_totals=bool(split) and config.get("split_rollup_mode") == "rollup",
        is_table=is_table,
    )


def _rows(mode: object) -> Rows:
    if mode in (None, "rollup"):
        return "rollup"
    if mode == "flat":
        return "flat"
    if mode == "total":
        return "total"
    raise PivotError(f"Rows are grouped as rollup, flat or total, not {mode!r}.")


def _levels(columns: PivotColumns, field: str, config: Mapping[str, Any]) -> tuple[LevelColumn, ...]:
    return tuple(dict.fromkeys(columns.level(str(name)) for name in config.get(field) or ()))


def _sort(columns: PivotColumns, name: object, direction: str, *_: object) -> Sort:
    words = direction.split()
    if not words or set(words) - {"asc", "desc", "abs", "col"}:
        raise PivotError(f"A sort is 'asc' or 'desc', with 'abs' and 'col', not {direction!r}.")
    return Sort(columns.column(str(name)), "desc" in words, "abs" in words, "col" in words)


def _any_measure(columns: PivotColumns) -> tuple[MeasureColumn, ...]:
    """A query names a measure, also where only members are wanted."""
    if not columns.measures:
        raise PivotError("This cube has no measure to show.")
    return (next(iter(columns.measures.values())),)


def _in_query(sort: Sort) -> bool:
    return not (sort.absolute or sort.of_columns)


def describe_questions(questions: Sequence[Question]) -> list[dict[str, object]]:
    """Return the queries as ``POST /cubes/{cube}/query`` takes them."""
    return [question.query.to_dict() for question in questions]
