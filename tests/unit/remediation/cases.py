"""Checks, causes and requests for tests of remediation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Role, Severity, Tier, Verdict
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.diagnosis import Diagnosis
from trimtab.remediation.kinds import ActionKind, DiagnosisKind

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW_US = to_micros(START)
HOUR_US = 3_600_000_000

OK, BREACH, INCONCLUSIVE = Verdict.OK, Verdict.BREACH, Verdict.INCONCLUSIVE


def check(
    verdict: Verdict,
    *,
    kind: str = "data_drift",
    column: str | None = "chol",
    hour: int = 0,
    value: float | None = 0.6,
    threshold: float | None = 0.2,
    severity: Severity = Severity.HIGH,
    variant: str = "v1",
    detail: JsonObject | None = None,
) -> Check:
    return Check(
        monitor=kind,
        kind=kind,
        model="heart",
        endpoint="heart",
        variant=variant,
        model_version=1,
        column=column,
        window=Window(NOW_US + (hour - 1) * HOUR_US, NOW_US + hour * HOUR_US),
        value=value,
        threshold=threshold,
        effect=value,
        verdict=verdict,
        severity=severity,
        explanation=f"{kind} of {column or 'all'}: {verdict}",
        detail=detail or {},
    )


def overall(verdict: Verdict, hour: int = 0) -> Check:
    return check(verdict, column=None, hour=hour)


def quality(verdict: Verdict, *, hour: int = 0, value: float | None = 0.9, baseline: float | None = 0.3) -> Check:
    detail: JsonObject = {"metric": "mape", "labelled": 120}
    if baseline is not None:
        detail["baseline"] = baseline
    return check(verdict, kind="model_quality", column=None, hour=hour, value=value, threshold=0.5, detail=detail)


def unit_change(
    verdict: Verdict = BREACH, *, known: str | None = "mg/dL → mmol/L (÷ 38.67)", column: str = "chol", hour: int = 0
) -> Check:
    cause = Cause(
        kind=CauseKind.UNIT_CHANGE,
        column=column,
        factor=1 / 38.67,
        known_unit=known,
        since_us=NOW_US - HOUR_US // 2,
        until_us=None,
        since_row_share=0.5,
        explanation=f"{column} was multiplied by 0.02586",
    )
    return check(verdict, column=column, hour=hour, detail={"causes": [cause.to_json()]})


def diagnosis(kind: DiagnosisKind = DiagnosisKind.UNIT_CHANGE, *columns: str) -> Diagnosis:
    return Diagnosis(kind, 0.5, (), columns or ("chol",), None, None, (), (), "because")


def request(
    kind: ActionKind = ActionKind.RETRAIN,
    *,
    request_id: str = "a1",
    state: ActionState = ActionState.WAITING_APPROVAL,
    tier: Tier = Tier.APPROVAL,
    requested_by: str = "policy",
    expires_us: int | None = NOW_US + HOUR_US,
    owner: str | None = None,
    role: Role = Role.APPROVER,
    needed: int = 1,
) -> ActionRequest:
    return ActionRequest(
        id=request_id,
        dedup_key=f"{kind}:heart",
        kind=kind,
        model="heart",
        tier=tier,
        purpose="retrain, and release if better",
        requested_by=requested_by,
        created_us=NOW_US,
        state=state,
        covers=(ActionKind.DEPLOY,),
        expires_us=expires_us,
        owner=owner,
        role=role,
        needed=needed,
    )
