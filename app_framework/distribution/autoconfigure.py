"""How distributed cubes are wired: made with the manager, open when the node can be reached, silent before it stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from app_framework.boot import (
    ApplicationContext,
    ConditionContext,
    Environment,
    FailureAnalysis,
    Lifecycle,
    Outcome,
    auto_configuration,
    bean,
    configuration_check,
    failure_analyzer,
    on_condition,
    on_module,
)
from app_framework.boot.config.app_properties import AppProperties
from app_framework.database.autoconfigure import explain_model
from app_framework.database.errors import ModelError
from app_framework.distribution.properties import DistributionProperties
from app_framework.errors import ServiceUnavailableError, UserError
from app_framework.menu import open_menu
from app_framework.messaging.messengers import Messengers

if TYPE_CHECKING:
    from app_framework.cluster.node import ClusterNode
    from app_framework.cluster.store import ConsensusStore
    from app_framework.cluster.view import ClusterView
    from app_framework.database.database import Database
    from app_framework.distribution.definition import DataCubeDefinition, QueryCubeDefinition
    from app_framework.distribution.distribution import Distribution
    from app_framework.distribution.health import DistributionEndpoint, DistributionHealth
    from app_framework.olap.manager import Manager
    from app_framework.olap.modeler import ModelChange

__getattr__, __dir__ = open_menu(
    __name__,
    {
        "ClusterNode": "..cluster.node",
        "DataCubeDefinition": ".definition",
        "Database": "..database.database",
        "Distribution": ".distribution",
        "DistributionEndpoint": ".health",
        "DistributionHealth": ".health",
        "Manager": "..olap.manager",
        "QueryCubeDefinition": ".definition",
    },
)
"""What the wiring hands out and gets is loaded where there are distributed cubes."""

_logger = logging.getLogger(__name__)

PHASE_ALONE = 900
"""Before the web server: the first question is answered."""
PHASE_IN_CLUSTER = 2100
"""After the node has joined, which it can only when it is reached; it is not ready before."""
DEFAULT_CLUSTER = "Cluster"
STORE_FILE = "distribution.db"
DECLARATIONS = ("DataCubeDefinition", "QueryCubeDefinition")


class DistributedCubes(Lifecycle):
    """Opens the data cubes and query cubes of a node, and keeps them with its cluster and its model.

    Args:
        distribution: the cubes.
        manager: which may get another model.
        node: in its cluster; None where there is none.
        cluster: the namespace where there is none.
        join_timeout_s: how long a start waits for what query cubes need.
    """

    def __init__(
        self,
        distribution: Distribution,
        manager: Manager,
        node: ClusterNode | None,
        *,
        cluster: str,
        join_timeout_s: float,
    ) -> None:
        self.phase = PHASE_ALONE if node is None else PHASE_IN_CLUSTER
        self._distribution = distribution
        self._manager = manager
        self._node = node
        self._cluster = cluster
        self._join_timeout_s = join_timeout_s
        self._entered = ""
        self._members: tuple[tuple[str, str], ...] = ()
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Open them; where the node is no member yet, once it is one."""
        loop = asyncio.get_running_loop()
        self._manager.listen(lambda change: self._model_changed(change, loop))
        if self._node is None:
            await self._distribution.open(self._cluster)
        else:
            self._node.on_entered(lambda: self._soon(self._enter))
            self._ends.append(self._node.listen(self._view_changed))
            await self._enter()
        if not await self._distribution.settle(self._join_timeout_s):
            _logger.warning("not every data cube that is needed was heard of; the health of `distribution` tells which")

    async def stop(self) -> None:
        """Close them; that is no leave: whoever needs them waits until they are back."""
        for end in self._ends:
            end()
        self._node = None
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._distribution.close()

    async def _enter(self) -> None:
        """Take part in the cluster that the node is in now."""
        async with self._changing:
            node = self._node
            if node is None or node.cluster_uid == self._entered:
                return
            if self._entered:
                await self._distribution.close()
            self._entered = node.cluster_uid
            if self._entered:
                await self._distribution.open(node.view().cluster_id)
                await self._forget()

    def _view_changed(self, view: ClusterView) -> None:
        members = tuple((each.id, each.status) for each in view.nodes)
        if members != self._members and view.leader_id is not None:
            self._members = members
            self._soon(self._forget)

    async def _forget(self) -> None:
        """Let nobody wait for nodes that are no members any more; what cannot be decided now is tried with the next
        change of the members.
        """
        if self._node is None or not self._entered:
            return
        try:
            await self._distribution.forget(self._node.staying)
        except (ServiceUnavailableError, UserError) as error:
            _logger.info("it could not be decided who has left the cluster: %s", error)

    def _model_changed(self, change: ModelChange, loop: asyncio.AbstractEventLoop) -> None:
        if change.changed and not loop.is_closed():
            loop.call_soon_threadsafe(self._soon, lambda: self._distribution.exchange(self._manager.cubes))

    def _soon(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.ensure_future(work())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("distributed cubes could not follow their node", exc_info=error)


def is_wanted(context: ConditionContext) -> Outcome:
    """Match where data cubes or query cubes are declared, in a file or by code."""
    if context.environment.contains("distribution"):
        return Outcome(True, "found a section distribution", context.environment.origin("distribution"))
    found = [each for name in DECLARATIONS for each in context.find(f"app_framework.distribution.definition:{name}")]
    if found:
        return Outcome(True, f"found {', '.join(repr(each.name) for each in found)}", found[0].origin)
    return Outcome(False, "found no section distribution", remedy="add a section distribution")


@auto_configuration(
    on_module("duckdb"),
    on_condition(is_wanted),
    properties=[DistributionProperties],
    after=["cluster", "database", "messaging"],
)
class DistributionAutoConfiguration:
    """Lets cubes of several nodes answer as one."""

    @bean
    async def distribution(
        self,
        properties: DistributionProperties,
        data_cubes: list[DataCubeDefinition],
        query_cubes: list[QueryCubeDefinition],
        messengers: Messengers | None,
        node: ClusterNode | None,
        environment: Environment,
        context: ApplicationContext,
    ) -> AsyncIterator[Distribution]:
        """The data cubes and query cubes of the YAML and of user code."""
        from app_framework.distribution.checking import messenger_problems, problems_of
        from app_framework.distribution.distribution import Distribution

        listed = properties.definitions()
        data_cubes, query_cubes = [*listed[0], *data_cubes], [*listed[1], *query_cubes]
        problems = [*problems_of(data_cubes, query_cubes), *messenger_problems([*data_cubes, *query_cubes], messengers)]
        if problems or messengers is None:
            raise ModelError(problems)
        store = _store(node, environment)
        try:
            yield Distribution(
                data_cubes,
                query_cubes,
                node=context.node_name,
                messengers=messengers,
                store=store,
                limits=properties.limits.limits,
            )
        finally:
            await store.close()

    @bean
    def distributed_cubes(
        self,
        properties: DistributionProperties,
        distribution: Distribution,
        manager: Manager,
        database: Database | None,
        node: ClusterNode | None,
        environment: Environment,
    ) -> DistributedCubes:
        """Opens and closes them."""
        distribution.connect(manager.cubes, database)
        return DistributedCubes(
            distribution,
            manager,
            node,
            cluster=str(environment.get("cluster.id") or DEFAULT_CLUSTER),
            join_timeout_s=properties.join_timeout.total_seconds(),
        )

    @bean
    def distribution_health(self, distribution: Distribution) -> DistributionHealth:
        """What is known of the data cubes of all nodes."""
        from app_framework.distribution.health import DistributionHealth

        return DistributionHealth(distribution)

    @bean
    def distribution_endpoint(self, distribution: Distribution) -> DistributionEndpoint:
        """Offer ``distribution`` on the actuator."""
        from app_framework.distribution.health import DistributionEndpoint

        return DistributionEndpoint(distribution)

    @configuration_check
    def check_distribution(self, environment: Environment) -> None:
        """Find what is wrong with data cubes and query cubes as far as no table is needed for it."""
        from app_framework.distribution.checking import problems_of
        from app_framework.olap.properties import OlapProperties
        from app_framework.olap.reading import read_model

        schemas = environment.bind(OlapProperties).schemas
        # An application may bring cubes of its own, which no file names.
        cubes = [cube.name for cube in read_model(schemas, {}).cubes] or None
        if problems := problems_of(*environment.bind(DistributionProperties).definitions(), cubes):
            raise ModelError(problems)

    @failure_analyzer
    def explain_distribution(self, error: ModelError, environment: Environment) -> FailureAnalysis:
        """Point at every mistake; on a node without a database nobody else does."""
        return explain_model(error, environment)


def _store(node: ClusterNode | None, environment: Environment) -> ConsensusStore:
    """Return where decisions are kept: with the cluster, or in a file of a node that has none."""
    if node is not None:
        from app_framework.cluster.node_store import NodeConsensusStore

        return NodeConsensusStore(node)
    from app_framework.cluster.local_store import LocalConsensusStore

    folder = environment.bind(AppProperties).data_dir
    folder.mkdir(parents=True, exist_ok=True)
    return LocalConsensusStore(folder / STORE_FILE)
