"""The pool: versions that served before and answer the labelled rows still; one of them may be the best again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.retraining.gain import Costs, Standing
from trimtab.retraining.ledger import VersionLosses, spread

__all__ = ["Return", "best_kept", "kept_versions"]

_PERIODS = 2


@dataclass(frozen=True, slots=True)
class Return:
    """A kept version that should serve again: what it would save in a period, and what releasing it costs.

    ``lower`` is what it ``saves`` less a standard error. ``period_us`` is the start of the latest labelled period, on
    which the advice rests.
    """

    version: int
    period_us: int
    saves: float
    lower: float
    needed: float
    why: str


def kept_versions(promoted: Sequence[int], champion: int | None, keep: int) -> tuple[int, ...]:
    """Return the ``keep`` newest versions that ever had all traffic, without the champion; newest first.

    >>> kept_versions([1, 2, 3, 2, 5], champion=5, keep=3)
    (3, 2)
    """
    newest = sorted(set(promoted), reverse=True)[: max(keep, 0)]
    return tuple(number for number in newest if number != champion)


def best_kept(standing: Standing, costs: Costs, kept: Sequence[int]) -> Return | None:
    """Return the kept version that would have saved most in the last two labelled periods, if a release pays at once.

    What it would have saved in one such period, less a standard error, must exceed the cost of a release:
    (Σ d − √(σ₁² + σ₂²)) / 2 > cost, with d = ℓ_champion − ℓ_kept by block and σ the standard error of a period's sum.
    Of equals the newer one is named.

    Both must have answered both periods. Nothing is returned before the champion has seen two periods out: the last
    training ended before them, and since it took over their outcomes have come; what brought a version back cannot
    take it away again.
    """
    own = standing.versions.get(standing.champion)
    latest = [] if own is None else sorted(own.answers)[-_PERIODS:]
    if own is None or not _has_settled(standing, latest):
        return None
    usual = sum(own.answers[start].total for start in latest) / len(latest)
    _, needed = costs.of(usual)
    best: Return | None = None
    for other in _comparable(standing, own, kept, latest):
        saves, lower = _saved(own, other, latest)
        if lower > needed and (best is None or lower > best.lower):
            why = (
                f"version {other.version} would have saved {saves:.4g} a period ({saves / usual:.1%}) in the last two "
                f"labelled periods, {lower:.4g} less its standard error, {needed:.4g} needed"
            )
            best = Return(other.version, latest[-1], saves, lower, needed, why)
    return best


def _has_settled(standing: Standing, latest: Sequence[int]) -> bool:
    """Return whether the latest periods can tell of the champion: enough of them, and all since it took over."""
    if len(latest) < _PERIODS or (standing.since_us is not None and latest[0] < standing.since_us):
        return False
    return all(standing.line.get(start, standing.champion) == standing.champion for start in latest)


def _comparable(
    standing: Standing, own: VersionLosses, kept: Sequence[int], periods: Sequence[int]
) -> Iterator[VersionLosses]:
    """Yield the ledgers of the kept versions that answered these periods, the newest first."""
    for number in sorted(set(kept) - {own.version}, reverse=True):
        ledger = standing.versions.get(number)
        # What was not judged anew together with the champion may be cut into other blocks.
        if ledger is not None and all(_blocks(ledger, start) == _blocks(own, start) for start in periods):
            yield ledger


def _blocks(ledger: VersionLosses, start_us: int) -> int:
    found = ledger.answers.get(start_us)
    return 0 if found is None else len(found.blocks)


def _saved(own: VersionLosses, other: VersionLosses, periods: Sequence[int]) -> tuple[float, float]:
    """Return what ``other`` saves in a period, and that less its standard error."""
    gains = [np.array(own.answers[start].blocks) - np.array(other.answers[start].blocks) for start in periods]
    total = sum(float(gain.sum()) for gain in gains)
    error = math.sqrt(sum(spread(gain) ** 2 for gain in gains))
    return total / len(periods), (total - error) / len(periods)
