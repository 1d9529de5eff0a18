"""What a test does to the network between its nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Protocol, TypedDict

from app_framework.messaging.memory import ANY_NODE, MemoryNetwork


class Named(Protocol):
    """Something with the name of a node."""

    @property
    def name(self) -> str:
        """The name."""


class _Faults(TypedDict, total=False):
    delay_s: float | tuple[float, float]
    drop: float
    duplicate: float
    reorder: float


class NetworkFaults(ABC):
    """Holds, delays, drops, duplicates and reorders messages, and cuts the network.

    Every fault is between a node and another one, or all others where that is left out.

    Args:
        network: where it happens.

    Attributes:
        network: where it happens.
    """

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self._held: set[str] = set()
        self._rules: dict[tuple[str, str], _Faults] = {}

    def hold(self, node: Named | str, other: Named | str | None = None, *, one_way: bool = False) -> None:
        """Let messages wait until `release`; what is held when a node is killed is lost.

        Args:
            node: one end.
            other: the other end.
            one_way: only what `node` sends.
        """
        name = self._known(node)
        if other is None:
            self._held.add(name)
        for each in self._others(name, other):
            self.network.hold(name, each, one_way=one_way)

    def release(self, node: Named | str, other: Named | str | None = None) -> None:
        """Let messages go on, those that waited first and in their order."""
        name = self._known(node)
        if other is None:
            self._held.discard(name)
        for each in self._others(name, other):
            self.network.release(name, each)

    def delay(self, node: Named | str, seconds: float | tuple[float, float], other: Named | str | None = None) -> None:
        """Let messages be under way for so long, or for a time drawn from a pair; 0 ends it."""
        self._rule(node, other, {"delay_s": seconds})

    def drop(self, node: Named | str, share: float = 1.0, other: Named | str | None = None) -> None:
        """Lose a share of the messages without a word; 0 ends it."""
        self._rule(node, other, {"drop": share})

    def duplicate(self, node: Named | str, share: float = 1.0, other: Named | str | None = None) -> None:
        """Let a share of the messages arrive twice; 0 ends it."""
        self._rule(node, other, {"duplicate": share})

    def reorder(self, node: Named | str, share: float = 1.0, other: Named | str | None = None) -> None:
        """Let a share of the messages be overtaken by later ones; 0 ends it."""
        self._rule(node, other, {"reorder": share})

    def split(self, *groups: Collection[Named | str], silent: bool = False) -> None:
        """Cut the network: only nodes of the same group hear each other; those in no group are one more.

        Args:
            groups: of nodes.
            silent: whether nobody notices, so that a question across waits for its deadline.
        """
        self.network.split(*([self._known(node) for node in group] for group in groups), silent=silent)

    def heal(self) -> None:
        """Undo `split`, and every other fault; what is held goes on."""
        self.network.heal()
        for name in tuple(self._held):
            self.release(name)
        for a, b in self._rules:
            self.network.faults(a, b)
        self._rules.clear()

    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """Return the names of all nodes that are there."""

    @abstractmethod
    def _known(self, node: Named | str) -> str:
        """Return the name of a node that is there."""

    def _others(self, name: str, other: Named | str | None) -> tuple[str, ...]:
        return tuple(each for each in self._names() if each != name) if other is None else (self._known(other),)

    def _rule(self, node: Named | str, other: Named | str | None, faults: _Faults) -> None:
        ends = (self._known(node), ANY_NODE if other is None else self._known(other))
        rule = self._rules.setdefault(ends, {})
        rule.update(faults)
        self.network.faults(*ends, **rule)

    def _join_faults(self, name: str) -> None:
        """Let a new node find those faults that are between a node and all others."""
        for held in self._held:
            self.network.hold(held, name)
