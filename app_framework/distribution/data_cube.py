"""A data cube: a cube with data that also answers for its part of distributed ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from app_framework.distribution.acknowledging import Acknowledgements, expected_of
from app_framework.distribution.concealment import Concealment
from app_framework.distribution.contribution import DataCubeId, parse_masks
from app_framework.distribution.data_doors import DataDoors
from app_framework.distribution.limits import DistributionLimits
from app_framework.distribution.liveness import Stamp
from app_framework.distribution.masks import MaskReport, Masks, changed_masks
from app_framework.distribution.news import News
from app_framework.distribution.outlining import outline_of
from app_framework.distribution.publishing import Publisher
from app_framework.distribution.reading import Reader
from app_framework.distribution.standing import CubeRecord, change_cube
from app_framework.distribution.subjects import Places
from app_framework.errors import FrameworkError, ServiceUnavailableError, UserError
from app_framework.messaging.bus import Message
from app_framework.messaging.errors import MessengerError
from app_framework.olap.member import member_json

if TYPE_CHECKING:
    from app_framework.cluster.store import ConsensusStore
    from app_framework.database import CommitListener, Database
    from app_framework.messaging import Messenger
    from app_framework.messaging.bus import Subscription
    from app_framework.olap.cube import Cube

_logger = logging.getLogger(__name__)

DataCubeState = Literal["closed", "joined", "stopped"]


class DataCube:
    """One node's part of an application.

    Args:
        cube: answers on this node, as ever.
        database: where its rows are.
        node: the name of this node.
        cluster: the namespace: only query cubes with the same one see it; may be set until `open`.
        messenger: reaches them.
        store: where it stands whether it takes part.
        application: which cubes have the same hierarchies and measures.
        concealed: what query cubes do not see.
        priority: of the data cubes that hold a member, that with the lowest number is asked for it.
        limits: the bounds.

    Attributes:
        id: node and name.
        state: ``closed``, or whether it takes part.
        outline: what it publishes of its model.
        trouble: why what it holds is not known to query cubes as it is now; empty where it is.

    Raises:
        ModelError: the cube cannot be asked from elsewhere; every reason is told.
    """

    def __init__(
        self,
        cube: Cube,
        database: Database,
        *,
        node: str,
        cluster: str,
        messenger: Messenger,
        store: ConsensusStore,
        application: str,
        concealed: Concealment | None = None,
        priority: int | None = None,
        limits: DistributionLimits | None = None,
    ) -> None:
        concealed = concealed or Concealment()
        self.cube = cube
        self.id = DataCubeId(node, cube.name)
        self.cluster = cluster
        self.messenger = messenger
        self.application = application
        self.priority = priority
        self.limits = limits or DistributionLimits()
        self.state: DataCubeState = "closed"
        self.trouble = ""
        self.outline = outline_of(cube.model, concealed)
        self._concealed = concealed.of(cube.model)
        self._database = database
        self._store = store
        self._record = CubeRecord(node, cube.name, application)
        self._masks: Mapping[str, frozenset[object]] = {}
        self._acknowledged = Acknowledgements()
        self._changing = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._incarnation = ""
        self._publisher: Publisher | None = None
        self._doors: DataDoors | None = None
        self._asked: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """What the cube is called on its node."""
        return self.id.cube

    @property
    def masks(self) -> dict[str, tuple[object, ...]]:
        """The masked members by the full name of their level."""
        return {level: tuple(sorted(members, key=repr)) for level, members in self._masks.items()}

    @property
    def refusals(self) -> dict[str, str]:
        """Of the query cubes that did not let it in, ``name@node``, why."""
        return dict(self._acknowledged.refusals)

    # -- taking part -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take part, unless `stop_distribution` was called and `start_distribution` was not since.

        Raises:
            ServiceUnavailableError: it cannot be decided now whether it does; open it again later.
        """
        async with self._changing:
            if self.state != "closed":
                return
            await self._change(self._opened)
            self._incarnation = uuid4().hex
            await self._subscribe()
            try:
                if self._record.state == "stopped":
                    self.state = "stopped"
                    await self._tell()
                else:
                    await self._join()
            except BaseException:
                await self._unsubscribe()
                raise

    async def close(self) -> None:
        """Say nothing more; that is not a leave: query cubes go on needing this data cube."""
        async with self._changing:
            await self._fall_silent()
            await self._unsubscribe()
            self.state = "closed"

    async def start_distribution(self) -> None:
        """Take part from now on, also after restarts (A16).

        Raises:
            ServiceUnavailableError: it could not be decided.
        """
        async with self._changing:
            if self.state == "joined":
                return
            await self._change(lambda record: record if record.state == "joined" else self._begun(record))
            await self._subscribe()
            await self._join()

    async def stop_distribution(self) -> None:
        """Leave: query cubes answer without this data cube until `start_distribution`, also after restarts (A17).

        Raises:
            ServiceUnavailableError: it could not be decided.
        """
        async with self._changing:
            await self._change(lambda record: replace(record, state="stopped"))
            if self.state == "joined":
                self.state = "stopped"
                await self._tell()
            await self._fall_silent()
            self.state = "stopped"

    # -- masks -------------------------------------------------------------------------------------------------------

    async def mask(self, level: str, members: Sequence[object]) -> MaskReport:
        """Let no query cube ask this data cube for some members; returns when they have all said so, or had the time.

        Raises:
            QueryError: there is no such level, or it cannot have such members.
            ServiceUnavailableError: it could not be decided.
        """
        return await self.roll_over(level, mask=members)

    async def unmask(self, level: str, members: Sequence[object]) -> MaskReport:
        """Let query cubes ask this data cube for some members again; see `mask`."""
        return await self.roll_over(level, unmask=members)

    async def roll_over(self, level: str, *, mask: Sequence[object] = (), unmask: Sequence[object] = ()) -> MaskReport:
        """Mask some members and unmask others, in one step; see `mask`."""
        visible = self._concealed.visible(self.cube.model)
        change = changed_masks(visible, level, mask, unmask)
        async with self._changing:
            await self._change(
                lambda record: replace(
                    record,
                    masks=_written(change(self._typed(record))),
                    masks_version=record.masks_version + 1,
                )
            )
            if self.state == "joined":
                await self._read_and_tell()
        version = self._record.masks_version
        if self.state != "joined":
            return MaskReport(version)  # nobody asks it
        known = expected_of(await self._store.entries(Places(self.cluster).query_cubes), self.application)
        # Who does not let it in asks it for nothing.
        expected = [each for each in known if each not in self.refusals]
        return await self._acknowledged.gathered(expected, version, self.limits.mask_s)

    # -- beneath -----------------------------------------------------------------------------------------------------

    async def _change(self, change: Callable[[CubeRecord], CubeRecord]) -> None:
        record = await change_cube(self._store, Places(self.cluster), self._record, change)
        self._record = replace(record, application=self.application)
        self._masks = self._typed(record)

    def _opened(self, record: CubeRecord) -> CubeRecord:
        """Return the record of one that is here again: after its node was away, or with another application."""
        if record.state == "left":
            return self._begun(record)
        if record.application != self.application:
            return replace(self._begun(record), state=record.state)
        return record

    def _begun(self, record: CubeRecord) -> CubeRecord:
        return replace(record, application=self.application, state="joined", turn=record.turn + 1)

    def _typed(self, record: CubeRecord) -> dict[str, frozenset[object]]:
        return parse_masks(Reader({name: list(each) for name, each in record.masks.items()}, "masks"), self.outline)

    async def _join(self) -> None:
        """Begin to answer and to tell: everything is there before the first word is said."""
        self._incarnation = uuid4().hex
        visible = self._concealed.visible(self.cube.model)
        self._publisher = Publisher(
            self.id,
            self.application,
            self.outline,
            visible,
            self._database,
            incarnation=self._incarnation,
            hidden=self._concealed.branches,
            priority=self.priority,
            members_max=self.limits.members_max,
            deltas_kept=self.limits.deltas_kept,
        )
        self._doors = DataDoors(
            self.cube.model,
            self._concealed,
            self._database,
            self._publisher,
            data_cube=self.id,
            incarnation=self._incarnation,
            messenger=self.messenger,
            limits=self.limits,
            acknowledged=self._acknowledged,
            aggregates=lambda: self.cube.aggregates,
        )
        try:
            listener = self._database.listen()
            self._begin(self._follow(listener), "commits")
            await self._read()
            await self._doors.open(Places(self.cluster))
        except BaseException:
            await self._fall_silent()
            raise
        self.state = "joined"
        await self._tell()
        self._begin(self._beat(), "heartbeat")

    async def _fall_silent(self) -> None:
        tasks, self._tasks = tuple(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._doors is not None:
            await self._doors.close()
            self._doors = None
        self._acknowledged.forget()

    async def _subscribe(self) -> None:
        """Say on request whether it takes part: also that it does not, to who may have missed that it left."""
        if self._asked is None:
            self._asked = await self.messenger.subscribe(Places(self.cluster).who, self._answer_who)

    async def _unsubscribe(self) -> None:
        if self._asked is not None:
            await self._asked.unsubscribe()
            self._asked = None

    def _begin(self, work: Coroutine[Any, Any, None], what: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"{what} of data cube {self.id}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("%s ended", task.get_name(), exc_info=error)

    async def _follow(self, listener: CommitListener) -> None:
        """Tell what every commit changed; those that come while one is read are told together."""
        with listener:
            while await listener.wait():
                await self._read_and_tell()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.limits.heartbeat_s)
            if self.trouble:
                await self._read()
            await self._tell()

    async def _answer_who(self, message: Message) -> None:
        await self._tell()

    async def _read_and_tell(self) -> None:
        await self._read()
        await self._tell()

    async def _read(self) -> None:
        """Read what there is to contribute; where that cannot be, it is tried again with the next heartbeat."""
        assert self._publisher is not None
        async with self._reading:
            try:
                await self._publisher.read(self._record.turn, self._masks, self._record.masks_version)
                self.trouble = ""
            except (UserError, FrameworkError) as error:
                if not self.trouble or not isinstance(error, ServiceUnavailableError):
                    _logger.error("what data cube '%s' holds cannot be told: %s", self.id, error)
                self.trouble = str(error)

    async def _tell(self) -> None:
        if self.state == "closed":
            return
        published = self._publisher.current if self._publisher else None
        stamp = published.stamp if published else Stamp(self._incarnation, 0, "")
        news = News(
            self.id.node,
            self.id.cube,
            self.application,
            self._record.turn,
            self.state == "joined",
            stamp.incarnation,
            stamp.version,
            stamp.state,
            self.trouble,
        )
        with suppress(MessengerError):  # without a connection nobody hears it; the next heartbeat says it again
            await self.messenger.publish(Places(self.cluster).news, news.to_bytes())

    def __repr__(self) -> str:
        return f"<DataCube '{self.id}' of application {self.application!r}, {self.state}>"


def _written(masks: Masks) -> dict[str, tuple[object, ...]]:
    """Return masks as they are stored, in the same order every time."""
    return {name: tuple(sorted(map(member_json, members), key=repr)) for name, members in masks.items()}
