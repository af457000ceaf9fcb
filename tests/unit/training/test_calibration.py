import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime import InferenceSession
from scipy.special import expit, logit, softmax
from sklearn.metrics import f1_score

from trimtab.bundle.manifest import Calibration
from trimtab.core.enums import Task
from trimtab.training.calibration import best_threshold, calibrate, calibration_nodes, choose_calibration
from trimtab.training.problem import Problem

BINARY = Problem(Task.BINARY, ("no", "yes"), "yes", ("accuracy",), "accuracy", "none")
THREE = Problem(Task.MULTICLASS, ("a", "b", "c"), None, ("accuracy",), "accuracy", "none")
Matrix = NDArray[np.float64]


def both(positive: Matrix) -> Matrix:
    return np.stack([1 - positive, positive], axis=1)


def binary_rows(rows: int = 4_000, *, shift: float = 0.0, stretch: float = 1.0) -> tuple[NDArray[np.int64], Matrix]:
    """Return outcomes, and chances whose logit is off by a factor and a shift."""
    rng = np.random.default_rng(1)
    true = rng.normal(size=rows) * 1.5
    return (rng.random(rows) < expit(true)).astype(np.int64), both(expit(true * stretch + shift))


def curve(method: str, slope: float, intercept: float = 0.0) -> Calibration:
    return Calibration(
        method="sigmoid" if method == "sigmoid" else "temperature",
        slope=slope,
        intercept=intercept,
        rows=1,
        log_loss_before=0,
        log_loss_after=0,
        ece_before=0,
        ece_after=0,
    )


def chosen(problem: Problem, target: NDArray[np.int64], raw: Matrix, wanted: str = "auto") -> Calibration | None:
    return choose_calibration(wanted, problem, target, raw, np.random.default_rng(0))  # type: ignore[arg-type]


def test_sigmoid_undoes_a_shift_and_a_stretch_of_the_logit() -> None:
    found = chosen(BINARY, *binary_rows(shift=2.0, stretch=2.0))
    assert found is not None
    assert found.method == "sigmoid"
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.intercept == pytest.approx(-1.0, abs=0.1)
    assert found.ece_after < 0.03 < found.ece_before
    assert found.log_loss_after < found.log_loss_before


def test_temperature_cools_what_is_too_sure() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(4_000, 3))
    target = np.array([rng.choice(3, p=row) for row in softmax(scores, axis=1)])
    found = chosen(THREE, target, softmax(3 * scores, axis=1))
    assert found is not None
    assert found.slope == pytest.approx(1 / 3, abs=0.03)
    assert found.ece_after < found.ece_before / 3


def test_auto_leaves_alone_what_comes_true_already() -> None:
    assert chosen(BINARY, *binary_rows()) is None


def test_auto_leaves_alone_what_too_few_rows_could_tell() -> None:
    target, raw = binary_rows(90, shift=3.0)
    assert chosen(BINARY, target, raw) is None
    assert chosen(BINARY, target, raw, "sigmoid") is not None


@pytest.mark.parametrize("rows", [3, 200])
def test_one_class_alone_cannot_be_calibrated(rows: int) -> None:
    assert chosen(BINARY, np.zeros(rows, dtype=np.int64), both(np.full(rows, 0.2)), "sigmoid") is None


def test_perfect_separation_stays_finite_and_keeps_the_order() -> None:
    target = np.repeat([0, 1], 100)
    raw = both(np.where(target == 1, 1.0, 0.0))
    found = chosen(BINARY, target, raw, "sigmoid")
    assert found is not None
    corrected = calibrate(found, BINARY, raw)[:, 1]
    assert np.isfinite(corrected).all()
    assert corrected[target == 1].min() > 0.9 > 0.1 > corrected[target == 0].max()


@settings(max_examples=40, deadline=None)
@given(
    chances=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=20),
    slope=st.floats(0.05, 5),
    intercept=st.floats(-4, 4),
)
def test_calibrated_chances_keep_their_order_and_sum_to_one(
    chances: list[float], slope: float, intercept: float
) -> None:
    raw = both(np.array(chances))
    corrected = calibrate(curve("sigmoid", slope, intercept), BINARY, raw)
    assert np.allclose(corrected.sum(axis=1), 1)
    order = np.argsort(raw[:, 1], kind="stable")
    assert (np.diff(corrected[order, 1]) >= 0).all()


@pytest.mark.parametrize("positive", ["no", "yes"])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, -3.0), (2.5, 1.0)])
def test_graph_corrects_as_numpy_does(positive: str, slope: float, intercept: float) -> None:
    problem = Problem(Task.BINARY, ("no", "yes"), positive, ("accuracy",), "accuracy", "none")
    raw = both(np.concatenate([[0.0, 1.0], np.linspace(1e-4, 1 - 1e-4, 999)]))
    assert _largest_gap(curve("sigmoid", slope, intercept), problem, raw) < 2e-5


@pytest.mark.parametrize("slope", [0.3, 1.0, 3.0])
def test_graph_of_many_classes_corrects_as_numpy_does(slope: float) -> None:
    raw = np.random.default_rng(0).dirichlet(np.full(3, 0.3), 1_000)
    assert _largest_gap(curve("temperature", slope), THREE, raw) < 2e-6


def test_best_threshold_is_the_best_of_all_and_lies_between_two_chances() -> None:
    target, raw = binary_rows(600, shift=-1.0)
    positive, chance = target == 1, np.round(raw[:, 1], 3)
    found = best_threshold(positive, chance)
    best = max(f1_score(positive, chance >= cut) for cut in np.unique(chance)[::5])
    assert f1_score(positive, chance >= found) >= best
    assert found not in chance


@pytest.mark.parametrize("positive", [[False, False], [True, True]])
def test_threshold_of_one_class_is_a_half(positive: list[bool]) -> None:
    assert best_threshold(np.array(positive), np.array([0.2, 0.7])) == 0.5


def test_problem_reads_with_its_threshold() -> None:
    problem = Problem(Task.BINARY, ("no", "yes"), "yes", ("accuracy",), "accuracy", "none", threshold=0.3)
    assert problem.read(both(expit(np.array([logit(0.29), logit(0.31)])))).prediction.tolist() == ["no", "yes"]


def _largest_gap(calibration: Calibration, problem: Problem, raw: Matrix) -> float:
    nodes, constants = calibration_nodes(calibration, problem.positive_place, "raw", "out")
    width = len(problem.classes)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, width])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    single = raw.astype(np.float32)
    (found,) = session.run(["out"], {"raw": single})
    return float(np.abs(found - calibrate(calibration, problem, single.astype(np.float64))).max())
