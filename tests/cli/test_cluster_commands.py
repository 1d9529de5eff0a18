"""`af cluster …` and `af shell`, against a node that listens."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_framework.cli.cluster_text import health_code
from app_framework.client.topology import Topology, TopologyCache
from app_framework.testing import ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration
from tests.cli.conftest import Af
from tests.web.fake_cluster import FakeCluster, FakeClusterNode, serving

NOBODY = "http://127.0.0.1:1"
SECOND = "http://127.0.0.1:9"


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def node(cluster: FakeCluster) -> FakeClusterNode:
    return cluster.node("node1", "http://127.0.0.1:8")


@pytest.fixture
def url(cluster: FakeCluster, node: FakeClusterNode) -> Iterator[str]:
    """The node that founded the cluster; a second one runs, and is no member."""
    cluster.node("node2", SECOND)
    runner = ContextRunner(auto=[serving(node), WebAutoConfiguration]).properties({"server.port": 0})
    with runner.run() as context:
        yield context.addresses["http"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("AF_URL", "AF_USER", "AF_PASSWORD", "AF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def grow(cluster: FakeCluster) -> None:
    cluster.change(cluster.document(cluster.running["node2"], "FOLLOWER"), "cluster_register", "…")


def test_status_shows_members_and_health(af: Af, url: str, cluster: FakeCluster) -> None:
    """For people as a table, for programs as the node's own JSON."""
    grow(cluster)
    done = af("cluster", "status", "--url", url)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == (
        "healthy: Both nodes are active. node1 leads in term 1. The death of one more voting node would stop decisions."
    )
    assert done.stdout.splitlines()[-1].split() == ["node2", SECOND, "FOLLOWER", "ACTIVE", "B", "voter"]
    view = json.loads(af("cluster", "status", "--url", url, "-o", "json").stdout)
    assert [each["_id"] for each in view["nodes"]] == ["node1", "node2"]


def test_the_exit_code_says_how_the_cluster_is(af: Af, url: str, cluster: FakeCluster) -> None:
    """0 healthy, 2 no quorum, 3 unreachable; 1 is degraded."""
    assert af("cluster", "status", "--url", url).exit_code == 0
    grow(cluster)
    cluster.kill("node2")
    assert af("cluster", "status", "--url", url).exit_code == 2
    unreachable = af("cluster", "status", "--url", NOBODY)
    assert unreachable.exit_code == 3
    assert f"no node answers at {NOBODY}: nothing listens there." in unreachable.stderr
    assert [health_code({"health": each}) for each in ("healthy", "degraded", "no-quorum", "none")] == [0, 1, 2, 1]


def test_the_node_to_ask_may_come_from_the_environment(af: Af, url: str) -> None:
    assert af("cluster", "status", env={"AF_URL": url}).exit_code == 0


def test_a_node_that_is_written_comes_before_the_one_of_the_environment(af: Af, url: str) -> None:
    """In either spelling."""
    for option in ("--url", "--daemon"):
        assert af("cluster", "status", option, url, env={"AF_URL": NOBODY}).exit_code == 0


def test_members_are_changed(af: Af, url: str, cluster: FakeCluster) -> None:
    """Each change says what was done to which node."""
    done = af("cluster", "register", SECOND, "--url", url)
    assert done.stdout == f"registered: node2 {SECOND} · tag B · voter · FOLLOWER · ACTIVE\n"
    assert json.loads(af("cluster", "stop", "node2", "--url", url, "-o", "json").stdout)["status"] == "INACTIVE"
    cluster.change(cluster.document(cluster.running["node2"], "FOLLOWER"), "cluster_update_node", "it is back")
    assert af("cluster", "deregister", SECOND, "--url", url).exit_code == 0
    assert list(cluster.members) == ["node1"]


def test_a_refusal_is_told_with_what_to_do(af: Af, url: str, cluster: FakeCluster) -> None:
    """1 when the node refuses, 2 without a majority, and no traceback."""
    done = af("cluster", "stop", "node9", "--url", url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the cluster has no node 'node9'" in done.stderr
    assert "See the members: af cluster status" in done.stderr
    grow(cluster)
    cluster.kill("node2")
    refused = af("cluster", "deregister", "node2", "--url", url)
    assert refused.exit_code == 2
    assert "af cluster recover" in refused.stderr
    assert "Traceback" not in refused.stderr


Recovered = list[tuple[Path, str]]


@pytest.fixture
def recovered(monkeypatch: pytest.MonkeyPatch) -> Recovered:
    """What recovery was called with, in the place of a recovery."""
    calls: Recovered = []
    module = types.ModuleType("app_framework.cluster.recovery")

    def recover(folder: Path, cluster_id: str) -> types.SimpleNamespace:
        calls.append((folder, cluster_id))
        return types.SimpleNamespace(node="n1", cluster_id=cluster_id, entries=3, revision=7, struck=("n2", "n3"))

    module.recover = recover  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def test_recovery_asks_for_the_clusters_id(af: Af, folder: Path, recovered: Recovered) -> None:
    """What is lost is said before; scripts give the id as an option."""
    (folder / "d").mkdir()
    done = af("cluster", "recover", "--data-dir", "d", input="Sales\n")
    assert (done.exit_code, recovered) == (0, [(Path("d"), "Sales")])
    assert "n1 is cluster 'Sales' now: 3 entries, up to revision 7\nno members any more: n2, n3\n" in done.stdout
    assert "What the lost nodes had decided later is gone" in done.stderr
    assert af("cluster", "recover", "--data-dir", "d", "--yes-the-cluster-is=Sales").exit_code == 0
    assert len(recovered) == 2


def test_recovery_without_a_folder_or_an_answer_does_nothing(af: Af, folder: Path, recovered: Recovered) -> None:
    """Without --data-dir it is the folder of this configuration."""
    (folder / "application.yml").write_text("app: {data-dir: place}\n")
    done = af("cluster", "recover", "--yes-the-cluster-is=Sales")
    assert f"{folder / 'place'} is no folder" in done.stderr
    (folder / "place").mkdir()
    assert af("cluster", "recover", input="").exit_code != 0
    assert recovered == []


def test_the_shell_is_told_what_to_do_on_standard_input(af: Af, url: str) -> None:
    """As the tutorials do it, from `connect` to `exit`; what follows `exit` is not run (J24, J25)."""
    lines = (
        f"connect {url}\n\n# a comment\nfederated nodes\ncluster register {SECOND}\ncluster status\nexit\nnonsense\n"
    )
    done = af("shell", input=lines)
    assert done.exit_code == 0, done.stderr
    printed = done.stdout.splitlines()
    assert printed[0] == f"Connected to {url}"
    assert printed[2].split() == ["node1", "http://127.0.0.1:8", "LEADER", "ACTIVE", "A", "voter"]
    assert printed[3].startswith("registered: node2")
    assert printed[4].startswith("healthy: Both nodes are active.")


def test_the_shell_shows_what_the_node_and_the_client_show(af: Af, url: str, cluster: FakeCluster) -> None:
    """`federated nodes` is `GET /api/cluster`'s nodes (JA12)."""
    grow(cluster)
    shown = json.loads(af("shell", "--url", url, "-o", "json", "-c", "federated nodes").stdout)
    assert shown == [member.as_json() for member in cluster.members.values()]
    assert af("shell", "--daemon", url.removeprefix("http://"), "-c", "cluster decisions").exit_code == 0


def test_the_shell_goes_on_with_another_node_and_says_so(af: Af, url: str, tmp_path: Path) -> None:
    """A node that was remembered answers for the one that is gone."""
    TopologyCache.of_user().remember(Topology("Cluster", 1, (NOBODY, url)))
    done = af("shell", "--url", NOBODY, "-c", "federated nodes")
    assert done.exit_code == 0
    assert done.stderr == f"{NOBODY} does not answer; talking to {url}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("federated node", "Did you mean: federated nodes"),
        ("connect", "'connect' takes one thing, not 0."),
        ("put a b c", "'put' takes 2 things, not 3."),
        ("get 'a", "The line cannot be read: No closing quotation."),
        ("get a", "has no tables."),
        ("cluster stop node9", "the cluster has no node 'node9'"),
        ("connect ftp://x", "is no address of a node"),
    ],
)
def test_a_line_that_fails_ends_the_script_with_1(af: Af, url: str, line: str, said: str) -> None:
    """And says why; what follows is not run."""
    done = af("shell", "--url", url, "-c", "use t", "-c", line, "-c", "help")
    assert (done.exit_code, done.stdout) == (1, "Using t\n")
    assert said in done.stderr


def test_help_lists_every_command(af: Af) -> None:
    """Without a node."""
    done = af("shell", "-c", "help")
    assert {"connect URL", "federated nodes", "cas KEY EXPECTED VALUE", "exit"} <= {
        line[:28].strip() for line in done.stdout.splitlines()
    }


def test_a_password_is_never_shown(af: Af) -> None:
    """Not in the message about a node that cannot be reached, and not in the help."""
    done = af("cluster", "status", "--url", "http://ana:s3cret@127.0.0.1:1")
    assert "s3cret" not in done.output + done.stderr
    assert "--password" not in af("cluster", "status", "--help").stdout
