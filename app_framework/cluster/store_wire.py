"""What two nodes say to each other when one uses the other's store.

A record is the length of a JSON head, the head, and the bytes of a value where the head says that there are some. A
question is one record; an answer is one, or a stream of them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app_framework.cluster.errors import (
    ConflictError,
    EntryExistsError,
    NoQuorumError,
    StoreMovedError,
    UnknownOutcomeError,
)
from app_framework.cluster.store import Entry
from app_framework.errors import FrameworkError
from app_framework.messaging.errors import (
    DeadlineExceededError,
    DisconnectedError,
    MessengerError,
    NoRespondersError,
    RemoteError,
    StreamBrokenError,
)
from app_framework.messaging.messenger import Messenger

HEAD_BYTES_MAX = 1 << 20

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Record:
    """One unit of the conversation.

    Args:
        head: what it is about.
        value: the bytes of an entry; None where there are none.
    """

    head: Mapping[str, Any]
    value: bytes | None = None

    def encoded(self) -> bytes:
        """Return it as it is sent."""
        head = dict(self.head) if self.value is None else {**self.head, "bytes": len(self.value)}
        text = json.dumps(head).encode()
        return _LENGTH.pack(len(text)) + text + (self.value or b"")


def records(arrived: bytearray) -> Iterator[Record]:
    """Take the records that have come whole out of what has arrived.

    >>> arrived = bytearray(Record({"revision": 7}, b"value").encoded() + Record({}).encoded()[:3])
    >>> list(records(arrived)), len(arrived)
    ([Record(head={'revision': 7, 'bytes': 5}, value=b'value')], 3)
    """
    while len(arrived) >= _LENGTH.size:
        head_ends = _LENGTH.size + _LENGTH.unpack_from(arrived)[0]
        if head_ends > HEAD_BYTES_MAX:
            raise NoAnswerError("the answer is damaged")
        if len(arrived) < head_ends:
            return
        head = json.loads(arrived[_LENGTH.size : head_ends])
        ends = head_ends + head.get("bytes", 0)
        if len(arrived) < ends:
            return
        value = bytes(arrived[head_ends:ends]) if "bytes" in head else None
        del arrived[:ends]
        yield Record(head, value)


def record_of(entry: Entry | None) -> Record:
    """Return an entry, or that there is none, as it is sent."""
    return Record({}) if entry is None else Record({"key": entry.key, "revision": entry.revision}, entry.value)


def entry_of(record: Record) -> Entry | None:
    """Return the entry that a record is; None when it says that there is none."""
    return None if record.value is None else Entry(record.head["key"], record.value, record.head["revision"])


class NotSentError(NoQuorumError):
    """The question reached nobody; nothing was done."""


class NoAnswerError(FrameworkError):
    """The question left and no answer came; it may have been carried out."""


TOLD = (ConflictError, NoQuorumError, StoreMovedError, UnknownOutcomeError)
"""What the caller is told as it is; anything else is a fault of the holder."""


def refusal(error: ConflictError | NoQuorumError | StoreMovedError | UnknownOutcomeError) -> Record:
    """Return an error as it is sent; `checked` raises it on the other side."""
    match error:
        case ConflictError():
            return Record({"error": error.code, "key": error.key, "expected": error.expected, "found": error.found})
        case NoQuorumError():
            return Record({"error": error.code, "reason": error.reason})
        case UnknownOutcomeError():
            return Record({"error": error.code, "key": error.key})
        case _:
            return Record({"error": error.code})


def checked(record: Record) -> Record:
    """Return an answer, or raise what the holder has refused."""
    head = record.head
    match head.get("error"):
        case None:
            return record
        case EntryExistsError.code:
            raise EntryExistsError(head["key"], head["found"])
        case ConflictError.code:
            raise ConflictError(head["key"], head["expected"], head["found"])
        case StoreMovedError.code:
            raise StoreMovedError
        case NoQuorumError.code:
            raise NoQuorumError(head["reason"])
        case _:
            raise NoAnswerError("the holder does not know what became of it")


@contextmanager
def reaching(messenger: Messenger, node_id: str) -> Iterator[None]:
    """Tell apart what reached nobody from what went unanswered."""
    if not messenger.connected:
        raise NotSentError("this node has no connection to the others")
    try:
        yield
    except NoRespondersError as error:
        raise NotSentError(f"node {node_id!r}, which holds the decisions, cannot be reached") from error
    except RemoteError as error:
        if error.code == "OVERLOADED":
            raise NotSentError(f"node {node_id!r}, which holds the decisions, is overloaded") from error
        raise NoAnswerError(str(error)) from error
    except (DeadlineExceededError, DisconnectedError, StreamBrokenError) as error:
        raise NoAnswerError(str(error)) from error
    except MessengerError as error:
        raise NotSentError(str(error)) from error
