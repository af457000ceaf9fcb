"""What is counted of the batches that requests go through a model in, and how it is told."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from trimtab.serving.counting import Latencies

__all__ = ["BatchCounts", "Sizes", "batch_families"]

_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 10_000)
"""Up to the most rows that a batch may be set to have."""


class Sizes:
    """How many batches had as many rows as lie between each bound and the one before.

    >>> sizes = Sizes()
    >>> for rows in (1, 3, 4, 20_000):
    ...     sizes.observe(rows)
    >>> sizes.buckets()[:3], sizes.buckets()[-1], sizes.rows
    ([('1.0', 1.0), ('2.0', 1.0), ('4.0', 3.0)], ('+Inf', 4.0), 20008)
    """

    __slots__ = ("_counts", "rows")

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self.rows = 0

    def observe(self, rows: int) -> None:
        """Count one batch."""
        self._counts[bisect_left(_BOUNDS, rows)] += 1
        self.rows += rows

    def buckets(self) -> list[tuple[str, float]]:
        """Return, as Prometheus has it, each bound and how many batches had at most so many rows."""
        bounds = [*map(floatToGoString, _BOUNDS), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self._counts)), strict=True))


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Of one endpoint: the rows of its batches, and how long each request waited until its batch began."""

    sizes: Sizes = field(default_factory=Sizes)
    wait_s: Latencies = field(default_factory=Latencies)


def batch_families(endpoints: Iterable[tuple[str, BatchCounts]]) -> Iterator[Metric]:
    """Yield the counts of all endpoints that put requests together, by name."""
    sizes = HistogramMetricFamily(
        "trimtab_batch_rows", "Rows that went through a model together, where batching is on.", labels=("endpoint",)
    )
    waits = HistogramMetricFamily(
        "trimtab_batch_wait_seconds", "From a request's being ready to the begin of its batch.", labels=("endpoint",)
    )
    for name, counts in endpoints:
        if counts.sizes.rows:
            sizes.add_metric((name,), counts.sizes.buckets(), counts.sizes.rows)
            waits.add_metric((name,), counts.wait_s.buckets(), counts.wait_s.sum_s)
    yield from (sizes, waits)
