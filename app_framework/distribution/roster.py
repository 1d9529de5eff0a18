"""The data cubes of a query cube as they come, commit, fall silent and leave.

Everything is told to pure functions, `liveness.step`, `Topology.joined` and `standing.who_must_answer`; what follows
from it is done here. A question takes a `View` and keeps it, whatever happens meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app_framework.database.branches import MASTER
from app_framework.database.listening import CommitFeed, CommitNews
from app_framework.distribution.admission import Admission, is_over
from app_framework.distribution.contribution import DataCubeId
from app_framework.distribution.discovering import Discoverer
from app_framework.distribution.errors import InvalidContributionError, StaleDeltaError
from app_framework.distribution.liveness import (
    Discovered,
    Event,
    Fetch,
    FetchFailed,
    Heard,
    Lose,
    Peer,
    Refused,
    Retry,
    Tick,
    Unreachable,
    step,
)
from app_framework.distribution.news import News
from app_framework.distribution.standing import CubeRecord, StandingRecord
from app_framework.distribution.standing_watch import StandingWatch
from app_framework.distribution.subjects import Places
from app_framework.distribution.topology import Topology
from app_framework.distribution.view import NOT_HEARD_OF_YET, View
from app_framework.errors import FrameworkError, UserError
from app_framework.messaging.errors import MessengerError

if TYPE_CHECKING:
    from app_framework.cluster.store import ConsensusStore
    from app_framework.distribution.contribution import Contribution
    from app_framework.distribution.limits import DistributionLimits
    from app_framework.distribution.publishing import Published
    from app_framework.distribution.routing import Members
    from app_framework.distribution.world import World
    from app_framework.messaging import Messenger
    from app_framework.messaging.bus import Message, Subscription

_logger = logging.getLogger(__name__)
TICKS_EACH = 4
"""So many times within the time of suspicion it is looked who fell silent."""

SILENT = "nothing is heard of it"

MakeWorld = Callable[[Topology], "World"]


class Roster:
    """See above.

    Args:
        query_cube: its name.
        node: the name of this node.
        topology: that of the query cube before the first data cube.
        world: the one of that topology; it is closed with the roster.
        places: of the cluster.
        messenger: reaches data cubes.
        store: where it stands who has to answer.
        limits: the bounds.
        make_world: makes the world of a topology.

    Attributes:
        view: what a question that begins now sees.
        peers: what is known of each data cube, by id.
        told: the last word of each that was heard, by id.
        loads: how many questions each has open.
        feed: tells of every version that is let in.
    """

    def __init__(
        self,
        query_cube: str,
        node: str,
        topology: Topology,
        world: World,
        *,
        places: Places,
        messenger: Messenger,
        store: ConsensusStore,
        limits: DistributionLimits,
        make_world: MakeWorld,
    ) -> None:
        self.peers: dict[str, Peer] = {}
        self.told: dict[str, News] = {}
        self.loads: dict[str, int] = {}
        self.feed = CommitFeed()
        self._query_cube = query_cube
        self._places = places
        self._messenger = messenger
        self._store = store
        self._limits = limits
        self.view = View(0, topology, world)
        self._discoverer = Discoverer(f"{query_cube}@{node}", places, messenger, limits)
        self._standing = StandingWatch(store, places, query_cube, topology.gate.applications, self._stands)
        self._admission = Admission(
            query_cube,
            places,
            store,
            self._discoverer,
            view=lambda: self.view,
            show=self._show,
            is_gone=self._is_gone,
            make_world=make_world,
        )
        self._reading: dict[int, int] = {}
        self._worlds: list[tuple[int, World]] = []
        self._warned: frozenset[str] = frozenset()
        self._lost: dict[str, set[asyncio.Future[None]]] = {}
        self._turned = asyncio.Event()
        self._discovering = asyncio.Semaphore(limits.discovery_concurrency)
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._news: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read who has to answer, listen, and ask who is there.

        Raises:
            ServiceUnavailableError: who has to answer cannot be read now.
        """
        await self._standing.read()
        self._news = await self._messenger.subscribe(self._places.news, self._hear)
        self._begin(self._standing.follow(), "standing")
        self._begin(self._tick(), "liveness")
        await self._messenger.publish(self._places.who)

    async def close(self) -> None:
        """Stop; questions that run fail."""
        tasks, self._tasks = tuple(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._news is not None:
            await self._news.unsubscribe()
        for peer in tuple(self.peers):
            self._lose(peer)
        self.feed.close()
        for _, world in self._worlds:
            world.close()
        self.view.world.close()

    # -- for questions -----------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[View]:
        """Give a question what it sees until it ends."""
        view = self.view
        self._reading[view.serial] = self._reading.get(view.serial, 0) + 1
        try:
            yield view
        finally:
            self._reading[view.serial] -= 1
            if not self._reading[view.serial]:
                del self._reading[view.serial]
                self._close_worlds()
                self._turn()

    @property
    def usable(self) -> frozenset[str]:
        """The data cubes that can be asked now."""
        return frozenset(id_ for id_, peer in self.peers.items() if peer.phase == "active")

    @contextmanager
    def asking(self, data_cube: str) -> Iterator[asyncio.Future[None]]:
        """Count a question to a data cube, and give what is done when nothing is expected of it any more."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lost.setdefault(data_cube, set()).add(lost)
        self.loads[data_cube] = self.loads.get(data_cube, 0) + 1
        try:
            yield lost
        finally:
            self.loads[data_cube] -= 1
            self._lost[data_cube].discard(lost)
            lost.cancel()
            if not self._lost[data_cube]:
                del self._lost[data_cube], self.loads[data_cube]

    def why_not(self, data_cube: str) -> str:
        """Return why a data cube cannot be asked now."""
        peer = self.peers.get(data_cube)
        if peer is not None and peer.refused:
            return "as it is now it is not let in; the health of the query cube tells why"
        return SILENT if data_cube in self.view.published else NOT_HEARD_OF_YET

    def unreachable(self, data_cube: str) -> None:
        """Take note that a question did not reach a data cube."""
        self._happened(data_cube, Unreachable())

    async def later_than(self, view: View, timeout_s: float) -> bool:
        """Wait until something changed since a view; return whether it did in time."""
        return await self._until(lambda: self.view.serial > view.serial, timeout_s)

    async def members_on(self, data_cube: str, branch: str, version: int) -> dict[str, Members]:
        """Return the distributing members of a data cube in a version, or on a branch."""
        published = self.view.published[data_cube]
        return await self._discoverer.distributing(
            published.contribution, self._distributing(published.contribution), branch, version
        )

    # -- what is heard -----------------------------------------------------------------------------------------------

    async def _hear(self, message: Message) -> None:
        try:
            news = News.parse(message.data)
        except InvalidContributionError as error:
            _logger.warning("%s", error)
            return
        if news.application not in self.view.topology.gate.applications:
            return
        id_ = str(news.id)
        known = self.view.published.get(id_)
        if not news.takes_part:
            if known is None or known.turn <= news.turn:
                self._leave(news.node, news.cube)
                self._begin(self._standing.forget(news.node, news.cube, news.turn), "leaving")
            return
        if is_over(self._standing.cubes.get(id_), news.turn):
            return  # a word from before it left
        self.told[id_] = news
        if news.state:
            self._happened(id_, Heard(news.stamp))
        elif id_ not in self.peers:
            self.peers[id_] = Peer("refused")  # it could not yet read what it holds
        if news.trouble and self.peers[id_].refused != news.trouble:
            self.peers[id_] = replace(self.peers[id_], refused=news.trouble)

    def _stands(self, standing: Mapping[str, StandingRecord], cubes: Mapping[str, CubeRecord]) -> None:
        """Take note of who has to answer, and of who left, as it was decided."""
        for id_ in tuple(self.peers):
            known = self.view.published.get(id_) or self.told.get(id_)
            if known is not None and is_over(cubes.get(id_), known.turn):
                self._leave(cubes[id_].node, cubes[id_].cube)
        for id_ in standing:
            self.peers.setdefault(id_, Peer())
        gone = [id_ for id_, peer in self.peers.items() if peer.phase == "required" and id_ not in standing]
        for id_ in gone:
            del self.peers[id_]
        if dict(standing) != dict(self.view.standing):
            self._show(standing=dict(standing))

    def _leave(self, node: str, cube: str) -> None:
        data_cube = DataCubeId(node, cube)
        id_ = str(data_cube)
        self._lose(id_)
        self.peers.pop(id_, None)
        self.told.pop(id_, None)
        self._give_up(id_)
        published = {name: each for name, each in self.view.published.items() if name != id_}
        standing = {name: each for name, each in self.view.standing.items() if name != id_}
        if id_ in self.view.published or id_ in self.view.standing:
            topology = self.view.topology.left(data_cube)
            self._show(
                topology=topology, world=self._admission.world_of(topology), published=published, standing=standing
            )
            self.feed.tell({self._branch(name) for name in (MASTER, *self.view.topology.branches)})
            _logger.info("data cube '%s' has left query cube %r", id_, self._query_cube)
        self._admission.forget(id_)
        self._try_again()

    async def _tick(self) -> None:
        """Look who fell silent; what came while this process itself stood still has yet to be heard."""
        loop, pause_s = asyncio.get_running_loop(), self._limits.suspect_s / TICKS_EACH
        while True:
            due_s = loop.time() + pause_s
            await asyncio.sleep(pause_s)
            if loop.time() > due_s + pause_s:
                continue
            for id_ in tuple(self.peers):
                self._happened(id_, Tick(self._limits.suspect_s))

    def _happened(self, id_: str, event: Event) -> None:
        before = self.peers.get(id_)
        if before is None and not isinstance(event, Heard):
            return  # it has left
        before = before or Peer()
        after, effects = step(before, event, asyncio.get_running_loop().time())
        self.peers[id_] = after
        for effect in effects:
            if isinstance(effect, Lose):
                _logger.warning("data cube '%s' does not answer query cube %r", id_, self._query_cube)
                self._lose(id_)
            elif isinstance(effect, Fetch):
                self._give_up(id_)
                self._fetching[id_] = self._begin(self._fetch(id_, effect), f"discovery of '{id_}'")
        if after.phase != before.phase:
            self._turn()

    def _give_up(self, id_: str) -> None:
        """End the fetch that is under way, but not one that has just come to its end."""
        fetching = self._fetching.pop(id_, None)
        if fetching is not None and fetching is not asyncio.current_task():
            fetching.cancel()

    def _lose(self, id_: str) -> None:
        for lost in self._lost.get(id_, ()):
            if not lost.done():
                lost.set_result(None)

    # -- what is brought ---------------------------------------------------------------------------------------------

    async def _fetch(self, id_: str, fetch: Fetch) -> None:
        known = self.view.published.get(id_)
        try:
            if known is not None and (known.stamp.incarnation, known.state) == (
                fetch.stamp.incarnation,
                fetch.stamp.state,
            ):
                # Only rows changed: nothing has to be fetched to know what the data cube holds.
                whole = known.contribution
                published = replace(known, contribution=whole.having(whole.members, fetch.stamp.version))
            else:
                async with self._discovering:
                    published = await self._fetched(id_, known, fetch)
            await self._accept(id_, published)
        except (UserError, FrameworkError) as error:
            _logger.warning("what data cube '%s' holds could not be fetched: %s", id_, error)
            self._happened(id_, FetchFailed())

    async def _fetched(self, id_: str, known: Published | None, fetch: Fetch) -> Published:
        base = known.contribution if known is not None and fetch.since is not None else None
        try:
            return await self._discoverer.contribution(self.told[id_].id, base)
        except StaleDeltaError:
            return await self._discoverer.contribution(self.told[id_].id, None)

    async def _accept(self, id_: str, published: Published) -> None:
        """Let a contribution in, or refuse it."""
        admitted = await self._admission.admit(published)
        if isinstance(admitted, str):
            self._refuse(id_, published, admitted)
            return
        for each in admitted:
            refused = self.peers[each.id].refused is not None
            self._happened(each.id, Discovered(each.published.stamp))
            self.feed.tell(self._changed(each.before, each.published))
            if refused or each.before is None or each.before.masks_version != each.published.masks_version:
                self._begin(self._acknowledge(each.published), f"masks of '{each.id}'")
        if id_ not in {each.id for each in admitted}:
            self._happened(id_, FetchFailed())
        if any(each.holds_others for each in admitted):
            self._try_again()

    def _try_again(self) -> None:
        """Fetch what was refused once more: what kept it out may be gone."""
        for id_ in tuple(self.peers):
            self._happened(id_, Retry())

    def _refuse(self, id_: str, published: Published, reason: str) -> None:
        if self.peers.get(id_, Peer()).refused != reason:
            _logger.error("%s", reason)
        self._happened(id_, Refused(published.stamp, reason))
        self._begin(self._tell_refusal(published.contribution, reason), f"refusal of '{id_}'")

    def _distributing(self, contribution: Contribution) -> list[str]:
        return list(self.view.topology.applications[contribution.application].levels)

    def _is_gone(self, published: Published) -> bool:
        """Return whether a data cube left, or was started again, since a contribution of it was fetched."""
        id_, contribution = str(published.contribution.id), published.contribution
        told = self.told.get(id_)
        if told is None or told.incarnation != contribution.incarnation:
            return True
        return is_over(self._standing.cubes.get(id_), published.turn)

    # -- what follows ------------------------------------------------------------------------------------------------

    def _show(self, **changes: Any) -> None:
        before = self.view
        self.view = replace(before, serial=before.serial + 1, **changes)
        if self.view.world is not before.world:
            self._worlds.append((before.serial, before.world))
            self._close_worlds()
            self._warn()
        self._turn()

    def _warn(self) -> None:
        """Log what is wrong with the query cube's own measures; while an application is awaited it may come right."""
        topology = self.view.topology
        if topology.applications.keys() == topology.gate.applications.keys():
            problems = frozenset(map(str, self.view.world.problems))
            for problem in sorted(problems - self._warned):
                _logger.warning("query cube %r is without a measure of its own: %s", self._query_cube, problem)
            self._warned = problems

    def _close_worlds(self) -> None:
        """Let go of the worlds that no question sees any more."""
        oldest = min(self._reading, default=self.view.serial)
        for serial, world in tuple(self._worlds):
            if serial < oldest:
                self._worlds.remove((serial, world))
                world.close()

    def _turn(self) -> None:
        self._turned.set()
        self._turned = asyncio.Event()

    async def _until(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await self._turned.wait()
        except TimeoutError:
            return False
        return True

    def _changed(self, known: Published | None, published: Published) -> set[CommitNews]:
        after = published.contribution
        before = known.contribution if known is not None else None
        names = {name for name, version in after.branches.items() if not before or before.branches.get(name) != version}
        if before is None or before.version != after.version:
            names |= {MASTER, *self.view.topology.branches}
        return {self._branch(name) for name in names}

    def _branch(self, name: str) -> CommitNews:
        versions = [self.view.version_of(id_, name) for id_ in self.view.published]
        return CommitNews(name, max(versions, default=0), None)

    async def _acknowledge(self, published: Published) -> None:
        """Say that masks are known once every question that did not know them has ended."""
        serial = self.view.serial
        await self._until(lambda: min(self._reading, default=serial) >= serial, None)
        contribution = published.contribution
        told: dict[str, object] = {"masks_version": published.masks_version}
        application = self.view.topology.applications.get(contribution.application)
        if application and (undivided := sorted(contribution.masks.keys() - set(application.levels))):
            told["not_masked"] = f"its data cubes are not divided by {', '.join(map(repr, undivided))}"
        await self._discoverer.tell(contribution.id, told)

    async def _tell_refusal(self, contribution: Contribution, reason: str) -> None:
        await self._discoverer.tell(contribution.id, {"refused": reason})

    def _begin(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"{what} for query cube {self._query_cube!r}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, MessengerError):
            _logger.error("%s ended", task.get_name(), exc_info=error)

    def __repr__(self) -> str:
        return (
            f"<Roster of {self._query_cube!r}: {', '.join(f'{id_} {peer.phase}' for id_, peer in self.peers.items())}>"
        )
