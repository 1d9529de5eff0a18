"""A node of a cluster that a benchmark can watch from within: it talks to the others, and it writes by compare-and-set.

af node start benchmarks.subjects.talking_node:app --name node1
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Callable

from fastapi import APIRouter

from app_framework import Application, Autowired, component
from app_framework.boot import Lifecycle
from app_framework.cluster.errors import ConflictError
from app_framework.cluster.jetstream_store import JetStreamConsensusStore
from app_framework.cluster.node import ClusterNode
from app_framework.cluster.remote_store import RemoteConsensusStore
from app_framework.cluster.store import ConsensusStore, Entry
from app_framework.errors import ServiceUnavailableError
from app_framework.messaging.messenger import Call, Messenger

KEY = "benchmark.numbers"
ASK_AGAIN_S = 0.005
REQUEST_TIMEOUT_S = 2.0

router = APIRouter(prefix="/benchmark")


@component
class Talk(Lifecycle):
    """Data traffic: requests to other nodes, one after the other, while somebody wants to know how long they wait."""

    def __init__(self, node: ClusterNode, messenger: Messenger) -> None:
        self._node = node
        self._messenger = messenger
        self._asking: list[asyncio.Task[None]] = []
        self._answered_s: dict[str, float] = {}
        self._pause_s: dict[str, float] = {}
        self._answers: dict[str, int] = {}

    async def start(self) -> None:
        """Answer the others."""
        await self._messenger.serve(_subject(self._node.name), _echo)

    async def stop(self) -> None:
        """Ask nobody any more."""
        self.end()

    def begin(self, others: list[str]) -> None:
        """Ask these nodes from now on."""
        self.end()
        now_s = time.monotonic()
        self._answered_s = dict.fromkeys(others, now_s)
        self._pause_s = dict.fromkeys(others, 0.0)
        self._answers = dict.fromkeys(others, 0)
        self._asking = [asyncio.create_task(self._ask_forever(other)) for other in others]

    def end(self) -> dict[str, dict[str, float]]:
        """Ask no more; return for every node how many answers came, and the longest time without one."""
        for task in self._asking:
            task.cancel()
        self._asking = []
        for other in self._answered_s:
            self._note(other)
        return {other: {"pause_s": self._pause_s[other], "answers": self._answers[other]} for other in self._answers}

    async def _ask_forever(self, other: str) -> None:
        while True:
            try:
                await self._messenger.request(_subject(other), b"", timeout_s=REQUEST_TIMEOUT_S)
            except ServiceUnavailableError:
                pass  # the pause goes on, and is told when it ends
            else:
                self._note(other)
                self._answers[other] += 1
            await asyncio.sleep(ASK_AGAIN_S)

    def _note(self, other: str) -> None:
        now_s = time.monotonic()
        self._pause_s[other] = max(self._pause_s[other], now_s - self._answered_s[other])
        self._answered_s[other] = now_s


@router.post("/talk/begin")
async def begin(others: list[str], talk: Autowired[Talk]) -> None:
    """Begin to ask other nodes."""
    talk.begin(others)


@router.post("/talk/end")
async def end(talk: Autowired[Talk]) -> dict[str, dict[str, float]]:
    """End it, and tell how it went."""
    return talk.end()


@router.get("/numbers")
async def numbers(node: Autowired[ClusterNode], messenger: Autowired[Messenger]) -> list[int]:
    """Return the numbers as the majority has them; without one the answer is 503."""
    (entry,) = await _store(node, messenger).read([KEY])
    return _numbers(entry)


@router.put("/numbers")
async def clear(node: Autowired[ClusterNode], messenger: Autowired[Messenger]) -> int:
    """Begin with no numbers."""
    return await _written(_store(node, messenger), lambda _: [])


@router.post("/numbers/{number}")
async def append(number: int, node: Autowired[ClusterNode], messenger: Autowired[Messenger]) -> int:
    """Append a number by compare-and-set; an answer 200 is an acknowledgement."""
    return await _written(_store(node, messenger), lambda before: [*before, number])


async def _written(store: ConsensusStore, change: Callable[[list[int]], list[int]]) -> int:
    while True:
        entry = await store.get(KEY)
        value = json.dumps(change(_numbers(entry))).encode()
        with contextlib.suppress(ConflictError):  # then another writer was faster
            if entry is None:
                return await store.create(KEY, value, op_id=secrets.token_hex(8))
            return await store.update(KEY, value, entry.revision, op_id=secrets.token_hex(8))


def _numbers(entry: Entry | None) -> list[int]:
    found: list[int] = json.loads(entry.value) if entry is not None else []
    return found


def _store(node: ClusterNode, messenger: Messenger) -> ConsensusStore:
    """The store where the decisions are now, over the application's own connection."""
    identity = node.agent.identity
    if identity.place == "sqlite":
        return RemoteConsensusStore(messenger, identity.founder_uid)
    return JetStreamConsensusStore(messenger)


def _subject(name: str) -> str:
    return f"benchmark.echo.{name}"


async def _echo(call: Call) -> bytes:
    return call.data


app = Application(name="talking-node", sources=[Talk, router])
