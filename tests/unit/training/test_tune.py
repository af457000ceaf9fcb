import contextlib
import gc
import time

import numpy as np
import pytest

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import BackendError, ConfigError
from trimtab.training.problem import Problem
from trimtab.training.selection import check_gates, ranked
from trimtab.training.settings import CandidateSettings, CrossValidation, Gate, StratifiedSplit
from trimtab.training.split import split_rows, validation_folds
from trimtab.training.tune import Outcome, TuneTask, _deadline, _TrialTimeoutError, tune

FEATURES = (Feature(name="x", kind=ColumnKind.NUMBER), Feature(name="noise", kind=ColumnKind.NUMBER))
PROBLEM = Problem(Task.BINARY, ("no", "yes"), "yes", ("accuracy", "roc_auc"), "accuracy", "none")
RNG = np.random.default_rng(3)
NUMERIC = RNG.normal(size=(120, 2)).astype(np.float32)
INPUTS = Inputs(NUMERIC, np.zeros((120, 0), dtype=np.int64))
TARGET = (NUMERIC[:, 0] + RNG.normal(size=120) * 0.2 > 0).astype(np.int64)


def task_for(candidate: dict[str, object], *, trials: int = 3, timeout_s: float = 60.0) -> TuneTask:
    rng = np.random.default_rng(0)
    split = split_rows(StratifiedSplit(), TARGET, None, 120, rng)
    return TuneTask(
        candidate=CandidateSettings.model_validate(candidate),
        problem=PROBLEM,
        features=FEATURES,
        split=split,
        folds=validation_folds(CrossValidation(), split, TARGET, None, rng),
        trials=trials,
        trial_timeout_s=timeout_s,
        seed=1,
    )


def run(task: TuneTask) -> Outcome:
    return tune(task, INPUTS, TARGET, lambda: None)


def test_trials_find_what_can_be_learnt() -> None:
    outcome = run(task_for({"type": "logistic_regression"}))
    assert len(outcome.trials) == 3
    assert outcome.metrics["accuracy"] > 0.8
    assert outcome.best.metrics["accuracy"] == max(trial.metrics["accuracy"] for trial in outcome.trials)
    assert outcome.best.importance["x"] > 0.7
    assert outcome.confusion is not None
    assert sum(map(sum, outcome.confusion.counts)) == len(outcome.held_out.prediction)


def test_same_seed_gives_the_same_trials() -> None:
    first, second = (run(task_for({"type": "random_forest"}, trials=2)) for _ in range(2))
    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]
    assert first.metrics == second.metrics


def test_parameters_stay_within_their_space() -> None:
    space = {"n_estimators": {"low": 3, "high": 5}, "max_depth": {"choices": [2]}}
    outcome = run(task_for({"type": "xgboost", "space": space}, trials=4))
    for trial in outcome.trials:
        assert trial.params["n_estimators"] in {3, 4, 5}
        assert trial.params["max_depth"] == 2


def test_trials_that_take_too_long_are_given_up() -> None:
    began = time.perf_counter()
    task = task_for({"type": "random_forest", "space": {"n_estimators": {"choices": [100_000]}}}, timeout_s=0.2)
    with pytest.raises(BackendError, match=r"longer than 0\.2 s"):
        run(task)
    assert time.perf_counter() - began < 20


def test_a_time_limit_holds_also_where_somebody_caught_it_or_the_garbage_collector_was_at_work() -> None:
    met = []

    def rest() -> None:
        time.sleep(0.3)
        met.append(True)

    def callback(_phase: str, _info: dict[str, int]) -> None:
        rest()

    class Slow:
        def __del__(self) -> None:
            rest()

    def busy() -> None:
        gone = Slow()
        gone.itself = gone  # type: ignore[attr-defined]
        del gone
        gc.callbacks.append(callback)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(callback)
        with contextlib.suppress(_TrialTimeoutError):
            time.sleep(20)
        time.sleep(20)

    began = time.perf_counter()
    with pytest.raises(_TrialTimeoutError), _deadline(0.1):
        busy()
    assert len(met) >= 3
    assert time.perf_counter() - began < 20


def test_parameters_that_the_estimator_refuses_are_explained() -> None:
    with pytest.raises(ConfigError, match="candidate logistic_regression: refuses"):
        run(task_for({"type": "logistic_regression", "space": {"C": {"choices": ["much"]}}}))


def test_best_validation_wins_whatever_the_held_out_rows_say() -> None:
    good, bad = run(task_for({"type": "logistic_regression"})), run(task_for({"type": "random_forest"}, trials=1))
    order = sorted([bad, good], key=lambda outcome: -outcome.best.metrics["accuracy"])
    assert ranked([bad, good], "accuracy") == order


def test_gate_on_an_undefined_metric_does_not_pass() -> None:
    (result,) = check_gates({"roc_auc": Gate(min=0.5)}, {})
    assert not result.passed
    assert result.value is None
