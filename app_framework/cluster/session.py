"""One node in one cluster, from entering it to leaving it: follow the truth, show a pulse, lead when it is time.

Everything runs on one event loop, that of the membership service. What is decided is a compare-and-set of the registry;
what is heard is kept in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from app_framework.clock import Clock
from app_framework.cluster import registry as document
from app_framework.cluster.calls import Act, NodeCalls
from app_framework.cluster.command_log import CommandLog
from app_framework.cluster.errors import (
    ClusterDataError,
    ConflictError,
    NoQuorumError,
    NotLeaderError,
    StoreMovedError,
    UnknownOutcomeError,
)
from app_framework.cluster.ground import Ground
from app_framework.cluster.identity import KnownPeer, NodeIdentity, Place
from app_framework.cluster.lead import LeadHolder
from app_framework.cluster.leadership import (
    Event,
    Gone,
    Heard,
    Leadership,
    Observed,
    Tick,
)
from app_framework.cluster.node_self import NodeSelf
from app_framework.cluster.pulse import Pulse, PulseBoard
from app_framework.cluster.registry import Registry, eligible
from app_framework.cluster.remote_store import RemoteConsensusStore, serve_store
from app_framework.cluster.rules import ClusterRules
from app_framework.cluster.snapshot import write_snapshot
from app_framework.cluster.store import Change, ConsensusStore
from app_framework.cluster.tail import Tail
from app_framework.cluster.view import ClusterView, NodeDocument, NodeState
from app_framework.errors import FrameworkError
from app_framework.messaging.bus import Message, Subscription
from app_framework.messaging.errors import MessengerError

_logger = logging.getLogger(__name__)

SNAPSHOT_PAUSE_S = 1.0
CATCH_UP_S = 1.0
RESTART_PAUSE_S = 1.0
ATTEMPT_PAUSE_S = 0.1


class Session:
    """One node in one cluster.

    Args:
        me: the node.
        ground: what carries the cluster.
        clock: where time comes from.
        rules: its times.
        changed: called when the view may be another.
        asked: what the agent does for others: ``register``, ``deregister``, ``stop``, ``join``.
        ordered: what the leader may order from this node.
    """

    def __init__(
        self,
        me: NodeSelf,
        ground: Ground,
        clock: Clock,
        rules: ClusterRules,
        *,
        changed: Callable[[], None],
        asked: Act,
        ordered: Act,
    ) -> None:
        self.me = me
        self.ground = ground
        self.clock = clock
        self.rules = rules
        self.board = PulseBoard()
        self.registry: Registry | None = None
        self.revision = 0
        self.store: ConsensusStore = me.local
        self.tail = Tail(self._take, self._moved)
        self._lead = LeadHolder(self)
        self.tolerates = 0
        self.wake_leader = asyncio.Event()
        self.log = CommandLog(self)
        self.calls = NodeCalls(self, asked, ordered)
        self.changed = changed
        self.writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Subscription] = []
        self._snapshot_due = asyncio.Event()
        self._snapshot_failed = False
        self._caught_up_s = 0.0
        self._stopping = False

    # -- life ----------------------------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        """The first words of every subject of this cluster."""
        return f"af.{self.me.identity.cluster_uid[:12]}"

    def subject_of(self, uid: str) -> str:
        """Return the first words of a node's own subjects."""
        return f"{self.base}.node.{uid}"

    async def start(self) -> None:
        """Follow, listen, show a pulse."""
        messenger = self.ground.messenger
        self._subscriptions.append(await messenger.subscribe(f"{self.base}.pulse", self._hear))
        self._subscriptions += await self.calls.serve()
        if self.me.identity.founder_uid == self.me.identity.uid:
            # Also after the move: whoever still asks is told that the truth has gone.
            self._subscriptions.append(await serve_store(self.me.local, messenger, self.me.identity.uid))
        self._follow()
        await self.read_once()
        for work in (self._pulse_forever, self._tick_forever, self._snapshot_forever):
            self.run(self._kept(work), work.__name__)

    async def stop(self) -> None:
        """Give the lead back, say good-bye, follow nothing any more."""
        self._stopping = True
        if self.lead.leads:
            await self._lead.give_back()
        with contextlib.suppress(MessengerError):
            await self.send_pulse()
            await self.ground.messenger.flush(1.0)
        await self.abandon()

    async def abandon(self) -> None:
        """End without a word, as when the cluster has gone from under the node."""
        self._stopping = True
        self.tail.stop()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for subscription in self._subscriptions:
            with contextlib.suppress(MessengerError):
                await subscription.unsubscribe()
        self._subscriptions.clear()
        if self.store is not self.me.local:
            await self.store.close()

    def run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something beside the rest, until it is done or the session ends."""
        task = asyncio.get_running_loop().create_task(
            work,
            name=f"cluster-{name.strip('_')}",
            context=contextvars.Context(),  # not bound by the deadline of a call that is being answered
        )
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _kept(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a work again whenever it fails: a node without a pulse is worse than one that reports a fault."""
        while True:
            try:
                await work()
            except Exception:
                _logger.exception("the cluster's %s failed and begins again", work.__name__.strip("_"))
                await asyncio.sleep(RESTART_PAUSE_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("%s failed", task.get_name(), exc_info=error)

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def lead(self) -> Leadership:
        """What is known of the lead."""
        return self._lead.state

    @property
    def leads(self) -> bool:
        """Whether this node leads."""
        return self.lead.leads

    @property
    def led_since_s(self) -> float:
        """Since when this node leads, or led last."""
        return self._lead.since_s

    @property
    def trouble(self) -> str:
        """Why this node cannot lead though it may; empty when nothing is known against it."""
        return self._lead.trouble

    def happen(self, event: Event) -> None:
        """Let the state machine of the lead know."""
        self._lead.happen(event)

    def state(self) -> NodeState:
        """Return what this node is; a voter without a leader is a candidate."""
        now_s = self.clock.monotonic_s()
        if self.lead.state == "FOLLOWER" and self.lead.rank is not None and self.lead.leader(now_s) is None:
            return "CANDIDATE"
        return self.lead.state

    def view(self) -> ClusterView:
        """Return what this node knows now."""
        identity, now_s = self.me.identity, self.clock.monotonic_s()
        leader_id = self.lead.leader(now_s)
        registry = self.registry
        leader = registry.member(leader_id) if registry and leader_id else None
        pulse = self.board.last(leader_id)
        return ClusterView(
            enabled=True,
            cluster_id=identity.cluster_id,
            node_id=identity.name,
            state=self.state(),
            leader_id=leader_id,
            leader_url=leader.url if leader else None,
            term=self.lead.term,
            epoch=registry.epoch if registry else 0,
            tolerates=self.tolerates if self.leads else pulse.tolerates if pulse and leader_id else 0,
            nodes=_as_seen(registry.documents(), leader_id) if registry else (),
            place=identity.place,
            revision=self.tail.revision,
            leader_revision=self.tail.revision if self.leads else pulse.revision if pulse else 0,
            elections=self.lead.leaders_seen,
            reason=self.trouble,
        )

    @property
    def is_member(self) -> bool:
        """Whether the registry has this node."""
        return self.registry is not None and _is_in(self.registry, self.me.identity)

    @property
    def is_active(self) -> bool:
        """Whether the node is ACTIVE in a cluster that has a leader."""
        member = self.registry.member(self.me.identity.name) if self.registry else None
        leader = self.lead.leader(self.clock.monotonic_s())
        return self.is_member and member is not None and member.status == "ACTIVE" and leader is not None

    # -- deciding ------------------------------------------------------------------------------------------------

    async def decide(self, change: Callable[[Registry], Registry]) -> Registry:
        """Change the registry as the leader of this term; every attempt is fenced by its revision.

        Raises:
            NotLeaderError: this node does not lead, or not any more.
            NoQuorumError: the voters do not answer in time.
            UserError: whatever the change refuses.
        """
        try:
            async with asyncio.timeout(self.rules.command_timeout_s), self.writing:
                while True:
                    registry, revision = self.mine()
                    changed = change(registry)
                    if changed == registry:
                        return registry
                    if await self.written(changed, revision):
                        return changed
        except TimeoutError:
            raise NoQuorumError(f"the voting nodes did not answer within {self.rules.command_timeout_s:g} s") from None

    def mine(self) -> tuple[Registry, int]:
        """Return the registry and its revision, as its leader.

        Raises:
            NotLeaderError: this node does not lead.
        """
        registry = self.registry
        if registry is None or not self.leads or registry.lease.nonce != self.me.nonce:
            raise self.not_leader()
        return registry, self.revision

    async def written(self, changed: Registry, revision: int) -> bool:
        """Write the registry over a revision; False when that has to be looked at again."""
        try:
            new = await self.store.update(document.KEY, changed.as_bytes(), revision, op_id=secrets.token_hex(8))
        except (StoreMovedError, UnknownOutcomeError):
            await asyncio.sleep(ATTEMPT_PAUSE_S)
            await self.read_once()
            return False
        except ConflictError:
            await self.read_once()
            return False
        self.learn(changed, new)
        return True

    def not_leader(self) -> NotLeaderError:
        """Return the error that names who leads."""
        return NotLeaderError(self.view().leader_url)

    # -- learning ------------------------------------------------------------------------------------------------

    def learn(self, registry: Registry, revision: int) -> None:
        """Take a registry for the newest, unless a newer one is known."""
        if revision <= self.revision:
            return
        before, self.registry, self.revision = self.registry, registry, revision
        self.tail.take(Change(document.KEY, registry.as_bytes(), revision))
        me = self.me.identity
        order = [each.id for each in eligible(registry.members)]
        self.happen(
            Observed(
                term=registry.term,
                holder=registry.lease.node,
                nonce=registry.lease.nonce,
                sequence=registry.lease.sequence,
                rank=order.index(me.name) if me.name in order and not self._stopping else None,
                successor=registry.lease.successor,
                member=_is_in(registry, me),
            )
        )
        if before is None or replace(before, lease=registry.lease, applied=registry.applied) != registry:
            self._note_members(registry, before)
        if not self.leads and not self._stopping:
            self.happen(Tick())

    def _note_members(self, registry: Registry, before: Registry | None) -> None:
        peers = tuple(
            KnownPeer(each.id, each.url, each.route)
            for each in registry.members
            if each.id != self.me.identity.name and each.route
        )
        try:
            self.me.remember(replace(self.me.identity, peers=peers))
        except OSError as error:  # it is only how the cluster is found again; the next change is another chance
            _logger.error("the members could not be remembered: %s", error)
        for gone in {each.id for each in before.members} - {each.id for each in registry.members} if before else ():
            self.board.forget(gone)
        self._snapshot_due.set()
        self.wake_leader.set()
        self.changed()

    def _take(self, change: Change) -> None:
        """The tail has seen a change."""
        if change.key == document.KEY and change.value is not None and change.revision > self.revision:
            self.learn(Registry.from_bytes(change.value), change.revision)
        elif change.key != document.KEY:
            self._snapshot_due.set()

    async def read_once(self) -> None:
        """Read the registry where decisions are made."""
        with contextlib.suppress(FrameworkError, TimeoutError):
            async with asyncio.timeout(2.0):
                entry = await self.store.get(document.KEY)
                if entry is not None:
                    self.learn(Registry.from_bytes(entry.value), entry.revision)

    # -- where the truth is --------------------------------------------------------------------------------------

    def use_place(self, place: Place, founder: str = "", founder_uid: str = "") -> None:
        """Take the truth to be in another place from now on."""
        identity = self.me.identity
        self.me.remember(
            replace(
                identity,
                place=place,
                founder=founder or identity.founder,
                founder_uid=founder_uid or identity.founder_uid,
            )
        )
        former = self.store
        self._follow()
        if former is not self.me.local and former is not self.store:
            self.run(former.close(), "close-store")
        self.changed()

    def _follow(self) -> None:
        identity = self.me.identity
        if identity.place != "sqlite":
            self.store = self.ground.quorum_store(identity)
        elif identity.holds_truth:
            self.store = self.me.local
        else:
            self.store = RemoteConsensusStore(self.ground.messenger, identity.founder_uid)
        self.tail.follow(self.store)

    def _moved(self) -> None:
        if self.me.identity.place == "sqlite" and not self.me.identity.holds_truth:
            self.use_place(self.ground.quorum_place)

    # -- pulses --------------------------------------------------------------------------------------------------

    async def send_pulse(self) -> None:
        """Show that this node lives, and what it knows."""
        identity = self.me.identity
        pulse = Pulse(
            id=identity.name,
            uid=identity.uid,
            nonce=self.me.nonce,
            state=self.state(),
            term=self.lead.term,
            url=self.me.url,
            route=self.ground.route,
            revision=self.tail.revision,
            epoch=self.registry.epoch if self.registry else 0,
            place=identity.place,
            founder=identity.founder,
            founder_uid=identity.founder_uid,
            tolerates=self.tolerates if self.leads else 0,
            stopping=self._stopping,
        )
        with contextlib.suppress(MessengerError):
            await self.ground.messenger.publish(f"{self.base}.pulse", pulse.as_bytes())

    async def _pulse_forever(self) -> None:
        while True:
            if self.lead.state != "PASSIVE" or self.registry is None:
                await self.send_pulse()
            await asyncio.sleep(self.rules.pulse_s)

    def _catch_up(self, pulse: Pulse) -> None:
        """Read what the leader knows where the tail does not bring it: while servers change it may be late."""
        now_s = self.clock.monotonic_s()
        if pulse.revision > self.tail.revision and now_s - self._caught_up_s >= CATCH_UP_S:
            self._caught_up_s = now_s
            self.run(self.read_once(), "catch-up")

    async def _tick_forever(self) -> None:
        while True:
            self.happen(Tick())
            await asyncio.sleep(self.rules.tick_s)

    async def _hear(self, message: Message) -> None:
        pulse = Pulse.from_bytes(message.data)
        identity = self.me.identity
        if pulse is None or pulse.uid == identity.uid:
            return
        member = self.registry.member(pulse.id) if self.registry else None
        if member is not None and member.uid != pulse.uid:
            return  # a node that was refused, or is gone
        new = self.board.last(pulse.id) is None or pulse.stopping
        self.board.hear(pulse, self.clock.monotonic_s())
        if pulse.stopping:
            self.happen(Gone(pulse.id))
        elif pulse.state == "LEADER":
            if pulse.term > self.lead.term:
                # It leads already; what is followed may come over a server that has just stopped.
                self.run(self.read_once(), "read")
            self.happen(Heard(pulse.id, pulse.term))
            self._catch_up(pulse)
            if pulse.place != identity.place and pulse.term >= self.lead.term and not identity.holds_truth:
                self.use_place(pulse.place, pulse.founder, pulse.founder_uid)
        if new and self.leads:
            self.wake_leader.set()

    # -- beside --------------------------------------------------------------------------------------------------

    async def _snapshot_forever(self) -> None:
        """Keep a copy of the decisions on disk; a large one is written less often, for a tenth of the time at most."""
        while True:
            await self._snapshot_due.wait()
            self._snapshot_due.clear()
            began_s = self.clock.monotonic_s()
            if self.registry is not None:
                await self._write_snapshot()
            await asyncio.sleep(max(SNAPSHOT_PAUSE_S, 10 * (self.clock.monotonic_s() - began_s)))

    async def _write_snapshot(self) -> None:
        """Write it beside the loop: the pulse does not wait for a disk."""
        entries, revision = self.tail.entries(), self.tail.revision
        try:
            await asyncio.to_thread(write_snapshot, self.me.folder.snapshot_path, entries, revision)
        except (ClusterDataError, OSError) as error:
            if not self._snapshot_failed:
                _logger.error("the copy of the decisions cannot be written, the one before is kept: %s", error)
            self._snapshot_failed = True
            self._snapshot_due.set()
        else:
            if self._snapshot_failed:
                _logger.info("the copy of the decisions is written again")
            self._snapshot_failed = False


def _as_seen(documents: tuple[NodeDocument, ...], leader_id: str | None) -> tuple[NodeDocument, ...]:
    """While this node knows no leader, nobody is shown as one."""
    if leader_id is not None:
        return documents
    return tuple(replace(each, role="CANDIDATE") if each.role == "LEADER" else each for each in documents)


def _is_in(registry: Registry, identity: NodeIdentity) -> bool:
    member = registry.member(identity.name)
    return member is not None and member.uid == identity.uid
