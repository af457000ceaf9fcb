"""What is counted of models coming into memory and leaving it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

__all__ = ["ResidenceMetrics"]


class ResidenceMetrics:
    """Loads, unloads and what is in memory, of one server process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.loads = Counter("trimtab_endpoint_loads", "Endpoints loaded, or loaded again.", registry=registry)
        self.unloads = Counter(
            "trimtab_endpoint_unloads", "Endpoints unloaded to keep to the memory budget.", registry=registry
        )
        self.failures = Counter("trimtab_endpoint_load_failures", "Loads that failed.", registry=registry)
        self._bytes = Gauge("trimtab_models_resident_bytes", "Memory that loaded models take.", registry=registry)
        self._endpoints = Gauge("trimtab_endpoints_resident", "Endpoints in memory.", registry=registry)

    def watch(self, *, resident_bytes: Callable[[], int], residents: Callable[[], int]) -> None:
        """Read these two when metrics are asked for."""
        self._bytes.set_function(resident_bytes)
        self._endpoints.set_function(residents)
