"""Judges a canary: is the candidate within its limits, beyond one, or is there too little to say?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from trimtab.core.enums import Verdict
from trimtab.measures.metrics import higher_is_better
from trimtab.rollout.settings import CanaryConfig, CanaryLimits, CanaryStep
from trimtab.rollout.state import Evidence, Observation, RolloutSpec, VariantObservation

__all__ = ["judge_canary", "worst"]


def worst(evidence: tuple[Evidence, ...]) -> Verdict:
    """Return BREACH if anything is breached, else INCONCLUSIVE if anything is open, else OK; of nothing, OK.

    >>> worst(())
    <Verdict.OK: 'ok'>
    """
    found = {piece.verdict for piece in evidence}
    for verdict in (Verdict.BREACH, Verdict.INCONCLUSIVE):
        if verdict in found:
            return verdict
    return Verdict.OK


def judge_canary(
    spec: RolloutSpec, config: CanaryConfig, step: CanaryStep, weight_pct: Decimal, observation: Observation
) -> tuple[Evidence, ...]:
    """Return one piece of evidence for each limit, on what was observed at ``weight_pct``.

    An observation made at another weight, or before production took up the generation, judges nothing: so the
    observation that led to a step cannot lead to the next one too.
    """
    candidate = observation.variants.get(spec.candidate.variant)
    if not observation.production_generation_served:
        return (_open("production", "production has not taken up the desired generation yet"),)
    if candidate is None:
        return (_open("production", f"nothing is known of {spec.candidate.variant} in production yet"),)
    if candidate.weight_pct != weight_pct:
        why = f"observed at {candidate.weight_pct} % of the traffic, not at {weight_pct} %"
        return (_open("production", why),)
    stable = observation.variants.get(spec.stable.variant) if spec.stable is not None else None
    return (
        _requests(candidate, step),
        *_errors(candidate, step, config.limits),
        *_latency(candidate, step, config.limits),
        *(_quality(metric, candidate, stable, config.limits) for metric in config.limits.max_degradation),
    )


def _requests(candidate: VariantObservation, step: CanaryStep) -> Evidence:
    enough = candidate.requests >= step.min_requests
    verdict = Verdict.OK if enough else Verdict.INCONCLUSIVE
    why = f"{candidate.requests} of {step.min_requests} requests answered"
    return Evidence("requests", verdict, float(candidate.requests), float(step.min_requests), why)


def _errors(candidate: VariantObservation, step: CanaryStep, limits: CanaryLimits) -> Iterator[Evidence]:
    limit = limits.max_error_rate
    if limit is None:
        return
    # Over min_requests, so that the first request's error alone is no 100 %; yet a limit that is beyond
    # reach whatever the outstanding requests bring is a breach now.
    certain = candidate.errors / max(candidate.requests, step.min_requests)
    rate = candidate.errors / candidate.requests if candidate.requests else None
    verdict = _within(certain <= limit, enough=candidate.requests >= step.min_requests)
    why = f"{candidate.errors} errors in {candidate.requests} requests; limit {limit:.4g}"
    yield Evidence("error_rate", verdict, rate, limit, why)


def _latency(candidate: VariantObservation, step: CanaryStep, limits: CanaryLimits) -> Iterator[Evidence]:
    limit, value = limits.max_latency_p95_ms, candidate.p95_ms
    if limit is None:
        return
    if value is None or not math.isfinite(value) or candidate.requests < step.min_requests:
        why = f"{candidate.requests} of {step.min_requests} requests are too few for a 95th percentile"
        yield Evidence("latency_p95_ms", Verdict.INCONCLUSIVE, None, limit, why)
        return
    verdict = _within(value <= limit, enough=True)
    yield Evidence("latency_p95_ms", verdict, value, limit, f"p95 {value:.4g} ms; limit {limit:.4g} ms")


def _quality(
    metric: str, candidate: VariantObservation, stable: VariantObservation | None, limits: CanaryLimits
) -> Evidence:
    name, limit = f"degradation:{metric}", limits.max_degradation[metric]
    labelled = min(candidate.labelled, stable.labelled if stable is not None else 0)
    if labelled < limits.min_labels:
        why = f"{labelled} of {limits.min_labels} labelled rows of both versions"
        return Evidence(name, Verdict.INCONCLUSIVE, None, limit, why)
    new = (candidate.quality or {}).get(metric, math.nan)
    old = ((stable.quality if stable is not None else None) or {}).get(metric, math.nan)
    if not (math.isfinite(new) and math.isfinite(old)):
        return Evidence(name, Verdict.INCONCLUSIVE, None, limit, f"{metric} is undefined for one of the versions")
    share = _degradation(metric, new, old)
    why = f"{metric} {new:.4g}, stable {old:.4g}: {share:+.1%} worse; limit {limit:.1%}"
    return Evidence(name, _within(share <= limit, enough=True), share if math.isfinite(share) else None, limit, why)


def _degradation(metric: str, new: float, old: float) -> float:
    lost = old - new if higher_is_better(metric) else new - old
    if old == 0:
        return math.copysign(math.inf, lost) if lost else 0.0
    return lost / abs(old)


def _within(fits: bool, *, enough: bool) -> Verdict:
    if not fits:
        return Verdict.BREACH
    return Verdict.OK if enough else Verdict.INCONCLUSIVE


def _open(name: str, why: str) -> Evidence:
    return Evidence(name, Verdict.INCONCLUSIVE, None, None, why)
