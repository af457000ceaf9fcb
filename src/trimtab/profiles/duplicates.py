"""How many distinct rows there are among all that came: a HyperLogLog sketch of the rows' hashes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.errors import DataContractError

__all__ = ["DISTINCT_ERROR", "DistinctRows", "RowHashes"]

_BITS = 12
_CELLS = 1 << _BITS
_LONGEST = 33
"""Greatest register: 32 zeros of the 32 bits that are looked at, and one."""

_SPARSE_BELOW = _CELLS // 3
_CHUNK = 1 << 15
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF, _SHIFT = np.uint64(32), np.uint64(20)

DISTINCT_ERROR = 1.04 / math.sqrt(_CELLS)
"""Standard error of `DistinctRows.estimate`, as a share of it: 1.6 %, less while there are few rows."""


@dataclass(frozen=True, slots=True, eq=False)
class DistinctRows:
    """A HyperLogLog sketch [1] with 4096 ``registers`` ``(4096,)``: merging is exact, associative and commutative.

    [1] O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284 (2017).
    """

    registers: NDArray[np.uint8]

    @staticmethod
    def of(hashes: NDArray[np.uint64]) -> DistinctRows:
        """Return the sketch of rows with these 64-bit hashes, ``(n,)``."""
        cells = (hashes >> np.uint64(64 - _BITS)).astype(np.intp)
        # The 32 bits after those of the cell: a float holds them exactly, so its exponent is their length.
        length = np.frexp(((hashes >> _SHIFT) & np.uint64(0xFFFFFFFF)).astype(np.float64))[1]
        registers = np.zeros(_CELLS, dtype=np.uint8)
        np.maximum.at(registers, cells, (_LONGEST - length).astype(np.uint8))
        return DistinctRows(registers)

    @staticmethod
    def merged(parts: Sequence[DistinctRows]) -> DistinctRows:
        """Return the sketch of the rows of all ``parts``; without any, of no rows."""
        if not parts:
            return DistinctRows(np.zeros(_CELLS, dtype=np.uint8))
        return DistinctRows(np.maximum.reduce([part.registers for part in parts]))

    @property
    def estimate(self) -> float:
        """About how many distinct rows there are (Ertl's improved raw estimator: one formula from 0 to 10¹²)."""
        counts = np.bincount(self.registers, minlength=_LONGEST + 1).astype(np.float64)
        total = _CELLS * _tau(1 - counts[_LONGEST] / _CELLS)
        for count in counts[_LONGEST - 1 : 0 : -1]:
            total = (total + count) / 2
        total += _CELLS * _sigma(counts[0] / _CELLS)
        return float(_CELLS**2 / (2 * math.log(2)) / total)

    def to_bytes(self) -> bytes:
        """Return the sketch as bytes: its registers, or, of few rows, places and values of those that are not 0."""
        places = np.flatnonzero(self.registers)
        if len(places) < _SPARSE_BELOW:
            return places.astype("<u2").tobytes() + self.registers[places].tobytes()
        return self.registers.tobytes()

    @staticmethod
    def from_bytes(content: bytes) -> DistinctRows:
        """Return the sketch that `to_bytes` wrote. Bytes from strangers are safe.

        Raises:
            DataContractError: the bytes are no such sketch.
        """
        registers = _read(content)
        if registers is None or registers.max() > _LONGEST:
            raise DataContractError(f"profile: damaged row hashes of {len(content)} bytes; build the profile anew")
        return DistinctRows(registers)


def _read(content: bytes) -> NDArray[np.uint8] | None:
    if len(content) == _CELLS:
        return np.frombuffer(content, dtype=np.uint8).copy()
    count, rest = divmod(len(content), 3)
    if rest or count >= _SPARSE_BELOW:
        return None
    places = np.frombuffer(content, "<u2", count).astype(np.intp)
    if not ((np.diff(places) > 0).all() and (places < _CELLS).all()):
        return None
    registers = np.zeros(_CELLS, dtype=np.uint8)
    registers[places] = np.frombuffer(content, np.uint8, count, 2 * count)
    return registers


def _sigma(share: float) -> float:
    """Return ``x + Σ x^(2^k) 2^(k−1)``, what empty registers weigh; infinite when all are empty."""
    if share == 1.0:
        return math.inf
    weight, total, before = 1.0, share, -1.0
    while total != before:
        before, share = total, share * share
        total += share * weight
        weight *= 2
    return total


def _tau(share: float) -> float:
    """Return ``(1 − x − Σ (1 − x^(2^−k))² 2^−k) / 3``, what full registers weigh."""
    if share in (0.0, 1.0):
        return 0.0
    weight, total, before = 1.0, 1 - share, -1.0
    while total != before:
        before, share = total, math.sqrt(share)
        weight /= 2
        total -= (1 - share) ** 2 * weight
    return total / 3


class RowHashes:
    """Hashes rows column by column, in whatever order the columns come. Rows that agree in all of them hash alike.

    >>> hashes = RowHashes(3)
    >>> hashes.add_numbers("age", np.array([40.0, 40.0, np.nan]))
    >>> hashes.add_categories("sex", ["f", "m"], np.array([0, 0, 1]))
    >>> round(DistinctRows.of(hashes.finished()).estimate)
    2
    """

    def __init__(self, rows: int) -> None:
        self._sums = np.zeros(rows, dtype=np.uint64)
        self.columns = 0

    def add_numbers(self, name: str, values: NDArray[np.float64]) -> None:
        """Add a column of floats ``(n,)``; NaN, of any kind, equals NaN, and -0 is 0."""
        same = values + 0.0
        lacking = np.isnan(same)
        if lacking.any():
            same[lacking] = np.nan
        self._add(name, same.view(np.uint64))

    def add_categories(self, name: str, names: Sequence[str], codes: NDArray[Any]) -> None:
        """Add a column of categories: ``codes`` ``(n,)`` number ``names``; ``len(names)`` means missing."""
        known = [zlib.crc32(text.encode()) << 20 ^ len(text) for text in names]
        self._add(name, np.array([*known, 0], dtype=np.uint64)[codes])

    def _add(self, name: str, bits: NDArray[np.uint64]) -> None:
        self.columns += 1
        salt = np.uint64(zlib.crc32(name.encode()))
        # In parts that stay in the processor's cache: over all rows at once it takes twice the time.
        for begin in range(0, len(bits), _CHUNK):
            self._sums[begin : begin + _CHUNK] += _mixed(bits[begin : begin + _CHUNK] ^ salt)

    def finished(self) -> NDArray[np.uint64]:
        """Return the rows' hashes ``(n,)``, every bit of which depends on every column."""
        return _mixed(_mixed(self._sums.copy()))


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter the bits of an array that is the caller's to lose."""
    bits *= _FIRST
    bits ^= bits >> _HALF
    bits *= _SECOND
    bits ^= bits >> _HALF
    return bits
