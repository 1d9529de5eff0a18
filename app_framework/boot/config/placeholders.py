r"""Placeholders: ``${key}``, ``${key:default}``, ``${VARIABLE}``, ``${random.uuid}``; ``\${`` is the text itself."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.property_source import ConfigValue, KeyPath, dotted
from app_framework.boot.config.secrecy import is_secret_name
from app_framework.boot.config.shape import ANYTHING, Shape
from app_framework.boot.config.text_value import text_value
from app_framework.errors import near_matches

_OPEN, _CLOSE, _ESCAPED = "${", "}", "\\${"
_DEPTH_MAX = 32
_TEXT_LENGTH_MAX = 1_000_000
_COPIED_MAX = 200_000
_RANDOM = re.compile(r"random\.(?P<kind>int|long|uuid|value)(?:[(\[](?P<range>-?\d+(?:,-?\d+)?)[)\]])?\Z")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One ``${…}``: what it asks for, and what to take when there is nothing. Both may hold placeholders."""

    key: tuple[Part, ...]
    default: tuple[Part, ...] | None = None


Part = str | Placeholder


class PlaceholderSyntaxError(ValueError):
    """A ``${`` without its ``}``."""


def parse(text: str) -> tuple[Part, ...]:
    """Return the parts of a text.

    Raises:
        PlaceholderSyntaxError: if a placeholder is not closed.

    >>> parse("http://${host}:${port:80}")
    ('http://', Placeholder(key=('host',), default=None), ':', Placeholder(key=('port',), default=('80',)))
    """
    parts, end = _parts(text, 0, stops="")
    assert end == len(text)
    return parts


def _parts(text: str, at: int, stops: str, depth: int = 0) -> tuple[tuple[Part, ...], int]:
    """Read parts until one of the letters in `stops` or the end of the text."""
    parts: list[Part] = []
    plain = ""
    while at < len(text) and text[at] not in stops:
        if text.startswith(_ESCAPED, at):
            plain, at = plain + _OPEN, at + len(_ESCAPED)
        elif text.startswith(_OPEN, at):
            if plain:
                parts.append(plain)
            placeholder, at = _placeholder(text, at + len(_OPEN), depth + 1)
            parts.append(placeholder)
            plain = ""
        else:
            plain, at = plain + text[at], at + 1
    return (*parts, plain) if plain else tuple(parts), at


def _placeholder(text: str, at: int, depth: int) -> tuple[Placeholder, int]:
    if depth > _DEPTH_MAX:
        raise PlaceholderSyntaxError(f"placeholders are nested deeper than {_DEPTH_MAX} levels")
    default = None
    key, at = _parts(text, at, ":}", depth)
    if text[at : at + 1] == ":":
        default, at = _parts(text, at + 1, _CLOSE, depth)
    if text[at : at + 1] != _CLOSE:
        raise PlaceholderSyntaxError("a '${' is not closed with '}'")
    return Placeholder(key, default), at + 1


class Placeholders:
    """Replaces the placeholders in a merged tree by what they ask for.

    Args:
        root: the merged values.
        shape: what the models accept, which decides what a text becomes.
        find: the path that a dotted key means, None when there is none.
        environ: variables, asked by their own name after the keys.
        secret: whether the value at a path is a secret.
        drawn: random values that were drawn before, so that a second look sees the same.

    Attributes:
        problems: placeholders that could not be replaced.
        tainted: paths whose value came through a secret.
    """

    def __init__(
        self,
        root: ConfigValue,
        shape: Shape,
        find: Callable[[str], KeyPath | None],
        environ: Mapping[str, str],
        secret: Callable[[KeyPath], bool],
        drawn: dict[tuple[KeyPath, str], str],
    ) -> None:
        self.problems: list[ConfigProblem] = []
        self.tainted: set[KeyPath] = set()
        self._root = root
        self._shape = shape
        self._find = find
        self._environ = environ
        self._secret = secret
        self._drawn = drawn
        self._copied = 0
        self._done: dict[KeyPath, ConfigValue] = {}
        self._open: list[KeyPath] = []

    def resolved(self) -> ConfigValue:
        """Return the whole tree without placeholders."""
        return self.value(self._root, self._shape, ())

    def value(self, value: ConfigValue, shape: Shape | None, path: KeyPath) -> ConfigValue:
        """Return one value of the tree without placeholders."""
        inner = value.value
        if isinstance(inner, dict):
            return replace(
                value,
                value={k: self.value(v, shape.child(k) if shape else None, (*path, k)) for k, v in inner.items()},
            )
        if isinstance(inner, list):
            items = shape.items if shape else None
            return replace(value, value=[self.value(v, items, (*path, i)) for i, v in enumerate(inner)])
        if not isinstance(inner, str) or "${" not in inner:
            return value
        if path not in self._done:
            self._done[path] = self._text(value, inner, shape or ANYTHING, path)
        return self._done[path]

    def _text(self, value: ConfigValue, text: str, shape: Shape, path: KeyPath) -> ConfigValue:
        """Replace the placeholders of one text; what cannot be replaced stays as it is written."""
        self._open.append(path)
        try:
            found = self._whole(parse(text), value, shape, path)
            if isinstance(found, ConfigValue):
                return replace(found, key_origin=value.key_origin)
            if len(found) > _TEXT_LENGTH_MAX:
                raise _Unresolved("too-large", f"the text grows beyond {_TEXT_LENGTH_MAX:,} letters")
            return replace(value, value=found, text=None)
        except PlaceholderSyntaxError as error:
            action = r"Close the placeholder, or write '\${' where the text itself is meant."
            self._problem("placeholder-syntax", f"{dotted(path)}: {error}", value, path, action=action)
        except _Unresolved as error:
            message = f"{dotted(path)}: {error.reason}"
            self._problem(error.code, message, value, path, error.near, error.action)
        finally:
            self._open.pop()
        return value

    def _whole(self, parts: tuple[Part, ...], value: ConfigValue, shape: Shape, path: KeyPath) -> ConfigValue | str:
        """Return a value that keeps its type when the text is one placeholder and nothing else."""
        if len(parts) != 1 or isinstance(parts[0], str):
            return self._joined(parts, path)
        found = self._ask(parts[0], path)
        if isinstance(found, str):
            try:
                return replace(text_value(found, shape, value.origin), key_origin=value.key_origin)
            except ValueError as error:
                raise _Unresolved("bad-value", f"what the placeholder stands for is not YAML: {error}") from None
        return self._placed(found, value)

    def _placed(self, found: ConfigValue, at: ConfigValue) -> ConfigValue:
        """Return what was referred to as if it had been written where the placeholder is."""
        self._copied += 1
        if self._copied > _COPIED_MAX:
            raise _Unresolved("too-large", f"the placeholders stand for more than {_COPIED_MAX:,} values")
        inner = found.value
        if isinstance(inner, dict):
            inner = {key: self._placed(child, at) for key, child in inner.items()}
        elif isinstance(inner, list):
            inner = [self._placed(child, at) for child in inner]
        return ConfigValue(inner, at.origin, at.key_origin, found.text)

    def _joined(self, parts: Sequence[Part], path: KeyPath) -> str:
        return "".join(part if isinstance(part, str) else self._embedded(part, path) for part in parts)

    def _embedded(self, placeholder: Placeholder, path: KeyPath) -> str:
        """Return what stands in the middle of a text."""
        found = self._ask(placeholder, path)
        if isinstance(found, str):
            return found
        if isinstance(found.value, (dict, list)):
            key = self._joined(placeholder.key, path)
            raise _Unresolved(
                "bad-placeholder",
                f"'${{{key}}}' is a list or a map and cannot be part of a text",
                action=f"Use '${{{key}}}' alone, or refer to one of its values.",
            )
        if found.text is not None:
            return found.text
        return "" if found.value is None else str(found.value)

    def _ask(self, placeholder: Placeholder, path: KeyPath) -> ConfigValue | str:
        """Return the value of a key, of a variable, a random one, or the default, in this order."""
        key = self._joined(placeholder.key, path).strip()
        if key.startswith("random."):
            return self._random(key, path)
        if is_secret_name(key):
            self.tainted.add(path)
        target = self._find(key)
        found = self._root.find(target) if target is not None else None
        if found is not None and target is not None:
            return self._refer(found, target, path)
        if key in self._environ:
            return self._environ[key]
        if placeholder.default is None:
            raise self._unknown(key, path)
        return self._joined(placeholder.default, path)

    def _refer(self, found: ConfigValue, target: KeyPath, path: KeyPath) -> ConfigValue:
        if any(_within(opened, target) or _within(target, opened) for opened in self._open):
            chain = " → ".join(dotted(each) for each in (*self._open, target))
            raise _Unresolved(
                "placeholder-cycle",
                f"the placeholders refer to each other: {chain}",
                action="Give one of these keys a value of its own.",
            )
        resolved = self.value(found, self._shape.at(target), target)
        if self._secret(target) or any(_within(taint, target) for taint in self.tainted):
            self.tainted.add(path)
        return resolved

    def _random(self, key: str, path: KeyPath) -> str:
        found = _RANDOM.match(key)
        if not found:
            raise _Unresolved(
                "unresolved-placeholder",
                f"'${{{key}}}' is not a random value",
                action="Write random.int, random.int(10), random.int[1,9], random.long, random.uuid or random.value.",
            )
        drawn = self._drawn.setdefault((path, key), "")
        if not drawn:
            drawn = self._drawn[path, key] = _draw(found["kind"], found["range"])
        return drawn

    def _unknown(self, key: str, path: KeyPath) -> _Unresolved:
        known = (dotted(other) for other, _ in self._root.leaves() if other != path)
        near = near_matches(key, self._environ if key.isupper() else known)
        action = f"Set '{key}' as a property or as an environment variable, or give a default: ${{{key}:…}}."
        return _Unresolved(
            "unresolved-placeholder", f"nothing sets '{key}' for the placeholder '${{{key}}}'", near, action
        )

    def _problem(
        self, code: str, message: str, value: ConfigValue, path: KeyPath, near: tuple[str, ...] = (), action: str = ""
    ) -> None:
        self.problems.append(ConfigProblem(code, message, value.origin, near, action, key=dotted(path)))


class _Unresolved(Exception):  # noqa: N818  (never leaves this file)
    """Ends the replacing of one text."""

    def __init__(self, code: str, reason: str, near: tuple[str, ...] = (), action: str = "") -> None:
        self.code = code
        self.reason = reason
        self.near = near
        self.action = action


def _within(path: KeyPath, ancestor: KeyPath) -> bool:
    return path[: len(ancestor)] == ancestor


def _draw(kind: str, bounds: str | None) -> str:
    if kind == "uuid":
        return str(uuid.uuid4())
    if kind == "value":
        return secrets.token_hex(16)
    if bounds is None:
        bits = 32 if kind == "int" else 64
        return str(secrets.randbelow(2**bits) - 2 ** (bits - 1))
    first, _, last = bounds.partition(",")
    low, high = (int(first), int(last)) if last else (0, int(first))
    return str(low + secrets.randbelow(max(1, high - low)))
