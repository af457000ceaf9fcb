"""Between which bounds the mean of unbounded numbers lies, whenever one looks, once there are enough of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.core.errors import ConfigError

__all__ = ["AsymptoticMean"]


@dataclass(frozen=True, slots=True)
class AsymptoticMean:
    """Count, mean and squared deviations of what was seen: enough for an asymptotic confidence sequence [1].

    ``Z̄ ± σ̂ √(2 (tρ² + 1)/(t²ρ²) · ln(1 + √(tρ² + 1)/(2α)))``, each side alone with error α, where ρ makes it
    tightest at t = ``tightest_at``. It needs finite variance and enough values (the caller's to judge): with few, or
    with rare huge ones, the error may exceed α.

    [1] I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", Ann. Statist. 52 (2024), arXiv 2103.06476.

    >>> seen = AsymptoticMean().with_values(np.random.default_rng(0).normal(1.0, 1.0, 1000))
    >>> low, high = seen.bounds(0.01)
    >>> low < 1.0 < high, high - low < 0.4
    (True, True)
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def with_values(self, values: Any) -> AsymptoticMean:
        """Return what is known after ``values`` ``(n,)``, in any order and parts; none change nothing.

        Raises:
            ConfigError: a value is NaN or infinite, or so large that the squares are.
        """
        seen = np.asarray(values, dtype=np.float64)
        if not len(seen):
            return self
        if not np.isfinite(seen).all():
            raise ConfigError("asymptotic mean: a value is NaN or infinite; leave it out")
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(seen.mean())
            total, shift = self.count + len(seen), mean - self.mean
            squares = self.squares + float(((seen - mean) ** 2).sum()) + shift * shift * self.count * len(seen) / total
        # An infinity would stay for ever, and cannot be stored.
        if not math.isfinite(squares):
            raise ConfigError("asymptotic mean: a value is so large that its square is infinite; leave it out")
        return AsymptoticMean(total, self.mean + shift * len(seen) / total, squares)

    def bounds(self, alpha: float, *, tightest_at: int = 500) -> tuple[float, float]:
        """Return the lower and the upper bound of the mean, each with error ``alpha``; infinite below two values.

        Raises:
            ConfigError: ``alpha`` is not in 0..0.5.
        """
        if not 0 < alpha <= 0.5:
            raise ConfigError(f"asymptotic mean: alpha {alpha} is not in 0..0.5; pass the error to be allowed")
        if self.count < 2:
            return -math.inf, math.inf
        log_part = -2 * math.log(alpha)
        rho_squared = (log_part + math.log(log_part) + 1) / tightest_at
        grown = self.count * rho_squared + 1
        spread = self.squares / (self.count - 1)
        width = 2 * grown / (self.count**2 * rho_squared) * math.log1p(math.sqrt(grown) / (2 * alpha))
        half = math.sqrt(spread * width)
        return self.mean - half, self.mean + half
