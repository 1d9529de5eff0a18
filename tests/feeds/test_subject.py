"""A feed of messages: together one commit, each with its own answer; over memory, and once over a real nats-server."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.boot import ApplicationContext
from app_framework.database import Condition, Database, DatabaseError, Delete, Insert, Table
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.feeds import SubjectFeed
from app_framework.feeds.autoconfigure import Feeds, FeedsAutoConfiguration
from app_framework.feeds.health import FeedsHealth
from app_framework.messaging import MemoryNetwork, Messenger, NatsBus, NatsServer, RemoteError
from app_framework.messaging.autoconfigure import MessagingAutoConfiguration, NatsAutoConfiguration
from app_framework.testing import ContextRunner
from app_framework.testing.virtual_time import until
from tests.messaging.conftest import start_server

RUNNER = ContextRunner(auto=[DatabaseAutoConfiguration, MessagingAutoConfiguration, FeedsAutoConfiguration])
MODEL = """
database: {tables: {sales: {columns: {id: int, item: text}, key: id}}}
feeds:
  tills: {table: sales, subject: "tills.*.sold", %s}
"""
Talk = Callable[[ApplicationContext, Messenger], Awaitable[None]]


def run(talk: Talk, more: str = "max-delay: 0") -> None:
    """Run a node with the feed, and a till that sends to it."""
    network = MemoryNetwork()

    async def running() -> None:
        runner = RUNNER.override(MemoryNetwork, network).yaml(MODEL % more)
        async with runner.start() as context, Messenger(network.bus("till")) as till:
            await talk(context, till)

    asyncio.run(asyncio.wait_for(running(), 60))


def rows(context: ApplicationContext) -> list[tuple[object, ...]]:
    return context[Database].query("SELECT id, item FROM sales ORDER BY id")


async def send(till: Messenger, document: object) -> Any:
    """Ask for rows to be taken, and return the answer."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return json.loads((await till.request("tills.7.sold", data, timeout_s=30)).data)


@pytest.fixture
def held() -> Iterator[Callable[[ApplicationContext], Callable[[], None]]]:
    """Hold up the line of commits until the test lets it go."""
    gates: list[threading.Event] = []

    def hold(context: ApplicationContext) -> Callable[[], None]:
        gate = threading.Event()
        gates.append(gate)

        def waiting() -> Iterator[dict[str, object]]:
            gate.wait(60)
            return iter([])

        context[Database].submit_commit([Insert("sales", _Lazy(waiting))])
        return gate.set

    yield hold
    for gate in gates:
        gate.set()


class _Lazy:
    def __init__(self, make: Callable[[], Iterator[dict[str, object]]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[dict[str, object]]:
        return self._make()


def test_who_asks_is_told_when_the_rows_are_safe(tmp_path: Path) -> None:
    async def talk(context: ApplicationContext, till: Messenger) -> None:
        answer = await send(till, [{"id": 1, "item": "tea"}, {"id": 2}])
        assert answer == {"table": "sales", "rows": 2, "version": context[Database].version}
        assert rows(context) == [(1, "tea"), (2, None)]
        assert (await send(till, {"id": 1, "item": "cup"}))["rows"] == 1
        assert rows(context) == [(1, "cup"), (2, None)]

    run(talk)


def test_messages_without_a_reply_are_committed_together(held: Any) -> None:
    """While a commit is made the next ones gather; the last row of a key wins, as in commits of their own."""

    async def talk(context: ApplicationContext, till: Messenger) -> None:
        (feed,) = context[Feeds].feeds
        let_go = held(context)
        for n in range(100):
            await till.publish("tills.1.sold", json.dumps({"id": n % 10, "item": f"{n}"}).encode())
        await until(lambda: feed.state.waiting == 100)
        let_go()
        await until(lambda: feed.state.waiting == 0)
        assert rows(context) == [(n, f"{90 + n}") for n in range(10)]
        assert feed.state.commits <= 3

    run(talk)


def test_a_bad_message_is_refused_alone(held: Any) -> None:
    """Those that came with it are taken, and each is told what became of it."""

    async def talk(context: ApplicationContext, till: Messenger) -> None:
        (feed,) = context[Feeds].feeds
        let_go = held(context)
        bodies: list[object] = [{"id": 1}, {"id": "many"}, {"id": 3}, b"[", {"id": None}, {"id": 6}]
        asking = [asyncio.create_task(send(till, body)) for body in bodies]
        await until(lambda: feed.state.waiting == len(bodies))
        let_go()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [getattr(answer, "code", "taken") for answer in answers] == [
            "taken", "INVALID_ROWS", "taken", "INVALID_REQUEST", "INVALID_ROWS", "taken",
        ]  # fmt: skip
        assert "column 'id': 'many' is not an int32" in str(answers[1])
        assert [row[0] for row in rows(context)] == [1, 3, 6]
        assert feed.state.refused == 3

    run(talk)


def test_more_than_may_wait_is_refused_and_counted(held: Any) -> None:
    async def talk(context: ApplicationContext, till: Messenger) -> None:
        (feed,) = context[Feeds].feeds
        let_go = held(context)
        first = [asyncio.create_task(send(till, {"id": n})) for n in range(2)]
        await until(lambda: feed.state.waiting == 2)
        with pytest.raises(RemoteError, match=r"feed 'tills' cannot take more messages now \(`max-messages`\)"):
            await send(till, {"id": 2})
        await till.publish("tills.1.sold", b'{"id": 3}')
        await until(lambda: feed.state.dropped == 2)
        let_go()
        await asyncio.gather(*first)
        assert [row[0] for row in rows(context)] == [0, 1]

    run(talk, "max-messages: 2")


def test_bytes_that_wait_are_bounded_too() -> None:
    async def talk(context: ApplicationContext, till: Messenger) -> None:
        with pytest.raises(RemoteError, match="`max-bytes`"):
            await send(till, [{"id": n} for n in range(500)])

    run(talk, "max-bytes: 1KB")


def test_what_cannot_be_committed_is_told_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one may succeed, and then nothing is in the way."""

    async def talk(context: ApplicationContext, till: Messenger) -> None:
        (feed,) = context[Feeds].feeds
        with monkeypatch.context() as patch:
            patch.setattr(Database, "submit_commit", fail)
            with pytest.raises(RemoteError, match="SERVICE_UNAVAILABLE: Database shop: the disk is full"):
                await send(till, {"id": 1})
        health = await context[FeedsHealth].health()
        assert (str(health.status), feed.state.dropped) == ("DOWN", 1)
        assert (await send(till, {"id": 1}))["rows"] == 1
        assert feed.state.problem is None

    run(talk)


def fail(*_: object, **__: object) -> None:
    raise DatabaseError("shop", "the disk is full")


def test_rejected_rows_are_counted_for_each_message(tmp_path: Path) -> None:
    async def talk(context: ApplicationContext, till: Messenger) -> None:
        answers = await asyncio.gather(send(till, [{"id": 1}, {"id": "x"}]), send(till, [{"id": 2}, {"id": 3}]))
        assert [(answer["rows"], answer["rejected"]) for answer in answers] == [(1, 1), (2, 0)]

    network = MemoryNetwork()

    async def running() -> None:
        runner = RUNNER.override(MemoryNetwork, network).properties({"app.data-dir": str(tmp_path)})
        async with runner.yaml(MODEL % "on-error: reject").start() as context, Messenger(network.bus("till")) as till:
            await talk(context, till)

    asyncio.run(running())


def test_arrow_travels_as_it_is() -> None:
    def batch(*ids: int) -> bytes:
        table, sink = pa.table({"id": [*ids], "item": ["tea"] * len(ids)}), io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue()

    async def talk(context: ApplicationContext, till: Messenger) -> None:
        answers = await asyncio.gather(send(till, batch(1, 2)), send(till, batch(3)), return_exceptions=True)
        assert [answer["rows"] for answer in answers if isinstance(answer, dict)] == [2, 1]
        with pytest.raises(RemoteError, match="it is not Arrow"):
            await send(till, b"{}")
        assert len(rows(context)) == 3

    run(talk, "format: arrow")


def test_a_stop_commits_what_waits(held: Any) -> None:
    async def talk(context: ApplicationContext, till: Messenger) -> None:
        (feed,) = context[Feeds].feeds
        let_go = held(context)
        await till.publish("tills.1.sold", b'{"id": 1}')
        await until(lambda: feed.state.waiting)
        stopping = asyncio.create_task(feed.stop())
        let_go()
        await stopping
        assert rows(context) == [(1, None)]

    run(talk, "max-delay: 1h")


def test_of_the_nodes_of_a_queue_group_one_takes_each_message() -> None:
    async def running() -> None:
        network = MemoryNetwork()
        runner = RUNNER.override(MemoryNetwork, network)
        names = [runner.yaml(f"app: {{name: {name}}}\n" + MODEL % "queue-group: loaders") for name in ("a", "b")]
        async with names[0].start() as a, names[1].start() as b, Messenger(network.bus("till")) as till:
            for n in range(20):
                await send(till, {"id": n})
            assert sorted(row[0] for row in [*rows(a), *rows(b)]) == list(range(20))

    asyncio.run(running())


ROWS = st.fixed_dictionaries({"id": st.integers(0, 4) | st.just("many"), "item": st.sampled_from("ab")})


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database.open(tables=[Table("sales", columns={"id": "int", "item": "text"}, key="id")]) as database:
        yield database


@settings(max_examples=12, deadline=None)
@given(messages=st.lists(st.lists(ROWS, max_size=3), max_size=5))
def test_one_commit_of_many_messages_is_what_commits_of_their_own_are(
    database: Database, messages: list[list[dict[str, object]]]
) -> None:
    """A message that has a key twice is refused, and every other row takes the place of the one before."""
    good = [rows for rows in messages if len({row["id"] for row in rows} - {"many"}) == len(rows)]
    expected = {row["id"]: row["item"] for rows in good for row in rows}
    database.commit([Delete("sales", Condition("true"))])

    async def feeding() -> list[bool]:
        network = MemoryNetwork()
        async with Messenger(network.bus("node")) as node, Messenger(network.bus("till")) as till:
            feed = SubjectFeed("tills", database.tables["sales"], "sold", node, database)
            await feed.start()
            asking = [till.request("sold", json.dumps(rows).encode(), timeout_s=30) for rows in messages]
            answers = await asyncio.gather(*asking, return_exceptions=True)
            await feed.stop()
            return [not isinstance(answer, Exception) for answer in answers]

    assert asyncio.run(feeding()) == [rows in good for rows in messages]
    assert dict(database.query("SELECT id, item FROM sales")) == expected


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = start_server(tmp_path_factory.mktemp("nats"), "feeds")
    yield server
    asyncio.run(server.stop())


def test_messages_over_nats(server: NatsServer) -> None:
    """The messenger is chosen by the feed; the node's own stays in memory."""
    connection = server.connection()
    nats = {"servers": [*connection.servers], "user": connection.user, "password": connection.password}

    async def running() -> None:
        runner = RUNNER.auto(NatsAutoConfiguration).yaml(MODEL % "messenger: nats" + f"nats: {json.dumps(nats)}\n")
        async with runner.start() as context, Messenger(await NatsBus.connect(connection, name="till")) as till:
            assert (await send(till, {"id": 1, "item": "tea"}))["rows"] == 1
            await till.publish("tills.2.sold", b'{"id": 2}')
            await until(lambda: len(rows(context)) == 2)
            with pytest.raises(RemoteError, match="INVALID_ROWS"):
                await send(till, {"id": "x"})

    asyncio.run(asyncio.wait_for(running(), 60))
