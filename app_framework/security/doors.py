"""Which role each door of a node needs: one table, from the method and the path.

>>> doors = Doors()
>>> str(doors.needs("GET", "/cubes")), str(doors.needs("DELETE", "/tables/orders/entries/7"))
('reader', 'writer')
>>> doors.needs("GET", "/actuator/health") is ANYONE
True
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, TypeAlias

from app_framework.security.principal import Role


class Nobody(Enum):
    """What a door needs that is open to whoever comes."""

    ANYONE = "anyone"


ANYONE: Final = Nobody.ANYONE
Needs: TypeAlias = Role | Literal[Nobody.ANYONE]

READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
WEBSOCKET = "WEBSOCKET"
"""What stands for the method of a WebSocket."""

_STEPS = {"*": "/[^/]+", "**": "(/.*)?"}
_PATTERN = re.compile(r"(/|(/[^/*]+|/\*)*(/\*\*)?)\Z")

PATH_FORM = "write /steps/like/this, with * for any one step and /** at the end for any number of them"


@dataclass(frozen=True, slots=True)
class Door:
    """What one kind of path needs.

    Args:
        path: ``*`` stands for one step of it, ``**`` at the end for any number, none too.
        needs: the role, or anyone.
        methods: of the requests that it is about; all when empty.

    Raises:
        ValueError: the path cannot be one.
    """

    path: str
    needs: Needs
    methods: frozenset[str] = frozenset()
    _matches: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_path(self.path):
            raise ValueError(f"{self.path!r} is not a path: {PATH_FORM}")
        steps = [_STEPS.get(step) or f"/{re.escape(step)}" for step in self.path.split("/") if step]
        object.__setattr__(self, "_matches", re.compile("".join([*steps, r"/?\Z"]), re.DOTALL))

    @property
    def first_step(self) -> str | None:
        """What the paths begin with; None when that may be anything."""
        first = self.path[1:].partition("/")[0]
        return None if first in _STEPS else first

    def leads(self, method: str, path: str) -> bool:
        """Tell whether a request comes to this door."""
        return (not self.methods or method in self.methods) and self._matches.match(path) is not None


def is_path(text: str) -> bool:
    """Tell whether a text is a path as doors have it.

    >>> is_path("/orders/*/lines/**"), is_path("orders"), is_path("/o*")
    (True, False, False)
    """
    return bool(text) and _PATTERN.match(text) is not None


TABLE: tuple[Door, ...] = (
    Door("/cubes/query", Role.READER, frozenset({"POST"})),
    Door("/cubes/*/query", Role.READER, frozenset({"POST"})),
    Door("/cubes/*/explain", Role.READER, frozenset({"POST"})),
    Door("/cubes/*/drillthrough", Role.READER, frozenset({"POST"})),
    Door("/cubes/*/stream", Role.READER, frozenset({WEBSOCKET})),
    Door("/cubes/*/distribution/**", Role.READER, READS),
    Door("/cubes/*/distribution/**", Role.ADMIN),
    Door("/studio/cubes/*/pivot", Role.READER, frozenset({WEBSOCKET})),
    Door("/studio/cubes/*/queries", Role.READER, frozenset({"POST"})),
    Door("/databases", Role.READER, READS),
    Door("/databases", Role.ADMIN),
    Door("/api/cluster/peer/**", ANYONE),  # the nodes show each other a proof of their secret inside
    Door("/api/cluster/**", Role.READER, READS),
    Door("/api/cluster/**", Role.ADMIN),
)
"""The doors of ours that do not follow from the method: questions that are posted, and what changes the node itself."""


def actuator_doors(base_path: str, ids: Iterable[str], probes: Iterable[str] = ()) -> tuple[Door, ...]:
    """Return the doors of the actuator: health is open, info for readers, everything else for admins.

    Args:
        base_path: ``/actuator``; empty when the endpoints are at the root.
        ids: of all endpoints.
        probes: further paths of health: ``/livez``.
    """
    other = [Door(f"{base_path}/**", Role.ADMIN)] if base_path else [Door(f"/{id_}/**", Role.ADMIN) for id_ in ids]
    return (
        Door(f"{base_path}/health/**", ANYONE, READS),
        *(Door(path, ANYONE, READS) for path in probes),
        Door(f"{base_path}/info", Role.READER, READS),
        *other,
    )


class Doors:
    """The table as it holds on one node; the first door that a request comes to counts.

    A request that comes to none needs a reader when its method only reads, and a writer otherwise; a WebSocket can
    change things, so it needs a writer too.

    Args:
        own: doors of the application, which win over ours.
        actuator: those of the actuator.
    """

    def __init__(self, own: Iterable[Door] = (), actuator: Iterable[Door] | None = None) -> None:
        self._own = tuple(own)
        inner = actuator_doors("/actuator", ()) if actuator is None else tuple(actuator)
        self.table = (*self._own, *inner, *TABLE)
        firsts = {door.first_step for door in self.table} - {None}
        self._by_first = {
            first: tuple(door for door in self.table if door.first_step in {first, None}) for first in firsts
        }
        self._others = tuple(door for door in self.table if door.first_step is None)

    def with_actuator(self, doors: Iterable[Door]) -> Doors:
        """Return the table with other doors for the actuator."""
        return Doors(self._own, doors)

    def needs(self, method: str, path: str) -> Needs:
        """Return what a request needs.

        Args:
            method: in capitals; `WEBSOCKET` for a WebSocket.
            path: as the router sees it, or a route's template: ``/cubes/{cube}/query``.
        """
        path = path.removesuffix("\n")  # a router takes it for the same path
        for door in self._by_first.get(path[1:].partition("/")[0], self._others):
            if door.leads(method, path):
                return door.needs
        return Role.READER if method in READS else Role.WRITER

    def __repr__(self) -> str:
        return f"<Doors {len(self.table)} of their own>"
