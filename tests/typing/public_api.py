"""What the type checker sees of the public names; never run, only read by mypy (`make check`)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, assert_type

from app_framework import (
    Application,
    ApplicationContext,
    Autowired,
    ConfigProperties,
    Duration,
    Field,
    Lazy,
    Named,
    SecretStr,
    bean,
    component,
    configuration,
    on_missing_component,
    on_property,
)
from app_framework.boot import Definition, FailureReport
from app_framework.olap import CellSet, CubeQuery, Manager
from app_framework.testing import (
    ContextRunner,
    CubeResult,
    CubeTester,
    DataNode,
    DistributionTestHelper,
    QueryNode,
    RunningQuestion,
)


class MailProperties(ConfigProperties, prefix="mail"):
    """A section of a user."""

    timeout: Duration = Field(default="2s", description="Timeout of one delivery.")
    password: SecretStr | None = Field(default=None, description="Password.")
    hosts: list[str] = Field(default=[], description="Hosts.")


@component
class Mailer:
    """A component without brackets."""

    def __init__(self, properties: MailProperties, later: Lazy[Manager]) -> None:
        assert_type(properties.timeout, timedelta)
        assert_type(properties.password, SecretStr | None)
        assert_type(properties.hosts, list[str])
        assert_type(later.get(), Manager)


@component(on_property("mail.enabled"), primary=True, order=1)
class FastMailer(Mailer):
    """A component with conditions and settings."""


@configuration
class Beans:
    """Factory methods keep their types."""

    @bean
    def mailer(self, properties: MailProperties) -> Mailer:
        """Without brackets."""
        raise NotImplementedError

    @bean(on_missing_component(Mailer), name="spare")
    async def spare_mailer(self, mailer: Annotated[Mailer, Named("mailer")]) -> Mailer:
        """With a condition."""
        return mailer


assert_type(Mailer, type[Mailer])
assert_type(FastMailer, type[FastMailer])


async def handler(manager: Autowired[Manager]) -> None:
    """A request handler sees the component's own type."""
    assert_type(manager, Manager)
    answer = await manager.query("sales", CubeQuery(measures=["revenue"]))
    assert_type(answer, CellSet)


async def context_types(application: Application) -> None:
    """Looking a component up gives its type."""
    async with application.context(properties={"server.port": 0}, directory=Path()) as context:
        assert_type(context, ApplicationContext)
        assert_type(context[Mailer], Mailer)
        assert_type(context.get(Mailer, "spare"), Mailer)
        assert_type(context.all(Mailer), list[Mailer])
        assert_type(context.definitions["mailer"], Definition)
        assert_type(context.environment.bind(MailProperties), MailProperties)
        async with context.request_scope() as scope:
            assert_type(await scope.get(Mailer), Mailer)
    assert_type(application.run([]), int)


def runner_types() -> None:
    """A runner gives a context, or the failure."""
    with ContextRunner(sources=[Mailer]).run() as context:
        assert_type(context, ApplicationContext)
    assert_type(ContextRunner().fails(), FailureReport)


def distributed_types(distribution: DistributionTestHelper) -> None:
    """What a test of distributed cubes sees of its helper."""
    a = distribution.data_node("a", rows={"sales": [{"region": "north", "revenue": 3}]}, cube="sales")
    assert_type(a, DataNode)
    world = distribution.query_node("world", applications={"app": ["region"]}, replication="always")
    assert_type(world, QueryNode)
    answer = world.query(measures=["revenue.sum"], levels=["region"], totals="grand", order=[{"by": "region"}])
    assert_type(answer, CubeResult)
    assert_type(answer.rows, list[tuple[object, ...]])
    assert_type(world.begin(["revenue.sum"]), RunningQuestion)
    assert_type(world.error(["revenue.sum"]), Exception)
    assert_type(world.asked.names, frozenset[str])
    assert_type(distribution.oracle(), CubeTester)
    assert_type(CubeTester.of({"sales": [{"region": "north"}]}, keys={"sales": ["region"]}), CubeTester)
    distribution.hold(a)
    distribution.split([a, "world"], [], silent=True)
    distribution.commit(a, "sales", [{"region": "north"}], branch="what-if")
    distribution.advance(2)
