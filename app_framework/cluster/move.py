"""The move of the truth from the founder's SQLite to a group of voting servers, once in the life of a cluster.

Up to the flip everything happens on one machine, in one process, under one lock, and SQLite is the truth: a crash at
any step leaves servers whose stores are dropped at the next start, and the next attempt uses new names. The flip is one
durable write of the node's identity. After it the voters are the truth, and the planner of `voters` brings the servers
to the members; SQLite stays frozen and sends whoever still asks to the new place. Revisions go on where they were.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from app_framework.clock import Clock
from app_framework.cluster.errors import EntryExistsError, NoQuorumError, UnstableError
from app_framework.cluster.ground import QuorumStore
from app_framework.cluster.identity import OwnServer
from app_framework.cluster.registry import KEY, Command, Registry
from app_framework.cluster.session import Session
from app_framework.errors import FrameworkError, UserError

_logger = logging.getLogger(__name__)

COPIES_IN_FLIGHT = 32
FORM_TIMEOUT_S = 30.0
FORM_PAUSE_S = 0.05
MIDCOPY = "midcopy"


class StoreMove:
    """Moves the truth of one session.

    Args:
        session: of the founder, which leads.
        clock: where time comes from.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def run(self) -> None:
        """Move; on return the truth is with the voters.

        Raises:
            NoQuorumError: the voters did not form; SQLite is the truth as before.
        """
        session, ground = self._session, self._session.ground
        await ground.drop_servers(())
        servers = await self._decide_servers()
        self._reached("begin")
        for server in servers:
            # The other one is told about it, and both about the messenger: the number of routes is their first quorum.
            identity, _ = await ground.run_server(session.me.identity, server)
            session.me.remember(identity)
        store = ground.quorum_store(session.me.identity)
        await self._formed(store)
        self._reached("leader")
        local = session.me.local
        local.freeze()
        flipped = False
        try:
            rows = {entry.key: entry.value for entry in await local.entries()}
            await self._copied(store, rows)
            self._reached("copied")
            back = {entry.key: entry.value for entry in await store.entries()}
            if back != rows:
                raise NoQuorumError(f"the copy of the decisions differs ({len(back)} of {len(rows)} entries)")
            self._reached("compared")
            session.me.remember(replace(session.me.identity, place=ground.quorum_place, servers=servers))
            flipped = True
            local.retire()
            self._reached("flipped")
        finally:
            if not flipped:
                local.thaw()
                await store.close()
        session.use_place(ground.quorum_place)
        await session.log.note("move_store", session.me.identity.name, "three machines may vote now")

    async def _decide_servers(self) -> tuple[OwnServer, OwnServer]:
        """Name two servers that never were; those of an attempt that failed are struck from the registry."""
        session = self._session
        me = session.me.identity.name

        def renamed(registry: Registry) -> Registry:
            number = registry.servers_named
            registry = replace(registry, servers=())
            for name, kind in ((f"{me}-{number + 1}", "voter"), (f"{me}-witness-{number + 2}", "witness")):
                registry = registry.after(Command(name, "server_add", {"name": name, "node": me, "kind": kind}))
            return registry

        registry = await session.decide(renamed)
        voter, witness = registry.servers
        return OwnServer(voter.name, "voter"), OwnServer(witness.name, "witness")

    async def _formed(self, store: QuorumStore) -> None:
        """Wait until the two servers have a leader and the store is there."""
        first_revision = self._session.me.local.last_revision + 1000
        deadline_s = self._clock.monotonic_s() + FORM_TIMEOUT_S
        while True:
            try:
                await store.create_stream(2, first_revision)
            except (NoQuorumError, UnstableError):
                if self._clock.monotonic_s() > deadline_s:
                    raise
                await asyncio.sleep(FORM_PAUSE_S)
            else:
                return

    async def _copied(self, store: QuorumStore, rows: Mapping[str, bytes]) -> None:
        """Create every entry in the new store, the registry last, so that it is the newest."""
        gate, copied = asyncio.Semaphore(COPIES_IN_FLIGHT), 0

        async def copy(key: str) -> None:
            nonlocal copied
            async with gate:
                try:
                    await store.create(key, rows[key], op_id=f"move-{key}")
                except EntryExistsError:
                    raise NoQuorumError("the new store is not empty") from None
                copied += 1
                if copied == max(1, len(rows) // 2):
                    self._reached(MIDCOPY)

        try:
            async with asyncio.TaskGroup() as group:
                for key in rows:
                    if key != KEY:
                        group.create_task(copy(key))
        except* (FrameworkError, UserError) as failures:
            raise NoQuorumError(f"the decisions could not be copied: {failures.exceptions[0]}") from failures
        if KEY in rows:
            await copy(KEY)

    def _reached(self, step: str) -> None:
        _logger.info("moving the decisions of cluster %r: %s", self._session.me.identity.cluster_id, step)
