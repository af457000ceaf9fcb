"""What is counted of an endpoint's features, and how it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric

from trimtab.serving.counting import Count
from trimtab.serving.features.base import Why

__all__ = ["FeatureCounts", "feature_families"]


@dataclass(frozen=True, slots=True)
class FeatureCounts:
    """``values``: read, or why not. ``calls``: answered, timeout, failed; held_back after many of these in a row.

    ``cached``: entities that were known from a moment ago.
    """

    values: dict[str, Count] = field(default_factory=lambda: {name: Count() for name in ("read", *Why)})
    calls: dict[str, Count] = field(
        default_factory=lambda: {name: Count() for name in ("answered", "timeout", "failed", "held_back")}
    )
    cached: Count = field(default_factory=Count)


def feature_families(endpoints: Iterable[tuple[str, FeatureCounts]]) -> Iterator[Metric]:
    """Yield the counts of all endpoints that asked a source, by name."""
    values = CounterMetricFamily(
        "trimtab_feature_values",
        "Values that rows needed of the feature source: read, or why not.",
        labels=("endpoint", "outcome"),
    )
    calls = CounterMetricFamily(
        "trimtab_feature_calls",
        "Calls of the feature source; held_back: requests for which it was not called after failing.",
        labels=("endpoint", "outcome"),
    )
    cached = CounterMetricFamily(
        "trimtab_feature_cache_hits",
        "Entities of requests that the feature source was not asked for, since it had been a moment ago.",
        labels=("endpoint",),
    )
    for name, counts in endpoints:
        if any(count.value for count in counts.calls.values()):
            for family, kept in ((values, counts.values), (calls, counts.calls)):
                for outcome, count in kept.items():
                    family.add_metric((name, str(outcome)), count.value)
            cached.add_metric((name,), counts.cached.value)
    yield from (values, calls, cached)
