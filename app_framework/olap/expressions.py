"""Expressions of a model: read with the engine's grammar, bound to see their type, problems kept with their path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app_framework.database.database import Database
from app_framework.database.datatype import DataType
from app_framework.database.errors import EngineError, ExpressionError, ModelProblem
from app_framework.database.expression import Expression, Resolve
from app_framework.olap.definition import ConfigurationPath
from app_framework.olap.format import FormatError, read_format
from app_framework.olap.join import JoinTree, Path


class ExpressionReader:
    """Reads the expressions of one model.

    Attributes:
        problems: everything wrong so far, also what others add.
    """

    def __init__(self, database: Database) -> None:
        self.problems: list[ModelProblem] = []
        self._database = database

    def read(self, text: str, resolve: Resolve, path: ConfigurationPath) -> Expression | None:
        """Return the expression a text writes, None when it writes none."""
        try:
            return self._database.expressions.read(text, resolve)
        except ExpressionError as error:
            code = "UNKNOWN_COLUMN" if "no column" in error.reason else "INVALID_EXPRESSION"
            # Without a word to replace, what is near are the choices that the message names already.
            self.add(path, code, str(error), error.near if error.word else (), word=error.word)
            return None

    def bind(self, read: Expression, source: str, path: ConfigurationPath) -> tuple[str, DataType] | None:
        """Return the SQL of an expression that `source` accepts, and its type; None when it accepts neither."""
        refusal = ""
        for sql in dict.fromkeys((read.sql, read.narrow_sql)):
            try:
                return sql, self._database.describe(f"SELECT {sql} {source}")[0].type
            except EngineError as error:
                refusal = refusal or error.reason
        self.add(path, "INVALID_EXPRESSION", f"{refusal} In: {read.text}")
        return None

    def check_format(self, text: str | None, kind: DataType, path: ConfigurationPath) -> None:
        """Refuse a format that values of a type do not have."""
        if text is not None:
            try:
                read_format(text, kind)
            except FormatError as error:
                self.add(path, "INVALID_FORMAT", f"{error}.")

    def add(
        self,
        path: ConfigurationPath,
        code: str,
        message: str,
        near: Iterable[str] = (),
        *,
        of_key: bool = False,
        word: str = "",
    ) -> None:
        """Keep a problem; one that several cubes share, such as their schema's wrong base, is told once."""
        problem = ModelProblem(path, code, message, tuple(near), of_key, word)
        if problem not in self.problems:
            self.problems.append(problem)


@dataclass(frozen=True, slots=True)
class RowValue:
    """What an expression gives of a row and the rows it refers to.

    Args:
        sql: the expression as the engine accepts it.
        type: the type of its values.
        joins: the paths of the tables it reads.
    """

    expression: Expression
    sql: str
    type: DataType
    joins: frozenset[Path]


class RowReader:
    """Reads expressions over the rows of one cube's base table."""

    def __init__(self, reader: ExpressionReader, tree: JoinTree) -> None:
        self._reader = reader
        self._tree = tree

    def read(self, text: str, path: ConfigurationPath) -> RowValue | None:
        """Return what a text says of a row, None when it says nothing that makes sense."""
        read = self._reader.read(text, self._tree.resolve, path)
        joins = frozenset(key[0] for key in read.names if isinstance(key, tuple)) if read else frozenset()
        bound = read and self._bind(read, joins, path)
        return RowValue(read, *bound, joins) if read and bound else None

    def _bind(self, read: Expression, joins: frozenset[Path], path: ConfigurationPath) -> tuple[str, DataType] | None:
        """Return SQL and type: of a plain column what its table says, else what the engine finds."""
        if read.tree.get("class") == "COLUMN_REF":
            table, column = next(key for key in read.names if isinstance(key, tuple))
            return read.sql, self._tree.joins[table].table.columns[column].type
        source = f"FROM {self._tree.from_clause(self._tree.needed(joins))}"
        return self._reader.bind(read, source, path)
