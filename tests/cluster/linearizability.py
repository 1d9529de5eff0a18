"""Whether what clients saw of one entry can be explained by an order in which everything happened at one moment each.

The search of Wing and Gong, remembering which sets of operations were placed and what the entry was then (Lowe). Values
are unique in a history, so a compare-and-set of unknown outcome fits in at most one place and costs little.

>>> history = [Operation(0, 1, Write(None, "a")), Operation(2, 3, Read("a")), Operation(2, 3, Write("a", "b"))]
>>> explained(history)
True
>>> explained([*history, Operation(4, 5, Read("a"))])
False
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

NEVER = math.inf
STATES_MAX = 2_000_000

Value = str | None
"""Of an entry; None while there is none."""


@dataclass(frozen=True, slots=True)
class Read:
    """A read that returned a value."""

    value: Value


@dataclass(frozen=True, slots=True)
class Write:
    """A write over an expected value: creation over None, deletion to None."""

    expected: Value
    value: Value


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client did.

    Args:
        called: when it began.
        returned: when it was answered; `NEVER` for a write of which nobody knows whether it happened.
        act: what it was.
    """

    called: float
    returned: float
    act: Read | Write


class TooHardError(Exception):
    """The search was given up."""


def explained(history: Sequence[Operation], initial: Value = None) -> bool:
    """Whether there is such an order; operations that never returned may have happened or not.

    Raises:
        TooHardError: more than `STATES_MAX` states were looked at.
    """
    operations = sorted(history, key=lambda operation: operation.called)
    every = sum(1 << at for at, operation in enumerate(operations) if operation.returned < NEVER)
    seen: set[tuple[int, Value]] = set()
    stack: list[tuple[int, Value]] = [(0, initial)]
    while stack:
        placed, value = stack.pop()
        if placed & every == every:
            return True
        if (placed, value) in seen:
            continue
        seen.add((placed, value))
        if len(seen) > STATES_MAX:
            raise TooHardError(f"{len(operations)} operations")
        stack.extend(_next(operations, placed, value))
    return False


def _next(operations: Sequence[Operation], placed: int, value: Value) -> list[tuple[int, Value]]:
    """What can have happened next: nothing that was called after something else, still unplaced, had returned."""
    waiting = [at for at in range(len(operations)) if not placed >> at & 1]
    first_return = min(operations[at].returned for at in waiting)
    found = []
    for at in waiting:
        if operations[at].called > first_return:
            break
        match operations[at].act:
            case Read(seen) if seen == value:
                found.append((placed | 1 << at, value))
            case Write(expected, written) if expected == value:
                found.append((placed | 1 << at, written))
    return found
