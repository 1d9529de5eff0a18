"""AA4 to AA7, AA13: whatever happens to nodes and network, an answer is that of its versions, or there is none.

What every node held in each of its versions is written down beside it, so that every answer can be added up anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from app_framework.database.errors import QueryTimeoutError
from app_framework.errors import ServiceUnavailableError, UserError
from app_framework.olap.errors import QueryError
from app_framework.olap.query import CubeQuery
from app_framework.testing import DataNode, DistributionTestHelper, QueryNode

REGIONS = [f"r{number}" for number in range(6)]
NODES = ("a", "b", "c")
SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 300))]
STEPS = 50

Held = dict[str, int]


class BadDay:
    """Three data nodes, a query node, and what happens to them."""

    def __init__(self, distribution: DistributionTestHelper, seed: int) -> None:
        self.dice = Random(seed)
        self.distribution = distribution
        self.held: dict[str, dict[int, Held]] = {}
        self.nodes: dict[str, DataNode] = {}
        for place, name in enumerate(NODES):
            rows = [{"region": region, "revenue": 1} for region in REGIONS[place * 2 : place * 2 + 2]]
            node = distribution.data_node(name, {"sales": rows})
            self.nodes[name] = node
            self.held[name] = {node.version: {str(row["region"]): 1 for row in rows}}
        self.world: QueryNode = distribution.query_node("world", {"app": ["region"]})
        self.left: set[str] = set()

    def run(self, steps: int) -> None:
        """Let so many things happen, then make everything whole."""
        happenings: list[Callable[[], None]] = [
            *(self.add, self.move, self.delete, self.ask, self.ask, self.ask_some, self.ask_partly),
            *(self.kill, self.restart, self.leave, self.come, self.trouble, self.heal, self.restart_world),
        ]
        for _ in range(steps):
            self.dice.choice(happenings)()
            if self.dice.random() < 0.5:
                self.distribution.advance(self.dice.choice([0.01, 0.3, 3.0]))
            else:
                self.distribution.run_ready()
        self.make_whole()

    # -- what happens ------------------------------------------------------------------------------------------------

    def add(self) -> None:
        """Commit rows of regions that no other node has: one that it has, and one that nobody has."""
        name = self.dice.choice(NODES)
        free = [each for each in REGIONS if not any(each in self.now(other) for other in NODES if other != name)]
        self.commit(name, dict.fromkeys(self.dice.sample(free, k=min(2, len(free))), self.dice.randint(1, 9)))

    def move(self) -> None:
        """Commit the rows of a region to another node before they leave the one that has them."""
        source, target = self.dice.sample(NODES, k=2)
        if self.now(source):
            region = self.dice.choice(sorted(self.now(source)))
            self.commit(target, {region: self.now(source)[region]})
            self.remove(source, region)

    def delete(self) -> None:
        """Take a region away."""
        name = self.dice.choice(NODES)
        if self.now(name):
            self.remove(name, self.dice.choice(sorted(self.now(name))))

    def kill(self) -> None:
        """Let a process die, perhaps while it is asked."""
        node = self.nodes[self.dice.choice(NODES)]
        if node.alive:
            asked = self.world.begin(["count"]) if self.dice.random() < 0.5 else None
            self.distribution.kill(node)
            if asked is not None:
                with contextlib.suppress(ServiceUnavailableError, UserError):
                    asked.result()

    def restart(self) -> None:
        """Let a process begin again."""
        node = self.nodes[self.dice.choice(NODES)]
        if not node.alive:
            node._node.start()
            node.open()

    def leave(self) -> None:
        """Let a data cube leave."""
        node = self.nodes[self.dice.choice(NODES)]
        if node.alive:
            node._wait(node.distributed.stop_distribution())
            self.left.add(node.name)

    def come(self) -> None:
        """Let a data cube take part."""
        node = self.nodes[self.dice.choice(NODES)]
        if node.alive:
            node._wait(node.distributed.start_distribution())

    def trouble(self) -> None:
        """Make the network worse."""
        name, kind = self.dice.choice(NODES), self.dice.choice(["delay", "drop", "duplicate", "hold"])
        if kind == "hold":
            self.distribution.hold(name)
        else:
            getattr(self.distribution, kind)(name, 0.3)

    def heal(self) -> None:
        """Make the network whole."""
        for name in NODES:
            self.distribution.release(name)
        self.distribution.heal()

    def restart_world(self) -> None:
        """Let the query node begin again."""
        self.distribution.kill(self.world)
        self.world._node.start()
        self.world.open()

    def ask(self) -> None:
        """Ask for everything."""
        self.check({})

    def ask_some(self) -> None:
        """Ask for some regions."""
        self.check({"region": self.dice.sample(REGIONS, k=2)})

    def ask_partly(self) -> None:
        """Ask for what there is."""
        self.check({}, unavailable="partial")

    # -- what has to hold --------------------------------------------------------------------------------------------

    def check(self, where: dict[str, list[str]], unavailable: str = "fail") -> None:
        """Ask, and add the answer up anew from what the nodes held in its versions."""
        try:
            answer = self.world.query(
                ["revenue.sum"],
                ["region"],
                where,
                timeout=self.dice.choice([1, 20]),
                unavailable=unavailable,  # type: ignore[arg-type]
            )
        except ServiceUnavailableError:
            return
        except QueryTimeoutError:
            return
        except QueryError:
            if self.knows_nothing:
                return
            raise
        wanted = where.get("region", REGIONS)
        expected: Held = {}
        for name, version in answer.versions.items():
            held = {region: count for region, count in self.held[name][version].items() if region in wanted}
            assert not expected.keys() & held.keys(), "a region was counted on two nodes"
            expected |= held
        assert answer.table == expected
        assert answer.partial <= (unavailable == "partial")
        for name in set(NODES) - self.left - answer.versions.keys() if unavailable == "fail" else ():
            assert not all(held.keys() & set(wanted) for held in self.held[name].values()), f"{name} is left out"

    @property
    def knows_nothing(self) -> bool:
        """Whether no data cube is there by which the query cube could know a measure."""
        return not any(node.state in ("active", "suspect", "discovering") for node in self.world.nodes.values())

    def make_whole(self) -> None:
        """Heal, start and wait; then everything that does not stand twice is answered for."""
        self.heal()
        for node in self.nodes.values():
            if not node.alive:
                node._node.start()
                node.open()
            node._wait(node.distributed.start_distribution())
        for region in REGIONS:
            for name in [name for name in NODES if region in self.now(name)][1:]:
                self.remove(name, region)
        self.distribution.advance(10)
        answer = self.world.query(["revenue.sum"], ["region"])
        assert answer.table == {region: count for name in NODES for region, count in self.now(name).items()}

    # -- beneath -----------------------------------------------------------------------------------------------------

    def now(self, name: str) -> Held:
        """Return what a node holds in its newest version."""
        versions = self.held[name]
        return versions[max(versions)]

    def commit(self, name: str, more: Held) -> None:
        node = self.nodes[name]
        if not node.alive or not more:
            return
        node.add("sales", [{"region": region, "revenue": count} for region, count in more.items()], wait=False)
        now = self.now(name)
        self.held[name][node.version] = now | {region: now.get(region, 0) + count for region, count in more.items()}

    def remove(self, name: str, region: str) -> None:
        node = self.nodes[name]
        if not node.alive:
            return
        node.delete("sales", {"region": region}, wait=False)
        self.held[name][node.version] = {each: count for each, count in self.now(name).items() if each != region}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_answer_is_that_of_its_versions_or_there_is_none(seed: int) -> None:
    """AA6, AA13: nothing is counted twice, nothing is left out without a word; in the end all of it is there."""
    with DistributionTestHelper(seed=seed) as distribution:
        BadDay(distribution, seed).run(STEPS)


class ReplicatedDay(BadDay):
    """Three data nodes of which two hold each region; nothing is committed, but members are masked."""

    def __init__(self, distribution: DistributionTestHelper, seed: int) -> None:
        self.dice = Random(seed)
        self.distribution = distribution
        self.whole = {region: number for number, region in enumerate(REGIONS)}
        self.nodes = {}
        for place, name in enumerate(NODES):
            rows = [
                {"region": region, "revenue": number}
                for region, number in self.whole.items()
                if number % len(NODES) != place
            ]
            self.nodes[name] = distribution.data_node(name, {"sales": rows}, priority=self.dice.choice([None, 1, 2]))
        self.world = distribution.query_node("world", {"app": ["region"]}, data_overlap=True)

    def run(self, steps: int) -> None:
        """Let so many things happen, then make everything whole."""
        happenings: list[Callable[[], None]] = [
            *(self.ask, self.ask, self.ask_some, self.ask_partly, self.ask_partly, self.mask, self.unmask),
            *(self.kill, self.restart, self.trouble, self.heal, self.restart_world),
        ]
        for _ in range(steps):
            self.dice.choice(happenings)()
            self.distribution.advance(self.dice.choice([0.0, 0.01, 0.3, 3.0]))
        self.heal()
        for node in self.nodes.values():
            if node.alive:
                self.distribution.kill(node)
            node._node.start()
            node.open()
        self.distribution.advance(10)
        assert self.world.query(["revenue.sum"], ["region"]).table == self.whole

    def mask(self) -> None:
        """Mask a region on the first node, without waiting for anybody."""
        node = self.nodes["a"]
        if node.alive:
            node._node.living.begin(node.distributed.mask("region", [self.dice.choice(REGIONS)]))

    def unmask(self) -> None:
        """Unmask all of them."""
        node = self.nodes["a"]
        if node.alive:
            node._node.living.begin(node.distributed.unmask("region", REGIONS))

    def check(self, where: dict[str, list[str]], unavailable: str = "fail") -> None:
        """Ask; what is not in the answer is told to be missing."""
        question = CubeQuery(
            ["revenue.sum"],
            ["region"],
            where,
            timeout=self.dice.choice([1, 20]),
            unavailable=unavailable,  # type: ignore[arg-type]
        )
        try:
            answer = self.world.ask(question)
        except (ServiceUnavailableError, QueryTimeoutError):
            return
        held: list[Any] = [each["members"] for each in answer.missing]
        missing = [region for members in held for region in members.get("region", REGIONS)]
        expected = {region: self.whole[region] for region in where.get("region", REGIONS)}
        assert {**answer.table, **{region: expected[region] for region in missing if region in expected}} == expected
        assert not answer.table.keys() & set(missing) or not all(held)


@pytest.mark.parametrize("seed", SEEDS)
def test_replicas_stand_in_for_each_other_or_there_is_no_answer(seed: int) -> None:
    """AA5, AA9: every member is counted once, whoever dies, hangs or is masked meanwhile."""
    with DistributionTestHelper(seed=seed) as distribution:
        ReplicatedDay(distribution, seed).run(STEPS)
