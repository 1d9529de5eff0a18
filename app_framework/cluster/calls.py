"""Calls between the nodes of one cluster: to the leader, by the leader, and what a node answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from app_framework.cluster.errors import AnsweredError, NoQuorumError, NotLeaderError, NotMemberError, UnstableError
from app_framework.messaging.bus import Subscription
from app_framework.messaging.errors import MessengerError, RemoteError
from app_framework.messaging.service import Call

if TYPE_CHECKING:
    from app_framework.cluster.session import Session

Act = Callable[[str, dict[str, Any]], Awaitable[Mapping[str, Any]]]

ATTEMPT_PAUSE_S = 0.1
ANSWER_MARGIN_S = 0.5
NO_LEADER = "no node leads, because no majority of the voting nodes can be reached"
CALL_TIMEOUT_MIN_S = 0.5


class NodeCalls:
    """What the nodes of a cluster ask each other.

    Args:
        session: of this node.
        asked: what this node does for others when it leads: ``register``, ``deregister``, ``stop``, ``join``.
        ordered: what the leader may order from this node: ``run``, ``drop``, ``stop``.
    """

    def __init__(self, session: Session, asked: Act, ordered: Act) -> None:
        self._session = session
        self._asked = asked
        self._ordered = ordered

    async def serve(self) -> list[Subscription]:
        """Answer calls until the subscriptions end."""
        messenger, own = self._session.ground.messenger, self._session.subject_of(self._session.me.identity.uid)
        return [
            await messenger.serve(f"{own}.ask", self._answer(self._as_leader)),
            await messenger.serve(f"{own}.order", self._answer(self._obey)),
        ]

    async def ask_leader(self, what: str, args: Mapping[str, Any], *, forward: bool = True) -> Mapping[str, Any]:
        """Have the leader do something: here, when this node leads, else there; while it changes, again.

        Raises:
            NotLeaderError: another node leads and `forward` is off, or nobody does.
            NoQuorumError: no majority.
        """
        deadline_s = self._session.clock.monotonic_s() + self._session.rules.command_timeout_s
        while True:
            if self._session.registry is not None and not self._session.is_member:
                raise NotMemberError(self._session.me.identity.name)
            try:
                if self._session.leads:
                    return await self._asked(what, dict(args))
                if not forward:
                    raise self._session.not_leader()
                return await self._forward(what, args, deadline_s)
            except (NotLeaderError, MessengerError, UnstableError) as error:
                if not forward or self._session.clock.monotonic_s() >= deadline_s:
                    raise self._gave_up(error) from error
            await asyncio.sleep(ATTEMPT_PAUSE_S)

    def _gave_up(self, error: Exception) -> Exception:
        """Return what whoever asked is told at the end."""
        identity = self._session.me.identity
        if isinstance(error, NotLeaderError) and error.leader is not None:
            return error
        if trouble := self._session.trouble:
            return NoQuorumError(trouble, "It goes on by itself after that")
        if isinstance(error, NotLeaderError):
            return NoQuorumError(NO_LEADER)
        if identity.place == "sqlite" and not identity.holds_truth:
            keeper = f"node {identity.founder!r}, which keeps the decisions of two nodes, does not answer"
            return NoQuorumError(keeper, "It goes on by itself when that node is back")
        return UnstableError(f"the leader {self._session.lead.holder or ''} does not answer".replace("  ", " "))

    async def _forward(self, what: str, args: Mapping[str, Any], deadline_s: float) -> Mapping[str, Any]:
        leader_id = self._session.lead.leader(self._session.clock.monotonic_s())
        leader = self._session.registry.member(leader_id) if self._session.registry and leader_id else None
        if leader is None:
            raise NotLeaderError(None)
        left_s = max(deadline_s - self._session.clock.monotonic_s(), CALL_TIMEOUT_MIN_S) + ANSWER_MARGIN_S
        return await self.call(leader.uid, "ask", {"what": what, **args}, timeout_s=left_s)

    async def call(self, uid: str, service: str, body: Mapping[str, Any], *, timeout_s: float) -> Mapping[str, Any]:
        """Call a node's service; what it refuses is raised in its words."""
        try:
            reply = await self._session.ground.messenger.request(
                f"{self._session.subject_of(uid)}.{service}", _json(body), timeout_s=timeout_s
            )
        except RemoteError as error:
            if error.code == "NOT_LEADER":
                raise NotLeaderError(error.facts.get("leader")) from None
            raise AnsweredError(error.code, error.detail) from None
        answer: Mapping[str, Any] = json.loads(reply.data)
        return answer

    def _answer(self, act: Act) -> Callable[[Call], Awaitable[bytes]]:
        async def answer(call: Call) -> bytes:
            body = json.loads(call.data)
            return _json(await act(str(body.pop("what")), body))

        return answer

    async def _as_leader(self, what: str, args: dict[str, Any]) -> Mapping[str, Any]:
        if not self._session.leads:
            raise self._session.not_leader()
        return await self._asked(what, args)

    async def _obey(self, what: str, order: dict[str, Any]) -> Mapping[str, Any]:
        if int(order.pop("term")) < self._session.lead.term:
            raise UnstableError("a newer leader is there")
        return await self._ordered(what, order)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
