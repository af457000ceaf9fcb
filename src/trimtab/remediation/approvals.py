"""Who may agree to an action, and what the agreement allows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trimtab.core.clock import from_micros, to_micros
from trimtab.core.enums import Role, Tier
from trimtab.core.errors import ConflictError, IllegalTransitionError, PermissionDeniedError
from trimtab.remediation.actions import ActionRequest, ActionState, Grant, advance
from trimtab.remediation.kinds import Ruling
from trimtab.remediation.policy import PolicyConfig
from trimtab.remediation.votes import (
    PARTS_OF_OURS,
    SOMEBODY_HERE,
    Tally,
    Via,
    Vote,
    Word,
    counted,
    tally,
    why_not_counted,
)

__all__ = [
    "Approval",
    "Person",
    "approve",
    "asker_of",
    "expire",
    "granted_by_policy",
    "is_due_to_expire",
    "needed_role",
    "reject",
]

_GRANT_LASTS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever decides: the name under which they act, their role, and who that is (by the name where nobody said)."""

    name: str
    role: Role
    owner: str = ""

    @property
    def who(self) -> str:
        """The person, who may act under several names."""
        return self.owner or self.name


@dataclass(frozen=True, slots=True)
class Approval:
    """A request after somebody agreed, and what they have to be told.

    ``grant`` is None, and the request waits on, while more people have to agree.
    """

    request: ActionRequest
    vote: Vote
    tally: Tally
    grant: Grant | None
    note: str = ""


def needed_role(request: ActionRequest) -> Role:
    """Return what everybody who agrees has to be: what the rule says, and an admin for what only a person may do."""
    return Role.ADMIN if request.tier is Tier.PERSON_ONLY else request.role


def asker_of(request: ActionRequest) -> str | None:
    """Return the person who asked; the platform's own parts are nobody, and no key is named as they are."""
    return request.owner or (None if request.requested_by in PARTS_OF_OURS else request.requested_by)


def approve(
    request: ActionRequest,
    by: Person,
    *,
    votes: Sequence[Vote],
    approvers: Collection[str],
    now: datetime,
    ids: Callable[[], str],
    via: Via = Via.API,
    comment: str = "",
    grant_lasts: timedelta = _GRANT_LASTS,
) -> Approval:
    """Return what becomes of the request now that ``by`` agrees, after the earlier ``votes``.

    The last one who is needed grants it: the action itself, and what the request names besides. ``approvers`` are the
    people who could agree: of the earlier votes only theirs count. While there is no other, one may agree to one's own
    request, and is told so.

    Raises:
        PermissionDeniedError: the role does not reach, or it is one's own request and somebody else could agree.
        ConflictError: this person has agreed already.
        IllegalTransitionError: it is not waiting, or its time is over.
    """
    _require_may_decide(request, by)
    _require_waiting(request, now)
    refusal = why_not_counted(by.who, asker_of(request), approvers)
    if refusal is not None:
        raise PermissionDeniedError(f"action {request.id}: {refusal}")
    standing = counted(votes, asker_of(request), approvers)
    if by.who in tally(votes, request.needed).agreed:
        count = tally(standing, request.needed).count
        raise ConflictError(
            f"action {request.id}: {by.who} has agreed already, {count} of {request.needed}; ask somebody else"
        )
    at_us = to_micros(now)
    vote = Vote(ids(), request.id, by.who, by.name, Word.APPROVE, at_us, via, comment)
    after = tally([*standing, vote], request.needed)
    note = _own_note(request, by, approvers)
    if not after.is_enough:
        return Approval(request, vote, after, None, f"{_missing(after, request, approvers)}{note and '; '}{note}")
    grant = Grant(
        id=ids(),
        action_id=request.id,
        purpose=request.purpose,
        covers=tuple(dict.fromkeys((request.kind, *request.covers))),
        granted_by=by.name,
        granted_us=at_us,
        expires_us=to_micros(now + grant_lasts),
    )
    approved = advance(request, ActionState.APPROVED, at_us=at_us, by=by.name, outcome=comment)
    return Approval(approved, vote, after, grant, note)


def _own_note(request: ActionRequest, by: Person, approvers: Collection[str]) -> str:
    """Return what somebody is told who agrees to what they, as far as is known, asked for themselves."""
    if by.who == asker_of(request):
        return f"{by.who} approved their own request, since nobody else can; add a second approver"
    if by.who == SOMEBODY_HERE and set(approvers) - {SOMEBODY_HERE} == {asker_of(request)}:
        return f"nobody said whose {SOMEBODY_HERE} is; add a second approver"
    return ""


def _missing(after: Tally, request: ActionRequest, approvers: Collection[str]) -> str:
    left = set(approvers) - {*after.agreed, asker_of(request), SOMEBODY_HERE}
    more = after.needed - after.count
    told = f"{after.count} of {after.needed} people have agreed"
    if len(left) >= more:
        return told
    return f"{told}, and {len(left)} of {more} more could; 'trimtab keys create NAME --role {needed_role(request)}'"


def granted_by_policy(request: ActionRequest, policy: PolicyConfig, *, now: datetime, grant_id: str) -> Grant:
    """Return the grant of a request that nobody else has to agree to: the policy lets it run.

    Of what it covers besides, only that is granted which the policy lets run by itself as well (``allow_automatic``):
    the release of a retrained version waits for a person unless ``deploy`` is named there, too.
    """
    covers = (one for one in request.covers if policy.floor_of(one) is Ruling.AUTOMATIC)
    return Grant(
        id=grant_id,
        action_id=request.id,
        purpose=request.purpose,
        covers=tuple(dict.fromkeys((request.kind, *covers))),
        granted_by=request.decided_by or "policy",
        granted_us=to_micros(now),
        expires_us=to_micros(now + _GRANT_LASTS),
    )


def reject(request: ActionRequest, by: Person, *, now: datetime, reason: str) -> ActionRequest:
    """Return the rejected request: one who may decide is enough. One may reject one's own.

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


def expire(request: ActionRequest, now: datetime, votes: Sequence[Vote] = ()) -> ActionRequest:
    """Return the request as expired; ``votes``: what people said of it, who were too few.

    Raises:
        IllegalTransitionError: it does not wait any more.
    """
    agreed = tally(votes, request.needed)
    who = f"{', '.join(agreed.agreed)} agreed, {agreed.count} of {request.needed}: too few"
    why = f"{who} in time" if agreed.agreed else "nobody decided in time"
    return advance(request, ActionState.EXPIRED, at_us=to_micros(now), outcome=why)


def _require_may_decide(request: ActionRequest, by: Person) -> None:
    needed = needed_role(request)
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
