"""What an agreement to a training covers besides, weighed once more when the version is about to go out."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from trimtab.core.clock import to_micros
from trimtab.core.enums import Role, Tier
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.loop.gate import open_diagnoses
from trimtab.loop.keys import person_named
from trimtab.loop.model_files import load_policy
from trimtab.loop.platform import Platform
from trimtab.loop.policy_state import standing_beside
from trimtab.remediation.action_store import past_actions
from trimtab.remediation.actions import ActionRequest, Grant
from trimtab.remediation.approvals import needed_role
from trimtab.remediation.covering import Given, why_not_covered
from trimtab.remediation.decision_store import decision_behind
from trimtab.remediation.kinds import ActionKind, Origin, Ruling
from trimtab.remediation.pause import pauses_in_force
from trimtab.remediation.proposal import Proposal
from trimtab.remediation.requests import RequestContext
from trimtab.remediation.vote_store import votes_of
from trimtab.remediation.votes import Tally, tally

__all__ = ["why_not_released"]

_BY_POLICY = "policy"
_DAY = timedelta(days=1)


def why_not_released(
    connection: Connection, platform: Platform, request: ActionRequest, grant: Grant, endpoint: str
) -> str | None:
    """Return why a version may not go to ``endpoint`` now by the grant of ``request``; None where it may."""
    try:
        policy = load_policy(platform.project).value
    except ConfigError as error:
        return f"the policy cannot be read any more: {error}"
    now, given = platform.clock.now(), _given(connection, request, grant)
    made = decision_behind(connection, request)
    unknown = Proposal(Origin.TRIGGER if request.incident_id is None else Origin.INCIDENT, request.model)
    asked = unknown if made is None else made.proposal
    proposal = dataclasses.replace(
        asked, action=ActionKind.DEPLOY, open_diagnoses=open_diagnoses(connection, request.model)
    )
    context = RequestContext(requested_by=request.requested_by, purpose={}, endpoint=endpoint)
    standing = standing_beside(connection, policy, proposal, context, now=now)
    # Whoever agreed while autonomy was paused knew of that.
    pauses = [
        one
        for one in pauses_in_force(connection, to_micros(now), model=request.model)
        if given.approvers == 0 or one.from_us >= given.at_us
    ]
    standing = dataclasses.replace(standing, paused=str(pauses[0]) if pauses else None)
    history = past_actions(connection, since_us=to_micros(now - _DAY))
    return why_not_covered(policy, proposal, given, history, standing, now)


def _given(connection: Connection, request: ActionRequest, grant: Grant) -> Given:
    """Return who stands behind the grant: each with the role that they have now, or had to have then."""
    agreed = tally(votes_of(connection, request.id), request.needed)
    needed = needed_role(request)
    roles = {owner: person.role if (person := person_named(connection, owner)) else needed for owner in agreed.agreed}
    admins = Tally(tuple(owner for owner, role in roles.items() if role.reaches(Role.ADMIN)), request.needed)
    nobody = request.decided_by == _BY_POLICY or request.tier is Tier.AUTOMATIC
    # Before words were stored one by one, the grant alone told that people had agreed.
    approvers = agreed.count or (0 if nobody else request.needed)
    return Given(
        at_us=grant.granted_us,
        tier=Ruling(request.tier.value),
        rule=request.policy.get("rule"),
        approvers=approvers,
        admins=approvers if needed is Role.ADMIN else admins.count,
    )
