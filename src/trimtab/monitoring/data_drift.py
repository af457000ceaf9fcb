"""Data drift: whether the inputs are distributed as they were when the model learnt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Literal

import numpy as np
from pydantic import ConfigDict, Field, field_validator

from trimtab.config.durations import Duration
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.enums import ColumnKind, Verdict
from trimtab.core.wording import counted
from trimtab.measures.cell_distances import Measure
from trimtab.measures.max_t import benjamini_yekutieli
from trimtab.monitoring.base import Finding, Judged, check_of, unjudged
from trimtab.monitoring.cause import Cause
from trimtab.monitoring.causes import name_causes
from trimtab.monitoring.check import Check
from trimtab.monitoring.drift_null import MADE_BEFORE, Compared, Span, compare, span_of, unseen_before
from trimtab.monitoring.drift_state import DriftState
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile

__all__ = ["DataDriftMonitor", "DataDriftSettings"]

_NAMES = {Measure.KS: "Kolmogorov-Smirnov distance", Measure.PSI: "population stability index"}
_JENSEN_SHANNON = "Jensen-Shannon distance"
_FEWEST_STEPS = 10


class DataDriftSettings(MonitorSettings):
    """Whether the inputs are distributed as they were when the model learnt: P(X), all columns jointly."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"method": "ks"}, {"method": "psi"}, {"method": "js"}]})

    type: Literal["data_drift"] = "data_drift"
    method: Literal["ks", "psi", "js"] = Field(
        default="ks",
        description="Distance: ks = Kolmogorov-Smirnov for numbers, and how far they have moved (Jensen-Shannon for "
        "categories), psi = population stability index, js = Jensen-Shannon.",
    )
    min_effect: float = Field(
        default=0.1, ge=0, description="Columns that lie less than this away have not drifted, however sure it is."
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="In an alarm, columns are named at this chance of naming any that did not move; it is over with a "
        "window whose p-value is larger.",
    )
    false_alarm_every: Duration = Field(
        default="365d",
        validate_default=True,
        description="Mean time between false alarms of one variant, at least; never less than ten windows.",
    )
    drift_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of drifted columns from which the inputs as a whole have moved."
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Columns to judge; none named means all features but datetimes."
    )

    @field_validator("false_alarm_every")
    @classmethod
    def _positive(cls, every: timedelta) -> timedelta:
        if every <= timedelta(0):
            raise ValueError("false_alarm_every must be more than 0s; e.g. '365d'")
        return every


@dataclass(frozen=True, slots=True)
class _Told:
    """The part of the window that is told, the state after it, and whether it would be the one to raise an alarm.

    ``counted_us`` is set where it would, but no detector is due yet: when one is.
    """

    span: Span
    found: Compared
    state: DriftState
    raised: bool
    counted_us: int | None


@dataclass(frozen=True, slots=True)
class DataDriftMonitor:
    """One check a column, and one over all (``column`` None), last, which is the alarm.

    Every window gets one p-value over all columns: how often a window of the reference, of the same length and the
    same time of day or year, has a column that lies as far from the rest of the reference as the farthest one does now
    (max-T). Season, memory, bursts and columns that move together are in that, because they are in the reference.
    Windows that do not overlap step an e-detector, which raises the alarm at a stated mean time between false ones
    (``false_alarm_every``); the looks in between cost nothing. A window for which the reference is too short is judged
    in parts: the newest at each look, and before it those that no look has judged. A breach is said only while the
    alarm is on, of the columns that moved. The causes of what moved stand in ``detail["causes"]``.
    """

    kind: ClassVar[str] = "data_drift"
    settings_type: ClassVar[type[MonitorSettings]] = DataDriftSettings

    settings: DataDriftSettings

    def check(self, data: WindowData) -> Judged:
        """Return a check for each column, and the overall one last; with the detectors as they stand now."""
        # Moments move on by themselves: only who names such a column has it watched.
        watched = [name for name, column in data.columns.items() if column.type is not ColumnKind.DATETIME]
        return self.judged(data, self.settings.columns or tuple(watched))

    def judged(self, data: WindowData, names: Sequence[str]) -> Judged:
        """Return the judgement of ``names``, columns of the window's profile."""
        before = DriftState.from_json(data.state)
        spans = self._spans(data, before)
        if isinstance(spans, str):
            return self._unknown(data, names, spans)
        length = timedelta(microseconds=sum(span.length_us for span in spans) / len(spans))
        mean_windows = max(self.settings.false_alarm_every / length, _FEWEST_STEPS)
        state, told, why = before, None, ""
        for span in spans:
            found = self._compared(span, names)
            if isinstance(found, str):
                why = found
                continue
            raised = not state.alarmed
            counted_us = state.waiting_until_us(found.p_window, span.window, mean_windows)
            state = state.looked(found.p_window, span.window, mean_windows=mean_windows, alpha=self.settings.alpha)
            why = ""
            # Of several parts the latest that is in alarm is told, though all may be well by the newest.
            if told is None or state.alarmed or not told.state.alarmed:
                told = _Told(span, found, state, raised, counted_us)
        if told is None or (why and not told.state.alarmed):
            return self._unknown(data, names, why, None if told is None else state.to_json())
        return Judged(self._checks(data, names, told, len(spans), mean_windows), state.to_json())

    def _checks(
        self, data: WindowData, names: Sequence[str], told: _Told, parts: int, mean_windows: float
    ) -> tuple[Check, ...]:
        span, found = told.span, told.found
        far = self._drifted(found, raised=told.raised) if told.state.alarmed or told.counted_us is not None else ()
        drifted = far if told.state.alarmed else ()
        findings = [self._column(span, found, name, drifted) for name in names]
        overall = self._overall(span, found, drifted, told.state, mean_windows)
        more = [unjudged(findings), _which(data, span, parts)]
        if told.counted_us is not None:
            findings, overall = _waiting(findings, overall, far, found, told.counted_us)
        elif not told.state.alarmed:
            findings, overall = _unproven(findings, overall, found, self.settings.alpha)
        overall = replace(overall, explanation="; ".join([overall.explanation, *filter(None, more)]))
        return tuple(check_of(self.settings, data, finding) for finding in [*findings, overall])

    def _unknown(self, data: WindowData, names: Sequence[str], why: str, state: JsonObject | None = None) -> Judged:
        enough = data.current.rows >= self.settings.min_rows
        reasons = {name: (self._lacking(data, name) if enough else None) or why for name in names}
        findings = [
            Finding(Verdict.INCONCLUSIVE, f"{name}: {reason}", column=name, opens=False)
            for name, reason in reasons.items()
        ]
        overall = Finding(Verdict.INCONCLUSIVE, f"no column could be judged: {why}")
        return Judged(tuple(check_of(self.settings, data, finding) for finding in [*findings, overall]), state)

    def _spans(self, data: WindowData, before: DriftState) -> tuple[Span, ...] | str:
        """Return the parts of the window that are to be judged, the newest last; or why none can."""
        coded, min_rows = data.reference.coded, self.settings.min_rows
        if coded is None:
            return MADE_BEFORE
        if data.current.rows < min_rows:
            return f"{counted(data.current.rows, 'row')} in the window, {min_rows} needed"
        newest = span_of(data, coded, min_rows=min_rows)
        if isinstance(newest, str):
            return newest
        return (*unseen_before(newest, data, coded, min_rows=min_rows, seen_us=before.seen_us), newest)

    def _compared(self, span: Span, names: Sequence[str]) -> Compared | str:
        coded = span.data.reference.coded
        assert coded is not None
        held = [name for name in names if self._lacking(span.data, name) is None]
        if not held:
            return str(self._lacking(span.data, names[0])) if names else "there is no column"
        settings = self.settings
        measure = Measure(settings.method)
        return compare(span, coded, held, measure=measure, min_effect=settings.min_effect, alpha=settings.alpha)

    def _lacking(self, data: WindowData, name: str) -> str | None:
        coded, column = data.reference.coded, data.current.columns.get(name)
        if coded is None:
            return MADE_BEFORE
        if name not in coded.rulers:
            return "not in the reference; nothing to compare with"
        if column is None:
            return f"absent from all {counted(data.current.rows, 'row')} of the window"
        if not coded.rulers[name].fits(column):
            return "of another type than in the reference; nothing to compare"
        if not data.reference.merged.columns[name].count:
            return "no value in the reference; nothing to compare with"
        if column.count < self.settings.min_rows:
            return f"{counted(column.count, 'value')} in {counted(column.rows, 'row')}, {self.settings.min_rows} needed"
        return None

    def _drifted(self, found: Compared, *, raised: bool) -> tuple[str, ...]:
        """Return the columns that moved: by step-down, by false discovery rate, and the greatest that raised it."""
        alpha = self.settings.alpha
        named = (found.p_columns <= alpha) | benjamini_yekutieli(found.p_single, alpha)
        if raised:
            named[found.greatest] = True
        named &= np.nan_to_num(found.observed.distances, nan=-1.0) >= self.settings.min_effect
        return tuple(name for name, is_named in zip(found.columns, named, strict=True) if is_named)

    def _column(self, span: Span, found: Compared, name: str, drifted: tuple[str, ...]) -> Finding:
        lacking = self._lacking(span.data, name)
        if lacking is not None:
            return Finding(Verdict.INCONCLUSIVE, f"{name}: {lacking}", column=name, opens=False)
        place, breach = found.columns.index(name), name in drifted
        value, column = float(found.observed.distances[place]), span.data.current.columns[name]
        # No distance but PSI exceeds 1, whatever is usual.
        most = math.inf if Measure(self.settings.method) is Measure.PSI else 1.0
        limit = min(most, max(self.settings.min_effect, float(found.limits[0, place])))
        p = float(found.p_columns[place])
        causes = name_causes(span.data, [name]) if breach else ()
        return Finding(
            verdict=Verdict.BREACH if breach else Verdict.OK,
            explanation=f"{name}: {self._measured(column)} {value:.3g} of {counted(column.rows, 'row')}, usual up to "
            f"{limit:.3g}{_moved(found, place)}{_caused(causes)}",
            column=name,
            opens=False,
            value=value,
            threshold=limit,
            effect=value,
            detail={
                "method": self.settings.method,
                "rows": column.rows,
                "p_value": p,
                "sketch_error": float(found.observed.errors[place]),
                **_shift(found, place),
                "causes": [cause.to_json() for cause in causes],
            },
        )

    def _measured(self, column: ColumnProfile) -> str:
        measure = Measure(self.settings.method)
        if measure is Measure.KS and not isinstance(column, NumberProfile):
            return _JENSEN_SHANNON
        return _NAMES.get(measure, _JENSEN_SHANNON)

    def _overall(
        self, span: Span, found: Compared, drifted: tuple[str, ...], state: DriftState, mean_windows: float
    ) -> Finding:
        evidence, p = state.evidence(mean_windows), found.p_window
        share = len(drifted) / len(found.columns)
        which = f": {', '.join(drifted[:10])}" if drifted else ""
        since = "" if state.since_us is None else f", since {from_micros(state.since_us).isoformat()}"
        said = (
            f"the inputs have drifted{since}; {len(drifted)} of {len(found.columns)} columns{which}"
            if state.alarmed
            else f"no drift in {len(found.columns)} columns; evidence {evidence:.2g} of the 1 that is an alarm"
        )
        return Finding(
            verdict=Verdict.BREACH if state.alarmed else Verdict.OK,
            explanation=f"{said} (p {p:.2g}, by {found.basis})",
            value=evidence,
            threshold=1.0,
            effect=share,
            detail={
                "drifted": list(drifted),
                "judged": len(found.columns),
                "share": share,
                "drift_share": self.settings.drift_share,
                "p_value": p,
                "rows": span.data.current.rows,
                "mean_windows": mean_windows,
                "since_us": state.since_us,
                "judged_from_us": span.window.start_us,
                "judged_until_us": span.window.end_us,
                "basis": found.basis,
            },
        )


def _waiting(
    findings: list[Finding], overall: Finding, far: tuple[str, ...], found: Compared, counted_us: int
) -> tuple[list[Finding], Finding]:
    """Return the findings, open where OK would deny what p says, though it does not count yet."""
    when = from_micros(counted_us).isoformat(timespec="minutes")
    who = ", ".join(far[:10]) or "all columns together"
    said = (
        f"{who} far out (p {found.p_window:.2g}, by {found.basis}), too soon after a window that this one overlaps: "
        f"counted from {when} on, and an alarm if it is so then"
    )
    held, overall = _left_open(findings, overall, far, f"far out, counted from {when} on", said)
    return held, replace(overall, detail={**overall.detail, "counted_from_us": counted_us})


def _unproven(
    findings: list[Finding], overall: Finding, found: Compared, alpha: float
) -> tuple[list[Finding], Finding]:
    """Return the findings, open where a column lies beyond the reference, of which there is too little to say more."""
    names = found.unproven(alpha)
    if not names:
        return findings, overall
    why = "farther out than any window of the reference, which is too short to say how rare that is"
    said = (
        f"{', '.join(names[:10])} {why} (p {found.p_window:.2g}, by {found.basis}): learn from a longer history, or "
        "choose a shorter window"
    )
    return _left_open(findings, overall, names, why, said)


def _left_open(
    findings: list[Finding], overall: Finding, names: tuple[str, ...], why: str, said: str
) -> tuple[list[Finding], Finding]:
    held = [
        replace(one, verdict=Verdict.INCONCLUSIVE, explanation=f"{one.explanation}; {why}")
        if one.column in names
        else one
        for one in findings
    ]
    return held, replace(overall, verdict=Verdict.INCONCLUSIVE, explanation=said)


def _which(data: WindowData, span: Span, parts: int) -> str:
    """Return which part of the window this is about, where the reference is too short for all of it at once."""
    if span.data is data:
        return ""
    since, until = (
        from_micros(moment).isoformat(timespec="minutes") for moment in (span.window.start_us, span.window.end_us)
    )
    told = f"that is of {since} to {until}, as long as the reference allows"
    return told if parts == 1 else f"{told}; {parts} parts were judged"


def _shift(found: Compared, place: int) -> JsonObject:
    """Return how far the numbers of a column have moved, in their usual range; nothing where that is not measured."""
    shift, limit = float(found.observed.shifts[place]), float(found.limits[1, place])
    return {} if math.isnan(shift) else {"shift": shift, "usual_shift": limit}


def _moved(found: Compared, place: int) -> str:
    told = found.moved(place)
    return f"; {told}" if told else ""


def _caused(causes: tuple[Cause, ...]) -> str:
    told = "; ".join(cause.explanation for cause in causes)
    return f"; {told}" if told else ""
