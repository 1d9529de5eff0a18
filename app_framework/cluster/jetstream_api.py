"""JetStream's protocol as far as a store needs it: plain requests and JSON over the node's messenger.

No client library stands between, because what matters here is exactly what such libraries blur: whether a request that
failed was carried out, was not, or may have been.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app_framework.cluster.errors import NoQuorumError, UnstableError
from app_framework.errors import FrameworkError
from app_framework.messaging.errors import DeadlineExceededError, DisconnectedError, MessengerError, NoRespondersError
from app_framework.messaging.messenger import Messenger

MESSAGE_ID = "Nats-Msg-Id"
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
TTL = "Nats-TTL"
DELETION = "Af-Deleted"
MARKER = "Nats-Marker-Reason"
HISTORY = "Af-Before"
"""The writes of an entry before this one. The stream keeps only the newest message of a subject and forgets the ids of
the others when a server starts; with these a call that is repeated still finds what became of it."""
HISTORY_MAX = 48
"""After so many more writes, and when all servers have started anew, a repeated call is told of a conflict."""

WRONG_LAST_SEQUENCE = 10071
MAYBE_WRONG_LAST_SEQUENCE = 10164
"""Also said while an earlier write of the subject, though acknowledged, is still being cleared away."""
DUPLICATE_IN_PROCESS = 10158
NO_MESSAGE = 10037
STREAM_NOT_FOUND = 10059
STREAM_EXISTS = 10058
UNAVAILABLE = 503


class RefusedError(UnstableError):
    """JetStream refused a request; nothing was done.

    Attributes:
        number: JetStream's own, such as 10005.
    """

    def __init__(self, number: int, description: str) -> None:
        self.number = number
        super().__init__(f"JetStream says {description!r} ({number})")


class NotSentError(NoQuorumError):
    """The request reached nobody who acts on it; nothing was done."""


class NoAnswerError(FrameworkError):
    """The request left and no answer came: it may have been carried out."""

    code = "TIMEOUT"


@dataclass(frozen=True, slots=True)
class Stored:
    """One message of the stream.

    Args:
        subject: its subject.
        revision: its sequence in the stream.
        headers: names to values.
        data: its payload.
    """

    subject: str
    revision: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def is_deletion(self) -> bool:
        """Whether it stands for an entry that is gone."""
        return DELETION in self.headers or MARKER in self.headers

    @property
    def history(self) -> str:
        """This write and those before it of the same entry, as ``id:revision``, the newest first."""
        itself = f"{self.headers.get(MESSAGE_ID, '')}:{self.revision}"
        return " ".join([itself, *self.headers.get(HISTORY, "").split()][:HISTORY_MAX])

    def revision_of(self, operation: str) -> int | None:
        """Return the revision that a call has written, if it is among the last ones of this entry."""
        for each in self.history.split():
            written_by, _, revision = each.partition(":")
            if written_by == operation:
                return int(revision)
        return None


@dataclass(frozen=True, slots=True)
class Ack:
    """What became of a message that the majority has.

    Args:
        revision: its sequence in the stream.
        duplicate: whether it was there before, under the same id.
    """

    revision: int
    duplicate: bool


class JetStreamApi:
    """One stream as a node reaches it; every method is one attempt.

    Args:
        messenger: the node's connection.
        stream: its name.
    """

    def __init__(self, messenger: Messenger, stream: str) -> None:
        self.messenger = messenger
        self.stream = stream

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str], *, timeout_s: float) -> Ack:
        """Write a message.

        Raises:
            NotSentError: nothing was written; the stream has no leader.
            RefusedError: nothing was written.
            NoAnswerError: it may have been written.
            PayloadTooLargeError: nothing was written.
        """
        answer = await self._ask(subject, data, headers, timeout_s)
        return Ack(int(answer["seq"]), bool(answer.get("duplicate")))

    async def request(
        self, operation: str, body: Mapping[str, object] | None = None, *, timeout_s: float
    ) -> Mapping[str, Any]:
        """Ask for something else, such as ``STREAM.INFO``.

        Raises:
            NotSentError: no server with JetStream can be reached.
            RefusedError: it was refused.
            NoAnswerError: no leader answered in time.
        """
        data = json.dumps(body).encode() if body is not None else b""
        return await self._ask(f"$JS.API.{operation}", data, {}, timeout_s)

    async def last(self, subject: str, *, timeout_s: float) -> Stored | None:
        """Return the last message of a subject as the leader has it."""
        return await self._get({"last_by_subj": subject}, timeout_s)

    async def at(self, revision: int, *, timeout_s: float) -> Stored | None:
        """Return the message with a sequence as the leader has it."""
        return await self._get({"seq": revision}, timeout_s)

    async def _get(self, which: Mapping[str, object], timeout_s: float) -> Stored | None:
        try:
            answer = await self.request(f"STREAM.MSG.GET.{self.stream}", which, timeout_s=timeout_s)
        except RefusedError as error:
            if error.number == NO_MESSAGE:
                return None
            raise
        message = answer["message"]
        return Stored(
            message["subject"],
            int(message["seq"]),
            _headers(base64.b64decode(message.get("hdrs", ""))),
            base64.b64decode(message.get("data", "")),
        )

    async def _ask(self, subject: str, data: bytes, headers: Mapping[str, str], timeout_s: float) -> Mapping[str, Any]:
        if not self.messenger.connected:
            raise NotSentError("this node has no connection to the voting servers")
        try:
            answer = await self.messenger.ask(subject, data, timeout_s=timeout_s, headers=headers)
            content: Mapping[str, Any] = json.loads(answer.data)
        except NoRespondersError as error:
            raise NotSentError("the voting servers have no leader") from error
        except (DeadlineExceededError, DisconnectedError, ValueError) as error:
            # A connection that ends while an answer is awaited says nothing about what the server did.
            raise NoAnswerError(str(error)) from error
        except MessengerError as error:
            raise NotSentError(str(error)) from error
        if failure := content.get("error"):
            raise _refusal(failure)
        return content


def _refusal(failure: Mapping[str, Any]) -> FrameworkError:
    number, description = int(failure.get("err_code", 0)), str(failure.get("description", "an error"))
    if number == STREAM_NOT_FOUND or failure.get("code") == UNAVAILABLE:
        return NotSentError(f"JetStream says {description!r}")
    return RefusedError(number, description)


def _headers(block: bytes) -> Mapping[str, str]:
    r"""Read a block of headers as it is stored.

    >>> _headers(b"NATS/1.0\r\nNats-Msg-Id: a1\r\n\r\n")
    {'Nats-Msg-Id': 'a1'}
    """
    lines = block.decode("utf-8", "replace").split("\r\n")[1:]
    return {name: value.strip() for name, found, value in (line.partition(":") for line in lines) if found}
