"""What the process is doing right now: asyncio tasks and threads, each with its stack.

Stacks name files, lines and functions only; no local variables, so no values can leak.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterable
from types import FrameType

TASKS_MAX = 1000
"""More tasks than this are counted, not shown."""

FRAMES_MAX = 50
"""The innermost frames of a stack that are shown."""


def describe_tasks() -> dict[str, object]:
    """Return the tasks of the running loop; those that ended are left out."""
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    found: dict[str, object] = {"tasks": [_task(task) for task in tasks[:TASKS_MAX]]}
    if len(tasks) > TASKS_MAX:
        found["tasksNotShown"] = len(tasks) - TASKS_MAX
    return found


def describe_threads() -> dict[str, object]:
    """Return the threads of the process."""
    frames = sys._current_frames()
    threads = sorted(threading.enumerate(), key=lambda thread: thread.name)
    return {"threads": [_thread(thread, frames.get(thread.ident or 0)) for thread in threads]}


def _task(task: asyncio.Task[object]) -> dict[str, object]:
    coroutine = task.get_coro()
    return {
        "name": task.get_name(),
        "coroutine": getattr(coroutine, "__qualname__", type(coroutine).__name__),
        "state": "running" if task is asyncio.current_task() else "waiting",
        "cancelling": task.cancelling() > 0,
        "stack": _stack(_awaited_frames(coroutine)),
    }


def _thread(thread: threading.Thread, frame: FrameType | None) -> dict[str, object]:
    frames = [] if frame is None else [found for found, _ in traceback.walk_stack(frame)]
    return {
        "threadName": thread.name,
        "threadId": thread.ident,
        "daemon": thread.daemon,
        "stack": _stack(reversed(frames)),
    }


def _awaited_frames(coroutine: object) -> list[FrameType]:
    """Return the frames from the task's coroutine down to what it waits for."""
    frames: list[FrameType] = []
    while coroutine is not None and len(frames) < 10 * FRAMES_MAX:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if isinstance(frame, FrameType):
            frames.append(frame)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return frames


def _stack(frames: Iterable[FrameType]) -> list[dict[str, object]]:
    """Return frames as JSON, the innermost last."""
    innermost = list(frames)[-FRAMES_MAX:]
    return [
        {"file": frame.f_code.co_filename, "line": frame.f_lineno, "function": frame.f_code.co_qualname}
        for frame in innermost
    ]
