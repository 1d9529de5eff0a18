"""The users and tokens of a node, and the check of what a request says it is.

>>> known = Credentials(users=[User("ana", PasswordHash.of("open sesame"), ("reader",))])
>>> asyncio.run(known.authenticate(b"Basic " + base64.b64encode(b"ana:open sesame")))
Principal(name='ana', roles=frozenset({'reader'}))
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from app_framework.security.authenticator import Authenticator
from app_framework.security.errors import TooManyAttemptsError, UnauthenticatedError
from app_framework.security.password import PASSWORD_BYTES_MAX, STRONG, PasswordHash
from app_framework.security.principal import Principal

CACHE_MAX = 1024
"""How many verified credentials are remembered; the one not seen for the longest time is forgotten first."""

CHECKS_MAX = 32
"""How many passwords may be under check or wait for it."""

WORKERS = 2
"""How many are checked at a time: each takes a core for up to 0.2 s."""

AUTHORIZATION_BYTES_MAX = 4 * PASSWORD_BYTES_MAX
"""A longer header holds no credentials of ours."""

NO_CREDENTIALS = "no credentials"
WRONG = "wrong name or password"
WRONG_TOKEN = "unknown token"  # noqa: S105
UNREADABLE = "credentials that cannot be read"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password.

    Args:
        name: without a colon, which Basic cannot carry.
        password: what is kept of it.
        roles: reader, writer or admin.
    """

    name: str
    password: PasswordHash
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A program with a token.

    Args:
        name: what the audit calls it.
        token: long and random.
        roles: reader, writer or admin.
    """

    name: str
    token: str = field(repr=False)
    roles: tuple[str, ...]


class Credentials(Authenticator):
    """Checks Basic and bearer credentials.

    A password is hard to check on purpose, so what was right once is remembered by a digest under a key of this
    process, and found again in microseconds; what was wrong is not remembered. The hard work is done by two threads
    and a bounded queue, so that a storm of guesses leaves the node to those it knows. A name that is unknown costs
    what a known one costs. Secrets are compared by such digests only, whose likeness says nothing about theirs.

    Args:
        users: who logs in with a password.
        tokens: who sends a token.
        cache_max: how many verified credentials are remembered.
        checks_max: how many may be under check or wait for it.
    """

    def __init__(
        self,
        users: Iterable[User] = (),
        tokens: Iterable[Token] = (),
        *,
        cache_max: int = CACHE_MAX,
        checks_max: int = CHECKS_MAX,
    ) -> None:
        self._key = secrets.token_bytes(32)
        self._users = {user.name: user for user in users}
        self._tokens = {self._digest(token.token.encode()): _token_principal(token) for token in tokens}
        costs = [user.password.cost for user in self._users.values()] or [STRONG]
        self._decoys = tuple(PasswordHash.decoy(cost) for cost in costs)
        self._cache_max = cache_max
        self._checks_max = checks_max
        self._verified: OrderedDict[bytes, Principal] = OrderedDict()
        self._checking: dict[bytes, Future[Principal | None]] = {}
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="check-password")

    async def authenticate(self, authorization: bytes) -> Principal:
        """Return who it is.

        Raises:
            UnauthenticatedError: wrong, unreadable or of an unknown kind.
            TooManyAttemptsError: as many as may be are under check.
        """
        if len(authorization) > AUTHORIZATION_BYTES_MAX:
            raise UnauthenticatedError(UNREADABLE)
        scheme, _, rest = authorization.partition(b" ")
        kind = scheme.lower()
        if kind == b"bearer":
            return self._of_token(rest.strip())
        if kind == b"basic":
            return await self._of_password(rest.strip())
        raise UnauthenticatedError(UNREADABLE)

    def close(self) -> None:
        """Forget what waits for its check, and end the threads."""
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _of_token(self, token: bytes) -> Principal:
        principal = self._tokens.get(self._digest(token))
        if principal is None:
            raise UnauthenticatedError(WRONG_TOKEN)
        return principal

    async def _of_password(self, encoded: bytes) -> Principal:
        digest = self._digest(encoded)
        found = self._remembered(digest)
        if found is None:
            name, password = _name_and_password(encoded)
            found = await self._checked(digest, name, password)
            if found is None:
                raise UnauthenticatedError(WRONG, name if name in self._users else "")
        return found

    def _remembered(self, digest: bytes) -> Principal | None:
        with self._lock:
            found = self._verified.get(digest)
            if found is not None:
                self._verified.move_to_end(digest)
            return found

    async def _checked(self, digest: bytes, name: str, password: str) -> Principal | None:
        """Check once what several requests bring at the same time: a browser opens with six of them."""
        with self._lock:
            check = self._checking.get(digest)
            if check is None:
                if len(self._checking) >= self._checks_max:
                    raise TooManyAttemptsError(self._checks_max)
                check = self._workers.submit(self._check, digest, name, password)
                self._checking[digest] = check
        # A request that is given up does not take the check from the others.
        return await asyncio.shield(asyncio.wrap_future(check))

    def _check(self, digest: bytes, name: str, password: str) -> Principal | None:
        try:
            user = self._users.get(name)
            right = (user.password if user else self._decoy(name)).matches(password)
            principal = Principal.of(user.name, user.roles) if user and right else None
            if principal is not None:
                self._remember(digest, principal)
            return principal
        finally:
            with self._lock:
                self._checking.pop(digest, None)

    def _remember(self, digest: bytes, principal: Principal) -> None:
        with self._lock:
            self._verified[digest] = principal
            while len(self._verified) > self._cache_max:
                self._verified.popitem(last=False)

    def _decoy(self, name: str) -> PasswordHash:
        """The hash that an unknown name is checked against: always the same one, as dear as that of some user."""
        number = int.from_bytes(self._digest(name.encode("utf-8", "surrogateescape"))[:4])
        return self._decoys[number % len(self._decoys)]

    def _digest(self, raw: bytes) -> bytes:
        return hmac.digest(self._key, raw, "sha256")

    def __repr__(self) -> str:
        return f"<Credentials of {len(self._users)} users and {len(self._tokens)} tokens>"


def _name_and_password(encoded: bytes) -> tuple[str, str]:
    """Read what Basic carries (RFC 7617): UTF-8, or Latin-1 where it cannot be that."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise UnauthenticatedError(UNREADABLE) from None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    name, colon, password = text.partition(":")
    if not colon:
        raise UnauthenticatedError(UNREADABLE)
    return name, password


def _token_principal(token: Token) -> Principal:
    return Principal.of(token.name, token.roles)
