"""Starting in the order of needs and stopping in reverse, by one task, with a bound on every wait.

Every finalizer runs, whatever the others do: one that raises or hangs is reported, and the next one runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from types import FrameType
from typing import Any

from app_framework.boot.container import ComponentStore
from app_framework.boot.definition import Definition, FactoryKind
from app_framework.boot.wiring import Wiring
from app_framework.errors import FrameworkError

_logger = getLogger(__name__)


class Lifecycle(ABC):
    """A component that does something once everything exists: consumes messages, listens on a port.

    It is started after every component was created, by ascending phase, and stopped before any is closed, in
    reverse. The phase says who waits for whom where no dependency does; the web server has 1000.
    """

    phase: int = 0

    @abstractmethod
    async def start(self) -> None:
        """Begin; return when it has begun."""

    @abstractmethod
    async def stop(self) -> None:
        """End; return when it has ended."""


class ComponentCreationError(FrameworkError):
    """A factory or a start raised.

    Attributes:
        definition: the component's recipe.
        action: ``create`` or ``start``.
    """

    def __init__(self, definition: Definition, action: str) -> None:
        self.definition = definition
        self.action = action
        super().__init__(definition.name, action)

    def __str__(self) -> str:
        done = "created" if self.action == "create" else "started"
        return f"component {self.definition.name!r} ({self.definition.origin}) could not be {done}"


class StartTimeoutError(FrameworkError):
    """The application did not start in time.

    Attributes:
        definition: the component that was being created or started.
        timeout_s: the bound, ``app.lifecycle.start-timeout``.
        pending: the tree of what was still waiting for it, one line each.
    """

    def __init__(self, definition: Definition, timeout_s: float, pending: tuple[str, ...]) -> None:
        self.definition = definition
        self.timeout_s = timeout_s
        self.pending = pending
        super().__init__(definition.name, timeout_s)

    def __str__(self) -> str:
        return f"component {self.definition.name!r} was not there after {self.timeout_s:g} s"


@dataclass(frozen=True, slots=True)
class StopFailure:
    """A component that did not stop well.

    Args:
        name: the component.
        error: what it raised, or a TimeoutError.
    """

    name: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Finalizer:
    name: str
    run: Callable[[], Awaitable[None] | None]
    timeout_s: float


class LifecycleRunner:
    """Creates, starts, stops and closes the components of one application.

    Args:
        wiring: the graph.
        store: where the components are kept.
        start_timeout_s: the bound on the whole start.
        phase_timeout_s: the bound on the stop of one `Lifecycle` component, which may let work in flight finish.
        stop_timeout_s: the bound on the close of one component.
        step: times one step of the start, by name.
    """

    def __init__(
        self,
        wiring: Wiring,
        store: ComponentStore,
        start_timeout_s: float,
        phase_timeout_s: float,
        stop_timeout_s: float,
        step: Callable[[str, str], contextlib.AbstractContextManager[object]],
    ) -> None:
        self._wiring = wiring
        self._store = store
        self._start_timeout_s = start_timeout_s
        self._phase_timeout_s = phase_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._step = step
        self._finalizers: list[_Finalizer] = []
        self._deadline_s = 0.0

    async def create(self, created: Callable[[object], None]) -> None:
        """Create every component in the order of needs.

        Args:
            created: called with each component once it exists.

        Raises:
            ComponentCreationError: when a factory raises; its error is the cause.
            StartTimeoutError: when the bound on the start is reached.
        """
        self._deadline_s = time.monotonic() + self._start_timeout_s
        background: dict[str, asyncio.Task[None]] = {}
        try:
            for name in self._wiring.order:
                for needed in self._wiring.dependencies(name):
                    if needed in background:
                        await background.pop(needed)
                making = self._make(self._wiring.definitions[name], created)
                if self._wiring.definitions[name].background:
                    background[name] = asyncio.create_task(making, name=f"create {name}")
                    await asyncio.sleep(0)  # it begins now, not when something else waits for the first time
                else:
                    await making
            while background:
                await background.pop(next(iter(background)))
        finally:
            await _end(background.values())

    async def start(self) -> None:
        """Start every `Lifecycle` component, by ascending phase.

        Raises:
            ComponentCreationError: when one raises.
            StartTimeoutError: when the bound on the start is reached.
        """
        for name, component in self._lifecycles():
            definition = self._wiring.definitions[name]
            self._finalizers.append(_Finalizer(name, component.stop, self._phase_timeout_s))
            with self._step("start", name):
                await self._within(definition, "start", component.start)

    async def stop(self) -> list[StopFailure]:
        """Stop and close everything in reverse; return what did not do so well."""
        failures = []
        cancellations = _cancellations()
        while self._finalizers:
            finalizer = self._finalizers.pop()
            failure = await self._finalize(finalizer, cancellations)
            if failure is not None:
                failures.append(failure)
                _logger.error("%s did not stop well: %s", finalizer.name, _reason(failure.error))
        return failures

    def pending(self, name: str) -> tuple[str, ...]:
        """Return the tree of components that wait for one, itself at the root."""
        lines: list[str] = []
        self._draw(name, "", lines, set())
        return tuple(lines)

    async def _make(self, definition: Definition, created: Callable[[object], None]) -> None:
        with self._step("create", definition.name):
            value = await self._within(definition, "create", partial(self._create, definition))
        self._store.keep(definition.name, value)
        created(value)

    async def _within(self, definition: Definition, action: str, work: Callable[[], Awaitable[Any]]) -> Any:
        left_s = max(self._deadline_s - time.monotonic(), 0.001)
        try:
            with _interrupt_blocking_call(left_s):
                async with asyncio.timeout(left_s) as bound:
                    return await work()
        except TimeoutError as error:
            if not (bound.expired() or isinstance(error, _BlockedError)):
                raise ComponentCreationError(definition, action) from error
            raise StartTimeoutError(definition, self._start_timeout_s, self.pending(definition.name)) from None
        except Exception as error:
            raise ComponentCreationError(definition, action) from error

    async def _create(self, definition: Definition) -> Any:
        made = self._store.make(definition.name)
        match definition.kind:
            case FactoryKind.COROUTINE:
                return await made
            case FactoryKind.GENERATOR:
                return self._enter(definition.name, made)
            case FactoryKind.ASYNC_GENERATOR:
                return await self._enter_async(definition.name, made)
            case _:
                return made

    def _enter(self, name: str, generator: Generator[Any, None, None]) -> Any:
        value = next(generator)
        self._finalizers.append(_Finalizer(name, lambda: _leave(generator), self._stop_timeout_s))
        return value

    async def _enter_async(self, name: str, generator: AsyncGenerator[Any, None]) -> Any:
        value = await anext(generator)
        self._finalizers.append(_Finalizer(name, lambda: _leave_async(generator), self._stop_timeout_s))
        return value

    def _lifecycles(self) -> Iterator[tuple[str, Lifecycle]]:
        found = [(name, self._store.get(name)) for name in self._wiring.order]
        seen: set[int] = set()
        for name, value in sorted(
            ((name, value) for name, value in found if isinstance(value, Lifecycle)),
            key=lambda pair: pair[1].phase,
        ):
            if id(value) not in seen:  # one object may be found by several names
                seen.add(id(value))
                yield name, value

    async def _finalize(self, finalizer: _Finalizer, cancellations: int) -> StopFailure | None:
        try:
            with _interrupt_blocking_call(finalizer.timeout_s):
                async with asyncio.timeout(finalizer.timeout_s):
                    work = finalizer.run()
                    if work is not None:
                        await work
        except TimeoutError:
            return StopFailure(finalizer.name, TimeoutError(f"it took longer than {finalizer.timeout_s:g} s"))
        except asyncio.CancelledError as error:
            if _cancellations() > cancellations:
                raise  # somebody does not want to wait any longer
            return StopFailure(finalizer.name, error)
        except Exception as error:  # every other finalizer must still run
            return StopFailure(finalizer.name, error)
        return None

    def _draw(self, name: str, indent: str, lines: list[str], drawn: set[str]) -> None:
        verb = "waits for it" if indent else "is being created or started"
        lines.append(f"{indent}{name}  {verb}  {self._wiring.definitions[name].origin}")
        for dependent in self._wiring.dependents(name):
            if dependent not in drawn:
                drawn.add(dependent)
                self._draw(dependent, indent + "  ", lines, drawn)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Give up what is still being made, because something else could not be."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _cancellations() -> int:
    """Return how often this task was cancelled; a stop that follows a cancelled start must still run."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


class _BlockedError(TimeoutError):
    """A call that does not give the loop back took too long."""


@contextlib.contextmanager
def _interrupt_blocking_call(timeout_s: float) -> Iterator[None]:
    """Bound a call that blocks the event loop, which `asyncio.timeout` cannot see.

    It works by a timer signal, so only in the main thread and where the platform has one; elsewhere a call that
    blocks is bounded by nobody, as in any Python program.
    """
    usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not usable or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return
    # The loop's own timeout comes first, and its exit disarms this one: what is left is a call that blocks.
    before = signal.signal(signal.SIGALRM, _raise_blocked)
    signal.setitimer(signal.ITIMER_REAL, timeout_s + 0.25)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _raise_blocked(_number: int, frame: FrameType | None) -> None:
    """Interrupt only a call made by a component; raised while the loop itself waits, it would end the loop."""
    ours = {LifecycleRunner._within.__code__, LifecycleRunner._finalize.__code__}
    while frame is not None:
        if frame.f_code in ours:
            raise _BlockedError
        frame = frame.f_back
    signal.setitimer(signal.ITIMER_REAL, 1.0)  # it is another task's turn: look again


def _leave(generator: Generator[Any, None, None]) -> None:
    for _ in generator:
        raise RuntimeError("a factory must yield once")


async def _leave_async(generator: AsyncGenerator[Any, None]) -> None:
    async for _ in generator:
        raise RuntimeError("a factory must yield once")


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
