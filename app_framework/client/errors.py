"""What a client is told when it gets no answer.

UserError
├── AddressError                 a text that is no address of a node
├── MissingLibraryError          an answer was wanted in a form whose library is not installed
└── ProblemError                 a node refused; it says why, by code
ServiceUnavailableError
├── UnavailableProblemError      the same for 429, 503 and 504: the request may succeed later (also a ProblemError)
├── UnreachableError             no node answered; lists what was tried
└── AnswerLostError              the request was sent and its answer never came: it may have happened
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app_framework.errors import ServiceUnavailableError, UserError, did_you_mean


class AddressError(UserError):
    """A text that is no address of a node.

    Attributes:
        address: as it was given.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(address)

    def __str__(self) -> str:
        return f"{self.address!r} is no address of a node; write its URL or host and port: http://localhost:8080"


class MissingLibraryError(UserError):
    """An answer was wanted in a form whose library is not installed.

    Attributes:
        library: as it is installed.
        wanted: the form.
    """

    def __init__(self, library: str, wanted: str) -> None:
        self.library = library
        self.wanted = wanted
        super().__init__(library, wanted)

    def __str__(self) -> str:
        return f"{self.wanted} need {self.library!r}, which is not installed: pip install {self.library}"


class ProblemError(UserError):
    """A node refused a request.

    Attributes:
        url: of the request.
        status: of the answer.
        code: the kind of problem, such as ``NOT_FOUND`` or ``CONFLICT``.
        detail: what is wrong, in a sentence.
        errors: the single mistakes, each with ``code``, ``field``, ``detail`` and ``near``.
        facts: what else the node knows: ``leader``, ``node``, ``epoch``, ``retryable``, ``members``.
    """

    def __init__(self, url: str, status: int, document: Mapping[str, Any]) -> None:
        self.url = url
        self.status = status
        self.code = str(document.get("code") or f"HTTP_{status}")
        self.detail = str(document.get("detail") or document.get("title") or f"the node answered {status}")
        self.errors: Sequence[Mapping[str, Any]] = tuple(document.get("errors") or ())
        self.facts: Mapping[str, Any] = {key: document[key] for key in FACTS if document.get(key) is not None}
        super().__init__(url, status, self.code)

    @property
    def leader(self) -> str | None:
        """The leader's URL, where the node named it."""
        leader = self.facts.get("leader")
        return leader if isinstance(leader, str) else None

    @property
    def near(self) -> tuple[str, ...]:
        """What was probably meant, of all the mistakes."""
        return tuple(dict.fromkeys(str(name) for each in self.errors for name in each.get("near") or ()))

    def __str__(self) -> str:
        """Return the detail; where the node knows what was meant, each mistake is a line of its own."""
        if not self.near:
            return self.detail
        return "\n".join(_mistake(each) for each in self.errors)


def _mistake(error: Mapping[str, Any]) -> str:
    field, hint = error.get("field"), did_you_mean(error.get("near") or ())
    told = str(error.get("detail") or "")
    where = f"{field}: " if field else ""
    return f"{where}{told}" + (f" {hint}?" if hint and hint not in told else "")


class UnavailableProblemError(ProblemError, ServiceUnavailableError):
    """A node cannot answer a request now; the same one may succeed later.

    Attributes:
        retryable: whether trying again without a change can help.
    """

    def __init__(self, url: str, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(url, status, document)
        self.retryable = bool(document.get("retryable", True))


class UnreachableError(ServiceUnavailableError):
    """No node answered.

    Attributes:
        tried: each address with what happened there.
    """

    def __init__(self, tried: Sequence[tuple[str, str]]) -> None:
        self.tried = tuple(tried)
        super().__init__(self.tried)

    def __str__(self) -> str:
        if len(self.tried) == 1:
            return f"no node answers at {self.tried[0][0]}: {self.tried[0][1]}"
        return f"none of {len(self.tried)} nodes answers: {'; '.join(f'{url}: {why}' for url, why in self.tried)}"


class AnswerLostError(ServiceUnavailableError):
    """The request was sent and its answer never came: it may have happened, so it is not sent to another node.

    Attributes:
        url: of the request.
        reason: what happened to the answer.
    """

    retryable = False

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(url, reason)

    def __str__(self) -> str:
        return f"{self.url} was asked and its answer was lost ({self.reason}): look whether it happened"


FACTS = ("node", "members", "retryable", "epoch", "leader", "request_id")
"""What a problem may carry beside its sentence."""


def problem_error(url: str, status: int, document: Mapping[str, Any]) -> ProblemError:
    """Return the error for an answer that is a problem."""
    kind = UnavailableProblemError if status in (429, 503, 504) else ProblemError
    return kind(url, status, document)
