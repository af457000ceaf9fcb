"""From an incident to a diagnosis, and from the diagnosis through the policy to actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.audit import log as audit
from trimtab.core.enums import Verdict
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.deciding import answer_incident, free_feeds
from trimtab.loop.escalating import escalate
from trimtab.loop.evidence import evidence_of, importance_of
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.store import run_checks
from trimtab.remediation.action_store import list_actions, verification_of
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.diagnosis import Diagnosis, diagnose
from trimtab.remediation.incidents import Incident, with_diagnosis
from trimtab.remediation.kinds import DiagnosisKind, Level
from trimtab.remediation.store import list_alerts, load_incident, save_incident

__all__ = ["remedy"]

_SETTLED = {ActionState.SUCCEEDED, ActionState.REJECTED}


def remedy(platform: Platform, event: Event) -> Commit | None:
    """Diagnose an incident that opened or changed and propose what the policy says; a recovered one frees its feeds."""
    incident_id = str(event.payload["incident_id"])
    model = str(event.payload["model"])
    # A case about no model of ours has no files, and nothing that a policy could do: people are told of it.
    files = platform.files(model) if model in platform.project.model_names else None
    if event.kind == "incident.recovered":
        return lambda connection: _free_feeds(connection, platform, incident_id, event)
    importance = {} if files is None else importance_of(platform, files)
    return lambda connection: _diagnose_and_propose(connection, platform, files, importance, event)


def _diagnose_and_propose(
    connection: Connection,
    platform: Platform,
    files: ModelFiles | None,
    importance: Mapping[str, float],
    event: Event,
) -> None:
    incident = load_incident(connection, str(event.payload["incident_id"]))
    if not incident.state.is_open:
        return
    alerts = list_alerts(connection, incident_id=incident.id)
    evidence = evidence_of(connection, platform, files, incident, alerts, event.payload.get("run_id"), importance)
    before = incident.diagnosis
    diagnosis = diagnose(evidence, None if event.kind == "incident.reopened" else before)
    incident = save_incident(connection, with_diagnosis(incident, diagnosis, now=platform.clock.now()))
    _tell(connection, platform, incident, before, diagnosis)
    if files is None:
        _ask_people(connection, platform, incident, None if event.kind == "incident.reopened" else before)
        return
    actions = list_actions(connection, incident_id=incident.id)
    if _is_answered(connection, actions, incident, before):
        return
    answer_incident(connection, platform, files, incident, diagnosis, alerts)


def _ask_people(connection: Connection, platform: Platform, incident: Incident, before: Diagnosis | None) -> None:
    """Escalate a case that no policy is asked about, once for each thing that it is called.

    What nobody understands and is not bad stays told as every case that opens is: by the routes that want it so loud.
    """
    now = incident.diagnosis
    if now is None or (before is not None and before.kind is now.kind):
        return
    if now.kind is not DiagnosisKind.UNKNOWN or now.level is Level.HIGH:
        about = f"{incident.id}:{now.kind}:{incident.since_us}"
        escalate(connection, platform, incident.model, now.explanation, about=about, incident_id=incident.id)


def _tell(
    connection: Connection, platform: Platform, incident: Incident, before: Diagnosis | None, now: Diagnosis
) -> None:
    """Have the case's report written anew where it would say something else; audit a diagnosis of another kind."""
    subject = f"incident:{incident.id}"
    if before is None or (before.title, before.explanation) != (now.title, now.explanation):
        payload = {"incident_id": incident.id, "model": incident.model}
        platform.publish(connection, "incident.diagnosed", subject, payload)
    if before is None or before.kind is not now.kind:
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor="conductor",
            action="incident.diagnosed",
            subject=subject,
            reason=now.explanation,
            after={"diagnosis": now.kind.value, "severity": now.severity},
        )


def _is_answered(
    connection: Connection, actions: Sequence[ActionRequest], incident: Incident, before: Diagnosis | None
) -> bool:
    """Whether this very diagnosis led to actions that are under way, done, or were turned down, since it stands.

    What was done before the case was opened again did not end it, nor did what was found to be of no use; and what
    was agreed to while it was less bad was not agreed to now.
    """
    now = incident.diagnosis
    if before is None or now is None or before.kind is not now.kind or now.level.rank > before.level.rank:
        return False
    return any(
        action.created_us >= incident.since_us
        and (action.state.is_open or (action.state in _SETTLED and not _was_of_no_use(connection, action)))
        for action in actions
    )


def _was_of_no_use(connection: Connection, action: ActionRequest) -> bool:
    found = verification_of(connection, action.id)
    return found is not None and found.result is not None and found.result.verdict is Verdict.BREACH


def _free_feeds(connection: Connection, platform: Platform, incident_id: str, event: Event) -> None:
    run_id = event.payload.get("run_id")
    if run_id is None:
        return
    right_again_us = max(check.window.start_us for check in run_checks(connection, str(run_id)))
    free_feeds(connection, platform, incident_id, right_again_us=right_again_us)
