"""Rare classes from the fit to the graph: weighted, calibrated, decided by a threshold, the same everywhere."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import ColumnKind, Task
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import Scalar, fit
from trimtab.training.evaluate import metrics_of
from trimtab.training.export import ParityError
from trimtab.training.finish import Finished, FinishTask, answer_unseen, finish, fit_for_good
from trimtab.training.problem import Problem
from trimtab.training.selection import bounded
from trimtab.training.settings import Algorithm, CandidateSettings, CrossValidation, Range, StratifiedSplit
from trimtab.training.split import split_rows, validation_folds
from trimtab.training.tune import TuneTask

FEATURES = (Feature(name="x", kind=ColumnKind.NUMBER), Feature(name="z", kind=ColumnKind.NUMBER))
RARE = Problem(Task.BINARY, ("no", "yes"), "yes", ("f1", "log_loss", "recall"), "f1", "none", weighted=True)
ROWS = 1_500
RNG = np.random.default_rng(5)
INPUTS = Inputs(RNG.normal(size=(ROWS, 2)).astype(np.float32), np.zeros((ROWS, 0), dtype=np.int64))
SCORE = INPUTS.numeric.sum(axis=1) + RNG.normal(size=ROWS) * 0.8
TARGET = (np.quantile(SCORE, 0.94) < SCORE).astype(np.int64)
SMALL = {Algorithm.XGBOOST: {"n_estimators": 20}, Algorithm.LIGHTGBM: {"n_estimators": 20}}


def finished(
    algorithm: Algorithm,
    problem: Problem,
    *,
    target: NDArray[np.int64] = TARGET,
    params: dict[str, Scalar] | None = None,
    **wanted: object,
) -> tuple[Finished, FinishTask]:
    rng = np.random.default_rng(0)
    split = split_rows(StratifiedSplit(), target, None, ROWS, rng)
    folds = validation_folds(CrossValidation(folds=3), split, target, None, rng)
    tuned = TuneTask(
        candidate=CandidateSettings(type=algorithm),
        problem=problem,
        features=FEATURES,
        split=split,
        folds=folds,
        trials=1,
        trial_timeout_s=60,
        seed=1,
    )
    chosen: dict[str, Scalar] = params or dict(SMALL.get(algorithm, {}))
    train = split.train
    raw = fit(algorithm, chosen, problem, FEATURES, INPUTS.take(train), target[train], seed=1).answer(
        INPUTS.take(split.test)
    )
    task = FinishTask(
        tuned=tuned,
        params=chosen,
        rows=train,
        golden_rows=np.arange(60),
        reference_folds=folds,
        parity_tolerance=1e-4,
        held_out_raw=raw.raw,
        calibration="auto",
        decision_threshold=None,
    )
    task = replace(task, **wanted)  # type: ignore[arg-type]
    done = finish(task, fit_for_good(task, INPUTS, target), answer_unseen(task, INPUTS, target), INPUTS, target)
    return done, task


@pytest.mark.parametrize(
    "algorithm", [Algorithm.LOGISTIC_REGRESSION, Algorithm.XGBOOST, Algorithm.LIGHTGBM, Algorithm.RANDOM_FOREST]
)
def test_weighted_classes_are_calibrated_in_the_graph_too(algorithm: Algorithm) -> None:
    done, task = finished(algorithm, RARE)
    assert done.calibration is not None
    assert done.calibration.log_loss_after < done.calibration.log_loss_before
    manifest = shell_manifest(done.problem, FEATURES, "m", "y")
    manifest = msgspec.structs.replace(manifest, decision_threshold=done.decision_threshold)
    served = Predictor(manifest, done.model_onnx).predict(INPUTS.take(task.golden_rows))
    assert done.golden.probability is not None
    assert served.probability is not None
    np.testing.assert_allclose(served.probability, done.golden.probability, atol=1e-4)
    assert served.labels.tolist() == done.golden.prediction.tolist()
    # The rows out of sample are those that monitors compare with: on average they say how often it happens.
    mean = np.concatenate(done.out_of_sample)[:, 1].mean()
    assert mean == pytest.approx(TARGET[task.tuned.split.train].mean(), abs=0.01)


def test_threshold_finds_the_rare_class_where_a_half_would_not() -> None:
    found, _ = finished(Algorithm.LOGISTIC_REGRESSION, RARE)
    fixed, _ = finished(Algorithm.LOGISTIC_REGRESSION, RARE, decision_threshold=0.5)
    assert fixed.decision_threshold == 0.5
    assert found.decision_threshold < 0.5
    assert found.metrics["recall"] > fixed.metrics["recall"]
    assert found.metrics["log_loss"] == pytest.approx(fixed.metrics["log_loss"])


def test_confusion_and_classes_are_those_of_the_threshold() -> None:
    done, task = finished(Algorithm.LOGISTIC_REGRESSION, RARE)
    assert done.confusion is not None
    assert done.confusion.labels == ("no", "yes")
    held_out = done.held_out.prediction == "yes"
    assert sum(row[1] for row in done.confusion.counts) == held_out.sum()
    no, yes = done.per_class
    assert (no.rows + yes.rows, yes.answered) == (len(task.tuned.split.test), held_out.sum())
    assert done.metrics["f1"] == pytest.approx(yes.f1)


def test_nothing_is_changed_where_nothing_is_asked() -> None:
    plain = replace(RARE, weighted=False)
    done, task = finished(Algorithm.LOGISTIC_REGRESSION, plain, calibration="none")
    assert (done.calibration, done.decision_threshold, done.notes) == (None, 0.5, ())
    assert task.held_out_raw is not None
    np.testing.assert_array_equal(done.held_out.raw, task.held_out_raw)
    again, _ = finished(Algorithm.LOGISTIC_REGRESSION, plain, calibration="none", held_out_raw=None)
    np.testing.assert_array_equal(again.held_out.raw, task.held_out_raw)


def test_threshold_of_the_best_f1_can_be_asked_for_without_weights() -> None:
    plain = replace(RARE, weighted=False)
    found, task = finished(Algorithm.LOGISTIC_REGRESSION, plain, decision_threshold="auto")
    assert found.decision_threshold != 0.5
    assert any(note.startswith("decision_threshold") for note in found.notes)
    truth = np.concatenate([TARGET[fold.score] for fold in task.reference_folds])
    chances = np.concatenate(found.out_of_sample)[:, 1]

    def f1(threshold: float) -> float:
        said = chances >= threshold
        return 2 * float((said & (truth == 1)).sum()) / float(said.sum() + truth.sum())

    assert f1(found.decision_threshold) == max(f1(threshold) for threshold in chances)


def test_calibration_that_the_graph_cannot_follow_is_left_out_with_a_note() -> None:
    calibrated, _ = finished(Algorithm.XGBOOST, RARE)
    plain, _ = finished(Algorithm.XGBOOST, RARE, calibration="none")
    worse, better = calibrated.parity.max_abs_difference, plain.parity.max_abs_difference
    assert calibrated.calibration is not None
    assert worse > better
    found, _ = finished(Algorithm.XGBOOST, RARE, parity_tolerance=(worse + better) / 2)
    assert found.calibration is None
    assert found.notes[0].startswith("not calibrated: candidate xgboost: ONNX differs")
    assert found.parity == msgspec.structs.replace(plain.parity, tolerance=(worse + better) / 2)
    with pytest.raises(ParityError, match="ONNX differs"):
        finished(Algorithm.XGBOOST, RARE, calibration="sigmoid", parity_tolerance=(worse + better) / 2)


def test_temperature_of_many_classes_is_in_the_graph_too() -> None:
    problem = Problem(Task.MULTICLASS, ("low", "middle", "high"), None, ("log_loss", "f1"), "f1", "none")
    levels = np.digitize(SCORE, np.quantile(SCORE, [0.4, 0.7]))
    # Deep trees on noisy rows are far too sure.
    params: dict[str, Scalar] = {"n_estimators": 60, "min_child_samples": 1, "learning_rate": 0.3}
    done, task = finished(Algorithm.LIGHTGBM, problem, target=levels, params=params)
    assert done.calibration is not None
    assert (done.calibration.method, done.calibration.slope < 1) == ("temperature", True)
    manifest = shell_manifest(done.problem, FEATURES, "m", "y")
    served = Predictor(manifest, done.model_onnx).predict(INPUTS.take(task.golden_rows))
    assert served.probabilities is not None
    np.testing.assert_allclose(served.probabilities, done.golden.raw, atol=1e-4)
    assert task.held_out_raw is not None
    uncalibrated = metrics_of(problem, levels[task.tuned.split.test], problem.read(task.held_out_raw))
    assert done.metrics["log_loss"] < uncalibrated["log_loss"]
    assert done.metrics["f1"] == uncalibrated["f1"]


@pytest.mark.parametrize("algorithm", [one for one in Algorithm if one is not Algorithm.RIDGE])
def test_weights_raise_the_rare_class_unless_the_user_set_their_own(algorithm: Algorithm) -> None:
    params = dict(SMALL.get(algorithm, {"n_estimators": 20} if algorithm is Algorithm.RANDOM_FOREST else {}))
    params |= {"max_depth": 3} if algorithm is not Algorithm.LOGISTIC_REGRESSION else {}
    own: dict[str, object] = (
        {"scale_pos_weight": 1.0} if algorithm is Algorithm.XGBOOST else {"class_weight": {0: 1.0, 1: 1.0}}
    )

    def mean_chance(problem: Problem, more: dict[str, object]) -> float:
        fitted = fit(algorithm, params | more, problem, FEATURES, INPUTS, TARGET, seed=1)  # type: ignore[arg-type]
        return float(fitted.answer(INPUTS).raw[:, 1].mean())

    plain = mean_chance(replace(RARE, weighted=False), {})
    assert mean_chance(RARE, {}) > plain + 0.05
    assert mean_chance(RARE, own) == pytest.approx(plain, abs=0.01)


def test_class_of_fewer_rows_than_folds_is_tuned_and_exported() -> None:
    problem = Problem(Task.MULTICLASS, ("a", "b", "c"), None, ("f1",), "f1", "none")
    target = TARGET.copy()
    target[np.flatnonzero(TARGET == 0)[:2]] = 2
    rng = np.random.default_rng(0)
    split = split_rows(StratifiedSplit(), target, None, ROWS, rng)
    for fold in validation_folds(CrossValidation(folds=5), split, target, None, rng):
        fitted = fit(
            Algorithm.LIGHTGBM, {"n_estimators": 5}, problem, FEATURES, INPUTS.take(fold.fit), target[fold.fit], seed=1
        )
        assert fitted.answer(INPUTS.take(fold.score)).raw.shape == (len(fold.score), 3)
    assert set(target[split.train]) == {0, 1, 2}


def test_many_classes_get_fewer_trees_unless_they_were_named() -> None:
    many = replace(RARE, task=Task.MULTICLASS, classes=tuple(f"c{place:03d}" for place in range(200)))
    trees = bounded(CandidateSettings(type=Algorithm.XGBOOST), many).full_space["n_estimators"]
    assert isinstance(trees, Range)
    assert trees.high * 200 <= 6_000
    named = CandidateSettings(type=Algorithm.XGBOOST, space={"n_estimators": Range(low=5, high=500)})
    assert bounded(named, many).full_space["n_estimators"] == Range(low=5, high=500)
    assert bounded(CandidateSettings(type=Algorithm.XGBOOST), RARE) == CandidateSettings(type=Algorithm.XGBOOST)
