"""What a node does because the leader says so: run a voting server, drop one, stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app_framework.cluster.identity import OwnServer
from app_framework.cluster.session import Session
from app_framework.errors import UserError

_logger = logging.getLogger(__name__)

STOP_DELAY_S = 0.1
"""How long a node that was told to stop waits, so that its answer gets away."""


class Orders:
    """The leader's orders to one node.

    Args:
        session: of the node.
        stop_node: stops it.
    """

    def __init__(self, session: Session, stop_node: Callable[[], None]) -> None:
        self._session = session
        self._stop_node = stop_node

    async def do(self, what: str, order: dict[str, Any]) -> Mapping[str, Any]:
        """Do what is ordered, and answer what the leader needs to know."""
        match what:
            case "stop":
                self._session.run(self.stop_soon(), "stop")
                return {}
            case "run":
                return await self._run_server(str(order["server"]), str(order["kind"]), tuple(order["routes"]))
            case "restart":
                await self._session.ground.restart_server(str(order["server"]))
                return {}
            case "drop":
                return await self._drop_server(str(order["server"]))
        raise UserError(f"nobody can order {what!r}")

    async def _run_server(self, name: str, kind: str, routes: tuple[str, ...]) -> Mapping[str, Any]:
        """Run a voting server; it is remembered first, so that it runs again after a crash."""
        identity = self._session.me.identity
        server = OwnServer(name, "witness" if kind == "witness" else "voter", routes)
        others = tuple(each for each in identity.servers if each.kind != server.kind)
        known = next((each for each in identity.servers if each.name == name), None)
        place = self._session.ground.quorum_place
        self._session.me.remember(replace(identity, servers=(*others, known or server), place=place))
        ported, route = await self._session.ground.run_server(self._session.me.identity, known or server)
        self._session.me.remember(ported)
        session = self._session
        if identity.place == "sqlite":
            session.use_place(self._session.ground.quorum_place)
        return {"route": route}

    async def _drop_server(self, name: str) -> Mapping[str, Any]:
        kept = tuple(each for each in self._session.me.identity.servers if each.name != name)
        self._session.me.remember(replace(self._session.me.identity, servers=kept))
        await self._session.ground.drop_servers([each.name for each in kept])
        return {}

    async def stop_soon(self) -> None:
        """Stop the node, after its answer has got away."""
        await asyncio.sleep(STOP_DELAY_S)
        _logger.info("the cluster has told this node to stop")
        self._stop_node()
