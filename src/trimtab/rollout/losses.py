"""How good the candidate's answers are beside the stable version's, from losses of requests as their truths arrive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Verdict
from trimtab.measures.asymptotic import AsymptoticMean
from trimtab.measures.betting import BETS, BetProcess
from trimtab.measures.label_process import log_mean_exp
from trimtab.measures.row_losses import RowLoss
from trimtab.rollout.block import LARGEST_LOSS, LossUnit
from trimtab.rollout.state import Evidence
from trimtab.rollout.wealth import HarmBets, Limit, Wealth, e_value, outlook, segment_share, settled

__all__ = ["LossState", "judge_losses", "with_losses", "with_pairs"]

_FEWEST = 50
# Rare huge errors make a version with few rows look good: simulated, 50 gave up to 23 % false OKs, 200 gave 3 %.
_FEWEST_OK = 200
_NONE_YET = (0.0,) * BETS
_LOSS_TOLD: Final = {"wape": " (as mean absolute error)", "log_loss": " (tens of nats)"}
"""What the mean of a metric's row losses is, where it is not the metric itself."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bets:
    """The bets of one segment: on harm, which begin anew with every block, and on safety, since its start."""

    segment: int
    harm: HarmBets = field(default_factory=HarmBets)
    safe: tuple[float, ...] = _NONE_YET


@dataclass(frozen=True, slots=True)
class Moments:
    """What was seen in one segment: the excess that an unbounded loss is judged by, and the stable version's mean."""

    segment: int
    excess: AsymptoticMean = field(default_factory=AsymptoticMean)
    candidate: int = 0
    stable: int = 0
    stable_sum: float = 0.0


@dataclass(frozen=True, slots=True)
class LossState:
    """What is kept of a metric's losses.

    ``difference``: of the versions' mean losses, candidate's minus stable one's, for showing. ``left_out``: units whose
    loss is no number, or beyond `LARGEST_LOSS`.
    """

    bets: tuple[Bets, ...] = ()
    moments: tuple[Moments, ...] = ()
    difference: AsymptoticMean = field(default_factory=AsymptoticMean)
    candidate_n: int = 0
    candidate_sum: float = 0.0
    stable_n: int = 0
    stable_sum: float = 0.0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _Sums:
    """What some units add; ``offered``: those that were left out too."""

    candidate_n: int
    candidate_sum: float
    stable_n: int
    stable_sum: float
    offered: int


def with_losses(
    state: LossState, units: Sequence[LossUnit], loss: RowLoss, degradation: float, *, segment: int
) -> LossState:
    """Return the state after a block's units, in the order of their receipt; bets on harm begin anew with each block.

    With c the stable version's mean loss *before* unit i, A whether it was drawn for the candidate (chance p), and m
    the margin: ``Z = A(1−p)(L − (1+m)c) − (1+m)(1−A)p(L − c)``, whose mean is p(1−p) times how much the candidate's
    loss exceeds (1+m) times the stable one's. For a gain 1 − L it is the same with −m and the sign turned. Units
    that were not drawn (p 0 or 1) are left out, and so are losses that are no number, below 0, or beyond
    `LARGEST_LOSS`, or 1 where bounded.
    """
    kept = [unit for unit in units if 0 < unit.probability < 1 and _counts(unit.loss, loss)]
    if not kept:
        return replace(state, left_out=state.left_out + len(units))
    p = np.array([unit.probability for unit in kept])
    drawn = np.array([unit.is_candidate for unit in kept])
    losses = np.array([unit.loss for unit in kept])
    # Of this segment alone: what a sticky key did in an earlier one tells to which version it belongs.
    past = next((found for found in state.moments if found.segment == segment), Moments(segment))
    stable_losses = np.where(drawn, 0.0, losses)
    before_n = past.stable + np.concatenate([[0], np.cumsum(~drawn)[:-1]])
    before_sum = past.stable_sum + np.concatenate([[0.0], np.cumsum(stable_losses)[:-1]])
    center = (before_sum + 0.5) / (before_n + 1) if loss.bounded else before_sum / np.maximum(before_n, 1)
    excess = _excess(drawn, p, losses, center, loss, _margin(loss, degradation))
    difference = np.where(drawn, 1 / p, -1 / (1 - p)) * (losses - center)
    sums = _Sums(
        int(drawn.sum()), float(losses[drawn].sum()), int((~drawn).sum()), float(stable_losses.sum()), len(units)
    )
    bets = _with_bets(state.bets, excess, loss, degradation, segment=segment)
    return _added(replace(state, bets=bets), excess, difference, sums, segment)


def with_pairs(state: LossState, pairs: Sequence[tuple[float, float]], loss: RowLoss, degradation: float) -> LossState:
    """Return the state after pairs (candidate's loss, stable one's) of requests that both versions answered.

    ``Z = L_c − (1+m) L_s``, or ``(1−m) G_s − G_c`` for a gain: no draw is needed, as both saw the same request.
    """
    kept = [pair for pair in pairs if _counts(pair[0], loss) and _counts(pair[1], loss)]
    if not kept:
        return replace(state, left_out=state.left_out + len(pairs))
    candidate, stable = np.array(kept, dtype=np.float64).T
    margin = _margin(loss, degradation)
    excess = (1 - margin) * (1 - stable) - (1 - candidate) if loss.gain else candidate - (1 + margin) * stable
    sums = _Sums(len(kept), float(candidate.sum()), len(kept), float(stable.sum()), len(kept) + len(pairs))
    bets = _with_bets(state.bets, excess, loss, degradation, segment=0)
    return _added(replace(state, bets=bets), excess, candidate - stable, sums, 0)


def _counts(value: float, loss: RowLoss) -> bool:
    return 0 <= value <= (1 if loss.bounded else LARGEST_LOSS)


def _margin(loss: RowLoss, degradation: float) -> float:
    # More than all of a gain cannot be lost; a limit beyond that would turn the bets round.
    return min(loss.margin(degradation), 1.0) if loss.gain else loss.margin(degradation)


def _excess(
    drawn: NDArray[np.bool_], p: Floats, losses: Floats, center: Floats, loss: RowLoss, margin: float
) -> Floats:
    if loss.gain:
        gains, expected, margin = 1 - losses, 1 - center, -margin
    else:
        gains, expected = losses, center
    mine = (1 - p) * (gains - (1 + margin) * expected)
    other = (1 + margin) * p * (gains - expected)
    return np.asarray(np.where(drawn, mine, -other) * (-1 if loss.gain else 1), dtype=np.float64)


def _with_bets(
    bets: tuple[Bets, ...], excess: Floats, loss: RowLoss, degradation: float, *, segment: int
) -> tuple[Bets, ...]:
    if not loss.bounded:
        return bets
    most = 1.0 if loss.gain else 1 + loss.margin(degradation)
    won = BetProcess.start(-most, most).with_values(excess).log_wealth
    lost = BetProcess.start(-most, most).with_values(-excess).log_wealth
    found = {one.segment: one for one in bets}
    old = found.get(segment, Bets(segment))
    found[segment] = Bets(segment, old.harm.with_gains(won, len(excess)), _plus(old.safe, lost))
    return tuple(found[key] for key in sorted(found))


def _added(state: LossState, excess: Floats, difference: Floats, sums: _Sums, segment: int) -> LossState:
    moments = {found.segment: found for found in state.moments}
    old = moments.get(segment, Moments(segment))
    moments[segment] = Moments(
        segment,
        old.excess.with_values(excess),
        old.candidate + sums.candidate_n,
        old.stable + sums.stable_n,
        old.stable_sum + sums.stable_sum,
    )
    return replace(
        state,
        moments=tuple(moments[key] for key in sorted(moments)),
        difference=state.difference.with_values(difference),
        candidate_n=state.candidate_n + sums.candidate_n,
        candidate_sum=state.candidate_sum + sums.candidate_sum,
        stable_n=state.stable_n + sums.stable_n,
        stable_sum=state.stable_sum + sums.stable_sum,
        left_out=state.left_out + sums.offered - sums.candidate_n - sums.stable_n,
    )


def _plus(wealth: tuple[float, ...], more: Floats) -> tuple[float, ...]:
    return tuple((np.array(wealth) + more).tolist())


def judge_losses(
    limit: Limit, loss: RowLoss, state: LossState, *, sticky: bool, required: bool, may_be_ok: bool = True
) -> Evidence:
    """Return whether the candidate's metric is worse by more than the share ``limit.limit`` of the stable version's.

    What may not be OK (a model's own estimate of its quality) stays open however good it looks.
    """
    verdict, wealth = _verdict(limit, loss, state, sticky=sticky)
    if verdict is Verdict.OK and not may_be_ok:
        verdict = Verdict.INCONCLUSIVE
    value, lower, upper = _degradation(loss, state, limit.alpha)
    units = state.candidate_n + state.stable_n
    told = limit.noun + _LOSS_TOLD.get(loss.metric, "")
    seen = f"{_mean(loss, state.candidate_sum, state.candidate_n)} over {state.candidate_n} at the candidate, "
    seen += f"{_mean(loss, state.stable_sum, state.stable_n)} over {state.stable_n} at the stable version"
    ahead = outlook(wealth.log_safe, limit.alpha_ok, units, "of them") if wealth is not None and may_be_ok else ""
    worse = "worse" if value is None or value > limit.limit else "lately worse"
    why = {
        Verdict.BREACH: f"{told}: {seen}: {worse} by more than {limit.limit:.3g} of it",
        Verdict.OK: f"{told}: {seen}: not worse by more than {limit.limit:.3g} of it",
        Verdict.INCONCLUSIVE: f"{told}: {seen}: too few to tell a loss of {limit.limit:.3g} of it{ahead}",
    }[verdict]
    if state.left_out:
        why += f" ({state.left_out} left out: no number, or too large a one)"
    return Evidence(
        limit.name,
        verdict,
        value,
        limit.limit,
        why,
        lower=lower,
        upper=upper,
        e_harm=None if wealth is None else e_value(wealth.log_harm),
        e_safe=None if wealth is None else e_value(wealth.log_safe),
        alpha=limit.alpha,
        candidate_n=state.candidate_n,
        stable_n=state.stable_n,
        required=required,
    )


def _verdict(limit: Limit, loss: RowLoss, state: LossState, *, sticky: bool) -> tuple[Verdict, Wealth | None]:
    if loss.bounded:
        wealth = _wealth(state.bets, sticky=sticky)
        return settled(wealth, limit.alpha, limit.alpha_ok), wealth
    for ordinal, found in enumerate(state.moments, start=1):
        share = segment_share(ordinal) if sticky else 1.0
        fewest = min(found.candidate, found.stable)
        if fewest >= _FEWEST and found.excess.bounds(limit.alpha * share)[0] > 0:
            return Verdict.BREACH, None
        latest = found is state.moments[-1]
        if latest and fewest >= _FEWEST_OK and found.excess.bounds(limit.alpha_ok * share)[1] < 0:
            return Verdict.OK, None
    return Verdict.INCONCLUSIVE, None


def _wealth(bets: tuple[Bets, ...], *, sticky: bool) -> Wealth:
    if not bets:
        return Wealth()
    harms = [one.harm.log_e for one in bets]
    if not sticky:
        return Wealth(harms[0], float(log_mean_exp(np.array(bets[0].safe))))
    shares = [math.log(segment_share(ordinal)) for ordinal in range(1, len(bets) + 1)]
    safe = float(log_mean_exp(np.array(bets[-1].safe))) + shares[-1]
    return Wealth(max(harm + share for harm, share in zip(harms, shares, strict=True)), safe)


def _degradation(loss: RowLoss, state: LossState, alpha: float) -> tuple[float | None, float | None, float | None]:
    """Return by what share of the stable version's metric the candidate's is worse, and bounds of it, where known."""
    if not state.candidate_n or not state.stable_n:
        return None, None, None
    new, old = state.candidate_sum / state.candidate_n, state.stable_sum / state.stable_n
    scale = 1 - old if loss.gain else old
    if scale <= 0:
        return None, None, None
    low, high = (loss.degradation(bound / scale) for bound in state.difference.bounds(alpha / 2))
    known = math.isfinite(low) and math.isfinite(high)
    return loss.degradation((new - old) / scale), (low if known else None), (high if known else None)


def _mean(loss: RowLoss, total: float, count: int) -> str:
    if not count:
        return "unknown"
    mean = total / count
    value = 1 - mean if loss.gain else math.sqrt(mean) if loss.metric == "rmse" else mean
    return f"{value:.4g}"
