"""What evidence is worth: how one error rate is shared out, when a process decides, and how far it has to go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Verdict
from trimtab.measures.renewed_bets import RenewedBets

__all__ = [
    "HarmBets",
    "Limit",
    "Wealth",
    "e_value",
    "outlook",
    "segment_share",
    "settled",
    "split_alpha",
]

_FAMILY_SHARES: Mapping[str, float] = {
    "errors": 0.3,
    "refusals": 0.05,
    "absolute": 0.15,
    "latency": 0.25,
    "run": 0.05,
    "quality": 0.2,
    "estimated": 0.05,
    "predictions": 0.05,
    "agreement": 0.1,
}
"""Parts of the error rate by family, before those that are not judged give theirs to the others."""

_LARGEST_LOG = 700.0


@dataclass(frozen=True, slots=True)
class Wealth:
    """Natural logarithms of the evidence against "within the limit" (harm) and against "beyond the limit" (safe)."""

    log_harm: float = 0.0
    log_safe: float = 0.0


@dataclass(frozen=True, slots=True)
class HarmBets:
    """Bets on harm that begin anew with every block, as numbers that can be stored: see `RenewedBets`.

    ``log_wealth`` is empty before the first block.
    """

    log_wealth: tuple[float, ...] = ()
    kept: float = 1.0
    units: int = 0

    def with_gains(self, log_gains: NDArray[np.float64], units: int) -> HarmBets:
        """Return the bets after a block of ``units`` that multiplied each by ``exp(log_gains)`` ``(J,)``."""
        past = np.array(self.log_wealth) if self.log_wealth else np.full(len(log_gains), -np.inf)
        bets = RenewedBets(past, np.asarray(self.kept), np.asarray(self.units)).with_gains(log_gains, units)
        return HarmBets(tuple(bets.log_wealth.tolist()), float(bets.kept), int(bets.units))

    @property
    def log_e(self) -> float:
        """The natural logarithm of the e-value; 0 before the first block."""
        if not self.log_wealth:
            return 0.0
        return float(RenewedBets(np.array(self.log_wealth), np.asarray(self.kept), np.asarray(self.units)).log_e)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: its evidence's name, what must not be exceeded, the errors allowed, and a noun for sentences."""

    name: str
    limit: float
    alpha: float
    alpha_ok: float
    noun: str


def split_alpha(alpha: float, families: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return each metric's part of ``alpha``: by `_FAMILY_SHARES`, equally within a family; they sum to ``alpha``.

    A family without metrics gets nothing. No metrics at all: an empty dictionary.

    >>> {name: round(part, 4) for name, part in split_alpha(0.01, {"errors": ["a"], "quality": ["b", "c"]}).items()}
    {'a': 0.006, 'b': 0.002, 'c': 0.002}
    """
    present = {family: metrics for family, metrics in families.items() if metrics}
    whole = sum(_FAMILY_SHARES[family] for family in present)
    return {
        metric: alpha * _FAMILY_SHARES[family] / whole / len(metrics)
        for family, metrics in present.items()
        for metric in metrics
    }


def segment_share(ordinal: int) -> float:
    """Return the share of an error rate that the ``ordinal``-th segment of sticky keys is tested with, from 1 on.

    ``1/(s(s+1))``: all that there may ever be sum to 1.

    >>> [round(segment_share(s), 3) for s in (1, 2, 3)]
    [0.5, 0.167, 0.083]
    """
    return 1 / (ordinal * (ordinal + 1))


def settled(wealth: Wealth, alpha: float, alpha_ok: float) -> Verdict:
    """Return BREACH once the evidence of harm reaches ``1/alpha``, else OK once that of safety reaches ``1/alpha_ok``.

    >>> settled(Wealth(log_safe=3.1), 0.01, 0.05)
    <Verdict.OK: 'ok'>
    """
    if wealth.log_harm >= -math.log(alpha):
        return Verdict.BREACH
    return Verdict.OK if wealth.log_safe >= -math.log(alpha_ok) else Verdict.INCONCLUSIVE


def e_value(log: float) -> float:
    """Return the e-value of its logarithm, at most e⁷⁰⁰: what can be stored as a number."""
    return math.exp(min(log, _LARGEST_LOG))


def outlook(log_safe: float, alpha_ok: float, units: int, unit: str) -> str:
    """Return how many more units are needed at this pace, as the end of a sentence; "" when the pace tells nothing.

    >>> outlook(1.5, 0.05, 3000, "requests")
    '; about 3 000 more requests at this pace'
    """
    needed = -math.log(alpha_ok)
    if log_safe <= needed / 10 or units <= 0:
        return ""
    more = units * (needed - log_safe) / log_safe
    digits = max(0, len(f"{more:.0f}") - 2)
    rounded = max(1, math.ceil(more / 10**digits)) * 10**digits
    return f"; about {rounded:,} more {unit} at this pace".replace(",", " ")
