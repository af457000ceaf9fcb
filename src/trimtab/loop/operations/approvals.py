"""Actions that wait for a person: list, show, comment, approve, reject, cancel."""

from __future__ import annotations

from pydantic import Field

from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Role
from trimtab.core.errors import PermissionDeniedError
from trimtab.db.engine import Connection
from trimtab.db.paging import Place
from trimtab.loop.actor import Actor
from trimtab.loop.approving import agree, remark, turn_down
from trimtab.loop.cancelling import cancel_action
from trimtab.loop.keys import approvers
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, OfModel, Reason
from trimtab.remediation.action_store import list_actions, load_action
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.approvals import asker_of, needed_role
from trimtab.remediation.changes import changes_of
from trimtab.remediation.impact import why_not_known
from trimtab.remediation.promises import promise_in_words
from trimtab.remediation.store import list_incidents, load_incident
from trimtab.remediation.vote_store import votes_of
from trimtab.remediation.votes import counted, tally, why_not_counted

_UNDER_WAY = {ActionState.APPROVED, ActionState.RUNNING}


class ListActions(OfModel):
    """Which requests."""

    state: ActionState | None = Field(default=None, description="Only those in this state, e.g. waiting_approval.")


class OneAction(Strict):
    """Which request."""

    action_id: Id


class DecideAction(OneAction):
    """Which request, and what is decided."""

    approve: bool = Field(description="True approves, false rejects.")
    reason: Reason = ""


class CommentAction(OneAction):
    """Which request, and what there is to say about it."""

    text: Reason = Field(min_length=1, description="What there is to say; it decides nothing.")


class CancelAction(OneAction):
    """Which request, and why it is taken back."""

    reason: Reason = Field(min_length=1)


@operation("approvals.list", "GET", "/api/approvals", Role.VIEWER, ListActions)
def list_approvals(platform: Platform, _actor: Actor, request: ListActions) -> JsonObject:
    """List action requests, newest first: what is proposed, what it should bring, who must agree."""
    with platform.database.reading() as connection:
        found = list_actions(
            connection, model=request.model, state=request.state, after=request.place, limit=request.one_more
        )
    shown, further = request.page(found, lambda action: Place(action.created_us, action.id))
    return {"actions": [described(action) for action in shown], "next": further}


@operation("approvals.show", "GET", "/api/approvals/{action_id}", Role.VIEWER, OneAction)
def show_approval(platform: Platform, _actor: Actor, request: OneAction) -> JsonObject:
    """Show a request: what it is for and why, what it should bring, who has agreed, who could, and what was said."""
    with platform.database.reading() as connection:
        return told_whole(connection, load_action(connection, request.action_id))


@operation("approvals.decide", "POST", "/api/approvals/{action_id}/decision", Role.APPROVER, DecideAction)
def decide(platform: Platform, actor: Actor, request: DecideAction) -> JsonObject:
    """Approve a request, so that it runs once enough people have, or reject it."""
    with platform.database.transaction() as connection:
        action = load_action(connection, request.action_id)
        say = agree if request.approve else turn_down
        heard = say(connection, platform, actor, action, reason=request.reason)
        told = _agreement(connection, heard.request)
    reached("approval.answered")
    return {**described(heard.request), **told, "note": heard.note}


@operation("approvals.comment", "POST", "/api/approvals/{action_id}/comments", Role.OPERATOR, CommentAction)
def comment(platform: Platform, actor: Actor, request: CommentAction) -> JsonObject:
    """Say something about a request; it decides nothing."""
    with platform.database.transaction() as connection:
        action = load_action(connection, request.action_id)
        remark(connection, platform, actor, action, text=request.text)
        return {**described(action), **_agreement(connection, action)}


@operation("approvals.cancel", "POST", "/api/approvals/{action_id}/cancel", Role.OPERATOR, CancelAction)
def cancel(platform: Platform, actor: Actor, request: CancelAction) -> JsonObject:
    """Take a request back: one that waits, one that is about to run, or one that runs, which is stopped."""
    with platform.database.transaction() as connection:
        action = load_action(connection, request.action_id)
        agreed_to = action.state in _UNDER_WAY
        own = actor.who == action.owner and not agreed_to
        if not own and not actor.role.reaches(Role.APPROVER):
            raise PermissionDeniedError(
                f"action {action.id}: {actor.name} has role {actor.role}, approver is needed to cancel what others "
                "asked for, or what was agreed to; ask somebody who has it"
            )
        after = cancel_action(connection, platform, action, by=actor.name, why=request.reason)
    platform.wake.set()
    return described(after)


def told_whole(connection: Connection, action: ActionRequest) -> JsonObject:
    """Return a request with who agreed, who could, what was said, and the case that it belongs to."""
    return {
        **described(action),
        **_agreement(connection, action),
        "params": action.params,
        "promise": _promise_of(connection, action),
        "incident": _case_of(connection, action),
        "open_cases": _open_cases(connection, action),
    }


def _agreement(connection: Connection, action: ActionRequest) -> JsonObject:
    """Return who said what, and who could still agree."""
    votes = votes_of(connection, action.id)
    said = tally(votes, action.needed).agreed
    able = approvers(connection, needed_role(action))
    left = sorted(one for one in able - set(said) if why_not_counted(one, asker_of(action), able) is None)
    waits = action.state is ActionState.WAITING_APPROVAL
    # What was decided is told as it was: who lost their key since then agreed all the same.
    agreed = tally(counted(votes, asker_of(action), able), action.needed).agreed if waits else said
    return {
        "agreed": list(agreed),
        "could_agree": left if waits else [],
        "votes": [
            {"person": one.owner, "word": one.word, "comment": one.comment, "via": one.via, "at_us": one.at_us}
            for one in votes
        ],
    }


def _promise_of(connection: Connection, action: ActionRequest) -> str | None:
    before = () if action.incident_id is None else load_incident(connection, action.incident_id).evidence
    return promise_in_words(action, before)


def _open_cases(connection: Connection, action: ActionRequest) -> list[JsonObject]:
    """Return the other open cases of the model: whoever agrees to a change of it wants to know of them."""
    found = list_incidents(connection, model=action.model, open_only=True)
    return [
        {
            "incident_id": one.id,
            "title": one.title,
            "diagnosis": None if one.diagnosis is None else one.diagnosis.kind.value,
        }
        for one in found
        if one.id != action.incident_id
    ]


def _case_of(connection: Connection, action: ActionRequest) -> JsonObject | None:
    if action.incident_id is None:
        return None
    incident = load_incident(connection, action.incident_id)
    diagnosis = incident.diagnosis
    return {
        "incident_id": incident.id,
        "title": incident.title,
        "state": incident.state.value,
        "diagnosis": None if diagnosis is None else diagnosis.to_json(),
        "breaches": [check.explanation for check in incident.evidence],
    }


def described(action: ActionRequest) -> JsonObject:
    """Return a request as the API tells it."""
    impact = action.predicted_impact
    return {
        "action_id": action.id,
        "kind": action.kind.value,
        "model": action.model,
        "state": action.state.value,
        "tier": action.tier.value,
        "purpose": action.purpose,
        "reason": action.reason,
        "changes": changes_of(action),
        "asked_because": _because(action),
        "predicted_impact": None
        if impact is None
        else {"metric": impact.metric, "now": impact.now, "expected": impact.expected, "basis": impact.basis},
        "impact_not_known": why_not_known(action.kind) if impact is None else None,
        "covers": [one.value for one in action.covers],
        "incident_id": action.incident_id,
        "requested_by": action.requested_by,
        "owner": action.owner,
        "role": needed_role(action).value,
        "needed": action.needed,
        "decided_by": action.decided_by,
        "created_us": action.created_us,
        "expires_us": action.expires_us,
        "finished_us": action.finished_us,
        # What whoever agreed said of it stands with their vote: nothing has come of it yet.
        "outcome": "" if action.state in _UNDER_WAY else action.outcome,
        "rules": action.policy.get("asked", []),
    }


def _because(action: ActionRequest) -> str:
    said = (action.params.get(name) for name in ("trigger", "reason", "because", "text"))
    return str(next((one for one in said if one), ""))
