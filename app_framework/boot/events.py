"""Events inside one application: typed, in order, awaited by whoever publishes them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from app_framework.boot.decorators import ListenerMark, marked_attributes

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class ApplicationEvent:
    """Something that happened to the application as a whole.

    Args:
        application: its name.
    """

    application: str


@dataclass(frozen=True, slots=True)
class Started(ApplicationEvent):
    """Every component is created and started; runners come next."""


@dataclass(frozen=True, slots=True)
class Ready(ApplicationEvent):
    """Runners are done; traffic is accepted."""


@dataclass(frozen=True, slots=True)
class Stopping(ApplicationEvent):
    """Readiness is refused; components will stop in reverse order."""


@dataclass(frozen=True, slots=True)
class AddressBound:
    """A server listens.

    Args:
        protocol: ``http``.
        url: where it is reached from this machine.
        listening: the address that it listens on, which may be all of the machine's.
    """

    protocol: str
    url: str
    listening: str = ""


class Events:
    """Hands each event to the listeners of its type, one after the other, in the order they were added."""

    def __init__(self) -> None:
        self._listeners: list[tuple[type, Callable[[Any], object]]] = []

    def listen(self, kind: type[E], listener: Callable[[E], Awaitable[None] | None]) -> None:
        """Call `listener` with every event of a type or its subclasses."""
        self._listeners.append((kind, listener))

    def listen_with(self, component: object) -> None:
        """Add every `@on_event` method of a component."""
        for name, _ in marked_attributes(type(component), ListenerMark):
            self.listen(_heard(getattr(type(component), name)), getattr(component, name))

    async def publish(self, event: object) -> None:
        """Hand an event to its listeners and wait for each; what a listener raises reaches the publisher."""
        for kind, listener in list(self._listeners):
            if isinstance(event, kind):
                answer = listener(event)
                if inspect.isawaitable(answer):
                    await answer

    def __repr__(self) -> str:
        return f"<Events {len(self._listeners)} listeners>"


def _heard(function: Callable[..., Any]) -> type:
    """Return the type of a listener's only parameter after ``self``."""
    hints = typing.get_type_hints(function)
    parameters = [name for name in inspect.signature(function).parameters if name != "self"]
    hint = hints.get(parameters[0]) if parameters else None
    if not isinstance(hint, type):
        raise TypeError(f"{function.__qualname__} must have one parameter whose type is the event it hears")
    return hint
