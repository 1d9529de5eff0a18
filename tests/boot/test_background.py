"""Components made in the background: beside the others, and there for whoever needs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from app_framework.boot import ComponentCreationError, Lifecycle, StartTimeoutError, bean, component, configuration
from app_framework.testing import ContextRunner


class Story(list[str]):
    """What happened, in order."""


def story_bean(story: Story) -> object:
    """Make a source of a story; a bare list is refused as one."""

    @bean
    def told() -> Story:
        return story

    return told


class Disk:
    """Takes its time."""


class Reader:
    """Needs the disk."""


class Bell:
    """Needs nothing; the disk waits for it to ring."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()


@configuration
class Beside:
    """A disk that comes only after a component which is made later in the order."""

    def __init__(self, story: Story, bell: Bell) -> None:
        self.story = story
        self.bell = bell

    @bean
    def reader(self, disk: Disk) -> Iterator[Reader]:
        """Defined first, made last."""
        self.story.append("open reader")
        yield Reader()
        self.story.append("close reader")

    @bean(background=True)
    async def disk(self) -> AsyncIterator[Disk]:
        """Wait for the bell."""
        self.story.append("begin disk")
        try:
            await self.bell.rung.wait()
            self.story.append("open disk")
            yield Disk()
        finally:
            self.story.append("close disk")


@component
class Ringer:
    """Rings once it is made."""

    def __init__(self, story: Story, bell: Bell) -> None:
        story.append("ring")
        bell.rung.set()


def test_others_are_made_meanwhile_and_who_needs_it_waits() -> None:
    """The disk would wait for ever if the ringer were made after it."""
    story = Story()
    with ContextRunner(sources=[Beside, Ringer, Bell, story_bean(story)]).run() as context:
        assert story == ["begin disk", "ring", "open disk", "open reader"]
        assert context[Reader] is not None
    assert story[4:] == ["close reader", "close disk"]


def test_a_component_that_fails_ends_what_is_still_being_made() -> None:
    """Nothing is left behind, not even half of it."""
    story = Story()

    @component
    class Broken:
        def __init__(self, bell: Bell) -> None:
            raise ValueError("no")

    failure = ContextRunner(sources=[Beside, Broken, Bell, story_bean(story)]).fails()
    assert isinstance(failure.error, ComponentCreationError)
    assert failure.error.definition.name == "broken"
    assert story == ["begin disk", "close disk"]


def test_when_it_fails_itself_it_is_named_and_the_others_are_closed() -> None:
    """Also where nobody needs it."""
    story = Story()

    @bean(background=True)
    async def broken_disk() -> Disk:
        await asyncio.sleep(0)
        raise OSError("no such disk")

    @bean
    def reader() -> Iterator[Reader]:
        yield Reader()
        story.append("close reader")

    failure = ContextRunner(sources=[broken_disk, reader]).fails()
    assert isinstance(failure.error, ComponentCreationError)
    assert failure.error.definition.name == "broken_disk"
    assert isinstance(failure.error.__cause__, OSError)
    assert story == ["close reader"]


def test_one_that_never_comes_is_bounded_by_the_start() -> None:
    """The tree says who waits for it."""
    soon = {"app.lifecycle.start-timeout": "100ms"}
    failure = ContextRunner(sources=[Beside, Bell, story_bean(Story())]).properties(soon).fails()
    assert isinstance(failure.error, StartTimeoutError)
    assert failure.error.definition.name == "disk"
    assert [line.split()[0] for line in failure.error.pending] == ["disk", "reader"]


def test_two_at_once_and_one_that_needs_the_other() -> None:
    """Each is made as soon as what it needs is there; what starts afterwards finds all."""
    story = Story()

    @bean(background=True)
    async def bell() -> Bell:
        await asyncio.sleep(0)
        story.append("bell")
        return Bell()

    @bean(background=True)
    async def disk(bell: Bell) -> Disk:
        assert isinstance(bell, Bell)
        story.append("disk")
        return Disk()

    @component
    class Starter(Lifecycle):
        def __init__(self, disk: Disk) -> None:
            story.append("starter")

        async def start(self) -> None:
            story.append("started")

        async def stop(self) -> None:
            story.append("stopped")

    with ContextRunner(sources=[Starter, disk, bell]).run():
        assert story == ["bell", "disk", "starter", "started"]
    assert story[-1] == "stopped"


def test_only_what_gives_the_loop_back_can_be_made_in_the_background() -> None:
    """A plain call would hold up everything all the same."""

    @bean(background=True)
    def disk() -> Disk:
        return Disk()

    @bean(background=True, scope="request")
    async def cup() -> Disk:
        return Disk()

    failure = ContextRunner(sources=[disk, cup]).fails()
    assert "only an `async def` can be made in the background" in failure.description
    assert "what lives as long as one request is not made in the background" in failure.description
