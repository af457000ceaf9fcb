"""From an incident to a diagnosis, and from the diagnosis through the policy to actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.cases import note
from trimtab.loop.conductor import Commit
from trimtab.loop.gate import open_diagnoses, propose
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.store import checks_as_of, run_checks
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.alerts import Alert
from trimtab.remediation.decision import Proposal
from trimtab.remediation.diagnosis import Diagnosis, Evidence, RecentRollout, diagnose
from trimtab.remediation.impact import impact_of_retraining
from trimtab.remediation.incidents import Incident, with_diagnosis
from trimtab.remediation.policy import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.store import list_alerts, load_incident, save_incident
from trimtab.rollout.store import list_rollouts

__all__ = ["purposes", "remedy"]

_log = structlog.get_logger(__name__)

_RECENT_ROLLOUTS_US = 86_400_000_000
_SETTLED = {ActionState.SUCCEEDED, ActionState.REJECTED}


def remedy(platform: Platform, event: Event) -> Commit | None:
    """Diagnose an incident that opened or changed and propose what the policy says; a recovered one frees its feeds."""
    incident_id = str(event.payload["incident_id"])
    files = platform.files(str(event.payload["model"]))
    if event.kind == "incident.recovered":
        return lambda connection: _free_feeds(connection, platform, incident_id, event)
    return lambda connection: _diagnose_and_propose(connection, platform, files, incident_id, event)


def _diagnose_and_propose(
    connection: Connection, platform: Platform, files: ModelFiles, incident_id: str, event: Event
) -> None:
    incident = load_incident(connection, incident_id)
    if not incident.state.is_open:
        return
    alerts = list_alerts(connection, incident_id=incident.id)
    diagnosis = diagnose(_evidence(connection, platform, incident, alerts, str(event.payload["run_id"])))
    before = incident.diagnosis
    incident = save_incident(connection, with_diagnosis(incident, diagnosis, now=platform.clock.now()))
    _tell(connection, platform, incident, before, diagnosis)
    if _is_answered(list_actions(connection, incident_id=incident.id), before, diagnosis):
        return
    context = _context(files, incident, diagnosis, alerts)
    proposal = Proposal(
        origin=Origin.INCIDENT,
        model=incident.model,
        diagnosis=diagnosis.kind,
        severity=diagnosis.severity,
        open_diagnoses=open_diagnoses(connection, incident.model),
    )
    _propose_and_note(connection, platform, proposal, context, incident.id)


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


def _propose_and_note(
    connection: Connection, platform: Platform, proposal: Proposal, context: RequestContext, incident_id: str
) -> None:
    """Propose, and tell the case what came of it; a policy that cannot be read is told too, and holds up nothing."""
    try:
        decision, created = propose(connection, platform, proposal, context)
    except ConfigError as error:
        note(connection, platform, incident_id, "policy: cannot be read, so nothing was proposed", str(error))
        _log.error("policy.unreadable", incident=incident_id, error=str(error))
        return
    what = ", ".join(f"{one.kind} ({one.tier})" for one in created) or "nothing new to do"
    note(connection, platform, incident_id, f"policy: {what}", decision.reason)


def _evidence(
    connection: Connection, platform: Platform, incident: Incident, alerts: list[Alert], run_id: str
) -> Evidence:
    since_us = platform.now_us() - _RECENT_ROLLOUTS_US
    rollouts = tuple(
        RecentRollout(found.started_us, found.spec.candidate.number, found.state.phase.value)
        for found in list_rollouts(connection, model=incident.model, limit=5)
        if found.started_us >= since_us and found.spec.stable is not None
    )
    monitors = [one.title for one in platform.files(incident.model).monitoring.monitors]
    checks = tuple(checks_as_of(connection, run_id, monitors))
    return Evidence(checks=checks, alerts=tuple(alerts), rollouts=rollouts)


def _is_answered(actions: Sequence[ActionRequest], before: Diagnosis | None, now: Diagnosis) -> bool:
    """Whether this very diagnosis led to actions that are under way, done, or were turned down."""
    same = before is not None and before.kind is now.kind
    return same and any(action.state.is_open or action.state in _SETTLED for action in actions)


def _context(files: ModelFiles, incident: Incident, diagnosis: Diagnosis, alerts: list[Alert]) -> RequestContext:
    feeds = _feeds(files, alerts)
    since_us = diagnosis.since_us if diagnosis.since_us is not None else incident.signals[0].first_us
    quarantine: JsonObject = {"feeds": feeds, "since_us": since_us, "reason": diagnosis.explanation}
    impact = impact_of_retraining(incident.evidence, files.model.main_metric) or impact_of_retraining(incident.evidence)
    return RequestContext(
        requested_by="policy",
        purpose=purposes(files.model.name, feeds, since_us),
        endpoint=incident.endpoint,
        incident_id=incident.id,
        params={
            ActionKind.QUARANTINE_FEED: quarantine,
            ActionKind.NOTIFY_OWNER: {"feeds": feeds, "text": diagnosis.explanation},
            ActionKind.LOG: {"text": diagnosis.explanation},
            ActionKind.RETRAIN: {"reason": diagnosis.explanation},
        },
        impact={} if impact is None else {ActionKind.RETRAIN: impact},
    )


def purposes(model: str, feeds: list[str], since_us: int) -> dict[ActionKind, str]:
    """Return what each action is for, in words that an approver reads."""
    named = ", ".join(feeds) or "the sender"
    since = from_micros(since_us).isoformat(timespec="minutes")
    return {
        ActionKind.LOG: f"note what was found about {model}",
        ActionKind.NOTIFY_OWNER: f"tell the owner of {named}",
        ActionKind.QUARANTINE_FEED: f"learn nothing from what {named} sent since {since}",
        ActionKind.RETRAIN: f"retrain {model} on the data up to now, and release it if better",
        ActionKind.ROLL_BACK: f"go back to the version of {model} that served before",
    }


def _feeds(files: ModelFiles, alerts: list[Alert]) -> list[str]:
    """Return the feeds whose rows broke the contract, most of all first; a model's only feed needs no such proof."""
    broken: Counter[str] = Counter()
    for alert in alerts:
        broken.update({name: int(count) for name, count in alert.detail.get("broken_by_source", {}).items()})
    named = [name for name, _count in broken.most_common() if name in files.model.feeds]
    return named or (list(files.model.feeds) if len(files.model.feeds) == 1 else [])


def _free_feeds(connection: Connection, platform: Platform, incident_id: str, event: Event) -> None:
    incident = load_incident(connection, incident_id)
    done = [
        action
        for action in list_actions(connection, incident_id=incident_id)
        if action.kind is ActionKind.QUARANTINE_FEED and action.state is ActionState.SUCCEEDED
    ]
    if not done:
        return
    feeds = done[0].params["feeds"]
    right_again_us = max(check.window.start_us for check in run_checks(connection, str(event.payload["run_id"])))
    proposal = Proposal(
        origin=Origin.INCIDENT,
        model=incident.model,
        action=ActionKind.RELEASE_FEED,
        diagnosis=None if incident.diagnosis is None else incident.diagnosis.kind,
    )
    context = RequestContext(
        requested_by="policy",
        purpose={ActionKind.RELEASE_FEED: f"trust {', '.join(feeds)} again: its rows are as they were"},
        endpoint=incident.endpoint,
        incident_id=incident.id,
        params={ActionKind.RELEASE_FEED: {"feeds": feeds, "until_us": right_again_us}},
    )
    _propose_and_note(connection, platform, proposal, context, incident.id)
