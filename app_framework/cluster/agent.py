"""The membership service of one node: found a cluster, join one, come back to one, be invited, be told to leave.

An agent lives on one event loop. It has at most one `Session` at a time; entering another cluster ends it and begins
the next. Before there is a common messenger nodes call each other over HTTP (`PeerDoors`), signed with the secret:

- ``join``: a node wants to be a member; the leader answers with what it needs to enter.
- ``invite``: a member asks a node to join (that is what ``register`` of its URL does).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app_framework.clock import Clock
from app_framework.cluster.errors import (
    ClusterDataError,
    NotLeaderError,
    NotMemberError,
    SecretMissingError,
    UnreachableNodeError,
    WrongClusterError,
)
from app_framework.cluster.founding import founded, is_fresh
from app_framework.cluster.ground import Ground
from app_framework.cluster.identity import NodeFolder, NodeIdentity
from app_framework.cluster.node_self import NodeSelf
from app_framework.cluster.operations import Operations
from app_framework.cluster.orders import Orders
from app_framework.cluster.peer_service import PeerService, foreign_cluster
from app_framework.cluster.peers import PeerDoors, check_signature, is_final, signed, url_of
from app_framework.cluster.raft_status import raft_status
from app_framework.cluster.registry import KEY
from app_framework.cluster.rules import ClusterRules
from app_framework.cluster.session import Session
from app_framework.cluster.supervision import Supervision
from app_framework.cluster.view import ClusterView, Decision, NodeDocument, NodeType
from app_framework.errors import FrameworkError, UserError
from app_framework.security.secret import ClusterSecret

_logger = logging.getLogger(__name__)

DEFAULT_CLUSTER = "Cluster"
PEER_TIMEOUT_S = 5.0
JOIN_PAUSE_S = 0.25
JOIN_PAUSE_MAX_S = 2.0
FAILURES_SHOWN_MAX = 5
"""Of so many seeds the node tells why they did not let it in."""
ACTIVE_POLL_S = 0.02

NATS_PURPOSE = "nats"
NO_LEADER = "no node leads the cluster, because no majority of its voting nodes can be reached"


class ClusterAgent:
    """The membership service of one node.

    Args:
        folder: ``<data-dir>/cluster`` of the node, made and locked.
        ground: what carries the cluster.
        peers: how other nodes are reached over HTTP.
        clock: where time comes from.
        name: the node's name as configured; None for what the folder remembers.
        default_name: for a new node without a configured name.
        wants: voter, watcher or witness.
        cluster_id: the cluster's name as configured; None for any.
        seeds: URLs of running nodes.
        bootstrap: whether a new node without seeds founds a cluster; else it waits to be registered.
        secret: of the cluster.
        rules: times.
        stop_node: called when the cluster has told the node to stop.
        view_changed: called with every new view.
        entered: called when the messenger's servers or credentials may be others.
    """

    def __init__(
        self,
        folder: NodeFolder,
        ground: Ground,
        peers: PeerDoors,
        clock: Clock,
        *,
        name: str | None = None,
        default_name: str = "node",
        wants: NodeType = "voter",
        cluster_id: str | None = None,
        seeds: Sequence[str] = (),
        bootstrap: bool = True,
        secret: ClusterSecret | None = None,
        rules: ClusterRules = ClusterRules(),  # noqa: B008 (frozen)
        stop_node: Callable[[], None] = lambda: None,
        view_changed: Callable[[ClusterView], None] = lambda view: None,
        entered: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._me = NodeSelf.opened(folder, name, default_name, wants)
        self._folder = folder
        self._ground = ground
        self._peers = peers
        self._clock = clock
        self._cluster_id = cluster_id
        self._seeds = tuple(dict.fromkeys(url_of(seed) for seed in seeds))
        self._bootstrap = bootstrap
        self._secret = secret
        self._rules = rules
        self._stop_node = stop_node
        self._view_changed = view_changed
        self._entered = entered
        self._session: Session | None = None
        self._joining: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._why_not = "the node has just started"
        self._failed: Exception | None = None
        self._heard_epoch = 0

    # -- life ----------------------------------------------------------------------------------------------------

    @property
    def node_name(self) -> str:
        """The node's name."""
        return self._me.identity.name

    async def open(self) -> None:
        """Carry messages: of the node's own cluster, of one that it founds, or of none yet.

        Raises:
            ClusterDataError: the folder is another cluster's.
            NatsServerError: a server does not start.
        """
        identity = self._me.identity
        if identity.cluster_uid and self._cluster_id and identity.cluster_id != self._cluster_id:
            raise ClusterDataError(
                str(self._folder.path),
                f"it holds cluster {identity.cluster_id!r}, and cluster.id says {self._cluster_id!r}",
                "Correct cluster.id, or give the node an empty folder (app.data-dir)",
            )
        if identity.cluster_uid and not (await self._is_fresh() and self._seeds) and not identity.removed:
            await self._resume()
        elif not self._seeds and self._bootstrap and not identity.removed:
            await self._found()
        else:
            await self._stand_alone()

    async def join(self, url: str) -> None:
        """Say where the node is reached, and wait until it is ACTIVE, or cannot be for now.

        Raises:
            NodeRefusedError: the cluster refuses it; trying again would not help.
        """
        self._me.url = url
        session = self._session
        if session is not None:
            session.run(self._announce(session), "announce")
            session.run(self._check_seeds(), "check-seeds")
            await self._active_within(self._rules.join_timeout_s)
            return
        if not self._seeds:
            self._why_not = "it waits to be registered at a member of a cluster"
            return
        self._joining = asyncio.create_task(self._join_forever(), name="cluster-join")
        await self._active_within(self._rules.join_timeout_s)

    async def hand_over(self) -> None:
        """Give the lead back and say good-bye, before the node stops."""
        if self._joining is not None:
            self._joining.cancel()
        if self._session is not None:
            await self._session.stop()

    async def close(self) -> None:
        """End everything."""
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.gather(self._joining, return_exceptions=True)
        if self._session is not None:
            await self._session.abandon()
            self._session = None
        await self._ground.close()
        await self._peers.close()
        await self._me.local.close()
        self._folder.close()

    async def _is_fresh(self) -> bool:
        return self._me.identity.holds_truth and await is_fresh(self._me.local)

    async def _found(self) -> None:
        """Found a cluster of one: leader at once, durable, on SQLite."""
        await self._me.local.clear()
        uid, cluster_id = secrets.token_hex(16), self._cluster_id or DEFAULT_CLUSTER
        identity, registry = founded(self._me, cluster_id, uid, self._key(uid))
        if self._ground.starts_with_quorum:
            identity = replace(await self._ground.enter(identity, ()), place=self._ground.quorum_place)
            await (await self._ground.found(identity)).create(KEY, registry.as_bytes())
        else:
            await self._me.local.create(KEY, registry.as_bytes())
        await self._enter(identity, ())
        _logger.info("node %r has founded cluster %r", identity.name, cluster_id)

    async def _resume(self) -> None:
        """Come back to the cluster that the folder knows."""
        identity = self._me.identity
        if self._secret is not None:
            identity = replace(identity, key=self._key(identity.cluster_uid))
        if identity.place == "sqlite":
            identity = replace(identity, servers=())  # a move that did not come to its end is begun anew
        else:
            self._me.local.retire()
        await self._enter(identity, [peer.route for peer in identity.peers])

    async def _stand_alone(self) -> None:
        """Carry this node's own messages while it has no cluster."""
        alone = self._me.identity.alone()
        self._me.remember(alone)
        temporary = replace(alone, cluster_uid=f"alone{alone.uid}", key=secrets.token_hex(32))
        entered = await self._ground.enter(temporary, ())
        self._me.remember(replace(alone, ports=entered.ports))
        await self._tell_entered()

    async def _enter(self, identity: NodeIdentity, routes: Sequence[str]) -> None:
        """Begin a session in a cluster."""
        if self._session is not None:
            await self._session.abandon()
            self._session = None
        self._me.remember(await self._ground.enter(identity, [route for route in routes if route]))
        if not identity.servers:
            await self._ground.drop_servers(())
        for server in identity.servers:
            ported, _ = await self._ground.run_server(self._me.identity, server)
            self._me.remember(ported)
        session = Session(
            self._me,
            self._ground,
            self._clock,
            self._rules,
            changed=self._changed,
            asked=self._do,
            ordered=self._obey,
        )
        self._session = session
        await session.start()
        session.run(Supervision(session, self._clock).run(), "supervision")
        await self._tell_entered()

    def _key(self, cluster_uid: str) -> str:
        """The credentials' key: from the secret where there is one, else made at the founding."""
        if self._secret is not None:
            return self._secret.derive(f"{NATS_PURPOSE}/{cluster_uid}").hex()
        return secrets.token_hex(32)

    async def _tell_entered(self) -> None:
        if self._entered is not None:
            await self._entered()

    # -- becoming a member ---------------------------------------------------------------------------------------

    async def _join_forever(self) -> None:
        """Ask one seed after the other until the node is a member, or is refused."""
        failures: dict[str, str] = {}
        pause_s = JOIN_PAUSE_S
        while self._session is None:
            for seed in self._seeds:
                if not failures:
                    self._why_not = f"it has asked {seed} to let it in, and waits for the answer"
                try:
                    await self._join_at(seed)
                    return
                except Exception as error:
                    if is_final(error):
                        self._failed = error
                        return
                    failures[seed] = error.fact if isinstance(error, UnreachableNodeError) else str(error).rstrip(".")
                    shown = "; ".join([*failures.values()][:FAILURES_SHOWN_MAX])
                    self._why_not = f"no member could be reached to join: {shown}; it goes on trying"
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, JOIN_PAUSE_MAX_S)

    async def _join_at(self, url: str) -> None:
        """Ask a node to be let in; it may name the leader, who is asked then."""
        async with self._changing:
            if self._session is not None:
                return
            body = signed({**self._joining_args(), "cluster": self._cluster_id}, self._secret, "join")
            try:
                answer = await self._peers.call(url, "join", body, timeout_s=PEER_TIMEOUT_S)
            except NotLeaderError as error:
                if error.leader is None or url_of(error.leader) == url:
                    raise
                answer = await self._peers.call(error.leader, "join", body, timeout_s=PEER_TIMEOUT_S)
            check_signature(answer, self._secret, f"join/{body['nonce']}", url)
            if answer.get("self"):
                raise UnreachableNodeError(url, "it is this node itself")
            await self._accept(answer)

    async def _check_seeds(self) -> None:
        foreign = await foreign_cluster(self._seeds, self._me.identity, self._peers, self._secret)
        self._failed = self._failed or foreign

    async def _accept(self, answer: Mapping[str, Any]) -> None:
        """Enter the cluster that has let the node in; what it had is dropped, it was fresh."""
        uid = str(answer["cluster_uid"])
        identity = replace(
            self._me.identity.alone(),
            cluster_id=str(answer["cluster_id"]),
            cluster_uid=uid,
            key=self._key(uid) if self._secret is not None else str(answer["key"]),
            place=answer["place"],
            founder=str(answer["founder"]),
            founder_uid=str(answer["founder_uid"]),
        )
        await self._me.local.clear()
        await self._enter(identity, [str(route) for route in answer["routes"]])
        _logger.info("node %r is a member of cluster %r", identity.name, identity.cluster_id)

    async def _announce(self, session: Session) -> None:
        """Tell the cluster where a node that came back is reached now."""
        while not session.is_member or not self._is_at_home(session):
            if session.registry is not None and not session.is_member:
                return  # it was deregistered meanwhile
            try:
                await session.calls.ask_leader("join", self._joining_args())
            except (FrameworkError, UserError) as error:
                self._why_not = str(error)
            await asyncio.sleep(JOIN_PAUSE_S)

    def _is_at_home(self, session: Session) -> bool:
        member = session.registry.member(self.node_name) if session.registry else None
        return (
            member is not None
            and (member.url, member.route) == (self._me.url, self._ground.route)
            and not member.stopped
            and member.wants == self._me.wants
        )

    def _joining_args(self) -> dict[str, Any]:
        identity = self._me.identity
        return {
            "node": identity.name,
            "uid": identity.uid,
            "url": self._me.url,
            "route": self._ground.route,
            "wants": self._me.wants,
        }

    async def _active_within(self, timeout_s: float) -> None:
        deadline_s = self._clock.monotonic_s() + timeout_s
        while self._clock.monotonic_s() < deadline_s:
            if self._failed is not None:
                raise self._failed
            if self.ready_reason() is None:
                return
            await asyncio.sleep(ACTIVE_POLL_S)
        _logger.warning("the node serves what it can alone: %s", self.ready_reason())

    def ready_reason(self) -> str | None:
        """Return why the node is not ACTIVE in its cluster; None when it is."""
        session = self._session
        if session is None:
            return self._why_not
        if session.registry is not None and not session.is_member:
            return "the cluster has deregistered this node; register it again at a member"
        if session.is_active:
            return None
        if session.view().leader_id is None:
            return (
                session.trouble or "no node leads the cluster, because no majority of its voting nodes can be reached"
            )
        return "the cluster has not seen this node yet"

    # -- what users ask ------------------------------------------------------------------------------------------

    def view(self) -> ClusterView:
        """Return what this node knows now."""
        if self._session is not None:
            return self._session.view()
        cluster_id, why_not = self._cluster_id or "", self._why_not
        return ClusterView(True, cluster_id, self.node_name, "PASSIVE", None, None, 0, 0, 0, (), reason=why_not)

    def decisions(self) -> tuple[Decision, ...]:
        """Return the last decisions."""
        return self._session.log.decisions() if self._session else ()

    @property
    def epoch(self) -> int:
        """The routing epoch that this node knows; 0 while it has no cluster."""
        registry = self._session.registry if self._session else None
        return registry.epoch if registry else 0

    def hear_epoch(self, epoch: int) -> None:
        """Note that another node knows an epoch; a newer one than ours is on its way to us."""
        self._heard_epoch = max(self._heard_epoch, epoch)

    @property
    def epochs_behind(self) -> int:
        """How many changes of the members others know, and this node does not yet."""
        return max(0, self._heard_epoch - self.epoch)

    def status(self) -> Mapping[str, Any]:
        """See `ClusterService`."""
        return raft_status(self.view(), self._session.registry if self._session else None)

    @property
    def identity(self) -> NodeIdentity:
        """Who this node is."""
        return self._me.identity

    @property
    def session(self) -> Session | None:
        """The node in its cluster; None while it has none."""
        return self._session

    async def register(self, url: str, *, forward: bool = True) -> NodeDocument:
        """See `ClusterService`."""
        return await self._ask_for_document("register", {"url": url_of(url)}, forward)

    async def deregister(self, node: str, *, forward: bool = True) -> NodeDocument:
        """See `ClusterService`."""
        return await self._ask_for_document("deregister", {"node": node}, forward)

    async def stop_node(self, node: str, *, forward: bool = True) -> NodeDocument:
        """See `ClusterService`."""
        return await self._ask_for_document("stop", {"node": node}, forward)

    async def _ask_for_document(self, what: str, args: Mapping[str, Any], forward: bool) -> NodeDocument:
        session = self._in_session()
        answer = await session.calls.ask_leader(what, {**args, "op_id": secrets.token_hex(8)}, forward=forward)
        fields = dict(answer["document"])
        return NodeDocument(fields.pop("_id"), **fields)

    def _in_session(self) -> Session:
        if self._session is None:
            raise NotMemberError(self.node_name)
        return self._session

    async def _do(self, what: str, args: dict[str, Any]) -> Mapping[str, Any]:
        """Do as the leader what a node was asked for."""
        session = self._in_session()
        orders = Orders(session, self._stop_node)
        return await Operations(session, self._peers, self._secret, orders.stop_soon).do(what, args)

    async def _obey(self, what: str, order: dict[str, Any]) -> Mapping[str, Any]:
        """Do what the leader has ordered."""
        return await Orders(self._in_session(), self._stop_node).do(what, order)

    # -- calls of other nodes over HTTP --------------------------------------------------------------------------

    async def peer_call(self, door: str, body: Mapping[str, Any], *, near: bool = True) -> Mapping[str, Any]:
        """See `ClusterService`."""
        if self._secret is None and not near:
            raise SecretMissingError(str(body.get("node", "?")))
        return await PeerService(self, self._secret).answer(door, body)

    async def invited_by(self, leader: str, cluster_id: str, cluster_uid: str) -> None:
        """Join where the node is invited, unless it has a cluster with content.

        Raises:
            WrongClusterError: it has, or is to be in another one.
        """
        identity, session = self._me.identity, self._session
        if session is not None and identity.cluster_uid == cluster_uid and session.is_member:
            return
        if self._cluster_id and self._cluster_id != cluster_id:
            raise WrongClusterError(identity.name, cluster_id, self._cluster_id, "Correct cluster.id of one of them")
        if session is not None and identity.cluster_uid != cluster_uid and not await self._is_fresh():
            raise WrongClusterError(
                identity.name,
                cluster_id,
                identity.cluster_id,
                "Deregister it there first, or start it with an empty folder (app.data-dir)",
            )
        await self._leave_for(leader)

    async def _leave_for(self, leader: str) -> None:
        """Drop what the node had, and join where it was invited."""
        if self._joining is not None:
            self._joining.cancel()
        if self._session is not None:
            await self._session.abandon()
            self._session = None
        await self._join_at(leader)

    # -- beside --------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        session = self._session
        if session is None:
            return
        if session.registry is not None and not session.is_member and not self._me.identity.removed:
            self._me.remember(replace(self._me.identity, removed=True))
            _logger.warning("the cluster has deregistered this node")
        elif session.is_member and self._me.identity.removed:
            self._me.remember(replace(self._me.identity, removed=False))
        self._view_changed(session.view())
