"""Bind a part of the configuration to its model, and say in plain words what the model refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app_framework.boot.config.canonical import unknown_key
from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.expectation import choices, expected, one_of
from app_framework.boot.config.properties import ConfigProperties, Located, prefix_of
from app_framework.boot.config.property_source import ConfigValue, KeyPath, dotted
from app_framework.boot.config.secrecy import MASK, scrub
from app_framework.boot.config.shape import Shape, shape_of_models
from app_framework.boot.config.text_value import takes_boolean, wants_text
from app_framework.boot.origin import Origin
from app_framework.errors import near_matches

_VALUE_LENGTH_MAX = 60
_LENGTH = re.compile(r"\w+ should have (?P<bound>at (least|most) \d+ \w+)")
_VERBS = ("is ", "must ", "has ", "does ", "needs ", "cannot ", "may ", "names ")
_TYPE_ERRORS = ("_type", "_parsing", "_attributes_type", "_from_float", "_size")


@dataclass(frozen=True, slots=True)
class BindingContext:
    """What binding asks of the environment.

    Args:
        root: the merged values without placeholders.
        shape: what all models accept.
        directory: where relative paths start that no file says.
        secret: whether the value at a path must not be shown.
        also: the other places that set a path.
    """

    root: ConfigValue
    shape: Shape
    directory: Path
    secret: Callable[[KeyPath], bool]
    also: Callable[[KeyPath], Sequence[Origin]]


@dataclass(frozen=True, slots=True)
class Bound:
    """The outcome of binding one model.

    Args:
        instance: the properties, None when there are problems.
        problems: values that were refused.
        missing: values that must be set and are not.
        is_set: whether any source says something about the model.
    """

    instance: ConfigProperties | None
    problems: tuple[ConfigProblem, ...] = ()
    missing: tuple[ConfigProblem, ...] = ()
    is_set: bool = True


def bind(model: type[ConfigProperties], context: BindingContext) -> Bound:
    """Return the properties of `model`, or everything that is wrong with its part of the configuration."""
    prefix = tuple(prefix_of(model).split(".")) if prefix_of(model) else ()
    section = context.root.find(prefix)
    shape = shape_of_models([model]).at(prefix) or Shape(models=(model,))
    data = plain_input(section, shape, context.directory) if section else {}
    try:
        instance = model.model_validate(data, context={"directory": context.directory})
    except ValidationError as error:
        problems = _Translation(context, prefix).problems(error)
        missing = tuple(problem for problem in problems if problem.code == "missing-value")
        is_set = bool(data) or (bool(prefix) and section is not None)
        return Bound(None, tuple(p for p in problems if p not in missing), missing, is_set)
    return Bound(instance)


def plain_input(value: ConfigValue, shape: Shape | None, directory: Path) -> object:
    """Return a value as the model reads it: without unknown keys, numbers as text where text is wanted."""
    inner = value.value
    if shape is None:
        return value.plain()
    if isinstance(inner, dict):
        known = shape.fields.keys() if shape.has_fields and not shape.takes_other_keys else inner.keys()
        return {key: plain_input(child, shape.child(key), directory) for key, child in inner.items() if key in known}
    if isinstance(inner, list):
        return [plain_input(child, shape.items, directory) for child in inner]
    if isinstance(inner, bool) and not takes_boolean(shape):  # pydantic would take true for 1
        return value.text or str(inner).lower()
    if isinstance(inner, (int, float)) and wants_text(shape):
        return value.text if value.text is not None else str(inner)
    if isinstance(inner, str) and shape.located:
        return Located.at(inner, value.origin.directory or directory)
    return inner


class _Translation:
    """Turns the errors of one validation into problems with place, value and advice."""

    def __init__(self, context: BindingContext, prefix: KeyPath) -> None:
        self._context = context
        self._prefix = prefix

    def problems(self, error: ValidationError) -> list[ConfigProblem]:
        """Return one problem for each place; the members of a union share their place."""
        places: dict[KeyPath, list[ErrorDetails]] = {}
        for detail in error.errors(include_url=False):
            if detail["type"] == "default_factory_not_called":  # what it depends on is told already
                continue
            places.setdefault(self._path(detail), []).append(detail)
        deepest = [path for path in places if not any(_is_below(other, path) for other in places)]
        return [self._problem(path, places[path]) for path in places if path in deepest]

    def _path(self, detail: ErrorDetails) -> KeyPath:
        """Return the place an error is about; what pydantic calls the members of unions is left out."""
        value: ConfigValue | None = self._context.root.find(self._prefix)
        path = list(self._prefix)
        steps = detail["loc"]
        for at, step in enumerate(steps):
            child = value.at(step) if value else None
            if child is not None:
                path.append(step)
                value = child
            elif at == len(steps) - 1 and detail["type"] == "missing":
                path.append(step)
        return tuple(path)

    def _problem(self, path: KeyPath, details: Sequence[ErrorDetails]) -> ConfigProblem:
        first = details[0]
        key = dotted(path) or "the configuration"
        if first["type"] == "missing":
            return self._missing(path)
        if first["type"] == "extra_forbidden":
            where = self._context.shape.at(path[:-1]) or Shape()
            return unknown_key(str(path[-1]), where, path[:-1], self._origin(path, True), self._context.shape)
        value = self._context.root.find(path)
        shape = self._context.shape.at(path)
        near: tuple[str, ...] = ()
        if shape and value and isinstance(value.value, str):
            near = near_matches(value.value, choices(shape))
        sentence = _sentence(key, self._shown(path, value), self._reason(details, shape))
        message = self._scrubbed(sentence + self._elsewhere(path))
        action = f"Set {key} to '{near[0]}'." if near else f"Correct the value of {key}."
        return ConfigProblem("bad-value", message, self._origin(path), near, action, key=key)

    def _missing(self, path: KeyPath) -> ConfigProblem:
        key = dotted(path)
        shape = self._context.shape.at(path)
        kind = f" ({expected(shape)})" if shape and expected(shape) else ""
        message = f"{key} must be set{kind}"
        return ConfigProblem(
            "missing-value", message, self._origin(path[:-1], of_key=True), action=f"Set {key}.", key=key
        )

    def _reason(self, details: Sequence[ErrorDetails], shape: Shape | None) -> str:
        """Return why a value is refused: by its kind, or by a rule that its kind is under."""
        rules = [_rule(detail) for detail in details if not _is_about_kind(detail)]
        if len(rules) == len(details):
            return " or ".join(dict.fromkeys(rules))
        own = [_own_words(detail).removeprefix("is not ") for detail in details if _own_words(detail)]
        if own and shape:
            own.extend([one_of(choices(shape))] if choices(shape) else [])
        wanted = " or ".join(dict.fromkeys(own)) or (expected(shape) if shape else "")
        return f"is not {wanted}" if wanted else (rules or [_rule(details[0])])[0]

    def _shown(self, path: KeyPath, value: ConfigValue | None) -> str:
        """Return the refused value as it may be shown."""
        if value is None:
            return ""
        if self._context.secret(path):
            return MASK
        if isinstance(value.value, (dict, list)):
            return ""
        if value.value is None:
            return "an empty value"
        text = scrub(value.text if value.text is not None else str(value.value))
        return f"'{text[:_VALUE_LENGTH_MAX]}…'" if len(text) > _VALUE_LENGTH_MAX else f"'{text}'"

    def _elsewhere(self, path: KeyPath) -> str:
        others = self._context.also(path)
        return f" (this property is also set in {', '.join(map(str, others))})" if others else ""

    def _scrubbed(self, message: str) -> str:
        """Remove secrets that a validator may have put into its own words."""
        section = self._context.root.find(self._prefix)
        for path, leaf in section.leaves(self._prefix) if section else ():
            text = leaf.text if leaf.text is not None else str(leaf.value)
            if len(text) > 3 and text in message and self._context.secret(path):
                message = message.replace(text, MASK)
        return message

    def _origin(self, path: KeyPath, of_key: bool = False) -> Origin | None:
        while path:
            found = self._context.root.find(path)
            if found:
                return found.key_origin if of_key or isinstance(found.value, (dict, list)) else found.origin
            path = path[:-1]
        return None


def _sentence(key: str, shown: str, reason: str) -> str:
    """Return key, value and reason as one sentence, whether or not the reason goes on from the value."""
    goes_on = reason.startswith(_VERBS)
    if shown:
        return f"{key}: {shown} {reason}" if goes_on else f"{key}: {shown}: {reason}"
    return f"{key} {reason}" if goes_on else f"{key}: {reason}"


def _is_below(path: KeyPath, other: KeyPath) -> bool:
    return len(path) > len(other) and path[: len(other)] == other


def _is_about_kind(detail: ErrorDetails) -> bool:
    """Return whether an error says that the value is of the wrong kind."""
    kind = detail["type"]
    if kind.endswith(_TYPE_ERRORS) or kind in ("enum", "literal_error", "is_instance_of", "none_required"):
        return True
    return bool(_own_words(detail))


def _own_words(detail: ErrorDetails) -> str:
    """Return what a validator of ours says about the kind of value: ``is not a size such as 10MB``."""
    words = str(detail.get("ctx", {}).get("error", "")) if detail["type"] == "value_error" else ""
    return words if words.startswith("is not ") else ""


def _rule(detail: ErrorDetails) -> str:
    """Return the sentence of a rule without pydantic's manner of speaking."""
    context: Mapping[str, Any] = detail.get("ctx", {})
    if detail["type"] in ("value_error", "assertion_error"):
        return str(context.get("error", detail["msg"]))
    message = detail["msg"]
    if found := _LENGTH.match(message):
        return f"must have {found['bound']}"
    for before, after in (("Input should be ", "must be "), ("Value should ", "must "), ("String should ", "must ")):
        if message.startswith(before):
            return after + message.removeprefix(before)
    return message[:1].lower() + message[1:]


def every_problem(bounds: Iterable[Bound]) -> list[ConfigProblem]:
    """Return the problems of several models, without what must be set of models that nobody mentions."""
    found: list[ConfigProblem] = []
    for bound in bounds:
        found.extend(bound.problems)
        if bound.is_set:
            found.extend(bound.missing)
    return found
