"""Components that live as long as one request: made when first asked for, closed when the request ends."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from app_framework.boot.definition import Definition, FactoryKind

if TYPE_CHECKING:
    from app_framework.boot.context import ApplicationContext

T = TypeVar("T")


class RequestScope:
    """The components of one request; those of the application are reached through it as well.

    Args:
        context: the running application.
        exits: closes what is made here, in reverse.
    """

    def __init__(self, context: ApplicationContext, exits: contextlib.AsyncExitStack) -> None:
        self._context = context
        self._exits = exits
        self._made: dict[str, Any] = {}

    async def get(self, wanted: type[T], name: str | None = None) -> T:
        """Return the component of a type, making it and what it needs if it is of the request.

        Raises:
            NoSuchComponentError: when nothing provides it.
        """
        found: T = await self._resolve(self._context.definition_of(wanted, name))
        return found

    async def _resolve(self, definition: Definition) -> Any:
        if definition.scope == "application":
            return self._context.store.get(definition.name)
        if definition.name not in self._made:
            needed = {
                each: await self._resolve(self._context.definitions[each])
                for each in self._context.wiring.dependencies(definition.name)
            }
            arguments = self._context.store.arguments(definition.name, needed.__getitem__)
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
