"""The users of our own nats-servers: who may send messages, who may administer, who may be a route.

Their passwords come from one key, so the nodes that share the key can talk, and nobody else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

KEY_BYTES_MIN = 16

_SALT = b"app-framework nats credentials 1"
_WORD = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class NatsUser:
    """A name and its password; the password appears in no text.

    >>> NatsUser("app", "hidden")
    NatsUser(name='app')
    """

    name: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        # Both stand in the URLs of routes, where any other character would have to be escaped.
        if not _WORD.match(self.name) or not _WORD.match(self.password):
            raise ValueError("a NATS user and its password are words of letters, digits, '-' and '_'")


@dataclass(frozen=True, slots=True)
class NatsCredentials:
    """The three users of every server of one cluster.

    >>> NatsCredentials.derive(b"a secret of the cluster") == NatsCredentials.derive(b"a secret of the cluster")
    True

    Args:
        app: sends and receives messages, and uses JetStream.
        system: administers servers (the account ``$SYS``).
        route: what a server shows to another one.
    """

    app: NatsUser
    system: NatsUser
    route: NatsUser

    @classmethod
    def derive(cls, key: bytes) -> NatsCredentials:
        """Return the credentials that belong to a key; nothing about the key can be learned from them.

        Raises:
            ValueError: the key is too short to be one.
        """
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(f"the key has {len(key)} bytes, at least {KEY_BYTES_MIN} are needed")
        return cls(*(NatsUser(name, _password(key, name)) for name in ("app", "sys", "route")))

    @classmethod
    def generate(cls) -> NatsCredentials:
        """Return credentials that nobody else has."""
        return cls.derive(secrets.token_bytes(32))


def _password(key: bytes, purpose: str) -> str:
    """HKDF-SHA256 (RFC 5869) with one block of output, in letters that need no quotes."""
    pseudorandom = hmac.digest(_SALT, key, hashlib.sha256)
    block = hmac.digest(pseudorandom, purpose.encode() + b"\x01", hashlib.sha256)
    return base64.urlsafe_b64encode(block).decode().rstrip("=")
