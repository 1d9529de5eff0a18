"""Calculated measures in plain Python: each looks at other cells, which are found by reading all rows again."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.olap.oracle import OracleCube, Row, Value, ratio

Cell = Mapping[str, Value]
"""A cell: the levels that it shows, each with its member."""
Keeps = Callable[[Row], bool]
Calculate = Callable[["Cells", Cell, tuple[Keeps, ...]], Value]


class Cells:
    """The cells of one question: which there are, and what each measure is at one.

    Args:
        cube: the levels, measures and all rows.
        kept: the rows that passed the filters of the question.
        calculations: the measures that are not those of the cube.
    """

    def __init__(self, cube: OracleCube, kept: Sequence[Row], calculations: Mapping[str, Calculate]) -> None:
        self.cube = cube
        self.kept = kept
        self._calculations = calculations
        self._known: dict[object, Value] = {}

    def value(self, name: str, cell: Cell, passing: tuple[Keeps, ...] = ()) -> Value:
        """Return a measure at a cell, over the rows that pass."""
        key = (name, tuple(sorted(cell.items(), key=lambda item: item[0])), passing)
        if key not in self._known:
            self._known[key] = self._computed(name, cell, passing)
        return self._known[key]

    def _computed(self, name: str, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        if name in self._calculations:
            return self._calculations[name](self, cell, passing)
        measure = self.cube.measures[name]
        if measure.uses:
            return measure.compute(*(self.value(used, cell, passing) for used in measure.uses))
        return measure.compute([row for row in self.rows(cell) if all(keeps(row) for keeps in passing)])

    def rows(self, cell: Cell) -> list[Row]:
        """Return the rows of a cell."""
        return [row for row in self.kept if all(self.cube.levels[level](row) == cell[level] for level in cell)]

    def cells(self, within: Cell, levels: Iterable[str]) -> list[dict[str, Value]]:
        """Return the cells within one that have these levels too; without any it is that one itself."""
        more = [level for level in levels if level not in within]
        if not more:
            return [dict(within)]
        found = {tuple(self.cube.levels[level](row) for level in more) for row in self.rows(within)}
        return [{**within, **dict(zip(more, members, strict=True))} for members in found]

    def around(self, cell: Cell, walked: Sequence[str]) -> list[dict[str, Value]]:
        """Return the cells that differ from one in nothing but the levels that are walked along."""
        return self.cells(without(cell, walked), [level for level in walked if level in cell])


@dataclass(frozen=True)
class CalculatingOracle(OracleCube):
    """An oracle whose cube has calculated measures too."""

    calculations: Mapping[str, Calculate] = field(default_factory=dict)

    def _cells(self, rows: Sequence[Row], names: Sequence[str], keys: Iterable[int]) -> list[dict[str, Value]]:
        keys = list(keys)
        everywhere = Cells(self, rows, self.calculations)
        return [
            _CalculatedCell(cell, everywhere, {names[i]: cell[names[i]] for i in keys})
            for cell in super()._cells(rows, names, keys)
        ]


class _CalculatedCell(dict[str, Value]):
    """A cell of an answer that calculates what it is asked for."""

    def __init__(self, cell: Mapping[str, Value], everywhere: Cells, shown: Cell) -> None:
        super().__init__(cell)
        self._everywhere = everywhere
        self._shown = shown

    def __missing__(self, name: str) -> Value:
        return self._everywhere.value(name, self._shown)


def without(cell: Cell, levels: Iterable[str]) -> dict[str, Value]:
    """Return a coarser cell."""
    return {level: member for level, member in cell.items() if level not in set(levels)}


def shown(cell: Cell, levels: Sequence[str]) -> list[str]:
    """Return the levels that a cell shows."""
    return [level for level in levels if level in cell]


def path(cell: Cell, hierarchy: Sequence[str], level: str | None) -> list[str]:
    """Return the levels from the top of a hierarchy down to one, nothing where the cell does not show that one."""
    return shown(cell, hierarchy[: hierarchy.index(level) + 1]) if level in cell else []


def place(cell: Cell, levels: Iterable[str]) -> tuple[tuple[bool, Value], ...]:
    """Return what cells are sorted by: null last."""
    return tuple((cell[level] is None, 0 if cell[level] is None else cell[level]) for level in levels)


def rank(of: str, hierarchy: Sequence[str], *, ascending: bool = False) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        mine = cells.value(of, cell, passing)
        if mine is None:
            return None
        others = [cells.value(of, other, passing) for other in cells.around(cell, shown(cell, hierarchy)[-1:])]
        return 1 + sum(1 for other in others if other is not None and (other < mine if ascending else other > mine))

    return calculate


def ancestor(of: str, hierarchy: Sequence[str], *, parent: bool = False, share: bool = False) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        left = shown(cell, hierarchy)[-1:] if parent else hierarchy
        above = cells.value(of, without(cell, left), passing)
        return ratio(cells.value(of, cell, passing), above) if share else above

    return calculate


def siblings(
    of: str, hierarchy: Sequence[str], compute: Callable[[list[Value]], Value], *, own: bool = True
) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        others = cells.around(cell, shown(cell, hierarchy)[-1:])
        return over(compute, [cells.value(of, other, passing) for other in others if own or other != cell])

    return calculate


def shift(of: str, hierarchy: Sequence[str], level: str, offset: int = 1, partition: str | None = None) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        walked = path(cell, hierarchy, level)
        if not walked or cells.value(of, cell, passing) is None:
            return None
        line = sorted(
            cells.around(cell, [each for each in walked if each not in path(cell, hierarchy, partition)]),
            key=lambda other: place(other, walked),
        )
        seen = [other for other in line if cells.value(of, other, passing) is not None]
        there = seen.index(dict(cell)) - offset
        return cells.value(of, seen[there], passing) if 0 <= there < len(seen) else None

    return calculate


def strict_shift(
    of: str, hierarchy: Sequence[str], level: str, offset: int = 1, partition: str | None = None
) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        walked, kept = path(cell, hierarchy, level), path(cell, hierarchy, partition)
        if not walked:
            return None
        every = {tuple(cells.cube.levels[each](row) for each in walked) for row in cells.cube.facts}
        members = [dict(zip(walked, members, strict=True)) for members in every]
        members = [member for member in members if all(member[each] == cell[each] for each in kept)]
        members.sort(key=lambda member: place(member, walked))
        mine = {each: cell[each] for each in walked}
        there = members.index(mine) - offset if mine in members else -1
        if not 0 <= there < len(members):
            return None
        other = {**cell, **members[there]}
        return cells.value(of, other, passing) if cells.rows(other) else None

    return calculate


def cumulative(
    of: str,
    hierarchy: Sequence[str],
    level: str,
    compute: Callable[[list[Value]], Value],
    window: tuple[int | None, int | None] = (None, 0),
    partition: str | None = None,
) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        walked = path(cell, hierarchy, level)
        around = cells.around(cell, [each for each in walked if each not in path(cell, hierarchy, partition)])
        line = sorted(around, key=lambda other: place(other, walked))
        here = line.index(dict(cell))
        first = 0 if window[0] is None else max(0, here + window[0])
        last = len(line) if window[1] is None else max(0, here + window[1] + 1)
        return over(compute, [cells.value(of, other, passing) for other in line[first:last]])

    return calculate


def in_time(
    of: str,
    hierarchy: Sequence[str],
    level: str,
    compute: Callable[[list[Value]], Value],
    near: Callable[[Value, Value], bool],
    partition: str | None = None,
    own: bool = True,
) -> Calculate:
    """Aggregate the cells whose time is near that of one; a time that is missing is near itself."""

    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        walked, kept = path(cell, hierarchy, level), path(cell, hierarchy, partition)
        around = cells.around(cell, [each for each in walked if each not in kept])
        mine = cell.get(level)
        seen = [other for other in around if _near(mine, other.get(level), near)] if walked else [dict(cell)]
        return over(compute, [cells.value(of, other, passing) for other in seen if own or other != cell])

    return calculate


def _near(mine: Value, other: Value, near: Callable[[Value, Value], bool]) -> bool:
    return mine is other is None if None in (mine, other) else near(mine, other)


def date_shift(of: str, hierarchy: Sequence[str], level: str, *, months: int = 0, days: int = 0) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        if cell.get(level) is None:
            return None
        above = path(cell, hierarchy, level)[:-1]
        other = {**without(cell, above), level: earlier(cell[level], months, days)}
        return cells.value(of, other, passing) if cells.rows(other) else None

    return calculate


def filtered(of: str, keeps: Keeps) -> Calculate:
    return lambda cells, cell, passing: cells.value(of, cell, (*passing, keeps))


def at(of: str, levels: Sequence[str], keeps: Keeps) -> Calculate:
    return lambda cells, cell, passing: cells.value(of, without(cell, levels), (*passing, keeps))


def lookup(rows: Sequence[Row], column: str, by: Mapping[str, str], keeps: Keeps = lambda _: True) -> Calculate:
    """Return what is in the one row whose columns have the members of a cell."""

    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        if any(cell.get(level) is None for level in by):
            return None
        found = [row for row in rows if keeps(row) and all(row[name] == cell[level] for level, name in by.items())]
        assert len(found) <= 1, "there is one row or none"
        return found[0][column] if found else None

    return calculate


def per(of: str, levels: Sequence[str], compute: Callable[[list[Value]], Value]) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        return over(compute, [cells.value(of, finer, passing) for finer in cells.cells(cell, levels)])

    return calculate


def extreme_member(of: str, level: str, *, largest: bool) -> Calculate:
    def calculate(cells: Cells, cell: Cell, passing: tuple[Keeps, ...]) -> Value:
        found = [(cells.value(of, finer, passing), finer) for finer in cells.cells(cell, [level]) if level in finer]
        known = sorted((pair for pair in found if pair[0] is not None), key=lambda pair: place(pair[1], [level]))
        known.sort(key=lambda pair: pair[0], reverse=largest)
        return known[0][1][level] if known else None

    return calculate


def aggregated(compute: Callable[[Sequence[Row]], Value]) -> Calculate:
    """Return an aggregation that is computed only where somebody asks for it."""
    return lambda cells, cell, passing: compute([row for row in cells.rows(cell) if all(keep(row) for keep in passing)])


def formula(compute: Callable[..., Value], *uses: str) -> Calculate:
    return lambda cells, cell, passing: compute(*(cells.value(used, cell, passing) for used in uses))


def over(compute: Callable[[list[Value]], Value], numbers: Iterable[Value]) -> Value:
    """Aggregate what is there."""
    return compute([number for number in numbers if number is not None])


def earlier(day: date, months: int, days: int) -> date:
    """Return a day that many months, then days before; a day that the month lacks is its last one."""
    count = day.year * 12 + day.month - 1 - months
    year, month = divmod(count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) - timedelta(days=days)
