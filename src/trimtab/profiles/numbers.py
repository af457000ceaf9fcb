"""Summary of a numeric column: counts, moments, and a sketch of the distribution."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from datasketches import kll_doubles_sketch
from numpy.typing import NDArray

from trimtab.core.errors import DataContractError
from trimtab.profiles.sketch_bytes import checked_sketch

__all__ = ["SKETCH_K", "NumberProfile", "NumberWire", "sketch_of"]

SKETCH_K = 2048
"""Size of the KLL sketch: exact up to this many values, then a rank error of about 0.14 % (99 % confidence)."""


class NumberWire(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """A `NumberProfile` as bytes hold it."""

    count: int
    missing: int
    infinite: int
    mean: float
    m2: float
    sketch: bytes


@dataclass(frozen=True, slots=True, eq=False)
class NumberProfile:
    """What is kept of a numeric column.

    ``count`` finite values, ``missing`` ones (null or NaN), ``infinite`` ones; ``mean`` and ``m2`` (sum of squared
    deviations from the mean) of the finite values, NaN and 0 without any; ``sketch`` is a KLL sketch of them, which
    nobody may update.
    """

    count: int
    missing: int
    infinite: int
    mean: float
    m2: float
    sketch: Any

    @staticmethod
    def of(values: NDArray[Any]) -> NumberProfile:
        """Return the profile of float values ``(n,)``, NaN meaning missing.

        >>> profile = NumberProfile.of(np.array([1.0, 3.0, np.nan]))
        >>> profile.count, profile.missing, profile.mean, profile.std, profile.max
        (2, 1, 2.0, 1.0, 3.0)
        """
        values = np.asarray(values, dtype=np.float64)
        finite = values[np.isfinite(values)]
        missing = int(np.isnan(values).sum())
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(finite.mean()) if len(finite) else math.nan
            m2 = float(((finite - mean) ** 2).sum()) if len(finite) else 0.0
        sketch = sketch_of(finite)
        return NumberProfile(len(finite), missing, len(values) - len(finite) - missing, mean, m2, sketch)

    @staticmethod
    def merged(parts: Sequence[NumberProfile]) -> NumberProfile:
        """Return the profile of all rows of ``parts`` together; moments by Chan's formula, about the common mean."""
        sketch = kll_doubles_sketch(SKETCH_K)
        for part in parts:
            sketch.merge(part.sketch)
        held = [part for part in parts if part.count]
        counts = np.array([part.count for part in held], dtype=np.float64)
        means = np.array([part.mean for part in held], dtype=np.float64)
        # One huge value makes them infinite, and nothing else: hours with it are still to be merged.
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float((counts @ means) / counts.sum()) if held else math.nan
            m2 = _sum(part.m2 for part in held) + float(counts @ (means - mean) ** 2)
        return NumberProfile(
            count=sum(part.count for part in parts),
            missing=sum(part.missing for part in parts),
            infinite=sum(part.infinite for part in parts),
            mean=mean,
            m2=m2,
            sketch=sketch,
        )

    @property
    def rows(self) -> int:
        """All rows, present or not."""
        return self.count + self.missing + self.infinite

    @property
    def min(self) -> float:
        """Smallest finite value, exactly; NaN without any."""
        return float(self.sketch.get_min_value()) if self.count else math.nan

    @property
    def max(self) -> float:
        """Largest finite value, exactly; NaN without any."""
        return float(self.sketch.get_max_value()) if self.count else math.nan

    @property
    def std(self) -> float:
        """Population standard deviation; NaN without values."""
        return math.sqrt(self.m2 / self.count) if self.count else math.nan

    @property
    def rank_error(self) -> float:
        """How far a rank that is read from the sketch may be off (as a share, 99 % confidence); 0 while it is exact."""
        return float(self.sketch.normalized_rank_error(False)) if self.sketch.is_estimation_mode() else 0.0

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sketch as ascending values ``(p,)`` and how many rows each stands for ``(p,)``."""
        pairs = np.array(list(self.sketch), dtype=np.float64).reshape(-1, 2)
        order = np.argsort(pairs[:, 0], kind="stable")
        return pairs[order, 0], pairs[order, 1]

    def quantile(self, share: float) -> float:
        """Return the value below or at which ``share`` of the finite values lie; NaN without any."""
        return float(self.sketch.get_quantile(share, True)) if self.count else math.nan

    def share_below(self, limit: float) -> float:
        """Return the share of finite values < ``limit``; 0 without any, exactly 0 when the smallest is not below."""
        return float(self.sketch.get_rank(limit, False)) if self.count and self.min < limit else 0.0

    def share_above(self, limit: float) -> float:
        """Return the share of finite values > ``limit``; 0 without any, exactly 0 when the largest is not above."""
        return 1.0 - float(self.sketch.get_rank(limit, True)) if self.count and self.max > limit else 0.0

    def to_wire(self) -> NumberWire:
        """Return what is written."""
        return NumberWire(self.count, self.missing, self.infinite, self.mean, self.m2, self.sketch.serialize())

    @staticmethod
    def from_wire(wire: NumberWire) -> NumberProfile:
        """Return the profile that was written.

        Raises:
            DataContractError: the sketch is damaged, of another size, or doesn't hold ``count`` values.
        """
        if min(wire.count, wire.missing, wire.infinite) < 0:
            raise DataContractError(
                f"profile: {wire.count} values, {wire.missing} missing; expected none below 0; build the profile anew"
            )
        sketch = kll_doubles_sketch.deserialize(checked_sketch(wire.sketch, k=SKETCH_K, count=wire.count))
        return NumberProfile(wire.count, wire.missing, wire.infinite, wire.mean, wire.m2, sketch)


def _sum(values: Iterable[float]) -> float:
    """Return the sum, the same in any order; infinite where it is beyond what a float holds."""
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


def sketch_of(values: NDArray[np.float64]) -> kll_doubles_sketch:
    """Return the sketch of finite values ``(n,)``, in any order.

    They are sorted first: its bounds hold for every order, and in this one it takes a seventh of the time, sorting
    included.
    """
    sketch = kll_doubles_sketch(SKETCH_K)
    sketch.update(np.sort(values))
    return sketch
