"""A second cube engine of a hundred lines of plain Python, slow and obvious: what `Cube` answers must be the same.

It shares nothing with the engine but the shape of the question. Rows are dicts, references are dictionaries,
aggregations are loops. Text compares by code point because Python's does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]
Value = Any


@dataclass(frozen=True)
class OracleMeasure:
    """An aggregation over the rows of a cell, or, with `uses`, a formula over other measures."""

    compute: Callable[..., Value]
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class OracleCube:
    """Levels are functions of a fact row, whose references have been followed already.

    An order is a list of functions of a member, each with whether it is descending; without one a level is sorted by
    its members.
    """

    facts: Sequence[Row]
    levels: Mapping[str, Callable[[Row], Value]]
    hierarchies: Mapping[str, Sequence[str]]
    measures: Mapping[str, OracleMeasure]
    orders: Mapping[str, Sequence[tuple[Callable[[Value], Value], bool]]] = field(default_factory=dict)

    def answer(self, question: Mapping[str, Any]) -> tuple[list[tuple[Value, ...]], list[int]]:
        """Return rows and grouping of the answer."""
        names = list(question.get("levels", ()))
        kept = [row for row in self.facts if self.keeps(row, question.get("where", {}))]
        details = self._cells(kept, names, range(len(names)))
        order = question.get("order", ())
        details = self._sorted(details, names, question["measures"], order)
        if names:
            details = details[question.get("offset", 0) :]
            if question.get("limit") is not None:
                details = details[: question["limit"]]
        rows, grouping = details, [0] * len(details)
        for prefix in self._totals(names, question.get("totals", "none")):
            cells = self._sorted(self._cells(kept, names, range(prefix)), names, question["measures"], order)
            rows = rows + cells
            grouping += [sum(1 << i for i in range(prefix, len(names)))] * len(cells)
        return [self._row(cell, names, question["measures"]) for cell in rows], grouping

    def _totals(self, names: Sequence[str], totals: str) -> Iterable[int]:
        if totals == "none" or not names:
            return []
        return [0] if totals == "grand" else range(len(names) - 1, -1, -1)

    def _cells(self, rows: Sequence[Row], names: Sequence[str], keys: Iterable[int]) -> list[dict[str, Value]]:
        wanted = [names[i] for i in keys]
        groups: dict[tuple[Value, ...], list[Row]] = {} if wanted else {(): []}
        for row in rows:
            groups.setdefault(tuple(self.levels[name](row) for name in wanted), []).append(row)
        return [
            {**dict.fromkeys(names), **dict(zip(wanted, key, strict=True)), **self._numbers(members)}
            for key, members in groups.items()
        ]

    def _numbers(self, rows: Sequence[Row]) -> dict[str, Value]:
        numbers: dict[str, Value] = {}
        for name, measure in self.measures.items():
            if not measure.uses:
                numbers[name] = measure.compute(rows)
        for name, measure in self.measures.items():
            if measure.uses:
                numbers[name] = measure.compute(*(numbers[used] for used in measure.uses))
        return numbers

    def _sorted(
        self, cells: list[dict[str, Value]], names: Sequence[str], measures: Sequence[str], order: Sequence[Any]
    ) -> list[dict[str, Value]]:
        asked = [(each["by"], each.get("descending", False)) for each in order]
        for name, reverse in reversed([*asked, *((name, False) for name in names)]):
            for read, descending in reversed(self.orders.get(name, [(_itself, False)])):
                cells = _by(
                    cells, lambda cell, name=name, read=read: read(cell[name]), descending=descending != reverse
                )
        return cells

    def _row(self, cell: Mapping[str, Value], names: Sequence[str], measures: Sequence[str]) -> tuple[Value, ...]:
        return tuple(cell[name] for name in [*names, *measures])

    def keeps(self, row: Row, where: Mapping[str, Any]) -> bool:
        """Return whether a row passes every filter."""
        return all(self._passes(row, name, wanted) for name, wanted in where.items())

    def _passes(self, row: Row, name: str, wanted: Any) -> bool:
        if isinstance(wanted, dict) and "path" in wanted:
            levels = self.hierarchies[name]
            return any(
                all(self.levels[level](row) == member for level, member in zip(levels, path, strict=False))
                for path in wanted["path"]
            )
        value = self.levels[name](row)
        if not isinstance(wanted, dict):
            return value in (wanted if isinstance(wanted, list) else [wanted])
        if "not" in wanted:
            return value not in (wanted["not"] if isinstance(wanted["not"], list) else [wanted["not"]])
        if value is None:
            return False
        if "prefix" in wanted:
            return bool(value.startswith(wanted["prefix"]))
        above = wanted.get("from") is None or value >= _like(value, wanted["from"])
        return above and (wanted.get("to") is None or value <= _like(value, wanted["to"]))


def _like(value: Value, bound: Value) -> Value:
    return date.fromisoformat(bound) if isinstance(value, date) else bound


def _itself(value: Value) -> Value:
    return value


def _by(cells: list[dict[str, Value]], read: Callable[[Row], Value], *, descending: bool) -> list[dict[str, Value]]:
    """Sort stably, nothing last in both directions; `reverse` keeps equal cells in their order, as it must."""
    known = [cell for cell in cells if read(cell) is not None]
    return sorted(known, key=read, reverse=descending) + [cell for cell in cells if read(cell) is None]


def values(rows: Iterable[Row], read: Callable[[Row], Value]) -> list[Value]:
    """Return what is there; aggregations leave nulls out."""
    return [value for row in rows if (value := read(row)) is not None]


def total(numbers: Sequence[Value]) -> Value:
    """Return the sum, nothing for nothing; floats are added without losing digits."""
    if not numbers:
        return None
    if isinstance(numbers[0], float):
        return math.fsum(numbers)
    return sum(numbers, Decimal(0) if isinstance(numbers[0], Decimal) else 0)


def mean(numbers: Sequence[Value]) -> float | None:
    """Return the exact mean as a float."""
    return float(sum(map(Fraction, numbers)) / len(numbers)) if numbers else None


def median(numbers: Sequence[Value]) -> float | None:
    """Return the middle value, the mean of the two middle ones of an even number."""
    if not numbers:
        return None
    ordered = sorted(map(Fraction, numbers))
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float((low + high) / 2)


def quantile(numbers: Sequence[Value], q: float) -> float | None:
    """Return the value below which a fraction of the others lies, interpolated between two neighbours."""
    if not numbers:
        return None
    ordered = sorted(map(Fraction, numbers))
    place = Fraction(q) * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def variance(numbers: Sequence[Value]) -> float | None:
    """Return the variance of a sample; nothing for fewer than two values."""
    if len(numbers) < 2:
        return None
    exact = [Fraction(number) for number in numbers]
    middle = sum(exact) / len(exact)
    return float(sum((number - middle) ** 2 for number in exact) / (len(exact) - 1))


def deviation(numbers: Sequence[Value]) -> float | None:
    """Return the square root of the variance."""
    spread = variance(numbers)
    return None if spread is None else math.sqrt(spread)


def product(numbers: Sequence[Value]) -> float | None:
    """Return the product as a float."""
    return float(math.prod(map(Fraction, numbers))) if numbers else None


def single(seen: Sequence[Value]) -> Value:
    """Return the value that all have; nothing when there are several."""
    return seen[0] if len(set(seen)) == 1 else None


def ratio(a: Value, b: Value) -> float | None:
    """Return a quotient; nothing for nothing, and nothing for a division by zero."""
    return None if a is None or b is None or b == 0 else float(Fraction(a) / Fraction(b))


class DifferentLengthsError(Exception):
    """Arrays of one cell have different lengths: the engine has to refuse."""


def element_wise(compute: Callable[[list[Value]], Value], arrays: Sequence[Sequence[Value]]) -> list[Value] | None:
    """Return what an aggregation makes of the elements at each place, where nulls are left out."""
    if len({len(array) for array in arrays}) > 1:
        raise DifferentLengthsError
    if not arrays:
        return None
    return [compute([array[i] for array in arrays if array[i] is not None]) for i in range(len(arrays[0]))]


def within(compute: Callable[[list[Value]], Value], array: Sequence[Value] | None) -> Value:
    """Return what is computed from the elements of an array."""
    return None if array is None else compute([element for element in array if element is not None])
