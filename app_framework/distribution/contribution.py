"""What a data cube brings to a query cube: its model, the members that it holds, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app_framework.database.datatype import DataType
from app_framework.distribution.errors import InvalidContributionError
from app_framework.distribution.outline import Outline
from app_framework.distribution.reading import Reader
from app_framework.olap.member import MemberError, member_json, parse_member

if TYPE_CHECKING:
    from app_framework.olap.partial.paths import Paths


@dataclass(frozen=True, slots=True, order=True)
class DataCubeId:
    """A data cube of a cluster: the node that it is on, and what it is called there.

    >>> str(DataCubeId("a", "sales"))
    'a/sales'
    """

    node: str
    cube: str

    def __str__(self) -> str:
        return f"{self.node}/{self.cube}"


@dataclass(frozen=True, slots=True)
class Contribution:
    """A data cube as a query cube sees it.

    Args:
        application: the one that it is a part of.
        outline: what it publishes of its model.
        incarnation: another one after each start of its node.
        version: of the data that `members` are of.
        branches: the branches that query cubes may ask for, with their versions.
        masks: the members, by the full name of their level, that it is not to be asked for.
        priority: of those that hold a member, the one with the lowest number is asked.
        members: the paths of each hierarchy by its full name; they travel beside, in chunks.
    """

    id: DataCubeId
    application: str
    outline: Outline
    incarnation: str
    version: int
    branches: Mapping[str, int] = field(default_factory=dict)
    masks: Mapping[str, frozenset[object]] = field(default_factory=dict)
    priority: int | None = None
    members: Mapping[str, Paths] = field(default_factory=dict, compare=False, repr=False)

    def having(self, members: Mapping[str, Paths], version: int) -> Contribution:
        """Return the same data cube with other members, those of a version."""
        return replace(self, members=members, version=version)

    def held(self, level: str) -> frozenset[object]:
        """Return the members that it has of a level, by the full name of that."""
        return self.members[self.outline.hierarchy_of(level).full_name].held(level)

    def to_json(self) -> dict[str, object]:
        """Return all but the members as JSON writes it."""
        return {
            "node": self.id.node,
            "cube": self.id.cube,
            "application": self.application,
            "outline": self.outline.to_json(),
            "incarnation": self.incarnation,
            "version": self.version,
            "branches": dict(self.branches),
            "masks": masks_json(self.masks),
            "priority": self.priority,
        }

    @staticmethod
    def parse(document: object) -> Contribution:
        """Return the contribution, without members, that a decoded JSON document writes.

        Raises:
            InvalidContributionError: it is none.
        """
        read = Reader(document, "a contribution")
        outline = Outline.parse(read.inner("outline").document)
        branches = read.inner("branches")
        return Contribution(
            DataCubeId(read.text("node"), read.text("cube")),
            read.text("application"),
            outline,
            read.text("incarnation"),
            read.number("version"),
            {name: branches.number(name) for name in branches.document},
            parse_masks(read.inner("masks"), outline),
            read.optional_number("priority"),
        )

    def __repr__(self) -> str:
        return f"<Contribution of {self.id} to {self.application!r}, version {self.version}>"


def masks_json(masks: Mapping[str, frozenset[object]]) -> dict[str, object]:
    """Return masked members by level as JSON writes them."""
    return {level: sorted(map(member_json, members), key=repr) for level, members in masks.items()}


def parse_masks(read: Reader, outline: Outline) -> dict[str, frozenset[object]]:
    """Return masked members by level; those of levels that are not published are left out.

    Raises:
        InvalidContributionError: they cannot be members.
    """
    found: dict[str, frozenset[object]] = {}
    for name in read.document:
        if (level := outline.levels.get(name)) is not None:
            kind = DataType.parse(level.type)
            try:
                members = [None if each is None else parse_member(each, kind) for each in read.plains(name)]
            except MemberError as error:
                raise InvalidContributionError(f"{error}") from error
            found[name] = frozenset(members)
    return found
