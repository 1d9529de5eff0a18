"""Where the time of a start goes: timed steps, and the few lines that a person reads when it is done.

    with steps.step("create", component="database"):
        ...

`StartupSteps` is what ``/actuator/startup`` shows.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

STEPS_MAX = 4096
"""Steps beyond this many are counted, not kept."""


@dataclass(slots=True)
class StartupStep:
    """One thing that was done during the start.

    Args:
        id: its number, from 0.
        name: what was done: ``environment``, ``create``, ``start``.
        parent_id: the step it is part of.
        tags: what it was done to: ``{"component": "database"}``.
        started_s: when it began, in seconds since the first step.
        duration_s: how long it took; None while it runs.
    """

    id: int
    name: str
    parent_id: int | None
    started_s: float
    tags: dict[str, str] = field(default_factory=dict)
    duration_s: float | None = None

    def tag(self, **tags: object) -> None:
        """Add what is only known while the step runs."""
        self.tags.update({key: str(value) for key, value in tags.items()})


class StartupSteps:
    """The steps of one start, in the order in which they began."""

    def __init__(self) -> None:
        self._origin_s = time.monotonic()
        self._started_at = datetime.now(UTC)
        self._steps: list[StartupStep] = []
        self._count = 0
        # A context variable, so that steps of concurrent tasks find their own parents.
        self._current: contextvars.ContextVar[int | None] = contextvars.ContextVar("startup_step", default=None)

    @contextmanager
    def step(self, name: str, **tags: object) -> Iterator[StartupStep]:
        """Time what is done inside the ``with``; steps inside become its children."""
        step = StartupStep(self._count, name, self._current.get(), time.monotonic() - self._origin_s)
        step.tag(**tags)
        self._count += 1
        if len(self._steps) < STEPS_MAX:
            self._steps.append(step)
        token = self._current.set(step.id)
        try:
            yield step
        except BaseException as error:
            step.tag(error=type(error).__name__)
            raise
        finally:
            step.duration_s = time.monotonic() - self._origin_s - step.started_s
            self._leave(token, step.parent_id)

    @property
    def steps(self) -> tuple[StartupStep, ...]:
        """All steps so far."""
        return tuple(self._steps)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first step could begin."""
        return time.monotonic() - self._origin_s

    def slowest(self, name: str, tag: str, limit: int = 2) -> tuple[tuple[str, float], ...]:
        """Return the value of `tag` and the seconds of the slowest finished steps called `name`."""
        finished = [
            step for step in self._steps if step.name == name and step.duration_s is not None and tag in step.tags
        ]
        finished.sort(key=lambda step: -(step.duration_s or 0))
        return tuple((step.tags[tag], step.duration_s or 0.0) for step in finished[:limit])

    def to_json(self) -> dict[str, object]:
        """Return the timeline in the shape of Spring Boot's ``startup`` endpoint."""
        timeline: dict[str, object] = {
            "startTime": _instant(self._started_at),
            "events": [self._event(step) for step in self._steps if step.duration_s is not None],
        }
        if self._count > len(self._steps):
            timeline["eventsNotKept"] = self._count - len(self._steps)
        return timeline

    def _event(self, step: StartupStep) -> dict[str, object]:
        duration_s = step.duration_s or 0.0
        began = self._started_at + timedelta(seconds=step.started_s)
        described: dict[str, object] = {
            "name": step.name,
            "id": step.id,
            "tags": [{"key": key, "value": value} for key, value in step.tags.items()],
        }
        if step.parent_id is not None:
            described["parentId"] = step.parent_id
        return {
            "startTime": _instant(began),
            "endTime": _instant(began + timedelta(seconds=duration_s)),
            "duration": f"PT{duration_s:.6f}S",
            "startupStep": described,
        }

    def _leave(self, token: contextvars.Token[int | None], parent_id: int | None) -> None:
        try:
            self._current.reset(token)
        except ValueError:  # Left in another context than it was entered in, as a generator may be.
            self._current.set(parent_id)

    def __repr__(self) -> str:
        return f"<StartupSteps {len(self._steps)} steps>"


@dataclass(frozen=True, slots=True)
class StarterLine:
    """A starter in the summary: whether it is on, and why."""

    name: str
    version: str
    on: bool
    reason: str = ""

    def __str__(self) -> str:
        said = f"{self.name} {self.version} {'on' if self.on else 'off'}"
        return f"{said} ({self.reason})" if self.reason else said


def startup_summary(
    *,
    name: str,
    version: str,
    framework_version: str,
    python_version: str,
    pid: int,
    profiles: Sequence[str],
    sources: Iterable[str],
    starters: Iterable[StarterLine],
    components: int,
    elapsed_s: float,
    slowest: Sequence[tuple[str, float]] = (),
    addresses: Mapping[str, str] | None = None,
    actuator: str = "",
    note: str = "",
) -> str:
    """Return what a person reads when the application is ready, in at most five lines.

    Args:
        name: the application's name; the other facts of the first line follow.
        version: its version, empty when it has none.
        framework_version: ours.
        python_version: the interpreter's.
        pid: of the process.
        profiles: the active ones.
        sources: where the configuration comes from, the strongest first.
        starters: all that are installed, on or off.
        components: how many were created.
        elapsed_s: from the first step to ready.
        slowest: component and seconds, the slowest first.
        addresses: what it listens on.
        actuator: base path and exposed ids, such as ``/actuator [health]``.
        note: one more line, for what must not be missed.
    """
    first = [
        f"{name} {version}".rstrip(),
        f"app-framework {framework_version}",
        f"Python {python_version}",
        f"pid {pid}",
    ]
    first.append(f"profiles: {', '.join(profiles) or 'default'}")
    started = f"started {components} components in {elapsed_s:.2f} s"
    if slowest:
        started += f" (slowest: {', '.join(f'{what} {seconds * 1000:.0f} ms' for what, seconds in slowest)})"
    last = [started, *(addresses or {}).values()]
    if actuator:
        last.append(f"actuator {actuator}")
    lines = [
        " · ".join(first),
        "config: " + (", ".join(sources) or "defaults only"),
        "starters: " + (" · ".join(str(starter) for starter in starters) or "none installed"),
        " · ".join(last),
        note,
    ]
    return "\n".join(" ".join(line.split()) for line in lines if line)


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
