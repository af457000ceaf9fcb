"""How slow the candidate is beside the stable version: who exceeds what the stable version lately took."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trimtab.core.enums import Verdict
from trimtab.measures.duration_buckets import FAILED, bucket_of, lower_edge_ns
from trimtab.measures.quantile_band import quantile_band, quantile_bucket
from trimtab.rollout.block import Block, Counted
from trimtab.rollout.state import Evidence
from trimtab.rollout.variant_labels import Labels, label_wealth, with_labels
from trimtab.rollout.wealth import Limit, e_value, outlook, settled

__all__ = [
    "QUANTILES",
    "RUN_QUANTILES",
    "Exceedances",
    "LatencyState",
    "judge_latency",
    "merged",
    "slower_than",
    "with_latency",
]

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""What is judged of a request's latency; the last one may be a breach, and is not waited for."""
RUN_QUANTILES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95}
"""What is judged of the model's run time."""
_REFERENCE = 200
_MS = 1e6


@dataclass(frozen=True, slots=True)
class Exceedances:
    """Who exceeded a quantile: for certain by more than the margin (``harm``), and perhaps by it (``safe``)."""

    harm: Labels = field(default_factory=Labels)
    safe: Labels = field(default_factory=Labels)


@dataclass(frozen=True, slots=True)
class LatencyState:
    """What is kept of durations.

    ``reference``: the stable version's, whose quantiles are the thresholds; ``filling``: those that will replace it
    once they are 200. ``candidate`` and ``stable``: this generation's, for showing.
    """

    reference: Counted = ()
    filling: Counted = ()
    candidate: Counted = ()
    stable: Counted = ()
    exceedances: Mapping[str, Exceedances] = field(default_factory=dict)

    def in_new_generation(self, *, sticky: bool) -> LatencyState:
        """Return the state as a new generation begins."""
        kept = replace(self, candidate=(), stable=())
        # What a sticky key did before tells to which version it belongs: thresholds must not carry that over.
        return replace(kept, reference=(), filling=()) if sticky else kept


def with_latency(
    state: LatencyState,
    block: Block,
    candidate: Counted,
    stable: Counted,
    *,
    quantiles: Mapping[str, float],
    margin: float,
    judged: bool,
) -> LatencyState:
    """Return the state after a block's durations; when they are not ``judged`` they only move the thresholds.

    A threshold comes from blocks *before* this one, so what it is compared with cannot have shaped it. It is a
    stable request above θ, or a candidate one above (1 + margin)·θ, that is an event: if the candidate is at most so
    much slower, its events are at most as likely. Where (1 + margin)·θ lies within a bucket, the bucket counts as no
    event for harm, and as one for safety.
    """
    exceedances = dict(state.exceedances)
    for name, share in quantiles.items() if judged else ():
        bucket = quantile_bucket(state.reference, share)
        if bucket is None or bucket >= FAILED:
            continue
        threshold = lower_edge_ns(bucket + 1)
        certain, perhaps = slower_than(candidate, (1 + margin) * threshold)
        beside = _from(stable, bucket + 1)
        old = exceedances.get(name, Exceedances())
        exceedances[name] = Exceedances(
            with_labels(old.harm, block, certain, beside, ratio=1.0),
            with_labels(old.safe, block, perhaps, beside, ratio=None),
        )
    filling = merged(state.filling, stable)
    full = sum(count for _, count in filling) >= _REFERENCE
    return replace(
        state,
        reference=filling if full else state.reference,
        filling=() if full else filling,
        candidate=merged(state.candidate, candidate),
        stable=merged(state.stable, stable),
        exceedances=exceedances,
    )


def merged(first: Counted, second: Counted) -> Counted:
    """Return both counts as one, by bucket.

    >>> merged(((1, 2), (3, 4)), ((3, 1),))
    ((1, 2), (3, 5))
    """
    total = Counter(dict(first))
    for bucket, count in second:
        total[bucket] += count
    return tuple(sorted(total.items()))


def slower_than(counts: Counted, threshold_ns: float) -> tuple[int, int]:
    """Return how many took at least ``threshold_ns`` for certain, and how many may have.

    >>> slower_than(((334, 5), (335, 3), (336, 2)), 1_020_000)
    (2, 5)
    """
    edge = bucket_of(math.floor(threshold_ns))
    return _from(counts, edge if lower_edge_ns(edge) >= threshold_ns else edge + 1), _from(counts, edge)


def _from(counts: Counted, bucket: int) -> int:
    return sum(count for found, count in counts if found >= bucket)


def judge_latency(
    limit: Limit, quantile: float, state: LatencyState, exceedances: Exceedances, *, sticky: bool, required: bool
) -> Evidence:
    """Return whether the candidate's quantile is more than ``limit.limit`` (1 + margin) times the stable version's.

    Value and bounds are those of this generation alone: for showing, as the band needs independent requests.
    """
    wealth = replace(
        label_wealth(exceedances.harm, 1.0, sticky=sticky),
        log_safe=label_wealth(exceedances.safe, 1.0, sticky=sticky).log_safe,
    )
    verdict = settled(wealth, limit.alpha, limit.alpha_ok)
    candidate_n, stable_n = (sum(count for _, count in side) for side in (state.candidate, state.stable))
    value, lower, upper = _ratio_of_quantiles(state, quantile, limit.alpha)
    seen = (
        f"{limit.noun} is {_text(state.candidate, quantile)} at the candidate, {_text(state.stable, quantile)} beside"
    )
    why = {
        Verdict.BREACH: f"{seen}: more than {limit.limit:.3g} times as slow, over the whole rollout or lately",
        Verdict.OK: f"{seen}: within {limit.limit:.3g} times over the whole rollout",
        Verdict.INCONCLUSIVE: f"{seen}: too early to tell whether that is more than {limit.limit:.3g} times as slow"
        + outlook(wealth.log_safe, limit.alpha_ok, candidate_n + stable_n, "requests"),
    }[verdict]
    return Evidence(
        limit.name,
        verdict,
        value,
        limit.limit,
        why,
        lower=lower,
        upper=upper,
        e_harm=e_value(wealth.log_harm),
        e_safe=e_value(wealth.log_safe),
        alpha=limit.alpha,
        candidate_n=candidate_n,
        stable_n=stable_n,
        required=required,
    )


def _ratio_of_quantiles(
    state: LatencyState, quantile: float, alpha: float
) -> tuple[float | None, float | None, float | None]:
    value, beside = _middle_ns(state.candidate, quantile), _middle_ns(state.stable, quantile)
    if value is None or not beside:
        return None, None, None
    low, high = _band_ns(state.candidate, quantile, alpha / 2)
    stable_low, stable_high = _band_ns(state.stable, quantile, alpha / 2)
    lower = low / stable_high if stable_high < math.inf else 0.0
    return value / beside, lower, (high / stable_low if stable_low > 0 and high < math.inf else None)


def _band_ns(counts: Counted, quantile: float, alpha: float) -> tuple[float, float]:
    low, high = quantile_band(counts, quantile, alpha)
    # Beyond every duration there are only requests without an answer: no time bounds them.
    return low, high if high <= lower_edge_ns(FAILED) else math.inf


def _middle_ns(counts: Counted, quantile: float) -> float | None:
    bucket = quantile_bucket(counts, quantile)
    if bucket is None or bucket >= FAILED:
        return None
    return (lower_edge_ns(bucket) + lower_edge_ns(bucket + 1)) / 2


def _text(counts: Counted, quantile: float) -> str:
    if not counts:
        return "unknown"
    middle = _middle_ns(counts, quantile)
    return "no answer at all" if middle is None else f"{middle / _MS:.3g} ms"
