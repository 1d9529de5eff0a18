"""Three real nodes, each with its part of the rows; any of them answers for all (AA6, AA7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.cluster import Cluster, ClusterNode, cluster, until

pytestmark = pytest.mark.acceptance

APPLICATION = """
database: {tables: {sales: {source: {csv: sales.csv}}}}
schemas:
  Sales:
    base: sales
    cubes:
      sales:
        dimensions: {Region: [region], Product: [product]}
        measures: {revenue: {sum: revenue}, sales: {count: "*"}, products: {count_distinct: product}}
cluster: {id: shops}
management: {endpoint: {health: {show-details: always}}}
distribution:
  data-cubes: {sales: {application: shops}}
  query-cubes:
    world:
      applications: {shops: {distributing-levels: [region]}}
      measures: {mean: {formula: revenue / sales}}
"""
PARTS = {
    "node1": [("north", "pear", 1), ("north", "fig", 2)],
    "node2": [("south", "pear", 4)],
    "node3": [("east", "fig", 8), ("west", "fig", 16)],
}
WHOLE = [["east", 8], ["north", 3], ["south", 4], ["west", 16]]
BY_REGION = {"measures": ["revenue"], "levels": ["region"]}


def start(nodes: Cluster, name: str, *arguments: str) -> ClusterNode:
    """Start a node with its part of the rows."""
    folder = nodes.folder / name
    folder.mkdir()
    (folder / "application.yml").write_text(APPLICATION)
    lines = [f"{region},{product},{revenue}" for region, product, revenue in PARTS[name]]
    (folder / "sales.csv").write_text("\n".join(["region,product,revenue", *lines, ""]))
    return nodes.start(name, *arguments).ready()


def ask(node: ClusterNode, **question: object) -> httpx.Response:
    return node.post("/cubes/world/query", {**BY_REGION, **question})


def rows(node: ClusterNode, **question: object) -> list[list[Any]]:
    """Return an answer; a refusal is none, and never a wrong number."""
    answer = ask(node, **question)
    if answer.status_code == 200:
        assert not answer.json()["partial"]
        found: list[list[Any]] = answer.json()["rows"]
        return found
    assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
    return []


def test_any_of_three_nodes_answers_for_all_until_one_is_gone(tmp_path: Path) -> None:
    """A node that is killed is missed by name and members, on every node, also after a restart, until it is back or
    has left; a partial answer says what is missing (AA6). One that starts, or starts again, is part of the answers, and
    `stop_distribution` takes it out at once (AA7).
    """
    with cluster(tmp_path) as nodes:
        first = start(nodes, "node1")
        until(lambda: rows(first) == [["north", 3]], "the founder alone", nodes.describe)
        second = start(nodes, "node2", "--peer", first.url)
        until(lambda: rows(first) == [["north", 3], ["south", 4]], "a node that came later", nodes.describe)
        third = start(nodes, "node3", "--peer", first.url)
        for node in nodes.alive:
            until(lambda node=node: rows(node) == WHOLE, f"all rows at {node.name}", nodes.describe)  # type: ignore[misc]
        nodes.until_tolerates(1)
        answer = ask(third, measures=["mean", "products"], levels=[], totals="grand").json()
        assert answer["rows"] == [[31 / 5, 2]]
        assert set(answer["versions"]) == {"node1", "node2", "node3"}

        third.kill_machine()
        until(lambda: ask(first).status_code == 503, "the missing node is noticed", nodes.describe)
        problem = ask(first).json()
        assert (problem["code"], problem["node"], problem["retryable"]) == ("SERVICE_UNAVAILABLE", "node3", True)
        assert sorted(problem["members"]["region"]) == ["east", "west"]
        assert rows(first, where={"region": ["north", "south"]}) == [["north", 3], ["south", 4]]
        part = ask(second, unavailable="partial").json()
        assert (part["partial"], part["rows"]) == (True, [["north", 3], ["south", 4]])
        assert [(each["node"], sorted(each["members"]["region"])) for each in part["missing"]] == [
            ("node3", ["east", "west"])
        ]

        second.kill_machine()
        second.start().ready()
        until(lambda: rows(second, where={"region": "south"}) == [["south", 4]], "its own rows", nodes.describe)
        assert ask(second).status_code == 503

        third.start().ready()
        for node in nodes.alive:
            until(lambda node=node: rows(node) == WHOLE, f"all rows again at {node.name}", nodes.describe)  # type: ignore[misc]

        assert third.post("/cubes/sales/distribution/stop").json()["state"] == "stopped"
        until(lambda: rows(first) == [["north", 3], ["south", 4]], "it has left", nodes.describe)
        third.kill_machine()
        third.start().ready()
        assert third.get("/cubes/sales/distribution").json()["state"] == "stopped"
        assert rows(first) == [["north", 3], ["south", 4]]
        assert third.post("/cubes/sales/distribution/start").json()["state"] == "joined"
        until(lambda: rows(first) == WHOLE, "it is back", nodes.describe)


def test_a_node_that_is_stopped_for_good_is_not_waited_for(tmp_path: Path) -> None:
    """`stop` of the cluster is a leave, SIGTERM is none (AA6)."""
    with cluster(tmp_path) as nodes:
        first = start(nodes, "node1")
        for name in ("node2", "node3"):
            start(nodes, name, "--peer", first.url)
        until(lambda: rows(first) == WHOLE, "all rows", nodes.describe)
        nodes.until_tolerates(1)
        nodes["node2"].stop()
        until(lambda: ask(first).status_code == 503, "a node is missed", nodes.describe)
        nodes["node2"].start().ready()
        until(lambda: rows(first) == WHOLE, "all rows again", nodes.describe)
        assert first.post("/api/cluster/stop", {"node": "node2"}).status_code == 200
        nodes["node2"].wait()
        until(lambda: rows(first) == [each for each in WHOLE if each[0] != "south"], "it has left", nodes.describe)
        health = first.get("/actuator/health").json()["components"]["distribution"]
        assert (health["status"], health["details"]["queryCubes"]["world"]["required"]) == ("UP", 2)


def test_nodes_that_are_registered_bring_their_rows(tmp_path: Path) -> None:
    """Each was a cluster of its own, with cubes that took part in it; what stood there is left behind."""
    with cluster(tmp_path) as nodes:
        first, second = start(nodes, "node1"), start(nodes, "node2")
        assert rows(second) == [["south", 4]]
        assert first.post("/api/cluster/register", {"url": second.url}).status_code == 200
        for node in (first, second):
            until(lambda node=node: rows(node) == [["north", 3], ["south", 4]], f"both at {node.name}", nodes.describe)  # type: ignore[misc]


def test_after_a_power_cut_nothing_is_answered_that_is_not_whole(tmp_path: Path) -> None:
    """The first node that is back cannot read who has to answer, and so it answers nothing (AA6)."""
    with cluster(tmp_path) as nodes:
        first = start(nodes, "node1")
        for name in ("node2", "node3"):
            start(nodes, name, "--peer", first.url)
        until(lambda: rows(first) == WHOLE, "all rows", nodes.describe)
        nodes.until_tolerates(1)
        for node in nodes.alive:
            node.kill_machine()
        first.start().ready()
        for _ in range(20):
            assert rows(first) == []
        health = first.get("/actuator/health").json()["components"]["distribution"]
        assert health["status"] == "UNKNOWN"
        for name in ("node2", "node3"):
            nodes[name].start()
        until(lambda: rows(first) == WHOLE, "all rows again", nodes.describe)
