"""What one server process counts, in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import generate_latest

from trimtab.serving.counting import Count
from trimtab.serving.variant_metrics import EndpointMetrics, VariantKey, VariantMetrics, VariantsCollector

__all__ = ["IN_FLIGHT", "ServingMetrics"]

IN_FLIGHT: Final = "trimtab_requests_in_flight"
"""The gauge that says how busy a process is; whoever looks after several reads it of each."""


class ServingMetrics:
    """All metrics of one server process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._variants = VariantsCollector()
        registry.register(self._variants)
        self._in_flight = Gauge(IN_FLIGHT, "Requests being read or answered.", registry=registry)
        self._backlog = Gauge(
            "trimtab_journal_backlog_bytes", "Recorded, not yet taken by the shipper.", registry=registry
        )
        self._unrecorded = Counter(
            "trimtab_unrecorded_rows",
            "Rows that could not be recorded: refused to the caller, or answered and shed.",
            ("endpoint", "outcome"),
            registry=registry,
        )
        self.recording_hindered = Gauge(
            "trimtab_recording_hindered", "1 while the journal takes no records, else 0.", registry=registry
        )
        self.truths = Counter("trimtab_ground_truth_records", "True outcomes accepted.", registry=registry)

    def unrecorded(self, endpoint: str, outcome: str) -> Counter:
        """Return the counter of rows that could not be recorded: ``refused`` to the caller, or ``shed``."""
        return self._unrecorded.labels(endpoint, outcome)

    def variant(self, endpoint: str, variant: str, version: int) -> VariantMetrics:
        """Return the counts of one model version under one variant's name; the same ones each time."""
        return self._variants.variant((endpoint, variant, version))

    def endpoint(self, name: str) -> EndpointMetrics:
        """Return the counts of one endpoint; ``""`` for what was shed before it was known for whom it was."""
        return self._variants.endpoint(name)

    def unrouted(self, status: int) -> Count:
        """Return the counter of refusals that no variant had a part in."""
        return self._variants.unrouted(f"{status // 100}xx")

    def tell_only(self, served: Callable[[], Collection[VariantKey]]) -> None:
        """Forget, some minutes later, the variants that ``served`` does not name any more."""
        self._variants.served = served

    def watch(self, *, in_flight: Callable[[], int], backlog_bytes: Callable[[], int]) -> None:
        """Read these two when metrics are asked for, which costs a request nothing."""
        self._in_flight.set_function(in_flight)
        self._backlog.set_function(backlog_bytes)

    def exposition(self) -> bytes:
        """Return all of it in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)
