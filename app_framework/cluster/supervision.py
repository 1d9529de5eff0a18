"""What the leader does as long as it leads: look at the nodes, look at the voters, take the next step (R84)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from app_framework.clock import Clock
from app_framework.cluster.errors import NoQuorumError, NotLeaderError, UnstableError
from app_framework.cluster.move import StoreMove
from app_framework.cluster.registry import Command, CommandType, Registry, VoteServer
from app_framework.cluster.session import Session
from app_framework.cluster.supervisor import supervise
from app_framework.cluster.voters import (
    Add,
    Evacuate,
    Forget,
    Observation,
    Remove,
    Scale,
    Settled,
    Start,
    Step,
    Wait,
    next_step,
    tolerates,
    wanted_voters,
)
from app_framework.errors import FrameworkError, UserError
from app_framework.messaging.errors import MessengerError

_logger = logging.getLogger(__name__)

LOOK_S = 1.0
START_POLL_S = 0.25
UNSETTLED_S = 0.1
SETTLED_S = 5.0
STUCK_S = 15.0
RESTART_PAUSE_S = 60.0
EVACUATE_AGAIN_S = 5.0
MOVE_RETRY_S = 2.0
ORDER_TIMEOUT_S = 10.0


class Supervision:
    """The leader's work in one session.

    Args:
        session: of this node.
        clock: where time comes from.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._seen: Observation | None = None
        self._looked_s = -1e9
        self._settled = False
        self._waiting = ""
        self._finished_term = 0
        self._behind_since_s: dict[str, float] = {}
        self._restarted_s = -1e9
        self._evacuating = ("", -1e9)

    async def run(self) -> None:
        """Work whenever this node leads, until it is cancelled."""
        while True:
            if self._session.leads:
                try:
                    await self._once()
                except (NotLeaderError, NoQuorumError, UnstableError, MessengerError, TimeoutError) as error:
                    _logger.debug("the leader's work is tried again: %s", error)
                except (FrameworkError, UserError) as error:
                    _logger.warning("the leader's work is tried again: %s", error)
                except Exception:  # a leader that stops working is worse than one that reports a fault again and again
                    _logger.exception("the leader's work failed and is tried again")
                    await asyncio.sleep(SETTLED_S)
            pause_s = UNSETTLED_S if self._session.leads and not self._settled else LOOK_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._session.wake_leader.wait()
            self._session.wake_leader.clear()

    async def _once(self) -> None:
        session = self._session
        if self._finished_term != session.lead.term:
            self._seen, self._settled = None, False
            await session.log.finish()
            self._finished_term = session.lead.term
        await self._tend_nodes()
        registry = session.registry
        if registry is None or not session.leads:
            return
        if session.me.identity.place == "sqlite":
            await self._tend_sqlite(registry)
        elif not self._settled or self._clock.monotonic_s() - self._looked_s >= SETTLED_S:
            await self._tend_voters(registry)

    async def _tend_nodes(self) -> None:
        session = self._session
        registry, rules = session.registry, session.rules.supervisor
        if registry is None:
            return
        proposals = supervise(
            registry,
            session.board.reports(),
            # A follower hears pulses too; a new leader listens a little before it calls anybody silent.
            watching_since_s=session.led_since_s - (rules.inactive_s - rules.active_s),
            now_s=self._clock.monotonic_s(),
            voting=self._voting(registry),
            rules=rules,
        )
        for proposal in proposals:
            _logger.info("%s %s: %s", proposal.type, proposal.node, proposal.reason)
            await session.log.execute(proposal.command(secrets.token_hex(8)))
            self._settled = False

    def _voting(self, registry: Registry) -> frozenset[str] | None:
        if self._session.me.identity.place == "sqlite":
            return frozenset({registry.founder})
        if self._seen is None:
            return None
        if not self._session.ground.manages_servers:
            return frozenset(each.id for each in wanted_voters(registry, self._session.rules.voters_max))
        return frozenset(
            server.node for server in registry.servers if server.kind == "voter" and server.name in self._seen.group
        )

    async def _tend_sqlite(self, registry: Registry) -> None:
        """Two machines leave the truth where it is; with the third one that may vote it moves."""
        self._session.tolerates = 0
        self._settled = True
        enough = len(wanted_voters(registry, self._session.rules.voters_max)) >= 3
        if not enough or not self._session.me.identity.holds_truth:
            return
        try:
            await StoreMove(self._session, self._clock).run()
        except (FrameworkError, OSError) as error:
            _logger.warning("the decisions stay in SQLite for now: %s", error)
            await asyncio.sleep(MOVE_RETRY_S)
        self._settled = False

    async def _tend_voters(self, registry: Registry) -> None:
        self._looked_s = self._clock.monotonic_s()
        session = self._session
        try:
            seen = await session.ground.observe()
        except FrameworkError:
            session.tolerates = 0
            raise
        first = self._seen is None
        self._seen = seen
        if not session.ground.manages_servers:
            active = [each for each in wanted_voters(registry, session.rules.voters_max) if each.status == "ACTIVE"]
            session.tolerates = max(0, len(active) - 1)
            self._settled = True
            return
        session.tolerates = tolerates(registry, seen)
        await self._mend_stuck(registry, seen)
        step = next_step(registry, seen, session.rules.voters_max)
        self._settled = isinstance(step, Settled) and not first
        await self._take(step, registry)

    async def _mend_stuck(self, registry: Registry, seen: Observation) -> None:
        """Start a voter again that stays behind though its node is well: after a full disk a server needs that."""
        now_s = self._clock.monotonic_s()
        node_of = {server.name: server.node for server in registry.servers}
        well = {each.id for each in registry.members if each.status == "ACTIVE"}
        behind = {name for name, current in seen.group.items() if not current and node_of.get(name) in well}
        self._behind_since_s = {name: self._behind_since_s.get(name, now_s) for name in behind}
        for name, since_s in self._behind_since_s.items():
            if now_s - since_s >= STUCK_S and now_s - self._restarted_s >= RESTART_PAUSE_S:
                self._restarted_s = now_s
                _logger.warning("voter %s has been behind for %.0f s and is started again", name, now_s - since_s)
                await self._order(node_of[name], registry, "restart", server=name)
                return

    async def _take(self, step: Step, registry: Registry) -> None:
        if not isinstance(step, (Settled, Wait)):
            _logger.info("the cluster's voters: %r", step)
        match step:
            case Add(node=node, kind=kind, reason=reason):
                word = "witness-" if kind == "witness" else ""
                name = f"{node}-{word}{registry.servers_named + 1}"
                await self._command("server_add", reason, name=name, node=node, kind=kind)
            case Start(server=server):
                await self._start(server, registry)
            case Scale(replicas=replicas):
                await self._session.ground.scale(replicas)
                _logger.info("moving the decisions: scaling")
            case Evacuate(server=name):
                await self._evacuate(name)
            case Remove(server=name, node=node):
                _logger.info("moving the decisions: evacuated")
                await self._order(node, registry, "drop", server=name)
                await self._session.ground.remove(name)
                _logger.info("moving the decisions: removed")
            case Forget(server=name, reason=reason):
                await self._command("server_remove", reason, name=name)
            case Wait(reason=reason) if reason != self._waiting:
                self._waiting = reason
                _logger.info("the cluster's voters: %s", reason)

    async def _evacuate(self, name: str) -> None:
        """Ask once, and again only when nothing came of it for a while: each request begins the move anew."""
        now_s = self._clock.monotonic_s()
        if self._evacuating[0] != name or now_s - self._evacuating[1] >= EVACUATE_AGAIN_S:
            self._evacuating = (name, now_s)
            await self._session.ground.evacuate(name)
        await asyncio.sleep(2 * UNSETTLED_S)

    async def _start(self, server: VoteServer, registry: Registry) -> None:
        routes = [each.route for each in registry.servers if each.route and each.name != server.name]
        answer = await self._order(server.node, registry, "run", server=server.name, kind=server.kind, routes=routes)
        if answer is None or answer["route"] == server.route:
            await asyncio.sleep(START_POLL_S)  # it cannot be reached, or it runs and the others have not seen it yet
        else:
            await self._command(
                "server_add",
                "it runs",
                name=server.name,
                node=server.node,
                kind=server.kind,
                route=str(answer["route"]),
            )

    async def _command(self, type_: CommandType, reason: str, **args: Any) -> None:
        await self._session.log.execute(Command(secrets.token_hex(8), type_, args, reason))

    async def _order(self, node: str, registry: Registry, what: str, **order: Any) -> Mapping[str, Any] | None:
        """Tell a node what to do; None when it cannot be reached."""
        member = registry.member(node)
        if member is None:
            return None
        body = {"what": what, "term": self._session.lead.term, **order}
        try:
            return await self._session.calls.call(member.uid, "order", body, timeout_s=ORDER_TIMEOUT_S)
        except (MessengerError, UserError) as error:
            _logger.info("node %s could not be told to %s a server: %s", node, what, error)
            return None
