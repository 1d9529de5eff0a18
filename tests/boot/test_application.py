"""An application as a process: signals, exit codes, the ready file, what it prints (FA6)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import asyncio, time
from collections.abc import AsyncIterator, Iterator
from app_framework import Application, bean, configuration

class First: ...
class Second: ...
class Third: ...

@configuration
class Three:
    @bean
    def first(self) -> Iterator[First]:
        yield First()
        print("closed first", flush=True)

    @bean
    async def second(self, first: First) -> AsyncIterator[Second]:
        yield Second()
        print("closing second", flush=True)
        raise RuntimeError("second will not close")

    @bean
    async def third(self, second: Second) -> AsyncIterator[Third]:
        yield Third()
        print("closing third", flush=True)
        await asyncio.Event().wait()

app = Application(name="three", sources=[Three])
if __name__ == "__main__":
    raise SystemExit(app.run(ready_file=__import__("pathlib").Path("ready.json")))
"""


class Process:
    """A Python program that runs an application in a folder."""

    def __init__(self, folder: Path, program: str, *arguments: str) -> None:
        self.folder = folder
        folder.joinpath("service.py").write_text(program)
        environ = {key: value for key, value in os.environ.items() if not key.startswith("APP_")}
        self.process = subprocess.Popen(
            [sys.executable, "service.py", "--app.autoconfigure.enabled=false", *arguments],
            cwd=folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self, deadline_s: float = 30) -> dict[str, object]:
        """Wait for the ready file and return what it says."""
        ready = self.folder / "ready.json"
        end = time.monotonic() + deadline_s
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise AssertionError(self.process.communicate()[1])
            time.sleep(0.01)
        facts: dict[str, object] = json.loads(ready.read_text())
        return facts

    def end(self) -> tuple[int, str, str]:
        """Wait for the end and return the exit code and both outputs."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def test_fa6_sigterm_closes_everything_in_reverse_and_exits_with_0(tmp_path: Path) -> None:
    """One finalizer hangs, one raises; the rest run, both are named, the exit code is 0."""
    running = Process(tmp_path, PROGRAM, "--app.lifecycle.stop-timeout=300ms")
    facts = running.wait_ready()
    assert facts == {"pid": running.process.pid, "http": None, "node": "three"}
    running.process.send_signal(signal.SIGTERM)
    code, out, err = running.end()
    assert code == 0
    assert out.splitlines() == ["closing third", "closing second", "closed first"]
    assert "third did not stop well: it took longer than 0.3 s" in err
    assert "second did not stop well: RuntimeError: second will not close" in err
    assert not tmp_path.joinpath("ready.json").exists()
    assert "Traceback" not in err


def test_the_start_says_in_at_most_five_lines_what_runs_and_why(tmp_path: Path) -> None:
    """Name, versions, configuration, each starter with its reason, components and time."""
    running = Process(tmp_path, PROGRAM, "--app.lifecycle.stop-timeout=100ms")
    running.wait_ready()
    running.process.send_signal(signal.SIGINT)
    code, _, err = running.end()
    assert code == 0
    summary = [line for line in err.splitlines() if "app_framework.application" in line and "stopping" not in line]
    assert 3 <= len(summary) <= 5
    assert "three · app-framework" in summary[0]
    assert any("starters: " in line for line in summary)


def test_a_mistake_shows_description_and_action_and_exits_with_1(tmp_path: Path) -> None:
    """No traceback, nothing half-started."""
    tmp_path.joinpath("application.yml").write_text("app:\n  lifecycle: {stop-timout: 1s}\n")
    code, out, err = Process(tmp_path, PROGRAM).end()
    assert code == 1
    assert out == ""
    assert "application.yml:2:15" in err
    assert "Did you mean: stop-timeout" in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback_and_the_conditions(tmp_path: Path) -> None:
    """For whoever wants to see more."""
    tmp_path.joinpath("application.yml").write_text("app: {nmae: x}\n")
    code, _, err = Process(tmp_path, PROGRAM, "--debug").end()
    assert code == 1
    assert "Traceback" in err
    assert "Description" in err


def test_a_signal_during_the_start_closes_what_was_created(tmp_path: Path) -> None:
    """A component that takes its time is cancelled, and those before it are closed."""
    slow = PROGRAM.replace(
        "yield Third()", "open('ready.json', 'w').write('{}'); await asyncio.sleep(60); yield Third()"
    )
    running = Process(tmp_path, slow)
    running.wait_ready()
    running.process.send_signal(signal.SIGTERM)
    code, out, err = running.end()
    assert code == 128 + signal.SIGTERM
    assert out.splitlines() == ["closing second", "closed first"]
    assert "Traceback" not in err
