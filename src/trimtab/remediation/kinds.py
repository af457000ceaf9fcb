"""The closed choices of remediation: what trouble is called, how bad it is, what can be done, who asks, who agrees."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AT_ONCE", "ActionKind", "DiagnosisKind", "Family", "Level", "Origin", "Ruling"]


class Family(StrEnum):
    """What a case is about: the model and its data, the service that answers, or the pipeline around both."""

    MODEL = "model"
    SERVICE = "service"
    PIPELINE = "pipeline"


class DiagnosisKind(StrEnum):
    """What an incident is, in order of causation: what stands further up explains what stands below."""

    DATA_OUTAGE = "data_outage"
    UNIT_CHANGE = "unit_change"
    UPSTREAM_SCHEMA_CHANGE = "upstream_schema_change"
    PIPELINE_FAILURE = "pipeline_failure"
    BAD_RELEASE = "bad_release"
    LATENCY = "latency"
    LABEL_PROBLEM = "label_problem"
    FAIRNESS_REGRESSION = "fairness_regression"
    STALE_MODEL = "stale_model"
    COVARIATE_DRIFT = "covariate_drift"
    CONCEPT_DRIFT = "concept_drift"
    UNKNOWN = "unknown"


class Level(StrEnum):
    """How bad it is, in three words."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for LOW up to 2 for HIGH."""
        return list(Level).index(self)

    @staticmethod
    def of(severity: float) -> Level:
        """Return the level of a severity 0..1: its third.

        >>> Level.of(0.2), Level.of(0.5), Level.of(2 / 3)
        (<Level.LOW: 'low'>, <Level.MEDIUM: 'medium'>, <Level.HIGH: 'high'>)
        """
        if severity < 1 / 3:
            return Level.LOW
        return Level.MEDIUM if severity < 2 / 3 else Level.HIGH


class ActionKind(StrEnum):
    """What can be done about trouble."""

    LOG = "log"
    NOTIFY_OWNER = "notify_owner"
    ESCALATE = "escalate"
    QUARANTINE_FEED = "quarantine_feed"
    RELEASE_FEED = "release_feed"
    SCALE = "scale"
    CLEAR_CACHE = "clear_cache"
    OPEN_LABELLING = "open_labelling"
    RETRAIN = "retrain"
    APPROVE_VERSION = "approve_version"
    DEPLOY = "deploy"
    ROLL_BACK = "roll_back"
    REINSTATE = "reinstate"
    PAUSE_ENDPOINT = "pause_endpoint"
    RESUME_ENDPOINT = "resume_endpoint"
    CHANGE_CONFIG = "change_config"
    DELETE_DATA = "delete_data"

    @property
    def only_tells(self) -> bool:
        """Whether it changes nothing but what people know: no limit and no switch holds it back."""
        return self in {ActionKind.LOG, ActionKind.NOTIFY_OWNER, ActionKind.ESCALATE}


AT_ONCE = frozenset({ActionKind.ROLL_BACK, ActionKind.RELEASE_FEED, ActionKind.RESUME_ENDPOINT})
"""What an approver does at once: who sees that something is wrong must not have to wait for a second person."""


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
