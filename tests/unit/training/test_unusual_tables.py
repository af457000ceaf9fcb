"""Tables at the edges of what is learnt from: too few rows, very many, rare classes in order of time, many classes."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from tests.unit.training.test_job import BIKE_CONTRACT, HEART_CONTRACT, HEART_MODEL, heart_rows, request_for

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import DataContractError
from trimtab.training.cache import StepCache
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import fit
from trimtab.training.export import check_parity, export
from trimtab.training.finishing import reference_folds
from trimtab.training.plan import Plan, make_plan, read_configuration
from trimtab.training.problem import Problem
from trimtab.training.request import TrainingRequest
from trimtab.training.settings import Algorithm
from trimtab.training.stepbook import StepBook
from trimtab.training.tune import tune


def planned(folder: Path, table: pa.Table, model: dict[str, Any], contract: dict[str, Any], **training: Any) -> Plan:
    settings = {"candidates": [{"type": "logistic_regression"}]} | training
    request = msgspec.convert(request_for(folder, table, model, contract, settings), TrainingRequest)
    return make_plan(read_configuration(request), request, StepBook(StepCache(None)))


def test_fewer_than_ten_rows_are_refused_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match=r"7 to learn from, of 9; expected 8 or more \(3 folds\); deliver"):
        planned(tmp_path, heart_rows(9), HEART_MODEL, HEART_CONTRACT)
    assert len(planned(tmp_path, heart_rows(12), HEART_MODEL, HEART_CONTRACT).data) == 12


def test_trials_of_a_large_table_see_a_sample_of_each_class_alike(tmp_path: Path) -> None:
    plan = planned(tmp_path, heart_rows(1_500), HEART_MODEL, HEART_CONTRACT, tuning_rows=1_000)
    seen = np.unique(np.concatenate([fold.fit for fold in plan.tasks[0].folds]))
    assert len(plan.split.train) == 1_200
    assert len(seen) == pytest.approx(1_000, abs=1)
    assert set(seen) <= set(plan.split.train)
    assert plan.data.target[seen].mean() == pytest.approx(plan.data.target[plan.split.train].mean(), abs=0.002)
    assert "trials saw 1000 of 1200 training rows" in plan.notes[0]
    assert planned(tmp_path, heart_rows(1_500), HEART_MODEL, HEART_CONTRACT).notes == ()


def test_rare_class_is_weighted_and_found_in_order_of_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = 900
    temp = rng.normal(size=rows)
    rare = temp + rng.normal(size=rows) * 0.3 > 1.7
    table = pa.table(
        {
            "time": pa.array(np.arange(rows) * 3_600_000_000, pa.timestamp("us", tz="UTC")),
            "temp": temp,
            "count": np.where(rare, "many", "few").tolist(),
        }
    )
    columns = {"time": BIKE_CONTRACT["columns"]["time"], "temp": {"type": "number"}, "count": {"type": "category"}}
    model = {"name": "m", "task": "binary", "target": "count", "positive_class": "many", "time": "time"}
    wanted = {"metrics": ["f1", "recall"]}
    plan = planned(tmp_path, table, model | wanted, {"columns": columns}, split={"type": "time"}, trials=1)
    task = plan.tasks[0]
    assert task.problem.weighted
    assert task.free_threshold
    assert plan.split.train.max() < plan.split.test.min()
    outcome = tune(task, plan.data.inputs, plan.data.target, lambda: None)
    assert outcome.metrics["f1"] > 0.6
    # Weighted answers name the rare class too often at a half.
    assert outcome.best.threshold > 0.6


def test_more_than_150_classes_are_learnt_and_exported() -> None:
    classes = 160
    rng = np.random.default_rng(0)
    problem = Problem(Task.MULTICLASS, tuple(f"c{k:03d}" for k in range(classes)), None, ("f1",), "f1", "none")
    features = (Feature(name="x", kind=ColumnKind.NUMBER), Feature(name="z", kind=ColumnKind.NUMBER))
    target = np.repeat(np.arange(classes), 6)
    places = np.stack([target // 13, target % 13], axis=1)
    numeric = (places + rng.normal(size=places.shape) * 0.05).astype(np.float32)
    inputs = Inputs(numeric, np.zeros((len(target), 0), dtype=np.int64))
    params = {"n_estimators": 8, "learning_rate": 0.5, "min_child_samples": 2}
    fitted = fit(Algorithm.LIGHTGBM, params, problem, features, inputs, target, seed=0)
    assert (fitted.answer(inputs).raw.argmax(axis=1) == target).mean() > 0.6
    manifest = shell_manifest(problem, features, "m", "y")
    assert check_parity(fitted, manifest, export(fitted), inputs, 1e-4).rows == len(target)


def test_fits_that_only_answer_out_of_sample_learn_from_a_bounded_sample_of_each_class_alike(tmp_path: Path) -> None:
    plan = planned(tmp_path, heart_rows(8_000), HEART_MODEL, HEART_CONTRACT, tuning_rows=1_000)
    share = plan.data.target[plan.split.train].mean()

    folds = reference_folds(plan, np.random.default_rng(0))

    assert sorted(np.concatenate([fold.score for fold in folds]).tolist()) == plan.split.train.tolist()
    for fold in folds:
        assert len(fold.fit) == pytest.approx(4_000, abs=1)
        assert set(fold.fit) <= set(plan.split.train) - set(fold.score)
        assert plan.data.target[fold.fit].mean() == pytest.approx(share, abs=0.002)
    judged = plan.tasks[0].judged_fit
    assert judged is not None
    assert len(judged) == pytest.approx(4_000, abs=1)
    assert set(judged) <= set(plan.split.train)
    assert plan.notes[0].endswith("are of fits on at most 4000 rows")
