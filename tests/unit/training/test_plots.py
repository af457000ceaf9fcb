"""The pictures of a winner: images that show something, each with its data."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from tests.unit.training.test_explain import explanation_of, problem_for, target_for

from trimtab.core.enums import Task
from trimtab.training.evaluate import confusion_of
from trimtab.training.plots import PlotTask, draw
from trimtab.training.settings import Algorithm

NAMES = {
    Task.BINARY: {"confusion_matrix", "roc_and_precision_recall", "calibration_curve"},
    Task.MULTICLASS: {"confusion_matrix", "roc_and_precision_recall", "calibration_curve"},
    Task.REGRESSION: {"predicted_vs_true", "residuals"},
}


def task_for(task: Task) -> PlotTask:
    problem, target = problem_for(task), target_for(task)
    rng = np.random.default_rng(2)
    if task is Task.REGRESSION:
        raw = target + rng.normal(size=len(target)) * 0.1
    else:
        raw = np.eye(len(problem.classes))[target] + rng.random((len(target), len(problem.classes)))
        raw /= raw.sum(axis=1, keepdims=True)
    held_out = problem.read(raw)
    explanation = explanation_of(Algorithm.LIGHTGBM, problem)
    looks = rng.normal(size=explanation.values.shape[:2])
    looks[:, 0] = np.nan
    return PlotTask(
        title="model",
        problem=problem,
        target=target,
        held_out=held_out,
        confusion=confusion_of(problem, target, held_out),
        importance={"x": 0.7, "a name that is much too long to be shown beside a bar": 0.3},
        explanation=explanation,
        looks=looks,
    )


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS, Task.REGRESSION])
def test_every_picture_is_an_image_with_its_data_beside_it(task: Task) -> None:
    files = draw(task_for(task)).files
    names = NAMES[task] | {"feature_importance", "shap_summary"}
    assert set(files) == {f"{name}.{kind}" for name in names for kind in ("png", "json")}
    for name in names:
        image = imread(io.BytesIO(files[f"{name}.png"]), format="png")
        assert min(image.shape[:2]) > 150
        assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 20
        assert json.loads(files[f"{name}.json"])


def test_same_winner_gives_the_same_bytes() -> None:
    task = task_for(Task.BINARY)
    assert draw(task).files == draw(task).files


def test_data_of_a_curve_is_that_of_the_answers() -> None:
    task = task_for(Task.BINARY)
    data = json.loads(draw(task).files["roc_and_precision_recall.json"])
    roc = data["roc"]["class 1"]
    assert (roc["x"][0], roc["y"][0], roc["x"][-1], roc["y"][-1]) == (0, 0, 1, 1)
    reliability = json.loads(draw(task).files["calibration_curve.json"])["class 1"]
    assert sum(reliability["rows"]) == len(task.target)


def test_odd_winners_are_drawn_too() -> None:
    task = task_for(Task.BINARY)
    constant = replace(task, explanation=None, looks=None, importance={})
    assert "shap_summary.png" not in draw(constant).files
    one_class = replace(task, target=np.ones(len(task.target), dtype=np.int64))
    assert "roc_and_precision_recall.png" not in draw(one_class).files
    assert task.explanation is not None
    nothing = replace(task.explanation, values=np.zeros_like(task.explanation.values))
    assert "shap_summary.png" in draw(replace(task, explanation=nothing)).files
