"""Who may agree to an action, and what the agreement allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from trimtab.core.clock import from_micros, to_micros
from trimtab.core.enums import Role, Tier
from trimtab.core.errors import IllegalTransitionError, PermissionDeniedError
from trimtab.remediation.actions import ActionRequest, ActionState, Grant, advance
from trimtab.remediation.policy import PolicyConfig, Ruling

__all__ = ["Approval", "Person", "approve", "expire", "granted_by_policy", "is_due_to_expire", "needed_role", "reject"]

_GRANT_LASTS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever decides: the name under which they act, and their role."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Approval:
    """An approved request, the grant that it now has, and what the approver has to be told."""

    request: ActionRequest
    grant: Grant
    note: str = ""


def needed_role(tier: Tier) -> Role:
    """Return who may agree: an approver, and for what only a person may do, an admin.

    >>> needed_role(Tier.PERSON_ONLY)
    <Role.ADMIN: 'admin'>
    """
    return Role.ADMIN if tier is Tier.PERSON_ONLY else Role.APPROVER


def approve(
    request: ActionRequest,
    by: Person,
    *,
    other_approvers: int,
    now: datetime,
    grant_id: str,
    comment: str = "",
    grant_lasts: timedelta = _GRANT_LASTS,
) -> Approval:
    """Return the approved request with its grant, which covers the action itself and what the request names besides.

    ``other_approvers`` counts the people, besides ``by``, who could agree. While there is none, one may approve one's
    own request, and is told so.

    Raises:
        PermissionDeniedError: the role does not reach, or it is one's own request and somebody else could agree.
        IllegalTransitionError: it is not waiting, or its time is over.
    """
    _require_may_decide(request, by)
    _require_waiting(request, now)
    own = by.name == request.requested_by
    if own and other_approvers > 0:
        raise PermissionDeniedError(
            f"action {request.id}: {by.name} requested it and cannot approve it; ask one of {other_approvers} others"
        )
    note = f"{by.name} approved their own request, since nobody else can; add a second approver" if own else ""
    at_us = to_micros(now)
    grant = Grant(
        id=grant_id,
        action_id=request.id,
        purpose=request.purpose,
        covers=tuple(dict.fromkeys((request.kind, *request.covers))),
        granted_by=by.name,
        granted_us=at_us,
        expires_us=to_micros(now + grant_lasts),
    )
    approved = advance(request, ActionState.APPROVED, at_us=at_us, by=by.name, outcome=comment)
    return Approval(request=approved, grant=grant, note=note)


def granted_by_policy(request: ActionRequest, policy: PolicyConfig, *, now: datetime, grant_id: str) -> Grant:
    """Return the grant of a request that the policy lets run by itself.

    Of what it covers besides, only that is granted which the policy lets run by itself as well (``allow_automatic``):
    the release of a retrained version waits for a person unless ``deploy`` is named there, too.
    """
    covers = (one for one in request.covers if policy.floor_of(one) is Ruling.AUTOMATIC)
    return Grant(
        id=grant_id,
        action_id=request.id,
        purpose=request.purpose,
        covers=tuple(dict.fromkeys((request.kind, *covers))),
        granted_by="policy",
        granted_us=to_micros(now),
        expires_us=to_micros(now + _GRANT_LASTS),
    )


def reject(request: ActionRequest, by: Person, *, now: datetime, reason: str) -> ActionRequest:
    """Return the rejected request. One may reject one's own.

    Raises:
        PermissionDeniedError: the role does not reach.
        IllegalTransitionError: it is not waiting, or its time is over.
    """
    _require_may_decide(request, by)
    _require_waiting(request, now)
    return advance(request, ActionState.REJECTED, at_us=to_micros(now), by=by.name, outcome=reason)


def is_due_to_expire(request: ActionRequest, now: datetime) -> bool:
    """Return whether the request still waits though its time is over."""
    over = request.expires_us is not None and to_micros(now) >= request.expires_us
    return request.state is ActionState.WAITING_APPROVAL and over


def expire(request: ActionRequest, now: datetime) -> ActionRequest:
    """Return the request as expired.

    Raises:
        IllegalTransitionError: it does not wait any more.
    """
    return advance(request, ActionState.EXPIRED, at_us=to_micros(now), outcome="nobody decided in time")


def _require_may_decide(request: ActionRequest, by: Person) -> None:
    needed = needed_role(request.tier)
    if not by.role.reaches(needed):
        raise PermissionDeniedError(
            f"action {request.id}: {by.name} has role {by.role}, {needed} is needed; ask somebody who has it"
        )


def _require_waiting(request: ActionRequest, now: datetime) -> None:
    if request.state is not ActionState.WAITING_APPROVAL:
        raise IllegalTransitionError(
            f"action {request.id}: is {request.state}, not waiting for approval; nothing is left to decide"
        )
    if request.expires_us is not None and to_micros(now) >= request.expires_us:
        until = from_micros(request.expires_us).isoformat(timespec="seconds")
        raise IllegalTransitionError(f"action {request.id}: expired at {until}; let it be requested again")
