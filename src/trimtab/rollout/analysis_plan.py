"""What a rollout's candidate must keep to, and how one error rate is shared out over it: fixed when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task
from trimtab.core.errors import ConfigError
from trimtab.measures.row_losses import RowLoss, row_loss, row_loss_metrics
from trimtab.rollout.latency import QUANTILES, RUN_QUANTILES
from trimtab.rollout.predictions import SHIFT
from trimtab.rollout.wealth import split_alpha

__all__ = ["AnalysisPlan", "PlannedLimits", "loss_of", "plan_of"]


@dataclass(frozen=True, slots=True)
class PlannedLimits:
    """What the candidate must keep to; None or nothing: not judged.

    ``max_error_ratio``, ``max_refusal_ratio``: times as often as at the stable version. ``max_latency_increase``,
    ``max_run_time_increase``: share by which quantiles may be above its. ``max_error_rate`` and
    ``max_refusal_rate`` (0..1), ``max_latency_p95_ms``: of the candidate alone. ``max_degradation``: metric → share
    that it may be worse;
    ``max_estimated_degradation``: the same, of the model's own estimate. ``min_agreement`` over ``min_agreement_rows``
    requests: of a shadow with what was answered. ``max_prediction_shift``: between shares of answers, 0..1.
    ``quality_required``: whether OK waits for the true outcomes.
    """

    max_error_ratio: float | None = 1.5
    max_refusal_ratio: float | None = 1.5
    max_error_rate: float | None = 0.01
    max_refusal_rate: float | None = None
    max_latency_increase: float | None = 0.2
    max_run_time_increase: float | None = 0.2
    max_latency_p95_ms: float | None = None
    max_degradation: Mapping[str, float] = field(default_factory=dict)
    max_estimated_degradation: Mapping[str, float] = field(default_factory=dict)
    min_agreement: float | None = None
    min_agreement_rows: int = 1000
    max_prediction_shift: float | None = None
    quality_required: bool = True
    alpha: float = 0.01
    alpha_ok: float = 0.05


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """What is judged, and with which part of the error rate each: fixed when a rollout starts.

    ``sticky``: a key counts once in a segment. ``paired``: the candidate is a shadow, which takes no traffic.
    """

    limits: PlannedLimits
    task: Task
    sticky: bool
    paired: bool
    alphas: Mapping[str, float]

    def to_json(self) -> JsonObject:
        """Return the plan as JSON values."""
        return dict(_PLAN.dump_python(self, mode="json"))

    @staticmethod
    def from_json(data: Any) -> AnalysisPlan:
        """Return the plan that `to_json` wrote."""
        return _PLAN.validate_python(data)


def plan_of(limits: PlannedLimits, task: Task, *, sticky: bool = False, paired: bool = False) -> AnalysisPlan:
    """Return what is judged, and how the error rate of a false rollback is shared out.

    Raises:
        ConfigError: a metric is no mean over rows, so that it cannot be compared while rows come in; or an error rate
            is not between 0 and 0.5.

    >>> plan = plan_of(PlannedLimits(max_degradation={"accuracy": 0.02}), Task.BINARY)
    >>> round(sum(plan.alphas.values()), 6), len(plan.alphas)
    (0.01, 9)
    """
    for name, rate in (("alpha", limits.alpha), ("alpha_ok", limits.alpha_ok)):
        if not 0 < rate <= 0.5:
            raise ConfigError(
                f"rollout analysis: {name} {rate} is not between 0 and 0.5; write a small rate, e.g. 0.01"
            )
    for metric in (*limits.max_degradation, *limits.max_estimated_degradation):
        loss_of(metric, task)
    families: dict[str, list[str]] = {
        "quality": [f"degradation:{metric}" for metric in limits.max_degradation],
        "agreement": ["agreement"] if paired and limits.min_agreement is not None else [],
    }
    if not paired:
        families |= {
            "errors": ["errors"] if limits.max_error_ratio is not None else [],
            "refusals": ["refusals"] if limits.max_refusal_ratio is not None else [],
            "absolute": _absolute(limits),
            "latency": [f"latency_{name}" for name in QUANTILES] if limits.max_latency_increase is not None else [],
            "run": [f"run_{name}" for name in RUN_QUANTILES] if limits.max_run_time_increase is not None else [],
            "estimated": [f"estimated:{metric}" for metric in limits.max_estimated_degradation],
            "predictions": [SHIFT] if limits.max_prediction_shift is not None else [],
        }
    return AnalysisPlan(limits, task, sticky, paired, split_alpha(limits.alpha, families))


def _absolute(limits: PlannedLimits) -> list[str]:
    names = []
    if limits.max_error_rate is not None and limits.max_error_rate < 1:
        names.append("error_rate")
    if limits.max_refusal_rate is not None and limits.max_refusal_rate < 1:
        names.append("refusal_rate")
    if limits.max_latency_p95_ms is not None:
        names.append("latency_p95_ms")
    return names


def loss_of(metric: str, task: Task) -> RowLoss:
    """Return the row loss of a metric.

    Raises:
        ConfigError: it is no mean over rows, so that versions cannot be compared by it while rows come in.
    """
    found = row_loss(metric, task)
    if found is None:
        raise ConfigError(
            f"max_degradation: metric {metric!r} is no mean over rows, so versions cannot be compared by it while rows "
            f"come in; expected one of {', '.join(row_loss_metrics(task))}"
        )
    return found


_PLAN: TypeAdapter[AnalysisPlan] = TypeAdapter(AnalysisPlan)
