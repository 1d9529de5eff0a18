"""The store of components, over dependency-injector; the only file that imports it.

Wiring has decided what each parameter gets, so this file only keeps the objects: a `DynamicContainer` with one
provider per component. Neither its ``@inject`` wiring (global to the process) nor its ``Resource`` (turns dependents
into futures, stops in the wrong order) is used; see docs/decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app_framework.boot.definition import Definition, FactoryKind, Want
from app_framework.boot.injection import Lazy
from app_framework.boot.wiring import Binding, Wiring
from app_framework.errors import FrameworkError

if TYPE_CHECKING:
    from dependency_injector import containers, providers


class NotCreatedError(FrameworkError):
    """A component was asked for before it was created, or after the application stopped.

    Attributes:
        name: the component.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return f"component {self.name!r} does not exist yet: it is created in the order of needs, at start"


class ComponentStore:
    """One provider per component, and the values that were made.

    Args:
        wiring: the graph.
    """

    def __init__(self, wiring: Wiring) -> None:
        from dependency_injector import containers

        self.container: containers.DynamicContainer = containers.DynamicContainer()
        self._wiring = wiring
        self._providers: dict[str, providers.Provider[Any]] = {}
        self._made: dict[str, object] = {}
        reserved = frozenset(dir(self.container))
        for name in wiring.order:
            provider = self._provider(wiring.definitions[name])
            self._providers[name] = provider
            # The container's own attributes, such as `providers`, must survive a component of that name.
            self.container.set_provider(f"{name}_component" if name in reserved else name, provider)

    def make(self, name: str) -> Any:
        """Call the factory; what comes back is the component, or a coroutine or generator that will give it."""
        provider = self._providers[name]
        return provider()

    def keep(self, name: str, value: object) -> None:
        """Remember what a factory gave in the end: from now on the provider answers with it."""
        from dependency_injector import providers

        self._made[name] = value
        if self._wiring.definitions[name].kind is not FactoryKind.PLAIN:
            self._providers[name].override(providers.Object(value))

    def get(self, name: str) -> Any:
        """Return a component that was made.

        Raises:
            NotCreatedError: when it was not, or is no more.
        """
        try:
            return self._made[name]
        except KeyError:
            raise NotCreatedError(name) from None

    def forget(self) -> None:
        """Drop every component; the providers stay for a look."""
        self._made.clear()

    def arguments(self, name: str, resolve: Callable[[str], Any]) -> dict[str, Any]:
        """Return what a factory is called with, each component given by `resolve`."""
        return {
            binding.parameter.name: _argument(binding, resolve)
            for binding in self._wiring.bindings[name]
            if _is_given(binding)
        }

    def _provider(self, definition: Definition) -> providers.Provider[Any]:
        from dependency_injector import providers

        arguments = {
            binding.parameter.name: self._source(binding)
            for binding in self._wiring.bindings[definition.name]
            if _is_given(binding)
        }
        made = providers.Singleton if definition.kind is FactoryKind.PLAIN else providers.Factory
        return _plain(made(definition.factory, **arguments))

    def _source(self, binding: Binding) -> Any:
        """Return the provider behind a parameter; what it needs comes earlier in the order, and so exists."""
        from dependency_injector import providers

        names = binding.names
        match binding.parameter.want:
            case Want.LIST:
                # The library's own List gives a tuple when it is empty.
                return _plain(providers.Callable(_listed, *(self._providers[name] for name in names)))
            case Want.DICT:
                return _plain(providers.Dict({name: self._providers[name] for name in names}))
            case Want.LAZY:
                return providers.Object(Lazy(lambda: self.get(names[0])))
            case _:
                return self._providers[names[0]] if names else providers.Object(None)


def _plain(provider: providers.Provider[Any]) -> providers.Provider[Any]:
    """Keep a provider from answering with futures once anything it was made from was a coroutine."""
    provider.disable_async_mode()
    return provider


def _listed(*components: object) -> list[object]:
    return list(components)


def _argument(binding: Binding, resolve: Callable[[str], Any]) -> Any:
    names = binding.names
    match binding.parameter.want:
        case Want.LIST:
            return [resolve(name) for name in names]
        case Want.DICT:
            return {name: resolve(name) for name in names}
        case Want.LAZY:
            return Lazy(lambda: resolve(names[0]))
        case _:
            return resolve(names[0]) if names else None


def _is_given(binding: Binding) -> bool:
    """A parameter with a default and nothing to inject keeps its default."""
    return bool(binding.names) or not binding.parameter.has_default
