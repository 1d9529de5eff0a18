"""Measures that Python computes: found with the model, and run on the cells between two statements of a query.

What the functions need is computed first and kept in a table of the cursor; they get its columns as Arrow, and the
query goes on from a table that has their results as well. What uses such a measure, an order too, the engine does.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import importlib
import logging
import marshal
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

from app_framework.database import DatabaseError
from app_framework.database.changes import ArrowStream
from app_framework.database.datatype import DataType, UnknownTypeError
from app_framework.database.sql import quote
from app_framework.errors import near_matches
from app_framework.olap.arrow import FunctionResultError, apply_function
from app_framework.olap.calculation import Applied
from app_framework.olap.cells import GROUPING, ROW
from app_framework.olap.definition import MeasureDefinition
from app_framework.olap.errors import MeasureFunctionError, TooManyCellsError
from app_framework.olap.expressions import ExpressionReader
from app_framework.olap.frames import CalculationPlan
from app_framework.olap.measure import CalculatedMeasure

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

_log = logging.getLogger(__name__)
RESULTS = "#results"


def build_function(definition: MeasureDefinition, reader: ExpressionReader) -> tuple[Applied, DataType] | None:
    """Return the function that a measure names and the type of its results; what is wrong is told to the reader."""
    function = definition.function or _imported(definition, reader)
    text, kind = str(definition.options["type"]), None
    try:
        kind = DataType.parse(text)
    except UnknownTypeError as error:
        reader.add((*definition.path[:-1], "type"), "UNKNOWN_TYPE", f"{error}.", error.near, word=error.text)
    if function is None or kind is None:
        return None
    uses = tuple(cast("Sequence[str]", definition.options["of"]))
    return Applied(definition.argument, uses, _digest(function), function), kind


class FunctionRun:
    """Runs the functions of one query, on the cursor of its job; close it when the answer is there.

    Args:
        cursor: the job's.
        plan: where the types of arguments are looked up.
        cells_max: how many cells functions are given.

    Attributes:
        statements: what was asked before the last statement, with the values bound to it.
    """

    def __init__(self, cursor: Cursor, plan: CalculationPlan, cells_max: int) -> None:
        self.statements: list[tuple[str, tuple[object, ...]]] = []
        self._cursor = cursor
        self._plan = plan
        self._cells_max = cells_max
        self._tables: list[str] = []

    def __call__(self, text: str, parameters: Sequence[object], measures: Sequence[CalculatedMeasure]) -> str:
        """Return the table that has the columns of a query and the measures computed from them.

        Raises:
            MeasureFunctionError: a function failed, or returned what is not its measure.
            TooManyCellsError: there are more cells than it is given.
        """
        self.statements.append((text, tuple(parameters)))
        number = len(self.statements)
        cells = self._created(f"#cells {number}", f"{text}\nLIMIT {self._cells_max + 1}", parameters)
        if int(str(self._cursor.rows(f"SELECT count(*) FROM temp.{cells}")[0][0])) > self._cells_max:
            raise TooManyCellsError(self._cells_max, measures[0].name)
        columns, source = [f"t.* EXCLUDE ({quote(ROW)})"], [f"FROM temp.{cells} AS t"]
        for i, measure in enumerate(measures):
            table = self._kept(f"#results {number} {i}", cells, measure)
            columns.append(f"r{i}.value AS {quote(measure.name)}")
            source.append(f"JOIN temp.{table} AS r{i} ON r{i}.row = t.{quote(ROW)}")
        return "temp." + self._created(f"#applied {number}", f"SELECT {', '.join(columns)}\n" + "\n".join(source))

    def close(self) -> None:
        """Remove the tables; those of a transaction that failed are gone with it."""
        for name in self._tables:
            with suppress(DatabaseError):
                self._cursor.execute(f"DROP TABLE IF EXISTS temp.{name}")

    def _created(self, name: str, sql: str, parameters: Sequence[object] = ()) -> str:
        """Make a table of the cursor's own; one that an interrupt has left there is replaced."""
        table = quote(name)
        self._tables.append(table)
        self._cursor.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}", parameters)
        return table

    def _kept(self, name: str, cells: str, measure: CalculatedMeasure) -> str:
        """Run the function of a measure and keep its results by the rows that they belong to."""
        results = self._results(cells, measure)
        self._cursor.check_wanted()
        with self._cursor.offering(RESULTS, results):
            value = f"CAST(value AS {measure.type.sql}) AS value"
            return self._created(name, f"SELECT row, {value} FROM {quote(RESULTS)}")

    def _results(self, cells: str, measure: CalculatedMeasure) -> ArrowStream:
        applied = measure.calculation
        assert isinstance(applied, Applied)
        columns = ", ".join([quote(ROW), quote(GROUPING), *map(self._argument, applied.uses)])
        table = self._cursor.arrow(f"SELECT {columns} FROM temp.{cells} ORDER BY {quote(ROW)}")
        try:
            return apply_function(table, applied.function, measure.type.answered)
        except FunctionResultError as error:
            raise MeasureFunctionError(measure.name, applied.name, str(error)) from error
        except Exception as error:
            # What an application's function says of its data is for the log, not for clients.
            _log.exception("measure %r: function %s failed", measure.name, applied.name)
            raise MeasureFunctionError(measure.name, applied.name, f"raised {type(error).__name__}") from error

    def _argument(self, name: str) -> str:
        kind = self._plan.measure(name).type
        return quote(name) if kind.answered == kind else f"CAST({quote(name)} AS {kind.answered.sql}) AS {quote(name)}"


def _imported(definition: MeasureDefinition, reader: ExpressionReader) -> Callable[..., object] | None:
    """Return the function at an import path; the application wrote it, no client can."""
    module_name, _, names = definition.argument.partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:  # a module may fail in any way while it is imported
        reason = f"it raised {type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError):
            reason = f"there is no module {error.name!r}"
        reader.add(definition.path, "FUNCTION_MISSING", f"module {module_name!r} cannot be imported: {reason}.")
        return None
    for name in names.split("."):
        inner = getattr(found, name, None)
        if inner is None:
            near = near_matches(name, [each for each in dir(found) if not each.startswith("_")])
            text = f"module {module_name!r} has no {names!r}."
            reader.add(definition.path, "FUNCTION_MISSING", text, near)
            return None
        found = inner
    if not callable(found):
        text = f"{definition.argument} is {type(found).__name__}, no function."
        reader.add(definition.path, "FUNCTION_MISSING", text)
        return None
    return found


def _digest(function: Callable[..., object]) -> str:
    """Return what stands for the code of a function: answers that another one gave are not its own."""
    code = getattr(function, "__code__", None)
    return blake2b(marshal.dumps(code), digest_size=8).hexdigest() if code else ""
