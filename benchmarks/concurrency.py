"""Budgets 3, 4 and 21: many clients at once, answers that are kept, and eight questions in one request."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median, quantiles

from benchmarks.comparison import Case, Side, Target
from benchmarks.cube import Statement, filled
from benchmarks.facts import Ground
from benchmarks.processes import python, served
from benchmarks.wire import KeepAlive, get, post

QUERY = "/cubes/facts/query"
CLIENTS = 8
EACH = 5
"""Questions of a client for one sample."""

KEPT_EACH = 150
HELLO = python("-m", "benchmarks.subjects.bare_route", "{port}")
HELLO_PATH = "/greet/ada"

WIDGETS: Sequence[Sequence[str]] = (
    ["channel"],
    ["payment"],
    ["segment"],
    ["region"],
    ["year"],
    ["category"],
    ["carrier"],
    ["year", "channel"],
)
"""What a dashboard of eight pictures groups by, all with one filter."""


def some_days() -> list[int]:
    """Return days of every month that were hardly asked for together before, so that no answer is kept."""
    return sorted(random.sample(range(1, 32), 25))


def heavy(days: Sequence[int]) -> dict[str, object]:
    """Return a question that reads most facts."""
    measures = ["lines", "quantity", "revenue", "cost"]
    return {"measures": measures, "levels": ["department", "year"], "where": {"day_of_month": list(days)}}


@contextlib.contextmanager
def many_clients(ground: Ground) -> Iterator[Sequence[Case]]:
    """Eight clients that ask again as soon as they were answered; raw DuckDB with eight cursors of one database."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(KeepAlive(ground.node.port)) for _ in range(CLIENTS)]
        cursors = [stack.enter_context(contextlib.closing(ground.raw.cursor())) for _ in range(CLIENTS)]
        threads = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        statement = _statement(connections[0])

        def ours(client: int) -> None:
            answer = connections[client].exchange(post(QUERY, heavy(some_days())))
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status}: {answer.body.decode(errors='replace')}")

        def theirs(client: int) -> None:
            cursors[client].execute(statement.sql, filled(statement.shape, iter(some_days()))).fetchall()

        def times(ask: Callable[[int], None]) -> tuple[float, list[float]]:
            """Return milliseconds for a question with all clients at it, and those that each question took."""
            started = time.perf_counter()
            each = [
                took for client in threads.map(lambda client: _asked_ms(ask, client), range(CLIENTS)) for took in client
            ]
            return (time.perf_counter() - started) * 1000 / len(each), each

        times(ours), times(theirs)
        yield [
            Case(
                "clients",
                f"{CLIENTS} clients, uncached cube queries, time for each (the inverse of throughput)",
                lambda: times(ours)[0],
                {"raw DuckDB, as many threads with the same SQL": lambda: times(theirs)[0]},
                Target(1 / 0.85),
            ),
            Case(
                "clients-p99",
                f"{CLIENTS} clients, uncached cube queries, p99",
                lambda: quantiles(times(ours)[1], n=100)[98],
                {"their p50": lambda: median(times(ours)[1])},
                Target(10),
            ),
        ]


def _asked_ms(ask: Callable[[int], None], client: int) -> list[float]:
    took = []
    for _ in range(EACH):
        started = time.perf_counter()
        ask(client)
        took.append((time.perf_counter() - started) * 1000)
    return took


def _statement(node: KeepAlive) -> Statement:
    days = some_days()
    told = json.loads(node.post("/cubes/facts/explain", heavy(days)).body)
    if told["parameters"] != filled(told["parameters"], iter(days)):
        raise RuntimeError(f"the node binds {told['parameters']} and not the days that were asked for")
    return Statement(told["sql"], told["parameters"])


@contextlib.contextmanager
def kept_answers(ground: Ground) -> Iterator[Sequence[Case]]:
    """The same question over and over, by eight clients; a route that says hello is the least that the stack costs."""
    with (
        served([*HELLO, "--edge"], HELLO_PATH) as edge,
        served(HELLO, HELLO_PATH) as bare,
        contextlib.ExitStack() as stack,
    ):
        ask = post(QUERY, {"measures": ["lines", "revenue"], "levels": ["region", "year"]})
        sides = [
            all_at_once(stack, port, partial(_same, request))
            for port, request in ((ground.node.port, ask), (edge.port, get(HELLO_PATH)), (bare.port, get(HELLO_PATH)))
        ]
        references: dict[str, Side] = {
            "hello of a FastAPI route behind the same middleware": sides[1],
            "hello of a FastAPI route, no middleware, no log": sides[2],
        }
        title = f"{CLIENTS} clients, a kept answer, time for each (the inverse of req/s)"
        yield [Case("kept", title, sides[0], references, Target(1 / 0.9))]


def all_at_once(stack: contextlib.ExitStack, port: int, request: Callable[[], bytes], each: int = KEPT_EACH) -> Side:
    """Return a side on which every client has a request under way; one thread is enough to send and to read them."""
    connections = [stack.enter_context(KeepAlive(port)) for _ in range(CLIENTS)]

    def ms_for_each() -> float:
        requests = [request() for _ in range(each * CLIENTS)]
        started = time.perf_counter()
        for first in range(0, len(requests), CLIENTS):
            for connection, asked in zip(connections, requests[first:], strict=False):
                connection.send(asked)
            for connection in connections:
                if (status := connection.receive().status) != 200:
                    raise RuntimeError(f"answered {status}")
        return (time.perf_counter() - started) * 1000 / len(requests)

    ms_for_each()
    return ms_for_each


def _same(request: bytes) -> bytes:
    return request


@contextlib.contextmanager
def dashboard(ground: Ground) -> Iterator[Sequence[Case]]:
    """Eight pictures of one dashboard, all with the same filter that nobody asked for before."""
    with KeepAlive(ground.node.port) as connection:

        def questions() -> list[dict[str, object]]:
            where = {"day_of_month": some_days()}
            return [
                {"measures": ["lines", "quantity", "revenue"], "levels": levels, "where": where} for levels in WIDGETS
            ]

        def batch() -> float:
            document = [{"cube": "facts", **each} for each in questions()]
            return connection.p50_ms([post("/cubes/query", document)])

        def one_by_one() -> float:
            started = time.perf_counter()
            for each in questions():
                connection.p50_ms([post(QUERY, each)])
            return (time.perf_counter() - started) * 1000

        batch(), one_by_one()
        yield [
            Case(
                "dashboard",
                f"Dashboard of {len(WIDGETS)} pictures with one filter, in one request, uncached",
                lambda: median([batch() for _ in range(3)]),
                {f"{len(WIDGETS)} requests, one after the other": lambda: median([one_by_one() for _ in range(3)])},
                Target(0.6),
            )
        ]
