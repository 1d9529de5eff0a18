"""Who must answer: decided in the consensus store, so that no crash makes an answer smaller without a word.

A query cube writes a record of each data cube that it let in, before it answers from it. A data cube writes whether it
takes part. A record counts while the data cube takes part, and is still in the same turn: `stop_distribution`, and the
removal of a node from the cluster, end the turn; a crash does not.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, cast, get_args
from uuid import uuid4

from app_framework.distribution.acknowledging import QueryCubeRecord
from app_framework.distribution.errors import InvalidContributionError
from app_framework.distribution.reading import Reader
from app_framework.distribution.subjects import Places

if TYPE_CHECKING:
    from app_framework.cluster.store import ConsensusStore, Entry

MEMBERS_BYTES_MAX = 64 << 10
"""What the distributing members of one data cube may take in its record, compressed; and its names likewise."""
ATTEMPTS_MAX = 50
Turn = Literal["joined", "stopped", "left"]
MemberLists = Mapping[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class CubeRecord:
    """Whether a data cube takes part, written by itself.

    Args:
        state: ``stopped`` by `stop_distribution`, ``left`` with its node; then it joins again when it is back.
        turn: grows with every time that it begins to take part.
        masks: members that it must not be asked for, by the full name of their level.
        masks_version: grows with every change of them.
    """

    node: str
    cube: str
    application: str
    state: Turn = "joined"
    turn: int = 1
    masks: MemberLists = field(default_factory=dict)
    masks_version: int = 0

    @property
    def id(self) -> str:
        """Node and name."""
        return f"{self.node}/{self.cube}"

    def to_bytes(self) -> bytes:
        """Return the record as it is stored."""
        return _json({**_facts(self), "masks": {name: list(members) for name, members in self.masks.items()}})

    @staticmethod
    def parse(data: bytes) -> CubeRecord:
        """Return the record that was stored."""
        read = _reader(data, "a record of a data cube")
        state = read.text("state")
        if state not in get_args(Turn):
            raise InvalidContributionError(f"a record of a data cube has the state {state!r}")
        return CubeRecord(
            read.text("node"),
            read.text("cube"),
            read.text("application"),
            cast("Turn", state),
            read.number("turn"),
            member_lists(read.inner("masks")),
            read.number("masks_version"),
        )


@dataclass(frozen=True, slots=True)
class StandingRecord:
    """That a data cube has to answer a query cube.

    Args:
        turn: of the data cube, in which that holds.
        incarnation: of the running data cube when it was written.
        version: of its data.
        members: what it held of each distributing level, by full name; None where there were too many to write down.
        labels: what the query cube calls these levels.
        knows: the names of its measures and the full names of its levels; None where they are too many as well.
    """

    node: str
    cube: str
    application: str
    turn: int
    incarnation: str
    version: int
    members: MemberLists | None
    labels: Mapping[str, str] = field(default_factory=dict)
    knows: tuple[str, ...] | None = None

    @property
    def id(self) -> str:
        """Node and name."""
        return f"{self.node}/{self.cube}"

    def may_know(self, name: str) -> bool:
        """Return whether it may have a measure, or a level by its full name."""
        return self.knows is None or name in self.knows

    def may_have(self, hierarchy: str) -> bool:
        """Return whether it may have a hierarchy by its full name."""
        return self.knows is None or any(name.startswith(f"{hierarchy}.") for name in self.knows)

    def to_bytes(self) -> bytes:
        """Return the record as it is stored, without its members where they are too many."""
        members = None if self.members is None else {name: list(each) for name, each in self.members.items()}
        knows = None if self.knows is None else {"names": list(self.knows)}
        return _json(
            {**_facts(self), "members": _packed(members), "labels": dict(self.labels), "knows": _packed(knows)}
        )

    @staticmethod
    def parse(data: bytes) -> StandingRecord:
        """Return the record that was stored."""
        read = _reader(data, "a record of who has to answer")
        packed, labels, knows = read.optional("members"), read.inner("labels"), read.optional("knows")
        return StandingRecord(
            read.text("node"),
            read.text("cube"),
            read.text("application"),
            read.number("turn"),
            read.text("incarnation"),
            read.number("version"),
            None if packed is None else member_lists(_reader(_unpacked(packed), "the members of a data cube")),
            {name: labels.text(name) for name in labels.document},
            None if knows is None else _reader(_unpacked(knows), "what a data cube knows").texts("names"),
        )


def who_must_answer(entries: Iterable[Entry], places: Places, query_cube: str) -> dict[str, StandingRecord]:
    """Return the data cubes that have to answer a query cube, by their id; pure.

    Args:
        entries: of the cluster, those under `Places.keys`.
        places: of the cluster.
        query_cube: its name.
    """
    listed = list(entries)
    cubes = cubes_of(listed, places)
    prefix = f"{places.standing(query_cube)}."
    records = (StandingRecord.parse(entry.value) for entry in listed if entry.key.startswith(prefix))
    return {record.id: record for record in records if _holds(record, cubes.get(record.id))}


def cubes_of(entries: Iterable[Entry], places: Places) -> dict[str, CubeRecord]:
    """Return what data cubes wrote of themselves, by their id; pure."""
    prefix = f"{places.cubes}."
    records = (CubeRecord.parse(entry.value) for entry in entries if entry.key.startswith(prefix))
    return {record.id: record for record in records}


def _holds(standing: StandingRecord, cube: CubeRecord | None) -> bool:
    """Whether a data cube is in the same turn; one that keeps its record elsewhere is until it says that it left."""
    return cube is None or (cube.state == "joined" and cube.turn == standing.turn)


async def write_standing(store: ConsensusStore, places: Places, query_cube: str, record: StandingRecord) -> None:
    """Write that a data cube has to answer; what another node wrote of newer data of the same cube stays.

    Raises:
        ServiceUnavailableError: it could not be written.
    """

    def newer(stored: bytes | None) -> bytes | None:
        if stored is not None:
            other = StandingRecord.parse(stored)
            same = (other.turn, other.incarnation) == (record.turn, record.incarnation)
            if other.turn > record.turn or (same and other.version >= record.version):
                return None
        return record.to_bytes()

    await exchange(store, places.standing_of(query_cube, record.node, record.cube), newer)


async def change_cube(
    store: ConsensusStore, places: Places, record: CubeRecord, change: Callable[[CubeRecord], CubeRecord]
) -> CubeRecord:
    """Change what is written of a data cube, beginning with `record` where nothing is, and return what is then.

    Raises:
        ServiceUnavailableError: it could not be written.
    """
    done = record

    def changed(stored: bytes | None) -> bytes | None:
        nonlocal done
        before = record if stored is None else CubeRecord.parse(stored)
        done = change(before)
        return None if stored is not None and done == before else done.to_bytes()

    await exchange(store, places.cube(record.node, record.cube), changed)
    return done


async def node_left(store: ConsensusStore, places: Places, node: str) -> tuple[str, ...]:
    """Write that the cubes of a node take no part, because it was removed from the cluster; return its data cubes.

    Raises:
        ServiceUnavailableError: it could not be written.
    """
    records = cubes_of(await store.entries(places.cubes), places)
    left = [record for record in records.values() if record.node == node and record.state == "joined"]
    for record in left:
        await change_cube(store, places, record, lambda now: replace(now, state="left"))
    for entry in await store.entries(places.query_cubes):
        if QueryCubeRecord.parse(entry.value).node == node:
            await exchange(store, entry.key, _without_query_cube)
    return tuple(record.id for record in left)


def _without_query_cube(stored: bytes | None) -> bytes | None:
    """Return the record of a query cube that nobody need wait for any more; one that was stopped stays so."""
    record = None if stored is None else QueryCubeRecord.parse(stored)
    return replace(record, state="left").to_bytes() if record is not None and record.state == "started" else None


async def exchange(store: ConsensusStore, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
    """Replace a value by what a function makes of it, however many do so at once; it returns None to leave it.

    Raises:
        ServiceUnavailableError: it could not be written.
    """
    from app_framework.cluster.errors import ConflictError, EntryExistsError, UnknownOutcomeError

    for attempt in range(ATTEMPTS_MAX):
        entry = await store.get(key)
        value = change(entry.value if entry else None)
        if value is None:
            return
        op_id = uuid4().hex
        for again in (True, False):
            try:
                if entry is None:
                    await store.create(key, value, op_id=op_id)
                else:
                    await store.update(key, value, entry.revision, op_id=op_id)
                return
            except (ConflictError, EntryExistsError):
                if attempt == ATTEMPTS_MAX - 1:
                    raise
                break
            except UnknownOutcomeError:
                if not again:
                    raise


def member_lists(read: Reader) -> dict[str, tuple[object, ...]]:
    """Return members by level, as JSON has them."""
    return {name: read.plains(name) for name in read.document}


def _facts(record: CubeRecord | StandingRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _json(document: object) -> bytes:
    from app_framework.olap.member import member_text

    return json.dumps(document, separators=(",", ":"), default=member_text).encode()


def _packed(document: Mapping[str, object] | None) -> str | None:
    packed = None if document is None else b64encode(zlib.compress(_json(document), 6)).decode()
    return packed if packed is not None and len(packed) <= MEMBERS_BYTES_MAX else None


def _unpacked(text: str) -> bytes:
    try:
        return zlib.decompress(b64decode(text))
    except (ValueError, zlib.error) as error:
        raise InvalidContributionError(f"what is written of a data cube cannot be read: {error}") from error


def _reader(data: bytes, what: str) -> Reader:
    try:
        return Reader(json.loads(data), what)
    except ValueError as error:
        raise InvalidContributionError(f"{what} is not JSON: {error}") from error
