"""What the report of a rollout shows: what replaced what, on what evidence, and who agreed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from trimtab.core.enums import Verdict
from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.proof import proof_of, witnesses_of
from trimtab.loop.reporting.versions import comparison_of, lineage_of, version_of
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.remediation.action_store import load_action
from trimtab.reports.deployment import ApprovalData, DeploymentReportData, StepData
from trimtab.reports.evidence import TimelineEntry
from trimtab.reports.rollout_plots import LookData
from trimtab.rollout.analysis_store import Look, list_looks
from trimtab.rollout.store import Rollout, load_rollout

__all__ = ["deployment_data"]


def deployment_data(platform: Platform, rollout_id: str) -> DeploymentReportData:
    """Return what the report of a rollout shows."""
    witnesses = witnesses_of(platform)
    with platform.database.reading() as connection:
        rollout = load_rollout(connection, rollout_id)
        model = rollout.spec.model
        new = registry.get(connection, model, rollout.spec.candidate.number)
        old = None if rollout.spec.stable is None else registry.get(connection, model, rollout.spec.stable.number)
        outcome = rollout.state.phase.value
        subjects = [f"rollout:{rollout.spec.endpoint}/{rollout_id}", new.subject]
        return DeploymentReportData(
            project=platform.project.config.project,
            model=model,
            endpoint=rollout.spec.endpoint,
            title=f"{model}: version {new.number} {outcome.replace('_', ' ')}",
            summary=str((rollout.last or {}).get("reason", "")),
            outcome=outcome,
            started_us=rollout.started_us,
            finished_us=rollout.finished_us,
            generated_us=platform.now_us(),
            new=version_of(connection, new),
            old=None if old is None else version_of(connection, old),
            lineage=lineage_of(new),
            comparison=tuple(comparison_of(new.spec.get("comparison"), platform.files(model).model.task)),
            steps=tuple(_steps(rollout)),
            approvals=tuple(_approvals(connection, rollout, new)),
            timeline=tuple(
                TimelineEntry(one["at_us"], one["actor"], f"{one['from']} → {one['to']}", one["reason"])
                for one in rollout.log
            ),
            audit=proof_of(connection, subjects, witnesses),
            looks=tuple(map(_look, list_looks(connection, rollout_id))),
        )


def _steps(rollout: Rollout) -> Iterable[StepData]:
    for one in rollout.log:
        verdict = one.get("verdict")
        requests = next((int(piece["value"]) for piece in one["evidence"] if piece["name"] == "requests"), None)
        yield StepData(
            at_us=one["at_us"],
            phase=one["to"],
            weight_pct=Decimal(str(one["state"]["weight_pct"])),
            verdict=None if verdict is None else Verdict(verdict),
            reason=one["reason"],
            requests=requests,
        )


def _look(look: Look) -> LookData:
    return LookData(look.at_us, float(look.content["weight_pct"]), look.verdict, look.content["evidence"])


def _approvals(connection: Connection, rollout: Rollout, version: ModelVersion) -> Iterable[ApprovalData]:
    if rollout.action_id is not None:
        action = load_action(connection, rollout.action_id)
        if action.decided_us is not None:
            yield ApprovalData(action.decided_us, action.decided_by or "policy", action.purpose, action.reason)
    if version.decided_us is not None:
        what = f"version {version.number} {version.state.value}"
        yield ApprovalData(version.decided_us, version.decided_by or "", what, version.reason)
