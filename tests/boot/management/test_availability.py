"""Liveness and readiness: reasons by owner, listeners, any thread."""

from __future__ import annotations

import threading

from app_framework.boot.management.availability import (
    APPLICATION,
    Availability,
    AvailabilityChange,
    LivenessState,
    ReadinessState,
)


def started() -> Availability:
    availability = Availability()
    availability.liveness.recover(owner=APPLICATION)
    availability.readiness.accept(owner=APPLICATION)
    return availability


def test_a_starting_application_is_neither_alive_nor_ready() -> None:
    """Spring's probe table: starting is BROKEN and REFUSING_TRAFFIC."""
    availability = Availability()
    assert availability.liveness.state is LivenessState.BROKEN
    assert availability.readiness.state is ReadinessState.REFUSING_TRAFFIC


def test_a_component_takes_back_only_its_own_refusal() -> None:
    """Two refuse, one accepts: traffic stays refused, with the other's reason."""
    availability = started()
    availability.readiness.refuse("no majority", owner="cluster")
    availability.readiness.refuse("loading", owner="database")
    availability.readiness.accept(owner="database")
    assert availability.readiness.state is ReadinessState.REFUSING_TRAFFIC
    assert availability.readiness.reasons == {"cluster": "no majority"}


def test_accepting_without_having_refused_changes_nothing() -> None:
    """So a component may accept as often as it likes."""
    availability = Availability()
    availability.readiness.accept(owner="cluster")
    assert availability.readiness.state is ReadinessState.REFUSING_TRAFFIC


def test_a_listener_hears_changes_of_the_state_only() -> None:
    """A second reason for the same state is no change; the end of the last one is."""
    heard: list[AvailabilityChange] = []
    availability = started()
    stop = availability.listen(heard.append)
    availability.readiness.refuse("a", owner="a")
    availability.readiness.refuse("b", owner="b")
    availability.readiness.accept(owner="a")
    availability.readiness.accept(owner="b")
    stop()
    availability.liveness.fail("stuck", owner="loop")
    assert [change.state for change in heard] == [
        ReadinessState.REFUSING_TRAFFIC,
        ReadinessState.ACCEPTING_TRAFFIC,
    ]
    assert heard[0].reasons == {"a": "a"}


def test_a_failing_listener_does_not_keep_the_others_from_hearing(caplog: object) -> None:
    """The state has changed, whatever a listener makes of it."""
    heard: list[AvailabilityChange] = []

    def fail(change: AvailabilityChange) -> None:
        raise ValueError(change.state)

    availability = started()
    availability.listen(fail)
    availability.listen(heard.append)
    availability.liveness.fail("stuck", owner="loop")
    assert [change.state for change in heard] == [LivenessState.BROKEN]


def test_threads_do_not_lose_each_others_refusals() -> None:
    """Every method may be called from any thread."""
    availability = started()

    def refuse(owner: str) -> None:
        availability.readiness.refuse("busy", owner=owner)

    threads = [threading.Thread(target=refuse, args=(f"owner-{number}",)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(availability.readiness.reasons) == 50
