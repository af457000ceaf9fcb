"""Estimated quality: how good predictions are to be expected, before any label has come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import ConfigDict, Field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task, Verdict
from trimtab.core.wording import counted
from trimtab.measures.confidence_based import BINARY_ESTIMATES, Estimate, estimated_accuracy, estimated_metric
from trimtab.measures.direct_loss import NUMBER_ESTIMATES, estimated_loss
from trimtab.measures.metrics import evaluate
from trimtab.monitoring.answered import AnsweredRows, PastRows
from trimtab.monitoring.base import Finding, Judged, check_of
from trimtab.monitoring.check import Window
from trimtab.monitoring.quality.limit import Limit, LimitedSettings, limit_of
from trimtab.monitoring.quality.past import PastQuestion
from trimtab.monitoring.quality.reconciled import (
    KeptEstimate,
    TrackRecord,
    enough_labels,
    kept_estimates,
    with_new,
    with_realised,
)
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

__all__ = ["EstimatedQualityMonitor", "EstimatedQualitySettings"]

_NORMAL_90 = 1.645
_SHARE_OF_LIMIT = 0.1


class EstimatedQualitySettings(LimitedSettings):
    """How good predictions are to be expected before labels come. An estimate is a breach or nothing, never an OK."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"limits": {"accuracy": 0.5}, "max_degradation": 0.2}]})

    type: Literal["estimated_quality"] = "estimated_quality"
    min_labels: int = Field(
        default=50, ge=1, description="With fewer labelled rows a past window is not compared with its estimate."
    )


@dataclass(frozen=True, slots=True)
class EstimatedQualityMonitor:
    """One check a metric that can be estimated, named in ``detail["metric"]``, on all rows of the window.

    It is blind to concept drift: classes are estimated from the model's own calibrated probabilities, numbers from what
    a second model, made in training, expects of the errors; where the meaning of the inputs changes, both go on as
    before. So an estimate is believed only as far as labels have borne it out: once a window's labels have come, as
    many as usual, it is held against them. A BREACH needs at least five such windows, a median distance of the last
    five of at most half of what quality may lose, and an estimate beyond the limit by more than 90 % of the last 20
    were off. All else is INCONCLUSIVE; OK is never said.
    """

    kind: ClassVar[str] = "estimated_quality"
    settings_type: ClassVar[type[MonitorSettings]] = EstimatedQualitySettings

    settings: EstimatedQualitySettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each metric that has a limit and can be estimated; one where there is none."""
        kept = kept_estimates(data.state)
        for past in () if data.past is None else data.past.windows:
            kept = self._reconciled(data, kept, past)
        limits, why_not = self._limits(data)
        estimates = {limit.metric: _estimate(data, limit.metric) for limit in limits}
        findings = [_finding(data, limit, estimates[limit.metric], kept) for limit in limits]
        checks = [check_of(self.settings, data, finding) for finding in findings]
        if why_not is not None:
            checks = [check_of(self.settings, data, Finding(Verdict.INCONCLUSIVE, why_not))]
        kept = with_new(kept, data.window, {metric: found.value for metric, found in estimates.items()})
        state: JsonObject = {"estimates": [one.to_json() for one in kept]}
        if data.past is not None:
            state["past"] = data.past.memory
        return Judged(tuple(checks), state)

    def past_windows(self, question: PastQuestion) -> tuple[Window, ...]:
        """Return the windows whose labels are due or have changed, the latest first."""
        times = np.sort(question.touched_us)
        found = []
        for one in kept_estimates(question.state):
            begin, end = np.searchsorted(times, [one.window.start_us, one.window.end_us])
            due = not one.asked and one.window.end_us + question.label_delay_us <= question.window.end_us
            if due or end > begin:
                found.append(one.window)
        return tuple(reversed(found))

    def _limits(self, data: WindowData) -> tuple[list[Limit], str | None]:
        """Return the limits of the metrics that can be estimated here; or else why there are none."""
        rows = data.answers
        if rows is None or rows.answered < self.settings.min_rows:
            seen = counted(0 if rows is None else rows.answered, "answered row")
            return [], f"{seen} in the window, {self.settings.min_rows} needed"
        if data.task is Task.REGRESSION and rows.losses is None:
            return [], rows.no_losses or "nothing was kept of the errors that the model is to be expected to make"
        if data.task is not Task.REGRESSION and not _known(rows).any():
            return [], "the model gives no probabilities to estimate from"
        names = dict.fromkeys([*data.metrics, *self.settings.limits])
        possible = [name for name in names if name in _possible(data.task)]
        limits = [limit for name in possible if (limit := limit_of(self.settings, data, name)) is not None]
        if not limits:
            return [], (
                f"none of the metrics {list(names)} can be estimated and has a limit or a value on the holdout; "
                f"estimated are {', '.join(sorted(_possible(data.task)))}"
            )
        return limits, None

    def _reconciled(self, data: WindowData, kept: tuple[KeptEstimate, ...], past: PastRows) -> tuple[KeptEstimate, ...]:
        rows, realised = past.labelled, dict[str, float]()
        others = [one for one in kept if one.window != past.window]
        if len(rows.truth) >= self.settings.min_labels and enough_labels(others, rows.coverage):
            names = next((list(one.estimated) for one in kept if one.window == past.window), [])
            realised = evaluate(
                data.task, names, rows.truth, rows.prediction, rows.probability, positive_class=data.positive_class
            )
        return with_realised(kept, past.window, realised, rows=len(rows.truth), coverage=rows.coverage)


def _possible(task: Task) -> frozenset[str]:
    if task is Task.REGRESSION:
        return NUMBER_ESTIMATES
    return BINARY_ESTIMATES if task is Task.BINARY else frozenset({"accuracy"})


def _known(rows: AnsweredRows) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.zeros(len(rows), dtype=np.bool_) if rows.probability is None else np.isfinite(rows.probability)


def _estimate(data: WindowData, metric: str) -> Estimate:
    rows = data.answers
    found = None
    if rows is not None and data.task is Task.REGRESSION and rows.losses is not None:
        found = estimated_loss(metric, rows.losses.absolute, rows.losses.squares, rows.losses.prediction)
    elif rows is not None and rows.probability is not None:
        known = _known(rows)
        chance = rows.probability[known]
        if data.task is Task.BINARY:
            found = estimated_metric(metric, chance, rows.prediction[known] == data.positive_class)
        else:
            found = estimated_accuracy(chance)
    return Estimate(math.nan, math.nan) if found is None else found


def _finding(data: WindowData, limit: Limit, estimate: Estimate, kept: Sequence[KeptEstimate]) -> Finding:
    record = TrackRecord.of(kept, limit.metric)
    doubt = record.doubt(_tolerated(limit))
    chance = _NORMAL_90 * estimate.error
    half = max(record.band, chance) if doubt is None else chance + (data.calibration_error or 0.0)
    detail: JsonObject = {
        "metric": limit.metric,
        "estimated": True,
        "answered": 0 if data.answers is None else data.answers.answered,
        "reconciled": len(record.residuals),
    }
    if math.isfinite(limit.baseline):
        detail["baseline"] = limit.baseline
    if record.residuals:
        detail |= {"off_by": record.recent, "last_residual": record.residuals[-1]}
    if not math.isfinite(estimate.value):
        text = f"{limit.metric} cannot be estimated on {counted(int(detail['answered']), 'answered row')}"
        return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
    detail |= {"low": estimate.value - half, "high": estimate.value + half}
    beyond = limit.sign * (estimate.value - limit.value) > half
    verdict = Verdict.BREACH if beyond and doubt is None else Verdict.INCONCLUSIVE
    relation = f"is {limit.side}" if beyond else f"is not surely {limit.side}"
    text = (
        f"{limit.metric}, estimated at {estimate.value:.4g} ± {half:.2g} from "
        f"{counted(int(detail['answered']), 'answered row')}, {relation} {limit.value:.4g}; "
        f"{doubt or f'labels of {len(record.residuals)} windows bear such estimates out'}"
    )
    return Finding(verdict, text, None, estimate.value, limit.value, limit.effect(estimate.value), detail)


def _tolerated(limit: Limit) -> float:
    """Return by how much quality may worsen: from the holdout to the limit, or else a tenth of the limit."""
    allowed = limit.sign * (limit.value - limit.baseline)
    return allowed if math.isfinite(allowed) and allowed > 0 else _SHARE_OF_LIMIT * abs(limit.value)
