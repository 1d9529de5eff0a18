"""The types of columns, levels and measures: how DuckDB writes them and how answers call them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from app_framework.errors import near_matches

Family = Literal[
    "integer", "decimal", "float", "text", "boolean", "date", "time", "timestamp", "zoned", "uuid", "array", "other"
]


@dataclass(frozen=True, slots=True)
class DataType:
    """A column's type.

    Args:
        name: what answers call it: ``int64``, ``string``, ``decimal(15,2)``, ``timestamp[UTC]``, ``double[]``.
        sql: what DuckDB calls it: ``BIGINT``.
        family: types of one family can be compared with each other.
        width: digits in all, of decimals.
        scale: digits after the point, of decimals.

    >>> DataType.parse("decimal(15,2)")
    DataType.parse('DECIMAL(15,2)')
    """

    name: str
    sql: str
    family: Family
    width: int = 0
    scale: int = 0

    @classmethod
    def parse(cls, text: str) -> DataType:
        """Return the type that a person or DuckDB wrote.

        Raises:
            UnknownTypeError: there is no such type; it knows what is near.
        """
        word = _normal(text)
        if decimal := _DECIMAL.fullmatch(word):
            return _decimal(text, int(decimal["width"] or 18), int(decimal["scale"] or 0))
        if word.endswith("[]"):
            element = cls.parse(word.removesuffix("[]"))
            if not element.numeric:
                raise UnknownTypeError(text)
            return element.array
        if word.startswith("ENUM("):
            return cls("string", text, "text")
        if known := _KNOWN.get(_ALIASES.get(word, word)):
            return known
        raise UnknownTypeError(text)

    @classmethod
    def of_engine(cls, text: str) -> DataType:
        """Return the type DuckDB reports; one that no level or measure can have is of family ``other``."""
        try:
            before, bracket, length = text.rpartition("[")
            if bracket and length.removesuffix("]").isdigit():  # an array of fixed length
                element = cls.parse(before)
                return cls(f"{element.name}[{length}", text, "array" if element.numeric else "other")
            return cls.parse(text)
        except UnknownTypeError:
            return cls(text.lower(), text, "other")

    @property
    def numeric(self) -> bool:
        """Whether it can be added up."""
        return self.family in ("integer", "decimal", "float")

    @property
    def array(self) -> DataType:
        """The type of arrays whose elements are of this one."""
        return DataType(f"{self.name}[]", f"{self.sql}[]", "array")

    @property
    def element(self) -> DataType:
        """The type of the elements of an array."""
        assert self.family == "array"
        return DataType.parse(self.sql[: self.sql.rindex("[")])

    @property
    def narrow(self) -> bool:
        """Whether it is an integer whose products soon overflow: arithmetic casts it to BIGINT."""
        return self.family == "integer" and self.name not in ("int64", "uint64", "int128", "uint128")

    @property
    def integer_range(self) -> tuple[int, int]:
        """The least and the largest value of an integer type."""
        return _integer_range(self.name)

    @property
    def answered(self) -> DataType:
        """The type in which it leaves in answers: one that JSON, Arrow and Python can all write."""
        if self.family == "array":
            return self.element.answered.array
        if self.name in ("int128", "uint128"):
            return _decimal(self.sql, 38, 0)
        return _KNOWN["TIMESTAMP"] if self.family == "timestamp" else self

    def comparable_to(self, other: DataType) -> bool:
        """Return whether values of both can be equal: same family, or both numbers."""
        return self.family == other.family or (self.numeric and other.numeric)

    def __repr__(self) -> str:
        return f"DataType.parse({self.sql!r})"

    def __str__(self) -> str:
        return self.name


class UnknownTypeError(ValueError):
    """A text names no type that columns can have.

    Attributes:
        text: what was written.
        near: the types that were probably meant.
    """

    def __init__(self, text: str) -> None:
        super().__init__(f"there is no type {text!r}")
        self.text = text
        element = text.removesuffix("[]")
        near = near_matches(element, [name.lower() for name in (*_KNOWN, *_ALIASES)])
        self.near = near if element == text else tuple(f"{name}[]" for name in near)


@cache
def _integer_range(name: str) -> tuple[int, int]:
    """Every member of a filter is compared with it; there are ten names."""
    signed, bits = not name.startswith("u"), int(re.sub(r"\D", "", name))
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _normal(text: str) -> str:
    return re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", text.strip())).upper()


def _decimal(text: str, width: int, scale: int) -> DataType:
    if not (1 <= width <= 38 and scale <= width):
        raise UnknownTypeError(text)
    return DataType(f"decimal({width},{scale})", f"DECIMAL({width},{scale})", "decimal", width, scale)


_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)(?:\((?P<width>\d+)(?:,(?P<scale>\d+))?\))?")

_KNOWN: dict[str, DataType] = {
    kind.sql: kind
    for kind in (
        DataType("int8", "TINYINT", "integer"),
        DataType("int16", "SMALLINT", "integer"),
        DataType("int32", "INTEGER", "integer"),
        DataType("int64", "BIGINT", "integer"),
        DataType("int128", "HUGEINT", "integer"),
        DataType("uint8", "UTINYINT", "integer"),
        DataType("uint16", "USMALLINT", "integer"),
        DataType("uint32", "UINTEGER", "integer"),
        DataType("uint64", "UBIGINT", "integer"),
        DataType("uint128", "UHUGEINT", "integer"),
        DataType("float", "FLOAT", "float"),
        DataType("double", "DOUBLE", "float"),
        DataType("string", "VARCHAR", "text"),
        DataType("boolean", "BOOLEAN", "boolean"),
        DataType("date", "DATE", "date"),
        DataType("time", "TIME", "time"),
        DataType("timestamp", "TIMESTAMP", "timestamp"),
        DataType("timestamp", "TIMESTAMP_S", "timestamp"),
        DataType("timestamp", "TIMESTAMP_MS", "timestamp"),
        DataType("timestamp", "TIMESTAMP_NS", "timestamp"),
        DataType("timestamp[UTC]", "TIMESTAMP WITH TIME ZONE", "zoned"),
        DataType("uuid", "UUID", "uuid"),
    )
}

_ALIASES = {
    "INT": "INTEGER", "INT4": "INTEGER", "INT32": "INTEGER", "SIGNED": "INTEGER",
    "INT8": "BIGINT", "LONG": "BIGINT", "INT64": "BIGINT",
    "INT2": "SMALLINT", "SHORT": "SMALLINT", "INT16": "SMALLINT", "INT1": "TINYINT",
    "INT128": "HUGEINT", "UINT8": "UTINYINT", "UINT16": "USMALLINT", "UINT32": "UINTEGER", "UINT64": "UBIGINT",
    "FLOAT4": "FLOAT", "REAL": "FLOAT", "FLOAT8": "DOUBLE", "DOUBLE PRECISION": "DOUBLE", "NUMBER": "DOUBLE",
    "STRING": "VARCHAR", "TEXT": "VARCHAR", "CHAR": "VARCHAR", "BOOL": "BOOLEAN", "LOGICAL": "BOOLEAN",
    "DATETIME": "TIMESTAMP", "TIMESTAMP_US": "TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "TIMESTAMP[UTC]": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip

BIGINT = _KNOWN["BIGINT"]
DOUBLE = _KNOWN["DOUBLE"]
VARCHAR = _KNOWN["VARCHAR"]
BOOLEAN = _KNOWN["BOOLEAN"]
