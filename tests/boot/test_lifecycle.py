"""Start in the order of needs, stop in reverse, every finalizer, every bound (FA6)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from app_framework.boot import (
    ApplicationContext,
    Availability,
    Lifecycle,
    Ready,
    Started,
    StartTimeoutError,
    Stopping,
    bean,
    component,
    configuration,
    on_event,
    runner,
)
from app_framework.testing import ContextRunner


class Story(list[str]):
    """What happened, in order."""


class Database:
    """Opened first."""


class Repository:
    """Needs the database."""


class Service:
    """Needs the repository."""


@configuration
class Chain:
    """Three components, each made from the one before."""

    def __init__(self, story: Story) -> None:
        self.story = story

    @bean
    def service(self, repository: Repository) -> Iterator[Service]:
        """Made last."""
        self.story.append("open service")
        yield Service()
        self.story.append("close service")

    @bean
    async def repository(self, database: Database) -> AsyncIterator[Repository]:
        """Made between them."""
        self.story.append("open repository")
        yield Repository()
        self.story.append("close repository")
        raise RuntimeError("the repository is stuck")

    @bean
    def database(self) -> Iterator[Database]:
        """Made first."""
        self.story.append("open database")
        yield Database()
        self.story.append("close database")


@component
class Server(Lifecycle):
    """Started last, stopped first."""

    phase = 1000

    def __init__(self, story: Story) -> None:
        self.story = story

    async def start(self) -> None:
        """Listen."""
        self.story.append("server listens")

    async def stop(self) -> None:
        """Stop listening."""
        self.story.append("server stops")


@component
class Consumer(Lifecycle):
    """Started before the server."""

    def __init__(self, story: Story, server: Server) -> None:
        self.story = story

    async def start(self) -> None:
        """Consume."""
        self.story.append("consumer consumes")

    async def stop(self) -> None:
        """Stop consuming."""
        self.story.append("consumer stops")


@component
class Witness:
    """Hears events and runs before ready."""

    def __init__(self, story: Story, availability: Availability) -> None:
        self.story, self.availability = story, availability

    @on_event
    def started(self, _event: Started) -> None:
        """Everything exists."""
        self._say("started")

    @on_event
    async def ready(self, _event: Ready) -> None:
        """Traffic is accepted."""
        self._say("ready")

    @on_event
    async def stopping(self, _event: Stopping) -> None:
        """Traffic is refused."""
        self._say("stopping")

    @runner(order=2)
    async def second(self) -> None:
        """Run after the first."""
        self._say("second runner")

    @runner(order=1)
    def first(self) -> None:
        """Run before the second."""
        self._say("first runner")

    def _say(self, what: str) -> None:
        self.story.append(f"{what} {self.availability.liveness.state} {self.availability.readiness.state}")


def test_fa6_components_start_in_the_order_of_needs_and_all_stop_in_reverse_even_when_one_raises(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A finalizer that raises is logged by name, and the ones after it run."""
    story = Story()
    with ContextRunner(sources=[Chain, story_bean(story)]).run() as context:
        pass
    assert story == [
        "open database", "open repository", "open service", "close service", "close repository", "close database",
    ]  # fmt: skip
    assert [failure.name for failure in context.stop_failures] == ["repository"]
    assert "repository did not stop well: RuntimeError: the repository is stuck" in caplog.text


def story_bean(story: Story) -> object:
    """Return a `@bean` function that provides this story; a list itself is no source."""

    @bean
    def the_story() -> Story:
        return story

    return the_story


def test_lifecycle_components_start_by_phase_after_creation_and_stop_first() -> None:
    """The server has the highest phase: last to start, first to stop, whatever needs what."""
    story = Story()
    with ContextRunner(sources=[Consumer, Server, Chain, story_bean(story)]).run():
        pass
    assert story[3:7] == ["consumer consumes", "server listens", "server stops", "consumer stops"]
    assert story[0] == "open database"
    assert story[-1] == "close database"


def test_events_runners_and_availability_follow_the_life_of_the_application() -> None:
    """Spring's probe table: started is alive, ready accepts, stopping refuses."""
    story = Story()
    with ContextRunner(sources=[Witness, story_bean(story)]).run():
        pass
    assert story == [
        "started CORRECT REFUSING_TRAFFIC",
        "first runner CORRECT REFUSING_TRAFFIC",
        "second runner CORRECT REFUSING_TRAFFIC",
        "ready CORRECT ACCEPTING_TRAFFIC",
        "stopping CORRECT REFUSING_TRAFFIC",
    ]


def test_what_had_started_is_stopped_when_a_later_component_fails() -> None:
    """Nothing is left half-started."""
    story = Story()

    @component
    class Broken:
        def __init__(self, service: Service) -> None:
            raise ValueError("no")

    ContextRunner(sources=[Chain, Broken, story_bean(story)]).fails()
    assert story[-3:] == ["close service", "close repository", "close database"]


@configuration
class Slow:
    """A component that never comes, and two that wait for it."""

    @bean
    async def database(self) -> Database:
        """Never comes."""
        await asyncio.Event().wait()
        return Database()

    @bean
    def repository(self, database: Database) -> Repository:
        """Waits."""
        return Repository()

    @bean
    def service(self, repository: Repository) -> Service:
        """Waits longer."""
        return Service()


@configuration
class Blocking:
    """A component whose factory blocks the event loop."""

    @bean
    def database(self) -> Database:
        """Block."""
        time.sleep(60)
        return Database()


@pytest.mark.parametrize("hanging", [Slow, Blocking])
def test_a_start_that_hangs_ends_with_the_tree_of_what_waits(hanging: type) -> None:
    """Waiting and blocking factories are both bounded by app.lifecycle.start-timeout."""
    failure = ContextRunner(sources=[hanging]).properties({"app.lifecycle.start-timeout": "200ms"}).fails()
    assert isinstance(failure.error, StartTimeoutError)
    tree = failure.description.splitlines()
    assert tree[2].strip().startswith("database  is being created or started  tests/boot/test_lifecycle.py:")
    if hanging is Slow:
        assert [line.split()[0] for line in tree[3:]] == ["repository", "service"]


def test_a_finalizer_that_hangs_is_left_after_its_timeout_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One component may not keep the others from closing."""
    story = Story()

    @configuration
    class Hanging:
        @bean
        async def service(self, database: Database) -> AsyncIterator[Service]:
            yield Service()
            await asyncio.Event().wait()

        @bean
        def database(self) -> Iterator[Database]:
            yield Database()
            story.append("close database")

    with ContextRunner(sources=[Hanging]).properties({"app.lifecycle.stop-timeout": "50ms"}).run():
        pass
    assert story == ["close database"]
    assert "service did not stop well: it took longer than 0.05 s" in caplog.text


def test_a_component_may_ask_the_application_to_stop_from_any_thread() -> None:
    """`request_stop` ends the wait."""

    async def main() -> None:
        async with ContextRunner().start() as context:
            asyncio.get_running_loop().run_in_executor(None, context.request_stop)
            await context.stop_requested()

    asyncio.run(main())


def test_the_start_is_timed_step_by_step() -> None:
    """Each created component is a step with its name."""

    def steps(context: ApplicationContext) -> list[str]:
        return [step.tags["component"] for step in context.startup.steps if "component" in step.tags]

    with ContextRunner(sources=[Chain, story_bean(Story())]).run() as context:
        assert {"database", "repository", "service"} <= set(steps(context))
    logging.getLogger(__name__).debug("%s", context)
