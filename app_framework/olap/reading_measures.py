"""The measures of a model: a mapping with one key that says what is computed, and what that has to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app_framework.database.errors import ModelProblem
from app_framework.errors import near_matches
from app_framework.olap.aggregation import FORMULA, Aggregation, Aggregations
from app_framework.olap.definition import ConfigurationPath, MeasureDefinition
from app_framework.olap.language import FORMS, Form
from app_framework.olap.shapes import TEXTS, ShapeReader

SHOWN = ("format", "folder", "visible", *TEXTS)
"""What a measure may say beside what it computes."""

_Options = dict[str, object]


class MeasureReader(ShapeReader):
    """Reads measures; one that cannot be read is left out and its problem kept."""

    def __init__(self, problems: list[ModelProblem], aggregations: Aggregations) -> None:
        super().__init__(problems)
        self._aggregations = aggregations

    def measure(self, name: str, document: object, path: ConfigurationPath) -> MeasureDefinition | None:
        """Return a measure, None when there is something wrong with its shape."""
        if not isinstance(document, Mapping):
            self.add(path, "INVALID_SHAPE", f"measure {name!r} is written `{{sum: column}}` or `{{formula: …}}`.")
            return None
        kind = self._kind(name, document, path)
        if kind is None:
            return None
        read = self._calculated(name, document, FORMS[kind], path) if kind in FORMS else None
        if kind not in FORMS:
            read = self._aggregated(name, document, kind, path)
        if read is None:
            return None
        argument, options = read
        return MeasureDefinition(
            name,
            kind,
            argument,
            (*path, kind),
            self.text(document, "caption", path),
            self.text(document, "format", path),
            self.text(document, "description", path),
            self.text(document, "folder", path),
            self.flag(document, "visible", path, default=True),
            options,
            document[kind] if callable(document[kind]) else None,
        )

    def _kind(self, name: str, document: Mapping[object, object], path: ConfigurationPath) -> str | None:
        """Return the one key of a measure that says what it computes."""
        kinds = [*self._aggregations, FORMULA, *FORMS]
        written = [str(key) for key in document if key in kinds]
        if len(written) == 1:
            return written[0]
        if written:
            text = f"measure {name!r} computes one thing, not {' and '.join(written)}."
            self.add(path, "INVALID_SHAPE", text, of_key=True)
            return None
        options = {option for aggregation in self._aggregations.values() for option in aggregation.options}
        options |= {option.name for form in FORMS.values() for option in form.options}
        extra = [str(key) for key in document if key not in (*SHOWN, *options)]
        if not extra:
            text = f"measure {name!r} does not say what it computes: {', '.join(kinds)}."
            self.add(path, "AGGREGATION_REQUIRED", text, of_key=True)
        for key in extra:
            near = near_matches(key, [*kinds, *SHOWN])
            self.add((*path, key), "UNKNOWN_AGGREGATION", f"there is no aggregation {key!r}.", near, of_key=True)
        return None

    def _calculated(
        self, name: str, document: Mapping[object, object], form: Form, path: ConfigurationPath
    ) -> tuple[str, _Options] | None:
        """Return the measure a calculation is over, and what it is told; None when some of it is missing or wrong."""
        known = [option.name for option in form.options]
        entries = self.mapping(document, path, "a measure", (form.key, *known, *SHOWN))
        misspelt = {near for key in document if key not in entries for near in near_matches(str(key), known)}
        told = len(self.problems)
        given: _Options = {}
        for key, shape, required in [
            (form.key, form.argument, True),
            *((option.name, option.shape, option.required) for option in form.options),
        ]:
            value = entries.get(key)
            if value is not None and shape.accepts(value):
                given[key] = value
            elif value is not None:
                self.add((*path, key), "INVALID_SHAPE", f"`{key}` is {shape.words}.")
            elif required and key not in misspelt:
                self.add(path, "OPTION_REQUIRED", f"measure {name!r} needs `{key}`: {shape.words}.", of_key=True)
        if len(self.problems) > told or misspelt:
            return None
        argument = given.pop(form.measure)
        return _path_of(argument) if callable(argument) else str(argument), given

    def _aggregated(
        self, name: str, document: Mapping[object, object], kind: str, path: ConfigurationPath
    ) -> tuple[str, _Options] | None:
        """Return what is aggregated or computed, and what that is told."""
        aggregation = self._aggregations.get(kind)
        options = aggregation.options if aggregation else ()
        entries = self.mapping(document, path, "a measure", (kind, *options, *SHOWN))
        argument = self._argument(entries.get(kind), kind, aggregation, path)
        given = self._options(name, entries, aggregation, path) if aggregation else {}
        return None if argument is None or given is None else (argument, given)

    def _argument(
        self, written: object, kind: str, aggregation: Aggregation | None, path: ConfigurationPath
    ) -> str | None:
        """Return the expression that is aggregated; a list is one of factors, where the aggregation takes them."""
        least = aggregation.factors if aggregation else 1
        factors = written if least > 1 and isinstance(written, list) else [written]
        if len(factors) < least:
            text = f"`{kind}` takes a list of {least} columns or expressions or more, which are multiplied."
            self.add((*path, kind), "INVALID_SHAPE", text)
            return None
        texts = [str(factor) for factor in factors if _is_text(factor)]
        if len(texts) < len(factors):
            self.add((*path, kind), "INVALID_SHAPE", f"`{kind}` takes a column or an expression as text.")
            return None
        return aggregation.expression(texts) if aggregation else texts[0]

    def _options(
        self, name: str, entries: Mapping[str, object], aggregation: Aggregation, path: ConfigurationPath
    ) -> _Options | None:
        """Return what the aggregation is told beside its argument; None when some of it is missing or wrong."""
        given: _Options = {}
        for key in aggregation.columns:
            value = entries.get(key)
            if _is_text(value):
                given[key] = str(value)
            elif value is None:
                text = f"measure {name!r} needs `{key}`: the column or expression that says which row is meant."
                self.add(path, "OPTION_REQUIRED", text, of_key=True)
            else:
                self.add((*path, key), "INVALID_SHAPE", f"`{key}` takes a column or an expression as text.")
        for key in aggregation.fractions:
            value = entries.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
                given[key] = float(value)
            elif value is None:
                text = f"measure {name!r} needs `{key}`, a number from 0 to 1, such as 0.9."
                self.add(path, "OPTION_REQUIRED", text, of_key=True)
            else:
                self.add((*path, key), "INVALID_SHAPE", f"`{key}` is a number from 0 to 1.")
        return given if len(given) == len(aggregation.options) else None


def _path_of(function: Callable[..., object]) -> str:
    """Return how the import path of a function reads, whether it can be imported or not."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None) or type(function).__module__}:{name}"


def _is_text(value: object) -> bool:
    """Whether a value of YAML writes an expression; ``1`` is one too."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)
