"""Tables and the references between them, as a model declares them and as the database holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app_framework.database.datatype import DataType
from app_framework.database.source import Source
from app_framework.database.sql import quote


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    >>> Column("l_quantity", DataType.parse("decimal(15,2)"))
    Column('l_quantity', 'decimal(15,2)')
    """

    name: str
    type: DataType

    def __repr__(self) -> str:
        return f"Column({self.name!r}, {self.type.name!r})"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the model declares it (A3).

    Args:
        name: what references and cubes call it.
        source: the files it is loaded from; without one it starts empty, or is what the database file holds.
        key: the columns whose values together are unique and never null.
        columns: types by column name: those the files do not say; all of them without a source.
        path: where the declaration stands in the configuration, for messages.
    """

    name: str
    source: Source | None = None
    key: Sequence[str] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str | int, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.key, str):
            object.__setattr__(self, "key", (self.key,))
        if not self.path:
            object.__setattr__(self, "path", ("database", "tables", self.name))


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table as the database holds it: its columns with their types, in the order of the file."""

    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Table {self.name!r} {len(self.columns)} columns, key {list(self.key)}>"


@dataclass(frozen=True, slots=True)
class Reference:
    """A many-to-one link between two tables; a row that finds nothing keeps its place in every total.

    Args:
        name: what column paths call it: the target table, unless an ``as`` says otherwise.

    >>> str(Reference.parse("flights.dest -> airports.faa as dest_airport"))
    'flights.dest -> airports.faa as dest_airport'
    """

    source: str
    source_columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    name: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return the reference written as ``a.x -> b.y``, ``a.(x, y) -> b.(x, y)``, with ``as name`` or without.

        Raises:
            ReferenceSyntaxError: the text has another shape.
        """
        left, arrow, right = text.partition("->")
        target_text, name = _split_name(right)
        source, target = _side(left), _side(target_text)
        if not arrow or source is None or target is None:
            raise ReferenceSyntaxError(text)
        if len(source[1]) != len(target[1]):
            raise ReferenceSyntaxError(text, "both sides must name the same number of columns")
        return cls(*source, *target, name or target[0])

    def __str__(self) -> str:
        name = "" if self.name == self.target else f" as {self.name}"
        return f"{self.source}.{_columns(self.source_columns)} -> {self.target}.{_columns(self.target_columns)}{name}"

    def condition(self, source_alias: str, target_alias: str) -> str:
        """Return the SQL that says which target row belongs to a source row."""
        pairs = zip(self.source_columns, self.target_columns, strict=True)
        return " AND ".join(f"{quote(source_alias)}.{quote(a)} = {quote(target_alias)}.{quote(b)}" for a, b in pairs)


class ReferenceSyntaxError(ValueError):
    """A text is not a reference."""

    def __init__(self, text: str, reason: str = "it is not a reference") -> None:
        super().__init__(
            f"{reason}: {text!r}. Write `orders.customer_id -> customers.id`,"
            " `a.(x, y) -> b.(x, y)` for several columns, and `as name` to give it a name."
        )


_NAME = r'(?:"[^"]+"|[^\s.,()"]+)'
_SIDE = re.compile(
    rf"\s*(?P<table>{_NAME})\s*\.\s*(?:(?P<one>{_NAME})|\((?P<many>\s*{_NAME}(?:\s*,\s*{_NAME})*\s*)\))\s*"
)
_AS = re.compile(rf"(?P<rest>.*\S)\s+as\s+(?P<name>{_NAME})\s*", re.IGNORECASE | re.DOTALL)


def _split_name(text: str) -> tuple[str, str | None]:
    found = _AS.fullmatch(text)
    return (found["rest"], _plain(found["name"])) if found else (text, None)


def _side(text: str) -> tuple[str, tuple[str, ...]] | None:
    found = _SIDE.fullmatch(text)
    if found is None:
        return None
    columns = [found["one"]] if found["one"] else re.findall(_NAME, found["many"])
    return _plain(found["table"]), tuple(_plain(column) for column in columns)


def _plain(name: str) -> str:
    return name[1:-1] if name.startswith('"') else name


def _columns(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"
