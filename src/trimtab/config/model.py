"""``model.yaml``: what a model is for, and the names that all its other files refer to."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.core.enums import Answers, Task

__all__ = ["FeedConfig", "ModelConfig", "Name", "ReleaseCosts"]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Lower-case letters, digits, hyphens.")]

_DEFAULT_METRICS = {
    Task.BINARY: ("accuracy", "f1", "roc_auc", "precision", "recall"),
    Task.MULTICLASS: ("accuracy", "f1", "precision", "recall"),
    Task.REGRESSION: ("mape", "rmse", "mae"),
}


class FeedConfig(Strict):
    """Somebody who sends data for this model: a clinic, a plant, a partner's warehouse."""

    owner: str = Field(description="Who is told when the feed is broken: a person or team.")
    notify: str | None = Field(
        default=None,
        description="Name of a notification route in trimtab.yaml; without it the model's routes are used.",
    )


class ReleaseCosts(Strict):
    """What it costs to act, in the loss of a row summed over rows: so much has a retraining to save.

    What is left out follows from how much the version that serves usually loses in a decision period.
    """

    retrain: float | None = Field(
        default=None,
        ge=0,
        description="One training; null: half of what the serving version usually loses in a decision period; 0: free.",
    )
    release: float | None = Field(
        default=None,
        ge=0,
        description="Bringing a version out, also one that served before; null: a tenth of that loss; 0: free.",
    )


class ModelConfig(Strict):
    """What the model predicts, how it knows a row, and how it is judged. Metrics are named here, once."""

    name: Name
    description: str = Field(default="", description="The question that the model answers, for people.")
    task: Task
    answers: Answers = Field(
        default=Answers.REALTIME,
        description="'realtime' while somebody waits, or 'batch'; it settles how a new version goes out where "
        "deployment_config.yaml does not say it.",
    )
    target: str = Field(description="The column to predict.")
    positive_class: str | None = Field(
        default=None, description="Binary tasks: the class whose probability is reported."
    )
    key: str | None = Field(default=None, description="The column that identifies a row to its sender (record key).")
    time: str | None = Field(default=None, description="The column that says when the row happened (event time).")
    time_features: bool = Field(
        default=False, description="Learn from hour, weekday and season of the time column too, as far as they recur."
    )
    ignore: tuple[str, ...] = Field(default=(), description="Columns that are delivered but are no features.")
    label_delay: Duration = Field(
        default="0s", validate_default=True, description="How late the true outcome is known."
    )
    metrics: tuple[str, ...] = Field(default=(), description="Metrics to compute; the first is the primary one.")
    primary_metric: str | None = Field(default=None, description="The metric that selects and compares versions.")
    criticality: float = Field(
        default=1.0,
        ge=0.5,
        le=1.5,
        description="How much depends on it: multiplies the severity of its incidents, 1 being usual.",
    )
    feeds: dict[Name, FeedConfig] = Field(default_factory=dict, description="Who sends rows, and who answers for them.")
    costs: ReleaseCosts = ReleaseCosts()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.task is Task.BINARY and self.positive_class is None:
            raise ValueError("task binary needs positive_class; name the class that counts as 'yes'")
        if self.task is Task.REGRESSION and self.positive_class is not None:
            raise ValueError("positive_class is for task binary; remove it, or change the task")
        if self.time_features and (self.time is None or self.time in self.ignore):
            raise ValueError("time_features needs time, and that column not under ignore; name it, or set it to false")
        named = self.metrics or _DEFAULT_METRICS[self.task]
        if self.primary_metric is not None and self.primary_metric not in named:
            raise ValueError(f"primary_metric {self.primary_metric!r} is not among metrics {list(named)}; add it there")
        return self

    @property
    def all_metrics(self) -> tuple[str, ...]:
        """The metrics named, or the task's usual ones."""
        return self.metrics or _DEFAULT_METRICS[self.task]

    @property
    def main_metric(self) -> str:
        """The metric that selects and compares."""
        return self.primary_metric or self.all_metrics[0]

    @property
    def not_features(self) -> frozenset[str]:
        """Columns that never reach the estimator: target, key, ignored ones, and time unless it is a feature too."""
        time = None if self.time_features else self.time
        return frozenset(name for name in (self.target, self.key, time, *self.ignore) if name is not None)
