"""Meters: counters, histograms, timers and gauges that keep their own numbers.

>>> orders = Counter("orders", labels=("kind",))
>>> orders.add(2, "books")
>>> list(orders.samples())
[Sample(statistic='COUNT', value=2.0, labels={'kind': 'books'})]
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app_framework.errors import FrameworkError

_log = logging.getLogger(__name__)

OTHER = "other"
"""The label of everything beyond the bound on label sets."""

SERIES_MAX = 1000
_MAX_WINDOW_S = 60.0

Labels = tuple[str, ...]


class MeterConflictError(FrameworkError):
    """Two parts of the application declared one meter in two ways."""

    def __init__(self, name: str, detail: str) -> None:
        self.name = name
        self.detail = detail
        super().__init__(name, detail)

    def __str__(self) -> str:
        return f"the meter {self.name} {self.detail}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one label set, such as the count of a timer."""

    statistic: str
    value: float
    labels: Mapping[str, str]


class Meter:
    """What all kinds of meter share.

    Args:
        name: dotted lower case: ``cube.query``.
        description: one sentence.
        labels: names of the labels, in the order in which values are given.
        unit: ``seconds``, ``bytes`` …, None for a plain count.
    """

    kind = "meter"

    def __init__(
        self, name: str, description: str = "", *, labels: Sequence[str] = (), unit: str | None = None
    ) -> None:
        self.name = name
        self.description = description
        self.label_names = tuple(labels)
        self.unit = unit

    def samples(self) -> Iterator[Sample]:
        """Yield every number it holds."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}{list(self.label_names)}>"


class _Series(Meter):
    """A meter with one cell per label set."""

    def __init__(
        self,
        name: str,
        description: str = "",
        *,
        labels: Sequence[str] = (),
        unit: str | None = None,
        series_max: int = SERIES_MAX,
    ) -> None:
        super().__init__(name, description, labels=labels, unit=unit)
        self._series_max = series_max
        self._lock = threading.Lock()
        self._full = False

    def _room_for(self, labels: Labels, cells: Mapping[Labels, object]) -> Labels:
        """Return the labels to count under; call with the lock held."""
        if len(labels) != len(self.label_names):
            raise MeterConflictError(self.name, f"takes the labels {list(self.label_names)}, got {list(labels)}")
        if len(cells) < self._series_max or not labels:
            return labels
        if not self._full:
            self._full = True
            _log.warning(
                "the meter %s has %d label sets; further ones count as %r (management.metrics.max-series)",
                self.name,
                self._series_max,
                OTHER,
            )
        return (OTHER,) * len(labels)

    def _named(self, labels: Labels) -> dict[str, str]:
        return dict(zip(self.label_names, labels, strict=True))


class Counter(_Series):
    """A number that only grows."""

    kind = "counter"

    def __init__(
        self,
        name: str,
        description: str = "",
        *,
        labels: Sequence[str] = (),
        unit: str | None = None,
        series_max: int = SERIES_MAX,
    ) -> None:
        super().__init__(name, description, labels=labels, unit=unit, series_max=series_max)
        # Without labels there is one number, and it is known from the beginning.
        self._cells: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, amount: float = 1.0, *labels: str) -> None:
        """Count `amount` more, which may not be negative."""
        if amount < 0:
            raise ValueError(f"the counter {self.name} cannot go down (by {amount})")
        with self._lock:
            if labels not in self._cells:
                labels = self._room_for(labels, self._cells)
            self._cells[labels] = self._cells.get(labels, 0.0) + amount

    def samples(self) -> Iterator[Sample]:
        """Yield the count of each label set."""
        with self._lock:
            cells = dict(self._cells)
        for labels, value in cells.items():
            yield Sample("COUNT", value, self._named(labels))


class Histogram(_Series):
    """How values are distributed: count, sum, maximum, and how many stayed below each bound."""

    kind = "histogram"
    _total = "TOTAL"

    def __init__(
        self,
        name: str,
        description: str = "",
        *,
        labels: Sequence[str] = (),
        unit: str | None = None,
        series_max: int = SERIES_MAX,
        bounds: Sequence[float] = (),
    ) -> None:
        super().__init__(name, description, labels=labels, unit=unit, series_max=series_max)
        self.bounds = tuple(sorted(bounds))
        self._cells: dict[Labels, _Distribution] = {}

    def record(self, value: float, *labels: str) -> None:
        """Add one value. Cheap: one dictionary look-up and a few additions under a lock."""
        with self._lock:
            cell = self._cells.get(labels)
            if cell is None:
                labels = self._room_for(labels, self._cells)
                cell = self._cells.setdefault(labels, _Distribution(len(self.bounds) + 1))
            cell.count += 1
            cell.total += value
            cell.counts[bisect_left(self.bounds, value)] += 1
            cell.note_maximum(value, time.monotonic())

    def samples(self) -> Iterator[Sample]:
        """Yield count, total and the maximum of the last minutes of each label set."""
        now_s = time.monotonic()
        with self._lock:
            cells = [(labels, cell.count, cell.total, cell.maximum(now_s)) for labels, cell in self._cells.items()]
        for labels, count, total, maximum in cells:
            named = self._named(labels)
            yield Sample("COUNT", count, named)
            yield Sample(self._total, total, named)
            yield Sample("MAX", maximum, named)

    def distributions(self) -> list[tuple[Labels, list[int], float]]:
        """Return labels, the count of each bucket (the last is beyond all bounds), and the sum."""
        with self._lock:
            return [(labels, list(cell.counts), cell.total) for labels, cell in self._cells.items()]


class Timer(Histogram):
    """How long something took, in seconds."""

    kind = "timer"
    _total = "TOTAL_TIME"


class _Distribution:
    """The numbers of one label set; its maximum forgets values after one to two windows."""

    __slots__ = ("_before", "_maximum", "_since_s", "count", "counts", "total")

    def __init__(self, buckets: int) -> None:
        self.count = 0
        self.total = 0.0
        self.counts = [0] * buckets
        self._maximum = 0.0
        self._before = 0.0
        self._since_s = time.monotonic()

    def note_maximum(self, value: float, now_s: float) -> None:
        self._turn(now_s)
        if value > self._maximum:
            self._maximum = value

    def maximum(self, now_s: float) -> float:
        self._turn(now_s)
        return max(self._maximum, self._before)

    def _turn(self, now_s: float) -> None:
        age_s = now_s - self._since_s
        if age_s < _MAX_WINDOW_S:
            return
        self._before = self._maximum if age_s < 2 * _MAX_WINDOW_S else 0.0
        self._maximum = 0.0
        self._since_s = now_s


class Gauge(Meter):
    """Numbers that are read when somebody looks, one callback per label set."""

    kind = "gauge"

    def __init__(
        self, name: str, description: str = "", *, labels: Sequence[str] = (), unit: str | None = None
    ) -> None:
        super().__init__(name, description, labels=labels, unit=unit)
        self._reads: dict[Labels, Callable[[], float | None]] = {}

    def read_with(self, labels: Labels, read: Callable[[], float | None]) -> None:
        """Add or replace the callback of a label set."""
        self._reads = {**self._reads, labels: read}

    def samples(self) -> Iterator[Sample]:
        """Yield the value of each label set that has one now."""
        for labels, read in self._reads.items():
            value = self._read(labels, read)
            if value is not None:
                yield Sample("VALUE", value, dict(zip(self.label_names, labels, strict=True)))

    def _read(self, labels: Labels, read: Callable[[], float | None]) -> float | None:
        try:
            return read()
        except Exception as error:
            # One gauge that fails must not cost the scrape all the others.
            _log.warning("the gauge %s%s cannot be read: %s", self.name, list(labels), error)
            return None
