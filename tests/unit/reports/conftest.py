"""Two reports' data, as the demo would fill them."""

from decimal import Decimal

import pytest

from trimtab.core.enums import Severity, Tier, Verdict
from trimtab.reports.deployment import (
    ApprovalData,
    ComparisonData,
    DeploymentReportData,
    LineageData,
    StepData,
    VersionData,
)
from trimtab.reports.evidence import AuditProof, TimelineEntry
from trimtab.reports.incident import (
    ActionData,
    ColumnChartData,
    DiagnosisData,
    ImpactData,
    IncidentReportData,
    MeasureData,
    QualityChartData,
    VerificationData,
)
from trimtab.reports.svg import Marker

_MINUTE = 60_000_000
_T0 = 1_772_000_000_000_000
_PROOF = AuditProof(sequences=(12, 13, 14, 19), head_sequence=19, head_hash="9f" * 32, verified=True)


@pytest.fixture
def incident() -> IncidentReportData:
    chol = [(_T0 + i * 10 * _MINUTE, 241 + (i * 7) % 13 - 6.0) for i in range(18)]
    chol += [(_T0 + i * 10 * _MINUTE, 6.2 + (i % 3) / 10) for i in range(18, 27)]
    chol += [(_T0 + i * 10 * _MINUTE, 239 + (i * 5) % 11 - 5.0) for i in range(27, 36)]
    quality: list[tuple[int, float | None]] = [(at, 0.83 if value > 100 else 0.61) for at, value in chol]
    quality[5] = (quality[5][0], None)
    began, opened, closed = chol[18][0], chol[20][0], chol[30][0]
    return IncidentReportData(
        id="019c1f2e-7d10-7a31-9c43-0a1b2c3d4e5f",
        project="clinic",
        model="heart-disease",
        endpoint="heart-disease",
        title="chol arrives in mmol/L instead of mg/dL",
        summary=(
            "From 09:13 on, rows from feed cleveland carried cholesterol divided by 38.67. 412 rows were quarantined, "
            "none was learnt from. The feed was repaired at 10:43 and the incident closed by itself."
        ),
        state="closed",
        severity=Severity.HIGH,
        opened_us=opened,
        noticed_us=opened,
        closed_us=closed,
        generated_us=closed + 3 * _MINUTE,
        diagnosis=DiagnosisData(
            kind="unit_change",
            explanation="The median of chol fell from 241 to 6.2 at one moment, by a factor known between two units.",
            severity=0.72,
            severity_parts={"effect": 0.9, "share_of_rows": 0.5},
            columns=("chol",),
            factor=1 / 38.67,
            since_us=began,
            evidence_for=(
                "chol × 38.67 has the reference's distribution (distance 0.04).",
                "The contract refused 412 of 418 rows: chol below 50 mg/dL.",
                "No other column moved.",
            ),
            evidence_against=("6 rows of another feed kept the old unit.",),
        ),
        actions=(
            ActionData(
                kind="quarantine_feed",
                tier=Tier.AUTOMATIC,
                state="succeeded",
                requested_by="policy",
                reason="A feed that changed its units is fixed at its source.",
                rule="a unit change quarantines the feed",
                impact=ImpactData("rows learnt wrongly", 412, 0, "the contract judges each row"),
            ),
            ActionData(
                kind="retrain",
                tier=Tier.APPROVAL,
                state="rejected",
                requested_by="trigger drift",
                decided_by="ada",
                decided_us=opened + _MINUTE,
                reason="Refused: the data are wrong, not the model.",
            ),
        ),
        verification=VerificationData(
            verdict=Verdict.OK,
            explanation="Drift of chol is back under its threshold, and no row was refused in the last window.",
            measures=(
                MeasureData("drift of chol", 0.98, 0.04, higher_is_better=False),
                MeasureData("accuracy", 0.61, 0.83, higher_is_better=True),
                MeasureData("rows a minute", 11, 11),
            ),
        ),
        timeline=(
            TimelineEntry(began, "feed cleveland", "chol changed its unit", ""),
            TimelineEntry(opened, "monitor data_drift", "incident opened", "distance 0.98, threshold 0.2"),
            TimelineEntry(opened + _MINUTE, "policy", "feed quarantined", "rule: a unit change quarantines the feed"),
            TimelineEntry(chol[27][0], "feed cleveland", "repaired", "the sender was told at 09:34"),
            TimelineEntry(closed, "loop", "incident closed", "every check that had breached says OK"),
        ),
        columns=(ColumnChartData("chol", tuple(chol), 175, 241, 330, unit="mg/dL"),),
        quality=(
            QualityChartData(
                "accuracy",
                tuple(quality),
                limits=tuple((at, 0.75) for at, _ in quality),
                baselines=tuple((at, 0.84) for at, _ in quality),
            ),
        ),
        markers=(Marker(began, "unit change"), Marker(opened, "opened"), Marker(closed, "closed")),
        audit=_PROOF,
    )


@pytest.fixture
def deployment() -> DeploymentReportData:
    return DeploymentReportData(
        project="city",
        model="bike-demand",
        endpoint="bike-demand",
        title="Version 2 of bike-demand replaced version 1",
        summary="Retrained on 2 years of hours, version 2 halves the error on the last 30 days. It took all traffic.",
        outcome="promoted",
        started_us=_T0,
        finished_us=_T0 + 95 * _MINUTE,
        generated_us=_T0 + 96 * _MINUTE,
        new=VersionData(2, "lightgbm", "ab" * 32, _T0, {"mape": 0.24, "rmse": 52.1}, trained_on_rows=17_520),
        old=VersionData(1, "random_forest", "cd" * 32, 0, {"mape": 0.31, "rmse": 38.4}, trained_on_rows=8_760),
        comparison=(
            ComparisonData("mape", 0.52, 0.27, -0.25, -0.29, -0.21, 0.95, 720, higher_is_better=False),
            ComparisonData("rmse", 141.0, 139.0, -2.0, -9.0, 5.0, 0.95, 720, higher_is_better=False),
        ),
        steps=(
            StepData(_T0, "smoke", Decimal(0), Verdict.OK, "golden rows differ by at most 1.2e-6", 50),
            StepData(_T0 + 5 * _MINUTE, "canary", Decimal(10), Verdict.INCONCLUSIVE, "41 of 200 requests", 41),
            StepData(_T0 + 45 * _MINUTE, "canary", Decimal(50), Verdict.OK, "no limit was passed", 2104),
            StepData(_T0 + 90 * _MINUTE, "promoted", Decimal(100), None, "both steps were OK"),
        ),
        approvals=(ApprovalData(_T0 - _MINUTE, "ada", "retrain, and release if better", "demand has doubled"),),
        lineage=LineageData("ab" * 32, "d41d8cd98f00b204e9800998ecf8427e", "ef" * 32, "s2", run_id="0a" * 16),
        audit=_PROOF,
    )
