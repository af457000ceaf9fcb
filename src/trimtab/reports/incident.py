"""The incident report: what happened, what it was, what was done, and whether that helped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.core.enums import Severity, Tier, Verdict
from trimtab.reports.evidence import AuditProof, TimelineEntry
from trimtab.reports.rendering import render
from trimtab.reports.svg import Band, Chart, Limit, Marker, Series

__all__ = [
    "ActionData",
    "ColumnChartData",
    "DecisionData",
    "DiagnosisData",
    "ImpactData",
    "IncidentReportData",
    "MeasureData",
    "QualityChartData",
    "VerificationData",
    "VoteData",
    "incident_report",
]


@dataclass(frozen=True, slots=True)
class DiagnosisData:
    """What it was: its class, how bad (0..1, with the parts that make it up), and what speaks for and against.

    ``since_us`` is when it began; with ``since_window`` all that is known is that it was seen in a window from then on.
    """

    kind: str
    explanation: str
    severity: float
    evidence_for: tuple[str, ...] = ()
    evidence_against: tuple[str, ...] = ()
    severity_parts: Mapping[str, float] | None = None
    columns: tuple[str, ...] = ()
    factor: float | None = None
    since_us: int | None = None
    since_window: bool = False


@dataclass(frozen=True, slots=True)
class ImpactData:
    """What an action was said to bring about, and on what that rested."""

    metric: str
    now: float | None
    expected: float | None
    basis: str


@dataclass(frozen=True, slots=True)
class ActionData:
    """One change to the world: who asked, under which rule, who decided, how it ended.

    ``helped`` is what verification found, and ``found`` in words; None while nobody has looked. ``came_back_us``: when
    the case was opened again after that.
    """

    kind: str
    tier: Tier
    state: str
    requested_by: str
    reason: str
    decided_by: str | None = None
    decided_us: int | None = None
    rule: str | None = None
    impact: ImpactData | None = None
    helped: Verdict | None = None
    found: str = ""
    came_back_us: int | None = None


@dataclass(frozen=True, slots=True)
class DecisionData:
    """What the policy said of the case: by which rule, and for each action which tier.

    ``raised``: limits that were stricter than the rule. ``times``: how often it said the same.
    """

    at_us: int
    rule: str | None
    answers: Mapping[str, str]
    reason: str
    policy_hash: str
    raised: tuple[str, ...] = ()
    times: int = 1


@dataclass(frozen=True, slots=True)
class VoteData:
    """What a person (``owner``, by the key ``actor``) said of an action: approve, reject or comment, ``via`` what."""

    at_us: int
    owner: str
    actor: str
    action: str
    word: str
    via: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class MeasureData:
    """One number before and after; ``higher_is_better`` is None where neither direction is good in itself."""

    name: str
    before: float | None
    after: float | None
    unit: str = ""
    higher_is_better: bool | None = None

    @property
    def improved(self) -> bool | None:
        """Whether it moved the right way; None when that cannot be said."""
        if self.before is None or self.after is None or self.higher_is_better is None or self.before == self.after:
            return None
        return (self.after > self.before) is self.higher_is_better


@dataclass(frozen=True, slots=True)
class VerificationData:
    """Whether it helped. ``came_back_us``: when the case was opened again after that, None where it was not."""

    verdict: Verdict
    explanation: str
    measures: tuple[MeasureData, ...] = ()
    finished_us: int | None = None
    came_back_us: int | None = None


@dataclass(frozen=True, slots=True)
class ColumnChartData:
    """An affected column over time: ``(start of the period in µs UTC, median)``, against its reference."""

    column: str
    points: tuple[tuple[int, float | None], ...]
    reference_low: float
    reference_median: float
    reference_high: float
    reference_name: str = "reference, 5–95 %"
    unit: str = ""


@dataclass(frozen=True, slots=True)
class QualityChartData:
    """A metric over time: ``(start of the period in µs UTC, value)``.

    ``limits`` and ``baselines`` say, at the same moments, what limit held and what training had promised: each version
    has its own.
    """

    metric: str
    points: tuple[tuple[int, float | None], ...]
    limits: tuple[tuple[int, float | None], ...] = ()
    baselines: tuple[tuple[int, float | None], ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentReportData:
    """Everything that an incident report shows. Times are in microseconds UTC.

    ``noticed_us`` is the event time up to which data were known when it opened: what came in when it is replayed lies
    long before ``opened_us``. ``severity`` is the diagnosis' level, or how loud the case is where there is none.
    """

    id: str
    project: str
    model: str
    endpoint: str
    title: str
    summary: str
    state: str
    severity: Severity
    opened_us: int
    closed_us: int | None
    noticed_us: int
    generated_us: int
    timeline: tuple[TimelineEntry, ...]
    diagnosis: DiagnosisData | None = None
    actions: tuple[ActionData, ...] = ()
    verification: VerificationData | None = None
    columns: tuple[ColumnChartData, ...] = ()
    quality: tuple[QualityChartData, ...] = ()
    markers: tuple[Marker, ...] = ()
    audit: AuditProof | None = None
    decisions: tuple[DecisionData, ...] = ()
    votes: tuple[VoteData, ...] = ()


def incident_report(data: IncidentReportData) -> str:
    """Return the report as one self-contained HTML file."""
    charts = [_column_chart(index, column, data.markers) for index, column in enumerate(data.columns)]
    charts += [_quality_chart(index, metric, data.markers) for index, metric in enumerate(data.quality)]
    return render("incident.html.j2", data=data, charts=charts)


def _column_chart(index: int, column: ColumnChartData, markers: tuple[Marker, ...]) -> Chart:
    return Chart(
        key=f"column-{index}",
        title=f"{column.column}: median of each period",
        description=f"Median of {column.column} over time, against the range it has in the reference.",
        series=(Series(name="median", points=column.points),),
        unit=column.unit,
        band=Band(column.reference_name, column.reference_low, column.reference_high, column.reference_median),
        markers=markers,
    )


def _quality_chart(index: int, quality: QualityChartData, markers: tuple[Marker, ...]) -> Chart:
    levels = {value for _, value in quality.limits if value is not None}
    series = [Series(name=quality.metric, points=quality.points)]
    if len(levels) > 1:
        series.append(Series("limit", quality.limits, kind="step", tone="limit"))
    if any(value is not None for _, value in quality.baselines):
        series.append(Series("at training", quality.baselines, kind="step", tone="second"))
    return Chart(
        key=f"quality-{index}",
        title=f"{quality.metric} over time",
        description=f"{quality.metric} of the answers whose true outcome is known, for each period.",
        series=tuple(series),
        limits=tuple(Limit("limit", level) for level in levels) if len(levels) == 1 else (),
        markers=markers,
    )
