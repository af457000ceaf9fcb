"""From a diagnosed incident through the policy to actions, and back again once it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import structlog

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.loop.actions.feeds import WHICH_FEED
from trimtab.loop.cases import note
from trimtab.loop.expecting import expected_of, of_no_effect, tried_in_vain
from trimtab.loop.gate import open_diagnoses, propose, weigh
from trimtab.loop.leaving import in_words, left_by_going_back, why_no_way_back
from trimtab.loop.model_files import ModelFiles, load_policy
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.alerts import Alert
from trimtab.remediation.decision import Decision, Proposal
from trimtab.remediation.diagnosis import Diagnosis, FactName
from trimtab.remediation.incidents import Incident
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.store import list_alerts, load_incident, save_incident

__all__ = ["answer_incident", "proposal_of", "propose_again", "propose_and_note", "purposes", "say_again"]

_log = structlog.get_logger(__name__)

_NAMED_BY_NO_CASE = {
    ActionKind.RELEASE_FEED: "feeds are trusted again when their cases are over; that is proposed then",
    **dict.fromkeys(
        (ActionKind.APPROVE_VERSION, ActionKind.DEPLOY, ActionKind.REINSTATE),
        "which version it should be, a case does not say; a person, a training or the ledger does",
    ),
}


def answer_incident(
    connection: Connection,
    platform: Platform,
    files: ModelFiles,
    incident: Incident,
    diagnosis: Diagnosis,
    alerts: Sequence[Alert],
    *,
    told: frozenset[ActionKind] = frozenset(),
    again: bool = False,
) -> None:
    """Propose to the policy what to do about a case, in the caller's transaction, and tell the case what came of it.

    ``told``: what people know already. ``again``: the same was asked before, so that only what may be done by now is
    news.
    """
    proposal = proposal_of(connection, incident, diagnosis)
    context = replace(_context(connection, platform, files, incident, diagnosis, alerts), told=told)
    (propose_again if again else propose_and_note)(connection, platform, proposal, context)


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
        ConfigError: the policy cannot be read, or the model's files cannot.
    """
    policy = load_policy(platform.project).value
    proposal = proposal_of(connection, incident, diagnosis)
    is_ours = incident.model in platform.project.model_names
    alerts = list_alerts(connection, incident_id=incident.id)
    feeds = _feeds(platform.files(incident.model), alerts) if is_ours else ()
    context = RequestContext(
        requested_by="policy",
        purpose={},
        endpoint=incident.endpoint,
        impossible=_impossible(connection, platform, incident, feeds),
    )
    decision, _standing = weigh(connection, policy, proposal, context, now=platform.clock.now())
    return proposal, decision


def propose_and_note(
    connection: Connection, platform: Platform, proposal: Proposal, context: RequestContext
) -> tuple[ActionRequest, ...]:
    """Propose, and tell the case what came of it; return the requests that are new.

    A policy that cannot be read is told too, once, and holds up nothing: whoever reacts to an event must not fail for
    it. The case is asked about again then as if nobody had asked.
    """
    try:
        decision, created = propose(connection, platform, proposal, context)
    except ConfigError as error:
        _note_unreadable(connection, platform, context.incident_id, str(error))
        _log.error("policy.unreadable", incident=context.incident_id, model=proposal.model, error=str(error))
        return ()
    _note_decision(connection, platform, proposal, context, decision, created)
    return created


def propose_again(
    connection: Connection, platform: Platform, proposal: Proposal, context: RequestContext
) -> tuple[ActionRequest, ...]:
    """Propose what was asked about before, and return the requests that are new.

    Where nothing may be done now that could not be done then, or the policy cannot be read, nothing is stored or told:
    whoever asks at every run would fill the case with the same refusal.
    """
    try:
        policy = load_policy(platform.project).value
    except ConfigError:
        return ()
    weighed, _standing = weigh(connection, policy, proposal, context, now=platform.clock.now())
    if context.told.issuperset(weighed.allowed):
        return ()
    decision, created = propose(connection, platform, proposal, context)
    if created:
        _note_decision(connection, platform, proposal, context, decision, created)
    return created


def _note_decision(
    connection: Connection,
    platform: Platform,
    proposal: Proposal,
    context: RequestContext,
    decision: Decision,
    created: Sequence[ActionRequest],
) -> None:
    """Tell a case what the policy said; one that asked what is to be done remembers that it did."""
    if context.incident_id is None:
        return
    what = ", ".join(f"{one.kind} ({one.tier})" for one in created) or "nothing new to do"
    incident = load_incident(connection, context.incident_id)
    if proposal.action is None and incident.diagnosis is not None:
        incident = incident.asked_about(incident.diagnosis)
    save_incident(connection, incident.noted(platform.now_us(), "trimtab", f"policy: {what}", decision.reason))


def _note_unreadable(connection: Connection, platform: Platform, incident_id: str | None, why: str) -> None:
    if incident_id is None:
        return
    what = "policy: cannot be read, so nothing was proposed"
    told = [entry for entry in load_incident(connection, incident_id).timeline if entry.what.startswith("policy: ")]
    if not told or (told[-1].what, told[-1].why) != (what, why):
        note(connection, platform, incident_id, what, why)


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
        ActionKind.ROLL_BACK: in_words(model, {}),
        ActionKind.SCALE: f"give {model} more workers to answer with",
        ActionKind.CLEAR_CACHE: f"have {model} read its features anew",
        ActionKind.RESUME_ENDPOINT: f"let {model} answer again",
        ActionKind.CHANGE_CONFIG: f"change a limit of {model}",
        ActionKind.PAUSE_ENDPOINT: f"let {model} answer nobody until a person says so",
        ActionKind.OPEN_LABELLING: f"have people label rows that {model} is unsure about",
    }


def _context(
    connection: Connection,
    platform: Platform,
    files: ModelFiles,
    incident: Incident,
    diagnosis: Diagnosis,
    alerts: Sequence[Alert],
) -> RequestContext:
    feeds = _feeds(files, alerts)
    since_us = diagnosis.since_us if diagnosis.since_us is not None else incident.signals[0].first_us
    quarantine: JsonObject = {"feeds": feeds, "since_us": since_us, "reason": diagnosis.explanation}
    left = left_by_going_back(connection, incident.endpoint)
    model = files.model.name
    return RequestContext(
        requested_by="policy",
        purpose={**purposes(model, feeds, since_us), ActionKind.ROLL_BACK: in_words(model, left)},
        endpoint=incident.endpoint,
        incident_id=incident.id,
        params={
            ActionKind.QUARANTINE_FEED: quarantine,
            ActionKind.NOTIFY_OWNER: {"feeds": feeds, "text": diagnosis.explanation},
            ActionKind.ESCALATE: {"text": diagnosis.explanation, "level": diagnosis.level.value},
            ActionKind.LOG: {"text": diagnosis.explanation},
            ActionKind.RETRAIN: {"reason": diagnosis.explanation},
            ActionKind.ROLL_BACK: {"because": diagnosis.explanation, **left},
            ActionKind.PAUSE_ENDPOINT: {"reason": diagnosis.explanation},
            ActionKind.OPEN_LABELLING: {"text": diagnosis.explanation},
        },
        impact=expected_of(connection, files, incident, feeds, since_us),
        impossible=_impossible(connection, platform, incident, feeds),
    )


def _impossible(
    connection: Connection, platform: Platform, incident: Incident, feeds: Sequence[str]
) -> dict[ActionKind, str]:
    """Return what cannot be done about the case now, and why: nobody is asked to agree to that."""
    endpoint = incident.endpoint
    workers = platform.project.config.serving.workers
    found = {
        **_NAMED_BY_NO_CASE,
        **tried_in_vain(connection, incident),
        **of_no_effect(connection, endpoint, workers=workers),
    }
    if not feeds:
        found[ActionKind.QUARANTINE_FEED] = WHICH_FEED
    stays = why_no_way_back(connection, endpoint)
    if stays is not None:
        found[ActionKind.ROLL_BACK] = stays
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
