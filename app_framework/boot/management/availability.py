"""Whether the application is alive and whether it wants traffic, with the reasons and who gave them.

Liveness says "restart me", readiness says "send me requests". Each state holds one reason per owner, so that
two components may both refuse and each takes back only its own refusal. Nothing outside the process belongs
into liveness: a restart does not mend a peer.

>>> availability = Availability()
>>> availability.readiness.state
<ReadinessState.REFUSING_TRAFFIC: 'REFUSING_TRAFFIC'>
>>> availability.readiness.accept(owner="application")
>>> availability.readiness.refuse("the cluster has no majority", owner="cluster")
>>> dict(availability.readiness.reasons)
{'cluster': 'the cluster has no majority'}
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

_log = logging.getLogger(__name__)

APPLICATION = "application"
"""The owner under which the lifecycle itself speaks: starting, stopping."""


class LivenessState(StrEnum):
    """Whether the process works at all."""

    CORRECT = "CORRECT"
    BROKEN = "BROKEN"


class ReadinessState(StrEnum):
    """Whether the application wants traffic."""

    ACCEPTING_TRAFFIC = "ACCEPTING_TRAFFIC"
    REFUSING_TRAFFIC = "REFUSING_TRAFFIC"


@dataclass(frozen=True, slots=True)
class AvailabilityChange:
    """A state that has just changed.

    Args:
        state: the new state.
        reasons: owner → reason; empty when the state is the good one.
    """

    state: LivenessState | ReadinessState
    reasons: Mapping[str, str]


Listener = Callable[[AvailabilityChange], None]


class Liveness:
    """Whether the process works: correct as long as nobody says that it is broken."""

    def __init__(self, reasons: _Reasons) -> None:
        self._reasons = reasons

    @property
    def state(self) -> LivenessState:
        """The state now."""
        return LivenessState.BROKEN if self._reasons.current else LivenessState.CORRECT

    @property
    def reasons(self) -> Mapping[str, str]:
        """Owner → why it is broken."""
        return self._reasons.current

    def fail(self, reason: str, *, owner: str) -> None:
        """Say that the process is broken; a later call of the same owner replaces its reason."""
        self._reasons.set(owner, reason)

    def recover(self, *, owner: str) -> None:
        """Take back what this owner said; the process is correct again when nobody else objects."""
        self._reasons.clear(owner)

    def __repr__(self) -> str:
        return f"<Liveness {self.state} {dict(self.reasons)}>"


class Readiness:
    """Whether the application wants traffic: accepting as long as nobody refuses."""

    def __init__(self, reasons: _Reasons) -> None:
        self._reasons = reasons

    @property
    def state(self) -> ReadinessState:
        """The state now."""
        return ReadinessState.REFUSING_TRAFFIC if self._reasons.current else ReadinessState.ACCEPTING_TRAFFIC

    @property
    def reasons(self) -> Mapping[str, str]:
        """Owner → why it refuses."""
        return self._reasons.current

    def refuse(self, reason: str, *, owner: str) -> None:
        """Refuse traffic; a later call of the same owner replaces its reason."""
        self._reasons.set(owner, reason)

    def accept(self, *, owner: str) -> None:
        """Take back this owner's refusal; traffic is accepted when nobody else refuses."""
        self._reasons.clear(owner)

    def __repr__(self) -> str:
        return f"<Readiness {self.state} {dict(self.reasons)}>"


class Availability:
    """Liveness and readiness of one application; every method may be called from any thread.

    A new one is broken and refusing, because the application has not started.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.RLock()
        starting = {APPLICATION: "starting"}
        self.liveness = Liveness(_Reasons(starting, self._lock, self._tell_liveness))
        self.readiness = Readiness(_Reasons(starting, self._lock, self._tell_readiness))

    def listen(self, listener: Callable[[AvailabilityChange], None]) -> Callable[[], None]:
        """Call `listener` whenever a state changes, in the thread that changed it, so it must not block.

        Returns:
            a function that ends the listening.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return stop

    def _tell_liveness(self) -> None:
        self._tell(AvailabilityChange(self.liveness.state, self.liveness.reasons))

    def _tell_readiness(self) -> None:
        self._tell(AvailabilityChange(self.readiness.state, self.readiness.reasons))

    def _tell(self, change: AvailabilityChange) -> None:
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:
                _log.exception("a listener to the availability failed on %s", change.state)

    def __repr__(self) -> str:
        return f"<Availability {self.liveness.state} {self.readiness.state}>"


class _Reasons:
    """Reasons by owner; tells `changed` when the first one comes or the last one goes."""

    def __init__(self, reasons: Mapping[str, str], lock: threading.RLock, changed: Callable[[], None]) -> None:
        self.current: Mapping[str, str] = MappingProxyType(dict(reasons))
        self._lock = lock
        self._changed = changed

    def set(self, owner: str, reason: str) -> None:
        with self._lock:
            self._replace({**self.current, owner: reason})

    def clear(self, owner: str) -> None:
        with self._lock:
            self._replace({name: reason for name, reason in self.current.items() if name != owner})

    def _replace(self, reasons: dict[str, str]) -> None:
        # Listeners run under the lock, so that they hear the changes in the order in which they happened.
        before, self.current = self.current, MappingProxyType(reasons)
        if bool(before) != bool(reasons):
            self._changed()
