"""What is counted of each endpoint and variant, and for how long it is told once it is served no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trimtab.serving.batch_counts import BatchCounts, batch_families
from trimtab.serving.counting import Count, Latencies, Level
from trimtab.serving.features.counts import FeatureCounts, feature_families

__all__ = ["RETIRED_S", "EndpointMetrics", "ShadowMetrics", "VariantKey", "VariantMetrics", "VariantsCollector"]

RETIRED_S: Final = 300.0
"""How long a variant that is served no more is still told of: longer than any scraper waits."""

_ENDPOINT: Final = ("endpoint",)
_VARIANT: Final = ("endpoint", "variant", "version")

VariantKey = tuple[str, str, int]
"""Endpoint, variant, model version."""


@dataclass(frozen=True, slots=True)
class ShadowMetrics:
    """What came of the copies that a shadow variant was to answer, in rows.

    ``difference`` is the sum of how far its answers lay from the live ones: of the value, or of the probability of the
    class that the live variant named.
    """

    same: Count = field(default_factory=Count)
    different: Count = field(default_factory=Count)
    failed: Count = field(default_factory=Count)
    dropped: Count = field(default_factory=Count)
    difference: Count = field(default_factory=Count)

    def outcomes(self) -> dict[str, float]:
        """Return rows by what came of them."""
        return {name: getattr(self, name).value for name in ("same", "different", "failed", "dropped")}


@dataclass(frozen=True, slots=True)
class VariantMetrics:
    """Counts of one model version under one variant's name."""

    answered: Count = field(default_factory=Count)
    refused: Count = field(default_factory=Count)
    failed: Count = field(default_factory=Count)
    rows: Count = field(default_factory=Count)
    latency_s: Latencies = field(default_factory=Latencies)
    load_s: Level = field(default_factory=Level)
    shadow: ShadowMetrics = field(default_factory=ShadowMetrics)
    refused_by_column: dict[str, Count] = field(default_factory=dict)

    def refuse(self, column: str) -> None:
        """Count a request that was refused, for a feature of the version where ``column`` names one."""
        self.refused.inc()
        if column:
            self.refused_by_column.setdefault(column, Count()).inc()

    def by_status(self) -> dict[str, float]:
        """Return requests by status class."""
        return {"2xx": self.answered.value, "4xx": self.refused.value, "5xx": self.failed.value}


@dataclass(slots=True)
class EndpointMetrics:
    """Counts of one endpoint, over all its generations. ``shed``: requests refused by 429 or 503."""

    in_flight: int = 0
    shed: Count = field(default_factory=Count)
    features: FeatureCounts = field(default_factory=FeatureCounts)
    batches: BatchCounts = field(default_factory=BatchCounts)


class VariantsCollector(Collector):
    """Keeps the counts by name and tells them to Prometheus. The same name gives the same counts each time.

    The version is a label of its own: else a new model under an old name would inherit the old one's latencies. What
    ``served`` does not name any more is told for `RETIRED_S` longer, so that no scraper misses its last requests, and
    then forgotten; if it comes back later, it counts from zero, as after a restart.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.served: Callable[[], Collection[VariantKey]] | None = None
        self._now_s = now_s
        self._variants: dict[VariantKey, VariantMetrics] = {}
        self._endpoints: dict[str, EndpointMetrics] = {}
        self._unrouted: dict[str, Count] = {}
        self._retired_s: dict[VariantKey, float] = {}

    def variant(self, key: VariantKey) -> VariantMetrics:
        """Return the counts of a variant. May be called from a thread that loads."""
        # While it loads again it is not served yet: what it counts must not be forgotten meanwhile.
        self._retired_s.pop(key, None)
        return self._variants.setdefault(key, VariantMetrics())

    def endpoint(self, name: str) -> EndpointMetrics:
        """Return the counts of an endpoint."""
        return self._endpoints.setdefault(name, EndpointMetrics())

    def unrouted(self, status: str) -> Count:
        """Return the counter of refusals of a status class that no variant had a part in."""
        return self._unrouted.setdefault(status, Count())

    def collect(self) -> Iterator[Metric]:
        """Yield all families."""
        self._forget()
        variants = sorted(self._variants.items())
        requests = CounterMetricFamily(
            "trimtab_requests", "Requests by outcome (status class).", labels=(*_VARIANT, "status")
        )
        by_column = CounterMetricFamily(
            "trimtab_requests_refused_by_column",
            "Requests refused for a feature: absent, renamed or not of its kind; the first that was found.",
            labels=(*_VARIANT, "column"),
        )
        rows = CounterMetricFamily("trimtab_rows", "Rows answered.", labels=_VARIANT)
        latency = HistogramMetricFamily(
            "trimtab_request_latency_seconds", "From the whole body read to the answer recorded.", labels=_VARIANT
        )
        load = GaugeMetricFamily(
            "trimtab_variant_load_seconds", "Time that loading and the smoke test took.", labels=_VARIANT
        )
        for key, counts in variants:
            labels = _labels(key)
            for status, value in counts.by_status().items():
                requests.add_metric((*labels, status), value)
            for column, count in sorted(counts.refused_by_column.items()):
                by_column.add_metric((*labels, column), count.value)
            rows.add_metric(labels, counts.rows.value)
            latency.add_metric(labels, counts.latency_s.buckets(), counts.latency_s.sum_s)
            load.add_metric(labels, counts.load_s.value)
        for status, count in sorted(self._unrouted.items()):
            requests.add_metric(("", "", "", status), count.value)
        yield from (requests, by_column, rows, latency, load)
        yield from self._of_endpoints()
        yield from _of_shadows(variants)

    def _of_endpoints(self) -> Iterator[Metric]:
        in_flight = GaugeMetricFamily(
            "trimtab_endpoint_requests_in_flight",
            "Requests whose body is read, or that are answered.",
            labels=_ENDPOINT,
        )
        shed = CounterMetricFamily(
            "trimtab_shed_requests",
            "Requests refused for want of room (429, 503); no endpoint where it was not looked at yet.",
            labels=_ENDPOINT,
        )
        for name, counts in sorted(self._endpoints.items()):
            if name:
                in_flight.add_metric((name,), counts.in_flight)
            shed.add_metric((name,), counts.shed.value)
        yield from (in_flight, shed)
        yield from feature_families((name, counts.features) for name, counts in sorted(self._endpoints.items()))
        yield from batch_families((name, counts.batches) for name, counts in sorted(self._endpoints.items()))

    def _forget(self) -> None:
        if self.served is None:
            return
        served, now_s = self.served(), self._now_s()
        for key in list(self._variants):
            if key in served:
                self._retired_s.pop(key, None)
            elif now_s - self._retired_s.setdefault(key, now_s) > RETIRED_S:
                del self._variants[key], self._retired_s[key]
        names = {"", *(endpoint for endpoint, _, _ in list(self._variants))}
        # Copies: a thread that loads may enter a name meanwhile.
        for name, counts in list(self._endpoints.items()):
            if name not in names and not counts.in_flight:
                del self._endpoints[name]


def _of_shadows(variants: list[tuple[VariantKey, VariantMetrics]]) -> Iterator[Metric]:
    rows = CounterMetricFamily(
        "trimtab_shadow_rows",
        "Rows copied to a shadow variant: its answer was the same as the live one, different, failed, or dropped.",
        labels=(*_VARIANT, "outcome"),
    )
    difference = CounterMetricFamily(
        "trimtab_shadow_difference",
        "Sum over rows of the distance between a shadow's value or probability and the live one.",
        labels=_VARIANT,
    )
    for key, counts in variants:
        outcomes = counts.shadow.outcomes()
        if any(outcomes.values()):
            for outcome, value in outcomes.items():
                rows.add_metric((*_labels(key), outcome), value)
            difference.add_metric(_labels(key), counts.shadow.difference.value)
    yield from (rows, difference)


def _labels(key: VariantKey) -> tuple[str, str, str]:
    endpoint, variant, version = key
    return endpoint, variant, str(version)
