"""Model quality: whether predictions are as good as promised, once the truth is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.measures.metrics import evaluate, higher_is_better
from trimtab.monitoring.base import Finding, check_of
from trimtab.monitoring.check import Check
from trimtab.monitoring.settings import ModelQualitySettings
from trimtab.monitoring.window import LabelledRows, WindowData

__all__ = ["ModelQualityMonitor"]

_RESAMPLES = 200
_BLOCKS = 20
_QUANTILE = 0.95


@dataclass(frozen=True, slots=True)
class ModelQualityMonitor:
    """One check a metric, named in ``detail["metric"]``, on the labelled rows of the window.

    A metric with a limit of its own is in breach beyond the limit: that is a rule about what was observed. Any
    other metric is held against the version's holdout: it is in breach when it is worse by more than
    ``max_degradation``, relative to the holdout, in at least 95 % of 200 block-bootstrap resamples, and INCONCLUSIVE
    when it is worse but chance may have done it. What share of the window's answers has labels is stated in each
    explanation and in ``detail["coverage"]``.
    """

    settings: ModelQualitySettings

    def check(self, data: WindowData) -> tuple[Check, ...]:
        """Return a check for each metric that has a limit or a holdout value; one where nothing can be judged."""
        return tuple(check_of(self.settings, data, finding) for finding in self._findings(data))

    def _findings(self, data: WindowData) -> list[Finding]:
        rows = data.labelled
        if rows is None or not len(rows.truth):
            return [Finding(Verdict.INCONCLUSIVE, "no labelled rows in the window; quality is unknown")]
        if len(rows.truth) < self.settings.min_labels:
            text = f"{counted(len(rows.truth), 'labelled row')} in the window, {self.settings.min_labels} needed"
            return [Finding(Verdict.INCONCLUSIVE, text, detail=_coverage(rows))]
        names = list(dict.fromkeys([*data.metrics, *self.settings.limits]))
        values = _metrics(data, rows, names)
        judged = [self._metric(data, rows, name, values[name]) for name in names if self._has_limit(data, name)]
        if not judged:
            text = f"none of the metrics {names} has a limit or a value on the holdout; state limits"
            return [Finding(Verdict.INCONCLUSIVE, text, detail=_coverage(rows))]
        return judged

    def _has_limit(self, data: WindowData, name: str) -> bool:
        if name in self.settings.limits:
            return True
        return self.settings.max_degradation is not None and math.isfinite(data.baseline_metrics.get(name, math.nan))

    def _metric(self, data: WindowData, rows: LabelledRows, name: str, value: float) -> Finding:
        sign = -1.0 if higher_is_better(name) else 1.0
        baseline = data.baseline_metrics.get(name, math.nan)
        absolute = name in self.settings.limits
        limit = self.settings.limits.get(name, math.nan)
        if not absolute:
            limit = baseline + sign * (self.settings.max_degradation or 0.0) * abs(baseline)
        effect = sign * (value - baseline) / abs(baseline) if baseline else math.nan
        detail = {"metric": name, **_coverage(rows)}
        if math.isfinite(baseline):
            detail["baseline"] = baseline
        if not math.isfinite(value):
            text = f"{name} is undefined on {counted(len(rows.truth), 'labelled row')} of the window"
            return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
        worse = sign * (value - limit) > 0
        sure = worse and (absolute or _share_beyond(data, rows, name, sign, limit) >= _QUANTILE)
        verdict = Verdict.BREACH if sure else Verdict.INCONCLUSIVE if worse else Verdict.OK
        return Finding(
            verdict, _explained(name, value, limit, baseline, verdict, rows), None, value, limit, effect, detail
        )


def _metrics(data: WindowData, rows: LabelledRows, names: list[str]) -> dict[str, float]:
    return evaluate(data.task, names, rows.truth, rows.prediction, rows.probability, positive_class=data.positive_class)


def _share_beyond(data: WindowData, rows: LabelledRows, name: str, sign: float, limit: float) -> float:
    """Return the share of block-bootstrap resamples in which the metric is worse than the limit."""
    count = len(rows.truth)
    edges = np.linspace(0, count, min(_BLOCKS, count) + 1).round().astype(np.int64)
    blocks = [np.arange(begin, end) for begin, end in itertools.pairwise(edges)]
    # A fixed seed: a monitor is pure, the same window gets the same verdict.
    rng = np.random.default_rng(0)
    beyond = 0
    for _ in range(_RESAMPLES):
        drawn: NDArray[np.int64] = np.concatenate(
            [blocks[place] for place in rng.integers(0, len(blocks), len(blocks))]
        )
        chances = None if rows.probability is None else rows.probability[drawn]
        sample = LabelledRows(rows.truth[drawn], rows.prediction[drawn], chances, rows.event_us[drawn], rows.answered)
        beyond += sign * (_metrics(data, sample, [name])[name] - limit) > 0
    return beyond / _RESAMPLES


def _coverage(rows: LabelledRows) -> dict[str, float | int | str | None]:
    coverage = rows.coverage
    return {
        "labelled": len(rows.truth),
        "answered": rows.answered,
        "coverage": coverage if math.isfinite(coverage) else None,
    }


def _explained(name: str, value: float, limit: float, baseline: float, verdict: Verdict, rows: LabelledRows) -> str:
    side = "below" if higher_is_better(name) else "above"
    relation = {
        Verdict.OK: f"is not {side}",
        Verdict.BREACH: f"is {side}",
        Verdict.INCONCLUSIVE: f"is {side}, perhaps by chance,",
    }[verdict]
    holdout = f"; {baseline:.4g} on the holdout" if math.isfinite(baseline) else ""
    return (
        f"{name} {value:.4g} {relation} {limit:.4g}{holdout}; {len(rows.truth)} of {rows.answered} answers have labels"
    )
