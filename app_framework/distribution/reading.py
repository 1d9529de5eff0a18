"""Decoded JSON that came from another node, read field by field; what has another shape is refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from app_framework.database.datatype import DataType, UnknownTypeError
from app_framework.distribution.errors import InvalidContributionError

T = TypeVar("T")
WHOLE_MAX = 2**63 - 1


class Reader:
    """Reads one object.

    Args:
        document: as JSON decodes it.
        what: what it should be, for messages.

    Raises:
        InvalidContributionError: it is no object, or what is read of it is not there.
    """

    def __init__(self, document: object, what: str) -> None:
        if not isinstance(document, Mapping):
            raise InvalidContributionError(f"{what} is an object")
        self.document: Mapping[str, object] = document
        self._what = what

    def text(self, key: str, *, empty: bool = False) -> str:
        """Return a text."""
        value = self.document.get(key)
        if not isinstance(value, str) or not (value or empty):
            raise self._refused(key, "a text")
        return value

    def optional(self, key: str) -> str | None:
        """Return a text or None."""
        return None if self.document.get(key) is None else self.text(key, empty=True)

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self.document.get(key)
        if not isinstance(value, bool):
            raise self._refused(key, "true or false")
        return value

    def number(self, key: str) -> int:
        """Return a whole number of at most 64 bits."""
        value = self.document.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not -WHOLE_MAX <= value <= WHOLE_MAX:
            raise self._refused(key, "a whole number")
        return value

    def optional_number(self, key: str) -> int | None:
        """Return a whole number or None."""
        return None if self.document.get(key) is None else self.number(key)

    def plain(self, key: str) -> object:
        """Return a text, a number, true, false or None."""
        value = self.document.get(key)
        if isinstance(value, Mapping | list):
            raise self._refused(key, "a plain value")
        return value

    def plains(self, key: str) -> tuple[object, ...]:
        """Return a list of plain values."""
        values = self._list(key)
        if any(isinstance(value, Mapping | list) for value in values):
            raise self._refused(key, "a list of plain values")
        return tuple(values)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = tuple(value for value in self._list(key) if isinstance(value, str))
        if len(values) < len(self._list(key)):
            raise self._refused(key, "a list of texts")
        return values

    def type(self, key: str) -> str:
        """Return the name of a type."""
        return self._type(key, self.text(key))

    def types(self, key: str) -> tuple[str, ...]:
        """Return a list of names of types."""
        return tuple(self._type(key, text) for text in self.texts(key))

    def inner(self, key: str) -> Reader:
        """Return the reader of an object within."""
        return Reader(self.document.get(key), f"{key!r} of {self._what}")

    def all(self, key: str, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """Return what stands in a list of objects."""
        return tuple(read(Reader(each, f"{key!r} of {self._what}")) for each in self._list(key))

    def _list(self, key: str) -> list[object]:
        value = self.document.get(key)
        if not isinstance(value, list):
            raise self._refused(key, "a list")
        return value

    def _type(self, key: str, text: str) -> str:
        try:
            return DataType.parse(text).sql
        except UnknownTypeError as error:
            raise InvalidContributionError(f"{key!r} of {self._what} names no type: {error}") from error

    def _refused(self, key: str, wanted: str) -> InvalidContributionError:
        return InvalidContributionError(f"{key!r} of {self._what} is not {wanted}")
