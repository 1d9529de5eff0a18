"""How the cluster is wired: a node that belongs to one, from its section ``cluster``."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app_framework.boot import (
    AddressBound,
    ApplicationContext,
    Availability,
    ConditionContext,
    Environment,
    Events,
    FailureAnalysis,
    Lifecycle,
    Metrics,
    Outcome,
    auto_configuration,
    bean,
    failure_analyzer,
    on_component,
    on_condition,
    on_missing_component,
    on_module,
)
from app_framework.boot.config.app_properties import AppProperties
from app_framework.clock import Clock
from app_framework.cluster.errors import ClusterDataError, JetStreamMissingError, NodeRefusedError
from app_framework.cluster.properties import ClusterProperties
from app_framework.menu import open_menu
from app_framework.messaging.connection import NatsConnection, NatsSource
from app_framework.messaging.header_exchange import HeaderExchange
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messengers import Messengers
from app_framework.messaging.properties import NatsProperties, messenger_type

if TYPE_CHECKING:
    from app_framework.cluster.agent import ClusterAgent
    from app_framework.cluster.ground import Ground
    from app_framework.cluster.health import ClusterHealth
    from app_framework.cluster.node import ClusterNode
    from app_framework.cluster.peers import PeerDoors
    from app_framework.cluster.rules import ClusterRules
    from app_framework.cluster.view import ClusterView

__getattr__, __dir__ = open_menu(
    __name__, {"ClusterHealth": ".health", "ClusterNode": ".node", "Ground": ".ground", "PeerDoors": ".peers"}
)
"""What the wiring hands out is loaded where there is a cluster."""

_logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
PHASE = 2000
"""After the web server: the node must be reached before it can join; it says good-bye before the port closes."""
OWNER = "cluster"
CLUSTER_NODE = "app_framework.cluster.node:ClusterNode"
GROUND = "app_framework.cluster.ground:Ground"
PEER_DOORS = "app_framework.cluster.peers:PeerDoors"
EPOCH_HEADER = "Epoch"
"""The routing epoch that every message of the node carries."""


def has_cluster(context: ConditionContext) -> Outcome:
    """Match when the section is there and not switched off."""
    environment = context.environment
    if not environment.contains("cluster"):
        return Outcome(False, "found no section cluster", remedy="add a section cluster, or start with `af node start`")
    origin = environment.origin("cluster.enabled")
    if str(environment.get("cluster.enabled", True)).lower() in {"false", "off", "no"}:
        return Outcome(False, "cluster.enabled is false", origin)
    return Outcome(True, "found a section cluster", environment.origin("cluster"))


def talks_over_nats(context: ConditionContext) -> Outcome:
    """Match when the node's messenger is NATS."""
    wanted = messenger_type(context.environment)
    return Outcome(wanted != "in-memory", f"the node's messenger is {wanted}")


class ClusterMembership(Lifecycle):
    """Joins when the node can be reached, hands over when it stops.

    Args:
        node: this node.
        events: tell where it is reached.
        availability: is told while the node is not ready.
        advertise: under which host other nodes reach it.
    """

    phase = PHASE

    def __init__(self, node: ClusterNode, events: Events, availability: Availability, advertise: str | None) -> None:
        self._node = node
        self._advertise = advertise
        self._availability = availability
        self._url = ""
        self._end: Callable[[], None] = lambda: None
        events.listen(AddressBound, self._bound)

    def _bound(self, bound: AddressBound) -> None:
        if bound.protocol == "http":
            self._url = reachable_url(bound.url, bound.listening, self._advertise)

    async def start(self) -> None:
        """Join the cluster, or come back to it; return when the node is ACTIVE, or cannot be for now."""
        self._availability.readiness.refuse("the node is joining its cluster", owner=OWNER)
        try:
            await self._node.join(self._url)
        finally:
            self._availability.readiness.accept(owner=OWNER)

    async def stop(self) -> None:
        """Hand over, and say good-bye."""
        self._end()
        await self._node.hand_over()


class ClusterNats(NatsSource):
    """Connects the node's own messenger to the servers of its cluster.

    Args:
        ground: what runs them.
    """

    def __init__(self, ground: Any) -> None:
        self._ground = ground

    async def connection(self) -> NatsConnection:
        """Return the address of the node's messenger server."""
        found: NatsConnection = self._ground.connection()
        return found

    @property
    def trouble(self) -> str:
        """Nothing is known here; the cluster's health tells."""
        return ""


class EpochExchange(HeaderExchange):
    """Puts the routing epoch on every message of the node.

    Args:
        node: this node.
    """

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    def stamp(self) -> Mapping[str, str]:
        """Return the epoch that this node knows."""
        return {EPOCH_HEADER: str(self._node.epoch)}

    def heard(self, headers: Mapping[str, str]) -> None:
        """Note the newest epoch that another node knows, so that a node that is behind can tell."""
        epoch = headers.get(EPOCH_HEADER, "")
        if epoch.isdecimal():
            self._node.hear_epoch(int(epoch))


class MessengerFollowsCluster:
    """Keeps the node's messenger with its cluster: when the node enters another one, it connects to its servers.

    Args:
        node: this node.
        messengers: of the application.
        source: where to connect to.
    """

    def __init__(self, node: ClusterNode, messengers: Messengers, source: ClusterNats) -> None:
        self._messengers = messengers
        self._source = source
        self._moving: asyncio.Task[None] | None = None
        node.on_entered(self._follow)

    def _follow(self) -> None:
        self._moving = asyncio.ensure_future(self._move())

    async def _move(self) -> None:
        from app_framework.messaging.nats_bus import NatsBus

        bus = self._messengers.default.bus
        connection = await self._source.connection()
        if isinstance(bus, NatsBus) and bus.connection != connection:
            await bus.move(connection)


@auto_configuration(
    on_condition(has_cluster, late=False),
    on_module("nats"),
    on_module("httpx"),
    properties=[ClusterProperties],
    before=["nats", "messaging"],
)
class ClusterAutoConfiguration:
    """Makes the node part of a cluster: servers, identity, membership, lead."""

    @bean(on_missing_component(PEER_DOORS))
    def peer_doors(self) -> PeerDoors:
        """How other nodes are reached before there is a common messenger."""
        from app_framework.cluster.peers import HttpPeers

        return HttpPeers()

    @bean(on_missing_component(GROUND))
    def ground(
        self,
        properties: ClusterProperties,
        environment: Environment,
        network: MemoryNetwork | None,
    ) -> Ground:
        """What carries the cluster: servers of this node's own, servers that run already, or memory."""
        if messenger_type(environment) == "in-memory":
            from app_framework.cluster.memory_ground import MemoryGround, MemoryHub

            hub = MemoryHub(network or MemoryNetwork())
            return MemoryGround(hub, properties.node.name or str(environment.get("app.name")))
        nats = environment.bind(NatsProperties)
        if nats.servers:
            from app_framework.cluster.external_ground import ExternalGround

            secret = nats.password or nats.token
            return ExternalGround(NatsConnection(nats.servers, nats.user, secret.get_secret_value() if secret else ""))
        from app_framework.cluster.embedded_ground import EmbeddedGround
        from app_framework.cluster.identity import cluster_folder
        from app_framework.messaging.server_binary import find_binary

        folder = cluster_folder(environment.bind(AppProperties).data_dir)
        return EmbeddedGround((folder / "nats").resolve(), find_binary(nats.binary), *server_hosts(environment))

    @bean(on_missing_component(CLUSTER_NODE), background=True)
    async def cluster_node(
        self,
        properties: ClusterProperties,
        environment: Environment,
        ground: Ground,
        peers: PeerDoors,
        clock: Clock,
        context: ApplicationContext,
    ) -> AsyncIterator[ClusterNode]:
        """The membership service of this node."""
        from app_framework.cluster.agent import ClusterAgent
        from app_framework.cluster.identity import NodeFolder, cluster_folder
        from app_framework.cluster.node import ClusterNode
        from app_framework.security.secret import ClusterSecret

        app = environment.bind(AppProperties)
        secret = ClusterSecret(properties.secret.get_secret_value()) if properties.secret else None

        def made(view_changed: Callable[[ClusterView], None], entered: Callable[[], Awaitable[None]]) -> ClusterAgent:
            return ClusterAgent(
                NodeFolder(cluster_folder(app.data_dir).resolve()),
                ground,
                peers,
                clock,
                name=properties.node.name,
                default_name=node_name_of(app.name),
                wants=properties.node.type,
                cluster_id=properties.id,
                seeds=properties.peers,
                bootstrap=properties.bootstrap and properties.node.type == "voter",
                secret=secret,
                rules=rules_of(properties),
                stop_node=context.request_stop,
                view_changed=view_changed,
                entered=entered,
            )

        node = ClusterNode(made, own_thread=ground.quorum_place != "memory")
        await node.open()
        try:
            yield node
        finally:
            await node.close()

    @bean
    def cluster_membership(
        self, node: ClusterNode, events: Events, availability: Availability, properties: ClusterProperties
    ) -> ClusterMembership:
        """Joins at the end of the start, hands over at the beginning of the stop."""
        return ClusterMembership(node, events, availability, properties.advertise)

    @bean(
        on_condition(talks_over_nats),
        on_missing_component(NatsSource),
    )
    def cluster_nats(self, node: ClusterNode, ground: Ground) -> ClusterNats:
        """Where the node's messenger connects to; made after the servers run."""
        return ClusterNats(ground)

    @bean(on_component(ClusterNats))
    def messenger_follows_cluster(
        self, node: ClusterNode, messengers: Messengers, source: ClusterNats
    ) -> MessengerFollowsCluster:
        """Keeps the messenger with the cluster."""
        return MessengerFollowsCluster(node, messengers, source)

    @bean
    def epoch_exchange(self, node: ClusterNode) -> EpochExchange:
        """Puts the routing epoch on every message."""
        return EpochExchange(node)

    @bean
    def cluster_health(self, node: ClusterNode) -> ClusterHealth:
        """What the cluster adds to the node's health."""
        from app_framework.cluster.health import ClusterHealth

        return ClusterHealth(node)

    @bean
    def cluster_meters(self, node: ClusterNode, metrics: Metrics) -> ClusterMeters:
        """What the cluster adds to the node's metrics."""
        return ClusterMeters(node, metrics)

    @failure_analyzer
    def explain_refusal(self, error: NodeRefusedError, environment: Environment) -> FailureAnalysis:
        """Say who does not let the node in, why, and where the node's side of it is set."""
        said, _, advice = str(error).rpartition(". ")
        if not said:
            said, advice = advice, "Correct it and start again"
        facts = [f"answered by {error.node}"] if "://" in error.node else []
        keys = [key for key in ("cluster.id", "cluster.node.name", "cluster.secret") if key in advice]
        facts += [f"{key}: {environment.origin(key)}" for key in keys if environment.contains(key)]
        beside = f" ({'; '.join(facts)})" if facts else ""
        description = f"{said[:1].upper()}{said[1:]}{beside}."
        return FailureAnalysis(description, f"{advice}.")

    @failure_analyzer
    def explain_missing_streams(self, error: JetStreamMissingError, environment: Environment) -> FailureAnalysis:
        """Say whose servers, and what they need."""
        origin = environment.origin("nats.servers")
        where = f" (nats.servers, {origin})" if origin else ""
        return FailureAnalysis(
            f"The servers {', '.join(error.servers)}{where} keep no streams, and the cluster's decisions live there.",
            "Enable JetStream on them (jetstream {} in their configuration, or -js), or remove nats.servers: "
            "then each node runs its own.",
        )

    @failure_analyzer
    def explain_data(self, error: ClusterDataError, environment: Environment) -> FailureAnalysis:
        """Say what is wrong with the folder."""
        origin = environment.origin("app.data-dir")
        where = f" (app.data-dir, {origin})" if origin else ""
        description = f"The node's folder {error.path}{where} cannot be used: {error.reason}."
        return FailureAnalysis(description, f"{error.action}.")


class ClusterMeters:
    """Term, leader, lag, elections and members as gauges.

    Args:
        node: this node.
        metrics: where they are shown.
    """

    def __init__(self, node: ClusterNode, metrics: Metrics) -> None:
        gauges: Mapping[str, tuple[str, Callable[[ClusterView], float]]] = {
            "cluster.term": ("The term of the leader.", lambda view: view.term),
            "cluster.leader": ("1 on the node that leads.", lambda view: view.state == "LEADER"),
            "cluster.has.leader": ("1 while this node knows a leader.", lambda view: view.has_quorum),
            "cluster.epoch": ("The routing epoch.", lambda view: view.epoch),
            "cluster.lag": ("Writes that this node is behind the leader.", lambda view: view.lag),
            "cluster.elections": ("Changes of the leader that this node has seen.", lambda view: view.elections),
            "cluster.tolerates": ("Voting nodes that may still die.", lambda view: view.tolerates),
            "cluster.nodes": ("Members of the cluster.", lambda view: len(view.nodes)),
            "cluster.nodes.active": (
                "Members that are ACTIVE.",
                lambda view: sum(each.status == "ACTIVE" for each in view.nodes),
            ),
        }
        for name, (description, value) in gauges.items():
            metrics.gauge(name, _reader(node, value), description)


def _reader(node: ClusterNode, value: Callable[[ClusterView], float]) -> Callable[[], float]:
    return lambda: float(value(node.view()))


def rules_of(properties: ClusterProperties) -> ClusterRules:
    """Return the times of the properties."""
    from app_framework.cluster.leadership import LeaderRules
    from app_framework.cluster.rules import ClusterRules
    from app_framework.cluster.supervisor import SupervisorRules

    timings = properties.timings
    lease_s = timings.lease.total_seconds()
    return ClusterRules(
        pulse_s=timings.heartbeat.total_seconds(),
        leader=LeaderRules(ttl_s=lease_s, renew_s=lease_s * 0.3, suspect_s=timings.suspect.total_seconds()),
        supervisor=SupervisorRules(
            inactive_s=timings.inactive.total_seconds(), active_s=3 * timings.heartbeat.total_seconds()
        ),
        voters_max=properties.voters_max,
        command_timeout_s=timings.command.total_seconds(),
        join_timeout_s=properties.join_timeout.total_seconds(),
    )


def server_hosts(environment: Environment) -> tuple[str, str]:
    """Return where the node's NATS servers listen, and under which host the others reach them.

    They listen on loopback, unless a secret keeps strangers out.
    """
    properties = environment.bind(ClusterProperties)
    wanted = properties.address or str(environment.get("server.address", LOOPBACK))
    if not _is_loopback(wanted) and properties.secret is None:
        _logger.warning(
            "the cluster's NATS servers listen on %s and not on %s, because cluster.secret is not set", LOOPBACK, wanted
        )
        wanted = LOOPBACK
    return wanted, reachable_host(wanted, properties.advertise)


def reachable_host(listening: str, advertise: str | None) -> str:
    """Return the host under which others reach what listens at an address: this machine's name where that is any.

    >>> reachable_host("127.0.0.2", None), reachable_host("0.0.0.0", "node-a.example")
    ('127.0.0.2', 'node-a.example')
    """
    if advertise:
        return advertise
    return socket.gethostname() if listening in ("0.0.0.0", "::") else listening  # noqa: S104 (compared, not bound)


def reachable_url(url: str, listening: str, advertise: str | None) -> str:
    """Return the URL under which others reach this node.

    >>> reachable_url("http://127.0.0.1:8080", "0.0.0.0", "node-a.example")
    'http://node-a.example:8080'
    """
    parts = urlsplit(url)
    host = reachable_host(listening or parts.hostname or "", advertise)
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port}"


def node_name_of(app_name: str) -> str:
    """Return a node's name from the application's: letters, digits, - and _.

    >>> node_name_of("NYC Ops")
    'NYC-Ops'
    """
    words = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "-" for letter in app_name)
    return words.strip("-_")[:63] or "node"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
