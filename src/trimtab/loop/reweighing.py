"""What waits for people is weighed again when one of them agrees: the policy may have been made stricter meanwhile."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from trimtab.core.enums import Role, Tier
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.loop.model_files import load_policy
from trimtab.loop.platform import Platform
from trimtab.loop.policy_state import standing_beside
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.decision import Decision, decide
from trimtab.remediation.decision_store import decision_behind
from trimtab.remediation.kinds import Ruling
from trimtab.remediation.requests import RequestContext

__all__ = ["Reweighed", "weighed_again"]


@dataclass(frozen=True, slots=True)
class Reweighed:
    """A request as the policy of now wants it agreed to. ``why`` is empty where nothing is stricter."""

    request: ActionRequest
    why: str = ""
    refused: bool = False


def weighed_again(connection: Connection, platform: Platform, request: ActionRequest) -> Reweighed:
    """Return the request with what its agreement needs by now: what it was asked for with, or more, and never less.

    The policy of now is asked what it was asked then. How often and how much was done since is no matter: it was asked
    for before that. Under the policy that it was asked for with, or one that cannot be read, what was asked stands.
    """
    made = decision_behind(connection, request)
    if made is None:
        return Reweighed(request)
    try:
        loaded = load_policy(platform.project)
    except ConfigError:
        return Reweighed(request)
    if loaded.digest == made.policy_hash:
        return Reweighed(request)
    context = RequestContext(request.requested_by, {}, endpoint=request.endpoint)
    now = platform.clock.now()
    standing = standing_beside(connection, loaded.value, made.proposal, context, now=now)
    decision = decide(loaded.value, made.proposal, (), now, standing)
    if decision.rule is None or (decision.actions and request.kind not in decision.actions):
        # What was asked left the action open, and is answered otherwise by now: what is said of this one?
        named = dataclasses.replace(made.proposal, action=request.kind)
        decision = decide(loaded.value, named, (), now, standing)
    return _stricter(request, decision)


def _stricter(request: ActionRequest, decision: Decision) -> Reweighed:
    ruling = decision.tiers.get(request.kind, decision.tier)
    if ruling is Ruling.REFUSE:
        return Reweighed(request, f"the policy refuses it by now: {decision.reason}", refused=True)
    if ruling is Ruling.AUTOMATIC:
        return Reweighed(request)
    after = dataclasses.replace(
        request,
        tier=Tier(Ruling(request.tier.value).at_least(ruling).value),
        role=Role.ADMIN if Role.ADMIN in {request.role, decision.role} else request.role,
        needed=max(request.needed, decision.approvers),
    )
    if after == request:
        return Reweighed(request)
    return Reweighed(after, f"the policy asks for more by now: {decision.reason}")
