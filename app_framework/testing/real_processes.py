"""A node of a test that is a real process: `af run` in a folder of its own, asked over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from app_framework.client.errors import problem_error
from app_framework.errors import FrameworkError
from app_framework.olap.cellset import CellColumn, CellSet

DEADLINE_S = 60.0
POLL_S = 0.05


class ProcessEndedError(FrameworkError):
    """A node did not become ready.

    Attributes:
        node: its name.
        log: what it said.
    """

    def __init__(self, node: str, log: str) -> None:
        super().__init__(node)
        self.node = node
        self.log = log

    def __str__(self) -> str:
        return f"node {self.node!r} did not become ready:\n{self.log}"


class RealProcess:
    """One node in a folder, which it keeps over restarts.

    Args:
        folder: of the node.
        name: of the node.
        document: its `application.yml`.
    """

    def __init__(self, folder: Path, name: str, document: Mapping[str, object]) -> None:
        self.name = name
        self._folder = folder
        self._ready = folder / "ready.json"
        self._log = folder / "node.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._http: httpx.Client | None = None
        self._paused = False
        folder.mkdir(parents=True)
        self.write(document)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def paused(self) -> bool:
        """Whether it is stopped in time."""
        return self._paused

    @property
    def log(self) -> str:
        """What it said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def url(self) -> str:
        """Where it is reached."""
        return str(self._http.base_url) if self._http else ""

    def write(self, document: Mapping[str, object]) -> None:
        """Write its configuration: JSON is YAML."""
        (self._folder / "application.yml").write_text(json.dumps(document, indent=1, default=str))

    def start(self) -> None:
        """Begin the process and wait until it is ready.

        Raises:
            ProcessEndedError: it ended, or took too long.
        """
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "app_framework", "run", f"--ready-file={self._ready}"],
                cwd=self._folder,
                env={key: value for key, value in os.environ.items() if not key.startswith("APP_")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(lambda: self._ready.exists() or not self.alive)
        except TimeoutError:
            self.kill()
        if not self._ready.exists():
            raise ProcessEndedError(self.name, self.log)
        facts = json.loads(self._ready.read_text())
        self._http = httpx.Client(base_url=str(facts["http"]), timeout=DEADLINE_S, trust_env=False)

    def kill(self) -> None:
        """End it as kill -9 does."""
        process, self._process = self._process, None
        self._paused = False
        if process is not None:
            process.kill()
            process.wait()
        if self._http is not None:
            self._http.close()
            self._http = None

    def pause(self) -> None:
        """Stop it in time."""
        if not self._paused:
            self._signal(signal.SIGSTOP)
            self._paused = True

    def resume(self) -> None:
        """Let it go on."""
        if self._paused:
            self._signal(signal.SIGCONT)
            self._paused = False

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask over HTTP, and return the JSON answer; what it is refused with is raised as the client does."""
        assert self._http is not None
        content = None if body is None else json.dumps(body, default=_plain)
        answer = self._http.request(method, path, content=content, headers={"Content-Type": "application/json"})
        document = json.loads(answer.text, parse_float=Decimal)
        if answer.is_error:
            raise problem_error(str(answer.url), answer.status_code, document)
        return document

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def __repr__(self) -> str:
        return f"<RealProcess {self.name!r} {self.url if self.alive else 'down'}>"


def wait_until(condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
    """Wait for something in real time.

    Raises:
        TimeoutError: it does not come.
    """
    until_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError("what was waited for does not come")
        time.sleep(POLL_S)


def cell_set(document: Mapping[str, Any]) -> CellSet:
    """Return an answer as the node had it before it became JSON."""
    columns = [
        CellColumn(str(each["name"]), each["role"], str(each["type"]), each.get("format"))
        for each in document["columns"]
    ]
    readers = [_reader(column.type) for column in columns]
    return CellSet(
        str(document["cube"]),
        columns,
        rows=[tuple(read(value) for read, value in zip(readers, row, strict=True)) for row in document["rows"]],
        grouping=list(document["grouping"]),
        versions=document["versions"],
        partial=document["partial"],
        missing=document.get("missing", ()),
        elapsed_ms=float(document["elapsed_ms"]),
    )


def _reader(kind: str) -> Callable[[Any], object]:
    """Return what makes a value of a type from what JSON has."""
    if kind.endswith("[]"):
        element = _reader(kind.removesuffix("[]"))
        return lambda values: None if values is None else [element(value) for value in values]
    for start, read in _READERS:
        if kind.startswith(start):
            return lambda value: None if value is None else read(value)
    return lambda value: value


_READERS: Sequence[tuple[str, Callable[[Any], object]]] = (
    ("decimal", Decimal),
    ("double", float),
    ("float", float),
    ("date", date.fromisoformat),
    ("timestamp", datetime.fromisoformat),
)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else str(value)
