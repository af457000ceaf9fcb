"""What distances chance, memory and season alone produce: measured on the reference itself, in time order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.measures.memory import memory_of

__all__ = ["Chance", "chance_of_categories", "chance_of_numbers"]

_SMALLEST, _LARGEST = 32, 16_384
_MAX_WINDOWS = 64
_MAX_CATEGORIES = 64

Distances = Callable[[NDArray[np.intp]], NDArray[np.float64]]


class Chance(msgspec.Struct, frozen=True):
    """How far contiguous windows of the reference lie from the rest of it, by their number of rows.

    ``memory`` says how many rows weigh as much as one independent row (see `memory_of`). ``greatest[i]`` is the
    greatest distance (Kolmogorov–Smirnov of numbers, Jensen–Shannon of categories) of a window of ``rows[i]`` present
    values: it holds what no formula for independent rows knows, that a day is not like a night, nor May like
    November.
    """

    memory: float = 1.0
    rows: tuple[int, ...] = ()
    greatest: tuple[float, ...] = ()

    def distance(self, rows: int) -> float:
        """Return the greatest distance of a window with so many rows, interpolated over log rows; 0 if not measured.

        Beyond the sizes that were measured the nearest one answers.

        >>> Chance(rows=(10, 1000), greatest=(0.4, 0.2)).distance(100)
        0.3
        """
        if not self.rows or rows < 1:
            return 0.0
        return float(np.interp(math.log(rows), np.log(self.rows), self.greatest))


def chance_of_numbers(values: NDArray[Any], blocks: NDArray[Any]) -> Chance:
    """Measure a numeric column: ``values`` ``(n,)`` in time order, NaN-free; ``blocks`` ``(n,)`` their block."""
    size = len(values)
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    above, below = (ends / max(size, 1))[place], ((ends - counts) / max(size, 1))[place]

    def distances(windows: NDArray[np.intp]) -> NDArray[np.float64]:
        rows = windows.shape[1]
        rank = np.arange(1, rows + 1) / rows
        upper = rank - np.sort(above[windows], axis=1)
        lower = np.sort(below[windows], axis=1) - (rank - 1 / rows)
        return np.asarray(np.maximum(upper, lower).max(axis=1), dtype=np.float64)

    return _measured(size, memory_of((above + below) / 2, blocks), distances)


def chance_of_categories(values: pa.ChunkedArray, blocks: NDArray[Any]) -> Chance:
    """Measure a column of categories: ``values`` ``(n,)`` in time order, without nulls; ``blocks`` ``(n,)``.

    The 64 most frequent categories are told apart, the others taken together.
    """
    encoded = values.combine_chunks().dictionary_encode()
    codes = np.asarray(pc.cast(encoded.indices, pa.int64()).to_numpy(zero_copy_only=False))
    frequent = np.argsort(-np.bincount(codes), kind="stable")[: _MAX_CATEGORIES - 1] if len(codes) else codes
    place = np.full(len(encoded.dictionary), len(frequent), dtype=np.int64)
    place[frequent] = np.arange(len(frequent))
    held, width = place[codes], len(frequent) + 1
    whole = np.bincount(held, minlength=width) / max(len(codes), 1)

    def distances(windows: NDArray[np.intp]) -> NDArray[np.float64]:
        count, rows = windows.shape
        cells = held[windows] + np.arange(count)[:, None] * width
        counts = np.bincount(cells.reshape(-1), minlength=count * width).reshape(count, width)
        return _jensen_shannon(counts / rows, whole)

    spread = whole * (1 - whole)
    memories = [memory_of(held == column, blocks) for column in range(width) if spread[column] > 0]
    weights = spread[spread > 0]
    memory = float(np.average(memories, weights=weights)) if memories else 1.0
    return _measured(len(codes), memory, distances)


def _measured(size: int, memory: float, distances: Distances) -> Chance:
    rows: list[int] = []
    greatest: list[float] = []
    length = _SMALLEST
    while length <= min(size // 3, _LARGEST):
        count = min(_MAX_WINDOWS, 4 * (size // length))
        starts = np.linspace(0, size - length, count).round().astype(np.intp)
        found = float(distances(starts[:, None] + np.arange(length)).max())
        rows.append(length)
        # The window is part of the whole it was held against: from the rest it lies further by n / (n − length).
        greatest.append(min(1.0, found * size / (size - length)))
        length *= 2
    return Chance(memory, tuple(rows), tuple(greatest))


def _jensen_shannon(parts: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Jensen–Shannon distance of each row ``(w, k)`` from ``whole`` ``(k,)``."""
    middle = (parts + whole) / 2
    safe = np.where(middle > 0, middle, 1.0)

    def divergence(shares: NDArray[np.float64]) -> NDArray[np.float64]:
        ratio = np.where(shares > 0, shares / safe, 1.0)
        return np.asarray((shares * np.log2(ratio)).sum(axis=1), dtype=np.float64)

    total = divergence(parts) + divergence(np.broadcast_to(whole, parts.shape))
    return np.sqrt(np.maximum(total / 2, 0.0))
