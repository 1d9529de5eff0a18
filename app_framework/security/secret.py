"""The secret that the nodes of one cluster share: keys are derived from it, it never travels.

>>> ours = ClusterSecret(b"correct horse battery staple")
>>> proof = ours.proof("cluster/peer", b'{"node":"b"}')
>>> ours.verify("cluster/peer", b'{"node":"b"}', proof), ours.verify("cluster/peer", b'{"node":"c"}', proof)
(True, False)
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode

from app_framework.security.errors import SecretTooShortError

SECRET_BYTES_MIN = 16
"""A shorter one can be tried out by whoever sees a single proof."""

DERIVED_BYTES_MAX = 255 * 32
"""What HKDF over SHA-256 gives at most (RFC 5869)."""

_SALT = b"app-framework/cluster/1"
"""Public, fixed: it separates these keys from those that other programs derive from the same secret."""


class ClusterSecret:
    """What makes a node one of the cluster.

    Each purpose has a key of its own (HKDF-SHA256), so that knowing one, a NATS password in a server's file, say,
    tells nothing about the others. Two secrets are equal when their bytes are.

    A proof says "whoever wrote this payload holds the secret", nothing about when: put into the payload what makes
    it fresh, such as the other side's nonce and both names.

    Args:
        secret: at least 16 bytes; a text counts as UTF-8, without the white space around it.
        name: what it is called where a person set it, for the error.

    Raises:
        SecretTooShortError: it could be guessed.
    """

    __slots__ = ("_prk",)

    def __init__(self, secret: str | bytes, *, name: str = "cluster.secret") -> None:
        raw = secret.strip().encode() if isinstance(secret, str) else bytes(secret)
        if len(raw) < SECRET_BYTES_MIN:
            raise SecretTooShortError(name, len(raw), SECRET_BYTES_MIN)
        self._prk = hmac.digest(_SALT, raw, "sha256")

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """Return the key of a purpose, the same on every node.

        Args:
            purpose: a name for what the key is for, such as ``nats/routes``; not empty.
            length: how many bytes.

        Raises:
            ValueError: the purpose is empty or the length cannot be derived.
        """
        if not purpose or not 0 < length <= DERIVED_BYTES_MAX:
            raise ValueError(f"a key needs a purpose and a length from 1 to {DERIVED_BYTES_MAX}")
        block, derived, counter = b"", b"", 1
        while len(derived) < length:
            block = hmac.digest(self._prk, block + purpose.encode() + bytes([counter]), "sha256")
            derived += block
            counter += 1
        return derived[:length]

    def proof(self, purpose: str, payload: bytes) -> str:
        """Return what shows that the sender of a payload holds the secret: an HMAC under the purpose's key.

        The text is safe in headers and in JSON.
        """
        return _text(hmac.digest(self._proof_key(purpose), payload, "sha256"))

    def verify(self, purpose: str, payload: bytes, proof: str) -> bool:
        """Tell whether a proof is that of a payload; takes as long for a wrong one as for a right one."""
        return hmac.compare_digest(self.proof(purpose, payload).encode(), proof.encode("utf-8", "replace"))

    def _proof_key(self, purpose: str) -> bytes:
        """Not the key that `derive` gives out, so that nobody who was given that one can make proofs."""
        return self.derive(f"proof/{purpose}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterSecret) and hmac.compare_digest(self._prk, other._prk)

    def __hash__(self) -> int:
        return hash(hashlib.sha256(self._prk).digest())

    def __repr__(self) -> str:
        return "<ClusterSecret>"


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
