"""The ``metrics`` endpoint, to look at single numbers, and ``prometheus``, to be scraped."""

from __future__ import annotations

import math
from collections.abc import Iterable

from app_framework.boot.actuator.endpoint import (
    Endpoint,
    EndpointRequest,
    EndpointResponse,
    InvalidBodyError,
    UnknownNameError,
)
from app_framework.boot.management.meters import Meter, Sample
from app_framework.boot.management.metrics import Metrics


class MetricsEndpoint(Endpoint):
    """Lists the meters, or adds up one of them, narrowed by ``?tag=key:value``."""

    id = "metrics"
    selectors = "name"

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with the names, or with the meter of that name."""
        if not request.selector:
            return EndpointResponse({"names": list(self._metrics.names)})
        meter = self._metrics.find(request.selector)
        if meter is None:
            raise UnknownNameError("meter", request.selector, self._metrics.names)
        wanted = _tags(request.query.get("tag", ()))
        samples = [sample for sample in meter.samples() if _fits(sample, wanted)]
        if not samples and wanted:
            asked = ", ".join(f"{key}:{value}" for key, value in wanted.items())
            raise UnknownNameError(f"value of the meter {meter.name} tagged", asked)
        return EndpointResponse(_to_json(meter, samples, wanted))


class PrometheusEndpoint(Endpoint):
    """Shows every meter in the text format of Prometheus."""

    id = "prometheus"

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with the exposition."""
        text, media_type = self._metrics.prometheus_text()
        return EndpointResponse(text=text, media_type=media_type)


def _tags(given: Iterable[str]) -> dict[str, str]:
    tags = {}
    for tag in given:
        key, colon, value = tag.partition(":")
        if not colon or not key:
            raise InvalidBodyError(f"a tag is written key:value, not {tag!r}")
        tags[key] = value
    return tags


def _fits(sample: Sample, wanted: dict[str, str]) -> bool:
    return all(sample.labels.get(key) == value for key, value in wanted.items())


def _to_json(meter: Meter, samples: list[Sample], wanted: dict[str, str]) -> dict[str, object]:
    totals: dict[str, list[float]] = {}
    available: dict[str, set[str]] = {}
    for sample in samples:
        totals.setdefault(sample.statistic, []).append(sample.value)
        for key in sample.labels.keys() - wanted.keys():
            available.setdefault(key, set()).add(sample.labels[key])
    return {
        "name": meter.name,
        "description": meter.description or None,
        "baseUnit": meter.unit,
        "measurements": [
            {"statistic": statistic, "value": _total(statistic, values)} for statistic, values in totals.items()
        ],
        "availableTags": [{"tag": key, "values": sorted(available[key])} for key in sorted(available)],
    }


def _total(statistic: str, values: list[float]) -> float | None:
    """Add up the label sets; a maximum is the largest of them. JSON knows no NaN."""
    total = max(values) if statistic == "MAX" else math.fsum(values)
    return total if math.isfinite(total) else None
