"""The pool: versions that served before and answer the labelled rows still; one of them may be the best again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.retraining.gain import Costs, Standing

__all__ = ["Return", "best_kept", "kept_versions"]

_LOOK_BACK = 2


@dataclass(frozen=True, slots=True)
class Return:
    """A kept version that should serve again: what it would save in a period, and what releasing it costs.

    ``period_us`` is the start of the latest labelled period, which the advice rests on.
    """

    version: int
    period_us: int
    saves: float
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

    It must save more in one such period than a release costs: (Σ ℓ_champion − Σ ℓ_kept) / 2 > cost. Both must have
    answered both periods, and the last training must have ended before them: a version that is new has not been
    judged yet. Of equals the newer one is named.
    """
    own = standing.versions.get(standing.champion)
    if own is None or not own.answers:
        return None
    latest = sorted(own.answers)[-_LOOK_BACK:]
    since_us = standing.since_us
    if len(latest) < _LOOK_BACK or (since_us is not None and latest[0] < since_us):
        return None
    usual = _mean(standing, standing.champion, latest)
    best: Return | None = None
    for number in sorted(kept, reverse=True):
        ledger = standing.versions.get(number)
        if ledger is None or number == standing.champion or any(start not in ledger.answers for start in latest):
            continue
        saves, (_, needed) = usual - _mean(standing, number, latest), costs.of(usual)
        if saves > needed and (best is None or saves > best.saves):
            why = (
                f"version {number} would have saved {saves:.4g} a period ({saves / usual:.1%}) in the last two "
                f"labelled periods, {needed:.4g} needed"
            )
            best = Return(number, latest[-1], saves, needed, why)
    return best


def _mean(standing: Standing, number: int, periods: Sequence[int]) -> float:
    answers = standing.versions[number].answers
    return sum(answers[start].total for start in periods) / len(periods)
