"""What of a rollout is judged: the limits of its strategy, as the analysis wants them."""

from __future__ import annotations

from trimtab.core.enums import Task, Verdict
from trimtab.measures.row_losses import row_loss, row_loss_metrics
from trimtab.rollout.analysis_plan import AnalysisPlan, PlannedLimits, plan_of
from trimtab.rollout.limits import AbsoluteLimits, Family, Limits, QualityLimits
from trimtab.rollout.state import Evidence
from trimtab.rollout.strategies import RecreateConfig, ShadowConfig, Strategy

__all__ = ["incomparable", "plan_for"]


def plan_for(strategy: Strategy, task: Task, *, sticky: bool, baking: bool = False) -> AnalysisPlan | None:
    """Return what is judged of a candidate that goes out by ``strategy``; None where nothing is.

    A shadow that is ``baking`` is none any more: it answers callers, and its absolute limits are judged.
    It depends on nothing but what a rollout keeps since its start, so that no edit of YAML moves an error rate.
    Metrics that cannot be compared row by row are left out: see `incomparable`.

    >>> plan_for(ShadowConfig(type="shadow"), Task.BINARY, sticky=False).paired
    True
    """
    if isinstance(strategy, RecreateConfig):
        return None
    limits, shadow = strategy.limits, strategy if isinstance(strategy, ShadowConfig) and not baking else None
    planned = PlannedLimits(
        max_error_ratio=limits.max_error_ratio if isinstance(limits, Limits) else None,
        max_refusal_ratio=limits.max_error_ratio if isinstance(limits, Limits) else None,
        max_error_rate=limits.max_error_rate,
        max_refusal_rate=limits.max_refusal_rate,
        max_latency_increase=limits.max_latency_increase if isinstance(limits, Limits) else None,
        max_run_time_increase=limits.max_latency_increase if isinstance(limits, Limits) else None,
        max_latency_p95_ms=limits.max_latency_p95_ms,
        max_degradation=_comparable(limits, task),
        max_estimated_degradation=_estimated(limits, task),
        max_prediction_shift=limits.max_prediction_shift if isinstance(limits, Limits) else None,
        min_agreement=None if shadow is None else shadow.min_agreement,
        min_agreement_rows=1 if shadow is None else shadow.min_rows,
        quality_required=_waits_for_labels(limits),
        alpha=limits.alpha,
        alpha_ok=limits.alpha_ok,
    )
    return plan_of(planned, task, sticky=sticky, paired=shadow is not None)


def incomparable(strategy: Strategy, task: Task) -> tuple[Evidence, ...]:
    """Return evidence that holds a rollout for each limited metric that is no mean over rows, such as F1."""
    limits = None if isinstance(strategy, RecreateConfig) else strategy.limits
    if not isinstance(limits, QualityLimits):
        return ()
    expected = ", ".join(row_loss_metrics(task))
    return tuple(
        Evidence(
            f"degradation:{metric}",
            Verdict.INCONCLUSIVE,
            None,
            limit,
            f"{metric} is no mean over rows, so versions cannot be compared by it while rows come in; expected one of "
            f"{expected}; a person decides",
        )
        for metric, limit in limits.max_degradation.items()
        if row_loss(metric, task) is None
    )


def _comparable(limits: AbsoluteLimits, task: Task) -> dict[str, float]:
    if not isinstance(limits, QualityLimits):
        return {}
    return {name: share for name, share in limits.max_degradation.items() if row_loss(name, task) is not None}


def _estimated(limits: AbsoluteLimits, task: Task) -> dict[str, float]:
    """Return the limit on the models' own estimate of their accuracy, where their answers' outcomes come too late.

    Where outcomes come in time they judge: a version that is surer of itself is not better for that.
    """
    accuracy = _comparable(limits, task).get("accuracy")
    return {} if accuracy is None or _waits_for_labels(limits) else {"accuracy": accuracy}


def _waits_for_labels(limits: AbsoluteLimits) -> bool:
    return isinstance(limits, QualityLimits) and limits.required.get(Family.QUALITY, True)
