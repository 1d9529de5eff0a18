"""A followed question: the answer is always there, changes when the data do, and survives its node."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from app_framework.boot import ApplicationContext
from app_framework.client import Client, ProblemError, UnreachableError, connect
from app_framework.testing import ContextRunner
from tests.web.test_cube_streams import AUTO, MODEL, post, sell

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def till() -> ContextRunner:
    return ContextRunner(AUTO).yaml(MODEL).properties({"server.port": 0})


@pytest.fixture(scope="module")
def node(till: ContextRunner) -> Iterator[ApplicationContext]:
    with till.run() as context:
        yield context


@pytest.fixture
def client(node: ApplicationContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    post(node, "/database/tables/sales/delete", {"where": {}})
    sell(node, "cup", "jug", "tea")
    with connect(node.addresses["http"]) as client:
        yield client


def wait(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s


def test_an_answer_keeps_itself_current(node: ApplicationContext, client: Client) -> None:
    """Exact decimals in views and in changes; what is the same is not told again, but its version is."""
    with client.cubes["till"].follow(["sold", "revenue"], levels=["item"]) as follow:
        assert next(follow).rows == (
            ("cup", 1, Decimal("1.50")),
            ("jug", 1, Decimal("1.50")),
            ("tea", 1, Decimal("1.50")),
        )
        sell(node, "jug", price=0.25)
        answer = next(follow)
        assert answer.rows[1] == ("jug", 2, Decimal("1.75"))
        assert follow.answer is answer
    with client.cubes["till"].follow(["sold"], where={"item": "cup"}) as follow:
        assert next(follow).rows == ((1,),)
        version = sell(node, "tea")
        wait(lambda: follow.next(0.05) is None and version in follow.versions.values())
        assert follow.answer is not None
        assert follow.answer.versions == {node.node_name: version}


def test_a_thread_that_waits_is_let_go(client: Client) -> None:
    """By closing; iteration ends then."""
    follow = client.cubes["till"].follow(["sold"])
    next(follow)
    waiting = threading.Thread(target=lambda: list(follow))
    waiting.start()
    follow.close()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()


def test_mistakes_are_told(client: Client) -> None:
    """All of them, and what was probably meant; a cube that is not there is refused at once."""
    with client.cubes["till"].follow(["solt"], levels=["items"]) as follow, pytest.raises(ProblemError) as refused:
        next(follow)
    assert refused.value.near == ("sold", "item")
    with pytest.raises(ProblemError) as unknown:
        client.cubes["til"].follow(["sold"])
    assert (unknown.value.status, unknown.value.near) == (404, ("till",))


def test_a_node_that_restarts_is_waited_for(
    till: ContextRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the question registered anew; the answer is that of the new node."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    users = {"security.users.ana.password": "ana-ana-ana-ana", "security.users.ana.roles": ["reader"]}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    node = till.properties({"server.port": port, **users})
    with node.run():
        client = connect(f"127.0.0.1:{port}", auth=("ana", "ana-ana-ana-ana"))
        follow = client.cubes["till"].follow(["sold"])
        assert next(follow).rows == ((0,),)
    assert follow.next(0) is None
    before = follow.versions
    with node.run():
        wait(lambda: follow.next(0.05) is None and follow.versions != before)
        assert follow.answer is not None
        assert follow.answer.rows == ((0,),)
        follow.close()
    with pytest.raises(UnreachableError):
        client.cubes["till"].follow(["sold"])
    client.close()


def test_the_command_writes_the_table_again(node: ApplicationContext, client: Client) -> None:
    """`af query --follow`, until Ctrl-C, which is no failure."""
    arguments = ["query", "till", "--by", "item", "--measure", "sold", "--follow", "--url", node.addresses["http"]]
    command = [sys.executable, "-m", "app_framework", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        giving_up = threading.Timer(PATIENCE_S, process.kill)
        giving_up.start()
        assert [process.stdout.readline().split() for _ in range(4)][1:] == [["cup", "1"], ["jug", "1"], ["tea", "1"]]
        sell(node, "tea")
        assert [process.stdout.readline().split() for _ in range(4)][1:] == [["cup", "1"], ["jug", "1"], ["tea", "2"]]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        giving_up.cancel()
