"""Meters: exact, bounded, isolated, cheap, and readable by Prometheus."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import pytest

from app_framework.boot.management.meters import MeterConflictError
from app_framework.boot.management.metrics import Metrics
from app_framework.boot.management.process_metrics import add_process_metrics


def values(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    meter = metrics.find(name)
    assert meter is not None
    return {(sample.statistic, *sample.labels.values()): sample.value for sample in meter.samples()}


def test_two_applications_never_share_a_number() -> None:
    """FA7: the same name in one process, twice."""
    one, other = Metrics(), Metrics()
    one.counter("orders").add(3)
    other.counter("orders").add(5)
    assert values(one, "orders") == {("COUNT",): 3}
    assert "orders_total 5.0" in other.prometheus_text()[0]


def test_a_timer_counts_adds_up_and_keeps_the_maximum() -> None:
    """The statistics of Micrometer."""
    metrics = Metrics()
    timer = metrics.timer("http.server.requests", labels=("method",))
    for seconds in (0.5, 0.25):
        timer.record(seconds, "GET")
    assert values(metrics, "http.server.requests") == {
        ("COUNT", "GET"): 2,
        ("TOTAL_TIME", "GET"): 0.75,
        ("MAX", "GET"): 0.5,
    }


def test_label_sets_beyond_the_bound_count_as_other_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """No total is ever wrong, and a client that invents labels cannot fill the memory."""
    metrics = Metrics(series_max=2)
    counter = metrics.counter("visits", labels=("path",))
    with caplog.at_level(logging.WARNING):
        for path in ("a", "b", "c", "d", "a"):
            counter.add(1, path)
    assert values(metrics, "visits") == {("COUNT", "a"): 2, ("COUNT", "b"): 1, ("COUNT", "other"): 2}
    assert len(caplog.records) == 1
    assert "management.metrics.max-series" in caplog.text


def test_the_same_name_is_the_same_meter_and_another_shape_is_refused() -> None:
    """Two rooms may count on one meter; they cannot disagree about what it is."""
    metrics = Metrics()
    assert metrics.counter("orders", labels=("kind",)) is metrics.counter("orders", labels=("kind",))
    with pytest.raises(MeterConflictError, match=r"has the labels \['kind'\], not \['colour'\]"):
        metrics.counter("orders", labels=("colour",))
    with pytest.raises(MeterConflictError, match="is a counter, not a timer"):
        metrics.timer("orders")
    with pytest.raises(MeterConflictError, match="dotted lower case"):
        metrics.counter("Orders-Total")


@pytest.mark.parametrize("label", ["my-kind", "le", ""])
def test_a_label_that_prometheus_does_not_take_is_refused(label: str) -> None:
    """At the meter, not at the scrape."""
    with pytest.raises(MeterConflictError, match="cannot have a label"):
        Metrics().counter("orders", labels=(label,))


def test_a_meters_own_label_wins_over_a_tag_of_that_name() -> None:
    """No label may appear twice."""
    metrics = Metrics(tags={"kind": "everything", "region": "eu"})
    metrics.counter("orders", labels=("kind",)).add(1, "books")
    assert 'orders_total{kind="books",region="eu"} 1.0' in metrics.prometheus_text()[0]


def test_threads_do_not_lose_counts() -> None:
    """A request may be handled on any thread."""
    metrics = Metrics()
    timer = metrics.timer("work", labels=("kind",))

    def work() -> None:
        for _ in range(2000):
            timer.record(0.001, "x")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(metrics, "work")[("COUNT", "x")] == 8000


def test_a_gauge_that_cannot_be_read_does_not_cost_the_scrape(caplog: pytest.LogCaptureFixture) -> None:
    """The other numbers are still there."""
    metrics = Metrics()
    metrics.gauge("broken", lambda: 1 / 0)
    metrics.gauge("absent", lambda: None)
    metrics.gauge("fine", lambda: 7, unit="bytes")
    text, _ = metrics.prometheus_text()
    assert "fine_bytes 7.0" in text
    assert "the gauge broken[] cannot be read: division by zero" in caplog.text


def test_the_exposition_is_what_prometheus_reads() -> None:
    """Read back by the parser of the library; buckets are cumulative."""
    from prometheus_client.parser import text_string_to_metric_families

    metrics = Metrics(tags={"region": "eu"}, timer_buckets_s=(0.1, 1))
    timer = metrics.timer("cube.query", "Duration of queries.", labels=("cube",))
    for seconds in (0.05, 0.1, 0.5, 3):
        timer.record(seconds, "tpch")
    text, media_type = metrics.prometheus_text()
    family = {each.name: each for each in text_string_to_metric_families(text)}["cube_query_seconds"]
    found = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
    assert found == {
        ("cube_query_seconds_bucket", "0.1"): 2,
        ("cube_query_seconds_bucket", "1.0"): 3,
        ("cube_query_seconds_bucket", "+Inf"): 4,
        ("cube_query_seconds_count", None): 4,
        ("cube_query_seconds_sum", None): 3.65,
    }
    assert family.samples[0].labels["region"] == "eu"
    assert media_type.startswith("text/plain")


def test_collectors_of_other_libraries_may_join() -> None:
    """The registry is an ordinary one."""
    from prometheus_client import Counter

    metrics = Metrics()
    Counter("theirs", "Somebody else's.", registry=metrics.registry).inc()
    assert "theirs_total 1.0" in metrics.prometheus_text()[0]


def test_the_process_shows_its_own_numbers() -> None:
    """CPU, memory, threads, garbage collection, uptime."""
    metrics = Metrics()
    add_process_metrics(metrics)
    assert values(metrics, "process.memory.rss")[("VALUE",)] > 1_000_000
    assert values(metrics, "python.threads.live")[("VALUE",)] >= 1
    assert {"process.uptime", "process.cpu.time", "python.gc.collections"} <= set(metrics.names)


def test_recording_needs_no_library() -> None:
    """prometheus_client costs 0.1 s to import; only a scrape pays for it."""
    program = (
        "import sys; from app_framework.boot.management.metrics import Metrics\n"
        "Metrics().timer('t').record(1.0); sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
