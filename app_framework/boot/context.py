"""One running application: its environment, its components, and its life from start to stop.

    async with application.context() as context:
        context[Greeter].greet("ada")

Everything up to `prepare` only decides; `start` creates. Nothing is global, so several live in one process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from logging import getLogger
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from app_framework.boot.assembly import Assembly, assemble, property_models
from app_framework.boot.builtin import BUILTIN_AUTO_CONFIGURATIONS
from app_framework.boot.config.app_properties import AppProperties
from app_framework.boot.config.environment import Environment
from app_framework.boot.config.properties import ConfigProperties
from app_framework.boot.container import ComponentStore
from app_framework.boot.decorators import RunnerMark, marked_attributes
from app_framework.boot.definition import Definition, FactoryKind, type_name
from app_framework.boot.events import AddressBound, Events, Ready, Started, Stopping
from app_framework.boot.failure import FailureReport, analyze_failure
from app_framework.boot.launch import Launch
from app_framework.boot.lifecycle import LifecycleRunner, StopFailure
from app_framework.boot.management.availability import APPLICATION, Availability
from app_framework.boot.management.logs import LoggingSystem
from app_framework.boot.management.properties import LoggingProperties
from app_framework.boot.management.redaction import Redactor, known_secrets, redacted_failure
from app_framework.boot.management.startup import StarterLine, StartupSteps
from app_framework.boot.report import ConditionReport
from app_framework.boot.request_scope import RequestScope
from app_framework.boot.starters import Installed, auto_configuration_of, discover_starters
from app_framework.boot.wiring import NoSuchComponentError, Requirement, Wiring, choose, wire
from app_framework.clock import Clock, SystemClock
from app_framework.errors import FrameworkError, near_matches

if TYPE_CHECKING:
    from dependency_injector.containers import DynamicContainer

T = TypeVar("T")
GIVEN_IN_CODE = "Application(name=…)"
"""The source of what the code says; below everything that is configured."""
_logger = getLogger(__name__)


class ApplicationContext:
    """An application while it runs.

    Attributes:
        environment: the configuration, every value with its origin.
        installed: the starters that were found.
        availability: liveness and readiness, with reasons.
        events: typed events inside the application.
        addresses: what it listens on, by protocol: ``{"http": "http://127.0.0.1:8080"}``.
        startup: the timed steps of the start.
        stop_failures: what did not stop well.
        is_starting: whether components are being created and started just now.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self.startup = StartupSteps()
        self.availability = Availability()
        self.events = Events()
        self.addresses: dict[str, str] = {}
        self.installed = Installed()
        self.stop_failures: list[StopFailure] = []
        self._environment: Environment | None = None
        self._assembly = Assembly()
        self._wiring: Wiring | None = None
        self._store: ComponentStore | None = None
        self._runner: LifecycleRunner | None = None
        self._logging: LoggingSystem | None = None
        self._stop_requested = asyncio.Event()
        self.is_starting = False
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- the story of a start, and of a stop --------------------------------------------------------------------

    def prepare(self) -> None:
        """Decide everything: configuration, starters, conditions, the graph. Nothing is created (once is enough).

        Raises:
            ConfigurationError: with every mistake in the configuration.
            StarterError: with every starter that cannot be used.
            WiringError: with everything that is wrong with the graph.
        """
        if self._wiring is not None:
            return
        launch = self._launch
        with self.startup.step("environment"):
            environment = self._environment = Environment.load(
                directory=launch.directory,
                packaged=launch.packaged,
                config=launch.config,
                profiles=launch.profiles,
                environ=launch.environ,
                arguments=launch.arguments,
                properties=launch.properties,
                inline=launch.inline,
            )
        with self.startup.step("starters"):
            self.installed = self._discover()
        auto = self.installed.auto_configurations
        with self.startup.step("configuration"):
            defaults: list[tuple[str, Mapping[str, object]]] = [(GIVEN_IN_CODE, {"app": {"name": launch.name}})]
            defaults += [(f"defaults of {each.id}", each.mark.defaults) for each in auto if each.mark.defaults]
            models: dict[type[ConfigProperties], None] = dict.fromkeys((AppProperties, LoggingProperties))
            models.update(dict.fromkeys(property_models(launch.sources, auto)))
            environment.claim(tuple(models), defaults=defaults)
            environment.check()
        settings = environment.bind(AppProperties)
        with self.startup.step("assemble"):
            self._assembly = assemble(
                launch.sources,
                auto if settings.autoconfigure.enabled else [each for each in auto if not each.distributions],
                environment,
                builtin=self._builtin(),
                overrides=launch.overrides,
                hidden_modules=launch.hidden_modules,
                excluded=(*launch.exclude, *settings.autoconfigure.exclude),
            )
        with self.startup.step("wire"):
            self._wiring = wire(self._assembly, self._requirements())

    def check(self) -> None:
        """Let every starter look through its configuration, as far as that needs nothing to be created.

        Raises:
            Exception: what a starter found; `failure` has the words for it.
        """
        self.prepare()
        for check in self._assembly.checks:
            check(self.environment)

    async def start(self) -> None:
        """Create and start everything, run the runners, and accept traffic.

        Raises:
            ComponentCreationError: when a component cannot be created or started; what had started is stopped.
            StartTimeoutError: when it takes longer than ``app.lifecycle.start-timeout``.
        """
        self.prepare()
        self._loop = asyncio.get_running_loop()
        settings = self.environment.bind(AppProperties)
        if self._launch.manage_logging:
            self._logging = LoggingSystem.of(self.environment, application=self.node_name)
            self._logging.start()
        self.events.listen(AddressBound, self._remember_address)
        self._store = ComponentStore(self.wiring)
        self._runner = LifecycleRunner(
            self.wiring,
            self._store,
            settings.lifecycle.start_timeout.total_seconds(),
            settings.lifecycle.timeout_per_phase.total_seconds(),
            settings.lifecycle.stop_timeout.total_seconds(),
            lambda name, component: self.startup.step(name, component=component),
        )
        self.is_starting = True
        try:
            await self._start(self._runner)
        except BaseException:
            await self._close()
            raise
        finally:
            self.is_starting = False

    async def stop(self) -> None:
        """Refuse traffic, let requests in flight finish, stop and close everything in reverse (FA6)."""
        if self._runner is None:
            return
        settings = self.environment.bind(AppProperties)
        self.availability.readiness.refuse("stopping", owner=APPLICATION)
        try:
            await self.events.publish(Stopping(self.application_name))
        except Exception:  # a listener must not keep the application from stopping
            _logger.exception("a listener of Stopping failed")
        await asyncio.sleep(settings.lifecycle.drain_delay.total_seconds())
        await self._close(f"{self.application_name} has stopped")

    async def _start(self, runner: LifecycleRunner) -> None:
        with self.startup.step("create"):
            await runner.create(self.events.listen_with)
        with self.startup.step("start"):
            await runner.start()
        self.availability.liveness.recover(owner=APPLICATION)
        await self.events.publish(Started(self.application_name))
        with self.startup.step("runners"):
            await self._run_runners()
        self.availability.readiness.accept(owner=APPLICATION)
        await self.events.publish(Ready(self.application_name))

    async def _run_runners(self) -> None:
        found = []
        for name in self.wiring.order:
            value = self.store.get(name)
            for attribute, mark in marked_attributes(type(value), RunnerMark):
                found.append((mark.order, name, getattr(value, attribute)))
        for _, _, run in sorted(found, key=lambda each: each[:2]):
            answer = run()
            if asyncio.iscoroutine(answer):
                await answer

    async def _close(self, last_word: str = "") -> None:
        if self._runner is not None:
            self.stop_failures += await self._runner.stop()
            self._runner = None
        if self._store is not None:
            self._store.forget()
        if last_word:
            _logger.info(last_word)
        if self._logging is not None:
            self._logging.stop()
            self._logging = None

    # -- asking for components ----------------------------------------------------------------------------------

    def __getitem__(self, wanted: type[T]) -> T:
        """Return the component of a type.

        Raises:
            NoSuchComponentError: when nothing, or more than one thing, provides it.
        """
        return self.get(wanted)

    def get(self, wanted: type[T], name: str | None = None) -> T:
        """Return the component of a type, and of a name where several have the type.

        Raises:
            NoSuchComponentError: when nothing, or more than one thing, fits.
        """
        value: T = self.store.get(self.definition_of(wanted, name).name)
        return value

    def all(self, wanted: type[T]) -> list[T]:
        """Return every component of a type, in order."""
        found = [each for each in self.definitions.values() if each.satisfies(wanted) and each.scope == "application"]
        return [self.store.get(each.name) for each in sorted(found, key=lambda each: each.order)]

    def definition_of(self, wanted: Any, name: str | None = None) -> Definition:
        """Return the recipe of the component that `get` would return.

        Raises:
            NoSuchComponentError: when nothing, or more than one thing, fits.
        """
        found = choose(self.definitions.values(), wanted, name)
        if len(found) == 1:
            return found[0]
        candidates = [each.name for each in self.definitions.values() if each.satisfies(wanted)]
        known = [type_name(each.provides) for each in self.definitions.values()]
        near = near_matches(name, candidates) if name else near_matches(type_name(wanted), known)
        raise NoSuchComponentError(wanted, name, candidates, near)

    @contextlib.asynccontextmanager
    async def request_scope(self) -> AsyncIterator[RequestScope]:
        """Open the scope of one request; what is made in it is closed when it ends."""
        async with contextlib.AsyncExitStack() as exits:
            yield RequestScope(self.store, self.wiring, self.definition_of, exits)

    # -- looking at it ------------------------------------------------------------------------------------------

    @property
    def application_name(self) -> str:
        """The name of the application, ``app.name``."""
        return str(self._environment.get("app.name")) if self._wiring and self._environment else self._launch.name

    @property
    def node_name(self) -> str:
        """The name of this node; the application's unless the cluster gives another."""
        named = self._environment.get("cluster.node.name") if self._environment else None
        return str(named or self.application_name)

    @property
    def environment(self) -> Environment:
        """The configuration."""
        if self._environment is None:
            raise FrameworkError("the application is not prepared: call prepare(), or enter it with `async with`")
        return self._environment

    @property
    def wiring(self) -> Wiring:
        """The graph of components."""
        if self._wiring is None:
            raise FrameworkError("the application is not prepared: call prepare(), or enter it with `async with`")
        return self._wiring

    @property
    def store(self) -> ComponentStore:
        """Where the components are."""
        if self._store is None:
            raise FrameworkError("the application is not started: enter it with `async with`, and ask inside")
        return self._store

    @property
    def container(self) -> DynamicContainer:
        """The dependency-injector container that holds the components."""
        return self.store.container

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """Every component's recipe, by name."""
        return self._assembly.definitions

    @property
    def conditions(self) -> ConditionReport:
        """Every decision about what is on and off."""
        return self._assembly.report

    @property
    def overridden(self) -> frozenset[str]:
        """Names of the components that a test replaced."""
        return frozenset(self._assembly.overridden)

    def source_names(self) -> list[str]:
        """Return where the configuration comes from, the strongest first; sources that set nothing are left out."""
        used = (source for source in self.environment.sources if any(True for _ in source.entries()))
        return [source.name for source in used if source.name != GIVEN_IN_CODE]

    def starter_lines(self) -> list[StarterLine]:
        """Return each installed starter, whether it is on, and the sentence that decided."""
        return [
            StarterLine(starter.short_name, starter.version, *self.conditions.decision_about(starter.ids))
            for starter in self.installed.starters
        ]

    def failure(self, error: BaseException) -> FailureReport:
        """Return an error of this application with the words for it."""
        from app_framework.boot.analyzers import CORE_ANALYZERS  # what explains failures is not needed by a start

        report = analyze_failure(error, (*self._assembly.analyzers, *CORE_ANALYZERS), self._environment)
        return redacted_failure(report, self._environment)

    def redactor(self) -> Redactor:
        """Return what blanks out every configured secret in a text (FA9)."""
        return Redactor(known_secrets(self._environment) if self._environment else ())

    def request_stop(self) -> None:
        """Ask the application to stop; whoever runs it does. Safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop_requested.set)

    async def stop_requested(self) -> None:
        """Wait until somebody asks the application to stop."""
        await self._stop_requested.wait()

    async def __aenter__(self) -> ApplicationContext:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def __repr__(self) -> str:
        state = "running" if self._runner else "prepared" if self._wiring else "new"
        return f"<ApplicationContext {self.application_name!r} {state}, {len(self.definitions)} components>"

    # -- details ------------------------------------------------------------------------------------------------

    def _discover(self) -> Installed:
        builtin = tuple(auto_configuration_of(each) for each in BUILTIN_AUTO_CONFIGURATIONS)
        if self._launch.auto is not None:
            return Installed((), (*builtin, *(auto_configuration_of(each) for each in self._launch.auto)))
        installed = discover_starters()
        return Installed(installed.starters, (*builtin, *installed.auto_configurations))

    def _builtin(self) -> Iterable[Definition]:
        """The container's own objects, which anything may ask for."""
        objects: dict[str, tuple[Any, Callable[[], object]]] = {
            "application_context": (ApplicationContext, lambda: self),
            "environment": (Environment, lambda: self.environment),
            "condition_report": (ConditionReport, lambda: self.conditions),
            "availability": (Availability, lambda: self.availability),
            "events": (Events, lambda: self.events),
            "startup_steps": (StartupSteps, lambda: self.startup),
            "clock": (Clock, SystemClock),
        }
        return [
            Definition(name, provides, factory, FactoryKind.VALUE, target=ApplicationContext)
            for name, (provides, factory) in objects.items()
        ]

    def _requirements(self) -> list[Requirement]:
        """What ready-made sources, such as routers, ask for when they are used."""
        values = [each.factory() for each in self.definitions.values() if each.kind is FactoryKind.VALUE]
        return [
            requirement
            for read in self._assembly.requirement_readers
            for value in values
            for requirement in read(value)
        ]

    def _remember_address(self, bound: AddressBound) -> None:
        self.addresses[bound.protocol] = bound.url
