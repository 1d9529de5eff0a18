"""What the property models accept, as a tree that is unfolded where somebody looks."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from app_framework.boot.config.properties import ConfigProperties, Deprecated, RelativeToOrigin, prefix_of
from app_framework.boot.config.relaxed import by_variable, kebab

_LISTS = (list, tuple, set, frozenset, Sequence, AbstractSet, Iterable)
_MAPS = (dict, Mapping)


@dataclass(eq=False)
class Shape:
    """What may be written at one place; a union accepts what any of its members does.

    Args:
        scalars: the types of single values, such as ``int`` or ``Literal["a", "b"]``.
        models: the models whose fields are the keys here.
        sections: shapes of keys that come from the prefixes of models.
        of_items: the annotations of list items.
        of_values: the annotations of map values; keys of a map are the user's own.
        anything: whether every value is accepted.
        optional: whether null is.
        open: whether unknown keys are left alone, because nobody has claimed them yet.
        located: whether text is a path relative to its file.
        deprecated: what a field's mark says.
    """

    scalars: tuple[object, ...] = ()
    models: tuple[type[BaseModel], ...] = ()
    sections: dict[str, Shape] = field(default_factory=dict)
    of_items: tuple[object, ...] = ()
    of_values: tuple[object, ...] = ()
    anything: bool = False
    optional: bool = False
    open: bool = False
    located: bool = False
    deprecated: Deprecated | None = None

    @cached_property
    def fields(self) -> dict[str, Shape]:
        """The known keys by their canonical name."""
        found: dict[str, Shape] = {}
        for model in self.models:
            for name, info in model.model_fields.items():
                key = key_of(name, info)
                shape = shape_of(info.annotation, *info.metadata)
                found[key] = joined(found[key], shape) if key in found else shape
        for key, shape in self.sections.items():
            found[key] = joined(found[key], shape) if key in found else shape
        return found

    @cached_property
    def items(self) -> Shape | None:
        """What a list here holds, None when it is no list."""
        return _union(self.of_items)

    @cached_property
    def values(self) -> Shape | None:
        """What a map with free keys holds, None when the keys are fixed."""
        return _union(self.of_values)

    @property
    def has_fields(self) -> bool:
        """Whether a map with known keys is accepted."""
        return bool(self.models or self.sections)

    @property
    def is_map(self) -> bool:
        """Whether a map of any kind is accepted."""
        return self.has_fields or bool(self.of_values)

    @cached_property
    def takes_other_keys(self) -> bool:
        """Whether unknown keys are somebody's business: a model reads them itself, or nobody has claimed them."""
        return self.open or self.anything or bool(self.of_values) or any(map(_takes_any_key, self.models))

    @cached_property
    def secret(self) -> bool:
        """Whether the value must not be shown."""
        return any(scalar in (SecretStr, SecretBytes) for scalar in self.scalars)

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        names = {name: name for name in self.fields}
        for model in self.models:
            for name, info in model.model_fields.items():
                names.setdefault(name, key_of(name, info))
        return names

    @cached_property
    def by_variable(self) -> Mapping[str, Sequence[str]]:
        """The known keys by what all their spellings in a variable share."""
        return by_variable(self.fields)

    def field_named(self, key: str) -> str | None:
        """Return the canonical name of a key that spells a known field, None when none does."""
        return self._spellings.get(key) or self._spellings.get(kebab(key))

    def child(self, step: str | int) -> Shape | None:
        """Return what is accepted one step below, None when nothing is known about it."""
        if isinstance(step, int):
            return self.items or (ANYTHING if self.anything else None)
        name = self.field_named(step)
        if name is not None:
            return self.fields[name]
        return self.values or (ANYTHING if self.anything else None)

    def at(self, path: Iterable[str | int]) -> Shape | None:
        """Return what is accepted at a path, None when nothing is known about it."""
        found: Shape | None = self
        for step in path:
            if found is None:
                return None
            found = found.child(step)
        return found


ANYTHING = Shape(anything=True, optional=True)


def shape_of_models(models: Iterable[type[ConfigProperties]], *, open_root: bool = False) -> Shape:
    """Return the shape of a whole configuration whose sections are the prefixes of `models`."""
    root = Shape(open=open_root)
    for model in models:
        shape = Shape(models=(model,))
        for part in reversed(prefix_of(model).split(".") if prefix_of(model) else ()):
            shape = Shape(sections={part: shape})
        root = joined(root, shape)
    return root


def shape_of(annotation: object, *metadata: object) -> Shape:
    """Return the shape that a field's annotation accepts."""
    shape = _shape(annotation)
    for mark in metadata:
        if isinstance(mark, Deprecated):
            shape.deprecated = mark
        elif isinstance(mark, RelativeToOrigin):
            shape.located = True
    return shape


def joined(one: Shape, other: Shape) -> Shape:
    """Return the shape that accepts what either does."""
    sections = dict(one.sections)
    for key, shape in other.sections.items():
        sections[key] = joined(sections[key], shape) if key in sections else shape
    return Shape(
        scalars=(*one.scalars, *other.scalars),
        models=tuple(dict.fromkeys((*one.models, *other.models))),
        sections=sections,
        of_items=(*one.of_items, *other.of_items),
        of_values=(*one.of_values, *other.of_values),
        anything=one.anything or other.anything,
        optional=one.optional or other.optional,
        open=one.open or other.open,
        located=one.located or other.located,
        deprecated=one.deprecated or other.deprecated,
    )


def _shape(annotation: object) -> Shape:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of(arguments[0], *arguments[1:])
    if origin in (Union, types.UnionType):
        return _union(arguments) or ANYTHING
    if annotation is None or annotation is type(None):
        return Shape(optional=True)
    if annotation is Any or annotation is object or isinstance(annotation, TypeVar):
        return Shape(anything=True, optional=True)
    if hasattr(annotation, "__value__"):
        return _shape(annotation.__value__)
    if hasattr(annotation, "__supertype__"):
        return _shape(annotation.__supertype__)
    return _class_shape(annotation, origin or annotation, arguments)


def _class_shape(annotation: object, kind: object, arguments: tuple[object, ...]) -> Shape:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        root = annotation.model_fields.get("root") if annotation.__pydantic_root_model__ else None
        return shape_of(root.annotation, *root.metadata) if root else Shape(models=(annotation,))
    if kind in _MAPS:
        return Shape(of_values=(arguments[1] if len(arguments) == 2 else Any,))
    if kind in _LISTS:
        items = tuple(each for each in arguments if each is not Ellipsis)
        return Shape(of_items=items or (Any,))
    return Shape(scalars=(annotation,))


def _union(annotations: Iterable[object]) -> Shape | None:
    shapes = [_shape(annotation) for annotation in annotations]
    if not shapes:
        return None
    union = shapes[0]
    for shape in shapes[1:]:
        union = joined(union, shape)
    return union


def key_of(name: str, info: FieldInfo) -> str:
    """Return the key that a field is written with."""
    return info.validation_alias if isinstance(info.validation_alias, str) else info.alias or kebab(name)


def _takes_any_key(model: type[BaseModel]) -> bool:
    """Return whether unknown keys of a model are for pydantic to judge: it allows them, or reads them first."""
    if model.model_config.get("extra") == "allow":
        return True
    return any(each.info.mode == "before" for each in model.__pydantic_decorators__.model_validators.values())
