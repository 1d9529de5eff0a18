"""Passwords as they are kept: as scrypt hashes that say themselves how they were made.

>>> kept = PasswordHash.of("open sesame", QUICK)
>>> str(kept).split(":")[:4]
['scrypt', '16384', '8', '1']
>>> PasswordHash.parse(str(kept)).matches("open sesame"), kept.matches("open barley")
(True, False)
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from app_framework.security.errors import InvalidHashError, InvalidPasswordError

SCHEME = "scrypt"
PASSWORD_BYTES_MAX = 1024
"""A longer one is not a password."""

MEMORY_BYTES_MAX = 256 << 20
"""What checking one password may take, whatever a hash asks for."""

WORK_MAX = 1 << 23
"""N · r · p of the dearest hash that is taken: some seconds."""

_SALT_BYTES = 16
_HASH_BYTES = 32
_SLACK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What it costs to try one password (RFC 7914).

    Args:
        n: the number of iterations, a power of two.
        r: the size of a block; memory is 128 · n · r bytes.
        p: how often it is all done.
    """

    n: int
    r: int
    p: int

    @property
    def memory_bytes(self) -> int:
        """What one check holds."""
        return 128 * self.r * (self.n + self.p + 2)


STRONG = Cost(1 << 15, 8, 3)
"""For hashes in files, which somebody may carry away: 32 MB and about 0.2 s, as OWASP recommends."""

QUICK = Cost(1 << 14, 8, 1)
"""For passwords that came in plain and are hashed in memory at start: 16 MB and about 0.04 s."""


@dataclass(frozen=True, slots=True, repr=False)
class PasswordHash:
    """What is kept of a password; written ``scrypt:N:r:p:SALT:HASH``, safe in YAML and in variables.

    Args:
        cost: how it was made.
        salt: random, its own for each password.
        digest: what scrypt made of password and salt.
    """

    cost: Cost
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str, cost: Cost = STRONG) -> PasswordHash:
        """Return the hash of a password under a new salt.

        Raises:
            InvalidPasswordError: it is empty, too long, or holds a NUL.
        """
        salt = secrets.token_bytes(_SALT_BYTES)
        return cls(cost, salt, _scrypt(check_password(password), salt, cost, _HASH_BYTES))

    @classmethod
    def decoy(cls, cost: Cost) -> PasswordHash:
        """Return a hash that no password has, and that takes as long to find out."""
        return cls(cost, secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_HASH_BYTES))

    @classmethod
    def parse(cls, text: str) -> PasswordHash:
        """Read what `str` wrote.

        Raises:
            InvalidHashError: it is damaged, or asks for more than a check may cost.
        """
        scheme, *fields = text.strip().split(":")
        if scheme != SCHEME or len(fields) != 5:
            raise InvalidHashError(f"it is not of the form {SCHEME}:N:r:p:SALT:HASH")
        salt, digest = _decoded(fields[3], "salt"), _decoded(fields[4], "hash")
        if not 8 <= len(salt) <= 64 or not 16 <= len(digest) <= 64:
            raise InvalidHashError("the salt or the hash is too short or too long")
        return cls(_cost(fields[:3]), salt, digest)

    def matches(self, password: str) -> bool:
        """Tell whether a password is the one; takes as long when it is not. It is work: do it in a thread."""
        raw = _bytes(password)
        if len(raw) > PASSWORD_BYTES_MAX or b"\0" in raw:
            return False
        return hmac.compare_digest(_scrypt(raw, self.salt, self.cost, len(self.digest)), self.digest)

    def __str__(self) -> str:
        cost = f"{self.cost.n}:{self.cost.r}:{self.cost.p}"
        return f"{SCHEME}:{cost}:{_encoded(self.salt)}:{_encoded(self.digest)}"

    def __repr__(self) -> str:
        return f"<PasswordHash {SCHEME} {self.cost.n}:{self.cost.r}:{self.cost.p}>"


def is_hash(text: str) -> bool:
    """Tell whether a text says that it is a hash and not a password.

    >>> is_hash("scrypt:16384:8:1:…"), is_hash("scrypted")
    (True, False)
    """
    return text.lstrip().startswith(f"{SCHEME}:")


def check_password(password: str) -> bytes:
    """Return a password as it is hashed.

    Raises:
        InvalidPasswordError: it is empty, too long, or holds a NUL.
    """
    raw = _bytes(password)
    if not raw:
        raise InvalidPasswordError("it is empty")
    if b"\0" in raw:
        raise InvalidPasswordError("it holds a NUL character")  # scrypt does not see those at the end
    if len(raw) > PASSWORD_BYTES_MAX:
        raise InvalidPasswordError(f"it has more than {PASSWORD_BYTES_MAX} bytes")
    return raw


def _bytes(password: str) -> bytes:
    """One spelling for what looks the same on two keyboards (RFC 7617 asks for it)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogateescape")


def _scrypt(password: bytes, salt: bytes, cost: Cost, length: int) -> bytes:
    memory = cost.memory_bytes + _SLACK_BYTES
    return hashlib.scrypt(password, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=length)


def _cost(fields: list[str]) -> Cost:
    if not all(field.isascii() and field.isdigit() and len(field) < 9 for field in fields):
        raise InvalidHashError("N, r and p must be numbers")
    cost = Cost(*map(int, fields))
    if cost.n < 2 or cost.n & (cost.n - 1) or not cost.r or not cost.p:
        raise InvalidHashError("N must be a power of two, r and p at least 1")
    if cost.memory_bytes > MEMORY_BYTES_MAX or cost.n * cost.r * cost.p > WORK_MAX:
        raise InvalidHashError(f"a check would need more than {MEMORY_BYTES_MAX >> 20} MiB or some seconds")
    return cost


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str, what: str) -> bytes:
    try:
        return urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}".encode("ascii"))
    except ValueError:
        raise InvalidHashError(f"its {what} is damaged") from None
