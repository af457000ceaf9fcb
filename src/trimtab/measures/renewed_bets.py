"""Bets that begin anew with every block of numbers, so that a fault which begins late meets some that lost nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RenewedBets"]

_KEPT = 0.15
_HALF_SPENT = 10_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RenewedBets:
    """J bets, each a mixture of processes that start with one block after another, and what is kept for later ones.

    Of a wealth of 1, 85 % are bet on the first block. Of the rest, after N units
    ``U(N) = 0.15 n₀/(n₀ + N)``, n₀ = 10 000, are still kept; what is freed as N grows is bet anew, on the next block:

    ``R_j ← (R_j + U(N_before) − U(N)) · gain_j``, ``E = mean_j R_j + U(N)``, where N are the units before the block.

    If each gain is expected to be at most 1, whatever was before, so is E at any time, ever: what starts with a block
    is fixed before the block is seen. U falls so slowly that whatever begins with the n units after N has about
    ``ln(7 N²/(n₀ n))`` to make up for, not N losses. ``log_wealth``: ``(..., J)``; ``kept``, ``units``: ``(...)``.

    >>> bets = RenewedBets.start(2).with_gains([-40.0, -90.0], 50_000)
    >>> for _ in range(10):
    ...     bets = bets.with_gains([2.0, 1.0], 100)
    >>> bool(bets.log_e > 4.0)
    True
    """

    log_wealth: Floats
    kept: Floats
    units: Floats

    @staticmethod
    def start(bets: int, *, shape: tuple[int, ...] = ()) -> RenewedBets:
        """Return J = ``bets`` bets before any block: wealth 1, all of it kept."""
        return RenewedBets(np.full((*shape, bets), -np.inf), np.ones(shape), np.zeros(shape))

    def with_gains(self, log_gains: Any, units: Any) -> RenewedBets:
        """Return the bets after a block of ``units`` ``(...)`` that multiplied each by ``exp(log_gains)`` ``(..., J)``.

        A block without units, whose gains are then 0, changes no evidence, then or later.
        """
        kept = np.minimum(self.kept, _KEPT * _HALF_SPENT / (_HALF_SPENT + self.units))
        # Nothing is freed by a block without units, and the logarithm of nothing is what adds nothing.
        with np.errstate(divide="ignore"):
            freed = np.log(self.kept - kept)
        wealth = np.logaddexp(self.log_wealth, freed[..., None]) + np.asarray(log_gains, dtype=np.float64)
        return replace(self, log_wealth=wealth, kept=np.asarray(kept), units=np.asarray(self.units + units))

    @property
    def log_e(self) -> Floats:
        """The natural logarithm of the e-value, of shape ``(...)``."""
        mean = np.logaddexp.reduce(self.log_wealth, axis=-1) - np.log(self.log_wealth.shape[-1])
        return np.asarray(np.logaddexp(mean, np.log(self.kept)), dtype=np.float64)
