"""Whether events (errors, slow answers) happen to one version more often than the draw of versions explains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.errors import ConfigError

__all__ = ["LabelProcess", "log_mean_exp"]

_RATIOS = 24
_LARGEST = 1e100

Floats = NDArray[np.float64]


def log_mean_exp(logs: Floats) -> Floats:
    """Return ``log(mean(exp(logs)))`` over the last axis, ``(..., J)`` → ``(...)``, without overflow.

    >>> float(log_mean_exp(np.array([1000.0, 1000.0])))
    1000.0
    """
    top = logs.max(axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.exp(logs - top).mean(axis=-1)), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class LabelProcess:
    """An e-process against "an event is at most ``ratio`` times as likely at the candidate as at the stable version".

    Each request is drawn for the candidate with a known probability p. *Given* that an event happened, it is the
    candidate's with probability ``q(r) = r p / (r p + 1 − p)``, where r is the ratio of the versions' event
    probabilities. The likelihood ratios of J = 24 ratios above ``ratio`` against it are averaged [1, 2]:

    ``E = mean_j Π_events q(r_j)/q(ratio)`` (or ``(1 − q(r_j))/(1 − q(ratio))`` for an event of the stable version).

    Whatever ratio ≤ ``ratio`` is true, E[E] ≤ 1 at any time that one chooses to look, so E ≥ 1/α happens with a chance
    of at most α, ever. When events arrive, how many, in bursts or not, plays no role: only to whom they happened.
    ``log_wealth`` has shape ``(..., J)``: several processes may run side by side.

    [1] M. Lindon, D. Sanden, V. Shirikian, "Rapid regression detection in software deployments through sequential
    testing", KDD 2022, arXiv 2205.14762. [2] M. Lindon, A. Malek, "Anytime-valid inference for multinomial count
    data", NeurIPS 2022, arXiv 2011.03567.

    >>> process = LabelProcess.start(1.0).with_counts(0.5, candidate=30, stable=5)
    >>> bool(process.log_e > np.log(100))
    True
    """

    ratio: float
    ratios: Floats
    log_wealth: Floats

    @staticmethod
    def start(ratio: float, *, ratio_max: float = 50.0, shape: tuple[int, ...] = ()) -> LabelProcess:
        """Return the process before any event: wealth 1. It looks for ratios up to ``ratio_max`` times ``ratio``.

        Raises:
            ConfigError: ``ratio`` is not a number within 1e-100..1e100, or ``ratio_max`` not one within 1..1e100.
        """
        if not (1 / _LARGEST < ratio < _LARGEST and 1 < ratio_max < _LARGEST):
            raise ConfigError(
                f"label process: ratio {ratio}, ratio_max {ratio_max}; expected a ratio above 0 and a maximum above 1"
            )
        # The exponents grow as squares: fine steps near the null, where a small harm shows, coarse ones far from it.
        ratios = ratio * ratio_max ** ((np.arange(1, _RATIOS + 1) / _RATIOS) ** 2)
        return LabelProcess(ratio, ratios, np.zeros((*shape, _RATIOS)))

    def with_counts(self, probability: float, candidate: Any, stable: Any) -> LabelProcess:
        """Return the process after ``candidate`` and ``stable`` events, each of shape ``(...)``, at one probability.

        Counts may come in any order and in any parts. At probability 0 or 1 an event has only one version that it can
        happen to: it says nothing, and changes nothing.

        Raises:
            ConfigError: ``probability`` is not in 0..1.
        """
        if not 0 <= probability <= 1:
            raise ConfigError(f"label process: probability {probability} is not in 0..1; pass a share of the draws")
        if probability in (0, 1):
            return self
        odds = probability / (1 - probability)
        # log q(r_j)/q(ratio) and log (1 − q(r_j))/(1 − q(ratio)), where q(r) = r·odds / (1 + r·odds).
        other = np.log1p(self.ratio * odds) - np.log1p(self.ratios * odds)
        mine = np.log(self.ratios / self.ratio) + other
        wealth = self.log_wealth + np.multiply.outer(candidate, mine) + np.multiply.outer(stable, other)
        return replace(self, log_wealth=np.asarray(wealth, dtype=np.float64))

    @property
    def log_e(self) -> Floats:
        """The natural logarithm of the e-value, of shape ``(...)``."""
        return log_mean_exp(self.log_wealth)
