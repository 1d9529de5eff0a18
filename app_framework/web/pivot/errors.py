"""What a pivot cannot show.

UserError
├── PivotError           INVALID_QUERY, its sentence is shown above the pivot
│   └── PivotTooLargeError   TOO_LARGE
└── TooManyPivotsError   OVERLOADED
"""

from __future__ import annotations

from app_framework.errors import UserError


class PivotError(UserError):
    """What the reader put together has no answer."""

    code = "INVALID_QUERY"


class PivotTooLargeError(PivotError):
    """A pivot has more cells or columns than one may have.

    Attributes:
        what: ``cells`` or ``columns``.
        most: how many are allowed.
    """

    code = "TOO_LARGE"

    def __init__(self, what: str, most: int) -> None:
        super().__init__()
        self.what = what
        self.most = most

    def __str__(self) -> str:
        setting = f"studio.max-{self.what}"
        return f"This pivot has more than {self.most:,} {self.what} ({setting}). Filter it, or group by less."


class TooManyPivotsError(UserError):
    """As many browser windows look at pivots as may.

    Attributes:
        limit: the bound.
    """

    code = "OVERLOADED"
    retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.limit} pivots are open already (studio.max-connections)."
