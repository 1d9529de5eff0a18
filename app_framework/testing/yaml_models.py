"""The tables and cubes of an `application.yml`, for tests that open them in a way of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app_framework.boot import Environment
from app_framework.clock import Clock
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.database.database import Database
from app_framework.database.errors import ModelError
from app_framework.database.properties import DatabaseProperties
from app_framework.database.schema import Reference, Table
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.olap.definition import CubeDefinition
from app_framework.olap.properties import OlapProperties
from app_framework.olap.reading import read_model
from app_framework.testing.runner import ContextRunner


@dataclass(frozen=True, slots=True)
class YamlModel:
    """What a file says about data and cubes.

    Args:
        tables: of the section ``database``.
        references: between them.
        cubes: of the section ``schemas``.
        environment: the rest.
    """

    tables: Sequence[Table]
    references: Sequence[str | Reference]
    cubes: Sequence[CubeDefinition]
    environment: Environment

    def open(self, clock: Clock | None = None) -> Database:
        """Open a database in memory with the tables, loaded from their sources."""
        from app_framework.testing.cube_tester import open_inline

        return open_inline(self.tables, self.references, clock)


def read_yaml(source: str | Path, *auto: type) -> YamlModel:
    """Return the model of a folder with an `application.yml`, of that file, or of its text.

    Args:
        source: a path, or the text.
        auto: what owns further sections.

    Raises:
        ConfigurationError, ModelError: with everything that is wrong.
    """
    runner = ContextRunner(auto=[DatabaseAutoConfiguration, OlapAutoConfiguration, *auto])
    if isinstance(source, Path):
        runner = runner.directory(source if source.is_dir() else source.parent)
    else:
        runner = runner.yaml(source)
    environment = runner.prepare().environment
    database, olap = environment.bind(DatabaseProperties), environment.bind(OlapProperties)
    model = read_model(olap.schemas, olap.catalogs)
    if model.problems:
        raise ModelError(model.problems)
    return YamlModel(database.declared(), database.references, model.cubes, environment)
