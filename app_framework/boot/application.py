"""An application: what it consists of, and how it is run as a process.

app = Application(name="sample", sources=[Greeter])

if __name__ == "__main__":
    raise SystemExit(app.run())
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

from app_framework.boot.actuator import EndpointRegistry
from app_framework.boot.context import ApplicationContext
from app_framework.boot.launch import Launch
from app_framework.boot.management.startup import startup_summary
from app_framework.boot.stop_signals import StopSignals

_logger = getLogger("app_framework.application")


class Application:
    """What an application consists of; running it is `run`, or `context` inside a test or another program.

    Args:
        name: its name where ``app.name`` is not configured.
        sources: the user's own: component classes, `@configuration` classes, `@bean` functions, modules (their own
            marked classes and functions; nothing is searched below them), or ready instances such as routers.
        exclude: ids of auto-configurations to leave out.
        directory: the folder whose `application.yml` comes with the application; that of the calling module.

    >>> Application(name="sample")
    <Application 'sample' 0 sources>
    """

    def __init__(
        self,
        name: str = "application",
        sources: Iterable[object] = (),
        *,
        exclude: Iterable[str] = (),
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.sources = tuple(sources)
        self.exclude = tuple(exclude)
        self.directory = directory or _folder_of_caller()

    def context(
        self,
        arguments: Sequence[str] = (),
        *,
        directory: Path | None = None,
        config: Path | None = None,
        profiles: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        properties: Mapping[str, object] | None = None,
        overrides: Mapping[Any, object] | None = None,
        manage_logging: bool = False,
    ) -> ApplicationContext:
        """Return a context to be entered with ``async with``.

        Args:
            arguments: as on the command line, ``--server.port=0``.
            directory: the folder whose `application.yml` is read; the current one when None.
            config: a file or folder in the place of the default locations.
            profiles: the active profiles.
            environ: the environment variables; those of the process when None.
            properties: the strongest of all, for tests.
            overrides: instances by type or name that replace components before anything is created.
            manage_logging: whether it sets up the process's logging.
        """
        return ApplicationContext(
            Launch(
                name=self.name,
                sources=self.sources,
                directory=directory or Path.cwd(),
                packaged=self.directory,
                config=config,
                profiles=tuple(profiles),
                environ=os.environ if environ is None else environ,
                arguments=tuple(arguments),
                properties=properties or {},
                overrides=overrides or {},
                exclude=self.exclude,
                manage_logging=manage_logging,
            )
        )

    def run(
        self,
        arguments: Sequence[str] | None = None,
        *,
        config: Path | None = None,
        profiles: Sequence[str] = (),
        ready_file: Path | None = None,
        debug: bool = False,
    ) -> int:
        """Run until a signal or the application itself asks to stop.

        Args:
            arguments: ``--KEY=VALUE`` settings; those of the process when None.
            config: a file or folder in the place of the default locations.
            profiles: the active profiles.
            ready_file: written as JSON ``{"pid", "http", "node"}`` when the application is ready.
            debug: whether a failure shows its traceback and the conditions report.

        Returns:
            The exit code: 0 after an orderly stop, 1 when it did not start, 128 and the signal's number when a
            signal came during the start.
        """
        given = list(sys.argv[1:] if arguments is None else arguments)
        debug = debug or "--debug" in given
        context = self.context(
            [each for each in given if each != "--debug"],
            config=config,
            profiles=profiles,
            manage_logging=True,
        )
        signals = StopSignals(context)
        try:
            with signals.ending_at_once():
                asyncio.run(_serve(context, ready_file, signals))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return 128 + signals.number
        except Exception as error:  # whatever it was, a person reads what happened and what to do
            _report(context, error, debug)
            return 1
        return 0

    def __repr__(self) -> str:
        return f"<Application {self.name!r} {len(self.sources)} sources>"


async def _serve(context: ApplicationContext, ready_file: Path | None, signals: StopSignals) -> None:
    """Start, say so, wait, stop."""
    context.prepare()
    with signals.stopping_in_order():
        async with context:
            for line in _summary(context).splitlines():
                _logger.info(line)
            with _announced(context, ready_file):
                await context.stop_requested()
            _logger.info("%s is stopping", context.application_name)


@contextlib.contextmanager
def _announced(context: ApplicationContext, ready_file: Path | None) -> Any:
    """Keep the ready file for as long as the application is ready; it appears whole, by a rename."""
    if ready_file is None:
        yield
        return
    facts = {"pid": os.getpid(), "http": context.addresses.get("http"), "node": context.node_name}
    ready_file.parent.mkdir(parents=True, exist_ok=True)
    partial = ready_file.with_name(ready_file.name + ".partial")
    partial.write_text(json.dumps(facts) + "\n")
    partial.replace(ready_file)
    try:
        yield
    finally:
        ready_file.unlink(missing_ok=True)


def _summary(context: ApplicationContext) -> str:
    from app_framework import __version__

    environment = context.environment
    return startup_summary(
        name=context.application_name,
        version=str(environment.get("app.version") or ""),
        framework_version=__version__,
        python_version=platform.python_version(),
        pid=os.getpid(),
        profiles=environment.active_profiles,
        sources=context.source_names(),
        starters=context.starter_lines(),
        components=len(context.definitions),
        elapsed_s=context.startup.elapsed_s,
        slowest=context.startup.slowest("create", "component"),
        addresses=context.addresses,
        actuator=_actuator(context),
    )


def _actuator(context: ApplicationContext) -> str:
    """Return base path and exposed endpoints, where something serves them."""
    found = context.all(EndpointRegistry) if "http" in context.addresses else []
    return "".join(f"{each.base_path} [{', '.join(endpoint.id for endpoint in each.exposed)}]" for each in found)


def _report(context: ApplicationContext, error: Exception, debug: bool) -> None:
    report = context.failure(error)
    if debug:
        redactor = context.redactor()
        sys.stderr.write(redactor.mask(context.conditions.to_text()))
        sys.stderr.write(redactor.mask("".join(traceback.format_exception(error))))
    sys.stderr.write(report.to_text())
    sys.stderr.flush()


def _folder_of_caller() -> Path | None:
    """Return the folder of the module that makes the application: its `application.yml` comes along."""
    frame = sys._getframe(2)
    name = frame.f_globals.get("__file__")
    inside = frame.f_globals.get("__name__", "").startswith("app_framework.")
    return Path(name).resolve().parent if name and not inside else None
