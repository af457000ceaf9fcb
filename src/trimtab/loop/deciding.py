"""From a diagnosed incident through the policy to actions, and back again once it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.loop.cases import note
from trimtab.loop.expecting import expected_of, of_no_effect
from trimtab.loop.gate import open_diagnoses, propose, weigh
from trimtab.loop.model_files import ModelFiles, load_policy
from trimtab.loop.platform import Platform
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.alerts import Alert
from trimtab.remediation.decision import Decision, Proposal
from trimtab.remediation.diagnosis import Diagnosis, FactName
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.store import load_incident
from trimtab.rollout.store import active_rollout
from trimtab.rollout.way_back import promoted_versions, reinstatements, way_back

__all__ = ["answer_incident", "free_feeds", "proposal_of", "propose_and_note", "purposes", "say_again"]

_log = structlog.get_logger(__name__)


def answer_incident(
    connection: Connection,
    platform: Platform,
    files: ModelFiles,
    incident: Incident,
    diagnosis: Diagnosis,
    alerts: Sequence[Alert],
) -> None:
    """Propose to the policy what to do about a case, in the caller's transaction, and tell the case what came of it."""
    proposal = proposal_of(connection, incident, diagnosis)
    propose_and_note(connection, platform, proposal, _context(connection, files, incident, diagnosis, alerts))


def proposal_of(connection: Connection, incident: Incident, diagnosis: Diagnosis) -> Proposal:
    """Return what the policy is asked about a case: it names the trouble, and leaves the action to the rules."""
    return Proposal(
        origin=Origin.INCIDENT,
        model=incident.model,
        diagnosis=diagnosis.kind,
        severity=diagnosis.severity,
        open_diagnoses=open_diagnoses(connection, incident.model),
    )


def say_again(
    connection: Connection, platform: Platform, incident: Incident, diagnosis: Diagnosis
) -> tuple[Proposal, Decision]:
    """Return what would be proposed about a case now, and what the policy would say of it; nothing is stored.

    Raises:
        ConfigError: the policy cannot be read.
    """
    policy = load_policy(platform.project).value
    proposal = proposal_of(connection, incident, diagnosis)
    context = RequestContext(
        requested_by="policy", purpose={}, endpoint=incident.endpoint, impossible=_impossible(connection, incident)
    )
    decision, _standing = weigh(connection, policy, proposal, context, now=platform.clock.now())
    return proposal, decision


def free_feeds(connection: Connection, platform: Platform, incident_id: str, *, right_again_us: int) -> None:
    """Propose to trust the feeds again that a case had quarantined, now that it is over: from ``right_again_us`` on."""
    incident = load_incident(connection, incident_id)
    done = list_actions(
        connection, incident_id=incident_id, kind=ActionKind.QUARANTINE_FEED, state=ActionState.SUCCEEDED, limit=1
    )
    if not done:
        return
    feeds = done[0].params["feeds"]
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
    propose_and_note(connection, platform, proposal, context)


def propose_and_note(
    connection: Connection, platform: Platform, proposal: Proposal, context: RequestContext
) -> tuple[ActionRequest, ...]:
    """Propose, and tell the case what came of it; return the requests that are new.

    A policy that cannot be read is told too, and holds up nothing: whoever reacts to an event must not fail for it.
    """
    try:
        decision, created = propose(connection, platform, proposal, context)
    except ConfigError as error:
        why = str(error)
        note(connection, platform, context.incident_id, "policy: cannot be read, so nothing was proposed", why)
        _log.error("policy.unreadable", incident=context.incident_id, model=proposal.model, error=why)
        return ()
    what = ", ".join(f"{one.kind} ({one.tier})" for one in created) or "nothing new to do"
    note(connection, platform, context.incident_id, f"policy: {what}", decision.reason)
    return created


def purposes(model: str, feeds: Sequence[str], since_us: int) -> dict[ActionKind, str]:
    """Return what each action is for, in words that an approver reads."""
    named = ", ".join(feeds) or "the sender"
    since = from_micros(since_us).isoformat(timespec="minutes")
    return {
        ActionKind.LOG: f"note what was found about {model}",
        ActionKind.NOTIFY_OWNER: f"tell the owner of {named}",
        ActionKind.ESCALATE: f"tell those who are on call that {model} is in serious trouble",
        ActionKind.QUARANTINE_FEED: f"learn nothing from what {named} sent since {since}",
        ActionKind.RETRAIN: f"retrain {model} on the data up to now, and release it if better",
        ActionKind.ROLL_BACK: f"go back to the version of {model} that served before",
        ActionKind.SCALE: f"give {model} more workers to answer with",
        ActionKind.CLEAR_CACHE: f"have {model} read its features anew",
        ActionKind.RESUME_ENDPOINT: f"let {model} answer again",
        ActionKind.CHANGE_CONFIG: f"change a limit of {model}",
        ActionKind.PAUSE_ENDPOINT: f"let {model} answer nobody until a person says so",
        ActionKind.OPEN_LABELLING: f"have people label rows that {model} is unsure about",
    }


def _context(
    connection: Connection, files: ModelFiles, incident: Incident, diagnosis: Diagnosis, alerts: Sequence[Alert]
) -> RequestContext:
    feeds = _feeds(files, alerts)
    since_us = diagnosis.since_us if diagnosis.since_us is not None else incident.signals[0].first_us
    quarantine: JsonObject = {"feeds": feeds, "since_us": since_us, "reason": diagnosis.explanation}
    return RequestContext(
        requested_by="policy",
        purpose=purposes(files.model.name, feeds, since_us),
        endpoint=incident.endpoint,
        incident_id=incident.id,
        params={
            ActionKind.QUARANTINE_FEED: quarantine,
            ActionKind.NOTIFY_OWNER: {"feeds": feeds, "text": diagnosis.explanation},
            ActionKind.ESCALATE: {"text": diagnosis.explanation},
            ActionKind.LOG: {"text": diagnosis.explanation},
            ActionKind.RETRAIN: {"reason": diagnosis.explanation},
            ActionKind.ROLL_BACK: {"because": diagnosis.explanation},
            ActionKind.PAUSE_ENDPOINT: {"reason": diagnosis.explanation},
            ActionKind.OPEN_LABELLING: {"text": diagnosis.explanation},
        },
        impact=expected_of(connection, files, incident, feeds, since_us),
        impossible=_impossible(connection, incident),
    )


def _impossible(connection: Connection, incident: Incident) -> dict[ActionKind, str]:
    """Return what cannot be done about the case now, and why: nobody is asked to agree to that."""
    endpoint = incident.endpoint
    found = of_no_effect(connection, endpoint)
    goes_back = way_back(promoted_versions(connection, endpoint), reinstatements(connection, endpoint))
    if not goes_back and active_rollout(connection, endpoint) is None:
        found[ActionKind.ROLL_BACK] = f"no other version served on {endpoint} before, so that there is no way back"
    would_gain = None if incident.diagnosis is None else incident.diagnosis.fact(FactName.TWIN_WOULD_GAIN)
    if would_gain is not None and would_gain.holds is False:
        # That quality fell is no reason to train by itself: what came since may teach nothing better.
        found[ActionKind.RETRAIN] = (
            f"a training would not pay now; the triggers ask for one when it does: {would_gain.why}"
        )
    return found


def _feeds(files: ModelFiles, alerts: Sequence[Alert]) -> list[str]:
    """Return the feeds whose rows broke the contract, most of all first; a model's only feed needs no such proof."""
    broken: Counter[str] = Counter()
    for alert in alerts:
        broken.update({name: int(count) for name, count in alert.detail.get("broken_by_source", {}).items()})
    named = [name for name, _count in broken.most_common() if name in files.model.feeds]
    return named or (list(files.model.feeds) if len(files.model.feeds) == 1 else [])
