"""Judges a rollout while it runs: which limits the candidate keeps, which it breaks, and what is still open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from trimtab.core.enums import Verdict
from trimtab.rollout.agreement import judge_agreement
from trimtab.rollout.analysis_plan import AnalysisPlan, loss_of
from trimtab.rollout.analysis_state import AnalysisState
from trimtab.rollout.latency import QUANTILES, RUN_QUANTILES, Exceedances, LatencyState, judge_latency
from trimtab.rollout.losses import LossState, judge_losses
from trimtab.rollout.predictions import SHIFT, judge_predictions
from trimtab.rollout.rates import SLOW_SHARE, Hits, judge_ratio, judge_share
from trimtab.rollout.state import Evidence
from trimtab.rollout.variant_labels import Labels
from trimtab.rollout.wealth import Limit

__all__ = ["judge", "verdict_of"]


def judge(plan: AnalysisPlan, state: AnalysisState) -> tuple[Evidence, ...]:
    """Return one piece of evidence for each limit.

    It may be asked after every block: the chance that a candidate which keeps to every limit is ever called a BREACH
    is at most α, and that one which breaks a limit is called OK of it, at most α_ok. When the candidate takes all
    traffic, no version is beside it: its absolute limits are judged, and beside them only a breach is told, which
    outcomes and slow answers of the steps before may still bring.
    """
    comparing = state.generation is None or 0 < state.probability < 1
    absolute = tuple(_judge_absolute(plan, state, comparing=comparing))
    safe = any(piece.name == "error_rate" and piece.verdict is Verdict.OK for piece in absolute)
    ratios = tuple(_judge_ratios(plan, state, few_errors=safe))
    others = (
        *_judge_durations(plan, state),
        *(_as_far_as_known(state, piece) for piece in _judge_losses(plan, state)),
        *(_as_far_as_known(state, piece) for piece in _judge_agreement(plan, state)),
        *(_as_far_as_known(state, piece) for piece in _judge_predictions(plan, state)),
    )
    if comparing or plan.paired:
        return tuple(_as_its_verdict_says(piece) for piece in (*ratios, *absolute, *others))
    return (
        *map(_as_its_verdict_says, absolute),
        *(piece for piece in (*ratios, *others) if piece.verdict is Verdict.BREACH),
    )


def _as_its_verdict_says(piece: Evidence) -> Evidence:
    """Return the evidence with no upper bound beyond the limit that it is known to keep.

    Bounds for showing are at α and independent of the bets that decide, which say at α_ok that the limit is one, too.
    """
    if piece.verdict is not Verdict.OK or piece.limit is None or piece.value is None or piece.value > piece.limit:
        return piece
    return replace(piece, upper=piece.limit if piece.upper is None else min(piece.upper, piece.limit))


def verdict_of(evidence: Sequence[Evidence]) -> Verdict:
    """Return BREACH if anything is breached, else INCONCLUSIVE if anything required is open, else OK; of nothing, OK.

    >>> verdict_of(())
    <Verdict.OK: 'ok'>
    """
    if any(piece.verdict is Verdict.BREACH for piece in evidence):
        return Verdict.BREACH
    opened = any(piece.verdict is Verdict.INCONCLUSIVE and piece.required for piece in evidence)
    return Verdict.INCONCLUSIVE if opened else Verdict.OK


def _as_far_as_known(state: AnalysisState, piece: Evidence) -> Evidence:
    """Return the evidence, open where some block could not be added to it; a breach that was found before stands."""
    fault = state.faults.get(piece.name)
    if fault is None or piece.verdict is Verdict.BREACH:
        return piece
    return replace(piece, verdict=Verdict.INCONCLUSIVE, why=f"{piece.name}: cannot be judged any more: {fault}")


def _limit(plan: AnalysisPlan, name: str, value: float, noun: str) -> Limit:
    return Limit(name, value, plan.alphas[name], plan.limits.alpha_ok, noun)


def _judge_ratios(plan: AnalysisPlan, state: AnalysisState, *, few_errors: bool) -> Iterator[Evidence]:
    for name, ratio, noun in (
        ("errors", plan.limits.max_error_ratio, "failed"),
        ("refusals", plan.limits.max_refusal_ratio, "were refused"),
    ):
        if ratio is None or name not in plan.alphas:
            continue
        found = judge_ratio(
            _limit(plan, name, ratio, noun),
            state.labels.get(name, Labels()),
            state.drawn_in_all,
            sticky=plan.sticky,
            required=name == "errors",
        )
        # Without errors on either side there are no labels to judge by: a faultless candidate would wait for ever.
        if name == "errors" and few_errors and found.verdict is Verdict.INCONCLUSIVE:
            why = f"{found.why.partition(':')[0]}: few enough, as the limit on the error rate is kept"
            found = replace(found, verdict=Verdict.OK, why=why)
        yield found


def _judge_absolute(plan: AnalysisPlan, state: AnalysisState, *, comparing: bool) -> Iterator[Evidence]:
    limits, hits = plan.limits, state.hits
    for name, most, noun in (
        ("error_rate", limits.max_error_rate, "failed"),
        ("refusal_rate", limits.max_refusal_rate, "were refused"),
    ):
        if most is not None and name in plan.alphas:
            rows, beside = hits.get(name, Hits()), hits.get(f"{name}:stable", Hits())
            yield judge_share(_limit(plan, name, most, noun), rows, rows, beside, comparing=comparing)
    if limits.max_latency_p95_ms is not None and "latency_p95_ms" in plan.alphas:
        limit = _limit(plan, "latency_p95_ms", SLOW_SHARE, f"took more than {limits.max_latency_p95_ms:g} ms")
        yield judge_share(
            limit,
            hits.get("latency_p95_ms", Hits()),
            hits.get("latency_p95_ms:perhaps", Hits()),
            hits.get("latency_p95_ms:stable", Hits()),
            comparing=comparing,
        )


def _judge_durations(plan: AnalysisPlan, state: AnalysisState) -> Iterator[Evidence]:
    for family, margin, quantiles, noun in (
        ("latency", plan.limits.max_latency_increase, QUANTILES, "latency"),
        ("run", plan.limits.max_run_time_increase, RUN_QUANTILES, "the model's run time"),
    ):
        kept = state.durations.get(family, LatencyState())
        for name, share in quantiles.items():
            if margin is None or f"{family}_{name}" not in plan.alphas:
                continue
            limit = _limit(plan, f"{family}_{name}", 1 + margin, f"{noun} {name}")
            found = kept.exceedances.get(name, Exceedances())
            required = family == "latency" and name in RUN_QUANTILES
            yield judge_latency(limit, share, kept, found, sticky=plan.sticky, required=required)


def _judge_losses(plan: AnalysisPlan, state: AnalysisState) -> Iterator[Evidence]:
    for family, limits in (
        ("degradation", plan.limits.max_degradation),
        ("estimated", plan.limits.max_estimated_degradation),
    ):
        for metric, degradation in limits.items():
            name = f"{family}:{metric}"
            if name not in plan.alphas:
                continue
            limit = _limit(plan, name, degradation, metric if family == "degradation" else f"estimated {metric}")
            yield judge_losses(
                limit,
                loss_of(metric, plan.task),
                state.losses.get(name, LossState()),
                sticky=plan.sticky,
                required=family == "degradation" and plan.limits.quality_required,
                may_be_ok=family == "degradation",
            )


def _judge_agreement(plan: AnalysisPlan, state: AnalysisState) -> Iterator[Evidence]:
    if plan.limits.min_agreement is not None and "agreement" in plan.alphas:
        limit = _limit(plan, "agreement", plan.limits.min_agreement, "agree")
        yield judge_agreement(limit, state.agreement, plan.limits.min_agreement_rows)


def _judge_predictions(plan: AnalysisPlan, state: AnalysisState) -> Iterator[Evidence]:
    if plan.limits.max_prediction_shift is not None and SHIFT in plan.alphas:
        limit = _limit(plan, SHIFT, plan.limits.max_prediction_shift, "predictions")
        yield judge_predictions(limit, state.predictions, plan.task, sticky=plan.sticky)
