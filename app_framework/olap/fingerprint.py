"""A short text that stands for a model: as long as it is the same, so are the answers from the same data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from hashlib import blake2b

from app_framework.olap.join import JoinTree
from app_framework.olap.model import CubeModel


def fingerprint(model: CubeModel) -> str:
    """Return the fingerprint of a model: of all that it consists of, and of the version of the code that reads it."""
    from app_framework import __version__

    digest = blake2b(__version__.encode(), digest_size=16)
    for part in _parts(model):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _parts(value: object) -> Iterator[str]:
    """Yield what a value consists of, down to the last text and number."""
    if isinstance(value, JoinTree):
        value = tuple(value.joins.values())
    if is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__
        for field in fields(value):
            if not field.compare:  # it follows from the others
                continue
            yield field.name
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from _parts(each)
    elif isinstance(value, Set):
        yield from sorted(map(repr, value))
    elif isinstance(value, list | tuple):
        yield f"{len(value)}"
        for each in value:
            yield from _parts(each)
    else:
        yield repr(value)
