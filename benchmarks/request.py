"""What a component costs a request: the same route in a node and in a bare FastAPI."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import repeat

from benchmarks.comparison import Case, Side, Target
from benchmarks.processes import af, python, served
from benchmarks.wire import KeepAlive, get

PATH = "/greet/ada"
BLOCK = 500
WIRED = af("run", "benchmarks.subjects.wired_route:app", "--server.port={port}")
BARE = python("-m", "benchmarks.subjects.bare_route", "{port}")


@contextlib.contextmanager
def autowired_request(block: int = BLOCK) -> Iterator[Sequence[Case]]:
    """Three servers, one kept connection to each, and blocks of requests in turns."""
    with (
        _asked(WIRED, block) as wired,
        _asked([*BARE, "--edge"], block) as behind_edge,
        _asked(BARE, block) as bare,
    ):
        yield [
            Case(
                "request",
                "Request with an `Autowired` component, p50 over HTTP",
                wired,
                {
                    "FastAPI route behind the same middleware": behind_edge,
                    "FastAPI route, no middleware, no log": bare,
                },
                Target(1.3),
            )
        ]


@contextlib.contextmanager
def _asked(command: Sequence[str], block: int) -> Iterator[Side]:
    request = get(PATH)
    with served(command, PATH) as server, KeepAlive(server.port) as connection:
        connection.p50_ms(repeat(request, block))  # the first ones pay for what is made once
        yield lambda: connection.p50_ms(repeat(request, block))
