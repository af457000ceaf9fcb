"""What is wrong with a model: small rules whose names are sentences, asked about the stored facts. All is told."""

from __future__ import annotations

from collections.abc import Callable

from trimtab.loop.platform_advice import Advice
from trimtab.loop.standing import Gate, Standing
from trimtab.remediation.incidents import Incident, IncidentState
from trimtab.remediation.kinds import DiagnosisKind, Level

__all__ = ["PROBLEMS", "Rule"]

_CASES = 3

Rule = Callable[[Standing], Advice | None]


def a_person_is_asked(model: Standing) -> Advice | None:
    """An action waits for approval."""
    if not model.waiting:
        return None
    action = model.waiting[-1]
    more = f" (and {len(model.waiting) - 1} more: trimtab approvals list)" if len(model.waiting) > 1 else ""
    asked = action.params.get("trigger") or action.params.get("reason")
    why = f" Asked for by {action.requested_by}: {asked}." if asked else ""
    # Who reads this may have asked for it, or agreed already.
    waits = "It waits for you"
    if action.needed > 1:
        waits = f"It waits: {action.needed} people have to agree"
    elif action.owner is not None:
        waits = "It waits for another person, or for you while nobody else could agree"
    return Advice(f"{model.model}: {action.purpose}?{why} {waits}{more}", f"trimtab approvals approve {action.id}")


def an_incident_is_open(model: Standing) -> Advice | None:
    """A case is open that no request for approval speaks of."""
    asked = {action.incident_id for action in model.waiting}
    open_cases = [incident for incident in model.incidents if incident.id not in asked]
    if not open_cases:
        return None
    more = f" (and {len(open_cases) - 1} more: trimtab incidents list --open)" if len(open_cases) > 1 else ""
    worst = max(open_cases, key=_badness)
    answered = worst.state is IncidentState.MITIGATING and not model.under_way
    how_bad = "" if worst.diagnosis is None or worst.diagnosis.level is not Level.HIGH else " (high)"
    after = "; it closes by itself when the checks are well again" if answered else ""
    return Advice(
        f"{model.model}: an incident is open: {worst.title}{how_bad}{more}{after}",
        f"trimtab incidents show {worst.id}",
    )


def _badness(incident: Incident) -> float:
    """Return how bad a case is; one that nobody has looked at yet comes first."""
    return 1.0 if incident.diagnosis is None else incident.diagnosis.severity


def a_retraining_is_refused(model: Standing) -> Advice | None:
    """The conditions of a retraining hold, and the policy lets nobody but a person ask for it now."""
    if model.refused_retraining is None or model.waiting or model.under_way:
        return None
    reason, refused = model.refused_retraining
    return Advice(
        f"{model.model}: a retraining is due ({reason}), and the policy does not let it ask ({refused}); you may",
        f"trimtab retrain request {model.model} --reason 'why'",
    )


def a_check_breached(model: Standing) -> Advice | None:
    """The newest run of the monitors breached, and no case tells of it."""
    if not model.breaches or model.incidents:
        return None
    named = ", ".join(model.breaches[:_CASES])
    return Advice(f"{model.model}: the last checks breached: {named}", f"trimtab checks {model.model} --verdict breach")


def a_feed_is_quarantined(model: Standing) -> Advice | None:
    """What a feed sends is kept apart until somebody trusts it again."""
    if not model.quarantined_feeds:
        return None
    feed = model.quarantined_feeds[0]
    return Advice(
        f"{model.model}: feed {feed} is quarantined: its rows are not learnt from; mend its source, release it",
        f"trimtab feeds release {model.model} {feed} --reason 'what was mended'",
    )


def an_endpoint_is_paused(model: Standing) -> Advice | None:
    """Production answers nobody, as somebody wanted."""
    if model.paused is None:
        return None
    return Advice(
        f"{model.model}: {model.endpoint} is paused and answers nobody ({model.paused})",
        f"trimtab endpoints resume {model.endpoint} --reason 'why'",
    )


def a_version_cannot_be_served(model: Standing) -> Advice | None:
    """The inference server refuses what it should serve."""
    if model.refused is None:
        return None
    return Advice(
        f"{model.model}: the inference server cannot serve what it should: {model.refused}",
        f"trimtab history {model.endpoint}",
    )


def what_shall_serve_does_not_yet(model: Standing) -> Advice | None:
    """The callers get something else than what is desired."""
    if model.not_served is None:
        return None
    return Advice(f"{model.model}: not served yet: {model.not_served}", f"trimtab history {model.endpoint}")


def a_rollout_cannot_be_read(model: Standing) -> Advice | None:
    """A rollout under way has limits that nobody can judge: it neither goes on nor back by itself."""
    rollout = model.rollout
    if rollout is None or rollout.unread is None:
        return None
    return Advice(
        f"{model.model}: the rollout of version {rollout.spec.candidate.number} is not looked at: {rollout.unread.why}",
        f"trimtab rollouts abort {rollout.id} --reason 'it cannot be read'",
    )


def the_newest_file_failed(model: Standing) -> Advice | None:
    """The newest delivery could not be read at all."""
    newest = model.delivered
    if newest.newest_state != "failed":
        return None
    return Advice(
        f"{model.model}: {newest.newest_source} could not be taken in: {newest.newest_error or 'refused'}",
        f"trimtab ingest {model.model} FILE",
    )


def rows_are_in_quarantine(model: Standing) -> Advice | None:
    """Rows of the newest delivery did not fit the contract."""
    newest = model.delivered
    if newest.newest_state == "failed" or not newest.newest_quarantined:
        return None
    return Advice(
        f"{model.model}: {newest.newest_quarantined} rows of {newest.newest_source} do not fit contract.yaml and were "
        "set apart; see why, then mend them or the contract",
        f"trimtab deliveries --model {model.model}",
    )


def the_last_training_failed(model: Standing) -> Advice | None:
    """A training ended without a result."""
    job = model.training
    if job is None or job.state != "failed":
        return None
    return Advice(f"{model.model}: the last training failed: {job.error}", f"trimtab train {model.model}")


def the_last_candidate_failed_a_gate(model: Standing) -> Advice | None:
    """A training found nothing good enough."""
    job = model.training
    if job is None or not job.failed_gates:
        return None
    missed = "; ".join(_missed(gate) for gate in job.failed_gates)
    labels = next((one for one in model.incidents if _is_about_labels(one)), None)
    if labels is not None:
        return Advice(
            f"{model.model}: the last candidate was not registered: {missed}; the outcomes that it was judged by are "
            "in doubt themselves: mend them first",
            f"trimtab incidents show {labels.id}",
        )
    return Advice(
        f"{model.model}: the last candidate was not registered: {missed}; deliver more data, try other candidates, or "
        "set the gate lower in training_config.yaml",
        f"trimtab train {model.model}",
    )


def _is_about_labels(incident: Incident) -> bool:
    return incident.diagnosis is not None and incident.diagnosis.kind is DiagnosisKind.LABEL_PROBLEM


def _missed(gate: Gate) -> str:
    if gate.value is None:
        return f"{gate.metric} could not be computed ({gate.limit})"
    by = f", missed by {gate.missed_by:.3g}" if gate.missed_by is not None else ""
    return f"{gate.metric} is {gate.value:.4g} ({gate.limit}{by})"


PROBLEMS: tuple[Rule, ...] = (
    an_endpoint_is_paused,
    a_version_cannot_be_served,
    what_shall_serve_does_not_yet,
    a_rollout_cannot_be_read,
    a_person_is_asked,
    an_incident_is_open,
    a_retraining_is_refused,
    a_check_breached,
    a_feed_is_quarantined,
    the_newest_file_failed,
    rows_are_in_quarantine,
    the_last_training_failed,
    the_last_candidate_failed_a_gate,
)
"""What is wrong: each that holds is told."""
