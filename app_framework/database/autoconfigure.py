"""How the database is wired: opened and loaded at start, closed at stop; a user's own `Database` takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from app_framework.boot import (
    ConditionContext,
    ConfigProblem,
    Environment,
    FailureAnalysis,
    Outcome,
    auto_configuration,
    bean,
    failure_analyzer,
    on_component,
    on_condition,
    on_missing_component,
    on_module,
)
from app_framework.boot.config.app_properties import AppProperties
from app_framework.boot.config.errors import advise, describe
from app_framework.clock import Clock
from app_framework.database.database import Database
from app_framework.database.errors import DatabaseError, DatabaseLockedError, ModelError, ModelProblem
from app_framework.database.health import DatabaseHealth
from app_framework.database.properties import DatabaseProperties


def has_rows(context: ConditionContext) -> Outcome:
    """Match unless the node has query cubes and nothing that needs rows of its own."""
    environment = context.environment
    if not environment.contains("distribution.query-cubes"):
        return Outcome(True, "found no query cubes that would do without it")
    for section in ("database", "schemas", "feeds", "distribution.data-cubes"):
        if environment.contains(section):
            return Outcome(True, f"found {section}", environment.origin(section))
    origin = environment.origin("distribution.query-cubes")
    return Outcome(False, "found query cubes only, which hold no rows", origin, "add a section database")


@auto_configuration(on_module("duckdb"), on_condition(has_rows, late=False), properties=[DatabaseProperties])
class DatabaseAutoConfiguration:
    """Opens the analytic database and loads its tables."""

    @bean(on_missing_component(Database), background=True)
    async def database(
        self, properties: DatabaseProperties, clock: Clock, environment: Environment
    ) -> AsyncIterator[Database]:
        """The database; loading it does not hold up the event loop."""
        rejects = environment.bind(AppProperties).data_dir / "rejects"
        database = await _opened(
            lambda: Database.open(
                properties.path,
                tables=properties.declared(),
                references=properties.references,
                limits=properties.limits(),
                clock=clock,
                rejects=rejects,
            )
        )
        try:
            yield database
        finally:
            await asyncio.to_thread(database.close)

    @bean(on_component(Database))
    def database_health(self, database: Database) -> DatabaseHealth:
        """What the database says of itself."""
        return DatabaseHealth(database)

    @failure_analyzer
    def explain_model(self, error: ModelError, environment: Environment) -> FailureAnalysis:
        """Point at every mistake of a model."""
        return explain_model(error, environment)

    @failure_analyzer
    def explain_database(self, error: DatabaseError, environment: Environment) -> FailureAnalysis:
        """Say which file, where it was set, and who has it."""
        origin = environment.origin("database.path")
        where = f" (database.path, {origin})" if origin else ""
        description = f"The database {error.path}{where} cannot be used: {error.reason}."
        if isinstance(error, DatabaseLockedError):
            owner = error.owner or "the process that uses it"
            return FailureAnalysis(description, f"Stop {owner}, or give this application a file of its own.")
        return FailureAnalysis(description, "Correct database.path, or move the file away to start with an empty one.")


async def _opened(open_database: Callable[[], Database]) -> Database:
    """Open a database in a thread of its own; when the start is given up meanwhile, close it as soon as it is open."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="open-database")
    opening = executor.submit(open_database)
    executor.shutdown(wait=False)
    try:
        return await asyncio.wrap_future(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: Future[Database]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def explain_model(error: ModelError, environment: Environment) -> FailureAnalysis:
    """Return the words for a model that cannot be built: every problem with the place of its value."""
    problems = located(error, environment)
    advised = [problem for problem in problems if problem.action]
    # What to do about the others is in their own words.
    more = "Correct the rest of the model and start again." if advised else "Correct the model and start again."
    others = [replace(problem, action=more) for problem in problems if not problem.action]
    return FailureAnalysis(describe(problems), advise([*advised, *others]))


def located(error: ModelError, environment: Environment) -> list[ConfigProblem]:
    """Return every problem of a model with the place of its value, in the order of the files."""
    return sorted((_located(problem, environment) for problem in error.problems), key=_place)


def _located(problem: ModelProblem, environment: Environment) -> ConfigProblem:
    origin = environment.origin(problem.path, of_key=problem.of_key)
    message, _, example = problem.message.partition("\n")
    # A model written in code has no place in a file; its path says which part is meant.
    place = "" if origin else f"{problem.where}: "
    return ConfigProblem(
        problem.code.lower().replace("_", "-"),
        place + message.rstrip("."),
        origin,
        problem.near,
        action=problem.advice,
        snippet=example,
        key=problem.where,
    )


def _place(problem: ConfigProblem) -> tuple[str, int, int]:
    origin = problem.origin
    return (origin.source, origin.line or 0, origin.column or 0) if origin else ("", 0, 0)
