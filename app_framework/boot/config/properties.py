"""Properties: frozen models that a section of the configuration is bound to, and the types of their fields."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic import Field as PydanticField
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from app_framework.boot.config.relaxed import kebab
from app_framework.boot.config.units import format_duration, parse_duration, parse_size

__all__ = [
    "ConfigGlob",
    "ConfigPath",
    "ConfigProperties",
    "DataSize",
    "Deprecated",
    "Duration",
    "Field",
    "SecretStr",
    "SignedDuration",
]


Field: Callable[..., Any] = PydanticField
"""Pydantic's field, free of the check that a default has the field's type: ``Duration = Field(default="2s")``."""


class ConfigProperties(BaseModel):
    """One section of the configuration as a typed, frozen value; unknown keys are refused.

    A class with ``prefix`` is bound by the environment; a nested model has none. With ``prefix=""`` the fields
    are sections of their own. Keys are written in kebab-case: ``connect_timeout`` is ``connect-timeout``.

    >>> class NatsProperties(ConfigProperties, prefix="nats"):
    ...     connect_timeout: Duration = Field(default="2s", description="Timeout of one attempt to connect.")
    >>> NatsProperties.model_validate({"connect-timeout": "500ms"})
    NatsProperties(connect_timeout=datetime.timedelta(microseconds=500000))
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        alias_generator=kebab,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    config_prefix: ClassVar[str | None] = None

    def __init_subclass__(cls, *, prefix: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if prefix is not None:
            cls.config_prefix = prefix

    @classmethod
    def __pydantic_init_subclass__(cls, *, prefix: str | None = None, **kwargs: Any) -> None:
        """Take the class keyword, which pydantic hands to this method as well."""
        super().__pydantic_init_subclass__(**kwargs)


def prefix_of(model: type[ConfigProperties]) -> str:
    """Return the section that a model is bound to.

    Raises:
        TypeError: if the class was declared without a prefix; it can only be part of another one.
    """
    if model.config_prefix is None:
        raise TypeError(f'{model.__name__} has no prefix: class {model.__name__}(ConfigProperties, prefix="…")')
    return model.config_prefix


@dataclass(frozen=True, slots=True)
class Deprecated:
    """Marks a field that has a successor: ``port: Annotated[int | None, Deprecated("server.port", "0.2")] = None``.

    Args:
        replacement: the key that takes its place; one without a dot is beside it. A value that is set here is
            used there too, unless the replacement is set itself.
        since: the version that deprecated it.
        level: ``warning`` still takes the value, ``error`` refuses it.
        reason: half a sentence on why.
    """

    replacement: str | None = None
    since: str | None = None
    level: Literal["warning", "error"] = "warning"
    reason: str | None = None

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shown = dict(handler(schema))
        shown["deprecated"] = True
        if self.replacement:
            shown["x-replacement"] = self.replacement
        return shown


class Located(str):
    """A path as it was written, with the folder it is relative to; only `binding` makes one."""

    __slots__ = ("directory",)
    directory: Path

    @classmethod
    def at(cls, text: str, directory: Path) -> Located:
        """Return `text` as written in a file of `directory`."""
        located = cls(text)
        located.directory = directory
        return located


class RelativeToOrigin:
    """Marks the types whose text is relative to the file that says it."""


def _directory(value: object, info: ValidationInfo) -> Path | None:
    """Return the folder to start from: that of the file, else that of the environment, else none."""
    if isinstance(value, Located):
        return value.directory
    context = info.context
    return context.get("directory") if isinstance(context, dict) else None


def _path(value: object, info: ValidationInfo) -> object:
    directory = _directory(value, info)
    if not isinstance(value, (str, Path)):
        return value
    if not str(value):
        raise ValueError("must name a file or folder")
    return directory / str(value) if directory else Path(str(value))


def _glob(value: object, info: ValidationInfo) -> object:
    directory = _directory(value, info)
    if not isinstance(value, str) or not directory or _SCHEME.match(value) or Path(value).is_absolute():
        return str(value) if isinstance(value, str) else value
    return f"{glob.escape(str(directory))}/{value}"


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def _never_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("must not be negative")
    return value


def _text_schema(pattern: str | None = None) -> WithJsonSchema:
    return WithJsonSchema({"type": "string"} | ({"pattern": pattern} if pattern else {}))


_duration: Callable[[object], object] = parse_duration  # type: ignore[assignment]
_size: Callable[[object], object] = parse_size  # type: ignore[assignment]
_duration_schema = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": r"^-?(\d+(\.\d+)?(ms|[smhdSMHD]?))+$|^-?P.+$"}, {"type": "number"}]}
)
_size_schema = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": r"^\d+(\.\d+)?\s*([KMGTkmgt]?[Ii]?[Bb])?$"},
               {"type": "integer", "minimum": 0}]}
)  # fmt: skip

SignedDuration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _duration_schema,
]
"""A duration that may be negative."""

Duration = Annotated[SignedDuration, AfterValidator(_never_negative)]
"""A `timedelta` written as ``500ms``, ``10s``, ``2m``, ``1h``, ``1d``, ``1h30m``, ``PT5S`` or a number of seconds."""

DataSize = Annotated[int, BeforeValidator(_size), _size_schema]
"""A number of bytes written as ``10MB`` (1000 based), ``64KiB`` (1024 based) or a number."""

ConfigPath = Annotated[Path, BeforeValidator(_path), RelativeToOrigin(), _text_schema()]
"""A path; a relative one starts from the folder of the file that says it, else from the working folder."""

ConfigGlob = Annotated[str, BeforeValidator(_glob), RelativeToOrigin(), _text_schema()]
"""A path pattern with ``* ? [ ]``, relative like `ConfigPath`; the part that is added is escaped. URLs stay."""
