"""``policy.yaml``: which trouble is answered by which action, and who must agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict, wrong_at
from trimtab.config.model import Name
from trimtab.core.enums import Role
from trimtab.remediation.kinds import AT_ONCE, ActionKind, DiagnosisKind, Level, Origin, Ruling
from trimtab.remediation.proposed import in_words
from trimtab.remediation.quiet_hours import QuietHours
from trimtab.remediation.reach import covering, unreachable

__all__ = [
    "AT_ONCE",
    "FLOOR",
    "ApprovalRule",
    "PolicyConfig",
    "PolicyLimits",
    "PolicyRule",
    "RuleAnswer",
    "RuleCondition",
]


FLOOR = {
    ActionKind.RETRAIN: Ruling.APPROVAL,
    ActionKind.APPROVE_VERSION: Ruling.APPROVAL,
    ActionKind.DEPLOY: Ruling.APPROVAL,
    ActionKind.ROLL_BACK: Ruling.APPROVAL,
    ActionKind.REINSTATE: Ruling.APPROVAL,
    ActionKind.PAUSE_ENDPOINT: Ruling.APPROVAL,
    ActionKind.RESUME_ENDPOINT: Ruling.APPROVAL,
    ActionKind.CHANGE_CONFIG: Ruling.APPROVAL,
    ActionKind.DELETE_DATA: Ruling.PERSON_ONLY,
}
"""The least that each action needs, whatever a rule says; ``allow_automatic`` lowers it for all but deleting data."""


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _one_or_many_mappings(value: Any) -> Any:
    return [value] if isinstance(value, Mapping | QuietHours) else value


Origins = Annotated[
    tuple[Origin, ...], BeforeValidator(_one_or_many, json_schema_input_type=Origin | tuple[Origin, ...])
]
Diagnoses = Annotated[
    tuple[DiagnosisKind, ...],
    BeforeValidator(_one_or_many, json_schema_input_type=DiagnosisKind | tuple[DiagnosisKind, ...]),
]
Actions = Annotated[
    tuple[ActionKind, ...], BeforeValidator(_one_or_many, json_schema_input_type=ActionKind | tuple[ActionKind, ...])
]
Quiet = Annotated[
    tuple[QuietHours, ...],
    BeforeValidator(_one_or_many_mappings, json_schema_input_type=QuietHours | tuple[QuietHours, ...]),
]
Levels = Annotated[tuple[Level, ...], BeforeValidator(_one_or_many, json_schema_input_type=Level | tuple[Level, ...])]
Models = Annotated[tuple[Name, ...], BeforeValidator(_one_or_many, json_schema_input_type=Name | tuple[Name, ...])]


class RuleCondition(Strict):
    """When a rule applies. All that is stated must hold; what is left out holds always.

    A rule with `then.actions` is asked only about cases, which leave the action to it, and about these very actions.
    """

    origin: Origins = Field(default=(), description="Who proposes: incident, trigger, person.")
    diagnosis: Diagnoses = Field(default=(), description="What the incident was diagnosed as.")
    open_diagnosis: Diagnoses = Field(default=(), description="An open incident of the model is diagnosed as one of.")
    action: Actions = Field(default=(), description="The action that is proposed.")
    models: Models = Field(default=(), description="Only these models.")
    level: Levels = Field(default=(), description="How bad: low, medium, high (the thirds of severity 0..1).")
    min_severity: float = Field(default=0.0, ge=0, le=1, description="Severity 0..1, inclusive.")
    max_severity: float = Field(default=1.0, ge=0, le=1, description="Severity 0..1, inclusive.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_severity > self.max_severity:
            raise ValueError(
                f"min_severity {self.min_severity:g} lies above max_severity {self.max_severity:g}; swap them"
            )
        levels = list(Level)
        lowest, highest = levels.index(Level.of(self.min_severity)), levels.index(Level.of(self.max_severity))
        if self.level and not set(self.level) & set(levels[lowest : highest + 1]):
            raise ValueError(
                f"no severity {self.min_severity:g}..{self.max_severity:g} is {' or '.join(self.level)}; "
                "name the level or the limits, not both"
            )
        return self


class ApprovalRule(Strict):
    """Who has to agree, where somebody has to."""

    role: Role = Field(default=Role.APPROVER, description="approver or admin: what each of them has to be at least.")
    approvers: int = Field(default=1, ge=1, le=9, description="How many people, each counted once however many keys.")

    @field_validator("role")
    @classmethod
    def _may_agree(cls, role: Role) -> Role:
        if not role.reaches(Role.APPROVER):
            raise ValueError(f"a key with role {role} approves nothing; expected approver or admin")
        return role


class RuleAnswer(Strict):
    """What a rule answers."""

    tier: Ruling = Field(description="automatic, approval, person_only or refuse.")
    actions: Actions = Field(default=(), description="What to do, in order; none: what was proposed.")
    covers: Actions = Field(
        default=(), description="What one approval allows besides, e.g. [deploy] for a retraining: release if better."
    )
    approval: ApprovalRule = Field(default=ApprovalRule(), description="Who has to agree, and how many.")
    expires: Duration = Field(default="1d", validate_default=True, description="How long an approval is waited for.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tier is Ruling.REFUSE and (self.actions or self.covers):
            raise ValueError("tier refuse takes no actions and covers nothing; remove them")
        if self.tier is Ruling.REFUSE and self.approval != ApprovalRule():
            raise ValueError("tier refuse has nothing to agree to; remove approval")
        if self.expires <= timedelta(0):
            raise ValueError("expires must lie above 0s; e.g. '1d'")
        return self


class PolicyRule(Strict):
    """One small rule; its name is a sentence that says what it decides."""

    name: str = Field(min_length=3, max_length=200, description="A sentence: it is shown with each decision.")
    when: RuleCondition = RuleCondition()
    then: RuleAnswer

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        if self.then.tier is not Ruling.REFUSE and not self.then.actions and not self.when.action:
            raise ValueError(f"rule {self.name!r} does not say what to do; add then.actions, or when.action")
        if not self.proposals():
            raise ValueError(
                f"rule {self.name!r} can never match: it is asked about {_listed(self.when.action)} and answers with "
                f"{_listed(self.then.actions)}; name the same action in both"
            )
        return self

    def proposals(self) -> frozenset[ActionKind | None]:
        """Return the proposed actions that the rule answers; None is a proposal that leaves the action to the policy.

        A rule that answers with actions is not asked about others: a person's deployment is not answered by a notice.
        """
        named: set[ActionKind | None] = set(self.when.action) if self.when.action else {None, *ActionKind}
        if self.then.actions:
            named &= {None, *self.then.actions}
        return frozenset(named)


class PolicyLimits(Strict):
    """How often and how far the platform may act. Each makes a rule's answer stricter, never milder."""

    cooldown: Duration = Field(
        default="1h", validate_default=True, description="Between two actions of a kind on one model."
    )
    ask_again: Duration = Field(
        default="1d",
        validate_default=True,
        description="How long nobody is asked again for what was rejected, or expired, for the same trouble.",
    )
    actions_per_day: int = Field(default=20, ge=0, description="Actions within 24 hours, over all models.")
    per_model: int | None = Field(default=None, ge=0, description="Actions within 24 hours on any one model.")
    max_traffic_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="What changes an endpoint that answers a larger share of all rows needs one tier more.",
    )
    endpoints_per_rule: int | None = Field(
        default=None,
        ge=1,
        description="How many endpoints one rule may change within 24 hours; the next needs one tier more.",
    )
    quiet_hours: Quiet = Field(default=(), description="When what would run by itself waits for approval.")


class PolicyConfig(Strict):
    """``policy.yaml``: rules are asked in order, the first that matches decides; none means: a person."""

    autonomy: bool = Field(default=True, description="on or off. Off: what would run by itself waits for approval.")
    limits: PolicyLimits = PolicyLimits()
    allow_automatic: Actions = Field(
        default=(), description="Actions that rules may let run by themselves although they need approval by default."
    )
    rules: tuple[PolicyRule, ...] = ()

    @field_validator("allow_automatic")
    @classmethod
    def _never_deletes(cls, actions: tuple[ActionKind, ...]) -> tuple[ActionKind, ...]:
        if ActionKind.DELETE_DATA in actions:
            raise ValueError("allow_automatic names delete_data, which only a person may do; remove it")
        return actions

    @field_validator("rules")
    @classmethod
    def _reachable(cls, rules: tuple[PolicyRule, ...]) -> tuple[PolicyRule, ...]:
        names: set[str] = set()
        for place, rule in enumerate(rules):
            if rule.name in names:
                raise wrong_at(f"rule {rule.name!r} stands twice; give each rule a name of its own", place)
            names.add(rule.name)
        for place in unreachable(rules):
            above = [repr(rules[one].name) for one in covering(rules, place)]
            if not above:
                raise wrong_at(
                    f"rule {rules[place].name!r} can never match: nothing that is ever proposed is so ({in_words()}); "
                    "let 'then' say what is done about a case, and 'when' be what there is",
                    place,
                )
            who = f"{above[0]} above it always does" if len(above) == 1 else f"{', '.join(above)} above it always do"
            raise wrong_at(f"rule {rules[place].name!r} can never match: {who}; reorder or remove one", place)
        return rules

    def for_model(self, model: str) -> PolicyConfig:
        """Return the policy as it is for ``model``, where there is no other: it decides the same, and names none."""
        rules = [rule for rule in self.rules if not rule.when.models or model in rule.when.models]
        general = [
            rule.model_copy(update={"when": rule.when.model_copy(update={"models": ()})}) if rule.when.models else rule
            for rule in rules
        ]
        # What only another model comes to would be refused as a rule that never matches.
        gone = set(unreachable(general))
        return self.model_copy(update={"rules": tuple(rule for place, rule in enumerate(general) if place not in gone)})

    def floor_of(self, action: ActionKind) -> Ruling:
        """Return the least that ``action`` needs under this policy."""
        return Ruling.AUTOMATIC if action in self.allow_automatic else FLOOR.get(action, Ruling.AUTOMATIC)


def _listed(actions: tuple[ActionKind, ...]) -> str:
    return ", ".join(actions) or "nothing"
