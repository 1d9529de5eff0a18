"""The words for asking: by name, lazily, and how long what is asked for lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Scope = Literal["application", "request"]


@dataclass(frozen=True, slots=True)
class Named:
    """Ask for the component of this name: ``Annotated[Clock, Named("utc")]``."""

    name: str


class Lazy(Generic[T]):
    """A component that is looked up when first used, which also breaks a cycle on purpose.

    >>> Lazy(lambda: 42).get()
    42
    """

    def __init__(self, resolve: Callable[[], T]) -> None:
        self._resolve = resolve

    def get(self) -> T:
        """Return the component.

        Raises:
            FrameworkError: when it is asked for before it was created.
        """
        return self._resolve()

    def __repr__(self) -> str:
        return "<Lazy>"
