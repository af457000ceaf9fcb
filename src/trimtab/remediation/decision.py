"""The one gate: whatever wants to change the world is proposed to the policy, and the answer says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.remediation.kinds import ActionKind, DiagnosisKind, Level, Origin, Ruling
from trimtab.remediation.limits import Limit, Raised, held_by
from trimtab.remediation.policy import FLOOR, PolicyConfig, PolicyRule
from trimtab.remediation.proposal import PastAction, Proposal, Standing

__all__ = ["Asked", "Decision", "PastAction", "Proposal", "Standing", "decide", "mismatches"]

_DAY = timedelta(days=1)
_NOTHING_ELSE = Standing()


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule that was asked, whether it matched, and why."""

    rule: str
    matched: bool
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says of a proposal.

    ``tiers`` holds each action's own tier, since limits and floors differ; ``tier`` is the strictest among those that
    are not refused. ``rule`` is None when none matched. ``raised`` are the limits that were stricter than the rule.
    ``diagnosis`` is the one that was asked about. ``role`` and ``approvers`` say who has to agree, and how many.
    """

    rule: str | None
    actions: tuple[ActionKind, ...]
    tier: Ruling
    covers: tuple[ActionKind, ...]
    reason: str
    asked: tuple[Asked, ...]
    tiers: Mapping[ActionKind, Ruling] = field(default_factory=dict)
    expires: timedelta = _DAY
    raised: tuple[Raised, ...] = ()
    diagnosis: DiagnosisKind | None = None
    role: Role = Role.APPROVER
    approvers: int = 1

    @property
    def allowed(self) -> tuple[ActionKind, ...]:
        """The actions that are not refused, in order."""
        return tuple(action for action in self.actions if self.tiers[action] is not Ruling.REFUSE)

    def to_json(self) -> JsonObject:
        """Return the decision as JSON values, for the request and the audit."""
        return dict(_DECISION.dump_python(self, mode="json"))

    @staticmethod
    def from_json(content: Any) -> Decision:
        """Return the decision that `to_json` wrote."""
        return _DECISION.validate_python(content)


def decide(
    policy: PolicyConfig,
    proposal: Proposal,
    history: Sequence[PastAction],
    now: datetime,
    standing: Standing = _NOTHING_ELSE,
) -> Decision:
    """Ask the rules in order; the first that matches decides. Pure: the same arguments give the same answer.

    Over what a rule says stand the limits of `trimtab.remediation.limits`, each of which may only be stricter: floors
    (what changes the version that serves needs approval unless ``allow_automatic`` names it), the switch, a pause,
    quiet hours, how much of the traffic is touched, budgets, and the cool-down, which refuses what comes too soon.
    Trouble of level high is escalated besides, whatever the rules say; where nothing can be done now of what a rule
    wants of a case, the owner is told. Telling people is never held back, nor does it wait for an approval: what a rule
    of tier ``approval`` wants besides is told at once.

    What a person wants of which no rule speaks needs what the floor says. An approver's own way back (roll_back,
    release_feed, resume_endpoint) is asked only of rules that name ``origin: person``, and is else done at once.
    """
    asked: list[Asked] = []
    for rule in policy.rules:
        mismatch = next(mismatches(rule, proposal), None)
        if mismatch is None:
            asked.append(Asked(rule.name, True, "all of its conditions hold"))
            return _ruled(policy, rule, proposal, history, now, standing, tuple(asked))
        asked.append(Asked(rule.name, False, mismatch))
    if proposal.origin is Origin.PERSON and proposal.action is not None:
        return _unruled(proposal.action, proposal, tuple(asked))
    proposed = () if proposal.action is None else (proposal.action,)
    reason = f"none of {len(policy.rules)} rules matches, so that a person decides; add a rule to policy.yaml"
    tiers = dict.fromkeys(proposed, Ruling.PERSON_ONLY)
    actions, reasons = _escalated(proposal, proposed, tiers, [reason])
    return Decision(
        None,
        actions,
        Ruling.PERSON_ONLY,
        (),
        "; ".join(reasons),
        tuple(asked),
        tiers,
        diagnosis=proposal.diagnosis,
    )


def mismatches(rule: PolicyRule, proposal: Proposal) -> Iterator[str]:
    """Yield why the rule does not match, most telling reason first."""
    when = rule.when
    if proposal.is_own_way_back and Origin.PERSON not in when.origin:
        yield "an approver goes back at once; only a rule that names origin person speaks of that"
    if when.origin and proposal.origin not in when.origin:
        yield f"it is for proposals of {_listed(when.origin)}; the origin is {proposal.origin}"
    if when.models and proposal.model not in when.models:
        yield f"it is for {_listed(when.models)}; this is {proposal.model}"
    if when.diagnosis and proposal.diagnosis not in when.diagnosis:
        yield f"it is for {_listed(when.diagnosis)}; the diagnosis is {proposal.diagnosis or 'not made'}"
    if when.open_diagnosis and not set(when.open_diagnosis) & set(proposal.open_diagnoses):
        yield f"no open incident of {proposal.model} is {_listed(when.open_diagnosis)}"
    if proposal.action not in rule.proposals():
        yield f"it does not speak of {proposal.action or 'proposals that leave the action open'}"
    if when.level and proposal.level not in when.level:
        yield f"it is for level {_listed(when.level)}; severity {proposal.severity:.2g} is {proposal.level}"
    if not when.min_severity <= proposal.severity <= when.max_severity:
        yield f"severity {proposal.severity:.2g} not in {when.min_severity:g}..{when.max_severity:g}"


def _unruled(action: ActionKind, proposal: Proposal, asked: tuple[Asked, ...]) -> Decision:
    """Return what a person's wish needs of which no rule speaks: what the platform may do by itself is no matter."""
    if proposal.is_own_way_back:
        tier, reason = Ruling.AUTOMATIC, "an approver goes back at once"
    else:
        tier = FLOOR.get(action, Ruling.AUTOMATIC)
        reason = f"a person asks, and no rule speaks of it: {action} needs {tier}"
    # What people agreed to is approved once: a version, and that it goes out.
    covers = (ActionKind.DEPLOY,) if action is ActionKind.APPROVE_VERSION else ()
    return Decision(None, (action,), tier, covers, reason, asked, {action: tier}, diagnosis=proposal.diagnosis)


def _ruled(
    policy: PolicyConfig,
    rule: PolicyRule,
    proposal: Proposal,
    history: Sequence[PastAction],
    now: datetime,
    standing: Standing,
    asked: tuple[Asked, ...],
) -> Decision:
    # A proposal that names its action is answered for that action alone.
    actions = rule.then.actions if proposal.action is None else (proposal.action,)
    tiers: dict[ActionKind, Ruling] = {}
    raised: list[Raised] = []
    for action in actions:
        tiers[action] = _asked_tier(rule, action)
        for one in held_by(policy, rule, action, proposal, history, standing, now):
            if one.tier.rank > tiers[action].rank:
                tiers[action] = one.tier
                raised.append(one)
    reasons = [rule.name, *(f"{one.action}: {one.why}" for one in raised)]
    impossible = {one.action for one in raised if one.limit is Limit.IMPOSSIBLE}
    if impossible and set(actions) - impossible <= {ActionKind.LOG}:
        actions, reasons = _told_instead(proposal, actions, tiers, reasons)
    actions, reasons = _escalated(proposal, actions, tiers, reasons)
    going = [tier for tier in tiers.values() if tier is not Ruling.REFUSE]
    return Decision(
        rule.name,
        actions,
        max(going, key=lambda one: one.rank, default=Ruling.REFUSE),
        rule.then.covers,
        "; ".join(reasons),
        asked,
        tiers,
        rule.then.expires,
        tuple(raised),
        proposal.diagnosis,
        rule.then.approval.role,
        rule.then.approval.approvers,
    )


def _asked_tier(rule: PolicyRule, action: ActionKind) -> Ruling:
    """Return what the rule asks for: that people are told waits for nobody's approval, unless only an admin may."""
    tier = rule.then.tier
    return Ruling.AUTOMATIC if action.only_tells and tier is Ruling.APPROVAL else tier


def _told_instead(
    proposal: Proposal, actions: tuple[ActionKind, ...], tiers: dict[ActionKind, Ruling], reasons: list[str]
) -> tuple[tuple[ActionKind, ...], list[str]]:
    """Return actions and reasons where nothing of what a rule wants of a case can be done now: somebody hears of it.

    That it is written down is no answer.
    """
    if not _is_case(proposal):
        return actions, reasons
    tiers[ActionKind.NOTIFY_OWNER] = Ruling.AUTOMATIC
    return (*actions, ActionKind.NOTIFY_OWNER), [*reasons, "none of that can be done now, so that people are told"]


def _is_case(proposal: Proposal) -> bool:
    """Whether a case asks what is to be done about it."""
    return proposal.origin is Origin.INCIDENT and proposal.action is None


def _escalated(
    proposal: Proposal, actions: tuple[ActionKind, ...], tiers: dict[ActionKind, Ruling], reasons: list[str]
) -> tuple[tuple[ActionKind, ...], list[str]]:
    """Return actions and reasons with what trouble of level high calls for; ``tiers`` is told of it."""
    if not _is_case(proposal) or proposal.level is not Level.HIGH:
        return actions, reasons
    tiers[ActionKind.ESCALATE] = Ruling.AUTOMATIC
    if ActionKind.ESCALATE in actions:
        return actions, reasons
    why = f"severity {proposal.severity:.2g} is high, so that it is escalated"
    return (*actions, ActionKind.ESCALATE), [*reasons, why]


def _listed(names: Sequence[str]) -> str:
    return " or ".join(names)


_DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)
