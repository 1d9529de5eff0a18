"""What a node is asked of the cells of a cube: keys, conditions and measures by name; it travels as JSON.

No SQL travels, and no expression: a node writes its own, of its own model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import cast
from uuid import UUID

from app_framework.database.branches import MASTER
from app_framework.errors import UserError
from app_framework.olap.filter import Filter, FilterShapeError, In, read_filter
from app_framework.olap.member import member_text

FRAMES_MAX = 1_000
CELLS_MAX = 100_000
MEMBERS_MAX = 1_000_000
"""Members of one restriction: where nodes share members, each is told all that it answers for."""


class PartialQuestionError(UserError):
    """What arrived is not a question for a part of an answer.

    Attributes:
        reason: what is wrong with it.
    """

    code = "INVALID_REQUEST"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return f"This is not a question for a part of an answer: {self.reason}."


@dataclass(frozen=True, slots=True)
class Restriction:
    """A condition in words that travel.

    Args:
        name: the full name of a level, or of a hierarchy where the filter is of paths.
        filter: what is kept.
    """

    name: str
    filter: Filter

    def to_json(self) -> list[object]:
        """Return the restriction as JSON; members that JSON has no form for are texts, as in a query."""
        return [self.name, self.filter.to_json()]

    @staticmethod
    def parse(document: object) -> Restriction:
        """Return the restriction that JSON writes."""
        name, value = _items(document, 2, "a restriction")
        try:
            return Restriction(_text(name, "the name of a level"), _read_filter(value))
        except FilterShapeError as error:
            raise PartialQuestionError(f"filter on {name!r}: {error}") from error


@dataclass(frozen=True, slots=True)
class PartialCell:
    """A measure over the rows of a frame that pass a context; context 0 is all of them."""

    measure: str
    context: int = 0


@dataclass(frozen=True, slots=True)
class PartialFrame:
    """The cells of some keys, without totals.

    Args:
        levels: the full names of its keys.
        where: what every row has to pass.
        contexts: further conditions, of which each cell names one list; the first is empty.
        cells: what is aggregated.
    """

    levels: tuple[str, ...] = ()
    where: tuple[Restriction, ...] = ()
    contexts: tuple[tuple[Restriction, ...], ...] = ((),)
    cells: tuple[PartialCell, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the frame as JSON."""
        return {
            "levels": list(self.levels),
            "where": [restriction.to_json() for restriction in self.where],
            "contexts": [[restriction.to_json() for restriction in context] for context in self.contexts],
            "cells": [[cell.measure, cell.context] for cell in self.cells],
        }

    @staticmethod
    def parse(document: object) -> PartialFrame:
        """Return the frame that JSON writes."""
        entries = _mapping(document, "a frame")
        contexts = tuple(_restrictions(context) for context in _list(entries.get("contexts"), "contexts"))
        if not contexts or contexts[0]:
            raise PartialQuestionError("its first context has conditions")
        cells = tuple(_cell(cell, len(contexts)) for cell in _list(entries.get("cells"), "cells", CELLS_MAX))
        levels = tuple(_text(name, "the name of a level") for name in _list(entries.get("levels"), "levels"))
        return PartialFrame(levels, _restrictions(entries.get("where")), contexts, cells)


@dataclass(frozen=True, slots=True)
class PartialQuestion:
    """The frames that one node is asked for; it answers all of them of one version.

    Args:
        frames: what is asked.
        branch: where to look.
        version: the data version; the newest unless given.
        timeout_s: how long the answer may take, waiting included.
        rows_max: the most rows of one frame.
        dictionaries: of texts that nodes number, how many of each are known (see dictionaries.py).
    """

    frames: tuple[PartialFrame, ...]
    branch: str = MASTER
    version: int | None = None
    timeout_s: float = 30.0
    rows_max: int = 1_000_000
    dictionaries: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def to_bytes(self) -> bytes:
        """Return the question as JSON."""
        document = {
            "frames": [frame.to_json() for frame in self.frames],
            "branch": self.branch,
            "version": self.version,
            "timeout_s": self.timeout_s,
            "rows_max": self.rows_max,
            "dictionaries": dict(self.dictionaries),
        }
        return json.dumps(document, separators=(",", ":"), default=_written).encode()

    @staticmethod
    def parse(data: bytes) -> PartialQuestion:
        """Return the question that bytes hold.

        Raises:
            PartialQuestionError: they hold none.
        """
        try:
            entries = _mapping(json.loads(data), "it")
        except (ValueError, RecursionError) as error:
            raise PartialQuestionError(f"it is not JSON: {error}") from error
        frames = tuple(PartialFrame.parse(frame) for frame in _list(entries.get("frames"), "frames", FRAMES_MAX))
        known = _mapping(entries.get("dictionaries", {}), "`dictionaries`")
        version = entries.get("version")
        return PartialQuestion(
            frames,
            _text(entries.get("branch"), "the branch"),
            None if version is None else _whole(version, "the version"),
            _seconds(entries.get("timeout_s")),
            _whole(entries.get("rows_max"), "`rows_max`"),
            MappingProxyType({token: _whole(length, "the length of a dictionary") for token, length in known.items()}),
        )


def _written(member: object) -> str:
    """Return a member that JSON has no form for as the text that it is read back from."""
    if isinstance(member, UUID | Decimal | date | datetime | time):
        return member_text(member)
    raise TypeError(f"{type(member).__name__} is no member of a level")


def _read_filter(value: object) -> Filter:
    if isinstance(value, list) and len(value) <= MEMBERS_MAX:
        for member in value:
            if isinstance(member, list | dict):
                raise FilterShapeError("a member is a plain value or null.")
        return In(tuple(value))
    return read_filter(value)


def _cell(document: object, contexts: int) -> PartialCell:
    measure, context = _items(document, 2, "a cell")
    number = _whole(context, "the context of a cell")
    if number >= contexts:
        raise PartialQuestionError(f"there is no context {number}")
    return PartialCell(_text(measure, "the name of a measure"), number)


def _restrictions(document: object) -> tuple[Restriction, ...]:
    return tuple(map(Restriction.parse, _list(document, "conditions")))


def _mapping(document: object, what: str) -> Mapping[str, object]:
    if not isinstance(document, dict):
        raise PartialQuestionError(f"{what} is no mapping")
    return cast("Mapping[str, object]", document)


def _list(document: object, what: str, most: int = 10_000) -> list[object]:
    if not isinstance(document, list):
        raise PartialQuestionError(f"{what} is no list")
    if len(document) > most:
        raise PartialQuestionError(f"{what} has more than {most:,} entries")
    return document


def _items(document: object, count: int, what: str) -> list[object]:
    if not isinstance(document, list) or len(document) != count:
        raise PartialQuestionError(f"{what} is no list of {count}")
    return document


def _text(document: object, what: str) -> str:
    if not isinstance(document, str):
        raise PartialQuestionError(f"{what} is no text")
    return document


def _whole(document: object, what: str) -> int:
    if not isinstance(document, int) or isinstance(document, bool) or not 0 <= document < 2**63:
        raise PartialQuestionError(f"{what} is no whole number")
    return document


def _seconds(document: object) -> float:
    if isinstance(document, bool) or not isinstance(document, int | float) or not 0 < document < 1e9:
        raise PartialQuestionError("`timeout_s` is no number of seconds")
    return float(document)
