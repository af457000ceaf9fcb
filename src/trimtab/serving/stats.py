"""What ``GET /v1/stats`` and ``/health`` answer, for people to read.

The counts of each endpoint and variant, with quantiles; and whether all is well.
"""

from __future__ import annotations

from typing import Any, Final

from trimtab.serving.counting import Latencies
from trimtab.serving.endpoints import EndpointTable, LoadedEndpoint, LoadedVariant
from trimtab.serving.recording import RecordingWatch

__all__ = ["health_of", "stats_of"]

_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def stats_of(table: EndpointTable) -> dict[str, Any]:
    """Return the counts of what is in memory, since it was first loaded, of this server process alone."""
    return {endpoint.spec.endpoint: _of_endpoint(endpoint) for endpoint in table.residents}


def health_of(table: EndpointTable, recording: RecordingWatch) -> dict[str, Any]:
    """Return how the endpoints and the prediction log stand; "degraded" where either has something to tell."""
    statuses = table.statuses
    failing = any(status.error is not None for status in statuses.values())
    return {
        "status": "degraded" if failing or recording.hindered is not None else "ok",
        "live": True,
        "ready": table.ready,
        "log": recording.health(),
        "endpoints": {name: statuses[name] for name in sorted(statuses)},
    }


def _of_endpoint(endpoint: LoadedEndpoint) -> dict[str, Any]:
    return {
        "generation": endpoint.spec.generation,
        "in_flight": endpoint.counts.in_flight,
        "shed": endpoint.counts.shed.value,
        "variants": [_of_variant(variant) for variant in endpoint.variants],
    }


def _of_variant(variant: LoadedVariant) -> dict[str, Any]:
    counts, shadow = variant.metrics, variant.metrics.shadow.outcomes()
    found: dict[str, Any] = {
        "name": variant.spec.name,
        "role": variant.spec.role,
        "model": variant.spec.model,
        "model_version": variant.spec.model_version,
        "weight_pct": variant.spec.weight_pct,
        "requests": counts.by_status(),
        "rows": counts.rows.value,
        "latency_ms": _latency_ms(counts.latency_s),
        "load_s": counts.load_s.value,
    }
    return found | ({"shadow_rows": shadow} if any(shadow.values()) else {})


def _latency_ms(latencies: Latencies) -> dict[str, float | None]:
    found = {name: latencies.quantile(share) for name, share in _QUANTILES.items()}
    return {name: None if value is None else 1000 * value for name, value in found.items()}
