"""A world is right or refuses, whatever happens to its nodes and network in which order (AA5, AA6, AA7, AA13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

import pytest

from app_framework.database.errors import QueryTimeoutError
from app_framework.database.spare import SpareEngines
from app_framework.database.sql import quote
from app_framework.errors import ServiceUnavailableError
from app_framework.testing import CubeResult, DataNode, DistributionTestHelper, QueryNode

NODES = ("a", "b", "c")
ACTIONS = 60
HEARD_AGAIN_S = 3.0
"""After that everybody has heard of everybody who is there."""


@pytest.fixture(scope="module")
def engines() -> Iterator[SpareEngines]:
    with SpareEngines() as spare:
        yield spare


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 300))])
def test_no_answer_is_wrong(engines: SpareEngines, seed: int) -> None:
    """Each answer is that of all nodes that take part, of the versions that it names; at the end all is well again."""
    with DistributionTestHelper(seed=seed, engines=engines) as distribution:
        day = BadDay(distribution, seed)
        for _ in range(ACTIONS):
            day.go_on()
        day.end()


class BadDay:
    """A random one.

    Each node has a region of its own; rows come and go.
    """

    def __init__(self, distribution: DistributionTestHelper, seed: int) -> None:
        self.random = Random(seed)
        self.distribution = distribution
        self.nodes = {name: distribution.data_node(name, {"sales": [row(name, 0)]}) for name in NODES}
        self.worlds = [distribution.query_node(name, {"app": ["region"]}, cube="world") for name in ("w1", "w2")]
        self.seen: dict[str, Counter[str]] = {world.name: Counter() for world in self.worlds}
        self.left: set[str] = set()
        self.is_hindered = False
        self.troubled_until = 0.0
        self.told: list[str] = []

    def go_on(self) -> None:
        """Do one thing more."""
        actions: list[tuple[int, Callable[[], None]]] = [
            (10, self.ask),
            (4, self.ask_for_a_part),
            (4, self.ask_while_something_happens),
            (4, self.commit),
            (2, self.kill),
            (3, self.restart),
            (1, self.leave_or_join),
            (3, self.hinder),
            (2, self.heal),
            (3, self.wait),
        ]
        (chosen,) = self.random.choices([action for _, action in actions], [weight for weight, _ in actions])
        self.told.append(chosen.__name__)
        chosen()
        if chosen in (self.kill, self.restart, self.heal, self.leave_or_join, self.ask_while_something_happens):
            self.troubled_until = self.distribution.now + HEARD_AGAIN_S

    def end(self) -> None:
        """Let everything be well again."""
        self.distribution.heal()
        for each in (*self.nodes.values(), *self.worlds):
            if not each.alive:
                self.distribution.restart(each)
        for node in self.nodes.values():
            if node.state == "stopped":
                node.start_distribution()
        self.distribution.settle()
        expected = self.distribution.oracle().query(["revenue.sum", "count"], ["region"], totals="grand")
        for world in self.worlds:
            assert world.query(["revenue.sum", "count"], ["region"], totals="grand") == expected, self.told

    def ask(self) -> None:
        """Ask for everything."""
        if world := self.living_world():
            try:
                self.check(world, world.query(["revenue.sum"], ["region"], timeout=10))
            except (ServiceUnavailableError, QueryTimeoutError):
                assert self.is_troubled, self.told

    def ask_for_a_part(self) -> None:
        """Ask for what there is."""
        if world := self.living_world():
            try:
                self.check(world, world.query(["revenue.sum"], ["region"], timeout=10, unavailable="partial"))
            except (ServiceUnavailableError, QueryTimeoutError):
                assert self.is_troubled, self.told

    def ask_while_something_happens(self) -> None:
        """Let a node die, or change, between question and answer."""
        world, node = self.living_world(), self.any_node()
        if world is None or not node.alive or node.state != "joined":
            return
        self.distribution.hold(node)
        running = world.begin(["revenue.sum"], ["region"], timeout=10)
        if self.random.random() < 0.5:
            self.distribution.kill(node)
        else:
            self.distribution.commit(node, "sales", [row(node.name, self.random.randrange(100))], wait=False)
            self.distribution.release(node)
        error = running.error()
        if error is None:
            self.check(world, running.result())
        else:
            assert isinstance(error, ServiceUnavailableError | QueryTimeoutError), (error, self.told)

    def commit(self) -> None:
        """Change the rows of a node, and do not wait until it is known."""
        node = self.any_node()
        if not node.alive:
            return
        if self.random.random() < 0.7:
            self.distribution.commit(node, "sales", [row(node.name, self.random.randrange(100))], wait=False)
        else:
            self.distribution.delete(node, "sales", {"revenue": {"from": 50}}, wait=False)

    def kill(self) -> None:
        """Kill a node."""
        each = self.random.choice([*self.nodes.values(), *self.worlds])
        if each.alive:
            self.distribution.kill(each)

    def restart(self) -> None:
        """Start one that is down."""
        down = [each for each in (*self.nodes.values(), *self.worlds) if not each.alive]
        if down:
            self.heal()
            self.distribution.restart(self.random.choice(down))

    def leave_or_join(self) -> None:
        """Stop or start to take part."""
        node = self.any_node()
        if node.alive:
            self.heal()
            if node.state == "joined":
                if len(self.left) == len(NODES) - 1:
                    return  # a world of nobody knows no measure
                node.stop_distribution()
                self.left.add(node.name)
            else:
                node.start_distribution()
                self.left.discard(node.name)

    def hinder(self) -> None:
        """Do something to the network."""
        self.is_hindered = True
        names = [*NODES, "w1", "w2"]
        fault = self.random.choice(["delay", "drop", "duplicate", "reorder", "split", "silent"])
        if fault == "delay":
            self.distribution.delay(self.random.choice(names), (0.0, self.random.choice([0.01, 0.3, 3.0])))
        elif fault in ("drop", "duplicate", "reorder"):
            getattr(self.distribution, fault)(self.random.choice(names), self.random.choice([0.1, 0.5, 1.0]))
        else:
            cut = self.random.sample(names, self.random.randint(1, 3))
            self.distribution.split(cut, silent=fault == "silent")

    def heal(self) -> None:
        """Make the network whole."""
        self.is_hindered = False
        self.distribution.heal()

    def wait(self) -> None:
        """Let time go by."""
        self.distribution.advance(self.random.choice([0.01, 0.3, 1.0, 5.0]))

    def check(self, world: QueryNode, answer: CubeResult) -> None:
        """Compare an answer with the rows of the versions that it names."""
        joined = {*NODES} - self.left
        missing = {str(each["node"]) for each in answer.missing}
        assert set(answer.versions) | missing == joined, (answer, answer.versions, joined, self.told)
        assert not set(answer.versions) & missing, self.told
        assert answer.partial == bool(missing)
        expected: Counter[str] = Counter()
        for name, version in answer.versions.items():
            assert version >= self.seen[world.name][name], ("an older version than before", self.told)
            self.seen[world.name][name] = version
            for region, revenue in rows_at(self.nodes[name], version):
                expected[region] += revenue
        assert answer.table == expected, (answer, self.told)

    @property
    def is_troubled(self) -> bool:
        """Whether there is a reason to refuse: something is down or hindered, or was a moment ago."""
        down = not all(node.alive for node in self.nodes.values())
        return down or self.is_hindered or self.distribution.now < self.troubled_until

    def any_node(self) -> DataNode:
        """Return a data node."""
        return self.random.choice(list(self.nodes.values()))

    def living_world(self) -> QueryNode | None:
        """Return a query node that runs."""
        alive = [world for world in self.worlds if world.alive]
        return self.random.choice(alive) if alive else None


def row(region: str, revenue: int) -> dict[str, object]:
    """Return one sale."""
    return {"region": region, "revenue": revenue}


def rows_at(node: DataNode, version: int) -> list[tuple[str, int]]:
    """Return the sales of a node as they were in a version."""

    def read(cursor):  # type: ignore[no-untyped-def]
        def select(view):  # type: ignore[no-untyped-def]
            return cursor.rows(f"SELECT region, revenue FROM {view.sources.get('sales', quote('sales'))}")

        return node.database.read(cursor, select, version)

    found: list[tuple[str, int]] = node.database.submit_job(read).result()
    return found
