"""Why a key has its value: every source that sets it, the winner first (FA5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from app_framework.boot.config.places import known_paths
from app_framework.boot.config.properties import ConfigProperties, prefix_of
from app_framework.boot.config.property_source import ConfigValue, KeyPath, PropertySource, dotted, from_python
from app_framework.boot.config.shape import key_of
from app_framework.boot.origin import Origin
from app_framework.errors import UserError, did_you_mean, near_matches

if TYPE_CHECKING:
    from app_framework.boot.config.composition import Composition


@dataclass(frozen=True, slots=True)
class Setting:
    """What one source says about one key.

    Args:
        value: the value as it may be shown: resolved when it wins, as written otherwise.
        origin: where it was written.
        source: the name of the source.
        winner: whether this one holds.
        secret: whether the value is masked.
        written: the value as it was written, with its placeholders.
    """

    value: object
    origin: Origin
    source: str
    winner: bool
    secret: bool = False
    written: object = None


class UnknownPropertyError(UserError):
    """Nobody sets the key, and no model has it.

    Attributes:
        key: the key.
        near: known keys that were probably meant.
    """

    code = "UNKNOWN_PROPERTY"

    def __init__(self, key: str, near: Sequence[str] = ()) -> None:
        self.key = key
        self.near = tuple(near)
        super().__init__(key, self.near)

    def __str__(self) -> str:
        hint = f". {did_you_mean(self.near)}" if self.near else ""
        return f"no property is called '{self.key}'{hint}"


def explain(composition: Composition, key: str | Sequence[str | int]) -> tuple[Setting, ...]:
    """Return every source that sets a key; see `Environment.explain`."""
    path = composition.path(key)
    found: list[Setting] = []
    for source in reversed(composition.sources):
        value = _said(source, path)
        if value is not None:
            found.append(_setting(composition, path, source, value, winner=not found))
    default = _default(composition, path, winner=not found)
    if default is None and not found and composition.shape.at(path) is None:
        shown_key = key if isinstance(key, str) else dotted(path)
        raise UnknownPropertyError(shown_key, near_keys(composition, shown_key))
    return tuple([*found, default] if default else found)


def _said(source: PropertySource, path: KeyPath) -> ConfigValue | None:
    """Return what a source says about a path; also a placeholder that stands for a map or list around it."""
    for length in range(len(path), 0, -1):
        value = source.root.find(path[:length])
        if value is not None:
            is_around = isinstance(value.value, str) and "${" in value.value
            return value if length == len(path) or is_around else None
    return None


def _setting(
    composition: Composition, path: KeyPath, source: PropertySource, value: ConfigValue, *, winner: bool
) -> Setting:
    written = composition.masked(path, value.plain())
    holding = composition.resolved.find(path) if winner else None
    shown = composition.masked(path, holding.plain()) if holding else written
    return Setting(shown, value.origin, source.name, winner, composition.is_secret(path), written)


def near_keys(composition: Composition, key: str) -> tuple[str, ...]:
    """Return the known keys that `key` was probably meant to be."""
    known = [dotted(path) for path in known_paths(composition.shape, composition.merged)]
    siblings = [other for other in known if other.count(".") == key.count(".")]
    return near_matches(key, siblings) or near_matches(key, known)


def effective(composition: Composition, *, defaults: bool) -> dict[str, Setting]:
    """Return what holds for every key, in the order of the keys; see `Environment.effective`."""
    found: dict[str, Setting] = {}
    for path, _ in composition.resolved.leaves():
        said = ((source, _said(source, path)) for source in reversed(composition.sources))
        winner = next(((source, value) for source, value in said if path and value is not None), None)
        if winner:
            found[dotted(path)] = _setting(composition, path, *winner, winner=True)
    for model in composition.models if defaults else ():
        for path, default in _defaults(composition, model):
            if not _is_covered(composition, path):
                found[dotted(path)] = _as_default(composition, model, path, default, winner=True)
    return dict(sorted(found.items()))


def _default(composition: Composition, path: KeyPath, *, winner: bool) -> Setting | None:
    """Return what the model fills in at a path."""
    for model in composition.models:
        below = {}
        for known, value in _defaults(composition, model):
            if known == path:
                return _as_default(composition, model, path, value, winner=winner)
            if known[: len(path)] == path:
                below[dotted(known[len(path) :])] = value
        if below:
            return _as_default(composition, model, path, below, winner=winner)
    return None


def _as_default(
    composition: Composition, model: type[ConfigProperties], path: KeyPath, value: object, *, winner: bool
) -> Setting:
    source = f"default of {model.__name__}"
    shown = composition.masked(path, value)
    return Setting(shown, Origin(source), source, winner, composition.is_secret(path), shown)


def _is_covered(composition: Composition, path: KeyPath) -> bool:
    """Return whether a source says something about a path, or about what it is part of."""
    for length in range(len(path), 0, -1):
        found = composition.resolved.find(path[:length])
        if found is not None:
            return length == len(path) or not isinstance(found.value, dict)
    return False


def _defaults(composition: Composition, model: type[ConfigProperties]) -> Iterator[tuple[KeyPath, object]]:
    """Yield every key that a model fills in, with the value as it is declared."""
    prefix = tuple(prefix_of(model).split(".")) if prefix_of(model) else ()
    yield from _model_defaults(model, prefix, None)
    bound = composition.bound(model).instance
    for name, info in model.model_fields.items():
        if info.default_factory_takes_validated_data and bound is not None and name not in bound.model_fields_set:
            yield (*prefix, key_of(name, info)), from_python(getattr(bound, name), Origin("default")).plain()


def _model_defaults(
    model: type[BaseModel], path: KeyPath, instance: BaseModel | None
) -> Iterator[tuple[KeyPath, object]]:
    for name, info in model.model_fields.items():
        here = (*path, key_of(name, info))
        if instance is not None and name in instance.model_fields_set:
            value = getattr(instance, name)
        elif info.is_required() or info.default_factory_takes_validated_data:
            continue
        else:
            value = info.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            yield from _model_defaults(type(value), here, value)
        else:
            yield here, from_python(value, Origin("default")).plain()
