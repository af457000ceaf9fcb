"""What somebody says about a request, by whatever way: counted, stored, told and audited in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.core.crashpoints import reached
from trimtab.core.enums import Role
from trimtab.db.engine import Connection
from trimtab.loop.actor import Actor
from trimtab.loop.cases import note
from trimtab.loop.escalating import escalate
from trimtab.loop.gate import finish_action, publish_action
from trimtab.loop.keys import approvers
from trimtab.loop.platform import Platform
from trimtab.loop.reweighing import weighed_again
from trimtab.remediation.action_store import save_action, save_grant
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.approvals import Person, approve, needed_role, reject
from trimtab.remediation.changes import changes_of
from trimtab.remediation.link_store import void_links
from trimtab.remediation.vote_store import save_vote, votes_of
from trimtab.remediation.votes import Via, Vote, Word
from trimtab.retraining.store import note_outcome

__all__ = ["Heard", "agree", "remark", "turn_down"]


@dataclass(frozen=True, slots=True)
class Heard:
    """A request after somebody's word, and what they have to be told besides."""

    request: ActionRequest
    note: str = ""


def agree(
    connection: Connection, platform: Platform, actor: Actor, request: ActionRequest, *, reason: str, via: Via = Via.API
) -> Heard:
    """Count that ``actor`` agrees, in the caller's transaction; the last one who is needed lets the request run.

    How many and who that is, the policy says as it was when the request was made, or as it is, whichever is stricter.
    What it refuses by now is cancelled, and then nobody's word counts.

    Raises:
        PermissionDeniedError: the role does not reach, or it is their own wish and somebody else could agree.
        ConflictError: they have agreed already.
        IllegalTransitionError: nothing is left to decide.
    """
    before, weighed = request, weighed_again(connection, platform, request)
    if weighed.refused and request.state is ActionState.WAITING_APPROVAL:
        void_links(connection, request.id, at_us=platform.now_us())
        note(connection, platform, request.incident_id, f"{request.kind} cancelled", weighed.why)
        return Heard(finish_action(connection, platform, request, ActionState.CANCELLED, weighed.why), weighed.why)
    request = weighed.request if weighed.request == before else save_action(connection, weighed.request)
    approval = approve(
        request,
        _person(actor),
        votes=votes_of(connection, request.id),
        approvers=approvers(connection, needed_role(request)),
        now=platform.clock.now(),
        ids=platform.new_id,
        via=via,
        comment=reason,
    )
    save_vote(connection, approval.vote)
    reached("vote.counted")
    after = request
    if approval.grant is not None:
        after = save_action(connection, approval.request)
        save_grant(connection, approval.grant)
        publish_action(connection, platform, after)
        reached("approval.granted")
    void_links(
        connection, request.id, at_us=platform.now_us(), person=None if approval.grant is not None else actor.who
    )
    word = "approved" if approval.grant is not None else "agreed"
    tally = {"agreed": list(approval.tally.agreed), "needed": approval.tally.needed}
    if weighed.why:
        tally["policy"] = weighed.why
    _tell(connection, platform, actor, before, after, word, reason, via, tally)
    return Heard(after, "; ".join(one for one in (approval.note, weighed.why) if one))


def turn_down(
    connection: Connection, platform: Platform, actor: Actor, request: ActionRequest, *, reason: str, via: Via = Via.API
) -> Heard:
    """Store that ``actor`` says no, in the caller's transaction: one who may decide is enough.

    What no person had asked for goes to an admin then, unless it was one who said no.

    Raises:
        PermissionDeniedError: the role does not reach.
        IllegalTransitionError: nothing is left to decide.
    """
    after = save_action(connection, reject(request, _person(actor), now=platform.clock.now(), reason=reason))
    vote = Vote(
        platform.new_id(), request.id, actor.who, actor.name, Word.REJECT, platform.now_us(), via, comment=reason
    )
    save_vote(connection, vote)
    void_links(connection, request.id, at_us=platform.now_us())
    note_outcome(connection, after.id, f"rejected by {actor.name}: {reason}".rstrip(": "))
    payload = {"action_id": after.id, "model": after.model, "incident_id": after.incident_id}
    platform.publish(connection, "action.rejected", f"action:{after.id}", payload)
    _tell(connection, platform, actor, request, after, "rejected", reason, via, {})
    if request.owner is None and not actor.role.reaches(Role.ADMIN):
        why = f"{actor.name} rejected {request.purpose!r}{': ' * bool(reason)}{reason}; an admin is to decide what else"
        # What one rule asked for at once is one matter, however many of its requests are turned down.
        about = f"rejected:{request.incident_id or request.id}:{request.created_us}"
        escalate(connection, platform, request.model, why, about=about, incident_id=request.incident_id)
    return Heard(after)


def remark(connection: Connection, platform: Platform, actor: Actor, request: ActionRequest, *, text: str) -> Heard:
    """Store what ``actor`` has to say about a request, in the caller's transaction, once; it decides nothing."""
    if any(one.id == actor.claim_id for one in votes_of(connection, request.id)):
        return Heard(request)
    vote = Vote(
        actor.claim_id or platform.new_id(),
        request.id,
        actor.who,
        actor.name,
        Word.COMMENT,
        platform.now_us(),
        comment=text,
    )
    save_vote(connection, vote)
    _tell(connection, platform, actor, request, request, "commented", text, Via.API, {})
    return Heard(request)


def _person(actor: Actor) -> Person:
    return Person(actor.name, actor.role, actor.who)


def _tell(
    connection: Connection,
    platform: Platform,
    actor: Actor,
    before: ActionRequest,
    after: ActionRequest,
    word: str,
    reason: str,
    via: Via,
    tally: JsonObject,
) -> None:
    note(connection, platform, after.incident_id, f"{after.kind} {word} by {actor.name}", reason)
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=actor.name,
        action=f"action.{word}",
        subject=f"action:{after.id}",
        reason=reason,
        before={"state": before.state.value},
        after={"state": after.state.value},
        detail={
            "kind": after.kind.value,
            "model": after.model,
            "incident_id": after.incident_id,
            "purpose": after.purpose,
            "changes": changes_of(after),
            "covers": [one.value for one in after.covers],
            "person": actor.who,
            "via": via.value,
            **tally,
        },
    )
