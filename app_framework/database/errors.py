"""What can go wrong between a model and its database.

UserError
├── ModelError             the model cannot be built: every problem at once, each with its path
├── ExpressionError        a text is not a scalar expression over known names
├── QueryTimeoutError      TIMEOUT     the answer took longer than it was allowed to
├── OverloadedError        OVERLOADED  every thread is busy and the queue is full
│   └── TooManyStreamsError                as many answers are being streamed as may be
│   └── TooManyCommitsError                as many commits wait as may
├── InvalidRowsError       INVALID_ROWS  rows do not fit their table: every problem with its row and column
│   └── TooManyRejectedError               more rows are bad than one commit may reject
├── RejectsFullError       TOO_LARGE   the files of rejected rows have no room for more
├── NoSuchNameError (app_framework.errors)
│   ├── UnknownTableError  UNKNOWN_TABLE  there is no table of that name
│   └── NoSuchBranchError  UNKNOWN_BRANCH  there is no branch of that name
├── BranchConflictError    CONFLICT    a branch or what it is laid over is not what it was thought to be
│   └── BranchExistsError  ALREADY_EXISTS  there is a branch of that name already
├── VersionGoneError       UNKNOWN_VERSION  a version is not kept any more, or never was
└── ResultTooLargeError    TOO_LARGE   the answer holds more rows, or needs more memory, than allowed
FrameworkError
└── DatabaseError          the database file cannot be opened, read or written
    ├── DatabaseLockedError    another process or application holds the file
    └── EngineError            a statement failed; `kind` says how
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from app_framework.errors import FrameworkError, NoSuchNameError, UserError, did_you_mean


@dataclass(frozen=True, slots=True)
class ModelProblem:
    """One mistake in a model, and the place in the configuration that holds it.

    Args:
        path: where the value is set: ``("database", "tables", "orders", "key", 0)``.
        code: a stable name of the kind of mistake, in capitals.
        message: what is wrong, in one sentence or a few lines.
        near: the names that were probably meant.
        of_key: whether the key at `path` is to blame, not its value.
        word: the word for which one of `near` was probably meant; of a key that is to blame it is the key.
    """

    path: tuple[str | int, ...]
    code: str
    message: str
    near: tuple[str, ...] = ()
    of_key: bool = False
    word: str = ""

    @property
    def where(self) -> str:
        """The path as one text: ``database.tables.orders.key[0]``."""
        return path_text(self.path)

    @property
    def advice(self) -> str:
        """What to do about it, where a near match says that; else nothing."""
        word = self.word or (str(self.path[-1]) if self.of_key else "")
        return f"Write {self.near[0]!r} instead of {word!r}." if self.near and word else ""

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"

    @property
    def sentence(self) -> str:
        """The message with its near matches, before the lines that show the text in question."""
        first, newline, rest = self.message.partition("\n")
        hint = f". {did_you_mean(self.near)}?" if self.near else ""
        return (first.rstrip(".") + hint if hint else first) + newline + rest


def path_text(path: Sequence[str | int]) -> str:
    """Return a configuration path as people write it.

    >>> path_text(("database", "references", 2))
    'database.references[2]'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class ModelError(UserError):
    """The model of tables or cubes cannot be built; nothing was changed (FA2).

    Attributes:
        problems: everything that is wrong, in the order of the model.
    """

    code = "INVALID_MODEL"

    def __init__(self, problems: Sequence[ModelProblem]) -> None:
        super().__init__()
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class ExpressionError(UserError):
    """A text is not what an expression may be; the caret shows where.

    Attributes:
        text: the expression as it was written.
        position: the character the mistake is at, from 0; None when the whole is meant.
        reason: what is wrong, without the text.
        near: the names that were probably meant.
        word: the name for which one of `near` was probably meant, empty when there is no such name.
    """

    def __init__(
        self, text: str, reason: str, position: int | None = None, near: tuple[str, ...] = (), word: str = ""
    ) -> None:
        super().__init__()
        self.text = text
        self.reason = reason
        self.position = position
        self.near = near
        self.word = word

    def __str__(self) -> str:
        if not self.text.strip():
            return self.reason
        if self.position is None or "\n" in self.text:
            return f"{self.reason} in: {self.text}"
        return f"{self.reason}\n    {self.text}\n    {' ' * self.position}^"


class QueryTimeoutError(UserError):
    """A query was stopped because its time was over.

    Attributes:
        timeout_s: the seconds it was given, waiting included.
    """

    code = "TIMEOUT"

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"The query was stopped after {self.timeout_s:g} s. Ask for less, or give it more time with `timeout`."


class OverloadedError(UserError):
    """Too many queries at once: this one was not started.

    Attributes:
        limit: how many queries may run and wait together.
        retry_after_s: when trying again makes sense.
    """

    code = "OVERLOADED"
    retryable = True

    def __init__(self, limit: int, retry_after_s: float = 1.0) -> None:
        super().__init__()
        self.limit = limit
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return (
            f"{self.limit} queries are already running or waiting"
            " (`database.pool-size` and `database.queue-size`). Try again later."
        )


class TooManyStreamsError(OverloadedError):
    """Too many answers are being read row by row at once: this one was not begun."""

    def __str__(self) -> str:
        return f"{self.limit} answers are being streamed already (`database.max-streams`). Try again later."


class TooManyCommitsError(OverloadedError):
    """As many commits wait for their turn as may: this one was not begun."""

    def __str__(self) -> str:
        return f"{self.limit} commits are already running or waiting (`database.commit-queue-size`). Try again later."


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with one row, or with a column of all rows.

    Args:
        row: the row's number, from 1; 0 when all of them are meant.
        column: the column's name, empty when the row as a whole is meant.
        reason: what is wrong, without the place.
        near: the columns that were probably meant.
    """

    row: int
    column: str
    reason: str
    near: tuple[str, ...] = ()

    code: ClassVar[str] = "INVALID_ROWS"

    @property
    def field(self) -> str:
        """The place in the list of rows, counted from 0 as lists are: ``rows[2].price``."""
        return path_text([part for part in ("rows", self.row - 1 if self.row else "", self.column) if part != ""])

    @property
    def detail(self) -> str:
        """The sentence."""
        row = f"row {self.row}" if self.row else ""
        column = f"column {self.column!r}" if self.column else ""
        hint = f" {did_you_mean(self.near)}?" if self.near else ""
        return f"{', '.join(part for part in (row, column) if part) or 'rows'}: {self.reason}.{hint}"

    def __str__(self) -> str:
        return self.detail


class InvalidRowsError(UserError):
    """Rows do not fit the table they are meant for; none of them was taken.

    Attributes:
        table: the table's name.
        problems: what is wrong, in the order of the rows; of many only the first.
    """

    code = "INVALID_ROWS"

    def __init__(self, table: str, problems: Sequence[RowProblem]) -> None:
        super().__init__()
        self.table = table
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"Table {self.table!r} took no rows:\n" + "\n".join(str(problem) for problem in self.problems)


class TooManyRejectedError(InvalidRowsError):
    """More rows do not fit than one commit may reject; none was taken.

    Attributes:
        limit: how many it may reject.
    """

    def __init__(self, table: str, limit: int) -> None:
        reason = f"more than {limit:,} rows do not fit, too many to reject (`database.rejects.max-rows`)"
        super().__init__(table, [RowProblem(0, "", reason)])
        self.limit = limit


class RejectsFullError(UserError):
    """The files of rejected rows have no room for more; nothing was changed.

    Attributes:
        folder: where they are.
        limit_bytes: how large they may be together.
    """

    code = "TOO_LARGE"

    def __init__(self, folder: str, limit_bytes: int) -> None:
        super().__init__()
        self.folder = folder
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return (
            f"The files of rejected rows would hold more than {self.limit_bytes:,} bytes (`database.rejects.max-size`)."
            f" Remove those from {self.folder} that are mended."
        )


class UnknownTableError(NoSuchNameError):
    """There is no table of that name."""

    code = "UNKNOWN_TABLE"
    kind = "table"


class NoSuchBranchError(NoSuchNameError):
    """There is no branch of that name."""

    code = "UNKNOWN_BRANCH"
    kind = "branch"
    field = "branch"


class BranchConflictError(UserError):
    """A branch, or what it is laid over, is not what it was thought to be; nothing was changed.

    Attributes:
        name: the branch.
        reason: what is in the way, and what to do.
    """

    code = "CONFLICT"
    field = "branch"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__()
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"Branch {self.name!r}: {self.reason}."


class BranchExistsError(BranchConflictError):
    """There is a branch of that name already."""

    code = "ALREADY_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(name, "there is one of that name already")


class VersionGoneError(UserError):
    """A version is not kept any more, or never was.

    Attributes:
        version: the one asked for.
        newest: the one that can always be read.
    """

    code = "UNKNOWN_VERSION"
    field = "version"

    def __init__(self, version: int, newest: int) -> None:
        super().__init__()
        self.version = version
        self.newest = newest

    def __str__(self) -> str:
        return f"Version {self.version} is not kept; the newest is {self.newest} (`database.versions.keep`)."


class ResultTooLargeError(UserError):
    """An answer is larger than allowed; no part of it is returned.

    Attributes:
        limit: the largest number of rows, None when the memory was too small.
    """

    code = "TOO_LARGE"

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self.limit = limit

    def __str__(self) -> str:
        if self.limit is None:
            return "The query needs more memory than `database.memory-limit` allows. Ask for less."
        return f"The answer holds more than {self.limit:,} rows. Filter it, or set `limit`."


class DatabaseError(FrameworkError):
    """The database cannot do what it must; the text is the engine's own.

    Attributes:
        path: the database file, or ``:memory:``.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__()
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"Database {self.path}: {self.reason}"


class DatabaseLockedError(DatabaseError):
    """Another process, or another application of this one, has the database file open; one may at a time.

    Attributes:
        owner: who has it, None when the engine does not say.
    """

    def __init__(self, path: str, owner: str | None) -> None:
        super().__init__(path, f"the file is in use by {owner or 'another process'}")
        self.owner = owner


EngineErrorKind = Literal["binding", "value", "interrupted", "other"]


class EngineError(DatabaseError):
    """A statement failed inside the engine.

    Attributes:
        kind: ``binding``: a name or type does not fit; ``value``: a value does not fit its type, or overflowed;
            ``interrupted``: it was stopped; ``other``.
    """

    def __init__(self, path: str, reason: str, kind: EngineErrorKind) -> None:
        super().__init__(path, reason)
        self.kind = kind
