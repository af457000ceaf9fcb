"""From a decision of the policy to the requests that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Tier
from trimtab.remediation.actions import ActionRequest, ActionState, PredictedImpact, advance
from trimtab.remediation.decision import Decision, Proposal
from trimtab.remediation.kinds import ActionKind, Origin, Ruling

__all__ = ["RequestContext", "requests_of"]

_BY_POLICY = "policy"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request says beyond the decision: where it belongs, who wants it, for what.

    ``about`` narrows the model down to what is acted on, where there can be several: a feed, a version. ``owner`` is
    the person who asks, where one does. ``told`` are those actions that would only say again what people know.
    """

    requested_by: str
    purpose: Mapping[ActionKind, str]
    about: str | None = None
    endpoint: str | None = None
    incident_id: str | None = None
    params: Mapping[ActionKind, JsonObject] | None = None
    impact: Mapping[ActionKind, PredictedImpact] | None = None
    impossible: Mapping[ActionKind, str] = field(default_factory=dict)
    doubted: Mapping[ActionKind, str] = field(default_factory=dict)
    told: frozenset[ActionKind] = frozenset()
    owner: str | None = None


def requests_of(
    decision: Decision, proposal: Proposal, context: RequestContext, *, now: datetime, ids: Callable[[], str]
) -> tuple[ActionRequest, ...]:
    """Return one request for each action that is not refused: approved by the policy, or waiting for a person.

    The same action on the same model (and ``about``) has the same ``dedup_key``, whoever asks for it: a trigger and an
    incident that both want to retrain are approved once.
    """
    wanted = [action for action in decision.allowed if action not in context.told]
    return tuple(_request(action, decision, proposal, context, now, ids()) for action in wanted)


def _request(
    action: ActionKind, decision: Decision, proposal: Proposal, context: RequestContext, now: datetime, request_id: str
) -> ActionRequest:
    tier = decision.tiers[action]
    waits = tier is not Ruling.AUTOMATIC
    subject = proposal.model if context.about is None else f"{proposal.model}:{context.about}"
    proposed = ActionRequest(
        id=request_id,
        dedup_key=f"{action}:{subject}",
        kind=action,
        model=proposal.model,
        tier=Tier(tier.value),
        purpose=context.purpose.get(action, action.value.replace("_", " ")),
        requested_by=context.requested_by,
        created_us=to_micros(now),
        endpoint=context.endpoint,
        incident_id=context.incident_id,
        covers=() if action.only_tells else decision.covers,
        expires_us=to_micros(now + decision.expires) if waits else None,
        predicted_impact=(context.impact or {}).get(action),
        params=(context.params or {}).get(action, {}),
        reason=decision.reason,
        policy=decision.to_json(),
        owner=context.owner,
        role=decision.role,
        needed=decision.approvers,
    )
    to = ActionState.WAITING_APPROVAL if waits else ActionState.APPROVED
    # What a person may do at once is that person's decision, and no autonomy.
    by = context.requested_by if proposal.origin is Origin.PERSON else _BY_POLICY
    return advance(proposed, to, at_us=to_micros(now), by=None if waits else by)
