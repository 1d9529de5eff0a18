"""The tables a cube reaches from its base, and what a column path written in the model stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from app_framework.database.expression import Name, UnknownNameError
from app_framework.database.schema import Column, Reference, TableSchema
from app_framework.database.sql import quote
from app_framework.errors import near_matches

Path = tuple[str, ...]
TABLES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Join:
    """A table reached along a path of references; the base has the empty path."""

    path: Path
    table: TableSchema
    alias: str
    reference: Reference | None = None


class JoinTree:
    """Every table reachable from a base table, once per way: role-playing references give several.

    Args:
        base: the fact table.
        tables: all tables of the database.
        references: all its references; they form no circle.

    Attributes:
        sources: what stands after FROM for the tables that do not stand there by their name.
    """

    def __init__(self, base: TableSchema, tables: Mapping[str, TableSchema], references: Sequence[Reference]) -> None:
        self.base = base
        self.sources: Mapping[str, str] = {}
        found: list[tuple[Path, TableSchema, Reference | None]] = [((), base, None)]
        for path, table, _ in found:  # grows while it is walked: breadth first, near tables before far ones
            for reference in references:
                if reference.source == table.name and len(found) < TABLES_MAX:
                    found.append(((*path, reference.name), tables[reference.target], reference))
        aliases = _aliases(base.name, [path for path, _, _ in found])
        self.joins = {path: Join(path, table, aliases[path], reference) for path, table, reference in found}

    def needed(self, paths: Iterable[Path]) -> tuple[Join, ...]:
        """Return the joins that bring in the tables of `paths`, in the order in which they can be written."""
        wanted = {path[:length] for path in paths for length in range(1, len(path) + 1)}
        return tuple(join for path, join in self.joins.items() if path in wanted)

    def at(self, sources: Mapping[str, str]) -> JoinTree:
        """Return the tree over other rows of its tables, such as those of an older version."""
        tree = copy(self)
        tree.sources = sources
        return tree

    def from_clause(self, joins: Iterable[Join]) -> str:
        """Return the SQL after FROM; a row that finds nothing keeps its place (LEFT JOIN)."""
        lines = [self._named(self.joins[()])]
        for join in joins:
            assert join.reference is not None
            parent = self.joins[join.path[:-1]]
            lines.append(f"LEFT JOIN {self._named(join)} ON {join.reference.condition(parent.alias, join.alias)}")
        return "\n".join(lines)

    def source(self, table: str) -> str:
        """Return what stands after FROM for a table of the database, reached from the base or not."""
        return self.sources.get(table) or quote(table)

    def _named(self, join: Join) -> str:
        name = join.table.name
        source = self.sources.get(name)
        if source is None and join.alias == name:
            return quote(name)
        return f"{source or quote(name)} AS {quote(join.alias)}"

    def resolve(self, parts: tuple[str, ...]) -> Name:
        """Return the column a dotted name stands for.

        Raises:
            UnknownNameError: there is none, or there are several.
        """
        join, column = self.column(parts)
        return Name((join.path, column.name), (join.alias, column.name), column.type)

    def column(self, parts: tuple[str, ...]) -> tuple[Join, Column]:
        """Return the column a dotted name stands for, and the table it is in.

        Raises:
            UnknownNameError: there is none, or there are several.
        """
        *path, name = parts
        exact = self.joins.get(tuple(path))
        if exact is None and path and path[0] == self.base.name:
            exact = self.joins.get(tuple(path[1:]))
        if exact is not None and name in exact.table.columns:
            return exact, exact.table.columns[name]
        candidates = [
            join
            for join in self.joins.values()
            if name in join.table.columns and join.path[len(join.path) - len(path) :] == tuple(path)
        ]
        if len(candidates) == 1:
            return candidates[0], candidates[0].table.columns[name]
        written = ".".join(parts)
        if candidates:
            choices = tuple(".".join((*join.path, name)) for join in candidates)
            raise UnknownNameError(f"column {written!r} is ambiguous: it may be {', '.join(choices)}", choices)
        near = near_matches(written, self._spellings(parts))
        raise UnknownNameError(f"table {self.base.name!r} reaches no column {written!r}", near, written)

    def _spellings(self, parts: tuple[str, ...]) -> list[str]:
        """Return the ways to write columns that could have been meant: as long as what was written."""
        return [
            ".".join((*join.path[max(0, len(join.path) + 1 - len(parts)) :], column))
            for join in self.joins.values()
            for column in join.table.columns
        ]

    def __repr__(self) -> str:
        return f"<JoinTree {self.base.name} {len(self.joins) - 1} references>"


def _aliases(base: str, paths: Sequence[Path]) -> dict[Path, str]:
    """Call each table by its last reference where that is unique, else by its whole path."""
    last = Counter(path[-1].casefold() for path in paths if path)
    last[base.casefold()] += 1

    def alias(path: Path) -> str:
        if not path:
            return base
        return path[-1] if last[path[-1].casefold()] == 1 else ".".join(path)

    return {path: alias(path) for path in paths}
