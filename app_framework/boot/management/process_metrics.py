"""What the interpreter and the operating system say about this process, as gauges."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path

from app_framework.boot.management.metrics import Metrics

_STATM = Path("/proc/self/statm")
_FD = Path("/proc/self/fd")


def add_process_metrics(metrics: Metrics) -> None:
    """Add CPU, memory, threads, open files, garbage collection and uptime."""
    started_s = time.time()
    began_s = time.monotonic()
    metrics.gauge("process.start.time", lambda: started_s, "Start of the application since the epoch.", unit="seconds")
    metrics.gauge("process.uptime", lambda: time.monotonic() - began_s, "Time since the start.", unit="seconds")
    metrics.gauge("process.cpu.time", time.process_time, "CPU time of the process.", unit="seconds")
    metrics.gauge("system.cpu.count", os.cpu_count, "Processors of the machine.")
    metrics.gauge("process.memory.rss", _resident_bytes, "Resident memory of the process.", unit="bytes")
    metrics.gauge("process.files.open", _open_files, "Open file descriptors.")
    metrics.gauge("python.threads.live", threading.active_count, "Live threads.")
    for generation in range(len(gc.get_stats())):
        _add_collections(metrics, generation)
    version = ".".join(map(str, sys.version_info[:3]))
    labels = {"version": version, "implementation": sys.implementation.name}
    metrics.gauge("python.info", lambda: 1.0, "The interpreter, in the labels.", labels=labels)


def _add_collections(metrics: Metrics, generation: int) -> None:
    def read(what: str) -> float:
        return float(gc.get_stats()[generation][what])

    labels = {"generation": str(generation)}
    metrics.gauge("python.gc.collections", lambda: read("collections"), "Garbage collections.", labels=labels)
    metrics.gauge("python.gc.collected", lambda: read("collected"), "Objects collected.", labels=labels)


def _resident_bytes() -> float | None:
    """Return the resident memory; where /proc is missing, the peak is the nearest thing to be had."""
    try:
        return float(int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def _open_files() -> float | None:
    try:
        return float(sum(1 for _ in _FD.iterdir()))
    except OSError:
        return None
