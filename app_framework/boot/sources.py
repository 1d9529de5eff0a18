"""What a user hands to an `Application`: classes, functions, modules, instances; read into candidates.

A candidate is a definition together with the conditions that decide whether it counts.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from app_framework.boot.conditions import Condition
from app_framework.boot.decorators import BeanMark, ComponentMark, ConfigurationMark, mark_of, snake_case
from app_framework.boot.definition import (
    Definition,
    FactoryKind,
    Parameter,
    UnresolvableHintError,
    describe,
    locate,
    read_hints,
    read_parameters,
    read_provided,
)
from app_framework.errors import UserError


class InvalidSourceError(UserError):
    """Something was given as a source that cannot be one.

    Attributes:
        source: what was given.
        reason: why it cannot be used.
    """

    def __init__(self, source: object, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(source, reason)

    def __str__(self) -> str:
        return f"{describe(self.source)} ({locate(self.source)}) cannot be a source: {self.reason}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A definition that counts when its conditions match.

    Args:
        definition: the recipe.
        conditions: its own conditions, without those of the class it stands in.
        problem: a type hint that cannot be resolved, reported with everything else that is wrong.
    """

    definition: Definition
    conditions: tuple[Condition, ...] = ()
    problem: UnresolvableHintError | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationSource:
    """A user's `@configuration` class: conditions of its own around several beans."""

    name: str
    target: type
    conditions: tuple[Condition, ...]
    candidates: tuple[Candidate, ...]


def read_sources(
    sources: Iterable[object], instance_types: Iterable[str] = ()
) -> Iterator[Candidate | ConfigurationSource]:
    """Read what the user gave, in the order given.

    Args:
        sources: classes, `@bean` functions, modules, or ready-made instances.
        instance_types: types (``module:Class``) whose instances count when a module holds them.

    Raises:
        InvalidSourceError: when something is not one of these.
    """
    wanted = frozenset(instance_types)
    for source in sources:
        if isinstance(source, types.ModuleType):
            yield from _read_module(source, wanted)
        else:
            yield _read_source(source)


def read_beans(owner: type, owner_id: str | None = None, *, bring: bool = True) -> tuple[Candidate, ...]:
    """Return the beans of a configuration class, in the order they are written; the class is a component too.

    Args:
        owner: the class.
        owner_id: of an auto-configuration.
        bring: whether names of hints that are not loaded yet are; without it such a bean cannot be defined.
    """
    owner_name = f"{owner_id or snake_case(owner.__name__)}_configuration".replace("-", "_")
    found = [_class_candidate(owner, ComponentMark(name=owner_name), owner_id)]
    for base in reversed(owner.__mro__):
        for attribute in vars(base).values():
            mark = mark_of(attribute, BeanMark) if isinstance(attribute, types.FunctionType) else None
            if mark is not None:
                found.append(_bean_candidate(attribute, mark, owner_id, configuration=owner, bring=bring))
    return tuple(found)


def value_definition(name: str, value: object, provides: Any = None) -> Definition:
    """Return the definition of an instance that exists already."""
    return Definition(
        name=name,
        provides=provides or type(value),
        factory=lambda: value,
        kind=FactoryKind.VALUE,
        target=type(value),
    )


def _read_module(module: types.ModuleType, instance_types: frozenset[str]) -> Iterator[Candidate | ConfigurationSource]:
    """Take the marked classes and functions a module itself defines; nothing is searched below it."""
    for name, attribute in list(vars(module).items()):
        marked = any(mark_of(attribute, kind) for kind in (ComponentMark, ConfigurationMark))
        if marked and getattr(attribute, "__module__", None) == module.__name__:
            yield _read_source(attribute)
        elif instance_types & _type_names(type(attribute)):
            yield Candidate(value_definition(f"{module.__name__.rpartition('.')[2]}_{name}", attribute))


def _read_source(source: object) -> Candidate | ConfigurationSource:
    if isinstance(source, type):
        configuration = mark_of(source, ConfigurationMark)
        if configuration is not None:
            return ConfigurationSource(
                snake_case(source.__name__), source, configuration.conditions, read_beans(source)
            )
        mark = mark_of(source, ComponentMark) or ComponentMark()
        return _class_candidate(source, mark, None)
    if isinstance(source, types.FunctionType):
        bean = mark_of(source, BeanMark)
        if bean is None:
            raise InvalidSourceError(source, "a function must be marked with @bean")
        return _bean_candidate(source, bean, None, configuration=None)
    if source is None or isinstance(source, str | int | float | dict | list | tuple):
        raise InvalidSourceError(source, "give classes, @bean functions, modules, or instances of your own classes")
    return Candidate(value_definition(snake_case(type(source).__name__), source))


def _class_candidate(target: type, mark: ComponentMark, owner: str | None) -> Candidate:
    hints, problem = _hints(target)
    definition = Definition(
        name=mark.name or snake_case(target.__name__),
        provides=mark.provides or target,
        factory=target,
        kind=FactoryKind.PLAIN,
        parameters=() if problem else read_parameters(target, hints),
        target=target,
        owner=owner,
        primary=mark.primary,
        order=mark.order,
        scope=mark.scope,
    )
    return Candidate(definition, mark.conditions, problem)


def _bean_candidate(
    function: Callable[..., Any],
    mark: BeanMark,
    owner: str | None,
    configuration: type | None,
    *,
    bring: bool = True,
) -> Candidate:
    """A bean method's ``self`` is its configuration, injected like anything else."""
    hints, problem = _hints(function, bring=bring)
    parameters = () if problem else read_parameters(function, hints)
    if configuration is not None and parameters:
        parameters = (Parameter(parameters[0].name, configuration), *parameters[1:])
    provided, kind = (None, FactoryKind.PLAIN) if problem else read_provided(function, hints)
    if mark.provides is None and not problem and (provided is None or provided is type(None)):
        raise InvalidSourceError(function, "a @bean must say what it makes: give it a return annotation")
    if mark.background and not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
        raise InvalidSourceError(function, "only an `async def` can be made in the background")
    if mark.background and mark.scope != "application":
        raise InvalidSourceError(function, "what lives as long as one request is not made in the background")
    definition = Definition(
        name=mark.name or function.__name__,
        provides=mark.provides or provided or object,
        factory=function,
        kind=kind,
        parameters=parameters,
        target=function,
        owner=owner,
        primary=mark.primary,
        order=mark.order,
        scope=mark.scope,
        background=mark.background,
    )
    return Candidate(definition, mark.conditions, problem)


def _hints(target: Callable[..., Any], *, bring: bool = True) -> tuple[dict[str, Any], UnresolvableHintError | None]:
    try:
        return read_hints(target, bring=bring), None
    except UnresolvableHintError as error:
        return {}, error


def _type_names(cls: type) -> set[str]:
    return {f"{base.__module__}:{base.__qualname__}" for base in cls.__mro__}
