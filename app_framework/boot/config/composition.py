"""Step two: all sources in the spelling of the claimed models, merged, resolved and bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from app_framework.boot.config.binding import BindingContext, Bound, bind, every_problem
from app_framework.boot.config.canonical import Canonical
from app_framework.boot.config.deprecation import Deprecations
from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.external import COMMAND_LINE
from app_framework.boot.config.gathering import TEST_PROPERTIES, Gathered
from app_framework.boot.config.placeholders import Placeholders
from app_framework.boot.config.places import find_path
from app_framework.boot.config.properties import ConfigProperties, prefix_of
from app_framework.boot.config.property_source import (
    ConfigValue,
    KeyPath,
    PropertySource,
    empty,
    from_python,
    merged,
    segments,
)
from app_framework.boot.config.secrecy import MASK, is_secret_name, scrub
from app_framework.boot.config.shape import Shape, key_of, shape_of_models
from app_framework.boot.origin import Origin

Defaults = tuple[tuple[str, Mapping[str, object]], ...]

_AFTER_FILES = {COMMAND_LINE.source: 1, TEST_PROPERTIES.source: 2}
_CONSEQUENCES = ("missing-value", "unresolved-placeholder", "unknown-variable")
"""What a file that could not be read may cause elsewhere; told only when all files are readable."""


class Composition:
    """The settings as a set of models sees them.

    Args:
        gathered: what was read.
        models: the claimed models.
        defaults: settings below all files, the lowest first.
        open_root: whether sections that nobody claims are left alone.

    Attributes:
        shape: what the models accept.
        sources: every source in canonical spelling, the lowest first.
        merged: the sources over each other, as written.
        resolved: the same without placeholders.
    """

    def __init__(
        self,
        gathered: Gathered,
        models: tuple[type[ConfigProperties], ...],
        defaults: Defaults = (),
        open_root: bool = False,
    ) -> None:
        self.gathered = gathered
        self.models = models
        self.defaults = defaults
        self.shape = shape_of_models(models, open_root=open_root)
        self._own_problems: dict[type[ConfigProperties], tuple[ConfigProblem, ...]] = {}
        self._found: list[ConfigProblem] = list(gathered.problems)
        self._unknown: list[ConfigProblem] = []
        self._warned: list[ConfigProblem] = []
        deprecations = Deprecations(self._collected(), self.shape)
        self._warned.extend(deprecations.warnings)
        self._found.extend(deprecations.problems)
        self.sources = tuple(deprecations.sources)
        self.merged = self._whole = _over_each_other([source.root for source in self.sources])
        placeholders = Placeholders(
            self.merged, self.shape, self._place, gathered.environ, self._plainly_secret, gathered.drawn
        )
        self.resolved = self._whole = placeholders.resolved()
        self._tainted = placeholders.tainted
        self._found.extend(placeholders.problems)

    def _collected(self) -> list[PropertySource]:
        """Return every source, the lowest first, in canonical spelling."""
        canonical = Canonical(self.shape)
        lenient = Canonical(self.shape)  # what a starter sets for another one that is absent is nobody's mistake
        sources = [
            PropertySource(name, lenient.root(from_python(values, Origin(name)))) for name, values in self.defaults
        ]
        sources += [PropertySource(source.name, canonical.root(source.root)) for source in self.gathered.files]
        below = _over_each_other([source.root for source in sources])
        strangers: list[ConfigProblem] = []
        for found in self.gathered.above_files(below, canonical):
            sources.append(found.source)
            canonical.unknown.extend(found.unknown)
            strangers.extend(found.strangers)
        self._found.extend(canonical.problems)
        self._unknown.extend(canonical.unknown)
        self._warned.extend(strangers)
        return sources

    # What is wrong

    def problems_with(self, required: Sequence[type[ConfigProperties]]) -> tuple[ConfigProblem, ...]:
        """Return everything that is wrong when the models in `required` will be bound for sure."""
        found = [*self._found, *([] if self._is_lenient else self._unknown)]
        found.extend(every_problem(self._bounds.values()))
        for model in required:
            found.extend(self.bound(model).missing)
        if any(problem.code in ("yaml-syntax", "bad-file", "too-large") for problem in found):
            found = [problem for problem in found if problem.code not in _CONSEQUENCES]
        return self._ordered(found)

    def problems_of(self, model: type[ConfigProperties]) -> tuple[ConfigProblem, ...]:
        """Return what is wrong in the part of the configuration that a model is bound to."""
        if model not in self._own_problems:
            prefix = prefix_of(model)
            parts = [prefix] if prefix else [key_of(name, info) for name, info in model.model_fields.items()]
            found = [*self._found, *([] if self._is_lenient else self._unknown)]
            own = [problem for problem in found if any(_is_part(problem.key, part) for part in parts)]
            bound = self._bounds[model]
            self._own_problems[model] = self._ordered([*own, *bound.problems, *bound.missing])
        return self._own_problems[model]

    @cached_property
    def warnings(self) -> tuple[ConfigProblem, ...]:
        """What is probably a mistake but stops nothing."""
        return self._ordered([*self._warned, *(self._unknown if self._is_lenient else [])])

    @property
    def _is_lenient(self) -> bool:
        found = self.resolved.find(("app", "config", "unknown"))
        return found is not None and found.value == "warn"

    def _ordered(self, problems: Iterable[ConfigProblem]) -> tuple[ConfigProblem, ...]:
        """Return the problems in the order of the files, one for each place and key."""
        first: dict[object, ConfigProblem] = {}
        for problem in problems:
            identity = (problem.origin, problem.key) if problem.key else (problem.origin, problem.message)
            first.setdefault(identity, problem)
        return tuple(sorted(first.values(), key=self._rank))

    def _rank(self, problem: ConfigProblem) -> tuple[int, int, int]:
        origin = problem.origin
        if origin is None:
            return len(self._ranks) + len(_AFTER_FILES) + 1, 0, 0
        rank = self._ranks.get(origin.source)
        if rank is None:
            rank = len(self._ranks) + _AFTER_FILES.get(origin.source, 0)
        return rank, origin.line or 0, origin.column or 0

    @cached_property
    def _ranks(self) -> dict[str, int]:
        names = (source.root.origin.source for source in self.gathered.files)
        return {name: rank for rank, name in enumerate(dict.fromkeys(names))}

    # Binding

    def bound(self, model: type[ConfigProperties]) -> Bound:
        """Return the outcome of binding a claimed model."""
        return self._bounds[model]

    @cached_property
    def _bounds(self) -> dict[type[ConfigProperties], Bound]:
        context = BindingContext(self.resolved, self.shape, self.gathered.directory, self.is_secret, self._overridden)
        return {model: bind(model, context) for model in self.models}

    def _overridden(self, path: KeyPath) -> list[Origin]:
        """Return where else a key is set, the highest first."""
        found = [source.root.find(path) for source in reversed(self.sources)]
        origins = [value.origin for value in found if value is not None and not isinstance(value.value, dict)]
        return list(dict.fromkeys(origins))[1:]

    # Keys

    def path(self, key: str | Sequence[str | int]) -> KeyPath:
        """Return the exact path that a key means."""
        if not isinstance(key, str):
            steps = tuple(key)
            return steps if self.resolved.find(steps) is not None else self._spelled(steps)
        place = self._place(key)
        return place if place is not None else segments(key)

    def find(self, key: str | Sequence[str | int]) -> ConfigValue | None:
        """Return the resolved value at a key."""
        return self.resolved.find(self.path(key))

    def _place(self, key: str) -> KeyPath | None:
        """Return where a dotted key leads; also into sections that nobody claims, as far as they are there."""
        found = find_path(key, self.shape, self._whole)
        if found is None and self._whole.find(segments(key)) is not None:
            return segments(key)
        return found

    def _spelled(self, steps: KeyPath) -> KeyPath:
        """Return a path with the canonical names of known fields."""
        shape: Shape | None = self.shape
        spelled: list[str | int] = []
        for step in steps:
            name = shape.field_named(step) if shape and isinstance(step, str) else None
            spelled.append(name if name is not None else step)
            shape = shape.child(step) if shape else None
        return tuple(spelled)

    # Secrets

    def is_secret(self, path: KeyPath) -> bool:
        """Return whether a value must not be shown: by its type, by its name, or because it came from a secret."""
        return self._plainly_secret(path) or any(path[: len(taint)] == taint for taint in self._tainted)

    def _plainly_secret(self, path: KeyPath) -> bool:
        shape: Shape | None = self.shape
        for at, step in enumerate(path):
            shape = shape.child(step) if shape else None
            if shape and shape.secret:
                return True
            named = isinstance(step, str) and is_secret_name(step)
            if named and (_is_last_name(path, at) or not _has_known_keys(shape)):
                return True
        return False

    def masked(self, path: KeyPath, value: object) -> object:
        """Return a value as it may be shown."""
        if isinstance(value, Mapping):
            return {key: self.masked((*path, str(key)), child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.masked((*path, at), child) for at, child in enumerate(value)]
        if value is not None and self.is_secret(path):
            return MASK
        return scrub(value) if isinstance(value, str) else value


def _over_each_other(roots: Iterable[ConfigValue]) -> ConfigValue:
    whole = empty(Origin("the configuration"))
    for root in roots:
        whole = merged(whole, root)
    return whole


def _is_last_name(path: KeyPath, at: int) -> bool:
    return not any(isinstance(step, str) for step in path[at + 1 :])


def _has_known_keys(shape: Shape | None) -> bool:
    """Return whether what lies below a place has names of its own to go by."""
    if shape is None or shape.anything:
        return False
    inner = shape.values or shape.items
    return shape.has_fields or (inner is not None and _has_known_keys(inner))


def _is_part(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith((f"{prefix}.", f"{prefix}["))
