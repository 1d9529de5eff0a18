"""Following a stream without losing a message: a short-lived pull consumer that is made anew whenever it falls silent.

A server that dies takes such a consumer with it and nobody says so. Heartbeats tell that it lives, its own numbering
tells when one of its messages was lost on the way, and after either it begins again behind the last that arrived.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app_framework.cluster.errors import NoQuorumError
from app_framework.cluster.jetstream_api import JetStreamApi, NoAnswerError, RefusedError, Stored
from app_framework.cluster.store import Change
from app_framework.errors import FrameworkError
from app_framework.messaging.bus import Handler, Message, Subscription
from app_framework.messaging.errors import MessengerError

logger = logging.getLogger(__name__)

BATCH = 256
BATCH_BYTES = 4 << 20
ROUND_S = 10.0
HEARTBEAT_S = 0.5
SILENCE_S = 2.0
"""After four missed heartbeats the consumer is taken to be gone."""
CREATE_TIMEOUT_S = 2.0
KEPT_S = 30.0
"""How long a server keeps a consumer that nobody asks any more."""
PAUSE_S = (0.02, 2.0)
"""Between two consumers: the first pause, and what doubling ends at."""

_NANOSECONDS = 1_000_000_000
_HEARTBEAT, _NO_MORE, _LIMIT_REACHED = "100", ("404", "408"), "409"
_NEXT_PLEASE = ("MaxBytes", "Batch Completed")


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message as the tail hands it on.

    Args:
        stored: the message.
        pending: how many more the stream has for this tail now.
    """

    stored: Stored
    pending: int


class _BrokenError(FrameworkError):
    """The consumer is of no use any more."""


class StreamTail:
    """The messages of some subjects, each once and in their order, for as long as anybody reads.

    With one message per subject it shows the newest of each, then every one that comes.

    Args:
        api: of the stream.
        subjects: what is wanted; they must not overlap.
        after: the sequence before the first that is wanted.

    Attributes:
        last: sequence of the last message handed on.
        consumers: how many were made; one, where nothing has gone wrong.
    """

    def __init__(self, api: JetStreamApi, subjects: Sequence[str], after: int = 0) -> None:
        self.last = after
        self.consumers = 0
        self._api = api
        self._subjects = tuple(subjects)
        self._closed = asyncio.Event()
        self._arrived: asyncio.Queue[Message | None] = asyncio.Queue()

    async def messages(self) -> AsyncGenerator[Delivered | None, None]:
        """Hand on the messages; None where a round of asking has ended, about every `ROUND_S` and after a batch."""
        pause_s = PAUSE_S[0]
        while not self._closed.is_set():
            name = f"af-{secrets.token_hex(8)}"
            arrived: asyncio.Queue[Message | None] = asyncio.Queue()
            self._arrived = arrived
            subscription: Subscription | None = None
            try:
                inbox = self._api.messenger.bus.new_inbox()
                subscription = await self._api.messenger.bus.subscribe(inbox, _into(arrived), pending_max=8 * BATCH)
                # In a context of its own: a watch that was begun in a handler must not end with that call's deadline.
                await asyncio.create_task(self._create(name), context=contextvars.Context())
                number = 0
                while not self._closed.is_set():
                    await self._ask_for_more(name, inbox)
                    for _ in range(BATCH):
                        delivered = await _delivered(arrived, number)
                        if delivered is None:
                            break
                        number, pause_s = number + 1, PAUSE_S[0]
                        self.last = delivered.stored.revision
                        yield delivered
                    yield None
            except (NoQuorumError, NoAnswerError, RefusedError, MessengerError, _BrokenError) as error:
                logger.debug("following stream %s begins again: %s", self._api.stream, error)
            finally:
                await self._forget(name, subscription)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s * (0.75 + secrets.randbelow(500) / 1000)):
                    await self._closed.wait()
            pause_s = min(2 * pause_s, PAUSE_S[1])

    def close(self) -> None:
        """End the messages."""
        self._closed.set()
        self._arrived.put_nowait(None)

    async def _create(self, name: str) -> None:
        self.consumers += 1
        await self._api.request(
            f"CONSUMER.CREATE.{self._api.stream}.{name}",
            {
                "stream_name": self._api.stream,
                "config": {
                    "name": name,
                    "deliver_policy": "by_start_sequence",
                    "opt_start_seq": self.last + 1,
                    "ack_policy": "none",
                    "filter_subjects": self._subjects,
                    "mem_storage": True,
                    "num_replicas": 1,
                    "inactive_threshold": int(KEPT_S * _NANOSECONDS),
                },
            },
            timeout_s=CREATE_TIMEOUT_S,
        )

    async def _ask_for_more(self, name: str, inbox: str) -> None:
        request = {
            "batch": BATCH,
            "max_bytes": BATCH_BYTES,
            "expires": int(ROUND_S * _NANOSECONDS),
            "idle_heartbeat": int(HEARTBEAT_S * _NANOSECONDS),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._api.stream}.{name}"
        await self._api.messenger.bus.publish(subject, json.dumps(request).encode(), reply=inbox)

    async def _forget(self, name: str, subscription: Subscription | None) -> None:
        """Let the consumer go; where nobody hears it, the server forgets it after `KEPT_S`."""
        with suppress(MessengerError):
            if subscription is not None:
                await subscription.unsubscribe()
            if self._api.messenger.connected:
                await self._api.messenger.bus.publish(f"$JS.API.CONSUMER.DELETE.{self._api.stream}.{name}")


class Told:
    """What one watcher was told, so that nothing comes twice and a listing can show what is missing.

    Args:
        after: the revision before the first that it wants.
    """

    def __init__(self, after: int) -> None:
        self._after = after
        self._newest = after
        self._told: dict[str, int] = {}

    def took(self, key: str, stored: Stored) -> tuple[Change, ...]:
        """Return the change that a message is; nothing when a listing has told it before."""
        if stored.revision <= self._newest:
            return ()
        self._newest = stored.revision
        return (self._tell(key, stored),)

    def missed(self, listing: Mapping[str, Stored], position: int) -> tuple[Change, ...]:
        """Return what a listing shows and the watcher was not told, up to the listing's position."""
        changes = []
        for key, stored in sorted(listing.items(), key=lambda item: item[1].revision):
            told = self._newest if stored.is_deletion else self._told.get(key, self._after)
            if stored.revision > told:
                changes.append(self._tell(key, stored))
        for key in [key for key in self._told if key not in listing]:
            del self._told[key]
            changes.append(Change(key, None, position))
        self._newest = max(self._newest, position)
        return tuple(changes)

    def _tell(self, key: str, stored: Stored) -> Change:
        if stored.is_deletion:
            self._told.pop(key, None)
            return Change(key, None, stored.revision)
        self._told[key] = stored.revision
        return Change(key, stored.data, stored.revision)


def _into(queue: asyncio.Queue[Message | None]) -> Handler:
    """Return a handler that fills a queue; it holds at most one batch, for more was not asked."""

    async def put(message: Message) -> None:
        queue.put_nowait(message)

    return put


async def _delivered(arrived: asyncio.Queue[Message | None], number: int) -> Delivered | None:
    """Return the next message, None at the end of the round.

    Args:
        arrived: what came.
        number: the consumer's own count of what it had sent before; one message more or less, and some were lost.
    """
    while (message := await _next(arrived)) is not None:
        status = message.headers.get("Status")
        if status is None:
            delivered, sent = _positioned(message)
            number += 1
        elif status == _HEARTBEAT:
            delivered, sent = None, int(message.headers.get("Nats-Last-Consumer", number))
        else:
            _check_is_end_of_round(status, message.headers.get("Description", ""))
            return None
        if sent != number:
            raise _BrokenError(f"message {number} of the consumer was lost, {sent} came")
        if delivered is not None:
            return delivered
    return None


async def _next(arrived: asyncio.Queue[Message | None]) -> Message | None:
    try:
        async with asyncio.timeout(SILENCE_S):
            return await arrived.get()
    except TimeoutError:
        raise _BrokenError(f"nothing was heard for {SILENCE_S:g} s") from None


def _check_is_end_of_round(status: str, description: str) -> None:
    if status not in _NO_MORE and not (status == _LIMIT_REACHED and any(text in description for text in _NEXT_PLEASE)):
        raise _BrokenError(f"{status} {description}".strip())


def _positioned(message: Message) -> tuple[Delivered, int]:
    """Read where in the stream a message is, and the how many-th of the consumer, from its acknowledgement's subject.

    It is ``$JS.ACK.<stream>.<consumer>.<tries>.<stream's number>.<consumer's number>.<time>.<pending>``, with the
    domain and the account before the stream where there are some.
    """
    words = message.reply.split(".")
    if len(words) < 9 or words[:2] != ["$JS", "ACK"]:
        raise _BrokenError(f"a message without a position: {message.reply!r}")
    revision, number, pending = (int(words[at]) for at in ((5, 6, 8) if len(words) == 9 else (7, 8, 10)))
    return Delivered(Stored(message.subject, revision, message.headers, message.data), pending), number
