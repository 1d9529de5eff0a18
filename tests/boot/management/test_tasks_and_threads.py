"""Tasks and threads with their stacks, and no values in them."""

from __future__ import annotations

import asyncio
import json

from app_framework.boot.management.tasks import describe_tasks, describe_threads


def test_a_waiting_task_shows_where_it_waits_and_none_of_its_values() -> None:
    """From the coroutine of the task down to what it awaits; FA9 holds because locals are never read."""

    async def inner(secret: str) -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner("canary-secret")

    async def story() -> dict[str, object]:
        task = asyncio.create_task(outer(), name="worker")
        await asyncio.sleep(0)
        described = describe_tasks()
        task.cancel()
        return described

    tasks = asyncio.run(story())["tasks"]
    assert isinstance(tasks, list)
    (worker,) = [task for task in tasks if task["name"] == "worker"]
    functions = [frame["function"].rpartition(".")[2] for frame in worker["stack"]]
    assert functions == ["outer", "inner", "wait"]
    assert worker["state"] == "waiting"
    assert "canary-secret" not in json.dumps(tasks)


def test_every_thread_is_shown_with_its_stack() -> None:
    """The innermost frame last."""
    threads = describe_threads()["threads"]
    assert isinstance(threads, list)
    (main,) = [thread for thread in threads if thread["threadName"] == "MainThread"]
    assert main["stack"][-1]["function"] == "describe_threads"
