"""Model quality: whether predictions are as good as promised, once the truth is known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from trimtab.config.durations import format_duration
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.enums import Task, Verdict
from trimtab.core.wording import counted
from trimtab.measures.curves import reliability
from trimtab.measures.metrics import confusion_matrix
from trimtab.measures.resampled import contiguous_blocks
from trimtab.monitoring.answered import LabelledRows, PastLabels, PastRows
from trimtab.monitoring.base import Finding, Judged, check_of, relation
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.quality.limit import Limit, LimitedSettings, Measured, answers_of, exactly, limit_of, measured
from trimtab.monitoring.quality.past import PastQuestion, aligned_windows
from trimtab.monitoring.quality.segments import judge_segments
from trimtab.monitoring.quality.selection import Selection, selection_of
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

__all__ = ["ModelQualityMonitor", "ModelQualitySettings"]

_SURE = 0.95
_ONE_SIDED_99 = 2.3263
_FEWEST_CORRELATED = 10
_MOST_CLASSES = 20
_QUARTERS = 4
_REMEMBERED = 400
_MOST_LEFT_OUT = 0.05
"""From this share of the answers on, rows that broke the contract keep quality from being OK. Fewer, were all of them
answered wrong, lower a share of right answers by less than a twentieth: a quarter of a ``max_degradation`` of 0.2."""


class ModelQualitySettings(LimitedSettings):
    """Whether predictions are as good as promised, once the truth is known."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"limits": {"accuracy": 0.5}, "max_degradation": 0.2, "segments": ["plan"]}]}
    )

    type: Literal["model_quality"] = "model_quality"
    min_labels: int = Field(default=50, ge=1, description="Fewer labelled rows are inconclusive.")
    min_coverage: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the window's answers that must have a label once they are due; not judged if not given.",
    )
    segments: tuple[str, ...] = Field(
        default=(),
        description="Features by whose values the first metric is judged once more, each part against the same limit.",
    )

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Features that are wanted of each labelled row."""
        return self.segments


@dataclass(frozen=True, slots=True)
class ModelQualityMonitor:
    """One check a metric, named in ``detail["metric"]``, on the labelled rows of the window; one a segments' column.

    A metric with a limit of its own is in breach beyond the limit: that is a rule about what was observed. Any
    other metric is held against the version's holdout: it is in breach when it is worse by more than
    ``max_degradation``, relative to the holdout, in at least 95 % of 1 000 block-bootstrap resamples, and INCONCLUSIVE
    when it is worse but chance may have done it. What share of the window's answers has labels, and how late these
    came, is stated in each explanation and in ``detail``.

    Labels that leave out a class are no sample of the answers: then the value is that of rows weighed by the inverse
    coverage of what they were answered (the plain one is in ``detail["plain"]``), and where one class has labels more
    than five times as often as another, nothing is concluded.

    Answered rows that lie in quarantine are not judged: how many they are is told. Where a twentieth of the answers or
    more broke the contract, quality is INCONCLUSIVE where it would be OK.

    A window that is over is judged again when outcomes of its rows come or change: such a check is of that window, and
    has ``detail["late"]``. Past windows begin at multiples of the window's length since 1970.
    """

    kind: ClassVar[str] = "model_quality"
    settings_type: ClassVar[type[MonitorSettings]] = ModelQualitySettings

    settings: ModelQualitySettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each metric that has a limit or a holdout value; one where nothing can be judged."""
        checks = [check_of(self.settings, data, finding) for finding in self._findings(data)]
        if self.settings.min_coverage is not None:
            checks.append(check_of(self.settings, data, _covered(data.labelled, self.settings)))
        past = data.past
        if past is None:
            return Judged(tuple(checks))
        judged: dict[int, str] = {int(place): said for place, said in (data.state or {}).get("judged", ())}
        for then in past.windows:
            place, fingerprint = then.window.start_us, then.labelled.fingerprint
            # Read twice, a delivery changes nothing: only what its rows now say does.
            if judged.pop(place, None) != fingerprint:
                checks += self._late(data, then)
            judged[place] = fingerprint
        checks[0] = _with_waiting(checks[0], past)
        # The last judged are remembered, not the latest windows: an old one that is read twice is judged once, too.
        kept = list(judged.items())[-_REMEMBERED:]
        return Judged(tuple(checks), {"past": past.memory, "judged": [[place, said] for place, said in kept]})

    def past_windows(self, question: PastQuestion) -> tuple[Window, ...]:
        """Return the windows before the one judged now whose outcomes have changed, the latest first."""
        before_us = question.window.start_us - question.label_delay_us
        touched = aligned_windows(question.touched_us, length_us=question.length_us, before_us=before_us)
        return tuple(reversed(touched))

    def _late(self, data: WindowData, past: PastRows) -> Iterable[Check]:
        """Judge a past window as it is known now; say nothing of one that still has too few labels."""
        if len(past.labelled.truth) < self.settings.min_labels:
            return
        then = dataclasses.replace(data, window=past.window, labelled_in=lambda _window: past.labelled)
        days = " to ".join(
            from_micros(moment).isoformat(timespec="minutes")[:16]
            for moment in (past.window.start_us, past.window.end_us)
        )
        # Of the whole alone: a look has one check of a column.
        whole = ModelQualityMonitor(self.settings.model_copy(update={"segments": ()}))
        for finding in whole._findings(then):
            text = f"{days}, judged again since outcomes came or changed: {finding.explanation}"
            late = dataclasses.replace(finding, explanation=text, detail={**finding.detail, "late": True})
            yield check_of(self.settings, then, late)

    def _findings(self, data: WindowData) -> list[Finding]:
        return [_with_left_out(finding, data.labelled) for finding in self._of_labelled(data)]

    def _of_labelled(self, data: WindowData) -> list[Finding]:
        rows = data.labelled
        if rows is None or not len(rows.truth):
            return [Finding(Verdict.INCONCLUSIVE, "no labelled rows in the window; quality is unknown")]
        if len(rows.truth) < self.settings.min_labels:
            text = f"{counted(len(rows.truth), 'labelled row')} in the window, {self.settings.min_labels} needed"
            return [Finding(Verdict.INCONCLUSIVE, text, detail=_coverage(rows))]
        names = dict.fromkeys([*data.metrics, *self.settings.limits])
        limits = [limit for name in names if (limit := limit_of(self.settings, data, name)) is not None]
        if not limits:
            text = f"none of the metrics {list(names)} has a limit or a value on the holdout; state limits"
            return [Finding(Verdict.INCONCLUSIVE, text, detail=_coverage(rows))]
        selection = None if data.task is Task.REGRESSION else selection_of(rows)
        found = [_judged(data, rows, limit, selection) for limit in limits]
        found[0] = dataclasses.replace(found[0], detail={**found[0].detail, **_pictures(data, rows)})
        return [
            *found,
            *(
                judge_segments(data, rows, column, limits[0], min_labels=self.settings.min_labels, selection=selection)
                for column in self.settings.segments
            ),
        ]


def _with_left_out(finding: Finding, rows: LabelledRows | None) -> Finding:
    """Return the finding with how many answers nobody judged; where these are many, it is not OK."""
    if rows is None or not rows.broke + rows.of_feeds:
        return finding
    share, verdict = rows.broke_share, finding.verdict
    parts = [f"{rows.broke} whose rows broke the contract"] if rows.broke else []
    parts += [f"{rows.of_feeds} of quarantined feeds"] if rows.of_feeds else []
    text = f"{finding.explanation}; left out are the answers of {', and '.join(parts)}"
    if verdict is Verdict.OK and share >= _MOST_LEFT_OUT:
        verdict, text = Verdict.INCONCLUSIVE, f"{text}: how good {share:.0%} of the answers were is not known"
    detail = {**finding.detail, "broke_contract": rows.broke, "of_quarantined_feeds": rows.of_feeds}
    detail["left_out_share"] = share
    return dataclasses.replace(finding, verdict=verdict, explanation=text, detail=detail)


def _with_waiting(check: Check, past: PastLabels) -> Check:
    """Return the check with how many past windows have not been looked at again, where there are such."""
    if not past.waiting and not past.left_out:
        return check
    detail = {**check.detail, "past_waiting": past.waiting, "past_left_out": past.left_out}
    parts = [f"{counted(past.waiting, 'past window')} with news of outcomes waiting"] if past.waiting else []
    parts += [f"{past.left_out} that are older left out"] if past.left_out else []
    return dataclasses.replace(check, explanation=f"{check.explanation}; {', '.join(parts)}", detail=detail)


def _judged(data: WindowData, rows: LabelledRows, limit: Limit, selection: Selection | None) -> Finding:
    answers = answers_of(data, rows)
    found = measured(limit, answers, None if selection is None else selection.weights, with_bounds=True)
    detail: JsonObject = {"metric": limit.metric, **_coverage(rows)}
    if math.isfinite(limit.baseline):
        detail["baseline"] = limit.baseline
    if not math.isfinite(found.value):
        text = f"{limit.metric} is undefined on {counted(len(rows.truth), 'labelled row')} of the window"
        return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
    if found.beyond is not None:
        detail["beyond"] = found.beyond
    if found.bounds is not None:
        detail["low"], detail["high"] = found.bounds
    # What was observed beyond an absolute limit is a breach; a calibration error never is without its noise taken off.
    observed = limit.absolute and limit.metric != "ece" and selection is None
    verdict = found.verdict(limit, sure=0.0 if observed else _SURE)
    text = _explained(found, limit, verdict, rows)
    if selection is not None:
        plain = exactly(limit.metric, answers)
        detail |= {"plain": plain if math.isfinite(plain) else None, "coverage_by_answer": selection.to_json()}
        text += f"; labels are selective ({selection.told}): weighed for that, {plain:.4g} without"
        if selection.is_too_selective:
            verdict, text = Verdict.INCONCLUSIVE, f"{text}; too selective to conclude from"
            detail["too_selective"] = True
    return Finding(verdict, text, None, found.value, limit.value, limit.effect(found.value), detail)


def _covered(rows: LabelledRows | None, settings: ModelQualitySettings) -> Finding:
    """Return whether as many answers have labels as should: surely fewer (binomial, one-sided 99 %) is a breach."""
    limit, detail = settings.min_coverage or 0.0, {"metric": "label_coverage"}
    answered = 0 if rows is None else rows.answered
    if rows is None or answered < settings.min_rows:
        text = f"label_coverage: {counted(answered, 'answer')} in the window, {settings.min_rows} needed"
        return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
    share = len(rows.truth) / answered
    # As far above as chance may lift it where the true share is the limit.
    surely = limit - share > _ONE_SIDED_99 * math.sqrt(limit * (1 - limit) / answered)
    verdict = Verdict.BREACH if surely else Verdict.OK if share >= limit else Verdict.INCONCLUSIVE
    text = f"label_coverage {share:.3g} of {counted(answered, 'answer')} is {relation(verdict, 'below')} {limit:g}"
    return Finding(verdict, text, None, share, limit, max(0.0, limit - share), {**detail, **_coverage(rows)})


def _coverage(rows: LabelledRows) -> JsonObject:
    coverage = rows.coverage
    found: JsonObject = {
        "labelled": len(rows.truth),
        "answered": rows.answered,
        "coverage": coverage if math.isfinite(coverage) else None,
    }
    if rows.known_us is not None and len(rows.known_us):
        middle, late = np.quantile((rows.known_us - rows.event_us) / 1e6, [0.5, 0.95])
        found |= {"label_lag_p50_s": float(middle), "label_lag_p95_s": float(late)}
    return found


def _pictures(data: WindowData, rows: LabelledRows) -> JsonObject:
    """Return what a person looks at beside the metrics: the confusion matrix, and how probabilities came true.

    Of numbers and of two classes: how truth and answer are correlated, in the window and in its quarters, which tells
    labels that are mirrored from a model that got worse.
    """
    if data.task is Task.REGRESSION:
        return _correlated(rows, *(np.asarray(one, dtype=np.float64) for one in (rows.truth, rows.prediction)))
    found: JsonObject = {}
    labels, counts = confusion_matrix(rows.truth, rows.prediction)
    if len(labels) <= _MOST_CLASSES:
        found["confusion"] = {"classes": labels, "counts": counts.tolist()}
    if data.task is Task.BINARY:
        found |= _correlated(
            rows, *((one == data.positive_class).astype(float) for one in (rows.truth, rows.prediction))
        )
    chances: Any = rows.probability
    if chances is not None and len(chances) and not np.isnan(chances).any():
        right = data.positive_class if data.task is Task.BINARY else rows.prediction
        seen = reliability(rows.truth == right, chances)
        found["reliability"] = {
            "probability": seen.score.round(6).tolist(),
            "share": seen.share.round(6).tolist(),
            "rows": seen.rows.tolist(),
        }
    return found


def _correlated(rows: LabelledRows, truth: NDArray[np.float64], answer: NDArray[np.float64]) -> JsonObject:
    """Return how truth and answer ``(n,)`` are correlated, over all rows and over each quarter of them in order."""
    whole = _correlation(truth, answer)
    if whole is None:
        return {}
    part_of = contiguous_blocks(len(truth), _QUARTERS)
    parts: list[JsonObject] = []
    for number in range(_QUARTERS):
        mine = part_of == number
        found = _correlation(truth[mine], answer[mine])
        if found is not None:
            since_us = int(rows.event_us[mine][0])
            parts.append({"correlation": found, "rows": int(mine.sum()), "since_us": since_us})
    return {"correlation": whole, "correlation_parts": parts}


def _correlation(truth: NDArray[np.float64], answer: NDArray[np.float64]) -> float | None:
    known = np.isfinite(truth) & np.isfinite(answer)
    if known.sum() < _FEWEST_CORRELATED or not truth[known].std() or not answer[known].std():
        return None
    return float(np.corrcoef(truth[known], answer[known])[0, 1])


def _explained(found: Measured, limit: Limit, verdict: Verdict, rows: LabelledRows) -> str:
    holdout = f"; {limit.baseline:.4g} on the holdout" if math.isfinite(limit.baseline) else ""
    lag = ""
    if rows.known_us is not None and len(rows.known_us):
        lag = f", 95 % of them within {_roughly(float(np.quantile((rows.known_us - rows.event_us) / 1e6, 0.95)))}"
    return (
        f"{limit.metric} {found.value:.4g} is {relation(verdict, limit.side)} {limit.value:.4g}{holdout}; "
        f"{len(rows.truth)} of {rows.answered} answers have labels{lag}"
    )


def _roughly(seconds: float) -> str:
    """Return a duration to about three digits.

    >>> _roughly(93_784.2), _roughly(42.4)
    ('1d2h', '42s')
    """
    unit = next((unit for unit, least in ((3600, 86_400), (60, 3600)) if seconds >= least), 1)
    return format_duration(timedelta(seconds=round(max(seconds, 0.0) / unit) * unit))
