"""What can go wrong with credentials and secrets; no error ever holds one.

UserError
├── UnauthenticatedError    UNAUTHENTICATED: no credentials, or wrong ones
├── ForbiddenError          FORBIDDEN: known, but without the role that is needed
├── InvalidHashError        what stands where a hash is expected is none
├── InvalidPasswordError    a password that cannot be one: empty, too long
└── SecretTooShortError     a secret that could be guessed
ServiceUnavailableError
└── TooManyAttemptsError    OVERLOADED: more credentials wait to be checked than may be
"""

from __future__ import annotations

from collections.abc import Collection

from app_framework.errors import ServiceUnavailableError, UserError


class UnauthenticatedError(UserError):
    """A request without credentials, or with wrong ones; whether the name or the password is wrong is not told.

    Attributes:
        reason: ``no credentials``, ``wrong name or password`` ….
        name: for the audit: who it claims to be, where there is such a user; else empty, for what was written in
            the place of the name may be a password.
    """

    code = "UNAUTHENTICATED"
    field = "Authorization"

    def __init__(self, reason: str, name: str = "") -> None:
        self.reason = reason
        self.name = name
        super().__init__(reason)

    def __str__(self) -> str:
        return f"{self.reason}; send the name and password of a user (Basic) or a token (Bearer)"


class ForbiddenError(UserError):
    """A known user without the role that a door needs.

    Attributes:
        name: the user's or token's.
        needs: the role that is missing.
        roles: those that it has.
        door: the method and the path.
    """

    code = "FORBIDDEN"
    field = "Authorization"

    def __init__(self, name: str, needs: str, roles: Collection[str], door: str) -> None:
        self.name = name
        self.needs = needs
        self.roles = tuple(sorted(roles))
        self.door = door
        super().__init__(name, needs, self.roles, door)

    def __str__(self) -> str:
        has = f"has {', '.join(self.roles)}" if self.roles else "has none"
        return f"{self.door} needs the role {self.needs!r}, and {self.name!r} {has}"


class InvalidHashError(UserError):
    """What stands where the hash of a password is expected cannot be one.

    Attributes:
        reason: what is wrong with it; never the hash itself.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"the password hash cannot be read: {self.reason}. Make a new one with: af security hash"


class InvalidPasswordError(UserError):
    """What was given cannot be a password.

    Attributes:
        reason: what is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"that cannot be a password: {self.reason}"


class SecretTooShortError(UserError):
    """A secret that is short enough to be guessed.

    Attributes:
        what: which one: ``cluster.secret``.
        length: how many bytes it has.
        minimum: how many it needs.
    """

    def __init__(self, what: str, length: int, minimum: int) -> None:
        self.what = what
        self.length = length
        self.minimum = minimum
        super().__init__(what, length, minimum)

    def __str__(self) -> str:
        return (
            f"{self.what} has {self.length} bytes, at least {self.minimum} are needed; "
            "make one with `af security secret` and give it to every node through the environment"
        )


class TooManyAttemptsError(ServiceUnavailableError):
    """As many credentials as may wait are waiting to be checked.

    Attributes:
        limit: the bound.
    """

    code = "OVERLOADED"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(limit)

    def __str__(self) -> str:
        return f"{self.limit} passwords are being checked or wait for it (security.max-checks); try again"
