"""Checks whether an action helped, with the first checks that speak of the version it brought."""

from __future__ import annotations

from trimtab.audit import log as audit
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Verdict
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.cases import note
from trimtab.loop.conductor import Commit
from trimtab.loop.gate import open_diagnoses, propose
from trimtab.loop.handlers.remediation import purposes
from trimtab.loop.platform import Platform
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import checks_as_of
from trimtab.remediation.action_store import (
    PlannedVerification,
    finish_verification,
    load_action,
    pending_verifications,
)
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.decision import Proposal
from trimtab.remediation.policy import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.verification import Verified, verify

__all__ = ["verify_actions"]


def verify_actions(platform: Platform, event: Event) -> Commit | None:
    """Judge the promoted actions of the model whose checks have run."""
    model, run_id = str(event.payload["model"]), str(event.payload["run_id"])
    monitors = [one.title for one in platform.files(model).monitoring.monitors]

    def commit(connection: Connection) -> None:
        for planned in pending_verifications(connection):
            request = load_action(connection, planned.action_id)
            if request.model == model:
                _verify(connection, platform, request, planned, checks_as_of(connection, run_id, monitors))

    return commit


def _verify(
    connection: Connection,
    platform: Platform,
    request: ActionRequest,
    planned: PlannedVerification,
    checks: list[Check],
) -> None:
    after = [check for check in checks if check.model_version == planned.params["version"]]
    before = [Check.from_json(content) for content in planned.params["before"]]
    result = verify(request.predicted_impact, before, after)
    finish_verification(connection, planned, result, at_us=platform.now_us())
    reached("verification.judged")
    if result.verdict is Verdict.INCONCLUSIVE:
        return
    payload = {"action_id": request.id, "model": request.model, "incident_id": request.incident_id}
    platform.publish(connection, "action.verified", f"action:{request.id}", payload)
    note(connection, platform, request.incident_id, f"verified: {result.verdict}", result.explanation)
    if result.verdict is Verdict.BREACH:
        _escalate(connection, platform, request, result)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor="conductor",
        action="action.verified",
        subject=f"action:{request.id}",
        reason=result.explanation,
        before=dict(result.before),
        after=dict(result.after),
        detail={"verdict": result.verdict.value},
    )


def _escalate(connection: Connection, platform: Platform, request: ActionRequest, result: Verified) -> None:
    """Propose to go back: an action that did not help is undone, if the policy and a person agree."""
    proposal = Proposal(
        origin=Origin.INCIDENT,
        model=request.model,
        action=ActionKind.ROLL_BACK,
        severity=1.0,
        open_diagnoses=open_diagnoses(connection, request.model),
    )
    context = RequestContext(
        requested_by="policy",
        purpose=purposes(request.model, [], 0),
        endpoint=request.endpoint,
        incident_id=request.incident_id,
        params={ActionKind.ROLL_BACK: {"because": result.explanation}},
    )
    propose(connection, platform, proposal, context)
