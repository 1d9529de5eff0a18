"""How messengers and servers are, for ``/actuator/health``."""

from __future__ import annotations

from app_framework.boot import Health, HealthIndicator
from app_framework.messaging.connection import NatsSource
from app_framework.messaging.messengers import Messengers


class MessagingHealth(HealthIndicator):
    """UP while every messenger of the node is connected."""

    def __init__(self, messengers: Messengers) -> None:
        self._messengers = messengers

    async def health(self) -> Health:
        """Say which messengers there are, and whether they are connected."""
        connected = {messenger.protocol: messenger.connected for messenger in self._messengers}
        lost = sorted(name for name, is_connected in connected.items() if not is_connected)
        details: dict[str, object] = {"default": self._messengers.default.protocol, "connected": connected}
        return Health.down(f"not connected: {', '.join(lost)}", **details) if lost else Health.up(**details)


class NatsHealth(HealthIndicator):
    """UP while nothing is known against the node's NATS servers."""

    def __init__(self, source: NatsSource) -> None:
        self._source = source

    async def health(self) -> Health:
        """Say what the node's own server is, or that it uses others."""
        from app_framework.messaging.nats_source import EmbeddedNats, ExternalNats

        if self._source.trouble:
            return Health.down(self._source.trouble)
        if isinstance(self._source, EmbeddedNats):
            server = self._source.server
            return Health.up(server=server.settings.name, version=server.version, pid=server.pid, url=server.client_url)
        return Health.up(servers=list(self._source.servers)) if isinstance(self._source, ExternalNats) else Health.up()
