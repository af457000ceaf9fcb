"""What the server counts, in Prometheus' terms. Children are bound once: `labels()` a request costs as much again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

__all__ = ["ServingMetrics", "VariantMetrics"]

_LATENCY_BUCKETS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VariantMetrics:
    """Children bound to one variant."""

    answered: Counter
    refused: Counter
    failed: Counter
    rows: Counter
    latency_s: Histogram
    load_s: Gauge


class ServingMetrics:
    """All metrics of one server process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        labels = ("endpoint", "variant")
        self._requests = Counter(
            "trimtab_requests", "Requests by outcome (status class).", (*labels, "status"), registry=registry
        )
        self._rows = Counter("trimtab_rows", "Rows answered.", labels, registry=registry)
        self._latency = Histogram(
            "trimtab_request_latency_seconds",
            "From the whole body read to the answer recorded.",
            labels,
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._load = Gauge(
            "trimtab_variant_load_seconds", "Time that loading and the smoke test took.", labels, registry=registry
        )
        self._in_flight = Gauge("trimtab_requests_in_flight", "Requests being read or answered.", registry=registry)
        self._backlog = Gauge(
            "trimtab_journal_backlog_bytes", "Recorded, not yet taken by the shipper.", registry=registry
        )
        self.truths = Counter("trimtab_ground_truth_records", "True outcomes accepted.", registry=registry)

    def variant(self, endpoint: str, variant: str) -> VariantMetrics:
        """Return the children of one variant; the same ones each time."""
        return VariantMetrics(
            answered=self._requests.labels(endpoint, variant, "2xx"),
            refused=self._requests.labels(endpoint, variant, "4xx"),
            failed=self._requests.labels(endpoint, variant, "5xx"),
            rows=self._rows.labels(endpoint, variant),
            latency_s=self._latency.labels(endpoint, variant),
            load_s=self._load.labels(endpoint, variant),
        )

    def unrouted(self, status: int) -> Counter:
        """Return the counter of refusals that no variant had a part in."""
        return self._requests.labels("", "", f"{status // 100}xx")

    def watch(self, *, in_flight: Callable[[], int], backlog_bytes: Callable[[], int]) -> None:
        """Read these two when metrics are asked for, which costs a request nothing."""
        self._in_flight.set_function(in_flight)
        self._backlog.set_function(backlog_bytes)

    def exposition(self) -> bytes:
        """Return all of it in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)
