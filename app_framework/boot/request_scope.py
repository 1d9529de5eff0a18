"""Components that live as long as one request: made when first asked for, closed when the request ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from app_framework.boot.container import ComponentStore
from app_framework.boot.definition import Definition, FactoryKind
from app_framework.boot.wiring import Wiring

T = TypeVar("T")


class RequestScope:
    """The components of one request; those of the application are reached through it as well.

    Args:
        store: the components of the application.
        wiring: the graph.
        find: returns the recipe of what is asked for.
        exits: closes what is made here, in reverse.
    """

    def __init__(
        self,
        store: ComponentStore,
        wiring: Wiring,
        find: Callable[[Any, str | None], Definition],
        exits: contextlib.AsyncExitStack,
    ) -> None:
        self._store = store
        self._wiring = wiring
        self._find = find
        self._exits = exits
        self._made: dict[str, Any] = {}

    async def get(self, wanted: type[T], name: str | None = None) -> T:
        """Return the component of a type, making it and what it needs if it is of the request.

        Raises:
            NoSuchComponentError: when nothing provides it.
        """
        found: T = await self._resolve(self._find(wanted, name))
        return found

    async def _resolve(self, definition: Definition) -> Any:
        if definition.scope == "application":
            return self._store.get(definition.name)
        if definition.name not in self._made:
            needed = {
                each: await self._resolve(self._wiring.definitions[each])
                for each in self._wiring.dependencies(definition.name)
            }
            arguments = self._store.arguments(definition.name, needed.__getitem__)
            self._made[definition.name] = await self._enter(definition, arguments)
        return self._made[definition.name]

    async def _enter(self, definition: Definition, arguments: dict[str, Any]) -> Any:
        match definition.kind:
            case FactoryKind.COROUTINE:
                return await definition.factory(**arguments)
            case FactoryKind.GENERATOR:
                manager = contextlib.contextmanager(definition.factory)(**arguments)
                return self._exits.enter_context(manager)
            case FactoryKind.ASYNC_GENERATOR:
                async_manager = contextlib.asynccontextmanager(definition.factory)(**arguments)
                return await self._exits.enter_async_context(async_manager)
            case _:
                return definition.factory(**arguments)
