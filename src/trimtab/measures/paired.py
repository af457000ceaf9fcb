"""Whether one model is better than another on the same rows, when neighbouring rows are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.errors import ConfigError

__all__ = ["Gain", "paired_gain"]


@dataclass(frozen=True, slots=True)
class Gain:
    """Mean reduction of the loss by the new model (positive: it is better), with a confidence interval."""

    mean: float
    lower: float
    upper: float


def paired_gain(
    loss_old: NDArray[Any],
    loss_new: NDArray[Any],
    *,
    blocks: int,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Gain:
    """Return the mean of ``loss_old − loss_new`` with a block-bootstrap interval [1].

    Losses have shape ``(n,)``, in time order. The rows are cut into ``blocks`` contiguous blocks (at most n) of
    nearly equal size, and whole blocks are drawn with replacement, so that what neighbours share is not taken for
    evidence. Deviations are widened by √(B / (B − 1)), which small numbers of blocks need. With one block nothing is
    known of the spread: the bounds are infinite. No rows, or a loss that is NaN, give NaN.

    Raises:
        ConfigError: lengths differ, or ``blocks`` < 1.

    [1] H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Ann. Statist. 17 (1989).

    >>> rng = np.random.default_rng(0)
    >>> paired_gain(np.full(100, 3.0), np.full(100, 1.0), blocks=10, rng=rng)
    Gain(mean=2.0, lower=2.0, upper=2.0)
    """
    if len(loss_old) != len(loss_new):
        raise ConfigError(
            f"paired comparison: {len(loss_old)} old losses, {len(loss_new)} new; expected the same rows in both"
        )
    if blocks < 1:
        raise ConfigError(f"paired comparison: blocks is {blocks}; expected at least 1")
    gain = np.asarray(loss_old, dtype=np.float64) - np.asarray(loss_new, dtype=np.float64)
    if not len(gain) or np.isnan(gain).any():
        return Gain(float("nan"), float("nan"), float("nan"))
    mean = float(gain.mean())
    edges = np.unique(np.linspace(0, len(gain), min(blocks, len(gain)) + 1).round().astype(np.intp))
    sums, sizes = np.add.reduceat(gain, edges[:-1]), np.diff(edges)
    count = len(sizes)
    if count == 1:
        return Gain(mean, float("-inf"), float("inf"))
    drawn = rng.integers(0, count, size=(resamples, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (1.0 - level) / 2
    low, high = np.quantile(means - mean, [tail, 1 - tail]) * np.sqrt(count / (count - 1))
    return Gain(mean, mean + float(low), mean + float(high))
