"""The marks a user puts on classes and functions; a mark never changes what the class or function is.

Each decorator leaves a frozen record on its target under one attribute, which `sources` and `assembly` read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

from app_framework.boot.injection import Scope

if TYPE_CHECKING:
    from app_framework.boot.conditions import Condition
    from app_framework.boot.config.properties import ConfigProperties

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])
F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__app_framework_mark__"


@dataclass(frozen=True, slots=True)
class ComponentMark:
    """What `@component` and `@bean` say about their target."""

    conditions: tuple[Condition, ...] = ()
    name: str | None = None
    primary: bool = False
    scope: Scope = "application"
    order: int = 0
    provides: Any = None


@dataclass(frozen=True, slots=True)
class BeanMark(ComponentMark):
    """A factory method or function: what it returns is a component."""

    background: bool = False


@dataclass(frozen=True, slots=True)
class ConfigurationMark:
    """A class of the user whose `@bean` methods make components."""

    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class AutoConfigurationMark(ConfigurationMark):
    """A class of a starter, applied after everything of the user."""

    id: str = ""
    properties: tuple[type[ConfigProperties], ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    order: int = 0
    defaults: Mapping[str, object] = field(default_factory=dict)
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureAnalyzerMark:
    """A method that explains one kind of error."""


@dataclass(frozen=True, slots=True)
class RequirementReaderMark:
    """A method that reads what a ready-made source, such as a router, asks for when it is used."""


@dataclass(frozen=True, slots=True)
class ConfigurationCheckMark:
    """A method that finds mistakes in the configuration which no property model can."""


@dataclass(frozen=True, slots=True)
class ListenerMark:
    """A method of a component that hears the events of its parameter's type."""


@dataclass(frozen=True, slots=True)
class RunnerMark:
    """A method of a component that runs once, after start and before ready."""

    order: int = 0


@overload
def component(target: C, /) -> C: ...
@overload
def component(
    *conditions: Condition,
    name: str | None = ...,
    primary: bool = ...,
    scope: Scope = ...,
    order: int = ...,
    provides: Any = ...,
) -> Callable[[C], C]: ...
def component(
    *arguments: Any,
    name: str | None = None,
    primary: bool = False,
    scope: Scope = "application",
    order: int = 0,
    provides: Any = None,
) -> Any:
    """Mark a class as a component: the framework makes one and hands it to whoever asks for its type.

    Args:
        *arguments: conditions that must all match, or the class itself when used without brackets.
        name: its name; the class's name in snake_case when left out.
        primary: whether it wins where several components have the type that is asked for.
        scope: ``application`` (one for the whole run) or ``request`` (one for each request).
        order: its place in an injected list, smallest first.
        provides: the type it is found by, where that is not the class itself.
    """
    return _decorate(ComponentMark, arguments, name=name, primary=primary, scope=scope, order=order, provides=provides)


@overload
def bean(
    *conditions: Condition,
    name: str | None = ...,
    primary: bool = ...,
    scope: Scope = ...,
    order: int = ...,
    provides: Any = ...,
    background: bool = ...,
) -> Callable[[F], F]: ...
@overload
def bean(target: F, /) -> F: ...
def bean(
    *arguments: Any,
    name: str | None = None,
    primary: bool = False,
    scope: Scope = "application",
    order: int = 0,
    provides: Any = None,
    background: bool = False,
) -> Any:
    """Mark a factory method or function: what it returns (or yields) is a component.

    The return annotation is the type it is found by. A generator's code after ``yield`` runs at stop.

    Args:
        *arguments: conditions that must hold.
        name: the component's name; that of the function unless given.
        primary: whether it wins among several candidates.
        scope: ``application`` or ``request``.
        order: its place in lists, smallest first.
        provides: the type it is found by, where the annotation does not say it.
        background: whether it is made while others are: for an ``async def`` that waits for a disk, a process or
            another machine. Who needs it waits until it is there; it is entered in a task of its own.
    """
    return _decorate(
        BeanMark,
        arguments,
        name=name,
        primary=primary,
        scope=scope,
        order=order,
        provides=provides,
        background=background,
    )


@overload
def configuration(target: C, /) -> C: ...
@overload
def configuration(*conditions: Condition) -> Callable[[C], C]: ...
def configuration(*arguments: Any) -> Any:
    """Mark a class of the user whose `@bean` methods make components."""
    return _decorate(ConfigurationMark, arguments)


def auto_configuration(
    *conditions: Condition,
    properties: Iterable[type[ConfigProperties]] = (),
    before: Iterable[str] = (),
    after: Iterable[str] = (),
    order: int = 0,
    defaults: Mapping[str, object] | None = None,
    instances: Iterable[str] = (),
) -> Callable[[C], C]:
    """Mark a starter's class: its beans are offered after everything of the user, when the conditions match.

    Args:
        *conditions: what must hold for the whole class.
        properties: the configuration sections it owns; they stay claimed when it is off.
        before: ids of auto-configurations that must see what this one defines; unknown ids are ignored.
        after: ids of auto-configurations that this one must see.
        order: place among those that no ``before`` or ``after`` relates, smallest first.
        defaults: property values of the lowest precedence but one.
        instances: types, as ``module:Class``, whose instances are picked up from modules given as sources.
    """

    def decorate(cls: C) -> C:
        record = AutoConfigurationMark(
            conditions=conditions,
            id=_auto_configuration_id(cls.__name__),
            properties=tuple(properties),
            before=tuple(before),
            after=tuple(after),
            order=order,
            defaults=dict(defaults or {}),
            instances=tuple(instances),
        )
        setattr(cls, _MARK, record)
        return cls

    return decorate


def failure_analyzer(method: F) -> F:
    """Mark a method of an auto-configuration that turns an error into a description and an action.

    Its first parameter's type is the error it explains; it may also take the `Environment`.
    It returns a `FailureAnalysis`, or None to leave the error to the next one.
    """
    setattr(method, _MARK, FailureAnalyzerMark())
    return method


def requirement_reader(method: F) -> F:
    """Mark a method of an auto-configuration that tells what a ready-made source will ask for.

    It is called with each instance among the sources and returns `Requirement` values; what no component provides
    is then reported with everything else that is wrong with the graph, before anything is created.
    """
    setattr(method, _MARK, RequirementReaderMark())
    return method


def configuration_check(method: F) -> F:
    """Mark a method of an auto-configuration that looks for mistakes without creating anything.

    It takes the `Environment` and raises what it finds. ``af config check`` runs it; a start finds the same, and more,
    when it creates the components.
    """
    setattr(method, _MARK, ConfigurationCheckMark())
    return method


def on_event(method: F) -> F:
    """Mark a method of a component that hears every event of its parameter's type."""
    setattr(method, _MARK, ListenerMark())
    return method


@overload
def runner(target: F, /) -> F: ...
@overload
def runner(*, order: int = ...) -> Callable[[F], F]: ...
def runner(target: Any = None, /, *, order: int = 0) -> Any:
    """Mark a method of a component that runs once, after every component started and before ready."""

    def decorate(method: F) -> F:
        setattr(method, _MARK, RunnerMark(order))
        return method

    return decorate(target) if target is not None else decorate


def mark_of(target: object, kind: type[T]) -> T | None:
    """Return the record that a decorator left on exactly this target, None when there is none of that kind."""
    record = vars(target).get(_MARK) if isinstance(target, type) else getattr(target, _MARK, None)
    return record if isinstance(record, kind) else None


def marked_attributes(cls: type, kind: type[T]) -> list[tuple[str, T]]:
    """Return the methods of a class, inherited ones too, that carry a mark of a kind, by name.

    Only the classes' own dictionaries are read: a property of a component is not called to find out.
    """
    members = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
    found = ((name, mark_of(members[name], kind)) for name in sorted(members))
    return [(name, mark) for name, mark in found if mark is not None]


def snake_case(name: str) -> str:
    """Return a class name as a component name.

    >>> snake_case("HTTPServerPool")
    'http_server_pool'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _decorate(kind: type[Any], arguments: tuple[Any, ...], **fields: Any) -> Any:
    """Serve both spellings: ``@component`` and ``@component(condition, …)``."""
    bare = len(arguments) == 1 and (isinstance(arguments[0], type) or hasattr(arguments[0], "__code__"))
    conditions = () if bare else arguments

    def decorate(target: Any) -> Any:
        setattr(target, _MARK, kind(conditions=conditions, **fields))
        return target

    return decorate(arguments[0]) if bare else decorate


def _auto_configuration_id(class_name: str) -> str:
    return snake_case(class_name.removesuffix("AutoConfiguration")).replace("_", "-")
