"""One connection that follows queries: what it sends is read while what it is told is written, both bounded.

Of each query one message at most waits to be written, so a client that reads slowly is told less often, and then the
newest. Replies to a client that does not read them fill a short line, and after that it is not read from either.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect

from app_framework.errors import FrameworkError, UserError, near_matches
from app_framework.olap import CubeQuery, Manager, QueryError
from app_framework.olap.following import ContinuousQueries, Follow, Told, Trouble
from app_framework.web.autowired import EXCHANGE
from app_framework.web.errors import BodyTooLargeError, StreamIdError, TooManyFollowedError
from app_framework.web.stream_messages import Encoder, Message, MessageError, problem, read_message, state
from app_framework.web.streams import StreamSettings

_logger = logging.getLogger(__name__)

GOING_AWAY, TRY_LATER = 1001, 1013
"""Why a WebSocket is closed: the node stops; the client does not read (RFC 6455 and its registry)."""

GOODBYE_S = 1.0
"""How long a client may take to say that it has heard the connection being closed."""

REPLIES_MAX = 32
ROWS_AT_ONCE = 1_000
"""More rows are encoded in a thread."""


@dataclass(slots=True, eq=False)
class _Registration:
    """A query under the id of a client.

    Args:
        revision: how often the query was replaced by another one.
        held: what came in the moment of a pause.
    """

    id: str
    revision: int = 0
    paused: bool = False
    held: Told | Trouble | None = None
    follow: Follow | None = None


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer to a message of the client."""

    text: str


@dataclass(frozen=True, slots=True)
class _News:
    """What a query has to tell."""

    registration: _Registration
    revision: int
    message: Told | Trouble


@dataclass(slots=True)
class _Line:
    """What waits to be written."""

    queue: asyncio.Queue[_Reply | _News] = field(default_factory=asyncio.Queue)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(REPLIES_MAX))


class StreamSocket:
    """One client.

    Args:
        websocket: not accepted yet.
        cube: that it asks.
        manager: reads questions.
        queries: what all clients follow.
        settings: the bounds.
        encoder: writes what all clients are told.
    """

    def __init__(
        self,
        websocket: WebSocket,
        cube: str,
        manager: Manager,
        queries: ContinuousQueries,
        settings: StreamSettings,
        encoder: Encoder,
    ) -> None:
        self._websocket = websocket
        self._cube = cube
        self._manager = manager
        self._queries = queries
        self._settings = settings
        self._encoder = encoder
        self._closing = False
        self._registrations: dict[str, _Registration] = {}
        self._line = _Line()

    def __len__(self) -> int:
        """How many queries it follows."""
        return len(self._registrations)

    async def hold(self) -> None:
        """Talk until the client leaves or does not read."""
        await self._websocket.accept()
        talking = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            await asyncio.wait(talking, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for registration in self._registrations.values():
                self._end(registration)
            self._registrations.clear()
            for task in talking:
                task.cancel()
            results = await asyncio.gather(*talking, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
                raise result

    async def go_away(self) -> None:
        """Say that the node stops."""
        await self._close(GOING_AWAY, "the node stops")

    # ---- what the client says ---------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            received = await self._websocket.receive()
            if received["type"] == "websocket.disconnect":
                return
            text = received.get("text")
            await self._line.room.acquire()
            reply = self._answer(text if text is not None else received.get("bytes") or b"")
            if reply is None:
                self._line.room.release()
            else:
                self._line.queue.put_nowait(_Reply(reply))

    def _answer(self, data: str | bytes) -> str | None:
        """Do what a message says and return the reply; what is wrong with it is one, too."""
        try:
            text = data if isinstance(data, str) else data.decode()
            if len(text) > self._settings.message_bytes_max:
                raise BodyTooLargeError(self._settings.message_bytes_max, "server.streams.max-message-size")
            message = read_message(text)
        except UnicodeDecodeError:
            return problem(MessageError("a message is JSON, which is UTF-8", "", None), None)
        except UserError as error:
            return problem(error, getattr(error, "id", None))
        try:
            return self._do(message)
        except (UserError, FrameworkError) as error:
            return problem(error, message.id)
        except Exception as error:
            _logger.exception("a message about cube %r could not be answered", self._cube)
            return problem(error, message.id)

    def _do(self, message: Message) -> str | None:
        if message.type == "register":
            self._register(message)
            return None
        registration = self._registrations.get(message.id)
        if registration is None:
            raise StreamIdError("NOT_FOUND", message.id, near_matches(message.id, self._registrations))
        if message.type == "update":
            self._follow(registration, self._read_query(message.query))
            return None
        if message.type == "stop":
            self._end(registration)
            del self._registrations[message.id]
            return state("stopped", message.id, registration.revision)
        return self._pause(registration) if message.type == "pause" else self._resume(registration)

    def _register(self, message: Message) -> None:
        if message.id in self._registrations:
            raise StreamIdError("ALREADY_EXISTS", message.id)
        most = self._settings.queries_max
        if len(self._registrations) >= most:
            raise TooManyFollowedError("queries on this connection", most, "server.streams.max-queries")
        registration = _Registration(message.id, revision=-1)
        self._follow(registration, self._read_query(message.query))
        self._registrations[message.id] = registration

    def _read_query(self, document: object) -> CubeQuery:
        query = self._manager.read(self._cube, document)
        if problems := self._queries.check(self._cube, query):
            raise QueryError.of(problems)
        return query

    def _follow(self, registration: _Registration, query: CubeQuery) -> None:
        """Follow a query, in the place of the one that was followed under this id."""
        revision = registration.revision + 1
        follow = self._queries.follow(self._cube, query, lambda told: self._tell(registration, revision, told))
        self._end(registration)
        registration.revision, registration.follow, registration.held = revision, follow, None
        if registration.paused:
            registration.follow.pause()

    def _pause(self, registration: _Registration) -> str:
        assert registration.follow is not None
        registration.paused = True
        registration.follow.pause()
        return state("paused", registration.id, registration.revision)

    def _resume(self, registration: _Registration) -> str:
        """Go on; what is told follows after the reply."""
        assert registration.follow is not None
        registration.paused = False
        held, registration.held = registration.held, None
        registration.follow.resume()
        if held is not None:
            asyncio.get_running_loop().call_soon(self._tell, registration, registration.revision, held)
        return state("resumed", registration.id, registration.revision)

    def _end(self, registration: _Registration) -> None:
        if registration.follow is not None:
            registration.follow.stop()

    # ---- what it is told --------------------------------------------------------------------------------------------

    def _tell(self, registration: _Registration, revision: int, message: Told | Trouble) -> None:
        if revision != registration.revision:
            return
        if registration.paused:
            registration.held = message
        else:
            self._line.queue.put_nowait(_News(registration, revision, message))

    async def _write(self) -> None:
        try:
            while True:
                item = await self._line.queue.get()
                if isinstance(item, _Reply):
                    await self._send(item.text)
                    self._line.room.release()
                elif self._is_wanted(item):
                    await self._send_news(item.registration, item.message)
        except TimeoutError:
            reason = f"nothing was read for {self._settings.patience_s:g} s (server.streams.patience)"
            _logger.info("a client that follows cube %r is closed: %s", self._cube, reason)
            await self._close(TRY_LATER, reason)

    def _is_wanted(self, news: _News) -> bool:
        """Whether the client still follows that query under that id."""
        registration = news.registration
        return self._registrations.get(registration.id) is registration and registration.revision == news.revision

    async def _send_news(self, registration: _Registration, message: Told | Trouble) -> None:
        about = message, registration.id, registration.revision
        if isinstance(message, Told) and message.fresh and len(message.cells) > ROWS_AT_ONCE:
            text = await asyncio.to_thread(self._encoder.encode, *about)
        else:
            text = self._encoder.encode(*about)
        follow = registration.follow
        await self._send(text)
        if follow is not None and registration.follow is follow:
            follow.delivered()

    async def _send(self, text: str) -> None:
        if not self._closing:
            async with asyncio.timeout(self._settings.patience_s):
                await self._websocket.send_text(text)

    async def _close(self, code: int, reason: str) -> None:
        """Say goodbye; a client that does not hear it is cut off, or its unread messages would outlive it."""
        self._closing = True
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._websocket.close(code, reason)
        except TimeoutError:
            exchange = self._websocket.scope.get(EXCHANGE)
            if exchange is not None:
                exchange.abort()
        except (RuntimeError, WebSocketDisconnect):  # it was closed meanwhile
            return
