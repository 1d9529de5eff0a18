"""The messengers of a node by name, so that a cube's definition may choose one (A6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from app_framework.errors import UserError, did_you_mean, near_matches
from app_framework.messaging.messenger import Messenger

ALIASES: Mapping[str, str] = MappingProxyType({"netty": "nats", "local": "in-memory", "memory": "in-memory"})
"""Names of other products' messengers: Atoti's Netty messenger is NATS with direct streams, its local one is memory."""


class UnknownMessengerError(UserError):
    """The node has no messenger of that name.

    Attributes:
        name: as it was asked for.
        known: the names that it has.
        near: those of them that were probably meant.
    """

    code = "NOT_FOUND"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        self.name = name
        self.known = known
        self.near = near_matches(name, (*known, *ALIASES))
        super().__init__(name, known)

    def __str__(self) -> str:
        wanted = ALIASES.get(self.name, self.name)
        if wanted == "nats":
            return "this node has no NATS messenger: set messaging.type: nats, or give the node a cluster"
        hint = did_you_mean(self.near)
        return f"this node has no messenger {self.name!r}; it has {', '.join(self.known)}" + (
            f". {hint}" if hint else ""
        )


class Messengers:
    """All messengers of one node; each is known by its protocol, ``in-memory`` or ``nats``.

    Args:
        messengers: one for each protocol; the first is the default unless told otherwise.
        default: the name of the default.

    Raises:
        UnknownMessengerError: the default is none of them.
    """

    def __init__(self, *messengers: Messenger, default: str = "") -> None:
        if not messengers:
            raise ValueError("a node has at least one messenger")
        self._by_name = {messenger.protocol: messenger for messenger in messengers}
        self.default = self.get(default or messengers[0].protocol)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the messengers that are there."""
        return tuple(self._by_name)

    def get(self, name: str = "") -> Messenger:
        """Return the messenger of a name or alias, in any case; the default for none.

        Raises:
            UnknownMessengerError: there is none.
        """
        if not name:
            return self.default
        wanted = name.strip().lower().replace("_", "-")
        messenger = self._by_name.get(ALIASES.get(wanted, wanted))
        if messenger is None:
            raise UnknownMessengerError(wanted, self.names)
        return messenger

    def __iter__(self) -> Iterator[Messenger]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"<Messengers {', '.join(self._by_name)}; default {self.default.protocol}>"
