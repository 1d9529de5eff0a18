"""Numbers about the running application, one set per application; shown as JSON and to Prometheus.

    requests = metrics.timer("http.server.requests", "HTTP requests.", labels=("method", "status"))
    requests.record(0.012, "GET", "200")

Meters keep their own numbers, so recording needs no library; `prometheus_client` is imported when the first
scrape asks for its text format. A meter holds a bounded number of label sets; what comes beyond is counted
under the label ``other``, so no total is ever wrong.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

from app_framework.boot.management.meters import SERIES_MAX, Counter, Gauge, Histogram, Meter, MeterConflictError, Timer

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

TIMER_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")

M = TypeVar("M", bound=Meter)


class Metrics:
    """The meters of one application; asking for a meter again returns the same one.

    Args:
        series_max: label sets per meter; further ones count as ``other``.
        tags: labels that every meter carries, for the scraper.
        timer_buckets_s: bounds of the timers.
    """

    def __init__(
        self,
        *,
        series_max: int = SERIES_MAX,
        tags: Mapping[str, str] | None = None,
        timer_buckets_s: Sequence[float] = TIMER_BUCKETS_S,
    ) -> None:
        self._series_max = series_max
        self._tags = dict(tags or {})
        self._timer_buckets_s = tuple(timer_buckets_s)
        self._meters: dict[str, Meter] = {}
        self._lock = threading.Lock()
        self._registry: CollectorRegistry | None = None

    def counter(
        self, name: str, description: str = "", *, labels: Sequence[str] = (), unit: str | None = None
    ) -> Counter:
        """Return the counter of this name; count with ``.add(1, *label_values)``."""
        return self._meter(Counter(name, description, labels=labels, unit=unit, series_max=self._series_max))

    def timer(self, name: str, description: str = "", *, labels: Sequence[str] = ()) -> Timer:
        """Return the timer of this name; count with ``.record(seconds, *label_values)``."""
        bounds = self._timer_buckets_s
        return self._meter(
            Timer(name, description, labels=labels, unit="seconds", series_max=self._series_max, bounds=bounds)
        )

    def histogram(
        self,
        name: str,
        description: str = "",
        *,
        labels: Sequence[str] = (),
        unit: str | None = None,
        buckets: Sequence[float] = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    ) -> Histogram:
        """Return the histogram of this name; count with ``.record(value, *label_values)``."""
        return self._meter(
            Histogram(name, description, labels=labels, unit=unit, series_max=self._series_max, bounds=buckets)
        )

    def gauge(
        self,
        name: str,
        read: Callable[[], float | None],
        description: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        unit: str | None = None,
    ) -> None:
        """Show what `read` returns when somebody looks; None means that there is no value now."""
        named = dict(labels or {})
        meter = self._meter(Gauge(name, description, labels=tuple(named), unit=unit))
        meter.read_with(tuple(named.values()), read)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all meters."""
        return tuple(sorted(self._meters))

    def find(self, name: str) -> Meter | None:
        """Return the meter of this name; underscores may stand for dots."""
        folded = _folded(name)
        return next((meter for known, meter in list(self._meters.items()) if _folded(known) == folded), None)

    @property
    def registry(self) -> CollectorRegistry:
        """The registry that is scraped; collectors of other libraries may register here as well."""
        from prometheus_client import CollectorRegistry

        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(_Collector(self._families))
        return self._registry

    def prometheus_text(self) -> tuple[str, str]:
        """Return the text exposition and its media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry).decode(), CONTENT_TYPE_LATEST

    def _families(self) -> list[Metric]:
        return [_family(meter, self._tags) for _, meter in sorted(self._meters.items())]

    def _meter(self, wanted: M) -> M:
        """Return the known meter of that name, or keep this one.

        Raises:
            MeterConflictError: when the name is taken by a meter of another kind or with other labels.
        """
        if not _NAME.fullmatch(wanted.name):
            raise MeterConflictError(wanted.name, "must be called in dotted lower case, such as cube.query")
        for label in wanted.label_names:
            if not is_label_name(label) or label == "le":
                raise MeterConflictError(wanted.name, f"cannot have a label {label!r}")
        with self._lock:
            known = self.find(wanted.name) or self._meters.setdefault(wanted.name, wanted)
        if type(known) is not type(wanted):
            raise MeterConflictError(wanted.name, f"is a {known.kind}, not a {wanted.kind}")
        if known.label_names != wanted.label_names:
            raise MeterConflictError(
                wanted.name, f"has the labels {list(known.label_names)}, not {list(wanted.label_names)}"
            )
        assert isinstance(known, type(wanted))
        return known

    def __repr__(self) -> str:
        return f"<Metrics {len(self._meters)} meters>"


class _Collector:
    """Shows our meters to Prometheus at the moment of the scrape."""

    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()

    def describe(self) -> Iterable[Metric]:
        return ()  # Names are checked by us; asking every gauge for its value at registration helps nobody.


def is_label_name(name: str) -> bool:
    """Tell whether Prometheus takes a name for a label.

    >>> is_label_name("region"), is_label_name("my-region")
    (True, False)
    """
    return re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) is not None


def prometheus_name(name: str, unit: str | None) -> str:
    """Return a meter's name as Prometheus writes it.

    >>> prometheus_name("http.server.requests", "seconds")
    'http_server_requests_seconds'
    """
    folded = _folded(name)
    return folded if unit is None or folded.endswith("_" + unit) else f"{folded}_{unit}"


def _family(meter: Meter, tags: Mapping[str, str]) -> Metric:
    """Return a meter as Prometheus knows it; its own labels win over tags, for no label may appear twice."""
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    tags = {name: value for name, value in tags.items() if name not in meter.label_names}
    name, labels = prometheus_name(meter.name, meter.unit), [*meter.label_names, *tags]
    if isinstance(meter, Histogram):
        histogram = HistogramMetricFamily(name, meter.description, labels=labels)
        for values, counts, total in meter.distributions():
            histogram.add_metric([*values, *tags.values()], _cumulative(meter.bounds, counts), total)
        return histogram
    kind = CounterMetricFamily if isinstance(meter, Counter) else GaugeMetricFamily
    family = kind(name, meter.description, labels=labels)
    for sample in meter.samples():
        family.add_metric([*sample.labels.values(), *tags.values()], sample.value)
    return family


def _cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return how many values stayed at or below each bound."""
    limits = [*(repr(float(bound)) for bound in bounds), "+Inf"]
    return [(limit, float(total)) for limit, total in zip(limits, accumulate(counts), strict=True)]


def _folded(name: str) -> str:
    return name.replace(".", "_")
