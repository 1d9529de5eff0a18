"""What can go wrong between a question and its answer.

UserError
├── QueryError               every problem of one query at once; `code` is theirs, or INVALID_QUERY
│   ├── UnknownMeasureError      UNKNOWN_MEASURE
│   ├── UnknownLevelError        UNKNOWN_LEVEL
│   ├── UnknownBranchError       UNKNOWN_BRANCH
│   ├── UnknownVersionError      UNKNOWN_VERSION
│   └── MeasureOverflowError     a number does not fit its type; names the measure
├── MeasureFunctionError     INTERNAL: a Python function failed; names measure and function
├── UnknownCubeError         UNKNOWN_CUBE, a NoSuchNameError (app_framework.errors)
├── TooManyQuestionsError    TOO_LARGE: a batch holds more than it may
├── ModelError               the cubes cannot be built (app_framework.database.errors)
└── TooLargeError, QueryTimeoutError, OverloadedError (app_framework.database.errors)
    └── TooManyCellsError    TOO_LARGE: a Python function would get more cells than it may
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app_framework.database.errors import ResultTooLargeError as TooLargeError
from app_framework.errors import NoSuchNameError, UserError, did_you_mean

INVALID_REQUEST = "INVALID_REQUEST"
INVALID_QUERY = "INVALID_QUERY"
UNKNOWN_MEASURE = "UNKNOWN_MEASURE"
UNKNOWN_LEVEL = "UNKNOWN_LEVEL"
UNKNOWN_BRANCH = "UNKNOWN_BRANCH"
UNKNOWN_VERSION = "UNKNOWN_VERSION"


@dataclass(frozen=True, slots=True)
class QueryProblem:
    """One mistake in a query.

    Args:
        code: the kind, as HTTP clients see it.
        field: where in the request: ``levels[1]``, ``where.year.from``.
        detail: what is wrong and what to do.
        near: the names that were probably meant.
    """

    code: str
    field: str
    detail: str
    near: tuple[str, ...] = ()

    def concerns(self, name: str) -> bool:
        """Whether it is about a field of the query, a part or the whole of it, or a key that probably meant it."""
        whole = self.field.partition("[")[0].partition(".")[0]
        return whole in (name, "") or name in self.near

    def to_dict(self) -> dict[str, object]:
        """Return the entry of a problem document."""
        return {"code": self.code, "field": self.field, "detail": self.detail, "near": list(self.near)}

    def __str__(self) -> str:
        hint = did_you_mean(self.near)
        return f"{self.field}: {self.detail}" + (f" {hint}?" if hint else "")


class QueryError(UserError):
    """A query cannot be answered because of what it asks (FA2).

    Attributes:
        problems: everything that is wrong with it.
        code: the code that all problems share, else ``INVALID_QUERY``.
    """

    code = INVALID_QUERY

    def __init__(self, problems: Sequence[QueryProblem]) -> None:
        super().__init__()
        self.problems = tuple(problems)
        codes = {problem.code for problem in self.problems}
        self.code = codes.pop() if len(codes) == 1 else INVALID_QUERY

    @staticmethod
    def of(problems: Sequence[QueryProblem]) -> QueryError:
        """Return the error whose class says the kind, when the problems are of one kind."""
        codes = {problem.code for problem in problems}
        kinds: dict[str, type[QueryError]] = {
            UNKNOWN_MEASURE: UnknownMeasureError,
            UNKNOWN_LEVEL: UnknownLevelError,
            UNKNOWN_BRANCH: UnknownBranchError,
            UNKNOWN_VERSION: UnknownVersionError,
        }
        kind = kinds.get(codes.pop(), QueryError) if len(codes) == 1 else QueryError
        return kind(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class UnknownMeasureError(QueryError):
    """The cube has no such measure."""


class UnknownLevelError(QueryError):
    """The cube has no such level, or several by that name."""


class UnknownBranchError(QueryError):
    """There is no such branch."""


class UnknownVersionError(QueryError):
    """The data version asked for is not kept any more, or never was."""


class MeasureOverflowError(QueryError):
    """A number of a measure does not fit its type; no wrong number is returned.

    Attributes:
        measure: the measure's name.
    """

    def __init__(self, measure: str, field: str, reason: str) -> None:
        super().__init__([QueryProblem(INVALID_QUERY, field, f"measure {measure!r} cannot be computed: {reason}")])
        self.measure = measure


class MeasureFunctionError(UserError):
    """A Python function failed, or returned what is no column of its measure; the node's log has more.

    Attributes:
        measure: the measure's name.
        function: the function's: ``module:function``.
        reason: what it did.
    """

    code = "INTERNAL"

    def __init__(self, measure: str, function: str, reason: str) -> None:
        super().__init__()
        self.measure = measure
        self.function = function
        self.reason = reason

    def __str__(self) -> str:
        return f"measure {self.measure!r} cannot be computed: function {self.function} {self.reason}."


class TooManyCellsError(TooLargeError):
    """A measure of Python would have to be computed for more cells than an answer may hold.

    Attributes:
        measure: the measure's name.
    """

    def __init__(self, limit: int, measure: str) -> None:
        super().__init__(limit)
        self.measure = measure

    def __str__(self) -> str:
        return (
            f"Measure {self.measure!r} is computed in Python, for more than {self.limit:,} cells (`olap.max-rows`)."
            " Filter the query, or name fewer levels."
        )


class UnknownCubeError(NoSuchNameError):
    """There is no cube of that name."""

    code = "UNKNOWN_CUBE"
    kind = "cube"


class TooManyQuestionsError(UserError):
    """A batch holds more questions than it may.

    Attributes:
        limit: how many it may hold.
    """

    code = "TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __str__(self) -> str:
        return f"A batch holds at most {self.limit:,} questions (`olap.max-batch`). Send it in parts."


__all__ = [
    "INVALID_QUERY",
    "INVALID_REQUEST",
    "MeasureFunctionError",
    "MeasureOverflowError",
    "QueryError",
    "QueryProblem",
    "TooLargeError",
    "TooManyCellsError",
    "TooManyQuestionsError",
    "UNKNOWN_BRANCH",
    "UNKNOWN_LEVEL",
    "UNKNOWN_MEASURE",
    "UNKNOWN_VERSION",
    "UnknownBranchError",
    "UnknownCubeError",
    "UnknownLevelError",
    "UnknownMeasureError",
    "UnknownVersionError",
]
