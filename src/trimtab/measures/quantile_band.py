"""Between which durations a quantile lies, whenever one looks, from counts in buckets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trimtab.core.errors import ConfigError
from trimtab.measures.duration_buckets import lower_edge_ns

__all__ = ["quantile_band", "quantile_bucket", "rate_band"]

_HALVINGS = 30


def quantile_bucket(counts: Sequence[tuple[int, int]], share: float) -> int | None:
    """Return the first bucket with which at least ``share`` of the counts are covered; None of nothing.

    >>> quantile_bucket([(10, 90), (20, 10)], 0.5), quantile_bucket([(10, 90), (20, 10)], 0.95)
    (10, 20)
    """
    needed = share * sum(count for _, count in counts)
    covered = 0
    for bucket, count in sorted(counts):
        covered += count
        if count and covered >= needed:
            return bucket
    return None


def quantile_band(counts: Sequence[tuple[int, int]], share: float, alpha: float) -> tuple[float, float]:
    """Return durations in ns between which the quantile lies, at all times at once, with a chance of 1 − ``alpha``.

    ``counts``: (bucket, count). With S of t at or below an edge e, ``P(X < e) = share`` is rejected when the
    Beta(½, ½) mixture of binomial likelihoods against it reaches 2/α [1]: each side has an error of α/2. Exact for
    independent values of one distribution, and for those only: so it is for showing, and decides nothing alone.
    No counts give (0, ∞).

    Raises:
        ConfigError: ``share`` or ``alpha`` is not within 0..1.

    [1] S. R. Howard, A. Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm
    identification", Bernoulli 28 (2022).

    >>> quantile_band([(334, 500), (350, 500)], 0.25, 0.05)
    (983040.0, 1015808.0)
    """
    if not (0 < share < 1 and 0 < alpha < 1):
        raise ConfigError(f"quantile band: share {share}, alpha {alpha}; expected both within 0..1")
    total = sum(count for _, count in counts)
    low, high, covered = 0.0, math.inf, 0
    for bucket, count in sorted(counts):
        before, covered = covered, covered + count
        # Everything before this bucket is below its edge; everything up to it is below the next one.
        if before < share * total and _log_e(before, total, share) >= math.log(2 / alpha):
            low = float(lower_edge_ns(bucket))
        if covered > share * total and _log_e(covered, total, share) >= math.log(2 / alpha):
            return low, float(lower_edge_ns(bucket + 1))
    return low, high


def rate_band(hits: int, total: int, alpha: float) -> tuple[float, float]:
    """Return rates between which that of ``hits`` in ``total`` lies, at all times at once, with a chance 1 − ``alpha``.

    The same mixture as in `quantile_band`, solved for the share. Nothing counted gives (0, 1).

    >>> [round(rate, 3) for rate in rate_band(0, 1000, 0.05)]
    [0.0, 0.008]
    """
    if total == 0:
        return 0.0, 1.0
    seen = hits / total
    return _edge(hits, total, seen, 0.0, alpha), _edge(hits, total, seen, 1.0, alpha)


def _edge(hits: int, total: int, inside: float, outside: float, alpha: float) -> float:
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if middle in (0.0, 1.0) or _log_e(hits, total, middle) >= math.log(2 / alpha):
            outside = middle
        else:
            inside = middle
    return outside


def _log_e(below: int, total: int, share: float) -> float:
    mixed = math.lgamma(below + 0.5) + math.lgamma(total - below + 0.5) - math.lgamma(total + 1) - math.log(math.pi)
    return mixed - below * math.log(share) - (total - below) * math.log1p(-share)
