"""The pulse of a node, and what the others conclude from it: in memory only, for failure detection is no decision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from app_framework.cluster.identity import Place
from app_framework.cluster.supervisor import Report
from app_framework.cluster.view import NodeState

PULSE_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a node says of itself twice a second.

    Args:
        id: its name.
        uid: of its folder.
        nonce: of its process.
        state: what it is.
        term: the newest that it knows.
        url: over HTTP.
        route: of its messenger's server.
        revision: the newest write of the store that it has seen.
        epoch: the newest that it knows.
        place: where it takes the truth to be.
        founder: whose SQLite that is, by name.
        founder_uid: and by uid.
        tolerates: what the leader has found out; 0 from others.
        stopping: it is about to stop.
    """

    id: str
    uid: str
    nonce: str
    state: NodeState
    term: int
    url: str
    route: str
    revision: int
    epoch: int
    place: Place
    founder: str
    founder_uid: str
    tolerates: int = 0
    stopping: bool = False

    def as_bytes(self) -> bytes:
        """Return the pulse as it is sent."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Pulse | None:
        """Return a pulse, or None for something else."""
        try:
            return cls(**json.loads(data)) if len(data) <= PULSE_BYTES_MAX else None
        except (ValueError, TypeError):
            return None


class PulseBoard:
    """The last pulse of every node, and when it was heard."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Pulse, float]] = {}

    def hear(self, pulse: Pulse, now_s: float) -> None:
        """Note a pulse."""
        self._last[pulse.id] = (pulse, now_s)

    def forget(self, node: str) -> None:
        """Forget a node that is no member any more."""
        self._last.pop(node, None)

    def last(self, node: str | None) -> Pulse | None:
        """Return the last pulse of a node."""
        return self._last[node][0] if node in self._last else None

    def age_s(self, node: str, now_s: float) -> float | None:
        """Return how long ago a node was heard."""
        return now_s - self._last[node][1] if node in self._last else None

    def reports(self) -> Mapping[str, Report]:
        """Return what the supervisor needs."""
        return {
            node: Report(heard_s, pulse.url, pulse.route, pulse.stopping)
            for node, (pulse, heard_s) in self._last.items()
        }
