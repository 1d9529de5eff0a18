"""What a figure was measured on: nothing that says whose machine it is."""

from __future__ import annotations

import os
import platform
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
