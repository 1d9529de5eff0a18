"""What can go wrong between two nodes, and whether the other side may have acted on it.

ServiceUnavailableError
└── MessengerError
    ├── DisconnectedError          nothing was sent: there is no connection
    ├── NoRespondersError          nobody listens on the subject; nothing was done
    ├── DeadlineExceededError      no answer in time; the outcome is unknown
    ├── StreamBrokenError          a streamed reply lost a frame or its producer; what came is not all
    └── NatsServerError            the server's process does not start, or ended
        └── NatsServerTooOldError  its version cannot be trusted with decisions
UserError
├── InvalidSubjectError            the subject cannot be published to or subscribed to
├── PayloadTooLargeError           larger than a message may be
└── RemoteError                    the handler on the other side refused or failed
"""

from __future__ import annotations

from app_framework.errors import ServiceUnavailableError, UserError


class MessengerError(ServiceUnavailableError):
    """A message did not get through, or no answer came."""

    code = "UNAVAILABLE"


class DisconnectedError(MessengerError):
    """There is no connection; nothing was sent.

    Attributes:
        messenger: its name.
        reason: what is known of it.
    """

    def __init__(self, messenger: str, reason: str = "") -> None:
        self.messenger = messenger
        self.reason = reason
        super().__init__(messenger, reason)

    def __str__(self) -> str:
        return f"messenger {self.messenger!r} is not connected" + (f": {self.reason}" if self.reason else "")


class NoRespondersError(MessengerError):
    """Nobody listens on a subject, so nothing was done.

    Attributes:
        subject: where the request was sent.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__(subject)

    def __str__(self) -> str:
        return f"nobody answers on {self.subject!r}"


class DeadlineExceededError(MessengerError):
    """No answer in time; whether the other side acted is not known.

    Attributes:
        subject: where the request was sent.
        timeout_s: how long the caller waited.
    """

    code = "TIMEOUT"

    def __init__(self, subject: str, timeout_s: float) -> None:
        self.subject = subject
        self.timeout_s = timeout_s
        super().__init__(subject, timeout_s)

    def __str__(self) -> str:
        return f"no answer on {self.subject!r} within {self.timeout_s:g} s"


class StreamBrokenError(MessengerError):
    """A streamed reply ended before its end.

    Attributes:
        subject: where the request was sent.
        reason: a gap, a silent producer, a lost connection.
    """

    def __init__(self, subject: str, reason: str) -> None:
        self.subject = subject
        self.reason = reason
        super().__init__(subject, reason)

    def __str__(self) -> str:
        return f"the stream from {self.subject!r} broke: {self.reason}"


class InvalidSubjectError(UserError):
    """A subject that no message can have.

    Attributes:
        subject: as it was given.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__(subject)

    def __str__(self) -> str:
        return (
            f"{self.subject!r} is not a subject: write words joined by dots, without spaces; "
            "'*' for one word and a last '>' for the rest are for subscriptions only"
        )


class PayloadTooLargeError(UserError):
    """A message larger than the messenger carries.

    Attributes:
        size_bytes: of the payload and its headers.
        limit_bytes: what a message may have.
    """

    code = "TOO_LARGE"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(size_bytes, limit_bytes)

    def __str__(self) -> str:
        return (
            f"the message has {self.size_bytes:,} bytes, at most {self.limit_bytes:,} are carried; "
            "stream it, or hand out a claim ticket"
        )


class RemoteError(UserError):
    """The handler on the other side refused or failed.

    Attributes:
        subject: where the request was sent.
        code: as in the HTTP table: NOT_LEADER, OVERLOADED, TIMEOUT, INTERNAL ….
        detail: the other side's sentence.
        facts: what its error knew beside the sentence, such as ``leader``.
    """

    def __init__(self, subject: str, code: str, detail: str, facts: dict[str, str] | None = None) -> None:
        self.subject = subject
        self.code = code
        self.detail = detail
        self.facts = facts or {}
        super().__init__(subject, code, detail)

    def __str__(self) -> str:
        return f"{self.subject!r} answered {self.code}: {self.detail}"


class NatsServerError(MessengerError):
    """A nats-server process does not start, or has ended.

    Attributes:
        name: of the server.
        reason: the server's own last words where it has some.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(name, reason)

    def __str__(self) -> str:
        return f"the nats-server {self.name!r} does not run: {self.reason}"


class NatsServerTooOldError(NatsServerError):
    """A nats-server whose replicated compare-and-set lets several writers win.

    Attributes:
        version: what it says it is.
        minimum: what is needed.
    """

    def __init__(self, name: str, version: str, minimum: str) -> None:
        self.version = version
        self.minimum = minimum
        super().__init__(name, f"it is version {version}, at least {minimum} is needed")
