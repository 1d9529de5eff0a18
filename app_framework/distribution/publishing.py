"""What a data cube contributes, kept up with its commits, and how it travels.

A contribution travels as a header in JSON and the paths of its hierarchies as Arrow; to a query cube that knows an
earlier version of it, only what came and what left since then.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from app_framework.database.datatype import DataType
from app_framework.distribution.contribution import Contribution, DataCubeId
from app_framework.distribution.errors import InvalidContributionError, StaleDeltaError, TooManyMembersError
from app_framework.distribution.liveness import Stamp
from app_framework.distribution.outline import HierarchyOutline, Outline
from app_framework.distribution.reading import Reader
from app_framework.olap.errors import TooLargeError
from app_framework.olap.member import parse_member
from app_framework.olap.partial.answer import PartialAnswer, Table
from app_framework.olap.partial.answering import PartialAnswerer
from app_framework.olap.partial.arrivals import read_arrivals
from app_framework.olap.partial.paths import PathLevel, Paths, PathsDelta, WrongPathsError
from app_framework.olap.partial.question import PartialFrame, PartialQuestion

if TYPE_CHECKING:
    from app_framework.database import Database
    from app_framework.olap.model import CubeModel

ALL, CAME, LEFT = "all", "came", "left"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Published:
    """A contribution as it travels.

    Args:
        turn: in which the data cube takes part; see `standing.CubeRecord`.
        state: stands for everything but the version of the data.
        masks_version: of its masks.
    """

    contribution: Contribution
    turn: int
    state: str
    masks_version: int

    @property
    def stamp(self) -> Stamp:
        """Which contribution it is."""
        return Stamp(self.contribution.incarnation, self.contribution.version, self.state)


@dataclass(frozen=True, slots=True)
class _Change:
    """What one version changed in the members."""

    version: int
    deltas: Mapping[str, PathsDelta]


class Publisher:
    """Reads what a data cube holds, after each of its commits.

    Args:
        data_cube: which one.
        application: that it is a part of.
        outline: what is published of its model.
        model: the model, without what is concealed.
        database: where its rows are.
        incarnation: of the running data cube.
        hidden: the branches that are concealed.
        priority: of the data cube.
        members_max: of one hierarchy.
        deltas_kept: of how many versions it is remembered what each changed.

    Attributes:
        current: what was read last; None before.
    """

    def __init__(
        self,
        data_cube: DataCubeId,
        application: str,
        outline: Outline,
        model: CubeModel,
        database: Database,
        *,
        incarnation: str,
        hidden: frozenset[str] = frozenset(),
        priority: int | None = None,
        members_max: int,
        deltas_kept: int,
    ) -> None:
        self.current: Published | None = None
        self._contribution = Contribution(data_cube, application, outline, incarnation, 0, priority=priority)
        self._database = database
        self._model = model
        self._answerer = PartialAnswerer(model, database, rows_max=members_max)
        self._levels = {each.full_name: path_levels(each) for each in outline.hierarchies}
        self._hidden = hidden
        self._members_max = members_max
        self._changes: deque[_Change] = deque(maxlen=deltas_kept)
        self._changes_since = 0
        self._members_version = 0

    async def read(self, turn: int, masks: Mapping[str, frozenset[object]], masks_version: int) -> Published:
        """Read what there is now and return it.

        Raises:
            TooManyMembersError: a hierarchy has more than may be published.
            OverloadedError, QueryTimeoutError: not now.
        """
        before = self.current.contribution if self.current else None
        version, members = await self._members(before)
        if before is None:
            self._changes_since = self._members_version = version
        elif members != before.members:
            deltas = {name: before.members[name].delta(paths) for name, paths in members.items()}
            self._note(_Change(version, {name: delta for name, delta in deltas.items() if len(delta)}))
        branches = {name: b.version for name, b in self._database.branches.items() if name not in self._hidden}
        contribution = replace(self._contribution.having(members, version), branches=branches, masks=dict(masks))
        told = [turn, masks_version, self._members_version, sorted(branches.items()), contribution.priority]
        text = json.dumps([*told, contribution.outline.digest, contribution.application])
        state = blake2b(text.encode(), digest_size=12).hexdigest()
        self.current = Published(contribution, turn, state, masks_version)
        return self.current

    def pieces(self, since: Stamp | None) -> Iterator[bytes]:
        """Yield what is there now as it travels: all of it, or what changed since a contribution that is known."""
        assert self.current is not None, "a data cube reads what it holds before it says that it is there"
        contribution = self.current.contribution
        known = since is not None and since.incarnation == contribution.incarnation
        changes = self._changes_after(since.version) if since is not None and known else None
        if changes is None:
            tables = [(name, ALL, paths.table) for name, paths in contribution.members.items()]
        else:
            tables = [
                (name, part, table)
                for change in changes
                for name, delta in change.deltas.items()
                for part, table in ((LEFT, delta.left), (CAME, delta.came))
            ]
        header = {
            "contribution": contribution.to_json(),
            "turn": self.current.turn,
            "state": self.current.state,
            "masks_version": self.current.masks_version,
            "since": since.version if since is not None and changes is not None else None,
            "tables": [[name, part] for name, part, _ in tables],
        }
        text = json.dumps(header).encode()
        yield _LENGTH.pack(len(text)) + text
        yield from PartialAnswer(contribution.version, tuple(table for _, _, table in tables)).chunks()

    async def _members(self, before: Contribution | None) -> tuple[int, dict[str, Paths]]:
        """Return the paths of all hierarchies in one version; those that did not change are the same objects."""
        frames = tuple(PartialFrame(tuple(level.name for level in levels)) for levels in self._levels.values())
        if before is not None:
            came = await read_arrivals(self._model, self._database, frames, before.version, self._members_max)
            if came is not None:
                return came.version, self._more(before, came)
        try:
            answer = await self._answerer.answer(PartialQuestion(frames, rows_max=self._members_max))
        except TooLargeError as error:
            raise TooManyMembersError(await self._largest(), str(self._contribution.id), self._members_max) from error
        members = {}
        for (name, levels), table in zip(self._levels.items(), answer.tables, strict=True):
            paths = Paths.read(levels, [table])
            known = before.members[name] if before else None
            members[name] = known if known is not None and not len(known.delta(paths)) else paths
        return answer.version, members

    def _more(self, before: Contribution, came: PartialAnswer) -> dict[str, Paths]:
        """Return the paths that were known and those of rows that came.

        Raises:
            TooManyMembersError: together they are more than may be published.
        """
        members = dict(before.members)
        for (name, levels), table in zip(self._levels.items(), came.tables, strict=False):
            together = Paths.read(levels, [members[name].table, table])
            if len(together) > self._members_max:
                raise TooManyMembersError(name, str(self._contribution.id), self._members_max)
            if len(together) > len(members[name]):
                members[name] = together
        return members

    async def _largest(self) -> str:
        """Return which hierarchy has too many members."""
        for name, levels in self._levels.items():
            frame = PartialFrame(tuple(level.name for level in levels))
            try:
                await self._answerer.answer(PartialQuestion((frame,), rows_max=self._members_max))
            except TooLargeError:
                return name
        return "?"

    def _note(self, change: _Change) -> None:
        if len(self._changes) == self._changes.maxlen:
            self._changes_since = self._changes[0].version if self._changes else change.version
        self._changes.append(change)
        self._members_version = change.version

    def _changes_after(self, version: int) -> list[_Change] | None:
        """Return what changed after a version; None where that is not remembered."""
        if version < self._changes_since:
            return None
        return [change for change in self._changes if change.version > version]

    def __repr__(self) -> str:
        return f"<Publisher of {self._contribution.id}>"


def read_published(pieces: Iterable[bytes], known: Contribution | None, members_max: int) -> Published:
    """Return the contribution that came.

    Args:
        pieces: of what travelled.
        known: the contribution that is known of the same data cube, which what came may build on.
        members_max: of one hierarchy.

    Raises:
        InvalidContributionError: what came is none.
        StaleDeltaError: it builds on another version than the known one.
        TooManyMembersError: a hierarchy has more members than are taken.
    """
    data = b"".join(pieces)
    if len(data) < _LENGTH.size:
        raise InvalidContributionError("it has no header")
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    try:
        header = Reader(json.loads(data[_LENGTH.size : start]), "a contribution")
    except (ValueError, RecursionError) as error:
        raise InvalidContributionError(f"its header is not JSON: {error}") from error
    answer = PartialAnswer.read([data[start:]])
    contribution = Contribution.parse(header.inner("contribution").document)
    since = header.optional_number("since")
    if since is not None and (known is None or known.version != since):
        raise StaleDeltaError(known.version if known else 0, since)
    try:
        base = known.members if known is not None and since is not None else {}
        members = _members(contribution, base, _named_tables(header, answer))
    except WrongPathsError as error:
        raise InvalidContributionError(str(error)) from error
    for name, paths in members.items():
        if len(paths) > members_max:
            raise TooManyMembersError(name, str(contribution.id), members_max)
    whole = contribution.having(members, contribution.version)
    return Published(whole, header.number("turn"), header.text("state"), header.number("masks_version"))


def path_levels(hierarchy: HierarchyOutline) -> tuple[PathLevel, ...]:
    """Return the levels of a hierarchy as its paths have them."""
    return tuple(
        PathLevel(
            name,
            kind := DataType.parse(level.type),
            DataType.parse(level.order.key) if level.order.key else None,
            tuple(None if member is None else parse_member(member, kind) for member in level.order.listed),
            level.order.descending,
        )
        for name, level in hierarchy.full_names()
    )


def _named_tables(header: Reader, answer: PartialAnswer) -> Iterator[tuple[str, str, Table]]:
    named = header.document.get("tables")
    if not isinstance(named, list) or len(named) != len(answer.tables):
        raise InvalidContributionError("its tables are not those that it names")
    for pair, table in zip(named, answer.tables, strict=True):
        if not isinstance(pair, list) or len(pair) != 2:
            raise InvalidContributionError("a table of it has no name")
        yield str(pair[0]), str(pair[1]), table


def _members(
    contribution: Contribution, base: Mapping[str, Paths], tables: Iterable[tuple[str, str, Table]]
) -> dict[str, Paths]:
    levels = {each.full_name: path_levels(each) for each in contribution.outline.hierarchies}
    members = {name: base[name] if name in base else Paths.read(each, ()) for name, each in levels.items()}
    left: dict[str, Table] = {}
    for name, part, table in tables:
        if name not in levels:
            raise InvalidContributionError(f"it has members of a hierarchy {name!r}, which it does not have")
        if part == ALL:
            members[name] = Paths.read(levels[name], [table])
        elif part == LEFT:
            left[name] = table
        elif name in left:
            members[name] = members[name].advanced(members[name].read_delta(table, left.pop(name)))
    return members
