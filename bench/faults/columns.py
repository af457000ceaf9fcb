"""Which columns a fault may befall: drawn from those that matter to the version, never by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bench.faults.grounds import Ground
from numpy.typing import NDArray

from trimtab.bundle.manifest import Manifest

__all__ = ["Columns", "Unfit", "numbers_of"]

_MANY, _SHARE_ABOVE = 12, 0.3


class Unfit(Exception):
    """The data set has no column that the fault could befall."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The features of a data set. ``matters``: at least as important as the median one."""

    ground: Ground
    manifest: Manifest

    @property
    def importance(self) -> dict[str, float]:
        """How much the version uses each feature."""
        return {name: self.manifest.importance.get(name, 0.0) for name in self.ground.features}

    def matters(self) -> tuple[str, ...]:
        """Return the features that are at least as important as the median one, the most important first."""
        by = self.importance
        median = float(np.median(list(by.values())))
        return tuple(sorted((name for name in by if by[name] >= median), key=lambda name: -by[name]))

    def numbers(self, *, varied: bool = False, some: int = 1, all_of: bool = False) -> list[str]:
        """Return the numbers that matter (with ``all_of``: all numbers), the most important first.

        ``varied``: with many values, most of them not zero, so that another unit shows.

        Raises:
            Unfit: there are fewer than ``some``.
        """
        names = self.ground.features if all_of else self.matters()
        found = [name for name in names if self.is_number(name) and (not varied or self._is_varied(name))]
        return _enough(found, some, "numbers")

    def halving(self) -> list[str]:
        """Return the numbers that matter and whose median has at least three rows in ten above it.

        Raises:
            Unfit: there is none.
        """
        found = [name for name in self.numbers() if self._share_above(name) >= _SHARE_ABOVE]
        return _enough(found, 1, "numbers with enough rows above their median")

    def _share_above(self, name: str) -> float:
        values = numbers_of(self.ground.rows, name)
        return float(np.mean(values > np.nanmedian(values)))

    def categories(self, *, some: int = 1, all_of: bool = False) -> list[str]:
        """Return the categories that matter, the most important first.

        Raises:
            Unfit: there are fewer than ``some``.
        """
        names = self.ground.features if all_of else self.matters()
        return _enough([name for name in names if pa.types.is_string(self._type(name))], some, "categories")

    def present(self) -> list[str]:
        """Return the features that matter and are never missing.

        Raises:
            Unfit: there is none.
        """
        return _enough([name for name in self.matters() if not self.ground.rows[name].null_count], 1, "whole columns")

    def unimportant(self) -> str:
        """Return the least important number.

        Raises:
            Unfit: there is none, or it matters.
        """
        by = self.importance
        found = [name for name in self.ground.features if self.is_number(name)]
        least = min(found, key=lambda name: by[name], default=None)
        if least is None or by[least] > 1 / (2 * len(by)):
            raise Unfit("no number is of little importance")
        return least

    def is_number(self, name: str) -> bool:
        """Return whether a feature holds numbers."""
        kind = self._type(name)
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))

    def _type(self, name: str) -> pa.DataType:
        return self.ground.rows.schema.field(name).type

    def _is_varied(self, name: str) -> bool:
        values = numbers_of(self.ground.rows, name)
        return pc.count_distinct(self.ground.rows[name]).as_py() >= _MANY and float(np.mean(values != 0)) >= 0.5


def numbers_of(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column's numbers ``(n,)``; NaN where there is none."""
    return np.asarray(pc.cast(rows[name], pa.float64()).to_numpy(), dtype=np.float64)


def _enough(found: list[str], some: int, what: str) -> list[str]:
    if len(found) < some:
        raise Unfit(f"fewer than {some} {what} that it could befall")
    return found
