"""One change to the world, from its proposal to its end, and the grant that allows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Tier
from trimtab.core.errors import IllegalTransitionError
from trimtab.remediation.kinds import ActionKind

__all__ = ["LEGAL", "ActionRequest", "ActionState", "Grant", "PredictedImpact", "advance"]


class ActionState(StrEnum):
    """Where a request stands."""

    PROPOSED = "proposed"
    WAITING_APPROVAL = "waiting_approval"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether something is still to come."""
        return bool(LEGAL[self])


LEGAL: Mapping[ActionState, frozenset[ActionState]] = {
    ActionState.PROPOSED: frozenset(
        {ActionState.WAITING_APPROVAL, ActionState.APPROVED, ActionState.REJECTED, ActionState.CANCELLED}
    ),
    ActionState.WAITING_APPROVAL: frozenset(
        {ActionState.APPROVED, ActionState.REJECTED, ActionState.EXPIRED, ActionState.CANCELLED}
    ),
    ActionState.APPROVED: frozenset(
        {ActionState.RUNNING, ActionState.WAITING_APPROVAL, ActionState.EXPIRED, ActionState.CANCELLED}
    ),
    ActionState.RUNNING: frozenset({ActionState.SUCCEEDED, ActionState.FAILED, ActionState.CANCELLED}),
    ActionState.REJECTED: frozenset(),
    ActionState.EXPIRED: frozenset(),
    ActionState.SUCCEEDED: frozenset(),
    ActionState.FAILED: frozenset(),
    ActionState.CANCELLED: frozenset(),
}
"""Every legal transition of a request."""


@dataclass(frozen=True, slots=True)
class PredictedImpact:
    """What an action is expected to do to ``metric``, and on what that rests."""

    metric: str
    now: float
    expected: float
    higher_is_better: bool
    basis: str


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """What to do, who must agree, what is expected of it, and how it went.

    Of requests with one ``dedup_key`` at most one is open. ``policy`` is the decision's JSON: which rules were asked,
    and why. ``purpose`` is what an approver agrees to, in words; ``covers`` what else the one approval allows.
    ``deadline_us``: when it is given up, once it runs. ``effect``: what it did, as undoing it has to know. ``undoes``:
    the id of the action that it takes back. ``owner`` is the person who asked for it, None where nobody did; ``role``
    and ``needed`` say who has to agree, and how many.
    """

    id: str
    dedup_key: str
    kind: ActionKind
    model: str
    tier: Tier
    purpose: str
    requested_by: str
    created_us: int
    state: ActionState = ActionState.PROPOSED
    endpoint: str | None = None
    incident_id: str | None = None
    covers: tuple[ActionKind, ...] = ()
    expires_us: int | None = None
    predicted_impact: PredictedImpact | None = None
    params: JsonObject = field(default_factory=dict)
    reason: str = ""
    policy: JsonObject = field(default_factory=dict)
    decided_by: str | None = None
    decided_us: int | None = None
    finished_us: int | None = None
    deadline_us: int | None = None
    outcome: str = ""
    effect: JsonObject = field(default_factory=dict)
    undoes: str | None = None
    owner: str | None = None
    role: Role = Role.APPROVER
    needed: int = 1
    version: int = 1

    def to_json(self) -> JsonObject:
        """Return the request as JSON values."""
        return dict(_REQUEST.dump_python(self, mode="json"))

    @staticmethod
    def from_json(content: Any) -> ActionRequest:
        """Return the request that `to_json` wrote."""
        return _REQUEST.validate_python(content)


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to do one thing for one purpose, once, until ``expires_us`` (None: no end)."""

    id: str
    action_id: str
    purpose: str
    covers: tuple[ActionKind, ...]
    granted_by: str
    granted_us: int
    expires_us: int | None = None

    def allows(self, action: ActionKind, at_us: int) -> bool:
        """Return whether the grant covers ``action`` at ``at_us``."""
        return action in self.covers and (self.expires_us is None or at_us < self.expires_us)


def advance(
    request: ActionRequest, to: ActionState, *, at_us: int, by: str | None = None, outcome: str = ""
) -> ActionRequest:
    """Return the request in its next state. ``by`` names who decided, ``outcome`` says how it went or why.

    Raises:
        IllegalTransitionError: there is no such move; the sentence names those that there are.
    """
    if to not in LEGAL[request.state]:
        possible = ", ".join(sorted(LEGAL[request.state])) or "none: it is over"
        raise IllegalTransitionError(
            f"action {request.id} ({request.kind}): no move from {request.state} to {to}; possible: {possible}"
        )
    decided = to in {ActionState.APPROVED, ActionState.REJECTED}
    return dataclasses.replace(
        request,
        state=to,
        decided_by=by if decided else request.decided_by,
        decided_us=at_us if decided else request.decided_us,
        finished_us=None if LEGAL[to] else at_us,
        outcome=outcome or request.outcome,
    )


_REQUEST: TypeAdapter[ActionRequest] = TypeAdapter(ActionRequest)
