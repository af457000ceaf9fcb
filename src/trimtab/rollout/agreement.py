"""How often a shadow answers as the live version does, and whether that is often enough to take its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.core.enums import Verdict
from trimtab.measures.betting import BETS, BetProcess
from trimtab.measures.label_process import log_mean_exp
from trimtab.rollout.state import Evidence
from trimtab.rollout.wealth import Limit, Wealth, e_value, outlook, settled

__all__ = ["AgreementState", "judge_agreement", "with_agreement"]

_NONE_YET = (0.0,) * BETS


@dataclass(frozen=True, slots=True)
class AgreementState:
    """Requests that a shadow answered too, the sum of their shares of agreeing rows, and the bets on them."""

    requests: int = 0
    total: float = 0.0
    harm: tuple[float, ...] = _NONE_YET
    safe: tuple[float, ...] = _NONE_YET


def with_agreement(state: AgreementState, shares: Sequence[float], floor: float | None) -> AgreementState:
    """Return the state after the share of agreeing rows, 0..1, of some requests; NaN is left out.

    Without a floor, or with one that cannot be missed or exceeded (0 or 1), nothing is bet.
    """
    seen = np.array([share for share in shares if 0 <= share <= 1], dtype=np.float64)
    if not len(seen):
        return state
    harm, safe = np.array(state.harm), np.array(state.safe)
    if floor is not None and 0 < floor < 1:
        harm = harm + BetProcess.start(floor - 1, floor).with_values(floor - seen).log_wealth
        safe = safe + BetProcess.start(-floor, 1 - floor).with_values(seen - floor).log_wealth
    return AgreementState(
        state.requests + len(seen), state.total + float(seen.sum()), tuple(harm.tolist()), tuple(safe.tolist())
    )


def judge_agreement(limit: Limit, state: AgreementState, min_requests: int) -> Evidence:
    """Return whether the mean share of agreeing rows is at least ``limit.limit``, from ``min_requests`` on."""
    wealth = Wealth(*(float(log_mean_exp(np.array(side))) for side in (state.harm, state.safe)))
    verdict = settled(wealth, limit.alpha, limit.alpha_ok)
    mean = state.total / state.requests if state.requests else math.nan
    seen = f"{mean:.2%} of the answers to {state.requests} requests agree" if state.requests else "no answers yet"
    if verdict is Verdict.OK and state.requests < min_requests:
        verdict, why = Verdict.INCONCLUSIVE, f"{seen}: {min_requests} requests are asked for"
    elif verdict is Verdict.INCONCLUSIVE:
        why = f"{seen}: too few to tell whether {limit.limit:.2%} do" + outlook(
            wealth.log_safe, limit.alpha_ok, state.requests, "requests"
        )
    else:
        why = f"{seen}, {'less' if verdict is Verdict.BREACH else 'more'} than the {limit.limit:.2%} asked for"
    return Evidence(
        limit.name,
        verdict,
        mean if state.requests else None,
        limit.limit,
        why,
        e_harm=e_value(wealth.log_harm),
        e_safe=e_value(wealth.log_safe),
        alpha=limit.alpha,
        candidate_n=state.requests,
        stable_n=state.requests,
    )
