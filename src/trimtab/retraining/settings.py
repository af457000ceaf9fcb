"""``retrain_config.yaml``: when a model is to be trained again, as a tree of conditions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.retraining.leaves import (
    AgeLeaf,
    DriftLeaf,
    GainLeaf,
    NewLabelsLeaf,
    NewRowsLeaf,
    PerformanceLeaf,
    ScheduleLeaf,
)

__all__ = [
    "AgeCondition",
    "AllCondition",
    "AnyCondition",
    "Condition",
    "DriftCondition",
    "ForCondition",
    "GainCondition",
    "NewLabelsCondition",
    "NewRowsCondition",
    "NotCondition",
    "PerformanceCondition",
    "PoolConfig",
    "ReleaseConfig",
    "RetrainConfig",
    "ScheduleCondition",
    "SinceCondition",
    "asks",
    "monitors_named",
]

_MAX_DEPTH = 10
_KINDS = (
    *("all", "any", "not", "for", "since_last"),
    *("drift", "performance", "schedule", "new_labels", "new_rows", "age", "gain"),
)
_INNER = ("all", "any", "not", "of")


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


class NewRowsCondition(Strict):
    """``new_rows``."""

    new_rows: NewRowsLeaf


class AgeCondition(Strict):
    """``age``."""

    age: AgeLeaf


class GainCondition(Strict):
    """``gain``."""

    gain: GainLeaf


class AllCondition(Strict):
    """``all``: every one holds."""

    all: tuple[Condition, ...] = Field(min_length=1, description="Conditions that must all hold.")


class AnyCondition(Strict):
    """``any``: at least one holds."""

    any: tuple[Condition, ...] = Field(min_length=1, description="Conditions of which one must hold.")


class NotCondition(Strict):
    """``not``: it does not hold."""

    negated: Condition = Field(alias="not", description="The condition that must not hold.")


class ForCondition(Strict):
    """``for``: it has held so long."""

    span: Duration = Field(
        alias="for",
        description="How long ``of`` must have held: at each evaluation of the span, of which there are two at least.",
    )
    of: Condition = Field(description="The condition that must have held.")

    @field_validator("span")
    @classmethod
    def _lasts(cls, span: timedelta) -> timedelta:
        if span <= timedelta(0):
            raise ValueError("for must lie above 0s; e.g. '3d'")
        return span


class SinceCondition(Strict):
    """``since_last``: it holds by what was seen since then alone."""

    since_last: Literal["retrain"] = Field(
        description="retrain: windows that began before the last training was asked for count for nothing."
    )
    of: Condition = Field(description="The condition that is asked.")


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
    | Annotated[ForCondition, Tag("for")]
    | Annotated[SinceCondition, Tag("since_last")]
    | Annotated[DriftCondition, Tag("drift")]
    | Annotated[PerformanceCondition, Tag("performance")]
    | Annotated[ScheduleCondition, Tag("schedule")]
    | Annotated[NewLabelsCondition, Tag("new_labels")]
    | Annotated[NewRowsCondition, Tag("new_rows")]
    | Annotated[AgeCondition, Tag("age")]
    | Annotated[GainCondition, Tag("gain")],
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
    "for": ForCondition,
    "since_last": SinceCondition,
    "drift": DriftCondition,
    "performance": PerformanceCondition,
    "schedule": ScheduleCondition,
    "new_labels": NewLabelsCondition,
    "new_rows": NewRowsCondition,
    "age": AgeCondition,
    "gain": GainCondition,
}

for _model in (AllCondition, AnyCondition, NotCondition, ForCondition, SinceCondition):
    _model.model_rebuild()


class ReleaseConfig(Strict):
    """When a retrained version is better than the one that serves."""

    min_gain: float = Field(
        default=0.0, ge=0, description="How much better it must be, in the unit of the primary metric."
    )
    margin: float = Field(
        default=0.1,
        ge=0,
        description="By which share of the present version's loss it must not be worse, with a confidence of 97.5 %.",
    )


class PoolConfig(Strict):
    """Versions that served before and are judged on each labelled period still: one of them may serve again."""

    keep: int = Field(
        default=4, ge=1, le=20, description="How many, the champion among them; 1: none but the champion."
    )


class RetrainConfig(Strict):
    """``retrain_config.yaml``: when a model is trained again, and when the result may replace what serves."""

    when: Condition = Field(description="The condition; combine several with all, any, not.")
    cooldown: Duration = Field(
        default="1d",
        validate_default=True,
        description="Time after the conditions asked for a retraining in which they ask for none, whatever came of it.",
    )
    period: Duration = Field(
        default="7d",
        validate_default=True,
        description="The decision period: how the labelled rows are cut to weigh what a retraining would gain; the "
        "newest is kept from training, to compare old and new on. Where outcomes come later than that, their delay. "
        "Periods shorter than a week are weighed by the week that ends with the newest one.",
    )
    recent_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Latest share of the labelled rows that is kept from training instead of the newest period.",
    )
    pool: PoolConfig | None = Field(
        default=None, description="Which earlier versions are judged still and may serve again; null: none."
    )
    release: ReleaseConfig = ReleaseConfig()

    @field_validator("period")
    @classmethod
    def _lasts(cls, period: timedelta) -> timedelta:
        if period <= timedelta(0):
            raise ValueError("period must lie above 0s; e.g. '7d'")
        return period

    def decision_period(self, label_delay: timedelta) -> timedelta:
        """Return the span that the labelled rows are cut into: ``period``, or the label delay where that is longer."""
        return max(self.period, label_delay)

    @field_validator("when", mode="before")
    @classmethod
    def _bounded(cls, when: Any) -> Any:
        if _depth(when) > _MAX_DEPTH:
            raise ValueError(f"conditions are nested more than {_MAX_DEPTH} deep; flatten them")
        return when


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        inner = [one[key] for one in level if isinstance(one, dict) for key in _INNER if key in one]
        level = [child for one in inner for child in (one if isinstance(one, list | tuple) else [one])]
        depth += 1
    return depth


def asks(condition: Condition, leaf: type[Strict]) -> bool:
    """Return whether a condition of this kind is anywhere in the tree."""
    return any(isinstance(found, leaf) for _, found in _leaves(condition))


def longest_age(condition: Condition) -> timedelta | None:
    """Return the age of the last training from which a condition of the tree calls for one; None if none does."""
    ages = [leaf.age.longer_than for _, leaf in _leaves(condition) if isinstance(leaf, AgeCondition)]
    return min(ages, default=None)


def monitors_named(condition: Condition, *at: str | int) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield where a monitor is named in the tree, which kind of leaf names it, and its name; ``at`` leads there."""
    for place, leaf in _leaves(condition, *at):
        if isinstance(leaf, DriftCondition) and leaf.drift.monitor is not None:
            yield (*place, "drift", "monitor"), "drift", leaf.drift.monitor
        elif isinstance(leaf, PerformanceCondition) and leaf.performance.monitor is not None:
            yield (*place, "performance", "monitor"), "performance", leaf.performance.monitor


def _leaves(condition: Condition, *at: str | int) -> Iterator[tuple[tuple[str | int, ...], Condition]]:
    """Yield the conditions of the tree that have none below them, and where each stands."""
    match condition:
        case AllCondition():
            below = [((*at, "all", place), child) for place, child in enumerate(condition.all)]
        case AnyCondition():
            below = [((*at, "any", place), child) for place, child in enumerate(condition.any)]
        case NotCondition():
            below = [((*at, "not"), condition.negated)]
        case ForCondition() | SinceCondition():
            below = [((*at, "of"), condition.of)]
        case _:
            yield at, condition
            return
    for place, child in below:
        yield from _leaves(child, *place)
