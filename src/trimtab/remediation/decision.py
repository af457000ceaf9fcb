"""The one gate: whatever wants to change the world is proposed to the policy, and the answer says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from trimtab.config.durations import format_duration
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.remediation.actions import ActionState
from trimtab.remediation.diagnosis import DiagnosisKind
from trimtab.remediation.policy import ActionKind, Origin, PolicyConfig, PolicyRule, Ruling

__all__ = ["Asked", "Decision", "PastAction", "Proposal", "decide"]

_DAY = timedelta(days=1)
_NEVER_RAN = frozenset({ActionState.REJECTED, ActionState.EXPIRED, ActionState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody wants done about ``model``. ``action`` None leaves it to the policy.

    ``open_diagnoses`` are those of all open incidents of the model, also when the proposal does not come from one.
    """

    origin: Origin
    model: str
    action: ActionKind | None = None
    diagnosis: DiagnosisKind | None = None
    severity: float = 0.0
    open_diagnoses: tuple[DiagnosisKind, ...] = ()


@dataclass(frozen=True, slots=True)
class PastAction:
    """An action that was requested lately, at ``at_us``, and what became of it."""

    kind: ActionKind
    model: str
    at_us: int
    state: ActionState = ActionState.SUCCEEDED


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
    are not refused. ``rule`` is None when none matched.
    """

    rule: str | None
    actions: tuple[ActionKind, ...]
    tier: Ruling
    covers: tuple[ActionKind, ...]
    reason: str
    asked: tuple[Asked, ...]
    tiers: Mapping[ActionKind, Ruling] = field(default_factory=dict)
    expires: timedelta = _DAY

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


def decide(policy: PolicyConfig, proposal: Proposal, history: Sequence[PastAction], now: datetime) -> Decision:
    """Ask the rules in order; the first that matches decides. Pure: the same arguments give the same answer.

    Over what a rule says stand the floors (what changes the version that serves needs approval unless
    ``allow_automatic`` names it), the switch (autonomy off: automatic becomes approval), the cool-down (an action of
    this kind on this model too soon is refused) and the budget of a day (used up: a person decides). A person's own
    proposal is held back by neither cool-down nor budget. Telling people (log, notify_owner) is never held back.
    """
    asked: list[Asked] = []
    for rule in policy.rules:
        mismatch = next(_mismatches(rule, proposal), None)
        if mismatch is None:
            asked.append(Asked(rule.name, True, "all of its conditions hold"))
            return _ruled(policy, rule, proposal, history, now, tuple(asked))
        asked.append(Asked(rule.name, False, mismatch))
    actions = () if proposal.action is None else (proposal.action,)
    reason = f"none of {len(policy.rules)} rules matches, so that a person decides; add a rule to policy.yaml"
    tiers = dict.fromkeys(actions, Ruling.PERSON_ONLY)
    return Decision(None, actions, Ruling.PERSON_ONLY, (), reason, tuple(asked), tiers)


def _mismatches(rule: PolicyRule, proposal: Proposal) -> Iterator[str]:
    """Yield why the rule does not match, most telling reason first."""
    when = rule.when
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
    if not when.min_severity <= proposal.severity <= when.max_severity:
        yield f"severity {proposal.severity:.2g} not in {when.min_severity:g}..{when.max_severity:g}"


def _ruled(
    policy: PolicyConfig,
    rule: PolicyRule,
    proposal: Proposal,
    history: Sequence[PastAction],
    now: datetime,
    asked: tuple[Asked, ...],
) -> Decision:
    proposed = () if proposal.action is None else (proposal.action,)
    # A proposal that names its action is answered for that action alone.
    actions = proposed or rule.then.actions
    tiers: dict[ActionKind, Ruling] = {}
    reasons = [rule.name]
    for action in actions:
        tiers[action] = rule.then.tier
        for stricter, why in _raised(policy, action, proposal, history, now):
            if stricter.rank > tiers[action].rank:
                tiers[action] = stricter
                reasons.append(f"{action}: {why}")
    going = [tier for tier in tiers.values() if tier is not Ruling.REFUSE]
    tier = max(going, key=lambda one: one.rank, default=Ruling.REFUSE)
    return Decision(rule.name, actions, tier, rule.then.covers, "; ".join(reasons), asked, tiers, rule.then.expires)


def _raised(
    policy: PolicyConfig, action: ActionKind, proposal: Proposal, history: Sequence[PastAction], now: datetime
) -> Iterator[tuple[Ruling, str]]:
    if action.only_tells:
        return
    floor = policy.floor_of(action)
    yield floor, f"needs {floor} at least"
    if not policy.autonomy:
        yield Ruling.APPROVAL, "autonomy is switched off"
    if proposal.origin is Origin.PERSON:
        return
    changing = [past for past in history if not past.kind.only_tells]
    used = sum(from_micros(past.at_us) > now - _DAY and past.state not in _NEVER_RAN for past in changing)
    if used >= policy.limits.actions_per_day:
        yield Ruling.PERSON_ONLY, f"the budget of {policy.limits.actions_per_day} actions a day is used up"
    same = [from_micros(past.at_us) for past in changing if past.kind is action and past.model == proposal.model]
    free_at = max(same) + policy.limits.cooldown if same else now
    if free_at > now:
        yield Ruling.REFUSE, f"cools down for another {format_duration(free_at - now)}"


def _listed(names: Sequence[str]) -> str:
    return " or ".join(names)


_DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)
