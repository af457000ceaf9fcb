"""Whether the mean of bounded numbers is above 0, by bets whose winnings are evidence at any time one looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.errors import ConfigError
from trimtab.measures.label_process import log_mean_exp

__all__ = ["BETS", "BetProcess"]

BETS = 20
_LARGEST_STAKE = 0.9
_LARGEST_BET = 50.0
_ROUNDING = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BetProcess:
    """An e-process against "each value's mean, given those before it, is at most 0", for values in ``low..high``.

    J = 20 gamblers hold a fixed bet λ_j on the next value being positive [1]: ``E = mean_j Π_i (1 + λ_j Z_i)``. No
    bet can lose more than 90 % of its wealth on one value. Under the null no bet is expected to win, so E ≥ 1/α happens
    with a chance of at most α, ever. The order of the values does not matter. ``log_wealth``: ``(..., J)``.

    [1] I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024).

    >>> process = BetProcess.start(-0.01, 0.99).with_counts([(0.99, 12), (-0.01, 188)])
    >>> bool(process.log_e > np.log(100))
    True
    """

    low: float
    high: float
    log_wealth: Floats

    @staticmethod
    def start(low: float, high: float, *, shape: tuple[int, ...] = ()) -> BetProcess:
        """Return the process before any value: wealth 1.

        Raises:
            ConfigError: 0 does not lie between ``low`` and ``high``, so that there is nothing to bet on.
        """
        if not (-np.inf < low < 0 < high < np.inf):
            raise ConfigError(f"betting: values in {low}..{high}; expected bounds on either side of 0")
        return BetProcess(low, high, np.zeros((*shape, BETS)))

    @property
    def bets(self) -> Floats:
        """λ_j, ascending, ``(J,)``: dense near 0, where a small mean is best bet on."""
        most = min(_LARGEST_STAKE / -self.low, _LARGEST_BET / self.high)
        return np.asarray(most * (np.arange(1, BETS + 1) / BETS) ** 2, dtype=np.float64)

    def with_values(self, values: Any) -> BetProcess:
        """Return the process after ``values``, of shape ``(..., n)``; none change nothing.

        Raises:
            ConfigError: a value is NaN or outside the bounds.
        """
        seen = self._checked(values)
        gains = np.log1p(seen[..., None] * self.bets).sum(axis=-2)
        return replace(self, log_wealth=np.asarray(self.log_wealth + gains, dtype=np.float64))

    def with_counts(self, counts: Iterable[tuple[float, Any]]) -> BetProcess:
        """Return the process after each ``(value, how often)``, how often being of shape ``(...)``.

        Raises:
            ConfigError: a value is NaN or outside the bounds.
        """
        wealth = self.log_wealth
        for value, count in counts:
            wealth = wealth + np.multiply.outer(count, np.log1p(self._checked([value]) * self.bets))
        return replace(self, log_wealth=np.asarray(wealth, dtype=np.float64))

    def _checked(self, values: Any) -> Floats:
        seen = np.asarray(values, dtype=np.float64)
        slack = _ROUNDING * (self.high - self.low)
        if not bool(((seen >= self.low - slack) & (seen <= self.high + slack)).all()):
            raise ConfigError(
                f"betting: a value is NaN or outside {self.low:.6g}..{self.high:.6g}; leave it out, or widen the bounds"
            )
        return np.clip(seen, self.low, self.high)

    @property
    def log_e(self) -> Floats:
        """The natural logarithm of the e-value, of shape ``(...)``."""
        return log_mean_exp(self.log_wealth)
