"""A version that served before serves again, because it would do better now: proposed, agreed to, rolled out.

It is a release of a known version and no training; it passes the same gate as everything else, and goes out by the
model's own strategy, since traffic is not what it was when it served.
"""

from __future__ import annotations

from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.loop.deciding import propose_and_note
from trimtab.loop.gate import open_diagnoses
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of, start_rollout
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.decision import Proposal
from trimtab.remediation.impact import impact_of_reinstating
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.retraining.pool import Return
from trimtab.rollout import store

__all__ = ["propose_return", "reinstate"]

_NEWEST = 100


def propose_return(connection: Connection, platform: Platform, files: ModelFiles, back: Return) -> str | None:
    """Propose in the caller's transaction that a kept version serves again; return the request's id, if there is one.

    While a rollout or a training is under way nothing is proposed: what it brings is not known yet. Nor is it proposed
    twice on the same evidence: whoever turned it down is asked again when another period says the same.
    """
    model = files.model.name
    asked = list_actions(connection, model=model, kind=ActionKind.REINSTATE, limit=_NEWEST)
    if (
        store.active_rollout(connection, files.endpoint) is not None
        or is_training(connection, model)
        or any(one.params.get("period_us", 0) >= back.period_us for one in asked)
    ):
        return None
    proposal = Proposal(
        origin=Origin.TRIGGER,
        model=model,
        action=ActionKind.REINSTATE,
        severity=0.5,
        open_diagnoses=open_diagnoses(connection, model),
    )
    champion = aliases_of(connection, files.endpoint).get("champion")
    context = RequestContext(
        requested_by="trigger",
        purpose={ActionKind.REINSTATE: f"let version {back.version} of {model} serve again in the place of {champion}"},
        endpoint=files.endpoint,
        params={
            ActionKind.REINSTATE: {
                "number": back.version,
                "instead_of": champion,
                "period_us": back.period_us,
                "why": back.why,
            }
        },
        impact={ActionKind.REINSTATE: impact_of_reinstating(back.saves, back.why)},
    )
    created = propose_and_note(connection, platform, proposal, context)
    return created[0].id if created else None


def is_training(connection: Connection, model: str) -> bool:
    """Return whether a retraining of ``model`` was agreed to, and has not come to its end."""
    open_ones = list_actions(connection, model=model, kind=ActionKind.RETRAIN, open_only=True)
    return any(one.state in {ActionState.APPROVED, ActionState.RUNNING} for one in open_ones)


def reinstate(connection: Connection, platform: Platform, request: ActionRequest) -> str | None:
    """Start the rollout of the version that the request names; its end is the action's end.

    Raises:
        ConflictError: another version serves than the one it was weighed against, or a rollout is under way.
        ApprovalRequiredError: the version was rejected meanwhile.
    """
    files = platform.files(request.model)
    number, instead_of = int(request.params["number"]), request.params.get("instead_of")
    champion = aliases_of(connection, files.endpoint).get("champion")
    if champion == number:
        return f"version {number} serves already"
    if champion != instead_of:
        raise ConflictError(
            f"version {request.model}@{number}: was weighed against version {instead_of}, but {champion} serves "
            f"{files.endpoint!r} now; nothing to do: the next labelled period is weighed against that one"
        )
    by = request.decided_by or request.requested_by
    start_rollout(connection, platform, files, number, by=by, reason=request.reason, action_id=request.id)
    return None
