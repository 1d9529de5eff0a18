"""What travels on every message of a node beside its contents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class HeaderExchange(Protocol):
    """A component that puts headers on all messages of its node, and sees those of all that arrive.

    The cluster's epoch travels so. Both are called for every message: they take a microsecond and never wait.
    """

    def stamp(self) -> Mapping[str, str]:
        """Return the headers to put on an outgoing message."""

    def heard(self, headers: Mapping[str, str]) -> None:
        """See the headers of an incoming one."""
