"""What the leader does for whoever asks: let a node in, invite one, strike one, stop one (J13, J17, J22, J23)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from app_framework.cluster.errors import (
    NoQuorumError,
    OperationRefusedError,
    UnknownNodeError,
    UnreachableNodeError,
    UnstableError,
    WrongClusterError,
)
from app_framework.cluster.peers import PeerDoors, check_signature, signed
from app_framework.cluster.registry import Command, Registry
from app_framework.cluster.session import Session
from app_framework.errors import UserError
from app_framework.messaging.errors import MessengerError
from app_framework.security.secret import ClusterSecret

ACTIVE_POLL_S = 0.02


class Operations:
    """The membership operations of one session; they are done where this node leads.

    Args:
        session: of this node.
        peers: how other nodes are reached over HTTP.
        secret: of the cluster.
        stop_soon: stops this node after its answer has got away.
    """

    def __init__(
        self,
        session: Session,
        peers: PeerDoors,
        secret: ClusterSecret | None,
        stop_soon: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._session = session
        self._peers = peers
        self._secret = secret
        self._stop_soon = stop_soon

    async def do(self, what: str, args: dict[str, Any]) -> Mapping[str, Any]:
        """Do as the leader what a node was asked for."""
        match what:
            case "join":
                return await self._let_in(args)
            case "register":
                return await self._register(str(args["url"]))
            case "deregister":
                return await self._deregister(str(args["node"]), str(args["op_id"]))
            case "stop":
                return await self._stop(str(args["node"]), str(args["op_id"]))
        raise UserError(f"nobody can be asked for {what!r}")

    async def _let_in(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make the node that asks a member, and tell it what it needs."""
        session, node = self._session, str(args["node"])
        registry = session.registry
        wanted = args.get("cluster")
        if wanted and registry is not None and wanted != registry.cluster_id:
            advice = "Correct cluster.id, or the peers it is given"
            raise WrongClusterError(node, registry.cluster_id, str(wanted), advice)
        member = {key: str(args[key]) for key in ("uid", "url", "route", "wants")}
        known = registry.member(node) if registry is not None else None
        reason = "it asks to join" if known is None else "it tells where it is reached"
        command = Command(secrets.token_hex(8), "cluster_register", {"node": node, **member}, reason)
        result = await session.log.execute(command)
        identity = session.me.identity
        return {
            "cluster_id": identity.cluster_id,
            "cluster_uid": identity.cluster_uid,
            "key": "" if self._secret is not None else identity.key,
            "place": identity.place,
            "founder": identity.founder,
            "founder_uid": identity.founder_uid,
            "routes": [each.route for each in result.members if each.route and each.id != node],
            "document": self._document(result, node),
        }

    async def _register(self, url: str) -> Mapping[str, Any]:
        """Invite the node at a URL, and wait until it is ACTIVE."""
        session = self._session
        registry = session.registry
        known = registry.member(url) if registry is not None else None
        if registry is not None and known is not None and known.status == "ACTIVE":
            return {"document": self._document(registry, known.id)}
        me = session.me
        offer = {"cluster_id": me.identity.cluster_id, "cluster_uid": me.identity.cluster_uid, "leader": me.url}
        invitation = signed(offer, self._secret, "invite")
        # Whoever asked through another node must still be there for the answer.
        patience_s, began_s = session.rules.command_timeout_s, session.clock.monotonic_s()
        await self._check_majority(0.3 * patience_s)
        try:
            answer = await self._peers.call(url, "invite", invitation, timeout_s=0.5 * patience_s)
        except UnreachableNodeError:
            await self._check_majority(0.3 * patience_s)  # the node may be well, and wait for the majority as we do
            raise
        check_signature(answer, self._secret, f"invite/{invitation['nonce']}", url)
        node = str(answer["node"])
        deadline_s = began_s + 0.9 * patience_s
        while session.clock.monotonic_s() < deadline_s:
            member = session.registry.member(node) if session.registry else None
            if session.registry is not None and member is not None and member.status == "ACTIVE":
                return {"document": self._document(session.registry, node)}
            await asyncio.sleep(ACTIVE_POLL_S)
        raise UnstableError(f"node {node!r} was let in and is not heard yet")

    async def _check_majority(self, timeout_s: float) -> None:
        """Ask nobody to join what cannot let anybody in: it is not the new node's fault then."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._session.store.barrier()
        except TimeoutError:
            raise NoQuorumError from None

    async def _deregister(self, node: str, op_id: str) -> Mapping[str, Any]:
        session = self._session
        registry = self._registry()
        member = registry.existing(node)
        if session.me.identity.place == "sqlite" and member.id == registry.founder:
            raise OperationRefusedError(
                member.id,
                "it holds the cluster's decisions until a third machine that may vote is there. "
                "Register one first, or deregister the other node",
            )
        document = self._document(registry, member.id)
        if member.id == session.me.identity.name:
            successor = next((each.id for each in registry.members if each.votes and each.id != member.id), None)
            if successor is None:
                raise OperationRefusedError(member.id, "it is the last voting node; stop it instead")
            command = Command(op_id, "cluster_deregister", {"node": member.id}, "it was asked for")
            await session.decide(lambda registry: registry.after(command).released(successor))
            return {"document": document}
        await session.log.execute(Command(op_id, "cluster_deregister", {"node": member.id}, "it was asked for"))
        return {"document": document}

    async def _stop(self, node: str, op_id: str) -> Mapping[str, Any]:
        session = self._session
        registry = self._registry()
        member = registry.existing(node)
        result = await session.log.execute(Command(op_id, "cluster_stop", {"node": member.id}, "it was asked for"))
        document = self._document(result, member.id)
        if member.id == session.me.identity.name:
            session.run(self._stop_soon(), "stop")
            return {"document": document}
        with contextlib.suppress(MessengerError, UserError):  # a node that is gone already need not be told
            order = {"what": "stop", "term": session.lead.term}
            await session.calls.call(member.uid, "order", order, timeout_s=session.rules.command_timeout_s)
        return {"document": document}

    def _registry(self) -> Registry:
        registry = self._session.registry
        if registry is None:
            raise NoQuorumError("the registry has not been read yet")
        return registry

    def _document(self, registry: Registry, node: str) -> Mapping[str, Any]:
        found = next((each for each in registry.documents() if each.id == node), None)
        if found is None:
            raise UnknownNodeError(node, tuple(each.id for each in registry.members))
        return found.as_json()
