"""What one write to the stream is about, and what its refusal means."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import blake2b

from app_framework.cluster.errors import ConflictError, EntryExistsError, UnknownOutcomeError
from app_framework.cluster.jetstream_api import Stored


@dataclass(slots=True)
class WriteCall:
    """One write that somebody wants.

    Args:
        key: of the entry.
        expected: the revision that the caller gave; 0 when there must be none.
        operation: the id by which the stream knows the call again.
        last: what the subject must be at: `expected`, or the mark of a deletion when there must be no entry.
        is_doubtful: whether an attempt went unanswered.
    """

    key: str
    expected: int
    operation: str
    last: int
    is_doubtful: bool = False

    def failure(self, otherwise: Exception) -> Exception:
        """Say that nothing was written only when that is known."""
        return UnknownOutcomeError(self.key) if self.is_doubtful else otherwise

    def agrees_with(self, found: Stored | None) -> bool:
        """Whether the entry is as the caller thinks it is."""
        gone = found is None or found.is_deletion
        return gone if self.expected == 0 else found is not None and not gone and found.revision == self.expected

    def conflict(self, found: Stored | None) -> ConflictError:
        """Say how it is."""
        if self.expected == 0:
            return EntryExistsError(self.key, found.revision if found else None)
        gone = found is None or found.is_deletion
        return ConflictError(self.key, self.expected, None if gone or found is None else found.revision)


def operation_id(action: str, key: str, expected: int, op_id: str) -> str:
    """Return the id by which the stream knows a call again.

    Another action, key or revision under the same `op_id` is another call. Without one only this call's own attempts
    are the same.
    """
    text = f"{action} {key} {expected} {op_id or secrets.token_hex(16)}"
    return blake2b(text.encode(), digest_size=8).hexdigest()
