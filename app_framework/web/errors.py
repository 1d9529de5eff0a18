"""What can go wrong at the HTTP edge.

UserError
├── RequestError             the request itself is wrong; `code` says how
│   ├── InvalidBodyError     INVALID_REQUEST: not JSON, or not of the shape
│   ├── ForeignRequestError  FORBIDDEN: an unknown Host or a foreign Origin on an unsafe method
│   ├── NotAcceptableError   NOT_ACCEPTABLE: nothing the client accepts can be answered
│   ├── StreamIdError        NOT_FOUND or ALREADY_EXISTS: the id of a continuous query
│   ├── UnsupportedMediaTypeError  UNSUPPORTED_MEDIA_TYPE: the body is of a kind this door does not read
│   └── BodyTooLargeError    TOO_LARGE: names the bound and the property that sets it
FrameworkError
├── PortInUseError           another process holds the port
├── OverloadedError          OVERLOADED: too many requests at a time; names the property
├── TooManyFollowedError     OVERLOADED: too many connections or continuous queries; names the property
├── RequestTimeoutError      TIMEOUT: no answer began in time; names the property
└── ServiceUnavailableError
    └── NoClusterError       UNAVAILABLE: the node was started without a cluster
"""

from __future__ import annotations

from collections.abc import Sequence

from app_framework.errors import FrameworkError, ServiceUnavailableError, UserError


class RequestError(UserError):
    """A request that cannot be served as it was sent."""


class InvalidBodyError(RequestError):
    """The body is not what this door takes.

    Attributes:
        reason: what is wrong with it, with a position where there is one.
        field: where in the body.
        near: what was probably written for it.
    """

    code = "INVALID_REQUEST"

    def __init__(self, reason: str, *, field: str = "body", near: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.near = tuple(near)

    def __str__(self) -> str:
        return self.reason


class ForeignRequestError(RequestError):
    """A page of another site, or a name that is not this node's, tried to change something.

    Attributes:
        header: ``Host`` or ``Origin``.
        value: what the header said, empty when it was missing.
    """

    code = "FORBIDDEN"

    def __init__(self, header: str, value: str) -> None:
        super().__init__(header, value)
        self.header = header
        self.value = value
        self.field = header

    def __str__(self) -> str:
        said = f"{self.header} {self.value!r} is" if self.value else f"a request without {self.header} is"
        return f"{said} not from this node; if it should be allowed, add its name to server.allowed-hosts"


class NotAcceptableError(RequestError):
    """None of the media types that the client accepts is offered.

    Attributes:
        accept: the client's ``Accept`` header.
        offered: the media types this door answers with.
    """

    code = "NOT_ACCEPTABLE"
    field = "Accept"

    def __init__(self, accept: str, offered: Sequence[str]) -> None:
        super().__init__(accept, offered)
        self.accept = accept
        self.offered = tuple(offered)

    def __str__(self) -> str:
        return f"nothing in Accept {self.accept!r} can be answered; offered: {', '.join(self.offered)}"


class UnsupportedMediaTypeError(RequestError):
    """The body is of a kind that this door does not read.

    Attributes:
        header: ``Content-Type`` or ``Content-Encoding``.
        value: what the header said.
        readable: what the door reads.
    """

    code = "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self, header: str, value: str, readable: Sequence[str]) -> None:
        super().__init__(header, value, readable)
        self.header = header
        self.field = header
        self.value = value
        self.readable = tuple(readable)

    def __str__(self) -> str:
        return f"{self.header} {self.value!r} cannot be read here; readable: {', '.join(self.readable)}"


class BodyTooLargeError(RequestError):
    """A request body is over the bound.

    Attributes:
        limit_bytes: the bound.
        set_by: the property that sets it, or the door whose own bound it is.
    """

    code = "TOO_LARGE"
    field = "body"

    def __init__(self, limit_bytes: int, set_by: str = "server.max-body-size") -> None:
        super().__init__(limit_bytes, set_by)
        self.limit_bytes = limit_bytes
        self.set_by = set_by

    def __str__(self) -> str:
        return f"the request body is larger than {self.limit_bytes} bytes ({self.set_by})"


class StreamIdError(RequestError):
    """A message about a continuous query names one that is not there, or is there already.

    Attributes:
        id_: as the client wrote it.
        near: what was probably meant.
    """

    field = "id"

    def __init__(self, code: str, id_: str, near: Sequence[str] = ()) -> None:
        super().__init__(code, id_, near)
        self.code = code
        self.id_ = id_
        self.near = tuple(near)

    def __str__(self) -> str:
        if self.code == "ALREADY_EXISTS":
            return f"a query {self.id_!r} is followed already; send update, or stop it first"
        return f"no query {self.id_!r} is followed here"


class TooManyFollowedError(FrameworkError):
    """As much is followed as may be.

    Attributes:
        what: what there is too much of.
        limit: the bound.
        set_by: the property that sets it.
    """

    code = "OVERLOADED"
    retryable = True

    def __init__(self, what: str, limit: int, set_by: str) -> None:
        super().__init__(what, limit, set_by)
        self.what = what
        self.limit = limit
        self.set_by = set_by

    def __str__(self) -> str:
        return f"there are {self.limit} {self.what} already ({self.set_by})"


class OverloadedError(FrameworkError):
    """As many requests are being served as may be.

    Attributes:
        limit: the bound.
    """

    code = "OVERLOADED"
    retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.limit} requests are being served already (server.max-requests)"


class RequestTimeoutError(FrameworkError):
    """A handler did not begin to answer in time.

    Attributes:
        timeout_s: the bound.
    """

    code = "TIMEOUT"
    retryable = True

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"no answer began within {self.timeout_s:g} s (server.request-timeout)"


class PortInUseError(FrameworkError):
    """The port that this node is to listen on is taken.

    Attributes:
        address: where it was to listen.
        port: the port.
        pid: the process that holds it, where this user may know.
        process: that process's command, as a person would say it.
    """

    def __init__(self, address: str, port: int, pid: int | None = None, process: str | None = None) -> None:
        super().__init__(address, port, pid, process)
        self.address = address
        self.port = port
        self.pid = pid
        self.process = process

    @property
    def owner(self) -> str:
        """Who holds the port, as far as it is known."""
        if self.pid is None:
            return "another process"
        return f"{self.process} (pid {self.pid})" if self.process else f"process {self.pid}"

    def __str__(self) -> str:
        return f"port {self.port} on {self.address} is in use by {self.owner}"


class NoClusterError(ServiceUnavailableError):
    """Something was asked of the cluster of a node that was started without one.

    Attributes:
        node: its name.
    """

    code = "UNAVAILABLE"
    retryable = False

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node

    def __str__(self) -> str:
        return (
            f"node {self.node!r} runs without a cluster; start it with: af node start, "
            "or write a section 'cluster' in its application.yml"
        )
