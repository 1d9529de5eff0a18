"""Health: statuses add up, indicators are bounded, groups select."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping

import pytest

from app_framework.boot.management.health import (
    CompositeHealth,
    Health,
    HealthContributor,
    HealthIndicator,
    Status,
    contributor_name,
)
from app_framework.boot.management.health_service import HealthGroup, HealthReport, HealthService
from app_framework.boot.management.redaction import Redactor


class Fixed(HealthIndicator):
    """Always says the same."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self.asked = 0

    async def health(self) -> Health:
        self.asked += 1
        return self._health


class Failing(HealthIndicator):
    """Raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def health(self) -> Health:
        raise self._error


class Hanging(HealthIndicator):
    """Does not return before it is let go."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def health(self) -> Health:
        self.released.wait(30)
        return Health.up()


class Shards(CompositeHealth):
    """Two members."""

    def contributors(self) -> Mapping[str, HealthContributor]:
        return {"a": Fixed(Health.up()), "b": Fixed(Health.down("disk full"))}


UP, DOWN, UNKNOWN, OUT = Health.up(), Health.down("no"), Health.unknown(), Health.out_of_service()


def check(service: HealthService, path: str = "", group: str | None = None) -> HealthReport | None:
    return asyncio.run(service.check(path, group))


def status_of(*answers: Health) -> Status:
    report = check(HealthService({str(number): Fixed(each) for number, each in enumerate(answers)}))
    assert report is not None
    return report.status


@pytest.mark.parametrize(
    ("answers", "whole"),
    [
        ((UP, UP), Status.UP),
        ((UP, UNKNOWN), Status.UP),
        ((UP, DOWN, OUT), Status.DOWN),
        ((UP, OUT), Status.OUT_OF_SERVICE),
        ((UNKNOWN,), Status.UNKNOWN),
        ((), Status.UNKNOWN),
    ],
)
def test_the_whole_is_as_bad_as_its_worst_part(answers: tuple[Health, ...], whole: Status) -> None:
    """In Spring's order; UNKNOWN is not held against the whole."""
    assert status_of(*answers) is whole


def test_down_and_out_of_service_answer_503() -> None:
    """A load balancer looks at nothing else."""
    for answer, http_status in ((UP, 200), (UNKNOWN, 200), (DOWN, 503), (OUT, 503)):
        report = check(HealthService({"x": Fixed(answer)}))
        assert report is not None
        assert report.http_status == http_status


def test_an_exception_counts_as_down_with_its_class_and_message_but_no_secret() -> None:
    """FA9: the error's text may hold what the driver was given."""
    failing = Failing(ConnectionError("refused for canary-secret at nats://me:pw12345@host"))
    report = check(HealthService({"x": failing}, redactor=Redactor(["canary-secret"])), "x")
    assert report is not None
    assert report.status is Status.DOWN
    assert report.details == {"error": "ConnectionError: refused for ****** at nats://me:******@host"}


def test_an_indicator_that_hangs_is_down_and_is_not_asked_again_until_it_returns() -> None:
    """A blocked thread cannot be cancelled; a thread for each probe would fill the process."""
    hanging = Hanging()
    service = HealthService({"slow": hanging, "fine": Fixed(UP)}, timeout_s=0.05)

    async def story() -> list[HealthReport]:
        reports = [await service.check() for _ in range(3)]
        return [report for report in reports if report is not None]

    first, *later = asyncio.run(story())
    assert first.components["slow"].details == {"reason": "no answer within 0.05 s"}
    assert first.components["fine"].status is Status.UP
    assert all("has not returned" in str(each.components["slow"].details["reason"]) for each in later)
    assert [thread.name for thread in threading.enumerate()].count("health slow") == 1
    hanging.released.set()


def test_callers_that_come_together_share_one_answer() -> None:
    """A flood of probes asks each indicator once at a time."""
    indicator = Fixed(UP)
    service = HealthService({"x": indicator})

    async def story() -> None:
        await asyncio.gather(*(service.check() for _ in range(100)))

    asyncio.run(story())
    assert indicator.asked == 1


def test_a_slow_indicator_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """So that somebody mends it before it becomes an outage."""
    with caplog.at_level(logging.WARNING):
        check(HealthService({"x": Fixed(UP)}, slow_s=0.0))
    assert "health indicator x took" in caplog.text


def test_an_indicator_that_returns_nonsense_is_down() -> None:
    """A missing return is a bug of the indicator, not of the endpoint."""

    class Silent(HealthIndicator):
        def health(self) -> Health:
            return None  # type: ignore[return-value]

    report = check(HealthService({"x": Silent()}), "x")
    assert report is not None
    assert report.status is Status.DOWN


def test_composites_make_a_tree_that_can_be_asked_in_parts() -> None:
    """Each member and the whole have their own answer."""
    service = HealthService({"shards": Shards(), "db": Fixed(UP)})
    whole, part, member = check(service), check(service, "shards"), check(service, "shards/a")
    assert whole is not None
    assert whole.components["shards"].components["b"].status is Status.DOWN
    assert part is not None
    assert part.status is Status.DOWN
    assert member is not None
    assert member.status is Status.UP
    assert check(service, "shards/c") is None


def test_a_group_counts_its_members_only() -> None:
    """Readiness does not fail because something outside it does."""
    groups = {
        "narrow": HealthGroup(include=("db", "shards/a")),
        "wide": HealthGroup(include=("*",), exclude=("shards",)),
    }
    service = HealthService({"shards": Shards(), "db": Fixed(UP)}, groups)
    for name in groups:
        report = check(service, group=name)
        assert report is not None
        assert report.status is Status.UP
    assert check(service, "shards/b", "narrow") is None


def test_a_group_may_order_and_map_statuses_its_own_way() -> None:
    """For a load balancer that takes OUT_OF_SERVICE for an answer."""
    group = HealthGroup(status_order=(Status.OUT_OF_SERVICE, Status.DOWN), http_statuses={Status.OUT_OF_SERVICE: 218})
    report = check(HealthService({"a": Fixed(DOWN), "b": Fixed(OUT)}, {"g": group}), group="g")
    assert report is not None
    assert (report.status, report.http_status) == (Status.OUT_OF_SERVICE, 218)


@pytest.mark.parametrize(
    ("component", "name"),
    [
        ("database_health", "database"),
        ("disk_space_health_indicator", "diskSpace"),
        ("LivenessStateHealthIndicator", "livenessState"),
        ("health", "health"),
        ("ping", "ping"),
    ],
)
def test_an_indicator_is_called_after_its_subject(component: str, name: str) -> None:
    """As in Spring, without the suffix that says what it is."""
    assert contributor_name(component) == name
