"""Injection by type: what a constructor asks for is what it gets (FA3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Generic, TypeVar

import pytest

from app_framework.boot import (
    ComponentCreationError,
    Environment,
    Lazy,
    Named,
    NoSuchComponentError,
    auto_configuration,
    bean,
    component,
    configuration,
    on_missing_component,
    on_property,
)
from app_framework.testing import ContextRunner, GoldenFiles

T = TypeVar("T")


class Clock:
    """What several components ask for."""


class UtcClock(Clock):
    """One of two clocks."""


class LocalClock(Clock):
    """The other."""


class Plugin:
    """Something there are many of."""


@component(order=2)
class SecondPlugin(Plugin):
    """Later in the list."""


@component(order=1)
class FirstPlugin(Plugin):
    """Earlier in the list."""


def test_a_constructor_gets_one_all_by_name_optional_named_and_defaults() -> None:
    """Every way of asking gets what its hint says."""

    class Wanting:
        def __init__(
            self,
            plugins: list[Plugin],
            by_name: dict[str, Plugin],
            environment: Environment,
            missing: Clock | None,
            first: Annotated[Plugin, Named("first_plugin")],
            retries: int = 3,
        ) -> None:
            self.plugins, self.by_name, self.environment = plugins, by_name, environment
            self.missing, self.first, self.retries = missing, first, retries

    with _local(Wanting, SecondPlugin, FirstPlugin).run() as context:
        wanting = context[Wanting]
        assert [type(plugin).__name__ for plugin in wanting.plugins] == ["FirstPlugin", "SecondPlugin"]
        assert set(wanting.by_name) == {"first_plugin", "second_plugin"}
        assert wanting.environment is context.environment
        assert wanting.missing is None
        assert wanting.first is context[FirstPlugin]
        assert wanting.retries == 3


def _local(*sources: type) -> ContextRunner:
    return ContextRunner(sources=sources)


def test_a_tie_is_broken_by_primary_then_by_the_parameters_name() -> None:
    """Of two clocks, the primary one is taken; without one, the one called like the parameter."""

    class ByName:
        def __init__(self, local_clock: Clock) -> None:
            self.clock = local_clock

    with _local(UtcClock, LocalClock, ByName).run() as context:
        assert isinstance(context[ByName].clock, LocalClock)

    primary = component(primary=True)(type("PrimaryClock", (Clock,), {}))
    with _local(UtcClock, primary, ByName).run() as context:
        assert isinstance(context[ByName].clock, primary)


class Repository(Generic[T]):
    """A generic component."""


class Users:
    """An entity."""


class Orders:
    """Another."""


@configuration
class Repositories:
    """Two components of one generic class."""

    @bean
    def users(self) -> Repository[Users]:
        """The users' repository."""
        return Repository()

    @bean
    def orders(self) -> Repository[Orders]:
        """The orders' repository."""
        return Repository()


class Shop:
    """Asks for exactly one of them."""

    def __init__(self, repository: Repository[Orders]) -> None:
        self.repository = repository


def test_type_arguments_count() -> None:
    """``Repository[Orders]`` is not ``Repository[Users]``."""
    with _local(Repositories, Shop).run() as context:
        assert context[Shop].repository is context.get(Repository, "orders")


class Chicken:
    """Needs an egg."""

    def __init__(self, egg: Egg) -> None:
        self.egg = egg


class Egg:
    """Needs a chicken."""

    def __init__(self, chicken: Chicken) -> None:
        self.chicken = chicken


class LazyChicken:
    """Needs an egg, but not yet."""

    def __init__(self, egg: Lazy[LazyEgg]) -> None:
        self.egg = egg


class LazyEgg:
    """Needs a chicken."""

    def __init__(self, chicken: LazyChicken) -> None:
        self.chicken = chicken


def test_lazy_breaks_a_cycle() -> None:
    """With `Lazy` two components may know each other."""
    with _local(LazyChicken, LazyEgg).run() as context:
        assert context[LazyChicken].egg.get() is context[LazyEgg]


class NeedsClock:
    """Asks for a clock that nobody, or two, provide."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock


class NeedsText:
    """Asks for something that is configured, not wired."""

    def __init__(self, greeting: str) -> None:
        self.greeting = greeting


class Messenger:
    """What a starter would provide."""


class NeedsMessenger:
    """Asks for it."""

    def __init__(self, messenger: Messenger) -> None:
        self.messenger = messenger


@auto_configuration(on_property("nats.enabled"))
class NatsAutoConfiguration:
    """Offers a messenger unless it is switched off."""

    @bean(on_missing_component(Messenger))
    def nats_messenger(self) -> Messenger:
        """The messenger."""
        return Messenger()


def test_fa3_one_report_lists_everything_that_is_missing_ambiguous_or_cyclic(golden: GoldenFiles) -> None:
    """Nothing is created, and what a condition ruled out is listed with its sentence and the deciding place."""
    created: list[str] = []

    @component
    class Eager:
        def __init__(self) -> None:
            created.append("eager")

    runner = ContextRunner(
        auto=[NatsAutoConfiguration],
        sources=[Eager, NeedsMessenger, NeedsClock, NeedsText, UtcClock, LocalClock, Chicken, Egg],
    ).yaml("app: {config: {unknown: warn}}\nnats: {enabled: false}\n")
    golden("fa3_wiring.txt", runner.fails().to_text())
    assert created == []


def test_a_named_component_that_is_not_there_lists_the_names_that_are(golden: GoldenFiles) -> None:
    """Asking by a name that no component has shows the names."""
    golden("wiring_named.txt", _local(NeedsNamed, UtcClock, LocalClock).fails().to_text())


class NeedsNamed:
    """Asks for a clock by a name that none has."""

    def __init__(self, clock: Annotated[Clock, Named("martian_clock")]) -> None:
        self.clock = clock


def test_two_components_of_one_name_are_refused() -> None:
    """A name is one component's."""

    class Other:
        @bean
        def utc_clock(self) -> Clock:
            return Clock()

    failure = _local(UtcClock, configuration(Other)).fails()
    assert "two components are called 'utc_clock'" in failure.description


def test_a_lookup_that_nothing_fits_names_what_is_near() -> None:
    """`context[T]` says what would have fitted."""
    with _local(UtcClock, LocalClock).run() as context:
        with pytest.raises(NoSuchComponentError, match="several components provide Clock: utc_clock, local_clock"):
            context[Clock]
        with pytest.raises(NoSuchComponentError, match="Did you mean: utc_clock"):
            context.get(Clock, "utc_clok")


def test_an_override_is_never_made() -> None:
    """An overridden component's factory is not called, so nothing real is opened."""

    @configuration
    class Real:
        @bean
        def messenger(self) -> Messenger:
            raise AssertionError("the real one was made")

    fake = Messenger()
    with _local(Real, NeedsMessenger).override(Messenger, fake).run() as context:
        assert context[NeedsMessenger].messenger is fake
        assert context.overridden == {"messenger"}


def test_beans_may_be_plain_coroutines_and_generators_of_both_kinds() -> None:
    """Whatever makes it, the component is the plain object, and generators are closed in reverse."""
    story: list[str] = []

    @configuration
    class Four:
        @bean
        def plain(self) -> Users:
            return Users()

        @bean
        async def awaited(self, users: Users) -> Orders:
            return Orders()

        @bean
        def opened(self, orders: Orders) -> Iterator[Plugin]:
            story.append("open plugin")
            yield Plugin()
            story.append("close plugin")

        @bean
        async def opened_async(self, plugin: Plugin) -> AsyncIterator[Clock]:
            story.append("open clock")
            yield Clock()
            story.append("close clock")

    with _local(Four).run() as context:
        assert type(context[Orders]) is Orders
        assert type(context.container.opened_async()) is Clock
    assert story == ["open plugin", "open clock", "close clock", "close plugin"]


@component(scope="request")
class Basket:
    """One for each request."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock


class KeepsBasket:
    """Would outlive what it keeps."""

    def __init__(self, basket: Basket) -> None:
        self.basket = basket


def test_a_request_scoped_component_is_made_once_a_request() -> None:
    """Two requests have two baskets; inside one request it is the same."""

    async def story() -> None:
        async with (
            _local(Basket, UtcClock).start() as context,
            context.request_scope() as first,
            context.request_scope() as second,
        ):
            assert await first.get(Basket) is await first.get(Basket)
            assert await first.get(Basket) is not await second.get(Basket)
            assert (await first.get(Basket)).clock is context[Clock]

    asyncio.run(story())


def test_an_application_component_may_not_keep_a_request_scoped_one() -> None:
    """It would outlive the request; the report says so and what to do."""
    failure = _local(Basket, UtcClock, KeepsBasket).fails()
    assert "lives as long as one request" in failure.description
    assert "Lazy[Basket]" in failure.action


def test_a_factory_that_raises_is_named_with_the_place_and_the_cause() -> None:
    """The component, where it is defined, what it raised and where."""

    @component
    class Broken:
        def __init__(self) -> None:
            raise ValueError("no such table: orders")

    failure = _local(Broken).fails()
    assert isinstance(failure.error, ComponentCreationError)
    assert "component 'broken' (tests/boot/test_wiring.py:" in failure.description
    assert "ValueError: no such table: orders" in failure.description
    assert "test_wiring.py" in failure.description.splitlines()[-1]


def test_fa7_two_applications_in_one_process_do_not_share_components() -> None:
    """The same recipe run twice gives two worlds."""
    runner = _local(UtcClock, NeedsClock)
    with runner.run() as first, runner.run() as second:
        assert first[NeedsClock].clock is not second[NeedsClock].clock
        assert first.container is not second.container
