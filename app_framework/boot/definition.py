"""The recipe of a component: what it provides, how it is made, and what it needs."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from app_framework.boot.injection import Lazy, Named, Scope
from app_framework.boot.origin import Origin

_GENERATORS = (Iterator, Generator, AsyncIterator, AsyncGenerator)


class FactoryKind(Enum):
    """How a factory makes its component, which decides how it is entered and left."""

    PLAIN = "plain"
    COROUTINE = "coroutine"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"
    VALUE = "value"
    PROPERTIES = "properties"


class Want(Enum):
    """How many components a parameter asks for."""

    ONE = "one"
    OPTIONAL = "optional"
    LIST = "list"
    DICT = "dict"
    LAZY = "lazy"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing a factory needs.

    Args:
        name: the parameter's name, which also breaks a tie between several candidates.
        type: the type of the component, without the ``list[…]`` or ``| None`` around it.
        want: how many.
        qualifier: the component's name, where the hint asks for it by `Named`.
        has_default: whether the factory can do without.
    """

    name: str
    type: Any
    want: Want = Want.ONE
    qualifier: str | None = None
    has_default: bool = False


@dataclass(frozen=True, eq=False)
class Definition:
    """What the container knows of a component before it exists.

    Args:
        name: unique in the application.
        provides: the type it is found by.
        factory: makes it from its parameters.
        kind: how the factory works.
        parameters: what it needs.
        target: the class or function a person wrote, for messages.
        owner: id of the auto-configuration that offers it, None for the user's own.
        primary: whether it wins among several candidates.
        order: its place in lists.
        scope: lives as long as the application or one request.
        background: whether it is made while others are.
    """

    name: str
    provides: Any
    factory: Callable[..., Any]
    kind: FactoryKind
    parameters: tuple[Parameter, ...] = ()
    target: object = None
    owner: str | None = None
    primary: bool = False
    order: int = 0
    scope: Scope = "application"
    background: bool = False
    dependencies: tuple[str, ...] = field(default=(), compare=False)

    @property
    def origin(self) -> Origin:
        """Where the class or function is written."""
        return locate(self.target if self.target is not None else self.factory)

    @property
    def provided_class(self) -> type:
        """The class behind `provides`, without type arguments."""
        origin = typing.get_origin(self.provides) or self.provides
        return origin if isinstance(origin, type) else object

    def satisfies(self, wanted: Any) -> bool:
        """Tell whether this component may be handed to who asks for `wanted`.

        A class is satisfied by itself and its nominal subclasses; ``Repository[User]`` by exactly that.
        """
        if typing.get_origin(wanted) is not None:
            return bool(self.provides == wanted)
        return wanted in self._ancestors

    @cached_property
    def _ancestors(self) -> frozenset[type]:
        """What the provided class is; kept, because every parameter of every component asks every definition."""
        return frozenset(self.provided_class.__mro__)

    def __repr__(self) -> str:
        return f"<Definition {self.name!r} provides {type_name(self.provides)} at {self.origin}>"


class UnresolvableHintError(Exception):
    """A type hint names something that its module does not hold at run time.

    Attributes:
        target: the class or function that was read.
        name: what the hint names.
        module: where the hint is written, which may be a base class's module.
    """

    def __init__(self, target: object, name: str, module: str) -> None:
        self.target = target
        self.name = name
        self.module = module
        super().__init__(target, name)

    def __str__(self) -> str:
        return f"{describe(self.target)} has a type hint that cannot be resolved: {self.name!r} is not defined"


def read_hints(target: Callable[..., Any], *, bring: bool = True) -> dict[str, Any]:
    """Return the type hints of a function, or of a class's constructor; reading them is most of reading a factory.

    A name that is only imported for type checkers is asked of the module's ``__getattr__``, where it has one: so an
    auto-configuration that is off loads none of the classes that it would provide.

    Args:
        target: the function or class.
        bring: whether the module is asked.

    Raises:
        UnresolvableHintError: when a hint names something that is only imported for type checkers.
    """
    function = inspect.getattr_static(target, "__init__") if isinstance(target, type) else target
    if function is object.__init__:
        return {}
    brought: dict[str, Any] = {}
    while True:
        try:
            return typing.get_type_hints(function, localns=brought, include_extras=True)
        except NameError as error:
            name = error.name or ""
            if not bring or name in brought or not _bring(name, function, brought):
                raise UnresolvableHintError(target, name or str(error), function.__module__) from error


def _bring(name: str, function: Any, brought: dict[str, Any]) -> bool:
    """Ask the module of a function for a name that it does not have yet."""
    ask = getattr(function, "__globals__", {}).get("__getattr__")
    try:
        brought[name] = ask(name) if ask is not None else None
    except AttributeError:
        return False
    return ask is not None


def read_parameters(target: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return what a class's constructor or a function needs, from its type hints."""
    if isinstance(target, type) and inspect.getattr_static(target, "__init__") is object.__init__:
        return ()
    found = []
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        has_default = parameter.default is not parameter.empty
        found.append(_parameter(parameter.name, hints.get(parameter.name), has_default))
    return tuple(found)


def read_provided(target: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[Any, FactoryKind]:
    """Return the type a factory function provides, from its type hints, and how it does it."""
    provided = hints.get("return")
    kind = FactoryKind.PLAIN
    if inspect.isasyncgenfunction(target):
        kind = FactoryKind.ASYNC_GENERATOR
    elif inspect.isgeneratorfunction(target):
        kind = FactoryKind.GENERATOR
    elif inspect.iscoroutinefunction(target):
        kind = FactoryKind.COROUTINE
    if kind in (FactoryKind.GENERATOR, FactoryKind.ASYNC_GENERATOR) and typing.get_origin(provided) in _GENERATORS:
        provided = typing.get_args(provided)[0]
    return provided, kind


def locate(target: object) -> Origin:
    """Return the file and line where a class, function or module is written, as short as it can be named."""
    target = inspect.unwrap(target) if callable(target) else target
    code = getattr(target, "__code__", None)
    if code is not None:
        return _file_origin(code.co_filename, code.co_firstlineno)
    subject = target if isinstance(target, type | types.ModuleType) else type(target)
    try:
        source = inspect.getsourcefile(subject)
        line = inspect.getsourcelines(subject)[1]
    except (OSError, TypeError):
        return Origin(f"{subject.__module__}.{subject.__qualname__}" if isinstance(subject, type) else str(subject))
    return _file_origin(source or "?", max(line, 1))


def describe(target: object) -> str:
    """Return what a person calls a class or function: ``app.main.Greeter``."""
    module = getattr(target, "__module__", None)
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    return f"{module}.{name}" if module and module != "builtins" else str(name)


def type_name(provided: Any) -> str:
    """Return a type as it is written in code, without its module."""
    if isinstance(provided, type) and typing.get_origin(provided) is None:
        return provided.__qualname__
    return str(provided).replace("typing.", "")


def _parameter(name: str, hint: Any, has_default: bool) -> Parameter:
    """Peel `Annotated`, `| None`, `list`, `dict` and `Lazy` off a hint."""
    qualifier = None
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extras = typing.get_args(hint)
        qualifier = next((extra.name for extra in extras if isinstance(extra, Named)), None)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        inner = next(argument for argument in arguments if argument is not type(None))
        return Parameter(name, inner, Want.OPTIONAL, qualifier, has_default)
    if origin is list:
        return Parameter(name, arguments[0], Want.LIST, qualifier, has_default)
    if origin is dict and arguments[0] is str:
        return Parameter(name, arguments[1], Want.DICT, qualifier, has_default)
    if origin is Lazy:
        return Parameter(name, arguments[0], Want.LAZY, qualifier, has_default)
    return Parameter(name, hint, Want.ONE, qualifier, has_default)


def _file_origin(filename: str, line: int) -> Origin:
    path = Path(filename)
    shown = path
    for base in (Path.cwd(), *(Path(entry) for entry in _import_roots())):
        if path.is_relative_to(base):
            shown = path.relative_to(base)
            break
    return Origin(str(shown), line, None, path)


def _import_roots() -> list[str]:
    import sys

    return sorted((entry for entry in sys.path if entry), key=len, reverse=True)
