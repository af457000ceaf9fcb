"""From where on a metric is a breach, and how sure it is that it lies beyond."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from trimtab.core.enums import Verdict
from trimtab.measures.answers import Answers
from trimtab.measures.metrics import METRICS, evaluate, higher_is_better
from trimtab.measures.resampled import block_sums, contiguous_blocks
from trimtab.monitoring.answered import LabelledRows
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

__all__ = ["Limit", "LimitedSettings", "Measured", "answers_of", "exactly", "limit_of", "measured"]

_DRAWS = 1000
_BLOCKS = 20
_CALIBRATION_BINS = 15


class LimitedSettings(MonitorSettings):
    """Settings that say from where on quality is a breach."""

    limits: dict[str, float] = Field(
        default_factory=dict, description="Absolute limits by metric: largest loss, or smallest score."
    )
    max_degradation: float | None = Field(
        default=None,
        gt=0,
        description="How much worse than on the version's holdout, relative to it (0.2 = 20 %), for all metrics that "
        "have no limit of their own.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = [name for name in self.limits if name not in METRICS]
        if unknown:
            raise ValueError(f"limits names {unknown}; expected metrics among {', '.join(METRICS)}")
        if not self.limits and self.max_degradation is None:
            raise ValueError("neither limits nor max_degradation is given; state from where on quality is a breach")
        return self


@dataclass(frozen=True, slots=True)
class Limit:
    """A metric, its limit, and what it was on the version's holdout (NaN: not known there)."""

    metric: str
    value: float
    baseline: float
    absolute: bool

    @property
    def sign(self) -> float:
        """1 where more is worse, −1 where less is."""
        return -1.0 if higher_is_better(self.metric) else 1.0

    @property
    def side(self) -> str:
        """Where a breach lies, in a word."""
        return "below" if higher_is_better(self.metric) else "above"

    def exceeded(self, value: float) -> bool:
        """Return whether ``value`` lies beyond the limit; NaN does not."""
        return self.sign * (value - self.value) > 0

    def effect(self, value: float) -> float:
        """Return the worsening relative to the holdout; NaN where that is not known."""
        return self.sign * (value - self.baseline) / abs(self.baseline) if self.baseline else math.nan


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of labelled rows. ``beyond``: the share of resamples beyond the limit, None when not asked for.

    ``bounds`` are what 5 % of the resamples lie below, and 5 % above; None where there are none.
    """

    value: float
    beyond: float | None
    bounds: tuple[float, float] | None = None

    def verdict(self, limit: Limit, *, sure: float) -> Verdict:
        """Return BREACH beyond the limit if at least ``sure`` of the resamples are, INCONCLUSIVE if fewer are."""
        if not math.isfinite(self.value):
            return Verdict.INCONCLUSIVE
        if not limit.exceeded(self.value):
            return Verdict.OK
        return Verdict.BREACH if self.beyond is not None and self.beyond >= sure else Verdict.INCONCLUSIVE


def limit_of(settings: LimitedSettings, data: WindowData, metric: str) -> Limit | None:
    """Return the metric's limit: its own, else what the holdout allows; None where there is neither."""
    baseline = data.baseline_metrics.get(metric, math.nan)
    if metric in settings.limits:
        return Limit(metric, settings.limits[metric], baseline, absolute=True)
    if settings.max_degradation is None or not math.isfinite(baseline):
        return None
    sign = -1.0 if higher_is_better(metric) else 1.0
    return Limit(metric, baseline + sign * settings.max_degradation * abs(baseline), baseline, absolute=False)


def answers_of(data: WindowData, rows: LabelledRows) -> Answers:
    """Return the labelled rows as metrics want them."""
    return Answers(data.task, rows.truth, rows.prediction, rows.probability, data.positive_class)


def measured(
    limit: Limit, answers: Answers, weights: NDArray[np.float64] | None = None, *, with_bounds: bool = False
) -> Measured:
    """Return the metric of rows in time order, and how sure it is that it lies beyond the limit.

    Sure by a block bootstrap: 20 contiguous blocks, 1 000 draws. The calibration error is at least what calibrated
    probabilities have by chance: there it is the share of such errors, on top of the limit, that the found one exceeds.
    """
    sums = block_sums(limit.metric, answers, contiguous_blocks(len(answers.truth), _BLOCKS), weights=weights)
    value = exactly(limit.metric, answers) if weights is None or sums is None else sums.value
    exceeded = limit.exceeded(value)
    # A fixed seed: a monitor is pure, the same window gets the same verdict.
    rng = np.random.default_rng(0)
    if limit.metric == "ece":
        counted = np.ones(len(answers.truth)) if weights is None or sums is None else weights
        beyond = float((value > limit.value + _by_chance(answers, counted, rng)).mean()) if exceeded else None
        return Measured(value, beyond)
    if sums is None or not math.isfinite(value) or not (exceeded or with_bounds):
        return Measured(value, None)
    # Ranks are resampled on levels: what differs there from the exact value is no evidence.
    drawn = sums.resampled(rng, _DRAWS) + (value - sums.value)
    beyond = float((limit.sign * (drawn - limit.value) > 0).mean()) if exceeded else None
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [0.05, 0.95]) if len(known) else (math.nan, math.nan)
    return Measured(value, beyond, (float(low), float(high)) if len(known) else None)


def exactly(metric: str, answers: Answers) -> float:
    """Return the metric of rows that all weigh alike; NaN where it is undefined."""
    return evaluate(
        answers.task,
        [metric],
        answers.truth,
        answers.prediction,
        answers.probability,
        positive_class=answers.positive_class,
    )[metric]


def _by_chance(answers: Answers, weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return calibration errors that rows of these weights have though their probabilities are true, ``(draws,)``."""
    chance = np.asarray(answers.probability, dtype=np.float64)
    bins = np.clip((chance * _CALIBRATION_BINS).astype(np.int64), 0, _CALIBRATION_BINS - 1)
    spread = np.sqrt(np.bincount(bins, weights=weights**2 * chance * (1 - chance), minlength=_CALIBRATION_BINS))
    gaps = np.abs(rng.normal(size=(_DRAWS, _CALIBRATION_BINS)) * spread)
    return np.asarray(gaps.sum(axis=1) / max(float(weights.sum()), 1.0), dtype=np.float64)
