"""Start-up steps and the summary of at most five lines."""

from __future__ import annotations

import asyncio

import pytest

from app_framework.boot.management.startup import StarterLine, StartupSteps, startup_summary

URL = "http://127.0.0.1:40417"
FACTS = {
    "name": "sample",
    "version": "0.1.0",
    "framework_version": "0.1.0",
    "python_version": "3.11.7",
    "pid": 4711,
    "profiles": ["dev"],
    "sources": ["command line(--server.port=0)", "application.yml"],
    "components": 23,
    "elapsed_s": 0.123,
}


def test_steps_inside_a_step_are_its_children() -> None:
    """Across tasks too: each finds the parent it was started under."""
    steps = StartupSteps()

    async def create(name: str) -> None:
        with steps.step("create", component=name):
            await asyncio.sleep(0)

    async def story() -> None:
        with steps.step("components"):
            await asyncio.gather(create("a"), create("b"))

    asyncio.run(story())
    assert [(step.name, step.parent_id) for step in steps.steps] == [("components", None), ("create", 0), ("create", 0)]


def test_the_timeline_has_springs_shape() -> None:
    """Finished steps only, with ISO times and durations."""
    steps = StartupSteps()
    with steps.step("environment") as step, steps.step("files", file="application.yml"):
        step.tag(found=1)
    events = steps.to_json()["events"]
    assert isinstance(events, list)
    assert [event["startupStep"] for event in events] == [
        {"name": "environment", "id": 0, "tags": [{"key": "found", "value": "1"}]},
        {"name": "files", "id": 1, "tags": [{"key": "file", "value": "application.yml"}], "parentId": 0},
    ]
    assert all(event["duration"].startswith("PT") for event in events)


def test_a_step_that_fails_says_so() -> None:
    """And does not swallow the error."""
    steps = StartupSteps()
    with pytest.raises(ValueError, match="no"), steps.step("create", component="x"):
        raise ValueError("no")
    assert steps.steps[0].tags == {"component": "x", "error": "ValueError"}


def test_the_summary_names_every_starter_with_its_reason() -> None:
    """Four lines answer most questions."""
    starters = [
        StarterLine("nats", "0.1.0", True),
        StarterLine("inmemory", "0.1.0", False, "on_missing_component(Messenger) found nats.messenger"),
    ]
    summary = startup_summary(
        **FACTS,  # type: ignore[arg-type]
        starters=starters,
        slowest=[("nats.messenger", 0.048)],
        addresses={"http": URL},
        actuator="/actuator [health]",
    )
    assert summary.splitlines() == [
        "sample 0.1.0 · app-framework 0.1.0 · Python 3.11.7 · pid 4711 · profiles: dev",
        "config: command line(--server.port=0), application.yml",
        "starters: nats 0.1.0 on · inmemory 0.1.0 off (on_missing_component(Messenger) found nats.messenger)",
        f"started 23 components in 0.12 s (slowest: nats.messenger 48 ms) · {URL} · actuator /actuator [health]",
    ]


def test_the_summary_never_has_more_than_five_lines() -> None:
    """Whatever a name or a reason holds."""
    starters = [StarterLine(f"s{number}", "1", False, "because\nof\nthat") for number in range(50)]
    summary = startup_summary(**FACTS, starters=starters, note="loopback\nonly")  # type: ignore[arg-type]
    assert len(summary.splitlines()) == 5
