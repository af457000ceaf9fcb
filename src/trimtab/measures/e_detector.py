"""Evidence that something has changed, gathered window after window, at a stated mean time between false alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["EDetector", "log_evidence"]

_LARGEST = 700.0
"""Logarithms are held below this, so that a value that is written as a number stays finite."""


def log_evidence(p: float) -> float:
    """Return the logarithm of the e-value that a p-value is worth: the mixture ``∫₀¹ κ p^(κ−1) dκ`` [1].

    ``(1 − p + p ln p) / (p ln² p)``; ½ at p = 1. Its mean is 1 when p is uniform, at most 1 when p is larger.

    [1] V. Vovk, R. Wang, "E-values: calibration, combination and applications", Annals of Statistics 49 (2021).

    Raises:
        ValueError: p is not in 0 < p ≤ 1.

    >>> [round(math.exp(log_evidence(p)), 1) for p in (1.0, 0.05, 1e-4)]
    [0.5, 1.8, 117.8]
    """
    if not 0 < p <= 1:
        raise ValueError(f"a p-value of {p!r}; expected 0 < p ≤ 1")
    logarithm = math.log(p)
    if logarithm > -1e-3:  # the closed form cancels: its series is ½ − ln p / 6 + …
        return math.log(0.5 - logarithm / 6)
    return math.log((1 - p + p * logarithm) / (p * logarithm * logarithm))


@dataclass(frozen=True, slots=True)
class EDetector:
    """Shiryaev–Roberts e-detector [1]: ``R ← (R + 1) · e(p)``, one step a window.

    When every p-value is at least as large as a uniform one, whatever came before, then ``R − steps`` falls on
    average: R reaches A within ``t`` steps with a chance of at most ``t / A``, and takes A steps or more in the mean.
    ``log_value`` is ln R, −∞ at the start; ``since_us`` is when the first window began of those that drove R up to
    where it is, None while it is no higher than 1.

    [1] J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", New
    England Journal of Statistics in Data Science 2 (2024).
    """

    log_value: float = -math.inf
    steps: int = 0
    since_us: int | None = None

    def stepped(self, p: float, *, start_us: int) -> EDetector:
        """Return the detector after one more window, which began at ``start_us``.

        Raises:
            ValueError: p is not in 0 < p ≤ 1.

        >>> EDetector().stepped(1e-4, start_us=7).alarms(100)
        True
        """
        value = min(_log_plus_one(self.log_value) + log_evidence(p), _LARGEST)
        climbing = value > 0
        since = (self.since_us if self.since_us is not None else start_us) if climbing else None
        return EDetector(value, self.steps + 1, since)

    def alarms(self, mean_steps: float) -> bool:
        """Return whether R has reached ``mean_steps``, which false alarms take that many steps for in the mean."""
        return self.log_value >= math.log(mean_steps)


def _log_plus_one(logarithm: float) -> float:
    """Return ``ln(exp(logarithm) + 1)`` without overflow."""
    return max(logarithm, 0.0) + math.log1p(math.exp(-abs(logarithm)))
