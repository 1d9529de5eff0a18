"""How long a start takes: the sample node against the same stack by hand, a lone node with a cluster and without,
`af --help` against a bare Python.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.comparison import Case, Target
from benchmarks.processes import ROOT, af, python, run_ms, served, until_ready_ms

DATA = ROOT / "sample_app" / "data" / "nycflights13"
SAMPLE = af("run", "sample_app.main:app", "--server.port={port}")
READY = "/actuator/health/readiness"
HEALTH = "/health"
SMALL = "benchmarks.subjects.wired_route:app"
CLUSTERED = ("--cluster.enabled=true",)
BARE_NODE = python("-m", "benchmarks.subjects.bare_node", "{port}", str(DATA))


@contextlib.contextmanager
def node_start() -> Iterator[Sequence[Case]]:
    """FA10: the whole process, from its start to its first answer 200; a start before lets Python compile."""
    start_ms(SAMPLE, READY), start_ms(BARE_NODE, HEALTH)
    yield [
        Case(
            "start",
            "Start of the sample node, process start to first 200 (FA10)",
            lambda: start_ms(SAMPLE, READY),
            {"FastAPI + uvicorn + DuckDB, same Parquet files": lambda: start_ms(BARE_NODE, HEALTH)},
            Target(1.5),
        )
    ]


@contextlib.contextmanager
def help_page() -> Iterator[Sequence[Case]]:
    """FA10: the help of the command line, the whole process."""
    run_ms(af("--help"))
    yield [
        Case(
            "help",
            "`af --help`, whole process (FA10)",
            lambda: run_ms(af("--help")),
            {
                '`python -c "import click"`': lambda: run_ms(python("-c", "import click")),
                "`python -c pass`": lambda: run_ms(python("-c", "pass")),
            },
            Target(250, of="ms"),
        )
    ]


@contextlib.contextmanager
def lone_node() -> Iterator[Sequence[Case]]:
    """A small application with a section cluster, alone on an empty folder, against the same one without."""
    for settings in (CLUSTERED, ()):
        ready_ms(SMALL, *settings)
    yield [
        Case(
            "alone",
            "Start of one node that founds its cluster, process start to ready file",
            lambda: ready_ms(SMALL, *CLUSTERED),
            {"the same without a section `cluster`": lambda: ready_ms(SMALL)},
            Target(1.2),
        )
    ]


def ready_ms(target: str, *settings: str) -> float:
    """Start a node on an empty folder once and return how long it took until its ready file was there."""
    with TemporaryDirectory(prefix="benchmark-alone-") as folder:
        ready = Path(folder, "ready.json")
        return until_ready_ms(
            af("run", target, "--server.port=0", f"--app.data-dir={folder}/data", f"--ready-file={ready}", *settings),
            ready,
        )


def start_ms(command: Sequence[str], path: str) -> float:
    """Start a server once and return how long it took to answer."""
    with served(command, path) as server:
        return server.ready_ms
