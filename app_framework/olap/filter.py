"""Filters: which members of a level, or which paths of a hierarchy, a query keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app_framework.errors import near_matches
from app_framework.olap.member import is_unicode

MEMBERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class In:
    """Keep these members; None stands for rows without a member."""

    members: tuple[object, ...]

    def to_json(self) -> object:
        """Return the filter as JSON writes it."""
        return self.members[0] if len(self.members) == 1 else list(self.members)


@dataclass(frozen=True, slots=True)
class NotIn:
    """Keep all but these members; rows without a member are kept unless None is among them."""

    members: tuple[object, ...]

    def to_json(self) -> object:
        """Return the filter as JSON writes it."""
        return {"not": list(self.members)}


@dataclass(frozen=True, slots=True)
class Between:
    """Keep members from `low` to `high`, both included, None for no bound; rows without a member are left out."""

    low: object = None
    high: object = None

    def to_json(self) -> object:
        """Return the filter as JSON writes it."""
        return {key: bound for key, bound in (("from", self.low), ("to", self.high)) if bound is not None}


@dataclass(frozen=True, slots=True)
class StartsWith:
    """Keep members, texts, that begin with `prefix`."""

    prefix: str

    def to_json(self) -> object:
        """Return the filter as JSON writes it."""
        return {"prefix": self.prefix}


@dataclass(frozen=True, slots=True)
class AtPath:
    """Keep what lies under any of these paths of members, each from the coarsest level of a hierarchy down."""

    paths: tuple[tuple[object, ...], ...]

    def to_json(self) -> object:
        """Return the filter as JSON writes it."""
        return {"path": [list(path) for path in self.paths]}


Filter = In | NotIn | Between | StartsWith | AtPath


class FilterShapeError(ValueError):
    """A value is not a filter.

    Attributes:
        within: where inside the filter, to be appended to its field.
        near: the keys that were probably meant.
    """

    def __init__(self, reason: str, within: str = "", near: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.within = within
        self.near = near


def read_filter(value: object) -> Filter:
    """Return the filter a value writes: a member, a list of them, null, or a mapping such as ``{"from": 3}``.

    >>> read_filter({"not": ["MACHINERY", None]})
    NotIn(members=('MACHINERY', None))
    """
    if isinstance(value, In | NotIn | Between | StartsWith | AtPath):
        return value
    if isinstance(value, Mapping):
        return _read_mapping(value)
    return In(_members(value, ""))


def _read_mapping(value: Mapping[object, object]) -> Filter:
    keys = {str(key) for key in value}
    for key in keys - set(_KEYS):
        raise FilterShapeError(f"a filter has no key {key!r}.", f".{key}", near_matches(key, _KEYS))
    if keys == {"not"}:
        return NotIn(_members(value["not"], ".not"))
    if keys and keys <= {"from", "to"}:
        low, high = _bound(value, "from"), _bound(value, "to")
        if low is None and high is None:
            raise FilterShapeError("a range needs `from` or `to`.")
        return Between(low, high)
    if keys == {"prefix"}:
        if not isinstance(value["prefix"], str):
            raise FilterShapeError("a prefix is a text.", ".prefix")
        if not is_unicode(value["prefix"]):
            raise FilterShapeError("a prefix is a text of whole characters.", ".prefix")
        return StartsWith(value["prefix"])
    if keys == {"path"}:
        return AtPath(_paths(value["path"]))
    raise FilterShapeError(f"a filter has exactly one of {', '.join(_KEYS)}; only `from` and `to` go together.")


_KEYS = ("not", "from", "to", "prefix", "path")


def _members(value: object, within: str) -> tuple[object, ...]:
    members = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    if len(members) > MEMBERS_MAX:
        raise FilterShapeError(f"a filter lists at most {MEMBERS_MAX:,} members.", within)
    for position, member in enumerate(members):
        if isinstance(member, Mapping | list | tuple):
            raise FilterShapeError("a member is a plain value or null.", f"{within}[{position}]")
    return members


def _bound(value: Mapping[object, object], key: str) -> object:
    bound = value.get(key)
    if isinstance(bound, Mapping | list | tuple):
        raise FilterShapeError("a bound is a plain value.", f".{key}")
    return bound


def _paths(value: object) -> tuple[tuple[object, ...], ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MEMBERS_MAX:
        raise FilterShapeError(f"`path` is a list of paths, at most {MEMBERS_MAX:,}.", ".path")
    for position, path in enumerate(value):
        if not isinstance(path, list | tuple) or not path:
            raise FilterShapeError("a path is a list of members, the coarsest first.", f".path[{position}]")
        for depth, member in enumerate(path):
            if isinstance(member, Mapping | list | tuple):
                raise FilterShapeError("a member is a plain value or null.", f".path[{position}][{depth}]")
    return tuple(tuple(path) for path in value)
