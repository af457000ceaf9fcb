"""How much neighbouring rows repeat each other, so that rows are not taken for more evidence than they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["memory_of"]

_DIRECT_LAGS = 64
"""So many lags are correlated one by one: most series forget sooner, and a transform of a million rows takes longer."""


def memory_of(values: NDArray[Any], groups: NDArray[Any]) -> float:
    """Return how many rows in a series weigh as much as one independent row: 1 for independent rows, never below.

    The integrated autocorrelation time ``1 + 2 Σ ρ(lag)``, summed while pairs of neighbouring lags stay positive [1].
    ``values`` has shape ``(n,)``, in time order, NaN-free; ``groups`` ``(n,)`` numbers contiguous blocks whose means
    are removed first, so that what changes from block to block (a season) is not counted as memory. On AR(1) rows the
    result is about ``(1 + φ) / (1 − φ)``. Constant or short series (fewer than 8 rows) give 1.

    [1] C. J. Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7 (1992).

    >>> rng = np.random.default_rng(0)
    >>> memory_of(rng.normal(size=2000), np.zeros(2000, dtype=int)) < 1.5
    True
    """
    rows = len(values)
    if rows < 8:
        return 1.0
    codes = _small_codes(groups)
    centred = np.asarray(values, dtype=np.float64)
    centred = centred - (np.bincount(codes, weights=centred) / np.maximum(np.bincount(codes), 1))[codes]
    power = float(centred @ centred)
    if power <= 1e-12 * rows:
        return 1.0
    last = rows // 2 // 2 * 2
    positive = 0.0
    for lag in range(0, min(_DIRECT_LAGS, last), 2):
        pair = float(centred[: rows - lag] @ centred[lag:] + centred[: rows - lag - 1] @ centred[lag + 1 :])
        if pair <= 0:
            return max(1.0, float(2 * positive - 1))
        positive += pair / power
    return _of_all_lags(centred, power)


def _small_codes(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Return ``groups`` as numbers from 0 that a table may be indexed by."""
    numbered = np.asarray(groups)
    if np.issubdtype(numbered.dtype, np.integer) and 0 <= int(numbered.min()) <= int(numbered.max()) <= len(numbered):
        return numbered.astype(np.int64, copy=False)
    return np.unique(numbered, return_inverse=True)[1].astype(np.int64, copy=False)


def _of_all_lags(centred: NDArray[np.float64], power: float) -> float:
    rows = len(centred)
    size = 1 << (2 * rows - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum), size)[: rows // 2] / power
    pairs = correlation[: len(correlation) // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    kept = pairs[: ends[0]] if len(ends) else pairs
    return max(1.0, float(2 * kept.sum() - 1))
