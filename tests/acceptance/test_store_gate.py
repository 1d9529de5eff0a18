"""Three real voters, killed and paused while clients write: what the consensus store promises holds all the same.

Two gates: everything that clients saw can be explained by one order of events, and of more than twenty kills not one
loses a write that was acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from app_framework.cluster.errors import ConflictError, NoQuorumError, UnknownOutcomeError
from app_framework.cluster.jetstream_store import JetStreamConsensusStore
from app_framework.cluster.store import Entry
from app_framework.testing.virtual_time import until
from tests.cluster.linearizability import NEVER, Operation, Read, Value, Write, explained
from tests.cluster.stores import NatsCluster, formed

# nats-py leaves a connection to a paused server, which it gives up half made, to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
acceptance = pytest.mark.acceptance

CLIENTS = 6
KEYS = 4
PACE_S = 0.02
DURATION_S = 20.0
SHORT_S = 10.0
CALM_S = 8.0
"""At the end, so that what was interrupted comes to its end."""
KILLS = 24
RECOVERY_S = 60.0
QUICK_S = 6.0

Fault = Callable[[NatsCluster, Random], Awaitable[None]]


@dataclass
class Voters:
    """Three servers, and a store over a connection to each of them."""

    cluster: NatsCluster
    stores: list[JetStreamConsensusStore] = field(default_factory=list)


@contextlib.asynccontextmanager
async def voters(folder: Path) -> AsyncIterator[Voters]:
    cluster = NatsCluster(folder, 3)
    await cluster.start()
    async with cluster.node(0) as a, cluster.node(1) as b, cluster.node(2) as c:
        all_of_them = Voters(cluster, [JetStreamConsensusStore(each) for each in (a, b, c)])
        await formed(all_of_them.stores[0], 3)
        try:
            yield all_of_them
        finally:
            for store in all_of_them.stores:
                await store.close()
            await cluster.stop()


async def kill_one(cluster: NatsCluster, random: Random) -> None:
    """A crash, and a restart soon after."""
    victim = random.choice(cluster.servers)
    victim.kill()
    await asyncio.sleep(random.uniform(0.1, 2.0))
    await victim.start()


async def pause_one(cluster: NatsCluster, random: Random) -> None:
    """A server that stands still, long enough for others to elect, and goes on as if nothing had been."""
    victim = random.choice(cluster.servers)
    cluster.pause(victim)
    await asyncio.sleep(random.uniform(1.0, 6.0))
    cluster.go_on(victim)


async def kill_all(cluster: NatsCluster, random: Random) -> None:
    """A crash of everything at once."""
    for each in cluster.servers:
        each.kill()
    await cluster.start()
    await asyncio.sleep(random.uniform(5.0, 8.0))


class Client:
    """Reads and writes a few entries, and notes what it saw."""

    def __init__(self, name: str, store: JetStreamConsensusStore, random: Random) -> None:
        self.name = name
        self.history: dict[str, list[Operation]] = {f"k{number}": [] for number in range(KEYS)}
        self.revisions: dict[Value, int] = {}
        self._store = store
        self._random = random
        self._written = 0

    async def run(self, until_s: float) -> None:
        """Work until a time."""
        while time.monotonic() < until_s:
            await self._act(self._random.choice(list(self.history)))
            await asyncio.sleep(PACE_S)

    async def _act(self, key: str) -> None:
        """Read, and now and then write over what was read; what did not happen is not part of the history."""
        called = time.monotonic()
        with contextlib.suppress(NoQuorumError):
            (entry,) = await self._store.read([key])
            self.history[key].append(Operation(called, time.monotonic(), Read(self._seen(entry))))
            if self._random.random() < 0.6:
                await self._write(key, entry)

    async def _write(self, key: str, entry: Entry | None) -> None:
        self._written += 1
        value: Value = f"{self.name}-{self._written}"
        if entry is not None and self._random.random() < 0.15:
            value = None
        act, called = Write(self._seen(entry), value), time.monotonic()
        try:
            revision = await self._attempt(key, entry, value)
        except ConflictError:
            return
        except UnknownOutcomeError:
            self.history[key].append(Operation(called, NEVER, act))
            return
        self.history[key].append(Operation(called, time.monotonic(), act))
        if value is not None:
            self._note(value, revision)

    async def _attempt(self, key: str, entry: Entry | None, value: Value) -> int:
        if entry is None:
            return await self._store.create(key, str(value).encode())
        if value is None:
            return await self._store.delete(key, entry.revision)
        return await self._store.update(key, value.encode(), entry.revision)

    def _seen(self, entry: Entry | None) -> Value:
        if entry is None:
            return None
        value = entry.value.decode()
        self._note(value, entry.revision)
        return value

    def _note(self, value: str, revision: int) -> None:
        """A value is unique, so whoever sees it must see it at one revision."""
        assert self.revisions.setdefault(value, revision) == revision


def test_what_is_seen_around_a_crash_has_an_explanation(tmp_path: Path) -> None:
    """The gate's pass in the default suite: one server is killed."""
    everything_is_explained(kill_one, tmp_path, SHORT_S)


@acceptance
@pytest.mark.parametrize("fault", [kill_one, pause_one, kill_all])
def test_everything_seen_has_an_explanation(fault: Fault, tmp_path: Path) -> None:
    """One fault after the other."""
    everything_is_explained(fault, tmp_path, DURATION_S)


def everything_is_explained(fault: Fault, folder: Path, duration_s: float) -> None:
    """Six clients on three connections read and write four entries while servers fail; explain what they saw."""

    async def trial() -> list[Client]:
        async with voters(folder) as group:
            random, until_s = Random(fault.__name__), time.monotonic() + duration_s
            clients = [Client(f"c{n}", group.stores[n % 3], Random(n)) for n in range(CLIENTS)]
            work = [asyncio.create_task(client.run(until_s)) for client in clients]
            while time.monotonic() < until_s - CALM_S:
                await asyncio.sleep(random.uniform(0.5, 2.0))
                await fault(group.cluster, random)
            await asyncio.gather(*work)
            return clients

    clients = asyncio.run(asyncio.wait_for(trial(), duration_s + 2 * RECOVERY_S))
    revisions: dict[Value, int] = {}
    for client in clients:
        for value, revision in client.revisions.items():
            assert revisions.setdefault(value, revision) == revision, value
    for number in range(KEYS):
        history = [each for client in clients for each in client.history[f"k{number}"]]
        assert len(history) > 2.5 * duration_s
        assert explained(history), f"k{number}"


@acceptance
def test_no_kill_loses_an_acknowledged_write(tmp_path: Path) -> None:
    """Writers that create entries and one counter; leaders, followers, two at once and all are killed with -9.

    At the end every acknowledged entry is there with its revision, the counter has counted each increment once, and
    watchers on every server have been told all of it.
    """

    async def trial() -> None:
        async with voters(tmp_path) as group:
            random, stop = Random(4), asyncio.Event()
            acknowledged: dict[str, int] = {}
            counted: list[int] = []
            told: list[dict[str, int]] = [{} for _ in group.stores]
            watches = [asyncio.create_task(follow(*each)) for each in zip(group.stores, told, strict=True)]
            work = [asyncio.create_task(append(n, group.stores[n % 3], acknowledged, stop)) for n in range(4)]
            counting = [asyncio.create_task(count(n, group.stores[n % 3], counted, stop)) for n in range(3)]
            for _ in range(KILLS):
                await kill_some(group, random)
                await writable(group.stores[0])
            stop.set()
            increments_in_doubt = sum(await asyncio.gather(*counting))
            await asyncio.gather(*work)
            entries = {entry.key: entry for entry in await group.stores[1].entries()}
            counter = int(entries.pop("counter").value)
            assert {key: entry.revision for key, entry in entries.items() if key in acknowledged} == acknowledged
            assert len(acknowledged) > 20 * KILLS
            assert len(set(counted)) == len(counted)
            assert len(counted) <= counter <= len(counted) + increments_in_doubt
            revisions = {key: entry.revision for key, entry in entries.items()}
            await until(lambda: all(each == revisions for each in told), timeout_s=RECOVERY_S)
            for store in group.stores:
                await store.close()
            await asyncio.gather(*watches)

    asyncio.run(trial())


@acceptance
def test_without_a_majority_nothing_is_written_and_it_is_said_soon(tmp_path: Path) -> None:
    """Two of three are gone: writes and reads are refused in seconds, and go on when one comes back."""

    async def trial() -> None:
        async with voters(tmp_path) as group:
            store = group.stores[0]
            revision = await store.create("k", b"1")
            for each in group.cluster.servers[1:]:
                each.kill()
            for attempt in (
                lambda: store.update("k", b"2", revision, op_id="two"),
                lambda: store.read(["k"]),
                lambda: store.barrier(),
            ):
                began_s = time.monotonic()
                with pytest.raises((NoQuorumError, UnknownOutcomeError)):
                    await attempt()
                assert time.monotonic() - began_s < QUICK_S
            await group.cluster.servers[1].start()
            await writable(store)
            assert await store.update("k", b"2", revision, op_id="two") > revision
            (entry,) = await store.read(["k"])
            assert entry is not None
            assert entry.value == b"2"

    asyncio.run(trial())


async def kill_some(group: Voters, random: Random) -> None:
    """One way to lose servers, and all of them back."""
    cluster = group.cluster
    match random.choice(["leader", "any", "two", "all", "overlap"]):
        case "leader":
            with contextlib.suppress(NoQuorumError):
                cluster.by_name((await group.stores[0].info()).leader).kill()
        case "any":
            random.choice(cluster.servers).kill()
        case "two":
            for each in random.sample(cluster.servers, 2):
                each.kill()
        case "all":
            for each in cluster.servers:
                each.kill()
        case _:
            one, other = random.sample(cluster.servers, 2)
            one.kill()
            await asyncio.sleep(random.uniform(0.1, 5.0))
            await one.start()
            other.kill()
    await asyncio.sleep(random.uniform(0.0, 1.5))
    await cluster.start()


async def writable(store: JetStreamConsensusStore) -> None:
    """Wait until the majority decides again."""
    async with asyncio.timeout(RECOVERY_S):
        while True:
            with contextlib.suppress(NoQuorumError):
                await store.barrier()
                return
            await asyncio.sleep(0.05)


async def append(
    number: int, store: JetStreamConsensusStore, acknowledged: dict[str, int], stop: asyncio.Event
) -> None:
    """Create entries as fast as they are acknowledged."""
    count = 0
    while not stop.is_set():
        key, count = f"entry.{number}.{count}", count + 1
        with contextlib.suppress(NoQuorumError, UnknownOutcomeError):
            acknowledged[key] = await store.create(key, b"")
        await asyncio.sleep(PACE_S)


async def count(number: int, store: JetStreamConsensusStore, counted: list[int], stop: asyncio.Event) -> int:
    """Count by compare-and-set; a call of unknown outcome is repeated under its op_id until it is known.

    Returns how many increments stayed in doubt.
    """
    times, in_doubt = 0, 0
    while not stop.is_set():
        await asyncio.sleep(PACE_S)
        times += 1
        try:
            entry = await store.get("counter")
            value, revision = (int(entry.value), entry.revision) if entry else (0, 0)
        except NoQuorumError:
            continue
        known = await settled(lambda: put(store, b"%d" % (value + 1), revision, f"{number}-{times}"))  # noqa: B023
        if known:
            counted.append(value + 1)
        in_doubt += known is None
    return in_doubt


async def settled(call: Callable[[], Awaitable[int]]) -> bool | None:
    """Repeat a call until it is known whether it was done; None when that stays open."""
    doubtful = False
    for _ in range(20):
        try:
            await call()
            return True
        except ConflictError:
            return False
        except UnknownOutcomeError:
            doubtful = True
        except NoQuorumError:
            if not doubtful:
                return False
            await asyncio.sleep(0.2)
    return None


async def put(store: JetStreamConsensusStore, value: bytes, revision: int, op_id: str) -> int:
    if revision == 0:
        return await store.create("counter", value, op_id=op_id)
    return await store.update("counter", value, revision, op_id=op_id)


async def follow(store: JetStreamConsensusStore, told: dict[str, int]) -> None:
    """Watch; revisions never go back."""
    newest = 0
    async for change in store.watch("entry"):
        assert change.revision > newest
        newest = told[change.key] = change.revision
