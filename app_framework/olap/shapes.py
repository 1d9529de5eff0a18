"""The shapes a model may have: texts, flags and mappings with known keys; what has another is told with its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app_framework.database.errors import ModelProblem
from app_framework.errors import near_matches
from app_framework.olap.definition import ConfigurationPath

TEXTS = ("caption", "description")


class ShapeReader:
    """Reads the plain parts of a document.

    Attributes:
        problems: everything wrong so far; readers of one model share the list.
    """

    def __init__(self, problems: list[ModelProblem]) -> None:
        self.problems = problems

    def _entries(self, entries: Mapping[str, object], key: str, path: ConfigurationPath) -> dict[str, object]:
        value = entries.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._add((*path, key), "INVALID_SHAPE", f"`{key}` maps names to their definitions.")
            return {}
        return {str(name): body for name, body in value.items()}

    def _mapping(self, value: object, path: ConfigurationPath, what: str, known: Sequence[str]) -> dict[str, object]:
        if not isinstance(value, Mapping):
            self._add(path, "INVALID_SHAPE", f"{what} is a mapping with the keys {', '.join(known)}.")
            return {}
        self._refuse_keys(value, known, path, what)
        return {str(key): body for key, body in value.items() if key in known}

    def _refuse_keys(self, value: Iterable[object], known: Sequence[str], path: ConfigurationPath, what: str) -> None:
        for key in value:
            if key not in known:
                near = near_matches(str(key), known)
                self._add((*path, str(key)), "UNKNOWN_KEY", f"{what} has no key {str(key)!r}.", near, of_key=True)

    def _text(self, entries: Mapping[str, object], key: str, path: ConfigurationPath) -> str | None:
        value = entries.get(key)
        if value is None or isinstance(value, str):
            return value
        self._add((*path, key), "INVALID_SHAPE", f"`{key}` is a text.")
        return None

    def _flag(self, entries: Mapping[str, object], key: str, path: ConfigurationPath, *, default: bool = False) -> bool:
        value = entries.get(key, default)
        if isinstance(value, bool):
            return value
        self._add((*path, key), "INVALID_SHAPE", f"`{key}` is true or false.")
        return default

    def _add(
        self,
        path: ConfigurationPath,
        code: str,
        message: str,
        near: tuple[str, ...] = (),
        *,
        of_key: bool = False,
        word: str = "",
    ) -> None:
        self.problems.append(ModelProblem(path, code, message, near, of_key, word))


def lacks(document: object, key: str) -> bool:
    """Return whether a mapping says nothing under a key it needs, nor under one that is this key misspelt."""
    if not isinstance(document, Mapping) or document.get(key) not in (None, "", {}, []):
        return False
    return not any(near_matches(str(other), (key,)) for other in document if other != key)
