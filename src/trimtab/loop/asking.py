"""What a person wants done, through the one gate: done at once where nobody else has to agree, else it waits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError, ConflictError, PermissionDeniedError
from trimtab.db.engine import Connection
from trimtab.loop.actions.registry import ACTION_HANDLERS
from trimtab.loop.actor import Actor
from trimtab.loop.approving import agree
from trimtab.loop.expecting_now import expected_now
from trimtab.loop.gate import finish_action, open_diagnoses, propose
from trimtab.loop.handlers.rollouts import conclude_action
from trimtab.loop.keys import approvers
from trimtab.loop.platform import Platform
from trimtab.remediation.action_store import is_action, list_actions, load_action, save_action
from trimtab.remediation.actions import ActionRequest, ActionState, advance
from trimtab.remediation.approvals import needed_role
from trimtab.remediation.decision import Proposal
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.votes import Via, why_not_counted
from trimtab.rollout import store as rollouts

__all__ = ["Asked", "Wish", "ask", "waiting_told"]

_PURPOSE_CHARS = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants done about a model, and for what.

    ``about`` narrows the model down, where several can be asked for at a time: a version, a feed. ``owner`` is who
    wanted it first, if that is another person; ``agreed`` are people who agreed to it already, by what they agreed to
    before.
    """

    kind: ActionKind
    model: str
    purpose: str
    params: JsonObject = field(default_factory=dict)
    about: str | None = None
    owner: str | None = None
    agreed: Sequence[Actor] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it stands after somebody asked for it; None where the same is under way by another one."""

    request: ActionRequest | None
    note: str = ""

    @property
    def waits(self) -> bool:
        """Whether somebody else has to agree first."""
        return self.request is not None and self.request.state is ActionState.WAITING_APPROVAL

    @property
    def done(self) -> str | None:
        """What was done, in words; None while its end is still to come."""
        if self.request is None or self.request.state is not ActionState.SUCCEEDED:
            return None
        return self.request.outcome


def ask(connection: Connection, platform: Platform, actor: Actor, wish: Wish) -> Asked:
    """Put a person's wish to the policy in the caller's transaction, and do it at once if nobody else has to agree.

    Whoever asks agrees by that, if they may: while nobody else could, their word is enough, and they are told so. What
    cannot be done now is not asked for either: then nothing is stored. What this very request of theirs has asked for
    already, before its process was killed, is returned as it stands by now.

    Raises:
        ConfigError: what it is for takes too long to tell.
        ConflictError: the same waits already, or the policy refuses it.
        TrimtabError: what the action itself says why it cannot be done.
    """
    if len(wish.purpose) > _PURPOSE_CHARS:
        raise ConfigError(
            f"model {wish.model!r}: this {wish.kind} takes {len(wish.purpose)} characters to tell, expected "
            f"{_PURPOSE_CHARS} at most, so that whoever agrees reads all of it; ask for less at a time"
        )
    if actor.claim_id and is_action(connection, actor.claim_id):
        return Asked(load_action(connection, actor.claim_id))
    present = _open_alike(connection, platform, wish)
    if present is not None and present.state is ActionState.RUNNING:
        return Asked(None)
    if present is not None:
        raise ConflictError(_waits_already(present))
    proposal = Proposal(
        origin=Origin.PERSON,
        model=wish.model,
        action=wish.kind,
        open_diagnoses=open_diagnoses(connection, wish.model),
        may_approve=actor.role.reaches(Role.APPROVER),
    )
    context = RequestContext(
        requested_by=actor.name,
        owner=wish.owner or actor.who,
        purpose={wish.kind: wish.purpose},
        about=wish.about,
        endpoint=_endpoint_of(platform, wish.model),
        params={wish.kind: wish.params},
        impact=expected_now(connection, platform, wish.model, wish.kind, wish.params),
    )
    decision, created = propose(connection, platform, proposal, context, ids=_ids(platform, actor))
    if not created:
        raise ConflictError(f"model {wish.model!r}: {wish.kind} is not done: {decision.reason}")
    request, told = _agreed(connection, platform, actor, created[0], wish)
    if request.state is ActionState.WAITING_APPROVAL:
        _require_possible(connection, platform, request)
        return Asked(request, told)
    return Asked(_begin(connection, platform, request), told)


def _ids(platform: Platform, actor: Actor) -> Callable[[], str]:
    """Return what names the requests that follow: the first by the claim under which it is asked for."""
    first = [actor.claim_id] if actor.claim_id else []
    return lambda: first.pop() if first else platform.new_id()


def waiting_told(connection: Connection, asked: Asked) -> JsonObject:
    """Return what a person is told of their wish: its request, what else there is to say, and who could agree."""
    request = asked.request
    if request is None:
        return {"action_id": None, "waits": False, "could_agree": [], "role": None, "note": asked.note}
    able = approvers(connection, needed_role(request))
    others = sorted(one for one in able if why_not_counted(one, request.owner, able) is None)
    return {
        "action_id": request.id,
        "waits": asked.waits,
        "could_agree": others if asked.waits else [],
        "role": needed_role(request).value,
        "note": asked.note,
    }


def _agreed(
    connection: Connection, platform: Platform, actor: Actor, request: ActionRequest, wish: Wish
) -> tuple[ActionRequest, str]:
    """Count who agrees by asking, or has agreed before, until that is enough."""
    told = ""
    for one, via in [*((one, Via.EARLIER) for one in wish.agreed), (actor, Via.API)]:
        if request.state is not ActionState.WAITING_APPROVAL:
            break
        able = approvers(connection, needed_role(request))
        if not one.role.reaches(needed_role(request)) or why_not_counted(one.who, request.owner, able) is not None:
            continue
        try:
            heard = agree(connection, platform, one, request, reason=str(wish.params.get("reason", "")), via=via)
        except (ConflictError, PermissionDeniedError):
            continue
        request, told = heard.request, heard.note
    return request, told


def _begin(connection: Connection, platform: Platform, request: ActionRequest) -> ActionRequest:
    """Start what was agreed to, so that whoever asked sees what came of it; what lies outside the loop does."""
    handler = ACTION_HANDLERS[request.kind]
    if handler.outside:
        return request
    deadline_us = platform.now_us() + handler.lasts(platform, request) // timedelta(microseconds=1)
    running = dataclasses.replace(
        advance(request, ActionState.RUNNING, at_us=platform.now_us()), deadline_us=deadline_us
    )
    running = save_action(connection, running)
    began = handler.start(connection, platform, running)
    if began.effect:
        running = save_action(connection, dataclasses.replace(running, effect=began.effect))
    if began.outcome is None:
        return running
    return finish_action(connection, platform, running, ActionState.SUCCEEDED, began.outcome)


def _require_possible(connection: Connection, platform: Platform, request: ActionRequest) -> None:
    """Do it, and take that back: nobody shall be asked to agree to what cannot be done."""
    handler = ACTION_HANDLERS.get(request.kind)
    if handler is None or handler.outside:
        return
    attempt = connection.begin_nested()
    try:
        handler.start(connection, platform, request)
    finally:
        attempt.rollback()


def _open_alike(connection: Connection, platform: Platform, wish: Wish) -> ActionRequest | None:
    subject = wish.model if wish.about is None else f"{wish.model}:{wish.about}"
    for request in list_actions(connection, model=wish.model, kind=wish.kind, open_only=True):
        if request.dedup_key == f"{wish.kind}:{subject}":
            present = _as_it_is(connection, platform, request)
            return present if present.state.is_open else None
    return None


def _as_it_is(connection: Connection, platform: Platform, request: ActionRequest) -> ActionRequest:
    """Return the request, ended if its rollout has: the event that tells of that may be on its way."""
    if request.state is not ActionState.RUNNING:
        return request
    for rollout in rollouts.list_rollouts(connection, model=request.model):
        if rollout.action_id == request.id and rollout.state.phase.is_final:
            conclude_action(connection, platform, rollout, request.id)
            return load_action(connection, request.id)
    return request


def _waits_already(present: ActionRequest) -> str:
    if present.state is ActionState.WAITING_APPROVAL:
        return (
            f"model {present.model!r}: {present.purpose!r} waits for approval already; decide on that: "
            f"trimtab approvals approve {present.id}"
        )
    return (
        f"model {present.model!r}: {present.purpose!r} was agreed to and is about to be done; "
        f"see 'trimtab approvals show {present.id}'"
    )


def _endpoint_of(platform: Platform, model: str) -> str | None:
    try:
        return platform.files(model).endpoint
    except ConfigError:
        # A file that cannot be read keeps nobody from going back; what needs it says so itself.
        return None
