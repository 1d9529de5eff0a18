"""`Autowired[T]`: a request handler's parameter that the application fills with its component of type T.

    @router.get("/greet/{name}")
    async def greet(name: str, greeter: Autowired[Greeter]) -> str:
        return greeter.greet(name)

A type checker sees `Greeter`. The lookup is asynchronous on purpose: FastAPI sends a synchronous dependency through
its thread pool, which costs ten times as much. It reads the application that serves the request and nothing global,
so one router may serve in several applications of one process (FA7).
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from app_framework.boot import ApplicationContext, Named
from app_framework.boot.definition import describe, locate

if TYPE_CHECKING:
    from fastapi import APIRouter
    from fastapi.dependencies.models import Dependant
    from starlette.requests import HTTPConnection
    from starlette.routing import BaseRoute

    from app_framework.web.edge import Exchange

T = TypeVar("T")

EXCHANGE = "app_framework.exchange"
"""Where the edge keeps the `Exchange` of a request in the ASGI scope."""

if TYPE_CHECKING:
    Autowired = Annotated[T, "autowired"]
else:

    class Autowired:
        """A parameter of a request handler: ``greeter: Autowired[Greeter]``."""

        def __class_getitem__(cls, wanted: Any) -> Any:
            from fastapi import Depends

            resolver = Resolver(wanted)
            return Annotated[resolver.type, Depends(resolver)]


class Resolver:
    """Finds one component for a request; FastAPI calls it as a dependency.

    Args:
        wanted: a type, or ``Annotated[type, Named("name")]``.
    """

    __slots__ = ("__signature__", "name", "type")

    def __init__(self, wanted: Any) -> None:
        from starlette.requests import HTTPConnection

        extras: list[Any] = []
        if typing.get_origin(wanted) is Annotated:
            wanted, *extras = typing.get_args(wanted)
        self.type = wanted
        self.name = next((extra.name for extra in extras if isinstance(extra, Named)), None)
        # Said outright, because not every FastAPI resolves the text of a callable object's hints.
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter("connection", kind, annotation=HTTPConnection)])

    async def __call__(self, connection: HTTPConnection) -> Any:
        """Return the application's component, or the one of this request."""
        components: HandlerComponents = connection.scope["app"].state.components
        key = (self.type, self.name)
        if key in components.found:
            return components.found[key]
        return await components.find(self.type, self.name, connection.scope[EXCHANGE])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resolver) and (other.type, other.name) == (self.type, self.name)

    def __hash__(self) -> int:
        return hash((Resolver, self.type, self.name))

    def __repr__(self) -> str:
        return f"<Autowired {describe(self.type)}>"


class HandlerComponents:
    """The components of one application as its request handlers see them; kept in ``app.state.components``.

    A component of the application is looked up once and then found in a dictionary.

    Args:
        context: the running application.
    """

    def __init__(self, context: ApplicationContext) -> None:
        self.found: dict[tuple[Any, str | None], Any] = {}
        self._context = context

    async def find(self, wanted: type[T], name: str | None, exchange: Exchange) -> T:
        """Return a component, from the scope of the request where it belongs there.

        Raises:
            NoSuchComponentError: when nothing, or more than one thing, fits.
        """
        if self._context.definition_of(wanted, name).scope == "request":
            scope = await exchange.request_scope(self._context)
            return await scope.get(wanted, name)
        value = self.found[wanted, name] = self._context.get(wanted, name)
        return value

    def __repr__(self) -> str:
        return f"<HandlerComponents of {self._context!r}>"


def autowired_types(routers: Iterable[APIRouter]) -> list[tuple[type, str, str]]:
    """Return what the handlers of some routers ask for: the type, the handler, and where that is written.

    The application checks them with its graph, so that a handler without its component fails at start (FA3).
    """
    return [
        (resolver.type, describe(handler), str(locate(handler)))
        for router in routers
        for handler, dependant in _handlers(router.routes)
        for resolver in _resolvers(dependant)
    ]


def _handlers(routes: Iterable[BaseRoute]) -> Iterator[tuple[Any, Dependant]]:
    """Go through routes and the routers included in them."""
    for route in routes:
        dependant = getattr(route, "dependant", None)
        included = getattr(route, "original_router", None)
        if dependant is not None:
            yield getattr(route, "endpoint", None), dependant
        elif included is not None:
            yield from _handlers(included.routes)


def _resolvers(dependant: Dependant) -> Iterator[Resolver]:
    """The dependencies of a handler, and theirs."""
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Resolver):
            yield dependency.call
        yield from _resolvers(dependency)
