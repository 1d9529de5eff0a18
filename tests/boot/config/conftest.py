"""A folder to write configuration into, and the property models that most tests bind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from app_framework.boot.config.environment import Environment
from app_framework.boot.config.properties import (
    ConfigGlob,
    ConfigPath,
    ConfigProperties,
    DataSize,
    Duration,
    Field,
    SecretStr,
)


class TlsProperties(ConfigProperties):
    certificate: ConfigPath | None = None
    key_password: SecretStr | None = None


class ServerProperties(ConfigProperties, prefix="server"):
    port: int = Field(default=8080, ge=0, le=65535)
    host: str = "127.0.0.1"
    shutdown: Literal["graceful", "immediate"] = "graceful"
    max_body: DataSize = Field(default="10MB")
    tls: TlsProperties = TlsProperties()


class NatsProperties(ConfigProperties, prefix="nats"):
    enabled: bool = True
    servers: list[str] = Field(default=["nats://127.0.0.1:4222"])
    connect_timeout: Duration = Field(default="2s")
    token: SecretStr | None = None


class UserProperties(ConfigProperties):
    password: SecretStr
    roles: list[str] = Field(default=[])


class SecurityProperties(ConfigProperties, prefix="security"):
    users: dict[str, UserProperties] = Field(default={})


class SourceProperties(ConfigProperties):
    parquet: ConfigGlob | None = None


class TableProperties(ConfigProperties):
    source: SourceProperties | None = None
    columns: dict[str, str] = Field(default={})


class DatabaseProperties(ConfigProperties, prefix="database"):
    path: str = ":memory:"
    tables: dict[str, TableProperties] = Field(default={})


class CubeProperties(ConfigProperties):
    dimensions: dict[str, list[str]] = Field(default={})
    measures: dict[str, dict[str, Any]] = Field(default={})


class OlapProperties(ConfigProperties, prefix=""):
    schemas: dict[str, dict[str, CubeProperties]] = Field(default={})


MODELS = (ServerProperties, NatsProperties, SecurityProperties, DatabaseProperties, OlapProperties)


class ConfigFolder:
    """Writes files below a temporary folder and loads an environment from it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        """Write a file; folders on the way are made."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def load(
        self,
        *,
        models: Sequence[type[ConfigProperties]] = MODELS,
        defaults: Sequence[tuple[str, Mapping[str, object]]] = (),
        **options: Any,
    ) -> Environment:
        """Load the folder and claim models; `options` are those of `Environment.load`."""
        environment = Environment.load(directory=self.path, **options)
        environment.claim(models, defaults)
        return environment

    def problems(self, **options: Any) -> list[str]:
        """Return what is wrong, one line for each problem."""
        return [str(problem) for problem in self.load(**options).problems]


@pytest.fixture
def folder(tmp_path: Path) -> ConfigFolder:
    """An empty working folder."""
    return ConfigFolder(tmp_path)


@pytest.fixture
def inline(folder: ConfigFolder) -> Callable[..., Environment]:
    """Loads a text as ``<inline>``."""

    def load(text: str = "", **options: Any) -> Environment:
        return folder.load(inline=text, **options)

    return load
