"""``retrain_config.yaml``: when a model is to be trained again, as a tree of conditions."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any, Self

from apscheduler.triggers.cron import CronTrigger
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.measures.metrics import METRICS

__all__ = [
    "AgeCondition",
    "AllCondition",
    "AnyCondition",
    "Condition",
    "DriftCondition",
    "NewLabelsCondition",
    "NotCondition",
    "PerformanceCondition",
    "ReleaseConfig",
    "RetrainConfig",
    "ScheduleCondition",
]

_MAX_DEPTH = 10
_KINDS = ("all", "any", "not", "drift", "performance", "schedule", "new_labels", "age")


class DriftLeaf(Strict):
    """The inputs have moved."""

    min_share: float = Field(gt=0, le=1, description="Share of the judged columns that are in breach.")


class PerformanceLeaf(Strict):
    """Measured quality is not good enough any more."""

    metric: str = Field(description="Name of a metric, e.g. mape.")
    above: float | None = Field(default=None, description="Holds when the value lies above it.")
    below: float | None = Field(default=None, description="Holds when the value lies below it.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.metric not in METRICS:
            raise ValueError(f"metric {self.metric!r} is unknown; expected one of {', '.join(METRICS)}")
        if (self.above is None) == (self.below is None):
            raise ValueError(f"metric {self.metric!r} needs either above or below; state one of them")
        return self


class ScheduleLeaf(Strict):
    """A moment of a calendar has passed since the last training."""

    cron: str = Field(description="Five cron fields, UTC: minute hour day month weekday.")

    @field_validator("cron")
    @classmethod
    def _readable(cls, cron: str) -> str:
        try:
            CronTrigger.from_crontab(cron, timezone=UTC)
        except ValueError as error:
            raise ValueError(f"{cron!r} is no cron expression ({error}); e.g. '0 3 * * 1'") from error
        return cron


class NewLabelsLeaf(Strict):
    """Enough new true outcomes have come."""

    at_least: int = Field(ge=1, description="Labelled rows since the last training.")


class AgeLeaf(Strict):
    """The version that serves was trained long ago."""

    longer_than: Duration = Field(description="Time since the last training.")


class DriftCondition(Strict):
    """``drift``."""

    drift: DriftLeaf


class PerformanceCondition(Strict):
    """``performance``."""

    performance: PerformanceLeaf


class ScheduleCondition(Strict):
    """``schedule``."""

    schedule: ScheduleLeaf


class NewLabelsCondition(Strict):
    """``new_labels``."""

    new_labels: NewLabelsLeaf


class AgeCondition(Strict):
    """``age``."""

    age: AgeLeaf


class AllCondition(Strict):
    """``all``: every one holds."""

    all: tuple[Condition, ...] = Field(min_length=1, description="Conditions that must all hold.")


class AnyCondition(Strict):
    """``any``: at least one holds."""

    any: tuple[Condition, ...] = Field(min_length=1, description="Conditions of which one must hold.")


class NotCondition(Strict):
    """``not``: it does not hold."""

    negated: Condition = Field(alias="not", description="The condition that must not hold.")


def _kind_of(value: Any) -> str | None:
    """Return the key that a mapping has, which is what it is; None when it has none, or several."""
    if not isinstance(value, dict):
        return next((kind for kind, model in _MODELS.items() if isinstance(value, model)), None)
    keys = [key for key in value if key in _KINDS]
    return str(keys[0]) if len(keys) == 1 else None


Condition = Annotated[
    Annotated[AllCondition, Tag("all")]
    | Annotated[AnyCondition, Tag("any")]
    | Annotated[NotCondition, Tag("not")]
    | Annotated[DriftCondition, Tag("drift")]
    | Annotated[PerformanceCondition, Tag("performance")]
    | Annotated[ScheduleCondition, Tag("schedule")]
    | Annotated[NewLabelsCondition, Tag("new_labels")]
    | Annotated[AgeCondition, Tag("age")],
    Discriminator(
        _kind_of,
        custom_error_type="condition",
        custom_error_message=f"Expected a condition with exactly one of the keys {', '.join(_KINDS)}",
    ),
]

_MODELS: dict[str, type[Strict]] = {
    "all": AllCondition,
    "any": AnyCondition,
    "not": NotCondition,
    "drift": DriftCondition,
    "performance": PerformanceCondition,
    "schedule": ScheduleCondition,
    "new_labels": NewLabelsCondition,
    "age": AgeCondition,
}

for _model in (AllCondition, AnyCondition, NotCondition):
    _model.model_rebuild()


class ReleaseConfig(Strict):
    """When a retrained version is better than the one that serves."""

    min_gain: float = Field(
        default=0.0, ge=0, description="How much better it must be, in the unit of the primary metric."
    )


class RetrainConfig(Strict):
    """``retrain_config.yaml``: when a model is trained again, and when the result may replace what serves."""

    when: Condition = Field(description="The condition; combine several with all, any, not.")
    cooldown: Duration = Field(
        default="1d", validate_default=True, description="Time after a retraining in which none is asked for."
    )
    recent_share: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Latest share of the labelled rows that is kept from training, to compare old and new on.",
    )
    release: ReleaseConfig = ReleaseConfig()

    @field_validator("when", mode="before")
    @classmethod
    def _bounded(cls, when: Any) -> Any:
        if _depth(when) > _MAX_DEPTH:
            raise ValueError(f"conditions are nested more than {_MAX_DEPTH} deep; flatten them")
        return when


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        inner = [one[key] for one in level if isinstance(one, dict) for key in ("all", "any", "not") if key in one]
        level = [child for one in inner for child in (one if isinstance(one, list | tuple) else [one])]
        depth += 1
    return depth
