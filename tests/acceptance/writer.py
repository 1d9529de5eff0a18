"""A client of the consensus store that counts: every acknowledged step must be there later, wherever the truth is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from app_framework.cluster.errors import ConflictError, EntryExistsError, StoreMovedError
from app_framework.cluster.jetstream_store import JetStreamConsensusStore
from app_framework.cluster.remote_store import RemoteConsensusStore
from app_framework.cluster.store import ConsensusStore, Entry
from app_framework.errors import FrameworkError
from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.nats_bus import NatsBus

T = TypeVar("T")

KEY = "test.counter"
PAUSE_S = 0.02


class CounterWriter:
    """Counts up by compare-and-set on a thread of its own, through whichever node's messenger answers.

    Args:
        data_dirs: of the nodes.

    Attributes:
        acknowledged: the last number whose write was acknowledged.
        errors: what must not happen, in words.
    """

    def __init__(self, *data_dirs: Path) -> None:
        self._data_dirs = data_dirs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._count()), name="counter")
        self.acknowledged = 0
        self.revision = 0
        self.errors: list[str] = []

    def __enter__(self) -> CounterWriter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    async def _count(self) -> None:
        moved = False
        messenger: Messenger | None = None
        while not self._stop.is_set():
            try:
                if messenger is None:
                    messenger = await connected(self._data_dirs)
                store = store_of(messenger, self._data_dirs[0], moved=moved)
                try:
                    entry = await store.get(KEY)
                except StoreMovedError:
                    moved = True  # a write that is refused while the copy is made says nothing of the kind
                    continue
                await self._step(store, entry)
            except ConflictError as error:
                self.errors.append(f"the only writer lost a race: {error}")
            except (FrameworkError, OSError, TimeoutError):
                if messenger is not None:
                    await messenger.close()
                    messenger = None
            await asyncio.sleep(PAUSE_S)
        if messenger is not None:
            await messenger.close()

    async def _step(self, store: ConsensusStore, entry: Entry | None) -> None:
        stored = int(entry.value) if entry else 0
        if stored < self.acknowledged:
            self.errors.append(f"{self.acknowledged} was acknowledged, {stored} is stored")
        number = stored + 1
        try:
            if entry is None:
                revision = await store.create(KEY, b"%d" % number, op_id=f"count-{number}")
            else:
                revision = await store.update(KEY, b"%d" % number, entry.revision, op_id=f"count-{number}")
        except EntryExistsError:
            return  # an earlier attempt had got through
        if revision <= self.revision:
            self.errors.append(f"revision {revision} came after {self.revision}")
        self.acknowledged, self.revision = number, revision


def identity_of(data_dir: Path) -> dict[str, Any]:
    """Return what a node remembers of itself."""
    found: dict[str, Any] = json.loads((data_dir / "cluster" / "node.json").read_text())
    return found


async def connected(data_dirs: tuple[Path, ...]) -> Messenger:
    """Connect to the messengers of some nodes, as one of them would."""
    identities = [identity_of(each) for each in data_dirs if (each / "cluster" / "node.json").exists()]
    user = NatsCredentials.derive(bytes.fromhex(identities[0]["key"])).app
    servers = tuple(f"nats://127.0.0.1:{each['ports']['messenger.client']}" for each in identities)
    return Messenger(await NatsBus.connect(NatsConnection(servers, user.name, user.password), name="test", timeout_s=2))


def store_of(messenger: Messenger, founder: Path, *, moved: bool) -> ConsensusStore:
    """Return the truth: the founder's SQLite, or the voters' stream."""
    return JetStreamConsensusStore(messenger) if moved else RemoteConsensusStore(messenger, identity_of(founder)["uid"])


def look(data_dirs: tuple[Path, ...], read: Callable[[ConsensusStore], Any]) -> Any:
    """Read something from the voters' store."""

    async def reading() -> Any:
        messenger = await connected(data_dirs)
        try:
            return await read(JetStreamConsensusStore(messenger, timeout_s=20))
        finally:
            await messenger.close()

    return asyncio.run(reading())
