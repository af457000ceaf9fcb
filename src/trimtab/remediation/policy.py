"""``policy.yaml``: which trouble is answered by which action, and who must agree."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from itertools import combinations
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.remediation.diagnosis import DiagnosisKind

__all__ = [
    "FLOOR",
    "ActionKind",
    "Origin",
    "PolicyConfig",
    "PolicyLimits",
    "PolicyRule",
    "RuleAnswer",
    "RuleCondition",
    "Ruling",
]


class ActionKind(StrEnum):
    """What can be done about trouble."""

    LOG = "log"
    NOTIFY_OWNER = "notify_owner"
    QUARANTINE_FEED = "quarantine_feed"
    RELEASE_FEED = "release_feed"
    RETRAIN = "retrain"
    DEPLOY = "deploy"
    ROLL_BACK = "roll_back"
    REINSTATE = "reinstate"
    DELETE_DATA = "delete_data"

    @property
    def only_tells(self) -> bool:
        """Whether it changes nothing but what people know: no limit and no switch holds it back."""
        return self in {ActionKind.LOG, ActionKind.NOTIFY_OWNER}


class Origin(StrEnum):
    """Who wants something done."""

    INCIDENT = "incident"
    TRIGGER = "trigger"
    PERSON = "person"


class Ruling(StrEnum):
    """Who must agree, from nobody to "not at all"."""

    AUTOMATIC = "automatic"
    APPROVAL = "approval"
    PERSON_ONLY = "person_only"
    REFUSE = "refuse"

    @property
    def rank(self) -> int:
        """0 for AUTOMATIC up to 3 for REFUSE: how strict it is."""
        return list(Ruling).index(self)

    def at_least(self, other: Ruling) -> Ruling:
        """Return the stricter of both.

        >>> Ruling.AUTOMATIC.at_least(Ruling.APPROVAL)
        <Ruling.APPROVAL: 'approval'>
        """
        return max(self, other, key=lambda ruling: ruling.rank)


FLOOR = {
    ActionKind.RETRAIN: Ruling.APPROVAL,
    ActionKind.DEPLOY: Ruling.APPROVAL,
    ActionKind.ROLL_BACK: Ruling.APPROVAL,
    ActionKind.REINSTATE: Ruling.APPROVAL,
    ActionKind.DELETE_DATA: Ruling.PERSON_ONLY,
}
"""The least that each action needs, whatever a rule says; ``allow_automatic`` lowers it for all but deleting data."""


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


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
Models = Annotated[tuple[Name, ...], BeforeValidator(_one_or_many, json_schema_input_type=Name | tuple[Name, ...])]


class RuleCondition(Strict):
    """When a rule applies. All that is stated must hold; what is left out holds always."""

    origin: Origins = Field(default=(), description="Who proposes: incident, trigger, person.")
    diagnosis: Diagnoses = Field(default=(), description="What the incident was diagnosed as.")
    open_diagnosis: Diagnoses = Field(default=(), description="An open incident of the model is diagnosed as one of.")
    action: Actions = Field(default=(), description="The action that is proposed.")
    models: Models = Field(default=(), description="Only these models.")
    min_severity: float = Field(default=0.0, ge=0, le=1, description="Severity 0..1, inclusive.")
    max_severity: float = Field(default=1.0, ge=0, le=1, description="Severity 0..1, inclusive.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_severity > self.max_severity:
            raise ValueError(
                f"min_severity {self.min_severity:g} lies above max_severity {self.max_severity:g}; swap them"
            )
        return self


class RuleAnswer(Strict):
    """What a rule answers."""

    tier: Ruling = Field(description="automatic, approval, person_only or refuse.")
    actions: Actions = Field(default=(), description="What to do, in order; none: what was proposed.")
    covers: Actions = Field(
        default=(), description="What one approval allows besides, e.g. [deploy] for a retraining: release if better."
    )
    expires: Duration = Field(default="1d", validate_default=True, description="How long an approval is waited for.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tier is Ruling.REFUSE and (self.actions or self.covers):
            raise ValueError("tier refuse takes no actions and covers nothing; remove them")
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

    def shadows(self, later: PolicyRule) -> bool:
        """Return whether ``later``, standing below this rule, can never be reached."""
        mine, other = self.when, later.when
        wide = [
            (mine.origin, other.origin),
            (mine.diagnosis, other.diagnosis),
            (mine.open_diagnosis, other.open_diagnosis),
            (mine.models, other.models),
        ]
        return (
            self.proposals() >= later.proposals()
            and mine.min_severity <= other.min_severity
            and mine.max_severity >= other.max_severity
            and all(not general or (special and set(general) >= set(special)) for general, special in wide)
        )


class PolicyLimits(Strict):
    """How often the platform may act."""

    cooldown: Duration = Field(
        default="1h", validate_default=True, description="Between two actions of a kind on one model."
    )
    actions_per_day: int = Field(default=20, ge=0, description="Actions within 24 hours, over all models.")


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
        for earlier, later in combinations(rules, 2):
            if earlier.name == later.name:
                raise ValueError(f"rule {later.name!r} stands twice; give each rule a name of its own")
            if earlier.shadows(later):
                raise ValueError(
                    f"rule {later.name!r} can never match: {earlier.name!r} above it always does; reorder or remove one"
                )
        return rules

    def floor_of(self, action: ActionKind) -> Ruling:
        """Return the least that ``action`` needs under this policy."""
        return Ruling.AUTOMATIC if action in self.allow_automatic else FLOOR.get(action, Ruling.AUTOMATIC)


def _listed(actions: tuple[ActionKind, ...]) -> str:
    return ", ".join(actions) or "nothing"
