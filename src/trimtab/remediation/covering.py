"""Whether what an agreement covers may be done now: it was given at another moment, perhaps under another policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from trimtab.core.clock import to_micros
from trimtab.core.enums import Role
from trimtab.remediation.decision import mismatches
from trimtab.remediation.kinds import Origin, Ruling
from trimtab.remediation.limits import reaches_too_far
from trimtab.remediation.policy import ApprovalRule, PolicyConfig, PolicyRule
from trimtab.remediation.proposal import PastAction, Proposal, Standing

__all__ = ["Given", "why_not_covered"]


@dataclass(frozen=True, slots=True)
class Given:
    """An agreement: when it was given, on account of which rule and for what tier, and by how many people.

    ``approvers`` 0: by nobody, the policy let it run. ``admins`` are those of them who are admins.
    """

    at_us: int
    tier: Ruling
    rule: str | None = None
    approvers: int = 0
    admins: int = 0

    def reaches(self, tier: Ruling, wanted: ApprovalRule) -> bool:
        """Return whether it is as much as ``tier`` needs, where ``wanted`` people have to agree to that.

        >>> Given(0, Ruling.APPROVAL, approvers=2).reaches(Ruling.APPROVAL, ApprovalRule(approvers=2))
        True
        >>> Given(0, Ruling.APPROVAL, approvers=2, admins=1).reaches(Ruling.PERSON_ONLY, ApprovalRule(approvers=2))
        False
        """
        if tier in {Ruling.AUTOMATIC, Ruling.REFUSE}:
            return tier is Ruling.AUTOMATIC
        of_admins = tier is Ruling.PERSON_ONLY or wanted.role is Role.ADMIN
        return (self.admins if of_admins else self.approvers) >= wanted.approvers


def why_not_covered(
    policy: PolicyConfig,
    proposal: Proposal,
    given: Given,
    history: Sequence[PastAction],
    standing: Standing,
    now: datetime,
) -> str | None:
    """Return why the action of ``proposal`` needs an agreement of its own now, None where ``given`` covers it. Pure.

    An agreement covers how often: budgets and cool-downs counted what it was given for. It does not cover

    - a moment that whoever agreed did not know of: a pause (``standing.paused``: one that counts here) and quiet hours
      that began since. What nobody agreed to waits in any of them, and while autonomy is switched off;
    - more than it is: where a rule that names the action, a floor, or how far the action reaches asks for more people
      or others than those who agreed, as the policy and the traffic are now. A person's own wish may reach far.
    """
    return next(_reasons(policy, proposal, given, history, standing, now), None)


def _reasons(
    policy: PolicyConfig,
    proposal: Proposal,
    given: Given,
    history: Sequence[PastAction],
    standing: Standing,
    now: datetime,
) -> Iterator[str]:
    action, limits = proposal.action, policy.limits
    assert action is not None
    if standing.paused is not None:
        yield standing.paused
    if given.approvers == 0 and not policy.autonomy:
        yield "autonomy is switched off"
    for quiet in limits.quiet_hours:
        begun = quiet.begun(now)
        knew = given.approvers > 0 and begun is not None and given.at_us >= to_micros(begun)
        if begun is not None and not knew and action not in quiet.always:
            yield f"quiet hours, {quiet}"
    rule = _naming(policy, proposal)
    wanted = ApprovalRule() if rule is None else rule.then.approval
    tier = (given.tier if rule is None else rule.then.tier).at_least(policy.floor_of(action))
    if not given.reaches(tier, wanted):
        yield f"{action} needs {tier}" if rule is None else f"{rule.name}: {action} needs {_told(tier, wanted)}"
    if proposal.origin is Origin.PERSON:
        return
    by = given.rule if rule is None else rule.name
    for raised in reaches_too_far(limits, by, action, tier, history, standing, now):
        if not given.reaches(raised.tier, wanted):
            yield raised.why


def _naming(policy: PolicyConfig, proposal: Proposal) -> PolicyRule | None:
    """Return the first rule that matches and names the action: one for whatever else there is does not mean this."""
    named = (rule for rule in policy.rules if proposal.action in {*rule.when.action, *rule.then.actions})
    return next((rule for rule in named if next(mismatches(rule, proposal), None) is None), None)


def _told(tier: Ruling, wanted: ApprovalRule) -> str:
    if tier is Ruling.REFUSE or wanted == ApprovalRule():
        return tier.value
    return f"{tier.value} by {wanted.approvers} of role {wanted.role}"
