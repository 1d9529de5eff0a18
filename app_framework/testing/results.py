"""What a cube answered in a test: one object for every tester, with the questions that tests ask of an answer.

>>> columns = [CellColumn("city", "level", "string"), CellColumn("sold", "measure", "int64")]
>>> result = CubeResult(CellSet("shop", columns, rows=[("Graz", 3), ("Wien", 4)]))
>>> result.cell(city="Graz"), result.table, result == [("Graz", 3), ("Wien", 4)]
(3, {'Graz': 3, 'Wien': 4}, True)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from app_framework.errors import did_you_mean, near_matches
from app_framework.olap.cellset import CellColumn, CellSet, same_value

DIFFERENCES_SHOWN_MAX = 20


class ResultMismatchError(AssertionError):
    """An answer is not what the test said.

    Attributes:
        expectation: what was expected, in a sentence.
        result: the answer.
    """

    def __init__(self, expectation: str, result: CubeResult) -> None:
        super().__init__(expectation)
        self.expectation = expectation
        self.result = result

    def __str__(self) -> str:
        return f"{self.expectation}\n\n{self.result!r}"


class CellTable(dict[object, object]):
    """Values by coordinates; equal to any mapping with the same, floating numbers to nine digits."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.keys() == other.keys() and all(_same(value, other[key]) for key, value in self.items())

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None


class CubeResult:
    """The answer to a question of a test.

    Two are equal when columns, rows and grouping are, floating numbers to nine digits; a list of rows is enough to
    compare with.

    Args:
        cells: the answer itself.

    Attributes:
        cells: the answer itself.
    """

    def __init__(self, cells: CellSet) -> None:
        self.cells = cells

    @property
    def columns(self) -> tuple[CellColumn, ...]:
        """The columns: levels, then measures."""
        return self.cells.columns

    @property
    def levels(self) -> tuple[str, ...]:
        """The names of the columns that hold members."""
        return tuple(column.name for column in self.columns if column.role == "level")

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the columns that hold numbers."""
        return tuple(column.name for column in self.columns if column.role == "measure")

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """The cells by row, totals last."""
        return self.cells.rows

    @property
    def grouping(self) -> list[int]:
        """Per row the bits of the levels that are rolled up in it."""
        return self.cells.grouping

    @property
    def versions(self) -> Mapping[str, int]:
        """The data version that each node answered from."""
        return self.cells.versions

    @property
    def partial(self) -> bool:
        """Whether something is missing because its node could not answer."""
        return self.cells.partial

    @property
    def missing(self) -> tuple[Mapping[str, object], ...]:
        """Of a partial answer, the nodes and members that are not in it."""
        return self.cells.missing

    @property
    def value(self) -> object:
        """The only number of an answer that has one row and one measure.

        Raises:
            ResultMismatchError: it has more, or none.
        """
        if len(self.cells) != 1 or len(self.measures) != 1:
            raise ResultMismatchError("An answer of one row and one measure has a `value`; this is another.", self)
        return self.rows[0][-1]

    @property
    def table(self) -> CellTable:
        """The detail rows: what is measured, by coordinates; each a plain value, or a tuple where there are several."""
        return self._table(0)

    @property
    def row_totals(self) -> CellTable:
        """The subtotals, by the coordinates that are not rolled up; the grand total is not among them."""
        found = CellTable()
        everything = self._all_levels
        for bits in dict.fromkeys(self.grouping):
            if bits not in (0, everything):
                found |= self._table(bits)
        return found

    def column(self, name: str) -> list[object]:
        """Return the values of one column.

        Raises:
            KeyError: there is none of that name.
        """
        return self.cells.column(name)

    def cell(
        self, coordinates: Mapping[str, object] | None = None, /, *, measure: str | None = None, **levels: object
    ) -> object:
        """Return a number by its coordinates; a level that is left out is rolled up.

        Args:
            coordinates: members by level, where a level's name is no Python word.
            measure: which number, where there are several.
            levels: members by level.

        Raises:
            ResultMismatchError: there is no such row.
        """
        wanted = {**(coordinates or {}), **levels}
        row = self._row(wanted)
        if row is None:
            raise ResultMismatchError(self._no_row(wanted), self)
        return row[self._position(measure)]

    def has_no_value(
        self, coordinates: Mapping[str, object] | None = None, /, *, measure: str | None = None, **levels: object
    ) -> bool:
        """Return whether there is no row at some coordinates, or nothing in it; a zero is something."""
        row = self._row({**(coordinates or {}), **levels})
        if row is None:
            return True
        positions = range(len(self.levels), len(row)) if measure is None else [self._position(measure)]
        return all(row[at] is None for at in positions)

    def total(self, measure: str | None = None) -> object:
        """Return the grand total.

        Raises:
            ResultMismatchError: there is no such row; ask with ``totals="grand"``.
        """
        return self.cell({}, measure=measure)

    def difference(self, expected: CubeResult | CellSet | Sequence[Sequence[object]]) -> list[str]:
        """Return what is other than expected, in lines for people; none when nothing is."""
        if isinstance(expected, CellSet):
            expected = CubeResult(expected)
        if isinstance(expected, CubeResult):
            return [*_column_differences(self, expected)] or [*_row_differences(self, expected)]
        return [*_plain_differences(self.rows, expected)]

    def assert_equals(self, expected: CubeResult | CellSet | Sequence[Sequence[object]]) -> None:
        """Compare with another answer, or with rows in their order.

        Raises:
            ResultMismatchError: with every difference, up to some twenty.
        """
        if lines := self.difference(expected):
            raise ResultMismatchError("\n".join(["The answers differ:", *clipped(lines)]), self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CubeResult | CellSet | list):
            return not self.difference(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        missing = f"\npartial, missing: {[*self.missing]}" if self.partial else ""
        return f"{self.cells!r}{missing}"

    @property
    def _all_levels(self) -> int:
        return (1 << len(self.levels)) - 1

    def _table(self, bits: int) -> CellTable:
        kept = [at for at in range(len(self.levels)) if not bits >> at & 1]
        return CellTable(
            (_plain([row[at] for at in kept]), _plain(row[len(self.levels) :]))
            for row, grouped in zip(self.rows, self.grouping, strict=True)
            if grouped == bits
        )

    def _row(self, wanted: Mapping[str, object]) -> tuple[object, ...] | None:
        for name in wanted:
            if name not in self.levels:
                hint = did_you_mean(near_matches(name, self.levels))
                raise ResultMismatchError(f"There is no level {name!r} in this answer. {hint}".rstrip(), self)
        at = [self.levels.index(name) for name in wanted]
        bits = self._all_levels & ~sum(1 << position for position in at)
        for row, grouped in zip(self.rows, self.grouping, strict=True):
            if grouped == bits and all(map(_is_member, (row[position] for position in at), wanted.values())):
                return row
        return None

    def _position(self, measure: str | None) -> int:
        names = self.measures
        if measure is None and len(names) == 1:
            return len(self.levels)
        if measure not in names:
            hint = did_you_mean(near_matches(measure, names)) if measure else "Name one with `measure=`"
            raise ResultMismatchError(f"The measures of this answer are {', '.join(names)}. {hint}".rstrip(), self)
        return len(self.levels) + names.index(measure)

    def _no_row(self, wanted: Mapping[str, object]) -> str:
        place = ", ".join(f"{name}={member!r}" for name, member in wanted.items())
        rolled_up = [name for name in self.levels if name not in wanted]
        more = f" and {', '.join(rolled_up)} rolled up" if rolled_up else ""
        return (
            f"There is no row with {place}{more}."
            if place
            else f"There is no row with {', '.join(rolled_up)} rolled up; ask with totals."
        )


def clipped(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    rest = len(lines) - DIFFERENCES_SHOWN_MAX
    return [*lines[:DIFFERENCES_SHOWN_MAX], *([f"… and {rest:,} more"] if rest > 0 else [])]


def explain_comparison(operator: str, left: object, right: object) -> list[str] | None:
    """Return why two answers are not equal, as pytest shows it below a failed assertion; None where it knows better."""
    if operator != "==":
        return None
    if not isinstance(left, CubeResult) and isinstance(right, CubeResult):
        left, right = right, left
    if isinstance(left, CubeResult) and isinstance(right, CubeResult | CellSet | list):
        lines = left.difference(right)
    elif isinstance(left, CellTable) and isinstance(right, Mapping):
        lines = [*_table_differences(left, right)]
    else:
        return None
    return ["the answers differ (found | expected):", *clipped(lines)]


def _plain(values: Sequence[object]) -> object:
    return values[0] if len(values) == 1 else tuple(values)


def _same(a: object, b: object) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same_value, a, b))
    return same_value(a, b)


def _is_member(value: object, wanted: object) -> bool:
    if isinstance(value, date) and isinstance(wanted, str):
        return value.isoformat() == wanted
    return same_value(value, wanted)


def _column_differences(found: CubeResult, expected: CubeResult) -> Iterator[str]:
    if [column.name for column in found.columns] != [column.name for column in expected.columns]:
        names = [", ".join(column.name for column in each.columns) for each in (found, expected)]
        yield f"columns: {names[0]} | {names[1]}"
        return
    for mine, theirs in zip(found.columns, expected.columns, strict=True):
        if mine != theirs:
            yield f"column {mine.name}: {_about(mine)} | {_about(theirs)}"


def _about(column: CellColumn) -> str:
    return " ".join([column.role, column.type, *([f"format {column.format}"] if column.format else [])])


def _row_differences(found: CubeResult, expected: CubeResult) -> Iterator[str]:
    """Compare row by row where both have the same rows; else say which are there once only."""
    mine, theirs = _placed(found), _placed(expected)
    places = [place for place, _ in mine]
    others = [place for place, _ in theirs]
    if places == others:
        for (place, row), (_, other) in zip(mine, theirs, strict=True):
            yield from _cell_differences(_where(found, place), found.measures, row, other)
        return
    seen, known = dict(mine), dict(theirs)
    yield from (f"only found: {_where(found, place)} {_told(found, row)}" for place, row in mine if place not in known)
    for place, row in theirs:
        if place in seen:
            yield from _cell_differences(_where(found, place), found.measures, seen[place], row)
        else:
            yield f"only expected: {_where(found, place)} {_told(found, row)}"
    if set(places) == set(others) and len(places) == len(others):
        first = next(at for at, (a, b) in enumerate(zip(places, others, strict=True)) if a != b)
        yield f"order: row {first} is {_where(found, places[first])} | {_where(found, others[first])}"


_Place = tuple[int, tuple[object, ...]]


def _placed(result: CubeResult) -> list[tuple[_Place, tuple[object, ...]]]:
    levels = len(result.levels)
    return [
        ((bits, tuple(_hashable(member) for member in row[:levels])), row[levels:])
        for row, bits in zip(result.rows, result.grouping, strict=True)
    ]


def _hashable(member: object) -> object:
    """Not a number is not equal to itself; as a member it is."""
    return "NaN" if member != member else member


def _where(result: CubeResult, place: _Place) -> str:
    bits, members = place
    parts = [
        f"{name}={'(all)' if bits >> at & 1 else repr(member)}"
        for at, (name, member) in enumerate(zip(result.levels, members, strict=True))
    ]
    return ", ".join(parts) or "the total"


def _told(result: CubeResult, row: Sequence[object]) -> str:
    return f"({', '.join(f'{name} {value!r}' for name, value in zip(result.measures, row, strict=True))})"


def _cell_differences(
    where: str, measures: Sequence[str], row: Sequence[object], other: Sequence[object]
) -> Iterator[str]:
    for name, value, wanted in zip(measures, row, other, strict=True):
        if not same_value(value, wanted):
            yield f"{where}: {name} {value!r} | {wanted!r}"


def _plain_differences(rows: Sequence[Sequence[object]], expected: Sequence[Sequence[object]]) -> Iterator[str]:
    for at, (row, other) in enumerate(zip(rows, expected, strict=False)):
        if not _same(tuple(row), tuple(other)):
            yield f"row {at}: {tuple(row)!r} | {tuple(other)!r}"
    yield from (f"only found: row {at}: {tuple(rows[at])!r}" for at in range(len(expected), len(rows)))
    yield from (f"only expected: row {at}: {tuple(expected[at])!r}" for at in range(len(rows), len(expected)))


def _table_differences(found: Mapping[object, object], expected: Mapping[object, object]) -> Iterable[str]:
    for key, value in found.items():
        if key not in expected:
            yield f"only found: {key!r}: {value!r}"
        elif not _same(value, expected[key]):
            yield f"{key!r}: {value!r} | {expected[key]!r}"
    yield from (f"only expected: {key!r}: {value!r}" for key, value in expected.items() if key not in found)
