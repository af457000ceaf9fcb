"""Bounds that hold whenever one looks: the asymptotic mean, the band of a quantile, and buckets of durations."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from trimtab.core.errors import ConfigError
from trimtab.measures.asymptotic import AsymptoticMean
from trimtab.measures.duration_buckets import FAILED, bucket_of, lower_edge_ns
from trimtab.measures.quantile_band import quantile_band, quantile_bucket


def test_a_mean_in_parts_is_the_mean_of_all() -> None:
    values = np.random.default_rng(1).gamma(2.0, 3.0, 500)
    whole = AsymptoticMean().with_values(values)
    parts = AsymptoticMean()
    for part in np.split(values, [0, 1, 7, 333]):
        parts = parts.with_values(part)

    assert (parts.count, parts.mean, parts.squares) == pytest.approx((whole.count, whole.mean, whole.squares))
    assert whole.mean == pytest.approx(values.mean())
    assert whole.squares / (len(values) - 1) == pytest.approx(values.var(ddof=1))


def test_the_mean_seldom_leaves_its_bounds_at_any_of_many_looks() -> None:
    rng, missed, runs, alpha = np.random.default_rng(2), 0, 400, 0.05
    for _ in range(runs):
        seen = AsymptoticMean().with_values(rng.exponential(1.0, 100))
        for _look in range(20):
            seen = seen.with_values(rng.exponential(1.0, 100))
            if seen.bounds(alpha)[0] > 1.0:
                missed += 1
                break

    assert missed <= alpha * runs


def test_too_few_values_bound_nothing() -> None:
    assert AsymptoticMean().bounds(0.05) == (-math.inf, math.inf)
    assert AsymptoticMean().with_values([3.0]).bounds(0.05) == (-math.inf, math.inf)
    with pytest.raises(ConfigError, match="NaN or infinite"):
        AsymptoticMean().with_values([math.nan])


def test_buckets_are_narrow_ordered_and_hold_their_edge() -> None:
    edges = [lower_edge_ns(bucket_of(ns)) for ns in range(40)]
    assert edges == [*range(32), 32, 32, 34, 34, 36, 36, 38, 38]
    rng = np.random.default_rng(3)
    for ns in (10 ** rng.uniform(2, 18, 500)).astype(np.int64).tolist():
        bucket = bucket_of(ns)
        assert lower_edge_ns(bucket) <= ns < lower_edge_ns(bucket + 1) <= lower_edge_ns(bucket) * 1.0626
        assert bucket_of(lower_edge_ns(bucket)) == bucket
    assert bucket_of(-5) == 0
    assert bucket_of(1 << 80) < FAILED
    assert lower_edge_ns(FAILED) > 10**18


def test_the_quantile_lies_in_its_band_and_the_band_grows_narrow() -> None:
    rng, truth, widths = np.random.default_rng(4), 20e6 * math.exp(0.3 * 1.6448536269514722), []
    for requests in (200, 2000, 20000):
        durations = (20e6 * np.exp(0.3 * rng.standard_normal(requests))).astype(np.int64)
        low, high = quantile_band(sorted(Counter(map(bucket_of, durations.tolist())).items()), 0.95, 0.05)
        assert low <= truth <= high
        widths.append(high / low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 1.2


def test_the_band_seldom_misses_the_quantile_at_any_look() -> None:
    rng, runs, missed, alpha = np.random.default_rng(5), 200, 0, 0.1
    for _ in range(runs):
        counts: Counter[int] = Counter()
        for _look in range(20):
            counts.update((rng.random(40) * 1000).astype(int).tolist())
            low, high = _in_numbers(counts, alpha)
            if not low <= 500 <= high:
                missed += 1
                break

    assert missed <= alpha * runs


def _in_numbers(counts: Counter[int], alpha: float) -> tuple[float, float]:
    # Buckets are numbered 0..999; their edges are the durations, so translate the band back.
    low, high = quantile_band(sorted(counts.items()), 0.5, alpha)
    return (
        0 if low == 0 else next(b for b in range(1100) if lower_edge_ns(b) >= low),
        1000 if high == math.inf else next(b for b in range(1100) if lower_edge_ns(b) >= high),
    )


def test_nothing_counted_bounds_nothing() -> None:
    assert quantile_band([], 0.5, 0.05) == (0.0, math.inf)
    assert quantile_bucket([], 0.5) is None
    assert quantile_bucket([(7, 0)], 0.5) is None
    with pytest.raises(ConfigError, match="expected both within"):
        quantile_band([], 1.0, 0.05)
