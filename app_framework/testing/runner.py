"""Run a whole application inside a test: no file, no port, no entry points, nothing of the process.

runner = ContextRunner(auto=[GreetingAutoConfiguration])

def test_backs_off():
    with runner.sources(MyGreeter).run() as context:
        assert isinstance(context[Greeter], MyGreeter)

def test_a_typo_is_explained():
    failure = runner.yaml("greeting: {nmae: ada}").fails()
    assert "Did you mean: name" in failure.action
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from app_framework.boot import Application, ApplicationContext, FailureReport, Launch

T = TypeVar("T")

_NOWHERE = Path(os.devnull)
"""A folder that holds no files: what a test does not give is not there."""


class ContextRunner:
    """The recipe of an application in a test; every method returns a new one, so a base can be shared.

    Args:
        auto: auto-configuration classes, ordered as they would be; no installed starter is looked at.
        sources: what a user would give to `Application`.
    """

    def __init__(self, auto: Iterable[type] = (), sources: Iterable[object] = ()) -> None:
        self._launch = Launch(
            name="test",
            sources=tuple(sources),
            directory=_NOWHERE,
            auto=tuple(auto),
            manage_logging=False,
        )

    @classmethod
    def of(cls, application: Application) -> ContextRunner:
        """Return the recipe of a real application: its sources, its own `application.yml`, the installed starters."""
        return cls(sources=application.sources)._with(
            name=application.name, packaged=application.directory, exclude=application.exclude, auto=None
        )

    def auto(self, *classes: type) -> ContextRunner:
        """Add auto-configurations."""
        return self._with(auto=(*(self._launch.auto or ()), *classes))

    def installed(self) -> ContextRunner:
        """Use the starters that are installed, as a real run does."""
        return self._with(auto=None)

    def sources(self, *sources: object) -> ContextRunner:
        """Add components, configuration classes, functions, modules or instances."""
        return self._with(sources=(*self._launch.sources, *sources))

    def yaml(self, text: str) -> ContextRunner:
        """Give an `application.yml` as text; messages call it ``<inline>``."""
        return self._with(inline=text)

    def directory(self, path: Path) -> ContextRunner:
        """Read the `application.yml` of a folder."""
        return self._with(directory=path)

    def properties(self, properties: Mapping[str, object]) -> ContextRunner:
        """Set properties that win over everything else."""
        return self._with(properties={**self._launch.properties, **properties})

    def environ(self, environ: Mapping[str, str]) -> ContextRunner:
        """Set environment variables; those of the process are never seen."""
        return self._with(environ={**self._launch.environ, **environ})

    def arguments(self, *arguments: str) -> ContextRunner:
        """Add command-line arguments, ``--server.port=0``."""
        return self._with(arguments=(*self._launch.arguments, *arguments))

    def profiles(self, *profiles: str) -> ContextRunner:
        """Activate profiles."""
        return self._with(profiles=profiles)

    def override(self, wanted: type[T] | str, instance: T | object) -> ContextRunner:
        """Put an instance in the place of the component of a type or name, which is then never made."""
        return self._with(overrides={**self._launch.overrides, wanted: instance})

    def exclude(self, *ids: str) -> ContextRunner:
        """Leave auto-configurations out."""
        return self._with(exclude=(*self._launch.exclude, *ids))

    def without_modules(self, *names: str) -> ContextRunner:
        """Treat modules as not installed, for conditions."""
        return self._with(hidden_modules=self._launch.hidden_modules | set(names))

    def with_logging(self) -> ContextRunner:
        """Set up the process's logging as a real run does, and take it back at the end."""
        return self._with(manage_logging=True)

    def start(self) -> ApplicationContext:
        """Return the application, to be entered with ``async with``."""
        return ApplicationContext(self._launch)

    def prepare(self) -> ApplicationContext:
        """Return the application with everything decided and nothing created.

        Raises:
            ConfigurationError: and the other errors of `ApplicationContext.prepare`.
        """
        context = ApplicationContext(self._launch)
        context.prepare()
        return context

    @contextlib.contextmanager
    def run(self) -> Iterator[ApplicationContext]:
        """Run the application on a loop and thread of its own for the length of a ``with``.

        Raises:
            Exception: whatever keeps it from starting, as it was raised.
        """
        context = ApplicationContext(self._launch)
        started: Future[None] = Future()
        thread = threading.Thread(target=lambda: asyncio.run(_live(context, started)), name="application under test")
        thread.start()
        try:
            started.result()
            yield context
        finally:
            context.request_stop()
            thread.join()

    def fails(self) -> FailureReport:
        """Start the application, which must fail, and return the failure with the words for it.

        Raises:
            AssertionError: when it starts.
        """
        context = ApplicationContext(self._launch)
        try:
            asyncio.run(_start_and_stop(context))
        except Exception as error:  # every failure is what the test asked for
            return context.failure(error)
        raise AssertionError(f"the application was to fail, and it started: {context!r}")

    def _with(self, **changes: Any) -> ContextRunner:
        runner = ContextRunner()
        runner._launch = replace(self._launch, **changes)
        return runner

    def __repr__(self) -> str:
        return (
            f"<ContextRunner {len(self._launch.auto or ())} auto-configurations, {len(self._launch.sources)} sources>"
        )


async def _live(context: ApplicationContext, started: Future[None]) -> None:
    """Start, wait, stop: all in one task, as in a process."""
    try:
        await context.start()
    except BaseException as error:  # it is raised where the test waits
        started.set_exception(error)
        return
    started.set_result(None)
    await context.stop_requested()
    await context.stop()


async def _start_and_stop(context: ApplicationContext) -> None:
    async with context:
        pass
