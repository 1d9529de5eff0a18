"""Reading the shapes of YAML: what has another is told with its path and left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app_framework.database.errors import ModelProblem
from app_framework.errors import near_matches
from app_framework.olap.definition import ConfigurationPath

TEXTS = ("caption", "description")
"""What everything may say of itself."""


class ShapeReader:
    """Reads mappings, texts and flags.

    Attributes:
        problems: everything wrong so far; readers of one model share the list.
    """

    def __init__(self, problems: list[ModelProblem]) -> None:
        self.problems = problems

    def entries(self, entries: Mapping[str, object], key: str, path: ConfigurationPath) -> dict[str, object]:
        """Return what a key maps names to, nothing when it is absent."""
        value = entries.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.add((*path, key), "INVALID_SHAPE", f"`{key}` maps names to their definitions.")
            return {}
        return {str(name): body for name, body in value.items()}

    def mapping(self, value: object, path: ConfigurationPath, what: str, known: Sequence[str]) -> dict[str, object]:
        """Return the entries of a mapping that are known."""
        if not isinstance(value, Mapping):
            self.add(path, "INVALID_SHAPE", f"{what} is a mapping with the keys {', '.join(known)}.")
            return {}
        self.refuse_keys(value, known, path, what)
        return {str(key): body for key, body in value.items() if key in known}

    def refuse_keys(self, value: Iterable[object], known: Sequence[str], path: ConfigurationPath, what: str) -> None:
        """Tell every key that is not known."""
        for key in value:
            if key not in known:
                near = near_matches(str(key), known)
                self.add((*path, str(key)), "UNKNOWN_KEY", f"{what} has no key {str(key)!r}.", near, of_key=True)

    def text(self, entries: Mapping[str, object], key: str, path: ConfigurationPath) -> str | None:
        """Return the text under a key, None when there is none."""
        value = entries.get(key)
        if value is None or isinstance(value, str):
            return value
        self.add((*path, key), "INVALID_SHAPE", f"`{key}` is a text.")
        return None

    def flag(self, entries: Mapping[str, object], key: str, path: ConfigurationPath, *, default: bool = False) -> bool:
        """Return what is true or false."""
        value = entries.get(key, default)
        if isinstance(value, bool):
            return value
        self.add((*path, key), "INVALID_SHAPE", f"`{key}` is true or false.")
        return default

    def add(
        self,
        path: ConfigurationPath,
        code: str,
        message: str,
        near: tuple[str, ...] = (),
        *,
        of_key: bool = False,
    ) -> None:
        """Keep a problem."""
        self.problems.append(ModelProblem(path, code, message, near, of_key))


def lacks(document: object, key: str) -> bool:
    """Return whether a mapping says nothing under a key it needs, nor under one that is this key misspelt."""
    if not isinstance(document, Mapping) or document.get(key) not in (None, "", {}):
        return False
    return not any(near_matches(str(other), (key,)) for other in document if other != key)
