"""From an incident to a diagnosis, and from the diagnosis through the policy to actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.audit import log as audit
from trimtab.core.enums import Verdict
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event
from trimtab.loop.cancelling import cancel_outlived
from trimtab.loop.conductor import Commit
from trimtab.loop.deciding import answer_incident
from trimtab.loop.escalating import escalate
from trimtab.loop.evidence import evidence_of, importance_of
from trimtab.loop.freeing import free_feeds, keep_feeds
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.remediation.action_store import list_actions, verification_of
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.diagnosis import Diagnosis, diagnose
from trimtab.remediation.incidents import Incident, with_diagnosis
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Level
from trimtab.remediation.store import list_alerts, load_incident, save_incident

__all__ = ["remedy"]

_OVER = {"incident.recovered", "incident.closed"}
_SETTLED = {ActionState.SUCCEEDED, ActionState.REJECTED}


def remedy(platform: Platform, event: Event) -> Commit | None:
    """Diagnose an incident that opened or changed and propose what the policy says; one that is over frees feeds."""
    model = str(event.payload["model"])
    # A case about no model of ours has no files, and nothing that a policy could do: people are told of it.
    is_ours = model in platform.project.model_names
    if event.kind in _OVER:
        return lambda connection: _conclude(connection, platform, event, is_ours=is_ours)
    files = platform.files(model) if is_ours else None
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
        _ask_people(connection, platform, incident, diagnosis)
        return
    if event.kind == "incident.reopened":
        keep_feeds(connection, platform, incident)
    done = [one for one in list_actions(connection, incident_id=incident.id) if one.created_us >= incident.since_us]
    is_news = incident.is_news(diagnosis)
    if is_news or not _is_answered(connection, done, diagnosis):
        told = _told_already(done, diagnosis, is_news=is_news)
        answer_incident(connection, platform, files, incident, diagnosis, alerts, told=told, again=not is_news)


def _conclude(connection: Connection, platform: Platform, event: Event, *, is_ours: bool) -> None:
    """Undo what only makes sense while the case lasts."""
    incident_id = str(event.payload["incident_id"])
    cancel_outlived(connection, platform, incident_id)
    if is_ours:
        free_feeds(connection, platform, str(event.payload["model"]), ended=incident_id)


def _ask_people(connection: Connection, platform: Platform, incident: Incident, now: Diagnosis) -> None:
    """Escalate a case that no policy is asked about, once for each thing that it is called.

    What nobody understands and is not bad stays told as every case that opens is: by the routes that want it so loud.
    """
    if now.kind not in incident.asked and (now.kind is not DiagnosisKind.UNKNOWN or now.level is Level.HIGH):
        about = f"{incident.id}:{now.kind}:{incident.since_us}"
        save_incident(connection, incident.asked_about(now))
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


def _is_answered(connection: Connection, done: Sequence[ActionRequest], now: Diagnosis) -> bool:
    """Whether something that changes the world is under way, was done, or was turned down, for this very diagnosis.

    That people were told is no answer: what was impossible, cooled down or was held back is proposed as soon as it can
    be done, also while people know. Nor is what a trigger wants, what was not found to help while there was time for
    it, and what only took that back. ``done``: the case's actions since it was opened, or opened again: what was done
    before did not end it.
    """
    return any(
        not action.kind.only_tells
        and action.kind is not ActionKind.RELEASE_FEED
        and action.requested_by == "policy"
        and (action.state.is_open or _is_settled(connection, action, now))
        for action in done
    )


def _is_settled(connection: Connection, action: ActionRequest, now: Diagnosis) -> bool:
    if action.state not in _SETTLED:
        return False
    planned = verification_of(connection, action.id)
    if planned is not None and planned.finished_us is None:
        return True
    found = None if planned is None else planned.result
    has_helped = found is None or found.verdict is Verdict.OK
    return action.policy.get("diagnosis") == now.kind and has_helped


def _told_already(done: Sequence[ActionRequest], now: Diagnosis, *, is_news: bool) -> frozenset[ActionKind]:
    """Return what is not said again: each telling is for one diagnosis at one level, and is not repeated each run.

    Those on call are asked once a level, whatever the case is called: a severity that wavers, or a name that does,
    brings them nothing new.
    """
    if not is_news:
        return frozenset(kind for kind in ActionKind if kind.only_tells)
    levels = [Level(one.params.get("level", Level.HIGH)) for one in done if one.kind is ActionKind.ESCALATE]
    return frozenset({ActionKind.ESCALATE} if any(level.rank >= now.level.rank for level in levels) else ())
