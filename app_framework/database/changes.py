"""What a commit changes: rows that are put into tables, and rows that leave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

OnError = Literal["refuse", "reject"]


class ArrowStream(Protocol):
    """Columns of any library that speaks Arrow's C interface: tables of pyarrow and polars, record batch readers."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the stream."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not even be read, in the place where it stood.

    Args:
        reason: why not.
        text: what stood there.
    """

    reason: str
    text: str


IncomingRow = Mapping[str, object] | BadRow


@dataclass(frozen=True, slots=True)
class Insert:
    """Put rows into a table; where the table has a key, a row takes the place of the one with the same key.

    Args:
        table: the table's name.
        rows: mappings of columns to values, or an Arrow stream; a column that is left out is null.
        texts: whether all values are texts, as CSV has them; an empty one is null.

    >>> Insert("orders", [{"id": 7, "city": "Graz"}])
    Insert(table='orders', rows=[{'id': 7, 'city': 'Graz'}], texts=False)
    """

    table: str
    rows: Iterable[IncomingRow] | ArrowStream
    texts: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition over the columns of one table, as our own code writes it: names quoted, values bound."""

    sql: str
    parameters: Sequence[object] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Take the rows out of a table that meet a condition; see `app_framework.olap.delete_where`."""

    table: str
    condition: Condition


Change = Insert | Delete


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit did.

    Args:
        version: the data version that holds it; the newest as before when nothing changed.
        rows: how many rows each change put in or took out, in the order of the changes.
        rejected: how many rows were left out because something was wrong with them.
        rejects: the file that holds those, None when there are none.
        repeated: whether it was made before, from what has the same receipt, and not again.
    """

    version: int
    rows: tuple[int, ...]
    rejected: int = 0
    rejects: Path | None = None
    repeated: bool = False
