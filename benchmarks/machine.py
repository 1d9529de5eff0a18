"""What a figure was measured on: nothing that says whose machine it is."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

LIBRARIES = (
    "duckdb",
    "fastapi",
    "starlette",
    "uvicorn",
    "httptools",
    "pydantic",
    "dependency-injector",
    "orjson",
    "click",
)


def machine_facts() -> list[str]:
    """Return a few lines about cores, memory, Python and libraries."""
    busy = f", load average {os.getloadavg()[0]:.1f} when it began" if hasattr(os, "getloadavg") else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        f"{cores} cores{_processor()}, {_memory()}{platform.system()} {platform.machine()}{busy}",
        f"{platform.python_implementation()} {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    ]


def _processor() -> str:
    """The name of the processor, where Linux tells it."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f" ({names[0]})" if names else ""


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return ""
    size_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{size_bytes / 2**30:.0f} GiB, "


def resident_memory_mb(pid: int) -> float:
    """Return how much memory a process has now.

    Raises:
        FileNotFoundError: there is none, or the system does not tell it.
    """
    return _status_kb(pid, "VmRSS") / 1000


@contextlib.contextmanager
def most_memory_mb(pid: int) -> Iterator[Callable[[], float]]:
    """Watch a process for the length of a block; the call returns the most memory that it had since.

    Raises:
        FileNotFoundError: there is none, or the system does not tell it.
    """
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # the peak becomes what it has now
    yield lambda: _status_kb(pid, "VmHWM") / 1000


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(f"{name} is not told of process {pid}")
