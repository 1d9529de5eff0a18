"""How the cluster is wired: what a section switches on, what health and metrics tell, what mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_framework.boot import Metrics
from app_framework.cluster import ClusterService
from app_framework.cluster.autoconfigure import ClusterAutoConfiguration, EpochExchange, reachable_host
from app_framework.cluster.health import ClusterHealth
from app_framework.cluster.node import ClusterNode
from app_framework.messaging.autoconfigure import MessagingAutoConfiguration, NatsAutoConfiguration
from app_framework.messaging.messenger import Messenger
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.testing import ContextRunner

ROOMS = (ClusterAutoConfiguration, MessagingAutoConfiguration, NatsAutoConfiguration, SecurityAutoConfiguration)


def runner(folder: Path, yaml: str) -> ContextRunner:
    """A node with the rooms that a cluster needs, in a folder of its own."""
    return (
        ContextRunner().auto(*ROOMS).directory(folder).yaml(f"{yaml}\napp: {{name: demo, data-dir: {folder}/data}}\n")
    )


IN_MEMORY = "cluster: {node: {name: node-a}}\nmessaging: {type: in-memory}"


def test_without_the_section_nothing_of_it_is_there(tmp_path: Path) -> None:
    """And the report says what would switch it on."""
    with runner(tmp_path, "messaging: {type: in-memory}").run() as context:
        assert context.all(ClusterNode) == []


def test_a_section_that_is_switched_off_is_not_there_either(tmp_path: Path) -> None:
    """`cluster.enabled: false` keeps the rest for another day."""
    section = runner(tmp_path, "cluster: {enabled: false, id: X}")
    with section.properties({"messaging.type": "in-memory"}).run() as context:
        assert context.all(ClusterNode) == []


def test_ja1_a_section_makes_a_cluster_of_one_that_leads_and_is_ready(tmp_path: Path) -> None:
    """Without a port, without a server: in memory."""
    with runner(tmp_path, IN_MEMORY).run() as context:
        view = context[ClusterNode].view()
        assert (view.state, view.term, view.node_id, view.cluster_id) == ("LEADER", 1, "node-a", "Cluster")
        assert context.node_name == "node-a"
        assert [type(each) for each in context.all(ClusterService)] == [ClusterNode]  # type: ignore[type-abstract]
        assert context.availability.readiness.reasons == {}


def test_health_and_metrics_tell_state_term_leader_lag_and_elections(tmp_path: Path) -> None:
    """What an operator looks at first."""
    with runner(tmp_path, IN_MEMORY).run() as context:
        names = set(context[Metrics].names)
        wanted = {"term", "leader", "has.leader", "epoch", "lag", "elections", "tolerates", "nodes", "nodes.active"}
        assert {f"cluster.{each}" for each in wanted} <= names
        health = context[ClusterHealth].health()
        assert (health.status.name, health.details["leader"], health.details["store"]) == ("UP", "node-a", "sqlite")


def test_every_message_of_the_node_carries_the_routing_epoch(tmp_path: Path) -> None:
    """And one that another node has stamped later is noticed."""
    with runner(tmp_path, IN_MEMORY).run() as context:
        exchange, node = context[EpochExchange], context[ClusterNode]
        assert exchange.stamp() == {"Epoch": str(node.epoch)}
        exchange.heard({"Epoch": str(node.epoch + 3)})
        assert node.agent.epochs_behind == 3
        assert context[Messenger].protocol == "in-memory"


def test_a_cluster_talks_over_nats_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    """A real nats-server of its own; its folder is in the data directory, its password in no text."""
    with runner(tmp_path, "cluster: {node: {name: node-a}}").run() as context:
        assert context[Messenger].protocol == "nats"
        assert context[ClusterNode].view().place == "sqlite"
        assert list((tmp_path / "data" / "cluster" / "nats").glob("*/nats.conf"))
        assert "password" not in repr(context[ClusterNode])


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("cluster: {node: {name: a b}}", "cluster.node.name"),
        ("cluster: {node: {type: boss}}", "cluster.node.type"),
        ("cluster: {secret: short}", "cluster.secret"),
        ("cluster: {voters-max: 4}", "cluster.voters-max"),
        ("cluster: {peer: [x]}", "Did you mean: peers"),
    ],
)
def test_mistakes_in_the_section_name_their_place(tmp_path: Path, yaml: str, said: str) -> None:
    """Before anything is started."""
    failure = runner(tmp_path, yaml).properties({"messaging.type": "in-memory"}).fails()
    assert said in f"{failure.description}\n{failure.action}"


def test_a_folder_that_another_node_uses_is_named_with_its_setting(tmp_path: Path) -> None:
    """Description and Action, no traceback."""
    with runner(tmp_path, IN_MEMORY).run():
        failure = runner(tmp_path, IN_MEMORY.replace("node-a", "node-b")).fails()
    assert "another node uses it (process" in failure.description
    assert "give this one a folder of its own" in failure.action


def test_a_node_that_listens_everywhere_is_reached_under_a_name() -> None:
    """0.0.0.0 is nobody's address."""
    assert reachable_host("0.0.0.0", None) not in ("0.0.0.0", "")
    assert reachable_host("0.0.0.0", "node-a.example") == "node-a.example"
