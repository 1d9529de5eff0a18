"""What goes over the wire beside the user's headers; both halves of a request read it here.

==============  =====================================================================================
``Af-Timeout``  milliseconds that the caller still waits; clocks of two nodes are never compared
``Af-Window``   bytes that a streamed answer may be ahead of its reader; without it one answer is wanted
``Af-Frame``    of a streamed answer: its number, ``end N``, ``beat N``, or ``ticket`` for a direct stream
``Af-Error``    code of an error; the payload is JSON with the sentence and the facts
``Af-Cancel``   the reply subject of a request that nobody waits for any more
==============  =====================================================================================
"""

from __future__ import annotations

import json

from app_framework.messaging.bus import Message
from app_framework.messaging.errors import RemoteError

TIMEOUT_HEADER = "Af-Timeout"
WINDOW_HEADER = "Af-Window"
FRAME_HEADER = "Af-Frame"
ERROR_HEADER = "Af-Error"
CANCEL_HEADER = "Af-Cancel"
CANCEL_PREFIX = "_AF.cancel."
CANCEL_FRAME = b"cancel"
FRAME_OVERHEAD_BYTES = 256
"""Counted with every frame against the window, so that many tiny frames are bounded too."""
FACTS = ("node", "leader", "epoch", "members", "retryable")
"""What an error may know beside its sentence, and callers on other nodes are told (problem documents, CONTRACT §4)."""
FACT_CHARS_MAX = 1_000


def is_no_responders(message: Message) -> bool:
    """Whether the server says that nobody listens."""
    return not message.data and message.headers.get("Status") == "503"


def read_error(subject: str, message: Message) -> RemoteError:
    """Return the error that the other side sent."""
    code = message.headers[ERROR_HEADER]
    try:
        body = json.loads(message.data)
        facts = {str(name): str(value) for name, value in body["facts"].items()}
        return RemoteError(subject, code, str(body["detail"]), facts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return RemoteError(subject, code, "the other side gave no reason")


def facts_of(error: Exception) -> dict[str, str]:
    """Return what an error knows beside its sentence, as text.

    >>> facts_of(RemoteError("svc.x", "NOT_LEADER", "ask the leader", {"leader": "http://n2"}))
    {'leader': 'http://n2'}
    """
    facts = dict(error.facts) if isinstance(error, RemoteError) else {}
    for name in FACTS:
        value = getattr(error, name, None)
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            facts.setdefault(name, text[:FACT_CHARS_MAX])
    return facts
