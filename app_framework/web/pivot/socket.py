"""The WebSocket of a pivot: one conversation, its messages answered in order in a thread, everything bounded."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

from app_framework.database import CommitNews
from app_framework.database.branches import MASTER
from app_framework.errors import UserError
from app_framework.olap import CellSet, CubeQuery, Manager
from app_framework.web.denial import turn_away
from app_framework.web.encoding import dumps
from app_framework.web.pivot.columns import PivotColumns
from app_framework.web.pivot.conversation import Conversation, Reply, Update
from app_framework.web.pivot.errors import PivotError, TooManyPivotsError
from app_framework.web.pivot.frame import Bounds
from app_framework.web.pivot.wire import WireError

T = TypeVar("T")
WAITING_MAX = 32
"""Messages that wait for their turn; a browser that sends more is not read from until one was answered."""

PACE_S = 0.25
"""So long a page is left as it is after it was brought up to date."""

WRONG_KIND, UNREADABLE, TOO_BIG = 1003, 1007, 1009
"""Why a WebSocket is closed (RFC 6455)."""


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """The bounds of pivots and of their connections.

    Args:
        bounds: of one pivot.
        connections_max: open at a time.
        message_bytes_max: the largest message of a browser.
        query_timeout_s: for each query.
        workers: threads that lay pivots out.
    """

    bounds: Bounds = field(default_factory=Bounds)
    connections_max: int = 100
    message_bytes_max: int = 256 * 1024
    query_timeout_s: float = 30.0
    workers: int = 8


class PivotSockets:
    """Serves the pivots of a node.

    Args:
        manager: asks the cubes.
        settings: the bounds.
    """

    def __init__(self, manager: Manager, settings: SocketSettings) -> None:
        self._manager = manager
        self._settings = settings
        self._workers = ThreadPoolExecutor(settings.workers, "pivot")
        self._open = 0

    async def serve(self, websocket: WebSocket, cube: str) -> None:
        """Talk to one browser about one cube until it leaves."""
        try:
            columns = PivotColumns.of(self._manager.describe(cube))
            if self._open >= self._settings.connections_max:
                raise TooManyPivotsError(self._settings.connections_max)
        except UserError as error:
            await turn_away(websocket, error)
            return
        self._open += 1
        try:
            await websocket.accept()
            # In a thread, because the first one loads Perspective, and that takes a while.
            make = partial(_Talk, websocket, self._manager, cube, columns, self._settings, asyncio.get_running_loop())
            talk = await asyncio.get_running_loop().run_in_executor(self._workers, make)
            await talk.hold(self._workers)
        finally:
            self._open -= 1

    def close(self) -> None:
        """End the threads."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def __repr__(self) -> str:
        return f"<PivotSockets {self._open} open>"


class _Talk:
    """One connection."""

    def __init__(
        self,
        websocket: WebSocket,
        manager: Manager,
        cube: str,
        columns: PivotColumns,
        settings: SocketSettings,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._websocket = websocket
        self._manager = manager
        self._cube = cube
        self._settings = settings
        self._loop = loop
        self._conversation = Conversation(cube, columns, self._ask, settings.bounds)
        self._waiting: asyncio.Queue[bytes | CommitNews | None] = asyncio.Queue(WAITING_MAX)
        self._refreshed = asyncio.Event()
        self._asked: concurrent.futures.Future[CellSet] | None = None
        self._left = False

    async def hold(self, workers: ThreadPoolExecutor) -> None:
        """Answer one message after the other; reading goes on meanwhile, so that it is noticed when nobody waits."""
        beside = [asyncio.create_task(self._read()), asyncio.create_task(self._listen())]
        try:
            while not self._left and (message := await self._waiting.get()) is not None:
                if isinstance(message, CommitNews):
                    await self._refresh(workers, message)
                else:
                    await self._answer(workers, message)
        except WireError:
            await self._websocket.close(UNREADABLE, "this is no message of Perspective's")
        except WebSocketDisconnect:
            pass
        finally:
            self._leave()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self._conversation.close()

    async def _answer(self, workers: ThreadPoolExecutor, message: bytes) -> None:
        started = time.perf_counter()
        reply: Reply = await self._done(workers, lambda: self._conversation.answer(message))
        if not self._left and reply.message is not None:
            await self._websocket.send_bytes(reply.message)
        if not self._left and reply.told is not None:
            await self._tell(reply.told, started)

    async def _refresh(self, workers: ThreadPoolExecutor, news: CommitNews) -> None:
        """Bring what is looked at up to date; the page says of which version it is."""
        started = time.perf_counter()
        cube = self._manager.cube(self._cube)

        def touches(query: CubeQuery) -> bool:
            return news.tables is None or bool(news.tables & cube.tables(query))

        try:
            update: Update = await self._done(workers, lambda: self._conversation.refresh(news.version, touches))
        finally:
            self._refreshed.set()
        for message in update.messages:
            if not self._left:
                await self._websocket.send_bytes(message)
        if not self._left:
            await self._tell(update.told, started)

    async def _done(self, workers: ThreadPoolExecutor, job: Callable[[], T]) -> T:
        """Do something with the conversation in a thread."""
        work = self._loop.run_in_executor(workers, job)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._leave()
            await asyncio.wait([work])  # the conversation is closed next, and one thread at a time may have it
            raise

    async def _listen(self) -> None:
        """Note what is committed; what comes while the page is brought up to date, and just after, is one."""
        with self._manager.cube(self._cube).listen() as listener:
            while news := await listener.wait():
                for each in news:
                    if each.branch == MASTER:
                        self._refreshed.clear()
                        await self._waiting.put(each)
                        await self._refreshed.wait()
                        await asyncio.sleep(PACE_S)

    async def _tell(self, told: Mapping[str, object], started: float) -> None:
        """Say to our page what Perspective has no words for, as text."""
        elapsed_ms = round((time.perf_counter() - started) * 1000, 1)
        await self._websocket.send_text(dumps({**told, "elapsed_ms": elapsed_ms}).decode())

    async def _read(self) -> None:
        while (data := await self._receive()) is not None:
            await self._waiting.put(data)
        self._leave()
        if not self._waiting.full():
            self._waiting.put_nowait(None)

    async def _receive(self) -> bytes | None:
        """Return the next message; None when there is no further one."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        data: bytes | None = message.get("bytes")
        if data is None:
            await self._websocket.close(WRONG_KIND, "messages are binary")
        elif len(data) > self._settings.message_bytes_max:
            await self._websocket.close(TOO_BIG, "the message is too large (studio.max-message-size)")
        else:
            return data
        return None

    def _leave(self) -> None:
        """Nobody waits any more: the query that runs is interrupted."""
        self._left = True
        if self._asked is not None:
            self._asked.cancel()

    def _ask(self, query: CubeQuery) -> CellSet:
        """Ask the cube: called in a worker's thread, done on the node's loop, where a query can be cancelled."""
        most = self._settings.bounds.cells // len(query.measures) + 1
        bounded = replace(query, limit=most, timeout=self._settings.query_timeout_s)
        asked = asyncio.run_coroutine_threadsafe(self._manager.query(self._cube, bounded), self._loop)
        self._asked = asked
        if self._left:
            asked.cancel()
        try:
            return asked.result()
        except concurrent.futures.CancelledError:
            raise PivotError("Nobody waits for this pivot any more.") from None
        finally:
            self._asked = None
