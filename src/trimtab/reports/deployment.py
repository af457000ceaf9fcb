"""The deployment report: what replaced what, on what evidence, by whose approval, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from trimtab.core.enums import Verdict
from trimtab.reports.evidence import AuditProof, TimelineEntry
from trimtab.reports.rendering import render
from trimtab.reports.rollout_plots import LookData, rollout_charts
from trimtab.reports.svg import Chart, Series

__all__ = [
    "ApprovalData",
    "ComparisonData",
    "DeploymentReportData",
    "LineageData",
    "StepData",
    "VersionData",
    "deployment_report",
]


@dataclass(frozen=True, slots=True)
class VersionData:
    """One model version and what was measured of it in training."""

    number: int
    algorithm: str
    digest: str
    created_us: int
    metrics: Mapping[str, float]
    trained_on_rows: int | None = None


@dataclass(frozen=True, slots=True)
class ComparisonData:
    """One metric of both versions on the same recent labelled rows; ``difference`` is new − old.

    ``low`` and ``high`` bound it with ``confidence``, None where no interval was made.
    """

    metric: str
    old: float
    new: float
    difference: float
    low: float | None
    high: float | None
    confidence: float
    rows: int
    higher_is_better: bool

    @property
    def better(self) -> bool | None:
        """Whether the new version is better; None when the interval holds zero, or there is none."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return None
        return (self.difference > 0) is self.higher_is_better


@dataclass(frozen=True, slots=True)
class StepData:
    """One step of the rollout: how much traffic the new version had from ``at_us`` on, and what was judged."""

    at_us: int
    phase: str
    weight_pct: Decimal
    verdict: Verdict | None
    reason: str
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class ApprovalData:
    """Who agreed to what, when, and why."""

    at_us: int
    by: str
    what: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LineageData:
    """Where the new version comes from."""

    bundle_digest: str
    dataset_hash: str
    config_hash: str
    snapshot_id: str
    run_id: str | None = None
    git_commit: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeploymentReportData:
    """Everything that a deployment report shows. ``outcome`` is the rollout's phase, e.g. promoted or rolled_back.

    ``looks``: what was known of its limits while it ran, in order of time.
    """

    project: str
    model: str
    endpoint: str
    title: str
    summary: str
    outcome: str
    started_us: int
    finished_us: int | None
    generated_us: int
    new: VersionData
    old: VersionData | None
    lineage: LineageData
    comparison: tuple[ComparisonData, ...] = ()
    steps: tuple[StepData, ...] = ()
    approvals: tuple[ApprovalData, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    audit: AuditProof | None = None
    looks: tuple[LookData, ...] = ()

    @property
    def metric_names(self) -> list[str]:
        """Metrics of either version, the new one's first."""
        known = {} if self.old is None else self.old.metrics
        return list(dict.fromkeys([*self.new.metrics, *known]))


def deployment_report(data: DeploymentReportData) -> str:
    """Return the report as one self-contained HTML file."""
    weights = [_weight_chart(data)] if data.steps else []
    return render("deployment.html.j2", data=data, charts=[*weights, *rollout_charts(data.looks)])


def _weight_chart(data: DeploymentReportData) -> Chart:
    points: list[tuple[int, float | None]] = [(step.at_us, float(step.weight_pct)) for step in data.steps]
    if data.finished_us is not None and data.finished_us > points[-1][0]:
        points.append((data.finished_us, points[-1][1]))
    return Chart(
        key="weight",
        title=f"Share of traffic on version {data.new.number}",
        description="Weight of the new version at each step of the rollout, in percent.",
        series=(Series(name=f"version {data.new.number}", points=tuple(points), kind="step"),),
        unit="%",
        from_zero=True,
    )
