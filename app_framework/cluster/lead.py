"""What the state machine of the lead asks for, done: probes, and compare-and-sets of the registry."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from app_framework.cluster.errors import StoreWriteError
from app_framework.cluster.leadership import (
    Confirmed,
    Effect,
    Event,
    Failed,
    Lead,
    Leadership,
    Probe,
    Probed,
    Renew,
    Take,
    Yield,
    step,
)
from app_framework.cluster.registry import Registry, eligible
from app_framework.errors import FrameworkError, UserError

if TYPE_CHECKING:
    from app_framework.cluster.session import Session

_logger = logging.getLogger(__name__)

NEVER_S = 1e9


class LeadHolder:
    """The lead as one node looks for it, holds it and gives it back.

    Args:
        session: of this node.

    Attributes:
        state: what is known of the lead.
        since_s: since when this node leads, or led last.
        trouble: why the lead cannot be taken or renewed; empty when nothing is known against it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.state = Leadership(session.me.identity.name, session.me.nonce, session.rules.leader)
        self.since_s = 0.0
        self.trouble = ""
        self._told = ""

    def happen(self, event: Event) -> None:
        """Let the state machine of the lead know."""
        before = self.state.state
        self.state, effects = step(self.state, event, self._session.clock.monotonic_s())
        for effect in effects:
            self._perform(effect)
        if self.state.state != before:
            self._session.changed()

    def _perform(self, effect: Effect) -> None:
        me = self._session.me
        match effect:
            case Probe(node=node):
                self._session.run(self._probe(node), "probe")
            case Take(reason=reason):
                self._tell_attempt(reason)
                taken = self._hold(lambda registry: registry.led_by(me.identity.name, me.nonce), reason)
                self._session.run(taken, "take")
            case Renew():
                self._session.run(self._hold(Registry.renewed, ""), "renew")
            case Lead(term=term):
                _logger.info("this node leads cluster %r in term %d", me.identity.cluster_id, term)
                self.since_s = self._session.clock.monotonic_s()
                self._session.wake_leader.set()
                self._session.run(self._session.send_pulse(), "pulse")
            case Yield(reason=reason):
                _logger.warning("this node does not lead any more: %s", reason)
                self._session.tolerates = 0

    def _tell_attempt(self, reason: str) -> None:
        """Log the first of many attempts."""
        level = logging.DEBUG if self._told else logging.INFO
        _logger.log(level, "taking the lead of cluster %r: %s", self._session.me.identity.cluster_id, reason)
        self._told = reason

    async def _hold(self, change: Callable[[Registry], Registry], reason: str) -> None:
        """Take or renew the lead by one compare-and-set."""
        sent_s = self._session.clock.monotonic_s()
        taking, seen = bool(reason), _lead_of(self.state)
        try:
            async with asyncio.timeout(self._session.rules.leader.ttl_s / 3), self._session.writing:
                if taking:
                    await self._session.read_once()
                registry, revision = self._session.registry, self._session.revision
                if registry is None or (taking and not self._may_take(registry, seen)):
                    self.happen(Failed(conflict=True))
                    return
                if not taking and registry.lease.nonce != self._session.me.nonce:
                    self.happen(Failed(conflict=True))
                    return
                changed = change(registry)
                written = await self._session.written(changed, revision)
        except (FrameworkError, UserError, TimeoutError) as error:
            _logger.debug("the lead could not be taken or renewed: %s", error)
            self.trouble = str(error) if isinstance(error, StoreWriteError) else ""
            self.happen(Failed())
            return
        if not written:
            self.happen(Failed(conflict=True))
            return
        self.trouble = self._told = ""
        self.happen(Confirmed(changed.term, changed.lease.sequence, sent_s))
        if taking:
            await self._session.log.note("lead", self._session.me.identity.name, reason)

    def _may_take(self, registry: Registry, seen: tuple[int, str | None, str]) -> bool:
        """Whether the lead is still as it was when it was decided to take it: who comes second follows the first."""
        return (registry.term, registry.lease.node, registry.lease.nonce) == seen and self._session.is_member

    async def give_back(self) -> None:
        """Give the lead to the next voter; without one, or without a majority, it just ends."""
        registry = self._session.registry
        assert registry is not None, "a node that leads has a registry"
        me, board, now_s = self._session.me.identity.name, self._session.board, self._session.clock.monotonic_s()
        others = [each.id for each in eligible(registry.members) if each.id != me]
        patience_s = self._session.rules.leader.suspect_s
        heard = [each for each in others if (board.age_s(each, now_s) or NEVER_S) < patience_s]
        if not heard:
            return
        with contextlib.suppress(FrameworkError, UserError):
            await self._session.decide(lambda registry: registry.released(heard[0]))

    async def _probe(self, node: str) -> None:
        member = self._session.registry.member(node) if self._session.registry else None
        reachable = member is not None and await self._session.ground.reaches(member.route)
        self.happen(Probed(node, reachable))


def _lead_of(state: Leadership) -> tuple[int, str | None, str]:
    return state.term, state.holder, state.holder_nonce
