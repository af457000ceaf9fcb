"""``training_config.yaml``: how a model is split, tuned, judged and exported."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.core.enums import Task

__all__ = [
    "Algorithm",
    "CandidateSettings",
    "Choices",
    "CrossValidation",
    "Gate",
    "Range",
    "SplitSettings",
    "StratifiedSplit",
    "TimeSplit",
    "TrainingConfig",
    "default_space",
]

Scalar = bool | int | float | str | None


class Algorithm(StrEnum):
    """The estimators that Trimtab trains by itself."""

    LOGISTIC_REGRESSION = "logistic_regression"
    RIDGE = "ridge"
    RANDOM_FOREST = "random_forest"
    XGBOOST = "xgboost"
    LIGHTGBM = "lightgbm"

    def fits(self, task: Task) -> bool:
        """Return whether the estimator can do the task.

        >>> Algorithm.RIDGE.fits(Task.BINARY), Algorithm.XGBOOST.fits(Task.REGRESSION)
        (False, True)
        """
        if self is Algorithm.LOGISTIC_REGRESSION:
            return task.is_classification
        return self is not Algorithm.RIDGE or task is Task.REGRESSION


class StratifiedSplit(Strict):
    """Hold out a random share of the rows, of each class alike."""

    type: Literal["stratified"] = "stratified"
    test_share: float = Field(default=0.2, gt=0, lt=0.9, description="Share of rows held out.")
    refit: bool = Field(default=False, description="Fit the winner once more on all rows, after it was judged.")


class TimeSplit(Strict):
    """Hold out the latest rows: the test part is strictly later than what is learnt from."""

    type: Literal["time"] = "time"
    test_share: float = Field(default=0.2, gt=0, lt=0.9, description="Share of rows held out, the latest ones.")
    refit: bool = Field(default=True, description="Fit the winner once more on all rows, after it was judged.")


SplitSettings = Annotated[StratifiedSplit | TimeSplit, Field(discriminator="type")]


class CrossValidation(Strict):
    """Score each trial on several parts of the training rows (with a time split: on growing windows)."""

    folds: Annotated[int, Field(ge=2, le=20)] | None = Field(
        default=None, description="Parts; each is held out once. Null: 5 below 500 rows to learn from, 3 from there on."
    )

    def folds_for(self, rows: int) -> int:
        """Return the number of parts for so many rows to learn from; three, too, where five would be tiny.

        >>> CrossValidation().folds_for(200), CrossValidation().folds_for(10_000), CrossValidation(folds=4).folds_for(9)
        (5, 3, 4)
        """
        if self.folds is not None:
            return self.folds
        return 5 if 12 <= rows < 500 else 3


class Range(Strict):
    """Numbers from which a parameter is drawn; whole ones, if ``low`` and ``high`` are."""

    low: int | float = Field(description="Smallest value.")
    high: int | float = Field(description="Largest value.")
    log: bool = Field(default=False, description="Draw on a logarithmic scale.")
    step: int | float | None = Field(default=None, description="Distance of the values; null: any between.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} lies above high {self.high:g}; swap them")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0 and no step; change one of them")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step {self.step:g} is not above 0; raise it")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether whole numbers are drawn."""
        return all(not isinstance(bound, float) for bound in (self.low, self.high, self.step or 1))


class Choices(Strict):
    """Values from which a parameter is chosen; one value fixes it."""

    choices: tuple[Scalar, ...] = Field(min_length=1, description="The values.")


Dimension = Range | Choices

_SPACES: dict[Algorithm, dict[str, Dimension]] = {
    Algorithm.LOGISTIC_REGRESSION: {"C": Range(low=1e-3, high=1e2, log=True)},
    Algorithm.RIDGE: {"alpha": Range(low=1e-3, high=1e3, log=True)},
    Algorithm.RANDOM_FOREST: {
        "n_estimators": Range(low=40, high=120, step=20),
        "max_depth": Range(low=4, high=12),
        "min_samples_leaf": Range(low=2, high=20, log=True),
        "max_features": Choices(choices=("sqrt", 0.5)),
    },
    Algorithm.XGBOOST: {
        "n_estimators": Range(low=50, high=250, step=50),
        "learning_rate": Range(low=0.03, high=0.3, log=True),
        "max_depth": Range(low=2, high=8),
        "min_child_weight": Range(low=1.0, high=10.0, log=True),
        "subsample": Range(low=0.6, high=1.0),
        "colsample_bytree": Range(low=0.6, high=1.0),
        "reg_lambda": Range(low=0.1, high=10.0, log=True),
    },
    Algorithm.LIGHTGBM: {
        "n_estimators": Range(low=50, high=250, step=50),
        "learning_rate": Range(low=0.03, high=0.3, log=True),
        "num_leaves": Range(low=7, high=63, log=True),
        "min_child_samples": Range(low=5, high=60, log=True),
        "subsample": Range(low=0.6, high=1.0),
        "colsample_bytree": Range(low=0.6, high=1.0),
        "reg_lambda": Range(low=0.1, high=10.0, log=True),
    },
}

_FURTHER_PARAMETERS: dict[Algorithm, frozenset[str]] = {
    Algorithm.LOGISTIC_REGRESSION: frozenset({"class_weight", "max_iter", "tol"}),
    Algorithm.RIDGE: frozenset({"tol", "max_iter"}),
    Algorithm.RANDOM_FOREST: frozenset({"class_weight", "criterion", "min_samples_split", "max_leaf_nodes"}),
    Algorithm.XGBOOST: frozenset({"gamma", "reg_alpha", "max_bin", "scale_pos_weight"}),
    Algorithm.LIGHTGBM: frozenset({"max_depth", "reg_alpha", "max_bin", "class_weight", "min_split_gain", "objective"}),
}


def default_space(algorithm: Algorithm) -> dict[str, Dimension]:
    """Return the search space that is used where the configuration names none.

    >>> sorted(default_space(Algorithm.RIDGE))
    ['alpha']
    """
    return dict(_SPACES[algorithm])


class CandidateSettings(Strict):
    """One kind of estimator to try."""

    type: Algorithm
    trials: int | None = Field(default=None, ge=1, le=1000, description="Trials; without it, the configuration's.")
    space: dict[str, Dimension] = Field(default_factory=dict, description="Parameters to search, over the defaults.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = set(_SPACES[self.type]) | _FURTHER_PARAMETERS[self.type]
        unknown = sorted(set(self.space) - known)
        if unknown:
            raise ValueError(f"{self.type} has no parameter {unknown[0]!r}; expected one of {', '.join(sorted(known))}")
        return self

    @property
    def full_space(self) -> dict[str, Dimension]:
        """The default space with this candidate's own dimensions in it."""
        return default_space(self.type) | self.space


class Gate(Strict):
    """What a metric on the held-out rows must be for the version to be registered."""

    min: float | None = Field(default=None, description="Must not be below it.")
    max: float | None = Field(default=None, description="Must not be above it.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.min is None) == (self.max is None):
            raise ValueError("a gate has either min or max; name one")
        return self


class TrainingConfig(Strict):
    """How candidates are split, tuned, selected, gated and exported."""

    split: SplitSettings = Field(default=StratifiedSplit(), description="How rows are held out to judge on.")
    cross_validation: CrossValidation | None = Field(
        default=CrossValidation(), description="Null: one cut, a fifth of the training rows (with time: the latest)."
    )
    candidates: tuple[CandidateSettings, ...] = Field(min_length=1)
    trials: int = Field(default=10, ge=1, le=1000, description="Trials of each candidate.")
    trial_timeout: Duration = Field(default="10m", validate_default=True, description="A longer trial is given up.")
    time_limit: Duration | None = Field(
        default="6h", validate_default=True, description="A training that takes longer is ended; null: never."
    )
    prune: bool = Field(default=True, description="Give up a trial early that does worse than half of those before.")
    tuning_rows: int = Field(
        default=50_000,
        ge=1_000,
        description="Trials see at most so many training rows, sampled; the winner is fitted on all.",
    )
    class_balance: Literal["auto", "none", "weighted"] = Field(
        default="auto",
        description="Whether rare classes weigh more; auto: where the rarest has less than a tenth of "
        "the rows, unless the primary metric counts all rows alike (accuracy, log_loss, brier, ece).",
    )
    calibration: Literal["auto", "none", "sigmoid", "temperature"] = Field(
        default="auto", description="How probabilities are corrected; auto: only where that lowers the log loss."
    )
    decision_threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] | None = Field(
        default=None,
        description="Binary: from which probability the answer is the positive class; auto: of the best F1; null: 0.5, "
        "or auto where rare classes weigh more.",
    )
    lookback: Duration | None = Field(
        default=None, description="Learn only from rows of this last span of event time; null: from all there are."
    )
    target_transform: Literal["none", "log1p"] = Field(
        default="none", description="Regression: learn log(1 + y), for targets that grow by factors."
    )
    gates: dict[str, Gate] = Field(default_factory=dict, description="Metric → bound on the held-out rows.")
    parity_tolerance: float = Field(
        default=1e-4,
        gt=0,
        description="Largest difference allowed between ONNX and original; regression: of its scale.",
    )
    golden_rows: int = Field(default=64, ge=1, le=5_000, description="Rows kept in the bundle with expected outputs.")
    max_categories: int = Field(
        default=100, ge=1, le=5_000, description="Categories of a column; rarer ones are unseen."
    )
    max_terms: int = Field(default=2_000, ge=1, le=5_000, description="Terms of a text column that are counted.")
    explain_rows: int = Field(
        default=500, ge=0, le=10_000, description="Held-out rows that are explained (SHAP values); 0: none."
    )
    cache: bool = Field(default=True, description="Take over steps whose code, settings and rows have not changed.")
    reference_blocks: int = Field(default=12, ge=1, le=500, description="Time blocks of the monitoring reference.")
    workers: int | None = Field(default=None, ge=1, le=256, description="Processes; without it, one a core.")
    seed: int = Field(default=42, ge=0, le=2**31 - 1, description="The same seed and data give the same version.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        types = [candidate.type for candidate in self.candidates]
        if len(set(types)) != len(types):
            raise ValueError(f"candidates repeat: {', '.join(types)}; name each type once and widen its space")
        return self
